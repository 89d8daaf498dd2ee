"""Splits that keep the shares of the labels and the distribution of the number."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import BaseShuffleSplit
from sklearn.model_selection._split import _BaseKFold, _validate_shuffle_split
from sklearn.utils import check_random_state

from skjoint._data.containers import warn_of_other_order
from skjoint._data.read_y import read_table
from skjoint._data.targets import Targets
from skjoint._support.typing import ClassBins, Columns, RandomState, YLike
from skjoint._support.warn import warn


class Stratified:
    """What both splitters share: an order of the rows in which neighbours are alike."""

    value_columns: Columns
    class_columns: Columns
    class_bins: ClassBins

    def _alike(
        self, y: YLike, rng: np.random.RandomState | None
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows sorted by labels, then by numbers (ties by ``rng``), and the first labels' codes.

        Missing labels are a label of their own, missing numbers come last.
        """
        table = read_table(y)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the estimator's, about training
            gate = Targets.learn(
                table,
                value_columns=self.value_columns,
                class_columns=self.class_columns,
                class_bins=self.class_bins,
            )
        arrays, masks = gate.encode(gate.read(table))
        n_values = len(gate.values)
        codes = [
            np.where(m, a, -1) for a, m in zip(arrays[n_values:], masks[n_values:], strict=True)
        ]
        numbers = [
            np.where(m, a[:, 0], np.inf)
            for a, m in zip(arrays[:n_values], masks[:n_values], strict=True)
        ]
        ties = np.arange(len(masks[0])) if rng is None else rng.permutation(len(masks[0]))
        # lexsort's last key counts most.
        order = np.lexsort([ties, *numbers[::-1], *codes[::-1]])
        return order, codes[0] if codes else np.zeros(len(order), dtype=int)


class JointStratifiedKFold(Stratified, _BaseKFold):
    """K folds that keep the shares of the labels and the distribution of the number.

    Rows are sorted by label, then by number, and each run of ``n_splits``
    neighbours gives one row to every fold. So all folds have nearly the same
    share of each label and, within each label, nearly the same quantiles of
    the number. Rows without a label count as a label of their own.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    shuffle : bool, default=False
        Whether the rows of a run are dealt out at random; else in turn.
    random_state : int, RandomState instance or None, default=None
        Seeds the dealing; only with ``shuffle=True``.
    value_columns, class_columns, class_bins : default=None
        Which columns of y are what, as in ``JointRegressorClassifier``.

    Examples
    --------
    >>> from skjoint.datasets import load_diabetes_bands
    >>> from skjoint.model_selection import JointStratifiedKFold
    >>> X, y = load_diabetes_bands(return_X_y=True)
    >>> for train, test in JointStratifiedKFold(3).split(X, y):
    ...     print(y.loc[test, "progression"].mean().round(), sum(y.loc[test, "band"] == "high"))
    151.0 52
    152.0 52
    153.0 52
    """

    def __init__(
        self,
        n_splits: int = 5,
        *,
        shuffle: bool = False,
        random_state: RandomState = None,
        value_columns: Columns = None,
        class_columns: Columns = None,
        class_bins: ClassBins = None,
    ) -> None:
        super().__init__(n_splits, shuffle=shuffle, random_state=random_state)
        self.value_columns = value_columns
        self.class_columns = class_columns
        self.class_bins = class_bins

    def _iter_test_indices(
        self, X: Any, y: Any = None, groups: Any = None
    ) -> Iterator[NDArray[np.intp]]:
        warn_of_other_order(X=X, y=y)
        rng = check_random_state(self.random_state) if self.shuffle else None
        order, codes = self._alike(y, rng)
        n_samples = len(order)
        _warn_of_rare_labels(codes, self.n_splits)
        folds = np.empty(n_samples, dtype=int)
        deal = np.arange(self.n_splits)
        for start in range(0, n_samples, self.n_splits):
            run = order[start : start + self.n_splits]
            folds[run] = (deal if rng is None else rng.permutation(self.n_splits))[: len(run)]
        for fold in range(self.n_splits):
            yield np.flatnonzero(folds == fold)


class JointStratifiedShuffleSplit(Stratified, BaseShuffleSplit):
    """Random splits that keep the shares of the labels and the distribution of the number.

    Rows are sorted by label, then by number, and one row of each run of
    neighbours goes to the test part.

    Parameters
    ----------
    n_splits : int, default=10
        Number of splits.
    test_size, train_size : float, int or None, default=None
        Share or number of rows; 0.1 to test if neither is given.
    random_state : int, RandomState instance or None, default=None
        Seeds the choice.
    value_columns, class_columns, class_bins : default=None
        Which columns of y are what, as in ``JointRegressorClassifier``.

    Examples
    --------
    >>> from skjoint.datasets import load_diabetes_bands
    >>> from skjoint.model_selection import JointStratifiedShuffleSplit
    >>> X, y = load_diabetes_bands(return_X_y=True)
    >>> splitter = JointStratifiedShuffleSplit(1, test_size=0.25, random_state=0)
    >>> train, test = next(splitter.split(X, y))
    >>> len(train), len(test)
    (331, 111)
    """

    def __init__(
        self,
        n_splits: int = 10,
        *,
        test_size: float | None = None,
        train_size: float | None = None,
        random_state: RandomState = None,
        value_columns: Columns = None,
        class_columns: Columns = None,
        class_bins: ClassBins = None,
    ) -> None:
        super().__init__(
            n_splits, test_size=test_size, train_size=train_size, random_state=random_state
        )
        self._default_test_size = 0.1
        self.value_columns = value_columns
        self.class_columns = class_columns
        self.class_bins = class_bins

    def _iter_indices(
        self, X: Any, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        warn_of_other_order(X=X, y=y)
        rng = check_random_state(self.random_state)
        for _ in range(self.n_splits):
            order, _ = self._alike(y, rng)
            n_samples = len(order)
            n_train, n_test = _validate_shuffle_split(
                n_samples, self.test_size, self.train_size, self._default_test_size
            )
            # One place in each of n_test runs of equal length, then n_train of the rest alike.
            test = _one_of_each_run(order, n_test, rng)
            rest = order[~np.isin(order, test)]
            train = _one_of_each_run(rest, n_train, rng)
            yield rng.permutation(train), rng.permutation(test)


def _one_of_each_run(
    order: NDArray[np.intp], n_runs: int, rng: np.random.RandomState
) -> NDArray[np.intp]:
    bounds = np.arange(n_runs + 1) * len(order) // n_runs
    return order[rng.randint(bounds[:-1], bounds[1:])]


def _warn_of_rare_labels(codes: NDArray[np.intp], n_splits: int) -> None:
    _, counts = np.unique(codes[codes >= 0], return_counts=True)
    if len(counts) and counts.min() < n_splits:
        warn(
            f"The least populated label of y has only {counts.min()} rows, which is less than "
            f"n_splits={n_splits}: some folds are without it. Name all labels to the estimator "
            "with classes=[...]."
        )
