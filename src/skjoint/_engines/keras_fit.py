"""Engine: ``keras.Model.fit``, with every Keras callback.

Batches come from a ``tf.data`` pipeline in the order of
:func:`skjoint._engines.plan.epoch_order`, because the shuffling of ``Model.fit``
draws from TensorFlow's global seed. Without a callback that asks for single
batches, a whole epoch runs in one call (``steps_per_execution``), which is
the same mathematics about four times faster on small networks.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from skjoint._engines.callback_needs import listens_to_batches, release
from skjoint._engines.entries import arrays_of, most_entries, rows_at
from skjoint._engines.keras_balanced import balanced_model
from skjoint._engines.optimizers import make_optimizer, optimizer_state, resume_optimizer
from skjoint._engines.plan import Result, epoch_order, log_names, weight_names
from skjoint._network.build import build_model
from skjoint._network.losses import per_sample
from skjoint._network.weights import get_weights, restart_model
from skjoint._support.keras_import import import_keras, no_retracing_advice, untouched_random

DENSE_NUMBERS = 2**22  # of sparse held-out rows at once
ROW_LOSS = "loss_by_row"


def train(plan, on_epoch, callbacks=()):
    """Carry out a plan.

    Parameters
    ----------
    plan : Plan
    on_epoch : callable
        ``(epoch, logs, get_weights) -> stop``, see :mod:`skjoint._engines.hooks`.
    callbacks : list of keras.callbacks.Callback
        The user's; they get the logs that ``on_epoch`` has completed.

    Returns
    -------
    Result
    """
    _check_no_tape()
    every_batch = any(map(listens_to_batches, callbacks))
    model, optimizer = _compiled_model(plan, every_batch)
    history = {}
    hooks = [_epoch_hook(model, plan, on_epoch, history)]
    if callbacks:
        hooks.append(_for_user(callbacks, model, plan))
    try:
        with no_retracing_advice():
            model.fit(
                _batches(plan),
                initial_epoch=plan.first_epoch,
                epochs=plan.last_epoch,
                steps_per_epoch=plan.n_steps,
                validation_data=_validation(plan) if plan.validation else None,
                callbacks=hooks,
                shuffle=False,
                verbose=0,
            )
    finally:
        release(callbacks)
    state = model.balancing_state.numpy() if plan.balancing else None
    return Result(get_weights(model, plan.network), optimizer_state(optimizer), history, state)


def _check_no_tape():
    """Raise inside a GradientTape, which would have to record Keras' loop over batches."""
    from tensorflow.python.eager.record import could_possibly_record

    if could_possibly_record():
        raise RuntimeError(
            "engine='keras' cannot train inside tf.GradientTape. Call fit outside, or use "
            "engine='fused'."
        )


def _compiled_model(plan, every_batch):
    """A model with the plan's weights and losses, and its optimizer."""
    model = build_model(plan.network, all_parts=True)
    if plan.balancing:
        model = balanced_model()(model.input, model.outputs, plan=plan)
    # Dropout of continued training must not repeat the masks of the first epochs.
    restart_model(model, plan.network, [plan.seed, plan.first_epoch], plan.weights)
    with untouched_random():
        optimizer = make_optimizer(plan)
        optimizer.build(model.trainable_variables)
    resume_optimizer(optimizer, plan)
    model.compile(
        optimizer=optimizer,
        loss=list(plan.losses),
        loss_weights=list(plan.loss_weights),
        weighted_metrics=_metrics(plan),
        steps_per_execution=1 if every_batch else plan.n_steps,
    )
    _build_metrics(model, plan)
    return model, optimizer


def _epoch_hook(model, plan, on_epoch, history):
    """A callback that calls ``on_epoch`` and adds what it leaves in the logs to the history."""

    keras = import_keras()

    class EpochHook(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            _name_logs(logs, plan)
            if plan.balancing:
                model.end_epoch(logs)
            if on_epoch(epoch, logs, lambda: get_weights(model, plan.network)):
                model.stop_training = True
            for name, value in logs.items():
                history.setdefault(name, []).append(float(value))

    return EpochHook()


def _for_user(callbacks, model, plan):
    """A callback that calls those of the user, with a model that can be saved and loaded again.

    The model in training has losses and metrics by row, and perhaps a step of its own, none of
    which Keras can load from a file. Theirs has its layers and its optimizer.
    """
    keras = import_keras()
    with untouched_random():
        shown = keras.Model(model.inputs, model.outputs)
        shown.compile(optimizer=model.optimizer)
    shown.stop_training = False

    class ForUser(keras.callbacks.CallbackList):
        def set_model(self, _):
            super().set_model(shown)

        def set_params(self, _):
            super().set_params({"epochs": plan.last_epoch, "steps": plan.n_steps, "verbose": 0})

        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)
            self._pass_stop_on()

        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, logs)
            self._pass_stop_on()

        def _pass_stop_on(self):
            model.stop_training = model.stop_training or shown.stop_training

    return ForUser(list(callbacks))


def _build_metrics(model, plan):
    """Create the variables of loss and metrics: in ``fit`` they cost a second trace of all."""
    rows = plan.rows.take([0])
    # Of any numbers: calling the model would draw random ones in layers that augment images.
    outputs = [np.zeros((1, *output.shape[1:]), np.float32) for output in model.outputs]
    X = rows.X.toarray() if sparse.issparse(rows.X) else rows.X
    row = X, *map(_one_or_many, (rows.targets, outputs, rows.weights))
    model.compute_loss(*row, training=False)
    model.compute_metrics(*row)
    model.reset_metrics()


def _batches(plan):
    """The batches of all epochs, one after another."""
    import tensorflow as tf

    n_samples, n_heads = len(plan.rows), len(plan.rows.targets)
    table, positions = _rows_of(plan), tf.constant(plan.rows.positions)
    arrays = [tf.constant(a) for a in (*plan.rows.targets, *plan.rows.weights)]

    # AutoGraph, which nothing here needs, would write a source file for each.
    @tf.autograph.experimental.do_not_convert
    def order(epoch):
        rows = tf.numpy_function(
            lambda epoch: epoch_order(plan.seed, int(epoch), n_samples), [epoch], tf.int32
        )
        rows.set_shape((n_samples,))
        return tf.data.Dataset.from_tensor_slices(rows).batch(plan.batch_size)

    @tf.autograph.experimental.do_not_convert
    def gather(rows):
        X = table(tf.gather(positions, rows), plan.batch_size)
        rest = [tf.gather(array, rows) for array in arrays]
        return X, _one_or_many(rest[:n_heads]), _one_or_many(rest[n_heads:])

    epochs = tf.data.Dataset.range(plan.first_epoch, plan.last_epoch)
    return epochs.flat_map(order).map(gather).prefetch(2)


def _validation(plan):
    """Held-out rows as the batches that ``validation_data`` takes."""
    import tensorflow as tf

    rows = plan.validation
    # many at once, but a trunk may hold large activations for each
    batch_size = 4096 if plan.network.trunk is None else 256
    targets, weights = _one_or_many(rows.targets), _one_or_many(rows.weights)
    if not sparse.issparse(rows.table):
        data = tf.data.Dataset.from_tensor_slices((rows.X, targets, weights))
        return data.batch(batch_size).cache()
    batch_size = max(1, min(batch_size, DENSE_NUMBERS // rows.table.shape[1]))
    table = _rows_of(plan)
    data = tf.data.Dataset.from_tensor_slices((rows.positions, targets, weights)).batch(batch_size)

    @tf.autograph.experimental.do_not_convert
    def gather(positions, targets, weights):
        return table(positions, batch_size), targets, weights

    return data.map(gather)


def _rows_of(plan):
    """Function from positions of rows, and how many there are at most, to dense rows."""
    import tensorflow as tf

    table = plan.rows.table
    tensors = [tf.constant(array) for array in arrays_of(table)]

    def rows_of(positions, n_rows):
        return rows_at(tensors, positions, table.shape[1], most_entries(table, n_rows))

    return rows_of


def _one_or_many(arrays):
    # tf.data reads a list as one stacked tensor, a tuple as a structure.
    return tuple(arrays) if len(arrays) > 1 else arrays[0]


def _name_logs(logs, plan):
    """Names of the heads instead of Keras' layers, and in their order, in place."""
    layers, heads = plan.network.output_names(), plan.network.heads
    keras_names = ["loss", *(f"{layers[head.name]}_{ROW_LOSS}" for head in heads)]
    keras_names += [f"{layers[head.name]}_{head.output.metric}" for head in heads]
    if plan.validation:
        keras_names += [f"val_{name}" for name in keras_names]
    if plan.balancing:
        keras_names += weight_names(heads)
    names = zip(log_names(plan), keras_names, strict=True)
    # An epoch whose validation Keras left out has no log of it.
    found = {name: logs[keras_name] for name, keras_name in names if keras_name in logs}
    logs.clear()
    logs.update(found)


def _metrics(plan):
    """Per head: its loss, and the error of the number in original units or the accuracy.

    Keras logs the losses of heads too, but as the mean over batches, in which
    the rows of a short last batch count for more, and not at all for a single
    head. Weights have mean 1, so a metric's weighted mean is the head's loss.
    """
    keras = import_keras()
    metrics = []
    units = iter(plan.value_units)
    single = len(plan.network.heads) == 1
    for head, loss in zip(plan.network.heads, plan.losses, strict=True):
        # Keras puts the name of the head before the metric's only when there are several.
        prefix = f"{plan.network.output_names()[head.name]}_" if single else ""
        own = next(units).astype(np.float32) if head.kind == "value" else None
        name = f"{prefix}{head.output.metric}"
        metric = keras.metrics.MeanMetricWrapper(_row_metric(head, own), name=name)
        row_loss = keras.metrics.MeanMetricWrapper(per_sample(loss), name=f"{prefix}{ROW_LOSS}")
        metrics.append([metric, row_loss])
    return metrics[0] if single else metrics


def _row_metric(head, units):
    """The metric of each row as a function with a name, which TensorBoard writes down."""

    def row_metric(y_true, y_pred):
        return head.output.row_metric(y_true, y_pred, units)

    return row_metric
