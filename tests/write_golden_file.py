"""Write the golden files of today's file format: ``python tests/write_golden_file.py``.

A golden file is an estimator as ``save`` wrote it once, with its predictions beside it;
``test_persistence.py`` loads every one of every format and compares. Run this script only when
``FORMAT`` in ``skjoint/_storage/archive.py`` was raised, and commit what it writes beside the
files of earlier formats, which stay as they are. To write files of a released format anew would
hide just what they are there to find: a reader that no longer understands what is on users' disks.
Only as long as no release has written a format may its files be deleted and written again.

What they cannot find: files written by a newer version under the same format number that an
older version misreads; parameters, labels and outputs that no estimator below has; a wrong
prediction that was wrong already when the file was written. Whether the files hold an object of
every kind, ``test_persistence.py`` checks.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from skjoint import JointRegressorClassifier
from skjoint._storage.archive import FORMAT
from skjoint.persistence import save

FOLDER = Path(__file__).parent / "data"
N_ROWS = 60
LAYERS = {"hidden_layer_sizes": (4,), "random_state": 0, "batch_size": 16}


def numbers():
    """Four columns of numbers without a random generator, whose streams may change."""
    return np.sin(np.outer(np.arange(1, N_ROWS + 1), [1.3, 2.1, 3.7, 5.9])) * 2


def table():
    """Numbers with gaps, one of few values, text with gaps, a categorical column, a flag."""
    X = pd.DataFrame(numbers(), columns=["a", "b", "c", "d"])
    X["few"] = X["d"].round()
    X.loc[3, "a"] = np.nan
    X["town"] = pd.Series(np.where(X["b"] > 0, "north", "south"), dtype=object)
    X.loc[5, "town"] = None
    X["size"] = pd.Categorical(np.where(X["c"] > 1, "large", "small"))
    X["flag"] = X["c"] > 0
    return X


def columns():
    """A column of every kind: a number that is mostly zeros, many levels, dates, prose."""
    X = table()[["a", "town"]]
    X["rare"] = np.where(np.arange(N_ROWS) % 29 == 7, X["a"], 0.0)
    X["code"] = [f"c{i % 13:02}" for i in range(N_ROWS)]
    X.loc[2, "code"] = "once"
    X["when"] = pd.Timestamp("2024-02-28 12:00") + pd.to_timedelta(np.arange(N_ROWS) * 31, "h")
    words = np.array(["bread", "butter", "cheese", "honey", "apple", "water", "orange"])
    picks = np.arange(N_ROWS)[:, None] * [1, 2, 3, 5, 8, 13, 21] // [1, 2, 2, 3, 3, 4, 5]
    X["note"] = [" ".join(words[row % 7]) + f" {i}" for i, row in enumerate(picks)]
    return X


def targets():
    """A number and a label of text."""
    X = numbers()
    label = np.array(["low", "mid", "top"], dtype=object)[np.digitize(X[:, 0], [-1, 1])]
    return pd.DataFrame({"value": 100 + 20 * X[:, 0] - 10 * X[:, 1], "label": label})


def vectors():
    """Two numbers for one head, another number with gaps, one-hot labels, a flag."""
    X = numbers()
    y = pd.DataFrame({"east": X[:, 0], "north": X[:, 1], "depth": X[:, 2] ** 2})
    y.loc[::5, "depth"] = np.nan
    codes = np.digitize(X[:, 3], [-1, 1])
    return y.assign(**{f"d{i}": (codes == i).astype(float) for i in range(3)}, wet=X[:, 2] > 0)


def sequences():
    """Rows of shape (3, 2)."""
    return np.sin(np.arange(N_ROWS * 6).reshape(N_ROWS, 3, 2) * 1.7)


def trunk(meta):
    """Layers of Keras in place of the hidden ones."""
    import keras

    return keras.Sequential(
        [keras.Input(meta["input_shape"]), keras.layers.Flatten(), keras.layers.Dense(3, "tanh")]
    )


def accurate(**parameters):
    """All parts of the most accurate settings, each very small."""
    small = {
        "epochs": 4,
        "n_members": 2,
        "n_refits": 1,
        "n_iter_no_change": 2,
        "companions__n_trees": 2,
        "companions__n_features": 4,
    }
    return JointRegressorClassifier.accurate(**{**LAYERS, **small, **parameters})


def plain(**parameters):
    return JointRegressorClassifier.plain(**{**LAYERS, "epochs": 2, **parameters})


# Estimator, X, y, calls of fit
ESTIMATORS = {
    "plain": lambda: (plain(), table(), targets().assign(sign=table()["d"] > 0), 1),
    "columns": lambda: (plain(), columns(), targets(), 1),
    "sparse": lambda: (plain(), sparse.csr_array(np.maximum(numbers(), 1) - 1), targets(), 1),
    # histograms, members, refits, companions, calibration, errors on held-out rows
    "accurate": lambda: (accurate(), table(), targets(), 1),
    # a label that is cut from the number, which in turn is read from the label's distribution
    "blend": lambda: (
        accurate(class_bins=3, value_loss="mse", companions=(), value_from="blend"),
        numbers(),
        targets()["value"].to_numpy(),
        1,
    ),
    # numbers with deviations that read the label, vectors, gaps, training that went on
    "gaussian": lambda: (
        plain(
            value_loss="gaussian_nll",
            head_link="class_to_value",
            value_columns=[["east", "north"], "depth"],
            class_columns=[["d0", "d1", "d2"], "wet"],
            warm_start=True,
        ),
        numbers(),
        vectors(),
        2,
    ),
    "mixture": lambda: (
        plain(head_link="mixture", value_by_class={"low": 0.0}, validation=0.3),
        table(),
        targets().assign(value=lambda y: np.where(y["label"] == "low", 0, y["value"])),
        1,
    ),
    "skewed": lambda: (
        plain(value_transform="quantile", value_from="smearing", validation=0.3),
        numbers(),
        targets(),
        1,
    ),
    # balanced losses, training that went on
    "trunk": lambda: (
        plain(trunk=trunk, loss_weights="famo", warm_start=True),
        sequences(),
        targets(),
        2,
    ),
}


def rows_of(name):
    """X that the predictions beside a golden file are for."""
    return ESTIMATORS[name]()[1]


def predictions(estimator, X):
    """Arrays by name: all that an estimator predicts."""
    proba = estimator.predict_proba(X)
    found = {f"proba_{i}": p for i, p in enumerate(proba if isinstance(proba, list) else [proba])}
    found |= {"value": estimator.predict_value(X), "shares": estimator.shares_.to_numpy()}
    if estimator.value_loss == "gaussian_nll":
        found["deviation"] = estimator.predict_value(X, return_std=True)[1]
    if estimator.validation is not None:
        found["interval"] = estimator.predict_interval(X, coverage=0.5)
    return found


def main():
    paths = [FOLDER / f"format_{FORMAT}_{name}.skjoint" for name in ESTIMATORS]
    if any(path.exists() for path in paths):
        return f"Golden files of format {FORMAT} are there: raise FORMAT first, or keep them."
    for name, path in zip(ESTIMATORS, paths, strict=True):
        estimator, X, y, n_fits = ESTIMATORS[name]()
        for _ in range(n_fits):
            estimator.fit(X, y)
        save(estimator, path)
        np.savez_compressed(path.with_suffix(".npz"), **predictions(estimator, X))
        print(f"{path}: {path.stat().st_size} bytes")
    return None


if __name__ == "__main__":
    sys.exit(main())
