"""Probabilities made sharper or flatter by a temperature."""

from __future__ import annotations

import numpy as np


def as_tempered(columns, n_samples, temperature):
    """Probabilities ``p**(1 / T) / sum`` of a head, in float64.

    ``columns`` are those of :func:`skjoint._prediction.forward.as_probabilities`: a row for
    each unit, a column for each of the ``n_samples``, then padding.
    """
    proba = columns.astype(np.float64)
    proba **= 1 / temperature
    proba *= 1 / np.add.reduce(proba, axis=0)
    return proba[:, :n_samples].T
