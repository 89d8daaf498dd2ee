import os
from pathlib import Path

# Before anything loads OpenMP: threads that spin while they wait take the cores of other workers.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import hypothesis
import numpy as np
import pandas as pd
import pytest

from skjoint import JointRegressorClassifier
from skjoint._data.rows import Rows
from skjoint._network.outputs import Label, Point
from skjoint._network.spec import Head

hypothesis.settings.register_profile("skjoint", deadline=None)  # a busy machine is slow
hypothesis.settings.load_profile("skjoint")


def pytest_report_header():
    return f"SKJOINT_DATA: {os.environ.get('SKJOINT_DATA', 'not set, real-data tests skip')}"


@pytest.fixture(scope="session")
def data_folder():
    """Folder of the real data sets; tests that need it skip without."""
    folder = os.environ.get("SKJOINT_DATA")
    if not folder or not (Path(folder) / "abalone.csv").is_file():
        pytest.skip("real data: set SKJOINT_DATA to the folder that holds abalone.csv")
    return Path(folder)


def make_data(n_samples=120, seed=0):
    """Features, a number and a three-way label that both depend on them."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, 4))
    value = 100 + 20 * X[:, 0] - 10 * X[:, 1] + rng.normal(size=n_samples)
    label = np.array(["low", "mid", "top"], dtype=object)[
        np.digitize(X[:, 0] + X[:, 2], [-0.6, 0.6])
    ]
    return X, pd.DataFrame({"value": value, "label": label})


@pytest.fixture
def data():
    return make_data()


@pytest.fixture(scope="session")
def fitted():
    """One fitted estimator for tests that only read from it."""
    X, y = make_data()
    return JointRegressorClassifier.plain(
        (16, 8), epochs=60, learning_rate=0.01, random_state=0
    ).fit(X, y)


def jumps(n_samples=300, seed=0):
    """Number and label by the exact value of a column: for trees an easy thing."""
    rng = np.random.default_rng(seed)
    place = rng.integers(20, size=n_samples)
    level = np.random.default_rng(1).permutation(20)
    X = np.column_stack([place, rng.normal(size=(n_samples, 2))])
    value = 100 + level[place] + rng.normal(size=n_samples)
    label = np.array(["a", "b", "c"])[level[place] % 3]
    return X, pd.DataFrame({"value": value, "label": label})


def encoded_rows(n_samples=200, seed=0):
    """Rows as an engine has them, with a number and three labels."""
    rng = np.random.default_rng(seed)
    encoded = rng.normal(size=(n_samples, 5)).astype(np.float32).round(1)
    number = (encoded[:, 0] * encoded[:, 1]).astype(np.float32)[:, None]
    code = np.digitize(encoded[:, 2], [-0.5, 0.5]).astype(np.int32)
    return Rows(encoded, [number, code], [np.ones(n_samples, np.float32)] * 2)


def small(**params):
    """A plain estimator that trains in a moment."""
    settings = {"hidden_layer_sizes": (16, 8), "epochs": 3, "random_state": 0}
    return JointRegressorClassifier.plain(**{**settings, **params})


def value_head(name="value", n_units=1, activation="linear", kind=Point):
    """A value head whose output is of a kind."""
    return Head(name, kind.create(n_units, activation, None))


def class_head(name="class", n_units=3):
    return Head(name, Label(n_units))
