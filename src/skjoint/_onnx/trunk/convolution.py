"""Layers over neighbouring steps or pixels: convolutions, pooling, padding.

ONNX Runtime convolves, and takes means of windows, in float32 only, and wants the channels first.
Numbers become float64 before axes are turned back: it crashes on some Casts behind a Transpose.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skjoint._onnx.graph import DOUBLE
from skjoint._onnx.trunk.tensor import (
    activated,
    as_double,
    known_sizes,
    refused,
    single,
    transposed,
)

SAME = {"valid": "VALID", "same": "SAME_UPPER"}


def _channels_first(graph, layer, x, name):
    if layer.data_format == "channels_first":
        return name
    return graph("Transpose", name, perm=[0, x.ndim - 1, *range(1, x.ndim - 1)])


def _back(graph, layer, x, name):
    """Channels where the layer has them."""
    if layer.data_format == "channels_first":
        return name
    return transposed(graph, name, [0, *range(2, x.ndim), 1])


def _spatial(layer, x):
    """The axes that are neither rows nor channels."""
    first = 2 if getattr(layer, "data_format", None) == "channels_first" else 1
    return list(range(first, first + x.ndim - 2))


# ---------------------------------------------------------------- convolutions
def _kernel_first(kernel):
    """Keras' (*size, inputs, outputs) as (outputs, inputs, *size)."""
    kernel = np.asarray(kernel, dtype=np.float32)
    return np.moveaxis(kernel, (-1, -2), (0, 1))


def _by_channel(kernel):
    """Keras' (*size, inputs, multiplier) as (inputs * multiplier, 1, *size)."""
    kernel = np.moveaxis(np.asarray(kernel, dtype=np.float32), (-2, -1), (0, 1))
    return kernel.reshape(-1, 1, *kernel.shape[2:])


def _convolved(graph, layer, name, kernel, groups):
    """By the layer's strides, padding and dilation; the channels come first."""
    size = kernel.shape[2:]
    settings: dict[str, Any] = {}
    around = [d * (k - 1) for d, k in zip(layer.dilation_rate, size, strict=True)]
    if layer.padding == "causal":
        settings["pads"] = [*around, *[0] * len(size)]
    elif layer.padding == "same" and all(stride == 1 for stride in layer.strides):
        # ONNX Runtime's own does not go with dilation, Keras' strides do not either
        settings["pads"] = [*[n // 2 for n in around], *[n - n // 2 for n in around]]
    else:
        settings["auto_pad"] = SAME[layer.padding]
    return graph(
        "Conv",
        name,
        kernel,
        kernel_shape=list(size),
        strides=list(layer.strides),
        dilations=list(layer.dilation_rate),
        group=int(groups),
        **settings,
    )


def _finished(graph, layer, x, name, bias):
    """Bias and activation, in float64 as all that follows."""
    found = _back(graph, layer, x, as_double(graph, name))
    if layer.use_bias:
        bias = np.asarray(bias, dtype=np.float64)
        if layer.data_format == "channels_first":
            bias = bias.reshape(-1, *[1] * (x.ndim - 2))
        found = graph("Add", found, bias)
    return activated(graph, layer, found) if layer.activation is not None else found


def _conv(graph, layer, x):
    name = _channels_first(graph, layer, x, single(graph, x.name))
    name = _convolved(graph, layer, name, _kernel_first(layer.kernel), layer.groups)
    return _finished(graph, layer, x, name, layer.bias)


def _depthwise(graph, layer, x):
    name = _channels_first(graph, layer, x, single(graph, x.name))
    name = _convolved(graph, layer, name, _by_channel(layer.kernel), layer.kernel.shape[-2])
    return _finished(graph, layer, x, name, layer.bias)


def _separable(graph, layer, x):
    name = _channels_first(graph, layer, x, single(graph, x.name))
    n_channels = layer.depthwise_kernel.shape[-2]
    name = _convolved(graph, layer, name, _by_channel(layer.depthwise_kernel), n_channels)
    name = graph("Conv", name, _kernel_first(layer.pointwise_kernel))
    return _finished(graph, layer, x, name, layer.bias)


def _transposed(graph, layer, x):
    if layer.output_padding is not None or any(d != 1 for d in layer.dilation_rate):
        raise refused(layer, "like this must have no output_padding and no dilation")
    kernel = _kernel_first(layer.kernel)  # (inputs, outputs, *size)
    overlaps = [k - s for k, s in zip(kernel.shape[2:], layer.strides, strict=True)]
    cut = [max(n, 0) if layer.padding == "same" else 0 for n in overlaps]
    name = graph(
        "ConvTranspose",
        _channels_first(graph, layer, x, single(graph, x.name)),
        kernel,
        strides=list(layer.strides),
        pads=[*[n // 2 for n in cut], *[n - n // 2 for n in cut]],
        output_padding=[max(-n, 0) for n in overlaps],
    )
    return _finished(graph, layer, x, name, layer.bias)


# --------------------------------------------------------------------- pooling
def _pooling(operator, is_mean):
    def pool(graph, layer, x):
        name = single(graph, x.name) if is_mean else x.name
        settings = {"count_include_pad": 0} if is_mean else {}
        name = graph(
            operator,
            _channels_first(graph, layer, x, name),
            kernel_shape=list(layer.pool_size),
            strides=list(layer.strides),
            auto_pad=SAME[layer.padding],
            **settings,
        )
        return _back(graph, layer, x, as_double(graph, name) if is_mean else name)

    return pool


def _global_pooling(operator):
    def pool(graph, layer, x):
        return graph(operator, x.name, _spatial(layer, x), keepdims=int(layer.keepdims))

    return pool


def _mean_over_steps(graph, layer, x, mask=None):
    """The mean over all steps, or over those in the mask."""
    axes, keepdims = _spatial(layer, x), int(layer.keepdims)
    if mask is None:
        return graph("ReduceMean", x.name, axes, keepdims=keepdims)
    channels = 1 if layer.data_format == "channels_first" else 2
    is_step = graph("Unsqueeze", graph.cast(mask.name, DOUBLE), [channels])
    total = graph("ReduceSum", graph("Mul", x.name, is_step), axes, keepdims=keepdims)
    return graph("Div", total, graph("ReduceSum", is_step, axes, keepdims=keepdims))


# --------------------------------------------------------------------- padding
def _pairs(sizes, n_axes):
    """What Keras has as ((before, after), ...), or in one dimension as (before, after)."""
    return [tuple(sizes)] if n_axes == 1 else [tuple(pair) for pair in sizes]


def _zero_padding(graph, layer, x):
    axes = _spatial(layer, x)
    before, after = zip(*_pairs(layer.padding, len(axes)), strict=True)
    return graph("Pad", x.name, [*before, *after], 0.0, axes)


def _cropping(graph, layer, x):
    axes = _spatial(layer, x)
    before, after = zip(*_pairs(layer.cropping, len(axes)), strict=True)
    ends = [-n if n else np.iinfo(np.int64).max for n in after]
    return graph("Slice", x.name, list(before), ends, axes)


def _up_sampling(graph, layer, x):
    if getattr(layer, "interpolation", "nearest") != "nearest":
        raise refused(layer, "like this must have interpolation='nearest'")
    axes, name = _spatial(layer, x), x.name
    repeats = np.atleast_1d(layer.size)
    for axis, n, times in zip(axes, known_sizes(layer, x, axes), repeats, strict=True):
        name = graph("Gather", name, np.repeat(np.arange(n), times), axis=axis)
    return name


def _in_all_dimensions(name, writer, dimensions=(1, 2, 3)):
    return {f"{name}{d}D": writer for d in dimensions}


LAYERS = {
    **_in_all_dimensions("AveragePooling", _pooling("AveragePool", True)),
    **{f"Conv{d}D": _conv for d in (1, 2, 3)},
    **{f"Conv{d}DTranspose": _transposed for d in (1, 2, 3)},
    **_in_all_dimensions("Cropping", _cropping),
    **_in_all_dimensions("DepthwiseConv", _depthwise, (1, 2)),
    **_in_all_dimensions("GlobalAveragePooling", _global_pooling("ReduceMean"), (2, 3)),
    "GlobalAveragePooling1D": _mean_over_steps,
    **_in_all_dimensions("GlobalMaxPooling", _global_pooling("ReduceMax")),
    **_in_all_dimensions("MaxPooling", _pooling("MaxPool", False)),
    **_in_all_dimensions("SeparableConv", _separable, (1, 2)),
    **_in_all_dimensions("UpSampling", _up_sampling),
    **_in_all_dimensions("ZeroPadding", _zero_padding),
}
