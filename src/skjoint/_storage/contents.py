"""Objects that a file may hold: how each becomes plain fields, and is made of them again.

The fields in a file are those of these classes; there is no other list of names. A new field
needs a default, which files that were written before it was there then have.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import NamedTuple

from skjoint._data.categories import CategoryEncoder
from skjoint._data.dates import DateEncoder
from skjoint._data.encoding import FeatureEncoder
from skjoint._data.features import Schema
from skjoint._data.kinds import Guess
from skjoint._data.numbers import ChannelEncoder, NumberEncoder, SparseEncoder
from skjoint._data.sparse_table import EntryEncoder
from skjoint._data.targets import ClassTarget, Targets, ValueTarget
from skjoint._data.texts import TextEncoder
from skjoint._data.value_transform import ValueTransform
from skjoint._ensemble.companions.registry import COMPANIONS
from skjoint._network.graph import Embedding
from skjoint._network.keras_config import check_config
from skjoint._network.outputs import OUTPUTS, Output
from skjoint._network.spec import Head, NetworkSpec
from skjoint._network.trunk import Trunk
from skjoint._prediction.average import Average
from skjoint._prediction.fitted_model import FittedModel, Resumption
from skjoint._prediction.forward import FittedNetwork
from skjoint._prediction.intervals import IntervalErrors
from skjoint._prediction.stacked import Stacked
from skjoint._storage import checks, encoder_checks
from skjoint._storage.checks import require
from skjoint._storage.fields import check_fields
from skjoint._storage.splitters import SPLITTERS, arguments, made


class Kind(NamedTuple):
    """A class of objects in files.

    ``fields(value)`` is a dict of what an object is made of, ``make(fields)`` the object made
    of such a dict, whose values may come from anywhere, and ``check(value)`` raises unless the
    object is one that can be used.
    """

    cls: type
    fields: Callable
    make: Callable
    check: Callable


def _no_check(value):
    """For what is checked where it is made."""


def _plain(cls, check=_no_check):
    """A dataclass whose fields are all in the file."""

    def fields(value):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}

    def check_all(value):
        check_fields(value)
        check(value)

    return Kind(cls, fields, lambda fields: cls(**fields), check_all)


def _stateful(cls, check):
    """A class whose pickled state is its constructor's arguments."""
    return Kind(cls, lambda value: value.__getstate__(), lambda fields: cls(**fields), check)


# ----------------------------------------------------------------- special kinds
def _check_trunk(trunk):
    checks.check_trunk_fields(trunk)
    check_config(json.loads(trunk.config), "trunk")


def _resumption_fields(resumption):
    # Without the parameter ``trunk``, which may be a function, and so code.
    return {name: getattr(resumption, name) for name in ("states", "balancing", "fixed")}


def _check_resumption(resumption):
    check_fields(resumption)
    checks.check_resumption(resumption)


def _make_network(fields):
    """A network of weights whose shapes are checked before anything is computed of them."""
    network = FittedNetwork.__new__(FittedNetwork)
    vars(network).update(spec=fields.pop("spec"), weights=fields.pop("weights"))
    require(not fields, f"a network has no {list(fields)}")
    checks.check_network(network)
    return FittedNetwork(network.spec, network.weights)


KINDS = {
    "Embedding": _plain(Embedding, checks.check_embedding),
    "Head": _plain(Head, checks.check_head),
    "NetworkSpec": _plain(NetworkSpec, checks.check_spec),
    "Schema": _plain(Schema, encoder_checks.check_schema),
    "Targets": _plain(Targets, checks.check_targets),
    "ValueTarget": _plain(ValueTarget, checks.check_value_target),
    "ValueTransform": _plain(ValueTransform, checks.check_value_transform),
    "ClassTarget": _plain(ClassTarget, checks.check_class_target),
    "Trunk": _plain(Trunk, _check_trunk),
    "Resumption": Kind(
        Resumption, _resumption_fields, lambda fields: Resumption(**fields), _check_resumption
    ),
    "FittedModel": _plain(FittedModel, checks.check_model),
    "FittedNetwork": Kind(
        FittedNetwork, FittedNetwork.__getstate__, _make_network, checks.check_network
    ),
    "Average": _stateful(Average, checks.check_average),
    "Stacked": _stateful(Stacked, checks.check_stacked),
    "IntervalErrors": _stateful(IntervalErrors, checks.check_interval_errors),
    "FeatureEncoder": _plain(FeatureEncoder, encoder_checks.check_encoder),
    "NumberEncoder": _plain(NumberEncoder, encoder_checks.check_numbers),
    "EntryEncoder": _plain(EntryEncoder, encoder_checks.check_entries),
    "SparseEncoder": _plain(SparseEncoder, encoder_checks.check_sparse),
    "ChannelEncoder": _plain(ChannelEncoder, encoder_checks.check_channels),
    "DateEncoder": _plain(DateEncoder, encoder_checks.check_dates),
    "TextEncoder": _plain(TextEncoder, encoder_checks.check_texts),
    "CategoryEncoder": _plain(CategoryEncoder, encoder_checks.check_categories),
    "Guess": _plain(Guess, encoder_checks.check_guess),
}


def kind_of(value):
    """Name and kind of an object, or None for an object of another class."""
    cls, name = type(value), type(value).__name__
    if isinstance(value, Output) and OUTPUTS.get(cls.name) is cls:
        return kind_named(f"output {cls.name}")
    if cls in {companion.model for companion in COMPANIONS.values()}:
        return kind_named(f"companion {value.kind}")
    if SPLITTERS.get(name) is cls:
        return kind_named(f"splitter {name}")
    return (name, KINDS[name]) if name in KINDS and KINDS[name].cls is cls else None


def kind_named(name):
    """Name and kind, or None for an unknown name."""
    prefix, _, rest = str(name).partition(" ")
    if prefix == "output" and rest in OUTPUTS:
        return name, _plain(OUTPUTS[rest], checks.check_output)
    if prefix == "companion" and rest in COMPANIONS:
        cls = COMPANIONS[rest].model
        return name, Kind(
            cls, lambda model: model.arrays(), lambda fields: cls(**fields), _no_check
        )
    if prefix == "splitter" and rest in SPLITTERS:
        cls = SPLITTERS[rest]
        return name, Kind(cls, arguments, lambda fields: made(cls, fields), _no_check)
    return (name, KINDS[name]) if name in KINDS else None
