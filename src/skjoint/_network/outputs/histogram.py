"""A number that is the mean of a distribution over bins, and the loss it is trained on.

The head gives a probability for each of ``N_BINS`` bins of one width; its number is the
mean of their centres. It learns from the true number as a normal distribution around it
(HL-Gauss: Imani & White 2018, Farebrother et al. 2024).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from skjoint._network.outputs.base import LEAST_PROBA, ValueOutput, register
from skjoint._network.start import constants_of
from skjoint._support.keras_import import import_keras

N_INSIDE = 64  # bins between the smallest number to train on and the largest
N_BEYOND = 8  # more at either end, for the tails of the normal distributions
N_BINS = N_INSIDE + 2 * N_BEYOND
SPREAD = 2.0  # standard deviation of the normal distribution around the true number, in bins


@register
@dataclass(frozen=True)
class Histogram(ValueOutput):
    """Probabilities of ``N_BINS`` bins, and the mean of these bins as the number.

    The mean is a dense layer whose fixed kernel holds the centres of the bins.
    """

    name: ClassVar[str] = "histogram"
    value_loss: ClassVar[str] = "histogram"
    # The loss goes on falling after the distribution has begun to overfit; a later epoch,
    # that of the least error, makes better members (benchmarks/quality.py).
    monitor: ClassVar[str] = "mae"

    @classmethod
    def refusals(cls, request):
        rules = [
            (request.head_link == "mixture", "cannot go with head_link='mixture'"),
            (
                request.value_activation != "linear",
                f"needs value_activation='linear'. Got {request.value_activation!r} instead",
            ),
            *(
                (
                    width > 1,
                    f"needs value_columns without vectors. Target '{name}' has {width} numbers",
                )
                for name, width in request.widths.items()
            ),
        ]
        return [
            (
                refused,
                f"value_loss='histogram', whose number is a mean of bins, {what}. Set another "
                "value_loss, such as 'mse'.",
            )
            for refused, what in rules
        ]

    def parts(self, head):
        return {"number": head, "histogram": f"{head}/histogram"}

    def layers(self, head, inputs, n_inputs, gate=None):
        bins, n = self.parts(head)["histogram"], N_BINS
        return [
            self.dense(bins, head, inputs, n_inputs, n_units=n, activation="softmax"),
            self.dense(head, head, (bins,), n, is_fixed=True),
        ]

    def read_part(self, head):
        return head

    def given_weights(self, head, numbers, known, scale=1.0):
        return {head: [bin_centres(numbers), np.zeros(1, np.float32)]}

    def idle_layers(self, head, numbers):
        return [self.parts(head)["histogram"]] if constants_of(numbers).all() else []

    def training_targets(self, head, targets, codes, weights_of):
        centres, _ = weights_of(head)
        return np.hstack([targets, places(targets, centres)])

    def loss(self, value_loss):
        return histogram_loss()()

    @classmethod
    def number_loss(cls, value_loss):
        return "mse"

    def takes_means(self, loss):
        return True

    def constants(self, targets, weights):
        shares = np.asarray(histogram_loss().shares(targets[:, 1:]))
        columns = np.hstack([self.numbers(targets), shares])
        return [np.average(columns, axis=0, weights=weights)]


def bin_centres(numbers):
    """Centres of the bins for numbers to train on: float32 (N_BINS, 1).

    >>> bin_centres(np.array([0.0, 64.0]))[[0, 8, 71, 79], 0].tolist()
    [-7.5, 0.5, 63.5, 71.5]
    """
    low, high = (float(numbers.min()), float(numbers.max())) if len(numbers) else (0.0, 1.0)
    if low == high:  # one number alone lies in the middle of its bins
        low, high = low - 0.5, high + 0.5
    # float32 must tell the centres apart.
    least = 16 * np.spacing(np.float32(max(abs(low), abs(high))))
    width = max((high - low) / N_INSIDE, least)
    centres = low + width * (np.arange(N_BINS) - N_BEYOND + 0.5)
    return centres.astype(np.float32)[:, None]


def places(numbers, centres):
    """Where numbers lie among bins, counted from the first centre: float32 (n, 1).

    Those beyond the numbers to train on lie where the nearest of these does.
    """
    first, last = centres[[N_BEYOND, -1 - N_BEYOND], 0].astype(np.float64)
    width = (last - first) / (N_INSIDE - 1)
    found = N_BEYOND + (numbers.astype(np.float64) - first) / width
    return np.clip(found, N_BEYOND - 0.5, N_BINS - N_BEYOND - 0.5).astype(np.float32)


@functools.cache
def histogram_loss():
    """The class of losses of a number with a distribution; made when Keras is loaded."""
    keras = import_keras()
    ops = keras.ops

    class HistogramLoss(keras.losses.Loss):
        r"""``(y - m)^2 + KL(q || p) / 2``.

        ``y_true`` holds the number y, then its place among the bins; ``y_pred`` the mean
        m, then the probabilities p of the bins. q is the normal distribution around the
        place, by bin. The histogram loss is KL(q || p) alone; with the squared error beside
        it few rows lead to a better mean, and the half keeps the label's share of the trunk.
        """

        def __init__(self):
            super().__init__(name="value_loss", dtype="float32")

        def call(self, y_true, y_pred):
            number, mean, proba = y_true[:, 0], y_pred[:, 0], y_pred[:, 1:]
            shares = self.shares(y_true[:, 1:])
            proba = ops.maximum(proba, LEAST_PROBA)
            ratio = ops.log(ops.maximum(shares, LEAST_PROBA)) - ops.log(proba)
            return (number - mean) ** 2 + ops.sum(shares * ratio, axis=-1) / 2

        @staticmethod
        def shares(place):
            """q: shares of the bins in the normal distribution around a place (n, 1)."""
            edges = ops.arange(N_BINS + 1, dtype="float32") - 0.5
            below = ops.erf((edges - place) / (SPREAD * 2**0.5))
            return (below[:, 1:] - below[:, :-1]) / (below[:, -1:] - below[:, :1])

    return HistogramLoss
