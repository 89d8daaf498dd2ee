"""Held-out rows by a splitter of scikit-learn's kind."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from sklearn.model_selection import (
    PredefinedSplit,
    RepeatedStratifiedKFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
    TimeSeriesSplit,
)
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

# scikit-learn's splitters that read y: one label of each row.
OF_LABELS = (
    RepeatedStratifiedKFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
)


def is_splitter(validation):
    """Whether it is a splitter and not a share."""
    return hasattr(validation, "get_n_splits")


@dataclass(frozen=True, eq=False)
class AsGiven:
    """What a splitter reads: all rows as the user gave them.

    Parameters
    ----------
    X, y : array-like
    groups : ndarray or None
    kept : ndarray of int or None
        Places of the rows of a weight above 0, which alone are trained on or held out; None for
        all.
    """

    X: Any
    y: Any
    groups: np.ndarray | None
    kept: np.ndarray | None

    def with_labels(self, codes):
        """The rows that are kept, with one label each in place of y."""
        if self.kept is None:
            return AsGiven(self.X, codes, self.groups, None)
        groups = None if self.groups is None else self.groups[self.kept]
        return AsGiven(_safe_indexing(self.X, self.kept), codes, groups, None)


def splits_of(splitter, given, codes, settings):
    """Splits among the rows that are kept, one for each member and round again.

    Of ``TimeSeriesSplit`` the last one is the first: it trains on most rows and holds out the
    latest. Splitters draw by the seed of the fit where they have none of their own.

    Parameters
    ----------
    splitter : object with ``split(X, y, groups)``
    given : AsGiven
    codes : ndarray of int or None
        Label codes of the first class target, which ``StratifiedKFold`` and its like read in
        place of y.
    settings : Settings
    """
    if isinstance(splitter, OF_LABELS) and codes is not None:
        given = given.with_labels(codes)
    n_rows = _num_samples(given.X)
    if isinstance(splitter, PredefinedSplit) and len(splitter.test_fold) != n_rows:
        raise ValueError(
            "validation must be a PredefinedSplit with an entry for each row of X. Got "
            f"{len(splitter.test_fold)} entries for {n_rows} rows."
        )
    drawing = splitter
    if getattr(splitter, "random_state", 0) is None:
        drawing = copy.copy(splitter)
        drawing.random_state = settings.seed
    in_time = isinstance(splitter, TimeSeriesSplit)
    try:
        splits = drawing.split(given.X, given.y, given.groups)
        found = list(islice(splits, None if in_time else settings.n_members))
    except ValueError as error:
        raise ValueError(f"validation={splitter!r} cannot split the rows: {error}") from error
    if in_time:
        found.reverse()
    if not found:
        raise ValueError(
            f"validation must be a splitter that holds rows out. {splitter!r} gives no split."
        )
    checked = [_checked(splitter, split, n_rows, given.kept) for split in found]
    return tuple(checked[i % len(checked)] for i in range(settings.n_members))


def _checked(splitter, split, n_rows, kept):
    """A split as ascending places among the rows that are kept."""
    every = np.arange(n_rows)
    try:
        train, held_out = (np.unique(every[np.asarray(part)]) for part in split)
    except IndexError as error:
        raise ValueError(
            f"validation must be a splitter of the {n_rows} rows of X. {splitter!r} names others: "
            f"{error}."
        ) from error
    both = np.intersect1d(train, held_out)
    if len(both):
        raise ValueError(
            "validation must be a splitter that holds out other rows than those to train on. "
            f"{splitter!r} has {len(both)} rows in both."
        )
    if kept is not None:
        train, held_out = (
            np.flatnonzero(np.isin(kept, part, assume_unique=True)) for part in (train, held_out)
        )
    if not len(train) or not len(held_out):
        raise ValueError(
            "validation must be a splitter whose splits have rows to train on and rows to hold "
            f"out. {splitter!r} gives {len(train)} and {len(held_out)} of {n_rows} rows."
        )
    return train, held_out
