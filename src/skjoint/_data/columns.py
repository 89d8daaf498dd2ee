"""Learned from single columns of X: scales, ranks, levels."""

from __future__ import annotations

import numpy as np
from sklearn.preprocessing import StandardScaler

N_KNOTS = 128  # between which ranks are interpolated
MAX_LEVELS = 10  # values of a column that gets a column for each of them
LARGE = 1e100  # numbers whose squares are float64, too


def scaler_of(numbers, sample_weight):
    """StandardScaler of columns of any size: squares of 1e200 or 1e-200 are no float64."""
    with np.errstate(invalid="ignore"):  # a column of gaps only has no mean
        largest = np.nanmax(np.abs(numbers), axis=0, initial=0).astype(np.float64)
        extreme = (largest > LARGE) | ((largest < 1 / LARGE) & (largest > 0))
        unit = np.where(extreme, largest, 1.0)
        if extreme.any():
            numbers = numbers / unit
        if sample_weight is not None:  # their sum is the number of rows to StandardScaler
            sample_weight = sample_weight / sample_weight.mean()
        scaler = StandardScaler().fit(numbers, sample_weight=sample_weight)
    scaler.mean_ *= unit
    scaler.scale_ = np.maximum(scaler.scale_ * unit, np.finfo(np.float64).smallest_subnormal)
    return scaler


def knots_of(column, weights):
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


def levels_of(numbers):
    """Columns of few values: the column, lower and upper bound of each level, (3, n_levels).

    A number belongs to the nearest value: float32 and float64 of it agree, and a new one has a
    place. Two values need no levels: a number of two values is as good as one of 0 and 1.
    """
    found = []
    for i, column in enumerate(numbers.T):
        values = np.unique(column[~np.isnan(column)])
        if 2 < len(values) <= MAX_LEVELS:
            middles = values[:-1] + (values[1:] - values[:-1]) / 2
            bounds = [-np.inf, *middles, np.inf]
            found += [(i, *bounds[j : j + 2]) for j in range(len(values))]
    return np.array(found, dtype=np.float64).reshape(-1, 3).T
