"""ONNX graphs answer as the estimator does, without TensorFlow; what has no graph says so."""

import dataclasses
import datetime
import http.client
import json
import os
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    StandardScaler,
)

from conftest import make_data
from skjoint import JointRegressorClassifier
from skjoint._network.spec import weight_shapes
from skjoint._onnx.activations import ACTIVATIONS
from skjoint._onnx.graph import OPSETS
from skjoint._prediction import forward as _inference
from skjoint._prediction.forward import FittedNetwork
from skjoint._support.composition import joint_estimator
from skjoint.persistence import register_onnx_converter, to_onnx
from skjoint.views import as_regressor

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("skl2onnx")

SMALL = {"hidden_layer_sizes": (6, 4), "epochs": 2, "random_state": 0}
TOLERANCE = 1e-6  # of the spread of a number, of a probability; float32 knows 1e-7


def feed(session, X):
    """Inputs of a session from a table, as the docstring of to_onnx says."""
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
    """What the exported graph says, by name of output."""
    to_onnx(estimator, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    names = [entry.name for entry in session.get_outputs()]
    return dict(zip(names, session.run(None, feed(session, X)), strict=True))


def assert_equal(estimator, X, tmp_path):
    """The graph's answers are the estimator's; labels but where two are tied."""
    found = answers(estimator, X, tmp_path)
    joint = joint_estimator(estimator)
    while hasattr(estimator, "best_estimator_"):
        estimator = estimator.best_estimator_
    if hasattr(estimator, "steps"):
        X = estimator[:-1].transform(X)
    targets = joint._targets
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
    if targets.values and joint.network_.variances and joint.value_from == "head":
        stds = joint.predict_value(X, return_std=True)[1]
        stds = [stds] if len(targets.values) == 1 else stds.T
        for target, std in zip(targets.values, stds, strict=True):
            expected["std" + target.name[5:]] = std
            assert_allclose(found["std" + target.name[5:]], std, rtol=TOLERANCE)
    assert set(found) == set(expected)
    assert {n: v.shape for n, v in found.items()} == {n: v.shape for n, v in expected.items()}
    return found


@pytest.mark.parametrize("link", [None, "mixture"])
def test_members_and_epochs_by_head(link, tmp_path):
    X, y = make_data()
    est = JointRegressorClassifier(
        **{**SMALL, "epochs": 20},
        n_members=3,
        head_link=link,
        early_stopping="by_head",
        n_iter_no_change=2,
        learning_rate=0.03,
    )
    assert_equal(est.fit(X, y), X, tmp_path)


@pytest.mark.parametrize(
    "params",
    [{"n_members": 3}, {"value_by_class": {"low": 50.0}}, {"value_from": "median"}],
    ids=["members", "known", "median"],
)
def test_deviations_and_temperatures(params, tmp_path):
    X, y = make_data()
    if "value_from" in params:
        y, params = y["value"], {**params, "class_bins": 4}
    est = JointRegressorClassifier(
        **{**SMALL, "epochs": 10}, value_loss="gaussian_nll", calibration="temperature", **params
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # other numbers than value_by_class says
        est.fit(X, y)
    assert_equal(est, X, tmp_path)


@pytest.mark.parametrize("n_members", [1, 3])
def test_numbers_that_are_means_of_bins(n_members, tmp_path):
    X, y = make_data()
    est = JointRegressorClassifier(**SMALL, value_loss="histogram", n_members=n_members)
    assert_equal(est.fit(X, y), X, tmp_path)


@pytest.mark.parametrize("kind", ["rank", "periodic", ("periodic", "rank")])
@pytest.mark.parametrize("is_mixed", [False, True])
def test_embedded_numbers(kind, is_mixed, tmp_path):
    X, y = mixed_data() if is_mixed else make_data()
    rooms = np.arange(len(X)) % 4.0
    rooms[3] = np.nan
    if is_mixed:
        X["rooms"] = rooms
    else:
        X[:, 1] = rooms
    n_members = 2 if isinstance(kind, tuple) else 1
    est = JointRegressorClassifier(**SMALL, numeric_embedding=kind, n_members=n_members)
    assert_equal(est.fit(X, y), X, tmp_path)


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


# ------------------------------------------------------------------- estimator
CASES = {
    "defaults": {},
    "no preprocessing": {"preprocess": None},
    "layers of heads": {"value_layer_sizes": (5,), "class_layer_sizes": (6, 3)},
    "no hidden layer": {"hidden_layer_sizes": ()},
    "unscaled": {"scale_value": False},
    "softplus": {"value_activation": "softplus"},
    "class to value": {"head_link": "class_to_value"},
    "value to class": {"head_link": "value_to_class"},
    "mixture": {"head_link": "mixture"},
    "known number": {"value_by_class": {"low": 70.0}},
    "mixture with known number": {"head_link": "mixture", "value_by_class": {"low": 70.0}},
    "dropout": {"dropout": 0.3, "alpha": 0.01},
    "more labels": {"classes": ["low", "mid", "top", "never"]},
}


@pytest.mark.parametrize("name", CASES)
def test_answers_of_the_estimator(name, tmp_path):
    X, y = make_data()
    y.loc[y["label"] == "low", "value"] = 70.0
    est = JointRegressorClassifier(**{**SMALL, **CASES[name]}).fit(X, y)
    found = assert_equal(est, X, tmp_path)
    assert list(found) == ["value", "class", "proba"]
    if name == "known number":
        assert (found["value"] == 70.0).any()
    assert list(tmp_path.iterdir()) == [tmp_path / "model.onnx"]


LABELS = {
    "text": np.array(["", "ä", "b c"], dtype=object),
    "integers": np.array([-3, 0, 7]),
    "small integers": np.array([1, 2, 3], dtype=np.uint8),
    "numbers": np.array([1.0, 2.0, 4.0]),
    "booleans": np.array([False, True, True]),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_keep_their_kind(kind, tmp_path):
    X, y = make_data()
    label = LABELS[kind][np.digitize(X[:, 0], [-0.5, 0.5])]
    est = JointRegressorClassifier(**SMALL, class_columns=["label"])
    est.fit(X, pd.DataFrame({"value": y["value"], "label": label}))
    found = assert_equal(est, X, tmp_path)["class"]
    assert found.dtype.kind == {"u": "i"}.get(label.dtype.kind, label.dtype.kind)


@pytest.mark.parametrize("class_from", ["head", "value"])
@pytest.mark.parametrize("value_from", ["head", "mean", "median", "blend"])
@pytest.mark.parametrize("bins", [None, 3, [90.0, 110.0]])
def test_one_answer(bins, value_from, class_from, tmp_path):
    X, y = make_data(150)
    number = y["value"] if bins is not None else (y["value"] / 20).round()
    est = JointRegressorClassifier(
        **{**SMALL, "epochs": 20},
        class_bins=bins,
        value_from=value_from,
        learning_rate=0.03,
    ).fit(X, number)
    found = answers(est.set_params(class_from=class_from), X, tmp_path)
    numbers = est.predict_value(X)
    assert_allclose(found["value"], numbers, rtol=TOLERANCE)
    assert_allclose(found["proba"], est.predict_proba(X), atol=TOLERANCE)
    assert_array_equal(found["class"], est.predict_class(X))
    assert len(set(found["class"])) > 1


@pytest.mark.parametrize("given", ["table", "array"])
def test_preprocessing_is_in_the_graph(given, tmp_path):
    X, y = mixed_data()
    if given == "array":
        X = X.to_numpy(dtype=object)
    est = JointRegressorClassifier(**SMALL).fit(X, y)
    new = pd.DataFrame(X).copy()
    new.iloc[0, 4] = "a town never seen"
    new.iloc[1, 5] = None  # in a column that had no gaps
    new.iloc[2, :4] = np.nan
    assert_equal(est, new if given == "table" else new.to_numpy(object), tmp_path)
    types = [
        (entry.name, entry.type, entry.shape)
        for entry in onnxruntime.InferenceSession(tmp_path / "model.onnx").get_inputs()
    ]
    names = [f"x{i}" for i in range(8)] if given == "array" else list(X.columns)
    texts = [4, 5]
    for i, (name, kind, shape) in enumerate(types):
        assert name == names[i]
        assert kind == ("tensor(string)" if i in texts else "tensor(double)")
        assert shape[1:] == [1]


@pytest.mark.parametrize("as_pipeline", [False, True])
def test_real_tables(as_pipeline, data_folder, tmp_path):
    table = pd.read_csv(data_folder / "penguins.csv").dropna(subset=["body_mass_g", "species"])
    targets = ["body_mass_g", "species"]
    X, est = table.drop(columns=targets), JointRegressorClassifier(**{**SMALL, "epochs": 10})
    if as_pipeline:
        numbers = X.select_dtypes("number").columns.tolist()
        encode = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        steps = (make_pipeline(SimpleImputer(), PowerTransformer()), numbers)
        est = make_pipeline(make_column_transformer(steps, remainder=encode), est)
    assert_equal(est.fit(X, table[targets]), X, tmp_path)


def test_numbers_of_a_table_are_one_input(tmp_path):
    X, y = make_data()
    X = pd.DataFrame(X, columns=list("abcd"))
    X.iloc[:5, 0] = np.nan
    X["flag"] = X["b"] > 0
    est = JointRegressorClassifier(**SMALL).fit(X, y)
    assert_equal(est, X, tmp_path)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    assert [entry.name for entry in session.get_inputs()] == ["X"]
    assert json.loads(session.get_modelmeta().custom_metadata_map["features"]) == list(X.columns)


SEVERAL = {
    "all": {},
    "vector": {"value_columns": [["cost", "days"]], "class_columns": ["kind"]},
    "one-hot": {"value_columns": ["cost"], "class_columns": [["k0", "k1"], "old"]},
    "numbers only": {"value_columns": ["cost", "days"], "class_columns": []},
    "labels only": {"value_columns": [], "class_columns": ["kind", "old"]},
    "one number": {"value_columns": ["cost"], "class_columns": []},
    "one label": {"value_columns": [], "class_columns": ["kind"]},
}


@pytest.mark.parametrize("name", SEVERAL)
def test_several_targets(name, tmp_path):
    X, y = make_data()
    y = pd.DataFrame(
        {
            "cost": y["value"],
            "kind": y["label"],
            "days": 3 * X[:, 1],
            "old": X[:, 2] > 0,
            "k0": (X[:, 3] > 0).astype(int),
            "k1": (X[:, 3] <= 0).astype(int),
        }
    )
    if name == "all":
        y = y.drop(columns=["k0", "k1"])
    est = JointRegressorClassifier(**SMALL, **SEVERAL[name]).fit(X, y)
    found = assert_equal(est, X, tmp_path)
    if name == "all":
        kinds = ["value_cost", "value_days", "class_kind", "class_old", "proba_kind", "proba_old"]
        assert list(found) == kinds
    if name == "one label":
        assert list(found) == ["class", "proba"]


def test_no_rows_and_many_give_what_one_by_one_gives(tmp_path):
    X, y = make_data(300)
    est = JointRegressorClassifier(**SMALL).fit(X, y)
    many = answers(est, X, tmp_path)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    single = [session.run(None, {"X": X[i : i + 1]}) for i in range(10)]
    for j, whole in enumerate(many.values()):
        rows = np.concatenate([outputs[j] for outputs in single])
        if whole.dtype == object:
            assert_array_equal(rows, whole[:10])
        else:
            assert_allclose(rows, whole[:10], rtol=TOLERANCE)
    assert [a.shape for a in session.run(None, {"X": X[:0]})] == [(0,), (0,), (0, 3)]


def test_the_same_activations_as_in_prediction():
    assert set(ACTIVATIONS) == set(_inference.ACTIVATIONS)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    value_activation=st.sampled_from(["linear", "softplus", "relu", "tanh", "gelu"]),
    link=st.sampled_from([None, "class_to_value", "value_to_class", "mixture"]),
    hidden=st.lists(st.integers(1, 9), max_size=3),
    scale=st.sampled_from([0.1, 1.0, 5.0]),
    seed=st.integers(0, 1000),
)
def test_any_network(activation, value_activation, link, hidden, scale, seed, fitted, tmp_path):
    """A fitted estimator with another network and weights that nobody trained."""
    rng = np.random.default_rng(seed)
    est = clone(fitted)
    vars(est).update(vars(fitted))
    value, label = fitted._network.spec.heads
    spec = dataclasses.replace(
        fitted._network.spec,
        hidden=tuple(hidden),
        activation=activation,
        link=link,
        heads=(dataclasses.replace(value, activation=value_activation), label),
    )
    shapes = weight_shapes(spec)
    weights = [(scale * rng.normal(size=s) / np.sqrt(s[0])).astype(np.float32) for s in shapes]
    est._network = FittedNetwork(spec, weights)
    X = rng.normal(size=(50, 4))
    try:
        numbers, proba = est.predict_value(X), est.predict_proba(X)
    except ValueError:  # exponentials of exponentials are infinite
        assume(False)
    found = answers(est, X, tmp_path)
    finite = np.isfinite(numbers) & (np.abs(numbers) < 1e30)
    size = np.abs(numbers[finite]).max(initial=1.0)
    assert_allclose(found["value"][finite], numbers[finite], rtol=1e-5, atol=1e-6 * size)
    finite = np.isfinite(proba).all(axis=1)
    assert_allclose(found["proba"][finite], proba[finite], atol=1e-5)
    ranked = np.sort(proba, axis=1)
    clear = finite & (ranked[:, -1] - ranked[:, -2] > 1e-5)
    assert_array_equal(found["class"][clear], est.predict_class(X)[clear])


# ---------------------------------------------------------------------- trunks
def chain(*layers, shape=(4,)):
    """A trunk whose weights, statistics included, are all random."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input(shape), *layers])
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in model.get_weights()])
    model.trainable = False
    return model


def functional(*layers):
    inputs = x = keras.Input((4,))
    for layer in layers:
        x = layer(x)
    return inputs, x


L = keras.layers
TRUNKS = {
    "dense": lambda: chain(L.Dense(5, "gelu"), L.Dropout(0.5), L.Dense(3, use_bias=False)),
    "normalised": lambda: chain(L.BatchNormalization(), L.Dense(3), L.LayerNormalization()),
    "without scale": lambda: chain(
        L.BatchNormalization(scale=False), L.LayerNormalization(center=False), L.GaussianNoise(1.0)
    ),
    "activations": lambda: chain(L.Dense(5), L.ReLU(), L.Dense(4), L.Activation("softplus")),
    "nested": lambda: chain(keras.Sequential([keras.Input((4,)), L.Dense(3)]), L.Dense(2)),
    "flat": lambda: chain(L.Flatten(), L.Dense(3), shape=(6, 2)),
    "reshaped": lambda: chain(L.Reshape((3, 4)), L.GlobalMaxPooling1D(), shape=(6, 2)),
    "steps": lambda: chain(L.Dense(3, "softmax"), L.GlobalAveragePooling1D(), shape=(6, 2)),
    "pictures": lambda: chain(L.Dense(3), L.GlobalAveragePooling2D(), shape=(3, 5, 2)),
    "functional": lambda: keras.Model(*functional(L.Dense(3, "relu"), L.BatchNormalization())),
    "brightest": lambda: chain(L.GlobalMaxPooling2D(), shape=(3, 5, 2)),
}


@pytest.mark.parametrize("name", TRUNKS)
def test_trunk(name, tmp_path):
    trunk = TRUNKS[name]()
    X = np.random.default_rng(0).normal(1.0, 2.0, size=(90, *trunk.input_shape[1:]))
    signal = X.reshape(90, -1)
    y = pd.DataFrame(
        {"value": signal[:, 0], "label": np.where(signal.sum(axis=1) > signal.sum() / 90, "a", "b")}
    )
    if X.ndim > 2:
        X.reshape(-1)[5] = np.nan
    est = JointRegressorClassifier(trunk=trunk, epochs=2, random_state=0).fit(X, y)
    found = answers(est, X, tmp_path)
    numbers = est.predict_value(X)  # by Keras, all in float32
    assert_allclose(found["value"], numbers, rtol=1e-5, atol=1e-5 * max(numbers.std(), 0.1))
    proba = est.predict_proba(X)
    assert_allclose(found["proba"], proba, atol=1e-5)
    clear = np.abs(proba[:, 0] - 0.5) > 1e-5
    assert_array_equal(found["class"][clear], est.predict_class(X)[clear])


# ------------------------------------------------------------------- pipelines
def numbers_and_text(text_steps, **options):
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["a", "b"]),
            ("text", text_steps, ["town", "kind"]),
        ],
        **options,
    )


PIPELINES = {
    "scaler": lambda: StandardScaler(),
    "power": lambda: PowerTransformer(),
    "union": lambda: make_union(MinMaxScaler(), PowerTransformer(standardize=False)),
    "some columns": lambda: make_column_transformer(
        (SimpleImputer(strategy="median"), [0, 2]), ("passthrough", slice(2, 4))
    ),
    "one-hot": lambda: numbers_and_text(OneHotEncoder(handle_unknown="ignore")),
    "one-hot without first": lambda: numbers_and_text(OneHotEncoder(drop="first")),
    "imputed text": lambda: numbers_and_text(
        make_pipeline(
            SimpleImputer(strategy="most_frequent", missing_values=None),
            OneHotEncoder(handle_unknown="ignore"),
        )
    ),
    "ordinal": lambda: numbers_and_text(
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-5)
    ),
    "the rest": lambda: numbers_and_text("drop", remainder=OneHotEncoder(handle_unknown="ignore")),
    "nothing": lambda: "passthrough",
}
OF_NUMBERS = ("scaler", "power", "union", "some columns")


@pytest.mark.parametrize("name", PIPELINES)
def test_pipeline(name, tmp_path):
    X, y = mixed_data()
    if name in OF_NUMBERS:
        X = 1000 + 50 * make_data(80)[0]
    elif name == "the rest":
        X = X[["a", "b", "town", "kind", "level"]].assign(level=X["c"].round().clip(-1, 1))
    pipeline = make_pipeline(PIPELINES[name](), JointRegressorClassifier(**SMALL)).fit(X, y)
    found = assert_equal(pipeline, X, tmp_path)
    assert list(found) == ["value", "class", "proba"]
    if name == "the rest":  # columns that are dropped are no inputs
        inputs = onnxruntime.InferenceSession(tmp_path / "model.onnx").get_inputs()
        assert [entry.name for entry in inputs] == ["a", "b", "level"]


def test_steps_that_count_in_float32_only(tmp_path):
    X, y = make_data()
    pipeline = make_pipeline(PolynomialFeatures(2), JointRegressorClassifier(**SMALL)).fit(X, y)
    found = answers(pipeline, X, tmp_path)
    numbers = pipeline.predict(X, output="value")
    assert_allclose(found["value"], numbers, atol=1e-5 * numbers.std())
    assert_array_equal(found["class"], pipeline.predict(X, output="class"))


def test_text_that_a_step_hands_on(tmp_path):
    X, y = mixed_data()
    impute = SimpleImputer(strategy="constant", fill_value="?", missing_values=None)
    X = X[["town", "kind"]].astype(object)
    assert_equal(make_pipeline(impute, JointRegressorClassifier(**SMALL)).fit(X, y), X, tmp_path)


def test_several_targets_behind_a_step(tmp_path):
    X, y = make_data()
    y["the sign?"] = X[:, 3] > 0
    pipeline = make_pipeline(StandardScaler(), JointRegressorClassifier(**SMALL)).fit(X, y)
    found = assert_equal(pipeline, X, tmp_path)
    assert found["class_the sign?"].dtype == bool


def test_searches(tmp_path):
    X, y = make_data()
    est = JointRegressorClassifier(**SMALL)
    over = {"jointregressorclassifier__alpha": [0.0, 0.1]}
    search = GridSearchCV(make_pipeline(StandardScaler(), est), over, cv=2).fit(X, y)
    assert_equal(search, X, tmp_path)
    search = GridSearchCV(est, {"alpha": [0.0, 0.1]}, cv=2)
    assert_equal(search.fit(X, y), X, tmp_path)
    pipeline = make_pipeline(StandardScaler(), search).fit(X, y)
    inside = make_pipeline(pipeline[0], pipeline[-1].best_estimator_)
    for one, other in zip(
        answers(pipeline, X, tmp_path).values(), answers(inside, X, tmp_path).values(), strict=True
    ):
        assert_array_equal(one, other)


def test_for_those_who_call_skl2onnx(tmp_path):
    import skl2onnx

    X, y = make_data()
    pipeline = make_pipeline(StandardScaler(), JointRegressorClassifier(**SMALL)).fit(X, y)
    register_onnx_converter()
    register_onnx_converter()
    model = skl2onnx.to_onnx(pipeline, X[:1])
    session = onnxruntime.InferenceSession(model.SerializeToString())
    value, label, proba = session.run(["value", "class", "proba"], {"X": X})
    assert_allclose(value, pipeline.predict(X, output="value"), rtol=TOLERANCE)
    assert_array_equal(label, pipeline.predict(X, output="class"))
    assert proba.shape == (len(X), 3)


# ------------------------------------------------------------------------ file
SERVE = """
import sys
for name in ("tensorflow", "keras", "sklearn", "pandas", "skjoint", "onnx", "skl2onnx"):
    sys.modules[name] = None  # importing it is an error
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1])
value, label, proba = session.run(["value", "class", "proba"], {"X": np.load(sys.argv[2])})
np.savez(sys.argv[3], value=value, label=label.astype(str), proba=proba)
"""


def test_serving_needs_onnxruntime_and_numpy_only(fitted, tmp_path):
    X, _ = make_data(seed=1)
    to_onnx(fitted, tmp_path / "model.onnx")
    np.save(tmp_path / "X.npy", X)
    files = [str(tmp_path / name) for name in ("model.onnx", "X.npy", "found.npz")]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([sys.executable, "-c", SERVE, *files], check=True, env=env)
    with np.load(tmp_path / "found.npz") as found:
        assert_allclose(found["value"], fitted.predict_value(X), rtol=TOLERANCE)
        assert_array_equal(found["label"], fitted.predict_class(X).astype(str))
        assert_allclose(found["proba"], fitted.predict_proba(X), atol=TOLERANCE)


def test_the_example_serves(fitted, tmp_path):
    X, _ = make_data(5, seed=1)
    to_onnx(fitted, tmp_path / "model.onnx")
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    example = Path(__file__).parents[1] / "benchmarks" / "serve.py"
    code = example.read_text().split('"""')[2]
    assert sum(bool(line) for line in code.splitlines()) <= 20
    command = [sys.executable, str(example), str(tmp_path / "model.onnx"), str(port)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            found = ask(port, {"X": [*X.tolist(), [None] * 4]})
        finally:
            process.terminate()
    X = np.vstack([X, np.full(4, np.nan)])
    assert_allclose(found["value"], fitted.predict_value(X), rtol=TOLERANCE)
    assert found["class"] == fitted.predict_class(X).tolist()
    assert_allclose(found["proba"], fitted.predict_proba(X), atol=TOLERANCE)


def ask(port, rows, seconds=60):
    """The answer of a server that may still be starting."""
    deadline = time.monotonic() + seconds
    while True:
        connection = http.client.HTTPConnection("localhost", port, timeout=seconds)
        try:
            connection.request("POST", "/", json.dumps(rows))
            return json.loads(connection.getresponse().read())
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        finally:
            connection.close()


def test_export_loads_no_tensorflow(fitted, tmp_path):
    import joblib

    joblib.dump(fitted, tmp_path / "fitted.joblib")
    code = (
        "import sys, joblib; from skjoint.persistence import to_onnx;"
        "to_onnx(joblib.load(sys.argv[1]), sys.argv[2]);"
        "assert not {'tensorflow', 'keras', 'skl2onnx'} & set(sys.modules)"
    )
    files = [str(tmp_path / name) for name in ("fitted.joblib", "model.onnx")]
    subprocess.run([sys.executable, "-c", code, *files], check=True)


def test_the_file_describes_itself(tmp_path):
    X, y = mixed_data()
    to_onnx(JointRegressorClassifier(**SMALL).fit(X, y), tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert {o.domain: o.version for o in model.opset_import} == OPSETS
    said = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(said["features"]) == list(X.columns)
    assert json.loads(said["classes"]) == {"class": ["low", "mid", "top"]}
    assert json.loads(said["targets"]) == [
        {"output": "value", "kind": "value", "columns": ["value"]},
        {"output": "class", "kind": "class", "columns": ["label"]},
    ]


# -------------------------------------------------------------------- refusals
def recurrent(meta):
    inputs = keras.Input(meta["input_shape"])
    x = L.Reshape((meta["input_shape"][0], 1))(inputs)
    return keras.Model(inputs, L.GRU(3, name="remember")(x))


def branching(meta):
    inputs = keras.Input(meta["input_shape"])
    return keras.Model(inputs, L.Add()([L.Dense(3)(inputs), L.Dense(3)(inputs)]))


def repeating(meta):
    layer, inputs = L.Dense(meta["input_shape"][0]), keras.Input(meta["input_shape"])
    return keras.Model(inputs, layer(layer(inputs)))


def curious(meta):
    return keras.Sequential([keras.Input(meta["input_shape"]), L.Dense(3, activation="mish")])


def bounded(meta):
    return keras.Sequential([keras.Input(meta["input_shape"]), L.ReLU(max_value=1.0)])


def numbers_beside_text():
    return make_column_transformer(("passthrough", ["a"]), ("passthrough", ["town"]))


def rare_labels():
    return OneHotEncoder(min_frequency=9, sparse_output=False)


EST = JointRegressorClassifier(**SMALL)
REFUSED = {
    "view": (as_regressor(EST), "ab", "ValueView"),
    "activation": (clone(EST).set_params(activation="mish"), "ab", "activation 'mish'"),
    "layer": (clone(EST).set_params(trunk=recurrent), "ab", r"'remember' \(GRU\)"),
    "branches": (clone(EST).set_params(trunk=branching), "ab", "chain"),
    "a layer used twice": (clone(EST).set_params(trunk=repeating), "ab", "chain"),
    "activation of a layer": (clone(EST).set_params(trunk=curious), "ab", "activations"),
    "parameter of a layer": (clone(EST).set_params(trunk=bounded), "ab", "ReLU without"),
    "name of an output": (EST, ["value", "town"], r"inputs, \['value'\]"),
    "empty text": (EST, ["empty"], "empty text"),
    "dates as categories": (EST, ["date"], "datetime.date"),
    "unknown step": (make_pipeline(FunctionTransformer(np.exp), EST), "ab", "Function"),
    "rare labels": (
        make_pipeline(OneHotEncoder(min_frequency=9, sparse_output=False), EST),
        ["town"],
        "min_frequency",
    ),
    "indicator": (make_pipeline(SimpleImputer(add_indicator=True), EST), "ab", "add_indicator"),
    "both kinds": (make_pipeline(numbers_beside_text(), EST), ["a", "town"], "numbers or text"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_exported_says_so(name, tmp_path):
    estimator, columns, message = REFUSED[name]
    X, y = mixed_data()
    X["value"] = X["b"]
    X["empty"] = np.resize(np.array(["", None, "a"], dtype=object), len(X))
    X["date"] = np.resize(np.array([datetime.date(2026, 1, d) for d in (1, 2)]), len(X))
    estimator = clone(estimator).fit(X[list(columns)], y)
    (tmp_path / "model.onnx").write_bytes(b"as before")
    with pytest.raises(TypeError if name == "view" else NotImplementedError, match=message):
        to_onnx(estimator, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == b"as before"
    assert list(tmp_path.iterdir()) == [tmp_path / "model.onnx"]


def test_not_fitted(tmp_path):
    with pytest.raises(NotFittedError):
        to_onnx(JointRegressorClassifier(), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("package", ["onnx", "skl2onnx"])
def test_missing_packages(package, fitted, tmp_path, monkeypatch):
    pipeline = make_pipeline(StandardScaler().fit(make_data()[0]), fitted)
    estimator = fitted if package == "onnx" else pipeline
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"{package}.*pip install 'skjoint\[onnx\]'"):
        to_onnx(estimator, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
