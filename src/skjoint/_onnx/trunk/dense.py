"""Dense, normalising and reshaping layers, and those that are active in training only."""

from __future__ import annotations

import numpy as np

from skjoint._network.keras_names import names
from skjoint._onnx.graph import BOOL, DOUBLE, INT64
from skjoint._onnx.trunk.tensor import activated, double, known_sizes, refused, transposed


def vanishes(layer, x=None, *_):
    """Whether a layer is active in training only."""
    kind = type(layer).__name__
    if kind == "RandomCrop":  # which takes the middle of larger pictures
        return x.shape[-3:-1] == (layer.height, layer.width)
    return kind in ONLY_IN_TRAINING


# ----------------------------------------------------------------------- dense
def _dense(graph, layer, x):
    found = graph("MatMul", x.name, double(layer.kernel))
    if layer.use_bias:
        found = graph("Add", found, double(layer.bias))
    return activated(graph, layer, found)


def einsum(graph, layer, name):
    """What an EinsumDense layer makes of the tensor of this name."""
    found = graph("Einsum", name, double(layer.kernel), equation=layer.equation)
    if layer.bias is not None:
        found = graph("Add", found, double(layer.bias))
    return activated(graph, layer, found) if layer.activation is not None else found


def _einsum_dense(graph, layer, x):
    return einsum(graph, layer, x.name)


def _embedding(graph, layer, x):
    return graph("Gather", double(layer.embeddings), graph.cast(x.name, INT64), axis=0)


def _masking(graph, layer, x):
    same = graph("Equal", x.name, float(layer.mask_value))
    others = graph.cast(graph("Not", same), DOUBLE)
    is_step = graph.cast(graph("ReduceMax", others, [-1], keepdims=1), BOOL)
    return graph("Where", is_step, x.name, 0.0)


# ----------------------------------------------------------------- activations
def _activation(graph, layer, x):
    return activated(graph, layer, x.name)


def _relu(graph, layer, x):
    """Clipped at max_value, of a slope below the threshold."""
    found, slope, threshold = x.name, float(layer.negative_slope or 0), float(layer.threshold)
    if not threshold:
        found = graph("Relu", found)
    else:
        found = graph("Where", graph("Greater", found, threshold), found, 0.0)
    if layer.max_value is not None:
        found = graph("Min", found, float(layer.max_value))
    if slope:
        below = graph("Min", graph("Sub", x.name, threshold), 0.0)
        found = graph("Add", found, graph("Mul", below, slope))
    return found


def _leaky_relu(graph, layer, x):
    return _slope_below_zero(graph, x, float(layer.negative_slope))


def _prelu(graph, layer, x):
    return _slope_below_zero(graph, x, double(layer.alpha))


def _slope_below_zero(graph, x, slope):
    below = graph("Mul", graph("Min", x.name, 0.0), slope)
    return graph("Add", graph("Relu", x.name), below)


def _elu(graph, layer, x):
    below = graph("Sub", graph("Exp", graph("Min", x.name, 0.0)), 1.0)
    return graph("Add", graph("Relu", x.name), graph("Mul", below, float(layer.alpha)))


def _softmax(graph, layer, x):
    if not isinstance(layer.axis, int):
        raise refused(layer, "must have one axis")
    return graph("Softmax", x.name, axis=layer.axis)


# --------------------------------------------------------------- normalisation
def _affine(graph, layer, x):
    """Scale and shift behind a normalisation."""
    x = graph("Mul", x, double(layer.gamma)) if layer.gamma is not None else x
    return graph("Add", x, double(layer.beta)) if layer.beta is not None else x


def _check_last_axis(layer, x):
    axes = layer.axis if isinstance(layer.axis, (list, tuple)) else [layer.axis]
    if list(axes) not in ([-1], [x.ndim - 1]):
        raise refused(layer, "must normalise over the last axis")


def _batch_normalization(graph, layer, x, mask=None):  # the mask counts in training
    _check_last_axis(layer, x)
    spread = np.sqrt(double(layer.moving_variance) + layer.epsilon)
    found = graph("Div", graph("Sub", x.name, double(layer.moving_mean)), spread)
    return _affine(graph, layer, found)


def _standardised(graph, x, axes, epsilon):
    x = graph("Sub", x, graph("ReduceMean", x, axes, keepdims=1))
    variance = graph("ReduceMean", graph("Mul", x, x), axes, keepdims=1)
    return graph("Div", x, graph("Sqrt", graph("Add", variance, float(epsilon))))


def _layer_normalization(graph, layer, x):
    _check_last_axis(layer, x)
    if getattr(layer, "rms_scaling", False):
        raise refused(layer, "must normalise without rms_scaling")
    return _affine(graph, layer, _standardised(graph, x.name, [-1], layer.epsilon))


def _group_normalization(graph, layer, x):
    _check_last_axis(layer, x)
    sizes = known_sizes(layer, x, range(1, x.ndim))
    groups = [*sizes[:-1], layer.groups, sizes[-1] // layer.groups]
    found = graph("Reshape", x.name, [0, *groups])
    axes = [*range(1, x.ndim - 1), x.ndim]
    found = _standardised(graph, found, axes, layer.epsilon)
    return _affine(graph, layer, graph("Reshape", found, [0, *sizes]))


def _rms_normalization(graph, layer, x):
    _check_last_axis(layer, x)
    square = graph("ReduceMean", graph("Mul", x.name, x.name), [-1], keepdims=1)
    size = graph("Sqrt", graph("Add", square, float(layer.epsilon)))
    return graph("Mul", graph("Div", x.name, size), double(layer.scale))


def _unit_normalization(graph, layer, x):
    axes = np.atleast_1d(layer.axis)
    square = graph("ReduceSum", graph("Mul", x.name, x.name), axes, keepdims=1)
    return graph("Div", x.name, graph("Max", graph("Sqrt", square), 1e-12))


def _normalization(graph, layer, x):
    """By means and variances that the layer has learned, or was given."""
    mean, spread = double(layer.mean), np.maximum(np.sqrt(double(layer.variance)), 1e-7)
    if layer.invert:
        return graph("Add", graph("Mul", x.name, spread), mean)
    return graph("Div", graph("Sub", x.name, mean), spread)


def _rescaling(graph, layer, x):
    return graph("Add", graph("Mul", x.name, double(layer.scale)), double(layer.offset))


# ------------------------------------------------------------------- reshaping
def _reshape(graph, layer, x):
    shape = layer.compute_output_shape((None, *known_sizes(layer, x, range(1, x.ndim))))
    return graph("Reshape", x.name, [0, *shape[1:]])


def _flatten(graph, layer, x):
    if layer.data_format == "channels_first":
        x_last = graph("Transpose", x.name, perm=[0, *range(2, x.ndim), 1])
        return graph("Flatten", x_last, axis=1)
    return graph("Flatten", x.name, axis=1) if x.ndim != 2 else x.name


def _permute(graph, layer, x):
    return transposed(graph, x.name, [0, *layer.dims])


def _repeat_vector(graph, layer, x):
    return graph("Tile", graph("Unsqueeze", x.name, [1]), [1, layer.n, 1])


def _as_it_is(graph, layer, x):
    return x.name


LAYERS = {
    "Activation": _activation,
    "BatchNormalization": _batch_normalization,
    "Dense": _dense,
    "ELU": _elu,
    "EinsumDense": _einsum_dense,
    "Embedding": _embedding,
    "Flatten": _flatten,
    "GroupNormalization": _group_normalization,
    "Identity": _as_it_is,
    "LayerNormalization": _layer_normalization,
    "LeakyReLU": _leaky_relu,
    "Masking": _masking,
    "Normalization": _normalization,
    "PReLU": _prelu,
    "Permute": _permute,
    "RMSNormalization": _rms_normalization,
    "ReLU": _relu,
    "RepeatVector": _repeat_vector,
    "Rescaling": _rescaling,
    "Reshape": _reshape,
    "Softmax": _softmax,
    "UnitNormalization": _unit_normalization,
}
ONLY_IN_TRAINING = names("""
    ActivityRegularization AlphaDropout AugMix CutMix Dropout GaussianDropout GaussianNoise
    HashDropout MixUp RandAugment RandomBrightness RandomColorDegeneration RandomColorJitter
    RandomContrast RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur
    RandomGrayscale RandomHue RandomInvert RandomPerspective RandomPosterization RandomRotation
    RandomSaturation RandomSharpness RandomShear RandomTranslation RandomZoom SpatialDropout1D
    SpatialDropout2D SpatialDropout3D
    """)
