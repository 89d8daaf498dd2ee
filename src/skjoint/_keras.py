"""Engine: ``keras.Model.fit``, with every Keras callback; optimizers and routing.

Batches come from a ``tf.data`` pipeline in the order of
:func:`skjoint._training.epoch_order`, because the shuffling of ``Model.fit``
draws from TensorFlow's global seed. Without a callback that asks for single
batches, a whole epoch runs in one call (``steps_per_execution``), which is
the same mathematics about four times faster on small networks.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import sys
import threading
from collections.abc import Mapping

import numpy as np

from skjoint._losses import per_sample
from skjoint._network import (
    build_model,
    get_weights,
    import_keras,
    nearest_name,
    set_weights,
    untouched_random,
)
from skjoint._training import OptimizerSpec, Result, epoch_order

ROW_LOSS = "loss_by_row"


def train(plan, on_epoch, callbacks=()):
    """Carry out a plan.

    Parameters
    ----------
    plan : Plan
    on_epoch : callable
        ``(epoch, logs, get_weights) -> stop``, see :mod:`skjoint._training`.
    callbacks : list of keras.callbacks.Callback
        The user's; they see the logs that ``on_epoch`` has completed.

    Returns
    -------
    Result
    """
    keras = import_keras()
    # Dropout of continued training must not repeat the masks of the first epochs.
    model = build_model(plan.network, seed=[plan.seed, plan.first_epoch])
    if plan.weights is not None:
        set_weights(model, plan.network, plan.weights)
    with untouched_random():
        optimizer = make_optimizer(plan)
        optimizer.build(model.trainable_variables)
    if plan.optimizer_state is not None and plan.optimizer.schedule == "constant":
        _set_optimizer_state(optimizer, plan.optimizer_state)
    every_batch = any(map(_listens_to_batches, callbacks))
    model.compile(
        optimizer=optimizer,
        loss=list(plan.losses),
        loss_weights=list(plan.loss_weights),
        weighted_metrics=_metrics(keras, plan),
        steps_per_execution=1 if every_batch else plan.n_steps,
    )

    history = {}

    class EpochHook(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            _sort_logs(logs, plan.network.heads)
            if on_epoch(epoch, logs, lambda: get_weights(model, plan.network)):
                model.stop_training = True
            for name, value in logs.items():
                history.setdefault(name, []).append(float(value))

    validation = plan.validation
    try:
        with untouched_random(), _no_retracing_advice():
            model.fit(
                _batches(plan),
                initial_epoch=plan.first_epoch,
                epochs=plan.last_epoch,
                steps_per_epoch=plan.n_steps,
                validation_data=None if validation is None else _whole(validation),
                callbacks=[EpochHook(), *callbacks],
                shuffle=False,
                verbose=0,
            )
    finally:
        for callback in callbacks:
            # A callback that holds the model could be neither cloned nor pickled.
            callback.set_model(None)
    return Result(get_weights(model, plan.network), _optimizer_state(optimizer), history)


@contextlib.contextmanager
def _no_retracing_advice():
    """Keep TensorFlow from advising against new models: every fit has to build its own."""

    def keep(record):
        return "triggered tf.function retracing" not in record.getMessage()

    logger = logging.getLogger("tensorflow")
    logger.addFilter(keep)
    try:
        yield
    finally:
        logger.removeFilter(keep)


def _batches(plan):
    """The batches of all epochs, one after another."""
    import tensorflow as tf

    n_samples = len(plan.rows)
    arrays = [tf.constant(a) for a in (plan.rows.X, *plan.rows.targets, *plan.rows.weights)]
    n_heads = len(plan.rows.targets)

    def order(epoch):
        rows = tf.numpy_function(
            lambda epoch: epoch_order(plan.seed, int(epoch), n_samples), [epoch], tf.int32
        )
        rows.set_shape((n_samples,))
        return tf.data.Dataset.from_tensor_slices(rows).batch(plan.batch_size)

    def gather(rows):
        X, *rest = [tf.gather(array, rows) for array in arrays]
        return X, _one_or_many(rest[:n_heads]), _one_or_many(rest[n_heads:])

    epochs = tf.data.Dataset.range(plan.first_epoch, plan.last_epoch)
    return epochs.flat_map(order).map(gather).prefetch(2)


def _whole(rows):
    """All rows as the one batch sequence that ``validation_data`` takes."""
    import tensorflow as tf

    data = (rows.X, _one_or_many(rows.targets), _one_or_many(rows.weights))
    return tf.data.Dataset.from_tensor_slices(data).batch(8192).cache()


def _one_or_many(arrays):
    # tf.data reads a list as one stacked tensor, a tuple as a structure.
    return tuple(arrays) if len(arrays) > 1 else arrays[0]


def _sort_logs(logs, heads):
    """Losses before metrics and heads in output order, in place: Keras sorts by name."""
    for name in [name for name in logs if name.endswith(ROW_LOSS)]:
        logs[f"{name.removesuffix(ROW_LOSS)}loss"] = logs.pop(name)
    names = ["loss", *(f"{h.name}_loss" for h in heads)]
    names += [f"{h.name}_{'mae' if h.kind == 'value' else 'accuracy'}" for h in heads]
    names += [f"val_{name}" for name in names]
    ordered = {name: logs[name] for name in names if name in logs}
    ordered.update(logs)
    logs.clear()
    logs.update(ordered)


def _metrics(keras, plan):
    """Per head: its loss, and the error of the number in original units or the accuracy.

    Keras logs the losses of heads too, but as the mean over batches, in which
    the rows of a short last batch count for more, and not at all for a single
    head. Weights have mean 1, so a metric's weighted mean is the head's loss.
    """
    metrics = []
    scales = iter(plan.value_scales)
    single = len(plan.network.heads) == 1
    for head, loss in zip(plan.network.heads, plan.losses, strict=True):
        # Keras puts the name of the head before the metric's only when there are several.
        prefix = f"{head.name}_" if single else ""
        if head.kind == "value":
            metric = _absolute_error(keras, f"{prefix}mae", next(scales))
        else:
            metric = keras.metrics.SparseCategoricalAccuracy(name=f"{prefix}accuracy")
        row_loss = keras.metrics.MeanMetricWrapper(per_sample(loss), name=f"{prefix}{ROW_LOSS}")
        metrics.append([metric, row_loss])
    return metrics[0] if single else metrics


def _absolute_error(keras, name, scale):
    scale = scale.astype(np.float32)

    def absolute_error(y_true, y_pred):
        return keras.ops.mean(keras.ops.abs(y_true - y_pred) * scale, axis=-1)

    return keras.metrics.MeanMetricWrapper(absolute_error, name=name)


def _listens_to_batches(callback):
    base = import_keras().callbacks.Callback
    hooks = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
    return any(
        getattr(getattr(callback, hook), "__func__", None) is not getattr(base, hook)
        for hook in hooks
    )


# ------------------------------------------------------------------ optimizers
def optimizer_spec(optimizer, learning_rate, schedule, routed):
    """What the parameters ``optimizer``, ``optimizer__...`` and ``learning_rate`` ask for."""
    keras = import_keras()
    base = keras.optimizers.Optimizer
    if isinstance(optimizer, base):
        if routed:
            raise ValueError(
                f"optimizer__... needs optimizer to be a name or a class. Got {sorted(routed)} "
                f"beside an instance of {type(optimizer).__name__} instead."
            )
        if learning_rate is not None:
            raise ValueError(
                "learning_rate must be None when optimizer is an instance, which has its own. "
                f"Got {learning_rate!r} beside an instance of {type(optimizer).__name__} instead."
            )
    elif isinstance(optimizer, str):
        names = {
            name.lower(): value
            for name, value in vars(keras.optimizers).items()
            if isinstance(value, type) and issubclass(value, base) and value is not base
        }
        if optimizer.lower() not in names:
            raise ValueError(
                f"optimizer must be one of {sorted(names)}, a Keras optimizer class or an "
                f"instance. Got {optimizer!r} instead.{nearest_name(optimizer.lower(), names)}"
            )
        optimizer = names[optimizer.lower()]
    if isinstance(optimizer, type) and issubclass(optimizer, base):
        if learning_rate is not None:
            if "learning_rate" in routed:
                raise ValueError(
                    "learning_rate and optimizer__learning_rate are the same setting: give one."
                )
            routed = {**routed, "learning_rate": learning_rate}
        _check_arguments(optimizer, routed, "optimizer__")
        with untouched_random():
            optimizer = scikeras_tools().unflatten_params(optimizer, routed)
    elif not isinstance(optimizer, base):
        raise ValueError(
            "optimizer must be the name of a Keras optimizer, a class or an instance. "
            f"Got {optimizer!r} instead."
        )
    config = optimizer.get_config()
    if schedule != "constant" and not isinstance(config["learning_rate"], (int, float)):
        raise ValueError(
            f"learning_rate_schedule must be 'constant' when the optimizer has a schedule of its "
            f"own. Got {schedule!r} instead."
        )
    return OptimizerSpec(type(optimizer), config, schedule)


def make_optimizer(plan):
    """A new optimizer for one run of a plan."""
    keras = import_keras()
    spec = plan.optimizer
    config = dict(spec.config)
    if spec.schedule == "cosine":
        # Loshchilov & Hutter 2017: rate/2 * (1 + cos(pi * step / steps)), one half wave per fit.
        config["learning_rate"] = keras.optimizers.schedules.CosineDecay(
            config["learning_rate"], decay_steps=plan.n_steps * plan.epochs
        )
    return spec.cls.from_config(config)


def _optimizer_state(optimizer):
    return [(variable.name, variable.numpy()) for variable in optimizer.variables]


def _set_optimizer_state(optimizer, state):
    """Restore moments and counters; an optimizer of another kind starts afresh."""
    variables = optimizer.variables
    if [(v.name, tuple(v.shape)) for v in variables] != [(n, a.shape) for n, a in state]:
        return
    for variable, (name, array) in zip(variables, state, strict=True):
        if name != "learning_rate":  # the parameter of today decides
            variable.assign(array)


# ------------------------------------------------------------------- callbacks
def make_callbacks(callbacks, routed):
    """Keras callbacks from instances and, by scikeras' convention, from classes.

    A callback, a class, a list or a dict of these; ``callbacks__patience``,
    ``callbacks__0__patience`` or ``callbacks__name__patience`` reach the
    arguments of classes.
    """
    keras = import_keras()
    base = keras.callbacks.Callback
    for callback in _leaves(callbacks):
        is_class = isinstance(callback, type) and issubclass(callback, base)
        if not is_class and not isinstance(callback, base):
            raise ValueError(
                "callbacks must be Keras callbacks, callback classes, or a list or dict of them. "
                f"Got {callback!r} instead."
            )
    if callbacks is None and routed:
        raise ValueError(f"callbacks__... needs callbacks. Got {sorted(routed)} without any.")
    if not routed:
        return [c() if isinstance(c, type) else c for c in _leaves(callbacks)]
    try:
        made = scikeras_tools().unflatten_params(callbacks, dict(routed))
    except TypeError as error:
        raise ValueError(
            "callbacks__... reaches the arguments of callback classes only. "
            f"Got {sorted(routed)} for {callbacks!r} instead: {error}"
        ) from error
    return list(_leaves(made))


def _leaves(callbacks):
    if callbacks is None:
        return []
    if isinstance(callbacks, Mapping):
        callbacks = list(callbacks.values())
    if isinstance(callbacks, (list, tuple)):
        return [leaf for entry in callbacks for leaf in _leaves(entry)]
    return [callbacks]


def _check_arguments(cls, routed, prefix):
    parameters = inspect.signature(cls.__init__).parameters
    known = [n for n, p in parameters.items() if n != "self" and p.kind != p.VAR_KEYWORD]
    for name in routed:
        if name.split("__")[0] not in known:
            raise ValueError(
                f"{prefix}{name} must be an argument of {cls.__name__}: {known}."
                f"{nearest_name(name, known)}"
            )


_scikeras_lock = threading.Lock()
_scikeras_tools = None


def scikeras_tools():
    """scikeras' parameter routing, without scikeras' effects on the process.

    Importing scikeras replaces ``__reduce__`` and ``__deepcopy__`` of Keras
    classes. They are put back, and the import is forgotten, so that a user
    who imports scikeras later gets all of it.
    """
    global _scikeras_tools
    with _scikeras_lock:
        if _scikeras_tools is None:
            _scikeras_tools = _import_scikeras()
    return _scikeras_tools


def _import_scikeras():
    keras = import_keras()
    if "scikeras" in sys.modules:
        from scikeras import _utils

        return _utils
    patched = [
        (keras.Model, "__reduce__"),
        (keras.Model, "__deepcopy__"),
        (keras.losses.Loss, "__reduce__"),
        (keras.metrics.Metric, "__reduce__"),
        (keras.optimizers.Optimizer, "__reduce__"),
    ]
    before = [vars(cls).get(name) for cls, name in patched]
    try:
        from scikeras import _utils
    finally:
        for (cls, name), value in zip(patched, before, strict=True):
            if value is not None:
                setattr(cls, name, value)
            elif name in vars(cls):
                delattr(cls, name)
        for module in [m for m in sys.modules if m.split(".")[0] == "scikeras"]:
            del sys.modules[module]
    return _utils
