"""A column as its distinct entries and the place of each row among them.

Guesses, parsing and matching look at the distinct entries only; rows cost four bytes each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from numbers import Integral, Real

import numpy as np
import pandas as pd

FEW = 16  # entries that Python counts faster than pandas


@dataclass(frozen=True, eq=False)
class Distinct:
    """Distinct entries of a column, and where they stand.

    Parameters
    ----------
    values : ndarray of object
        In order of first appearance, without missing ones.
    codes : ndarray of int32, shape (n_samples,)
        Index into ``values`` of every row's entry, -1 where it is missing.
    is_category : bool
        Whether the column came as categories or truth values.
    """

    values: np.ndarray
    codes: np.ndarray
    is_category: bool = False

    def __len__(self):
        return len(self.codes)

    def take(self, rows):
        """Some of the rows, with the entries that they hold."""
        codes = self.codes[rows]
        held = np.zeros(len(self.values) + 1, dtype=bool)
        held[codes] = True  # the last one stands for -1
        if held[:-1].all():
            return Distinct(self.values, codes, self.is_category)
        place = np.append(np.cumsum(held[:-1], dtype=np.int32) - 1, np.int32(-1))
        return Distinct(self.values[held[:-1]], place[codes], self.is_category)

    @property
    def counts(self):
        """Rows that hold each entry."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.values))

    @property
    def n_missing(self):
        return int(np.count_nonzero(self.codes < 0))

    def spread(self, of_values, of_missing):
        """What stands for the entries, row by row."""
        of_values = np.asarray(of_values)
        entries = np.append(of_values, np.array([of_missing], dtype=of_values.dtype))
        return entries[self.codes]


def distinct(column):
    """The :class:`Distinct` of a Series or an array."""
    if isinstance(column, pd.Series) and isinstance(column.dtype, pd.CategoricalDtype):
        categories = column.cat.categories.to_numpy(dtype=object)
        codes = column.cat.codes.to_numpy().astype(np.int32)
        return Distinct(categories, codes, True).take(slice(None))
    if column.dtype.kind == "b" or column.dtype == "boolean":
        return replace(_of_any(column.astype(object)), is_category=True)
    return of_few(column.tolist()) if len(column) <= FEW else _of_any(column)


def _of_any(column):
    codes, values = pd.factorize(column, use_na_sentinel=True)
    values = np.asarray(values, dtype=object)
    return Distinct(values, codes.astype(np.int32, copy=False))


def of_few(entries):
    """The :class:`Distinct` of a list."""
    place, codes = {}, []
    for entry in entries:
        code = -1
        if not is_missing(entry):
            code = place.setdefault(entry, len(place))
        codes.append(code)
    return Distinct(as_objects(list(place)), np.array(codes, dtype=np.int32))


def as_objects(entries):
    """A list as an array of objects, whatever they are."""
    array = np.empty(len(entries), dtype=object)
    array[:] = entries
    return array


def is_missing(entry):
    """Whether an entry is None, NaN, NaT or NA."""
    return entry is None or entry is pd.NA or entry is pd.NaT or bool(entry != entry)


def said(entry):
    """What an entry says, as text: codes come as text here, as numbers there.

    >>> said("101"), said(101), said(101.0), said(np.int8(101)), said("0101")
    ('101', '101', '101', '101', '0101')
    >>> said(True), said("True"), said(0.5), said(np.float32(0.1))
    ('True', 'True', '0.5', '0.1')
    """
    if isinstance(entry, (str, bool, np.bool_)):
        return str(entry)
    if isinstance(entry, Integral) or (isinstance(entry, Real) and entry == entry // 1):
        return str(int(entry))  # type: ignore[call-overload]
    if isinstance(entry, datetime):
        return str(pd.Timestamp(entry))
    return str(entry)
