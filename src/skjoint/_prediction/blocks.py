"""Products and chunks of rows: one row's result does not depend on the rows beside it.

The order of additions in a matrix product, and so its last bits, changes with the shape of the
arrays. So all products of a model have one number of columns, the block. Arrays are transposed
for it: every row is a column, and columns of zeros fill the last block.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import joblib
import numpy as np
from scipy import sparse

from skjoint._prediction.activations import FEW

PRODUCT_SIZE = 2**18  # multiplications above which OpenBLAS starts threads: they disturb ours
MAX_THREADS = 8


def as_columns(X, block):
    """X transposed, in float64, with columns of zeros up to a multiple of the block."""
    columns = np.zeros((X.shape[1], -(-len(X) // block) * block))
    columns[:, : len(X)] = X.T
    return columns


class SparseColumns:
    """Rows of a sparse table in the place of columns of :func:`as_columns`."""

    def __init__(self, X, block):
        self.X = X
        self.n_padded = -(-X.shape[0] // block) * block

    def under(self, matrix):
        """A matrix times these columns, of which it is read only what meets an entry.

        SciPy adds up each row by itself, entry by entry.
        """
        X = self.X
        met, columns = np.unique(X.indices, return_inverse=True)
        shape = (X.shape[0], len(met))
        entries = sparse.csr_array((X.data.astype(np.float64), columns, X.indptr), shape)
        output = np.zeros((len(matrix), self.n_padded))
        output[:, : X.shape[0]] = (entries @ matrix.T[met].astype(np.float64)).T
        return output


class Product:
    """A matrix times columns, a block of them at a time and, where it is large, in pieces."""

    def __init__(self, matrix, block):
        self.matrix = matrix
        self.block = block

    @cached_property
    def pieces(self):
        matrix = np.ascontiguousarray(self.matrix, dtype=np.float64)
        height = max(1, PRODUCT_SIZE // (self.block * max(1, matrix.shape[1])))
        return [matrix[i : i + height] for i in range(0, len(matrix), height)]

    def of_sparse(self, columns, *others):
        """Of :class:`SparseColumns` with other columns below them."""
        n_columns = columns.X.shape[1]
        output = columns.under(self.matrix[:, :n_columns])
        if others:
            output += Product(self.matrix[:, n_columns:], self.block)(np.vstack(others))
        return output

    def __call__(self, columns):
        pieces, block = self.pieces, self.block
        if columns.shape[1] == block:
            if len(pieces) == 1:
                return pieces[0] @ columns
            return np.vstack([piece @ columns for piece in pieces])
        output = np.empty((sum(map(len, pieces)), columns.shape[1]))
        start = 0
        for piece in pieces:
            end = start + len(piece)
            np.matmul(piece, in_blocks(columns, block), out=in_blocks(output[start:end], block))
            start = end
        return output


def in_blocks(columns, block):
    """A view of shape (n_blocks, n_units, block)."""
    return columns.reshape(len(columns), columns.shape[1] // block, block).transpose(1, 0, 2)


# Forms of a head's output (n_units, n_samples and padding): one row or code per sample.
def as_rows(columns, n_samples):
    return columns[:, :n_samples].T


def as_probabilities(columns, n_samples):
    """Softmax's float32 as float64 that adds up to 1."""
    proba = columns.astype(np.float64)
    proba *= 1 / np.add.reduce(proba, axis=0)
    return proba[:, :n_samples].T


def as_codes(columns, n_samples):
    """``argmax(axis=0)``, the first of equal ones, which by itself takes several times as long."""
    columns = columns[:, :n_samples]
    if n_samples <= FEW:
        return columns.argmax(axis=0)
    n_units = len(columns)
    rank = np.arange(n_units, 0, -1, dtype=np.min_scalar_type(n_units))
    is_largest = ~(columns < columns.max(axis=0))  # of NaN, too
    return n_units - (is_largest * rank[:, None]).max(axis=0).astype(np.intp)


def in_chunks(function, X, size, n_threads=None):
    """``function(X)``, a list of arrays with an entry per row, from ``size`` rows at a time.

    In ``n_threads`` threads, by default one for each core.
    """
    n_samples = X.shape[0]
    if n_samples <= size:
        return function(X)
    if n_threads is None:
        n_threads = min(joblib.cpu_count(), MAX_THREADS)  # a call that takes longer than one row
    like = function(X[:1])
    outputs = [np.empty((n_samples, *part.shape[1:]), part.dtype) for part in like]

    def fill(thread):
        for start in range(thread * size, n_samples, n_threads * size):
            parts = function(X[start : start + size])
            for whole, part in zip(outputs, parts, strict=True):
                whole[start : start + size] = part

    if n_threads == 1:
        fill(0)
    else:
        with ThreadPoolExecutor(n_threads) as pool:
            list(pool.map(fill, range(n_threads)))
    return outputs
