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
            keras = _first_import()
    if keras.backend.backend() != "tensorflow":
        raise ImportError(_other_backend(repr(keras.backend.backend())))
    return keras


def _first_import():
    try:
        with untouched_random(), _quiet_startup():
            import keras
    except Exception as error:  # ImportError of what the backend needs, ValueError of its name
        backend = os.environ.get("KERAS_BACKEND", "tensorflow")
        if backend == "tensorflow":
            raise
        message = f"{_other_backend(repr(backend))} Keras failed to start: {first_line(error)}"
        raise ImportError(message) from error
    return keras


def _other_backend(name):
    return (
        f"skjoint needs Keras on its TensorFlow backend. Got {name} instead: unset KERAS_BACKEND, "
        "or set it to 'tensorflow', before Python starts."
    )


def check_eager():
    """Raise where the caller's TensorFlow builds graphs, or spreads variables over devices.

    Raises
    ------
    RuntimeError
        If a network could be neither built nor run here, or would train otherwise.
    """
    keras = import_keras()
    import tensorflow as tf
    from keras.src.backend.common.stateless_scope import in_stateless_scope

    where = None
    if not tf.executing_eagerly():
        where = "inside tf.function or tf.Graph, or with eager execution switched off"
    elif tf.distribute.has_strategy():
        where = f"inside the scope of {type(tf.distribute.get_strategy()).__name__}"
    elif in_stateless_scope():
        where = "inside keras.StatelessScope"
    if where:
        raise RuntimeError(
            f"skjoint cannot train or run Keras {where}. Call it outside: it trains on one device, "
            "eagerly, and compiles what it needs itself."
        )
    if (name := keras.config.floatx()) not in ("float32", "float64"):
        raise RuntimeError(
            f"keras.config.floatx() must be 'float32'. Got {name!r} instead, in which optimizers "
            "round their rates. For layers in half precision set a policy: "
            "keras.config.set_dtype_policy."
        )


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
