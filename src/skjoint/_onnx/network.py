"""Fitted networks as nodes: layers, heads, and means over members.

As in our own prediction what a head ends in is rounded to float32. Weights stay float32
in the file; ONNX Runtime widens them once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from skjoint._network.graph import INPUT, Categories, Dense, MeanOverClasses, Periodic, Scaled
from skjoint._network.spec import TRUNK
from skjoint._network.weights import by_layer, weight_shapes
from skjoint._onnx.activations import ACTIVATIONS
from skjoint._onnx.companions import join_companions
from skjoint._onnx.graph import DOUBLE, INT64, GraphMath
from skjoint._onnx.trunk import write_trunk
from skjoint._prediction.average import Average
from skjoint._prediction.forward import FittedNetwork
from skjoint._prediction.stacked import Stacked


def write_outputs(graph, network, X):
    """All parts of the heads by name of their layer: float64 rounded to float32."""
    return NETWORKS[type(network)](graph, network, X)


def _stacked(graph, stacked, X):
    """Networks and companions together."""
    return join_companions(graph, stacked, X, write_outputs(graph, stacked.network, X))


# --------------------------------------------------------------------- members
def _average(graph, average, X):
    """Means over members, whose outputs may be those of different networks by head."""
    found = [_network(graph, network, X) for network in average.networks]
    outputs = {}
    for i, head in enumerate(average.spec.heads):
        parts = {
            part: [found[place[i]][name] for place in average.places]
            for part, name in head.parts.items()
        }
        combined = head.output.combine(parts, GraphMath(graph))
        outputs |= {head.parts[part]: graph.rounded(t) for part, t in combined.items()}
    return outputs


# ---------------------------------------------------------------------- layers
def _network(graph, network, X):
    """All parts of the heads of one network."""
    spec = network.spec
    tensors = {INPUT: X}
    in_trunk = network.weights[: len(network.weights) - len(weight_shapes(spec))]
    for layer, weights in by_layer(spec, network.weights):
        if TRUNK in layer.inputs and TRUNK not in tensors:
            tensors[TRUNK] = write_trunk(graph, spec.trunk, in_trunk, tensors[spec.below])
        inputs = [tensors[name] for name in layer.inputs]
        tensors[layer.name] = LAYERS[type(layer)](graph, layer, *weights, *inputs)
    return {name: tensors[name] for head in spec.heads for name in head.parts.values()}


def _dense(graph, layer, kernel, bias, *inputs):
    kernel, bias = (graph.cast(graph.constant(w), DOUBLE) for w in (kernel, bias))
    output = graph("Gemm", graph.side_by_side(inputs), kernel, bias)
    output = _activated(graph, layer, output)
    return graph.rounded(output) if layer.is_output else output


def _activated(graph, layer, inputs):
    known = isinstance(layer.activation, str) and layer.activation in ACTIVATIONS
    if not known:
        raise NotImplementedError(
            f"to_onnx cannot write the activation {layer.activation!r} of layer {layer.name!r}. "
            f"Fit with one of {sorted(ACTIVATIONS)}."
        )
    return ACTIVATIONS[layer.activation](graph, inputs)


def _scaled(graph, layer, inside, outside, number):
    inside, outside = inside.astype(np.float64), outside.astype(np.float64)
    place = graph("Add", graph("Mul", number, inside[0]), inside[1])
    output = _activated(graph, layer, place)
    return graph.rounded(graph("Add", graph("Mul", output, outside[0]), outside[1]))


def _categories(graph, layer, *tables_and_rows):
    """Numbers, one-hot units and embeddings, side by side."""
    *tables, X = tables_and_rows
    places, parts = np.arange(layer.n_inputs), []
    if layer.n_columns:
        parts.append(graph.columns(X, places[: layer.n_columns]))
    codes = graph.cast(graph.columns(X, places[layer.n_columns :]), INT64)
    columns, levels = layer.one_hot
    if len(columns):
        marks = graph("Equal", graph.columns(codes, columns), levels.astype(np.int64))
        parts.append(graph.cast(marks, DOUBLE))
    columns, starts = layer.embedded
    for table in tables:
        rows = graph("Add", graph.columns(codes, columns), starts.astype(np.int64))
        found = graph.cast(graph("Gather", table, rows, axis=0), DOUBLE)
        parts.append(graph("Reshape", found, [0, len(columns) * table.shape[1]]))
    return graph.side_by_side(parts)


def _periodic(graph, layer, waves, maps, X):
    """Numbers, each with the maps of its waves behind it, then the other columns."""
    n, rest = layer.embedding.n_columns, layer.n_inputs - layer.embedding.n_columns
    numbers, others = X, []
    if rest:
        columns = np.arange(layer.n_inputs)
        numbers, others = graph.columns(X, columns[:n]), [graph.columns(X, columns[n:])]
    numbers = graph("Unsqueeze", numbers, [2])
    waves, maps = waves.astype(np.float64), maps.astype(np.float64)
    # cos(a) = sin(a + pi / 2): ONNX Runtime has the cosine in float32 only
    angles = graph("Add", graph("Mul", numbers, 2 * np.pi * waves[0]), waves[1] + np.pi / 2)
    rows = graph("Unsqueeze", graph("Sin", angles), [2])  # (n_samples, n, 1, n_frequencies)
    units = graph("Squeeze", graph("MatMul", rows, maps[:, :-1]), [2])
    units = graph("Add", units, maps[:, -1])
    features = graph("Concat", numbers, units, axis=2)
    width = n * (1 + layer.embedding.n_units)
    return graph.side_by_side([graph("Reshape", features, [0, width]), *others])


def _mean_over_classes(graph, layer, known, constants, by_class, proba):
    """The mean of the numbers by class, which are constants where they are known."""
    by_class = graph("Reshape", by_class, [0, layer.n_classes, layer.n_units])
    by_class = graph("Where", known > 0, constants.astype(np.float64), by_class)
    weighted = graph("Mul", graph("Unsqueeze", proba, [2]), by_class)
    return graph.rounded(graph.sum_of_columns(weighted))


LAYERS: dict[type, Callable] = {
    Categories: _categories,
    Dense: _dense,
    Periodic: _periodic,
    Scaled: _scaled,
    MeanOverClasses: _mean_over_classes,
}
NETWORKS = {FittedNetwork: _network, Average: _average, Stacked: _stacked}
