"""Columns as the kind that they had in fit, whatever they come as."""

from __future__ import annotations

import numpy as np
import pandas as pd

from skjoint._data.dates import seconds_of
from skjoint._data.distinct import Distinct, distinct
from skjoint._data.kinds import of_column
from skjoint._data.written_numbers import numbers_of


def as_entries(column):
    """A column as ``Distinct`` entries."""
    return column if isinstance(column, Distinct) else distinct(pd.Series(column))


def as_numbers(features, position, decimal=""):
    """A column as float64, NaN where missing; text is read with a decimal mark."""
    column = features.column(position)
    if isinstance(column, np.ndarray):
        return column
    with of_column(features.name(position)):
        if isinstance(column, pd.Series):
            date = str(column.iloc[0])
            raise ValueError(f"must hold numbers, as in fit. Got the date {date!r} instead.")
        values = [float(v) if isinstance(v, (bool, np.bool_)) else v for v in column.values]
        return column.spread(np.asarray(numbers_of(values, decimal), dtype=np.float64), np.nan)


def as_seconds(features, position, zone=None):
    """A column of dates as seconds, and their zone; ``zone`` is that of fit, None there."""
    column = features.column(position)
    with of_column(features.name(position)):
        if isinstance(column, pd.Series):
            return seconds_of(column, zone)
        if isinstance(column, np.ndarray) and not np.isnan(column).all():
            number = column[~np.isnan(column)][0]
            raise ValueError(f"must hold dates, as in fit. Got the number {number:g} instead.")
        column = as_entries(column)
        seconds, zone = seconds_of(column.values, zone)
        return column.spread(seconds, np.nan), zone
