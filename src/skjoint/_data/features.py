"""X read and checked, once: columns of numbers and columns of categories.

The checks are scikit-learn's own wherever it has such.
:class:`skjoint._data.encoding.FeatureEncoder` makes float32 of the result.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import validate_data

from skjoint._data.containers import check_container, is_foreign_frame, rows_of_objects

OWNER = "JointRegressorClassifier"  # the class that messages name
FARTHEST = 1e30
DATES = "holds dates or durations. Convert them to numbers first, for example to days since a date."
# What pandas.api.types.infer_dtype returns for columns of objects that are numbers or missing.
NUMBERS = ("integer", "floating", "mixed-integer-float", "decimal")
FLOATS = (np.dtype(np.float64), np.dtype(np.float32))


@dataclass(frozen=True)
class Schema:
    """What scikit-learn calls ``n_features_in_`` and ``feature_names_in_`` (None without names)."""

    n_features: int
    feature_names: np.ndarray | None = None


@dataclass(frozen=True)
class Features:
    """X, parsed.

    ``numbers`` are the columns of numbers side by side, NaN where missing, or rows of any
    shape; ``categories`` the other columns as objects, None where missing; without any it is
    None. ``names`` are those of all columns, None where they are their positions.
    """

    numbers: np.ndarray
    schema: Schema
    categories: np.ndarray | None = None
    category_positions: tuple[int, ...] = ()
    names: pd.Index | None = None

    def __len__(self):
        return len(self.numbers)

    @property
    def number_positions(self):
        """Columns of X that are numbers."""
        rest = set(self.category_positions)
        return tuple(p for p in range(self.schema.n_features) if p not in rest)

    @property
    def row_shape(self):
        """The shape of one row of X."""
        shape = self.numbers.shape[1:]
        return shape if self.categories is None else (shape[0] + self.categories.shape[1],)

    def take(self, rows):
        """Some of the rows."""
        categories = None if self.categories is None else self.categories[rows]
        return Features(
            self.numbers[rows], self.schema, categories, self.category_positions, self.names
        )


# ----------------------------------------------------------------------- reading
def read_features(X, *, encode, allow_nd=False, schema=None, category_positions=None, owner=OWNER):
    """Check X and take it apart.

    Parameters
    ----------
    X : array-like or DataFrame
    encode : bool
        False where the numbers are for the network as they are: text and missing entries
        are errors then.
    allow_nd : bool, default=False
        Whether rows may have a shape.
    schema : Schema, default=None
        That of fit, which X must have; None in fit.
    category_positions : sequence of int, default=None
        Columns that were categories in fit; None for those that hold anything but numbers.
    owner : str
        Name of the class in scikit-learn's messages.

    Returns
    -------
    features : Features
    """
    if schema is not None and _is_plain(X, schema, encode):
        X = X if encode else X.astype(np.float32, copy=False)
        return _from_array(X, schema, category_positions)
    # What overflows is reported as infinite.
    with np.errstate(over="ignore", invalid="ignore"):
        return _read(X, encode, allow_nd, schema, category_positions, owner)


def _read(X, encode, allow_nd, schema, category_positions, owner):
    X = _checked(X)
    if getattr(X, "ndim", 2) > 2:
        return _read_shaped(X, encode, allow_nd, schema, owner)
    frame = _as_frame(X)
    is_mixed = frame is not None and not all(_is_number(dtype) for dtype in frame.dtypes)
    X = X if frame is None else frame
    if not encode:
        return _read_as_they_are(X, is_mixed, schema, owner)
    has_categories = category_positions is not None and len(category_positions) > 0
    if is_mixed or (frame is not None and has_categories):
        return _read_mixed(frame, schema, category_positions, owner)
    if frame is not None and X.shape[1] == 0:  # which has no dtype to convert
        X = X.to_numpy(dtype=np.float64)
    X, schema = _validated(
        X, schema, owner, dtype=[np.float64, np.float32], ensure_all_finite="allow-nan"
    )
    return _from_array(X, schema, category_positions)


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


def _read_as_they_are(X, is_mixed, schema, owner):
    """Numbers that nothing is done to."""
    try:
        X, schema = _validated(X, schema, owner, dtype=np.float32)
        if is_mixed:
            raise ValueError("Got text or categories instead.")
        check_size(X)
        return Features(X, schema)
    except (ValueError, TypeError) as error:
        if not is_mixed and "NaN" not in str(error):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(
            "X must hold numbers only, without gaps, when preprocess=None. Encode and impute "
            f"it first, or use preprocess='auto'. {error}"
        ) from error


def _read_mixed(frame, schema, category_positions, owner):
    """A table that holds not only numbers."""
    if len(frame) == 0:
        raise ValueError(
            f"Found array with 0 sample(s) (shape={frame.shape}) while a minimum of 1 is required."
        )
    _, schema = _validated(frame, schema, owner, skip_check_array=True)
    if category_positions is None:
        category_positions = [p for p, dtype in enumerate(frame.dtypes) if not _is_number(dtype)]
    category_positions = tuple(category_positions)
    numbers = _numbers(frame, category_positions)
    if not category_positions:
        return Features(numbers, schema)
    categories = _categories(frame, category_positions)
    return Features(numbers, schema, categories, category_positions, frame.columns)


def _from_array(X, schema, category_positions):
    """An array of numbers, some of which may stand for categories."""
    if category_positions is None or not len(category_positions):
        return Features(X, schema)
    category_positions = tuple(category_positions)
    categories = _categories(pd.DataFrame(X), category_positions)
    numbers = np.delete(X, category_positions, axis=1)
    return Features(numbers, schema, categories, category_positions)


def _numbers(frame, category_positions):
    """Columns of a table that are no categories, as float64 with NaN where missing."""
    positions = np.delete(np.arange(frame.shape[1]), category_positions)
    numbers = np.full((len(frame), len(positions)), np.nan)
    for i, position in enumerate(positions):
        column = frame.iloc[:, position]
        if _is_number(column.dtype):
            numbers[:, i] = column.to_numpy(dtype=np.float64, na_value=np.nan)
        elif column.notna().any():
            raise ValueError(
                f"Column {frame.columns[position]!r} of X held numbers in fit. "
                f"Got {column.dropna().tolist()[0]!r} instead."
            )
    if len(positions):
        assert_all_finite(numbers, allow_nan=True, input_name="X")
    return numbers


def _categories(frame, positions):
    """Columns of a table as objects, None where missing."""
    columns = frame.iloc[:, list(positions)].astype(object)
    return columns.where(columns.notna(), None).to_numpy()


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
    if not sparse.issparse(X):
        check_container(X, "X")
    if isinstance(X, (list, tuple)):
        X = rows_of_objects(X, "X")
    elif is_foreign_frame(X):
        if np.asarray(X).dtype.kind not in "biuf":
            raise TypeError(
                "X must be a pandas DataFrame where it holds anything but numbers. Got a "
                f"{type(X)} instead. Use X.to_pandas()."
            )
    elif not isinstance(X, (np.ndarray, pd.DataFrame)) and not sparse.issparse(X):
        X = np.asarray(X)
    kind = getattr(getattr(X, "dtype", None), "kind", "")
    if kind in ("m", "M"):
        raise ValueError(f"X {DATES} Got {X.dtype} instead.")
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


def _is_number(dtype):
    return pd.api.types.is_numeric_dtype(dtype) and not isinstance(dtype, pd.CategoricalDtype)


def _as_frame(X):
    """X as a DataFrame if it is one, or an array that may hold anything but numbers; else None."""
    if isinstance(X, pd.DataFrame):
        if not X.columns.is_unique:
            raise ValueError(
                "The columns of X must have distinct names. "
                f"Repeated: {list(X.columns[X.columns.duplicated()].unique())}."
            )
        frame = X.infer_objects()
    elif getattr(X, "dtype", None) is not None and X.dtype.kind in "OUST":
        frame = pd.DataFrame(np.asarray(X).astype(object)).infer_objects()
    else:
        return None
    for position, (name, dtype) in enumerate(frame.dtypes.items()):
        column = frame.iloc[:, position]
        if isinstance(dtype, pd.SparseDtype):
            frame.isetitem(position, column.sparse.to_dense())
        elif dtype.kind == "O" and pd.api.types.infer_dtype(column, skipna=True) in NUMBERS:
            frame.isetitem(position, column.where(column.notna(), np.nan).astype(np.float64))
        if dtype.kind in "mM":
            raise ValueError(f"Column {name!r} of X {DATES} Got {dtype} instead.")
        if dtype.kind == "c":
            raise ValueError(f"Complex data not supported: column {name!r} of X.")
    return frame
