"""Activations and initializers of the user's: names that Keras knows, and functions."""

from __future__ import annotations

import numpy as np

from skjoint._support.keras_import import first_line, import_keras, untouched_random
from skjoint._support.nearest_name import nearest_name
from skjoint._support.warn import warn


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


def is_non_negative(activation, scaled):
    """Whether a value activation gives no negative numbers; a warning where it is bounded."""
    if activation == "linear":
        return False
    check_identifier("value_activation", activation)
    keras = import_keras()
    x = np.array([[-1e4], [-1.0], [0.0], [1.0], [1e4]], dtype=np.float32)
    reached = np.asarray(keras.activations.get(activation)(keras.ops.convert_to_tensor(x)))
    if scaled and not reached.max() > 10:
        warn(
            f"value_activation={activation!r} gives at most {reached.max():g}: larger numbers, in "
            "scaled units, cannot be predicted. Use 'linear', 'relu' or 'softplus'."
        )
    return bool(reached.min() >= 0)
