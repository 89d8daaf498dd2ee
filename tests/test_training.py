"""The contract: order of rows, hooks. No engine here."""

import io

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skjoint._engines.plan import (
    EarlyStopping,
    ProgressBar,
    chain,
    epoch_lines,
    epoch_order,
    stop_at_nan,
)
from skjoint._network.losses import class_loss, constant_loss, value_loss


def test_epoch_order_depends_on_seed_and_epoch_only():
    order = epoch_order(3, 5, 100)
    assert_array_equal(order, epoch_order(3, 5, 100))
    assert_array_equal(np.sort(order), np.arange(100))
    assert (order != epoch_order(3, 6, 100)).any()
    assert (order != epoch_order(4, 5, 100)).any()


def test_early_stopping_keeps_the_best_weights():
    stopping = EarlyStopping(patience=2, monitors=["val_joint_loss"])
    losses = [3.0, 1.0, 2.0, 1.5]
    stops = [
        stopping(epoch, {"val_joint_loss": loss}, lambda epoch=epoch: [np.array(epoch)])
        for epoch, loss in enumerate(losses)
    ]
    assert stops == [False, False, False, True]
    assert stopping.best_epochs == [1]
    assert stopping.weights == {1: [np.array(1)]}


def test_early_stopping_by_head_waits_for_the_slower_head():
    stopping = EarlyStopping(patience=2, monitors=["val_value_loss", "val_class_loss"])
    losses = [(3, 9), (1, 8), (2, 7), (3, 6), (4, 8), (5, 7)]
    stops = [
        stopping(e, dict(zip(stopping.monitors, loss, strict=True)), lambda e=e: [np.array(e)])
        for e, loss in enumerate(losses)
    ]
    assert stops == [False] * 5 + [True]
    assert stopping.best_epochs == [1, 3]
    assert stopping.weights == {1: [np.array(1)], 3: [np.array(3)]}


def test_chain_calls_every_hook():
    heard = []
    hooks = [lambda *_: True, lambda *_: heard.append(1)]
    assert chain(hooks)(0, {}, None)
    assert heard == [1]


def test_nan_names_epoch_head_and_cause():
    hook = stop_at_nan(["value", "class"])
    assert not hook(0, {"loss": 1.0, "value_loss": 1.0}, None)
    with pytest.raises(ValueError, match=r"nan in epoch 3 at head 'value'.*learning_rate"):
        hook(2, {"loss": np.nan, "value_loss": np.nan, "class_loss": 1.0}, None)


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


LOGS = {"loss": 2.0, "value_loss": 1.5, "class_loss": 0.5, "value_mae": 3.0, "class_accuracy": 0.5}


def test_epoch_lines_name_every_loss_and_metric():
    stream = io.StringIO()
    epoch_lines(10, stream)(1, LOGS, None)
    assert stream.getvalue() == (
        "Epoch 2/10 - loss: 2 - value_loss: 1.5 - class_loss: 0.5 - value_mae: 3 - "
        "class_accuracy: 0.5\n"
    )


def test_progress_bar_after_an_early_end():
    stream = io.StringIO()
    bar = ProgressBar(0, 100, stream)
    for epoch in range(17):
        bar(epoch, LOGS, None)
    bar.close()
    assert stream.getvalue().splitlines()[-1].startswith("17/100 [===")


def test_progress_bar_in_a_log_and_on_a_terminal():
    stream = io.StringIO()
    bar = ProgressBar(0, 100, stream)
    for epoch in range(100):
        bar(epoch, LOGS, None)
    bar.close()
    lines = stream.getvalue().splitlines()
    assert 10 <= len(lines) <= 11
    assert lines[-1].startswith("100/100 [====================] 0 s left - loss: 2 - value_loss")

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    bar = ProgressBar(0, 3, stream)
    for epoch in range(3):
        bar(epoch, LOGS, None)
    bar.close()
    assert stream.getvalue().count("\n") == 1
    assert "\r3/3 [" in stream.getvalue()


def test_progress_bar_fits_into_the_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("COLUMNS", "40")
    stream = Terminal()
    bar = ProgressBar(0, 3, stream)
    for epoch in range(3):
        bar(epoch, LOGS, None)
    bar.close()
    lines = stream.getvalue().rstrip("\n").split("\r")[1:]
    assert len(lines) == 2
    assert {len(line) for line in lines} == {39}


def test_progress_bar_redraws_itself_in_a_notebook():
    class OutStream(io.StringIO):
        __module__ = "ipykernel.iostream"

    stream = OutStream()
    bar = ProgressBar(0, 100, stream)
    for epoch in range(100):
        bar(epoch, LOGS, None)
    bar.close()
    assert stream.getvalue().count("\n") == 1
    assert "\r100/100 [" in stream.getvalue()
