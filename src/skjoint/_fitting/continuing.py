"""Training that goes on: what the first fit has fixed must stay as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from skjoint._data.labels import known_values
from skjoint._data.layout import classes_by_target
from skjoint._fitting.settings import embedding_kinds
from skjoint._fitting.value_units import value_units


def fixed_by_fit(params, targets):
    """What the first fit has decided by these parameters, as plain data, by name.

    Beside it stand what the fitted targets, features and networks show themselves.
    """
    return {
        **{name: plain(params[name]) for name in ("value_columns", "class_columns", "class_bins")},
        "scale_value": bool(params["scale_value"]),
        "value_transform": plain(params["value_transform"]),
        "value_activation": plain(params["value_activation"]),
        "value_loss": tuple(
            value_units(params, target.n_units).numbers.keeps for target in targets.values
        ),
        "numeric_embedding": tuple(embedding_kinds(params["numeric_embedding"], params["trunk"])),
        "kernel_initializer": plain(params["kernel_initializer"]),
        "preprocess": plain(params["preprocess"]),
    }


def plain(value):
    """A value that stays comparable when the user changes theirs in place; text of objects."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return tuple((plain(key), plain(entry)) for key, entry in value.items())
    if isinstance(value, Iterable):
        return tuple(plain(entry) for entry in value)
    cls = value if hasattr(value, "__qualname__") else type(value)
    settings = value.get_config() if hasattr(value, "get_config") else ""
    if hasattr(value, "get_params") and cls is not value:
        settings = plain(value.get_params())
    return f"{cls.__module__}.{cls.__qualname__}{settings}"


def keep_fixed(params, settings, targets, classes, previous):
    """What the first fit has fixed, for the model to remember; an error if it has changed.

    Parameters
    ----------
    params : dict
        Of the estimator.
    settings : Settings
        That they ask for.
    targets : Targets
    classes : array-like or None
        Labels that may come; None for those of the first fit.
    previous : FittedModel or None
        Whose training goes on.

    Returns
    -------
    fixed : dict
    """
    if previous is None:
        return fixed_by_fit(params, targets)
    for name in _changed(params, settings, classes, previous):
        raise ValueError(
            f"{name} must stay as it is when training continues. To start anew with "
            "another, call fit with warm_start=False."
        )
    return previous.resumption.fixed


def _changed(params, settings, classes, previous):
    """Names of parameters that have changed."""
    targets, (trunk, arguments) = previous.targets, previous.resumption.trunk
    spec = previous.network.member(0).spec
    now = fixed_by_fit(params, targets)
    yield from (name for name, value in previous.resumption.fixed.items() if now[name] != value)
    if settings.trunk is not trunk or plain(settings.trunk_arguments) != plain(arguments):
        yield "trunk"
    yield from _changed_layers(settings, spec)
    if known_values(params["value_by_class"], targets.values, targets.classes) != (
        targets.known_values
    ):
        yield "value_by_class"
    if not _are_labels_of(targets.classes, classes):
        yield "classes"
    if settings.n_members != len(previous.resumption.states):
        yield "n_members"


def _changed_layers(settings, spec):
    """Names of parameters that ask for other layers than a network has."""
    asked = {"hidden_layer_sizes": settings.hidden, "activation": settings.activation}
    asked["head_link"] = settings.link
    built = {"hidden_layer_sizes": spec.hidden, "activation": spec.activation}
    built["head_link"] = spec.link
    for found, heads in ((asked, settings.heads), (built, spec.heads)):
        for kind in ("value", "class"):
            found[f"{kind}_layer_sizes"] = [head.hidden for head in heads if head.kind == kind]
        found["value_loss"] = [type(head.output) for head in heads if head.kind == "value"]
    return [name for name in asked if asked[name] != built[name]]


def _are_labels_of(targets, classes):
    """Whether the labels that are declared are those of the first fit."""
    if classes is None:
        return True
    declared = classes_by_target(classes, len(targets))
    return all(
        labels is None or set(target.codes(list(labels))) == set(range(target.n_units))
        for target, labels in zip(targets, declared, strict=True)
    )
