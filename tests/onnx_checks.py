"""What the tests of ONNX graphs share: data, and comparison of a graph with its estimator."""

import datetime

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from conftest import make_data
from skjoint._onnx.model import fitted_parts
from skjoint._support.composition import joint_estimator
from skjoint.persistence import to_onnx

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("skl2onnx")

SMALL = {"hidden_layer_sizes": (6, 4), "epochs": 2, "random_state": 0}
TOLERANCE = 1e-6  # of the spread of a number, of a probability; float32 has 1e-7


def feed(session, X):
    """Inputs of a session from a table, as the docstring of to_onnx has them."""
    inputs = session.get_inputs()
    if [entry.name for entry in inputs] == ["X"]:
        return {"X": np.asarray(X, dtype=np.float64)}
    if not isinstance(X, pd.DataFrame):
        X = pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])
    return {
        entry.name: X[[entry.name]].astype(object).where(X[[entry.name]].notna(), "").to_numpy()
        if entry.type == "tensor(string)"
        else X[[entry.name]].to_numpy(dtype=np.float64, na_value=np.nan)
        for entry in inputs
    }


def answers(estimator, X, tmp_path):
    """Outputs of the exported graph by name."""
    to_onnx(estimator, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    names = [entry.name for entry in session.get_outputs()]
    return dict(zip(names, session.run(None, feed(session, X)), strict=True))


def assert_equal(estimator, X, tmp_path):
    """Outputs of the graph are those of the estimator; labels but where two are nearly tied."""
    found = answers(estimator, X, tmp_path)
    joint = joint_estimator(estimator)
    while hasattr(estimator, "best_estimator_"):
        estimator = estimator.best_estimator_
    if hasattr(estimator, "steps"):
        X = estimator[:-1].transform(X)
    model, decoding = fitted_parts(joint)
    targets = model.targets
    expected = {}
    if targets.values:
        columns = joint.predict_value(X)
        columns = [columns] if len(targets.values) == 1 else columns.T
        expected |= {t.name: column for t, column in zip(targets.values, columns, strict=True)}
        for name, numbers in expected.items():
            atol = TOLERANCE * max(numbers.std(), 1e-3)
            assert found[name].dtype == np.float64
            assert_allclose(found[name], numbers, rtol=TOLERANCE, atol=atol)
    if targets.classes:
        proba, labels = joint.predict_proba(X), joint.predict_class(X)
        proba = proba if isinstance(proba, list) else [proba]
        labels = labels.T if labels.ndim == 2 else [labels]
        for target, p, label in zip(targets.classes, proba, labels, strict=True):
            assert_allclose(found["proba" + target.name[5:]], p, atol=TOLERANCE)
            first, second = np.sort(p, axis=1)[:, :-3:-1].T
            clear = first - second > 10 * TOLERANCE
            assert clear.mean() > 0.9
            assert_array_equal(found[target.name][clear], label[clear])
            expected |= {target.name: label, "proba" + target.name[5:]: p}
    if targets.values and decoding.deviation_parts and decoding.value_from == "head":
        stds = joint.predict_value(X, return_std=True)[1]
        stds = [stds] if len(targets.values) == 1 else stds.T
        for target, std in zip(targets.values, stds, strict=True):
            expected["std" + target.name[5:]] = std
            assert_allclose(found["std" + target.name[5:]], std, rtol=TOLERANCE)
    assert set(found) == set(expected)
    assert {n: v.shape for n, v in found.items()} == {n: v.shape for n, v in expected.items()}
    return found


def assert_refused(estimator, columns, message, tmp_path, error=NotImplementedError):
    """``to_onnx`` raises, and leaves the file that was there and no other."""
    X, y = mixed_data()
    X["value"] = X["b"]
    X["empty"] = np.resize(np.array(["", None, "a"], dtype=object), len(X))
    X["date"] = np.resize(np.array([datetime.date(2026, 1, d) for d in (1, 2)]), len(X))
    estimator = clone(estimator).fit(X[list(columns)], y)
    (tmp_path / "model.onnx").write_bytes(b"as before")
    with pytest.raises(error, match=message):
        to_onnx(estimator, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == b"as before"
    assert list(tmp_path.iterdir()) == [tmp_path / "model.onnx"]


def mixed_data(n_samples=80):
    """Numbers with gaps, text with gaps, flags, numbers as categories."""
    X, y = make_data(n_samples)
    X = pd.DataFrame(X, columns=["a", "b", "c", "the d"])
    rng = np.random.default_rng(1)
    X["town"] = pd.Series(rng.choice(["north", "süd", "o'west"], n_samples), dtype=object)
    X["kind"] = rng.choice(["p", "q"], n_samples)
    X["flag"] = X["c"] > 0
    X["level"] = pd.Categorical(rng.integers(1, 4, n_samples))
    X.loc[3:6, "a"] = np.nan
    X.loc[5:9, "town"] = None
    X.loc[7:8, "level"] = np.nan
    return X, y
