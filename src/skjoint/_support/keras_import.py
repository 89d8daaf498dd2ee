"""Keras on TensorFlow, imported when first needed and leaving no trace in the process."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import re
import sys
import tempfile
import threading

STARTUP_NOTE = re.compile(
    rb"[IWE]\d{4} \d\d:\d\d:|[\d-]{10} [\d:.]+: [IWE] |"  # the second until TensorFlow 2.19
    rb"WARNING: All log messages before absl::|To enable the following instr"
)


# One thread at a time imports Keras or builds with it: both draw from a global generator.
_lock = threading.RLock()
_hangs = False  # in a fork of a process that had started TensorFlow


def _after_fork():
    """A fork has none of the threads that TensorFlow or a holder of the lock ran in."""
    global _lock, _hangs
    _lock = threading.RLock()
    context = sys.modules.get("tensorflow.python.eager.context")
    _hangs = _hangs or (context is not None and context.context()._context_handle is not None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextlib.contextmanager
def untouched_random():
    """Give Python's global random state back as it was: Keras draws from it."""
    with _lock:
        state = random.getstate()
        try:
            yield
        finally:
            random.setstate(state)


@contextlib.contextmanager
def reproducible_build(seed):
    """Inside, Keras draws weights and names layers as in a new process with this seed.

    Keras takes the seeds of initializers and random layers from Python's
    global generator, and numbers its automatic names over the whole process,
    so that equal networks would get unequal names.
    """
    import_keras()
    from keras.src.backend.common import global_state

    with untouched_random():
        names = global_state.get_global_attribute("object_name_uids")
        global_state.set_global_attribute("object_name_uids", None)
        random.seed(seed)
        try:
            yield
        finally:
            global_state.set_global_attribute("object_name_uids", names)


def import_keras():
    """Keras on TensorFlow, imported on first use and leaving no trace in the process.

    Raises
    ------
    ImportError
        If Keras runs on another backend.
    RuntimeError
        In a fork of a process that had started TensorFlow, which would hang there.
    """
    if _hangs:
        raise RuntimeError(
            "TensorFlow cannot be used in a forked process whose parent had started it. Start "
            "processes by multiprocessing.get_context('spawn') or joblib, or fork before the "
            "first fit."
        )
    with _lock:
        if "keras" in sys.modules:
            import keras
        else:
            with untouched_random(), _quiet_startup():
                import keras
    if keras.backend.backend() != "tensorflow":
        raise ImportError(
            "skjoint needs Keras on its TensorFlow backend. "
            f"Got '{keras.backend.backend()}' instead; unset KERAS_BACKEND."
        )
    return keras


@contextlib.contextmanager
def _quiet_startup():
    """Keep TensorFlow's start-up notes off the terminal; a level set by the user stands.

    They are written before TensorFlow reads any log level, so they are taken
    out of the stream; everything else that was written comes through after.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ or "tensorflow" in sys.modules:
        yield
        return
    try:
        stderr = os.dup(2)
    except OSError:  # a service without standard error
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            yield
            import tensorflow as tf

            tf.config.list_physical_devices()  # looks for accelerators, with a note each
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            del os.environ["TF_CPP_MIN_LOG_LEVEL"]
            written.seek(0)
            for line in written.read().splitlines(keepends=True):
                if not STARTUP_NOTE.match(line):
                    os.write(2, line)


def forget_kernels():
    """Drop TensorFlow's cache of kernels, which holds about 1 MB for every function there was.

    What is still in use gets its kernels anew when it is called; compiled code is kept elsewhere.
    """
    from tensorflow.python.eager import context

    context.context().clear_kernel_cache()


@contextlib.contextmanager
def no_retracing_advice():
    """Keep TensorFlow from advising against new models: every fit has to build its own."""

    def keep(record):
        return "triggered tf.function retracing" not in record.getMessage()

    logger = logging.getLogger("tensorflow")
    logger.addFilter(keep)
    try:
        yield
    finally:
        logger.removeFilter(keep)


def first_line(error):
    """An exception as type and first line: TensorFlow's go on for pages."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300] if lines else ''}"
