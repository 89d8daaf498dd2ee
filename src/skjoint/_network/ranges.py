"""What a value activation can give, and where on it a number starts to learn.

All is found by trying: an activation of the user's is studied as one of Keras' is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skjoint._network.identifiers import check_identifier
from skjoint._support.keras_import import import_keras

# Inputs to try: dense around 0, and far out at both ends.
_ENDS = np.geomspace(0.05, 1e6, 1200)
GRID = np.concatenate([-_ENDS[::-1], np.linspace(-0.05, 0.05, 41), _ENDS])
STEP = 0.01  # to either side, for a slope
STEEPEST = np.e  # standard deviations that a step of one may be worth


@dataclass(frozen=True)
class Range:
    """The least and the largest number that an activation gives, perhaps infinite.

    ``is_shares`` is for numbers of one row that depend on one another and sum to 1.
    """

    low: float
    high: float
    is_shares: bool = False

    @property
    def is_bounded(self):
        return bool(np.isfinite(self.low) and np.isfinite(self.high))

    @property
    def ends_at_zero(self):
        """Whether 0 is an end that stays where it is: numbers never cross it."""
        return not self.is_bounded and (self.low >= 0 or self.high <= 0)


def applied(activation, inputs):
    """Outputs (n, n_units) of an activation for inputs of this shape, in float64."""
    keras = import_keras()
    inputs = keras.ops.convert_to_tensor(np.asarray(inputs, np.float32))
    found = np.asarray(keras.activations.get(activation)(inputs), np.float64)
    if found.shape != tuple(inputs.shape):
        raise ValueError(f"it gives the shape {found.shape} for {tuple(inputs.shape)}")
    return found


def activation_range(activation, n_units=1):
    """The range of an activation of so many units.

    Raises
    ------
    ValueError
        If it is no activation of numbers.
    """
    if activation == "linear":
        return Range(-np.inf, np.inf)
    check_identifier("value_activation", activation)
    inputs = np.zeros((len(GRID), n_units))
    inputs[:, 0] = GRID
    try:
        found = applied(activation, inputs)
    except Exception as error:  # Keras raises whatever it likes
        raise ValueError(
            "value_activation must give one number for each number. Got "
            f"{activation!r}, which fails: {str(error).splitlines()[0]}."
        ) from error
    near = found[np.abs(GRID) <= 1e3, 0]
    given = near[~np.isnan(near)]
    if not len(given) or given.max() - given.min() < 1e-3:
        raise ValueError(
            "value_activation must give different numbers for different features. Got "
            f"{activation!r}, which always gives {given[0] if len(given) else np.nan:g}. Use "
            "'linear'."
        )
    if n_units > 1 and not np.allclose(found[:, 1], found[0, 1]):
        return _range_of_shares(activation, found)
    low, high = given.min(), given.max()
    margin = 0.01 * (high - low)
    low = -np.inf if np.nanmin(found[:, 0]) < low - margin else _rounded(np.nanmin(found[:, 0]))
    high = np.inf if np.nanmax(found[:, 0]) > high + margin else _rounded(np.nanmax(found[:, 0]))
    return Range(float(low), float(high))


def _range_of_shares(activation, found):
    """Of a softmax; others that mix the numbers of a row are refused."""
    shares = np.array([[0.2, *[0.8 / (found.shape[1] - 1)] * (found.shape[1] - 1)]])
    if np.allclose(applied(activation, np.log(shares)), shares, atol=1e-4):
        return Range(0.0, 1.0, is_shares=True)
    raise ValueError(
        "value_activation must treat each number by itself, or be 'softmax' for numbers that sum "
        f"to 1. Got {activation!r} instead."
    )


def _rounded(number):
    """An end that outputs come near to, such as 1 for 0.999999."""
    return round(number, 5) + 0.0


def place_of(activation, target):
    """Input for which the activation gives the target, or comes nearest; the one nearest to 0."""
    outputs = applied(activation, GRID[:, None])[:, 0]
    above = outputs - target
    # A place where it goes through the target, by halving; else where it comes nearest.
    turns = np.flatnonzero((above[:-1] < 0) != (above[1:] < 0))
    crossings = [int(i) for i in turns if not np.isnan(above[i : i + 2]).any()]
    if not crossings:
        nearest = np.flatnonzero(np.abs(above) == np.nanmin(np.abs(above)))
        # A little further: what is 0 there in float32 shall be 0 wherever it is computed.
        return 1.25 * float(GRID[nearest[np.argmin(np.abs(GRID[nearest]))]])
    i = min(crossings, key=lambda i: abs(GRID[i]))
    low, high = GRID[i], GRID[i + 1]
    for _ in range(6):
        inputs = np.linspace(low, high, 33)
        is_below = applied(activation, inputs[:, None])[:, 0] < target
        turn = int(np.argmax(is_below != is_below[0])) or 32
        low, high = inputs[turn - 1], inputs[turn]
    ends = np.array([low, (low + high) / 2, high])
    return float(ends[np.argmin(np.abs(applied(activation, ends[:, None])[:, 0] - target))])


def factor_at(activation, place, unit):
    """By what inputs are multiplied, so that a step of 1 moves the output by about ``unit``.

    From no place may such a step be worth more than ``STEEPEST`` units: an exponential far
    below its mean would explode.
    """
    ends = applied(activation, place + np.array([[-STEP], [STEP]]))[:, 0]
    slope = abs(ends[1] - ends[0]) / (2 * STEP)
    factor = unit / slope if slope > 0 else 1.0
    for _ in range(100):
        moved = applied(activation, place + factor * np.array([[-1.0], [0.0], [1.0]]))[:, 0]
        if np.abs(moved - moved[1]).max() <= STEEPEST * unit:
            break
        factor /= 2
    return float(factor)
