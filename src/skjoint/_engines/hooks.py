"""What listens to the epochs of a training: early stopping, checks, the joint held-out loss.

After every epoch an engine calls one hook,

    stop = on_epoch(epoch, logs, get_weights)

with the epoch's index, its logs and a function that copies the weights of the moment. The
hooks are the same for every engine; :func:`chain` makes one of many. A hook may add to the
logs; what all of them leave becomes the history. An engine may call them some epochs late, up
to a second's worth, unless a hook has ``every_epoch = True``: it needs the weights of the
moment, or stops training.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skjoint._network.losses import constant_loss


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


class JointMonitor:
    """Hook: adds ``val_joint_loss`` to the logs.

    The mean over heads of validation loss / loss of the best constant prediction: 1 means
    that nothing was learned, whatever the scales. A log likelihood may be 0 or negative, so
    that a ratio would mean nothing: there it is 1 + the difference of the two.
    """

    def __init__(self, plan):
        rows, validation = plan.rows, plan.validation
        self.outputs, self.references = {}, {}
        for i, head in enumerate(plan.network.heads):
            if not validation.weights[i].any():
                continue
            self.outputs[head.name] = head.output
            self.references[head.name] = constant_loss(
                head.output,
                plan.losses[i],
                (rows.targets[i], rows.weights[i]),
                (validation.targets[i], validation.weights[i]),
            )
        if not self.references:
            raise ValueError(
                f"None of the {len(validation)} validation rows is labelled. Hold out more with "
                "validation."
            )

    def monitor_of(self, head):
        """Name of the log that early stopping by head watches.

        That of the head's output, such as its held-out loss; the joint loss if no validation
        row is labelled for the head.
        """
        if head.name not in self.references:
            return "val_joint_loss"
        return f"val_{head.name}_{head.output.monitor}"

    def __call__(self, epoch, logs, get_weights):
        relative = [
            self.outputs[name].relative_loss(logs[f"val_{name}_loss"], reference)
            for name, reference in self.references.items()
        ]
        logs["val_joint_loss"] = float(np.mean(relative))
        return False


class EarlyStopping:
    """Hook: stops when no monitor has improved for ``patience`` epochs.

    ``monitors`` are names of logs: the joint loss, or the loss of each head.
    For each the weights of its best epoch are kept.
    """

    every_epoch = True

    def __init__(self, patience, monitors):
        self.patience = patience
        self.monitors = monitors
        self.best_losses = [np.inf] * len(monitors)
        self.best_epochs: list[Any] = [None] * len(monitors)
        self.weights = {}  # of the best epochs

    def __call__(self, epoch, logs, get_weights):
        improved = [i for i, name in enumerate(self.monitors) if logs[name] < self.best_losses[i]]
        for i in improved:
            self.best_losses[i], self.best_epochs[i] = logs[self.monitors[i]], epoch
        if improved:
            kept = {e: w for e, w in self.weights.items() if e in self.best_epochs}
            self.weights = {**kept, epoch: get_weights()}
        return epoch - max(self.best_epochs) >= self.patience


class GivenEpochs:
    """Hook: keeps the weights of given epochs, for all heads or for each, and stops at the last."""

    every_epoch = True

    def __init__(self, epochs):
        self.best_epochs = epochs
        self.weights = {}

    def __call__(self, epoch, logs, get_weights):
        if epoch in self.best_epochs:
            self.weights[epoch] = get_weights()
        return epoch >= max(self.best_epochs)
