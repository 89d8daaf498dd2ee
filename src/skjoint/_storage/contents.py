"""Objects that a file may hold: how each becomes plain fields, and is made of them again.

The fields in a file are those of these classes; there is no other list of names. A new field
needs a default, which files that were written before it was there then have.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skjoint._data.encoding import FeatureEncoder
from skjoint._data.features import Schema
from skjoint._data.targets import ClassTarget, Targets, ValueTarget
from skjoint._ensemble.companions.registry import COMPANIONS
from skjoint._network.graph import Embedding
from skjoint._network.outputs import OUTPUTS, Output
from skjoint._network.spec import Head, NetworkSpec
from skjoint._network.trunk import Trunk
from skjoint._prediction.average import Average
from skjoint._prediction.fitted_model import FittedModel, Resumption
from skjoint._prediction.forward import FittedNetwork
from skjoint._prediction.intervals import IntervalErrors
from skjoint._prediction.stacked import Stacked
from skjoint._storage.checks import check_keras_config, check_model, check_places, check_weights


class Kind(NamedTuple):
    """A class of objects in files.

    ``fields(value)`` is a dict of what an object is made of, and ``make(fields)`` the object made
    of such a dict, whose values may come from anywhere.
    """

    cls: type
    fields: Callable
    make: Callable


def _plain(cls):
    """A dataclass whose fields are all in the file."""

    def fields(value):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}

    return Kind(cls, fields, lambda fields: cls(**fields))


def _stateful(cls, check=None):
    """A class whose pickled state is its constructor's arguments."""

    def make(fields):
        if check is not None:
            check(**fields)
        return cls(**fields)

    return Kind(cls, lambda value: value.__getstate__(), make)


# ----------------------------------------------------------------- special kinds
def _trunk_fields(trunk):
    check_keras_config(json.loads(trunk.config), "trunk")
    return {f.name: getattr(trunk, f.name) for f in dataclasses.fields(trunk)}


def _make_trunk(fields):
    trunk = Trunk(**fields)
    check_keras_config(json.loads(trunk.config), "the file")
    return trunk


def _resumption_fields(resumption):
    # Without the parameter ``trunk``, which may be a function, and so code.
    return {name: getattr(resumption, name) for name in ("states", "balancing", "fixed")}


def _make_encoder(fields):
    encoder = FeatureEncoder(fields.pop("enabled"), fields.pop("ranks"))
    vars(encoder).update(fields)
    return encoder


SCALER_FIELDS = ("mean_", "var_", "scale_", "n_samples_seen_", "n_features_in_")


def _make_scaler(fields):
    scaler = StandardScaler()
    for name in SCALER_FIELDS:
        setattr(scaler, name, fields[name])
    return scaler


def _make_one_hot(fields):
    """An encoder of these categories. It is given all of them, so that one row fits it."""
    categories = [np.asarray(c, dtype=object) for c in fields["categories"]]
    encoder = OneHotEncoder(
        categories=categories, handle_unknown="ignore", sparse_output=False, dtype=np.float32
    )
    return encoder.fit(np.array([[c[0] for c in categories]], dtype=object))


KINDS = {
    **{
        cls.__name__: _plain(cls)
        for cls in (
            Embedding,
            Head,
            NetworkSpec,
            Schema,
            Targets,
            ValueTarget,
            ClassTarget,
        )
    },
    "Trunk": Kind(Trunk, _trunk_fields, _make_trunk),
    "Resumption": Kind(Resumption, _resumption_fields, lambda fields: Resumption(**fields)),
    "FittedModel": _stateful(FittedModel, check_model),
    "FittedNetwork": _stateful(FittedNetwork, check_weights),
    "Average": _stateful(Average, check_places),
    "Stacked": _stateful(Stacked),
    "IntervalErrors": _stateful(IntervalErrors),
    "FeatureEncoder": Kind(FeatureEncoder, vars, _make_encoder),
    "StandardScaler": Kind(
        StandardScaler, lambda value: {n: getattr(value, n) for n in SCALER_FIELDS}, _make_scaler
    ),
    "OneHotEncoder": Kind(
        OneHotEncoder, lambda value: {"categories": value.categories_}, _make_one_hot
    ),
}


def kind_of(value):
    """Name and kind of an object, or None for an object of another class."""
    cls, name = type(value), type(value).__name__
    if isinstance(value, Output) and OUTPUTS.get(cls.name) is cls:
        return kind_named(f"output {cls.name}")
    if cls in {companion.model for companion in COMPANIONS.values()}:
        return kind_named(f"companion {value.kind}")
    return (name, KINDS[name]) if name in KINDS and KINDS[name].cls is cls else None


def kind_named(name):
    """Name and kind, or None for an unknown name."""
    prefix, _, rest = str(name).partition(" ")
    if prefix == "output" and rest in OUTPUTS:
        return name, _plain(OUTPUTS[rest])
    if prefix == "companion" and rest in COMPANIONS:
        cls = COMPANIONS[rest].model
        return name, Kind(cls, lambda model: model.arrays(), lambda fields: cls(**fields))
    return (name, KINDS[name]) if name in KINDS else None
