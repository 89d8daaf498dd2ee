"""X read and checked, once: numbers side by side, every other column as its distinct entries.

Reading takes the columns as they come; what each becomes is decided by
:class:`skjoint._data.encoding.FeatureEncoder`. The checks are scikit-learn's own wherever it has
such.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import validate_data

from skjoint._data.containers import check_container, check_names, rows_of_objects
from skjoint._data.distinct import Distinct, distinct
from skjoint._data.foreign import (
    WHOLE,
    as_pandas,
    check_eager,
    is_foreign,
    is_table,
    names_of,
    series_of,
)
from skjoint._data.sparse_table import as_rows, check_numbers
from skjoint._data.written_numbers import numbers_of

OWNER = "JointRegressorClassifier"  # the class that messages name
FARTHEST = 1e30
# What pandas.api.types.infer_dtype returns for columns of objects that are numbers or missing.
NUMBERS = ("integer", "floating", "mixed-integer-float", "decimal")
FLOATS = (np.dtype(np.float64), np.dtype(np.float32))


@dataclass(frozen=True)
class Schema:
    """What scikit-learn calls ``n_features_in_`` and ``feature_names_in_`` (None without names)."""

    n_features: int
    feature_names: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Features:
    """X, as it came.

    Parameters
    ----------
    numbers : ndarray or csr_array
        The columns that came as numbers side by side, NaN where missing, or rows of any shape;
        CSR where X is sparse.
    schema : Schema
    positions : sequence of int
        Of these columns in X.
    others : dict of {int: Distinct or Series}
        All other columns by position, dates as a Series; not those that nobody reads.
    names : sequence or None
        Of all columns, None where they are their positions.
    """

    numbers: np.ndarray | sparse.csr_array
    schema: Schema
    positions: Sequence[int] = ()
    others: Mapping[int, Distinct | pd.Series] = field(default_factory=dict)
    names: tuple | None = None

    def __len__(self):
        return self.numbers.shape[0]

    @property
    def row_shape(self):
        """The shape of one row of X."""
        return self.numbers.shape[1:] if self.numbers.ndim > 2 else (self.schema.n_features,)

    def name(self, position):
        """The name of a column for messages."""
        return position if self.names is None else self.names[position]

    def take(self, rows):
        """Some of the rows."""
        others = {
            p: c.iloc[rows] if isinstance(c, pd.Series) else c.take(rows)
            for p, c in self.others.items()
        }
        return replace(self, numbers=self.numbers[rows], others=others)

    def in_parts(self, n_rows):
        """Itself, or parts of so many rows one after the other."""
        if len(self) <= n_rows:
            return [self]
        starts = range(0, len(self), n_rows)
        return (self.take(slice(start, start + n_rows)) for start in starts)

    def column(self, position):
        """A column: an array of numbers, ``Distinct`` entries or a Series of dates."""
        if position in self.others:
            return self.others[position]
        return self.numbers[:, self.positions.index(position)]


# ----------------------------------------------------------------------- reading
def read_features(X, *, encode, allow_nd=False, schema=None, unread=(), owner=OWNER):
    """Check X and take it apart.

    Parameters
    ----------
    X : array-like or table
    encode : bool
        False where the numbers are for the network as they are: text and missing entries
        are errors then.
    allow_nd : bool, default=False
        Whether rows may have a shape.
    schema : Schema, default=None
        That of fit, which X must have; None in fit.
    unread : collection of int, default=()
        Positions of columns that are left out.
    owner : str
        Name of the class in scikit-learn's messages.

    Returns
    -------
    features : Features
    """
    if schema is not None and _is_plain(X, schema, encode):
        X = X if encode else X.astype(np.float32, copy=False)
        return _from_array(X, schema)
    # What overflows is reported as infinite.
    with np.errstate(over="ignore", invalid="ignore"):
        return _read(X, encode, allow_nd, schema, unread, owner)


def _read(X, encode, allow_nd, schema, unread, owner):
    X = _checked(X)
    if sparse.issparse(X):
        return _read_sparse(X, encode, schema, owner)
    if getattr(X, "ndim", 2) > 2:
        return _read_shaped(X, encode, allow_nd, schema, owner)
    if not encode:
        return _read_as_they_are(X, schema, owner)
    if is_foreign(X) or _is_mixed(X):
        return _read_table(X, schema, unread, owner)
    names = X.columns if isinstance(X, pd.DataFrame) else None
    if names is not None and X.shape[1] == 0:  # which has no dtype to convert
        X = X.to_numpy(dtype=np.float64)
    X, schema = _validated(
        X, schema, owner, dtype=[np.float64, np.float32], ensure_all_finite="allow-nan"
    )
    return replace(_from_array(X, schema), names=_shown(names))


def _from_array(X, schema):
    """An array of numbers."""
    return Features(X, schema, tuple(range(schema.n_features)))


def _read_sparse(X, encode, schema, owner):
    """A sparse matrix or array, as CSR."""
    check_numbers(X)
    X, schema = _validated(
        X,
        schema,
        owner,
        accept_sparse="csr",
        dtype=[np.float64, np.float32] if encode else np.float32,
        ensure_all_finite="allow-nan" if encode else True,
    )
    if not encode:
        check_size(X.data)
    return Features(as_rows(X), schema, range(schema.n_features))


def _read_shaped(X, encode, allow_nd, schema, owner):
    """Rows with a shape of their own."""
    if not allow_nd:
        raise ValueError(
            f"Found array with dim {X.ndim}, while dim <= 2 is required by dense hidden "
            "layers. Give a Keras network for rows of this shape in trunk=..."
        )
    return Features(
        *_validated(
            X,
            schema,
            owner,
            allow_nd=True,
            dtype=[np.float32, np.float64] if encode else np.float32,
            ensure_all_finite="allow-nan" if encode else True,
        )
    )


def _read_as_they_are(X, schema, owner):
    """Numbers that nothing is done to."""
    X = as_pandas(X, "X")
    is_mixed = _is_mixed(X)
    if is_mixed and isinstance(X, pd.DataFrame):
        X = X.apply(lambda column: column.sparse.to_dense() if is_sparse(column) else column)
    try:
        numbers, schema = _validated(X, schema, owner, dtype=np.float32)
        if is_mixed and not _holds_numbers(_as_frame(X)):
            raise ValueError("Got text or categories instead.")
        check_size(numbers)
        return _from_array(numbers, schema)
    except (ValueError, TypeError) as error:
        if not is_mixed and "NaN" not in str(error):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(
            "X must hold numbers only, without gaps, when preprocess=None. Encode and impute "
            f"it first, or use preprocess='auto'. {error}"
        ) from error


# ------------------------------------------------------------------------ tables
def _read_table(table, schema, unread, owner):
    """A table whose columns may be of any type, column by column."""
    table = table if is_foreign(table) else _as_frame(table)
    names = names_of(table) if is_foreign(table) else table.columns
    n_samples = table.shape[0]
    if n_samples == 0:
        raise ValueError(
            f"Found array with 0 sample(s) (shape={table.shape}) while a minimum of 1 is required."
        )
    header = pd.DataFrame([[0.0] * len(names)], columns=names)
    _, schema = _validated(header, schema, owner)
    numbers, others = {}, {}
    for position in range(len(names)):
        if position in unread:
            continue
        column = series_of(table, position) if is_foreign(table) else table.iloc[:, position]
        column = read_column(column, names[position])
        is_number = isinstance(column, np.ndarray)
        (numbers if is_number else others)[position] = column
    matrix = np.empty((n_samples, len(numbers)))
    for i, column in enumerate(numbers.values()):
        matrix[:, i] = column
    if numbers:
        assert_all_finite(matrix, allow_nan=True, input_name="X")
    return Features(matrix, schema, tuple(numbers), others, _shown(names))


def _shown(names):
    """Names of columns for messages; None where they are positions."""
    return None if names is None or isinstance(names, pd.RangeIndex) else tuple(names)


def read_column(column, name):
    """A Series as float64 where it holds numbers, as a Series of dates, or as ``Distinct``."""
    dtype = column.dtype
    if is_sparse(column):
        column = column.sparse.to_dense()
        dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return distinct(column)
    if dtype.kind == "O" and not isinstance(dtype, pd.StringDtype):
        column = column.infer_objects()
        dtype = column.dtype
        if dtype.kind == "O" and pd.api.types.infer_dtype(column, skipna=True) in NUMBERS:
            return column.where(column.notna(), np.nan).to_numpy(dtype=np.float64)
    if dtype.kind == "c":
        raise ValueError(f"Complex data not supported: column {name!r} of X.")
    if dtype.kind == "m":
        return _days(column)
    if dtype.kind == "M" or isinstance(dtype, (pd.DatetimeTZDtype, pd.PeriodDtype)):
        return column
    if pd.api.types.is_bool_dtype(dtype) or not pd.api.types.is_numeric_dtype(dtype):
        try:
            return distinct(column)
        except TypeError:  # entries that cannot be hashed
            types = sorted({type(entry).__name__ for entry in column[column.notna()]})
            raise ValueError(
                f"Column {name!r} of X must hold numbers, text or dates. Got entries of type "
                f"{', '.join(types)}; convert it first, for example with astype(str)."
            ) from None
    if _is_beyond_float64(column.dropna()):
        return distinct(column.astype(object))
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def is_sparse(column):
    return isinstance(column.dtype, pd.SparseDtype)


def _days(column):
    """Durations as numbers of days, NaN where missing."""
    days = np.full(len(column), np.nan)
    present = column.notna().to_numpy()
    days[present] = numbers_of(column[present].to_numpy())
    return days


def _as_frame(X):
    """X, a DataFrame or an array that may hold anything but numbers, as a DataFrame."""
    return X if isinstance(X, pd.DataFrame) else pd.DataFrame(np.asarray(X).astype(object))


def _is_mixed(X):
    """Whether columns have to be looked at one by one."""
    if isinstance(X, pd.DataFrame):
        plain = all(isinstance(d, np.dtype) and d.kind in "iuf" for d in X.dtypes)
        return not plain or any(_is_beyond_float64(column) for _, column in X.items())
    return X.dtype.kind in "OUST" or (isinstance(X, np.ndarray) and _is_beyond_float64(X))


def _is_beyond_float64(numbers):
    """Whether these are whole numbers that float64 cannot tell apart."""
    if numbers.dtype.kind not in "iu" or numbers.dtype.itemsize < 8 or len(numbers) == 0:
        return False
    return bool(np.max(numbers) > WHOLE or np.min(numbers) < -WHOLE)


def _holds_numbers(frame):
    """Whether no column of a table holds anything but numbers and truth values."""
    return all(
        pd.api.types.is_bool_dtype(column.dtype)
        or isinstance(read_column(column, name), np.ndarray)
        for name, column in frame.items()
    )


# ------------------------------------------------------------------------ checks
@lru_cache(maxsize=32)
def _class_named(owner):
    return type(owner, (BaseEstimator,), {})


def _validated(X, schema, owner, **checks):
    """X as scikit-learn's ``validate_data`` returns it, and its schema.

    That function keeps the schema as attributes of an estimator; here it has one of its own.
    """
    holder = _class_named(owner)()
    if schema is not None:
        holder.n_features_in_ = schema.n_features
        if schema.feature_names is not None:
            holder.feature_names_in_ = schema.feature_names
    X = validate_data(holder, X, reset=schema is None, **checks)
    names = getattr(holder, "feature_names_in_", None)
    return X, schema or Schema(holder.n_features_in_, names)


def _is_plain(X, schema, encode):
    """Whether the checks would pass X on as it is; they cost more than a row's prediction."""
    if (
        type(X) is not np.ndarray
        or X.ndim != 2
        or X.dtype not in FLOATS
        or len(X) == 0
        or X.shape[1] != schema.n_features
        or schema.feature_names is not None
    ):
        return False
    if encode:
        return not np.count_nonzero(np.isinf(X))
    return bool(_largest(X) <= FARTHEST)  # false for NaN, too


def _checked(X):
    """X as an array, or as the table or sparse matrix that it is."""
    check_eager(X, "X")
    if is_foreign(X) and not is_table(X):
        X = np.asarray(X)
    if not sparse.issparse(X) and not is_foreign(X):
        check_container(X, "X")
    if isinstance(X, (list, tuple)):
        X = rows_of_objects(X, "X")
    elif not (isinstance(X, (np.ndarray, pd.DataFrame)) or sparse.issparse(X) or is_foreign(X)):
        X = np.asarray(X)
    if isinstance(X, pd.DataFrame):
        check_names(X.columns, "X")
    kind = getattr(getattr(X, "dtype", None), "kind", "")
    if kind in ("m", "M"):
        X = pd.DataFrame(X)
    if kind == "c":
        raise ValueError(f"Complex data not supported: X holds {X.dtype}.")
    if getattr(X, "ndim", 2) < 2:
        raise ValueError(
            f"Expected 2D array, got {X.ndim}D array instead. Reshape your data with X.reshape(-1, "
            "1) if it has a single feature, or X.reshape(1, -1) if it is a single row."
        )
    return X


def check_size(encoded):
    """Raise unless float32 has room for what a network makes of these numbers."""
    if _largest(encoded) > FARTHEST:
        raise ValueError(
            f"X must hold numbers of size up to {FARTHEST:g}, in standard deviations where "
            "preprocess='auto', so that float32 can hold what the network makes of them. Got "
            f"{_largest(encoded):g} instead."
        )


def _largest(numbers):
    """Size of the largest number; for one row twice as fast as the method ``max``."""
    return np.maximum.reduce(np.abs(numbers), axis=None, initial=0)
