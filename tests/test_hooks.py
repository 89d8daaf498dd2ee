"""What listens to the epochs: early stopping, checks, the joint held-out loss."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from conftest import class_head, encoded_rows, value_head
from skjoint._engines.early_stopping import EarlyStopping, GivenEpochs, JointMonitor
from skjoint._engines.hooks import chain, divergence, stop_at_nan
from skjoint._network.outputs import Histogram, Point


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
    called = []
    hooks = [lambda *_: True, lambda *_: called.append(1)]
    assert chain(hooks)(0, {}, None)
    assert called == [1]


def test_nan_names_epoch_head_and_cause():
    hook = stop_at_nan(["value", "class"])
    assert not hook(0, {"loss": 1.0, "value_loss": 1.0}, None)
    with pytest.raises(ValueError, match=r"nan in epoch 3 at head 'value'.*learning_rate"):
        hook(2, {"loss": np.nan, "value_loss": np.nan, "class_loss": 1.0}, None)


@pytest.mark.parametrize("all_logs", [{}, {"val_joint_loss": 2.0}])
def test_finite_logs_never_stop(all_logs):
    assert stop_at_nan(["value"])(0, all_logs, None) is False


def test_divergence_without_a_head_names_none():
    message = str(divergence("The loss became inf", 4, []))
    assert message.startswith("The loss became inf in epoch 4: training diverged")


def test_a_chain_needs_every_epoch_if_one_of_its_hooks_does():
    early = EarlyStopping(1, ["val_joint_loss"])
    assert not chain([stop_at_nan([])]).every_epoch
    assert chain([stop_at_nan([]), early]).every_epoch
    assert chain([chain([early])]).every_epoch


def test_hooks_of_a_chain_get_what_those_before_them_added():
    def add(epoch, logs, get_weights):
        logs["added"] = epoch

    seen = []
    chain([add, lambda epoch, logs, get_weights: seen.append(logs["added"])])(3, {}, None)
    assert seen == [3]


def test_early_stopping_copies_weights_only_when_a_monitor_improves():
    stopping, copies = EarlyStopping(5, ["loss"]), []
    for epoch, loss in enumerate([2.0, 3.0, 2.0, 1.0]):
        stopping(epoch, {"loss": loss}, lambda epoch=epoch: copies.append(epoch))
    assert copies == [0, 3]  # an equal loss is no improvement


def test_given_epochs_are_kept_and_the_last_one_ends():
    hook = GivenEpochs([1, 3])
    stops = [hook(epoch, {}, lambda epoch=epoch: epoch) for epoch in range(4)]
    assert stops == [False, False, False, True]
    assert hook.weights == {1: 1, 3: 3}


def plan_of(kind=Point):
    """What a monitor reads of a plan: heads, losses, rows to train on and rows held out."""
    rows, heads = encoded_rows(), (value_head(kind=kind), class_head())
    number, code = rows.targets
    given = heads[0].output.given_weights("value", number, None)
    number = heads[0].output.training_targets("value", number, code, given.get)
    rows = replace(rows, targets=[number, code])
    return SimpleNamespace(
        network=SimpleNamespace(heads=heads),
        losses=[heads[0].output.loss("mse"), heads[1].output.loss("crossentropy")],
        rows=rows.take(np.arange(150)),
        validation=rows.take(np.arange(150, 200)),
    )


def test_the_joint_loss_is_one_for_the_best_constants():
    monitor = JointMonitor(plan_of())
    logs = {f"val_{name}_loss": reference for name, reference in monitor.references.items()}
    assert list(logs) == ["val_value_loss", "val_class_loss"]
    assert monitor(0, logs, None) is False
    assert logs["val_joint_loss"] == pytest.approx(1)
    logs["val_value_loss"] *= 0.5
    monitor(1, logs, None)
    assert logs["val_joint_loss"] == pytest.approx(0.75)


def test_heads_without_held_out_labels_are_left_out_of_the_joint_loss():
    plan = plan_of()
    plan.validation.weights[1][:] = 0
    monitor = JointMonitor(plan)
    names = [monitor.monitor_of(head) for head in plan.network.heads]
    assert names == ["val_value_loss", "val_joint_loss"]
    plan.validation.weights[0][:] = 0
    with pytest.raises(ValueError, match="None of the 50 validation rows is labelled"):
        JointMonitor(plan)


def test_the_mean_of_a_histogram_is_watched_by_its_error():
    plan = plan_of(Histogram)
    monitor = JointMonitor(plan)
    names = [monitor.monitor_of(head) for head in plan.network.heads]
    assert names == ["val_value_mae", "val_class_loss"]
