"""Errors in original units while a network trains, of numbers that it gives in scaled ones."""

from __future__ import annotations

import numpy as np

N_STEPS = 2**14
BEYOND = 4.0  # standard deviations that a table goes beyond the numbers to train on


def original_table(decode, numbers):
    """What scaled numbers are in original units, in equal steps: float64 (N_STEPS + 2, width).

    The first row holds the first scaled number, the last one the steps. Between two steps numbers
    lie on a line.

    Parameters
    ----------
    decode : callable
        Scaled numbers (n, width) in original units.
    numbers : ndarray of shape (n_labelled, width)
        Scaled numbers to train on.
    """
    numbers = numbers.astype(np.float64) if len(numbers) else np.zeros((1, numbers.shape[1]))
    scaled = np.linspace(numbers.min(axis=0) - BEYOND, numbers.max(axis=0) + BEYOND, N_STEPS)
    originals = decode(scaled).reshape(scaled.shape)
    return np.vstack([scaled[:1], originals, scaled[1:2] - scaled[:1]])


def absolute_error(true, predicted, units):
    """Absolute errors in original units, as tensors (n, width).

    Parameters
    ----------
    true, predicted : tensors of shape (n, width)
        In scaled units.
    units : array or tensor of shape (width,) or (N_STEPS + 2, width)
        The scale, or a table.
    """
    from skjoint._support.keras_import import import_keras

    ops = import_keras().ops
    if len(units.shape) < 2:
        return ops.abs(true - predicted) * units
    return ops.abs(_looked_up(ops, true, units) - _looked_up(ops, predicted, units))


def _looked_up(ops, scaled, table):
    width = table.shape[1]
    place = (scaled - table[0]) / table[-1]
    left = ops.clip(ops.floor(place), 0, N_STEPS - 2)
    entry = (ops.cast(left, "int32") + 1) * width + ops.arange(width, dtype="int32")
    entries = ops.reshape(table, (-1,))
    low, high = ops.take(entries, entry), ops.take(entries, entry + width)
    return low + (place - left) * (high - low)
