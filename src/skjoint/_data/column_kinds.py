"""The kind of every column of X: declared by the user, or guessed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from skjoint._data.distinct import Distinct
from skjoint._data.kinds import Guess, check_preprocess, declared_kind, guess_kind, warning_of
from skjoint._support.warn import warn


def kinds_of(features, preprocess, may_drop):
    """A :class:`skjoint._data.kinds.Guess` for every column.

    Parameters
    ----------
    features : Features
    preprocess : dict or None
        Kinds by name or position.
    may_drop : bool
        Whether a column may be left out unasked; the last column left never is.
    """
    n_columns = features.schema.n_features
    names = range(n_columns) if features.names is None else features.names
    declared = check_preprocess(preprocess or {}, list(names), n_columns)
    found = []
    for position in range(n_columns):
        column = features.column(position)
        if position in declared:
            found.append(declared_kind(declared[position], column, names[position]))
        else:
            found.append(_guess(column, may_drop))
    if all(guess.kind == "drop" for guess in found):
        last = max(set(range(n_columns)) - set(declared))
        found[last] = _guess(features.column(last), False)
    for name, guess in zip(names, found, strict=True):
        message = warning_of(name, guess)
        if message:
            warn(message)
    return tuple(found)


def _guess(column, may_drop):
    if isinstance(column, Distinct):
        if column.is_category and len(column.values) + bool(column.n_missing) > 1:
            return Guess("category", "categories or truth values")
        return guess_kind(column.values, column.counts, len(column), may_drop)
    if may_drop and _is_constant(column):
        return Guess("drop", "a single value")
    if isinstance(column, pd.Series):
        return Guess("date", f"dtype {column.dtype}")
    return Guess("number", "numbers")


def _is_constant(column):
    """Whether a column of numbers or dates holds one value, or none."""
    if isinstance(column, pd.Series):
        return column.nunique() < 2
    present = column[~np.isnan(column)]
    return len(present) == 0 or present.min() == present.max()
