"""Prediction from NumPy weights, without loading Keras where the network allows it.

A network of dense layers with the usual activations is a handful of matrix
products: NumPy does one row in microseconds where ``keras.Model.predict``
takes tens of milliseconds. The products are taken in float64 and rounded to
float32 before the output's activation. A row's result does not depend on the
rows it is predicted with (see :mod:`skjoint._prediction.blocks`).
"""

from __future__ import annotations

import os
import threading
from functools import partial

import numpy as np
from scipy import sparse

from skjoint._network.build import build_model, call_model, fitted_model
from skjoint._network.graph import INPUT, Categories, MeanOverClasses, Periodic, Scaled
from skjoint._network.weights import by_layer, set_weights
from skjoint._prediction.activations import ACTIVATIONS
from skjoint._prediction.blocks import (
    MAX_THREADS,
    Product,
    SparseColumns,
    as_columns,
    as_rows,
    in_chunks,
)
from skjoint._support.keras_import import check_eager

BLOCKS = (32, 16, 8)  # large ones suit many rows of small networks, small ones a single row
BLOCK_SIZE = 2**17  # multiplications in a block at most, where the smallest allows it
KERAS_CHUNK = 2048
DENSE_NUMBERS = 2**22  # of sparse rows that only Keras can read, at once
FORWARD_CHUNK = 6048  # rows at once at most; NumPy adds a bias faster to more than 4096
CHUNK_SIZE = 2**18  # numbers of a layer at once: they stay near the processor


def _dense(layer, product, bias, *inputs):
    """A layer's output; its kernel is transposed, its bias repeated for a block."""
    if isinstance(inputs[0], SparseColumns):
        output = product.of_sparse(*inputs)
    else:
        output = product(inputs[0] if len(inputs) == 1 else np.vstack(inputs))
    # Arrays of the same shape are added faster than those that NumPy has to broadcast.
    output += bias if output.shape[1] == product.block else bias[:, :1]
    if layer.is_output:
        output = output.astype(np.float32)
    return ACTIVATIONS[layer.activation](output)


def _categories(n_columns, one_hot, embedded, table, columns):
    """Numbers, one-hot units and embeddings, below each other."""
    codes, parts = columns[n_columns:].astype(np.intp), [columns[:n_columns]]
    of_unit, level = one_hot
    if len(of_unit):
        parts.append(codes[of_unit] == level)
    of_table, start = embedded
    if len(of_table):
        rows = table[codes[of_table] + start]
        parts.append(rows.transpose(0, 2, 1).reshape(-1, columns.shape[1]))
    return np.concatenate(parts, dtype=np.float64)


def _periodic(layer, waves, maps, bias, block, columns):
    """Numbers with the maps of their waves behind each, and the other columns."""
    n, n_samples = layer.embedding.n_columns, columns.shape[1]
    numbers = columns[:n, None]
    cosines = np.cos(waves[0, :, :, None] * numbers + waves[1, :, :, None])
    blocks = cosines.reshape(n, -1, n_samples // block, block).transpose(2, 0, 1, 3)
    units = np.matmul(maps, blocks).transpose(1, 2, 0, 3).reshape(n, -1, n_samples)
    features = np.concatenate([numbers, units + bias], axis=1)
    return np.vstack([features.reshape(-1, n_samples), columns[n:]])


def _scaled(layer, inside, outside, number):
    place = inside[0] * number + inside[1]  # float64: far from 0 every digit counts
    return (outside[0] * ACTIVATIONS[layer.activation](place) + outside[1]).astype(np.float32)


def _mean_over_classes(layer, known, constants, by_class, proba):
    by_class = by_class.reshape(layer.n_classes, layer.n_units, -1)
    by_class = np.where(known[:, :, None] > 0, constants[:, :, None], by_class)
    mean = (proba[:, None, :].astype(np.float64) * by_class).sum(axis=0)
    return mean.astype(np.float32)


def _categories_step(layer, weights, block):
    (of_unit, level), (of_table, start) = layer.one_hot, layer.embedded
    one_hot, embedded = (of_unit, level[:, None]), (of_table, start[:, None])
    table = weights[0] if weights else None
    return partial(_categories, layer.n_columns, one_hot, embedded, table)


def _dense_step(layer, weights, block):
    product = Product(weights[0].T, block)
    bias = np.repeat(weights[1].astype(np.float64)[:, None], block, axis=1)
    return partial(_dense, layer, product, bias)


def _periodic_step(layer, weights, block):
    waves, maps = (w.astype(np.float64) for w in weights)
    waves[0] *= 2 * np.pi
    maps, bias = maps[:, :-1].transpose(0, 2, 1), maps[:, -1][:, :, None]
    return partial(_periodic, layer, waves, np.array(maps), bias, block)


def _scaled_step(layer, weights, block):
    return partial(_scaled, layer, *(w.astype(np.float64)[:, :, None] for w in weights))


def _mean_step(layer, weights, block):
    return partial(_mean_over_classes, layer, *weights)


STEPS = {  # all others are dense
    Categories: _categories_step,
    Periodic: _periodic_step,
    Scaled: _scaled_step,
    MeanOverClasses: _mean_step,
}


def _is_known(layer):
    """Whether NumPy can compute the layer."""
    known = isinstance(layer.activation, str) and layer.activation in ACTIVATIONS
    return isinstance(layer, Categories | Periodic | MeanOverClasses) or known


class FittedNetwork:
    """A network spec with trained weights.

    Parameters
    ----------
    spec : NetworkSpec
    weights : list of ndarray
        In the order of :func:`skjoint._network.weights.get_weights`.
    """

    def __init__(self, spec, weights):
        self.spec = spec
        self.weights = weights
        self._prepare()

    def _prepare(self):
        self._lock = threading.Lock()
        self._function = None
        # Rows of every call of a network that only Keras can run; images are much work each.
        # TensorFlow multiplies 6 or 8 rows at once, by processor, and those left over otherwise.
        self._keras_block = 24 if len(self.spec.input_shape) > 1 else 48
        self._layers = self.spec.layers()
        self._by_numpy = self.spec.trunk is None and all(map(_is_known, self._layers))
        if self._by_numpy:
            self._prepare_steps()

    def _prepare_steps(self):
        tables = 0 if self.spec.categories is None else self.spec.categories.n_parameters
        size = self.spec.n_parameters - tables  # which are looked up in, not multiplied by
        self._block = next((b for b in BLOCKS if b * size <= BLOCK_SIZE), BLOCKS[-1])
        # every layer with the function from its inputs to its output
        self._steps = []
        self._steps_by_names = {}
        for layer, weights in by_layer(self.spec, self.weights):
            make = STEPS.get(type(layer), _dense_step)
            self._steps.append((layer, make(layer, weights, self._block)))

    def _chunk(self, X):
        """Rows at once that NumPy predicts best."""
        widths = [layer.n_units for layer in self._layers]
        widest = max(widths if sparse.issparse(X) else [self.spec.n_inputs, *widths])
        # An odd number of blocks: where an array's rows are a power of two apart, the numbers of
        # a column displace each other from the cache.
        return min(FORWARD_CHUNK, self._block * (CHUNK_SIZE // (self._block * widest) | 1))

    def _keras_chunk(self, X):
        if not sparse.issparse(X):
            return KERAS_CHUNK
        return min(KERAS_CHUNK, max(self._keras_block, DENSE_NUMBERS // X.shape[1]))

    def member(self, i):
        """Itself, as an ensemble of one."""
        return self

    def __getstate__(self):
        return {"spec": self.spec, "weights": self.weights}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._prepare()

    def share(self, head, kind=None):
        """Share of companions in a head: none."""
        return 0.0

    def build(self):
        """The network as a new ``keras.Model``, with the first part of each head."""
        return fitted_model(self.spec, self.weights)

    def predict(self, X, names, forms=None):
        """Outputs of layers: a list of arrays (n_samples, n_units).

        Parameters
        ----------
        X : ndarray of encoded rows
        names : list of str
            Layers of the heads' parts; a head's name is that of its first part.
        forms : list of callable, default=None
            One of ``as_rows`` (default), ``as_probabilities`` and ``as_codes`` for each.
        """
        forms = forms or [as_rows] * len(names)
        if self._by_numpy:
            forward, size = self._forward, self._chunk(X)
        else:
            forward, size = self._keras_forward, self._keras_chunk(X)

        def answers(X):
            outputs = forward(X, names)
            return [form(out, X.shape[0]) for form, out in zip(forms, outputs, strict=True)]

        n_samples = X.shape[0]
        if n_samples <= size:
            return [np.ascontiguousarray(answer) for answer in answers(X)]
        # NumPy lets go of the interpreter: chunks of many rows share the cores.
        in_threads = self._by_numpy and n_samples >= 4 * size
        n_threads = min(os.cpu_count() or 1, MAX_THREADS) if in_threads else 1
        return in_chunks(answers, X, size, n_threads)

    def _forward(self, X, names):
        # Rows are columns here: softmax adds up over units, and NumPy does that for many rows at
        # once and in one order only when they lie side by side.
        read = SparseColumns if sparse.issparse(X) else as_columns
        tensors = {INPUT: read(X, self._block)}
        # What overflows shows in the result; fit has made sure that training rows do not.
        with np.errstate(over="ignore", invalid="ignore"):
            for layer, step in self._steps_to(tuple(names)):
                tensors[layer.name] = step(*[tensors[name] for name in layer.inputs])
        return [tensors[name] for name in names]

    def _steps_to(self, names):
        """The steps that these layers need."""
        if names not in self._steps_by_names:
            needed = set(names)
            for layer in reversed(self._layers):
                if layer.name in needed:
                    needed.update(layer.inputs)
            self._steps_by_names[names] = [s for s in self._steps if s[0].name in needed]
        return self._steps_by_names[names]

    def _keras_forward(self, X, names):
        """Blocks of one size, in a loop inside one program.

        So every row meets the same kernels whatever rows it comes with, and no
        number of rows is traced anew.
        """
        X = X.toarray() if sparse.issparse(X) else X
        n_samples = len(X)
        size = self._keras_block
        n_blocks = -(-n_samples // size)
        padding = [(0, n_blocks * size - n_samples)] + [(0, 0)] * (X.ndim - 1)
        blocks = np.pad(X, padding).reshape(n_blocks, size, *X.shape[1:])
        outputs = self._own_function()(blocks)
        found, widths = {}, self.spec.widths()
        for head, output in zip(self.spec.heads, outputs, strict=True):
            columns = np.asarray(output).reshape(-1, output.shape[-1]).T
            layers = list(head.parts.values())
            ends = np.cumsum([widths[layer] for layer in layers])
            found.update(zip(layers, np.split(columns, ends[:-1]), strict=True))
        return [found[name] for name in names]

    def _own_function(self):
        check_eager()
        import tensorflow as tf

        with self._lock:
            if self._function is None:
                model = build_model(self.spec, all_parts=True)
                set_weights(model, self.spec, self.weights)
                shape = (self._keras_block, *self.spec.input_shape)
                signature = tf.TensorSpec((None, *shape), tf.float32)

                def run(blocks):
                    return tf.map_fn(
                        lambda X: call_model(model, X, training=False),
                        blocks,
                        fn_output_signature=[
                            tf.TensorSpec((shape[0], out.shape[-1])) for out in model.outputs
                        ],
                    )

                self._function = tf.function(run, input_signature=[signature], autograph=False)
                self._function(np.zeros((1, *shape), np.float32))
            return self._function
