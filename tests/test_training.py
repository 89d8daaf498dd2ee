"""The contract: order of rows, best constants. No engine here."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skjoint._engines.plan import epoch_order
from skjoint._network.losses import class_loss, constant_loss, value_loss


def test_epoch_order_depends_on_seed_and_epoch_only():
    order = epoch_order(3, 5, 100)
    assert_array_equal(order, epoch_order(3, 5, 100))
    assert_array_equal(np.sort(order), np.arange(100))
    assert (order != epoch_order(3, 6, 100)).any()
    assert (order != epoch_order(4, 5, 100)).any()


@given(
    st.lists(st.integers(0, 8), min_size=1, max_size=9),
    st.lists(st.integers(0, 8), max_size=9),
)
def test_rows_taken_twice_share_the_table(first, second):
    table = np.arange(18, dtype=np.float32).reshape(9, 2)
    rows = Rows(table, [np.arange(9), table], [np.ones(9, np.float32)])
    second = [i % len(first) for i in second]
    taken = rows.take(np.array(first)).take(np.array(second, dtype=int))
    where = np.array(first)[np.array(second, dtype=int)]
    assert taken.table is table
    assert len(taken) == len(second)
    for found, whole in ((taken.X, table), (taken.targets[0], np.arange(9))):
        assert_array_equal(found, whole[where])
    assert_array_equal(taken.alone().table, taken.X)


def test_the_best_constant():
    """Of squares the variance, of absolutes the mean deviation, of labels the entropy."""
    rng = np.random.default_rng(0)
    y = rng.exponential(size=(500, 1)).astype(np.float32)
    w = np.ones(500, dtype=np.float32)
    assert_allclose(constant_loss(value_loss("mse"), 1, (y, w), (y, w)), y.var(), rtol=1e-5)
    deviation = np.abs(y - np.median(y)).mean()
    assert_allclose(constant_loss(value_loss("mae"), 1, (y, w), (y, w)), deviation, rtol=1e-5)
    codes = rng.integers(0, 3, 500).astype(np.int32)
    p = np.bincount(codes) / 500
    entropy = -(p * np.log(p)).sum()
    loss = class_loss("crossentropy", 3)
    assert_allclose(constant_loss(loss, 3, (codes, w), (codes, w)), entropy, rtol=1e-5)
    constant = np.ones_like(y)
    assert constant_loss(value_loss("mse"), 1, (constant, w), (constant, w)) == 1
