"""Losses: from names, classes and functions to Keras losses, and what all losses have."""

from __future__ import annotations

import numpy as np

from skjoint._support.keras_import import first_line, import_keras
from skjoint._support.nearest_name import nearest_name

# scikit-learn's names beside Keras' own.
VALUE_LOSSES = {
    "mse": "mean_squared_error",
    "squared_error": "mean_squared_error",
    "mae": "mean_absolute_error",
    "absolute_error": "mean_absolute_error",
    "huber": "huber",
}
CLASS_LOSSES = dict.fromkeys(
    (
        "crossentropy",
        "cross_entropy",
        "log_loss",
        "sparse_categorical_crossentropy",
        "categorical_crossentropy",
    ),
    "sparse_categorical_crossentropy",
)


def named_loss(identifier, aliases, parameter, more_names=()):
    """The Keras loss of a name, a class, an object or a function.

    >>> named_loss("squared_error", VALUE_LOSSES, "value_loss").name
    'mean_squared_error'
    """
    keras = import_keras()
    if isinstance(identifier, str):
        try:
            identifier = keras.losses.get(aliases.get(identifier, identifier))
        except ValueError:
            own = sorted([*aliases, *more_names])
            known = [*own, *_keras_names(keras.losses, keras.losses.Loss)]
            raise ValueError(
                f"{parameter} must be one of {own}, another Keras loss or a function. "
                f"Got {identifier!r} instead.{nearest_name(identifier, known)}"
            ) from None
    if isinstance(identifier, type):
        identifier = identifier()
    if not callable(identifier):
        raise ValueError(
            f"{parameter} must be the name of a loss, a Keras loss or a function "
            f"(y_true, y_pred) -> loss per row. Got {identifier!r} instead."
        )
    if isinstance(identifier, keras.losses.Loss):
        return identifier
    by_function = {
        keras.losses.mean_squared_error: keras.losses.MeanSquaredError,
        keras.losses.mean_absolute_error: keras.losses.MeanAbsoluteError,
        keras.losses.huber: keras.losses.Huber,
        keras.losses.sparse_categorical_crossentropy: keras.losses.SparseCategoricalCrossentropy,
        keras.losses.categorical_crossentropy: keras.losses.CategoricalCrossentropy,
    }
    return by_function[identifier]() if identifier in by_function else identifier


def _keras_names(module, base):
    return [n for n, v in vars(module).items() if isinstance(v, type) and issubclass(v, base)]


def per_sample(loss):
    """The function (y_true, y_pred) -> loss of each row, without any reduction."""
    keras = import_keras()
    return loss.call if isinstance(loss, keras.losses.Loss) else loss


def check_loss(loss, parameter, targets, n_units):
    """Raise unless a loss of the user's gives one number per row."""
    own = getattr(loss, "loss", loss)  # inside ours that encodes labels
    if getattr(own, "__module__", "").partition(".")[0] in ("keras", "skjoint"):
        return
    outputs = import_keras().ops.full((len(targets), n_units), 1 / n_units)
    try:
        found = np.shape(per_sample(loss)(targets, outputs))
    except Exception as error:  # whatever the user's function may raise
        raise ValueError(
            f"{parameter} must be a function (y_true, y_pred) -> loss per row. It raised "
            f"{first_line(error)}"
        ) from error
    if found != (len(targets),):
        raise ValueError(
            f"{parameter} must give one loss per row, shape ({len(targets)},) for {len(targets)} "
            f"rows. Got shape {found} instead: take means over the last axis only, with axis=-1."
        )


def is_batch_mean(loss):
    """Whether a batch's loss is the sum of weighted losses over the number of its rows."""
    return getattr(loss, "reduction", "sum_over_batch_size") == "sum_over_batch_size"


def loss_key(loss):
    """Equal for losses that compute the same: by class and settings, or the function itself."""
    keras = import_keras()
    if isinstance(loss, keras.losses.Loss):
        return type(loss), tuple(sorted((k, loss_key(v)) for k, v in vars(loss).items()))
    if isinstance(loss, dict):
        return tuple(sorted((k, loss_key(v)) for k, v in loss.items()))
    return loss if callable(loss) else repr(loss)
