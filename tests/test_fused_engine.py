"""The fused engine: the Keras engine's mathematics, shared programs, callbacks by the epoch."""

import copy
import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from tensorflow.python.framework.func_graph import FuncGraph

from conftest import make_data
from skjoint import JointRegressorClassifier
from skjoint._engines.fused import function, padding, program
from skjoint._engines.fused.cache import training_programs
from skjoint._network.build import call_model

SMALL = {"hidden_layer_sizes": (12, 8), "epochs": 5, "random_state": 0}


@pytest.fixture(autouse=True)
def _empty_cache():
    training_programs.clear()
    training_programs.n_built = 0


@pytest.fixture(params=["graph", "compiled"])
def mode(request, monkeypatch):
    """Both ways to run a program, whatever the work."""
    steps = {"graph": np.inf, "compiled": 0}[request.param]
    monkeypatch.setattr(program, "STEPS_WORTH_COMPILING", steps)
    return request.param


def gappy_data(n_samples=130):
    X, y = make_data(n_samples)
    y.loc[:9, "value"] = np.nan
    y.loc[5:19, "label"] = None
    return X, y, np.random.default_rng(0).uniform(0.5, 2, n_samples)


def fit(engine, X, y, sample_weight=None, **parameters):
    est = JointRegressorClassifier.plain(**{**SMALL, "engine": engine, **parameters})
    return est.fit(X, y, sample_weight)


def assert_same_training(one, other, rtol=1e-4):
    assert list(one.history_) == list(other.history_)
    for name in one.history_:
        assert_allclose(one.history_[name], other.history_[name], rtol=rtol, err_msg=name)
    for a, b in zip(one._model.network.weights, other._model.network.weights, strict=True):
        assert_allclose(a, b, rtol=1e-3, atol=1e-5)


OPTIONS = {
    "adam": {},
    "adamw, cosine": {"optimizer": "adamw", "learning_rate_schedule": "cosine"},
    "sgd, momentum": {"optimizer": "sgd", "optimizer__momentum": 0.9, "learning_rate": 0.05},
    "rmsprop": {"optimizer": "rmsprop"},
    "nadam": {"optimizer": "nadam"},
    "averaged weights": {"optimizer__use_ema": True, "optimizer__ema_momentum": 0.9},
    "clipped": {"optimizer__clipnorm": 0.1},
    "schedule of its own": {
        "optimizer": keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 5, 0.5))
    },
    "dropout": {"dropout": 0.3},
    "L2": {"alpha": 0.05},
    "huber": {"value_loss": "huber", "activation": "tanh"},
    "log_cosh, focal": {
        "value_loss": "log_cosh",
        "class_loss": keras.losses.CategoricalFocalCrossentropy(),
    },
    "own layers, relu": {"value_layer_sizes": 6, "class_layer_sizes": 4, "activation": "gelu"},
    "loss weights": {"loss_weights": (1.0, 0.2), "class_weight": "balanced"},
    "validation": {"validation": 0.3, "alpha": 0.01},
    "early stopping": {"early_stopping": True, "epochs": 25, "n_iter_no_change": 2},
    "value alone": {"value_columns": ["value"], "class_columns": [], "alpha": 0.1},
    "label alone": {"value_columns": [], "class_columns": ["label"], "validation": 0.2},
    "full batch": {"batch_size": 1000},
    "batch of one": {"batch_size": 1, "epochs": 2},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_same_mathematics_as_the_keras_engine(name):
    """130 rows by 32: the short last batch, masks and weights are in every case."""
    data = gappy_data()
    assert_same_training(fit("keras", *data, **OPTIONS[name]), fit("fused", *data, **OPTIONS[name]))


def test_compiled_and_plain_graph_agree(mode):
    data = gappy_data()
    options = {"dropout": 0.2, "alpha": 0.01, "validation": 0.2}
    assert_same_training(fit("keras", *data, **options), fit("fused", *data, **options))


def test_continued_training(mode):
    X, y, w = gappy_data()
    fits = {}
    for engine in ("keras", "fused"):
        est = JointRegressorClassifier.plain(
            **{**SMALL, "warm_start": True}, engine=engine, dropout=0.2, optimizer="nadam"
        )
        est.fit(X, y, w).set_params(learning_rate=0.003).fit(X[:90], y[:90])
        fits[engine] = est.partial_fit(X, y)
    assert_same_training(fits["keras"], fits["fused"])
    # and an engine may take over from the other
    for engine, other in (("keras", "fused"), ("fused", "keras")):
        fits[engine].set_params(engine=other).fit(X, y)
    assert_same_training(fits["keras"], fits["fused"])


def test_epochs_in_one_call_or_one_by_one():
    data = gappy_data()
    together = fit("fused", *data, epochs=40)
    one_by_one = fit("fused", *data, epochs=40, callbacks=[keras.callbacks.Callback()])
    assert_same_training(together, one_by_one, rtol=1e-6)


def test_a_search_compiles_once(monkeypatch):
    """3 folds of 8 points and the refit, differing in rate, L2, loss weights and rows."""
    monkeypatch.setattr(program, "STEPS_WORTH_COMPILING", 0)
    X, y, _ = gappy_data(203)
    search = GridSearchCV(
        JointRegressorClassifier.plain((8,), epochs=2),
        {
            "learning_rate": [1e-3, 1e-2],
            "alpha": [0.0, 1e-3],
            "loss_weights": [(1.0, 1.0), (1.0, 0.5)],
        },
        cv=3,
        error_score="raise",
    )
    search.fit(X, y)
    assert training_programs.n_built == 1
    search.set_params(param_grid={"learning_rate": [0.1]})
    search.set_params(estimator__hidden_layer_sizes=(9,)).fit(X, y)
    assert training_programs.n_built == 2  # another shape is another program


def test_what_shares_a_program_and_what_does_not():
    X, y, w = gappy_data()
    fit("fused", X, y)
    for same in ({"random_state": 5}, {"class_weight": "balanced"}, {"epochs": 2}):
        fit("fused", X[:100], y[:100], w[:100], **same)
    assert training_programs.n_built == 1
    for other in ({"optimizer": "sgd"}, {"value_loss": "mae"}, {"dropout": 0.1}):
        fit("fused", X, y, **other)
    assert training_programs.n_built == 4


def test_batches_have_one_shape(monkeypatch):
    """XLA makes a batch of unknown length as long as all rows, which costs as much for each."""
    shapes = []

    def call(model, X, training):
        shapes.append(X.shape.as_list())
        return call_model(model, X, training)

    monkeypatch.setattr(padding, "call_model", call)
    X, y = make_data(300)
    fit("fused", X, y, batch_size=64, validation=0.3)
    assert len(shapes) >= 2
    assert {shape[0] for shape in shapes} == {64}


def test_a_reused_program_remembers_nothing():
    X, y, _ = gappy_data()
    options = {"dropout": 0.2, "optimizer": "nadam"}
    alone = fit("fused", X, y, **options)
    fit("fused", X[::-1], y[::-1], random_state=9, learning_rate=0.5, **options)
    again = fit("fused", X, y, **options)
    assert training_programs.n_built == 1
    assert alone.history_ == again.history_
    assert_array_equal(alone.predict_value(X), again.predict_value(X))


def test_compilations_are_bounded(monkeypatch):
    monkeypatch.setattr(program, "STEPS_WORTH_COMPILING", 0)
    monkeypatch.setattr(function, "MAX_COMPILED", 1)
    monkeypatch.setattr(training_programs, "n_compiled", 0)
    X, y, _ = gappy_data()
    compiled = fit("fused", X, y)
    with pytest.warns(UserWarning, match="has compiled 1 networks of other shapes"):
        fit("fused", X, y, hidden_layer_sizes=(5,))
    programs = list(training_programs._idle)
    assert [program.is_compiled for program in programs] == [True, False]
    assert fit("fused", X, y).history_ == compiled.history_  # the first is still the compiled one


def test_programs_that_are_dropped_are_gone():
    """Their graphs too: TensorFlow's registry of gradients must not hold them."""

    def alive(kind):
        gc.collect()
        return sum(isinstance(entry, kind) for entry in gc.get_objects())

    X, y, _ = gappy_data(60)
    before = alive(FuncGraph)
    for width in range(3, 6):
        fit("fused", X, y, hidden_layer_sizes=(width,), epochs=1)
    assert alive(FuncGraph) > before
    training_programs.clear()
    assert alive(program.Program) == 0
    assert alive(FuncGraph) <= before


def test_two_threads_train_at_the_same_time(monkeypatch):
    monkeypatch.setattr(program, "STEPS_WORTH_COMPILING", 0)
    X, y, w = gappy_data()
    est = JointRegressorClassifier.plain(**SMALL, engine="fused", dropout=0.2)

    def train(seed):
        return clone(est).set_params(random_state=seed).fit(X, y, w).predict_value(X)

    alone = [train(seed) for seed in range(6)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(train, range(6)))
    for a, b in zip(alone, together, strict=True):
        assert_array_equal(a, b)
    assert training_programs.n_built <= 2


@pytest.mark.parametrize("steps", [0, 10**9], ids=["compiled", "graph"])
def test_fits_at_the_same_time_trace_once(steps, monkeypatch):
    """The second waits for the first's program and trains by it, with variables of its own."""
    monkeypatch.setattr(program, "STEPS_WORTH_COMPILING", steps)
    monkeypatch.setattr(training_programs, "n_compiled", 0)
    X, y, w = gappy_data()
    options = {"dropout": 0.2, "loss_weights": "uncertainty", "optimizer": "nadam", "epochs": 8}
    alone = [fit("fused", X, y, w, random_state=seed, **options) for seed in (0, 1)]
    training_programs.clear()
    traced = []
    trace = function.Function._trace
    both = threading.Barrier(2)

    def traced_once(self, arguments, compiled):
        traced.append(compiled)
        give_up = time.monotonic() + 60
        while training_programs.n_built < before + 2 and time.monotonic() < give_up:
            time.sleep(0.01)  # until the other fit has its program
        return trace(self, arguments, compiled)

    def train(seed):
        both.wait()
        return fit("fused", X, y, w, random_state=seed, **options)

    before = training_programs.n_built
    monkeypatch.setattr(function.Function, "_trace", traced_once)
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(train, (0, 1)))
    assert training_programs.n_built == before + 2
    assert len(traced) == 1
    assert training_programs.n_compiled <= 2  # of the fit alone, and of these
    for one, other in zip(alone, together, strict=True):
        assert one.history_ == other.history_
        assert_array_equal(one.predict_value(X), other.predict_value(X))


def test_callbacks_by_the_epoch(tmp_path):
    X, y, _ = gappy_data()
    seen = []
    callbacks = [
        keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=1, min_delta=10),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        keras.callbacks.ModelCheckpoint(
            tmp_path / "best.weights.h5",
            monitor="val_joint_loss",
            mode="min",
            save_best_only=True,
            save_weights_only=True,
        ),
        keras.callbacks.EarlyStopping("val_loss", patience=4, min_delta=10),
        keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: seen.append((epoch, logs["val_joint_loss"]))
        ),
        keras.callbacks.TerminateOnNaN(),
    ]
    parameters = {"epochs": 20, "validation": 0.2}
    untouched = copy.deepcopy([callbacks[0], callbacks[3]])
    est = fit("fused", X, y, callbacks=callbacks, **parameters)
    assert est.n_iter_ == len(seen) == len(pd.read_csv(tmp_path / "log.csv")) == 5
    assert [loss for _, loss in seen] == est.history_["val_joint_loss"]
    assert (tmp_path / "best.weights.h5").exists()
    assert all(callback.model is None for callback in callbacks)
    # the lower rates were used: the Keras engine comes to the same
    # (by callbacks of its own: Keras 3.12 does not reset all that they remember)
    assert_same_training(est, fit("keras", X, y, callbacks=untouched, **parameters))


def test_a_saved_model_has_the_state_of_the_optimizer(tmp_path):
    X, y = make_data()
    callback = keras.callbacks.ModelCheckpoint(tmp_path / "model.keras")
    est = fit("fused", X, y, callbacks=[callback])
    saved = keras.models.load_model(tmp_path / "model.keras").optimizer
    _, arrays = est._model.resumption.states[0][0]
    for variable, array in zip(saved.variables, arrays, strict=True):
        assert_array_equal(np.asarray(variable), array)


@pytest.mark.parametrize("engine", ["auto", "keras"])
def test_tensorboard(engine, tmp_path):
    module = "tensorboard.backend.event_processing.event_accumulator"
    events = pytest.importorskip(module)
    X, y, _ = gappy_data()
    callback = keras.callbacks.TensorBoard(tmp_path, histogram_freq=1)
    fit(engine, X, y, callbacks=callback, validation=0.2)
    for folder, names in {
        "train": {"epoch_loss", "epoch_value_mae"},
        "validation": {"epoch_loss", "epoch_class_accuracy", "epoch_joint_loss"},
    }.items():
        accumulator = events.EventAccumulator(str(tmp_path / folder))
        accumulator.Reload()
        tags = set(accumulator.Tags()["tensors"])
        assert names <= tags
        # Keras 3.12 leaves the layer out of the name.
        assert folder != "train" or {"value/kernel/histogram", "kernel/histogram"} & tags
        assert len(accumulator.Tensors("epoch_loss")) == 5


def test_what_only_keras_can_do(data):
    callback = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    with pytest.warns(
        UserWarning, match="engine='keras'.*LambdaCallback asks to be called for eve"
    ):
        fit("auto", *data, callbacks=callback)
    with pytest.raises(ValueError, match="engine must be 'keras' here: LambdaCallback"):
        fit("fused", *data, callbacks=callback)
    with pytest.warns(UserWarning, match="head 'value' has reduction='sum'"):
        fit("auto", *data, value_loss=keras.losses.MeanSquaredError(reduction="sum"))


def test_what_xla_cannot_compile_trains_as_a_graph(data, monkeypatch):
    monkeypatch.setattr(program, "STEPS_WORTH_COMPILING", 0)

    def by_python(x):
        result = tf.py_function(lambda x: tf.nn.relu(x), [x], tf.float32)
        result.set_shape(x.shape)
        return result

    with pytest.warns(UserWarning, match="XLA cannot compile this network") as caught:
        est = fit("fused", *data, activation=by_python)
    assert len(caught) == 1
    assert_same_training(est, fit("fused", *data, activation="relu"))


def test_divergence_is_found(data):
    with pytest.raises(ValueError, match="became (nan|inf) in epoch"):
        fit("fused", *data, optimizer="sgd", learning_rate=1e20)
    assert fit("fused", *data, optimizer="sgd").n_iter_ == 5  # the next fit is not touched by it


@pytest.mark.parametrize("params", [{}, {"early_stopping": True}, {"loss_weights": "dwa"}])
@pytest.mark.parametrize("compiled", [True, False])
def test_an_epoch_may_be_cut_into_calls(params, compiled, monkeypatch):
    """Few steps at a time, so that Ctrl-C is heard, give what a whole epoch gives."""
    X, y = make_data(200)
    monkeypatch.setattr(program, "STEPS_WORTH_COMPILING", 0 if compiled else 10**9)
    est = JointRegressorClassifier.plain(
        (6,), epochs=4, batch_size=7, dropout=0.1, random_state=0, **params
    )
    calls = []
    call = program.Program._call

    def counted(self, plan, inputs, epoch, n_epochs, steps, sums):
        calls.append((steps[1] - steps[0]) * n_epochs)
        return call(self, plan, inputs, epoch, n_epochs, steps, sums)

    monkeypatch.setattr(program.Program, "_call", counted)
    monkeypatch.setattr(
        program, "time", SimpleNamespace(perf_counter=lambda: 0.0)
    )  # no time passes
    monkeypatch.setattr(program, "FIRST_STEPS", 10**6)
    whole = clone(est).fit(X, y)
    n_calls, n_steps = len(calls), sum(calls)
    calls.clear()
    monkeypatch.setattr(program, "FIRST_STEPS", 3)
    cut = clone(est).fit(X, y)
    assert calls[0] == 3  # before the speed is known
    assert calls[1] <= 8 * 3
    assert len(calls) > n_calls
    assert sum(calls) == n_steps
    assert cut.history_ == whole.history_
    assert_array_equal(cut.predict_value(X), whole.predict_value(X))
