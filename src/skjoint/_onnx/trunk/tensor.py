"""What the writers of layers share: tensors with their shapes, activations, and refusals.

A writer is a function of (graph, layer, ...) with the arguments of the layer's ``call``, tensors
being :class:`Tensor`. It returns the name of its output, or a list of names. Tensors are float64,
masks are BOOL.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skjoint._onnx.activations import ACTIVATIONS
from skjoint._onnx.graph import DOUBLE, FLOAT
from skjoint._support.keras_import import import_keras


@dataclass(frozen=True)
class Tensor:
    """The name of a tensor in the graph, and its shape with None where it is open."""

    name: str
    shape: tuple
    is_masked: bool = False

    @property
    def ndim(self):
        return len(self.shape)


def refused(layer, rule):
    return NotImplementedError(
        f"to_onnx cannot write the trunk's layer {layer.name!r} ({type(layer).__name__}): a layer "
        f"of a trunk {rule}. Use another layer there, or serve the model with skjoint.persistence."
        "save and load."
    )


def without_mask(layer, mask):
    if mask is not None:
        raise refused(layer, "like this must not have masked steps")


def known_sizes(layer, x, axes):
    """Sizes of these axes, which must not be open."""
    sizes = [x.shape[axis] for axis in axes]
    if None in sizes:
        raise refused(
            layer, "like this must have an input of known sizes: keras.Input(X.shape[1:])"
        )
    return sizes


def double(weight):
    return np.asarray(weight, dtype=np.float64)


def transposed(graph, name, axes):
    """The tensor with its axes in this order.

    ONNX Runtime 1.19 joins two exchanged axes and a product to what it cannot run in float64.
    """
    axes, n = list(axes), len(axes)
    if axes != [*range(n - 2), n - 1, n - 2]:
        return graph("Transpose", name, perm=axes)
    letters = "abcdefgh"[:n]
    return graph("Einsum", name, equation=f"{letters}->{''.join(letters[i] for i in axes)}")


def single(graph, name):
    """The tensor in float32, in which ONNX Runtime convolves."""
    return graph.cast(name, FLOAT)


def as_double(graph, name):
    return graph.cast(name, DOUBLE)


# ----------------------------------------------------------------- activations
def activated(graph, layer, x, function=None):
    """What a layer's activation, or another one, makes of the tensor named x."""
    function = layer.activation if function is None else function
    keras = import_keras()
    name = getattr(function, "__name__", None)
    known = {**ACTIVATIONS, **MORE}
    if name not in known or getattr(keras.activations, name, None) is not function:
        raise refused(layer, f"must have one of the activations {sorted(known)}")
    return known[name](graph, x)


def _between(graph, x, low, high):
    return graph("Clip", x, float(low), float(high))


def _hard_sigmoid(graph, x):
    return _between(graph, graph("Add", graph("Div", x, 6.0), 0.5), 0, 1)


def _log_softmax(graph, x):
    x = graph("Sub", x, graph("ReduceMax", x, [-1], keepdims=1))
    total = graph("ReduceSum", graph("Exp", x), [-1], keepdims=1)
    return graph("Sub", x, graph("Log", total))


# Activations beside those that layers of skjoint itself may have.
MORE = {
    "celu": ACTIVATIONS["elu"],
    "hard_sigmoid": _hard_sigmoid,
    "hard_silu": lambda graph, x: graph("Mul", x, _hard_sigmoid(graph, x)),
    "hard_swish": lambda graph, x: graph("Mul", x, _hard_sigmoid(graph, x)),
    "hard_tanh": lambda graph, x: _between(graph, x, -1, 1),
    "log_sigmoid": lambda graph, x: graph("Neg", ACTIVATIONS["softplus"](graph, graph("Neg", x))),
    "log_softmax": _log_softmax,
    "mish": lambda graph, x: graph("Mul", x, graph("Tanh", ACTIVATIONS["softplus"](graph, x))),
    "squareplus": lambda graph, x: graph(
        "Mul", graph("Add", x, graph("Sqrt", graph("Add", graph("Mul", x, x), 4.0))), 0.5
    ),
    "tanh_shrink": lambda graph, x: graph("Sub", x, graph("Tanh", x)),
}
