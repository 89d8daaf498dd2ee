"""Containers of X, y and weights: which are read, and which are refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd

from skjoint._support.warn import warn


def check_container(data, name, others=()):
    """Raise unless data can be read as an array without losing any of it."""
    shown = f"Got {type(data).__name__} instead"
    if isinstance(data, np.ma.MaskedArray):
        raise TypeError(
            f"{name} must not be a masked array, whose mask would be ignored. {shown}: use "
            f"{name}.filled(np.nan)."
        )
    if getattr(getattr(data, "dtype", None), "names", None):
        raise TypeError(
            f"{name} must be an array of one type or a DataFrame. Got a structured array instead: "
            f"use pandas.DataFrame({name})."
        )
    arrays = (list, tuple, range, memoryview, *others)
    if isinstance(data, (str, bytes)) or not (
        hasattr(data, "__array__") or isinstance(data, arrays)
    ):
        raise TypeError(f"{name} must be an array-like or a pandas DataFrame. {shown}.")


def check_names(names, name):
    """Raise unless the columns of a table have distinct names."""
    if not names.is_unique:
        repeated = list(names[names.duplicated()].unique())
        raise ValueError(f"The columns of {name} must have distinct names. Repeated: {repeated}.")


def rows_of_objects(rows, name):
    """A nested list as an array of objects, in which numbers and labels are kept apart."""
    try:
        array = np.asarray(rows, dtype=object)
    except ValueError:  # rows that are arrays of unequal shapes
        array = None
    if array is None or (
        array.ndim < 2 and any(isinstance(row, (list, tuple, np.ndarray)) for row in array.flat)
    ):
        lengths = sorted(
            {len(row) if isinstance(row, (list, tuple)) else np.size(row) for row in rows}
        )
        raise ValueError(f"{name} must have rows of one length. Got lengths {lengths[:5]} instead.")
    return array


def warn_of_other_order(**data):
    """Warn where tables carry the same labels of rows in another order: rows go by position."""
    indexes = {}
    for name, table in data.items():
        columns = list(table.items()) if isinstance(table, Mapping) else []
        if isinstance(table, (list, tuple)) and len(table) and isinstance(table[0], pd.Series):
            columns = list(enumerate(table))
        parts = {f"{name}[{key!r}]": column for key, column in columns} or {name: table}
        indexes |= {
            n: t.index for n, t in parts.items() if isinstance(t, (pd.DataFrame, pd.Series))
        }
    if not indexes:
        return
    (first, index), *others = indexes.items()
    names = [name for name, other in others if _is_reordered(index, other)]
    if names:
        warn(
            f"{first} and {' and '.join(names)} carry the same index labels in another order. Rows "
            f"are taken by position, as everywhere in scikit-learn. To match them by label, use "
            f"{names[0]}.loc[{first}.index]."
        )


def _is_reordered(index, other):
    if len(index) != len(other) or index.nlevels != other.nlevels or index.equals(other):
        return False
    return bool(index.isin(other).all()) and Counter(index) == Counter(other)
