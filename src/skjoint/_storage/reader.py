"""The reverse of the writer, for input of any origin: every size is checked before it is used."""

from __future__ import annotations

import json
import math

import numpy as np

from skjoint._storage.archive import MAX_DOCUMENT
from skjoint._storage.checks import check_keras_config
from skjoint._storage.contents import kind_named
from skjoint._storage.refusal import refused
from skjoint._support.keras_import import import_keras


class Reader:
    """Decodes what :class:`skjoint._storage.writer.Writer` encoded."""

    def __init__(self, arrays):
        self.arrays = arrays
        self.forms = {
            "list": lambda value: [self.decode(v) for v in value["items"]],
            "tuple": lambda value: tuple(self.decode(v) for v in value["items"]),
            "dict": self._dict,
            "array": self._array,
            "objects": self._objects,
            "scalar": self._scalar,
            "keras": self._keras,
            "keras class": self._keras_class,
        }

    def decode(self, value):
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        kind = value["is"]
        if kind in self.forms:
            return self.forms[kind](value)
        found = kind_named(kind)
        if found is None:
            raise refused(f"it holds an object of kind {kind!r}")
        return found[1].make({name: self.decode(field) for name, field in value["fields"].items()})

    def _dict(self, value):
        decoded = {self.decode(k): self.decode(v) for k, v in value["items"]}
        if "class_name" in decoded:
            check_keras_config(decoded, "the file")
        return decoded

    def _array(self, value):
        dtype, shape = np.dtype(value["dtype"]), tuple(value["shape"])
        data = self.arrays[value["data"]]
        whole = all(isinstance(n, int) and n >= 0 for n in shape)
        if dtype.kind not in "biuf" or not whole or math.prod(shape) * dtype.itemsize != len(data):
            raise refused(f"{value['data']} is not an array of shape {shape} and type {dtype}")
        array = np.frombuffer(data, dtype).reshape(shape)
        return array.astype(dtype.newbyteorder("="))  # a copy of its own, writable

    def _objects(self, value):
        items = [self.decode(v) for v in value["items"]]
        if value["dtype"] != "O":
            dtype = np.dtype(value["dtype"])
            if dtype.kind not in "US":
                raise refused(f"it holds texts of type {dtype}")
            if max(map(len, items), default=0) * len(items) > MAX_DOCUMENT:  # all take as much
                raise refused("it holds texts of very different lengths")
            return np.array(items, dtype=str if dtype.kind == "U" else bytes).reshape(
                value["shape"]
            )
        array = np.empty(len(items), dtype=object)
        array[:] = items
        return array.reshape(value["shape"])

    def _scalar(self, value):
        dtype = np.dtype(value["dtype"])
        if dtype.kind not in "biufU":
            raise refused(f"it holds a number of type {dtype}")
        return dtype.type(self.decode(value["value"]))

    @staticmethod
    def _keras(value):
        config = json.loads(value["config"])
        check_keras_config(config, "the file")
        return import_keras().saving.deserialize_keras_object(config)

    @staticmethod
    def _keras_class(value):
        keras, name = import_keras(), value["config"]["class_name"]
        cls = getattr(keras.optimizers, str(name), None)
        if not isinstance(cls, type) or not issubclass(cls, keras.optimizers.Optimizer):
            raise refused(f"it names the optimizer {name!r}")
        return cls
