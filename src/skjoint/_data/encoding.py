"""From parsed X to float32 for the network.

Numbers are standardised, then missing ones become 0, which is imputation by
the column's mean that honours sample weights. Text and categories become
one-hot columns; a missing category is a category of its own; one that
fit has not met gives zeros only. Sequences and images (3-D and 4-D X) keep
their shape; each channel, the last axis, is standardised over all others.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from sklearn.preprocessing import OneHotEncoder

from skjoint._data.columns import LARGE, check_categories, knots_of, levels_of, scaler_of
from skjoint._data.features import OWNER, Schema, check_size, read_features
from skjoint._data.levels import match_levels

BEND = 5.0  # standard deviations that clipped numbers stay within
# float64 on the way takes several times the size of what is kept
ENCODED_AT_ONCE = 2**14  # rows


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
        self.schema: Schema = None  # type: ignore[assignment]  # until learn
        self.numbers_ = self.categories_ = np.empty(0, dtype=np.intp)
        self.levels_ = np.empty((3, 0))
        self.bend_ = None  # where numbers are not clipped

    # -------------------------------------------------------------------- learning
    def learn(self, features, sample_weight=None):
        """Learn from :class:`Features`; a row's weight counts it that often."""
        self.schema = features.schema
        self.row_shape_ = self.output_shape_ = features.row_shape
        if not self.enabled:
            return self
        if len(self.row_shape_) > 1:
            self._learn_channels(features.numbers, sample_weight)
            return self
        n_outputs = self._learn_numbers(features, sample_weight) + self._learn_categories(features)
        self.output_shape_ = (n_outputs,)
        return self

    def _learn_channels(self, X, sample_weight):
        n_inside = int(np.prod(X.shape[1:-1]))
        weights = None if sample_weight is None else np.repeat(sample_weight, n_inside)
        self.scaler_ = scaler_of(_channels(X), weights)

    def _learn_numbers(self, features, sample_weight):
        """Scales and ranks; the number of columns that come of them."""
        numbers = features.numbers
        self.numbers_ = np.array(features.number_positions, dtype=np.intp)
        if not len(self.numbers_):
            return 0
        self.scaler_ = scaler_of(numbers, sample_weight)
        if not self.ranks:
            return len(self.numbers_)
        weights = np.ones(len(numbers)) if sample_weight is None else sample_weight
        self.knots_ = [knots_of(column, weights) for column in numbers.T]
        self.levels_ = levels_of(numbers)
        self.bend_ = BEND
        return 2 * len(self.numbers_) + self.levels_.shape[1]

    def _learn_categories(self, features):
        """Categories; the number of columns that come of them."""
        positions, names = features.category_positions, features.names
        self.categories_ = np.array(positions, dtype=np.intp)
        if not positions:
            return 0
        for position, column in zip(positions, features.categories.T, strict=True):
            check_categories(position if names is None else names[position], column)
        self.one_hot_ = OneHotEncoder(
            handle_unknown="ignore", sparse_output=False, dtype=np.float32
        ).fit(features.categories)
        return sum(len(c) for c in self.one_hot_.categories_)

    # --------------------------------------------------------------------- columns
    def text_columns(self):
        """Names of the columns of a table that hold text."""
        names: np.ndarray = self.schema.feature_names  # type: ignore[assignment]
        levels = self.one_hot_.categories_ if len(self.categories_) else []
        return [
            names[position]
            for position, known in zip(self.categories_, levels, strict=True)
            if any(isinstance(level, str) for level in known)
        ]

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
        """Columns of encoded X without those of ranks and levels, which repeat the numbers."""
        columns = np.arange(self.output_shape_[0])
        if not self.enabled or not self.ranks:
            return columns
        n_levels = self.levels_.shape[1]
        return np.delete(columns[self.n_ranks :], np.arange(n_levels) + self.n_ranks)

    # -------------------------------------------------------------------- encoding
    def read(self, X, *, owner=OWNER, allow_nd=False):
        """Read an X of the form of fit; see :func:`read_features`."""
        features = read_features(
            X,
            encode=self.enabled,
            allow_nd=allow_nd or len(self.row_shape_) > 1,
            schema=self.schema,
            category_positions=self.categories_,
            owner=owner,
        )
        if features.categories is None:
            return features
        names = self.categories_ if features.names is None else features.names[self.categories_]
        levels = match_levels(features.categories, self.one_hot_.categories_, names)
        return replace(features, categories=levels)

    def encode(self, features):
        """float32 array of shape (n_samples, *output_shape_)."""
        row_shape = features.row_shape
        if row_shape != self.row_shape_:
            raise ValueError(
                f"X must have rows of shape {self.row_shape_}, as in fit. Got {row_shape} instead."
            )
        if not self.enabled:
            return features.numbers
        return self._encoded(features.numbers, features.categories)

    @np.errstate(over="ignore", invalid="ignore")
    def _encoded(self, numbers, categories):
        encode_into = self._encode_channels if numbers.ndim > 2 else self._encode_columns
        encoded = np.empty((len(numbers), *self.output_shape_), np.float32)
        if len(numbers) <= ENCODED_AT_ONCE:
            encode_into(encoded, numbers, categories)
            return encoded
        for start in range(0, len(numbers), ENCODED_AT_ONCE):
            rows = slice(start, start + ENCODED_AT_ONCE)
            part = None if categories is None else categories[rows]
            encode_into(encoded[rows], numbers[rows], part)
        return encoded

    def _encode_channels(self, encoded, X, _):
        scaled = self.scaler_.transform(_channels(X)).reshape(X.shape)
        np.copyto(encoded, scaled, casting="same_kind")
        np.copyto(encoded, 0.0, where=np.isnan(encoded))
        check_size(encoded)

    def _encode_columns(self, encoded, numbers, categories):
        filled = self._encode_numbers(encoded, numbers) if len(self.numbers_) else 0
        if categories is not None:
            encoded[:, filled:] = self.one_hot_.transform(categories)
        check_size(encoded)

    def _encode_numbers(self, encoded, numbers):
        """Fill the leading columns; how many they are."""
        n_numbers, n_levels = len(self.numbers_), self.levels_.shape[1]
        filled = 2 * n_numbers if self.ranks else n_numbers
        if self.ranks:
            for i, (knots, ranks) in enumerate(self.knots_):
                encoded[:, i] = np.interp(numbers[:, i], knots, ranks)
        # What its transform does, without checks that take longer than a row's prediction.
        scaled = numbers - self.scaler_.mean_
        scaled /= self.scaler_.scale_
        if self.bend_ is not None:
            # Smooth clipping of Holzmüller et al. 2024: z / sqrt(1 + (z / bend)**2).
            np.clip(scaled, -LARGE, LARGE, out=scaled)  # whose square is a float64
            scaled /= np.sqrt(1 + np.square(scaled / self.bend_))
        encoded[:, filled - n_numbers : filled] = scaled
        of_numbers = encoded[:, :filled]
        np.copyto(of_numbers, 0.0, where=np.isnan(of_numbers))
        if n_levels:
            column, lower, upper = self.levels_
            level = numbers[:, column.astype(np.intp)]
            encoded[:, filled : filled + n_levels] = (level >= lower) & (level < upper)
        return filled + n_levels


def _channels(X):
    return X.reshape(-1, X.shape[-1])
