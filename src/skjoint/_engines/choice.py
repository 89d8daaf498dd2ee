"""Which engine trains a plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from skjoint._engines import fused, keras_fit
from skjoint._engines.callback_needs import listens_to_batches
from skjoint._network.losses import is_batch_mean
from skjoint._support.warn import warn


@dataclass(frozen=True)
class Engine:
    """``train(plan, on_epoch, callbacks) -> Result``, and whether threads may call it at once."""

    train: Callable
    runs_in_threads: bool

    def __call__(self, plan, on_epoch, callbacks=()):
        return self.train(plan, on_epoch, callbacks)


ENGINES = {
    "fused": Engine(fused.train, runs_in_threads=True),
    "keras": Engine(keras_fit.train, runs_in_threads=False),
}


def choose_engine(name, plan, callbacks):
    """The engine of this name; "auto" is the fused one wherever it can train the plan."""
    if name not in ("auto", "fused"):
        return ENGINES[name]
    reasons = _reasons_for_keras(plan, callbacks)
    if not reasons:
        return ENGINES["fused"]
    if name == "fused":
        raise ValueError(f"engine must be 'keras' here: {'; '.join(reasons)}. Got 'fused' instead.")
    warn(f"Trained by engine='keras', which is many times slower: {'; '.join(reasons)}.")
    return ENGINES["keras"]


def _reasons_for_keras(plan, callbacks):
    reasons = [
        f"{type(callback).__name__} asks to be called for every batch"
        for callback in callbacks
        if listens_to_batches(callback)
    ]
    trunk = plan.network.trunk
    if trunk is not None and trunk.adds_losses:
        reasons.append("the trunk adds losses of whole batches, such as an activity regularizer's")
    reasons += [
        f"the loss of head '{head.name}' has reduction={loss.reduction!r}"
        for head, loss in zip(plan.network.heads, plan.losses, strict=True)
        if not is_batch_mean(loss)
    ]
    return reasons
