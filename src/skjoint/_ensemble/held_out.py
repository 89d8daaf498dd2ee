"""How sure the answers are, judged by rows that training never saw: temperatures and intervals."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

LOG_TEMPERATURES = (-3, 3)
PRIOR_VARIANCE = 1 / 8  # of log T: at 1/2 it made the log loss of small tables worse
EPS = np.finfo(np.float64).eps  # as in the log loss


class Unseen:
    """The rows that members held out, one member's below the other's, and what it says of them.

    Parameters
    ----------
    networks : list of FittedNetwork or Ensemble
        By member.
    held_out : list of Rows
        By member, also of members that are yet to be trained. A row of the table may be
        held out by several members.
    """

    def __init__(self, networks, held_out):
        held_out = held_out[: len(networks)]
        self.networks = networks
        # They may be kept until intervals are asked for; the table of all rows need not be.
        self.held_out = [rows.alone() for rows in held_out]
        self.positions = np.concatenate([rows.positions for rows in held_out])

    @cached_property
    def row(self):
        """Of each entry the row it is about, counted among the rows that some member held out."""
        return np.unique(self.positions, return_inverse=True)[1]

    @cached_property
    def outputs(self):
        """What its member says of each row: by index heads, behind them variances."""
        spec = self.networks[0].spec
        names = [*(head.name for head in spec.heads), *spec.variances.values()]
        pairs = zip(self.networks, self.held_out, strict=True)
        parts = zip(*(n.predict(rows.X, names) for n, rows in pairs), strict=True)
        return dict(enumerate(map(np.concatenate, parts)))

    def truth(self, i):
        """Targets and weights of head i."""
        targets = np.concatenate([rows.targets[i] for rows in self.held_out])
        return targets, np.concatenate([rows.weights[i] for rows in self.held_out])

    def by_row(self, said):
        """What is said of each row, a mean over the members that held it out: (n_rows, n_units)."""
        times = np.bincount(self.row)
        total = np.zeros((len(times), said.shape[1]))
        np.add.at(total, self.row, said / times[self.row, None])
        return total

    def truth_by_row(self, i):
        """Targets and weights of head i, as :meth:`by_row`."""
        first = np.unique(self.row, return_index=True)[1]
        targets, weights = self.truth(i)
        return targets[first], weights[first]

    def calibrate(self, targets):
        """Temperatures of all class targets, which the outputs then have.

        Predictions are means over members: so are those that the temperatures are
        learned from, over the members that held a row out.
        """
        temperatures = []
        for i, target in enumerate(targets.classes, start=len(targets.values)):
            codes, weights = self.truth_by_row(i)
            if not weights.any():
                raise ValueError(
                    f"No validation row is labelled for target '{target.name}': calibration="
                    "'temperature' has nothing to learn from. Hold out more with "
                    "validation_fraction."
                )
            proba = self.by_row(self.outputs[i])
            temperatures.append(learn_temperature(proba, codes, weights))
            self.outputs[i] = as_tempered(self.outputs[i].T, len(self.row), temperatures[-1])
        return temperatures


# ---------------------------------------------------------------- probabilities
def as_tempered(columns, n_samples, temperature):
    """Probabilities ``p**(1 / T) / sum`` of a head, in float64."""
    proba = columns.astype(np.float64)
    proba **= 1 / temperature
    proba *= 1 / np.add.reduce(proba, axis=0)
    return proba[:, :n_samples].T


def learn_temperature(proba, codes, weights):
    """The temperature of least log loss (Guo et al. 2017), drawn to 1 where rows are few.

    Rows without an error would have it at 0. So it is the mode of a posterior:
    log T is normal around 0 beforehand.
    """
    labelled = weights > 0
    proba, codes, weights = proba[labelled], codes[labelled], weights[labelled]
    log_proba = np.log(np.clip(proba.astype(np.float64), EPS, 1))
    rows = np.arange(len(codes))

    def loss(log_temperature):
        z = log_proba / np.exp(log_temperature)
        log_loss = np.average(logsumexp(z, axis=1) - z[rows, codes], weights=weights)
        return log_loss + log_temperature**2 / (2 * PRIOR_VARIANCE * len(rows))

    return float(np.exp(minimize_scalar(loss, bounds=LOG_TEMPERATURES, method="bounded").x))


# -------------------------------------------------------------------- intervals
def learn_residuals(unseen, answers, truth, n_networks, growth):
    """Ascending absolute errors of the numbers of unseen rows, by column, with weights and count.

    Where the network says a variance, they are in its standard deviations
    (Lei et al. 2018, section 5.2). A row that several members held out shares
    its weight among them. ``truth`` has numbers and weights by value target.
    They are errors of one network, made as small as those of the mean of ``n_networks``, and
    as large as those of new rows, by target ``growth`` times (see ``luck``).
    """
    numbers = answers.decode(unseen.outputs, "value")
    stds = answers.stds(unseen.outputs, known=False)
    row, times = unseen.row, np.bincount(unseen.row)
    by_column = []
    for i, (true, weights) in enumerate(truth):
        errors = (true - numbers[i]) / stds.get(i, 1)
        labelled = weights > 0
        weights, known = weights[labelled], row[labelled]
        shared, n_rows = weights / times[known], len(np.unique(known))
        for column in errors.reshape(len(errors), -1)[labelled].T:
            # Krogh & Vedelsby 1995: the mean's squared error is that of one less the ambiguity.
            ambiguity = (1 - 1 / n_networks) * _own_share(column, weights, known)
            smaller = max(1 - ambiguity, 1 / n_networks)
            if i in stds and ambiguity:
                # An ensemble adds it to the variance that it says.
                smaller /= 1 + ambiguity * np.average(column**2, weights=shared)
            sizes = np.abs(column) * np.sqrt(smaller) * growth[i]
            order = np.argsort(sizes)
            by_column.append((sizes[order], shared[order], n_rows))
    return by_column


def _own_share(errors, weights, row):
    """Share of the errors' variance that one network has and the next has not, for a row.

    Rows that several members held out tell, by pairs of errors a and b: if their correlation is
    r, normal ones have E|a + b| / E(|a| + |b|) = sqrt((1 + r) / 2). Absolute sizes, as in the
    intervals, are not swayed by a few wild errors. Without pairs it is 0.
    """
    both = each = 0.0
    for i, j in pairs_of_rows(row):
        a, b, w = errors[i], errors[j], weights[j]
        both += np.sum(w * np.abs(a + b))  # a product's last bits depend on the number of threads
        each += np.sum(w * (np.abs(a) + np.abs(b)))
    return 2 * (1 - (both / each) ** 2) if each else 0.0


def pairs_of_rows(row):
    """All pairs of entries about the same row, as positions: arrays a and b, some at a time."""
    order = np.argsort(row, kind="stable")
    row = row[order]
    for lag in range(1, np.bincount(row).max(initial=0)):
        first = np.flatnonzero(row[:-lag] == row[lag:])
        yield order[first], order[first + lag]


def conformal(errors, weights, n, coverage):
    """The ``coverage * (1 + 1/n)`` quantile of n rows' ascending errors, weighted."""
    total = weights.sum()
    # of n + 1 rows of mean weight, the one to come among them
    reached = np.cumsum(weights) >= coverage * total * (1 + 1 / n) * (1 - 1e-12) if n else []
    if not np.any(reached):
        raise ValueError(
            f"coverage={coverage} needs more than {n} held-out rows with a number: at least "
            f"{int(np.ceil(coverage / (1 - coverage)))}. Hold out more with validation_fraction."
        )
    return float(errors[np.argmax(reached)])
