"""Ridge regression on random Fourier features beside the networks."""

import dataclasses
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import onnxruntime
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from sklearn.linear_model import Ridge as Referee
from threadpoolctl import threadpool_info

from conftest import make_data, value_head
from skjoint import JointRegressorClassifier
from skjoint._data.rows import Rows
from skjoint._ensemble.companions import ridge as _ridge
from skjoint._ensemble.companions.contract import Task
from skjoint._ensemble.companions.ridge import fit_ridge
from skjoint._prediction import ridge as ridge_prediction
from skjoint._prediction.stacked import Stacked
from skjoint.persistence import load, save, to_onnx

FEW = {"hidden_layer_sizes": (12,), "epochs": 5, "random_state": 0, "validation": 0.3}
VALUE = value_head()
EVERY = np.arange(60)


def rows_of(n_samples=60, seed=0, n_columns=3, weights=None):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, n_columns)).astype(np.float32)
    number = X[:, :1] + np.sin(2 * X[:, 1:2]) + 0.1 * rng.normal(size=(n_samples, 1))
    weights = np.ones(n_samples) if weights is None else weights
    return Rows(X, [number.astype(np.float32)], [np.float32(weights)])


def regressed(rows, where=EVERY, head=VALUE, n_features=20, seed=0):
    (one,) = fit_ridge(Task(rows, {0: head}, None, where, seed), n_features)
    return one


def features_of(model, X, weights=None):
    """Columns and waves as the fit has them."""
    X = X.astype(float)
    mean = np.average(X, axis=0, weights=weights)
    scale = 1 / np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weights).sum())
    waves = np.sin(X @ model.waves + model.phases)
    return np.hstack([scale * X, np.sqrt(2 / len(model.phases)) * waves])


@pytest.fixture
def one_setting(monkeypatch):
    """One width and one penalty, which no choice can change."""
    monkeypatch.setattr(_ridge, "WIDTHS", (0.3,))
    monkeypatch.setattr(_ridge, "PENALTIES", np.array([1e-3]))


# ------------------------------------------------------------------- the fit
@settings(deadline=None, max_examples=20)
@given(st.integers(0, 99), st.sampled_from([1e-5, 1e-2, 1.0]))
def test_it_is_scikit_learns(seed, penalty):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(_ridge, "WIDTHS", (0.3,))
        patched.setattr(_ridge, "PENALTIES", np.array([penalty]))
        weights = np.random.default_rng(seed).uniform(0.5, 2, 60).astype(np.float32)
        rows = rows_of(seed=seed, weights=weights)
        model = regressed(rows).model
    features, number = features_of(model, rows.X, weights), rows.targets[0].astype(float)
    referee = Referee(penalty * weights.sum(dtype=float)).fit(features, number, weights)
    expected = referee.predict(features).reshape(-1, 1)
    assert_allclose(model.predict(rows.X), expected, rtol=1e-5, atol=1e-6)


def test_answers_are_of_fits_without_the_row(one_setting):
    rows = rows_of()
    found = regressed(rows)
    features, number = features_of(found.model, rows.X), rows.targets[0].astype(float)
    for row in range(60):
        others = row != EVERY
        referee = Referee(1e-3 * 60).fit(features[others], number[others])
        expected = referee.predict(features[row : row + 1]).item()
        assert found.answers[row].item() == pytest.approx(expected, abs=1e-3)


def test_rows_without_weight_are_answered_and_not_learned_from(one_setting):
    rows, kept = rows_of(), EVERY % 3 > 0
    wild = np.where(kept[:, None], rows.targets[0], np.float32(1e6))
    masked = dataclasses.replace(rows, targets=[wild], weights=[np.float32(kept)])
    found, few = regressed(masked), rows.take(np.flatnonzero(kept))
    model = found.model
    assert_array_equal(found.answers[~kept], model.predict(rows.X[~kept]))
    referee = Referee(1e-3 * 40)
    referee.fit(features_of(model, rows.X, kept)[kept], few.targets[0].astype(float))
    expected = referee.predict(features_of(model, rows.X, kept))
    assert_allclose(model.predict(rows.X).ravel(), expected.ravel(), rtol=1e-4)


def test_weights_are_repeats(one_setting):
    times = np.random.default_rng(0).integers(1, 4, 60)

    def fit(rows):
        waves, phases = np.random.default_rng(0).normal(size=(4, 20)).astype(float), np.ones(20)
        y, weights = rows.targets[0].astype(float), rows.weights[0].astype(float)
        return _ridge._Fit(rows.X, y, weights, waves[1:], phases).coefficients()

    weighed, repeated = fit(rows_of(weights=times)), fit(rows_of().take(np.repeat(EVERY, times)))
    for array, other in zip(weighed, repeated, strict=True):
        assert_allclose(array, other, rtol=1e-6, atol=1e-8)


@settings(deadline=None, max_examples=20)
@given(st.floats(1e-3, 1e3), st.floats(-1e3, 1e3))
def test_predictions_scale_with_the_number(factor, shift):
    rows = rows_of()
    other = dataclasses.replace(rows, targets=[np.float32(factor * rows.targets[0] + shift)])
    one, two = (regressed(r).model.predict(rows.X) for r in (rows, other))
    size = factor + abs(shift) * 1e-4
    assert_allclose(two, factor * one + shift, rtol=1e-4, atol=1e-3 * size)


def test_vectors_have_a_number_for_each_unit():
    rows = rows_of()
    vector = np.hstack([rows.targets[0], 1000 * rows.targets[0]])
    both = regressed(dataclasses.replace(rows, targets=[vector]), head=value_head(n_units=2))
    found = both.model.predict(rows.X)
    assert found.shape == both.answers.shape == (60, 2)
    assert_allclose(found[:, 1], 1000 * found[:, 0], rtol=1e-4, atol=1e-3)


def test_what_is_linear_is_found():
    rows = rows_of(200)
    linear = rows.X @ np.float32([[1], [2], [3]])
    found = regressed(dataclasses.replace(rows, targets=[linear]), where=np.arange(200))
    assert np.abs(found.answers - linear).max() < 0.01 * linear.std()


@pytest.mark.parametrize("n_samples", [20, 60, 150])
def test_noise_is_not_learned_by_heart(n_samples):
    """More features than rows: a fit that passes through all rows is wrong on others."""
    rows = rows_of(n_samples, n_columns=20)
    noise = np.random.default_rng(1).normal(size=(2, 2000, 1)).astype(np.float32)
    rows = dataclasses.replace(rows, targets=[noise[0, :n_samples]])
    found = regressed(rows, where=np.arange(n_samples), n_features=400)
    assert np.std(found.answers - rows.targets[0]) > 0.9 * rows.targets[0].std()
    others = np.random.default_rng(2).normal(size=(2000, 20)).astype(np.float32)
    assert np.std(found.model.predict(others) - noise[1]) < 1.2


def test_a_row_does_not_depend_on_the_others_where_products_are_in_pieces(monkeypatch):
    rows = rows_of(300, n_columns=40)
    model = regressed(rows, n_features=600).model
    whole = model.predict(rows.X)
    for chunk in (64, 7):
        monkeypatch.setattr(ridge_prediction, "RIDGE_CHUNK", chunk)
        for part in (slice(0, 1), slice(5, 50), slice(0, 300)):
            assert_array_equal(model.predict(rows.X[part]), whole[part])


def test_cores_do_not_matter(monkeypatch):
    rows = rows_of(500, n_columns=30)
    models = []
    for cores in (1, 3):
        monkeypatch.setattr(joblib, "cpu_count", lambda cores=cores: cores)
        models.append(regressed(rows, n_features=200).model)
    for name in ("waves", "coef", "intercept"):
        assert_array_equal(*(getattr(model, name) for model in models))


def test_fits_in_threads_leave_blas_as_it_was():
    before = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    rows = rows_of(2000, n_columns=20)
    with ThreadPoolExecutor(3) as pool:
        fits = list(pool.map(lambda n: regressed(rows, n_features=n), [50, 300, 20, 200, 20, 100]))
    assert len(fits) == 6
    after = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    assert after == before
    assert_array_equal(fits[1].model.coef, regressed(rows, n_features=300).model.coef)


def test_large_tables_are_learned_from_in_part(monkeypatch):
    rows = rows_of(300)
    monkeypatch.setattr(_ridge, "MAX_RIDGE_ROWS", 200)
    found = regressed(rows, where=np.arange(300))
    error = found.answers - rows.targets[0]
    assert np.std(error) < 0.3
    monkeypatch.setattr(_ridge, "MAX_COLUMNS", 2)
    assert fit_ridge(Task(rows, {0: VALUE}, None, np.arange(300), 0), 20) == []


@pytest.mark.parametrize("table", ["few rows", "equal rows", "one number", "two kinds of rows"])
def test_odd_tables(table):
    rows = rows_of()
    X, number = rows.X, rows.targets[0]
    if table == "few rows":
        few = Task(rows.take(np.arange(5)), {0: VALUE}, None, np.arange(5), 0)
        assert fit_ridge(few, 20) == []
        return
    if table == "equal rows":
        X = np.ones_like(X)
    if table == "one number":
        number = np.ones_like(number)
    if table == "two kinds of rows":
        X = np.float32(np.arange(60)[:, None] > 50) * np.ones((1, 3), np.float32)
    found = regressed(Rows(X, [number], rows.weights))
    predicted = found.model.predict(X)
    assert np.isfinite(predicted).all()
    assert np.isfinite(found.answers).all()
    assert predicted.mean() == pytest.approx(number.mean(), abs=1e-3)


# ------------------------------------------------------------ in the estimator
def table(n_samples=300, seed=0):
    X = np.random.default_rng(seed).normal(size=(n_samples, 4))
    value = 1000 + 50 * X @ [1.0, -2.0, 0.5, 0.0]
    return X, pd.DataFrame({"value": value, "label": np.where(X[:, 0] > 0, "a", "b")})


X, Y = table()


@pytest.fixture(scope="module")
def est():
    return JointRegressorClassifier.plain(
        **FEW, companions=("ridge",), companions__n_features=50, n_members=2
    ).fit(X, Y)


def test_a_linear_number_is_answered_by_it(est):
    assert_array_equal(est.shares_["ridge"] > 0.9, [True, False])
    assert list(est.shares_) == ["network", "ridge"]
    test_X, test_y = table(500, seed=1)
    plain = JointRegressorClassifier.plain(**FEW, n_members=2).fit(X, Y)
    rmse = est.evaluate(test_X, test_y)["value_rmse"]
    assert rmse < 0.05 * plain.evaluate(test_X, test_y)["value_rmse"]
    assert_array_equal(est.predict_class(test_X), plain.predict_class(test_X))
    assert np.mean(np.diff(est.predict_interval(test_X))) < 0.1 * Y["value"].std()
    assert_array_equal(est.predict_value(X[:1]), est.predict_value(X)[:1])


def test_files_and_pickles(est, tmp_path):
    save(est, tmp_path / "m")
    for again in (load(tmp_path / "m"), pickle.loads(pickle.dumps(est))):
        assert_array_equal(again.predict(X), est.predict(X))
        assert_frame_equal(again.shares_, est.shares_)
    code = (
        "import sys; from skjoint.persistence import load; import numpy as np;"
        f"load({str(tmp_path / 'm')!r}).predict(np.zeros((2, 4)));"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_onnx(est, tmp_path):
    to_onnx(est, tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    value, proba = session.run(["value", "proba"], {"X": X})
    assert_allclose(value, est.predict_value(X), rtol=1e-6)
    assert_allclose(proba, est.predict_proba(X), atol=1e-6)


def test_training_goes_on_without_it():
    est = JointRegressorClassifier.plain(
        **FEW, companions=("ridge",), companions__n_features=50
    ).fit(X, Y)
    assert isinstance(est._model.network, Stacked)
    est.partial_fit(X, Y)
    assert not isinstance(est._model.network, Stacked)
    assert list(est.shares_) == ["network"]


def test_gaps_text_and_weights():
    frame = pd.DataFrame(X, columns=list("abcd")).assign(town=np.where(X[:, 1] > 0, "n", "s"))
    frame.loc[::7, "a"] = np.nan
    y = Y.copy()
    y.loc[::3, "value"] = np.nan
    est = JointRegressorClassifier.plain(
        **FEW, companions=("ridge",), companions__n_features=30, numeric_embedding="rank"
    )
    est.fit(frame, y, sample_weight=np.where(X[:, 1] > 0, 2.0, 1.0))
    assert est.shares_.loc["value", "ridge"] > 0.5
    assert est.score(frame[1::3], Y[1::3]) > 0.75


def test_rows_with_a_shape_are_an_error():
    import keras

    trunk = keras.Sequential([keras.Input((4, 1)), keras.layers.Flatten()])
    est = JointRegressorClassifier(
        trunk=trunk, companions=("ridge",), companions__n_features=5, epochs=1
    )
    message = r"^companions must be \(\) where rows of X have a shape.* Got \('ridge',\) instead"
    with pytest.raises(ValueError, match=message):
        est.fit(X[:, :, None], Y)
    for n_features in (-1, 10**6):
        est = JointRegressorClassifier(companions="ridge", companions__n_features=n_features)
        with pytest.raises(ValueError, match="'n_features' parameter of companion 'ridge'"):
            est.fit(X, Y)


CROOKED = {
    "too few waves": ("waves", lambda a: a[:, 1:]),
    "too few columns": ("waves", lambda a: a[1:]),
    "too few phases": ("phases", lambda a: a[1:]),
    "too many numbers": ("coef", lambda a: np.hstack([a, a])),
    "whole numbers": ("coef", lambda a: a.astype(int)),
    "no number": ("intercept", lambda a: a * np.nan),
    "two heads": ("head", lambda head: (head, "class")),
    "no unit": ("n_units", lambda n_units: 0),
}


@pytest.mark.parametrize("name", CROOKED)
def test_files_with_crooked_arrays_are_refused(est, tmp_path, name):
    field, change = CROOKED[name]
    other = pickle.loads(pickle.dumps(est))
    model = other._model.network.models[0]
    object.__setattr__(model, field, change(getattr(model, field)))
    save(other, tmp_path / "m")
    with pytest.raises(ValueError, match="not a model that skjoint can load"):
        load(tmp_path / "m")


def test_few_rows():
    small_X, small_y = make_data(12)
    est = JointRegressorClassifier(
        epochs=2, companions=("ridge",), companions__n_features=5, random_state=0
    ).fit(small_X, small_y)
    assert est.predict(small_X).shape == (12, 2)
