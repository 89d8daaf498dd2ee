"""A fitted estimator as an ONNX graph: features in, numbers, labels and probabilities out.

The graph is written from what a fitted estimator is, NumPy weights and plain
data, without loading Keras. Like our own prediction it counts in float64 and
rounds to float32 where features are encoded and where a head ends: a number
near a band's edge or two labels nearly tied would otherwise answer differently
here and there. Weights stay float32 in the file; ONNX Runtime widens them once.
"""

from __future__ import annotations

import json
from numbers import Real

import numpy as np

import skjoint
from skjoint._data.columns import LARGE
from skjoint._data.targets import MIN_VARIANCE
from skjoint._ensemble.blending import TINY, Blend
from skjoint._network.spec import TRUNK, Mixture, Periodic, weight_shapes
from skjoint._onnx.trunk import write_trunk
from skjoint._prediction.forward import Ensemble

# What ONNX Runtime 1.19 reads, the first for NumPy 2; later ones read it, too.
ML = "ai.onnx.ml"
OPSETS, IR_VERSION = {"": 19, ML: 3}, 9
FLOAT, INT64, STRING, BOOL, DOUBLE = 1, 7, 8, 9, 11  # as in onnx.TensorProto
MISSING = "to_onnx needs the package {}, which is not installed: pip install 'skjoint[onnx]'"


# ----------------------------------------------------------------------- graph
class Graph:
    """Nodes and constants in the making.

    A graph is called with an operator and its inputs, names of tensors or
    arrays of constants, and gives the name of the output.
    """

    def __init__(self, unique_name=None):
        self.nodes = []  # (operator, domain, inputs, output, attributes)
        self.constants = {}  # arrays by name
        self._unique_name = unique_name or (
            lambda name: f"{name}_{len(self.nodes) + len(self.constants)}"
        )

    def __call__(self, operator, *inputs, domain="", **attributes):
        names = [x if isinstance(x, str) else self.constant(x) for x in inputs]
        output = self._unique_name(f"skjoint/{operator}")
        self.nodes.append((operator, domain, names, output, attributes))
        return output

    def constant(self, array):
        name = self._unique_name("skjoint/constant")
        self.constants[name] = np.asarray(array)
        return name

    def cast(self, tensor, to):
        return self("Cast", tensor, to=to)

    def side_by_side(self, tensors):
        return tensors[0] if len(tensors) == 1 else self("Concat", *tensors, axis=1)

    def as_column(self, tensor):
        return self("Unsqueeze", tensor, np.array([1]))

    def sum_of_columns(self, tensor):
        return self("ReduceSum", tensor, np.array([1]), keepdims=0)


def entries(array):
    """ONNX's type of an array's entries, and these as a flat list or array."""
    if array.dtype.kind in "OU":
        return STRING, [str(text).encode() for text in array.ravel()]
    types = {"f4": FLOAT, "f8": DOUBLE, "i8": INT64, "b1": BOOL}
    return types[array.dtype.str[1:]], array.ravel()


def as_double(graph, inputs):
    """Tensors of float64, or of text as they are, from pairs of name and type."""
    return [name if kind in (STRING, DOUBLE) else graph.cast(name, DOUBLE) for name, kind in inputs]


# -------------------------------------------------------------------- features
def _categories(features):
    """Pairs of the position of a column and its categories, of columns that are not numbers."""
    if not hasattr(features, "one_hot_"):
        return []
    return list(zip(features.categories_, features.one_hot_.categories_, strict=True))


def _encode(graph, features, columns):
    """What ``FeatureEncoder`` does; float64 that was rounded to float32."""
    if not features.enabled:
        return graph.cast(graph.cast(columns(), FLOAT), DOUBLE)
    parts, categories = [], _categories(features)
    if hasattr(features, "scaler_"):  # of rows with a shape it scales the last axis
        X = columns(features.numbers_ if categories else None)
        if features.ranks:
            parts.append(_ranks(graph, features.knots_, X))
        column, lower, upper = features.levels_
        levels = []
        if len(column):
            level = graph("Gather", X, column.astype(np.int64), axis=1)
            inside = graph("GreaterOrEqual", level, lower), graph("Less", level, upper)
            levels = [graph.cast(graph("And", *inside), DOUBLE)]
        X = graph("Div", graph("Sub", X, features.scaler_.mean_), features.scaler_.scale_)
        if features.bend_ is not None:
            X = graph("Clip", X, np.array(-LARGE), np.array(LARGE))
            bent = graph("Div", X, np.array(features.bend_))
            bent = graph("Sqrt", graph("Add", graph("Mul", bent, bent), np.array(1.0)))
            X = graph("Div", X, bent)
        parts += [graph("Where", graph("IsNaN", X), np.array(0.0), X), *levels]
    parts += [one_hot(graph, columns([position]), known) for position, known in categories]
    return graph.cast(graph.cast(graph.side_by_side(parts), FLOAT), DOUBLE)


def _ranks(graph, knots, X):
    """Ranks between knots: the first one, and of every step as much as the number climbs."""
    n_steps = max(1, max(len(numbers) - 1 for numbers, _ in knots))
    shape = (len(knots), n_steps)
    starts, widths, heights = np.zeros(shape), np.ones(shape), np.zeros(shape)
    for i, (numbers, ranks) in enumerate(knots):
        n = len(numbers) - 1
        starts[i, :n], widths[i, :n], heights[i, :n] = (
            numbers[:-1],
            np.diff(numbers),
            np.diff(ranks),
        )
    rows = graph("Unsqueeze", X, np.array([2]))
    climbed = graph("Div", graph("Sub", rows, starts), widths)
    climbed = graph("Clip", climbed, np.array(0.0), np.array(1.0))
    climbed = graph("ReduceSum", graph("Mul", climbed, heights), np.array([2]), keepdims=0)
    found = graph("Add", climbed, np.array([ranks[0] for _, ranks in knots]))
    return graph("Where", graph("IsNaN", X), np.array(0.0), found)


def is_missing(category):
    return category is None or category != category


def is_text(categories):
    """Whether the categories of a column are text; missing ones do not tell."""
    present = [category for category in categories if not is_missing(category)]
    return not present or any(isinstance(category, str) for category in present)


def one_hot(graph, column, categories):
    """A column of 0 and 1 per category: a missing one is "" or NaN, an unknown one is nowhere."""
    if is_text(categories):
        texts = ["" if is_missing(category) else str(category) for category in categories]
        if len(set(texts)) < len(texts):
            raise NotImplementedError(
                "A column of X has missing entries and the empty text '' for categories, which "
                "are the same in ONNX. Replace '' by another text before fit."
            )
        marks = graph("OneHotEncoder", column, domain=ML, cats_strings=texts, zeros=1)
        return graph.cast(graph("Reshape", marks, np.array([0, len(texts)])), DOUBLE)
    return graph.cast(
        graph.side_by_side([_is_category(graph, column, category) for category in categories]),
        DOUBLE,
    )


def _is_category(graph, column, category):
    if is_missing(category):
        return graph("IsNaN", column)
    if not isinstance(category, (Real, np.bool_)):
        raise NotImplementedError(
            f"A column of X has {category!r} for a category, and ONNX knows text, numbers and "
            "booleans only. Convert the column before fit."
        )
    return graph("Equal", column, np.array(float(category)))


# --------------------------------------------------------------------- network
# ONNX Runtime runs few activations in float64: the others are composed.
def _operator(name, **attributes):
    return lambda graph, x: graph(name, x, **attributes)


def _times(graph, x, factor):
    return graph("Mul", x, np.array(factor))


def _plus_one(graph, x):
    return graph("Add", x, np.array(1.0))


def _softplus(graph, x):
    # as max(x, 0) + log(1 + exp(-|x|)) nothing overflows
    rest = graph("Exp", graph("Neg", graph("Abs", x)))
    return graph("Add", graph("Relu", x), graph("Log", _plus_one(graph, rest)))


def _softsign(graph, x):
    return graph("Div", x, _plus_one(graph, graph("Abs", x)))


def _elu(graph, x, alpha=1.0):
    below = graph("Sub", graph("Exp", graph("Min", x, np.array(0.0))), np.array(1.0))
    return graph("Add", graph("Relu", x), _times(graph, below, alpha))


def _selu(graph, x):
    return _times(graph, _elu(graph, x, 1.6732632423543772), 1.0507009873554805)


def _gelu(graph, x):
    # the error function is there in float32 only
    erf = graph("Erf", graph.cast(_times(graph, x, 0.5**0.5), FLOAT))
    return graph("Mul", _times(graph, x, 0.5), _plus_one(graph, graph.cast(erf, DOUBLE)))


def _silu(graph, x):
    # not x * sigmoid(x), which ONNX Runtime 1.19 fuses to what it cannot run in float64
    return graph("Div", x, _plus_one(graph, graph("Exp", graph("Neg", x))))


# The names and functions of skjoint._prediction.forward.
ACTIVATIONS = {
    "linear": lambda graph, x: x,
    "relu": _operator("Relu"),
    "tanh": _operator("Tanh"),
    "sigmoid": _operator("Sigmoid"),
    "softplus": _softplus,
    "softsign": _softsign,
    "softmax": _operator("Softmax", axis=-1),
    "elu": _elu,
    "selu": _selu,
    "gelu": _gelu,
    "silu": _silu,
    "swish": _silu,
    "leaky_relu": lambda graph, x: graph("Max", x, _times(graph, x, 0.2)),
    "relu6": lambda graph, x: graph("Clip", x, np.array(0.0), np.array(6.0)),
    "exponential": _operator("Exp"),
}


def _outputs(graph, network, X):
    """What heads and variances give by name, float64 that was rounded to float32.

    Of members the means, and of variances those of the mixture; then those of a blend.
    """
    if isinstance(network, Blend):
        outputs = _outputs(graph, network.network, X)
        parts = {head.name: [] for head in network.spec.heads}
        for model, shares in zip(network.models, network.shares, strict=True):
            write = _ridge if model.kind == "ridge" else _trees
            for head, found in write(graph, model, X).items():
                if head in shares:
                    parts[head].append((shares[head], found))
        for head in network.spec.heads:
            if parts[head.name]:
                own, floor = outputs[head.name], network.floor_of(head)
                outputs[head.name] = _joined(graph, own, parts[head.name], floor)
        return outputs
    if not isinstance(network, Ensemble):
        return _heads(graph, network, X)
    parts = [_heads(graph, part, X) for part in network.networks]
    outputs = {}
    for i, head in enumerate(network.spec.heads):
        numbers = [parts[place[i]][head.name] for place in network.places]
        mean = _mean_of(graph, numbers)
        outputs[head.name] = graph.cast(graph.cast(mean, FLOAT), DOUBLE)
        if head.has_variance:
            errors = [graph("Sub", number, mean) for number in numbers]
            between = _mean_of(graph, [graph("Mul", error, error) for error in errors])
            within = _mean_of(graph, [parts[place[i]][head.variance] for place in network.places])
            variance = graph("Add", within, between)
            outputs[head.variance] = graph.cast(graph.cast(variance, FLOAT), DOUBLE)
    return outputs


def _joined(graph, own, parts, floor):
    """As :func:`skjoint._ensemble.blending.joined`."""
    said, shares = [own], [1 - sum(share for share, _ in parts)]
    for share, of_model in parts:
        shares.append(share)
        if floor is not None:
            rest = _times(graph, of_model, 1 - floor)
            of_model = graph("Add", rest, _times(graph, own, floor))
        said.append(of_model)
    if floor is not None:
        said = [graph("Log", graph("Max", proba, np.array(TINY))) for proba in said]
    terms = [_times(graph, one, share) for one, share in zip(said, shares, strict=True)]
    whole = graph("Sum", *terms)
    if floor is not None:
        whole = graph("Softmax", whole, axis=-1)
    return graph.cast(graph.cast(whole, FLOAT), DOUBLE)


def _ridge(graph, ridge, X):
    """As :meth:`skjoint._ensemble.companions.ridge.Ridge.predict`."""
    waves, phases, coef, intercept = (
        array.astype(np.float64)
        for array in (ridge.waves, ridge.phases, ridge.coef, ridge.intercept)
    )
    sines = graph("Sin", graph("Gemm", X, waves, phases))
    return {ridge.heads[0]: graph("Gemm", graph.side_by_side([X, sines]), coef, intercept)}


def _trees(graph, forest, X):
    """As :meth:`skjoint._ensemble.companions.forest.Forest.predict`."""
    helper = import_onnx().helper

    def doubles(name, array):
        return helper.make_tensor(name, DOUBLE, array.shape, array.astype(np.float64).ravel())

    n_nodes = len(forest.children)
    tree = np.searchsorted(forest.roots, np.arange(n_nodes), side="right") - 1
    place = np.arange(n_nodes) - forest.roots[tree]
    left, right = (forest.children - forest.roots[tree][:, None]).T
    is_leaf = left == place
    # Most shares of labels are 0, but every leaf must say something.
    values = forest.values[forest.leaf[is_leaf]]
    says = values != 0
    says[~says.any(axis=1), 0] = True
    which, target = np.nonzero(says)
    leaf = np.flatnonzero(is_leaf)[which]
    # What must be a list of numbers for ONNX's helper, and what it has a type of its own for.
    numbers = {
        "nodes_treeids": tree,
        "nodes_nodeids": place,
        "nodes_featureids": forest.feature,
        "nodes_truenodeids": np.where(is_leaf, 0, left),
        "nodes_falsenodeids": np.where(is_leaf, 0, right),
        "target_treeids": tree[leaf],
        "target_nodeids": place[leaf],
        "target_ids": target,
    }
    threshold = np.where(is_leaf, 0, forest.threshold)
    said = graph(
        "TreeEnsembleRegressor",
        graph("Gather", X, forest.columns.astype(np.int64), axis=1),
        domain=ML,
        n_targets=forest.values.shape[1],
        aggregate_function="AVERAGE" if forest.link == "mean" else "SUM",
        nodes_modes=np.where(is_leaf, "LEAF", "BRANCH_LEQ").tolist(),
        nodes_values_as_tensor=doubles("nodes_values", threshold),
        target_weights_as_tensor=doubles("target_weights", values[which, target]),
        **{name: array.tolist() for name, array in numbers.items()},
    )
    said = graph.cast(said, DOUBLE)
    said = graph("Softmax", said, axis=-1) if forest.link == "softmax" else said
    return {head: graph("Gather", said, columns, axis=1) for head, columns in forest.places.items()}


def _mean_of(graph, tensors):
    return _times(graph, graph("Sum", *tensors), 1 / len(tensors))


def _heads(graph, network, X):
    """What heads and variances of one network give by name."""
    spec = network.spec
    tensors = {"input": X}
    n_in_trunk = len(network.weights) - len(weight_shapes(spec))
    in_trunk, above = network.weights[:n_in_trunk], network.weights[n_in_trunk:]
    if spec.trunk is not None:
        tensors[TRUNK] = write_trunk(graph, spec.trunk, in_trunk, X, ACTIVATIONS)
    pairs = zip(above[::2], above[1::2], strict=True)
    for layer, weights in zip(spec.layers(), pairs, strict=True):
        inputs = [tensors[name] for name in layer.inputs]
        if isinstance(layer, Periodic):
            output = _periodic(graph, layer, *weights, *inputs)
        elif isinstance(layer, Mixture):
            output = _mean_over_classes(graph, layer, *weights, *inputs)
        else:
            kernel, bias = (graph.cast(graph.constant(w), DOUBLE) for w in weights)
            output = graph("Gemm", graph.side_by_side(inputs), kernel, bias)
            output = _activation(layer)(graph, output)
        if layer.is_output or isinstance(layer, Mixture):
            output = graph.cast(graph.cast(output, FLOAT), DOUBLE)
        tensors[layer.name] = output
    names = [*(head.name for head in spec.heads), *spec.variances.values()]
    return {name: tensors[name] for name in names}


def _activation(layer):
    known = isinstance(layer.activation, str) and layer.activation in ACTIVATIONS
    if not known:
        raise NotImplementedError(
            f"to_onnx cannot write the activation {layer.activation!r} of layer {layer.name!r}. It "
            f"knows {sorted(ACTIVATIONS)}."
        )
    return ACTIVATIONS[layer.activation]


def _periodic(graph, layer, waves, maps, X):
    """As the layer of :func:`skjoint._network.layers.periodic`."""
    n, rest = layer.embedding.n_columns, layer.n_inputs - layer.embedding.n_columns
    numbers, others = X, None
    if rest:
        columns = np.arange(layer.n_inputs)
        numbers = graph("Gather", X, columns[:n], axis=1)
        others = graph("Gather", X, columns[n:], axis=1)
    numbers = graph("Unsqueeze", numbers, np.array([2]))
    waves, maps = waves.astype(np.float64), maps.astype(np.float64)
    # the cosine is there in float32 only, the sine in float64
    angles = graph("Add", graph("Mul", numbers, 2 * np.pi * waves[0]), waves[1] + np.pi / 2)
    rows = graph("Unsqueeze", graph("Sin", angles), np.array([2]))  # (n_samples, n, 1, m)
    units = graph("Squeeze", graph("MatMul", rows, maps[:, :-1]), np.array([2]))
    units = graph("Add", units, maps[:, -1])
    features = graph("Concat", numbers, units, axis=2)
    width = n * (1 + layer.embedding.n_units)
    features = graph("Reshape", features, np.array([0, width]))
    return graph.side_by_side([features, others] if rest else [features])


def _mean_over_classes(graph, layer, known, constants, by_class, proba):
    shape = np.array([0, layer.n_classes, layer.n_units])  # 0: as many as there are
    by_class = graph("Reshape", by_class, shape)
    by_class = graph("Where", known > 0, constants.astype(np.float64), by_class)
    weighted = graph("Mul", graph("Unsqueeze", proba, np.array([2])), by_class)
    return graph.sum_of_columns(weighted)


# --------------------------------------------------------------------- answers
def _answers(graph, estimator, heads):
    """Numbers, labels, probabilities and deviations by name, as ``predict_...`` gives them."""
    answers, targets = estimator._answers, estimator._targets
    for target, temperature in zip(targets.classes, estimator._temperatures, strict=False):
        powers = graph("Pow", heads[target.name], np.array(1 / temperature))
        total = graph("ReduceSum", powers, np.array([1]), keepdims=1)
        heads[target.name] = graph("Div", powers, total)
    numbers = {i: _number(graph, answers, i, heads) for i in range(len(targets.values))}
    outputs = {target.name: numbers[i] for i, target in enumerate(targets.values)}
    for target in targets.classes:
        codes = _codes(graph, heads[target.name])
        if answers.class_from == "value" and target.source is not None:
            codes = _codes_of_number(graph, target, numbers[target.source])
        outputs[target.name] = graph("Gather", _plain_labels(target.classes), codes)
    for target in targets.classes:
        total = graph("ReduceSum", heads[target.name], np.array([1]), keepdims=1)
        outputs[_proba_name(target)] = graph("Div", heads[target.name], total)
    for i, variance in _variances(estimator).items():
        target = targets.values[i]
        outputs[_std_name(target)] = _std(graph, answers, target, heads[variance], heads)
    return outputs


def _proba_name(target):
    return "proba" + target.name.removeprefix("class")


def _std_name(target):
    return "std" + target.name.removeprefix("value")


def _variances(estimator):
    """Names of the variances by value target, where they are those of the numbers."""
    names = estimator._network.spec.variances.values()
    return dict(enumerate(names)) if estimator.value_from == "head" else {}


def _std(graph, answers, target, variance, heads):
    """As :meth:`skjoint._prediction.decoding.Answers.stds`."""
    if target.n_units == 1:
        variance = graph("Squeeze", variance, np.array([1]))
    deviation = graph("Sqrt", graph("Add", variance, np.array(MIN_VARIANCE)))
    deviation = graph("Mul", deviation, target.scale)
    if answers.class_decides:
        known = dict.fromkeys(answers.targets.known_values, 0.0)
        deviation = _with_known(graph, answers, target, deviation, known, heads)
    return deviation


def _with_known(graph, answers, target, number, known, heads):
    """A number, but that of its label where the label decides it."""
    codes = _codes(graph, heads[answers.targets.classes[0].name])
    if target.n_units > 1:
        codes = graph.as_column(codes)
    for code, of_label in known.items():
        number = graph("Where", graph("Equal", codes, np.array(code)), np.array(of_label), number)
    return number


def _plain_labels(labels):
    """Labels in a type of ONNX: text, int64, float64 or bool."""
    plain = {"i": np.int64, "u": np.int64, "f": np.float64}.get(labels.dtype.kind, labels.dtype)
    return labels.astype(plain)


def _codes(graph, proba):
    return graph("ArgMax", proba, axis=1, keepdims=0)  # the first of the largest


def _n_reached(graph, numbers, edges):
    """How many of increasing edges each number has reached."""
    reached = graph("GreaterOrEqual", graph.as_column(numbers), edges)
    return graph.sum_of_columns(graph.cast(reached, INT64))


def _codes_of_number(graph, target, numbers):
    """As :func:`skjoint._data.targets.codes_of_numbers`."""
    if target.edges is not None:
        return _n_reached(graph, numbers, target.edges)
    order = np.argsort(target.classes)
    known = target.classes[order].astype(np.float64)
    nearest = _n_reached(graph, numbers, (known[1:] + known[:-1]) / 2)
    return graph("Gather", order.astype(np.int64), nearest)


def _number(graph, answers, i, heads):
    """As :meth:`skjoint._prediction.decoding.Answers.decode`."""
    targets = answers.targets
    target = targets.values[i]
    number = heads[target.name]
    if target.n_units == 1:
        number = graph("Squeeze", number, np.array([1]))
    number = graph("Add", graph("Mul", number, target.scale), target.offset)
    by_class = answers.distribution_of(i)
    if by_class is not None and answers.value_from != "head":
        label = targets.outputs[by_class]
        proba = heads[label.name]
        if answers.value_from == "blend":
            summary, share = answers.blends[i]
            rest = graph("Mul", SUMMARIES[summary](graph, label, proba), np.array(1.0 - share))
            number = graph("Add", graph("Mul", number, np.array(share)), rest)
        else:
            number = SUMMARIES[answers.value_from](graph, label, proba)
    if answers.class_decides:
        number = _with_known(graph, answers, target, number, targets.known_values, heads)
    return number


def _mean(graph, target, proba):
    weighted = graph.sum_of_columns(graph("Mul", proba, target.centres))
    return graph("Div", weighted, graph.sum_of_columns(proba))


def _median(graph, target, proba):
    def at(table, places):
        """The entry of every row at its place."""
        found = graph("GatherElements", table, graph.as_column(places), axis=1)
        return graph("Squeeze", found, np.array([1]))

    below = graph("CumSum", proba, np.array(1))
    half = graph("Mul", graph("Gather", below, np.array(target.n_units - 1), axis=1), np.array(0.5))
    is_below = graph("Less", below, graph.as_column(half))
    middle = graph.sum_of_columns(graph.cast(is_below, INT64))
    if target.edges is None:
        return graph("Gather", target.centres, middle)
    above = graph("Div", graph("Sub", at(below, middle), half), at(proba, middle))
    n_steps = target.quantiles.shape[1] - 1
    place = graph("Mul", graph("Sub", np.array(1.0), above), np.array(float(n_steps)))
    left = graph("Min", graph.cast(place, INT64), np.array(n_steps - 1))
    quantiles = graph("Gather", target.quantiles, middle)
    low, high = at(quantiles, left), at(quantiles, graph("Add", left, np.array(1)))
    share = graph("Sub", place, graph.cast(left, DOUBLE))
    return graph("Add", low, graph("Mul", share, graph("Sub", high, low)))


SUMMARIES = {"mean": _mean, "median": _median}


# ------------------------------------------------------------------- estimator
def text_columns(estimator):
    """Positions of the columns of X that are text."""
    pairs = _categories(estimator._features)
    return [int(position) for position, known in pairs if is_text(known)]


def write_estimator(graph, estimator, inputs):
    """Names of the output tensors, in the order of :func:`output_types`.

    ``inputs`` are pairs of name and type: all of X, or one tensor per column.
    """
    _check_types(inputs, estimator.n_features_in_, text_columns(estimator))

    def columns(positions=None):
        """Columns of X by position, or all: one tensor of float64, or of text."""
        if positions is None or len(inputs) == 1:
            chosen = inputs
        else:
            chosen = [inputs[position] for position in positions]
        tensors = as_double(graph, chosen)
        if positions is None or len(inputs) > 1:
            return graph.side_by_side(tensors)
        return graph("Gather", tensors[0], np.asarray(positions, np.int64), axis=1)

    X = _encode(graph, estimator._features, columns)
    return list(_answers(graph, estimator, _outputs(graph, estimator._network, X)).values())


def _check_types(inputs, n_features, text):
    """Raise unless text comes where the estimator reads text, and numbers elsewhere."""
    given = [kind == STRING for _, kind in inputs]
    if len(given) == 1:
        given *= n_features
    expected = [position in text for position in range(n_features)]
    if given != expected:
        raise NotImplementedError(
            "The exported steps do not give what the estimator was fitted on: it read "
            f"{n_features} column(s), text at {text}; they give {len(given)}, text at "
            f"{[i for i, is_given in enumerate(given) if is_given]}. A tensor of ONNX holds "
            "numbers or text: encode text in those steps, or leave all columns to the estimator."
        )


def output_types(estimator):
    """Type and shape of the outputs by name: numbers, labels, probabilities, deviations."""
    targets = estimator._targets
    types = {}
    for target in targets.values:
        types[target.name] = (DOUBLE, [None] if target.n_units == 1 else [None, target.n_units])
    for target in targets.classes:
        types[target.name] = (entries(_plain_labels(target.classes))[0], [None])
    for target in targets.classes:
        types[_proba_name(target)] = (DOUBLE, [None, target.n_units])
    for i in _variances(estimator):
        types[_std_name(targets.values[i])] = types[targets.values[i].name]
    return types


def input_types(row_shape, names, text, one_each=False):
    """Type and shape of the inputs by name: X, or every column where some are not numbers."""
    if not (one_each or text):
        return {"X": (DOUBLE, [None, *row_shape])}
    columns = range(row_shape[0])
    names = [f"x{i}" for i in columns] if names is None else names
    kinds = [STRING if i in text else DOUBLE for i in columns]
    return {str(name): (kind, [None, 1]) for name, kind in zip(names, kinds, strict=True)}


# ----------------------------------------------------------------------- model
def import_onnx():
    try:
        import onnx
    except ImportError as error:
        raise ImportError(MISSING.format("onnx")) from error
    return onnx


def estimator_model(estimator):
    """The ``onnx.ModelProto`` of a fitted joint estimator."""
    onnx = import_onnx()
    graph = Graph()
    one_each = bool(_categories(estimator._features))
    names = getattr(estimator, "feature_names_in_", None)
    text = text_columns(estimator)
    row_shape = estimator._features.row_shape_
    inputs = input_types(row_shape, names, text, one_each)
    outputs = output_types(estimator)
    check_names(inputs, outputs)
    tensors = write_estimator(
        graph, estimator, [(name, kind) for name, (kind, _) in inputs.items()]
    )
    nodes = [
        onnx.helper.make_node(operator, names, [output], domain=domain, **attributes)
        for operator, domain, names, output, attributes in graph.nodes
    ]
    for name, tensor in zip(outputs, tensors, strict=True):
        nodes.append(onnx.helper.make_node("Identity", [tensor], [name]))
    constants = []
    for name, array in graph.constants.items():
        kind, flat = entries(array)
        constants.append(onnx.helper.make_tensor(name, kind, array.shape, flat))
    ends = [
        [onnx.helper.make_tensor_value_info(name, *type_) for name, type_ in types.items()]
        for types in (inputs, outputs)
    ]
    model = onnx.helper.make_model(
        onnx.helper.make_graph(nodes, "skjoint", *ends, constants),
        opset_imports=[onnx.helper.make_opsetid(*pair) for pair in OPSETS.items()],
        ir_version=IR_VERSION,
    )
    check(model)
    describe(model, estimator, names)
    return model


def check_names(inputs, outputs):
    common = sorted(set(inputs) & {"", *outputs})
    if common:
        raise NotImplementedError(
            f"Columns of X have names that the graph cannot have for inputs, {common}: they are "
            "empty or those of outputs. Rename these columns before fit."
        )


def check(model):
    """Raise unless the model is valid and, where ONNX Runtime is installed, loads."""
    import_onnx().checker.check_model(model, full_check=True)
    try:
        import onnxruntime
    except ImportError:
        return
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what is wrong is in the exception, too
    onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def describe(model, estimator, feature_names):
    """Say in the model what its inputs and outputs are, for whoever serves it."""
    targets = estimator._targets
    columns = [[str(targets.names[p]) for p in target.positions] for target in targets.outputs]
    described = {
        "features": None if feature_names is None else [str(name) for name in feature_names],
        "targets": [
            {"output": target.name, "kind": target.kind, "columns": own}
            for target, own in zip(targets.outputs, columns, strict=True)
        ],
        "classes": {t.name: _plain_labels(t.classes).tolist() for t in targets.classes},
    }
    model.producer_name, model.producer_version = "skjoint", skjoint.__version__
    props = {name: json.dumps(value) for name, value in described.items()}
    import_onnx().helper.set_model_props(model, {"skjoint": skjoint.__version__, **props})
