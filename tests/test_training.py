"""The contract: order of rows, best constants. No engine here."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from skjoint._engines.plan import epoch_order
from skjoint._network.losses import class_loss, constant_loss, value_loss


def test_epoch_order_depends_on_seed_and_epoch_only():
    order = epoch_order(3, 5, 100)
    assert_array_equal(order, epoch_order(3, 5, 100))
    assert_array_equal(np.sort(order), np.arange(100))
    assert (order != epoch_order(3, 6, 100)).any()
    assert (order != epoch_order(4, 5, 100)).any()


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
