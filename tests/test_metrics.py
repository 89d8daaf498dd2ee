import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn import metrics
from sklearn.metrics import r2_score

from skjoint.metrics import (
    agreement_score,
    class_metrics,
    expected_calibration_error,
    joint_score,
)


def test_joint_score_is_the_mean_of_r2_and_accuracy():
    values, labels = np.array([1.0, 2.0, 4.0]), np.array(["a", "b", "b"])
    perfect = joint_score((values, labels), (values, labels))
    assert perfect == 1
    constant = joint_score((values, labels), (np.full(3, values.mean()), np.array(["c"] * 3)))
    assert_allclose(constant, 0, atol=1e-12)
    assert joint_score((values, None), (values, None)) == 1
    two = np.column_stack([values, values[::-1]])
    assert_allclose(
        joint_score((two, labels), (two, np.array(["a", "a", "b"]))), (1 + 1 + 2 / 3) / 3
    )


def test_joint_score_leaves_gaps_out():
    values, labels = np.array([1.0, np.nan, 4.0]), np.array(["a", "b", None], dtype=object)
    predicted = (np.array([1.0, 9.0, 4.0]), np.array(["a", "b", "z"], dtype=object))
    assert joint_score((values, labels), predicted) == 1
    with pytest.raises(ValueError, match="nothing to score"):
        joint_score((np.full(3, np.nan), None), (values, None))
    with pytest.raises(ValueError, match="same shape"):
        joint_score((values, None), (values[:2], None))


@given(st.lists(st.tuples(st.floats(-50, 50), st.integers(0, 3)), min_size=1, max_size=30))
def test_agreement_of_bands_is_digitize(rows):
    value, label = (np.array(column) for column in zip(*rows, strict=True))
    edges = [-10.0, 0.0, 5.5]
    expected = np.mean(np.digitize(value, edges) == label)
    assert agreement_score(value, label, classes=range(4), bin_edges=edges) == expected


def test_agreement_of_labels_in_any_order():
    assert agreement_score([1.4, 2.6, 9.0], [1, 3, 7], classes=[7, 1, 3]) == 1
    with pytest.raises(ValueError, match="one edge less than there are classes, 1. Got 2"):
        agreement_score([1.0], [0], classes=[0, 1], bin_edges=[0.0, 1.0])


def test_calibration_error_by_hand():
    proba = np.array([[0.9, 0.1], [0.84, 0.16], [0.3, 0.7], [0.45, 0.55]])
    # of ten bins (0.8, 0.9] holds two rows, one right; the others are alone, right and wrong
    expected = (abs(1.74 - 1) + abs(0.7 - 1) + abs(0.55 - 0)) / 4
    params = {"classes": ["a", "b"], "n_bins": 10}
    truth = ["a", "b", "b", "c"]
    assert expected_calibration_error(truth, proba, **params) == pytest.approx(expected)
    weights = [1, 2, 3, 0]
    repeated = np.repeat(np.arange(4), weights)
    assert expected_calibration_error(
        truth, proba, sample_weight=weights, **params
    ) == pytest.approx(
        expected_calibration_error(np.array(truth)[repeated], proba[repeated], **params)
    )
    gaps = np.array(["a", "b", None, "c"], object)
    assert expected_calibration_error(gaps, proba, **params) == pytest.approx(1.29 / 3)
    with pytest.raises(ValueError, match=r"shape \(n_samples, 3\).* Got \(4, 2\) instead"):
        expected_calibration_error(truth, proba, classes=["a", "b", "c"])
    with pytest.raises(ValueError, match="No row of y_true is labelled"):
        expected_calibration_error([None] * 4, proba, **params)


def test_calibrated_probabilities_have_hardly_a_calibration_error():
    rng = np.random.default_rng(0)
    p = rng.random(20_000)
    truth = rng.random(20_000) < p
    proba = np.column_stack([1 - p, p])
    assert expected_calibration_error(truth, proba, classes=[False, True]) < 0.02
    sharp = proba**3 / (proba**3).sum(axis=1, keepdims=True)
    assert expected_calibration_error(truth, sharp, classes=[False, True]) > 0.08


def test_joint_score_takes_na_and_weights_by_target():
    values, labels = [1.0, pd.NA, 3.0, 9.0], ["a", "b", pd.NA, "b"]
    predicted = ([1.0, 5.0, 2.0, 9.0], ["a", "a", "a", "b"])
    weights = np.array([[1, 2], [1, 1], [2, 1], [1, 1]])
    r2 = r2_score([1, 3, 9], [1, 2, 9], sample_weight=[1, 2, 1])
    found = joint_score((values, labels), predicted, sample_weight=weights)
    assert found == pytest.approx((r2 + 3 / 4) / 2)
    with pytest.raises(ValueError, match=r"shape \(n_samples,\) or \(n_samples, 2\)"):
        joint_score((values, labels), predicted, sample_weight=np.ones((4, 3)))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n_classes=st.integers(2, 4),
    n_samples=st.integers(8, 40),
    weighted=st.booleans(),
)
def test_metrics_of_a_label_are_scikit_learns(seed, n_classes, n_samples, weighted):
    rng = np.random.default_rng(seed)
    labels = np.array(["a", "b", "c", "d"])[:n_classes]
    codes = np.append(np.arange(n_classes), rng.integers(n_classes, size=n_samples - n_classes))
    proba = rng.dirichlet(np.ones(n_classes), n_samples).round(2) + 0.01
    proba /= proba.sum(axis=1, keepdims=True)
    weight = rng.uniform(0.1, 2, n_samples) if weighted else None
    predicted = proba.argmax(axis=1)
    found = class_metrics(codes, predicted, proba, weight)
    y, pred, rows = labels[codes], labels[predicted], {"sample_weight": weight}
    score, more = (proba[:, 1], {}) if n_classes == 2 else (proba, {"multi_class": "ovr"})
    truth = y == "b" if n_classes == 2 else y
    expected = {
        "accuracy": metrics.accuracy_score(y, pred, **rows),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, pred, **rows),
        "f1": metrics.f1_score(y, pred, average="macro", **rows),
        "log_loss": metrics.log_loss(y, proba, labels=labels, **rows),
        "roc_auc": metrics.roc_auc_score(truth, score, **more, **rows),
        "average_precision": metrics.average_precision_score(truth, score, **rows),
    }
    assert found.keys() == expected.keys()
    for name, figure in expected.items():
        assert_allclose(found[name], figure, rtol=1e-9, err_msg=name)


def test_metrics_of_a_label_where_they_are_not_defined():
    proba = np.array([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.5, 0.4, 0.1]])
    found = class_metrics(np.array([0, 1, 1]), proba.argmax(axis=1), proba, None)
    assert set(found) == {"accuracy", "balanced_accuracy", "f1", "log_loss"}
    assert found["balanced_accuracy"] == (1 + 1 / 2) / 2  # of the labels that there are
    alone = class_metrics(np.zeros(3, int), np.zeros(3, int), np.ones((3, 1)), None)
    assert (alone["accuracy"], alone["f1"], "roc_auc" in alone) == (1, 1, False)


def test_labels_never_seen_are_wrong_by_every_metric():
    proba = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.4, 0.6]])
    predicted = proba.argmax(axis=1)
    known = class_metrics(np.array([0, 1, 0, 1]), predicted, proba, None)
    unseen = class_metrics(np.array([0, 1, -1, -2]), predicted, proba, None)
    assert set(known) == set(unseen)
    assert unseen["balanced_accuracy"] == metrics.balanced_accuracy_score(
        ["a", "b", "c", "d"], ["a", "b", "a", "b"]
    )
    for name in set(known) - {"log_loss"}:
        assert unseen[name] < known[name] == 1 or name in ("roc_auc", "average_precision")
