"""From parameters to Keras objects: optimizers and callbacks by scikeras' convention.

``optimizer__momentum=0.9`` and ``callbacks__patience=3`` reach the arguments
of names and classes.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace

from skjoint._engines.plan import OptimizerSpec
from skjoint._engines.scikeras_import import scikeras_tools
from skjoint._network.trunk import read_trunk
from skjoint._support.keras_import import import_keras, reproducible_build, untouched_random
from skjoint._support.nearest_name import nearest_name

WRAPPERS = {
    "LossScaleOptimizer": (
        "networks train in float32 here, where no loss needs scaling. Pass its inner_optimizer"
    ),
    "MultiOptimizer": "all weights have one optimizer here. Pass that",
}
AUTO_RATE = 1.5  # of the optimizer's own, to fall from


def optimizer_spec(optimizer, learning_rate, schedule, routed):
    """What the parameters ``optimizer``, ``optimizer__...`` and ``learning_rate`` ask for.

    The schedule "auto" is that of the optimizer, if it has one, or "cosine"; a rate that
    nobody gave then starts higher.
    """
    is_instance = isinstance(optimizer, import_keras().optimizers.Optimizer)
    given = is_instance or learning_rate is not None or "learning_rate" in routed
    if is_instance:
        _check_instance_alone(optimizer, learning_rate, routed)
    else:
        cls = _optimizer_class(optimizer)
        _check_moves_weights(cls)
        optimizer = _made_optimizer(cls, learning_rate, routed)
    spec = OptimizerSpec(type(optimizer), optimizer.get_config(), schedule)
    if schedule == "auto":
        if spec.rate is not None and not given:
            spec.config["learning_rate"] = AUTO_RATE * spec.rate
        return replace(spec, schedule="constant" if spec.rate is None else "cosine")
    if schedule != "constant" and spec.rate is None:
        raise ValueError(
            f"learning_rate_schedule must be 'constant' when the optimizer has a schedule of its "
            f"own. Got {schedule!r} instead."
        )
    return spec


def _check_moves_weights(cls):
    """Raise for optimizers that only wrap others."""
    for wrapper in (base.__name__ for base in cls.__mro__):
        if wrapper in WRAPPERS:
            raise ValueError(
                f"optimizer must be one that moves the weights itself. Got a {wrapper} instead: "
                f"{WRAPPERS[wrapper]}."
            )


def _check_instance_alone(optimizer, learning_rate, routed):
    """Raise if there are settings beside an instance, which has its own."""
    _check_moves_weights(type(optimizer))
    if routed:
        raise ValueError(
            f"optimizer__... needs optimizer to be a name or a class. Got {sorted(routed)} "
            f"beside an instance of {type(optimizer).__name__} instead."
        )
    if learning_rate is not None:
        raise ValueError(
            "learning_rate must be None when optimizer is an instance, which has its own. "
            f"Got {learning_rate!r} beside an instance of {type(optimizer).__name__} instead."
        )


def _optimizer_class(optimizer):
    """A Keras optimizer class, given itself or its name in any case."""
    keras = import_keras()
    base = keras.optimizers.Optimizer
    if isinstance(optimizer, type) and issubclass(optimizer, base):
        return optimizer
    if not isinstance(optimizer, str):
        raise ValueError(
            "optimizer must be the name of a Keras optimizer, a class or an instance. "
            f"Got {optimizer!r} instead."
        )
    classes = {
        name.lower(): value
        for name, value in vars(keras.optimizers).items()
        if isinstance(value, type) and issubclass(value, base) and value is not base
    }
    if optimizer.lower() not in classes:
        raise ValueError(
            f"optimizer must be one of {sorted(classes)}, a Keras optimizer class or an "
            f"instance. Got {optimizer!r} instead.{nearest_name(optimizer.lower(), classes)}"
        )
    return classes[optimizer.lower()]


def _made_optimizer(cls, learning_rate, routed):
    """An optimizer with the arguments that were given, and Keras' defaults for the rest."""
    if learning_rate is not None:
        if "learning_rate" in routed:
            raise ValueError(
                "learning_rate and optimizer__learning_rate are the same setting: give one."
            )
        routed = {**routed, "learning_rate": float(learning_rate)}
    _check_arguments(cls, routed, "optimizer__")
    with untouched_random():
        return scikeras_tools().unflatten_params(cls, routed)


def _check_arguments(made, routed, prefix, given=0):
    """Raise unless a class or function takes these arguments, beside the first ones given."""
    parameters = list(inspect.signature(made).parameters.values())[given:]
    known = [p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    if given and any(p.kind == p.VAR_KEYWORD for p in parameters):
        return
    for name in routed:
        if name.split("__")[0] not in known:
            raise ValueError(
                f"{prefix}{name} must be an argument of {getattr(made, '__name__', made)}: {known}."
                f"{nearest_name(name, known)}"
            )


def make_trunk(trunk, meta, routed, seed):
    """The trunk that the parameters ``trunk`` and ``trunk__...`` ask for, and its weights.

    A model starts from its own weights; a function builds anew, from ``seed``.
    """
    keras = import_keras()
    if isinstance(trunk, keras.Model):
        if routed:
            raise ValueError(
                "trunk__... needs trunk to be a function build(meta, ...). "
                f"Got {sorted(routed)} beside a keras.Model instead."
            )
        return read_trunk(trunk, meta["input_shape"])
    if isinstance(trunk, (type, keras.layers.Layer)):
        raise ValueError(
            f"trunk must be a keras.Model or a function build(meta, ...). Got {trunk!r} instead."
        )
    _check_arguments(trunk, routed, "trunk__", given=1)
    try:
        inspect.signature(trunk).bind(meta, **routed)
    except TypeError as error:
        raise ValueError(
            f"trunk must be a function that can be called as build(meta, ...): {error}."
        ) from error
    with reproducible_build(seed):
        model = trunk(meta, **routed)
    return read_trunk(model, meta["input_shape"])


def make_callbacks(callbacks, routed):
    """Keras callbacks from instances and, by scikeras' convention, from classes.

    A callback, a class, a list or a dict of these; ``callbacks__patience``,
    ``callbacks__0__patience`` or ``callbacks__name__patience`` reach the
    arguments of classes.
    """
    keras = import_keras()
    base = keras.callbacks.Callback
    for callback in _leaves(callbacks):
        is_class = isinstance(callback, type) and issubclass(callback, base)
        if not is_class and not isinstance(callback, base):
            raise ValueError(
                "callbacks must be Keras callbacks, callback classes, or a list or dict of them. "
                f"Got {callback!r} instead."
            )
    if callbacks is None and routed:
        raise ValueError(f"callbacks__... needs callbacks. Got {sorted(routed)} without any.")
    if not routed:
        return [c() if isinstance(c, type) else c for c in _leaves(callbacks)]
    try:
        made = scikeras_tools().unflatten_params(callbacks, dict(routed))
    except TypeError as error:
        raise ValueError(
            "callbacks__... reaches the arguments of callback classes only. "
            f"Got {sorted(routed)} for {callbacks!r} instead: {error}"
        ) from error
    return list(_leaves(made))


def _leaves(callbacks):
    if callbacks is None:
        return []
    if isinstance(callbacks, Mapping):
        callbacks = list(callbacks.values())
    if isinstance(callbacks, (list, tuple)):
        return [leaf for entry in callbacks for leaf in _leaves(entry)]
    return [callbacks]
