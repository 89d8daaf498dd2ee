"""Weights of rows and labels, without any fit."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.utils.class_weight import compute_class_weight

from skjoint._data.features import read_features
from skjoint._data.read_y import read_table
from skjoint._data.rows import Rows
from skjoint._data.sample_weight import (
    check_class_weight,
    check_weights,
    class_weights,
    drop_unweighted,
    normalise,
    normalised,
)
from skjoint._data.targets import ClassTarget


# ------------------------------------------------------------------ the user's own
@pytest.mark.parametrize(
    "weights", [[1, 2, 0], (1.0, 2.0, 0.0), np.array([1, 2, 0], np.int8), pd.Series([1, 2, 0])]
)
def test_weights_are_float64_whatever_they_were(weights):
    found = check_weights(weights, 3)
    assert found.dtype == np.float64
    assert found.tolist() == [1, 2, 0]


def test_no_weights_stay_none_and_one_number_is_that_of_all_rows():
    assert check_weights(None, 3) is None
    assert check_weights(2, 3).tolist() == [2.0, 2.0, 2.0]


def test_weights_may_have_a_column_for_each_target():
    weights = np.arange(6).reshape(3, 2)
    assert_array_equal(check_weights(weights, 3), weights)


@pytest.mark.parametrize("factor", [1e200, 1e-200])
def test_of_extreme_weights_the_ratios_count(factor):
    found = check_weights(np.array([1.0, 4.0, 0.0]) * factor, 3)
    assert_allclose(found, [0.25, 1, 0])
    by_target = check_weights(np.column_stack([[1.0, 4.0, 0.0], [1, 2, 3]]) * [factor, 1], 3)
    assert_allclose(by_target, np.column_stack([[0.25, 1, 0], [1, 2, 3]]))


BAD = {
    "negative": ([1, -1, 1], ValueError, "Negative values in data passed to `sample_weight`"),
    "all zero": ([0, 0, 0], ValueError, "at least one positive weight: all are zero"),
    "NaN": ([1, np.nan, 1], ValueError, "sample_weight contains NaN"),
    "infinite": ([1, np.inf, 1], ValueError, "sample_weight contains infinity"),
    "text": (["a", "b", "c"], ValueError, "sample_weight must hold numbers. could not convert"),
    "too few": ([1, 1], ValueError, r"shape \(3,\) or \(3, n_targets\). Got \(2,\) instead"),
    "3-D": (np.ones((3, 1, 1)), ValueError, "sample_weight must hold numbers.*dim 3"),
    "masked": (np.ma.masked_array([1, 1, 1]), TypeError, "must not be a masked array"),
    "a name": ("balanced", TypeError, "sample_weight must be an array-like.*Got str"),
    "sparse": (sparse.csr_matrix([[1], [1], [1]]), TypeError, "(?i)sparse"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_weight_is_an_error(case):
    weights, error, message = BAD[case]
    with pytest.raises(error, match=message):
        check_weights(weights, 3)


# --------------------------------------------------------------- rows of weight 0
X = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "k": list("abcd")})
Y = read_table({"v": [0.5, 1.5, 2.5, 3.5]})


@pytest.mark.parametrize(
    "weights", [[1, 0, 2, 0], [[1, 0], [0, 0], [0, 2], [0, 0]]], ids=["of rows", "of targets"]
)
def test_rows_without_any_weight_are_as_if_they_were_not_there(weights):
    weights = np.array(weights, dtype=float)
    features, table, kept = drop_unweighted(read_features(X, encode=True), Y, weights)
    assert features.numbers[:, 0].tolist() == [1.0, 3.0]
    assert features.others[1].values.tolist() == ["a", "c"]
    assert table.numbers(0).tolist() == [0.5, 2.5]
    assert_array_equal(kept, weights[[0, 2]])


@pytest.mark.parametrize("weights", [None, np.ones(4)])
def test_where_every_row_counts_nothing_is_copied(weights):
    features = read_features(X, encode=True)
    found = drop_unweighted(features, Y, weights)
    assert all(a is b for a, b in zip(found, (features, Y, weights), strict=True))


# ----------------------------------------------------------------------- mean one
@given(st.lists(st.just(0.0) | st.floats(1e-6, 1e6), min_size=1, max_size=40), st.booleans())
def test_weights_of_a_head_have_mean_one_and_keep_their_ratios(weights, strict):
    weights = np.array([1.0, *weights])
    found = normalise(weights, "value", strict)
    assert found.dtype == np.float32
    assert_allclose(found.mean(), 1, rtol=1e-5)
    assert_allclose(found * weights.mean(), weights, rtol=1e-5)


def test_a_head_without_labels_is_an_error_or_has_weight_zero():
    with pytest.raises(ValueError, match="positive weight is labelled for target 'value'"):
        normalise(np.zeros(3), "value")
    assert normalise(np.zeros(3), "value", strict=False).tolist() == [0, 0, 0]


def test_after_a_split_every_head_has_mean_one_again():
    weights = [np.float32([2, 2, 0, 0]), np.float32([0, 1, 2, 1])]
    rows = Rows(np.zeros((4, 1)), [np.zeros((4, 1)), np.zeros(4, int)], weights)
    part = normalised(rows.take([1, 3]), ["value", "class"])
    assert [w.tolist() for w in part.weights] == [[2, 0], [1, 1]]
    assert part.table is rows.table
    with pytest.raises(ValueError, match="labelled for target 'value'"):
        normalised(rows.take([2, 3]), ["value", "class"])
    lax = normalised(rows.take([2, 3]), ["value", "class"], strict=False)
    assert lax.weights[0].tolist() == [0, 0]


# ------------------------------------------------------------------------- labels
LABELS = ClassTarget("class", (0,), np.array(["a", "b", "c"], dtype=object))
CODES = np.array([0, 0, 0, 1, 1, 1, 1, 1])


def test_without_class_weight_all_labels_count_the_same():
    assert class_weights(LABELS, CODES, np.ones(8), None).tolist() == [1, 1, 1]


def test_balanced_labels_have_the_same_sum_of_weights():
    weights = np.array([1, 1, 0, 1, 1, 1, 1, 2.0])
    per_class = class_weights(LABELS, CODES, weights, "balanced")
    sums = np.bincount(CODES, weights * per_class[CODES])
    assert_allclose(sums, weights.sum() / 2)
    assert per_class[2] == 1  # a label that does not occur


def test_weights_by_label_leave_the_others_at_one():
    assert class_weights(LABELS, CODES, np.ones(8), {"b": 3, "c": 0}).tolist() == [1, 3, 0]


def test_weights_of_unknown_labels_are_errors_where_a_label_has_none():
    """As in ``compute_class_weight``; a known label that is misspelt would count as 1."""
    check_class_weight([LABELS], {"b": 3, "c": 0})
    with pytest.raises(ValueError, match=r"does not hold: \['z'\].*'a', 'b', 'c'.*classes="):
        check_class_weight([LABELS], {"z": 3, "a": 1})
    with pytest.warns(UserWarning, match=r"does not hold: \['z'\].*'a', 'b', 'c'"):
        check_class_weight([LABELS], {"z": 3, "a": 1, "b": 1, "c": 1})


def test_one_dict_may_hold_the_labels_of_several_targets():
    more = ClassTarget("class_2", (1,), np.array([False, True]))
    check_class_weight([LABELS, more], {"a": 3, True: 2})
    with pytest.raises(ValueError, match=r"does not hold: \[True\]"):
        check_class_weight([LABELS, more], [{True: 3}, None])


SAME_KEY = {
    "bool": (np.array([False, True]), {0: 1.0, 1: 5.0}),
    "bool, by name": (np.array([False, True]), {False: 1.0, True: 5.0}),
    "bool, NumPy's": (np.array([False, True]), {np.False_: 1.0, np.True_: 5.0}),
    "bool, as floats": (np.array([False, True]), {0.0: 1, 1.0: np.float32(5)}),
    "int": (np.array([3, 4]), {np.int8(3): 1.0, np.float64(4): 5.0}),
    "int of text": (np.array(["3", "4"], dtype=object), {3: 1.0, 4: 5.0}),
    "digits of text": (np.array(["3", "4"], dtype=object), {"3": 1.0, "4": 5.0}),
    "float": (np.array([3.0, 4.0]), {3: 1.0, 4: 5.0}),
    "text": (np.array(["a", "b"], dtype=object), {np.str_("a"): 1.0, "b": 5.0}),
    "beyond 2**53": (np.array([2**53, 2**53 + 1]), {2**53: 1.0, 2**53 + 1: 5.0}),
    "beyond 2**63": (np.array([2**63, 2**63 + 1], np.uint64), {2**63: 1, 2**63 + 1: 5}),
}


@pytest.mark.parametrize("kind", SAME_KEY)
def test_labels_are_found_as_scikit_learn_finds_them(kind):
    labels, class_weight = SAME_KEY[kind]
    target = ClassTarget("class", (0,), labels)
    check_class_weight([target], class_weight)
    found = class_weights(target, np.array([0, 1]), np.ones(2), class_weight)
    assert found.tolist() == [1.0, 5.0]
    if kind != "digits of text":  # which scikit-learn 1.9 does not find
        expected = compute_class_weight(class_weight, classes=labels, y=labels)
        assert found.tolist() == expected.tolist()


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=20))
def test_balanced_weights_of_integer_weights_are_those_of_repeats(rows):
    codes, weights = np.array(rows).T
    if not weights.any():
        return
    found = class_weights(LABELS, codes, weights.astype(float), "balanced")
    repeated = np.repeat(codes, weights)
    assert_allclose(found, class_weights(LABELS, repeated, np.ones(len(repeated)), "balanced"))
    present = np.unique(repeated)
    expected = compute_class_weight("balanced", classes=present, y=repeated)
    assert_allclose(found[present], expected)


@pytest.mark.parametrize("weight", [-1, np.inf, np.nan, "x", None])
def test_a_label_has_a_non_negative_weight(weight):
    with pytest.raises(ValueError, match="class_weight must hold non-negative numbers. Got {'a'"):
        class_weights(LABELS, CODES, np.ones(8), {"a": weight})


@pytest.mark.parametrize("class_weight", ["auto", 3, [1.0, 2.0]])
def test_class_weight_is_balanced_or_a_dict(class_weight):
    with pytest.raises(ValueError, match="must be 'balanced', a dict of {label: weight}, None"):
        class_weights(LABELS, CODES, np.ones(8), class_weight)
