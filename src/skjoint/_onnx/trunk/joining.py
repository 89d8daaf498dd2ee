"""Layers that join several tensors."""

from __future__ import annotations

import functools

from skjoint._onnx.trunk.tensor import refused


def _check(layer, inputs, reads_masks):
    if len({x.ndim for x in inputs}) > 1:
        raise refused(layer, "that joins tensors must have tensors of as many axes")
    if reads_masks and any(x.is_masked for x in inputs):
        raise refused(layer, "like this must not have masked steps")


def _elementwise(operator, reads_masks=False):
    def join(graph, layer, inputs):
        _check(layer, inputs, reads_masks)
        return functools.reduce(lambda a, b: graph(operator, a, b), [x.name for x in inputs])

    return join


def _average(graph, layer, inputs):
    _check(layer, inputs, False)
    total = functools.reduce(lambda a, b: graph("Add", a, b), [x.name for x in inputs])
    return graph("Div", total, float(len(inputs)))


def _concatenate(graph, layer, inputs):
    return graph("Concat", *[x.name for x in inputs], axis=layer.axis)


LAYERS = {
    "Add": _elementwise("Add"),
    "Average": _average,
    "Concatenate": _concatenate,
    "Maximum": _elementwise("Max", reads_masks=True),
    "Minimum": _elementwise("Min", reads_masks=True),
    "Multiply": _elementwise("Mul", reads_masks=True),
    "Subtract": _elementwise("Sub"),
}
