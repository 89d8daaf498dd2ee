"""A trunk's layers in the order of their calls, each by its writer."""

from __future__ import annotations

import inspect

from skjoint._onnx.trunk import attention, convolution, dense, joining, operations, recurrent
from skjoint._onnx.trunk.tensor import Tensor, known_sizes, refused, without_mask
from skjoint._support.keras_import import import_keras

LAYERS = {
    **attention.LAYERS,
    **convolution.LAYERS,
    **dense.LAYERS,
    **joining.LAYERS,
    **recurrent.LAYERS,
}

# Of other kinds are some whose operators end the process where ONNX Runtime has no row.
WITHOUT_ROWS = {*dense.LAYERS, *dense.ONLY_IN_TRAINING, "InputLayer", "Functional", "Sequential"}
WITHOUT_ROWS -= {"EinsumDense", "Permute"}


def write_trunk(graph, trunk, weights, x):
    """The tensor of features of a trunk."""
    model = trunk.build()
    model.set_weights(weights)
    shape = tuple(model.inputs[0].shape)
    if all(type(operation).__name__ in WITHOUT_ROWS for operation in _operations(model)):
        return _model(graph, model, [Tensor(x, shape)])[0]
    more = graph("Pad", x, [0, 1], 0.0, [0])  # a row of zeros comes and goes
    features = _model(graph, model, [Tensor(more, shape)])[0]
    return graph("Slice", features, [0], [-1], [0])


def _function(model):
    """The graph of a functional or sequential model."""
    return getattr(model, "_functional", None) or model


def _operations(model):
    """Layers and operations of a model, and of models inside."""
    for operation in _function(model).operations:
        yield operation
        if isinstance(operation, import_keras().Model):
            yield from _operations(operation)


def _model(graph, model, inputs):
    """Names of a model's outputs."""
    function = _function(model)
    tensors = {id(tensor): x for tensor, x in zip(function.inputs, inputs, strict=True)}
    for depth in sorted(function._nodes_by_depth, reverse=True):
        for node in function._nodes_by_depth[depth]:
            if node.is_input or not all(id(x) in tensors for x in node.input_tensors):
                continue
            arguments, keywords = node.arguments.fill_in(tensors)
            found = write_layer(graph, node.operation, *arguments, **keywords)
            found = found if isinstance(found, list) else [found]
            for tensor, name in zip(node.outputs, found, strict=True):
                is_masked = getattr(tensor, "_keras_mask", None) is not None
                tensors[id(tensor)] = Tensor(name, tuple(tensor.shape), is_masked)
    return [tensors[id(tensor)].name for tensor in function.outputs]


def write_layer(graph, layer, *arguments, **keywords):
    """Names of the outputs of a layer, a model inside or an operation of keras.ops."""
    keras = import_keras()
    keywords.pop("training", None)
    kind, module = type(layer).__name__, type(layer).__module__
    if module.split(".")[0] not in ("keras", "skjoint"):  # others may have the same names
        raise refused(layer, "must be one of Keras' own")
    if isinstance(layer, keras.Model) and hasattr(layer, "inputs"):
        without_mask(layer, keywords.get("mask"))
        return _model(graph, layer, keras.tree.flatten(arguments))
    if kind == "TimeDistributed":
        return _time_distributed(graph, layer, *arguments, **keywords)
    if dense.vanishes(layer, *arguments):
        return arguments[0].name
    writers = LAYERS if isinstance(layer, keras.layers.Layer) else operations.OPERATIONS
    if kind not in writers:
        raise refused(layer, f"must be one of {sorted({*LAYERS, 'TimeDistributed'})}")
    writer = writers[kind]
    given = {n: v for n, v in keywords.items() if any(x is not None for x in keras.tree.flatten(v))}
    unknown = sorted(set(given) - set(inspect.signature(writer).parameters))
    if unknown:
        raise refused(layer, f"like this must be called without {unknown}")
    return writer(graph, layer, *arguments, **given)


def _time_distributed(graph, layer, x, mask=None):
    """The layer inside for all steps of all rows at once."""
    inner = layer.layer
    if "mask" in inspect.signature(inner.call).parameters:
        without_mask(layer, mask)
    (n_steps,), row = known_sizes(layer, x, [1]), x.shape[2:]
    known_sizes(layer, x, range(2, x.ndim))
    every = Tensor(graph("Reshape", x.name, [-1, *row]), (None, *row))
    found = write_layer(graph, inner, every)
    if isinstance(found, list):
        (found,) = found
    shape = inner.compute_output_shape((None, *row))[1:]
    return graph("Reshape", found, [-1, n_steps, *shape])
