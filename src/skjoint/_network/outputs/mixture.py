"""A number that is the mean of one number per class under the class probabilities."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from skjoint._network.graph import MeanOverClasses
from skjoint._network.losses import per_sample
from skjoint._network.outputs.base import ValueOutput, register
from skjoint._network.outputs.point import point_loss
from skjoint._support.keras_import import import_keras


@register
@dataclass(frozen=True)
class Mixture(ValueOutput):
    r"""``E[value] = sum_c p(c) mu_c`` (a mixture of experts: Jacobs et al. 1991).

    The class head is the gate. The number of each class is trained on the rows of this class, so
    that it is E[value | x, class]; rows without a label train the mean.
    """

    n_classes: int = 0

    name: ClassVar[str] = "mixture"
    head_link: ClassVar[str] = "mixture"
    needs_classes: ClassVar[bool] = True
    uses_known_values: ClassVar[bool] = True
    number_part: ClassVar[str] = "by_class"
    class_parts: ClassVar[tuple[str, ...]] = ("by_class",)

    @classmethod
    def create(cls, n_units, activation, n_classes):
        return cls(n_units, activation, n_classes=n_classes)

    @classmethod
    def refusals(cls, request):
        return [
            (
                len(request.class_names) > 1,
                f"head_link='mixture' needs exactly one class target. Got {request.class_names}.",
            )
        ]

    def parts(self, head):
        return {"number": head, "by_class": f"{head}/by_class"}

    @property
    def n_numbers(self):
        return self.n_units * self.n_classes

    def layers(self, head, inputs, n_inputs, gate=None):
        by_class = super().layers(head, inputs, n_inputs)
        read = (by_class[-1].name, gate.name)
        return [*by_class, MeanOverClasses(head, read, self.n_classes, self.n_units, head)]

    def given_weights(self, head, numbers, known, scale=1.0):
        found = super().given_weights(head, numbers, known, scale)
        return found if known is None else {**found, head: list(known)}

    def training_targets(self, head, targets, codes, weights_of):
        return np.column_stack([targets, codes]).astype(np.float32)

    def loss(self, value_loss):
        return mixture_loss()(point_loss(value_loss, self.n_units), self.n_units)

    def constants(self, targets, weights):
        by_class = np.zeros(self.n_units * self.n_classes)
        return [np.append(constant, by_class) for constant in super().constants(targets, weights)]

    def number_by_class(self, parts, codes):
        by_class = parts["by_class"].reshape(len(codes), self.n_classes, self.n_units)
        return by_class[np.arange(len(codes)), codes]


@functools.cache
def mixture_loss():
    """The class of losses of a value head that is a mixture; made when Keras is loaded."""
    keras = import_keras()

    class MixtureLoss(keras.losses.Loss):
        """Loss of the number that belongs to the row's label, of the mean where it has none.

        ``y_true`` holds the number, then the code of the label or -1; ``y_pred`` the mean, then
        the numbers by class.
        """

        def __init__(self, loss, n_units):
            reduction = getattr(loss, "reduction", "sum_over_batch_size")
            super().__init__(name="value_loss", reduction=reduction, dtype="float32")
            self.loss = loss
            self.n_units = n_units

        def call(self, y_true, y_pred):
            number, code = y_true[:, : self.n_units], keras.ops.cast(y_true[:, -1], "int32")
            mean, by_class = y_pred[:, : self.n_units], y_pred[:, self.n_units :]
            n_classes = by_class.shape[1] // self.n_units
            by_class = keras.ops.reshape(by_class, (-1, n_classes, self.n_units))
            own_class = keras.ops.one_hot(code, n_classes, dtype=by_class.dtype)[:, :, None]
            own = keras.ops.sum(own_class * by_class, axis=1)
            return per_sample(self.loss)(number, keras.ops.where(code[:, None] >= 0, own, mean))

    return MixtureLoss
