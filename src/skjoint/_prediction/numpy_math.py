"""Arithmetic for formulas of outputs, on arrays; ``GraphMath`` is the same for ONNX graphs."""

from __future__ import annotations

import numpy as np


class NumPyMath:
    """Means are taken in float64."""

    @staticmethod
    def mean(arrays):
        return np.mean(arrays, axis=0, dtype=np.float64)

    add = staticmethod(np.add)
    subtract = staticmethod(np.subtract)
    multiply = staticmethod(np.multiply)
    square = staticmethod(np.square)
    sqrt = staticmethod(np.sqrt)
