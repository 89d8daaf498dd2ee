"""Operations of ``keras.ops`` in a functional model, and the masks that layers make of them.

A writer has the arguments of the operation's ``call``; what else it needs are its attributes.
"""

from __future__ import annotations

import numpy as np

from skjoint._onnx.activations import ACTIVATIONS
from skjoint._onnx.graph import BOOL, DOUBLE
from skjoint._onnx.trunk.tensor import MORE, Tensor, refused, transposed

LAST = np.iinfo(np.int64).max


def _operand(operand):
    return operand.name if isinstance(operand, Tensor) else np.asarray(operand, np.float64)


def _two(operator):
    return lambda graph, op, x1, x2: graph(operator, _operand(x1), _operand(x2))


def _one(operator):
    return lambda graph, op, x: graph(operator, x.name)


def _by(activation):
    return lambda graph, op, x: activation(graph, x.name)


def _reduced(operator):
    def reduce(graph, op, x):
        axes = range(x.ndim) if op.axis is None else np.atleast_1d(op.axis)
        if any(axis % x.ndim == 0 for axis in axes):
            raise refused(op, "must not join rows")
        return graph(operator, x.name, np.asarray(axes), keepdims=int(op.keepdims))

    return reduce


def _square(graph, op, x):
    return graph("Mul", x.name, x.name)


def _not_equal(graph, op, x1, x2):
    return graph("Not", graph("Equal", _operand(x1), _operand(x2)))


def _any(graph, op, x):
    axes = np.atleast_1d(op.axis)
    found = graph("ReduceMax", graph.cast(x.name, DOUBLE), axes, keepdims=int(op.keepdims))
    return graph.cast(found, BOOL)


def _concatenate(graph, op, xs):
    return graph("Concat", *[_operand(x) for x in xs], axis=op.axis)


def _stack(graph, op, xs):
    return graph("Concat", *[graph("Unsqueeze", x.name, [op.axis]) for x in xs], axis=op.axis)


def _reshape(graph, op, x):
    return graph("Reshape", x.name, [0, *list(op.newshape)[1:]])


def _transpose(graph, op, x):
    axes = op.axes if op.axes is not None else range(x.ndim)[::-1]
    if next(iter(axes)) != 0:
        raise refused(op, "must leave rows where they are")
    return transposed(graph, x.name, axes)


def _expand_dims(graph, op, x):
    return graph("Unsqueeze", x.name, np.atleast_1d(op.axis))


def _squeeze(graph, op, x):
    if op.axis is None:
        raise refused(op, "must name the axis")
    return graph("Squeeze", x.name, np.atleast_1d(op.axis))


def _ends(chosen):
    """Start and stop of a slice, as ONNX has them where Python has None."""
    first, last = (LAST, -LAST) if chosen.step is not None and chosen.step < 0 else (0, LAST)
    return (
        [first if chosen.start is None else chosen.start],
        [last if chosen.stop is None else chosen.stop],
    )


def _get_item(graph, op, x, key):
    """``x[:, 2:5, -1]`` and the like."""
    key = list(key) if isinstance(key, (list, tuple)) else [key]
    if Ellipsis in key:
        place = key.index(Ellipsis)
        key[place : place + 1] = [slice(None)] * (x.ndim - len(key) + 1)
    plain = all(isinstance(k, (int, slice)) and not isinstance(k, bool) for k in key)
    if not plain or key[0] != slice(None):
        raise refused(op, "must take all rows, x[:, ...], and of them places or slices")
    name, taken = x.name, []
    for axis, k in enumerate(key):
        if isinstance(k, int):
            k, taken = slice(k, None if k == -1 else k + 1), [*taken, axis]
        if k != slice(None):
            name = graph("Slice", name, *_ends(k), [axis], [1 if k.step is None else k.step])
    return graph("Squeeze", name, taken) if taken else name


OPERATIONS = {
    "Abs": _one("Abs"),
    "Absolute": _one("Abs"),
    "Add": _two("Add"),
    "Any": _any,
    "Concatenate": _concatenate,
    "Divide": _two("Div"),
    "Exp": _one("Exp"),
    "ExpandDims": _expand_dims,
    "GetItem": _get_item,
    "Log": _one("Log"),
    "Matmul": _two("MatMul"),
    "Max": _reduced("ReduceMax"),
    "Maximum": _two("Max"),
    "Mean": _reduced("ReduceMean"),
    "Min": _reduced("ReduceMin"),
    "Minimum": _two("Min"),
    "Multiply": _two("Mul"),
    "Negative": _one("Neg"),
    "NotEqual": _not_equal,
    "Power": _two("Pow"),
    "Relu": _one("Relu"),
    "Relu6": _by(ACTIVATIONS["relu6"]),
    "Reshape": _reshape,
    "Sigmoid": _one("Sigmoid"),
    "Silu": _by(ACTIVATIONS["silu"]),
    "Sin": _one("Sin"),
    "Softplus": _by(ACTIVATIONS["softplus"]),
    "Mish": _by(MORE["mish"]),
    "Sqrt": _one("Sqrt"),
    "Square": _square,
    "Squeeze": _squeeze,
    "Stack": _stack,
    "Subtract": _two("Sub"),
    "Sum": _reduced("ReduceSum"),
    "Tanh": _one("Tanh"),
    "Transpose": _transpose,
    "TrueDivide": _two("Div"),
}
