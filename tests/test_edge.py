"""Numbers at the edge of what floats hold: finite, sensible answers or an error that says so."""

import contextlib
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from conftest import make_data
from skjoint import JointRegressorClassifier

X, Y = make_data(60)
# Everything below shares the training programs of this one.
EST = JointRegressorClassifier.plain((8,), epochs=30, learning_rate=0.02, random_state=0)


@pytest.fixture(scope="module")
def score():
    return clone(EST).fit(X, Y).score(X, Y)


def fitted(X, y, **params):
    """A fit without any warning, whose answers and figures are all finite."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        est = clone(EST).set_params(**params).fit(X, y)
        assert np.isfinite(est.predict_value(X)).all()
        assert_allclose(est.predict_proba(X).sum(axis=1), 1)
        assert all(np.isfinite(figure) for figure in est.evaluate(X, y).values())
    assert all(np.isfinite(curve).all() for curve in est.history_.values())
    return est


@pytest.mark.parametrize("power", [-310, -300, -160, -30, 30, 160, 300])
def test_the_unit_of_a_feature_does_not_matter(power, score):
    scaled = X * 10.0**power
    assert fitted(scaled, Y).score(scaled, Y) == pytest.approx(score, abs=0.02)


@pytest.mark.parametrize("power", [-29, 27])
def test_the_unit_of_the_number_does_not_matter(power, score):
    y = Y.assign(value=Y["value"] * 10.0**power)
    est = fitted(X, y)
    assert est.score(X, y) == pytest.approx(score, abs=1e-3)
    assert est.history_["value_mae"][-1] < np.abs(y["value"]).max()


FEATURES = {
    "constant": 5.0,
    "constant and huge": 1e300,
    "constant and tiny": 1e-300,
    "duplicate": X[:, 0],
    "offset": 1e12 + X[:, 3],
    "smallest numbers there are": np.where(X[:, 3] > 0, 5e-324, 0),
    "one that is far off": np.where(np.arange(60) == 3, 1e20, X[:, 3]),
}


@pytest.mark.parametrize("case", FEATURES)
def test_a_strange_feature_beside_good_ones(case, score):
    strange = X.copy()
    strange[:, 3] = FEATURES[case]
    assert fitted(strange, Y).score(strange, Y) == pytest.approx(score, abs=0.05)


@pytest.mark.parametrize("number", [0.0, 7.0, 1e29, -1e-29])
def test_a_constant_number(number):
    y = Y.assign(value=number)
    assert_allclose(fitted(X, y).predict_value(X), number, atol=max(0.5, 1e-6 * abs(number)))


def test_an_outlier_of_the_number():
    y = Y.assign(value=Y["value"].where(np.arange(60) != 3, 1e12))
    assert np.abs(fitted(X, y).predict_value(X)).max() < 1e13


@pytest.mark.filterwarnings("ignore:The least populated")
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"early_stopping": True},
        {"class_weight": "balanced"},
        {"head_link": "mixture", "validation": 0.3},
    ],
)
def test_a_thousand_classes_of_one_row(params):
    X_many = np.random.default_rng(0).normal(size=(1000, 4))
    y = pd.DataFrame({"value": 2 * X_many[:, 0], "label": [f"k{i}" for i in range(1000)]})
    est = fitted(X_many, y, epochs=3, **params)
    assert est.predict_proba(X_many).shape == (1000, 1000)


def test_one_row_of_a_class():
    y = Y.assign(label=np.where(np.arange(60) == 0, "rare", "usual"))
    for params in ({}, {"class_weight": "balanced"}, {"early_stopping": True}):
        assert fitted(X, y, **params).evaluate(X, y)["class_accuracy"] > 0.9


ERRORS = {
    "infinite feature": (np.where(X > 2, np.inf, X), Y, {}, "X contains infinity"),
    "too large as it is": (X * 1e35, Y, {"preprocess": None}, "X must hold numbers of size up to"),
    "spread beyond floats": (np.sign(X) * 1.7e308, Y, {}, "X must hold numbers of size up to 1e"),
    "too large": (X, Y.assign(value=X[:, 0] * 1e31), {}, "'value' of y must hold .* up to 1e[+]30"),
    "too small": (
        X,
        Y.assign(value=X[:, 0] * 1e-40),
        {},
        "must hold numbers of size 1e-30 and more",
    ),
    "not scaled": (
        X,
        Y.assign(value=X[:, 0] * 1e29),
        {"scale_value": False},
        "training diverged and no model was kept",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_what_floats_cannot_hold(case):
    X_bad, y, params, message = ERRORS[case]
    est = clone(EST).set_params(**params)
    before = dict(vars(est))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=message):
            est.fit(X_bad, y)
    assert vars(est) == before


@pytest.mark.parametrize("activation", ["relu", "exponential"])
def test_rows_far_from_those_of_fit(activation):
    """Finite numbers or an error, never infinity or NaN."""
    est = clone(EST).set_params(activation=activation, epochs=1).fit(X, Y)
    n_errors = 0
    for power in (10, 29, 36, 100, 307):
        with contextlib.suppress(ValueError):
            n_errors += 1
            value, proba = est.predict_value(X * 10.0**power), est.predict_proba(X * 10.0**power)
            n_errors -= 1
            assert np.isfinite(value).all()
            assert np.isfinite(proba).all()
    assert n_errors == (3 if activation == "relu" else 5)


def test_a_later_chunk_of_another_size():
    est = clone(EST).partial_fit(X, Y.assign(value=Y["value"] * 1e-20))
    with pytest.raises(ValueError, match="of the size that the first fit saw"):
        est.partial_fit(X, Y.assign(value=1e29))
    with pytest.raises(ValueError, match="whose scale is to be learned"):
        clone(EST).partial_fit(X, Y.assign(value=np.nan))
