"""The contract of companions: models that are fitted beside the networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from skjoint._data.rows import Rows
from skjoint._network.spec import Head
from skjoint._prediction.stacked import HeadModel


@dataclass(frozen=True, eq=False)
class Task:
    """What a companion is fitted on.

    Parameters
    ----------
    rows : Rows
        All rows to train on. Rows of weight 0 are not labelled for a head.
    heads : dict of {int: Head}
        Heads to fit models for, by index into the targets of the rows.
    columns : ndarray of int
        Columns of encoded X, without those that repeat others in another form, such as ranks.
    where : ndarray of int
        Places of the rows that need held-out predictions, ascending.
    seed : int
    n_codes : dict of {int: int}, default={}
        Those of ``columns`` that hold categories, and the number of codes of each. Code 0 stands
        for all levels that are not told apart; the others are 1, 2, ...
    """

    rows: Rows
    heads: dict[int, Head]
    columns: np.ndarray
    where: np.ndarray
    seed: int
    n_codes: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class AuxiliaryModel:
    """A fitted model for one head with its held-out answers.

    Parameters
    ----------
    model : HeadModel
    where : ndarray of int
        Places of the rows with held-out predictions, ascending.
    answers : ndarray of float, shape (len(where), n_units)
        Prediction of each of these rows, by a fit without the row. NaN where there is none.
    """

    model: HeadModel
    where: np.ndarray
    answers: np.ndarray

    @property
    def head(self):
        return self.model.head


def serves_every_head(head):
    """The default of ``serves``: a share in any head."""
    return True


@dataclass(frozen=True)
class Companion:
    """A kind of model that can be fitted beside the networks.

    Parameters
    ----------
    name : str
        Its name in ``companions=``, and the ``kind`` of its models.
    model : type
        Class of its models: a :class:`skjoint._prediction.stacked.HeadModel`, whose constructor
        takes the fields of ``arrays()`` and checks them.
    fitter : callable
        ``(task, **arguments) -> list of AuxiliaryModel``, one for each head of the task with
        enough rows to learn from.
    serves : callable
        ``(head) -> bool``: whether it can have a share in such a head.
    arguments : dict
        Argument names of ``fitter``, and their defaults.
    constraints : dict
        What each argument must be, as scikit-learn's parameter constraints.
    """

    name: str
    model: type
    fitter: Callable
    serves: Callable = serves_every_head
    arguments: dict = field(default_factory=dict)
    constraints: dict = field(default_factory=dict)

    def fit(self, task, **arguments):
        """Models for those heads of the task that it serves; other arguments are defaults."""
        heads = {i: head for i, head in task.heads.items() if self.serves(head)}
        if not heads:
            return []
        return self.fitter(replace(task, heads=heads), **{**self.arguments, **arguments})


def is_unbounded(head):
    """Whether its outputs, or the scores of its labels, may be any numbers.

    Other value heads have the range of their activation. Means of training numbers, as of a
    forest, stay inside it; sums, as of boosted trees, may leave it.
    """
    return head.kind == "class" or head.activation == "linear"


def in_units(target, head, weights):
    """Columns of a head for a companion to learn, and the unit of each.

    All numbers of a vector count alike, whatever their units. Labels are one-hot.
    """
    if head.kind == "class":
        return np.eye(head.n_units)[target], np.ones(head.n_units)
    target = target.astype(np.float64)
    mean = np.average(target, axis=0, weights=weights)
    unit = np.sqrt(np.average((target - mean) ** 2, axis=0, weights=weights))
    unit = np.where(unit > 0, unit, 1.0)
    return target / unit, unit
