"""One file without pickle: whole or not at all, exact, and harmless wherever it comes from."""

import contextlib
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

import skjoint
from conftest import make_data
from skjoint import JointRegressorClassifier, persistence
from skjoint.persistence import DOCUMENT, load, save

SMALL = {"hidden_layer_sizes": (4,), "epochs": 2, "random_state": 0}
STORED = Path(__file__).parent / "data" / "format_1.skjoint"


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
    "weights by label": {"class_weight": [{"low": 2.0}, "balanced"], "validation_fraction": 0.2},
    "early stopping": {"early_stopping": True, "epochs": 5, "n_iter_no_change": 2},
}


@pytest.mark.parametrize("name", CASES)
def test_round_trip(name, tmp_path):
    X, y = mixed_data()
    est = JointRegressorClassifier(**{**SMALL, **CASES[name]})
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
    est = JointRegressorClassifier(**SMALL, preprocess=None, value_from="median").fit(X, y)
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
    est = JointRegressorClassifier(**SMALL, trunk=build, trunk__units=4).fit(X, y)
    save(est, tmp_path / "m")
    again = load(tmp_path / "m")
    assert_array_equal(again.predict(X), est.predict(X))
    assert isinstance(again.trunk, keras.Model)
    assert_array_equal(again.partial_fit(X, y).predict(X), est.partial_fit(X, y).predict(X))
    again.fit(X, y)


@pytest.mark.parametrize("number", range(1, persistence.FORMAT + 1))
def test_files_of_every_format(number):
    """Written once and kept: they must open for good. 2 has members and embedded numbers."""
    path = STORED.with_name(f"format_{number}.skjoint")
    X, y = mixed_data()
    est = load(path)
    # on another processor sums may be added up in another order
    assert_allclose(est.predict_value(X), np.load(path.with_suffix(".npy")), rtol=1e-6)
    assert est.predict_class(X).shape == (60, 2)
    est.set_params(warm_start=True, epochs=1).fit(X, y)


def test_prediction_needs_no_tensorflow(tmp_path):
    X, y = make_data()
    save(JointRegressorClassifier(**SMALL).fit(X, y), tmp_path / "m")
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
        est = JointRegressorClassifier(**{**SMALL, **parameters}).fit(*make_data(30))
        with pytest.raises(TypeError, match=f"save cannot write {named}.*are code"):
            save(est, tmp_path / "m")
        assert list(tmp_path.iterdir()) == []

    def test_lambda_layers(self, tmp_path):
        trunk = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x * 2)])
        est = JointRegressorClassifier(**SMALL, trunk=trunk).fit(*make_data(30))
        with pytest.raises(TypeError, match="has 'Lambda' of keras.layers: only layers"):
            save(est, tmp_path / "m")

    def test_other_estimators(self, tmp_path):
        pipeline = make_pipeline(StandardScaler(), JointRegressorClassifier())
        with pytest.raises(TypeError, match="Got Pipeline instead"):
            save(pipeline, tmp_path / "m")
        with pytest.raises(ValueError, match="not fitted"):
            save(JointRegressorClassifier(), tmp_path / "m")
        with pytest.raises(FileNotFoundError, match="There is no folder .* to write m to"):
            save(JointRegressorClassifier(**SMALL).fit(*make_data(30)), tmp_path / "no" / "m")


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
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from skjoint.persistence import load, save
est = load({str(STORED)!r})
path = {str(tmp_path / "m")!r}
save(est, path)
est.n_iter_ = 77
os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
save(est, path)
"""
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
        assert load(tmp_path / "m").n_iter_ != 77

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


NETWORK = ("fitted", "_network", "fields")


def with_trunk(class_name, module="keras.layers", registered=None):
    """A trunk with a layer that would run code, read files, or is not Keras' own."""
    layer = {
        "module": module,
        "class_name": class_name,
        "config": {},
        "registered_name": registered,
    }
    model = {"module": "keras", "class_name": "Sequential", "config": {"layers": [layer]}}
    fields = {"config": json.dumps(model), "n_features": 3, "n_parameters": 1}
    fields |= {"adds_losses": False, "convolves": False, "embeds": False}
    return set_at(*NETWORK, "spec", "fields", "trunk", {"is": "Trunk", "fields": fields})


TAMPERED = {
    "later format": (set_at("format", 99), "format 99, made by skjoint.*Update skjoint"),
    "no format": (set_at("format", None), "names no format"),
    "no parameters": (set_at("params", []), "no parameters"),
    "unknown parameter": (set_at("params", "shell", "rm"), "does not fit together"),
    "unknown attribute": (set_at("fitted", "fit", 1), r"unknown attributes \['fit'\]"),
    "unknown kind": (
        set_at("fitted", "_features", {"is": "Popen", "fields": {}}),
        "object of kind 'Popen'",
    ),
    "lambda layer": (with_trunk("Lambda"), "'Lambda' of keras.layers"),
    "saved model layer": (with_trunk("TFSMLayer"), "'TFSMLayer' of keras.layers"),
    "file reader": (with_trunk("StringLookup"), "'StringLookup' of keras.layers"),
    "foreign layer": (with_trunk("Popen", "subprocess"), "'Popen' of subprocess"),
    "registered layer": (with_trunk("Dense", registered="x>Dense"), "only layers, optimizers"),
    "optimizer of os": (
        set_at("params", "optimizer", {"is": "keras class", "config": {"class_name": "system"}}),
        "names the optimizer 'system'",
    ),
    "object array": (
        set_at(
            "fitted",
            "loss_weights_",
            {"is": "array", "dtype": "|O", "shape": [1], "data": "arrays/0"},
        ),
        "is not an array",
    ),
    "huge array": (
        set_at(
            "fitted",
            "loss_weights_",
            {"is": "array", "dtype": "<f8", "shape": [10**12], "data": "arrays/0"},
        ),
        r"is not an array of shape \(1000000000000,\)",
    ),
    "missing array": (
        set_at(
            "fitted",
            "loss_weights_",
            {"is": "array", "dtype": "<f8", "shape": [1], "data": "../../etc/passwd"},
        ),
        "does not fit together",
    ),
    "other weights": (
        set_at(*NETWORK, "weights", {"is": "list", "items": []}),
        "weights of shapes",
    ),
}


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

    def test_deep_json(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "m", "w") as archive:
            archive.writestr(DOCUMENT, "[" * 10**6)
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


def test_the_stored_file_says_what_made_it():
    with zipfile.ZipFile(STORED) as archive:
        document = json.loads(archive.read(DOCUMENT))
    assert document["format"] == 1 < persistence.FORMAT
    assert document["versions"]["skjoint"] == "0.1.0"
    assert set(document["versions"]) >= {"numpy", "scikit-learn", "tensorflow", "keras"}
    assert skjoint.persistence is persistence
