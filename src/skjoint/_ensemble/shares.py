"""Shares of networks and companions in the outputs, learned from held-out rows (stacking).

The shares in a number are those of least squared error (Bates & Granger 1969, Breiman 1996);
the exponents in the geometric mean of probabilities those of least log loss. How outputs are
combined by them is in :mod:`skjoint._prediction.stacked`.
"""

from __future__ import annotations

from itertools import chain, combinations

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from skjoint._ensemble.held_out import pairs_of_rows
from skjoint._prediction.stacked import FLOOR, LEAST_PROBA, Stacked, joined, log_proba, with_floor

# A model with a smaller share hardly changes a prediction, and costs its time.
LEAST_SHARE = {"value": 0.1, "class": 0.05}
EXPONENT_VARIANCE = 1 / 2  # of the prior around the share of least squared error
MAX_EXPONENT_ROWS = 2**16  # to learn exponents from


def stack(network, auxiliary_models, held_out, n_networks, tempers):
    """The networks with those auxiliary models that make their outputs better.

    Parameters
    ----------
    network : FittedNetwork or Average
        All ``n_networks`` of them.
    auxiliary_models : list of AuxiliaryModel
        With answers for all held-out rows.
    held_out : HeldOut
        Its outputs are replaced by those of networks and models together.
    n_networks : int
    tempers : bool
        Whether temperatures of the probabilities will be learned.

    Returns
    -------
    FittedNetwork, Average or Stacked
    """
    kept = {}  # share by place among the models
    for i, head in enumerate(network.spec.heads):
        of_head = [j for j, one in enumerate(auxiliary_models) if one.head == head.name]
        if not of_head:
            continue
        answers = [_answers_of(auxiliary_models[j], held_out, i) for j in of_head]
        found = _shares_of(held_out, i, head, answers, n_networks, tempers)
        if any(found):
            parts = list(zip(found, answers, strict=True))
            floor = FLOOR if head.kind == "class" else None
            held_out.outputs[i] = joined(held_out.outputs[i], parts, floor)
        kept |= {j: share for j, share in zip(of_head, found, strict=True) if share}
    if not kept:
        return network
    places = sorted(kept)
    models = [auxiliary_models[j].model for j in places]
    return Stacked(network, models, [kept[j] for j in places])


def _answers_of(auxiliary, held_out, i):
    """Held-out outputs of a model for all entries, the networks' where it has none."""
    own = held_out.outputs[i]
    answers = auxiliary.answers[np.searchsorted(auxiliary.where, held_out.positions)]
    return np.where(np.isnan(answers), own, answers)


def _shares_of(held_out, i, head, answers, n_networks, tempers):
    """Share of each model in head i, a list of float."""
    shares = _least_square_shares(held_out, i, head, answers, n_networks)
    if head.kind != "class":
        return _without_small(shares)
    proba = [held_out.by_row(output) for output in (held_out.outputs[i], *answers)]
    codes, weights = held_out.truth_by_row(i)
    return _exponents(proba, shares, codes, weights, tempers)


# --------------------------------------------------------------------- numbers
def _least_square_shares(held_out, i, head, answers, n_networks):
    r"""Shares of networks and models in the mean of least squared error.

    With C the mean products of the errors, shares w that sum to 1, none below 0, minimise
    :math:`w^T C w`. The error of the networks is that of one of them; that of the mean of
    n has the square :math:`\bar{e^2} (r + (1 - r) / n)`, r the correlation of two networks'
    errors on rows that several members held out.
    """
    truth, weights = held_out.truth(i)
    if head.kind == "class":
        truth = np.eye(head.n_units)[truth]
    usable = weights > 0
    if not usable.any():
        return np.eye(1 + len(answers))[0]
    row, weights = held_out.row[usable], weights[usable]
    weights = weights / np.bincount(row)[row]
    truth = truth[usable]
    errors = [output[usable] - truth for output in (held_out.outputs[i], *answers)]
    products = np.array(
        [[np.average((a * b).sum(axis=1), weights=weights) for a in errors] for b in errors]
    )
    products[0, 0] *= 1 - (1 - 1 / n_networks) * (1 - _error_correlation(errors[0], row, weights))
    return _least_on_simplex(products)


def _without_small(shares):
    """Shares of the models in a number; those of the small ones go to the others."""
    kept = shares * (shares >= LEAST_SHARE["value"])
    kept[0] = shares[0]
    return (kept[1:] / kept.sum()).tolist()


def _least_on_simplex(products):
    """Shares w, none below 0, whose sum is 1 and :math:`w^T C w` the least.

    It is the minimum without bounds among the parts whose shares are above 0. Parts are few, so
    all subsets are tried.
    """
    n = len(products)
    best, least = np.eye(n)[0], products[0, 0]
    for some in chain.from_iterable(combinations(range(n), k) for k in range(1, n + 1)):
        among = products[np.ix_(some, some)]
        try:
            shares = np.linalg.solve(among, np.ones(len(some))) if len(some) > 1 else np.ones(1)
        except np.linalg.LinAlgError:
            continue
        shares = shares / shares.sum() if shares.sum() else shares
        error = shares @ among @ shares
        if np.isfinite(error) and error < least and (shares >= 0).all():
            best, least = np.zeros(n), error
            best[list(some)] = shares
    return best


def _error_correlation(errors, row, weights):
    """Correlation of the errors of two networks on the same row; 1 where no row has two."""
    product = square = 0.0
    for a, b in pairs_of_rows(row):
        product += np.sum(weights[b, None] * errors[a] * errors[b])
        square += np.sum(weights[b, None] * (errors[a] ** 2 + errors[b] ** 2)) / 2
    return float(np.clip(product / square, 0, 1)) if square else 1.0


# --------------------------------------------------------------- probabilities
def _exponents(proba, shares, codes, weights, tempers):
    """Exponents of the models in the geometric mean of least log loss; all sum to 1.

    They are the mode of a posterior: the prior of an exponent is normal around its share of
    least squared error. Where a temperature is learned afterwards the sum of the exponents is free
    here: its inverse acts as a temperature.

    Parameters
    ----------
    proba : list of ndarray
        Of the networks, then of each model.
    shares : ndarray
        Of least squared error, in the same order.
    codes, weights : ndarray
        Of the rows.
    tempers : bool

    Returns
    -------
    list of float
        Of the models.
    """
    labelled = np.flatnonzero(weights > 0)
    some = labelled[:: -(-len(labelled) // MAX_EXPONENT_ROWS) or 1]
    if not len(some):
        return [0.0] * (len(proba) - 1)
    own = proba[0][some]
    logs = [log_proba(own), *(log_proba(with_floor(p[some], own, FLOOR)) for p in proba[1:])]
    data = codes[some], weights[some], len(labelled), tempers
    found = _least_log_loss(logs, shares, *data)
    kept = found >= LEAST_SHARE["class"] * found.sum()
    kept[0] = True
    if not kept.all():
        again = _least_log_loss([logs[j] for j in np.flatnonzero(kept)], shares[kept], *data)
        found = np.zeros(len(kept))
        found[kept] = again
    total = found.sum()
    return (found[1:] / total).tolist() if total > 0 else [0.0] * (len(proba) - 1)


def _least_log_loss(logs, shares, codes, weights, n_labelled, tempers):
    """Exponents of least log loss plus prior. ``logs`` are logarithms of probabilities."""
    rows = np.arange(len(codes))

    # Sums of products, not matrix products, whose last bits depend on the number of threads.
    def loss(exponents):
        size = 1.0 if tempers else max(np.sum(exponents), LEAST_PROBA)
        total = sum(e / size * log for e, log in zip(exponents, logs, strict=True))
        norm = logsumexp(total, axis=1)
        proba = np.exp(total - norm[:, None])
        slopes = np.array(
            [
                np.average(np.sum(proba * log, axis=1) - log[rows, codes], weights=weights)
                for log in logs
            ]
        )
        if not tempers:
            slopes = (slopes - np.sum(slopes * exponents) / size) / size
        away = exponents - shares
        prior = np.sum(away**2) / (2 * EXPONENT_VARIANCE * n_labelled)
        log_loss = np.average(norm - total[rows, codes], weights=weights)
        return log_loss + prior, slopes + away / (EXPONENT_VARIANCE * n_labelled)

    bounds = [(0, None)] * len(logs)
    return minimize(loss, shares, jac=True, bounds=bounds, method="L-BFGS-B").x
