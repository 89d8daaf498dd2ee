"""What a file may cost while it is read, in memory and in time.

Everything is counted before it is made. The memory is that of CPython on 64 bits, rounded up.
"""

from __future__ import annotations

import time

import numpy as np

from skjoint._storage.refusal import refused

TIMES, BEYOND = 10, 2**26  # memory of a file: ten times its size and 64 MB
MAX_DOCUMENT = 2**26  # bytes of JSON
MAX_DEPTH = 200  # of lists and dicts inside each other, in JSON
MAX_ARRAYS = 2**16
MAX_OBJECTS = 10**5  # of skjoint's own classes
MAX_LAYERS = 2000  # of a trunk, with each call of one
HASH_SECONDS = 1.0  # of a file's keys; a million texts or numbers take a tenth of it
HASHED_AT_ONCE = 256
# Bytes of memory of a dict, a list, a text but for its letters, and another value with its place.
DICT, LIST, TEXT, VALUE = 232, 64, 56, 40
# From brackets to steps in and out, as int8.
STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class Bounds:
    """What is left of the bounds of one file.

    Parameters
    ----------
    size : int
        Bytes of the file.
    """

    def __init__(self, size):
        self.size = size
        self.memory = TIMES * size + BEYOND
        self.objects = MAX_OBJECTS
        self.layers = MAX_LAYERS
        self.seconds = HASH_SECONDS

    def take_memory(self, n_bytes):
        """Count memory that is going to be used."""
        self.memory -= n_bytes
        if self.memory < 0:
            raise refused(
                f"it would take more than {TIMES} times its size and {BEYOND >> 20} MB of memory"
            )

    def take_object(self):
        """Count an object of a class of skjoint's."""
        self.objects -= 1
        if self.objects < 0:
            raise refused(f"it holds more than {MAX_OBJECTS} objects")

    def take_json(self, text, name):
        """Count what ``json.loads`` makes of bytes."""
        if not text.isascii():
            raise refused(f"{name} is not JSON of ASCII")
        self.take_memory(2 * len(text))  # as bytes and as str
        letters = np.frombuffer(text.replace(rb"\\", b"__").replace(rb"\"", b"__"), np.uint8)
        quotes = letters == ord('"')
        outside = letters[~np.logical_xor.accumulate(quotes)].tobytes()  # of texts
        wide = 4 if b"\\u" in text else 1
        self.take_memory(
            DICT * outside.count(b"{")
            + LIST * outside.count(b"[")
            + VALUE * outside.count(b",")
            + TEXT * (int(quotes.sum()) // 2)
            + wide * (len(text) - len(outside))
        )
        brackets = np.frombuffer(outside.translate(STEPS, NO_BRACKETS), np.int8)
        if np.cumsum(brackets, dtype=np.int32).max(initial=0) > MAX_DEPTH:
            raise refused(f"{name} is not JSON of at most {MAX_DEPTH} lists inside each other")

    def take_layers(self, config):
        """Count what is made of a trunk's configuration, which is JSON itself."""
        text = config.encode()
        self.take_json(text, "a trunk")
        self.layers -= text.count(b'"__keras_tensor__"') + text.count(b'"keras.layers"')
        if self.layers < 0:
            raise refused(f"its trunk has more than {MAX_LAYERS} layers")

    def check_hashes(self, keys):
        """Raise unless a dict of these keys is made quickly.

        Numbers can be chosen whose places in a dict all coincide: it then takes the square of
        their number. Texts cannot, they are hashed anew in every process.
        """
        start, found = time.thread_time(), {}
        for i in range(0, len(keys), HASHED_AT_ONCE):
            found.update(dict.fromkeys(keys[i : i + HASHED_AT_ONCE]))
            if time.thread_time() - start > self.seconds:
                raise refused("its keys were chosen so that dicts of them take long")
        self.seconds -= time.thread_time() - start
