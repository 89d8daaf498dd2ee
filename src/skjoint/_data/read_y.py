"""A y of any form as one table, whose columns are read as numbers or labels when asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import sparse

from skjoint._data.containers import check_container, check_names, rows_of_objects
from skjoint._data.entries import column_of_objects, is_numeric, read_labels, read_numbers
from skjoint._data.foreign import as_pandas
from skjoint._support.warn import warn

# What str() makes of a missing entry when numbers and labels are stacked into
# one array of text.
_STACKED_MISSING = ("nan", "None", "<NA>")


@dataclass(frozen=True)
class Table:
    """A y of any form as a DataFrame, and whether its columns carry names.

    A column is parsed when it is first asked for, and kept: learning the targets and
    encoding them read each column once.
    """

    frame: pd.DataFrame
    named: bool
    _numbers: dict = field(default_factory=dict, init=False, repr=False, compare=False)
    _labels: dict = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self):
        return len(self.frame)

    def take(self, rows):
        """A table of some rows, of which nothing is parsed yet."""
        return Table(self.frame.iloc[rows], self.named)

    def select(self, names):
        """The table of these columns, in this order."""
        if list(self.frame.columns) == names:
            return self
        return Table(self.frame[names], self.named)

    def column(self, position):
        """A column as it came."""
        return self.frame.iloc[:, position]

    def numbers(self, position):
        """A column as float64, NaN where missing."""
        if position not in self._numbers:
            self._numbers[position] = read_numbers(self.column(position))
        return self._numbers[position]

    def labels(self, position):
        """The labels of the rows that have one, in their own dtype, and the mask of these rows."""
        if position not in self._labels:
            self._labels[position] = read_labels(self.column(position))
        return self._labels[position]

    def block(self, positions):
        """Columns of numbers side by side: float64 (n, width)."""
        return np.column_stack([self.numbers(p) for p in positions])


def read_table(y, n_samples=None, width=None):
    """Any form of y as a :class:`Table`.

    Parameters
    ----------
    y : array-like, DataFrame, dict or Table
    n_samples : int, default=None
        Rows of X: by them rows are told from arrays that are columns.
    width : int, default=None
        Columns of the y of fit, which tell the same where X is unknown.

    Examples
    --------
    >>> read_table([[1.5, "a"], [2.5, "b"]]).frame.iloc[:, 0].tolist()
    [1.5, 2.5]

    Text that came from stacking numbers and labels is told apart again when
    a column is read as a number; what str() makes of a missing entry is missing:

    >>> stacked = np.column_stack([[1.5, np.nan], ["a", "b"]])
    >>> read_table(stacked).numbers(0).tolist()
    [1.5, nan]

    A list of arrays as long as X are columns, as Keras takes them:

    >>> read_table([[1.5, 2.5, 3.5], ["a", "b", "a"]], n_samples=3).frame.shape
    (3, 2)
    """
    if isinstance(y, Table):
        return y
    if isinstance(y, (list, tuple)):
        arrays = arrays_in(y, n_samples, width)
        if arrays is not None:
            frame = pd.DataFrame(dict(enumerate(arrays))).set_axis(range(len(arrays)), axis=1)
            return Table(_checked_frame(frame), False)
    if y is None:
        raise ValueError(
            "JointRegressorClassifier requires y to be passed, but the target y is None."
        )
    if sparse.issparse(y):
        raise TypeError("Sparse y was passed, but dense y is required. Use y.toarray().")
    y = as_pandas(y, "y")
    check_container(y, "y", (Mapping,))
    if isinstance(y, Mapping):
        y = {name: as_pandas(column, f"y[{name!r}]") for name, column in y.items()}
        lengths = {name: np.shape(column) for name, column in y.items()}
        if len(set(lengths.values())) != 1 or any(len(shape) != 1 for shape in lengths.values()):
            raise ValueError(
                f"A dict y must hold 1-D arrays of one length. Got shapes {lengths} instead."
            )
        # By position, as everywhere: a Series in it is not aligned by its index.
        columns = {name: _column(column) for name, column in y.items()}
        return Table(_checked_frame(pd.DataFrame(columns)), True)
    if isinstance(y, pd.DataFrame):
        return Table(_with_numbers(_checked_frame(y)), True)
    if isinstance(y, pd.Series):
        named = y.name is not None
        return Table(_with_numbers(_checked_frame(y.to_frame(y.name if named else 0))), named)
    # dtype=object keeps numbers and labels of a nested list apart.
    array = rows_of_objects(y, "y") if isinstance(y, (list, tuple)) else np.asarray(y)
    if array.ndim not in (1, 2):
        raise ValueError(f"y must be 1-D or 2-D. Got an array of shape {array.shape} instead.")
    if array.dtype.kind not in "OUS":
        return Table(_checked_frame(pd.DataFrame(array)), False)
    entries = np.atleast_2d(array.astype(object).T)
    frame = pd.DataFrame({i: column_of_objects(column) for i, column in enumerate(entries)})
    if array.ndim == 2 and array.dtype.kind in "US":
        missing = frame.isin(_STACKED_MISSING)
        if missing.iloc[:, 1:].any(axis=None):
            warn(
                "The entries 'nan', 'None' and '<NA>' of a y that is all text are taken as not "
                "labelled. If they are labels, pass y as a DataFrame."
            )
        frame = frame.where(~missing, None)
    return Table(_checked_frame(frame), False)


def arrays_in(y, n_samples=None, width=None):
    """The columns in a list or tuple of arrays, or None where its entries are rows.

    Arrays are columns where each is as long as X, and rows where there are as many as X has rows.
    """
    if len(y) == n_samples or (width is not None and len(y) > width) or not len(y):
        return None
    entries = [as_pandas(entry, "y") for entry in y] if n_samples or width else []
    shapes = [_shape(entry) for entry in entries]
    if not shapes or not all(len(shape) in (1, 2) for shape in shapes):
        return None
    lengths = {shape[0] for shape in shapes}
    if n_samples is not None:
        are_lists = any(isinstance(entry, (list, tuple)) for entry in entries)
        are_columns = n_samples in lengths or min(lengths) > len(y)
        if lengths != {n_samples} and are_columns and not are_lists:
            raise ValueError(
                f"A y of several arrays must hold arrays as long as X, {n_samples} rows. Got "
                f"lengths {[shape[0] for shape in shapes]} instead."
            )
        if lengths != {n_samples}:
            return None
    else:
        are_rows = lengths == {width} and all(len(shape) == 1 for shape in shapes)
        fits = sum(1 if len(shape) == 1 else shape[1] for shape in shapes) == width
        if are_rows or not fits or len(lengths) > 1:
            return None
    return [column for entry in entries for column in _columns(entry)]


def _shape(entry):
    if isinstance(entry, (list, tuple)):  # of numbers or labels, without reading them all
        is_flat = not len(entry) or np.ndim(entry[0]) == 0
        return (len(entry),) if is_flat else np.shape(entry[:1])[:0]
    return np.shape(entry)


def _columns(entry):
    """Columns of one of the arrays of y."""
    if isinstance(entry, pd.DataFrame):
        return [_column(entry.iloc[:, i]) for i in range(entry.shape[1])]
    if not isinstance(entry, (list, tuple, pd.Series)):
        entry = np.asarray(entry)
        if entry.ndim == 2:
            return [_column(column) for column in entry.T]
    return [_column(entry)]


def _with_numbers(frame):
    """The table with columns of objects that are all numbers, or missing, as numbers."""
    found = {}
    for position, dtype in enumerate(frame.dtypes):
        if dtype == np.dtype(object):
            column = column_of_objects(frame.iloc[:, position].to_numpy())
            if is_numeric(column):
                found[position] = column.set_axis(frame.index)
    if not found:
        return frame
    columns = {i: found.get(i, frame.iloc[:, i]) for i in range(frame.shape[1])}
    return pd.DataFrame(columns).set_axis(frame.columns, axis=1)


def _column(entries):
    """One column of a dict, without the index of a Series."""
    is_array = isinstance(entries, (np.ndarray, pd.Series))
    if isinstance(entries, (list, tuple)) or (is_array and entries.dtype == np.dtype(object)):
        return column_of_objects(np.asarray(entries, dtype=object))
    return pd.Series(entries).reset_index(drop=True)


def _checked_frame(frame):
    check_names(frame.columns, "y")
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
