"""Models beside the networks, and the shares of all in the answers.

A number is the weighed mean of what networks and models say, with the shares of least
squared error on rows that none of them has seen (Bates & Granger 1969). Probabilities
are the weighed geometric mean, made to sum to 1 (Genest & Zidek 1986): who is nearly
sure of a label counts for more in it than in a plain mean, and one that hardly knows
does not blur the others. Its exponents are those of least log loss on the same rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, combinations

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

from skjoint._ensemble.held_out import pairs_of_rows
from skjoint._network.losses import is_mean_loss
from skjoint._prediction.forward import as_rows

LEAST_SHARE = {"value": 0.1, "class": 0.05}  # less changes hardly an answer and takes its time
# Of the networks in each model's probabilities: a forest says 0 of a label that no leaf of a row
# has met, which in a geometric mean rules it out.
FLOOR = 0.05
PRIOR_VARIANCE = 1 / 2  # of an exponent around the share of least squared error
MAX_ROWS = 2**16  # that exponents are learned from
TINY = 1e-30  # what float32 can take the logarithm of


@dataclass(frozen=True, eq=False)
class Companion:
    """A model beside the networks with its answers to rows that it has not seen.

    ``where`` are their places among all rows, ascending; ``answers`` are by head, NaN
    where the model has seen the row after all. A model has ``heads`` with their
    ``n_units``, a ``kind``, ``predict`` and ``reads``, as a ``Forest``.
    """

    model: object
    where: np.ndarray
    answers: dict[str, np.ndarray]


def has_share(head, loss):
    """Whether a model beside the networks may have a share in what a head says.

    In probabilities, and in numbers whose loss asks for the mean; not in a median, in a
    number with a variance of its own, nor in the mean of a mixture.
    """
    return head.kind == "class" or is_mean_loss(loss)


def in_units(target, head, weights):
    """What a head's columns are for a model, and the unit of each.

    All numbers of a vector count alike, whatever they are measured in.
    """
    if head.kind == "class":
        return np.eye(head.n_units)[target], np.ones(head.n_units)
    target = target[:, : head.n_units].astype(np.float64)
    mean = np.average(target, axis=0, weights=weights)
    unit = np.sqrt(np.average((target - mean) ** 2, axis=0, weights=weights))
    unit = np.where(unit > 0, unit, 1.0)
    return target / unit, unit


class Blend:
    """Networks and models beside them that answer together, head by head.

    Parameters
    ----------
    network : FittedNetwork or Ensemble
    models : list
        As in :class:`Companion`.
    shares : list of dict of {str: float}
        Of each model in the heads that it has a share in; the rest is the networks'.
    floor : float or None
        Share of the networks in each model's probabilities before the geometric mean is
        taken; None for a plain mean, as files of earlier formats have it.
    """

    def __init__(self, network, models, shares, floor=FLOOR):
        n_units = {head.name: head.n_units for head in network.spec.heads}
        if not (
            all(
                dict(zip(m.heads, m.n_units, strict=True)).items() <= n_units.items()
                and m.reads(network.spec.n_inputs)
                for m in models
            )
            and all(s.keys() <= set(m.heads) for s, m in zip(shares, models, strict=True))
            and all(0 <= share <= 1 for of_model in shares for share in of_model.values())
            and all(sum(s.get(head, 0) for s in shares) < 1 + 1e-6 for head in n_units)
            and (floor is None or 0 < floor < 1)
        ):
            raise ValueError("these models do not belong to the network")
        self.network = network
        self.models = models
        self.shares = shares
        self.floor = floor

    @property
    def spec(self):
        return self.network.spec

    def member(self, i):
        """The network of a member, from which training goes on."""
        return self.network.member(i)

    def build(self):
        """The networks alone as a new ``keras.Model``."""
        return self.network.build()

    def share(self, head, kind=None):
        """Of all models in a head, or of those of one kind."""
        pairs = zip(self.models, self.shares, strict=True)
        return sum(shares.get(head, 0.0) for m, shares in pairs if kind in (None, m.kind))

    def floor_of(self, head):
        """The floor of a head whose answers are geometric means, None of others."""
        return self.floor if head.kind == "class" else None

    def __getstate__(self):
        names = ("network", "models", "shares", "floor")
        return {name: getattr(self, name) for name in names}

    def predict(self, X, heads, forms=None, keep_parts=False):
        """As :meth:`skjoint._prediction.forward.FittedNetwork.predict`."""
        outputs = self.network.predict(X, heads, None, keep_parts)
        parts = {head: [] for head in heads}
        for model, shares in zip(self.models, self.shares, strict=True):
            wanted = shares.keys() & parts.keys()
            if wanted:
                found = model.predict(X)
                for head in wanted:
                    parts[head].append((shares[head], found[head]))
        floors = {head.name: self.floor_of(head) for head in self.spec.heads}
        answers = []
        for head, form, output in zip(heads, forms or [as_rows] * len(heads), outputs, strict=True):
            if parts[head]:
                output = joined(output, parts[head], floors[head])
            answers.append(output if form is as_rows else form(output.T, len(X)))
        return answers


def joined(network, parts, floor):
    """What networks and models say of a head as one: a geometric mean where there is a floor."""
    return mean_of(network, parts) if floor is None else pooled(network, parts, floor)


def mean_of(network, parts):
    """The mean of what networks and models say of a head, float32; parts: shares and answers."""
    whole = (1 - sum(share for share, _ in parts)) * network.astype(np.float64)
    for share, found in parts:
        whole += share * found
    return whole.astype(np.float32)


def pooled(network, parts, floor):
    """The geometric mean of probabilities, that sum to 1, float32; as :func:`mean_of`."""
    total = (1 - sum(share for share, _ in parts)) * _log(network)
    for share, found in parts:
        total += share * _log(_with_floor(found, network, floor))
    return softmax(total, axis=1).astype(np.float32)


def _log(proba):
    return np.log(np.maximum(proba.astype(np.float64), TINY))


def _with_floor(found, network, floor):
    return (1 - floor) * found + floor * network


# -------------------------------------------------------------------- learning
def blended(network, companions, unseen, n_networks, tempers):
    """The networks with those models that make their answers better.

    Parameters
    ----------
    network : FittedNetwork or Ensemble
        All ``n_networks`` of them.
    companions : list of Companion
        With answers for the unseen rows.
    unseen : Unseen
        Its outputs become those of networks and models.
    tempers : bool
        Whether temperatures will be learned of the probabilities.

    Returns
    -------
    FittedNetwork, Ensemble or Blend
    """
    shares = [{} for _ in companions]
    for i, head in enumerate(network.spec.heads):
        of_head = [j for j, one in enumerate(companions) if head.name in one.answers]
        if not of_head:
            continue
        own, answers = unseen.outputs[i], []
        for one in (companions[j] for j in of_head):
            found = one.answers[head.name][np.searchsorted(one.where, unseen.positions)]
            answers.append(np.where(np.isnan(found), own, found))
        found = _best_shares(unseen, i, head, answers, n_networks)
        floor = None
        if head.kind == "class":
            by_row = [unseen.by_row(said) for said in (own, *answers)]
            found = _best_exponents(by_row, found, *unseen.truth_by_row(i), tempers)
            floor = FLOOR
        else:
            found = _without_small(found)
        if any(found):
            unseen.outputs[i] = joined(own, list(zip(found, answers, strict=True)), floor)
        for j, share in zip(of_head, found, strict=True):
            if share:
                shares[j][head.name] = share
    kept = [j for j, of_model in enumerate(shares) if of_model]
    if not kept:
        return network
    return Blend(network, [companions[j].model for j in kept], [shares[j] for j in kept])


def _best_shares(unseen, i, head, answers, n_networks):
    r"""Shares of networks and models in the mean of least squared error.

    With C the mean products of the errors, shares w that sum to 1 make :math:`w^T C w` the
    least, none below 0. The error of the networks is that of one of them; that of the mean of
    n has the square :math:`\bar{e^2} (r + (1 - r) / n)`, r the correlation of two networks'
    errors, known from rows that several held out.
    """
    truth, weights = unseen.truth(i)
    if head.kind == "class":
        truth = np.eye(head.n_units)[truth]
    usable = weights > 0
    if not usable.any():
        return np.eye(1 + len(answers))[0]
    row, weights = unseen.row[usable], weights[usable]
    weights = weights / np.bincount(row)[row]
    truth = truth[usable, : head.n_units]
    errors = [said[usable] - truth for said in (unseen.outputs[i], *answers)]
    products = np.array(
        [[np.average((a * b).sum(axis=1), weights=weights) for a in errors] for b in errors]
    )
    products[0, 0] *= 1 - (1 - 1 / n_networks) * (1 - _correlation(errors[0], row, weights))
    return _least(products)


def _without_small(shares):
    """Shares of the models in a number, of which the small ones go to the others."""
    kept = shares * (shares >= LEAST_SHARE["value"])
    kept[0] = shares[0]
    return (kept[1:] / kept.sum()).tolist()


def _least(products):
    """Shares w, none below 0, whose sum is 1 and :math:`w^T C w` the least.

    Where it is least, it is so among some of the parts, without a bound: few parts, all tried.
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


def _best_exponents(proba, shares, codes, weights, tempers):
    """Of the models in the geometric mean of least log loss, a share of all exponents each.

    The mode of a posterior: beforehand an exponent is normal around its share of least squared
    error. Where temperatures follow, the sum of the exponents is free here, since it is the
    inverse of one. ``proba`` are those of the networks, then those of the models.
    """
    labelled = np.flatnonzero(weights > 0)
    some = labelled[:: -(-len(labelled) // MAX_ROWS) or 1]
    if not len(some):
        return [0.0] * (len(proba) - 1)
    own = proba[0][some]
    logs = [_log(own), *(_log(_with_floor(said[some], own, FLOOR)) for said in proba[1:])]
    codes, weights, rows = codes[some], weights[some], np.arange(len(some))

    def learn(logs, shares):
        # Sums of products, not matrix products, whose last bits depend on the number of threads.
        def loss(exponents):
            size = 1.0 if tempers else max(np.sum(exponents), TINY)
            total = sum(e / size * log for e, log in zip(exponents, logs, strict=True))
            norm = logsumexp(total, axis=1)
            of_labels = np.exp(total - norm[:, None])
            slopes = np.array(
                [
                    np.average(np.sum(of_labels * log, axis=1) - log[rows, codes], weights=weights)
                    for log in logs
                ]
            )
            if not tempers:
                slopes = (slopes - np.sum(slopes * exponents) / size) / size
            away = exponents - shares
            prior = np.sum(away**2) / (2 * PRIOR_VARIANCE * len(labelled))
            log_loss = np.average(norm - total[rows, codes], weights=weights)
            return log_loss + prior, slopes + away / (PRIOR_VARIANCE * len(labelled))

        bounds = [(0, None)] * len(logs)
        return minimize(loss, shares, jac=True, bounds=bounds, method="L-BFGS-B").x

    found = learn(logs, shares)
    kept = found >= LEAST_SHARE["class"] * found.sum()
    kept[0] = True
    if not kept.all():
        again = learn([logs[part] for part in np.flatnonzero(kept)], shares[kept])
        found = np.zeros(len(kept))
        found[kept] = again
    total = found.sum()
    return (found[1:] / total).tolist() if total > 0 else [0.0] * (len(proba) - 1)


def _correlation(errors, row, weights):
    """Of the errors that two networks make in one row; 1 where no row has two."""
    product = square = 0.0
    for a, b in pairs_of_rows(row):
        product += np.sum(weights[b, None] * errors[a] * errors[b])
        square += np.sum(weights[b, None] * (errors[a] ** 2 + errors[b] ** 2)) / 2
    return float(np.clip(product / square, 0, 1)) if square else 1.0
