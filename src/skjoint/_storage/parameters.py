"""Parameters of an estimator that a file may hold: plain data, and what Keras has of its own.

A name stands for what Keras itself calls so. One that the process has registered with Keras is
code of the process, which a file could pick.
"""

from __future__ import annotations

from skjoint._network.identifiers import is_keras_activation, is_keras_initializer
from skjoint._network.keras_config import check_config
from skjoint._support.keras_import import import_keras

# Parameters that take a name or an object of Keras', and what tells whether it is one.
NAMED = {
    "activation": is_keras_activation,
    "value_activation": is_keras_activation,
    "kernel_initializer": is_keras_initializer,
}
# Parameters that take an object of Keras', and the module and name of its base class.
OBJECTS = {
    "optimizer": ("optimizers", "Optimizer"),
    "value_loss": ("losses", "Loss"),
    "class_loss": ("losses", "Loss"),
    "kernel_initializer": ("initializers", "Initializer"),
}
NOT_SAVED = ("callbacks", "trunk")  # but for None; a trunk is saved as its layers


def check_parameters(params):
    """Raise unless these may stand in a file.

    Raises
    ------
    TypeError
        With the name of the parameter.
    """
    check_transform(params.get("value_transform"))
    for name, value in params.items():
        if name.partition("__")[0] in NOT_SAVED and value is not None:
            raise TypeError(f"{name} must be None in a file. Got {_short(value)} instead.")
        if name in NAMED and not NAMED[name](value):
            raise TypeError(
                f"{name} must be the name of one of Keras' own, which is not code, to be saved and "
                f"loaded. Got {_short(value)} instead."
            )
        _check_value(name, value)


def check_transform(value_transform):
    """Raise unless it may stand in a file."""
    if not (value_transform is None or isinstance(value_transform, str)):
        raise TypeError(
            "value_transform must be a name, such as 'log' or 'quantile', to be saved and loaded. "
            f"Got {_short(value_transform)} instead, which may hold code: pickle the estimator."
        )


def _check_value(name, value, inside=False):
    """Raise for an object of Keras' in another place than its own."""
    if isinstance(value, dict):
        if "class_name" in value and name != "kernel_initializer":
            kinds = ("schedule",) if name.startswith("optimizer__") else ()
            check_config(value, name, kinds)
        for part in value.values():
            _check_value(name, part, True)
    elif isinstance(value, (list, tuple)):
        for part in value:
            _check_value(name, part, True)
    elif _is_of_keras(value) and not _belongs(name, value, inside):
        raise TypeError(f"{name} must not be {_short(value)} in a file.")


def _is_of_keras(value):
    cls = value if isinstance(value, type) else type(value)
    return cls.__module__.partition(".")[0] == "keras"


def _belongs(name, value, inside):
    """Whether an object of Keras' is of the class that its parameter takes."""
    keras = import_keras()
    if name.startswith("optimizer__"):
        return isinstance(value, keras.optimizers.schedules.LearningRateSchedule)
    if name not in OBJECTS or inside:
        return False
    module, base = OBJECTS[name]
    base = getattr(getattr(keras, module), base)
    if isinstance(value, type):
        return name == "optimizer" and issubclass(value, base)
    return isinstance(value, base)


def _short(value):
    return repr(value)[:100]
