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

    With categories x are some columns of encoded X, then a 0 or 1 for each of some levels.

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
    numbers : ndarray of int, default=None
        Columns of encoded X that are numbers in x; None for all, where there are no levels.
    levels : ndarray of int, shape (n_levels, 2), default=None
        Column of encoded X, and code in it, whose levels are in x.
    """

    head: str
    n_units: int
    waves: np.ndarray
    phases: np.ndarray
    coef: np.ndarray
    intercept: np.ndarray
    numbers: np.ndarray | None = None
    levels: np.ndarray | None = None

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
            or not self._has_levels(n_columns)
            or not all(array.dtype.kind == "f" and np.isfinite(array).all() for array in arrays)
        ):
            raise ValueError("these arrays are no ridge regression")
        n_numbers = n_columns if self.numbers is None else len(self.numbers)
        kernels = (self.waves[:n_numbers].T, self.coef[:n_numbers].T, self.coef[n_columns:].T)
        products = [Product(kernel, RIDGE_BLOCK) for kernel in kernels]
        object.__setattr__(self, "_products", products)
        object.__setattr__(self, "_tables", self._tables_of_levels(n_numbers, n_columns))

    def _has_levels(self, n_columns):
        numbers, levels = self.numbers, self.levels
        if numbers is None or levels is None:
            return numbers is levels
        return (
            numbers.ndim == 1
            and levels.shape == (n_columns - len(numbers), 2)
            and all(array.dtype.kind == "i" for array in (numbers, levels))
            and all(array.min(initial=0) >= 0 for array in (numbers, levels))
            and len(np.unique(levels, axis=0)) == len(levels)
        )

    def _tables_of_levels(self, n_numbers, n_columns):
        """For each column of categories its codes, ascending, and what each adds to the waves and
        to the output, with zeros for all other codes."""
        if self.levels is None:
            return []
        tables, (columns, codes) = [], self.levels.T
        for column in np.unique(columns):
            here = np.flatnonzero(columns == column)
            here = here[np.argsort(codes[here])]
            parts = self.waves[n_numbers:][here], self.coef[n_numbers:n_columns][here]
            with_zeros = [np.vstack([p, np.zeros((1, p.shape[1]))]) for p in parts]
            tables.append((column, codes[here], *with_zeros))
        return tables

    def arrays(self):
        """Fields by name, from which ``Ridge(**fields)`` is made again."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: value for name, value in fields.items() if value is not None}

    __getstate__ = arrays

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.__post_init__()

    def reads(self, n_inputs):
        """Whether it predicts from rows of so many columns."""
        if self.numbers is None or self.levels is None:
            return len(self.waves) == n_inputs
        return max(self.numbers.max(initial=-1), self.levels[:, 0].max(initial=-1)) < n_inputs

    def predict(self, X):
        """Numbers of the head, float64 (n_samples, n_units)."""

        def answer(X):
            project, linear, smooth = self._products  # type: ignore[attr-defined]
            columns = as_columns(X if self.numbers is None else X[:, self.numbers], RIDGE_BLOCK)
            waves = project(columns)
            waves += self.phases[:, None]
            output = linear(columns)
            for column, codes, of_waves, of_output in self._tables:  # type: ignore[attr-defined]
                row = np.searchsorted(codes, X[:, column])
                row[codes.take(row, mode="clip") != X[:, column]] = len(codes)
                waves[:, : len(X)] += _as_columns_of(of_waves, row)
                output[:, : len(X)] += _as_columns_of(of_output, row)
            output += smooth(np.sin(waves, out=waves))
            return [output.T[: len(X)] + self.intercept]

        (found,) = in_chunks(answer, X, RIDGE_CHUNK)
        return found


def _as_columns_of(table, row):
    """Some rows of a table side by side as columns: the same either way, in half the time."""
    return table.take(row, axis=0).T if len(row) <= RIDGE_BLOCK else table.T.take(row, axis=1)
