"""Outputs of networks and companions together.

A number is the weighted mean of the outputs of networks and companions. Probabilities are
their weighted geometric mean, made to sum to 1 (Genest & Zidek 1986): a model that is nearly
sure of a label counts for more in it than in an arithmetic mean, and one that is hardly better
than chance changes little.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from scipy.special import softmax

from skjoint._network.outputs.base import LEAST_PROBA
from skjoint._prediction.blocks import as_rows

# Share of the networks in each companion's probabilities. A forest's probability of a label is
# 0 where the row's leaves hold none of its rows, and a geometric mean with a 0 is 0.
FLOOR = 0.05


class HeadModel(Protocol):
    """What prediction needs of a companion: a fitted model for one head.

    It can be pickled, and ``type(model)(**model.arrays())``, which checks its arguments, is
    the same model.
    """

    kind: str  # name of the companion

    @property
    def head(self) -> str:
        """Name of the head."""

    @property
    def n_units(self) -> int:
        """Units of the head."""

    def reads(self, n_inputs):
        """Whether it predicts from rows of so many encoded columns."""

    def predict(self, X):
        """Output of the head, in the units of the network's: float64 (n_samples, n_units)."""

    def arrays(self):
        """Plain data by name, arrays among it, for a file."""


class Stacked:
    """Networks and companions, whose outputs are combined head by head.

    Parameters
    ----------
    network : FittedNetwork or Average
    models : list of HeadModel
    shares : list of float
        Share of each model in its head; the rest of a head is the networks'.
    floor : float
        Share of the networks in each model's probabilities before the geometric mean is
        taken.
    """

    def __init__(self, network, models, shares, floor=FLOOR):
        self.network = network
        self.models = models
        self.shares = shares
        self.floor = floor
        heads = {head.name: head for head in network.spec.heads}
        if not (
            all(
                model.head in heads
                and model.n_units == heads[model.head].n_units
                and model.reads(network.spec.n_inputs)
                for model in models
            )
            and len(models) == len(shares)
            and all(0 <= share <= 1 for share in shares)
            and all(self.share(head) < 1 + 1e-6 for head in heads)
            and 0 < floor < 1
        ):
            raise ValueError("these models do not belong to the network")

    @property
    def spec(self):
        return self.network.spec

    def member(self, i):
        """The network of a member, from which training goes on."""
        return self.network.member(i)

    def build(self):
        """The networks alone as a new ``keras.Model``."""
        return self.network.build()

    def share(self, head, kind=None):
        """Share in a head, by name, of all models or of those of one kind."""
        pairs = zip(self.models, self.shares, strict=True)
        return sum((s for m, s in pairs if m.head == head and kind in (None, m.kind)), 0.0)

    def floor_of(self, head):
        """The floor of a class head, None of a value head."""
        return self.floor if head.kind == "class" else None

    def __getstate__(self):
        names = ("network", "models", "shares", "floor")
        return {name: getattr(self, name) for name in names}

    def predict(self, X, names, forms=None):
        """As :meth:`skjoint._prediction.forward.FittedNetwork.predict`."""
        outputs = self.network.predict(X, names)
        parts = {name: [] for name in names}
        for model, share in zip(self.models, self.shares, strict=True):
            if model.head in parts:
                parts[model.head].append((share, model.predict(X)))
        floors = {head.name: self.floor_of(head) for head in self.spec.heads}
        answers = []
        for name, form, output in zip(names, forms or [as_rows] * len(names), outputs, strict=True):
            if parts[name]:
                output = joined(output, parts[name], floors[name])
            answers.append(output if form is as_rows else form(output.T, X.shape[0]))
        return answers


def joined(network, parts, floor):
    """One output of a head: the geometric mean where there is a floor, else the mean.

    Parameters
    ----------
    network : ndarray of shape (n_samples, n_units)
        Output of the networks.
    parts : list of (float, ndarray)
        Share and output of each model.
    floor : float or None

    Returns
    -------
    ndarray of float32
    """
    return mean_of(network, parts) if floor is None else pooled(network, parts, floor)


def mean_of(network, parts):
    """The weighted mean of outputs, as :func:`joined`."""
    whole = (1 - sum(share for share, _ in parts)) * network.astype(np.float64)
    for share, output in parts:
        whole += share * output
    return whole.astype(np.float32)


def pooled(network, parts, floor):
    """The weighted geometric mean of probabilities, which sum to 1, as :func:`joined`."""
    total = (1 - sum(share for share, _ in parts)) * log_proba(network)
    for share, output in parts:
        total += share * log_proba(with_floor(output, network, floor))
    return softmax(total, axis=1).astype(np.float32)


def log_proba(proba):
    """Logarithms of probabilities, finite where these are 0."""
    return np.log(np.maximum(proba.astype(np.float64), LEAST_PROBA))


def with_floor(proba, network, floor):
    """A model's probabilities with a share of the networks', so that none is 0."""
    return (1 - floor) * proba + floor * network
