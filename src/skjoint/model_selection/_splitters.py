"""Splits that keep the shares of the labels and the distribution of the number."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import BaseShuffleSplit, StratifiedGroupKFold
from sklearn.model_selection._split import (
    GroupsConsumerMixin,
    _BaseKFold,
    _UnsupportedGroupCVMixin,
    _validate_shuffle_split,
)
from sklearn.utils import check_random_state

from skjoint._data.containers import warn_of_other_order
from skjoint._data.exact import as_array
from skjoint._data.read_y import read_table
from skjoint._data.targets import Targets
from skjoint._support.typing import ClassBins, Columns, RandomState, YLike
from skjoint._support.warn import warn

MAX_BANDS = 4  # of the number in each label; more are kept no better, and labels worse


class Stratified:
    """What the splitters share: an order of the rows in which neighbours are alike."""

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


class JointStratifiedKFold(Stratified, _UnsupportedGroupCVMixin, _BaseKFold):
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


class JointStratifiedGroupKFold(Stratified, GroupsConsumerMixin, _BaseKFold):
    """K folds of whole groups that keep the shares of the labels and the numbers' distribution.

    Rows of one group (a patient, a customer) are tested in one fold together, so
    that no fold is tested on groups that its training part knows. Among such folds
    scikit-learn's ``StratifiedGroupKFold`` finds some that are alike; its strata are
    the labels, each cut into up to four bands of the number. Rows without a label
    count as a label of their own. Few or large groups leave less to choose from than
    single rows do: folds are then less alike.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    shuffle : bool, default=False
        Whether groups that are equally good for a fold are taken in random order.
    random_state : int, RandomState instance or None, default=None
        Seeds this order; only with ``shuffle=True``.
    value_columns, class_columns, class_bins : default=None
        Which columns of y are what, as in ``JointRegressorClassifier``.

    Examples
    --------
    >>> import numpy as np
    >>> from skjoint.datasets import load_diabetes_bands
    >>> from skjoint.model_selection import JointStratifiedGroupKFold
    >>> X, y = load_diabetes_bands(return_X_y=True)
    >>> patients = np.arange(len(X)) // 4  # four visits of each
    >>> for train, test in JointStratifiedGroupKFold(3).split(X, y, groups=patients):
    ...     print(len(test), len(np.intersect1d(patients[train], patients[test])))
    148 0
    148 0
    146 0
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
        warn_of_other_order(X=X, y=y, groups=groups)
        order, codes = self._alike(y, None)
        groups = _codes_of_groups(groups)
        _warn_of_rare_labels(codes, self.n_splits)
        seed = self.random_state if self.shuffle else None  # as in the other splitters
        folds = StratifiedGroupKFold(self.n_splits, shuffle=self.shuffle, random_state=seed)
        strata = _strata(order, codes, self.n_splits)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # rare labels, once more
            splits = list(folds.split(strata, strata, groups))
        yield from (test for _, test in splits)


class JointStratifiedShuffleSplit(Stratified, _UnsupportedGroupCVMixin, BaseShuffleSplit):
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


def _strata(order: NDArray[np.intp], codes: NDArray[np.intp], n_splits: int) -> NDArray[np.intp]:
    """A stratum for every row: the label, and a band of its rows in the order of the number."""
    strata = np.empty(len(order), dtype=int)
    n_strata = 0
    for label in np.unique(codes):
        of_label = order[codes[order] == label]
        n_bands = int(np.clip(len(of_label) // n_splits, 1, MAX_BANDS))
        strata[of_label] = n_strata + np.arange(len(of_label)) * n_bands // len(of_label)
        n_strata += n_bands
    return strata


def _codes_of_groups(groups: ArrayLike | None) -> NDArray[np.intp]:
    """A number for the group of each row, in the order of the groups, or an error."""
    if groups is None:
        raise ValueError("The 'groups' parameter should not be None.")
    groups = as_array(groups)
    if groups.ndim > 1 and groups.shape[1:] != (1,):
        raise ValueError(f"groups must have shape (n_samples,). Got {groups.shape} instead.")
    codes: NDArray[np.intp]
    codes, _ = pd.factorize(groups.reshape(-1), sort=True)
    if (codes < 0).any():
        raise ValueError(
            "groups must hold a group for every row. Got a missing entry in row "
            f"{int((codes < 0).argmax())} instead."
        )
    return codes


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
