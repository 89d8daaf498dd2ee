"""Layers of a trunk as nodes, where they are of the usual kinds and form a chain.

``LAYERS`` has a writer for every kind: a function of (graph, layer, x). Layers that are
active in training only are left out.
"""

from __future__ import annotations

import numpy as np

from skjoint._onnx.activations import ACTIVATIONS
from skjoint._support.keras_import import import_keras


def write_trunk(graph, trunk, weights, x):
    """The tensor of features of a trunk."""
    keras = import_keras()
    model = trunk.build()
    model.set_weights(weights)
    for layer in _chain(model, keras):
        kind, module = type(layer).__name__, type(layer).__module__
        # Other packages may have layers of the same names.
        known = module.split(".")[0] in ("keras", "skjoint")
        if known and kind in LAYERS:
            x = LAYERS[kind](graph, layer, x)
        elif not known or kind not in ONLY_IN_TRAINING:
            raise _refused(layer, f"must be one of {sorted(LAYERS)}, or active in training only")
        x = _activated(graph, layer, x, keras)
    return x


def _activated(graph, layer, x, keras):
    """What the layer's own activation makes of x, if it has one."""
    activation = getattr(layer, "activation", None)
    if activation is None:
        return x
    name = getattr(activation, "__name__", None)
    if name not in ACTIVATIONS or getattr(keras.activations, name) is not activation:
        raise _refused(layer, f"must have one of the activations {sorted(ACTIVATIONS)}")
    return ACTIVATIONS[name](graph, x)


def _refused(layer, rule):
    return NotImplementedError(
        f"to_onnx cannot write the trunk's layer {layer.name!r} ({type(layer).__name__}): a layer "
        f"of a trunk {rule}."
    )


def _chain(model, keras):
    """The layers one after the other, those of models inside included."""
    is_sequence, output = isinstance(model, keras.Sequential), model.inputs[0]
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        if not is_sequence and layer.input is not output:
            raise _refused(layer, "must be part of a chain, without branches")
        output = layer.output
        if isinstance(layer, keras.Model):
            yield from _chain(layer, keras)
        else:
            yield layer
    if not is_sequence and output is not model.outputs[0]:
        raise _refused(model, "must be part of a chain, each used once")


def _double(weight):
    return np.asarray(weight, dtype=np.float64)


def _dense(graph, layer, x):
    x = graph("MatMul", x, _double(layer.kernel))
    return graph("Add", x, _double(layer.bias)) if layer.use_bias else x


def _affine(graph, layer, x):
    """Scale and shift behind a normalisation."""
    x = graph("Mul", x, _double(layer.gamma)) if layer.gamma is not None else x
    return graph("Add", x, _double(layer.beta)) if layer.beta is not None else x


def _check_last_axis(layer):
    axes = layer.axis if isinstance(layer.axis, (list, tuple)) else [layer.axis]
    if list(axes) not in ([-1], [len(layer.output.shape) - 1]):
        raise _refused(layer, "must normalise over the last axis")


def _batch_normalization(graph, layer, x):
    _check_last_axis(layer)
    spread = np.sqrt(_double(layer.moving_variance) + layer.epsilon)
    x = graph("Div", graph("Sub", x, _double(layer.moving_mean)), spread)
    return _affine(graph, layer, x)


def _layer_normalization(graph, layer, x):
    _check_last_axis(layer)
    if getattr(layer, "rms_scaling", False):
        raise _refused(layer, "must normalise without rms_scaling")
    x = graph("Sub", x, graph("ReduceMean", x, [-1], keepdims=1))
    variance = graph("ReduceMean", graph("Mul", x, x), [-1], keepdims=1)
    spread = graph("Sqrt", graph("Add", variance, float(layer.epsilon)))
    return _affine(graph, layer, graph("Div", x, spread))


def _relu(graph, layer, x):
    if layer.max_value is not None or layer.negative_slope or layer.threshold:
        raise _refused(layer, "must be a ReLU without parameters")
    return graph("Relu", x)


def _reshape(graph, layer, x):
    return graph("Reshape", x, [0, *layer.output.shape[1:]])


def _global_pooling(operator):
    def pool(graph, layer, x):
        if layer.data_format != "channels_last":
            raise _refused(layer, "must pool with channels last")
        axes = np.arange(1, len(layer.input.shape) - 1)
        return graph(operator, x, axes, keepdims=int(layer.keepdims))

    return pool


LAYERS = {
    "Dense": _dense,
    "Activation": lambda graph, layer, x: x,
    "ReLU": _relu,
    "BatchNormalization": _batch_normalization,
    "LayerNormalization": _layer_normalization,
    "Flatten": _reshape,
    "Reshape": _reshape,
    "GlobalAveragePooling1D": _global_pooling("ReduceMean"),
    "GlobalAveragePooling2D": _global_pooling("ReduceMean"),
    "GlobalMaxPooling1D": _global_pooling("ReduceMax"),
    "GlobalMaxPooling2D": _global_pooling("ReduceMax"),
}
ONLY_IN_TRAINING = {
    "ActivityRegularization",
    "AlphaDropout",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "HashDropout",
    "SpatialDropout1D",
    "SpatialDropout2D",
}
