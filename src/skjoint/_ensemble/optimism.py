"""How much too small a held-out error is on the rows by which an epoch was chosen."""

from __future__ import annotations

from itertools import permutations

import numpy as np


def selection_optimism(members, i, name):
    r"""Factor by which the held-out loss ``name`` of head i grows without selection.

    Early stopping keeps the epoch of least loss :math:`L_m(e)` on the rows that member m held
    out. The minimum of noisy estimates lies below what the chosen epoch costs on new rows,
    :math:`E[\min_e L_m(e)] \le \min_e E[L_m(e)]` (Varma & Simon 2006 [1]_, Cawley & Talbot
    2010 [2]_). The epoch :math:`e_k` that another member chose by its own held-out rows, of
    which few are the same, hardly depends on the noise of :math:`L_m`, so that
    :math:`L_m(e_k)` has no such bias. The factor is

    .. math:: \sum_{m \ne k} L_m(e_k) \,/ \sum_{m \ne k} L_m(e_m),

    at least 1, and 1 where it is unknown (a single member, no early stopping).

    Parameters
    ----------
    members : sequence of Member
        With ``best_epochs`` and ``history``; empty without early stopping.
    i : int
        Index of the head among ``best_epochs``, where each head has its own.
    name : str
        Of a curve in ``history``.

    Returns
    -------
    float

    References
    ----------
    .. [1] S. Varma, R. Simon, Bias in error estimation when using cross-validation for model
       selection, BMC Bioinformatics 7:91, 2006.
    .. [2] G. C. Cawley, N. L. C. Talbot, On over-fitting in model selection and subsequent
       selection bias in performance evaluation, JMLR 11:2079-2107, 2010.
    """
    own = others = 0.0
    for member, other in permutations(members, 2):
        curve, place = member.history[name], i if len(member.best_epochs) > 1 else 0
        own += curve[member.best_epochs[place]]
        others += curve[min(other.best_epochs[place], len(curve) - 1)]
    factor = others / own if own else 1.0
    return max(1.0, factor) if np.isfinite(factor) else 1.0
