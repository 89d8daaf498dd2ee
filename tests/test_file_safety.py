"""Files of any origin: no code runs, whatever the process has set; memory and time are bounded."""

import io
import json
import os
import stat
import subprocess
import sys
import threading
import time
import tracemalloc
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from conftest import make_data
from skjoint import JointRegressorClassifier
from skjoint._network import keras_names
from skjoint._storage.bounds import BEYOND, TIMES
from skjoint._support.files import whole_file
from skjoint.persistence import load, save
from test_persistence import MODEL, keras_object, rewritten, set_at, with_trunk

X, Y = make_data(60)
HERE = Path(__file__).parent


def plain(**params):
    return JointRegressorClassifier.plain((4,), **{"epochs": 1, "random_state": 0, **params})


def written(folder, data):
    path = folder / "crafted"
    path.write_bytes(data)
    return path


# ------------------------------------------------------------------------- code
@pytest.fixture
def permissive(monkeypatch):
    """A process in which Keras runs code of configurations, and knows classes of the user's."""
    called = []

    @keras.saving.register_keras_serializable("theirs")
    class Noisy(keras.layers.Layer):
        def __init__(self, *args, **kwargs):
            called.append("layer")
            super().__init__()

    def noisy(x):
        called.append("function")
        return x

    keras.config.enable_unsafe_deserialization()
    custom = keras.saving.get_custom_objects()
    custom |= {"noisy": noisy, "Noisy": Noisy}
    try:
        yield called
    finally:
        from keras.src.backend.common import global_state

        global_state.set_global_attribute("safe_mode_saving", None)
        for name in ("noisy", "Noisy", "theirs>Noisy"):
            custom.pop(name, None)


CODE = keras.src.utils.python_utils.func_dump(lambda x: os.abort())[0]


def trunk_of(layer):
    """A file whose trunk has this layer."""
    change = with_trunk("Dense", units=3)

    def changed(document):
        change(document)
        trunk = document
        for key in (*MODEL, "network", "fields", "spec", "fields", "trunk", "fields"):
            trunk = trunk[key]
        config = json.loads(trunk["config"])
        config["config"]["layers"][1] = layer
        trunk["config"] = json.dumps(config)

    return changed


def without_module(layer):
    return {name: value for name, value in layer.items() if name != "module"}


def function(name, module):
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


LAMBDA = keras_object("Lambda", function=keras_object("__lambda__", None, value=CODE))
RUN_CODE = {
    "lambda": trunk_of(LAMBDA),
    "lambda that calls itself ours": trunk_of(
        {**LAMBDA, "module": None, "registered_name": "skjoint>HashDropout"}
    ),
    "lambda of the legacy path": trunk_of(without_module(LAMBDA)),
    "ours of the legacy path": trunk_of(
        without_module({**LAMBDA, "registered_name": "skjoint>HashDropout"})
    ),
    "lambda inside": trunk_of(keras_object("TimeDistributed", layer=LAMBDA)),
    "reader of files": trunk_of(
        keras_object("IndexLookup", "keras.src.layers.preprocessing.index_lookup")
    ),
    "vocabulary": trunk_of(keras_object("StringLookup", vocabulary="/etc/passwd")),
    "hashes": trunk_of(keras_object("TextVectorization", vocabulary="/etc/passwd")),
    "saved model": trunk_of(keras_object("TFSMLayer", filepath="/tmp")),
    "class of the user's": trunk_of(keras_object("Noisy", None, "theirs>Noisy")),
    "class of the user's by name": trunk_of(without_module(keras_object("Noisy"))),
    "activation of the user's": trunk_of(keras_object("Dense", units=3, activation="noisy")),
    "function as an activation": trunk_of(
        keras_object("Dense", units=3, activation=function("set_epsilon", "keras.config"))
    ),
    "function as a layer": trunk_of(function("load_data", "keras.datasets.mnist")),
    "initializer of the user's": trunk_of(
        keras_object(
            "Dense", units=3, kernel_initializer=keras_object("Noisy", None, "theirs>Noisy")
        )
    ),
    "parameter of the user's": set_at("params", "activation", "noisy"),
    "value activation of the user's": set_at("params", "value_activation", "noisy"),
    "initializer parameter": set_at("params", "kernel_initializer", "noisy"),
    **{
        f"{name} for {parameter}": set_at(
            "params", parameter, {"is": "keras", "config": json.dumps(function(name, module))}
        )
        for name, module in (
            ("set_epsilon", "keras.config"),
            ("plot_model", "keras.utils"),
            ("load_data", "keras.datasets.mnist"),
            ("mean_squared_error", "keras.losses"),
        )
        for parameter in ("value_activation", "value_loss", "class_loss", "optimizer")
    },
    "layer for a loss": set_at(
        "params",
        "value_loss",
        {"is": "keras", "config": json.dumps(keras_object("Dense", units=3))},
    ),
    "loss for an optimizer": set_at(
        "params",
        "optimizer",
        {"is": "keras", "config": json.dumps(keras_object("Huber", "keras.losses"))},
    ),
}


@pytest.mark.parametrize("name", RUN_CODE)
def test_no_code_runs_whatever_the_process_allows(name, tmp_path, permissive):
    path = written(tmp_path, rewritten(RUN_CODE[name]))
    epsilon = keras.config.epsilon()
    with pytest.raises(ValueError, match="not a model that skjoint can load"):
        load(path)
    assert permissive == []
    assert keras.config.epsilon() == epsilon


def test_ordinary_files_load_in_such_a_process(tmp_path, permissive):
    layers = [keras.Input((4,)), keras.layers.Dense(4, "relu"), keras.layers.Dropout(0.1)]
    est = plain(trunk=keras.Sequential(layers)).fit(X, Y)
    save(est, tmp_path / "m")
    assert_array_equal(load(tmp_path / "m").predict(X), est.predict(X))
    assert permissive == []


# ------------------------------------------------------------------------ lists
# Layers that are not in the list, and why.
LEFT_OUT = {
    "hold functions": "Lambda",
    "read files": "StringLookup IntegerLookup TextVectorization",
    "load models of others": "TFSMLayer TorchModuleWrapper JaxLayer FlaxLayer",
}


def names_of(module, base):
    return {n for n, v in vars(module).items() if isinstance(v, type) and issubclass(v, base)}


def test_activations_are_those_of_keras():
    known = set(keras.src.activations.ALL_OBJECTS_DICT) - {None}
    unknown = {name for name in keras_names.ACTIVATIONS if name not in known}
    assert {name for name in unknown if not hasattr(keras.activations, name)} <= set()


def test_every_listed_class_is_keras_own():
    for kind, classes in keras_names.CLASSES.items():
        for module, name in classes:
            if module.startswith("keras.src.ops"):
                continue
            owner = keras
            for part in module.split(".")[1:]:
                owner = getattr(owner, part)
            found = getattr(owner, name, None)
            # A class of a newer Keras is no error with the lowest one.
            assert found is None or found.__module__.startswith("keras.src"), (kind, name)


def test_layers_that_run_code_are_not_listed():
    for why, names in LEFT_OUT.items():
        for name in names.split():
            assert ("keras.layers", name) not in keras_names.CLASSES["layer"], why


L = keras.layers
TRUNKS = {
    "convolutions": [(6, 6, 1), L.Conv2D(2, 3, activation="relu"), L.BatchNormalization()],
    "separable": [(6, 6, 1), L.SeparableConv2D(2, 3), L.DepthwiseConv2D(3), L.LeakyReLU()],
    "augmented": [(6, 6, 1), L.RandomFlip(), L.RandomRotation(0.1), L.MaxPooling2D()],
    "recurrent": [(6, 3), L.Bidirectional(L.LSTM(2, return_sequences=True)), L.GRU(3)],
    "by time": [(6, 3), L.TimeDistributed(L.Dense(2)), L.SimpleRNN(2)],
    "cells": [(6, 3), L.RNN(L.LSTMCell(3))],
    "regularised": [
        (5,),
        L.Dense(
            3,
            kernel_regularizer=keras.regularizers.L1L2(0.1, 0.1),
            kernel_constraint=keras.constraints.MaxNorm(2.0),
            kernel_initializer=keras.initializers.RandomNormal(0.1),
        ),
        L.LayerNormalization(),
        L.GaussianNoise(0.1),
    ],
    "activations": [(5,), L.Dense(3), L.PReLU(), L.Activation("gelu"), L.ELU(), L.Softmax()],
    "one dimension": [(6, 3), L.Conv1D(2, 2, padding="causal"), L.SpatialDropout1D(0.1)],
}


@pytest.mark.parametrize("name", TRUNKS)
def test_ordinary_trunks_go_through_a_file(name, tmp_path):
    shape, *layers = TRUNKS[name]
    trunk = keras.Sequential([keras.Input(shape), *layers, L.Flatten(), L.Dense(3)])
    rows = np.random.default_rng(0).normal(size=(60, *shape)).astype(np.float32)
    est = plain(trunk=trunk, epochs=1, preprocess=None, batch_size=60).fit(rows, Y)
    save(est, tmp_path / "m")
    assert_array_equal(load(tmp_path / "m").predict(rows), est.predict(rows))


def test_functional_trunks_with_attention_and_operations_go_through_a_file(tmp_path):
    inputs = keras.Input((6, 4))
    seen = L.MultiHeadAttention(2, 3)(inputs, inputs)
    joined = L.Add()([L.LayerNormalization()(seen), inputs])
    mean = keras.ops.mean(keras.ops.tanh(joined), axis=1)
    trunk = keras.Model(inputs, L.Concatenate()([mean, L.GlobalMaxPooling1D()(joined)]))
    rows = np.random.default_rng(0).normal(size=(60, 6, 4)).astype(np.float32)
    est = plain(trunk=trunk, preprocess=None).fit(rows, Y)
    save(est, tmp_path / "m")
    assert_array_equal(load(tmp_path / "m").predict(rows), est.predict(rows))


# --------------------------------------------------------------- memory and time
def one_array_often(document):
    array = {"is": "array", "dtype": "<f4", "shape": [1, 1], "data": "arrays/0"}
    document["params"]["class_bins"] = {"is": "list", "items": [array] * 2000}


def nested(document):
    inner = 1
    for _ in range(300):
        inner = {"is": "list", "items": [inner]}
    document["params"]["class_bins"] = inner


def colliding(document):
    step = 2**61 - 1  # to which CPython's hashes of whole numbers are taken modulo
    items = [[i * step, 0] for i in range(1, 20_000)]
    document["params"]["value_by_class"] = {"is": "dict", "items": items}


def long_dtype(document):
    dtype = "(" + "f8," * 10**6 + ")"
    array = {"is": "array", "dtype": dtype, "shape": [1], "data": "arrays/0"}
    document["params"]["class_bins"] = array


def many_dicts(document):
    document["params"]["class_bins"] = [{}] * 500_000


COSTLY = [one_array_often, nested, colliding, long_dtype, many_dicts]


@pytest.mark.parametrize("change", COSTLY, ids=lambda change: change.__name__)
def test_a_file_costs_ten_times_its_size_and_64_mb_at_most(change, tmp_path):
    data = rewritten(change)
    path = written(tmp_path, data)
    tracemalloc.start()
    try:
        start = time.process_time()
        with pytest.raises(ValueError, match="not a model that skjoint can load"):
            load(path)
        seconds = time.process_time() - start
        assert tracemalloc.get_traced_memory()[1] < TIMES * len(data) + BEYOND
    finally:
        tracemalloc.stop()
    assert seconds < 5 * 4  # tracing alone takes some three times as long


def test_large_models_are_within_the_bounds(tmp_path):
    labels = [f"label number {i}" for i in range(20_000)]
    y = Y.assign(label=labels[: len(Y)])
    est = plain(classes=labels, batch_size=60).fit(X, y)
    save(est, tmp_path / "m")
    assert load(tmp_path / "m").classes_.tolist() == sorted(labels)


# ------------------------------------------------------------------------ fuzz
@pytest.mark.slow
def test_damaged_files_raise_value_errors_alone():
    """``SKJOINT_FUZZ=20000`` for many; CI takes some."""
    n = os.environ.get("SKJOINT_FUZZ", "400")
    done = subprocess.run(
        [sys.executable, HERE / "fuzz_files.py", n],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "'refused'" in done.stdout


# --------------------------------------------------------------- files on the disk
def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o755])
def test_a_file_that_is_replaced_keeps_its_permissions(mode, tmp_path, fitted):
    path = tmp_path / "m"
    path.write_text("old")
    path.chmod(mode)
    save(fitted, path)
    assert mode_of(path) == mode
    assert_array_equal(load(path).predict(X), fitted.predict(X))


def test_a_new_file_has_those_of_the_process_which_stay(tmp_path, fitted):
    """No thread sees another umask for a moment."""
    old, seen, done = os.umask(0o027), set(), threading.Event()

    def watch():
        i = 0
        while not done.is_set():
            with open(tmp_path / f"beside {i % 50}", "w"):
                seen.add(mode_of(tmp_path / f"beside {i % 50}"))
            i += 1

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        for i in range(20):
            save(fitted, tmp_path / f"m{i}")
            assert mode_of(tmp_path / f"m{i}") == 0o640
    finally:
        done.set()
        thread.join()
        os.umask(old)
    assert seen == {0o640}


def test_a_symlink_is_followed(tmp_path, fitted):
    (tmp_path / "deep").mkdir()
    target, link = tmp_path / "deep" / "real", tmp_path / "link"
    link.symlink_to(target)
    for _ in range(2):
        save(fitted, link)
        assert link.is_symlink()
        assert target.is_file()
        load(link)


def test_names_may_be_as_long_as_the_system_takes(tmp_path, fitted):
    path = tmp_path / ("é" * 127 + "m")
    save(fitted, path)
    save(fitted, path)
    assert_array_equal(load(path).predict(X), fitted.predict(X))
    assert len(list(tmp_path.iterdir())) == 1


def test_what_a_kill_leaves_the_next_save_clears(tmp_path, fitted):
    code = f"""
import os
from skjoint._support.files import whole_file
with whole_file({str(tmp_path / "m")!r}) as stream:
    stream.write(b"half")
    stream.flush()
    os._exit(9)
"""
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], check=False)
        assert done.returncode == 9
    assert list(tmp_path.iterdir()) != []
    save(fitted, tmp_path / "m")
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_two_saves_at_once_leave_one_whole_file(tmp_path, fitted):
    threads = [threading.Thread(target=save, args=(fitted, tmp_path / "m")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    assert_array_equal(load(tmp_path / "m").predict(X), fitted.predict(X))


def test_a_device_is_written_to():
    with whole_file("/dev/null") as stream:
        stream.write(b"gone")


def test_the_archive_is_one_of_ours(tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.comment = b"something behind"
        archive.writestr("skjoint.json", "{}")
    with pytest.raises(ValueError, match="damaged or of another kind"):
        load(written(tmp_path, stream.getvalue()))
