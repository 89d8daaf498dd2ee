"""Rows to train on, and the split into rows to train and to validate on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from skjoint._data.rows import Rows
from skjoint._data.split import label_codes, split_validation


@given(
    st.lists(st.integers(-1, 4), min_size=4, max_size=60),
    st.floats(0.05, 0.6),
    st.integers(0, 1000),
)
def test_every_row_is_trained_on_or_held_out(codes, share, seed):
    codes, n_samples = np.array(codes, dtype=np.int32), len(codes)
    train, validation = split_validation(codes, n_samples, share, seed)
    assert_array_equal(np.sort(np.concatenate([train, validation])), np.arange(n_samples))
    assert len(validation) == int(np.ceil(share * n_samples))
    assert_array_equal(validation, split_validation(codes, n_samples, share, seed)[1])


def test_the_split_is_stratified_and_keeps_single_rows_in_training():
    codes = np.repeat([0, 1, 2], [60, 39, 1]).astype(np.int32)
    train, validation = split_validation(codes, 100, 0.2, 0)
    assert np.bincount(codes[validation]).tolist() == [12, 8]
    assert 99 in train


def test_rows_without_a_label_are_split_like_a_label_of_their_own():
    codes = np.repeat([-1, 0, 1], [50, 30, 20]).astype(np.int32)
    _, validation = split_validation(codes, 100, 0.2, 0)
    assert np.bincount(codes[validation] + 1).tolist() == [10, 6, 4]


def test_without_a_class_target_the_split_is_that_of_one_label():
    for found, expected in zip(
        split_validation(None, 50, 0.2, 3),
        split_validation(np.zeros(50, int), 50, 0.2, 3),
        strict=True,
    ):
        assert_array_equal(found, expected)


@pytest.mark.parametrize(("n_samples", "share"), [(1, 0.9), (3, 0.99)])
def test_a_split_without_rows_to_train_on_is_an_error(n_samples, share):
    with pytest.raises(ValueError, match=rf"validation={share} of {n_samples} rows leaves no row"):
        split_validation(np.zeros(n_samples, np.int32), n_samples, share, 0)


def test_label_codes_are_those_of_the_first_class_target():
    number, mask = np.zeros((4, 1), np.float32), np.array([True, False, True, True])
    first, second = np.array([2, 0, 1, 0], np.int32), np.array([1, 1, 0, 0], np.int32)
    arrays, masks = [number, first, second], [np.ones(4, bool), mask, np.ones(4, bool)]
    codes = label_codes(arrays, masks, 1)
    assert codes.tolist() == [2, -1, 1, 0]
    assert codes.dtype == np.int32
    assert label_codes(arrays[:1], masks[:1], 1) is None
    assert label_codes(arrays[1:], masks[1:], 0).tolist() == [2, -1, 1, 0]


@given(
    st.lists(st.integers(0, 8), min_size=1, max_size=9),
    st.lists(st.integers(0, 8), max_size=9),
    st.booleans(),
)
def test_rows_taken_twice_share_the_table(first, second, has_codes):
    table, codes = np.arange(18, dtype=np.float32).reshape(9, 2), np.arange(9) % 4 - 1
    weights = [np.ones(9, np.float32)]
    rows = Rows(table, [np.arange(9), table], weights, codes=codes if has_codes else None)
    second = [i % len(first) for i in second]
    taken = rows.take(np.array(first)).take(np.array(second, dtype=int))
    where = np.array(first)[np.array(second, dtype=int)]
    assert taken.table is table
    assert len(taken) == len(second)
    for found, whole in ((taken.X, table), (taken.targets[0], np.arange(9))):
        assert_array_equal(found, whole[where])
    alone = taken.alone()
    assert_array_equal(alone.table, taken.X)
    for some in (taken, alone):
        if has_codes:
            assert_array_equal(some.codes, codes[where])
        else:
            assert some.codes is None
