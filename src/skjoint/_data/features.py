"""What X is: checked once, encoded to float32 for the network.

Numbers are standardised, then missing ones become 0, which is imputation by
the column's mean that honours sample weights. Text and categories become
one-hot columns; a missing category is a category of its own; one that
training never saw gives zeros only. Sequences and images (3-D and 4-D X) keep
their shape; each channel, the last axis, is standardised over all others.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import validate_data

from skjoint._data.table import check_container, is_foreign_frame, rows_of_objects

N_KNOTS = 128  # between which ranks are interpolated
MAX_LEVELS = 10  # values of a column that gets a column for each of them
BEND = 5.0  # standard deviations that clipped numbers stay within
LARGE = 1e100
FARTHEST = 1e30
CHUNK = 2**14  # rows encoded at once: float64 on the way, several times the size of what is kept
DATES = "holds dates or durations. Convert them to numbers first, for example to days since a date."
# What pandas.api.types.infer_dtype says of columns of objects that are numbers or missing.
NUMBERS = ("integer", "floating", "mixed-integer-float", "decimal")


@np.errstate(over="ignore", invalid="ignore")  # what overflows is reported as infinite
def read_features(estimator, X, *, encode, reset, allow_nd=False):
    """Check X as scikit-learn does and return a number array or a mixed DataFrame.

    With ``encode`` false the numbers are for the network as they are: text
    and missing entries are errors. With ``allow_nd`` rows may have a shape.
    """
    if not reset and _is_plain(estimator, X, encode):
        return X if encode else X.astype(np.float32, copy=False)
    X = _checked(X)
    if getattr(X, "ndim", 2) > 2:
        if not allow_nd:
            raise ValueError(
                f"Found array with dim {X.ndim}, while dim <= 2 is required by dense hidden "
                "layers. Give a Keras network for rows of this shape in trunk=..."
            )
        return validate_data(
            estimator,
            X,
            reset=reset,
            allow_nd=True,
            dtype=[np.float32, np.float64] if encode else np.float32,
            ensure_all_finite="allow-nan" if encode else True,
        )
    frame = _as_frame(X)
    is_mixed = frame is not None and not all(_is_number(dtype) for dtype in frame.dtypes)
    X = X if frame is None else frame
    if not encode:
        try:
            X = validate_data(estimator, X, reset=reset, dtype=np.float32)
            if is_mixed:
                raise ValueError("Got text or categories instead.")
            _check_size(X)
            return X
        except (ValueError, TypeError) as error:
            if not is_mixed and "NaN" not in str(error):
                raise
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(
                "X must hold numbers only, without gaps, when preprocess=None. Encode and impute "
                f"it first, or use preprocess='auto'. {error}"
            ) from error
    if not is_mixed:
        if frame is not None and X.shape[1] == 0:  # which has no dtype to convert
            X = X.to_numpy(dtype=np.float64)
        return validate_data(
            estimator,
            X,
            reset=reset,
            dtype=[np.float64, np.float32],
            ensure_all_finite="allow-nan",
        )
    if len(frame) == 0:
        raise ValueError(
            f"Found array with 0 sample(s) (shape={frame.shape}) while a minimum of 1 is required."
        )
    validate_data(estimator, frame, reset=reset, skip_check_array=True)
    return frame


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


def _is_plain(estimator, X, encode):
    """Whether X is what the checks would let pass as it is; they cost more than one row does."""
    if (
        type(X) is not np.ndarray
        or X.ndim != 2
        or X.dtype not in (np.float32, np.float64)
        or len(X) == 0
        or X.shape[1] != estimator.n_features_in_
        or hasattr(estimator, "feature_names_in_")
    ):
        return False
    if encode:
        return not np.isinf(X).any()
    return bool(np.abs(X).max() <= FARTHEST)  # false for NaN, too


def _check_size(encoded):
    if np.abs(encoded).max(initial=0) > FARTHEST:
        raise ValueError(
            f"X must hold numbers of size up to {FARTHEST:g}, in standard deviations where "
            "preprocess='auto', so that float32 can hold what the network makes of them. Got "
            f"{np.abs(encoded).max():g} instead."
        )


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


def _scaler(numbers, sample_weight):
    """StandardScaler of columns of any size: squares of 1e200 or 1e-200 are no float64."""
    with np.errstate(invalid="ignore"):  # a column of gaps only has no mean
        largest = np.nanmax(np.abs(numbers), axis=0, initial=0).astype(np.float64)
        extreme = (largest > LARGE) | ((largest < 1 / LARGE) & (largest > 0))
        unit = np.where(extreme, largest, 1.0)
        if extreme.any():
            numbers = numbers / unit
        if sample_weight is not None:  # of sum n, which StandardScaler takes for their number
            sample_weight = sample_weight / sample_weight.mean()
        scaler = StandardScaler().fit(numbers, sample_weight=sample_weight)
    scaler.mean_ *= unit
    scaler.scale_ = np.maximum(scaler.scale_ * unit, np.finfo(np.float64).smallest_subnormal)
    return scaler


def _check_categories(name, column):
    """Raise unless the categories of a column can be put in order."""
    present = [entry for entry in column if entry is not None]
    try:
        sorted(set(present))
    except TypeError:
        kinds = sorted({type(entry).__name__ for entry in present})
        raise ValueError(
            f"Column {name!r} of X must hold text or numbers throughout. Got entries of type "
            f"{', '.join(kinds)}; convert it first, for example with astype(str)."
        ) from None


def _knots(column, weights):
    """Numbers and their ranks, (2, n_knots), between which the ranks of others are interpolated.

    The rank of a number is the share of rows below it and half of those that hold it, scaled as
    if all shares were equally likely to mean 0 and variance 1.
    """
    present = ~np.isnan(column)
    if not present.any():
        return np.zeros((2, 1))
    numbers, inverse = np.unique(column[present], return_inverse=True)
    share = np.bincount(inverse, weights[present]) / weights[present].sum()
    below = np.cumsum(share) - share / 2
    kept = np.arange(len(numbers))
    if len(numbers) > N_KNOTS:
        kept = np.unique(np.searchsorted(below, np.linspace(below[0], below[-1], N_KNOTS)))
    return np.array([numbers[kept], (below[kept] - 0.5) * np.sqrt(12)])


def _levels(numbers):
    """Columns of few values: the column, lower and upper bound of each level, (3, n_levels).

    A number belongs to the nearest value: float32 and float64 of it agree, and a new one has a
    place. Two values need no levels, which would say what the number says.
    """
    found = []
    for i, column in enumerate(numbers.T):
        values = np.unique(column[~np.isnan(column)])
        if 2 < len(values) <= MAX_LEVELS:
            middles = values[:-1] + (values[1:] - values[:-1]) / 2
            bounds = [-np.inf, *middles, np.inf]
            found += [(i, *bounds[j : j + 2]) for j in range(len(values))]
    return np.array(found, dtype=np.float64).reshape(-1, 3).T


class FeatureEncoder:
    """Numbers standardised, categories one-hot, side by side as float32.

    Parameters
    ----------
    enabled : bool
        False passes the numbers on as they are.
    ranks : bool, default=False
        Put the rank of every number before the standardised numbers, and a column of 0 and 1
        for each value of those that have few behind them; clip what is standardised.
    """

    def __init__(self, enabled, ranks=False):
        self.enabled = enabled
        self.ranks = ranks
        self.levels_ = np.empty((3, 0))
        self.bend_ = None  # files of older formats hold none

    def learn(self, X, sample_weight=None):
        """Learn from what :func:`read_features` returned."""
        self.row_shape_ = X.shape[1:]
        self.output_shape_ = self.row_shape_
        if not self.enabled:
            return self
        if X.ndim > 2:
            channels, n_inside = self._channels(X), int(np.prod(X.shape[1:-1]))
            weights = None if sample_weight is None else np.repeat(sample_weight, n_inside)
            self.scaler_ = _scaler(channels, weights)
            return self
        if isinstance(X, pd.DataFrame):
            numeric = np.array([_is_number(dtype) for dtype in X.dtypes])
        else:
            numeric = np.ones(X.shape[1], dtype=bool)
        self.numbers_ = np.flatnonzero(numeric)
        self.categories_ = np.flatnonzero(~numeric)
        n_outputs = len(self.numbers_)
        if len(self.numbers_):
            numbers = self._numbers(X)
            self.scaler_ = _scaler(numbers, sample_weight)
            if self.ranks:
                weights = np.ones(len(numbers)) if sample_weight is None else sample_weight
                self.knots_ = [_knots(column, weights) for column in numbers.T]
                self.levels_ = _levels(numbers)
                self.bend_ = BEND
                n_outputs += len(self.numbers_) + self.levels_.shape[1]
        if len(self.categories_):
            categories = self._categories(X)
            names = X.columns if isinstance(X, pd.DataFrame) else range(X.shape[1])
            for position, column in zip(self.categories_, categories.T, strict=True):
                _check_categories(names[position], column)
            self.one_hot_ = OneHotEncoder(
                handle_unknown="ignore", sparse_output=False, dtype=np.float32
            ).fit(categories)
            n_outputs += sum(len(c) for c in self.one_hot_.categories_)
        self.output_shape_ = (n_outputs,)
        return self

    @property
    def n_numbers(self):
        """Leading columns of encoded X that are numbers, each rank counted as one."""
        if not self.enabled or len(self.row_shape_) > 1:
            return 0
        return len(self.numbers_) * (2 if self.ranks else 1)

    @property
    def n_ranks(self):
        """Leading columns of encoded X that are ranks."""
        return self.n_numbers // 2 if self.ranks else 0

    @property
    def distinct_columns(self):
        """Columns of encoded X that say something new: ranks and values repeat the numbers."""
        columns = np.arange(self.output_shape_[0])
        if not self.enabled or not self.ranks:
            return columns
        n_levels = self.levels_.shape[1]
        return np.delete(columns[self.n_ranks :], np.arange(n_levels) + self.n_ranks)

    @np.errstate(over="ignore", invalid="ignore")
    def encode(self, X):
        """float32 array of shape (n_samples, *output_shape_)."""
        if X.shape[1:] != self.row_shape_:
            raise ValueError(
                f"X must have rows of shape {self.row_shape_}, as in fit. "
                f"Got {X.shape[1:]} instead."
            )
        if not self.enabled:
            return X
        encode_into = self._encode_channels if X.ndim > 2 else self._encode_columns
        encoded = np.empty((len(X), *self.output_shape_), np.float32)
        if len(X) <= CHUNK:
            encode_into(encoded, X)
            return encoded
        for start in range(0, len(X), CHUNK):
            rows = slice(start, start + CHUNK)
            encode_into(encoded[rows], X.iloc[rows] if isinstance(X, pd.DataFrame) else X[rows])
        return encoded

    def _encode_channels(self, encoded, X):
        scaled = self.scaler_.transform(self._channels(X)).reshape(X.shape)
        np.copyto(encoded, scaled, casting="same_kind")
        np.copyto(encoded, 0.0, where=np.isnan(encoded))
        _check_size(encoded)

    def _encode_columns(self, encoded, X):
        filled = self.n_numbers
        if len(self.numbers_):
            numbers = self._numbers(X)
            if self.ranks:
                for i, knots in enumerate(self.knots_):
                    encoded[:, i] = np.interp(numbers[:, i], *knots)
            # What its transform does, without checks that take longer than a row's prediction.
            scaled = numbers - self.scaler_.mean_
            scaled /= self.scaler_.scale_
            if self.bend_ is not None:
                # Smooth clipping of Holzmüller et al. 2024: z / sqrt(1 + (z / bend)**2).
                np.clip(scaled, -LARGE, LARGE, out=scaled)  # whose square is a float64
                scaled /= np.sqrt(1 + np.square(scaled / self.bend_))
            encoded[:, filled - len(self.numbers_) : filled] = scaled
            np.copyto(encoded[:, :filled], 0.0, where=np.isnan(encoded[:, :filled]))
            column, lower, upper = self.levels_
            if len(column):
                level = numbers[:, column.astype(np.intp)]
                n_levels = len(column)
                encoded[:, filled : filled + n_levels] = (level >= lower) & (level < upper)
                filled += n_levels
        if len(self.categories_):
            encoded[:, filled:] = self.one_hot_.transform(self._categories(X))
        _check_size(encoded)

    @staticmethod
    def _channels(X):
        return X.reshape(-1, X.shape[-1])

    def _numbers(self, X):
        if not isinstance(X, pd.DataFrame):
            return X[:, self.numbers_] if len(self.categories_) else X
        numbers = np.full((len(X), len(self.numbers_)), np.nan)
        for i, position in enumerate(self.numbers_):
            column = X.iloc[:, position]
            if _is_number(column.dtype):
                numbers[:, i] = column.to_numpy(dtype=np.float64, na_value=np.nan)
            elif column.notna().any():
                raise ValueError(
                    f"Column {X.columns[position]!r} of X held numbers in fit. "
                    f"Got {column.dropna().tolist()[0]!r} instead."
                )
        assert_all_finite(numbers, allow_nan=True, input_name="X")
        return numbers

    def _categories(self, X):
        frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(X)
        columns = frame.iloc[:, self.categories_].astype(object)
        return columns.where(columns.notna(), None).to_numpy()
