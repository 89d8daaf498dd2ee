"""Codes of categories as numbers for trees: mean targets of levels (Micci-Barreca 2001).

A tree that splits such a column tells levels of low targets from levels of high ones, however
many there are. A row's own target would give itself away in the mean of a rare level. So a row
that is trained on has the mean of its level in other parts of the rows, as in scikit-learn's
TargetEncoder, which takes no weights of rows and would give each label a column. A row that
needs a held-out prediction must be none of the rows that are learned from here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

N_PARTS = 5
SMOOTHING = 5.0  # rows with the mean of all that are added to a level
FEW_CODES = 6  # up to so many, the row itself hardly counts in the mean of its level


@dataclass(frozen=True, eq=False)
class Means:
    """A number for each code of some columns.

    Parameters
    ----------
    tables : list of ndarray of float32
        For each column, the number of each code.
    numbers : ndarray of float32, shape (n_samples, n_columns)
        For each row that they were learned from, its own numbers: with more than ``FEW_CODES``
        those without the part of the rows that it is in.
    """

    tables: list[np.ndarray]
    numbers: np.ndarray


def learn_means(X, n_codes, y, weights, seed):
    """Mean targets of the levels of some columns.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_inputs)
    n_codes : dict of {int: int}
        The columns, and their numbers of codes.
    y : ndarray of float, shape (n_samples, n_units)
        Labels are one-hot.
    weights : ndarray of shape (n_samples,)
    seed : int

    Returns
    -------
    Means
    """
    part = np.random.default_rng(seed).permutation(len(X)) % N_PARTS
    weights = weights.astype(np.float64)
    weights /= weights.mean()
    tables, numbers = [], np.empty((len(X), len(n_codes)), np.float32)
    for i, (column, n) in enumerate(n_codes.items()):
        code = X[:, column].astype(np.intp)
        target = _as_one(code, n, y, weights)
        tables.append(_level_means(code, n, target, weights))
        numbers[:, i] = tables[-1][code]
        for held_out in range(N_PARTS) if n > FEW_CODES else ():
            here = part == held_out
            others = [array[~here] for array in (code, target, weights)]
            if len(others[0]):
                table = _level_means(others[0], n, *others[1:])
                numbers[here, i] = table[code[here]]
    return Means(tables, numbers)


def _sums(code, n, weights):
    return np.bincount(code, weights, minlength=n)


def _level_means(code, n, target, weights):
    """``(sum of the level + SMOOTHING * mean) / (weight of the level + SMOOTHING)``."""
    mean = np.average(target, weights=weights)
    total = _sums(code, n, weights * target) + SMOOTHING * mean
    return (total / (_sums(code, n, weights) + SMOOTHING)).astype(np.float32)


def _as_one(code, n, y, weights):
    """The one number of each row in which the means of levels differ most.

    It is the first principal component between the levels (Coppersmith et al. 1999).
    """
    if y.shape[1] == 1:
        return y[:, 0]
    size = _sums(code, n, weights)
    sums = np.column_stack([_sums(code, n, weights * target) for target in y.T])
    mean = sums.sum(axis=0) / size.sum()
    means = sums / np.where(size > 0, size, 1)[:, None] - mean
    between = (means * size[:, None]).T @ means
    return y @ np.linalg.eigh(between)[1][:, -1]


def read_through(columns, coded, parts):
    """Fields of ``Trees`` that say what they read, of several parts of the trees side by side.

    Parameters
    ----------
    columns : ndarray of int
        That all parts read as they are.
    coded : sequence of int
        Columns that each part reads through tables of its own, after these.
    parts : list of Means or None
    """
    if not len(coded):
        return {"columns": columns}
    tables = [table for means in parts for table in means.tables]
    sizes = np.array([len(table) for table in tables])
    return {
        "columns": np.concatenate([columns, np.tile(coded, len(parts))]).astype(columns.dtype),
        "tables": np.concatenate(tables),
        "starts": np.cumsum(sizes) - sizes,
    }


def place_of(feature, n_plain, n_coded, part):
    """Columns of a part among those of all parts, see :func:`read_through`."""
    return np.where(feature >= n_plain, feature + part * n_coded, feature)
