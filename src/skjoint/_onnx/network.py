"""Fitted networks as nodes: layers, heads, and means over members.

As in our own prediction what a head ends in is rounded to float32. Weights stay float32
in the file; ONNX Runtime widens them once.
"""

from __future__ import annotations

import numpy as np

from skjoint._ensemble.blending import Blend
from skjoint._network.spec import TRUNK, Dense, Mixture, Periodic, weight_shapes
from skjoint._onnx.activations import ACTIVATIONS
from skjoint._onnx.companions import join_companions
from skjoint._onnx.graph import DOUBLE, GraphMath
from skjoint._onnx.trunk import write_trunk
from skjoint._prediction.forward import Ensemble, FittedNetwork


def write_outputs(graph, network, X):
    """Outputs of heads, and variances of value heads, by name: float64 rounded to float32."""
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
        names = _parts_of(head)
        parts = [[found[place[i]][name] for name in names] for place in average.places]
        means = _combined(parts, GraphMath(graph))
        outputs |= {n: graph.rounded(mean) for n, mean in zip(names, means, strict=True)}
    return outputs


def _parts_of(head):
    """Names of what a head gives: its output, and a variance where it has one."""
    return [head.name, head.variance] if head.has_variance else [head.name]


def _combined(parts, math):
    """A head's parts over members: the mean and, where there is one, the variance.

    The variance is that of a mixture of normal distributions: the mean of the members'
    variances and the variance of their numbers.
    """
    numbers, *variances = zip(*parts, strict=True)
    mean = math.mean(numbers)
    if not variances:
        return [mean]
    errors = [math.subtract(number, mean) for number in numbers]
    between = math.mean([math.square(error) for error in errors])
    return [mean, math.add(math.mean(variances[0]), between)]


# ---------------------------------------------------------------------- layers
def _network(graph, network, X):
    """Outputs and variances of one network."""
    spec = network.spec
    tensors = {"input": X}
    n_in_trunk = len(network.weights) - len(weight_shapes(spec))
    in_trunk, above = network.weights[:n_in_trunk], network.weights[n_in_trunk:]
    if spec.trunk is not None:
        tensors[TRUNK] = write_trunk(graph, spec.trunk, in_trunk, X)
    pairs = zip(above[::2], above[1::2], strict=True)
    for layer, weights in zip(spec.layers(), pairs, strict=True):
        inputs = [tensors[name] for name in layer.inputs]
        tensors[layer.name] = LAYERS[type(layer)](graph, layer, *weights, *inputs)
    return {name: tensors[name] for head in spec.heads for name in _parts_of(head)}


def _dense(graph, layer, kernel, bias, *inputs):
    known = isinstance(layer.activation, str) and layer.activation in ACTIVATIONS
    if not known:
        raise NotImplementedError(
            f"to_onnx cannot write the activation {layer.activation!r} of layer {layer.name!r}. "
            f"Fit with one of {sorted(ACTIVATIONS)}."
        )
    kernel, bias = (graph.cast(graph.constant(w), DOUBLE) for w in (kernel, bias))
    output = graph("Gemm", graph.side_by_side(inputs), kernel, bias)
    output = ACTIVATIONS[layer.activation](graph, output)
    return graph.rounded(output) if layer.is_output else output


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


LAYERS = {Dense: _dense, Periodic: _periodic, Mixture: _mean_over_classes}
NETWORKS = {FittedNetwork: _network, Ensemble: _average, Blend: _stacked}
