"""Prediction from NumPy weights, without loading Keras where the network allows it.

A network of dense layers with the usual activations is a handful of matrix
products: NumPy does one row in microseconds where ``keras.Model.predict``
takes tens of milliseconds.

A row's result does not depend on the rows it is predicted with. How a product
or a sum adds up changes with the shape of the arrays. So all products of a
network have one number of columns, the block: one per row, and some of zeros
where rows are fewer. The products are taken in float64 and rounded to float32
before the output's activation.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import joblib
import numpy as np
from scipy.special import erf, expit

from skjoint._network.spec import Mixture, Periodic, build_model, call_model, set_weights
from skjoint._support.keras_import import import_keras, untouched_random

BLOCKS = (32, 16, 8)  # large ones suit many rows of small networks, small ones a single row
BLOCK_SIZE = 2**17  # multiplications in a block at most, where the smallest allows it
PRODUCT_SIZE = 2**18  # multiplications above which OpenBLAS starts threads: they disturb ours
KERAS_CHUNK = 2048
CHUNK = 6048  # rows at once at most; NumPy adds a bias faster to more than 4096
CHUNK_SIZE = 2**18  # numbers of a layer at once: they stay near the processor
MAX_THREADS = 8
FEW = 32  # rows for which fewer calls of NumPy count more than faster ones


def _relu(x):
    # NumPy compares many numbers with as many zeros much faster than with one.
    zero = np.zeros(x.shape[-1], x.dtype) if x.shape[-1] > FEW else 0
    return np.maximum(x, zero, out=x)


def _softmax(x):
    x -= np.maximum.reduce(x, axis=0)  # as x.max(axis=0), but at once
    np.exp(x, out=x)
    x /= np.add.reduce(x, axis=0)
    return x


def _elu(x):
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


# As Keras defines them, with its default arguments, on arrays (n_units, n_samples); they may
# overwrite what they are given.
ACTIVATIONS = {
    "linear": lambda x: x,
    "relu": _relu,
    "tanh": lambda x: np.tanh(x, out=x),
    "sigmoid": lambda x: expit(x, out=x),
    "softplus": lambda x: np.logaddexp(0, x, out=x),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "softmax": _softmax,
    "elu": _elu,
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * _elu(x)),
    "gelu": lambda x: x * 0.5 * (1 + erf(x / np.sqrt(2))),
    "silu": lambda x: x * expit(x),
    "swish": lambda x: x * expit(x),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "relu6": lambda x: np.clip(x, 0, 6, out=x),
    "exponential": lambda x: np.exp(x, out=x),
}


def as_columns(X, block):
    """X transposed, in float64, with columns of zeros up to a multiple of the block."""
    columns = np.zeros((X.shape[1], -(-len(X) // block) * block))
    columns[:, : len(X)] = X.T
    return columns


class Product:
    """A matrix times columns, a block of them at a time and, where it is large, in pieces."""

    def __init__(self, matrix, block):
        matrix = np.ascontiguousarray(matrix, dtype=np.float64)
        height = max(1, PRODUCT_SIZE // (block * max(1, matrix.shape[1])))
        self.pieces = [matrix[i : i + height] for i in range(0, len(matrix), height)]
        self.block = block

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
            np.matmul(piece, _in_blocks(columns, block), out=_in_blocks(output[start:end], block))
            start = end
        return output


def _dense(layer, product, bias, *inputs):
    """A layer's output; its kernel is transposed, its bias repeated for a block."""
    output = product(inputs[0] if len(inputs) == 1 else np.vstack(inputs))
    output += bias if output.shape[1] == product.block else bias[:, :1]  # of one shape is faster
    if layer.is_output:
        output = output.astype(np.float32)
    return ACTIVATIONS[layer.activation](output)


def _in_blocks(columns, block):
    """A view of shape (n_blocks, n_units, block)."""
    return columns.reshape(len(columns), -1, block).transpose(1, 0, 2)


def _periodic(layer, waves, maps, bias, block, columns):
    """Numbers with the maps of their waves behind each, and the other columns."""
    n, n_samples = layer.embedding.n_columns, columns.shape[1]
    numbers = columns[:n, None]
    cosines = np.cos(waves[0, :, :, None] * numbers + waves[1, :, :, None])
    blocks = cosines.reshape(n, -1, n_samples // block, block).transpose(2, 0, 1, 3)
    units = np.matmul(maps, blocks).transpose(1, 2, 0, 3).reshape(n, -1, n_samples)
    features = np.concatenate([numbers, units + bias], axis=1)
    return np.vstack([features.reshape(-1, n_samples), columns[n:]])


def _mix(layer, known, constants, by_class, proba):
    """Mean of the numbers by class, and these behind it; rows are columns."""
    by_class = by_class.reshape(layer.n_classes, layer.n_units, -1)
    by_class = np.where(known[:, :, None] > 0, constants[:, :, None], by_class)
    mean = (proba[:, None, :].astype(np.float64) * by_class).sum(axis=0)
    return np.vstack([mean.astype(np.float32), *by_class])


# What may be made of a head's output (n_units, n_samples and more): one row or number per sample.
def as_rows(columns, n_samples):
    return columns[:, :n_samples].T


def as_probabilities(columns, n_samples):
    """Softmax's float32 as float64 that adds up to 1."""
    proba = columns.astype(np.float64)
    proba *= 1 / np.add.reduce(proba, axis=0)
    return proba[:, :n_samples].T


def as_codes(columns, n_samples):
    """The first of the largest, for which ``argmax(axis=0)`` takes several times as long."""
    columns = columns[:, :n_samples]
    if n_samples <= FEW:
        return columns.argmax(axis=0)
    n_units = len(columns)
    rank = np.arange(n_units, 0, -1, dtype=np.min_scalar_type(n_units))
    is_largest = ~(columns < columns.max(axis=0))  # of NaN, too
    return n_units - (is_largest * rank[:, None]).max(axis=0).astype(np.intp)


class FittedNetwork:
    """A network spec with trained weights.

    Parameters
    ----------
    spec : NetworkSpec
    weights : list of ndarray
        In the order of :func:`skjoint._network.spec.get_weights`.
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
        self._by_numpy = self.spec.trunk is None and all(
            isinstance(layer, (Mixture, Periodic))
            or (isinstance(layer.activation, str) and layer.activation in ACTIVATIONS)
            for layer in self._layers
        )
        if self._by_numpy:
            self._prepare_steps()

    def _prepare_steps(self):
        size = self.spec.n_parameters
        self._block = next((b for b in BLOCKS if b * size <= BLOCK_SIZE), BLOCKS[-1])
        # An odd number of blocks: where an array's rows are a power of two apart, the numbers of
        # a column displace each other from the cache.
        widest = max(self.spec.n_inputs, *(layer.n_units for layer in self._layers))
        self._chunk = min(CHUNK, self._block * (CHUNK_SIZE // (self._block * widest) | 1))
        # every layer with the function that makes its output of its inputs
        self._steps = []
        self._steps_by_heads = {}
        pairs = zip(self.weights[::2], self.weights[1::2], strict=True)
        for layer, weights in zip(self._layers, pairs, strict=True):
            if isinstance(layer, Mixture):
                step = partial(_mix, layer, *weights)
            elif isinstance(layer, Periodic):
                waves, maps = (w.astype(np.float64) for w in weights)
                waves[0] *= 2 * np.pi
                maps, bias = maps[:, :-1].transpose(0, 2, 1), maps[:, -1][:, :, None]
                step = partial(_periodic, layer, waves, np.array(maps), bias, self._block)
            else:
                product = Product(weights[0].T, self._block)
                bias = np.repeat(weights[1].astype(np.float64)[:, None], self._block, axis=1)
                step = partial(_dense, layer, product, bias)
            self._steps.append((layer, step))

    def member(self, i):
        """Itself, as an ensemble of one."""
        return self

    def __getstate__(self):
        return {"spec": self.spec, "weights": self.weights}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._prepare()

    def build(self):
        """The network as a new ``keras.Model``, without variances."""
        model = build_model(self.spec, keep_parts=bool(self.spec.variances))
        set_weights(model, self.spec, self.weights)
        if not self.spec.variances:
            return model
        names = self.spec.keras_names()
        numbers = [model.get_layer(names[head.name]).output for head in self.spec.heads]
        return import_keras().Model(model.input, numbers)

    def predict(self, X, heads, forms=None, keep_parts=False):
        """Outputs of the named heads: a list of arrays (n_samples, n_units).

        The names of their variances (:attr:`NetworkSpec.variances`) may be among them.
        ``forms`` has one of ``as_rows`` (default), ``as_probabilities`` and
        ``as_codes`` for each. With ``keep_parts`` the numbers by class follow
        the mean of a mixture, class by class.
        """
        forms = forms or [as_rows] * len(heads)
        if self._by_numpy:
            forward, size = self._forward, self._chunk
        else:
            forward, size = self._keras_forward, KERAS_CHUNK

        def answers(X):
            outputs = forward(X, heads)
            if not keep_parts and self.spec.link == "mixture":
                units = {head.name: head.n_units for head in self.spec.heads}
                outputs = [out[: units[head]] for out, head in zip(outputs, heads, strict=True)]
            return [form(out, len(X)) for form, out in zip(forms, outputs, strict=True)]

        if len(X) <= size:
            return [np.ascontiguousarray(answer) for answer in answers(X)]
        # NumPy lets go of the interpreter: chunks of many rows share the cores.
        in_threads = self._by_numpy and len(X) >= 4 * size
        n_threads = min(os.cpu_count() or 1, MAX_THREADS) if in_threads else 1
        return in_chunks(answers, X, size, n_threads)

    def _forward(self, X, heads):
        # Rows are columns here: softmax adds up over units, and NumPy does that for many rows at
        # once and in one order only when they lie side by side.
        tensors = {"input": as_columns(X, self._block)}
        # What overflows shows in the result; fit has made sure that training rows do not.
        with np.errstate(over="ignore", invalid="ignore"):
            for layer, step in self._steps_to(tuple(heads)):
                tensors[layer.name] = step(*[tensors[name] for name in layer.inputs])
        return [tensors[head] for head in heads]

    def _steps_to(self, heads):
        """The steps that these heads need."""
        if heads not in self._steps_by_heads:
            needed = set(heads)
            for layer in reversed(self._layers):
                if layer.name in needed:
                    needed.update(layer.inputs)
            self._steps_by_heads[heads] = [s for s in self._steps if s[0].name in needed]
        return self._steps_by_heads[heads]

    def _keras_forward(self, X, heads):
        """Blocks of one size, in a loop inside one program.

        So every row meets the same kernels whatever rows it comes with, and no
        number of rows is traced anew.
        """
        n_samples = len(X)
        size = self._keras_block
        n_blocks = -(-n_samples // size)
        padding = [(0, n_blocks * size - n_samples)] + [(0, 0)] * (X.ndim - 1)
        blocks = np.pad(X, padding).reshape(n_blocks, size, *X.shape[1:])
        outputs = self._own_function()(blocks)
        found = {}
        for head, output in zip(self.spec.heads, outputs, strict=True):
            found[head.name] = np.asarray(output).reshape(-1, output.shape[-1]).T
            if head.more:
                parts = np.split(found[head.name], [head.n_units])
                found[head.name], found[head.more[1]] = parts
        return [found[head] for head in heads]

    def _own_function(self):
        import_keras()  # which fails where TensorFlow would hang
        import tensorflow as tf

        with self._lock:
            if self._function is None:
                model = build_model(self.spec, keep_parts=True)
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


class Ensemble:
    """Networks of one spec, but for their embedding, whose outputs are averaged.

    A member may have other weights for other heads, of the epochs in which each
    was best.

    Parameters
    ----------
    networks : list of FittedNetwork
    places : list of tuple of int
        For every member the index of the network that answers for each head.
    """

    def __init__(self, networks, places):
        self.networks = networks
        self.places = places

    @property
    def spec(self):
        return self.networks[0].spec

    def member(self, i):
        """The network of a member that trained longest, from which training goes on."""
        return self.networks[max(self.places[i])]

    def __getstate__(self):
        return {"networks": self.networks, "places": self.places}

    def predict(self, X, heads, forms=None, keep_parts=False):
        """As :meth:`FittedNetwork.predict`; numbers and probabilities are means over members.

        A variance is the mean of the members' variances and the variance of their
        numbers: that of a mixture of normal distributions. It is asked for beside
        the number.
        """
        index = {head.name: i for i, head in enumerate(self.spec.heads)}
        of_variance = {variance: head for head, variance in self.spec.variances.items()}
        index |= {variance: index[head] for variance, head in of_variance.items()}
        wanted = {}
        for member, place in enumerate(self.places):
            for head in heads:
                wanted.setdefault(place[index[head]], []).append((member, head))
        found = {}
        for place, asked in wanted.items():
            names = [head for _, head in asked]
            outputs = self.networks[place].predict(X, names, None, keep_parts)
            found.update(zip(asked, outputs, strict=True))
        answers = []
        for head, form in zip(heads, forms or [as_rows] * len(heads), strict=True):
            outputs = [found[member, head] for member in range(len(self.places))]
            mean = np.mean(outputs, axis=0, dtype=np.float64)
            if head in of_variance:
                numbers = [found[member, of_variance[head]] for member in range(len(self.places))]
                mean += np.var(numbers, axis=0, dtype=np.float64)
            mean = mean.astype(np.float32)
            answers.append(mean if form is as_rows else form(mean.T, len(X)))
        return answers

    def build(self):
        """The members and the means of their outputs as a new ``keras.Model``."""
        keras = import_keras()
        with untouched_random():
            X = keras.Input(self.spec.input_shape, name="input")
            outputs = []
            for i, network in enumerate(self.networks):
                model = network.build()
                model.name = f"network_{i}"
                found = model(X)
                outputs.append(found if isinstance(found, list) else [found])
            means = []
            for i, head in enumerate(self.spec.heads):
                parts = [outputs[place[i]][i] for place in self.places]
                mean = keras.layers.Average(name=self.spec.keras_names()[head.name])
                means.append(mean(parts) if len(parts) > 1 else parts[0])
            return keras.Model(X, means)


def in_chunks(function, X, size, n_threads=None):
    """``function(X)``, a list of arrays with an entry per row, from ``size`` rows at a time.

    In so many threads, or in one for each core.
    """
    if len(X) <= size:
        return function(X)
    if n_threads is None:
        n_threads = min(joblib.cpu_count(), MAX_THREADS)  # which takes longer than a row
    like = function(X[:1])
    outputs = [np.empty((len(X), *part.shape[1:]), part.dtype) for part in like]

    def fill(thread):
        for start in range(thread * size, len(X), n_threads * size):
            parts = function(X[start : start + size])
            for whole, part in zip(outputs, parts, strict=True):
                whole[start : start + size] = part

    if n_threads == 1:
        fill(0)
    else:
        with ThreadPoolExecutor(n_threads) as pool:
            list(pool.map(fill, range(n_threads)))
    return outputs
