"""Probabilities of the labels: a softmax, trained on codes."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from skjoint._network.losses import CLASS_LOSSES, check_loss, named_loss, per_sample
from skjoint._network.outputs.base import Output, register
from skjoint._support.keras_import import import_keras

LEAST_COUNT = 1e-7  # rows of a label that no row has, so that its logarithm is finite


@register
@dataclass(frozen=True)
class Label(Output):
    """One probability for each label of a class target."""

    activation: object = "softmax"

    name: ClassVar[str] = "label"
    target: ClassVar[str] = "class"
    metric: ClassVar[str] = "accuracy"
    first_part: ClassVar[str] = "proba"

    def loss(self, class_loss):
        """The Keras loss of rows, on codes and probabilities.

        Losses that want one-hot labels, such as focal loss, get them.
        ``"binary_crossentropy"`` of two softmax units is the cross-entropy.
        """
        loss = self._loss(class_loss)
        check_loss(loss, "class_loss", np.zeros(3, np.int32), self.n_units)
        return loss

    def _loss(self, class_loss):
        keras = import_keras()
        if isinstance(class_loss, str) and class_loss == "binary_crossentropy":
            if self.n_units != 2:
                raise ValueError(
                    "class_loss must be 'crossentropy' for more than two classes. "
                    f"Got 'binary_crossentropy' for {self.n_units} classes instead."
                )
            class_loss = "crossentropy"
        loss = named_loss(class_loss, CLASS_LOSSES, "class_loss")
        if isinstance(loss, keras.losses.SparseCategoricalCrossentropy):
            return loss
        if isinstance(loss, keras.losses.CategoricalCrossentropy) and not loss.get_config().get(
            "label_smoothing"
        ):
            return keras.losses.SparseCategoricalCrossentropy(from_logits=loss.from_logits)
        return one_hot_loss()(loss, self.n_units)

    def takes_means(self, loss):
        return True

    def row_metric(self, targets, outputs, units=None):
        ops = import_keras().ops
        codes = ops.cast(ops.reshape(targets, (-1,)), "int32")
        return ops.cast(ops.equal(ops.argmax(outputs, axis=-1), codes), "float32")

    def constants(self, targets, weights):
        shares = np.bincount(targets, weights, minlength=self.n_units) + LEAST_COUNT
        return [shares / shares.sum()]


@functools.cache
def one_hot_loss():
    """The class of losses that give one-hot labels to another; made when Keras is loaded."""
    keras = import_keras()

    class OneHotLoss(keras.losses.Loss):
        def __init__(self, loss, n_classes):
            super().__init__(name="class_loss", dtype="float32")
            self.loss = loss
            self.n_classes = n_classes

        def call(self, y_true, y_pred):
            codes = keras.ops.cast(keras.ops.reshape(y_true, (-1,)), "int32")
            return per_sample(self.loss)(
                keras.ops.one_hot(codes, self.n_classes, dtype=y_pred.dtype), y_pred
            )

    return OneHotLoss
