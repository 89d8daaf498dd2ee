"""The metric of a value head, the same in all engines."""

from __future__ import annotations

from skjoint._support.keras_import import import_keras


def absolute_error(head, target, output, scale):
    """The rows' absolute errors of a value head in original units, from tensors.

    Targets and outputs may have more columns than the value: those are for the loss alone.
    """
    ops = import_keras().ops
    n = head.n_units
    return ops.mean(ops.abs(target[:, :n] - output[:, :n]) * scale, axis=-1)
