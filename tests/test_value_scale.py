"""A number that is moved or stretched by a constant is learned as well as before, or refused."""

import functools

import keras
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skjoint import JointRegressorClassifier
from skjoint._network.loss_rules import RULES, keras_name, moves_along, rule_of
from skjoint._network.losses import VALUE_LOSSES, named_loss
from skjoint._network.ranges import activation_range, applied, factor_at, place_of
from skjoint.persistence import load, save, to_onnx

x = np.linspace(-1, 1, 200)[:, None]
BIG = x[:, 0] > 0
NUMBERS = {
    "far": 300 + 5 * x[:, 0],
    "farther": 1e6 + x[:, 0],
    "farthest": -1e8 + x[:, 0],
    "small": 1e-3 + 1e-4 * x[:, 0],
    "centred": 5 * x[:, 0],
    "share": 0.5 + 0.3 * x[:, 0],
}
ACTIVATIONS = [
    name
    for name, value in vars(keras.activations).items()
    if callable(value) and name not in ("get", "serialize", "deserialize")
]
LOSSES = [  # classes and functions, some of both
    name
    for name, value in vars(keras.losses).items()
    if callable(value) and name not in ("get", "serialize", "deserialize", "Loss")
]


def fitted(number, X=x, label=BIG, **params):
    settings = {"epochs": 12, "learning_rate": 4e-3, "hidden_layer_sizes": (32,), "random_state": 0}
    est = JointRegressorClassifier(**{**settings, **params})
    return est.fit(X, pd.DataFrame({"t": number, "k": label}))


def scores(est, number, X=x, label=BIG):
    found = est.evaluate(X, pd.DataFrame({"t": number, "k": label}))
    return found["value_r2"], found["class_log_loss"]


def scores_or_refusal(number, **params):
    """Scores and None, or None and the message of an error."""
    try:
        return scores(fitted(number, **params), number), None
    except (ValueError, TypeError) as error:
        return None, str(error)


@functools.cache
def linear_scores():
    return scores(fitted(NUMBERS["centred"]), NUMBERS["centred"])


# ------------------------------------------------------------------ activations
@pytest.mark.filterwarnings("ignore:.*triggered tf.function retracing")
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_learns_every_number_or_refuses_it_by_name(activation):
    r2, log_loss = linear_scores()
    assert r2 > 0.98
    learned = set()
    for name, number in NUMBERS.items():
        found, refusal = scores_or_refusal(number, value_activation=activation)
        if refusal:
            assert "value_activation must" in refusal or f"tion={activation!r}" in refusal
            continue
        assert found[0] > r2 - 0.02, name
        assert found[1] < log_loss + 0.1, name
        learned.add(name)
    if activation in ("linear", "elu", "gelu", "leaky_relu", "tanh_shrink", "hard_shrink"):
        assert learned == set(NUMBERS)
    if activation in ("relu", "softplus", "exponential", "squareplus"):
        assert learned == {"far", "farther", "small", "share"}
    if activation in ("sigmoid", "tanh", "relu6"):
        assert learned == {"small", "share"}


@pytest.mark.parametrize("link", ["mixture", "class_to_value", "value_to_class"])
def test_links_learn_far_numbers(link):
    est = fitted(NUMBERS["far"], value_activation="softplus", head_link=link, epochs=20)
    r2, log_loss = scores(est, NUMBERS["far"])
    assert r2 > 0.97
    assert log_loss < 0.3


def test_the_ends_of_a_range_are_never_crossed():
    far = 50 * x
    for activation, low, high in [
        ("relu", 0, np.inf),
        ("softplus", 0, np.inf),
        ("exponential", 0, np.inf),
        ("sigmoid", 0, 1),
        ("tanh", -1, 1),
        ("relu6", 0, 6),
    ]:
        est = fitted(NUMBERS["share"], value_activation=activation)
        found = est.predict_value(far)
        assert found.min() >= low
        assert found.max() <= high
    assert fitted(NUMBERS["farther"], value_activation="relu").predict_value(far).min() >= 0


def test_few_negative_numbers_are_a_warning_and_many_an_error():
    few = np.where(np.arange(200) == 3, -0.05, 5 + x[:, 0])
    with pytest.warns(UserWarning, match=r"'value' holds negative numbers, such as -0\.05"):
        fitted(few, value_activation="relu", epochs=1)
    with pytest.raises(
        ValueError, match=r"of 0 and more with value_activation='relu'. Got -1 inst"
    ):
        fitted(x[:, 0] ** 3, value_activation="relu")
    with pytest.raises(
        ValueError, match="from 0 to 1 with value_activation='sigmoid'. Got 295 inst"
    ):
        fitted(NUMBERS["far"], value_activation="sigmoid")


def test_activations_of_the_users_own():
    def steep(z):
        return 40 * keras.ops.softplus(z)

    def narrow(z):
        return keras.ops.clip(z, 100.0, 900.0)

    for activation in (steep, narrow):
        est = fitted(NUMBERS["far"], value_activation=activation, epochs=20)
        assert scores(est, NUMBERS["far"])[0] > 0.97
    with pytest.raises(ValueError, match="value_activation must give different numbers"):
        fitted(NUMBERS["far"], value_activation=lambda z: 0 * z)


def test_shares_that_sum_to_1():
    shares = pd.DataFrame({"a": 0.5 + 0.3 * x[:, 0], "b": 0.3 - 0.2 * x[:, 0]})
    y = shares.assign(c=1 - shares.sum(axis=1), k=BIG)
    settings = {
        "value_columns": [["a", "b", "c"]],
        "value_activation": "softmax",
        "random_state": 0,
    }
    for loss in ("mse", "kl_divergence", "categorical_crossentropy"):
        est = JointRegressorClassifier(value_loss=loss, epochs=20, learning_rate=4e-3, **settings)
        found = est.fit(x, y).predict_value(x)
        assert_allclose(found.sum(axis=1), 1, atol=1e-5)
        assert np.abs(found - y[["a", "b", "c"]].to_numpy()).mean() < 0.04
    with pytest.raises(ValueError, match="whose sum is 1 in each row with value_activation='softm"):
        JointRegressorClassifier(**settings).fit(x, y.assign(c=0.1))


def test_scaled_activations_are_the_same_everywhere(tmp_path):
    """Keras model, NumPy, files, ONNX."""
    onnxruntime = pytest.importorskip("onnxruntime")
    for activation in ("softplus", "exponential", "sigmoid", "elu"):
        number = NUMBERS["share"]
        est = fitted(number, value_activation=activation, head_link="value_to_class", epochs=3)
        target, found = est._model.targets.values[0], est.predict_value(x)
        by_keras = np.asarray(est.model_(est._model.encode(x))[0])
        assert_allclose(target.decode(by_keras), found, rtol=2e-4)
        save(est, tmp_path / "model.skjoint")
        assert_array_equal(load(tmp_path / "model.skjoint").predict_value(x), found)
        to_onnx(est, tmp_path / "model.onnx")
        session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
        by_onnx = session.run(["value"], {session.get_inputs()[0].name: x.astype(np.float64)})[0]
        assert_allclose(np.ravel(by_onnx), found, rtol=1e-5)


def test_engines_agree_on_scaled_activations():
    one, two = (
        fitted(NUMBERS["far"], value_activation="softplus", engine=engine, epochs=3)
        for engine in ("fused", "keras")
    )
    assert_allclose(one.predict_value(x), two.predict_value(x), rtol=1e-4)


@pytest.mark.parametrize("activation", ["relu", "softplus", "exponential", "sigmoid", "tanh"])
def test_places_on_an_activation(activation):
    target = 0.7
    place = place_of(activation, target)
    assert_allclose(applied(activation, [[place]]), target, rtol=1e-5)
    factor = factor_at(activation, place, 0.01)
    ends = applied(activation, [[place - factor / 10], [place + factor / 10]])
    assert_allclose(abs(ends[1] - ends[0]), 0.002, rtol=0.02)


def test_ranges():
    inf = np.inf
    for name, ends in {"relu": (0, inf), "elu": (-1, inf), "log_sigmoid": (-inf, 0)}.items():
        found = activation_range(name)
        assert (found.low, found.high) == ends
    assert activation_range("softsign").is_bounded
    assert activation_range("softmax", 3).is_shares


# ----------------------------------------------------------------------- losses
def test_every_loss_of_keras_has_a_rule_or_is_refused():
    """Losses that do not move along with the numbers are in the table, and only these."""
    known = set()
    for name in LOSSES:
        if name.replace("_", "").lower() == "categoricalgeneralizedcrossentropy":
            continue  # which keras.losses.get does not know
        loss = named_loss(name, VALUE_LOSSES, "value_loss")
        if keras_name(loss) in RULES:
            assert not moves_along(loss), name
            known.add(keras_name(loss))
        elif moves_along(loss):
            assert rule_of(loss).units == "standard"
        else:
            with pytest.raises(ValueError, match="value_loss must be a loss of numbers, such as"):
                rule_of(loss, name)
    assert known == set(RULES)
    for loss in (keras.losses.Huber(0.1), functools.partial(keras.losses.huber, delta=2.0)):
        assert moves_along(loss)
        assert rule_of(loss).units == "standard"


SKEWED = np.exp(1.5 * x[:, 0])


@pytest.mark.parametrize("loss", [name for name in LOSSES if name[0].isupper()])
def test_every_loss_learns_every_number_or_refuses_it_by_name(loss):
    learned = set()
    for name, number in {
        "skewed": SKEWED,
        "stretched": 1e4 * SKEWED,
        "shrunk": 1e-3 * SKEWED,
        "far": NUMBERS["far"],
        "share": NUMBERS["share"],
    }.items():
        found, refusal = scores_or_refusal(number, value_loss=loss, epochs=20)
        if refusal:
            assert "value_loss" in refusal or "missing" in refusal
            continue
        r2, log_loss = found
        assert r2 > 0.9, name
        assert log_loss < 0.4, name
        learned.add(name)
    plain = loss.replace("_", "").lower()
    if plain in ("poisson", "meansquarederror", "huber", "logcosh", "meansquaredlogarithmicerror"):
        assert learned == {"skewed", "stretched", "shrunk", "far", "share"}


def test_losses_are_as_good_as_in_original_units():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    number, label = np.exp(X[:, 0]), X[:, 1] > 0
    for loss, error in {
        "mean_squared_logarithmic_error": lambda p: np.mean((np.log1p(number) - np.log1p(p)) ** 2),
        "mape": lambda p: np.mean(np.abs(number - p) / number),
    }.items():
        found = [
            fitted(number, X, label, value_loss=loss, scale_value=scale, epochs=30)
            for scale in (True, False)
        ]
        scaled, raw = (est.predict_value(X) for est in found)
        assert scaled.min() > -0.05
        assert error(np.maximum(scaled, 0)) < 1.3 * error(np.maximum(raw, 0)) + 1e-4
        log_losses = [scores(est, number, X, label)[1] for est in found]
        assert log_losses[0] < log_losses[1] + 0.05


@pytest.mark.parametrize(
    ("loss", "number", "message"),
    [
        ("msle", -SKEWED, r"numbers of 0 and more with value_loss='msle'. Got -0.22"),
        ("poisson", NUMBERS["centred"], "numbers of 0 and more with value_loss='poisson'. Got -5"),
        ("mape", np.where(BIG, 0, SKEWED), "numbers other than 0 with value_loss='mape'. Got 0"),
        ("binary_crossentropy", SKEWED, "from 0 to 1 with value_loss='binary_crossentropy'"),
        ("msle", NUMBERS["farther"], "that differ by more than float32 can tell"),
        ("mape", NUMBERS["farther"], "that differ by more than float32 can tell"),
        ("hinge", SKEWED, "must be a loss of numbers, such as .* Got 'hinge' instead"),
        ("cosine_similarity", SKEWED, "must compare single numbers, as 'mse' does"),
    ],
)
def test_numbers_that_a_loss_cannot_compare(loss, number, message):
    with pytest.raises(ValueError, match=message):
        fitted(number, value_loss=loss, epochs=1)


def test_outputs_that_a_loss_cannot_take():
    for params in (
        {"value_activation": "elu"},
        {"scale_value": False},
        {"value_activation": "tanh"},
    ):
        with pytest.raises(ValueError, match="value_activation must be 'softplus' or another that"):
            fitted(NUMBERS["share"], value_loss="poisson", **params)
    with pytest.raises(ValueError, match="loss_weights='famo' balances losses of at least 0"):
        fitted(SKEWED, value_loss="poisson", loss_weights="famo")


def test_a_loss_of_the_users_own_sees_standardised_numbers():
    def size(y_true, y_pred):
        return keras.ops.mean(keras.ops.abs(y_true) + 0 * y_pred, axis=-1)

    est = fitted(NUMBERS["far"], value_loss=size, epochs=1)
    assert_allclose(est.history_["value_loss"], np.abs(x).mean() / x.std(), rtol=1e-3)
    assert est.loss_weights_[0].tolist() == [1, 1]


@pytest.mark.parametrize("loss", ["poisson", "msle", "mape"])
def test_early_stopping_compares_with_the_best_constant(loss):
    noise = np.random.default_rng(0).exponential(size=200)
    est = fitted(noise, value_loss=loss, early_stopping=True, validation=0.4, epochs=20)
    assert 0.5 < np.min(est.history_["val_joint_loss"]) < 1
    est = fitted(SKEWED, value_loss=loss, early_stopping=True, epochs=20)
    assert np.min(est.history_["val_joint_loss"]) < 0.9


# -------------------------------------------------------------------- constants
@pytest.mark.parametrize("loss", ["mse", "mape", "msle", "poisson", "huber", "gaussian_nll"])
@pytest.mark.parametrize("activation", ["linear", "softplus", "sigmoid", "elu"])
def test_a_constant_number_stays_that_number(loss, activation):
    if activation == "elu" and loss in ("msle", "poisson"):
        pytest.skip("refused")
    number = np.full(200, 0.3)
    est = fitted(number, value_loss=loss, value_activation=activation)
    assert_array_equal(est.predict_value(x), number)
    assert scores(est, number)[1] < linear_scores()[1] + 0.1


def test_a_constant_number_beside_companions_and_bins():
    number = np.full(200, 1e6)
    settings = {"companions": ("forest", "boosting", "ridge"), "epochs": 5}
    for loss in ("histogram", "mse"):
        est = fitted(number, value_loss=loss, early_stopping=True, **settings)
        assert_allclose(est.predict_value(x), number, rtol=1e-6)
        assert np.isfinite(est.predict_interval(x, 0.8)).all()


def test_a_first_chunk_of_one_number_says_nothing_about_the_next():
    est = JointRegressorClassifier(epochs=1, random_state=0)
    y = pd.DataFrame({"t": np.full(200, 5.0), "k": BIG})
    est.partial_fit(x, y)
    number = 5 + 2 * x[:, 0]
    for _ in range(60):
        est.partial_fit(x, y.assign(t=number))
    assert scores(est, number)[0] > 0.9


# ------------------------------------------------------------------ other places
@pytest.mark.parametrize("loss", ["gaussian_nll", "histogram"])
def test_distributions_learn_a_number_without_noise(loss):
    number = NUMBERS["far"]
    est = fitted(number, value_loss=loss, epochs=40)
    r2, log_loss = scores(est, number)
    assert r2 > 0.94
    assert log_loss < 0.3


def test_a_known_number_far_from_the_others():
    number = np.where(BIG, 300 + 5 * x[:, 0], 0.0)
    for link in (None, "mixture"):
        for activation in ("linear", "relu"):
            est = fitted(
                number,
                label=np.where(BIG, "some", "none"),
                value_by_class={"none": 0.0},
                head_link=link,
                value_activation=activation,
                epochs=30,
            )
            assert scores(est, number, label=np.where(BIG, "some", "none"))[0] > 0.9


def test_brightness_of_images():
    """A number whose mean is ten times its spread, behind a trunk of the user's."""
    from sklearn.datasets import load_digits

    def trunk(meta):
        layers = keras.layers
        inputs = keras.Input(meta["input_shape"])
        features = layers.Conv2D(8, 3, strides=2, activation="relu")(inputs)
        return keras.Model(inputs, layers.Flatten()(features))

    images, digit = load_digits(return_X_y=True)
    images = images[:600].reshape(-1, 8, 8, 1)
    y = pd.DataFrame({"brightness": images.mean(axis=(1, 2, 3)), "digit": digit[:600].astype(str)})
    est = JointRegressorClassifier(
        trunk=trunk, value_activation="relu", epochs=10, learning_rate=3e-3, random_state=0
    )
    assert est.fit(images, y).evaluate(images, y)["value_r2"] > 0.8
