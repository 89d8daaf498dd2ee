"""What kind a column of X is: guessed from its distinct entries, or declared in ``preprocess``.

Functions that raise end a sentence about the column; :func:`of_column` begins it.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from numbers import Integral

import numpy as np
import pandas as pd

from skjoint._data.dates import are_dates, seconds_of
from skjoint._data.texts import is_prose, mean_words, words_tell
from skjoint._data.written_numbers import convention, decimal_of, is_number, numbers_of
from skjoint._support.nearest_name import nearest_name

KINDS = ("number", "category", "text", "date", "drop")
ID_ROWS = 100  # a table of fewer has no ids
ID_SHARE = 0.95  # of the rows that hold an entry of their own
DECLARED = "declared"
DATE_LIKE = re.compile(r"[0-9]{1,4}[./-][0-9]{1,2}[./-][0-9]{2,4}")
MARKS = {".": "point", ",": "comma"}


@dataclass(frozen=True)
class Guess:
    """The kind of a column, and why.

    Attributes
    ----------
    kind : str
        One of :data:`KINDS`.
    why : str
        A phrase for the report.
    decimal : {"", ".", ","}
        How numbers are written, "" where they do not come as text.
    zone : str
        That of dates, "" where they have none.
    """

    kind: str
    why: str
    decimal: str = ""
    zone: str = ""

    @property
    def is_id(self):
        """Whether the column is left out as an id, of which a warning tells."""
        return self.kind == "drop" and self.why.startswith("distinct")


# ---------------------------------------------------------------------- guessing
def guess_dtype(dtype):
    """The guess for a column of a dtype that says what it is; None where the entries must say it.

    >>> guess_dtype(np.dtype(float)).kind, guess_dtype(np.dtype(bool)).kind
    ('number', 'category')
    >>> guess_dtype(np.dtype("M8[s]")).kind, guess_dtype(np.dtype(object))
    ('date', None)
    """
    if isinstance(dtype, pd.CategoricalDtype):
        return Guess("category", "categorical")
    if pd.api.types.is_bool_dtype(dtype):
        return Guess("category", "booleans")
    if pd.api.types.is_numeric_dtype(dtype):
        return Guess("number", str(dtype)) if dtype.kind != "c" else None
    if isinstance(dtype, pd.PeriodDtype):
        return Guess("date", "periods")
    if dtype.kind == "m":
        return Guess("number", "durations, in days")
    if dtype.kind == "M":
        zone = getattr(getattr(dtype, "pyarrow_dtype", dtype), "tz", None)
        return Guess("date", "dates", zone="" if zone is None else str(zone))
    return None


def guess_constant(n_distinct, n_present, n_rows):
    """The guess for a column that says nothing, of whatever dtype; else None.

    >>> guess_constant(1, 5, 5).why, guess_constant(0, 0, 5).why, guess_constant(1, 4, 5)
    ('constant', 'nothing but gaps', None)
    """
    if n_distinct == 0:
        return Guess("drop", "nothing but gaps")
    if n_distinct == 1 and n_present == n_rows:
        return Guess("drop", "constant")
    return None


def guess_kind(values, counts, n_rows, may_drop=True):
    """The guess for a column of text or objects.

    Parameters
    ----------
    values : ndarray of shape (n_distinct,)
        Distinct entries that are not missing.
    counts : ndarray of shape (n_distinct,)
        Rows that hold each of them.
    n_rows : int
        Those with a gap included.
    may_drop : bool, default=True
        False where the column must stay: in ``partial_fit``, and where it is the last one.

    Returns
    -------
    guess : Guess
    """
    constant = guess_constant(len(values), np.sum(counts), n_rows)
    if constant is not None and may_drop:
        return constant
    guess = _of_entries(values, counts)
    if guess is None and n_rows >= ID_ROWS and len(values) > ID_SHARE * n_rows:
        if words_tell(values):
            return Guess("text", "distinct text whose words recur")
        if may_drop:
            return Guess("drop", f"distinct in {100 * len(values) / n_rows:.0f} % of the rows")
    return guess or Guess("category", _category_of(values))


def _of_entries(values, counts):
    """A date, a number, prose, or None."""
    if len(values) == 0:
        return None
    if are_dates(values):
        why = "ISO dates" if isinstance(values[0], str) else "date objects"
        return Guess("date", why, zone=seconds_of(values)[1])
    if is_number(values[0]) and all(map(is_number, values)):
        durations = {isinstance(value, (timedelta, np.timedelta64)) for value in values}
        if len(durations) == 1:
            return Guess("number", "durations, in days" if durations == {True} else "numbers")
    if not all(isinstance(value, str) for value in values):
        return None
    decimal = convention(values)
    if decimal is not None:
        return Guess("number", _written(values, decimal), decimal=decimal)
    if is_prose(values, counts):
        return Guess("text", f"text of {mean_words(values[:1000]):.0f} words on average")
    return None


def _written(texts, decimal):
    if any(decimal in text for text in texts):
        return f"decimal {MARKS[decimal]}"
    return "numbers written as text"


def _category_of(values):
    if len(values) == 0:
        return "nothing but gaps"
    if all(isinstance(value, (bool, np.bool_)) for value in values):
        return "booleans"
    if not all(isinstance(value, str) for value in values):
        what = "objects"
    else:
        what = "digits" if all(map(str.isdecimal, values)) else "text"
    return f"{what} of {len(values):,} level{'s' * (len(values) != 1)}"


# ---------------------------------------------------------------------- declared
def declared(kind, values):
    """The guess for a column that ``preprocess`` declares, whose entries must be of this kind.

    Parameters
    ----------
    kind : str
        One of :data:`KINDS`.
    values : ndarray
        Distinct entries, or a column of dates.
    """
    if kind == "number":
        return Guess(kind, DECLARED, decimal=_decimal_of_declared(values))
    if kind == "date":
        return Guess(kind, DECLARED, zone=seconds_of(values)[1])
    return Guess(kind, DECLARED)


def _decimal_of_declared(values):
    if not getattr(values, "dtype", np.dtype(object)).hasobject:
        return ""
    texts = [value for value in values if isinstance(value, str)]
    decimal = (decimal_of(texts) or ".") if texts else ""
    numbers_of(values, decimal)
    return decimal


def check_preprocess(preprocess, names, n_columns):
    """The kinds that ``preprocess={column: kind}`` declares, by position.

    Parameters
    ----------
    preprocess : dict
        Keys are names or positions; a name counts more than a position.
    names : sequence
        Of the columns; None or empty where they have none.
    n_columns : int

    Returns
    -------
    kinds : dict of int to str

    Raises
    ------
    ValueError
        For a key that is no column, one column named twice, a value that is no kind, and where
        nothing is left.
    """
    names = [] if names is None else list(names)
    kinds, key_of = {}, {}
    for key, kind in preprocess.items():
        if not (isinstance(kind, str) and kind in KINDS):
            raise ValueError(
                f"preprocess must give each column one of the kinds {list(KINDS)}. Got {kind!r} "
                f"for {key!r} instead.{nearest_name(kind, KINDS)}"
            )
        position = _position(key, names, n_columns)
        if position in kinds:
            raise ValueError(
                f"preprocess must name every column once. Got {key_of[position]!r} and {key!r} "
                f"for column {position} instead."
            )
        kinds[position], key_of[position] = kind, key
    if n_columns and sum(kind == "drop" for kind in kinds.values()) == n_columns:
        raise ValueError("preprocess must leave a column of X. Got 'drop' for all of them instead.")
    return kinds


def _position(key, names, n_columns):
    if key in names:
        return names.index(key)
    is_position = isinstance(key, Integral) and not isinstance(key, bool)
    if is_position and 0 <= int(key) < n_columns:
        return int(key)
    known = [str(name) for name in names]
    columns = f"Columns: {known}" if names else f"X has columns 0 to {n_columns - 1}"
    raise ValueError(
        f"preprocess names no column of X: {key!r}.{nearest_name(key, known)} {columns}."
    )


# ---------------------------------------------------------------------- messages
@contextmanager
def of_column(name):
    """Inside, an error about entries names the column."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"Column {name!r} of X {error}") from None


def id_warning(name, guess, example):
    """What a warning says of a column that is left out as an id."""
    convert = (
        " Are they dates? Use pandas.to_datetime first." if DATE_LIKE.match(str(example)) else ""
    )
    return (
        f"Column {name!r} of X is left out: its entries, such as {example!r}, are {guess.why}, as "
        f"ids are, and say nothing about new rows.{convert} preprocess={{{name!r}: 'category'}} "
        f"keeps it; preprocess={{{name!r}: 'drop'}} says that you agree."
    )


def numbers_warning(name, guess, example):
    """What a warning says of a column of text that is read as numbers."""
    return (
        f"Column {name!r} of X is text and read as numbers ({guess.why}): {example!r} is "
        f"{numbers_of([example], guess.decimal)[0]:.15g}. preprocess={{{name!r}: 'number'}} says "
        f"that you agree; preprocess={{{name!r}: 'category'}} keeps each text as a level."
    )
