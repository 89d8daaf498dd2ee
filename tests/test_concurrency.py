"""Threads give the bits of one thread; forks and workers neither hang nor leave anything."""

import contextlib
import multiprocessing
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from numpy.testing import assert_array_equal

from conftest import make_data
from skjoint import JointRegressorClassifier

HERE = Path(__file__).parent
needs_fork = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="needs os.fork"
)


def small(**params):
    return JointRegressorClassifier.plain((8,), **{"epochs": 2, "random_state": 0, **params})


def a_trunk(meta):
    import keras

    layers = [keras.Input(meta["input_shape"]), keras.layers.Dense(6, "tanh")]
    return keras.Sequential([*layers, keras.layers.BatchNormalization()])


def answers(est, X):
    return est.predict_value(X), est.predict_proba(X), est.predict(X)


def test_threads_give_the_bits_of_one():
    """Eight predict by networks new to all of them, while two train on shared programs."""
    X, y = make_data(300)
    two = {"n_members": 2, "numeric_embedding": ("periodic", "rank")}
    kinds = [{}, {"trunk": a_trunk}, {"n_members": 2}, two]
    models = [small(**params).fit(X, y) for params in kinds]
    expected = [answers(model, X) for model in models]
    trained = [small(random_state=seed).fit(X, y).predict_value(X) for seed in range(6)]
    for model in models:  # what was prepared is forgotten: threads prepare at the same time
        for network in getattr(model._model.network, "networks", [model._model.network]):
            network._prepare()

    def predict(thread):
        for n_rows in (1, 300, 7, 33, 1, 128):
            for model, whole in zip(models, expected, strict=True):
                start = (37 * thread) % (301 - n_rows)
                rows = slice(start, start + n_rows)
                for found, wanted in zip(answers(model, X[rows]), whole, strict=True):
                    assert_array_equal(found, wanted[rows])

    def train(seed):
        assert_array_equal(small(random_state=seed).fit(X, y).predict_value(X), trained[seed])

    with ThreadPoolExecutor(8) as predicting, ThreadPoolExecutor(2) as training:
        jobs = [predicting.submit(predict, thread) for thread in range(8)]
        jobs += [training.submit(train, seed) for seed in range(6)]
        for job in jobs:
            job.result()


def in_fork(function, *args, timeout=60):
    """What a forked child says that calls a function; it must end in time."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_send, args=(sender, function, args))
    child.start()
    sender.close()
    try:
        assert receiver.poll(timeout), "the forked child hangs"
        return receiver.recv()
    finally:
        child.kill()
        child.join()


def _send(sender, function, args):
    try:
        sender.send(function(*args))
    except BaseException as error:
        sender.send(error)


@needs_fork
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_fork_of_a_process_that_trained_predicts(fitted, data):
    X, y = data
    for found, expected in zip(in_fork(answers, fitted, X), answers(fitted, X), strict=True):
        assert_array_equal(found, expected)
    by_keras = small(trunk=a_trunk).fit(X, y)
    by_keras.predict_value(X)
    for function, args in ((small().fit, (X, y)), (by_keras.predict_value, (X,))):
        error = in_fork(function, *args)
        assert isinstance(error, RuntimeError)
        assert "TensorFlow cannot be used in a forked process" in str(error)
    assert small().fit(X, y).n_iter_ == 2  # the parent goes on


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], cwd=HERE, timeout=300, capture_output=True, text=True
    )


@needs_fork
def test_a_fork_before_the_first_fit_trains():
    code = """
import skjoint.estimator
from test_concurrency import in_fork, make_data, small
X, y = make_data()
def train():
    return small().fit(X, y).n_iter_
assert in_fork(train, timeout=200) == 2
"""
    done = run(code)
    assert done.returncode == 0, done.stderr


def processes_with(setting):
    """Processes in whose environment it stands."""
    found = []
    for process in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # gone, or another user's
            if setting.encode() in process.read_bytes():
                found.append(process)
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc of Linux")
def test_workers_leave_nothing(tmp_path):
    """After a search with loky: no process, temporary file, shared memory or semaphore."""
    shared = Path("/dev/shm")
    code = """
from sklearn.model_selection import GridSearchCV
from test_concurrency import make_data, small
X, y = make_data()
GridSearchCV(small(), {"alpha": [0.0, 0.1]}, cv=2, n_jobs=2).fit(X, y)
"""
    marked = {**os.environ, "TMPDIR": str(tmp_path), "SKJOINT_TEST_MARK": str(tmp_path)}
    search = subprocess.Popen([sys.executable, "-c", code], cwd=HERE, env=marked)
    assert search.wait(timeout=300) == 0
    assert list(tmp_path.iterdir()) == []
    # Names begin with the process that made them: other tests share memory at the same time.
    assert [*shared.glob(f"joblib_memmapping_folder_{search.pid}_*")] == []
    assert [*shared.glob(f"*loky-{search.pid}-*")] == []
    deadline = time.monotonic() + 20  # for the last of them to end
    while processes_with(f"SKJOINT_TEST_MARK={tmp_path}") and time.monotonic() < deadline:
        time.sleep(0.2)
    assert processes_with(f"SKJOINT_TEST_MARK={tmp_path}") == []
