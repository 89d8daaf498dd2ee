"""Prediction from NumPy weights, without loading Keras where the network allows it.

A network of dense layers with the usual activations is a handful of matrix
products: NumPy does one row in microseconds where ``keras.Model.predict``
takes tens of milliseconds. The products are taken in float64 and rounded to
float32 before the output's activation, so that a row's result does not depend
on the rows it is predicted with (the order of a float32 sum changes with the
batch).
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy.special import erf, expit

from skjoint._network import Mixture, build_model, call_model, set_weights

CHUNK = 2048  # rows whose activations are held at once: they stay in the processor's cache
MAX_THREADS = 8
KERAS_CHUNK = 2048


def _relu(x):
    return np.maximum(x, 0, out=x)


def _softmax(x):
    x -= x.max(axis=0)
    np.exp(x, out=x)
    # NumPy adds up a single column in another order than many, but not its running sum.
    x /= x.sum(axis=0) if x.shape[1] > 1 else np.cumsum(x)[-1]
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


def _mix(layer, by_class, proba, known, constants):
    """Mean of the numbers by class, and these behind it; rows are columns."""
    by_class = by_class.reshape(layer.n_classes, layer.n_units, -1)
    by_class = np.where(known[:, :, None] > 0, constants[:, :, None], by_class)
    mean = (proba[:, None, :].astype(np.float64) * by_class).sum(axis=0)
    return np.vstack([mean.astype(np.float32), *by_class])


class FittedNetwork:
    """A network spec with trained weights.

    Parameters
    ----------
    spec : NetworkSpec
    weights : list of ndarray
        In the order of :func:`skjoint._network.get_weights`.
    """

    def __init__(self, spec, weights):
        self.spec = spec
        self.weights = weights
        self._prepare()

    def _prepare(self):
        self._lock = threading.Lock()
        self._function = None
        # Rows of every call of a network that only Keras can run; images are much work each.
        self._block = 8 if len(self.spec.input_shape) > 1 else 32
        self._layers = self.spec.layers()
        self._by_numpy = self.spec.trunk is None and all(
            isinstance(layer, Mixture)
            or (isinstance(layer.activation, str) and layer.activation in ACTIVATIONS)
            for layer in self._layers
        )
        # kernels transposed, biases as columns
        self._wide = [
            np.ascontiguousarray(np.atleast_2d(w).T, dtype=np.float64)
            for w in (self.weights if self._by_numpy else [])
        ]

    def __getstate__(self):
        return {"spec": self.spec, "weights": self.weights}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._prepare()

    def build(self):
        """The network as a new ``keras.Model``."""
        model = build_model(self.spec)
        set_weights(model, self.spec, self.weights)
        return model

    def predict(self, X, heads, keep_parts=False):
        """Outputs of the named heads: a list of arrays (n_samples, n_units).

        With ``keep_parts`` the numbers by class follow the mean of a mixture,
        class by class.
        """
        outputs = self._predict(X, heads)
        units = {head.name: head.n_units for head in self.spec.heads}
        if keep_parts or self.spec.link != "mixture":
            return outputs
        return [out[:, : units[head]] for out, head in zip(outputs, heads, strict=True)]

    def _predict(self, X, heads):
        if not self._by_numpy:
            return self._in_chunks(self._keras_forward, X, heads, KERAS_CHUNK, n_threads=1)
        # NumPy lets go of the interpreter: chunks of many rows share the cores.
        n_threads = min(os.cpu_count() or 1, MAX_THREADS) if len(X) >= 8 * CHUNK else 1
        return self._in_chunks(self._forward, X, heads, CHUNK, n_threads)

    def _in_chunks(self, forward, X, heads, size, n_threads):
        if len(X) <= size:
            return forward(X, heads)
        units = {head.name: head.n_units for head in self.spec.heads}
        if self.spec.link == "mixture":
            units |= {
                layer.name: layer.n_units * (1 + layer.n_classes)
                for layer in self._layers
                if isinstance(layer, Mixture)
            }
        outputs = [np.empty((len(X), units[head]), np.float32) for head in heads]

        def fill(start):
            for whole, part in zip(outputs, forward(X[start : start + size], heads), strict=True):
                whole[start : start + size] = part

        if n_threads == 1:
            for start in range(0, len(X), size):
                fill(start)
        else:
            with ThreadPoolExecutor(n_threads) as pool:
                list(pool.map(fill, range(0, len(X), size)))
        return outputs

    def _forward(self, X, heads):
        # Rows are columns here: softmax adds up over units, and NumPy does that for many rows at
        # once and in one order only when they lie side by side.
        needed = self._ancestors(heads)
        tensors = {"input": X.T.astype(np.float64)}
        # What overflows shows in the result; fit has made sure that training rows do not.
        with np.errstate(over="ignore", invalid="ignore"):
            for i, layer in enumerate(self._layers):
                if layer.name not in needed:
                    continue
                inputs = [tensors[name] for name in layer.inputs]
                if isinstance(layer, Mixture):
                    known, constants = self.weights[2 * i : 2 * i + 2]
                    tensors[layer.name] = _mix(layer, *inputs, known, constants)
                    continue
                output = self._wide[2 * i] @ (inputs[0] if len(inputs) == 1 else np.vstack(inputs))
                output += self._wide[2 * i + 1]
                if layer.is_output:
                    output = output.astype(np.float32)
                tensors[layer.name] = ACTIVATIONS[layer.activation](output)
        return [tensors[head].T for head in heads]

    def _ancestors(self, heads):
        needed = set(heads)
        for layer in reversed(self._layers):
            if layer.name in needed:
                needed.update(layer.inputs)
        return needed

    def _keras_forward(self, X, heads):
        """Blocks of one size, in a loop inside one program.

        So every row meets the same kernels whatever rows it comes with, and no
        number of rows is traced anew.
        """
        n_samples = len(X)
        n_blocks = -(-n_samples // self._block)
        padding = [(0, n_blocks * self._block - n_samples)] + [(0, 0)] * (X.ndim - 1)
        blocks = np.pad(X, padding).reshape(n_blocks, self._block, *X.shape[1:])
        outputs = self._own_function()(blocks)
        index = {head.name: i for i, head in enumerate(self.spec.heads)}
        outputs = [np.asarray(outputs[index[head]]) for head in heads]
        return [out.reshape(-1, out.shape[-1])[:n_samples] for out in outputs]

    def _own_function(self):
        import tensorflow as tf

        with self._lock:
            if self._function is None:
                model = build_model(self.spec, keep_parts=True)
                set_weights(model, self.spec, self.weights)
                shape = (self._block, *self.spec.input_shape)
                signature = tf.TensorSpec((None, *shape), tf.float32)

                def run(blocks):
                    return tf.map_fn(
                        lambda X: call_model(model, X, training=False),
                        blocks,
                        fn_output_signature=[
                            tf.TensorSpec((self._block, output.shape[-1]))
                            for output in model.outputs
                        ],
                    )

                self._function = tf.function(run, input_signature=[signature], autograph=False)
                self._function(np.zeros((1, *shape), np.float32))
            return self._function
