"""Bounded cache of training programs, shared by all fits of the process.

A program is expensive to build (Keras model, trace, compilation) and cheap to
reuse. Fits that differ in data, seeds, row counts near each other or
hyperparameters that enter as numbers share one. A program owns variables, so
one fit has it to itself while it trains: as many are built for a key as train
at the same time. Those that are built beside another share what that one
traces and compiles.
"""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict

from skjoint._support.keras_import import forget_kernels

MAX_IDLE_GRAPHS = 16  # kept for later; the one not used for longest goes first
MAX_IDLE_NUMBERS = 2**28  # in variables of programs kept for later: 1 GB of float32
DROPPED_BEFORE_CLEANUP = 16  # programs; the cleanup makes others look their kernels up again


class ProgramCache:
    """Programs by key, of which several sizes may fit.

    Attributes
    ----------
    n_built, n_compiled : int
        Programs built, and admitted to compilation, so far.
    """

    def __init__(self, max_idle=MAX_IDLE_GRAPHS):
        self.max_idle = max_idle
        self.n_built = 0
        self.n_compiled = 0
        self._n_dropped = 0  # programs since the last cleanup of TensorFlow's kernels
        self._lock = threading.Lock()
        self._building = threading.Lock()
        self._idle = OrderedDict()  # program -> key, the one used last at the end
        self._at_work = {}  # program -> key

    @contextlib.contextmanager
    def borrow(self, key, fits, build):
        """An idle program of this key for which ``fits(program)``, or a new one.

        ``build(other)`` makes it: beside another that fits and is at work, or beside
        None. A program whose use raised is not kept: its variables may be anything.
        """
        program = self._take(key, fits)
        if program is None:
            with self._building:  # one at a time, so that the next one can be built beside it
                with self._lock:
                    self.n_built += 1
                    at_work = (p for p, k in self._at_work.items() if k == key and fits(p))
                    other = next(at_work, None)
                program = build(other)
                with self._lock:
                    self._at_work[program] = key
        try:
            yield program
        except BaseException:
            with self._lock:
                del self._at_work[program]
            raise
        with self._lock:
            self._idle[program] = self._at_work.pop(program)
            self._make_room()
            many, self._n_dropped = divmod(self._n_dropped, DROPPED_BEFORE_CLEANUP)
        if many:
            forget_kernels()

    def _take(self, key, fits):
        with self._lock:
            program = next((p for p, k in self._idle.items() if k == key and fits(p)), None)
            if program is not None:
                self._at_work[program] = self._idle.pop(program)
            return program

    def _make_room(self):
        # TensorFlow keeps what is compiled, so that dropping a compiled program frees little, and
        # the next fit of its shape would compile once more.
        n_graphs = sum(not program.is_compiled for program in self._idle)
        n_numbers = sum(program.n_numbers for program in self._idle)
        for program in sorted(self._idle, key=lambda program: program.is_compiled):
            if n_graphs <= self.max_idle and n_numbers <= MAX_IDLE_NUMBERS:
                break
            del self._idle[program]
            self._n_dropped += 1
            n_graphs -= not program.is_compiled
            n_numbers -= program.n_numbers

    def may_compile(self, limit):
        """Admit one more program to compilation, up to a number per process."""
        with self._lock:
            if self.n_compiled >= limit:
                return False
            self.n_compiled += 1
            return True

    def clear(self):
        """Forget all idle programs."""
        with self._lock:
            self._idle.clear()


training_programs = ProgramCache()
