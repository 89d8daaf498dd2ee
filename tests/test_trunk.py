"""Networks of the user's own in place of the hidden layers."""

import pickle
import random
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from conftest import make_data
from skjoint import JointRegressorClassifier
from skjoint._engines.fused import program
from skjoint._engines.fused.cache import training_programs


@pytest.fixture(autouse=True)
def _empty_cache():
    training_programs.clear()
    training_programs.n_built = 0


def tabular(meta, units=16, rate=0.2):
    """Everything that cares about padding and randomness: normalisation, dropout, penalties."""
    return keras.Sequential(
        [
            keras.Input(meta["input_shape"]),
            # A bias before a normalisation has gradient 0, of which Adam makes noise.
            keras.layers.Dense(units, use_bias=False, kernel_regularizer="l2"),
            keras.layers.BatchNormalization(momentum=0.8),
            keras.layers.Activation("relu"),
            keras.layers.Dropout(rate),
        ]
    )


def images(meta, filters=4):
    return keras.Sequential(
        [
            keras.Input(meta["input_shape"]),
            keras.layers.RandomFlip("horizontal"),
            keras.layers.Conv2D(filters, 3, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.GlobalAveragePooling2D(),
        ]
    )


def sequences(meta, units=8):
    inputs = keras.Input(meta["input_shape"])
    return keras.Model(inputs, keras.layers.GRU(units)(inputs))


def series(n_samples=130, seed=0):
    """Windows of ten steps; the next value, and one of seven days."""
    rng = np.random.default_rng(seed)
    start = rng.integers(0, 7, n_samples)
    steps = start[:, None] + np.arange(11)
    wave = np.sin(2 * np.pi * steps / 7) + 0.1 * rng.normal(size=steps.shape)
    y = pd.DataFrame({"next": wave[:, -1], "day": [f"day {d}" for d in steps[:, -1] % 7]})
    return wave[:, :-1, None], y


def pictures(n_samples=90, seed=0):
    """A bright spot: how bright, and in which corner."""
    rng = np.random.default_rng(seed)
    X = rng.normal(0, 0.1, size=(n_samples, 8, 8, 1))
    corner, bright = rng.integers(0, 2, n_samples), rng.uniform(1, 5, n_samples)
    for x, c, b in zip(X, corner, bright, strict=True):
        x[6 * c : 6 * c + 2, 2:6] += b
    return X, pd.DataFrame({"bright": bright, "corner": np.array(["top", "bottom"])[corner]})


CASES = {
    "tabular": (tabular, make_data),
    "images": (images, pictures),
    "sequences": (sequences, series),
}


def fit(engine, trunk, X, y, **parameters):
    settings = {"epochs": 3, "random_state": 0, "learning_rate": 0.01, **parameters}
    return JointRegressorClassifier(engine=engine, trunk=trunk, **settings).fit(X, y)


@pytest.mark.parametrize("case", CASES)
def test_engines_agree(case, monkeypatch):
    """Short last batch, normalisation, dropout, augmentation, penalties of the trunk's own."""
    trunk, data = CASES[case]
    X, y = data()
    options = {"validation": 0.2, "head_link": "class_to_value"}
    one = fit("keras", trunk, X, y, **options)
    tolerance = {"rtol": 2e-3, "atol": 1e-4}
    for mode, steps in {"graph": np.inf, "compiled": 0}.items():
        monkeypatch.setattr(program, "STEPS_WORTH_COMPILING", steps)
        other = fit("fused", trunk, X, y, **options)
        for name in one.history_:
            message = f"{name}, {mode}"
            assert_allclose(one.history_[name], other.history_[name], **tolerance, err_msg=message)
        for a, b in zip(one._model.network.weights, other._model.network.weights, strict=True):
            assert_allclose(a, b, **tolerance)


def test_convolutions_are_not_compiled(monkeypatch):
    monkeypatch.setattr(program, "STEPS_WORTH_COMPILING", 0)
    for case, compiled in {"images": False, "sequences": True}.items():
        trunk, data = CASES[case]
        fit("fused", trunk, *data(), epochs=1)
        (trained,) = training_programs._idle
        assert trained.is_compiled == compiled
        training_programs.clear()


def test_padding_stays_out_of_the_statistics():
    """One batch of 45 rows, padded to more: moving means are those of the rows."""
    X, y = make_data(45)
    trunk = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization(momentum=0.0)])
    est = fit("fused", trunk, X + 5, y, epochs=1, batch_size=64, preprocess=None)
    mean, variance = est._model.network.weights[2:4]
    assert_allclose(mean, X.mean(axis=0) + 5, rtol=1e-5)
    assert_allclose(variance, X.var(axis=0), rtol=1e-4)


def test_a_sequence_has_a_next_value_and_a_day():
    X, y = series(400)
    est = fit("auto", sequences, X, y, epochs=25)
    later = series(100, seed=1)
    metrics = est.evaluate(*later)
    assert metrics["value_r2"] > 0.9
    assert metrics["class_accuracy"] > 0.9


def test_pictures_with_augmentation():
    X, y = pictures(200)
    trunk = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.RandomFlip("horizontal"), keras.layers.Flatten()]
    )
    est = fit("auto", trunk, X, y, epochs=60)
    metrics = est.evaluate(*pictures(100, seed=1))
    assert metrics["value_r2"] > 0.8
    assert metrics["class_accuracy"] > 0.95
    assert_array_equal(est.predict(X), est.predict(X))  # nothing is flipped in prediction


@pytest.mark.parametrize("case", CASES)
def test_a_row_does_not_depend_on_its_batch(case):
    trunk, data = CASES[case]
    X, y = data()
    est = fit("fused", trunk, X, y, epochs=1)
    together, proba = est.predict_value(X), est.predict_proba(X)
    for rows in (slice(0, 1), slice(3, 50)):
        assert_array_equal(est.predict_value(X[rows]), together[rows])
        assert_array_equal(est.predict_proba(X[rows]), proba[rows])
    again = pickle.loads(pickle.dumps(est))
    assert_array_equal(again.predict(X), est.predict(X))


def test_random_state_decides_everything():
    X, y = make_data()
    first = keras.layers.Dense(1).name
    state = random.getstate()
    one, two, other = (fit("auto", tabular, X, y, random_state=seed) for seed in (0, 0, 1))
    assert one.history_ == two.history_
    assert_array_equal(one.predict_value(X), two.predict_value(X))
    assert one.history_ != other.history_
    assert random.getstate() == state
    numbers = [int(n.partition("_")[2] or 0) for n in (first, keras.layers.Dense(1).name)]
    assert numbers[1] == numbers[0] + 1  # nor do Keras' automatic names show
    assert training_programs.n_built == 1  # equal networks share a program


def test_a_model_is_never_trained_in_place():
    X, y = make_data()
    model = tabular({"input_shape": (4,)})
    before = model.get_weights()
    est = fit("auto", model, X, y)
    for a, b in zip(before, model.get_weights(), strict=True):
        assert_array_equal(a, b)
    assert (est._model.network.weights[0] != before[0]).any()
    # its weights are where training starts
    frozen = clone(est).set_params(learning_rate=1e-12).fit(X, y)
    assert_allclose(frozen._model.network.weights[0], before[0], atol=1e-6)


def test_frozen_layers_stay():
    X, y = make_data()
    base = keras.Sequential([keras.Input((4,)), keras.layers.Dense(6, activation="tanh")])
    base.trainable = False
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(5, activation="relu")(base(inputs)))
    for engine in ("fused", "keras"):
        est = fit(engine, model, X, y)
        known = base.get_weights()[0]
        ours = [w for w in est._model.network.weights if w.shape == known.shape]
        assert any(np.array_equal(w, known) for w in ours)
        assert not any(
            np.array_equal(w, model.get_weights()[0]) for w in est._model.network.weights[2:3]
        )


def test_clone_search_pipeline_and_pickle():
    X, y = make_data()
    est = JointRegressorClassifier(trunk=tabular, trunk__units=8, epochs=2, random_state=0)
    assert clone(est).get_params()["trunk__units"] == 8
    search = GridSearchCV(
        make_pipeline(StandardScaler(), est),
        {
            "jointregressorclassifier__trunk__units": [4, 8],
            "jointregressorclassifier__learning_rate": [0.01, 0.001],
        },
        cv=2,
        error_score="raise",
    ).fit(X, y)
    best = search.best_estimator_[-1]
    assert best.network_.trunk.n_features == best.get_params()["trunk__units"]
    assert training_programs.n_built == 2  # one for each width
    again = pickle.loads(pickle.dumps(search))
    assert_array_equal(again.predict(X), search.predict(X))


def test_continued_training():
    X, y = make_data()
    fits = {}
    for engine in ("keras", "fused"):
        est = JointRegressorClassifier(
            trunk=tabular, warm_start=True, epochs=2, random_state=0, engine=engine
        ).fit(X, y)
        fits[engine] = est.fit(X[:70], y[:70]).partial_fit(X, y)
        assert est.n_iter_ == 5
    for a, b in zip(*(est._model.network.weights for est in fits.values()), strict=True):
        assert_allclose(a, b, rtol=2e-3, atol=1e-4)
    with pytest.raises(ValueError, match="trunk must stay as it is"):
        est.set_params(trunk__units=3).fit(X, y)


def test_model_and_count():
    X, y = pictures(30)
    est = fit("auto", images, X, y, epochs=1)
    assert est.model_.input_shape == (None, 8, 8, 1)
    assert est.network_.n_parameters == est.model_.count_params()
    assert est.n_features_in_ == 8


def test_gaps_and_scales_in_sequences():
    X, y = series()
    X = np.concatenate([X * 1000, X], axis=2)
    X[3, 4, 0] = np.nan
    est = fit("auto", sequences, X, y, epochs=2)
    assert np.isfinite(est.predict_value(X)).all()
    encoded = est._model.encode(X.astype(np.float32))
    assert_allclose(encoded.std(axis=(0, 1)), 1, rtol=0.01)
    assert encoded.dtype == np.float32
    weighted = JointRegressorClassifier(trunk=sequences, epochs=1).fit(X, y, np.arange(len(X)) > 10)
    assert weighted._model.features.channels is not None
    with pytest.raises(ValueError, match=r"rows of shape \(10, 2\), as in fit. Got \(10, 1\)"):
        est.predict(X[:, :, :1])


def adds_losses(meta):
    return keras.Sequential(
        [keras.Input(meta["input_shape"]), keras.layers.Dense(4, activity_regularizer="l2")]
    )


@pytest.mark.parametrize(
    ("trunk", "message"),
    [
        (lambda meta: 3, "function build.* that returns one. Got int instead"),
        (lambda meta: keras.Sequential([keras.layers.Dense(3)]), "with an Input of shape"),
        (
            lambda meta: keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)]),
            r"must take rows of shape \(4,\).* Its input has shape \(5,\)",
        ),
        (lambda: 3, r"can be called as build\(meta, ...\): too many positional"),
        (keras.layers.Dense, "trunk must be a keras.Model or a function"),
        (
            lambda meta: keras.Model(i := keras.Input((4,)), [keras.layers.Dense(2)(i)]),
            "without lists or dicts around them",
        ),
        (
            lambda meta: keras.Sequential([keras.Input((4,)), keras.layers.Reshape((2, 2))]),
            r"must end in a feature tensor of shape .* Got \(None, 2, 2\) instead",
        ),
    ],
)
def test_what_is_no_trunk(trunk, message):
    with pytest.raises(ValueError, match=message):
        fit("auto", trunk, *make_data(30))


def test_what_is_refused():
    X, y = make_data(30)
    with pytest.raises(ValueError, match="trunk__unit must be an argument of tabular.*'units'"):
        fit("auto", tabular, X, y, trunk__unit=3)
    with pytest.raises(ValueError, match="trunk__... needs trunk to be a function"):
        fit("auto", tabular({"input_shape": (4,)}), X, y, trunk__units=3)
    with pytest.raises(ValueError, match="trunk__... needs trunk"):
        fit("auto", None, X, y, trunk__units=3)
    with pytest.raises(ValueError, match="Found array with dim 3.*trunk="):
        fit("auto", None, *series(30))
    with pytest.warns(UserWarning, match="engine='keras'.*trunk adds losses"):
        fit("auto", adds_losses, X, y)


def test_threads_do_not_disturb_each_other():
    X, y = make_data(60)
    state = random.getstate()
    with ThreadPoolExecutor(4) as pool:
        losses = {est.history_["loss"][-1] for est in pool.map(lambda _: fit_small(X, y), range(8))}
    assert len(losses) == 1
    assert random.getstate() == state


def fit_small(X, y):
    return fit("fused", tabular, X, y, epochs=1)


def scaled_by(factor):
    """A layer that a notebook's cell defines again under the same name."""

    @keras.saving.register_keras_serializable("tests")
    class Scaled(keras.layers.Layer):
        def call(self, x):
            return x * factor

    return keras.Sequential([keras.Input((4,)), Scaled(name="s"), keras.layers.Dense(8, "relu")])


def test_a_layer_that_is_defined_anew_is_used():
    X, y = make_data()
    nothing, all_of_it = (fit("fused", scaled_by(f), X, y, epochs=20) for f in (0.0, 1.0))
    assert all_of_it.history_["value_mae"][-1] < 0.8 * nothing.history_["value_mae"][-1]


class Doubled(keras.layers.Layer):  # known to nobody's registry
    def call(self, x):
        return 2 * x


class Block(keras.layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = keras.layers.Dense(4)

    def build(self, shape):
        self.inner.build(shape)

    def call(self, x):
        return self.inner(x)


def test_layers_of_ones_own():
    X, y = make_data()
    trunk = keras.Sequential([keras.Input((4,)), Doubled(), keras.layers.Dense(3)])
    est = fit("fused", trunk, X, y)
    again = pickle.loads(pickle.dumps(est._model.network))
    encoded = est._model.encode(X)
    assert_array_equal(
        again.predict(encoded, ["value"])[0], est._model.network.predict(encoded, ["value"])[0]
    )
    frozen_inside = keras.Sequential([keras.Input((4,)), Block()])
    frozen_inside.layers[0].inner.trainable = False
    with pytest.raises(ValueError, match="the same of them frozen.*Freeze whole layers"):
        fit("fused", frozen_inside, X, y)


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        ([keras.layers.TimeDistributed(keras.layers.Dropout(0.3)), keras.layers.GRU(3)], (10, 1)),
        ([keras.layers.TimeDistributed(keras.layers.BatchNormalization())], (10, 1)),
        ([keras.layers.Bidirectional(keras.layers.LSTM(3))], (10, 1)),
        ([keras.layers.Conv1D(4, 3), keras.layers.GlobalMaxPooling1D()], (10, 1)),
    ],
)
def test_usual_layers(layers, shape):
    X, y = series(70)
    model = keras.Sequential([keras.Input(shape), *layers])
    if len(model.outputs[0].shape) > 2:
        model.add(keras.layers.Flatten())
    one, other = (fit(engine, model, X, y, epochs=2) for engine in ("keras", "fused"))
    assert_allclose(one.history_["loss"], other.history_["loss"], rtol=2e-3)


def test_mixed_precision_of_the_process_does_not_matter(monkeypatch):
    X, y = make_data()
    expected = fit("fused", None, X, y, dropout=0.1).history_
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        training_programs.clear()
        found = fit("fused", None, X, y, dropout=0.1).history_
    finally:
        keras.config.set_dtype_policy("float32")
    assert found == expected


def test_embeddings_want_codes():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 5, size=(100, 2))
    y = pd.DataFrame({"value": X[:, 0] * 1.5, "label": np.where(X[:, 1] > 2, "a", "b")})
    trunk = keras.Sequential(
        [keras.Input((2,)), keras.layers.Embedding(5, 4), keras.layers.Flatten()]
    )
    wrong = pytest.raises(ValueError, match="codes from 0 to 4, which .* Got numbers from -")
    with pytest.warns(UserWarning, match="Embedding layer, which reads whole numbers"), wrong:
        fit("fused", trunk, X, y)
    est = fit("fused", trunk, X, y, preprocess=None, epochs=40)
    assert est.score(X, y) > 0.9
    for call in (est.predict_value, lambda X: est.partial_fit(X, y)):
        with pytest.raises(ValueError, match="codes from 0 to 4, which .* from 0 to 5 instead"):
            call(np.where(X == 4, 5, X))


def test_embeddings_of_what_the_trunk_makes_are_its_own_affair():
    layers = [keras.layers.Discretization(bin_boundaries=[0.0]), keras.layers.Embedding(2, 3)]
    trunk = keras.Sequential([keras.Input((4,)), *layers, keras.layers.Flatten()])
    with pytest.warns(UserWarning, match="Embedding layer"):
        fit("fused", trunk, *make_data(30))


def test_what_cannot_be_rebuilt_is_refused():
    def outside(x):
        return x

    trunk = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: outside(x))])
    with pytest.raises(ValueError, match="layers that Keras can rebuild.* raised .*Error: "):
        fit("auto", trunk, *make_data(30))
