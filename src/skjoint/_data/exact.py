"""Arrays side by side, and compared, without a conversion that changes an entry.

NumPy makes float64 of int64 beside uint64, and of whole numbers beside others: 2**53 + 1 becomes
2**53, and another label. It drops NUL at the end of text, and pandas takes no text that is not
Unicode, such as a lone surrogate. So text stays in arrays of objects here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skjoint._data.foreign import as_pandas


def is_exact(array, dtype=np.float64):
    """Whether every entry of an array of numbers is a number of a float dtype, too."""
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return bool((array.astype(dtype) == array)[~np.isnan(array)].all())
    limit = 2 ** (np.finfo(dtype).nmant + 1)
    if not len(array) or (int(array.min()) >= -limit and int(array.max()) <= limit):
        return True
    return all(int(dtype(entry)) == entry for entry in array.ravel().tolist())


def common_dtype(arrays):
    """The dtype that holds the entries of all arrays as they are: their own, a wider, or object."""
    dtypes = {array.dtype for array in arrays}
    kinds = {dtype.kind for dtype in dtypes}
    if len(dtypes) == 1 and kinds <= set("biuf"):
        return dtypes.pop()
    if not kinds <= set("iuf"):
        return np.dtype(object)
    dtype = np.result_type(*dtypes)
    exact = dtype.kind != "f" or all(is_exact(array, dtype.type) for array in arrays)
    return dtype if exact else np.dtype(object)


def columns_of(arrays, dtype) -> NDArray[Any]:
    """Arrays as the columns of one of a dtype."""
    return np.column_stack([array.astype(dtype) for array in arrays])


def concatenated(arrays) -> NDArray[Any]:
    """Arrays one after the other, each entry as it is."""
    dtype = common_dtype(arrays)
    return np.concatenate([array.astype(dtype) for array in arrays])


def is_equal(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.bool_]:
    """Where the labels of two arrays are the same."""
    dtype = common_dtype([a, b])
    return np.asarray(a.astype(dtype) == b.astype(dtype), dtype=bool)


def places(labels, known) -> NDArray[np.int32]:
    """Place of each label among known ones, -1 where it is none of them, int32."""
    labels = as_array(labels)
    dtype = common_dtype([labels, known])
    index = pd.Index(known.astype(dtype), dtype=dtype)
    return index.get_indexer(pd.Index(labels.astype(dtype), dtype=dtype)).astype(np.int32)


def as_array(labels: Any) -> NDArray[Any]:
    """Labels in any form as an array, which holds each of them as it is."""
    labels = as_pandas(labels, "labels")
    if isinstance(labels, (pd.Series, pd.Index, pd.api.extensions.ExtensionArray)):
        labels = labels.to_numpy()
    elif isinstance(labels, (list, tuple)):
        labels = np.array(labels, dtype=object)
    labels = np.asarray(labels)
    return typed(labels.ravel()).reshape(labels.shape) if labels.dtype == object else labels


def typed(entries):
    """An array of objects as one of numbers or booleans, if it holds one of these kinds alone.

    Whole numbers that are no float64 stay whole; what does not fit into one type stays as it is.
    """
    kind = pd.api.types.infer_dtype(entries, skipna=False)
    if kind == "boolean":
        return entries.astype(bool)
    if kind == "integer":
        return _whole(entries.tolist(), entries)
    if kind in ("floating", "mixed-integer-float"):
        try:
            numbers = entries.astype(np.float64)
        except OverflowError:  # a whole number of some hundred digits
            return entries
        present = ~np.isnan(numbers)
        pairs = zip(entries[present], numbers[present].tolist(), strict=True)
        if all(entry == number for entry, number in pairs):
            return numbers
        if present.all() and (np.isfinite(numbers) & (numbers % 1 == 0)).all():
            return _whole([int(entry) for entry in entries], entries)
    return entries


def _whole(numbers, otherwise):
    """Whole numbers as int64 or uint64, whichever holds them all."""
    for dtype in (np.int64, np.uint64):
        limits = np.iinfo(dtype)
        if min(numbers) >= limits.min and max(numbers) <= limits.max:
            return np.array(numbers, dtype=dtype)
    return otherwise
