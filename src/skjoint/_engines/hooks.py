"""Hooks: functions that an engine calls at the end of each epoch.

After every epoch an engine calls one hook,

    stop = on_epoch(epoch, logs, get_weights)

with the epoch's index, its logs and a function that copies the weights of the moment. The
hooks are the same for every engine; :func:`chain` makes one of many. A hook may add to the
logs; what all of them leave becomes the history. An engine may call them some epochs late, up
to a second's worth, unless a hook has ``every_epoch = True``: it needs the weights of the
moment, or stops training.
"""

from __future__ import annotations

import numpy as np


def chain(hooks):
    """One hook that calls all of them in turn and stops when any asks to."""

    def on_epoch(epoch, logs, get_weights):
        # A list: hooks behind one that stops are called, too.
        stops = [hook(epoch, logs, get_weights) for hook in hooks]
        return any(stops)

    on_epoch.every_epoch = any(getattr(hook, "every_epoch", False) for hook in hooks)  # type: ignore[attr-defined]
    return on_epoch


def stop_at_nan(head_names):
    """Hook: raises when a loss or metric is not finite, so that no such model is kept."""

    def on_epoch(epoch, logs, get_weights):
        bad = [name for name, value in logs.items() if not np.isfinite(value)]
        if bad:
            heads = [name for name in head_names if f"{name}_loss" in bad]
            raise divergence(f"The training loss became {logs[bad[0]]}", epoch + 1, heads)
        return False

    return on_epoch


def divergence(what, n_epochs, head_names):
    """The error to raise when a loss or a prediction is not finite."""
    heads = f" at head {', '.join(map(repr, head_names))}" if head_names else ""
    return ValueError(
        f"{what} in epoch {n_epochs}{heads}: training diverged and no model was kept. The usual "
        "causes are a learning_rate that is too high and numbers of very different size; lower "
        "the rate, or keep preprocess='auto' and scale_value=True."
    )
