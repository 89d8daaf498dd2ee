"""Where the number of a head starts: at the mean, in steps of a standard deviation.

With a standardised number u the head gives ``outer * activation(inner * u + start) + offset``,
which is the mean for u = 0 and, as far as the activation is straight there, the mean and u
standard deviations elsewhere. So a head learns as fast whatever its activation, and wherever
the numbers lie on it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from skjoint._network.ranges import activation_range, applied, factor_at, place_of

FAR = 1000.0  # standard deviations from the end of a range where an activation is straight
LEAST_SPREAD = 1e-9  # of a mean; less is rounding


def scaled_start(activation, numbers, scale):
    """Weights of a scaled activation: inside and outside, float32 (2, n_units) each.

    Parameters
    ----------
    activation : str or callable
    numbers : ndarray of shape (n_labelled, n_units)
        Scaled numbers to train on.
    scale : ndarray of shape (n_units,)
        What they were divided by.
    """
    numbers = numbers.astype(np.float64)
    mean, spread = numbers.mean(axis=0), spreads_of(numbers)
    found = activation_range(activation, len(mean))
    parts: Iterable
    if activation == "linear":
        parts = np.ones(len(mean)), np.zeros(len(mean)), spread, mean
    elif found.is_shares:
        parts = np.ones(len(mean)), np.log(np.maximum(mean * scale, 1e-7)), 1 / scale, 0 * mean
    else:
        by_unit = map(_start_of_unit, [(activation, found)] * len(mean), mean, spread, scale)
        parts = zip(*by_unit, strict=True)
    inner, start, outer, offset = (np.asarray(part, np.float32) for part in parts)
    return [np.array([inner, start]), np.array([outer, offset])]


def _start_of_unit(kind, mean, spread, scale):
    """Inner factor and start, outer factor and offset of one number."""
    activation, found = kind
    if found.is_bounded:  # gives numbers in original units
        outer, target, offset = 1 / scale, mean * scale, 0.0
    elif found.ends_at_zero:
        outer, target, offset = spread, mean / spread, 0.0
    else:
        outer, target = spread, FAR if np.isinf(found.high) else -FAR
        place = place_of(activation, target)
        offset = mean - applied(activation, [[place]])[0, 0] * outer
    place = place_of(activation, target)
    return factor_at(activation, place, spread / outer), place, outer, offset


def spreads_of(numbers):
    """Standard deviations by column, something near to the mean's size for constants."""
    mean, spread = np.abs(numbers.mean(axis=0)), numbers.std(axis=0)
    instead = np.where(mean > 0, mean / FAR, 1.0)
    return np.where(constants_of(numbers), instead, spread)


def constants_of(numbers):
    """Marks of the columns that hold one number only."""
    if not len(numbers):
        return np.zeros(numbers.shape[1], bool)
    numbers = numbers.astype(np.float64)
    mean = np.abs(numbers.mean(axis=0))
    return numbers.std(axis=0) <= LEAST_SPREAD * mean
