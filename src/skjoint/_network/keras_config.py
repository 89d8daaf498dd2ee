"""Keras' configurations as data: what they may hold, and objects of those that come from files.

Keras makes what a configuration names: classes that the process has registered, any public
function, code in strings if the process has allowed it. Here a configuration is checked against
lists first, then made where none of that has an effect.
"""

from __future__ import annotations

from skjoint._network.keras_names import ACTIVATIONS, CLASSES
from skjoint._network.layers import hash_dropout
from skjoint._support.keras_import import import_keras, untouched_random

OWN_DROPOUT = ("HashDropout", "skjoint>HashDropout")  # class and registered name
# What an object in a configuration may have beside its class and its own settings.
PARTS = {"module", "class_name", "config", "registered_name", "build_config", "compile_config"}
PARTS |= {"name", "inbound_nodes", "shared_object_id"}
# Values that Keras writes as if they were objects.
DATA = {"__keras_tensor__", "__slice__", "__ellipsis__"}
# Keys under which an object may stand, and its kind; also those that end in "_" and such a key.
PLACES = {
    "activation": "activation",
    "constraint": "constraint",
    "dtype": "dtype",
    "initializer": "initializer",
    "regularizer": "regularizer",
    "layer": "layer",
    "layers": "layer",
    "cell": "layer",
    "cells": "layer",
    "inner_optimizer": "optimizer",
    "learning_rate": "schedule",
}
ENDS = ("input_layers", "output_layers")  # of a functional model: names, not layers
# Settings that repeat the work of building a layer, and the most of it.
MOST = {"num_ops": 20, "num_chains": 20, "chain_depth": 20, "power_iterations": 100}
# Keys of texts that name no object, or one that is looked up among Keras' own alone.
OWN_NAMES = {"name", "keras_history", "input_layers", "output_layers", "module", "class_name"}
OWN_NAMES |= {"registered_name", "activation", "recurrent_activation"}


def check_config(config, where, kinds=("layer",)):
    """Raise unless a configuration is of an object of these kinds, and all inside it may be there.

    Parameters
    ----------
    config : dict
        As ``keras.saving.serialize_keras_object`` returns it.
    where : str
        Its name in errors.
    kinds : tuple of str
        Keys of ``CLASSES``.

    Raises
    ------
    TypeError
        If there is anything that is not listed in :mod:`skjoint._network.keras_names`.
    """
    name, module = config.get("class_name"), config.get("module")
    registered = config.get("registered_name")
    own = "layer" in kinds and module is None and (name, registered) == OWN_DROPOUT
    known = (
        isinstance(name, str)
        and isinstance(module, str)
        and any((module, name) in CLASSES[kind] for kind in kinds)
        and registered in (None, name)
    )
    if not (own or known):
        raise TypeError(
            f"{where} has {name!r} of {registered if module is None else module}: only layers, "
            "optimizers, losses and initializers of Keras' own that run no code can be saved and "
            "loaded."
        )
    if not PARTS.issuperset(config) or config.get("compile_config"):
        raise TypeError(f"{where} has {name!r} with {sorted(map(str, config))}, not a layer alone.")
    if not isinstance(config.get("config"), dict):
        raise TypeError(f"{where} has {name!r} without its settings.")
    for key, value in config["config"].items():
        _check_setting(key, value, where)
    for key in ("build_config", "inbound_nodes", "name", "shared_object_id"):
        _check_data(config.get(key), where)


def _check_setting(key, value, where):
    """Raise unless this may stand at a key of an object's settings."""
    kind = PLACES.get(key) or PLACES.get(str(key).rpartition("_")[2])
    if key in ENDS:
        kind = None
    if isinstance(value, dict) and "class_name" in value and kind is not None:
        check_config(value, where, (kind,))
    elif isinstance(value, list) and kind == "layer":
        for part in value:
            if not isinstance(part, dict):
                raise TypeError(f"{where} has {part!r} where a layer belongs.")
            check_config(part, where, (kind,))
    elif kind == "activation" and value is not None:
        if not (isinstance(value, str) and value in ACTIVATIONS):
            raise TypeError(f"{where} has the activation {value!r}, which is not one of Keras'.")
    elif kind in ("initializer", "regularizer", "constraint", "layer", "optimizer"):
        if value is not None:
            raise TypeError(f"{where} has {value!r} where an object of Keras' belongs ({key}).")
    elif key == "unroll" and value:
        raise TypeError(f"{where} has a layer with unroll=True. Use unroll=False.")
    elif key in MOST and not (isinstance(value, int) and value <= MOST[key]):
        raise TypeError(f"{where} has {key}={value!r}. It must be at most {MOST[key]}.")
    else:
        _check_data(value, where)


def _check_data(value, where):
    """Raise unless a value is plain, but for tensors and slices between layers."""
    if isinstance(value, dict):
        name = value.get("class_name")
        if name is not None and not (name in DATA and value.keys() == {"class_name", "config"}):
            raise TypeError(
                f"{where} has {name!r} of {value.get('module')} where a plain value belongs."
            )
        for part in value.values():
            _check_data(part, where)
    elif isinstance(value, (list, tuple)):
        for part in value:
            _check_data(part, where)
    elif not (value is None or isinstance(value, (bool, int, float, str))):
        raise TypeError(f"{where} has {value!r} where a plain value belongs.")


def is_listed(config):
    """Whether :func:`check_config` passes a network's configuration."""
    try:
        check_config(config, "")
    except TypeError:
        return False
    return True


def made_of(config, where, kinds=("layer",)):
    """The object of a configuration, after :func:`check_config`.

    Nothing that the process has registered with Keras or allowed has an effect.
    """
    check_config(config, where, kinds)
    keras = import_keras()
    from keras.src.saving.serialization_lib import SafeModeScope

    hash_dropout()  # registered with Keras before it is looked for
    _check_not_registered(config, where)
    with untouched_random(), SafeModeScope(True):
        made = keras.saving.deserialize_keras_object(_own_names(config))
    _check_made(made, where, kinds)
    return made


def _own_names(config):
    """The same with Keras' own names alone, which nothing that is registered takes the place of."""
    if isinstance(config, dict):
        config = {key: _own_names(value) for key, value in config.items()}
        if "module" in config and config["module"] is not None:
            config["registered_name"] = None
        return config
    return [_own_names(v) for v in config] if isinstance(config, (list, tuple)) else config


def _check_not_registered(config, where):
    """Raise if a text in a configuration is a name that the process has registered with Keras."""
    from keras.src.backend.common import global_state
    from keras.src.saving.object_registration import GLOBAL_CUSTOM_OBJECTS

    registered = {name for name in [*GLOBAL_CUSTOM_OBJECTS] if ">" not in str(name)}
    registered |= set(global_state.get_global_attribute("custom_objects_scope_dict", {}))
    found = registered and registered.intersection(_texts(config))
    if found:
        raise TypeError(
            f"{where} has the name {min(found)!r}, for which this process has registered an object "
            "of its own with Keras. Take it out of keras.saving.get_custom_objects()."
        )


def _texts(config):
    """All texts that Keras may look up."""
    if isinstance(config, dict):
        for key, value in config.items():
            if key not in OWN_NAMES:
                yield from _texts(value)
    elif isinstance(config, (list, tuple)):
        for value in config:
            yield from _texts(value)
    elif isinstance(config, str):
        yield config


def _check_made(made, where, kinds):
    """Raise unless Keras has made what was asked for, of its own classes."""
    keras = import_keras()
    bases = {
        "layer": keras.layers.Layer,
        "loss": keras.losses.Loss,
        "optimizer": keras.optimizers.Optimizer,
        "initializer": keras.initializers.Initializer,
        "schedule": keras.optimizers.schedules.LearningRateSchedule,
    }
    parts = list(made._flatten_layers()) if isinstance(made, keras.layers.Layer) else [made]
    own = all(type(p).__module__.startswith("keras.") or type(p) is hash_dropout() for p in parts)
    if not (own and isinstance(made, tuple(bases[kind] for kind in kinds))):
        raise TypeError(f"{where} has a {type(made).__name__} that is not one of Keras' {kinds}.")
