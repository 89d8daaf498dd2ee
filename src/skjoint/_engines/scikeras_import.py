"""The one place that imports scikeras: its routing of parameters to names and classes."""

from __future__ import annotations

import sys
import threading

from skjoint._support.keras_import import import_keras

_scikeras_lock = threading.Lock()
_scikeras_tools = None


def scikeras_tools():
    """scikeras' parameter routing, without scikeras' effects on the process.

    Importing scikeras replaces ``__reduce__`` and ``__deepcopy__`` of Keras
    classes. They are put back, and the import is forgotten, so that a user
    who imports scikeras later gets all of it.
    """
    global _scikeras_tools
    with _scikeras_lock:
        if _scikeras_tools is None:
            _scikeras_tools = _import_scikeras()
    return _scikeras_tools


def _import_scikeras():
    keras = import_keras()
    if "scikeras" in sys.modules:
        from scikeras import _utils

        return _utils
    patched = [
        (keras.Model, "__reduce__"),
        (keras.Model, "__deepcopy__"),
        (keras.losses.Loss, "__reduce__"),
        (keras.metrics.Metric, "__reduce__"),
        (keras.optimizers.Optimizer, "__reduce__"),
    ]
    before = [vars(cls).get(name) for cls, name in patched]
    try:
        from scikeras import _utils
    finally:
        for (cls, name), value in zip(patched, before, strict=True):
            if value is not None:
                setattr(cls, name, value)
            elif name in vars(cls):
                delattr(cls, name)
        for module in [m for m in sys.modules if m.split(".")[0] == "scikeras"]:
            del sys.modules[module]
    return _utils
