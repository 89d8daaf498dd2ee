"""One answer where the label is cut from the number: its distribution as a number, agreement."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import cross_val_score

from skjoint import JointRegressorClassifier
from skjoint._data.class_bins import codes_of_numbers
from skjoint._data.targets import ClassTarget
from skjoint._prediction.decoding import choose_blend, summarise


def counts(n_samples=300, seed=0):
    """Whole numbers of a skewed distribution that depends on X."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, 3))
    return X, rng.poisson(np.exp(1 + 0.4 * X[:, 0])).clip(0, 9)


def fit(**parameters):
    X, y = counts()
    return JointRegressorClassifier(epochs=8, random_state=0, **parameters).fit(X, y), X, y


LABELS = ClassTarget("class", (0,), np.array([2, 5, 6]), source=0, centres=np.array([2.0, 5, 6]))
BANDS = ClassTarget(
    "class",
    (0,),
    np.arange(3),
    edges=np.array([10.0, 20.0]),
    source=0,
    centres=np.array([4.0, 15.0, 30.0]),
    quantiles=np.linspace([0.0, 10.0, 20.0], [10.0, 20.0, 40.0], 21, axis=1),
)


class TestSummaries:
    def test_by_hand(self):
        proba = np.array([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]], np.float32)
        assert_allclose(summarise("mean", proba, LABELS), [4.7, 3.3], rtol=1e-6)
        assert_array_equal(summarise("median", proba, LABELS), [5, 2])
        assert_allclose(summarise("mean", proba, BANDS), [17.3, 9.9], rtol=1e-6)
        # 0.5 is reached 0.3 / 0.5 into the second band, 0.5 / 0.6 into the first
        assert_allclose(summarise("median", proba, BANDS), [16, 50 / 6], rtol=1e-6)

    @settings(max_examples=50, deadline=None)
    @given(
        proba=hnp.arrays(np.float32, (7, 3), elements=st.floats(0, 1, width=32)).map(
            lambda p: (p + 1e-3) / (p + 1e-3).sum(axis=1, keepdims=True)
        ),
        name=st.sampled_from(["mean", "median"]),
        target=st.sampled_from([LABELS, BANDS]),
    )
    def test_laws(self, proba, name, target):
        numbers = summarise(name, proba, target)
        low, high = (2, 6) if target is LABELS else (0, 40)
        assert ((numbers >= low) & (numbers <= high)).all()
        for i in range(len(proba)):  # alone as together, in either memory order
            assert_array_equal(summarise(name, proba[i : i + 1], target), numbers[i : i + 1])
        assert_array_equal(summarise(name, np.asfortranarray(proba), target), numbers)
        if name == "median":  # half of the probability lies below
            codes = codes_of_numbers(numbers, target.classes, target.edges)
            below = np.cumsum(proba, axis=1)
            assert (below[np.arange(7), codes] >= 0.5 - 1e-5).all()

    def test_the_blend_of_least_loss(self):
        proba = np.array([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]], np.float32)
        head = np.array([9.0, 5.0])
        median = summarise("median", proba, LABELS)
        truth = 0.3 * head + 0.7 * median
        chosen = choose_blend(head, proba, LABELS, lambda n: np.mean((n - truth) ** 2))
        assert chosen == ("median", pytest.approx(0.3))


@pytest.mark.parametrize("bins", [None, [2.0, 4.0], 3])
def test_numbers_from_the_distribution(bins):
    est, X, y = fit(class_bins=bins)
    head, proba = est.predict_value(X), est.predict_proba(X)
    (target,) = est._model.targets.classes
    for name in ("mean", "median"):
        est.set_params(value_from=name)
        assert_allclose(est.predict_value(X), summarise(name, proba, target), rtol=1e-6)
        assert_array_equal(est.predict(X)[:, 0], est.predict_value(X))
        assert_array_equal(est.predict_value(X[:1]), est.predict_value(X)[:1])
        assert est.evaluate(X, y)["value_mae"] < 2
    assert_array_equal(est.set_params(value_from="head").predict_value(X), head)
    assert_array_equal(est.predict_proba(X), proba)


@pytest.mark.parametrize("value_from", ["head", "mean", "median", "blend"])
@pytest.mark.parametrize("bins", [None, [2.0, 4.0]])
def test_number_and_label_never_contradict(value_from, bins):
    est, X, y = fit(class_bins=bins, value_from=value_from, class_from="value")
    metrics = est.evaluate(X, y)
    assert metrics["agreement"] == 1
    labels = est.predict_class(X)
    assert_array_equal(est.predict(X)[:, 1], labels)
    truth = y if bins is None else np.digitize(y, bins)
    assert_allclose(metrics["class_accuracy"], np.mean(labels == truth))
    assert est.set_params(class_from="head").evaluate(X, y)["agreement"] < 1


def test_blend():
    est, X, y = fit(value_from="blend")
    (summary,) = set(est.value_blend_) - {"head"}
    assert sum(est.value_blend_.values()) == pytest.approx(1)
    values = est.predict_value(X)
    parts = {name: est.set_params(value_from=name).predict_value(X) for name in ("head", summary)}
    blend = sum(est.value_blend_[name] * parts[name] for name in parts)
    assert_allclose(values, blend, rtol=1e-12)
    assert "val_value_loss" in est.history_
    again = pickle.loads(pickle.dumps(est.set_params(value_from="blend")))
    assert_array_equal(again.predict_value(X), values)
    est.set_params(value_from="head").fit(X, y)
    assert not hasattr(est, "value_blend_")
    with pytest.raises(ValueError, match="value_from='blend' is chosen on validation rows: call"):
        est.set_params(value_from="blend").predict_value(X)
    with pytest.raises(ValueError, match="partial_fit has none of"):
        JointRegressorClassifier(value_from="blend").partial_fit(X, y)


def test_auto_blends_where_a_label_is_cut_and_rows_are_held_out():
    held_out = {"validation": 0.1}
    blended, X, y = fit(value_from="blend", **held_out)
    auto, *_ = fit(value_from="auto", **held_out)
    assert auto.value_blend_ == blended.value_blend_
    assert_array_equal(auto.predict_value(X), blended.predict_value(X))
    assert_array_equal(auto.predict_interval(X), blended.predict_interval(X))
    assert_array_equal(pickle.loads(pickle.dumps(auto)).predict(X), auto.predict(X))
    assert_array_equal(auto.partial_fit(X, y).value_blend_, blended.value_blend_)
    table = pd.DataFrame({"count": y, "even": np.where(y % 2, "odd", "even")})
    for params, target in [({}, y), (held_out, table), ({"value_loss": "gaussian_nll"}, y)]:
        head, auto = (
            JointRegressorClassifier.plain(
                (8,), epochs=2, random_state=0, value_from=name, **params
            ).fit(X, target)
            for name in ("head", "auto")
        )
        assert not hasattr(auto, "value_blend_")
        assert_array_equal(head.predict_value(X), auto.predict_value(X))
    assert auto.predict_value(X, return_std=True)[1].shape == y.shape


def test_in_cross_validation():
    X, y = counts()
    est = JointRegressorClassifier(
        epochs=3, random_state=0, class_bins=[2.0, 4.0], value_from="blend", class_from="value"
    )
    assert np.isfinite(cross_val_score(est, X, y, cv=3)).all()


@pytest.mark.parametrize("asked", [{"value_from": "median"}, {"class_from": "value"}])
def test_only_where_the_label_is_cut_from_the_number(asked):
    X, y = counts()
    table = pd.DataFrame({"count": y, "even": np.where(y % 2, "odd", "even")})
    est = JointRegressorClassifier(epochs=1, random_state=0)
    with pytest.raises(ValueError, match="from='.*needs a label that is cut from the number"):
        est.set_params(**asked).fit(X, table)
    est.set_params(value_from="head", class_from="head").fit(X, table).set_params(**asked)
    with pytest.raises(ValueError, match="needs a label that is cut from the number"):
        est.predict(X)


def test_weights_move_the_numbers_of_bands():
    X, y = counts()
    w = np.where(y < 4, 1.0, 0.0)
    est = JointRegressorClassifier(epochs=1, random_state=0, class_bins=[2.0, 6.0])
    (target,) = est.fit(X, y, w)._model.targets.classes
    few = y[y < 4]
    assert_allclose(target.centres[:2], [few[few < 2].mean(), few[few >= 2].mean()])
    assert_array_equal(target.quantiles[0, [0, -1]], [few.min(), 1])
    assert_array_equal(target.quantiles[2], 6)  # no row of weight lies there: its inner edge
