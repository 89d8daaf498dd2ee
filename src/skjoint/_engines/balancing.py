"""Balancing of the heads' losses: which factor each gets, step by step.

A method, made for heads of given kinds, is three functions:

    state = init()
    weights = weigh(state, losses, present)       # factors of the losses in this step
    state = update(state, losses, later, present)

Arrays hold one number per head: ``losses`` the mean loss over the labelled
rows of the batch, ``later`` the same after the step, ``present`` 1 for heads
that have a labelled row in the batch and else 0. ``init`` is NumPy, the rest
runs inside the programs of both engines. A method of the epoch is updated
with the means of the epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from skjoint._support.keras_import import import_keras

UNCERTAINTY_RATE = 0.01
FAMO_RATE, FAMO_DECAY = 0.025, 0.001
DWA_TEMPERATURE = 2.0
LOSS_EPS = 1e-8  # against logarithms of 0 and divisions by 0


@dataclass(frozen=True)
class Method:
    """One way to balance; see the module."""

    init: Callable
    weigh: Callable
    update: Callable
    by_epoch: bool = False  # updated after epochs, not after steps
    looks_ahead: bool = False  # needs the losses of the batch after the step, too


# ----------------------------------------------------------------- uncertainty
def uncertainty(kinds):
    r"""Homoscedastic uncertainty (Kendall, Gal & Cipolla, CVPR 2018).

    Minimises :math:`\sum_v \frac12 e^{-s_v} L_v + \sum_c e^{-s_c} L_c + \frac12
    \sum_h s_h` over :math:`s_h = \log \sigma_h^2` along with the network, by Adam.
    Each :math:`s_h` starts where it is optimal for the first batch, so that
    losses of any size are balanced from the first step on.
    """
    # a Gaussian likelihood of the number, a softmax of the label
    factors = np.array([0.5 if kind == "value" else 1.0 for kind in kinds], np.float32)

    def started(state, losses):
        ops = import_keras().ops
        return ops.where(state[3] > 0, state[0], ops.log(2 * factors * losses + LOSS_EPS))

    def weigh(state, losses, present):
        return present * factors * import_keras().ops.exp(-started(state, losses))

    def update(state, losses, later, present):
        ops = import_keras().ops
        s = started(state, losses)
        gradient = 0.5 - factors * ops.exp(-s) * losses
        return _adam(state, s, gradient, UNCERTAINTY_RATE, present)

    return Method(lambda: np.zeros((4, len(kinds)), np.float32), weigh, update)


# ------------------------------------------------------------------------ DWA
def dwa(kinds):
    r"""Dynamic weight average (Liu, Johns & Davison, CVPR 2019).

    :math:`\lambda_h = K\, \mathrm{softmax}_h(r_h / T)` with :math:`r_h = L_h(t - 1) /
    L_h(t - 2)` over the last two epochs and T = 2; 1 in the first two.
    """

    def weigh(state, losses, present):
        ops = import_keras().ops
        known = ops.all(state > 0)
        ratios = state[0] / ops.where(known, state[1], 1.0)
        weights = len(kinds) * ops.softmax(ratios / DWA_TEMPERATURE)
        return ops.where(known, weights, ops.ones_like(weights))

    def update(state, losses, later, present):
        return import_keras().ops.stack([losses, state[0]])

    return Method(lambda: np.zeros((2, len(kinds)), np.float32), weigh, update, by_epoch=True)


# ----------------------------------------------------------------------- FAMO
def famo(kinds):
    r"""Fast adaptive multitask optimization (Liu, Feng, Stone & Liu, NeurIPS 2023).

    With :math:`z = \mathrm{softmax}(\xi)` a step minimises :math:`\sum_h z_h \log L_h` up
    to a common factor: :math:`\lambda_h = (z_h / L_h) / \sum_k z_k / L_k`. Then
    :math:`\xi` descends along :math:`J^T (\log L - \log L') + \gamma \xi`, where J is the
    Jacobian of the softmax and L' the losses after the step; by Adam as in the
    authors' code.
    """

    def shares(state, present):
        ops = import_keras().ops
        z = present * ops.softmax(state[0])
        return z / (ops.sum(z) + LOSS_EPS)

    def weigh(state, losses, present):
        ops = import_keras().ops
        ratios = shares(state, present) / (losses + LOSS_EPS)
        return ratios / (ops.sum(ratios) + LOSS_EPS)

    def update(state, losses, later, present):
        ops = import_keras().ops
        z = shares(state, present)
        delta = ops.log(losses + LOSS_EPS) - ops.log(later + LOSS_EPS)
        gradient = z * (delta - ops.sum(z * delta))
        return _adam(state, state[0], gradient + FAMO_DECAY * state[0], FAMO_RATE, present)

    return Method(lambda: np.zeros((4, len(kinds)), np.float32), weigh, update, looks_ahead=True)


def _adam(state, parameter, gradient, rate, present):
    """One step of Adam (Kingma & Ba 2015) for the heads that are present.

    The state is (parameter, first moment, second moment, steps).
    """
    ops = import_keras().ops
    first, second, steps = state[1], state[2], state[3] + 1
    first = 0.9 * first + 0.1 * gradient
    second = 0.999 * second + 0.001 * gradient**2
    scaled = (first / (1 - 0.9**steps)) / (ops.sqrt(second / (1 - 0.999**steps)) + LOSS_EPS)
    new = ops.stack([parameter - rate * scaled, first, second, steps])
    return ops.where(present > 0, new, state)


def label_means(losses, sums):
    """Mean losses over labelled rows, from sums of losses and of weights; marks of heads with any.

    >>> means, present = label_means(np.float32([6, 0]), np.float32([3, 0]))
    >>> means.numpy().tolist(), present.numpy().tolist()
    ([2.0, 0.0], [1.0, 0.0])
    """
    ops = import_keras().ops
    present = ops.cast(sums > 0, "float32")
    return losses / (sums + 1 - present), present


METHODS = {"uncertainty": uncertainty, "dwa": dwa, "famo": famo}
