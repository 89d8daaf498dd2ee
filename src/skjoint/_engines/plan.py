"""The contract between a fit and its engines.

:mod:`skjoint._fitting.plans` writes a :class:`Plan` (plain data: arrays, weights, settings), an
engine carries it out and returns a :class:`Result`. An engine never sees the estimator, pandas
or the user's y.
An engine is a function

    train(plan, on_epoch, callbacks=()) -> Result

which calls ``on_epoch`` after every epoch; :mod:`skjoint._engines.hooks` describes that call.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from skjoint._data.rows import Rows
from skjoint._network.spec import NetworkSpec


@dataclass(frozen=True)
class OptimizerSpec:
    """A Keras optimizer as its class and configuration, and the schedule of its rate."""

    cls: type
    config: dict
    schedule: str = "constant"

    @property
    def rate(self):
        """The learning rate; None if the optimizer has a schedule of its own."""
        rate = self.config.get("learning_rate")
        return rate if isinstance(rate, (int, float)) else None


@dataclass(frozen=True)
class Plan:
    """All that an engine needs to train a network; nothing here is written to.

    ``losses`` holds Keras losses, one per head; ``value_units`` turns errors of scaled
    values into original units: their scale, or a table of what they are there, see
    :func:`skjoint._network.original.absolute_error`. Epochs are numbered
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
    value_units: list[np.ndarray] = field(default_factory=list)
    validation: Rows | None = None
    n_alike: int = 1  # plans of the fit that share a program, this one included
    first_epoch: int = 0
    idle_embedding: bool = False  # the network has its embedding for the sake of others alone
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
    names += [f"{head.name}_{head.output.metric}" for head in heads]
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
