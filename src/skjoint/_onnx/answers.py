"""From outputs of heads to numbers, labels, probabilities and deviations, as ``predict_...``.

The ``decoding`` is a :class:`skjoint._prediction.decoding.Decoding`, whose formulas are written
here as nodes.
"""

from __future__ import annotations

import numpy as np

from skjoint._data.exact import is_exact
from skjoint._onnx.graph import DOUBLE, INT64, GraphMath, entries
from skjoint._onnx.value_transforms import back, deviation_back, smeared
from skjoint._prediction.decoding import OF_LABELS


def output_types(model, decoding):
    """Type and shape of the outputs by name: numbers, labels, probabilities, deviations."""
    targets = model.targets
    types = {}
    for target in targets.values:
        types[target.name] = (DOUBLE, [None] if target.n_units == 1 else [None, target.n_units])
    for target in targets.classes:
        types[target.name] = (entries(plain_labels(target))[0], [None])
    for target in targets.classes:
        types[_proba_name(target)] = (DOUBLE, [None, target.n_units])
    for i in _with_deviation(decoding):
        target = targets.values[i]
        types[_std_name(target)] = types[target.name]
    return types


def write_answers(graph, model, decoding, outputs):
    """Tensors by name, in the order of :func:`output_types`, from outputs of heads by name."""
    targets = model.targets
    outputs = _tempered(graph, model, outputs)
    answers = {t.name: _number(graph, decoding, i, outputs) for i, t in enumerate(targets.values)}
    for i, target in enumerate(targets.classes, start=len(targets.values)):
        codes = _codes(graph, decoding, i, outputs)
        if decoding.class_from == "value" and target.source is not None:
            number = answers[targets.values[target.source].name]
            codes = _codes_of_number(graph, target, number)
        answers[target.name] = graph("Gather", plain_labels(target), codes)
    for target in targets.classes:
        answers[_proba_name(target)] = _summing_to_1(graph, outputs[target.name])
    for i in _with_deviation(decoding):
        answers[_std_name(targets.values[i])] = _deviation(graph, decoding, i, outputs)
    return answers


def _proba_name(target):
    return "proba" + target.name.removeprefix("class")


def _std_name(target):
    return "std" + target.name.removeprefix("value")


def _with_deviation(decoding):
    """Indices of the values whose head has a standard deviation, that of the number."""
    if decoding.value_from != "head":
        return []
    return sorted({i for i, _ in decoding.deviation_parts})


# --------------------------------------------------------------- probabilities
def _tempered(graph, model, outputs):
    """Outputs with probabilities at their temperatures: p^(1/T), made to sum to 1."""
    outputs = dict(outputs)
    for target, temperature in zip(model.targets.classes, model.temperatures, strict=False):
        powers = graph("Pow", outputs[target.name], 1 / temperature)
        outputs[target.name] = _summing_to_1(graph, powers)
    return outputs


def _summing_to_1(graph, proba):
    return graph("Div", proba, graph.sum_of_columns(proba, keepdims=1))


# ---------------------------------------------------------------------- labels
def plain_labels(target):
    """Labels of a class target in a type of ONNX: text, int64 or uint64, float64 or bool."""
    labels = target.classes
    if labels.dtype.kind == "u" and labels.max() > np.iinfo(np.int64).max:
        return labels.astype(np.uint64)
    if labels.dtype.kind == "f" and not is_exact(labels):
        label = labels[labels.astype(np.float64) != labels][0]
        raise _refused(target, label, "ONNX has no number of this size. Use whole numbers or text")
    if labels.dtype.kind == "O":
        for label in labels:
            _check_text(target, label)
    plain = {"i": np.int64, "u": np.int64, "f": np.float64}.get(labels.dtype.kind, labels.dtype)
    return labels.astype(plain)


def _check_text(target, label):
    """Raise for text that another label may come back as."""
    if label.endswith("\0"):
        raise _refused(target, label, "ONNX Runtime drops NUL at the end of text")
    try:
        label.encode()
    except UnicodeEncodeError:
        raise _refused(target, label, "ONNX takes text that is Unicode alone") from None


def _refused(target, label, why):
    return NotImplementedError(
        f"Label {label!r} of target '{target.name}' would not come back from a graph: {why}. "
        "Replace the label before fit."
    )


def _codes(graph, decoding, i, outputs):
    """Codes of the first of the most probable labels of class output i, or by its threshold."""
    threshold, proba = decoding.threshold_of(i), outputs[decoding.targets.outputs[i].name]
    if threshold is None:
        return graph("ArgMax", proba, axis=1, keepdims=0)
    second = graph("Gather", _summing_to_1(graph, proba), 1, axis=1)
    return graph.cast(graph("GreaterOrEqual", second, threshold), INT64)


def _codes_of_number(graph, target, numbers):
    """Codes of the bands that numbers lie in, or of the labels nearest to them."""
    if target.edges is not None:
        return _n_reached(graph, numbers, target.edges)
    order = np.argsort(target.classes)
    known = target.classes[order].astype(np.float64)
    nearest = _n_reached(graph, numbers, (known[1:] + known[:-1]) / 2)
    return graph("Gather", order.astype(np.int64), nearest)


def _n_reached(graph, numbers, edges):
    """How many of increasing edges each number has reached."""
    reached = graph("GreaterOrEqual", graph.as_column(numbers), edges)
    return graph.sum_of_columns(graph.cast(reached, INT64))


# --------------------------------------------------------------------- numbers
def _number(graph, decoding, i, outputs):
    """Value i in original units."""
    targets = decoding.targets
    target = targets.values[i]
    if decoding.outputs[i].class_parts:
        number = _mean_over_classes(graph, decoding, i, outputs)
    else:
        number = _transformed(graph, target, outputs[target.name])
        if decoding.value_from == "smearing":
            deviation = _transformed_deviation(graph, decoding, i, outputs)
            number = smeared(graph, target, number, deviation, decoding.residuals[i])
        else:
            number = back(graph, target, number)
    if target.n_units == 1:
        number = graph.first_column(number)
    by_class = decoding.distribution_of(i)
    if by_class is not None and decoding.value_from in OF_LABELS:
        number = _from_classes(graph, decoding, i, number, targets.outputs[by_class], outputs)
    if decoding.class_decides:
        number = _with_known(graph, decoding, target, number, targets.known_values, outputs)
    return number


def _transformed(graph, target, output):
    """A transformed number, which is one in original units where there is no transform."""
    return graph("Add", graph("Mul", output, target.scale), target.offset)


def _transformed_deviation(graph, decoding, i, outputs):
    """Standard deviation of a transformed number, (n, width); None of a head without one."""
    output, target, math = decoding.outputs[i], decoding.targets.values[i], GraphMath(graph)
    if not output.deviation_parts:
        return None
    layers = output.parts(target.name)
    parts = {part: outputs[layers[part]] for part in output.deviation_parts}
    return math.multiply(output.deviation(parts, math), target.scale)


def _mean_over_classes(graph, decoding, i, outputs):
    """The mean of the numbers by class under the probabilities that are answered."""
    targets, output = decoding.targets, decoding.outputs[i]
    target, label = targets.values[i], targets.classes[0]
    (by_class,) = (outputs[output.parts(target.name)[part]] for part in output.class_parts)
    by_class = graph("Reshape", by_class, [0, label.n_units, target.n_units])
    by_class = back(graph, target, _transformed(graph, target, by_class))
    known = np.full((1, label.n_units, 1), np.nan)
    known[0, list(targets.known_values), 0] = list(targets.known_values.values())
    if targets.known_values:
        by_class = graph("Where", ~np.isnan(known), np.nan_to_num(known), by_class)
    proba = _summing_to_1(graph, outputs[label.name])
    return graph.sum_of_columns(graph("Mul", graph("Unsqueeze", proba, [2]), by_class))


def _from_classes(graph, decoding, i, number, label, outputs):
    """The mean or median of a label's probabilities, or the blend of one with the number."""
    proba = outputs[label.name]
    if decoding.value_from != "blend":
        return SUMMARIES[decoding.value_from](graph, label, proba)
    summary, share = decoding.blends[i]
    rest = graph("Mul", SUMMARIES[summary](graph, label, proba), 1.0 - share)
    return graph("Add", graph("Mul", number, share), rest)


def _with_known(graph, decoding, target, number, known, outputs):
    """The number, or the one that ``known`` has for the code of the predicted label."""
    codes = _codes(graph, decoding, len(decoding.targets.values), outputs)
    if target.n_units > 1:
        codes = graph.as_column(codes)
    for code, of_label in known.items():
        number = graph("Where", graph("Equal", codes, code), of_label, number)
    return number


def _deviation(graph, decoding, i, outputs):
    """In original units; 0 where the label decides the number."""
    target = decoding.targets.values[i]
    deviation = _transformed_deviation(graph, decoding, i, outputs)
    number = _transformed(graph, target, outputs[target.name])
    deviation = deviation_back(graph, target, number, deviation)
    if target.n_units == 1:
        deviation = graph.first_column(deviation)
    if decoding.class_decides:
        zeros = dict.fromkeys(decoding.targets.known_values, 0.0)
        deviation = _with_known(graph, decoding, target, deviation, zeros, outputs)
    return deviation


def _mean(graph, target, proba):
    weighted = graph.sum_of_columns(graph("Mul", proba, target.centres))
    return graph("Div", weighted, graph.sum_of_columns(proba))


def _median(graph, target, proba):
    """The label in the middle, or the place inside its band where half of the rest lies below."""
    below = graph("CumSum", proba, 1)
    half = graph("Mul", graph("Gather", below, target.n_units - 1, axis=1), 0.5)
    is_below = graph("Less", below, graph.as_column(half))
    middle = graph.sum_of_columns(graph.cast(is_below, INT64))
    if target.edges is None:
        return graph("Gather", target.centres, middle)
    above = graph("Sub", _at(graph, below, middle), half)
    above = graph("Div", above, _at(graph, proba, middle))
    return _quantile(graph, target.quantiles, middle, graph("Sub", 1.0, above))


def _quantile(graph, quantiles, codes, share):
    """The number in the band of each code below which that share of the band's numbers lies."""
    n_steps = quantiles.shape[1] - 1
    place = graph("Mul", share, float(n_steps))
    left = graph("Min", graph.cast(place, INT64), n_steps - 1)
    quantiles = graph("Gather", quantiles, codes)
    low = _at(graph, quantiles, left)
    high = _at(graph, quantiles, graph("Add", left, 1))
    rest = graph("Sub", place, graph.cast(left, DOUBLE))
    return graph("Add", low, graph("Mul", rest, graph("Sub", high, low)))


def _at(graph, table, places):
    """The entry of every row at its place."""
    return graph.first_column(graph("GatherElements", table, graph.as_column(places), axis=1))


SUMMARIES = {"mean": _mean, "median": _median}
