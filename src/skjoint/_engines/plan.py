"""The contract between the estimator and its engines.

The estimator writes a :class:`Plan` (plain data: arrays, weights, settings), an engine carries
it out and returns a :class:`Result`. An engine never sees the estimator, pandas or the user's y.
An engine is a function

    train(plan, on_epoch, callbacks=()) -> Result

which calls ``on_epoch`` after every epoch; :mod:`skjoint._engines.hooks` describes that call.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from sklearn.model_selection import StratifiedShuffleSplit, train_test_split

from skjoint._network.spec import NetworkSpec

METRICS = {"value": "mae", "class": "accuracy"}  # of a head, by its kind


@dataclass(frozen=True)
class Rows:
    """Rows to train or validate on: encoded X, and one array and weight per head.

    Targets are float32 (n, width) for a value, in scaled units, and int32
    codes (n,) for a class; a value that is a mixture over classes has the code,
    or -1, as one more column. A weight of 0 marks what is not labelled.
    All plans of a fit share the ``table`` of X; ``where`` are the rows of it that these
    are, None for all.
    """

    table: np.ndarray
    targets: list[np.ndarray]
    weights: list[np.ndarray]
    where: np.ndarray | None = None

    def __len__(self):
        return len(self.weights[0])

    @property
    def X(self):  # noqa: N802
        """Rows of the table, a copy unless they are all."""
        return self.table if self.where is None else self.table[self.where]

    @property
    def positions(self):
        """Which rows of the table they are, int32."""
        return np.arange(len(self), dtype=np.int32) if self.where is None else self.where

    def take(self, rows):
        targets, weights = [t[rows] for t in self.targets], [w[rows] for w in self.weights]
        return Rows(self.table, targets, weights, self.positions[rows])

    def alone(self):
        """The same rows without the rest of the table."""
        return Rows(self.X, self.targets, self.weights)


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
    and e only (:func:`epoch_order`). Without rows in ``validation`` nothing is
    held out, as with None, but the plan shares the program of plans that hold out some.
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
    n_alike: int = 1  # plans of the fit that share a program, this one included
    first_epoch: int = 0
    optimizer_state: tuple | None = None
    balancing: str | None = None  # a name in METHODS, instead of the loss weights
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


def split_validation(arrays, masks, fraction, seed):
    """Row indices (train, validation), shuffled and stratified on the first class head.

    Labels with a single row stay in training. Without a class head, or where
    the labels are too many to be stratified, the split is shuffled only.
    """
    n_samples = len(arrays[0])
    codes = next(
        (np.where(m, a, -1) for a, m in zip(arrays, masks, strict=True) if a.dtype.kind == "i"),
        np.zeros(n_samples, dtype=int),
    )
    _, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
    single = np.flatnonzero(counts[inverse] == 1)
    shared = np.flatnonzero(counts[inverse] > 1)
    n_validation = int(np.ceil(fraction * n_samples))
    if n_validation < 1 or n_samples - n_validation < 1:
        raise ValueError(
            f"validation_fraction={fraction} of {n_samples} rows leaves no row to train or to "
            "validate on."
        )
    n_labels = len(np.unique(inverse[shared]))
    if n_labels <= min(n_validation, len(shared) - n_validation):
        split = StratifiedShuffleSplit(1, test_size=n_validation, random_state=seed)
        train, validation = next(split.split(shared, inverse[shared]))
        return np.sort(np.concatenate([single, shared[train]])), np.sort(shared[validation])
    train, validation = train_test_split(
        np.arange(n_samples), test_size=n_validation, random_state=seed
    )
    return np.sort(train), np.sort(validation)
