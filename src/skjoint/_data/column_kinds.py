"""The kind of every column of X: declared by the user, or guessed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from skjoint._data.distinct import Distinct
from skjoint._data.kinds import (
    check_preprocess,
    declared,
    guess_constant,
    guess_dtype,
    guess_kind,
    id_warning,
    numbers_warning,
    of_column,
)
from skjoint._support.warn import warn

CATEGORY = pd.CategoricalDtype()


def kinds_of(features, preprocess, may_drop):
    """A :class:`skjoint._data.kinds.Guess` for every column, with a warning for surprising ones.

    Parameters
    ----------
    features : Features
    preprocess : dict or None
        Kinds by name or position.
    may_drop : bool
        Whether a column may be left out unasked; the last column left never is.
    """
    n_columns = features.schema.n_features
    asked = check_preprocess(preprocess or {}, features.names, n_columns)
    found = []
    for position in range(n_columns):
        column = features.column(position)
        if position in asked:
            with of_column(features.name(position)):
                found.append(_declared(asked[position], column))
        else:
            found.append(_guess(column, may_drop))
    if all(guess.kind == "drop" for guess in found):
        last = max(set(range(n_columns)) - set(asked))
        found[last] = _guess(features.column(last), False)
    for position in set(range(n_columns)) - set(asked):
        _warn_of(features, position, found[position])
    return tuple(found)


def _declared(kind, column):
    if isinstance(column, np.ndarray) and kind == "date" and not np.isnan(column).all():
        number = column[~np.isnan(column)][0]
        raise ValueError(
            f"must hold dates to be of kind 'date'. Got the number {number:g} instead."
        )
    if isinstance(column, pd.Series) and kind == "number":
        date = str(column.iloc[0])
        raise ValueError(f"must hold numbers to be of kind {kind!r}. Got {date!r} instead.")
    return declared(kind, column.values if isinstance(column, Distinct) else column)


def _guess(column, may_drop):
    if isinstance(column, Distinct) and not column.is_category:
        return guess_kind(column.values, column.counts, len(column), may_drop)
    n_distinct, n_present = _counts(column)
    constant = guess_constant(n_distinct, n_present, len(column)) if may_drop else None
    return constant or guess_dtype(CATEGORY if isinstance(column, Distinct) else column.dtype)


def _counts(column):
    """How many entries differ, two for more, and how many there are."""
    if isinstance(column, Distinct):
        return len(column.values), len(column) - column.n_missing
    present = column[~pd.isna(column)]
    if len(present) == 0:
        return 0, 0
    n_distinct = 1 if present.min() == present.max() else 2
    # A gap becomes the mean: with one value it says nothing either.
    return n_distinct, len(column) if isinstance(column, np.ndarray) else len(present)


def _warn_of(features, position, guess):
    column, name = features.column(position), features.name(position)
    if guess.is_id:
        warn(id_warning(name, guess, column.values[0]))
    elif guess.decimal:
        warn(numbers_warning(name, guess, column.values[0]))
