"""Recurrent layers as ONNX's Scan over the steps, in float64, whose body is the layer's cell.

It is slower than ONNX's own operators by ten times, but takes masks and every activation.
"""

from __future__ import annotations

import itertools

import numpy as np

from skjoint._onnx.graph import BOOL, DOUBLE, Graph, as_graph
from skjoint._onnx.trunk.tensor import activated, double


# ----------------------------------------------------------------------- cells
def _parts(graph, tensor, sizes):
    """Columns of a tensor in parts of these sizes."""
    return graph.several("Split", tensor, np.array(sizes), n_outputs=len(sizes), axis=-1)


def _lstm(graph, cell, x, states):
    h, c = states
    gates = graph("Add", x, graph("MatMul", h, double(cell.recurrent_kernel)))
    i, f, new, o = _parts(graph, gates, [cell.units] * 4)
    i, f, o = (activated(graph, cell, gate, cell.recurrent_activation) for gate in (i, f, o))
    new = graph("Mul", i, activated(graph, cell, new))
    c = graph("Add", graph("Mul", f, c), new)
    return [graph("Mul", o, activated(graph, cell, c)), c]


def _gru(graph, cell, x, states):
    (h,), n, kernel = states, cell.units, double(cell.recurrent_kernel)
    x_gates, x_new = _parts(graph, x, [2 * n, n])
    bias = double(cell.bias)[1] if cell.use_bias and cell.reset_after else np.zeros(3 * n)
    inner = graph("Add", graph("MatMul", h, kernel[:, : 2 * n]), bias[: 2 * n])
    gates = activated(graph, cell, graph("Add", x_gates, inner), cell.recurrent_activation)
    z, r = _parts(graph, gates, [n, n])
    if cell.reset_after:
        inner = graph("Add", graph("MatMul", h, kernel[:, 2 * n :]), bias[2 * n :])
        inner = graph("Mul", r, inner)
    else:
        inner = graph("MatMul", graph("Mul", r, h), kernel[:, 2 * n :])
    new = activated(graph, cell, graph("Add", x_new, inner))
    # z * h + (1 - z) * new
    return [graph("Add", new, graph("Mul", z, graph("Sub", h, new)))]


def _simple(graph, cell, x, states):
    inner = graph("MatMul", states[0], double(cell.recurrent_kernel))
    return [activated(graph, cell, graph("Add", x, inner))]


CELLS = {"LSTMCell": (_lstm, 2), "GRUCell": (_gru, 1), "SimpleRNNCell": (_simple, 1)}


# ----------------------------------------------------------------------- steps
def _body(graph, layer, write, n_states, is_masked):
    """One step: states, the step's inputs and its place in the mask to states and output."""
    n, numbers = layer.cell.units, itertools.count()
    prefix = graph.unique_name("skjoint/step")
    body = Graph(lambda name: f"{prefix}/{name}_{next(numbers)}")
    before = [body.unique_name("state") for _ in range(n_states)]
    x, mask = body.unique_name("x"), body.unique_name("mask")
    after = write(body, layer.cell, x, before)
    if is_masked:
        is_step = body("Unsqueeze", mask, [1])
        after = [body("Where", is_step, a, b) for a, b in zip(after, before, strict=True)]
    outputs = list(after)
    if layer.return_sequences:
        output = after[0]
        if is_masked and layer.zero_output_for_mask:
            output = body("Where", is_step, output, 0.0)
        outputs.append(output)
    inputs = {name: (DOUBLE, [None, n]) for name in before}
    inputs[x] = (DOUBLE, [None, layer.cell.kernel.shape[1]])
    if is_masked:
        inputs[mask] = (BOOL, [None])
    ends = {body.unique_name("end"): (DOUBLE, [None, n]) for _ in outputs}
    return as_graph(body, inputs, ends, outputs)


def by_scan(graph, layer, x, states, mask):
    """The output of all steps, or of the last one, and the states behind the last."""
    cell = layer.cell
    write, n_states = CELLS[type(cell).__name__]
    steps = [graph("MatMul", x, double(cell.kernel))]
    if cell.use_bias:
        bias = double(cell.bias)
        steps = [graph("Add", *steps, bias[0] if bias.ndim == 2 else bias)]
    steps += [] if mask is None else [mask]
    found = graph.several(
        "Scan",
        *(states or _zeros(graph, x, n_states, cell.units)),
        *steps,
        n_outputs=n_states + bool(layer.return_sequences),
        body=_body(graph, layer, write, n_states, mask is not None),
        num_scan_inputs=len(steps),
        scan_input_axes=[1] * len(steps),
        **({"scan_output_axes": [1]} if layer.return_sequences else {}),
    )
    return found[-1] if layer.return_sequences else found[0], found[:n_states]


def _zeros(graph, x, n_states, n_units):
    rows = graph("Shape", x, start=0, end=1)
    shape = graph("Concat", rows, np.array([n_units]), axis=0)
    return [graph("Expand", 0.0, shape)] * n_states
