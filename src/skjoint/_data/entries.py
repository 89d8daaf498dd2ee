"""One column of y as numbers or as labels; missing entries are marked."""

from __future__ import annotations

from decimal import Decimal
from numbers import Real

import numpy as np
import pandas as pd

from skjoint._data.exact import as_array, typed

LARGEST = 1e30  # number of y


def is_numeric(series):
    """Whether the dtype of a column is one of numbers; booleans are labels."""
    return pd.api.types.is_numeric_dtype(series.dtype) and not pd.api.types.is_bool_dtype(
        series.dtype
    )


def read_numbers(series):
    """The entries of a column as float64, NaN where missing."""
    if is_numeric(series) or pd.api.types.is_bool_dtype(series.dtype):
        numbers = series.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        parsed = pd.to_numeric(series.astype(object), errors="coerce")
        bad = series[parsed.isna() & series.notna()]
        if len(bad):
            raise ValueError(
                f"Column {series.name!r} of y must hold numbers to be a value. "
                f"Got {bad.iloc[0]!r} instead. Declare the columns with value_columns=... "
                "and class_columns=..."
            )
        numbers = parsed.to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isinf(numbers).any():
        raise ValueError(f"Input y contains infinity in column {series.name!r}.")
    largest = np.nanmax(np.abs(numbers), initial=0)
    if largest > LARGEST:
        raise ValueError(
            f"Column {series.name!r} of y must hold numbers of size up to {LARGEST:g}, whose "
            f"errors float32 can add up. Got {largest:g} instead: divide the column by a constant."
        )
    return numbers


def read_labels(series):
    """The labels of the rows that have one, in their own dtype, and the mask of these rows."""
    mask = series.notna().to_numpy()
    present = series[mask]
    if isinstance(present.dtype, pd.CategoricalDtype):
        present = present.astype(present.cat.categories.dtype)
    labels = as_array(present)
    if labels.dtype == np.float16:  # pandas has no index of these
        labels = labels.astype(np.float32)
    if labels.dtype.kind == "f" and np.isinf(labels).any():
        raise ValueError(f"Input y contains infinity in column {series.name!r}.")
    if labels.dtype.kind not in "iufb":
        labels = labels.astype(object)
        _check_text(series.name, labels)
    return labels, mask


def _check_text(name, labels):
    """Raise for labels that are neither text throughout nor of a type of numbers."""
    odd = next((label for label in labels if not isinstance(label, str)), None)
    if odd is None:
        return
    if all(isinstance(label, Real) for label in labels):
        large = max(labels, key=abs)
        raise ValueError(
            f"The labels in column {name!r} of y must be numbers of one type: int64, uint64 or "
            f"float64 that holds each of them. Got {large!r} among others; convert the column "
            "with astype(str)."
        )
    raise ValueError(
        f"The labels in column {name!r} of y must be uniformly text, numbers or booleans. Got "
        f"{odd!r} of type {type(odd).__name__} among others; convert the column with astype(str)."
    )


def column_of_objects(entries):
    """A column of objects as one of numbers or booleans, if it holds nothing else and gaps."""
    if any(isinstance(entry, Decimal) for entry in entries):
        entries = [float(entry) if isinstance(entry, Decimal) else entry for entry in entries]
    column = pd.Series(entries, dtype=object)
    missing = column.isna().to_numpy()
    found = typed(column.to_numpy()[~missing])
    if found.dtype == object:
        is_text = all(isinstance(entry, str) for entry in found)
        return column if is_text else column.infer_objects()
    if not missing.any():
        return pd.Series(found)
    if found.dtype.kind == "b":
        return column
    numbers = np.full(len(column), np.nan if found.dtype.kind == "f" else 0, dtype=found.dtype)
    numbers[~missing] = found
    is_whole = found.dtype.kind in "iu"
    return pd.Series(pd.arrays.IntegerArray(numbers, missing) if is_whole else numbers)
