"""Values as JSON, with arrays set aside as bytes."""

from __future__ import annotations

import json

import numpy as np

from skjoint._storage.checks import check_keras_config
from skjoint._storage.contents import kind_of
from skjoint._support.keras_import import import_keras


class Writer:
    """Encodes values, and keeps their arrays in ``arrays``: bytes by name."""

    def __init__(self):
        self.arrays = {}

    def encode(self, value, where):
        """JSON of a value; ``where`` is its name in errors."""
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, np.generic):
            number = self.encode(value.item(), where)
            return {"is": "scalar", "dtype": value.dtype.str, "value": number}
        if isinstance(value, np.ndarray):
            return self._array(value, where)
        if isinstance(value, (list, tuple)):
            kind = "tuple" if isinstance(value, tuple) else "list"
            return {"is": kind, "items": [self.encode(v, where) for v in value]}
        if isinstance(value, dict):
            pairs = [[self.encode(k, where), self.encode(v, where)] for k, v in value.items()]
            if "class_name" in value:
                check_keras_config(value, where)
            return {"is": "dict", "items": pairs}
        found = kind_of(value)
        if found is None:
            return self._keras_object(value, where)
        name, kind = found
        fields = {k: self.encode(v, f"{where}.{k}") for k, v in kind.fields(value).items()}
        return {"is": name, "fields": fields}

    def _array(self, array, where):
        if array.dtype == object or array.dtype.kind in "US":
            items = [self.encode(v, where) for v in array.ravel().tolist()]
            dtype = "O" if array.dtype == object else array.dtype.str
            return {"is": "objects", "dtype": dtype, "shape": array.shape, "items": items}
        if array.dtype.kind not in "biuf":
            raise TypeError(f"{where} holds values of type {array.dtype}, which save cannot write.")
        name = f"arrays/{len(self.arrays)}"
        array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        self.arrays[name] = array.tobytes()
        return {"is": "array", "dtype": array.dtype.str, "shape": array.shape, "data": name}

    def _keras_object(self, value, where):
        """Instances and classes of Keras' own, by configuration."""
        if isinstance(value, type) and value.__module__.startswith("keras."):
            config = {"module": "keras.optimizers", "class_name": value.__name__, "config": None}
            if getattr(import_keras().optimizers, value.__name__, None) is value:
                return {"is": "keras class", "config": config}
        elif type(value).__module__.startswith("keras."):
            keras = import_keras()
            bases = (keras.optimizers.Optimizer, keras.losses.Loss, keras.initializers.Initializer)
            if isinstance(value, bases):
                config = keras.saving.serialize_keras_object(value)
                check_keras_config(config, where)
                return {"is": "keras", "config": json.dumps(config)}
        raise TypeError(
            f"save cannot write {where}={value!r}: functions, callbacks and foreign objects are "
            "code. Use a name of Keras, or set_params(...) another value before saving; "
            "what prediction does not need, such as callbacks, may be None."
        )
