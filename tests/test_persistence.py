"""One file without pickle: whole or not at all, exact, and harmless wherever it comes from."""

import contextlib
import dataclasses
import io
import json
import os
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import write_golden_file as golden
from conftest import make_data, small
from skjoint import JointRegressorClassifier
from skjoint._ensemble.companions.registry import COMPANIONS
from skjoint._network.outputs import OUTPUTS
from skjoint._storage.archive import DOCUMENT, FORMAT
from skjoint._storage.contents import KINDS, kind_named
from skjoint.persistence import load, save

STORED = Path(__file__).parent / "data" / f"format_{FORMAT}_plain.skjoint"


def tiny(**params):
    return small(**{"hidden_layer_sizes": (4,), "epochs": 2, **params})


def mixed_data(n_samples=60):
    """Numbers with gaps, text with gaps, a flag; a number and two labels."""
    X, y = make_data(n_samples)
    X = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    X.loc[3, "a"] = np.nan
    X["town"] = np.where(X["b"] > 0, "north", "south")
    X.loc[5, "town"] = None
    X["flag"] = X["c"] > 0
    return X, y.assign(sign=X["d"] > 0)


def assert_same(one, other, X, y):
    assert_array_equal(one.predict(X), other.predict(X))
    probas = one.predict_proba(X), other.predict_proba(X)
    for a, b in zip(*(p if isinstance(p, list) else [p] for p in probas), strict=True):
        assert_array_equal(a, b)
    assert one.history_ == other.history_
    assert one.evaluate(X, y) == other.evaluate(X, y)
    plain = (bool, int, float, str, tuple, list, dict, type(None))
    for name, value in one.get_params().items():
        if isinstance(value, plain):
            assert other.get_params()[name] == value
        else:
            assert type(other.get_params()[name]) is type(value)


CASES = {
    "defaults": {},
    "bands": {"class_bins": [90.0, 110.0], "value_columns": ["value"], "class_columns": ["value"]},
    "mixture": {"head_link": "mixture", "class_columns": ["label"]},
    "balanced, cosine": {"loss_weights": "famo", "learning_rate_schedule": "cosine"},
    "instances": {
        "optimizer": keras.optimizers.SGD(0.01, momentum=0.9),
        "value_loss": keras.losses.LogCosh(),
        "kernel_initializer": keras.initializers.HeNormal(seed=1),
    },
    "routed class": {"optimizer": keras.optimizers.AdamW, "optimizer__weight_decay": 0.1},
    "weights by label": {"class_weight": [{"low": 2.0}, "balanced"], "validation": 0.2},
    "early stopping": {"early_stopping": True, "epochs": 5, "n_iter_no_change": 2},
    "companions": {
        "companions": ("forest", "boosting", "ridge"),
        "companions__n_trees": 2,
        "companions__n_features": 4,
    },
    "members": {"n_members": 2, "numeric_embedding": ("periodic", "rank"), "validation": 0.3},
    "deviations": {"value_loss": "gaussian_nll", "validation": 0.2},
    "histogram": {"value_loss": "histogram", "calibration": "temperature"},
}


@pytest.mark.parametrize("name", CASES)
def test_round_trip(name, tmp_path):
    X, y = mixed_data()
    est = tiny(**CASES[name])
    y = y.drop(columns="sign") if name == "mixture" else y
    est.fit(X, y)
    save(est, tmp_path / "model.skjoint")
    again = load(tmp_path / "model.skjoint")
    assert_same(est, again, X, y)
    assert list(tmp_path.iterdir()) == [tmp_path / "model.skjoint"]
    # it trains on as the original does
    assert_array_equal(again.partial_fit(X, y).predict(X), est.partial_fit(X, y).predict(X))


def test_one_column_and_plain_arrays(tmp_path):
    X, _ = make_data(80)
    y = (X[:, 0] * 2).round().clip(-2, 2)
    est = tiny(preprocess=None, value_from="median").fit(X, y)
    save(est, tmp_path / "m")
    again = load(tmp_path / "m")
    assert_same(est, again, X, y)
    assert again.classes_.dtype == est.classes_.dtype


def build(meta, units=3):
    return keras.Sequential(
        [
            keras.Input(meta["input_shape"]),
            keras.layers.GRU(units),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.1),
        ]
    )


def test_trunk(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 5, 2))
    y = pd.DataFrame({"value": X.sum(axis=(1, 2)), "label": np.where(X[:, 0, 0] > 0, "a", "b")})
    est = tiny(trunk=build, trunk__units=4).fit(X, y)
    save(est, tmp_path / "m")
    again = load(tmp_path / "m")
    assert_array_equal(again.predict(X), est.predict(X))
    assert isinstance(again.trunk, keras.Model)
    assert_array_equal(again.partial_fit(X, y).predict(X), est.partial_fit(X, y).predict(X))
    again.fit(X, y)


# ------------------------------------------------------------------- golden files
def golden_files(number):
    return sorted(STORED.parent.glob(f"format_{number}_*.skjoint"))


def document_of(path):
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(DOCUMENT))


def test_every_format_has_golden_files():
    """Who raises the format runs tests/write_golden_file.py."""
    for number in range(1, FORMAT + 1):
        assert golden_files(number)
    names = {path.stem.removeprefix(f"format_{FORMAT}_") for path in golden_files(FORMAT)}
    assert names == golden.ESTIMATORS.keys()
    assert sum(p.stat().st_size for p in STORED.parent.iterdir()) < FORMAT * 300_000


@pytest.mark.parametrize(
    "path", [p for n in range(1, FORMAT + 1) for p in golden_files(n)], ids=lambda path: path.stem
)
def test_golden_files_predict_what_they_did(path):
    est, expected = load(path), np.load(path.with_suffix(".npz"))
    X = golden.rows_of(path.stem.split("_", 2)[2])
    found = golden.predictions(est, X)
    assert found.keys() == set(expected)
    for name in found:
        # on another processor sums may be added up in another order
        assert_allclose(found[name], expected[name], rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("name", golden.ESTIMATORS)
def test_golden_files_train_on(name):
    est = load(STORED.with_name(f"format_{FORMAT}_{name}.skjoint"))
    _, X, y, _ = golden.ESTIMATORS[name]()
    n_iter = est.n_iter_
    assert est.partial_fit(X, y).n_iter_ == n_iter + 1


def fields_of_objects(value):
    """Pairs of a kind and the names of its fields, of all objects in a document."""
    if isinstance(value, dict):
        if "fields" in value:
            yield value["is"], value["fields"].keys()
        value = list(value.values())
    for part in value if isinstance(value, list) else []:
        yield from fields_of_objects(part)


def test_golden_files_hold_every_kind_with_all_fields_it_needs():
    """A field without a default, or a kind that no golden file holds, would break old files."""
    found = {}
    for path in golden_files(FORMAT):
        for kind, names in fields_of_objects(document_of(path)["model"]):
            found[kind] = found.get(kind, names) & names
    kinds = {*KINDS, *(f"output {name}" for name in OUTPUTS)}
    assert found.keys() == kinds | {f"companion {name}" for name in COMPANIONS}
    for kind, names in found.items():
        cls = kind_named(kind)[1].cls
        for field in dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else []:
            needed = field.default is field.default_factory is dataclasses.MISSING
            assert not needed or field.name in names, f"{kind}.{field.name} has no default"


def test_prediction_needs_no_tensorflow(tmp_path):
    X, y = make_data()
    save(tiny().fit(X, y), tmp_path / "m")
    code = (
        "import sys; from skjoint.persistence import load; import numpy as np;"
        f"load({str(tmp_path / 'm')!r}).predict(np.zeros((2, 4)));"
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


class TestWhatIsNotSaved:
    @pytest.mark.parametrize(
        ("parameters", "named"),
        [
            ({"activation": lambda x: x}, "activation=<function"),
            ({"value_loss": lambda t, p: (t - p)[:, 0] ** 2}, "value_loss=<function"),
            ({"callbacks": keras.callbacks.Callback()}, "callbacks=<keras"),
            ({"random_state": np.random.RandomState(0)}, "random_state=RandomState"),
        ],
    )
    def test_code(self, parameters, named, tmp_path):
        est = tiny(**parameters).fit(*make_data(30))
        with pytest.raises(TypeError, match=f"save cannot write {named}.*are code"):
            save(est, tmp_path / "m")
        assert list(tmp_path.iterdir()) == []

    def test_lambda_layers(self, tmp_path):
        trunk = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x * 2)])
        est = tiny(trunk=trunk).fit(*make_data(30))
        with pytest.raises(TypeError, match="has 'Lambda' of keras.layers: only layers"):
            save(est, tmp_path / "m")

    def test_other_estimators(self, tmp_path):
        pipeline = make_pipeline(StandardScaler(), JointRegressorClassifier())
        with pytest.raises(TypeError, match="Got Pipeline instead"):
            save(pipeline, tmp_path / "m")
        with pytest.raises(ValueError, match="not fitted"):
            save(JointRegressorClassifier(), tmp_path / "m")
        with pytest.raises(FileNotFoundError, match="There is no folder .* to write m to"):
            save(tiny().fit(*make_data(30)), tmp_path / "no" / "m")


class TestWholeOrNotAtAll:
    def test_a_failing_write_leaves_the_old_file(self, tmp_path, monkeypatch, fitted):
        path = tmp_path / "m"
        save(fitted, path)
        before = path.read_bytes()

        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left on device"):
            save(fitted, path)
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]

    def test_a_kill_leaves_the_old_file(self, tmp_path):
        """Killed before the rename, after all bytes were written."""
        code = f"""
import os, signal
from dataclasses import replace
from skjoint.persistence import load, save
est = load({str(STORED)!r})
path = {str(tmp_path / "m")!r}
save(est, path)
est._model = replace(est._model, n_validation=77)
os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
save(est, path)
"""
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
        assert load(tmp_path / "m").n_validation_ != 77

    def test_a_kill_at_any_moment_leaves_a_whole_file(self, tmp_path):
        code = f"""
import os, random, signal, time
from dataclasses import replace
from skjoint.persistence import load, save
est = load({str(STORED)!r})
path = {str(tmp_path / "m")!r}
save(est, path)
for i in range(25):
    child = os.fork()
    if child == 0:
        while True:
            model = est._model
            est._model = replace(model, n_validation=model.n_validation + 1)
            save(est, path)
    time.sleep(random.Random(i).uniform(0.005, 0.05))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    again = load(path)
    assert again.n_validation_ >= est.n_validation_ and again.history_ == est.history_
"""
        subprocess.run([sys.executable, "-c", code], check=True)

    def test_a_full_disk_leaves_the_old_file(self, tmp_path):
        code = f"""
import os, resource
from skjoint.persistence import load, save
est = load({str(STORED)!r})
path = {str(tmp_path / "m")!r}
save(est, path)
for share in (0.1, 0.5, 0.99):
    size = int(os.path.getsize(path) * share)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        save(est, path)
    except OSError as error:
        assert "File too large" in str(error), error
    else:
        raise AssertionError("written in spite of the limit")
    assert os.listdir({str(tmp_path)!r}) == ["m"]
    load(path)
"""
        subprocess.run([sys.executable, "-c", code], check=True)

    def test_permissions_are_those_of_a_new_file(self, tmp_path, fitted):
        save(fitted, tmp_path / "m")
        (tmp_path / "other").write_text("")
        assert (tmp_path / "m").stat().st_mode == (tmp_path / "other").stat().st_mode


def rewritten(change, compression=zipfile.ZIP_STORED, extra=()):
    """The stored file with another document."""
    with zipfile.ZipFile(STORED) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    document = json.loads(entries.pop(DOCUMENT))
    document = change(document) or document
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.writestr(DOCUMENT, json.dumps(document))
        for name, data in [*entries.items(), *extra]:
            archive.writestr(name, data)
    return stream.getvalue()


def set_at(*path_and_value):
    *path, last, value = path_and_value

    def change(document):
        place = document
        for key in path:
            place = place[key]
        place[last] = value

    return change


def without(*path_and_key):
    *path, last = path_and_key

    def change(document):
        place = document
        for key in path:
            place = place[key]
        del place[last]

    return change


MODEL = ("model", "fields")
NETWORK = (*MODEL, "network", "fields")


def keras_object(class_name, module="keras.layers", registered=None, **config):
    return {
        "module": module,
        "class_name": class_name,
        "config": config,
        "registered_name": registered,
    }


def with_trunk(*named, **config):
    """A trunk with a layer that would run code, read files, or is not Keras' own."""
    layers = [keras_object("InputLayer", batch_shape=[None, 11]), keras_object(*named, **config)]
    model = keras_object("Sequential", "keras", name="trunk", layers=layers)
    n_parameters = 12 * config["units"] if isinstance(config.get("units"), int) else 1
    fields = {"config": json.dumps(model), "n_features": config.get("units", 4)}
    fields["n_parameters"] = n_parameters
    fields |= {"adds_losses": False, "convolves": False, "embeds": False}
    return set_at(*NETWORK, "spec", "fields", "trunk", {"is": "Trunk", "fields": fields})


CODE = keras.src.utils.python_utils.func_dump(lambda x: os.abort())[0]
TAMPERED = {
    "later format": (set_at("format", 99), "format 99, made by skjoint.*Update skjoint"),
    "no format": (set_at("format", None), "names no format"),
    "no parameters": (set_at("params", []), "no parameters"),
    "no model": (set_at("model", None), "no fitted model"),
    "a model of nothing": (set_at("model", {"is": "list", "items": []}), "of another kind"),
    "a network for a model": (
        lambda document: document.update(model=document["model"]["fields"]["network"]),
        "of another kind",
    ),
    "later format of any form": (
        lambda document: {"format": 99, "versions": []},
        "format 99.*Update skjoint",
    ),
    "other targets": (
        without(*MODEL, "targets", "fields", "classes", "items", 0),
        "are those of its network",
    ),
    "other features": (
        set_at(*MODEL, "features", "fields", "output_shape_", {"is": "tuple", "items": [3]}),
        "it is not so that columns are encoded",
    ),
    "unknown parameter": (set_at("params", "shell", "rm"), "does not fit together"),
    "former parameter": (set_at("params", "validation_fraction", 0.1), "does not fit together"),
    "unknown field": (set_at(*MODEL, "fit", 1), "does not fit together.*'fit'"),
    "missing field": (without(*MODEL, "seed"), "'seed'"),
    "unknown kind": (
        set_at(*MODEL, "features", {"is": "Popen", "fields": {}}),
        "object of kind 'Popen'",
    ),
    "lambda layer": (with_trunk("Lambda"), "'Lambda' of keras.layers"),
    "saved model layer": (with_trunk("TFSMLayer"), "'TFSMLayer' of keras.layers"),
    "file reader": (with_trunk("StringLookup"), "'StringLookup' of keras.layers"),
    "foreign layer": (with_trunk("Popen", "subprocess"), "'Popen' of subprocess"),
    "registered layer": (with_trunk("Dense", "keras.layers", "x>Dense"), "only layers, optimizers"),
    "code as an activation": (
        with_trunk("Dense", units=3, activation=keras_object("__lambda__", value=CODE)),
        "'__lambda__' of keras.layers",
    ),
    "code inside an operation": (
        with_trunk("Dense", units=3, dtype=keras_object("__typespec__", "keras.ops")),
        "'__typespec__' of keras.ops",
    ),
    "layer of 40 GB": (with_trunk("Dense", units=10**10), "it has weights of shapes"),
    "layer of no size": (with_trunk("Dense", units="many"), "does not fit together"),
    "text of 100 GB": (
        set_at(
            *MODEL,
            "history",
            {
                "is": "objects",
                "dtype": "<U5",
                "shape": [10**4],
                "items": ["x" * 10**7] + [""] * 9999,
            },
        ),
        "more than 10 times its size and 64 MB of memory",
    ),
    "infinite size": (set_at(*NETWORK, "spec", "fields", "input_shape", float("inf")), "together"),
    "optimizer of os": (
        set_at("params", "optimizer", {"is": "keras class", "config": {"class_name": "system"}}),
        "names the optimizer 'system'",
    ),
    "object array": (
        set_at(
            *MODEL,
            "loss_weights",
            {"is": "array", "dtype": "|O", "shape": [1], "data": "arrays/0"},
        ),
        "is not an array",
    ),
    "huge array": (
        set_at(
            *MODEL,
            "loss_weights",
            {"is": "array", "dtype": "<f8", "shape": [10**12], "data": "arrays/18"},
        ),
        r"entries for an array of shape \[1000000000000\]",
    ),
    "missing array": (
        set_at(
            *MODEL,
            "loss_weights",
            {"is": "array", "dtype": "<f8", "shape": [1], "data": "../../etc/passwd"},
        ),
        "it has no array",
    ),
    "other weights": (
        set_at(*NETWORK, "weights", {"is": "list", "items": []}),
        "weights of shapes",
    ),
}


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.sampled_from([10**30, 0.5, float("nan"), float("inf"), "", "relu", "<f8", "arrays/0"])
    | st.sampled_from(["Trunk", "NetworkSpec", "Average", "array", "objects", "keras class"]).map(
        lambda kind: {"is": kind, "fields": {}}
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.just("is"), inner),
    max_leaves=4,
)


class TestUntrustedFiles:
    @pytest.mark.parametrize("name", TAMPERED)
    def test_tampered(self, name, tmp_path):
        change, message = TAMPERED[name]
        (tmp_path / "m").write_bytes(rewritten(change))
        with pytest.raises(ValueError, match=message):
            load(tmp_path / "m")

    def test_path_traversal_writes_nothing(self, tmp_path):
        folder = tmp_path / "in"
        folder.mkdir()
        extra = [("../outside", b"x"), ("/tmp/outside", b"x")]
        (folder / "m").write_bytes(rewritten(lambda d: d, extra=extra))
        load(folder / "m")
        assert [p.name for p in tmp_path.rglob("*")] == ["in", "m"]

    def test_a_bomb_stays_small(self, tmp_path):
        bomb = rewritten(lambda d: d, zipfile.ZIP_DEFLATED, [("arrays/x", bytes(2 * 10**8))])
        (tmp_path / "m").write_bytes(bomb)
        tracemalloc.start()
        with pytest.raises(ValueError, match="entries are compressed or overlap"):
            load(tmp_path / "m")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 10**7

    def test_a_pickle_is_not_opened(self, tmp_path, fitted):
        import pickle

        (tmp_path / "m").write_bytes(pickle.dumps(fitted))
        with pytest.raises(ValueError, match="damaged or of another kind"):
            load(tmp_path / "m")
        with pytest.raises(FileNotFoundError):
            load(tmp_path / "nothing")

    @pytest.mark.parametrize("document", ["[" * 10**6, "9" * 5000, '{"format": 1', "\xff"])
    def test_what_is_not_json(self, document, tmp_path):
        with zipfile.ZipFile(tmp_path / "m", "w") as archive:
            archive.writestr(DOCUMENT, document.encode("latin-1"))
        with pytest.raises(ValueError, match="is not JSON"):
            load(tmp_path / "m")

    @settings(
        max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(data=st.data())
    def test_damage_is_an_error_or_harmless(self, data, tmp_path):
        """Cut short or with bytes changed: ValueError, or the checksums found nothing amiss."""
        content = bytearray(STORED.read_bytes())
        if data.draw(st.booleans()):
            content = content[: data.draw(st.integers(0, len(content) - 1))]
        else:
            for _ in range(data.draw(st.integers(1, 4))):
                content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(
                    st.integers(1, 255)
                )
        (tmp_path / "m").write_bytes(bytes(content))
        with contextlib.suppress(ValueError, OSError):
            load(tmp_path / "m")

    @settings(
        max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(data=st.data())
    def test_any_other_document_is_refused_or_loads(self, data, tmp_path):
        """Some part of the document replaced by anything: ValueError, or an estimator."""

        def change(document):
            place, key = None, None
            value = document
            while isinstance(value, (dict, list)) and value and data.draw(st.integers(0, 9)):
                keys = list(value) if isinstance(value, dict) else range(len(value))
                place, key = value, data.draw(st.sampled_from(keys))
                value = place[key]
            if place is not None:
                place[key] = data.draw(ANYTHING)

        (tmp_path / "m").write_bytes(rewritten(change))
        with contextlib.suppress(ValueError):
            assert isinstance(load(tmp_path / "m"), JointRegressorClassifier)

    def test_many_columns_of_few_categories_stay_small(self, tmp_path):
        """Rows that hold each category once would be 100,000 times 2,000 entries."""

        def change(document):
            texts = [{"is": "objects", "dtype": "O", "shape": [1], "items": ["a"]}] * 2000
            texts[0] = {**texts[0], "shape": [10**5], "items": [str(i) for i in range(10**5)]}
            fields = document["model"]["fields"]["features"]["fields"]["one_hot_"]["fields"]
            fields["categories"] = {"is": "list", "items": texts}

        (tmp_path / "m").write_bytes(rewritten(change))
        tracemalloc.start()
        with contextlib.suppress(ValueError):
            load(tmp_path / "m")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2 * 10**8


def test_the_versions_that_made_a_file_are_in_it():
    document = document_of(STORED)
    assert document["format"] == FORMAT
    assert document["versions"]["skjoint"] == "0.1.0"
    assert set(document["versions"]) >= {"numpy", "scikit-learn", "tensorflow", "keras"}
