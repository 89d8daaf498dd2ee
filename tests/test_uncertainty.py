"""How sure the answers are: standard deviations of the number, calibrated probabilities."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax
from scipy.stats import norm
from sklearn.metrics import log_loss

from conftest import make_data, small
from skjoint._data.split import split_validation
from skjoint._ensemble.temperatures import learn_temperature
from skjoint._fitting.plans import seed_of
from skjoint._network.loss_rules import constant_loss
from skjoint._network.outputs.gaussian import MIN_VARIANCE, Gaussian, gaussian_loss
from skjoint._prediction.decoding import summarise
from skjoint._prediction.temperatures import as_tempered
from skjoint.persistence import load, save
from skjoint.views import as_classifier

X, Y = make_data(400)
GAUSSIAN = {"value_loss": "gaussian_nll"}
CALIBRATED = {"calibration": "temperature"}


def fit(X=X, y=Y, **params):
    defaults = {"epochs": 8, "learning_rate": 0.01, "hidden_layer_sizes": (12,)}
    return small(**{**defaults, **params}).fit(X, y)


def uneven(n_samples, seed=0):
    """A number whose noise depends on the row, and that noise."""
    X, y = make_data(n_samples, seed)
    noise = np.exp(1 + X[:, 2])
    y["value"] = 20 * X[:, 0] + noise * np.random.default_rng(seed).normal(size=n_samples)
    return X, y, noise


def tempered(proba, temperature):
    powers = proba ** (1 / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


# ---------------------------------------------------------------- temperature
@settings(max_examples=50, deadline=None)
@given(
    logits=hnp.arrays(np.float64, (5, 4), elements=st.floats(-20, 20)),
    temperature=st.floats(0.05, 20),
)
def test_tempered_probabilities(logits, temperature):
    proba = softmax(logits, axis=1).astype(np.float32)
    found = as_tempered(proba.T, 5, temperature)
    assert_allclose(found, tempered(proba.astype(float), temperature), rtol=1e-9)
    assert_allclose(found.sum(axis=1), 1, rtol=1e-12)
    assert_array_equal(np.argsort(found, kind="stable"), np.argsort(proba, kind="stable"))
    assert_allclose(as_tempered(proba.T, 5, 1), proba, rtol=1e-6)


@pytest.mark.parametrize("sharpness", [0.5, 1, 2.5])
def test_temperature_is_how_much_too_sharp_probabilities_are(sharpness):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 4))
    true = softmax(logits, axis=1)
    codes = (rng.random((20_000, 1)) > np.cumsum(true, axis=1)).sum(axis=1).clip(max=3)
    proba = softmax(sharpness * logits, axis=1)
    weights = np.ones(20_000)
    assert learn_temperature(proba, codes, weights) == pytest.approx(sharpness, rel=0.05)
    # rows of weight 0 are not there, and only ratios of weights count
    weights[10_000:] = 0
    codes[10_000:] = 0
    again = learn_temperature(proba[:10_000], codes[:10_000], np.full(10_000, 7.0))
    assert learn_temperature(proba, codes, weights) == pytest.approx(again, rel=1e-6)


def test_rows_without_error_do_not_freeze_it():
    """Their likelihood alone would have T at 0; the more there are, the more they say."""
    found = [
        learn_temperature(np.tile([0.9, 0.1], (n, 1)), np.zeros(n, int), np.ones(n))
        for n in (1, 3, 30, 300)
    ]
    assert found == sorted(found, reverse=True)
    assert 0.75 < found[1] < found[0] < 1
    assert found[2] > 0.3


@pytest.mark.parametrize("n_members", [1, 3])
def test_probabilities_of_the_estimator(n_members):
    est = fit(n_members=n_members, **CALIBRATED)
    encoded = est._model.encode(X)
    parts = getattr(est._model.network, "networks", [est._model.network])
    raw = np.mean([part.predict(encoded, ["class"])[0] for part in parts], axis=0, dtype=float)
    assert est.temperature_ != 1
    proba = est.predict_proba(X)
    assert_allclose(proba, tempered(raw, est.temperature_), rtol=1e-5)
    assert_array_equal(est.predict_class(X), est.classes_[raw.argmax(axis=1)])
    assert_array_equal(est.predict_proba(X[:1]), proba[:1])
    assert_array_equal(as_classifier(est).predict_proba(X), proba)
    found = est.evaluate(X, Y)["class_log_loss"]
    assert found == pytest.approx(log_loss(Y["label"], proba), rel=1e-6)
    assert "val_class_loss" in est.history_
    without = fit(n_members=n_members, validation=0.1)
    assert_array_equal(without.predict_value(X), est.predict_value(X))
    assert not hasattr(without, "temperature_")


def test_members_are_calibrated_on_means_of_those_that_held_a_row_out():
    est = fit(n_members=4, validation=0.5, **CALIBRATED)
    rows = pd.DataFrame(X).assign(label=Y["label"])
    total = pd.Series(0.0, rows.index, object)
    times = np.zeros(len(rows))
    codes = est._model.targets.classes[0].codes(Y["label"])
    for i, network in enumerate(est._model.network.networks):
        _, held_out = split_validation(codes, len(X), 0.5, seed_of(i, est._model.seed))
        proba = network.predict(est._model.encode(X[held_out]), ["class"])[0]
        for row, p in zip(held_out, proba.astype(float), strict=True):
            total[row] = total[row] + p
            times[row] += 1
    seen = np.flatnonzero(times)
    assert times.max() > 1
    proba = np.stack([total[row] / times[row] for row in seen])
    expected = learn_temperature(proba, codes[seen], np.ones(len(seen)))
    assert est.temperature_ == pytest.approx(expected, rel=1e-4)


def test_temperatures_are_saved(tmp_path):
    est = fit(n_members=2, **CALIBRATED)
    save(est, tmp_path / "model.skjoint")
    for again in (load(tmp_path / "model.skjoint"), pickle.loads(pickle.dumps(est))):
        assert again.temperature_ == est.temperature_
        assert_array_equal(again.predict_proba(X), est.predict_proba(X))


def test_training_that_goes_on_learns_or_drops_them():
    est = fit(warm_start=True, **CALIBRATED)
    first = est.temperature_
    assert est.fit(X, Y).temperature_ != first
    est.partial_fit(X, Y)
    assert not hasattr(est, "temperature_")
    (raw,) = est._model.network.predict(est._model.encode(X), ["class"])
    assert_allclose(est.predict_proba(X), raw, rtol=1e-6)
    assert not hasattr(est.set_params(calibration=None).fit(X, Y), "temperature_")


def test_several_labels_and_none():
    y = Y.assign(sign=X[:, 1] > 0)
    est = fit(y=y, **CALIBRATED)
    assert len(est.temperature_) == 2 == len(est.predict_proba(X))
    alone = fit(y=Y["value"], class_columns=[], **CALIBRATED)  # nothing to hold rows out for
    assert not hasattr(alone, "temperature_")
    assert "val_loss" not in alone.history_
    y = Y.copy()
    y.loc[4:, "label"] = None
    y.loc[:3, "label"] = list("abcd")  # single labels stay in training
    with pytest.raises(ValueError, match="calibration='temperature' has nothing to learn"):
        fit(y=y, **CALIBRATED)
    with pytest.raises(ValueError, match="'calibration' parameter .* must be a str among"):
        fit(calibration="isotonic")


def test_numbers_of_the_distribution_follow():
    est = fit(y=Y["value"], class_bins=5, value_from="mean", **CALIBRATED)
    (target,) = est._model.targets.classes
    assert_allclose(est.predict_value(X), summarise("mean", est.predict_proba(X), target))


# --------------------------------------------------------- standard deviations
@settings(max_examples=30, deadline=None)
@given(
    numbers=hnp.arrays(np.float32, (3, 2), elements=st.floats(-3, 3, width=32)),
    means=hnp.arrays(np.float32, (3, 2), elements=st.floats(-3, 3, width=32)),
    variances=hnp.arrays(np.float32, (3, 2), elements=st.floats(0.125, 9, width=32)),
)
def test_the_loss_is_the_normal_distributions(numbers, means, variances):
    loss = gaussian_loss()().call(numbers, np.hstack([means, variances]))
    density = norm.logpdf(numbers, means, np.sqrt(variances + MIN_VARIANCE))
    expected = -density.mean(axis=1) - np.log(2 * np.pi) / 2
    assert_allclose(np.asarray(loss), expected, rtol=1e-4, atol=1e-4)


def test_the_best_constant_has_the_mean_and_variance():
    numbers = np.random.default_rng(0).normal(3, 0.01, size=(50, 1)).astype(np.float32)
    rows = numbers, np.ones(50, np.float32)
    expected = np.log(numbers.var()) / 2 + 0.5
    assert expected < 0
    found = constant_loss(Gaussian(1, "linear"), gaussian_loss()(), rows, rows)
    assert found == pytest.approx(expected, abs=0.02)


def test_deviations_are_those_of_the_noise():
    X, y, noise = uneven(3000)
    est = fit(X[:2000], y[:2000], epochs=40, batch_size=64, **GAUSSIAN)
    value, std = est.predict_value(X[2000:], return_std=True)
    assert_array_equal(value, est.predict_value(X[2000:]))
    errors = (y["value"][2000:] - value) / std
    assert np.mean(errors**2) == pytest.approx(1, abs=0.2)
    assert np.corrcoef(np.log(std), np.log(noise[2000:]))[0, 1] > 0.9


@pytest.mark.parametrize(
    "params",
    [{"validation": 0.2}, {"head_link": "value_to_class", "alpha": 0.01, "dropout": 0.2}],
    ids=["validated", "linked"],
)
def test_engines_agree(params):
    fused, keras = (fit(engine=engine, **GAUSSIAN, **params) for engine in ("fused", "keras"))
    for a, b in zip(*(e.predict_value(X, return_std=True) for e in (fused, keras)), strict=True):
        assert_allclose(a, b, rtol=1e-3)
    for name, curve in fused.history_.items():
        assert_allclose(curve, keras.history_[name], rtol=1e-3, atol=1e-4)
    # NumPy's prediction is that of Keras
    network = fused._model.network
    names = ["value", "value/variance", "class"]
    by_numpy = network.predict(fused._model.encode(X), names)
    network._by_numpy = False
    for a, b in zip(by_numpy, network.predict(fused._model.encode(X), names), strict=True):
        assert_allclose(a, b, atol=1e-5)
    assert_allclose(np.asarray(fused.model_(fused._model.encode(X))[0]), by_numpy[0], atol=1e-5)


def test_they_scale_with_the_number():
    value, std = fit(**GAUSSIAN).predict_value(X, return_std=True)
    other = fit(y=Y.assign(value=1000 * Y["value"] - 5), **GAUSSIAN)
    scaled = other.predict_value(X, return_std=True)
    assert_allclose(scaled[0], 1000 * value - 5, rtol=1e-6)
    assert_allclose(scaled[1], 1000 * std, rtol=1e-6)


@pytest.mark.parametrize("stopping", [False, "by_head"])
def test_members_are_a_mixture(stopping, tmp_path):
    est = fit(n_members=3, early_stopping=stopping, **GAUSSIAN)
    network, (target,) = est._model.network, est._model.targets.values
    encoded = est._model.encode(X)
    parts = [
        network.networks[place[0]].predict(encoded, ["value", "value/variance"])
        for place in network.places
    ]
    means, variances = np.array(parts, float)[..., 0].transpose(1, 0, 2)
    second_moment = (variances + MIN_VARIANCE + means**2).mean(axis=0)
    expected = np.sqrt(second_moment - means.mean(axis=0) ** 2) * target.scale
    value, std = est.predict_value(X, return_std=True)
    assert_allclose(std, expected, rtol=1e-4)
    assert_array_equal(est.predict_value(X[:1], return_std=True)[1], std[:1])
    save(est, tmp_path / "model.skjoint")
    for again in (load(tmp_path / "model.skjoint"), pickle.loads(pickle.dumps(est))):
        assert_array_equal(again.predict_value(X, return_std=True), (value, std))


@pytest.mark.parametrize("value_columns", [None, [["value", "other"]]], ids=["two", "vector"])
def test_several_numbers(value_columns):
    y = Y.assign(other=100 * np.exp(X[:, 1]))
    est = fit(y=y, value_columns=value_columns, value_activation="softplus", **GAUSSIAN)
    value, std = est.predict_value(X, return_std=True)
    assert value.shape == std.shape == (400, 2)
    assert (value >= 0).all()
    assert (std > 0).all()


def test_no_doubt_where_the_label_decides():
    y = Y.assign(value=Y["value"].where(Y["label"] != "low", 7.0))
    est = fit(y=y, value_by_class={"low": 7.0}, **GAUSSIAN)
    decided = est.predict_class(X) == "low"
    assert decided.any()
    assert_array_equal(est.predict_value(X, return_std=True)[1] == 0, decided)


def test_trunks(tmp_path):
    import keras

    def build(meta):
        inputs = keras.Input(meta["input_shape"])
        return keras.Model(inputs, keras.layers.Dense(6, activation="tanh")(inputs))

    est = fit(trunk=build, validation=0.2, **GAUSSIAN, **CALIBRATED)
    assert (est.predict_value(X, return_std=True)[1] > 0).all()
    save(est, tmp_path / "model.skjoint")
    again = load(tmp_path / "model.skjoint")
    assert_array_equal(again.predict_interval(X), est.predict_interval(X))


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match=r"value_loss must be .* with head_link='mixture'\. Got"):
        fit(head_link="mixture", **GAUSSIAN)
    with pytest.raises(ValueError, match="loss_weights='famo' balances losses of at least 0"):
        fit(loss_weights="famo", **GAUSSIAN)
    with pytest.raises(ValueError, match="call fit with value_loss='gaussian_nll'"):
        fit(epochs=1).predict_value(X, return_std=True)
    est = fit(y=Y["value"], class_bins=3, epochs=1, **GAUSSIAN)
    with pytest.raises(ValueError, match="return_std must be False beside given_class"):
        est.predict_value(X, given_class=0, return_std=True)
    with pytest.raises(ValueError, match="set value_from='head'. Got value_from='mean' instead"):
        est.set_params(value_from="mean").predict_value(X, return_std=True)
    with pytest.raises(AttributeError, match="without a value target"):
        fit(y=Y[["label"]], value_columns=[], **GAUSSIAN).predict_value(X, return_std=True)
    with pytest.raises(ValueError, match="Did you mean 'gaussian_nll'"):
        fit(value_loss="gausian_nll")


# ------------------------------------------------------------------- intervals
def test_intervals_are_as_wide_as_the_noise_is_large():
    X, y, noise = uneven(3000)
    params = {"epochs": 40, "batch_size": 64, "validation": 0.4}
    est = fit(X[:2000], y[:2000], **params, **GAUSSIAN)
    new, true = X[2000:], y["value"][2000:]
    low, high = est.predict_interval(new, 0.8).T
    value, std = est.predict_value(new, return_std=True)
    assert_allclose((low + high) / 2, value, rtol=1e-6, atol=1e-6)
    assert np.ptp((high - low) / std) < 1e-6
    inside = (low <= true) & (true <= high)
    loud = noise[2000:] > np.median(noise)
    for rows in (loud, ~loud):  # a guarantee for all rows alone would allow 0.6 and 1
        assert inside[rows].mean() == pytest.approx(0.8, abs=0.08)


@pytest.mark.parametrize("params", [{"value_from": "blend"}, {"value_by_class": {2: 150.0}}])
@pytest.mark.filterwarnings("ignore:.*another number than value_by_class")
def test_intervals_around_other_numbers(params):
    est = fit(y=Y["value"], class_bins=3, validation=0.3, **params, **GAUSSIAN)
    intervals = est.predict_interval(X, 0.8)
    assert np.isfinite(intervals).all()
    assert (np.ptp(intervals, axis=1) > 0).all()
    assert_allclose(intervals.mean(axis=1), est.predict_value(X))


def test_fits_pay_for_intervals_when_they_are_asked_for():
    def trunk(meta):
        import keras

        return keras.Sequential([keras.Input(meta["input_shape"]), keras.layers.Dense(4)])

    est = fit(trunk=trunk, epochs=1, validation=0.2)
    assert est._model.network._function is None  # building it is slow
    size = len(pickle.dumps(fit(epochs=1, validation=0.2)))
    many = fit(np.tile(X, (1, 50)), epochs=1, validation=0.2, preprocess=None)
    grown = len(pickle.dumps(many)) - size
    assert grown < 80 * 200 * 4  # pickles do not hold the rows held out
