"""Activations as nodes: ``ACTIVATIONS`` has the names of ``skjoint._prediction.activations``.

ONNX Runtime runs few activations in float64: the others are composed of what it runs.
"""

from __future__ import annotations

from skjoint._onnx.graph import DOUBLE, FLOAT


def _operator(name, **attributes):
    return lambda graph, x: graph(name, x, **attributes)


def _softplus(graph, x):
    # as max(x, 0) + log(1 + exp(-|x|)) nothing overflows
    rest = graph("Exp", graph("Neg", graph("Abs", x)))
    return graph("Add", graph("Relu", x), graph("Log", graph("Add", rest, 1.0)))


def _softsign(graph, x):
    return graph("Div", x, graph("Add", graph("Abs", x), 1.0))


def _elu(graph, x, alpha=1.0):
    below = graph("Sub", graph("Exp", graph("Min", x, 0.0)), 1.0)
    return graph("Add", graph("Relu", x), graph("Mul", below, alpha))


def _selu(graph, x):
    return graph("Mul", _elu(graph, x, 1.6732632423543772), 1.0507009873554805)


def _gelu(graph, x):
    # ONNX Runtime has the error function in float32 only
    erf = graph("Erf", graph.cast(graph("Mul", x, 0.5**0.5), FLOAT))
    return graph("Mul", graph("Mul", x, 0.5), graph("Add", graph.cast(erf, DOUBLE), 1.0))


def _silu(graph, x):
    # not x * sigmoid(x), which ONNX Runtime 1.19 fuses to what it cannot run in float64
    return graph("Div", x, graph("Add", graph("Exp", graph("Neg", x)), 1.0))


ACTIVATIONS = {
    "linear": lambda graph, x: x,
    "relu": _operator("Relu"),
    "tanh": _operator("Tanh"),
    "sigmoid": _operator("Sigmoid"),
    "softplus": _softplus,
    "softsign": _softsign,
    "softmax": _operator("Softmax", axis=-1),
    "elu": _elu,
    "selu": _selu,
    "gelu": _gelu,
    "silu": _silu,
    "swish": _silu,
    "leaky_relu": lambda graph, x: graph("Max", x, graph("Mul", x, 0.2)),
    "relu6": lambda graph, x: graph("Clip", x, 0.0, 6.0),
    "exponential": _operator("Exp"),
}
