"""Columns of numbers: standardised, with their ranks and a column for each of few values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skjoint._data.columns import LARGE, knots_of, levels_of, scaler_of

BEND = 5.0  # standard deviations that clipped numbers stay within
# Of the entries of a column: what many zeros mean is learned without ranks, which call nearly
# all rows the same.
MOSTLY_ZEROS = 0.95
# A table of so many columns, half of whose entries are zeros, is one of counts or of pixels.
WIDE = 100
MANY_ZEROS = 0.5


@dataclass(frozen=True, eq=False)
class NumberEncoder:
    """Numbers standardised; missing ones become 0, the mean.

    Parameters
    ----------
    mean, scale : ndarray of shape (n_columns,)
    knots : list of ndarray, default=()
        Numbers and their ranks, (2, n_knots), of every column; empty where numbers have none.
    levels : ndarray of shape (3, n_levels)
        Column, lower and upper bound of each of the columns of 0 and 1.
    bend : float or None
        Standard deviations that clipped numbers stay within.
    """

    mean: np.ndarray
    scale: np.ndarray
    knots: list
    levels: np.ndarray
    bend: float | None = None

    @classmethod
    def learn(cls, numbers, sample_weight=None, ranks=False):
        """Learn from columns of float64; a row's weight counts it that often."""
        scaler = scaler_of(numbers, sample_weight)
        if not ranks:
            return cls(scaler.mean_, scaler.scale_, [], np.empty((3, 0)))
        weights = np.ones(len(numbers)) if sample_weight is None else sample_weight
        knots = [knots_of(column, weights) for column in numbers.T]
        return cls(scaler.mean_, scaler.scale_, knots, levels_of(numbers), BEND)

    @property
    def n_columns(self):
        return len(self.mean)

    @property
    def n_ranks(self):
        return len(self.knots)

    @property
    def width(self):
        """Columns that come of them: ranks, then the numbers, then those of few values."""
        return self.n_ranks + self.n_columns + self.levels.shape[1]

    def widths(self):
        """Columns that come of each."""
        of_levels = np.bincount(self.levels[0].astype(np.intp), minlength=self.n_columns)
        return 1 + (self.n_ranks > 0) + of_levels

    def encode_into(self, encoded, numbers):
        """Fill columns of float32."""
        for i, (knots, ranks) in enumerate(self.knots):
            encoded[:, i] = np.interp(numbers[:, i], knots, ranks)
        scaled = numbers - self.mean
        scaled /= self.scale
        if self.bend is not None:
            # Smooth clipping of Holzmüller et al. 2024: z / sqrt(1 + (z / bend)**2).
            np.clip(scaled, -LARGE, LARGE, out=scaled)  # whose square is a float64
            scaled /= np.sqrt(1 + np.square(scaled / self.bend))
        filled = self.n_ranks + self.n_columns
        encoded[:, self.n_ranks : filled] = scaled
        of_numbers = encoded[:, :filled]
        np.copyto(of_numbers, 0.0, where=np.isnan(of_numbers))
        if self.levels.shape[1]:
            column, lower, upper = self.levels
            level = numbers[:, column.astype(np.intp)]
            encoded[:, filled:] = (level >= lower) & (level < upper)


@dataclass(frozen=True, eq=False)
class SparseEncoder:
    """Numbers that are mostly zeros: divided by their size, so that zeros stay zeros.

    Parameters
    ----------
    size : ndarray of shape (n_columns,)
        Root mean square of the numbers that are not 0.
    """

    size: np.ndarray

    @classmethod
    def learn(cls, numbers, sample_weight=None):
        weights = np.ones(len(numbers)) if sample_weight is None else sample_weight
        size = []
        for column in numbers.T:
            kept = (column != 0) & ~np.isnan(column)
            largest = np.abs(column[kept]).max(initial=0.0)
            square = 1.0
            if largest > 0:  # divided by it, squares of any number are float64
                square = np.average((column[kept] / largest) ** 2, weights=weights[kept])
            size.append((largest or 1.0) * np.sqrt(square))
        return cls(np.array(size))

    @property
    def width(self):
        return len(self.size)

    def encode_into(self, encoded, numbers):
        """Fill columns of float32."""
        np.copyto(encoded, numbers / self.size, casting="same_kind")
        np.copyto(encoded, 0.0, where=np.isnan(encoded))


@dataclass(frozen=True, eq=False)
class ChannelEncoder:
    """Rows with a shape: each channel, the last axis, is standardised over all others."""

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def learn(cls, X, sample_weight=None):
        n_inside = int(np.prod(X.shape[1:-1]))
        weights = None if sample_weight is None else np.repeat(sample_weight, n_inside)
        scaler = scaler_of(X.reshape(-1, X.shape[-1]), weights)
        return cls(scaler.mean_, scaler.scale_)

    def encode_into(self, encoded, X):
        """Fill an array of float32 of the same shape."""
        np.copyto(encoded, (X - self.mean) / self.scale, casting="same_kind")
        np.copyto(encoded, 0.0, where=np.isnan(encoded))


def are_mostly_zeros(columns):
    """Which columns are mostly zeros: all of them where the table as a whole is."""
    zeros = np.array([np.count_nonzero(column == 0) / max(1, len(column)) for column in columns])
    if len(zeros) > WIDE and zeros.mean() > MANY_ZEROS:
        return np.ones(len(zeros), dtype=bool)
    return zeros >= MOSTLY_ZEROS
