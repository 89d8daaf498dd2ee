"""The contract of companions: models that are fitted beside the networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    folds : sequence of (ndarray, ndarray), default=()
        Places of rows to train on and, in the table, of rows to answer then. Without any a
        companion leaves rows out as it likes, one by one.
    """

    rows: Rows
    heads: dict[int, Head]
    columns: np.ndarray
    where: np.ndarray
    seed: int
    n_codes: dict[int, int] = field(default_factory=dict)
    folds: Sequence[tuple[np.ndarray, np.ndarray]] = ()


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
        task, arguments = replace(task, heads=heads), {**self.arguments, **arguments}
        if not task.folds:
            return self.fitter(task, **arguments)
        found = self._fit_to(task, slice(None), arguments)
        return self._with_answers_of_folds(found, task, arguments)

    def _fit_to(self, task, places, arguments):
        """Models of some of the rows, without held-out answers."""
        rows = task.rows.take(places).alone()
        alone = replace(task, rows=rows, where=np.arange(0), folds=())
        return self.fitter(alone, **arguments)

    def _with_answers_of_folds(self, found, task, arguments):
        """Models of all rows, with the answers of models that were trained on folds.

        A row in several folds has the mean of their answers.
        """
        total = {model.head: np.zeros((len(task.where), model.model.n_units)) for model in found}
        times = {head: np.zeros((len(task.where), 1)) for head in total}
        for inside, outside in task.folds:
            is_whole = len(inside) == len(task.rows)
            of_fold = found if is_whole else self._fit_to(task, inside, arguments)
            here, X = np.searchsorted(task.where, outside), task.rows.table[outside]
            for one in of_fold:
                if one.head in total:
                    total[one.head][here] += one.model.predict(X)
                    times[one.head][here] += 1
        with np.errstate(invalid="ignore"):
            answers = [total[one.head] / times[one.head] for one in found]
        where = task.where
        return [replace(m, where=where, answers=a) for m, a in zip(found, answers, strict=True)]


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
