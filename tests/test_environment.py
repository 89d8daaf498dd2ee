"""Settings of the user's process, of Keras and of TensorFlow, around a fit: right, or one line."""

import contextlib
import functools

import keras
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from conftest import make_data
from skjoint import JointRegressorClassifier

ENGINES = ["fused", "keras"]
X, Y = make_data(60)


def plain(**params):
    return JointRegressorClassifier.plain((5,), **{"epochs": 2, "random_state": 0, **params})


@contextlib.contextmanager
def floats(name):
    keras.config.set_floatx(name)
    try:
        yield
    finally:
        keras.config.set_floatx("float32")


@contextlib.contextmanager
def policy(name):
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy("float32")


@contextlib.contextmanager
def eager_functions():
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


SETTINGS = {
    "members": {
        "n_members": 2,
        "dropout": 0.1,
        "value_loss": "gaussian_nll",
        "class_loss": "categorical_focal_crossentropy",
        "early_stopping": True,
    },
    "mixture": {
        "head_link": "mixture",
        "kernel_initializer": "he_normal",
        "loss_weights": "uncertainty",
    },
}


@functools.cache
def fitted_alone(engine, name):
    return plain(engine=engine, **SETTINGS[name]).fit(X, Y)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "surroundings",
    [
        lambda: floats("float64"),
        lambda: policy("mixed_bfloat16"),
        lambda: policy("float64"),
        lambda: tf.device("/cpu:0"),
        lambda: keras.name_scope("mine"),
        lambda: tf.name_scope("mine"),
        lambda: tf.control_dependencies([]),
    ],
    ids=["float64", "mixed", "float64 policy", "device", "keras", "tf", "control"],
)
@pytest.mark.parametrize("name", SETTINGS)
def test_settings_of_the_process_change_nothing(engine, surroundings, name):
    params = SETTINGS[name]
    alone = fitted_alone(engine, name)
    with surroundings():
        inside = plain(engine=engine, **params).fit(X, Y)
        model = inside.model_
    # In float64 Keras adds losses up to more digits.
    close = {"rtol": 1e-6} if engine == "keras" else {"rtol": 0}
    assert_array_equal(inside.predict_class(X), alone.predict_class(X))
    assert_allclose(inside.predict_value(X), alone.predict_value(X), **close)
    for name, log in alone.history_.items():
        assert_allclose(inside.history_[name], log, **close)
    assert all(output.dtype == "float32" for output in model(X))


@pytest.mark.filterwarnings("ignore:Even though the `tf.config:UserWarning")
@pytest.mark.parametrize("engine", ENGINES)
def test_functions_that_run_eagerly_change_nothing_but_the_time(engine):
    alone = plain(engine=engine).fit(X, Y)
    with eager_functions():
        inside = plain(engine=engine, epochs=2).fit(X, Y)
    assert_allclose(inside.predict_proba(X), alone.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_half_precision_throughout_is_refused(name):
    with floats(name), pytest.raises(RuntimeError, match=f"must be 'float32'. Got '{name}'"):
        plain().fit(X, Y)


WHERE = [
    (lambda: tf.distribute.MirroredStrategy(["/cpu:0"]).scope(), "scope of MirroredStrategy"),
    (lambda: tf.distribute.OneDeviceStrategy("/cpu:0").scope(), "scope of OneDeviceStrategy"),
    (lambda: tf.Graph().as_default(), "inside tf.function or tf.Graph"),
    (keras.StatelessScope, "inside keras.StatelessScope"),
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("surroundings", "where"), WHERE, ids=[where for _, where in WHERE])
def test_where_a_network_cannot_be_built_fit_says_so(engine, surroundings, where):
    with surroundings(), pytest.raises(RuntimeError, match=where):
        plain(engine=engine).fit(X, Y)


@pytest.mark.parametrize(("surroundings", "where"), WHERE, ids=[where for _, where in WHERE])
def test_where_keras_cannot_run_prediction_says_so(surroundings, where):
    def trunk(meta):
        return keras.Sequential([keras.Input(meta["input_shape"]), keras.layers.Dense(3)])

    dense, own = plain().fit(X, Y), plain(trunk=trunk).fit(X, Y)
    with surroundings():
        assert_array_equal(dense.predict(X), dense.predict(X))  # NumPy's
        with pytest.raises(RuntimeError, match=where):
            own.predict(X)
        with pytest.raises(RuntimeError, match=where):
            dense.model_  # noqa: B018


def test_in_a_tape_the_fused_engine_trains_and_keras_is_refused():
    alone = plain().fit(X, Y)
    with tf.GradientTape():
        assert_array_equal(plain(engine="fused").fit(X, Y).predict(X), alone.predict(X))
        with pytest.raises(RuntimeError, match="engine='fused'"):
            plain(engine="keras").fit(X, Y)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "params",
    [{}, {"dropout": 0.1}, {"loss_weights": "uncertainty"}, {"value_loss": "gaussian_nll"}],
    ids=str,
)
def test_what_checkpoints_write_keras_can_load(tmp_path, engine, params):
    path = tmp_path / "best.keras"
    params = {**params, "callbacks": keras.callbacks.ModelCheckpoint(path), "engine": engine}
    est = plain(**params).fit(X, Y)
    saved = keras.models.load_model(path)
    found = saved.predict(est._model.encode(X), verbose=0)
    assert_array_equal(found[0][:, 0], est.model_.predict(est._model.encode(X), verbose=0)[0][:, 0])
    assert saved.optimizer.iterations == 4


def test_keras_callbacks_stop_between_batches():
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 1

    assert plain(engine="keras", batch_size=10, callbacks=Stop(), epochs=4).fit(X, Y).n_iter_ == 1
