"""Prediction of a ridge regression on columns and random Fourier features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skjoint._prediction.blocks import Product, as_columns, in_chunks

RIDGE_CHUNK = 2**11  # rows at once
RIDGE_BLOCK = 16  # rows of a product


@dataclass(frozen=True, eq=False)
class Ridge:
    """``[x, sin(x W + b)] C + c`` for one head, in scaled units.

    Parameters
    ----------
    head : str
    n_units : int
    waves : ndarray of float, shape (n_columns, n_features)
        W, frequencies of the Fourier features.
    phases : ndarray of float, shape (n_features,)
        b.
    coef : ndarray of float, shape (n_columns + n_features, n_units)
        C.
    intercept : ndarray of float, shape (n_units,)
        c.
    """

    head: str
    n_units: int
    waves: np.ndarray
    phases: np.ndarray
    coef: np.ndarray
    intercept: np.ndarray

    kind = "ridge"

    def __post_init__(self):
        # The arrays may be those of a damaged file.
        arrays = (self.waves, self.phases, self.coef, self.intercept)
        shapes = [np.shape(array) for array in arrays]
        n_features, n_units = np.size(self.phases), self.n_units
        n_columns = len(self.coef) - n_features
        expected = [
            (n_columns, n_features),
            (n_features,),
            (n_columns + n_features, n_units),
            (n_units,),
        ]
        if (
            not isinstance(self.head, str)
            or not n_features
            or shapes != expected
            or not all(array.dtype.kind == "f" and np.isfinite(array).all() for array in arrays)
        ):
            raise ValueError("these arrays are no ridge regression")
        kernels = (self.waves.T, self.coef[:n_columns].T, self.coef[n_columns:].T)
        products = [Product(kernel, RIDGE_BLOCK) for kernel in kernels]
        object.__setattr__(self, "_products", products)

    def arrays(self):
        """Fields by name, from which ``Ridge(**fields)`` is made again."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    __getstate__ = arrays

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.__post_init__()

    def reads(self, n_inputs):
        """Whether it predicts from rows of so many columns."""
        return len(self.waves) == n_inputs

    def predict(self, X):
        """Numbers of the head, float64 (n_samples, n_units)."""

        def answer(X):
            project, linear, smooth = self._products  # type: ignore[attr-defined]
            columns = as_columns(X, RIDGE_BLOCK)
            waves = project(columns)
            waves += self.phases[:, None]
            numbers = linear(columns) + smooth(np.sin(waves, out=waves))
            return [numbers.T[: len(X)] + self.intercept]

        (found,) = in_chunks(answer, X, RIDGE_CHUNK)
        return found
