"""A number with a variance: the normal distribution of least negative log likelihood."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from skjoint._network.outputs.base import ValueOutput, register
from skjoint._support.keras_import import import_keras

MIN_VARIANCE = 1e-6  # of a scaled number, added to what the layer gives


@register
@dataclass(frozen=True)
class Gaussian(ValueOutput):
    r"""Mean m and variance v of a normal distribution (Nix & Weigend 1994).

    Trained on :math:`(\log v + (y - m)^2 / v) / 2`, the negative log likelihood but for a
    constant. The variance of an ensemble is that of the mixture of its members' normal
    distributions: the mean of their variances and the variance of their means
    (Lakshminarayanan et al. 2017).
    """

    name: ClassVar[str] = "gaussian"
    value_loss: ClassVar[str] = "gaussian_nll"
    is_likelihood: ClassVar[bool] = True
    deviation_parts: ClassVar[tuple[str, ...]] = ("variance",)

    @classmethod
    def refusals(cls, request):
        return [
            (
                request.head_link == "mixture",
                "value_loss must be a loss without variance, such as 'mse', with "
                f"head_link='mixture'. Got {request.value_loss!r} instead.",
            ),
            (
                request.balancing is not None,
                f"loss_weights={request.balancing!r} balances losses of at least 0, and that of "
                f"value_loss={request.value_loss!r} may be negative. Give one number for each "
                "head.",
            ),
        ]

    def parts(self, head):
        return {"number": head, "variance": f"{head}/variance"}

    def layers(self, head, inputs, n_inputs, gate=None):
        variance = self.dense(f"{head}/variance", head, inputs, n_inputs, activation="softplus")
        return [*super().layers(head, inputs, n_inputs), variance]

    def idle_layers(self, head, numbers):
        idle = super().idle_layers(head, numbers)
        return [*idle, self.parts(head)["variance"]] if idle else []

    def loss(self, value_loss):
        return gaussian_loss()()

    @classmethod
    def number_loss(cls, value_loss):
        return "mse"

    def constants(self, targets, weights):
        mean = np.average(targets, axis=0, weights=weights)
        variance = np.average((targets - mean) ** 2, axis=0, weights=weights)
        return [np.concatenate([mean, variance])]

    def combine(self, parts, math):
        found = super().combine(parts, math)
        if "variance" in parts:
            errors = [math.subtract(number, found["number"]) for number in parts["number"]]
            between = math.mean([math.square(error) for error in errors])
            found["variance"] = math.add(found["variance"], between)
        return found

    def deviation(self, parts, math):
        return math.sqrt(math.add(parts["variance"], MIN_VARIANCE))


@functools.cache
def gaussian_loss():
    """The class of losses of a number with a variance; made when Keras is loaded."""
    keras = import_keras()

    class GaussianLoss(keras.losses.Loss):
        r"""``(log v + (y - m)^2 / v) / 2``, mean over units; v less ``MIN_VARIANCE`` is given."""

        def __init__(self):
            super().__init__(name="value_loss", dtype="float32")

        def call(self, y_true, y_pred):
            mean, variance = keras.ops.split(y_pred, 2, axis=-1)
            variance = variance + MIN_VARIANCE
            losses = keras.ops.log(variance) + (y_true - mean) ** 2 / variance
            return keras.ops.mean(losses, axis=-1) / 2

    return GaussianLoss
