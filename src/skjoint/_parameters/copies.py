"""Object parameters whose copies do something else: scikit-learn copies them in every clone."""

from __future__ import annotations

import contextlib
import copy
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from skjoint._network.losses import per_sample
from skjoint._support.keras_import import import_keras, untouched_random
from skjoint._support.lost_settings import lost_settings

LOSSES = ("value_loss", "class_loss")
NAMES = (*LOSSES, "optimizer", "kernel_initializer", "activation", "value_activation")


def check_copies(params: Mapping[str, Any]) -> None:
    """Raise where a parameter is an object whose copy differs from it.

    Keras copies its objects through their configuration, which may lack some of their settings,
    as that of ``keras.losses.Huber`` lacks ``delta``.
    """
    for name in NAMES:
        value = params[name]
        # These are copied as they are.
        if not isinstance(value, (str, dict, type)) and not inspect.isroutine(value):
            _check_copy(name, value)


def _check_copy(name: str, value: Any) -> None:
    for copied in _copies(value):
        lost = lost_settings(value, copied)
        equal = None if name not in _PROBES else _same_answers(_PROBES[name], value, copied)
        if equal or (equal is None and not lost):
            continue
        shown = ", ".join(f"{key}={old!r} (a copy has {new!r})" for key, old, new in lost)
        raise ValueError(
            f"{name} must be an object whose copies do the same, since every clone, search and "
            f"file copies it. A copy of this {type(value).__name__} loses "
            f"{shown or 'some of its settings'}. {_way_round(value)}"
        )


def _copies(value: Any) -> list[Any]:
    """A copy as clones and pickles make it, and one by configuration, as files and engines do.

    Where there can be none, those who need one will raise: nothing is lost in silence.
    """
    found = []
    for make in (copy.deepcopy, lambda value: type(value).from_config(value.get_config())):
        with contextlib.suppress(Exception), untouched_random():
            found.append(make(value))
    return found


# ----------------------------------------------------------------------- answers
def _of_numbers(loss: Callable) -> Any:
    true = np.linspace(-2, 2, 12, dtype=np.float32)[:, None]
    return per_sample(loss)(true, true + np.geomspace(1e-3, 1e3, 12, dtype=np.float32)[:, None])


def _of_labels(loss: Callable) -> Any:
    codes = np.arange(12) % 3
    proba = np.random.default_rng(0).dirichlet([0.5] * 3, 12).astype(np.float32)
    try:
        return per_sample(loss)(codes, proba)
    except Exception:  # of one-hot labels, as many losses are
        return per_sample(loss)(np.eye(3, dtype=np.float32)[codes], proba)


def _of_activation(function: Callable) -> Any:
    return function(import_keras().ops.linspace(-4.0, 4.0, 33))


_PROBES = {
    "value_loss": _of_numbers,
    "class_loss": _of_labels,
    "activation": _of_activation,
    "value_activation": _of_activation,
}


def _same_answers(probe: Callable, value: Any, copied: Any) -> bool | None:
    """Whether both answer alike; None where they answer nothing."""
    try:
        return bool(np.array_equal(probe(value), probe(copied), equal_nan=True))
    except Exception:  # whatever an object of the user's may raise
        return None


def _way_round(value: Any) -> str:
    keras = import_keras()
    settings = getattr(value, "_fn_kwargs", {})
    function = getattr(getattr(value, "fn", None), "__name__", "")
    if settings and hasattr(keras.losses, function):
        arguments = "".join(f", {key}={setting!r}" for key, setting in settings.items())
        return f"Give functools.partial(keras.losses.{function}{arguments}) instead."
    return (
        "Give its class a get_config that returns all arguments of the constructor, or pass a "
        "function, such as functools.partial(function, setting=...)."
    )
