"""What skjoint does to the process it runs in: nothing. Each test has a process of its own."""

import os
import subprocess
import sys

import pytest


def run(code, **env):
    """Run code in a new interpreter; returns (stdout, stderr)."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **env},
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_import_is_light():
    code = """
import sys, skjoint
from skjoint import JointRegressorClassifier, datasets, metrics, plots
est = JointRegressorClassifier(epochs=3)
heavy = {"tensorflow", "keras", "scikeras", "matplotlib"} & set(sys.modules)
assert not heavy, heavy
"""
    assert run(code) == ("", "")


LEAVES_NO_TRACE = """
import random, sys
import numpy as np

random.seed(1)
np.random.seed(2)
python_state, numpy_state = random.getstate(), np.random.get_state()[1].copy()

from skjoint import JointRegressorClassifier
from skjoint.datasets import load_diabetes_bands

X, y = load_diabetes_bands(return_X_y=True)
options = dict(optimizer="sgd", optimizer__momentum=0.9, dropout=0.1, early_stopping=True)
est = JointRegressorClassifier.plain((8,), epochs=2, verbose=0, **options)
est.fit(X, y).predict(X)
est.model_
assert random.getstate() == python_state
assert (np.random.get_state()[1] == numpy_state).all()

import keras
from tensorflow.python.eager import context
from tensorflow.python.framework.config import is_op_determinism_enabled

before = {
    (cls, name): getattr(cls, name)
    for cls in (keras.Model, keras.losses.Loss, keras.metrics.Metric, keras.optimizers.Optimizer)
    for name in ("__reduce__", "__deepcopy__")
    if hasattr(cls, name)
}
assert not any("scikeras" in f.__module__ for f in before.values() if hasattr(f, "__module__"))
assert "scikeras" not in sys.modules
assert context.global_seed() is None
assert not is_op_determinism_enabled()
assert not hasattr(keras.Model, "__deepcopy__")

# A user who imports scikeras afterwards gets all of it.
import scikeras
assert keras.Model.__reduce__ is scikeras._saving_utils.pack_keras_model
assert keras.Model.__deepcopy__ is scikeras._saving_utils.deepcopy_model
"""


def test_fit_leaves_no_trace():
    out, err = run(LEAVES_NO_TRACE)
    assert out == ""
    assert err == ""  # TensorFlow's start-up notes included


def test_a_user_of_scikeras_keeps_it():
    code = """
import scikeras, keras
from skjoint import JointRegressorClassifier
from skjoint.datasets import load_diabetes_bands
X, y = load_diabetes_bands(return_X_y=True)
JointRegressorClassifier.plain((8,), epochs=1, optimizer="sgd", optimizer__momentum=0.9).fit(X, y)
assert keras.Model.__deepcopy__ is scikeras._saving_utils.deepcopy_model
"""
    run(code)


def test_a_log_level_of_the_user_stands():
    code = """
import os
from skjoint._support.keras_import import import_keras
import_keras()
print(os.environ["TF_CPP_MIN_LOG_LEVEL"])
"""
    assert run(code, TF_CPP_MIN_LOG_LEVEL="1")[0] == "1\n"


def test_other_writing_during_startup_comes_through():
    code = """
import os
from skjoint._support.keras_import import _quiet_startup
with _quiet_startup():
    os.write(2, b"I0000 00:00:1 note of TensorFlow\\n")
    os.write(2, b"something else\\n")
"""
    assert run(code)[1] == "something else\n"


def test_a_service_without_standard_error():
    code = """
import os
os.close(2)
from skjoint._support.keras_import import import_keras
import_keras()
print("imported")
"""
    assert run(code)[0] == "imported\n"


def test_prediction_needs_no_tensorflow(fitted, data, tmp_path):
    import joblib

    X, _ = data
    joblib.dump((fitted, X, fitted.predict_value(X)), tmp_path / "est.joblib")
    code = f"""
import joblib, sys
est, X, expected = joblib.load({str(tmp_path / "est.joblib")!r})
assert (est.predict_value(X) == expected).all()
est.predict(X), est.predict_proba(X)
assert not {{"tensorflow", "keras"}} & set(sys.modules)
"""
    run(code)


def test_another_backend_is_refused():
    code = """
import sys, types
keras = types.ModuleType("keras")
keras.backend = types.SimpleNamespace(backend=lambda: "torch")
sys.modules["keras"] = keras
from skjoint._support.keras_import import import_keras
try:
    import_keras()
except ImportError as error:
    print(error)
"""
    assert "TensorFlow backend. Got 'torch' instead" in run(code)[0]


@pytest.mark.parametrize("backend", ["torch", "nonsense"])
def test_a_backend_that_is_not_there_is_refused_by_name(backend):
    code = """
from skjoint import JointRegressorClassifier
from skjoint.datasets import load_diabetes_bands
try:
    JointRegressorClassifier().fit(*load_diabetes_bands(return_X_y=True))
except ImportError as error:
    print(error)
"""
    found = run(code, KERAS_BACKEND=backend)[0]
    assert f"TensorFlow backend. Got {backend!r} instead: unset KERAS_BACKEND" in found


@pytest.mark.slow
def test_same_seed_in_another_process():
    code = """
from skjoint import JointRegressorClassifier
from skjoint.datasets import load_diabetes_bands
X, y = load_diabetes_bands(return_X_y=True)
est = JointRegressorClassifier.plain((8,), epochs=3, dropout=0.2, random_state=0).fit(X, y)
print(est.predict_value(X).tobytes().hex(), est.predict_proba(X).tobytes().hex())
"""
    assert run(code) == run(f"import random; random.seed(7)\n{code}")


INTERRUPTED = """
import os, signal, threading, time
import numpy as np
from skjoint import JointRegressorClassifier

# A shell hides Ctrl-C from what it runs in the background, such as a run of these tests.
signal.signal(signal.SIGINT, signal.default_int_handler)
X = np.random.default_rng(0).normal(size=(50_000, 10))
y = np.column_stack([X[:, 0], X[:, 1] > 0])
est = JointRegressorClassifier.plain((8,), epochs=1, random_state=0).fit(X[:200], y[:200])
expected = est.predict(X[:9])
long = dict(hidden_layer_sizes=(256, 256), epochs=10**6)
est.set_params(**long)
before = dict(vars(est))
started, sent = threading.Event(), []


def interrupt():
    started.wait()
    time.sleep(6)  # well into an epoch of some seconds, compiled
    sent.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)


threading.Thread(target=interrupt, daemon=True).start()
started.set()
try:
    est.fit(X, y)
except KeyboardInterrupt:
    print(time.monotonic() - sent[0])
assert vars(est).keys() == before.keys() and all(vars(est)[k] is before[k] for k in before)
assert (est.predict(X[:9]) == expected).all()
est.set_params(hidden_layer_sizes=(8,), epochs=1).fit(X[:200], y[:200])
assert (est.predict(X[:9]) == expected).all()
"""


@pytest.mark.slow
def test_an_interrupt_is_heard_inside_an_epoch():
    """The estimator is as it was and trains again; what bounds the wait is tested by counting."""
    out, _ = run(INTERRUPTED)
    assert float(out) > 0


EVERYTHING = """
import logging, os, socket, sys, warnings
from pathlib import Path

def no_network(*args, **kwargs):
    raise AssertionError("the network was asked for")

socket.socket.connect = socket.getaddrinfo = socket.create_connection = no_network
mine = Path(sys.argv[1])

def settings():
    loggers = [logging.getLogger(name) for name in ("", "tensorflow", "absl", "skjoint")]
    levels = [(logger.level, logger.filters[:], logger.handlers[:]) for logger in loggers]
    return levels, warnings.filters[:], numpy.geterr(), dict(os.environ)

def files():
    folders = [Path(os.environ[name]) for name in ("HOME", "TMPDIR")] + [Path.cwd()]
    paths = [str(path) for folder in folders for path in folder.rglob("*")]
    # Keras writes its settings when it is first imported, matplotlib a cache of fonts.
    own = ("/.keras", "/.cache", "/.config")
    return [path for path in paths if not any(name in path for name in own)]

import numpy
import pandas, sklearn, absl.logging
before = settings()
import skjoint
from skjoint import JointRegressorClassifier, persistence
assert settings() == before
from skjoint._support.keras_import import import_keras
import_keras()
filters, environment = settings()[1], settings()[3]
# TensorFlow and what it imports add to both when they are imported; nothing else changes.
assert [f for f in filters if f in before[1]] == before[1]
assert environment.items() >= before[3].items() and "TF_CPP_MIN_LOG_LEVEL" not in environment
before = settings()
from skjoint.datasets import load_diabetes_bands
X, y = load_diabetes_bands(return_X_y=True)
for engine in ("auto", "keras"):
    est = JointRegressorClassifier.plain((8,), epochs=2, engine=engine, random_state=0).fit(X, y)
est.predict(X), est.predict_proba(X), est.evaluate(X, y)
est.as_regressor().predict(X), est.as_classifier().fit(X, y["band"]).predict(X)
persistence.save(est, mine / "est.skjoint")
persistence.load(mine / "est.skjoint").predict(X)
for was, now in zip(before, settings()):
    assert was == now, (was, now)
assert files() == [], files()

table = mine / "table.csv"
X.assign(**y).to_csv(table, index=False)
import matplotlib
matplotlib.use("agg")
from skjoint.__main__ import main
print("command line")
options = ["--value", "progression", "--class", "band"]
assert main(["train", str(table), *options, "-o", str(mine / "model.skjoint")]) == 0
assert main(["predict", str(mine / "model.skjoint"), str(table), "-o", str(mine / "out.csv")]) == 0
assert main(["compare", str(table), *options, "--plot", str(mine / "plot.png")]) == 0
assert files() == [], files()
"""


@pytest.mark.slow
def test_quiet_offline_and_only_in_files_that_the_user_named(tmp_path):
    """Warnings are errors but TensorFlow's own; nothing is printed before the command line."""
    names = ("HOME", "TMPDIR", "cwd", "mine")
    folders = {name: tmp_path / name for name in names}
    for folder in folders.values():
        folder.mkdir()
    ignored = ["ignore::DeprecationWarning", "ignore:In the future `np.object:FutureWarning"]
    flags = [f for option in ("error", *ignored) for f in ("-W", option)]
    done = subprocess.run(
        [sys.executable, "-B", *flags, "-c", EVERYTHING, str(folders["mine"])],
        capture_output=True,
        text=True,
        cwd=folders["cwd"],
        env={**os.environ, "HOME": str(folders["HOME"]), "TMPDIR": str(folders["TMPDIR"])},
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("command line\n")
    assert done.stderr == ""


def test_private_names_that_are_used_exist():
    """What skjoint needs of Keras and TensorFlow and they do not promise to keep."""
    import keras
    import tensorflow as tf
    from keras.src.backend.common import global_state, stateless_scope
    from tensorflow.python.eager import context, record

    tf.constant(0)  # starts TensorFlow
    for owner, name in [
        (keras.Layer, "_flatten_layers"),
        (keras.optimizers.Optimizer, "_all_reduce_sum_gradients"),
        (global_state, "get_global_attribute"),
        (global_state, "set_global_attribute"),
        (stateless_scope, "in_stateless_scope"),
        (record, "could_possibly_record"),
        (context.context(), "_context_handle"),
        (context.context(), "clear_kernel_cache"),
    ]:
        versions = f"Keras {keras.__version__} on TensorFlow {tf.__version__}"
        assert getattr(owner, name, None) is not None, f"{versions} has no {name}"
