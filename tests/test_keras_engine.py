"""The Keras engine is keras.Model.fit on the same batches, and its routing."""

import keras
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from conftest import make_data
from skjoint import JointRegressorClassifier
from skjoint._engines.plan import epoch_order
from skjoint._network.build import build_model
from skjoint._network.weights import get_weights, initial_weights, restart_model


def plain_keras(est, X, y, *, loss, optimizer, epochs, batch_size, weights):
    """What a user would write by hand, given initial weights and batch order."""
    spec = est.network_
    model = build_model(spec)
    seed = [est._model.seed, 0]
    restart_model(model, spec, seed, initial_weights(spec, seed))
    model.compile(optimizer, loss=loss, loss_weights=[1.0, 0.5])
    value, label = y
    history = []
    for epoch in range(epochs):
        rows = epoch_order(est._model.seed, epoch, len(X))
        result = model.fit(
            X[rows],
            [value[rows], label[rows]],
            sample_weight=[w[rows] for w in weights],
            batch_size=batch_size,
            shuffle=False,
            verbose=0,
        )
        history.append(result.history["loss"][0])
    return get_weights(model, spec), history


@pytest.mark.parametrize(
    ("optimizer", "value_loss", "options"),
    [
        (keras.optimizers.Adam(0.01), "mse", {}),
        (keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True), "mae", {"alpha": 0.01}),
        (keras.optimizers.RMSprop(0.005), "huber", {"dropout": 0.2}),
        (keras.optimizers.AdamW(0.01), "log_cosh", {"activation": "tanh"}),
    ],
)
def test_same_mathematics_as_model_fit(optimizer, value_loss, options):
    """Masks, weights, L2, dropout and the short last batch (100 rows by 32) included."""
    X, y = make_data(100)
    y.loc[:9, "value"] = np.nan
    y.loc[5:19, "label"] = None
    sample_weight = np.random.default_rng(0).uniform(0.5, 2, 100)
    est = JointRegressorClassifier.plain(
        (12, 8),
        engine="keras",
        optimizer=optimizer,
        value_loss=value_loss,
        loss_weights=(1.0, 0.5),
        epochs=4,
        batch_size=32,
        random_state=1,
        **options,
    ).fit(X, y, sample_weight)
    arrays, masks = est._model.targets.encode(est._model.targets.read(y))
    expected, history = plain_keras(
        est,
        est._model.encode(X),
        arrays,
        loss=[value_loss, "sparse_categorical_crossentropy"],
        optimizer=type(optimizer).from_config(optimizer.get_config()),
        epochs=4,
        batch_size=32,
        weights=est._model.targets.row_weights(arrays, masks, sample_weight),
    )
    assert_allclose(est.history_["loss"], history, rtol=1e-4)
    for ours, theirs in zip(est._model.network.weights, expected, strict=True):
        assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


def test_single_heads_log_under_their_own_names(data):
    X, y = data
    value = JointRegressorClassifier.plain(
        (8,), value_columns=["value"], class_columns=[], alpha=0.1, epochs=2
    ).fit(X, y)
    assert list(value.history_) == ["loss", "value_loss", "value_mae"]
    assert value.history_["loss"][0] > value.history_["value_loss"][0]  # L2 is in the first
    label = JointRegressorClassifier.plain(
        (8,), value_columns=[], class_columns=["label"], epochs=2, validation=0.2
    ).fit(X, y)
    assert list(label.history_)[:3] == ["loss", "class_loss", "class_accuracy"]
    assert label.predict(X).shape == (len(X), 1)


def test_history_is_what_the_metrics_say(data):
    """With a rate of nearly zero the logs of an epoch are the metrics of the fitted model."""
    X, y = data
    sample_weight = np.linspace(0.5, 1.5, len(X))
    est = JointRegressorClassifier.plain(
        (8,), learning_rate=1e-12, epochs=1, batch_size=50, random_state=0
    ).fit(X, y, sample_weight)
    metrics = est.evaluate(X, y, sample_weight)
    assert_allclose(est.history_["value_mae"][0], metrics["value_mae"], rtol=1e-4)
    assert_allclose(est.history_["class_accuracy"][0], metrics["class_accuracy"], rtol=1e-4)
    assert_allclose(est.history_["class_loss"][0], metrics["class_log_loss"], rtol=1e-4)
    mse = (metrics["value_rmse"] / est._model.targets.values[0].scale[0]) ** 2
    assert_allclose(est.history_["value_loss"][0], mse, rtol=1e-4)


def test_optimizer_by_name_class_and_instance(data):
    X, y = data
    rate = {"epochs": 2, "random_state": 0}
    fits = [
        JointRegressorClassifier.plain((8,), **rate, **how).fit(X, y)
        for how in (
            {"optimizer": "sgd", "learning_rate": 0.1, "optimizer__momentum": 0.9},
            {"optimizer": "SGD", "optimizer__learning_rate": 0.1, "optimizer__momentum": 0.9},
            {"optimizer": keras.optimizers.SGD, "learning_rate": 0.1, "optimizer__momentum": 0.9},
            {"optimizer": keras.optimizers.SGD(0.1, momentum=0.9)},
        )
    ]
    for other in fits[1:]:
        assert other.history_ == fits[0].history_


def test_an_optimizer_instance_is_not_trained(data):
    optimizer = keras.optimizers.Adam()
    est = JointRegressorClassifier.plain((8,), optimizer=optimizer, epochs=2)
    est.fit(*data).fit(*data)
    assert int(optimizer.iterations) == 0


def test_cosine_schedule_ends_at_zero(data):
    X, y = data
    rates = []
    log = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: rates.append(float(log.model.optimizer.learning_rate))
    )
    JointRegressorClassifier.plain(
        (8,), learning_rate_schedule="cosine", learning_rate=0.1, epochs=4, callbacks=log
    ).fit(X, y)
    assert_allclose(rates, 0.05 * (1 + np.cos(np.pi * np.arange(1, 5) / 4)), atol=1e-6)


@pytest.mark.parametrize("params", [{}, {"loss_weights": "uncertainty"}, {"class_columns": []}])
def test_a_step_is_traced_once(data, monkeypatch, params):
    X, y = data
    traced = []
    step = keras.Model.train_step
    monkeypatch.setattr(
        keras.Model, "train_step", lambda self, rows: traced.append(rows) or step(self, rows)
    )
    y = y[["value"]] if "class_columns" in params else y
    JointRegressorClassifier.plain((8,), engine="keras", epochs=2, random_state=0, **params).fit(
        X, y
    )
    assert len(traced) == 1


# What "auto" stands for, but for alpha.
RECIPE = {
    "numeric_embedding": "rank",
    "learning_rate_schedule": "cosine",
    "learning_rate": 0.0015,
}


def test_naming_what_auto_stands_for_changes_nothing(data):
    X, y = data
    common = {"epochs": 3, "random_state": 0}
    recipe = {**RECIPE, "alpha": 5e-5 * X.shape[1]}
    default = JointRegressorClassifier(**common).fit(X, y).predict(X)
    layers = JointRegressorClassifier((256, 64), **common).fit(X, y)
    assert_array_equal(layers.predict(X), default)
    named = JointRegressorClassifier.plain((256, 64), **common, **recipe).fit(X, y)
    assert_array_equal(named.predict(X), default)


def test_the_plain_network_is_named_settings_and_no_more(data):
    X, y = data
    common = {"epochs": 3, "random_state": 0}
    plain = JointRegressorClassifier.plain((16,), **common).fit(X, y)
    named = JointRegressorClassifier(
        (16,), numeric_embedding=None, alpha=0.0, learning_rate_schedule="constant", **common
    )
    assert_array_equal(named.fit(X, y).predict(X), plain.predict(X))


@pytest.mark.parametrize(
    ("params", "rate"),
    [
        ({"optimizer": "rmsprop"}, 0.0015),
        ({"optimizer": "sgd"}, 0.015),
        ({"optimizer": keras.optimizers.Adam(0.02)}, 0.02),
        ({"optimizer__learning_rate": 0.02}, 0.02),
        ({"learning_rate": 0.02}, 0.02),
        ({"warm_start": True}, 0.001),
        ({"learning_rate_schedule": "cosine"}, 0.001),
    ],
)
def test_only_a_rate_that_nobody_gave_is_raised(data, params, rate):
    rates = []
    log = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: rates.append(float(log.model.optimizer.learning_rate))
    )
    JointRegressorClassifier(epochs=1, callbacks=log, random_state=0, **params).fit(*data)
    assert_allclose(rates, [rate], rtol=1e-6)


def test_famo_goes_without_the_auto_penalty(data):
    """Its factors sum to 1, beside which a penalty may take over."""
    free, auto, penalised = (
        JointRegressorClassifier(epochs=2, loss_weights="famo", random_state=0, **params)
        .fit(*data)
        .predict_value(data[0])
        for params in ({"alpha": 0.0}, {}, {"alpha": 3e-4})
    )
    assert_array_equal(free, auto)
    assert not np.array_equal(free, penalised)


def own_schedule():
    return keras.optimizers.Adam(keras.optimizers.schedules.InverseTimeDecay(0.1, 10, 0.5))


@pytest.mark.parametrize(
    ("params", "falls"),
    [
        ({}, True),
        ({"warm_start": True}, False),
        ({"callbacks": [keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate)]}, False),
        ({"callbacks": [keras.callbacks.ReduceLROnPlateau("loss", min_lr=1.0)]}, False),
        ({"optimizer": own_schedule()}, True),  # its own
    ],
)
def test_auto_schedule_leaves_the_rate_to_who_else_has_a_say(data, params, falls):
    rates = []
    log = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: rates.append(float(log.model.optimizer.learning_rate))
    )
    params = {**params, "callbacks": [log, *params.get("callbacks", [])]}
    results = {}
    for engine in ("fused", "keras"):
        rates.clear()
        est = JointRegressorClassifier(epochs=3, engine=engine, random_state=0, **params)
        results[engine] = est.fit(*data).predict_value(data[0])
        assert (rates[-1] < rates[0]) == falls
        assert (rates[-1] < 1e-6) == (params.keys() == {"callbacks"} and falls)
    assert_allclose(results["fused"], results["keras"], rtol=1e-3)


class Recorder(keras.callbacks.Callback):
    def __init__(self, stop_after=None):
        super().__init__()
        self.stop_after = stop_after
        self.logs = []

    def on_epoch_end(self, epoch, logs=None):
        self.logs.append((epoch, dict(logs)))
        if self.stop_after == epoch + 1:
            self.model.stop_training = True


def test_keras_callbacks_see_logs_and_stop(data, tmp_path):
    recorder = Recorder(stop_after=3)
    est = JointRegressorClassifier.plain(
        (8,),
        epochs=10,
        validation=0.2,
        callbacks=[recorder, keras.callbacks.CSVLogger(tmp_path / "log.csv")],
    ).fit(*data)
    assert est.n_iter_ == len(recorder.logs) == len(est.history_["loss"]) == 3
    assert recorder.logs[1][1]["val_joint_loss"] == est.history_["val_joint_loss"][1]
    assert recorder.model is None  # nothing keeps the network alive
    table = pd.read_csv(tmp_path / "log.csv")
    assert {"loss", "value_mae", "val_class_accuracy", "val_joint_loss"} <= set(table)


def test_callbacks_by_scikeras_convention(data):
    stop = keras.callbacks.EarlyStopping
    est = JointRegressorClassifier.plain(
        (8,),
        epochs=30,
        learning_rate=1e-12,
        validation=0.2,
        callbacks={"stop": stop, "log": Recorder},
        callbacks__stop__monitor="val_value_mae",
        callbacks__stop__mode="min",
        callbacks__stop__patience=2,
        callbacks__stop__min_delta=0.1,
    ).fit(*data)
    assert est.n_iter_ == 3


def test_batch_callbacks_are_called_for_every_batch(data):
    batches = []
    callback = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: batches.append(batch)
    )
    JointRegressorClassifier.plain(
        (8,), epochs=2, batch_size=50, callbacks=callback, engine="keras"
    ).fit(*data)
    assert batches == [0, 1, 2] * 2


def test_class_losses(data):
    X, y = data
    common = {"hidden_layer_sizes": (8,), "epochs": 2, "random_state": 0}
    reference = JointRegressorClassifier.plain(**common).fit(X, y)
    for name in ("log_loss", "categorical_crossentropy", keras.losses.CategoricalCrossentropy()):
        other = JointRegressorClassifier.plain(**common, class_loss=name).fit(X, y)
        assert other.history_ == reference.history_
    focal = JointRegressorClassifier.plain(
        **common, class_loss=keras.losses.CategoricalFocalCrossentropy(gamma=0.0, alpha=1.0)
    ).fit(X, y)
    assert_allclose(focal.history_["class_loss"], reference.history_["class_loss"], rtol=1e-3)
    binary = y.assign(label=y["label"] == "top")
    two = JointRegressorClassifier.plain(**common).fit(X, binary)
    as_binary = JointRegressorClassifier.plain(**common, class_loss="binary_crossentropy").fit(
        X, binary
    )
    assert two.history_ == as_binary.history_
    with pytest.raises(ValueError, match="for 3 classes"):
        JointRegressorClassifier.plain(**common, class_loss="binary_crossentropy").fit(X, y)


def test_own_value_loss(data):
    X, y = data
    common = {"hidden_layer_sizes": (8,), "epochs": 2, "random_state": 0}

    def squared(y_true, y_pred):
        return keras.ops.mean((y_true - y_pred) ** 2, axis=-1)

    own = JointRegressorClassifier.plain(**common, value_loss=squared, early_stopping=True).fit(
        X, y
    )
    named = JointRegressorClassifier.plain(**common, value_loss="mse", early_stopping=True).fit(
        X, y
    )
    assert_allclose(own.history_["val_joint_loss"], named.history_["val_joint_loss"], rtol=1e-4)


def test_dropout_does_not_repeat_its_masks_when_continuing(data):
    X, y = data
    est = JointRegressorClassifier.plain((8,), dropout=0.5, learning_rate=1e-12, random_state=0)
    est.partial_fit(X, y).partial_fit(X, y)
    assert est.history_["loss"][0] != est.history_["loss"][1]


def test_weights_equal_seeded_initial_ones_at_rate_zero(data):
    X, y = data
    est = JointRegressorClassifier.plain((8,), learning_rate=1e-45, epochs=1, random_state=3).fit(
        X, y
    )
    initial = initial_weights(est.network_, [est._model.seed, 0])
    for before, after in zip(initial, est._model.network.weights, strict=True):
        assert_array_equal(before, after)
