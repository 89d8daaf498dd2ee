"""The contract: order of rows, best constants. No engine here."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from skjoint._engines.plan import epoch_order
from skjoint._network.loss_rules import constant_loss
from skjoint._network.outputs import Label, Point


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
    number = Point(1, "linear")

    def of_numbers(name, y):
        return constant_loss(number, number.loss(name), (y, w), (y, w))

    assert_allclose(of_numbers("mse", y), y.var(), rtol=1e-5)
    deviation = np.abs(y - np.median(y)).mean()
    assert_allclose(of_numbers("mae", y), deviation, rtol=1e-5)
    codes = rng.integers(0, 3, 500).astype(np.int32)
    p = np.bincount(codes) / 500
    entropy = -(p * np.log(p)).sum()
    label = Label(3)
    found = constant_loss(label, label.loss("crossentropy"), (codes, w), (codes, w))
    assert_allclose(found, entropy, rtol=1e-5)
    assert of_numbers("mse", np.ones_like(y)) == 1
