"""Splitters of ``validation`` in files: those of scikit-learn and ours, by their arguments."""

from __future__ import annotations

import inspect

from sklearn import model_selection

import skjoint.model_selection
from skjoint._storage.checks import require

_OF_SKLEARN = (
    "GroupKFold",
    "GroupShuffleSplit",
    "KFold",
    "LeaveOneGroupOut",
    "LeavePGroupsOut",
    "PredefinedSplit",
    "ShuffleSplit",
    "StratifiedGroupKFold",
    "StratifiedKFold",
    "StratifiedShuffleSplit",
    "TimeSeriesSplit",
)
_OURS = {name: getattr(skjoint.model_selection, name) for name in skjoint.model_selection.__all__}
SPLITTERS = {name: getattr(model_selection, name) for name in _OF_SKLEARN} | {
    name: found for name, found in _OURS.items() if hasattr(found, "split")
}


def arguments(splitter):
    """Arguments of the constructor by name, which are attributes of these classes."""
    return {name: getattr(splitter, name) for name in _names(type(splitter))}


def made(cls, fields):
    """A splitter from its arguments."""
    require(set(fields) == set(_names(cls)), f"a {cls.__name__} has its arguments")
    return cls(**fields)


def _names(cls):
    return [name for name in inspect.signature(cls).parameters if name != "kwargs"]
