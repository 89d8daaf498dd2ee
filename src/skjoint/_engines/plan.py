"""The contract between the estimator and its engines.

The estimator writes a :class:`Plan` (plain data: arrays, weights, settings),
an engine carries it out and returns a :class:`Result`. An engine never sees
the estimator, pandas or the user's y. After every epoch it calls one hook,

    stop = on_epoch(epoch, logs, get_weights)

with the epoch's index, its logs and a function that copies the weights of
the moment. Early stopping, the stop at NaN, progress and anything that wants
to listen are such hooks, the same for every engine; :func:`chain` makes one
of many. Hooks may add to the logs; what they leave becomes the history. An engine
may call them some epochs late, up to a second's worth, unless a hook says with
``every_epoch = True`` that it needs the weights of the moment or stops training.
"""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import dataclass, field

import numpy as np

from skjoint._data.rows import Rows
from skjoint._network.losses import constant_loss, gaussian_loss
from skjoint._network.spec import NetworkSpec

METRICS = {"value": "mae", "class": "accuracy"}  # of a head, by its kind


@dataclass(frozen=True)
class OptimizerSpec:
    """A Keras optimizer as its class and configuration, and the schedule of its rate."""

    cls: type
    config: dict
    schedule: str = "constant"

    @property
    def rate(self):
        """The learning rate; None if the optimizer has a schedule of its own."""
        rate = self.config["learning_rate"]
        return rate if isinstance(rate, (int, float)) else None


@dataclass(frozen=True)
class Plan:
    """All that an engine needs to train a network; nothing here is written to.

    ``losses`` holds Keras losses, one per head; ``value_scales`` turns the
    absolute error of scaled values into original units. Epochs are numbered
    from ``first_epoch`` on; the batch order of epoch e depends on ``seed``
    and e only (:func:`epoch_order`). No rows to validate on are as None, but
    share the programs of plans that have some.
    """

    network: NetworkSpec
    rows: Rows
    losses: list
    loss_weights: list[float]
    optimizer: OptimizerSpec
    epochs: int
    batch_size: int
    seed: int
    weights: list[np.ndarray]  # to start from
    value_scales: list[np.ndarray] = field(default_factory=list)
    validation: Rows | None = None
    n_alike: int = 1  # plans of the fit that a program serves, this one among them
    first_epoch: int = 0
    optimizer_state: tuple | None = None
    balancing: str | None = None  # instead of the loss weights
    balancing_state: np.ndarray | None = None

    @property
    def n_steps(self):
        """Batches per epoch; the last one may be short."""
        return -(-len(self.rows) // self.batch_size)

    @property
    def last_epoch(self):
        return self.first_epoch + self.epochs


def log_names(plan, validates=None):
    """Names of an epoch's logs: losses, each head's metric, their ``val_``, balanced weights."""
    heads = plan.network.heads
    names = ["loss", *(f"{head.name}_loss" for head in heads)]
    names += [f"{head.name}_{METRICS[head.kind]}" for head in heads]
    if plan.validation if validates is None else validates:
        names += [f"val_{name}" for name in names]
    return names + (weight_names(heads) if plan.balancing else [])


def weight_names(heads):
    """Names under which the factors of the heads' losses are logged."""
    return [f"{head.name}_loss_weight" for head in heads]


@dataclass
class Result:
    """What training leaves behind."""

    weights: list[np.ndarray]
    optimizer_state: tuple
    history: dict[str, list[float]]
    balancing_state: np.ndarray | None = None


def epoch_order(seed, epoch, n_samples):
    """The order in which an epoch visits the rows."""
    return np.random.default_rng([seed, epoch]).permutation(n_samples).astype(np.int32)


# ----------------------------------------------------------------------- hooks
def chain(hooks):
    """One hook that calls all of them in turn and stops when any asks to."""

    def on_epoch(epoch, logs, get_weights):
        stops = [hook(epoch, logs, get_weights) for hook in hooks]  # all of them hear it
        return any(stops)

    on_epoch.every_epoch = any(getattr(hook, "every_epoch", False) for hook in hooks)
    return on_epoch


def stop_at_nan(head_names):
    """Hook: training that has lost its way is an error, never a model."""

    def on_epoch(epoch, logs, get_weights):
        bad = [name for name, value in logs.items() if not np.isfinite(value)]
        if bad:
            heads = [name for name in head_names if f"{name}_loss" in bad]
            raise divergence(f"The training loss became {logs[bad[0]]}", epoch + 1, heads)
        return False

    return on_epoch


def divergence(what, n_epochs, head_names):
    """The error of a training that ended in numbers that are none."""
    heads = f" at head {', '.join(map(repr, head_names))}" if head_names else ""
    return ValueError(
        f"{what} in epoch {n_epochs}{heads}: training diverged and no model was kept. The usual "
        "causes are a learning_rate that is too high and numbers of very different size; lower "
        "the rate, or keep preprocess='auto' and scale_value=True."
    )


class JointMonitor:
    """Hook: adds ``val_joint_loss`` to the logs.

    The mean over heads of validation loss / loss of the best constant
    prediction: 1 means that nothing was learned, whatever the scales. A log
    likelihood has no zero to divide by: 1 + the difference of the two instead.
    """

    def __init__(self, plan):
        rows, validation = plan.rows, plan.validation
        self.references = {}
        likelihoods = zip(plan.network.heads, plan.losses, strict=True)
        self.likelihoods = {h.name for h, loss in likelihoods if isinstance(loss, gaussian_loss())}
        for i, head in enumerate(plan.network.heads):
            if not validation.weights[i].any():
                continue
            self.references[head.name] = constant_loss(
                plan.losses[i],
                head.n_units,
                (rows.targets[i], rows.weights[i]),
                (validation.targets[i], validation.weights[i]),
            )
        if not self.references:
            raise ValueError(
                f"None of the {len(validation)} validation rows is labelled. Hold out more with "
                "validation_fraction."
            )

    def monitor_of(self, head):
        """The log to judge a head by: its own, if any validation row is labelled for it.

        The loss, but of a number that is the mean of a distribution the error: it goes on
        falling when the distribution has begun to overfit, and a later epoch makes better
        members (benchmarks/quality.py).
        """
        if head.name not in self.references:
            return "val_joint_loss"
        return f"val_{head.name}_{METRICS['value'] if head.n_bins else 'loss'}"

    def __call__(self, epoch, logs, get_weights):
        relative = []
        for name, reference in self.references.items():
            loss = logs[f"val_{name}_loss"]
            is_likelihood = name in self.likelihoods
            relative.append(1 + loss - reference if is_likelihood else loss / reference)
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
        self.best_epochs = [None] * len(monitors)
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


def format_logs(logs):
    """Losses and metrics under their own names, training before validation."""
    return " - ".join(f"{name}: {value:.4g}" for name, value in logs.items())


def epoch_lines(last_epoch, stream=None, title=""):
    """Hook for ``verbose=2``: one line per epoch."""

    def on_epoch(epoch, logs, get_weights):
        print(
            f"{title}Epoch {epoch + 1}/{last_epoch} - {format_logs(logs)}",
            file=stream or sys.stdout,
            flush=True,
        )
        return False

    return on_epoch


class ProgressBar:
    """Hook for ``verbose=1``: a bar that redraws itself, or some lines where it cannot.

    Terminals and notebooks go back to the start of a line; files and pipes do not.
    """

    width = 20

    def __init__(self, first_epoch, last_epoch, stream=None, title=""):
        self.title = title
        self.first_epoch, self.last_epoch = first_epoch, last_epoch
        self.stream = stream or sys.stdout
        self.is_terminal = self.stream.isatty()
        self.live = self.is_terminal or type(self.stream).__module__.startswith("ipykernel")
        self.started = self.drawn = time.monotonic()
        self.length = 0
        self.line = self.written = ""

    def __call__(self, epoch, logs, get_weights):
        done, total = epoch + 1 - self.first_epoch, self.last_epoch - self.first_epoch
        now = time.monotonic()
        # Ten redraws a second on a terminal, one line per tenth of the work in a log.
        due = now - self.drawn > 0.1 if self.live else done * 10 // total > (done - 1) * 10 // total
        left = (now - self.started) / done * (total - done)
        filled = self.width * done // total
        bar = "=" * filled + "." * (self.width - filled)
        shown = {k: v for k, v in logs.items() if k.endswith("loss")}
        self.line = (
            f"{self.title}{epoch + 1}/{self.last_epoch} [{bar}] "
            f"{left:.0f} s left - {format_logs(shown)}"
        )
        if self.is_terminal:  # which cannot go back to the start of a line that it has wrapped
            self.line = self.line[: shutil.get_terminal_size().columns - 1]
        if due or done in (1, total):
            self.drawn = now
            self._write()
        return False

    def close(self):
        """End the line; after an early end, say which epoch was the last."""
        if self.line != self.written:
            self._write()
        if self.live and self.length:
            self.stream.write("\n")
            self.stream.flush()

    def _write(self):
        padding = " " * (self.length - len(self.line))
        self.length = len(self.line)
        self.stream.write(f"\r{self.line}{padding}" if self.live else f"{self.line}\n")
        self.stream.flush()
        self.written = self.line
