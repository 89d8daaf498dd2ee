"""A graph in the making: nodes and constants, the types of ONNX, and arithmetic."""

from __future__ import annotations

import numpy as np

# Versions that ONNX Runtime reads from 1.19 on, its first release for NumPy 2.
ML = "ai.onnx.ml"
OPSETS, IR_VERSION = {"": 19, ML: 3}, 9
FLOAT, INT64, STRING, BOOL, DOUBLE, UINT64 = 1, 7, 8, 9, 11, 13  # as in onnx.TensorProto
MISSING = "to_onnx needs the package {}, which is not installed: pip install 'skjoint[onnx]'"


def import_onnx():
    try:
        import onnx
    except ImportError as error:
        raise ImportError(MISSING.format("onnx")) from error
    return onnx


class Graph:
    """Nodes and constants in the making.

    A graph is called with an operator and its inputs, which are names of tensors, or
    arrays and numbers that become constants. It returns the name of the output.
    """

    def __init__(self, unique_name=None):
        self.nodes = []  # (operator, domain, inputs, outputs, attributes)
        self.constants = {}  # arrays by name
        self.unique_name = unique_name or (
            lambda name: f"{name}_{len(self.nodes) + len(self.constants)}"
        )

    def __call__(self, operator, *inputs, domain="", **attributes):
        return self.several(operator, *inputs, n_outputs=1, domain=domain, **attributes)[0]

    def several(self, operator, *inputs, n_outputs, domain="", **attributes):
        """Names of the outputs of an operator that has several."""
        names = [x if isinstance(x, str) else self.constant(x) for x in inputs]
        output = self.unique_name(f"skjoint/{operator}")
        outputs = [output, *[f"{output}/{i}" for i in range(1, n_outputs)]]
        self.nodes.append((operator, domain, names, outputs, attributes))
        return outputs

    def constant(self, array):
        name = self.unique_name("skjoint/constant")
        self.constants[name] = np.asarray(array)
        return name

    def cast(self, tensor, to):
        return self("Cast", tensor, to=to)

    def rounded(self, tensor):
        """The float64 of a tensor in float32."""
        return self.cast(self.cast(tensor, FLOAT), DOUBLE)

    def side_by_side(self, tensors):
        return tensors[0] if len(tensors) == 1 else self("Concat", *tensors, axis=1)

    def as_column(self, tensor):
        return self("Unsqueeze", tensor, [1])

    def first_column(self, tensor):
        """The only column of a tensor (n_samples, 1): (n_samples,)."""
        return self("Squeeze", tensor, [1])

    def columns(self, tensor, positions):
        return self("Gather", tensor, np.asarray(positions, np.int64), axis=1)

    def sum_of_columns(self, tensor, keepdims=0):
        return self("ReduceSum", tensor, [1], keepdims=keepdims)


class GraphMath:
    """Arithmetic for formulas of outputs, on tensors of a graph, as ``NumPyMath`` on arrays.

    Operands are names of tensors; the second of two may be a number or an array.
    """

    def __init__(self, graph):
        self.graph = graph

    def mean(self, tensors):
        """The mean of several tensors, entry by entry."""
        return self.multiply(self.graph("Sum", *tensors), 1 / len(tensors))

    def add(self, a, b):
        return self.graph("Add", a, b)

    def subtract(self, a, b):
        return self.graph("Sub", a, b)

    def multiply(self, a, b):
        return self.graph("Mul", a, b)

    def square(self, a):
        return self.graph("Mul", a, a)

    def sqrt(self, a):
        return self.graph("Sqrt", a)


def entries(array):
    """ONNX's type of an array's entries, and the entries as a flat list or array."""
    if array.dtype.kind in "OU":
        return STRING, [str(text).encode() for text in array.ravel()]
    types = {"f4": FLOAT, "f8": DOUBLE, "i8": INT64, "u8": UINT64, "b1": BOOL}
    return types[array.dtype.str[1:]], array.ravel()


def as_graph(graph, inputs, outputs, tensors):
    """The ``onnx.GraphProto`` of a graph whose ``tensors`` become the outputs."""
    helper = import_onnx().helper
    nodes = [
        helper.make_node(operator, names, given, domain=domain, **attributes)
        for operator, domain, names, given, attributes in graph.nodes
    ]
    for name, tensor in zip(outputs, tensors, strict=True):
        nodes.append(helper.make_node("Identity", [tensor], [name]))
    constants = []
    for name, array in graph.constants.items():
        kind, flat = entries(array)
        constants.append(helper.make_tensor(name, kind, array.shape, flat))
    ends = [
        [helper.make_tensor_value_info(name, *type_) for name, type_ in types.items()]
        for types in (inputs, outputs)
    ]
    return helper.make_graph(nodes, "skjoint", *ends, constants)


def as_double(graph, inputs):
    """Tensors of float64, or of text as they are, from pairs of name and type."""
    return [name if kind in (STRING, DOUBLE) else graph.cast(name, DOUBLE) for name, kind in inputs]
