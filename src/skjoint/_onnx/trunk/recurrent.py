"""Recurrent layers: ONNX's own LSTM, GRU and RNN, which run in float32, or a scan."""

from __future__ import annotations

import numpy as np

from skjoint._onnx.trunk.scan import by_scan
from skjoint._onnx.trunk.tensor import as_double, refused, single

LAST = np.iinfo(np.int64).max
# Of each cell: ONNX's operator, the places of its gates in Keras' order, and whether each gate
# and the output is made by the recurrent activation.
OPERATORS = {
    "LSTMCell": ("LSTM", (0, 3, 1, 2), (True, False, False)),
    "GRUCell": ("GRU", (0, 1, 2), (True, False)),
    "SimpleRNNCell": ("RNN", (0,), (False,)),
}
ACTIVATIONS = {"tanh": "Tanh", "sigmoid": "Sigmoid", "relu": "Relu"}


# ------------------------------------------------------------------- operators
def _activations(cell):
    """Names of ONNX's activations of a cell, or None where it has others."""
    _, _, recurrent = OPERATORS[type(cell).__name__]
    found = [cell.recurrent_activation if is_gate else cell.activation for is_gate in recurrent]
    names = [ACTIVATIONS.get(getattr(function, "__name__", "")) for function in found]
    return None if None in names else names


def _gates(cell, weights):
    """Weights (..., n_gates * units) with the gates in ONNX's order, in front."""
    _, order, _ = OPERATORS[type(cell).__name__]
    parts = np.split(np.asarray(weights, np.float32), len(order), axis=-1)
    return np.concatenate([parts[i] for i in order], axis=-1).T[None]


def _bias(cell):
    """Of the inputs and of the states, (1, 2 * n_gates * units)."""
    n = cell.kernel.shape[1]
    bias = np.asarray(cell.bias, np.float32) if cell.use_bias else np.zeros(n, np.float32)
    if bias.ndim == 1:
        bias = np.stack([bias, np.zeros_like(bias)])
    return np.concatenate([_gates(cell, row) for row in bias], axis=1)


def _by_operator(graph, layer, x, states, activations):
    """The output of all steps, or of the last one, and the states behind the last."""
    cell = layer.cell
    operator, _, _ = OPERATORS[type(cell).__name__]
    n_states = 2 if operator == "LSTM" else 1
    found = graph.several(
        operator,
        graph("Transpose", single(graph, x), perm=[1, 0, 2]),
        _gates(cell, cell.kernel),
        _gates(cell, cell.recurrent_kernel),
        _bias(cell),
        *([""] if states else []),  # the number of steps
        *[graph("Unsqueeze", single(graph, state), [0]) for state in states],
        n_outputs=1 + n_states,
        hidden_size=cell.units,
        activations=activations,
        **({"linear_before_reset": int(cell.reset_after)} if operator == "GRU" else {}),
    )
    after = [as_double(graph, graph("Squeeze", state, [0])) for state in found[1:]]
    if not layer.return_sequences:
        return after[0], after
    steps = as_double(graph, graph("Squeeze", found[0], [1]))
    return graph("Transpose", steps, perm=[1, 0, 2]), after


# ---------------------------------------------------------------------- layers
def _recurrent(graph, layer, x, initial_state=None, mask=None):
    cell = layer.cell
    known = type(cell).__module__.startswith("keras.") and type(cell).__name__ in OPERATORS
    if not known or layer.stateful:
        rule = f"like this must have a cell of {sorted(OPERATORS)} and no state to keep"
        raise refused(layer, rule)
    given = [] if initial_state is None else initial_state
    states = [state.name for state in (given if isinstance(given, (list, tuple)) else [given])]
    if states and mask is not None:
        raise refused(layer, "like this must not have masked steps and an initial state")
    steps, mask = x.name, None if mask is None else mask.name
    if layer.go_backwards:
        steps, mask = _reversed(graph, steps), None if mask is None else _reversed(graph, mask)
    activations = _activations(cell)
    if mask is None and activations is not None:
        output, after = _by_operator(graph, layer, steps, states, activations)
    else:
        output, after = by_scan(graph, layer, steps, states, mask)
    return [output, *after] if layer.return_state else output


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
