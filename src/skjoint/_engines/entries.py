"""Batches of a sparse table: dense inside the loop of an engine, and nowhere else.

The table enters as its entries, one after the other, and the place and number of those of each
row. A batch has room for a fixed number of entries, as XLA asks for, so that one long row costs
its own entries and no more.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

LEAST_ENTRIES = 64


def arrays_of(table):
    """Arrays of a table: itself, or first entry and number of entries by row, columns, numbers."""
    if not sparse.issparse(table):
        return [table]
    if table.nnz >= 2**31:
        raise ValueError(
            f"A sparse X must have less than 2**31 entries to train on. Got {table.nnz:,} instead: "
            "train on parts of it by partial_fit."
        )
    starts = table.indptr[:-1].astype(np.int32)
    lengths = np.diff(table.indptr).astype(np.int32)
    return [starts, lengths, table.indices.astype(np.int32, copy=False), table.data]


def room_for(n_entries):
    """Entries to compile for: at most an eighth more."""
    if n_entries <= LEAST_ENTRIES:
        return LEAST_ENTRIES
    step = 2 ** max(0, int(np.log2(n_entries)) - 3)
    return -(-n_entries // step) * step


def most_entries(table, n_rows):
    """Entries in so many rows at most; 0 of a table that is not sparse."""
    if not sparse.issparse(table):
        return 0
    lengths = np.diff(table.indptr)
    if n_rows < len(lengths):
        lengths = np.partition(lengths, -n_rows)[-n_rows:]
    return int(lengths.sum())


def rows_at(table, positions, n_columns, n_entries):
    """Dense rows of a table at these positions, as a tensor.

    Parameters
    ----------
    table : sequence of tensors
        Of the arrays of :func:`arrays_of`.
    positions : tensor of int32
    n_columns : int
    n_entries : int
        Room for entries. Rows behind those that fill it lose entries: they are padding.
    """
    import tensorflow as tf

    if len(table) == 1:
        return tf.gather(table[0], positions)
    starts, lengths, columns, numbers = table
    ends = tf.cumsum(tf.gather(lengths, positions))
    entry = tf.range(n_entries)
    row = tf.searchsorted(ends, entry, side="right")
    is_entry = row < tf.size(positions)
    row = tf.where(is_entry, row, 0)
    before = tf.gather(tf.concat([[0], ends], axis=0), row)  # entries of the rows before
    place = tf.gather(tf.gather(starts, positions), row) + entry - before
    place = tf.where(is_entry, place, 0)
    found = tf.where(is_entry, tf.gather(numbers, place), 0.0)
    where = tf.stack([row, tf.gather(columns, place)], axis=1)
    return tf.scatter_nd(where, found, [tf.size(positions), n_columns])
