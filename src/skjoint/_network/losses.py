"""Losses: names to Keras losses, and the loss that a constant prediction has."""

from __future__ import annotations

import functools

import numpy as np

from skjoint._data.targets import MIN_VARIANCE
from skjoint._network.histogram import HISTOGRAM, histogram_loss, is_histogram
from skjoint._support.keras_import import first_line, import_keras
from skjoint._support.names import nearest_name

GAUSSIAN = "gaussian_nll"
# scikit-learn's names beside Keras' own.
VALUE_LOSSES = {
    "mse": "mean_squared_error",
    "squared_error": "mean_squared_error",
    "mae": "mean_absolute_error",
    "absolute_error": "mean_absolute_error",
    "huber": "huber",
    GAUSSIAN: GAUSSIAN,
    HISTOGRAM: HISTOGRAM,
}
CLASS_LOSSES = dict.fromkeys(
    (
        "crossentropy",
        "cross_entropy",
        "log_loss",
        "sparse_categorical_crossentropy",
        "categorical_crossentropy",
    ),
    "sparse_categorical_crossentropy",
)


def value_loss(identifier):
    """The Keras loss of a value head.

    >>> value_loss("squared_error").name
    'mean_squared_error'
    """
    if is_gaussian(identifier):
        return gaussian_loss()()
    if is_histogram(identifier):
        return histogram_loss()()
    return _keras_loss(identifier, VALUE_LOSSES, "value_loss")


def is_gaussian(identifier):
    """Whether a ``value_loss`` asks for a variance beside the number."""
    return isinstance(identifier, str) and identifier == GAUSSIAN


def is_mean_loss(loss):
    """Whether the number of least loss is the mean."""
    return isinstance(loss, (import_keras().losses.MeanSquaredError, histogram_loss()))


def class_loss(identifier, n_classes):
    """The Keras loss of a class head, on integer codes and class probabilities.

    Losses that want one-hot labels, such as focal loss, get them.
    ``"binary_crossentropy"`` of two softmax units is the cross-entropy.
    """
    keras = import_keras()
    if identifier == "binary_crossentropy":
        if n_classes != 2:
            raise ValueError(
                "class_loss must be 'crossentropy' for more than two classes. "
                f"Got 'binary_crossentropy' for {n_classes} classes instead."
            )
        identifier = "crossentropy"
    loss = _keras_loss(identifier, CLASS_LOSSES, "class_loss")
    if isinstance(loss, keras.losses.SparseCategoricalCrossentropy):
        return loss
    if isinstance(loss, keras.losses.CategoricalCrossentropy) and not loss.get_config().get(
        "label_smoothing"
    ):
        return keras.losses.SparseCategoricalCrossentropy(from_logits=loss.from_logits)
    return one_hot_loss()(loss, n_classes)


@functools.cache
def one_hot_loss():
    """The class of losses that give one-hot labels to another; made when Keras is loaded."""
    keras = import_keras()

    class OneHotLoss(keras.losses.Loss):
        def __init__(self, loss, n_classes):
            super().__init__(name="class_loss")
            self.loss = loss
            self.n_classes = n_classes

        def call(self, y_true, y_pred):
            codes = keras.ops.cast(keras.ops.reshape(y_true, (-1,)), "int32")
            return per_sample(self.loss)(keras.ops.one_hot(codes, self.n_classes), y_pred)

    return OneHotLoss


@functools.cache
def gaussian_loss():
    """The class of losses of a number with a variance; made when Keras is loaded."""
    keras = import_keras()

    class GaussianLoss(keras.losses.Loss):
        r"""``(log v + (y - m)^2 / v) / 2``, mean over units (Nix & Weigend 1994).

        The negative log likelihood of a normal distribution but for a
        constant: it may be negative. ``y_pred`` holds m, then v less
        ``MIN_VARIANCE``.
        """

        def __init__(self):
            super().__init__(name="value_loss")

        def call(self, y_true, y_pred):
            mean, variance = keras.ops.split(y_pred, 2, axis=-1)
            variance = variance + MIN_VARIANCE
            losses = keras.ops.log(variance) + (y_true - mean) ** 2 / variance
            return keras.ops.mean(losses, axis=-1) / 2

    return GaussianLoss


@functools.cache
def mixture_loss():
    """The class of losses of a value head that is a mixture; made when Keras is loaded."""
    keras = import_keras()

    class MixtureLoss(keras.losses.Loss):
        """Loss of the number that belongs to the row's label, of the mean where it has none.

        So the number of each class is learned from the rows of this class, and
        is E[value | x, class]. ``y_true`` holds the number, then the code of
        the label or -1; ``y_pred`` the mean, then the numbers by class.
        """

        def __init__(self, loss, n_units):
            reduction = getattr(loss, "reduction", "sum_over_batch_size")
            super().__init__(name="value_loss", reduction=reduction)
            self.loss = loss
            self.n_units = n_units

        def call(self, y_true, y_pred):
            number, code = y_true[:, : self.n_units], keras.ops.cast(y_true[:, -1], "int32")
            mean, by_class = y_pred[:, : self.n_units], y_pred[:, self.n_units :]
            n_classes = by_class.shape[1] // self.n_units
            by_class = keras.ops.reshape(by_class, (-1, n_classes, self.n_units))
            own = keras.ops.sum(keras.ops.one_hot(code, n_classes)[:, :, None] * by_class, axis=1)
            return per_sample(self.loss)(number, keras.ops.where(code[:, None] >= 0, own, mean))

    return MixtureLoss


def _keras_loss(identifier, aliases, parameter):
    keras = import_keras()
    if isinstance(identifier, str):
        try:
            identifier = keras.losses.get(aliases.get(identifier, identifier))
        except ValueError:
            known = [*aliases, *_keras_names(keras.losses, keras.losses.Loss)]
            raise ValueError(
                f"{parameter} must be one of {sorted(aliases)}, another Keras loss or a function. "
                f"Got {identifier!r} instead.{nearest_name(identifier, known)}"
            ) from None
    if isinstance(identifier, type):
        identifier = identifier()
    if not callable(identifier):
        raise ValueError(
            f"{parameter} must be the name of a loss, a Keras loss or a function "
            f"(y_true, y_pred) -> loss per row. Got {identifier!r} instead."
        )
    if isinstance(identifier, keras.losses.Loss):
        return identifier
    by_function = {
        keras.losses.mean_squared_error: keras.losses.MeanSquaredError,
        keras.losses.mean_absolute_error: keras.losses.MeanAbsoluteError,
        keras.losses.huber: keras.losses.Huber,
        keras.losses.sparse_categorical_crossentropy: keras.losses.SparseCategoricalCrossentropy,
        keras.losses.categorical_crossentropy: keras.losses.CategoricalCrossentropy,
    }
    return by_function[identifier]() if identifier in by_function else identifier


def _keras_names(module, base):
    return [n for n, v in vars(module).items() if isinstance(v, type) and issubclass(v, base)]


def per_sample(loss):
    """The function (y_true, y_pred) -> loss of each row, without any reduction."""
    keras = import_keras()
    return loss.call if isinstance(loss, keras.losses.Loss) else loss


def check_loss(loss, parameter, targets, n_units):
    """Raise unless a loss of the user's gives one number per row."""
    own = getattr(loss, "loss", loss)  # inside ours that encodes labels
    if getattr(own, "__module__", "").partition(".")[0] in ("keras", "skjoint"):
        return
    outputs = import_keras().ops.full((len(targets), n_units), 1 / n_units)
    try:
        found = np.shape(per_sample(loss)(targets, outputs))
    except Exception as error:  # whatever the user's function may raise
        raise ValueError(
            f"{parameter} must be a function (y_true, y_pred) -> loss per row. It raised "
            f"{first_line(error)}"
        ) from error
    if found != (len(targets),):
        raise ValueError(
            f"{parameter} must give one loss per row, shape ({len(targets)},) for {len(targets)} "
            f"rows. Got shape {found} instead: take means over the last axis only, with axis=-1."
        )


def is_batch_mean(loss):
    """Whether a batch's loss is the sum of weighted losses over the number of its rows."""
    return getattr(loss, "reduction", "sum_over_batch_size") == "sum_over_batch_size"


def loss_key(loss):
    """Equal for losses that compute the same: by class and settings, or the function itself."""
    keras = import_keras()
    if isinstance(loss, keras.losses.Loss):
        return type(loss), tuple(sorted((k, loss_key(v)) for k, v in vars(loss).items()))
    if isinstance(loss, dict):
        return tuple(sorted((k, loss_key(v)) for k, v in loss.items()))
    return loss if callable(loss) else repr(loss)


def constant_loss(loss, n_units, train, validation):
    """Validation loss of the best constant prediction of one head; 1 where that is 0.

    ``train`` and ``validation`` are (target, weight). The constant is learned
    from the training rows: for a value the better of mean and median, for a
    class the shares of the labels. With a loss that may be negative the
    result may be, too.
    """
    if isinstance(loss, mixture_loss()):
        loss = loss.loss
    (target, weight), (true, true_weight) = train, validation
    if target.dtype.kind == "i":
        shares = np.bincount(target, weight, minlength=n_units) + 1e-7
        constants = [shares / shares.sum()]
    elif isinstance(loss, histogram_loss()):
        columns = np.hstack([target[:, :1], loss.shares(target[:, 1:])])
        constants = [np.average(columns, axis=0, weights=weight)]
    else:
        target, true = target[:, :n_units], true[:, :n_units]
        constants = [
            np.average(target, axis=0, weights=weight),
            np.median(target[weight > 0], axis=0),
        ]
    if isinstance(loss, gaussian_loss()):
        mean = constants[0]
        variance = np.average((target - mean) ** 2, axis=0, weights=weight)
        constants = [np.concatenate([mean, variance])]
    losses = []
    for constant in constants:
        prediction = np.tile(constant.astype(np.float32), (len(true), 1))
        per_row = np.asarray(per_sample(loss)(true, prediction))
        losses.append(float(np.average(per_row, weights=true_weight)))
    best = np.nanmin(losses)
    usable = np.isfinite(best) and (best > 0 or isinstance(loss, gaussian_loss()))
    return best if usable else 1.0
