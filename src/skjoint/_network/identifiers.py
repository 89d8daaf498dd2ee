"""Activations and initializers of the user's: names that Keras knows, and functions."""

from __future__ import annotations

import numpy as np

from skjoint._network.keras_config import check_config
from skjoint._network.keras_names import (
    ACTIVATIONS,
    INITIALIZER_ALIASES,
    INITIALIZERS,
)
from skjoint._support.keras_import import first_line, import_keras, untouched_random
from skjoint._support.nearest_name import nearest_name


def is_keras_activation(activation):
    """Whether it is the name of an activation of Keras' own, which no process can change."""
    return activation is None or (isinstance(activation, str) and activation in ACTIVATIONS)


def is_keras_initializer(initializer):
    """Whether it is an initializer of Keras' own: its name, its configuration or itself.

    >>> is_keras_initializer("he_normal"), is_keras_initializer("load_data")
    (True, False)
    >>> is_keras_initializer({"class_name": "HeNormal", "config": {"seed": 1}})
    True
    """
    if isinstance(initializer, str):
        return initializer in INITIALIZERS or initializer in INITIALIZER_ALIASES
    if isinstance(initializer, dict):
        try:
            check_config(full_initializer(initializer), "", ("initializer",))
        except TypeError:
            return False
        return True
    cls = type(initializer)
    own = cls.__module__.startswith("keras.src.initializers.")
    return initializer is None or (own and cls.__name__ in INITIALIZERS)


def full_initializer(config):
    """A configuration of an initializer as Keras writes it, which users may give in part."""
    return {"module": "keras.initializers", "registered_name": None, "config": {}, **config}


def check_identifier(parameter, identifier):
    """Raise unless Keras can make an activation or initializer of it."""
    keras = import_keras()
    module = keras.initializers if parameter == "kernel_initializer" else keras.activations
    try:
        with untouched_random():
            found = module.get(identifier)
    except (ValueError, TypeError):
        names = [name for name in vars(module) if name.islower() and not name.startswith("_")]
        raise ValueError(
            f"{parameter} must be a name that Keras knows, or a callable. "
            f"Got {identifier!r} instead.{nearest_name(identifier, names)}"
        ) from None
    if getattr(found, "__module__", type(found).__module__).startswith("keras."):
        return
    draws = module is keras.initializers
    try:
        with untouched_random():
            made = found((2, 3), dtype="float32") if draws else found(keras.ops.zeros((2, 3)))
            shape = np.shape(made)
    except Exception as error:  # whatever the user's function may raise
        raise ValueError(
            f"{parameter} must be a name that Keras knows, or a callable "
            f"{'(shape, dtype)' if draws else 'of one tensor'}. It raised "
            f"{first_line(error)}"
        ) from error
    if shape != (2, 3):
        raise ValueError(
            f"{parameter} must give a tensor of the shape it is given. Got {shape} for (2, 3) "
            "instead."
        )
