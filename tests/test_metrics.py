import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.metrics import r2_score

from skjoint.metrics import agreement_score, expected_calibration_error, joint_score


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
