"""Threads give the bits of one thread, also while a model is replaced; forks and workers
neither hang nor leave anything."""

import contextlib
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from conftest import make_data, small
from skjoint import JointRegressorClassifier

HERE = Path(__file__).parent
needs_fork = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="needs os.fork"
)


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


# ------------------------------------------------- while a model is replaced
@pytest.fixture
def _often_switched():
    """Threads take turns a thousand times as often as usual."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(interval)


class Slow(JointRegressorClassifier):
    """Gives other threads time after each step of a change and each look at its model."""

    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if name.startswith("_") or name.endswith("_"):
            time.sleep(0.02)

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        if name == "_model":
            time.sleep(0.002)
        return found


def slow():
    return Slow.plain((16, 8), epochs=20, validation=0.2, random_state=0)


def of_columns(n_values, n_labels, scale=1.0, offset=0.0, letter="a"):
    """A y of so many numbers and labels, on the rows of ``ROWS``."""
    columns = {
        f"number{i}": offset + scale * (ROWS[:, i] + 0.1 * ROWS[:, 3]) for i in range(n_values)
    }
    for i in range(n_labels):
        code = np.digitize(ROWS[:, i], np.linspace(-1, 1, 2 + i))
        columns[f"label{i}"] = np.array([f"{letter}{j}" for j in code], dtype=object)
    return pd.DataFrame(columns)


ROWS = make_data(200)[0]
QUESTION = ROWS[:64]
# Targets, and parameters that change with them, of one fit after the other.
STORIES = {
    "warm start": [({"warm_start": True}, of_columns(1, 1))] * 4,
    "scales": [({}, of_columns(1, 1, 10.0**i, 1000.0 * i)) for i in range(0, 8, 2)],
    "labels": [
        ({}, of_columns(1, 1)),
        ({"class_columns": []}, of_columns(1, 0)),
        ({"class_columns": None}, of_columns(1, 1, letter="b")),
    ],
    "columns": [({}, of_columns(*shape)) for shape in [(1, 1), (2, 1), (3, 2), (1, 2)]],
    "class_bins": [
        ({"class_bins": 3}, of_columns(1, 0)),
        ({"class_bins": 9}, of_columns(1, 0, 1000.0)),
        ({"class_bins": [-0.5, 0.0]}, of_columns(1, 0)),
    ],
    "networks": [
        ({"n_members": n_members, "value_loss": loss}, of_columns(1, 1))
        for n_members, loss in [(1, "mse"), (2, "gaussian_nll"), (1, "gaussian_nll"), (2, "mse")]
    ],
}
METHODS = {
    "predict": lambda est, y: est.predict(QUESTION),
    "value": lambda est, y: est.predict_value(QUESTION),
    "proba": lambda est, y: est.predict_proba(QUESTION),
    "interval": lambda est, y: est.predict_interval(QUESTION, coverage=0.5),
    "evaluate": lambda est, y: est.evaluate(QUESTION, y),
    "shares": lambda est, y: est.shares_.to_dict(),
    "history": lambda est, y: est.history_,
}


def answer(method, est, y):
    """What a method answers or raises, to the bit."""
    try:
        found = METHODS[method](est, y)
    except (ValueError, AttributeError) as error:
        return repr(error)
    return pickle.dumps([np.asarray(one).tolist() for one in _leaves(found)])


def _leaves(found):
    if isinstance(found, dict):
        return [leaf for key, value in found.items() for leaf in (key, *_leaves(value))]
    if isinstance(found, (list, tuple)):
        return [leaf for value in found for leaf in _leaves(value)]
    return [found]


def story_of(name):
    """Calls of fit, one after the other, and all answers after each of them."""
    story = STORIES[name]
    est = slow()
    y = story[0][1][:64]
    answers_after = []
    for params, targets in story:
        est.set_params(**params).fit(ROWS, targets)
        answers_after.append({method: answer(method, est, y) for method in METHODS})
    return story, y, answers_after


@pytest.mark.usefixtures("_often_switched")
@pytest.mark.filterwarnings("ignore:y holds labels of target")  # of the other model's
@pytest.mark.parametrize("name", STORIES)
def test_an_answer_during_a_fit_is_the_old_models_or_the_new_ones(name):
    story, y, answers_after = story_of(name)
    params, targets = story[0]
    est = slow().set_params(**params).fit(ROWS, targets)
    for (params, targets), old, new in zip(
        story[1:], answers_after, answers_after[1:], strict=False
    ):
        assert old != new
        done, begun = threading.Event(), threading.Barrier(len(METHODS) + 2)

        def ask(method, found, done=done, begun=begun):
            found.append(answer(method, est, y))
            begun.wait()
            while not done.is_set():
                found.append(answer(method, est, y))
            found.append(answer(method, est, y))

        def reload(found, done=done, begun=begun):
            begun.wait()
            while not done.is_set():
                again = pickle.loads(pickle.dumps(est))
                found.append({method: answer(method, again, y) for method in METHODS})

        found = {method: [] for method in METHODS}
        copies = []
        with ThreadPoolExecutor(len(METHODS) + 1) as pool:
            jobs = [pool.submit(ask, method, found[method]) for method in METHODS]
            jobs.append(pool.submit(reload, copies))
            begun.wait()
            try:
                est.set_params(**params).fit(ROWS, targets)
            finally:
                done.set()
            for job in jobs:
                job.result()
        for method, given in found.items():
            assert given[0] == old[method]
            assert given[-1] == new[method]
            assert set(given) <= {old[method], new[method]}, method
        assert copies
        assert all(one in (old, new) for one in copies)  # each whole of one model


class Counted(JointRegressorClassifier):
    """Counts the looks at its model."""

    def __getattribute__(self, name):
        if name == "_model":
            vars(self)["looks"] = vars(self).get("looks", 0) + 1
        return super().__getattribute__(name)


def test_an_answer_takes_one_look_at_the_model():
    """So no other fit can put a new one in its place in the midst of it."""
    y = of_columns(1, 1)[:64]
    est = Counted.plain((8,), epochs=1, validation=0.2, random_state=0).fit(ROWS, of_columns(1, 1))
    others = {
        "class": lambda est, y: est.predict_class(QUESTION),
        "output": lambda est, y: est.predict(QUESTION, output="value"),
        "score": lambda est, y: est.score(QUESTION, y),
        "split": lambda est, y: est.split_targets(y),
        "network": lambda est, y: est.network_,
    }
    for name, call in {**METHODS, **others}.items():
        est.looks = 0
        call(est, y)
        assert est.looks == 1, name


@pytest.mark.usefixtures("_often_switched")
@pytest.mark.filterwarnings("ignore:y holds labels of target")
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_two_fits_at_once_end_in_the_state_of_one(method):
    fits = [
        (ROWS, of_columns(1, 1)),
        (ROWS[:150], of_columns(2, 1, 1000.0, letter="b")[:150]),
    ]
    y = of_columns(1, 1)[:64]
    alone = []
    for data in fits:
        est = getattr(small(epochs=5, validation=0.2), method)(*data)
        alone.append({name: answer(name, est, y) for name in METHODS})
    for _ in range(4):
        est, begun = small(epochs=5, validation=0.2), threading.Barrier(2)

        def train(data, est=est, begun=begun):
            begun.wait()
            return getattr(est, method)(*data)

        with ThreadPoolExecutor(2) as pool:
            for job in [pool.submit(train, data) for data in fits]:
                assert job.result() is est
        assert {name: answer(name, est, y) for name in METHODS} in alone


@pytest.mark.usefixtures("_often_switched")
def test_two_continued_fits_at_once_end_in_a_state_of_fits_in_turn():
    """From the model before both or, where one begins after the other's end, from that one's."""
    X, y = ROWS, of_columns(1, 1)
    start = pickle.dumps(small(warm_start=True).fit(X, y))
    halves = [(X[:100], y[:100]), (X[100:], y[100:])]
    in_turn = []
    for chosen in ([0], [1], [0, 1], [1, 0]):
        est = pickle.loads(start)
        for i in chosen:
            est.fit(*halves[i])
        in_turn.append({name: answer(name, est, y[:64]) for name in METHODS})
    for _ in range(4):
        est, begun = pickle.loads(start), threading.Barrier(2)

        def train(half, est=est, begun=begun):
            begun.wait()
            est.fit(*half)

        with ThreadPoolExecutor(2) as pool:
            for job in [pool.submit(train, half) for half in halves]:
                job.result()
        assert {name: answer(name, est, y[:64]) for name in METHODS} in in_turn


# --------------------------------------------------------- forks and workers
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
    assert small().fit(X, y).n_iter_ == 3  # the parent goes on


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
assert in_fork(train, timeout=200) == 3
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
