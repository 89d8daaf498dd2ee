"""Sparse X: its entries are read, scaled and kept; zeros are never written out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from skjoint._data.kinds import DECLARED, check_preprocess

NUMBERS = "biuf"  # kinds of dtypes that are numbers
SPARSE_KINDS = ("number", "drop")


def check_numbers(X):
    """Raise unless a sparse X has two axes and holds numbers."""
    if X.ndim != 2:
        raise ValueError(f"Found array with dim {X.ndim}, while dim 2 is required of a sparse X.")
    if X.dtype.kind not in NUMBERS:
        raise ValueError(
            f"A sparse X must hold numbers. Got dtype {X.dtype} instead: convert it first, with "
            "X.astype(float)."
        )


def as_rows(X):
    """X as CSR of its own, with each entry once and in order; the numbers are not copied
    where they are so already."""
    X = sparse.csr_array(X)
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    return X


@dataclass(frozen=True, eq=False)
class EntryEncoder:
    """Columns of sparse X, each divided by its size; zeros stay zeros and gaps become 0.

    Parameters
    ----------
    size : ndarray of shape (n_features,)
        Root mean square of the entries that are not 0; 0 for a column that is left out.
    missing : ndarray of shape (n_features,)
        Share of rows in which it is missing.
    declared : tuple of int
        Columns whose kind was given.
    """

    size: np.ndarray
    missing: np.ndarray
    declared: tuple[int, ...] = ()

    @classmethod
    def learn(cls, X, sample_weight=None, preprocess=None, may_drop=True):
        """Learn from CSR; a row's weight counts it that often."""
        asked = check_preprocess(preprocess or {}, None, X.shape[1])
        for position, kind in asked.items():
            if kind not in SPARSE_KINDS:
                raise ValueError(
                    f"Column {position} of X must be of kind 'number' or 'drop' where X is sparse. "
                    f"Got {kind!r} instead."
                )
        is_kept = _varies(X) if may_drop else np.ones(X.shape[1], dtype=bool)
        guessed = np.setdiff1d(np.arange(X.shape[1]), list(asked))
        for position, kind in asked.items():
            is_kept[position] = kind == "number"
        if not is_kept.any() and len(guessed):
            is_kept[guessed[-1]] = True  # as of other tables, the last one is kept
        gaps = np.bincount(X.indices[np.isnan(X.data)], minlength=X.shape[1])
        size = np.where(is_kept, _sizes(X, sample_weight), 0.0)
        return cls(size, gaps / max(1, X.shape[0]), tuple(sorted(asked)))

    @property
    def kept(self):
        """Positions of the columns that are encoded."""
        return np.flatnonzero(self.size)

    @property
    def width(self):
        return int(np.count_nonzero(self.size))

    def encode(self, X):
        """CSR of float32 with the columns that are kept."""
        X = X if sparse.issparse(X) else sparse.csr_array(X)
        if self.width < len(self.size):
            X = X[:, self.kept]
        with np.errstate(over="ignore", invalid="ignore"):
            numbers = (X.data / self.size[self.kept][X.indices]).astype(np.float32)
        numbers[np.isnan(numbers)] = 0.0
        encoded = sparse.csr_array((numbers, X.indices, X.indptr), shape=X.shape)
        if not numbers.all():
            encoded = encoded.copy()
            encoded.eliminate_zeros()
        return encoded

    def report(self, names):
        """What each column is and becomes, as that of other tables."""
        is_kept = self.size > 0
        why = np.where(is_kept, "sparse", "constant").astype(object)
        why[list(self.declared)] = DECLARED
        return pd.DataFrame(
            {
                "column": names,
                "kind": np.where(is_kept, "number", "drop").astype(object),
                "why": why,
                "levels": pd.array([pd.NA] * len(why), dtype="Int64"),
                "width": is_kept.astype(int),
                "missing": self.missing.astype(float),
            }
        )


def _varies(X):
    """Which columns hold more than one number, zeros that are not stored included."""
    with np.errstate(invalid="ignore"):
        lowest, highest = (_dense(of(axis=0)) for of in (X.nanmin, X.nanmax))
    return lowest < highest  # not where all are missing


def _dense(row):
    return row.toarray().ravel() if sparse.issparse(row) else np.asarray(row).ravel()


def _sizes(X, sample_weight):
    """Root mean square of the entries of every column that are not 0; 1 without any."""
    n_columns = X.shape[1]
    weights = np.ones(X.shape[0]) if sample_weight is None else sample_weight
    kept = (X.data != 0) & ~np.isnan(X.data)
    numbers, columns = X.data[kept].astype(np.float64), X.indices[kept]
    weights = np.repeat(weights, np.diff(X.indptr))[kept]
    largest = np.zeros(n_columns)
    np.maximum.at(largest, columns, np.abs(numbers))
    # Divided by the largest, squares of any number are float64.
    squares = np.bincount(columns, weights * (numbers / largest[columns]) ** 2, n_columns)
    total = np.bincount(columns, weights, n_columns)
    has_any = total > 0
    mean = np.divide(squares, total, out=np.ones(n_columns), where=has_any)
    return np.where(has_any, largest, 1.0) * np.sqrt(mean)
