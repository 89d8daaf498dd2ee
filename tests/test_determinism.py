"""Same seed, same machine, same engine: same bits, whatever ran before in the process."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from numpy.testing import assert_array_equal

from conftest import make_data
from skjoint import JointRegressorClassifier
from skjoint._engines.fused import function, program
from skjoint._engines.fused.cache import training_programs

HERE = Path(__file__).parent

FITS = """
import hashlib, json, sys
from conftest import make_data
from skjoint import JointRegressorClassifier

FITS = {
    "graph": {"epochs": 3},
    "compiled": {"epochs": 300},
    "stopped": {"epochs": 40, "early_stopping": True, "dropout": 0.2, "n_members": 2},
    "wide batches": {"epochs": 3, "batch_size": 500, "validation": 0.3},
    "keras": {"epochs": 2, "dropout": 0.2, "engine": "keras"},
}
X, y = make_data()

def bits(name):
    est = JointRegressorClassifier.plain((16, 8), random_state=0, **FITS[name]).fit(X, y)
    networks = getattr(est._model.network, "networks", [est._model.network])
    parts = [weight.tobytes() for network in networks for weight in network.weights]
    parts += [est.predict_value(X).tobytes(), est.predict_proba(X).tobytes()]
    return hashlib.sha256(b"".join(parts) + repr(est.history_).encode()).hexdigest()
"""
IN_ORDER = "print(json.dumps({name: bits(name) for name in FITS}))"
AFTER_OTHER_WORK = """
import random
import keras
keras.utils.set_random_seed(11)
random.seed(5)
import tensorflow as tf
tf.random.set_seed(3)
big, big_y = make_data(350)  # whose programs the smaller fits share
for name in reversed(FITS):
    options = {**FITS[name], "epochs": 2, "learning_rate": 0.03}
    for seed in (1, 2):
        JointRegressorClassifier.plain((16, 8), random_state=seed, **options).fit(big, big_y)
print(json.dumps({name: bits(name) for name in reversed(FITS)}))
"""


def run(code, **env):
    done = subprocess.run(
        [sys.executable, "-c", FITS + code],
        cwd=HERE,
        capture_output=True,
        text=True,
        env={**os.environ, **env},
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_bits_in_processes_of_different_settings_and_pasts():
    one_thread = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}
    alone = run(IN_ORDER, PYTHONHASHSEED="1", **one_thread)
    two_threads = {"OMP_NUM_THREADS": "2", "TF_NUM_INTRAOP_THREADS": "2"}
    after = run(AFTER_OTHER_WORK, PYTHONHASHSEED="2", **two_threads)
    assert after == alone


def bits(est, X):
    parts = [est.predict_value(X).tobytes(), est.predict_proba(X).tobytes()]
    return hashlib.sha256(b"".join(parts) + repr(est.history_).encode()).hexdigest()


@pytest.mark.parametrize("worth_compiling", [0, 10**9])
@pytest.mark.parametrize(
    "options", [{"batch_size": 500}, {"early_stopping": True, "batch_size": 100}]
)
def test_the_size_of_a_shared_program_does_not_matter(options, worth_compiling, monkeypatch):
    monkeypatch.setattr(program, "STEPS_WORTH_COMPILING", worth_compiling)
    est = JointRegressorClassifier.plain((8,), epochs=3, random_state=0, **options)
    X, y = make_data(100)
    training_programs.clear()
    alone = bits(est.fit(X, y), X)
    training_programs.clear()
    est.fit(*make_data(300))
    assert bits(est.fit(X, y), X) == alone


def test_fits_that_ran_before_do_not_decide_what_is_compiled(monkeypatch):
    """30 steps a fit: many of them come to more than is worth compiling, one does not."""
    monkeypatch.setattr(program, "STEPS_WORTH_COMPILING", 40)
    X, y = make_data(90)
    training_programs.clear()
    est = JointRegressorClassifier.plain((8,), epochs=10, random_state=0)
    first = bits(est.fit(X, y), X)
    est.set_params(epochs=20).fit(X, y)  # compiles the program that all of them share
    est.set_params(epochs=10)
    assert [bits(est.fit(X, y), X) for _ in range(3)] == [first] * 3
    (trained,) = training_programs._idle
    assert trained.is_compiled


def test_networks_beyond_what_may_be_compiled_say_so(monkeypatch):
    monkeypatch.setattr(program, "STEPS_WORTH_COMPILING", 0)
    monkeypatch.setattr(function, "MAX_COMPILED", 0)
    X, y = make_data(60)
    est = JointRegressorClassifier.plain((7,), epochs=2, random_state=0)
    training_programs.clear()
    with pytest.warns(UserWarning, match="plain TensorFlow graph.*differ in their last digits"):
        refused = est.fit(X, y).predict_value(X)
    monkeypatch.setattr(program, "STEPS_WORTH_COMPILING", 10**9)
    assert_array_equal(est.fit(X, y).predict_value(X), refused)
    training_programs.clear()  # or later tests would find a program that may not be compiled
