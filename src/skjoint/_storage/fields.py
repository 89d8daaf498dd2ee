"""Whether values are of the types that dataclasses annotate their fields with."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from numbers import Integral, Real

import numpy as np

LARGEST = 2**62  # of whole numbers, which NumPy takes as sizes and places


def check_fields(value):
    """Raise unless each field of a dataclass holds what its annotation says.

    >>> from skjoint._network.graph import Embedding
    >>> check_fields(Embedding(3, n_units="many"))
    Traceback (most recent call last):
      ...
    ValueError: n_units of Embedding must be int. Got 'many' instead.
    """
    for name, hint in hints_of(type(value)).items():  # type: ignore[arg-type]
        if not conforms(getattr(value, name), hint):
            kind = getattr(hint, "__name__", str(hint))
            got = repr(getattr(value, name))[:100]
            raise ValueError(f"{name} of {type(value).__name__} must be {kind}. Got {got} instead.")


@functools.cache
def hints_of(cls):
    """Annotations of the fields of a dataclass, by name."""
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def conforms(value, hint):
    """Whether a value is of an annotated type.

    >>> conforms((1, 2), tuple[int, ...]), conforms((1, "a"), tuple[int, ...]), conforms(True, int)
    (True, False, False)
    """
    if hint in (object, typing.Any):
        return True
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(conforms(value, one) for one in inner)
    if origin is tuple and len(inner) == 2 and inner[1] is Ellipsis:
        return isinstance(value, tuple) and all(conforms(part, inner[0]) for part in value)
    if origin is dict:
        return isinstance(value, dict) and all(
            conforms(key, inner[0]) and conforms(entry, inner[1]) for key, entry in value.items()
        )
    if hint in (int, float):
        kind = Integral if hint is int else Real
        number = isinstance(value, kind) and not isinstance(value, bool)
        return number and (hint is float or -LARGEST < value < LARGEST)
    return isinstance(value, (bool, np.bool_) if hint is bool else origin or hint)
