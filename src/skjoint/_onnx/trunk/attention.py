"""Attention without masks."""

from __future__ import annotations

from skjoint._onnx.trunk.dense import einsum
from skjoint._onnx.trunk.tensor import double, refused


def _mixed(graph, scores, value):
    return graph("MatMul", graph("Softmax", scores, axis=-1), value.name)


def _attention(graph, layer, inputs):
    query, value, key = [*inputs, inputs[1]][:3]
    if layer.score_mode != "dot":
        raise refused(layer, "like this must have score_mode='dot'")
    scores = graph("Einsum", query.name, key.name, equation="bqd,bkd->bqk")
    if layer.scale is not None:
        scores = graph("Mul", scores, double(layer.scale))
    return _mixed(graph, scores, value)


def _additive_attention(graph, layer, inputs):
    query, value, key = [*inputs, inputs[1]][:3]
    pairs = graph("Unsqueeze", query.name, [2]), graph("Unsqueeze", key.name, [1])
    scores = graph("Tanh", graph("Add", *pairs))
    if layer.scale is not None:
        scores = graph("Mul", scores, double(layer.scale))
    return _mixed(graph, graph("ReduceSum", scores, [-1], keepdims=0), value)


def _multi_head(graph, layer, query, value, key=None):
    """By heads: the mean of values, weighted by softmax of (query . key) / sqrt(width)."""
    key = value if key is None else key
    if query.ndim != 3 or layer.get_config().get("sliding_window") is not None:
        raise refused(layer, "like this must have rows of steps and no sliding_window")
    query = einsum(graph, layer._query_dense, query.name)
    key = einsum(graph, layer._key_dense, key.name)
    value = einsum(graph, layer._value_dense, value.name)
    query = graph("Mul", query, float(layer._key_dim) ** -0.5)
    scores = graph("Einsum", query, key, equation="bqhd,bkhd->bhqk")
    shares = graph("Softmax", scores, axis=-1)
    heads = graph("Einsum", shares, value, equation="bhqk,bkhd->bqhd")
    return einsum(graph, layer._output_dense, heads)


LAYERS = {
    "AdditiveAttention": _additive_attention,
    "Attention": _attention,
    "MultiHeadAttention": _multi_head,
}
