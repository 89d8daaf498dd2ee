"""A column of y that was left inside X, where a network learns to copy it."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from skjoint._data.distinct import Distinct
from skjoint._data.entries import is_numeric
from skjoint._support.warn import warn

LEAST = 10  # rows with a target; fewer may be equal by chance
FEW = 32  # rows that are compared first


def warn_of_targets_in(features, y, preprocess):
    """Warn where X has a column of y: the same numbers, or the same name and labels.

    Parameters
    ----------
    features : Features
    y : Table
    preprocess : "auto", dict or None
        The parameter: a column that it drops is not there.
    """
    if features.numbers.ndim > 2:
        return
    kinds = preprocess if isinstance(preprocess, dict) else {}
    found = {}
    for i, name in enumerate(y.frame.columns):
        same = _same_numbers(features, y, i)
        if not same and y.named and features.names is not None and name in features.names:
            place = list(features.names).index(name)
            same = [place] if _same_labels(features, y, i, place) else []
        for position in same:
            shown = features.name(position)
            if "drop" not in (kinds.get(shown), kinds.get(position)):
                found[shown] = name
    if found:
        pairs = ", ".join(f"{x!r} of X is {target!r} of y" for x, target in found.items())
        warn(
            f"X holds what is to be predicted: column {pairs}. Leave it out of X, or the model "
            "learns to copy what new rows do not have."
        )


def _same_numbers(features, y, i):
    """Positions of the columns of X that hold the numbers of a column of y."""
    if y.named and not is_numeric(y.column(i)):
        return []
    try:
        table, true = features.numbers, y.numbers(i)
    except ValueError:  # labels, or what is no number and will be refused
        return []
    rows = np.flatnonzero(~np.isnan(true))
    if len(rows) < LEAST or not table.shape[1] or np.ptp(true[rows]) == 0:
        return []
    true = true.astype(table.dtype)
    first = rows[:: -(-len(rows) // FEW)]
    head = table[first]
    head = head.toarray() if sparse.issparse(head) else head
    alike = np.flatnonzero((head == true[first, None]).all(axis=0))
    positions = range(table.shape[1]) if sparse.issparse(table) else features.positions
    return [list(positions)[j] for j in alike if (_column(table, j)[rows] == true[rows]).all()]


def _column(table, j):
    return table[:, [j]].toarray()[:, 0] if sparse.issparse(table) else table[:, j]


def _same_labels(features, y, i, position):
    """Whether a column of X holds the labels of a column of y."""
    entries = features.others.get(position)
    if not isinstance(entries, Distinct):
        return False
    labels, mask = y.labels(i)
    if len(labels) < LEAST or len(set(labels.tolist())) < 2:
        return False
    entries = entries.spread(entries.values.astype(object), None)
    return entries[mask].tolist() == labels.tolist()
