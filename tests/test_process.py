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
est = JointRegressorClassifier((8,), epochs=2, verbose=0, **options)
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
JointRegressorClassifier((8,), epochs=1, optimizer="sgd", optimizer__momentum=0.9).fit(X, y)
assert keras.Model.__deepcopy__ is scikeras._saving_utils.deepcopy_model
"""
    run(code)


def test_a_log_level_of_the_user_stands():
    code = """
import os
from skjoint._keras_import import import_keras
import_keras()
print(os.environ["TF_CPP_MIN_LOG_LEVEL"])
"""
    assert run(code, TF_CPP_MIN_LOG_LEVEL="1")[0] == "1\n"


def test_other_writing_during_startup_comes_through():
    code = """
import os
from skjoint._keras_import import _quiet_startup
with _quiet_startup():
    os.write(2, b"I0000 00:00:1 note of TensorFlow\\n")
    os.write(2, b"something else\\n")
"""
    assert run(code)[1] == "something else\n"


def test_a_service_without_standard_error():
    code = """
import os
os.close(2)
from skjoint._keras_import import import_keras
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
from skjoint._keras_import import import_keras
try:
    import_keras()
except ImportError as error:
    print(error)
"""
    assert "TensorFlow backend. Got 'torch' instead" in run(code)[0]


@pytest.mark.slow
def test_same_seed_in_another_process():
    code = """
from skjoint import JointRegressorClassifier
from skjoint.datasets import load_diabetes_bands
X, y = load_diabetes_bands(return_X_y=True)
est = JointRegressorClassifier((8,), epochs=3, dropout=0.2, random_state=0).fit(X, y)
print(est.predict_value(X).tobytes().hex(), est.predict_proba(X).tobytes().hex())
"""
    assert run(code) == run(f"import random; random.seed(7)\n{code}")


INTERRUPTED = """
import os, signal, threading, time
import numpy as np
from skjoint import JointRegressorClassifier

X = np.random.default_rng(0).normal(size=(50_000, 10))
y = np.column_stack([X[:, 0], X[:, 1] > 0])
est = JointRegressorClassifier((8,), epochs=1, random_state=0).fit(X[:200], y[:200])
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
