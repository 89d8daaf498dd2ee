"""Arrays as padded tensors, without needless copies."""

from __future__ import annotations

import math
import threading
import weakref

import numpy as np

from skjoint._engines.entries import arrays_of

ALIGNMENT = 64  # bytes, of memory that TensorFlow reads in place

tables = weakref.WeakValueDictionary()  # tensors of the fits that run, by table, array and size
tables_lock = threading.Lock()


def as_tensor(array, size):
    """The array with zeros behind its rows; TensorFlow's own way there copies it three times."""
    import tensorflow as tf

    row = array.itemsize * math.prod(array.shape[1:])
    memory = np.zeros(size * row + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    padded = memory[start : start + size * row].view(array.dtype)
    padded = padded.reshape(size, *array.shape[1:])
    padded[: len(array)] = array
    # On a GPU the identity is a copy there, on a CPU none.
    return tf.identity(tf.experimental.dlpack.from_dlpack(padded.__dlpack__()))


def shared_table(table, n_rows, n_entries):
    """The padded table as tensors: the same ones for all members that train at the moment."""
    # The id is not reused meanwhile: whoever has the tensors has the table, too.
    with tables_lock:
        by_row = n_rows, n_rows, n_entries, n_entries  # of a dense table the first one alone
        return [
            _shared((id(table), i, size), array, size)
            for i, (array, size) in enumerate(zip(arrays_of(table), by_row, strict=False))
        ]


def _shared(key, array, size):
    tensor = tables.get(key)
    if tensor is None:
        tensor = tables[key] = as_tensor(array, size)
    return tensor
