"""The reverse of the writer, for input of any origin: every size is checked before it is used."""

from __future__ import annotations

import json
import math
import re

import numpy as np

from skjoint._network.keras_config import made_of
from skjoint._network.keras_names import OPTIMIZERS
from skjoint._storage.contents import kind_named
from skjoint._storage.refusal import refused
from skjoint._storage.writer import DTYPES, KERAS_KINDS
from skjoint._support.keras_import import import_keras

PLAIN = {type(None), bool, int, float, str}
NUMBERS = {int, float}
HASHED = (tuple, np.generic)  # like numbers, to hashes that are the same in every process
TEXTS = re.compile(r"[<>]?U\d{1,9}")
EMPTY = 2**20  # entries that an array without any may have along its other axes
PLACE = 8  # bytes of a value's place in an array or list


class Reader:
    """Decodes what :class:`skjoint._storage.writer.Writer` encoded.

    Parameters
    ----------
    arrays : dict of {str: bytes}
        Emptied on the way: an array belongs to one place.
    bounds : Bounds
    """

    def __init__(self, arrays, bounds):
        self.arrays = arrays
        self.bounds = bounds
        self.forms = {
            "list": lambda value: self._items(value),
            "tuple": lambda value: tuple(self._items(value)),
            "dict": self._dict,
            "array": self._array,
            "objects": self._objects,
            "scalar": self._scalar,
            "keras": self._keras,
            "keras class": self._keras_class,
        }

    def decode(self, value):
        if type(value) in PLAIN:
            return value
        kind = value["is"]
        if kind in self.forms:
            return self.forms[kind](value)
        found = kind_named(kind)
        if found is None:
            raise refused(f"it holds an object of kind {str(kind)[:100]!r}")
        self.bounds.take_object()
        if kind == "Trunk":
            self.bounds.take_layers(value["fields"]["config"])
        fields = {name: self.decode(field) for name, field in value["fields"].items()}
        made = found[1].make(fields)
        found[1].check(made)
        return made

    def _items(self, value):
        items = value["items"]
        if not isinstance(items, list):
            raise refused("it holds a list without items")
        if PLAIN.issuperset(map(type, items)):
            return items
        self.bounds.take_memory(PLACE * len(items))
        return [self.decode(v) for v in items]

    def _dict(self, value):
        pairs = [(self.decode(k), self.decode(v)) for k, v in value["items"]]
        self.bounds.check_hashes([key for key, _ in pairs])
        found = dict(pairs)
        if len(found) < len(pairs):
            raise refused("a dict has a key twice")
        return found

    def _shape(self, value, n_entries):
        """The shape of an array of so many entries."""
        shape = value["shape"]
        whole = isinstance(shape, list) and all(type(n) is int and n >= 0 for n in shape)
        if (
            not whole
            or math.prod(shape) != n_entries
            or (n_entries == 0 and math.prod(n for n in shape if n) > EMPTY)
        ):
            raise refused(f"it has {n_entries} entries for an array of shape {str(shape)[:100]}")
        return tuple(shape)

    def _array(self, value):
        if value["dtype"] not in DTYPES:
            raise refused(f"{str(value['data'])[:100]} is not an array of numbers")
        dtype, data = np.dtype(value["dtype"]), self.arrays.pop(value["data"], None)
        if data is None:
            raise refused(f"it has no array {str(value['data'])[:100]!r}, or has it in two places")
        n_entries, rest = divmod(len(data), dtype.itemsize)
        if rest:
            raise refused(f"{value['data']} is not an array of type {dtype}")
        shape = self._shape(value, n_entries)
        self.bounds.take_memory(len(data))
        array = np.frombuffer(data, dtype).reshape(shape)
        return array.astype(dtype.newbyteorder("="))  # a copy of its own, writable

    def _objects(self, value):
        items, dtype = self._items(value), value["dtype"]
        shape = self._shape(value, len(items))
        if dtype != "O":
            _check_text_type(dtype)
            if not all(isinstance(item, str) for item in items):
                raise refused("it holds texts that are none")
            longest = max(map(len, items), default=0)  # all take as much
            self.bounds.take_memory(4 * longest * len(items))
            return np.array(items, dtype=str).reshape(shape)
        self.bounds.take_memory(PLACE * len(items))
        self.bounds.check_hashes([i for i in items if type(i) in NUMBERS or isinstance(i, HASHED)])
        array = np.empty(len(items), dtype=object)
        for i, item in enumerate(items):
            array[i] = item
        return array.reshape(shape)

    def _scalar(self, value):
        dtype, content = value["dtype"], value["value"]
        if type(content) not in PLAIN:
            raise refused("it holds a number that is none")
        if dtype not in DTYPES:
            _check_text_type(dtype)
            return np.str_(content)
        return np.dtype(dtype).type(content)

    def _keras(self, value):
        self.bounds.take_json(value["config"].encode(), "an object of Keras")
        return made_of(json.loads(value["config"]), "the file", KERAS_KINDS)

    @staticmethod
    def _keras_class(value):
        name = value["config"]["class_name"]
        if name not in OPTIMIZERS:
            raise refused(f"it names the optimizer {str(name)[:100]!r}")
        return getattr(import_keras().optimizers, name)


def _check_text_type(dtype):
    """Raise unless it is the name of a NumPy type of texts."""
    if not (isinstance(dtype, str) and TEXTS.fullmatch(dtype)):
        raise refused("it holds an array of another type than numbers or texts")
