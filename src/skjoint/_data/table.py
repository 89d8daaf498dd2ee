"""Reading y: any form of it as one table, its columns as numbers or labels.

:func:`read_table` makes a DataFrame of whatever y is, :func:`layout` says
which of its columns are values and which are classes, :func:`read_numbers`
and :func:`read_labels` take a column apart into entries and a mask of what is
there.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import pandas as pd
from scipy import sparse

from skjoint._support.warn import warn

# What str() makes of a missing entry when numbers and labels are stacked into
# one array of text.
_STACKED_MISSING = ("nan", "None", "<NA>")
LARGEST = 1e30  # number of y


@dataclass(frozen=True)
class Table:
    """A y of any form as a DataFrame, and whether its columns carry names."""

    frame: pd.DataFrame
    named: bool

    def __len__(self):
        return len(self.frame)

    def take(self, rows):
        return Table(self.frame.iloc[rows], self.named)


# ------------------------------------------------------------- reading
def read_table(y):
    """Any form of y as a :class:`Table`.

    >>> read_table([[1.5, "a"], [2.5, "b"]]).frame.iloc[:, 0].tolist()
    [1.5, 2.5]

    Text that came from stacking numbers and labels is told apart again when
    a column is read as a number; what str() makes of a missing entry is missing:

    >>> stacked = np.column_stack([[1.5, np.nan], ["a", "b"]])
    >>> read_numbers(read_table(stacked).frame, (0,)).tolist()
    [[1.5], [nan]]
    """
    if isinstance(y, Table):
        return y
    if y is None:
        raise ValueError(
            "JointRegressorClassifier requires y to be passed, but the target y is None."
        )
    if sparse.issparse(y):
        raise TypeError("Sparse y was passed, but dense y is required. Use y.toarray().")
    check_container(y, "y", (Mapping,))
    if is_foreign_frame(y):
        raise TypeError(
            f"y must be a pandas DataFrame, an array or a dict of 1-D arrays. Got a {type(y)} "
            "instead. Use y.to_pandas()."
        )
    if isinstance(y, Mapping):
        lengths = {name: np.shape(column) for name, column in y.items()}
        if len(set(lengths.values())) != 1 or any(len(shape) != 1 for shape in lengths.values()):
            raise ValueError(
                f"A dict y must hold 1-D arrays of one length. Got shapes {lengths} instead."
            )
        # By position, as everywhere: a Series in it is not aligned by its index.
        columns = {name: pd.Series(column).array for name, column in y.items()}
        return Table(_checked_frame(pd.DataFrame(columns)), True)
    if isinstance(y, pd.DataFrame):
        return Table(_checked_frame(y), True)
    if isinstance(y, pd.Series):
        named = y.name is not None
        return Table(_checked_frame(y.to_frame(y.name if named else 0)), named)
    # dtype=object keeps numbers and labels of a nested list apart.
    array = rows_of_objects(y, "y") if isinstance(y, (list, tuple)) else np.asarray(y)
    if array.ndim not in (1, 2):
        raise ValueError(f"y must be 1-D or 2-D. Got an array of shape {array.shape} instead.")
    stacked_text = array.ndim == 2 and array.dtype.kind in "US"
    frame = pd.DataFrame(array.astype(object) if array.dtype.kind in "US" else array)
    if stacked_text:
        missing = frame.isin(_STACKED_MISSING)
        if missing.iloc[:, 1:].any(axis=None):
            warn(
                "The entries 'nan', 'None' and '<NA>' of a y that is all text are taken as not "
                "labelled. If they are labels, pass y as a DataFrame."
            )
        frame = frame.where(~missing, None)
    return Table(_checked_frame(frame.infer_objects()), False)


def check_container(data, name, others=()):
    """Raise unless data can be read as an array that says all that data does."""
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


def is_foreign_frame(data):
    """Whether data is a table of polars, pyarrow or others."""
    return hasattr(data, "__dataframe__") and not isinstance(data, pd.DataFrame)


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


def _checked_frame(frame):
    if not frame.columns.is_unique:
        repeated = list(frame.columns[frame.columns.duplicated()].unique())
        raise ValueError(f"The columns of y must have distinct names. Repeated: {repeated}.")
    if frame.shape[0] == 0 or frame.shape[1] == 0:
        raise ValueError(f"Found y with 0 sample(s) or column(s) (shape={frame.shape}).")
    for name, dtype in frame.dtypes.items():
        if dtype.kind == "c":
            raise ValueError(f"Complex data not supported: column {name!r} of y.")
        if isinstance(dtype, np.dtype) and not dtype.isnative:  # pandas reads no others
            frame = frame.astype({name: dtype.newbyteorder("=")})
        if dtype.kind in "mM":
            raise ValueError(
                f"Column {name!r} of y holds dates or durations ({dtype}), which are neither a "
                "number nor a label. Convert it first, for example to days."
            )
    return frame


def is_numeric(series):
    return pd.api.types.is_numeric_dtype(series.dtype) and not pd.api.types.is_bool_dtype(
        series.dtype
    )


def read_numbers(frame, positions):
    """float64 (n, width), NaN where missing."""
    return np.column_stack([column_numbers(frame.iloc[:, p]) for p in positions])


def column_numbers(series):
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
    labels = pd.Series(present.to_numpy()).infer_objects().to_numpy()
    if labels.dtype == np.float16:  # pandas has no index of these
        labels = labels.astype(np.float32)
    if labels.dtype.kind == "f" and np.isinf(labels).any():
        raise ValueError(f"Input y contains infinity in column {series.name!r}.")
    if labels.dtype.kind not in "iufb":
        labels = labels.astype(object)
        odd = next((label for label in labels if not isinstance(label, str)), None)
        if odd is not None:
            raise ValueError(
                f"The labels in column {series.name!r} of y must be uniformly text, numbers or "
                f"booleans. Got {odd!r} of type {type(odd).__name__} among others; convert the "
                "column with astype(str)."
            )
    return labels, mask


# ------------------------------------------------------- which column is what
def layout(frame, named, value_columns, class_columns, class_bins):
    """Groups of positions for the values and for the classes."""
    everything = [(p,) for p in range(frame.shape[1])]
    if value_columns is None and class_columns is None:
        values, classes = _undeclared_layout(frame, named)
    else:
        values = _resolve(frame, value_columns, "value_columns")
        classes = _resolve(frame, class_columns, "class_columns")
        if values is None:
            values = _rest(everything, classes, "value_columns")
        elif classes is None:
            if len(values) == 1 and (len(everything) == 1 or class_bins is not None):
                used = {p for group in values for p in group}
                classes = [g for g in everything if g[0] not in used] or values
            else:
                classes = _rest(everything, values, "class_columns")
        if not values and not classes:
            raise ValueError(
                "value_columns and class_columns must not both be empty: declare a column of y."
            )
    return values, classes


def _undeclared_layout(frame, named):
    columns = list(frame.columns)
    numeric = [p for p in range(len(columns)) if is_numeric(frame.iloc[:, p])]
    if len(columns) == 1:
        if not numeric:
            raise ValueError(
                "A y of one column must hold numbers: the number is the value and, as a label or "
                f"by class_bins, the class. Got {frame.iloc[0, 0]!r} instead. To train on labels "
                "alone, pass value_columns=[]."
            )
        return [(0,)], [(0,)]
    if named:
        values = [(p,) for p in numeric]
        classes = [(p,) for p in range(len(columns)) if p not in numeric]
        if not classes or not values:
            if not classes:
                kind, missing, keyword, guess = "numbers", "class", "class_columns", columns[-1]
            else:
                kind, missing, keyword = "labels or text", "value", "value_columns"
                parsed = frame.apply(pd.to_numeric, errors="coerce").notna().mean()
                guess = parsed.idxmax()
            raise ValueError(
                f"The columns of y cannot be told apart: {columns} all hold {kind}, so none is the "
                f"{missing}. Declare it, for example {keyword}=[{guess!r}]."
            )
        return values, classes
    if len(columns) > 2:
        raise ValueError(
            f"The {len(columns)} columns of y cannot be told apart: without names only two are "
            "expected, the value first and the class second. Declare them, for example "
            "value_columns=[0], class_columns=[1]."
        )
    return [(0,)], [(1,)]


def _rest(everything, used, parameter):
    taken = {p for group in used for p in group}
    rest = [group for group in everything if group[0] not in taken]
    if not rest:
        raise ValueError(
            f"The declared columns leave no column of y for {parameter}. Name the column there "
            f"too (a column may serve both), or pass {parameter}=[] to train without."
        )
    return rest


def _resolve(frame, declared, parameter):
    """Names or positions to groups of positions; a nested list is one group."""
    if declared is None:
        return None
    if isinstance(declared, (str, Integral)):
        declared = [declared]
    elif isinstance(declared, np.ndarray):
        declared = np.atleast_1d(declared).tolist()
    groups = [
        tuple(
            _position(frame, column, parameter)
            for column in (
                entry
                if isinstance(entry, Sequence) and not isinstance(entry, (str, bytes))
                else [entry]
            )
        )
        for entry in declared
    ]
    flat = [p for group in groups for p in group]
    repeated = sorted({p for p in flat if flat.count(p) > 1})
    if repeated:
        raise ValueError(
            f"{parameter} must name each column once. "
            f"Repeated: {[frame.columns[p] for p in repeated]}."
        )
    return groups


def _position(frame, column, parameter):
    if isinstance(column, Hashable) and column in frame.columns:
        return int(frame.columns.get_loc(column))
    is_position = isinstance(column, Integral) and not isinstance(column, bool)
    if is_position and -frame.shape[1] <= column < frame.shape[1]:
        return int(column) % frame.shape[1]
    raise ValueError(
        f"{parameter} must name columns of y. Got {column!r} instead; y has {list(frame.columns)}."
    )
