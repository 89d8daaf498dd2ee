"""Values as JSON, with arrays set aside as bytes."""

from __future__ import annotations

import json

import numpy as np

from skjoint._network.keras_config import check_config
from skjoint._network.keras_names import CLASSES
from skjoint._storage.contents import kind_of
from skjoint._support.keras_import import import_keras

# Numbers that arrays hold, little-endian.
DTYPES = {"|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8"}
# Kinds of objects of Keras that stand by themselves.
KERAS_KINDS = ("optimizer", "loss", "initializer", "schedule")
CODE = (
    "functions, callbacks and foreign objects are code. Use a name of Keras, or set_params(...) "
    "another value before saving; what prediction does not need, such as callbacks, may be None."
)


class Writer:
    """Encodes values, and keeps their arrays in ``arrays``: bytes by name."""

    def __init__(self):
        self.arrays = {}

    def encode(self, value, where):
        """JSON of a value; ``where`` is its name in errors."""
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, np.generic):
            dtype = value.dtype.newbyteorder("<")
            if dtype.str not in DTYPES and dtype.kind != "U":
                raise TypeError(f"{where} is of type {value.dtype}, which save cannot write.")
            return {
                "is": "scalar",
                "dtype": dtype.str,
                "value": self.encode(value.item(), where),
            }
        if isinstance(value, np.ndarray):
            return self._array(value, where)
        if isinstance(value, (list, tuple)):
            kind = "tuple" if isinstance(value, tuple) else "list"
            return {"is": kind, "items": [self.encode(v, where) for v in value]}
        if isinstance(value, dict):
            pairs = [[self.encode(k, where), self.encode(v, where)] for k, v in value.items()]
            return {"is": "dict", "items": pairs}
        found = kind_of(value)
        if found is None:
            return self._keras_object(value, where)
        name, kind = found
        fields = {k: self.encode(v, f"{where}.{k}") for k, v in kind.fields(value).items()}
        try:
            kind.check(value)
        except ValueError as error:
            raise ValueError(
                f"save cannot write {where}, which load would refuse: {error}"
            ) from error
        return {"is": name, "fields": fields}

    def _array(self, array, where):
        if array.dtype == object or array.dtype.kind in "US":
            items = [self.encode(v, where) for v in array.ravel().tolist()]
            dtype = "O" if array.dtype == object else array.dtype.str
            return {"is": "objects", "dtype": dtype, "shape": array.shape, "items": items}
        if array.dtype.newbyteorder("<").str not in DTYPES:
            raise TypeError(f"{where} holds values of type {array.dtype}, which save cannot write.")
        name = f"arrays/{len(self.arrays)}"
        array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        self.arrays[name] = array.tobytes()
        return {"is": "array", "dtype": array.dtype.str, "shape": array.shape, "data": name}

    def _keras_object(self, value, where):
        """Instances and classes of Keras' own, by configuration."""
        if isinstance(value, type) and value.__module__.startswith("keras."):
            config = {"module": "keras.optimizers", "class_name": value.__name__, "config": None}
            listed = ("keras.optimizers", value.__name__) in CLASSES["optimizer"]
            if listed and getattr(import_keras().optimizers, value.__name__, None) is value:
                return {"is": "keras class", "config": config}
        elif type(value).__module__.startswith("keras."):
            keras = import_keras()
            bases = (
                keras.optimizers.Optimizer,
                keras.losses.Loss,
                keras.initializers.Initializer,
                keras.optimizers.schedules.LearningRateSchedule,
            )
            if isinstance(value, bases):
                config = keras.saving.serialize_keras_object(value)
                check_config(config, where, KERAS_KINDS)
                return {"is": "keras", "config": json.dumps(config)}
        raise TypeError(f"save cannot write {where}={value!r}: {CODE}")
