"""What the copy of an object has lost of its settings."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

MISSING = object()


def lost_settings(value: Any, copied: Any) -> list[tuple[str, Any, Any]]:
    """Settings that a copy has otherwise: name, of the object, of the copy.

    Settings are the configuration that Keras writes, and arguments of the constructor as far as
    the object keeps them as numbers, text and the like.
    """
    old, new = _settings(value), _settings(copied)
    found = [(key, old[key], new.get(key)) for key in old if _differ(old[key], new.get(key))]
    return sorted(found, key=lambda entry: entry[0])


def _settings(value):
    get_config = getattr(value, "get_config", dict)
    found = {**get_config(), **getattr(value, "_fn_kwargs", {})}  # of a Keras loss
    for cls in type(value).__mro__:
        init = vars(cls).get("__init__")
        for name in inspect.signature(init).parameters if inspect.isfunction(init) else ():
            kept = getattr(value, name, getattr(value, f"_{name}", MISSING))
            if isinstance(kept, (bool, int, float, str, tuple, list, dict)):
                found.setdefault(name, kept)
    return {name: setting for name, setting in found.items() if name != "name"}


def _differ(one, other):
    try:
        return not np.array_equal(one, other)
    except (TypeError, ValueError):
        return one is not other
