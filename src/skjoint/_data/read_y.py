"""A y of any form as one table, whose columns are read as numbers or labels when asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import sparse

from skjoint._data.containers import check_container, check_names, rows_of_objects
from skjoint._data.entries import column_of_objects, read_labels, read_numbers
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


def read_table(y):
    """Any form of y as a :class:`Table`.

    >>> read_table([[1.5, "a"], [2.5, "b"]]).frame.iloc[:, 0].tolist()
    [1.5, 2.5]

    Text that came from stacking numbers and labels is told apart again when
    a column is read as a number; what str() makes of a missing entry is missing:

    >>> stacked = np.column_stack([[1.5, np.nan], ["a", "b"]])
    >>> read_table(stacked).numbers(0).tolist()
    [1.5, nan]
    """
    if isinstance(y, Table):
        return y
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
        return Table(_checked_frame(y), True)
    if isinstance(y, pd.Series):
        named = y.name is not None
        return Table(_checked_frame(y.to_frame(y.name if named else 0)), named)
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
