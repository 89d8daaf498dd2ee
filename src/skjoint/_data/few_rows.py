"""A table of a few rows, read in microseconds: the checks of a table take a hundred times as long.

What it cannot be sure of is left to :func:`skjoint._data.features.read_features`, with the same
result.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from skjoint._data.categories import ENOUGH
from skjoint._data.distinct import of_few
from skjoint._data.features import Features

PLAIN = {int, float, np.float64, np.float32, np.int64, np.int32, type(None)}
FEW = ENOUGH - 1  # rows; of more, unknown levels are looked for


def read_few(X, schema, kinds):
    """``Features`` of a DataFrame of few rows with the columns of fit; None for all else.

    Parameters
    ----------
    X : object
    schema : Schema
        That of fit.
    kinds : list of str
        Of the columns.
    """
    if type(X) is not pd.DataFrame or not 0 < len(X) <= FEW or len(kinds) != X.shape[1]:
        return None
    names = schema.feature_names
    if names is None or X.columns.tolist() != names.tolist():
        return None
    numbers, places, others = [], [], {}
    for position, (kind, entries) in enumerate(zip(kinds, _columns(X), strict=True)):
        if kind == "number":
            column = _floats(entries)
            if column is None:
                return None
            numbers.append(column)
            places.append(position)
        elif kind in ("category", "text"):
            others[position] = of_few(entries)
        elif kind != "drop":
            return None
    matrix = np.array(numbers, dtype=np.float64).reshape(len(numbers), len(X)).T
    return Features(matrix, schema, tuple(places), others, tuple(names))


def _columns(frame):
    """Entries of each column as a list."""
    return frame.to_numpy(dtype=object).T.tolist()


def _floats(entries):
    """Entries as floats, None unless all are finite numbers or missing."""
    if not all(type(entry) in PLAIN for entry in entries):
        return None
    floats = [math.nan if entry is None else float(entry) for entry in entries]
    return None if any(map(math.isinf, floats)) else floats
