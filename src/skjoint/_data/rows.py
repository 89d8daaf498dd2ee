"""Rows for training: encoded X, and one array of targets and one of weights per head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse


@dataclass(frozen=True)
class Rows:
    """Rows to train or validate on.

    Targets are float32 (n, width) for a value, in scaled units, and int32
    codes (n,) for a class. In a plan they are those of the losses: some outputs
    add columns. A weight of 0 marks what is not labelled. All plans of a fit share the
    ``table`` of X; ``where`` holds the indices of these rows in it, None for all of its rows.
    ``codes`` are the label codes of the first class target, -1 where the row has no label.
    """

    table: np.ndarray | sparse.csr_array
    targets: list[np.ndarray]
    weights: list[np.ndarray]
    where: np.ndarray | None = None
    codes: np.ndarray | None = None

    def __len__(self):
        return len(self.weights[0])

    @property
    def X(self):  # noqa: N802
        """Rows of the table, a copy unless they are all."""
        return self.table if self.where is None else self.table[self.where]

    @property
    def positions(self):
        """Indices of these rows in the table, int32."""
        return np.arange(len(self), dtype=np.int32) if self.where is None else self.where

    def take(self, rows):
        """Some of the rows, on the same table."""
        targets, weights = [t[rows] for t in self.targets], [w[rows] for w in self.weights]
        codes = None if self.codes is None else self.codes[rows]
        return Rows(self.table, targets, weights, self.positions[rows], codes)

    def alone(self):
        """The same rows without the rest of the table."""
        return Rows(self.X, self.targets, self.weights, codes=self.codes)
