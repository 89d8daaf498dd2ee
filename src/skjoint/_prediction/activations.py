"""Activations as Keras defines them, with its default arguments, in NumPy."""

from __future__ import annotations

import numpy as np
from scipy.special import erf, expit

FEW = 32  # rows up to which the number of calls of NumPy decides about the time


def _relu(x):
    # NumPy compares many numbers with as many zeros much faster than with one.
    zero = np.zeros(x.shape[-1], x.dtype) if x.shape[-1] > FEW else 0
    return np.maximum(x, zero, out=x)


def _softmax(x):
    x -= np.maximum.reduce(x, axis=0)  # as x.max(axis=0), with less overhead
    np.exp(x, out=x)
    x /= np.add.reduce(x, axis=0)
    return x


def _elu(x):
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


# On arrays (n_units, n_samples), which they may overwrite.
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
    "gelu": lambda x: x * 0.5 * (1 + erf(x / 2**0.5)),
    "silu": lambda x: x * expit(x),
    "swish": lambda x: x * expit(x),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "relu6": lambda x: np.clip(x, 0, 6, out=x),
    "exponential": lambda x: np.exp(x, out=x),
}
