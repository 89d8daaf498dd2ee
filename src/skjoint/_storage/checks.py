"""Whether the parts of a model fit together, so that no prediction meets what it cannot use.

Each check takes an object whose fields have the types of their annotations, and raises
ValueError. ``save`` calls them, too: it writes nothing that ``load`` would refuse.
"""

from __future__ import annotations

import dataclasses
from numbers import Integral, Real

import numpy as np

from skjoint._data.categories import MOST_CODES
from skjoint._data.value_transform import NAMED, ValueTransform
from skjoint._ensemble.companions.registry import COMPANIONS
from skjoint._network.graph import INPUT
from skjoint._network.identifiers import is_keras_activation, is_keras_initializer
from skjoint._network.outputs import Mixture
from skjoint._network.spec import LINKS
from skjoint._network.weights import weight_shapes
from skjoint._prediction.average import Average
from skjoint._prediction.decoding import VALUE_FROM
from skjoint._prediction.forward import FittedNetwork
from skjoint._prediction.stacked import Stacked


def require(holds, what):
    """Raise unless it holds."""
    if not holds:
        raise ValueError(f"it is not so that {what}")


def is_array(value, kinds, shape):
    """Whether it is an array of these kinds of numbers; in ``shape`` None is any size."""
    return (
        isinstance(value, np.ndarray)
        and value.dtype.kind in kinds
        and len(value.shape) == len(shape)
        and all(n in (None, m) for n, m in zip(shape, value.shape, strict=True))
    )


def is_finite(value):
    return bool(np.isfinite(value).all())


def is_count(value, least=0):
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    return whole and least <= value < 2**62


def is_share(value):
    number = isinstance(value, (float, int, np.number)) and not isinstance(value, bool)
    return number and 0 <= value <= 1


# ------------------------------------------------------------------- the network
def check_embedding(embedding):
    sizes = dataclasses.astuple(embedding)
    require(all(is_count(n, 1) for n in sizes), "an embedding has sizes of 1 and more")


def check_output(output):
    require(is_count(output.n_units, 1), "an output has units")
    require(is_keras_activation(output.activation), "an output has an activation of Keras' own")


def check_head(head):
    require(all(is_count(n, 1) for n in head.hidden), "a head has layers of 1 unit and more")


def check_spec(spec):
    require(spec.input_shape and all(is_count(n, 1) for n in spec.input_shape), "rows have a shape")
    require(all(is_count(n, 1) for n in spec.hidden), "a network has layers of 1 unit and more")
    require(is_keras_activation(spec.activation), "a network has an activation of Keras' own")
    require(
        is_keras_initializer(spec.kernel_initializer), "a network has an initializer of Keras' own"
    )
    require(0 <= spec.dropout < 1, "dropout is in range")
    require(
        all(0 <= alpha < np.inf for alpha in (spec.alpha, spec.embedding_alpha)),
        "penalties are in range",
    )
    require(spec.link in (None, *LINKS), "its heads are linked as the estimator links them")
    require(
        spec.embedding is None
        or (spec.trunk is None and spec.embedding.n_columns <= spec.n_inputs - len(spec.n_codes)),
        "an embedding is one of the columns of X",
    )
    require(
        len(spec.n_codes) <= spec.n_inputs
        and all(is_count(n, 1) and n <= MOST_CODES for n in spec.n_codes)
        and (not spec.n_codes or len(spec.input_shape) == 1),
        "categories have codes",
    )
    kinds = [head.kind for head in spec.heads]
    require(spec.heads and kinds == sorted(kinds, reverse=True), "heads of values come first")
    gate = next((head.n_units for head in spec.heads if head.kind == "class"), None)
    mixed = [head.output.n_classes for head in spec.heads if isinstance(head.output, Mixture)]
    require(all(n == gate for n in mixed), "a mixture has a number for each class")
    names = [layer.name for layer in spec.layers()] + [INPUT]
    require(len(set(names)) == len(names), "its layers have names of their own")


def check_trunk_fields(trunk):
    require(trunk.classes == (), "a trunk has layers of Keras' own")
    require(is_count(trunk.n_features, 1), "a trunk has features")


def check_network(network):
    """The weights above a trunk; those of the trunk are compared with its layers later."""
    expected = weight_shapes(network.spec)
    weights = network.weights
    n_above = len(expected)
    require(isinstance(weights, list), "weights are a list")
    require(all(is_array(w, "biuf", (None,) * np.ndim(w)) for w in weights), "weights are arrays")
    alone = network.spec.trunk is None
    above = weights if alone else weights[len(weights) - n_above :]
    if [w.shape for w in above] != expected or any(w.dtype.kind != "f" for w in above):
        found = [w.shape for w in weights]
        raise ValueError(f"it has weights of shapes {found[:4]}... where {expected[:4]}... belong")


def check_average(average):
    networks, places = average.networks, average.places
    require(
        isinstance(networks, list) and networks and {type(n) for n in networks} == {FittedNetwork},
        "an average is one of networks",
    )
    like = dataclasses.replace(networks[0].spec, embedding=None)
    same = all(dataclasses.replace(n.spec, embedding=None) == like for n in networks)
    require(same, "the networks of an average are of one form")
    n_heads = len(networks[0].spec.heads)
    require(
        isinstance(places, list)
        and places
        and all(isinstance(p, tuple) and len(p) == n_heads for p in places)
        and all(is_count(i) and i < len(networks) for place in places for i in place),
        "an average has the networks that it names",
    )


def check_stacked(stacked):
    require(isinstance(stacked.network, (FittedNetwork, Average)), "companions stand by networks")
    require(
        isinstance(stacked.models, list) and isinstance(stacked.shares, list),
        "there are companions",
    )
    models = tuple(companion.model for companion in COMPANIONS.values())
    require(all(isinstance(model, models) for model in stacked.models), "companions are models")
    require(all(map(is_share, [*stacked.shares, stacked.floor])), "shares are from 0 to 1")


def check_trunk(network, shapes):
    """Raise unless the weights of a trunk have the shapes that its configuration asks for."""
    network = getattr(network, "network", network)  # without companions
    for part in getattr(network, "networks", [network]):
        found = [w.shape for w in part.weights[: len(shapes)]]
        if found != shapes or len(part.weights) != len(shapes) + len(weight_shapes(part.spec)):
            raise ValueError(f"its trunk has weights of shapes {found[:4]}... and not {shapes[:4]}")


# ------------------------------------------------------------------- the targets
def check_value_target(target):
    n = target.n_units
    require(n and all(map(is_count, target.positions)), "a number has columns")
    for name in ("offset", "scale"):
        array = getattr(target, name)
        fits = is_array(array, "iuf", ()) or is_array(array, "iuf", (n,))
        require(fits and is_finite(array), f"the {name} of a number has an entry for each column")

    transform = target.transform
    require(
        transform is None or (isinstance(transform, ValueTransform) and len(transform.knots) == n),
        "a number is transformed by column",
    )


def check_value_transform(transform):
    name, knots = transform.name, transform.knots
    require(name in NAMED, "a number is transformed in a known way")
    require(is_array(knots, "f", (None, None)) and is_finite(knots), "a transform has numbers")
    least = {"yeo-johnson": (3, 3), "quantile": (2, np.inf)}.get(name, (0, 0))
    require(least[0] <= knots.shape[1] <= least[1], "a transform has the numbers that it needs")
    require(name != "quantile" or (np.diff(knots) >= 0).all(), "quantiles rise")


def check_class_target(target):
    n = len(target.classes) if target.classes.ndim == 1 else 0
    require(n and target.positions and all(map(is_count, target.positions)), "a label has columns")
    require(not target.one_hot or len(target.positions) == n, "one-hot labels have columns")
    edges, centres, quantiles = target.edges, target.centres, target.quantiles
    require(
        edges is None
        or (is_array(edges, "iuf", (n - 1,)) and is_finite(edges) and (np.diff(edges) > 0).all()),
        "edges rise",
    )
    require(centres is None or is_array(centres, "iuf", (n,)), "a label has one centre")
    require(
        quantiles is None or (is_array(quantiles, "iuf", (n, None)) and quantiles.shape[1] > 1),
        "a label has quantiles",
    )
    if target.source is not None:
        require(centres is not None, "labels of a number have centres")
        if edges is None:
            require(is_array(target.classes, "biuf", (n,)), "labels that are numbers are numbers")
        else:
            require(quantiles is not None, "bands have quantiles")


def check_targets(targets):
    n_columns, values, classes = len(targets.names), targets.values, targets.classes
    require(targets.outputs, "there is a target")
    require(all(map(is_name, targets.names)), "columns have names")
    positions = [p for target in targets.outputs for p in target.positions]
    require(max(positions) < n_columns, "targets have columns of y")
    names = [target.name for target in targets.outputs]
    require(len(set(names)) == len(names), "targets have names of their own")
    for target in classes:
        source = target.source
        fits = source is None or (is_count(source) and source < len(values))
        require(fits and (source is None or values[source].n_units == 1), "labels have a number")
    known = targets.known_values
    require(not known or (values and classes), "labels that decide a number have one")
    for code, number in known.items():
        require(is_count(code) and code < classes[0].n_units, "labels that decide a number exist")
        require(isinstance(number, Real) and is_finite(number), "known numbers are finite")


def is_name(value):
    """Whether it can be the name of a column: plain, or a tuple of plain ones."""
    if isinstance(value, tuple):
        return all(map(is_name, value))
    return value is None or isinstance(value, (bool, int, float, str, np.generic))


# ------------------------------------------------------------------- the whole
def check_interval_errors(errors):
    require(errors.value_from in VALUE_FROM, "errors are those of an answer")
    require(isinstance(errors.non_negative, (bool, np.bool_)), "intervals are bounded or not")
    require(isinstance(errors.by_group, (bool, np.bool_)), "errors are of rows or of groups")
    require(isinstance(errors.columns, list), "errors are a list")
    for column in errors.columns:
        require(isinstance(column, tuple) and len(column) == 3, "errors have weights")
        found, weights, n_rows = column
        require(
            is_array(found, "f", (None,)) and is_array(weights, "f", found.shape), "errors are rows"
        )
        require(is_count(n_rows) and (n_rows == 0 or len(found)), "errors have a number of rows")


def check_resumption(resumption):
    states = resumption.states
    require(all(isinstance(state, tuple) and len(state) == 2 for state in states), "states are two")


def check_model(model):
    """Raise unless targets, rows and all the rest are those of the network."""
    targets, spec = model.targets, model.network.spec
    require(isinstance(model.network, (FittedNetwork, Average, Stacked)), "a model has a network")
    heads = [(head.name, head.kind, head.n_units) for head in spec.heads]
    same_heads = heads == [(target.name, target.kind, target.n_units) for target in targets.outputs]
    require(
        same_heads
        and model.features.output_shape == spec.input_shape
        and model.features.n_codes == spec.n_codes,
        "its targets and features are those of its network",
    )
    require(is_array(model.loss_weights, "f", (None, len(heads))), "weights of losses are by epoch")
    for name, logs in model.history.items():
        numbers = isinstance(logs, list) and all(issubclass(t, Real) for t in set(map(type, logs)))
        require(isinstance(name, str) and numbers, "a history has a list of numbers by name")
    best = model.best_epoch
    require(best is None or is_array(best, "iu", (None, len(heads))), "epochs are by head")
    require(
        len(model.temperatures) in (0, len(targets.classes))
        and all(0 < t < np.inf for t in model.temperatures),
        "labels have a temperature",
    )
    thresholds = model.thresholds
    require(len(thresholds) in (0, len(targets.classes)), "labels have a threshold")
    for target, threshold in zip(targets.classes, thresholds, strict=False):
        of_two = target.n_units == 2 and is_share(threshold)
        require(threshold is None or of_two, "a threshold is a share, and of two labels")
    groups = model.validation_groups
    require(all(group.ndim == 1 for group in groups), "groups that were held out are a list")
    kinds = [companion.name for companion in COMPANIONS.values()]
    require(all(name in kinds for name in model.companions), "companions are known")
    sources = {target.source for target in targets.classes}
    for i, blend in model.blends.items():
        require(i in sources and isinstance(blend, tuple) and len(blend) == 2, "a blend is of two")
        require(blend[0] in ("mean", "median") and is_share(blend[1]), "a blend has a share")
    for i, residuals in model.residuals.items():
        require(is_count(i) and i < len(targets.values), "residuals are those of a number")
        width = targets.values[i].n_units
        require(is_array(residuals, "f", (2, None, width)), "residuals have shares")
        require(is_finite(residuals), "residuals are numbers")
    errors, n_numbers = model.interval_errors, sum(target.n_units for target in targets.values)
    require(errors is None or len(errors.columns) == n_numbers, "errors are those of each number")
