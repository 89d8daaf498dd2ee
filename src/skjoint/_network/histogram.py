"""A value head that answers with a distribution: its bins, and the loss it is trained by.

The head gives a probability for each of ``N_BINS`` bins of one width; its number is the
mean of their centres. It learns from the true number as a normal distribution around it
(HL-Gauss: Imani & White 2018, Farebrother et al. 2024).
"""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np

from skjoint._network.spec import weights_of
from skjoint._support.keras_import import import_keras

HISTOGRAM = "histogram"
N_INSIDE = 64  # bins between the smallest number to train on and the largest
N_BEYOND = 8  # more at either end, for the tails of the normal distributions
N_BINS = N_INSIDE + 2 * N_BEYOND
SPREAD = 2.0  # of the normal distribution around the true number, in bins
TINY = 1e-30  # what float32 can take the logarithm of


def is_histogram(identifier):
    """Whether a ``value_loss`` asks for a distribution over bins."""
    return isinstance(identifier, str) and identifier == HISTOGRAM


def bin_centres(numbers):
    """Centres of the bins for numbers to train on: float32 (N_BINS, 1).

    >>> bin_centres(np.array([0.0, 64.0]))[[0, 8, 71, 79], 0].tolist()
    [-7.5, 0.5, 63.5, 71.5]
    """
    low, high = (float(numbers.min()), float(numbers.max())) if len(numbers) else (0.0, 1.0)
    # One number alone needs bins, too, and float32 must tell their centres apart.
    least = 16 * np.spacing(np.float32(max(abs(low), abs(high))))
    width = max((high - low or 1.0) / N_INSIDE, least)
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


def given_bins(spec, rows):
    """Weights of the layers that turn probabilities of bins into numbers, by name."""
    return {
        head.name: [bin_centres(target[weight > 0]), np.zeros(1, np.float32)]
        for head, target, weight in zip(spec.heads, rows.targets, rows.weights, strict=True)
        if head.n_bins
    }


def with_places(rows, spec, weights):
    """Rows whose numbers have their places behind them, where a head has bins."""
    targets = [
        np.hstack([target, places(target, weights_of(spec, weights, head.name)[0])])
        if head.n_bins
        else target
        for head, target in zip(spec.heads, rows.targets, strict=True)
    ]
    return replace(rows, targets=targets)


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
            super().__init__(name="value_loss")

        def call(self, y_true, y_pred):
            number, mean, proba = y_true[:, 0], y_pred[:, 0], y_pred[:, 1:]
            shares = self.shares(y_true[:, 1:])
            ratio = ops.log(ops.maximum(shares, TINY)) - ops.log(ops.maximum(proba, TINY))
            return (number - mean) ** 2 + ops.sum(shares * ratio, axis=-1) / 2

        @staticmethod
        def shares(place):
            """q: shares of the bins in the normal distribution around a place (n, 1)."""
            edges = ops.arange(N_BINS + 1, dtype="float32") - 0.5
            below = ops.erf((edges - place) / (SPREAD * 2**0.5))
            return (below[:, 1:] - below[:, :-1]) / (below[:, -1:] - below[:, :1])

    return HistogramLoss
