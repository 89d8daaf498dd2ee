"""ONNX graphs answer as the estimator does, without TensorFlow; what has no graph is refused."""

import dataclasses
import http.client
import json
import os
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PowerTransformer, StandardScaler

from conftest import make_data
from onnx_checks import SMALL, TOLERANCE, answers, assert_equal, assert_refused, mixed_data
from skjoint import JointRegressorClassifier
from skjoint._network.outputs import Mixture, Point
from skjoint._network.weights import weight_shapes
from skjoint._onnx.activations import ACTIVATIONS
from skjoint._onnx.graph import DOUBLE, OPSETS, Graph, GraphMath
from skjoint._onnx.model import as_proto
from skjoint._prediction.activations import ACTIVATIONS as OURS
from skjoint._prediction.forward import FittedNetwork
from skjoint._prediction.stacked import Stacked
from skjoint.persistence import to_onnx
from skjoint.views import as_regressor

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.mark.parametrize("link", [None, "mixture"])
def test_members_and_epochs_by_head(link, tmp_path):
    X, y = make_data()
    est = JointRegressorClassifier.plain(
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
    [
        {"n_members": 3},
        {"value_by_class": {"low": 50.0}},
        {"value_from": "median"},
        {"value_from": "auto"},
    ],
    ids=["members", "known", "median", "auto"],
)
def test_deviations_and_temperatures(params, tmp_path):
    X, y = make_data()
    if params.get("value_from") == "median":
        y, params = y["value"], {**params, "class_bins": 4}
    est = JointRegressorClassifier.plain(
        **{**SMALL, "epochs": 10}, value_loss="gaussian_nll", calibration="temperature", **params
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rows that contradict value_by_class
        est.fit(X, y)
    found = assert_equal(est, X, tmp_path)
    assert ("std" in found) == (params.get("value_from") != "median")


@pytest.mark.parametrize("n_members", [1, 3])
def test_numbers_that_are_means_of_bins(n_members, tmp_path):
    X, y = make_data()
    est = JointRegressorClassifier.plain(**SMALL, value_loss="histogram", n_members=n_members)
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
    est = JointRegressorClassifier.plain(**SMALL, numeric_embedding=kind, n_members=n_members)
    assert_equal(est.fit(X, y), X, tmp_path)


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
    est = JointRegressorClassifier.plain(**{**SMALL, **CASES[name]}).fit(X, y)
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
    est = JointRegressorClassifier.plain(**SMALL, class_columns=["label"])
    est.fit(X, pd.DataFrame({"value": y["value"], "label": label}))
    found = assert_equal(est, X, tmp_path)["class"]
    assert found.dtype.kind == {"u": "i"}.get(label.dtype.kind, label.dtype.kind)


@pytest.mark.parametrize("class_from", ["head", "value"])
@pytest.mark.parametrize("value_from", ["head", "mean", "median", "blend"])
@pytest.mark.parametrize("bins", [None, 3, [90.0, 110.0]])
def test_one_answer(bins, value_from, class_from, tmp_path):
    X, y = make_data(150)
    number = y["value"] if bins is not None else (y["value"] / 20).round()
    est = JointRegressorClassifier.plain(
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
    est = JointRegressorClassifier.plain(**SMALL).fit(X, y)
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
    X, est = table.drop(columns=targets), JointRegressorClassifier.plain(**{**SMALL, "epochs": 10})
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
    est = JointRegressorClassifier.plain(**SMALL).fit(X, y)
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
    est = JointRegressorClassifier.plain(**SMALL, **SEVERAL[name]).fit(X, y)
    found = assert_equal(est, X, tmp_path)
    if name == "all":
        kinds = ["value_cost", "value_days", "class_kind", "class_old", "proba_kind", "proba_old"]
        assert list(found) == kinds
    if name == "one label":
        assert list(found) == ["class", "proba"]


def test_no_rows_and_many_give_what_one_by_one_gives(tmp_path):
    X, y = make_data(300)
    est = JointRegressorClassifier.plain(**SMALL).fit(X, y)
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
    assert set(ACTIVATIONS) == set(OURS)


def with_network(fitted, network):
    """A copy of a fitted estimator with another network."""
    est = clone(fitted)
    vars(est).update(vars(fitted))
    est._model = dataclasses.replace(fitted._model, network=network)
    return est


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
    value, label = fitted._model.network.spec.heads
    kind = Mixture if link == "mixture" else Point
    output = kind.create(1, value_activation, label.n_units)
    spec = dataclasses.replace(
        fitted._model.network.spec,
        hidden=tuple(hidden),
        activation=activation,
        link=link,
        heads=(dataclasses.replace(value, output=output), label),
    )
    shapes = weight_shapes(spec)
    weights = [(scale * rng.normal(size=s) / np.sqrt(s[0])).astype(np.float32) for s in shapes]
    est = with_network(fitted, FittedNetwork(spec, weights))
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


# ------------------------------------------------------------------ arithmetic
def test_arithmetic_of_graphs_is_that_of_numpy():
    a, b = np.random.default_rng(0).uniform(0.5, 2.0, size=(2, 6, 3))
    graph = Graph()
    math = GraphMath(graph)
    formulas = {
        math.mean(["a", "b", "a"]): np.mean([a, b, a], axis=0),
        math.add("a", "b"): a + b,
        math.add("a", 0.1): a + 0.1,
        math.subtract("a", "b"): a - b,
        math.subtract("a", np.array([1.0, 2.0, 3.0])): a - np.array([1.0, 2.0, 3.0]),
        math.multiply("a", "b"): a * b,
        math.multiply("a", 3.0): a * 3.0,
        math.square("a"): a**2,
        math.sqrt("a"): np.sqrt(a),
    }
    double = (DOUBLE, [None, 3])
    outputs = {f"y{i}": double for i in range(len(formulas))}
    proto = as_proto(graph, dict.fromkeys("ab", double), outputs, formulas)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    for found, expected in zip(session.run(None, {"a": a, "b": b}), formulas.values(), strict=True):
        assert_allclose(found, expected, rtol=1e-15)


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
    to_onnx(JointRegressorClassifier.plain(**SMALL).fit(X, y), tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert {o.domain: o.version for o in model.opset_import} == OPSETS
    described = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(described["features"]) == list(X.columns)
    assert json.loads(described["classes"]) == {"class": ["low", "mid", "top"]}
    assert json.loads(described["targets"]) == [
        {"output": "value", "kind": "value", "columns": ["value"]},
        {"output": "class", "kind": "class", "columns": ["label"]},
    ]


# -------------------------------------------------------------------- refusals
EST = JointRegressorClassifier.plain(**SMALL)
REFUSED = {
    "activation": (clone(EST).set_params(activation="mish"), "ab", "activation 'mish'"),
    "name of an output": (EST, ["value", "town"], r"inputs, \['value'\]"),
    "empty text": (EST, ["empty"], "empty text"),
    "dates": (EST, ["date"], "kind 'date', here \\['date'\\]"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_exported_is_refused(name, tmp_path):
    assert_refused(*REFUSED[name], tmp_path)


def test_views_are_refused(tmp_path):
    assert_refused(as_regressor(EST), "ab", "ValueView", tmp_path, error=TypeError)


@dataclasses.dataclass(frozen=True)
class Oracle:
    """A companion that ONNX has no writer for."""

    head: str = "value"
    n_units: int = 1
    kind: str = "oracle"

    def reads(self, n_inputs):
        return True


def test_companions_without_a_writer_are_refused_by_name(fitted, tmp_path):
    est = with_network(fitted, Stacked(fitted._model.network, [Oracle()], [0.5]))
    with pytest.raises(NotImplementedError, match="companion 'oracle'. Fit without it"):
        to_onnx(est, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


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
