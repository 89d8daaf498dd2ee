"""Random forests beside the networks."""

import dataclasses
import pickle
import subprocess
import sys

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from sklearn.ensemble import RandomForestRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer

from conftest import class_head, encoded_rows, jumps, make_data, value_head
from skjoint import JointRegressorClassifier
from skjoint._ensemble.companions import forest as _forest
from skjoint._ensemble.companions.contract import Task
from skjoint._ensemble.companions.forest import fit_forest
from skjoint._prediction.stacked import Stacked
from skjoint.persistence import load, save, to_onnx

FEW = {"hidden_layer_sizes": (12,), "epochs": 15, "learning_rate": 0.01, "random_state": 0}
HEADS = {0: value_head(), 1: class_head()}


X, Y = jumps()


def forests(rows, heads, columns, seed, where):
    return fit_forest(Task(rows, heads, np.asarray(columns), np.asarray(where), seed), 20)


def fit(y=Y, **params):
    settings = {**FEW, "companions": ("forest", "boosting"), "validation": 0.3}
    return JointRegressorClassifier.plain(**{**settings, **params}).fit(X, y)


@pytest.fixture(scope="module")
def est():
    return fit(n_members=2, calibration="temperature")


@pytest.fixture(scope="module")
def plain():
    return fit(n_members=2, calibration="temperature", companions=())


# ----------------------------------------------------------------- the forest
def test_they_are_scikit_learns_forests():
    rows = encoded_rows()
    settings = {"max_features": 0.5, "max_samples": 200, "random_state": 7, "oob_score": True}
    columns = rows.X[:, [0, 1, 2, 4]]
    number = rows.targets[0].ravel().astype(float)
    units = np.sqrt(np.average((number - np.average(number)) ** 2)), 1
    targets = number / units[0], np.eye(3)[rows.targets[1]]
    found = forests(rows, HEADS, [0, 1, 2, 4], 7, np.arange(200))
    for one, target, unit in zip(found, targets, units, strict=True):
        referee = RandomForestRegressor(20, **settings).fit(columns, target, np.ones(200))
        expected = unit * referee.predict(columns).reshape(200, -1)
        assert_allclose(one.model.predict(rows.X), expected, rtol=1e-5, atol=1e-6)
        expected = unit * referee.oob_prediction_.reshape(200, -1)
        assert_allclose(one.answers, expected, rtol=1e-5, atol=1e-6)


def test_the_units_of_a_vector_do_not_matter():
    rows = encoded_rows()
    number = rows.targets[0]
    vector = np.hstack([number, number**2])
    heads = {0: value_head(n_units=2)}
    units = np.float32([[1, 1]]), np.float32([[2.0**-20, 2.0**20]])
    one, two = (
        forests(dataclasses.replace(rows, targets=[vector * u]), heads, np.arange(5), 0, [0])[0]
        for u in units
    )
    assert_array_equal(one.model.threshold, two.model.threshold)
    expected = units[1] * one.model.predict(rows.X)
    assert_allclose(two.model.predict(rows.X), expected, rtol=1e-6)


def test_trees_of_large_tables_stay_small(monkeypatch):
    monkeypatch.setattr(_forest, "MAX_SAMPLES", 20)
    for one in forests(encoded_rows(), HEADS, np.arange(5), 0, np.arange(9)):
        assert len(one.model.values) <= 20 * 20


# ------------------------------------------------------- with everything else
def test_gaps_weights_and_several_targets():
    y = Y.assign(other=Y["value"] * 2, flag=X[:, 0] > 10)
    y.loc[::3, "value"] = np.nan
    weights = np.ones((300, 4))
    weights[:, 3] = np.where(X[:, 1] > 0, 2.0, 1.0)
    est = JointRegressorClassifier.plain(
        **FEW,
        companions=("forest", "boosting"),
        companions__n_trees=20,
        class_weight=[{"a": 2.0}, None],
    )
    est.fit(X, y, sample_weight=weights)
    assert est.shares_.shape == (4, 3)
    assert len(est._model.network.models) > 1
    assert est.predict(X).shape == (300, 4)
    assert 0 < est.score(X, y) < 1


def test_vectors_of_numbers_have_a_share():
    y = np.column_stack([Y["value"], 2 * Y["value"], pd.factorize(Y["label"])[0]])
    est = JointRegressorClassifier.plain(
        **FEW,
        companions=("forest", "boosting"),
        companions__n_trees=20,
        value_columns=[[0, 1]],
        class_columns=[2],
        scale_value=False,
    ).fit(X, y)
    assert (est.shares_["network"] < 1).all()
    assert est.predict_value(X).shape == (300, 2)


def test_columns_are_read_once():
    """Ranks, and marks of each value of a few, hold for a tree what the number holds."""
    frame = pd.DataFrame(X, columns=["place", "x", "y"]).assign(
        few=np.arange(300) % 4, town=np.where(X[:, 1] > 0, "north", "south")
    )
    est = JointRegressorClassifier.plain(
        **FEW,
        numeric_embedding="rank",
        companions=("forest", "boosting"),
        companions__n_trees=10,
        validation=0.3,
    ).fit(frame, Y)
    columns = np.unique(est._model.network.models[0].columns)
    encoded = est._model.encode(frame)[:, columns]
    assert encoded.shape[1] == 4 + 1
    assert_array_equal(encoded[:, 4], np.where(frame["town"] == "north", 1, 2))
    assert np.abs(encoded[:, :4].mean(axis=0)).max() < 0.1


def test_fits_alike_are_alike_and_training_goes_on_without_it(est):
    again = fit(n_members=2, calibration="temperature")
    assert_array_equal(again.predict_value(X), est.predict_value(X))
    again.partial_fit(X, Y)
    assert not isinstance(again._model.network, Stacked)
    assert list(again.shares_) == ["network"]
    warm = fit(warm_start=True).fit(X, Y)
    assert isinstance(warm._model.network, Stacked)
    assert warm.n_iter_ == 30


def test_callbacks_see_the_answers_of_both():
    sklearn_callback = pytest.importorskip("sklearn.callback")
    from skjoint.model_selection import joint_scoring

    monitor = sklearn_callback.ScoringMonitor(scoring=joint_scoring())
    est = JointRegressorClassifier.plain(
        **{**FEW, "epochs": 2},
        companions=("forest", "boosting"),
        companions__n_trees=20,
        validation=0.3,
    )
    est.set_callbacks(monitor).fit(X, Y)
    logs = monitor.get_logs().data_as_pandas
    assert (logs["class_accuracy"] > 0.9).all()  # which no network reaches in an epoch


def test_files_pickles_and_views(est, tmp_path):
    save(est, tmp_path / "m")
    for again in (load(tmp_path / "m"), pickle.loads(pickle.dumps(est))):
        assert_array_equal(again.predict(X), est.predict(X))
        assert_array_equal(again.predict_proba(X), est.predict_proba(X))
        assert_array_equal(again.predict_interval(X), est.predict_interval(X))
        assert_frame_equal(again.shares_, est.shares_)
    alone = est.as_regressor().fit(X, Y["value"])
    assert alone.score(X, Y["value"]) > 0.8


def test_prediction_in_a_new_process_loads_no_tensorflow(est, tmp_path):
    save(est, tmp_path / "m")
    code = (
        "import sys; from skjoint.persistence import load; import numpy as np;"
        f"load({str(tmp_path / 'm')!r}).predict(np.zeros((2, 3)));"
        "assert not {'tensorflow', 'keras', 'sklearn.ensemble'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("scaled", [False, True])
def test_onnx(est, tmp_path, scaled):
    model, last, encoded = est, est, X
    if scaled:
        model = make_pipeline(PowerTransformer(), JointRegressorClassifier(**est.get_params()))
        model.fit(X, Y)
        last, encoded = model[-1], model[:-1].transform(X)
    assert (last.shares_["network"] < 1).all()
    to_onnx(model, tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    value, label, proba = session.run(["value", "class", "proba"], {"X": X})
    assert_allclose(value, last.predict_value(encoded), rtol=1e-6)
    assert_allclose(proba, last.predict_proba(encoded), atol=1e-6)
    assert_array_equal(label, last.predict_class(encoded))


def test_model_is_the_networks_alone(est, plain):
    outputs = zip(est.model_.predict(X[:5]), plain.model_.predict(X[:5]), strict=True)
    for one, other in outputs:
        assert_array_equal(one, other)


# --------------------------------------------------------------------- errors
def test_rows_with_a_shape_are_an_error():
    import keras

    trunk = keras.Sequential([keras.Input((3, 1)), keras.layers.Flatten()])
    est = JointRegressorClassifier(
        trunk=trunk, companions=("forest", "boosting"), companions__n_trees=5, epochs=1
    )
    message = r"companions must be \(\) where rows of X have a shape.*\(3, 1"
    with pytest.raises(ValueError, match=message):
        est.fit(X[:, :, None], Y)


CROOKED = {
    "a way out": ("children", lambda a: a + 1),
    "a circle": ("children", lambda a: np.maximum(a - 3, 0)),
    "a column that is not there": ("feature", lambda a: a + 9),
    "a leaf that is not there": ("leaf", lambda a: a + 10**6),
    "a root that is not there": ("roots", lambda a: a - 1),
    "fractions": ("leaf", lambda a: a / 2),
    "too few thresholds": ("threshold", lambda a: a[1:]),
    "too few values": ("values", lambda a: a[:, 1:]),
}


@pytest.mark.parametrize("name", CROOKED)
def test_files_with_crooked_trees_are_refused(est, tmp_path, name):
    field, change = CROOKED[name]
    network = est._model.network
    forest = network.models[0]
    crooked = pickle.loads(pickle.dumps(forest))
    object.__setattr__(crooked, field, change(getattr(forest, field)))
    other = pickle.loads(pickle.dumps(est))
    other._model.network.models[0] = crooked
    save(other, tmp_path / "m")
    with pytest.raises(ValueError, match="not a model that skjoint can load"):
        load(tmp_path / "m")


def test_few_rows():
    small_X, small_y = make_data(12)
    est = JointRegressorClassifier.plain(
        **{**FEW, "epochs": 2}, companions=("forest", "boosting"), companions__n_trees=3
    ).fit(small_X, small_y)
    assert est.predict(small_X).shape == (12, 2)
