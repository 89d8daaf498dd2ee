"""Early stopping: what it watches, when it stops, which epochs' weights are kept."""

from __future__ import annotations

from typing import Any

import numpy as np

from skjoint._network.loss_rules import constant_loss, may_be_negative


class JointMonitor:
    """Hook: adds ``val_joint_loss`` to the logs.

    The mean over heads of validation loss / loss of the best constant prediction: 1 means
    that nothing was learned, whatever the scales. A log likelihood may be 0 or negative, so
    that a ratio would mean nothing: there it is 1 + the difference of the two.
    """

    def __init__(self, plan):
        rows, validation = plan.rows, plan.validation
        self.outputs, self.references, self.by_difference = {}, {}, {}
        for i, head in enumerate(plan.network.heads):
            if not validation.weights[i].any():
                continue
            self.outputs[head.name] = head.output
            self.by_difference[head.name] = may_be_negative(head.output, plan.losses[i])
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
            self.outputs[name].relative_loss(
                logs[f"val_{name}_loss"], reference, self.by_difference[name]
            )
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
