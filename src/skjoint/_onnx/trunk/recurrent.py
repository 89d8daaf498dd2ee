"""Recurrent layers: ONNX's Scan over the steps, whose body is the layer's cell.

ONNX's own LSTM, GRU and RNN run in float32, without masks and with few activations, and ONNX
Runtime's LSTM ends the process where there are no rows.
"""

from __future__ import annotations

import itertools

import numpy as np

from skjoint._onnx.graph import BOOL, DOUBLE, Graph, as_graph
from skjoint._onnx.trunk.tensor import activated, double, refused

LAST = np.iinfo(np.int64).max


# ----------------------------------------------------------------------- cells
def _parts(graph, tensor, n_parts, n_units):
    """Columns of a tensor in equal parts."""
    return [
        graph.columns(tensor, np.arange(i * n_units, (i + 1) * n_units)) for i in range(n_parts)
    ]


def _lstm(graph, cell, x, states):
    h, c = states
    gates = graph("Add", x, graph("MatMul", h, double(cell.recurrent_kernel)))
    i, f, new, o = _parts(graph, gates, 4, cell.units)
    i, f, o = (activated(graph, cell, gate, cell.recurrent_activation) for gate in (i, f, o))
    new = graph("Mul", i, activated(graph, cell, new))
    c = graph("Add", graph("Mul", f, c), new)
    return [graph("Mul", o, activated(graph, cell, c)), c]


def _gru(graph, cell, x, states):
    (h,), n, kernel = states, cell.units, double(cell.recurrent_kernel)
    x_gates, x_new = (
        graph.columns(x, np.arange(2 * n)),
        graph.columns(x, np.arange(2 * n, 3 * n)),
    )
    bias = double(cell.bias)[1] if cell.use_bias and cell.reset_after else np.zeros(3 * n)
    inner = graph("Add", graph("MatMul", h, kernel[:, : 2 * n]), bias[: 2 * n])
    gates = activated(graph, cell, graph("Add", x_gates, inner), cell.recurrent_activation)
    z, r = _parts(graph, gates, 2, n)
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


def _recurrent(graph, layer, x, initial_state=None, mask=None):
    cell = layer.cell
    known = type(cell).__module__.startswith("keras.") and type(cell).__name__ in CELLS
    if not known or layer.stateful:
        raise refused(layer, f"like this must have a cell of {sorted(CELLS)} and no state to keep")
    if initial_state is not None and mask is not None:
        raise refused(layer, "like this must not have masked steps and an initial state")
    write, n_states = CELLS[type(cell).__name__]
    steps = [graph("MatMul", x.name, double(cell.kernel))]
    if cell.use_bias:
        bias = double(cell.bias)
        steps = [graph("Add", *steps, bias[0] if bias.ndim == 2 else bias)]
    steps += [] if mask is None else [mask.name]
    if layer.go_backwards:
        steps = [_reversed(graph, tensor) for tensor in steps]
    states = _first_states(graph, x, initial_state, n_states, cell.units)
    found = graph.several(
        "Scan",
        *states,
        *steps,
        n_outputs=n_states + bool(layer.return_sequences),
        body=_body(graph, layer, write, n_states, mask is not None),
        num_scan_inputs=len(steps),
        scan_input_axes=[1] * len(steps),
        **({"scan_output_axes": [1]} if layer.return_sequences else {}),
    )
    output = found[-1] if layer.return_sequences else found[0]
    return [output, *found[:n_states]] if layer.return_state else output


def _first_states(graph, x, given, n_states, n_units):
    if given is not None:
        return [state.name for state in (given if isinstance(given, (list, tuple)) else [given])]
    rows = graph("Shape", x.name, start=0, end=1)
    shape = graph("Concat", rows, np.array([n_units]), axis=0)
    return [graph("Expand", 0.0, shape)] * n_states


def _reversed(graph, tensor):
    """The steps from the last to the first."""
    return graph("Slice", tensor, [-1], [-LAST], [1], [-1])


def _bidirectional(graph, layer, x, mask=None):
    if layer.return_state or layer.merge_mode is None:
        raise refused(layer, "like this must have one output")
    ways = [layer.forward_layer, layer.backward_layer]
    if not all(hasattr(way, "cell") for way in ways):
        raise refused(layer, "like this must have recurrent layers inside")
    there, back = (_recurrent(graph, way, x, mask=mask) for way in ways)
    if layer.return_sequences:
        back = _reversed(graph, back)
    if layer.merge_mode == "concat":
        return graph("Concat", there, back, axis=-1)
    found = graph("Mul" if layer.merge_mode == "mul" else "Add", there, back)
    return graph("Mul", found, 0.5) if layer.merge_mode == "ave" else found


LAYERS = {
    "Bidirectional": _bidirectional,
    **dict.fromkeys(("GRU", "LSTM", "RNN", "SimpleRNN"), _recurrent),
}
