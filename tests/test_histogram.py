"""value_loss="histogram": a number that is the mean of a distribution over bins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import entropy, norm

from conftest import make_data, small
from skjoint._network.loss_rules import constant_loss
from skjoint._network.outputs import Histogram, Point, value_output
from skjoint._network.outputs.histogram import (
    N_BEYOND,
    N_BINS,
    SPREAD,
    bin_centres,
    histogram_loss,
    places,
)
from skjoint._network.weights import weights_of
from skjoint.persistence import load, save

X, Y = make_data(400)
HISTOGRAM = {"value_loss": "histogram"}
NUMBERS = hnp.arrays(np.float32, (12, 1), elements=st.floats(-50, 50, width=32))


def fit(X=X, y=Y, **params):
    defaults = {"epochs": 8, "learning_rate": 0.01, "hidden_layer_sizes": (12,), **HISTOGRAM}
    return small(**{**defaults, **params}).fit(X, y)


def value_network(est):
    """Probabilities of the bins and the number of the rows X, in scaled units."""
    head = est._model.network.spec.heads[0]
    encoded = est._model.encode(X)
    proba, number = est._model.network.predict(encoded, [head.parts["histogram"], head.name])
    return proba, number


# ----------------------------------------------------------------------- bins
@settings(max_examples=60, deadline=None)
@given(numbers=NUMBERS)
def test_bins_cover_the_numbers_and_places_lead_back(numbers):
    centres = bin_centres(numbers)
    assert centres.shape == (N_BINS, 1)
    width = np.diff(centres[:, 0]).mean()
    assert_allclose(np.diff(centres[:, 0]), width, rtol=0.01, atol=1e-5)
    found = places(numbers, centres)
    assert found.min() >= N_BEYOND - 0.51
    assert found.max() <= N_BINS - N_BEYOND - 0.49
    size = 1e-4 * (1 + np.abs(numbers).max())
    assert_allclose(centres[0] + found * width, numbers, atol=0.02 * width + size)


def test_numbers_beyond_lie_at_the_ends():
    centres = bin_centres(np.array([[0.0], [64.0]]))
    found = places(np.array([[-100.0], [0.0], [64.0], [1e9]]), centres)[:, 0]
    assert_allclose(found, [7.5, 7.5, 71.5, 71.5])


@settings(max_examples=20, deadline=None)
@given(
    place=st.floats(N_BEYOND - 0.5, N_BINS - N_BEYOND - 0.5),
    logits=hnp.arrays(np.float32, N_BINS, elements=st.floats(-8, 8, width=32)),
    number=st.floats(-3, 3, width=32),
    mean=st.floats(-3, 3, width=32),
)
def test_the_loss_is_squared_error_and_half_a_divergence(place, logits, number, mean):
    proba = np.exp(logits - logits.max())
    proba /= proba.sum()
    edges = np.arange(N_BINS + 1) - 0.5
    shares = np.diff(norm.cdf(edges, place, SPREAD))
    expected = (number - mean) ** 2 + entropy(shares, proba) / 2
    true = np.array([[number, place]], np.float32)
    found = histogram_loss()().call(true, np.append(mean, proba)[None].astype(np.float32))
    assert_allclose(np.asarray(found), [expected], rtol=1e-3, atol=1e-4)


def test_a_perfect_distribution_has_no_loss_and_the_mean_of_its_place():
    centres = bin_centres(np.array([-1.0, 2.0]))
    numbers = np.linspace(-1, 2, 7, dtype=np.float32)[:, None]
    true = np.hstack([numbers, places(numbers, centres)])
    loss = histogram_loss()()
    shares = np.asarray(loss.shares(true[:, 1:]))
    means = shares @ centres
    assert_allclose(means, numbers, atol=1e-4)
    assert_allclose(np.asarray(loss.call(true, np.hstack([means, shares]))), 0, atol=1e-6)


def test_the_best_constant_is_the_mean_distribution():
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(60, 1)).astype(np.float32)
    rows = np.hstack([numbers, places(numbers, bin_centres(numbers))]), np.ones(60, np.float32)
    loss = histogram_loss()()
    best = constant_loss(Histogram(1, "linear"), loss, rows, rows)
    for shift in rng.normal(scale=0.1, size=(5, N_BINS)):
        shares = np.asarray(loss.shares(rows[0][:, 1:])).mean(axis=0) * np.exp(shift)
        other = np.append(numbers.mean() + shift[0], shares / shares.sum())
        losses = loss.call(rows[0], np.tile(other, (60, 1)).astype(np.float32))
        assert best <= np.mean(losses) + 1e-5


# -------------------------------------------------------------------- estimator
def test_the_number_is_the_mean_of_its_distribution():
    est = fit()
    proba, number = value_network(est)
    assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    centres, bias = weights_of(est._model.network.spec, est._model.network.weights, "value")
    scaled = est._model.targets.values[0].encode(Y[["value"]].to_numpy())
    assert_array_equal(centres, bin_centres(scaled))
    assert not bias.any()
    assert_allclose(proba @ centres, number, atol=1e-5)
    assert_allclose(
        est.predict_value(X), est._model.targets.values[0].decode(number), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize(
    "params",
    [
        {"alpha": 0.01, "value_layer_sizes": (5,)},
        {"head_link": "value_to_class", "early_stopping": "by_head", "optimizer": "adamw"},
        {"loss_weights": "uncertainty", "validation": 0.2},
    ],
    ids=str,
)
def test_engines_agree(params):
    fused, keras = fit(**params), fit(engine="keras", **params)
    assert_allclose(fused.predict_value(X), keras.predict_value(X), rtol=1e-3, atol=1e-3)
    assert fused.history_.keys() == keras.history_.keys()
    for name, losses in fused.history_.items():
        assert_allclose(losses, keras.history_[name], rtol=2e-3, atol=1e-4)


def test_a_scaled_number_scales_the_prediction():
    y = Y.copy()
    y["value"] = 1000 * Y["value"] - 7
    expected = 1000 * fit().predict_value(X) - 7
    assert_allclose(fit(y=y).predict_value(X), expected, rtol=1e-3, atol=1)


def test_a_missing_number_changes_nothing():
    """Neither the bins nor the network, whatever the row's number was."""
    y = Y.copy()
    y.loc[y.index[:40], "value"] = np.nan
    weights = np.ones((len(Y), 2))
    weights[:40, 0] = 0
    other = Y.copy()
    other.loc[other.index[:40], "value"] = other["value"][40:80].to_numpy()
    masked = fit(y=y)
    weighted = small(hidden_layer_sizes=(12,), epochs=8, learning_rate=0.01, **HISTOGRAM).fit(
        X, other, sample_weight=weights
    )
    assert_array_equal(masked.predict_value(X), weighted.predict_value(X))
    assert_array_equal(masked.predict_proba(X), weighted.predict_proba(X))


def test_two_fits_make_one_longer_fit():
    whole = fit(epochs=8)
    half = fit(epochs=4, warm_start=True)
    half.fit(X, Y)
    assert_allclose(half.predict_value(X), whole.predict_value(X), rtol=1e-4, atol=1e-4)


def test_later_chunks_meet_the_bins_of_the_first():
    est = small(hidden_layer_sizes=(12,), **HISTOGRAM)
    est.partial_fit(X[:200], Y[:200], classes=np.unique(Y["label"]))
    centres = weights_of(est._model.network.spec, est._model.network.weights, "value")[0]
    far = Y[200:].copy()
    far["value"] *= 3
    est.partial_fit(X[200:], far)
    assert_array_equal(
        weights_of(est._model.network.spec, est._model.network.weights, "value")[0], centres
    )
    scaled = (
        est.predict_value(X) - est._model.targets.values[0].offset
    ) / est._model.targets.values[0].scale
    assert scaled.min() >= centres[0] - 1e-4
    assert scaled.max() <= centres[-1] + 1e-4


def test_one_number_for_all_rows():
    y = Y.assign(value=3.0)
    assert_allclose(fit(y=y, epochs=30).predict_value(X), 3, atol=0.1)


def test_several_members_intervals_and_files(tmp_path):
    est = fit(n_members=2, early_stopping="by_head", validation=0.2, n_refits=2)
    low, high = est.predict_interval(X, coverage=0.8).T
    assert np.mean((low <= Y["value"]) & (Y["value"] <= high)) > 0.6
    save(est, tmp_path / "model.skjoint")
    loaded = load(tmp_path / "model.skjoint")
    assert_array_equal(loaded.predict_value(X), est.predict_value(X))
    loaded.set_params(warm_start=True, early_stopping=False, n_refits=0).fit(X, Y)
    outputs = est.model_.predict(est._model.encode(X), verbose=0)
    number = est._model.targets.values[0].decode(np.asarray(outputs[0]))
    assert_allclose(number, est.predict_value(X), rtol=1e-4, atol=1e-3)


def test_by_head_the_number_stops_where_its_error_is_least():
    est = fit(early_stopping="by_head", validation=0.3, epochs=40, n_iter_no_change=40)
    names = ["val_value_mae", "val_class_loss"]
    assert_array_equal(est.best_epoch_, [[np.argmin(est.history_[name]) for name in names]])


def test_it_learns_what_the_squared_error_learns():
    X, y = make_data(2000)
    scores = [
        fit(X[:1500], y[:1500], value_loss=loss, epochs=40).evaluate(X[1500:], y[1500:])
        for loss in ("histogram", "mse")
    ]
    assert scores[0]["value_r2"] > scores[1]["value_r2"] - 0.05


@pytest.mark.parametrize(
    ("params", "needs"),
    [
        ({"head_link": "mixture"}, "cannot go with head_link='mixture'. Set another"),
        ({"value_activation": "softplus"}, "value_activation='linear'"),
    ],
)
def test_what_it_cannot_go_with(params, needs):
    with pytest.raises(ValueError, match=needs):
        fit(**params)


def test_vectors_of_numbers_are_refused():
    y = np.column_stack([2 * X[:, :2], Y["label"] == Y["label"].iloc[0]])
    with pytest.raises(ValueError, match="without vectors. Target .* has 2 numbers"):
        fit(y=y, value_columns=[[0, 1]], class_columns=[2])


def test_it_is_known_by_name_only():
    assert value_output("histogram", None) is Histogram
    assert value_output(None, None) is Point
    assert value_output(histogram_loss()(), None) is Point
    with pytest.raises(ValueError, match="Did you mean 'histogram'"):
        fit(value_loss="histogramm")
