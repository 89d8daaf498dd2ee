"""Temperatures that calibrate probabilities, learned from held-out rows."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from skjoint._prediction.temperatures import as_tempered

LOG_TEMPERATURES = (-3, 3)
# Of the prior of log T: with 1/2 the log loss of small tables was worse than without temperature.
LOG_TEMPERATURE_VARIANCE = 1 / 8
PROBA_EPS = np.finfo(np.float64).eps  # as in the log loss


def calibrate(held_out, targets):
    """Temperatures of all class targets.

    Predictions are means over members. So the temperatures are learned from means over the
    members that held a row out.

    Parameters
    ----------
    held_out : HeldOut
        Its outputs are replaced by the tempered ones.
    targets : Targets

    Returns
    -------
    list of float
    """
    temperatures = []
    for i, target in enumerate(targets.classes, start=len(targets.values)):
        codes, weights = held_out.truth_by_row(i)
        if not weights.any():
            raise ValueError(
                f"No validation row is labelled for target '{target.name}': calibration="
                "'temperature' has nothing to learn from. Hold out more with validation."
            )
        proba = held_out.by_row(held_out.outputs[i])
        temperatures.append(learn_temperature(proba, codes, weights))
        columns = held_out.outputs[i].T
        held_out.outputs[i] = as_tempered(columns, len(held_out.row), temperatures[-1])
    return temperatures


def learn_temperature(proba, codes, weights):
    """The temperature of least log loss (Guo et al. 2017), drawn to 1 where rows are few.

    Where every row is classified correctly the log loss falls down to T = 0. So T is the mode of
    a posterior, with a normal prior of log T around 0.
    """
    labelled = weights > 0
    proba, codes, weights = proba[labelled], codes[labelled], weights[labelled]
    log_proba = np.log(np.clip(proba.astype(np.float64), PROBA_EPS, 1))
    rows = np.arange(len(codes))

    def loss(log_temperature):
        z = log_proba / np.exp(log_temperature)
        log_loss = np.average(logsumexp(z, axis=1) - z[rows, codes], weights=weights)
        return log_loss + log_temperature**2 / (2 * LOG_TEMPERATURE_VARIANCE * len(rows))

    return float(np.exp(minimize_scalar(loss, bounds=LOG_TEMPERATURES, method="bounded").x))
