"""Gradient boosting for each target beside the networks (Friedman 2001, Ke et al. 2017).

Each tree is fitted to the residuals of those before it, by scikit-learn's
HistGradientBoosting. Its trees have no rows out of bag. So it is fitted ``N_FOLDS`` times, each
time without one fold, whose predictions are held out; the model is the mean of these fits, which
is better than one of them (bagging).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from numbers import Integral

import joblib
import numpy as np
from scipy.special import softmax
from sklearn.utils._param_validation import Interval
from threadpoolctl import ThreadpoolController

from skjoint._ensemble.companions.contract import (
    AuxiliaryModel,
    Companion,
    in_units,
    is_unbounded,
)
from skjoint._ensemble.companions.forest import trees_of
from skjoint._prediction.trees import Trees

N_FOLDS = 3
MAX_LEAVES = 15
MAX_LABELS = 8  # each has a tree of its own in every round
MAX_BOOSTING_ROWS = 2**17  # of a fit, so that millions take neither hours nor all the memory
LEARNING = 10  # learning rate times rounds, so that any number of rounds learns as much
MAX_LEARNING_RATE = 0.3
LARGE_TABLE = 2**18  # entries of X above which parallel fits are quicker than one after another


def fit_boosting(task, n_trees):
    """Boosted trees for each head, with predictions of each row by the fit without it.

    Parameters
    ----------
    task : Task
    n_trees : int
        Rounds of each fit.

    Returns
    -------
    list of AuxiliaryModel
    """
    rows, where = task.rows, task.where
    fits = [one for i, head in task.heads.items() for one in _fits_of(rows, i, head, task.seed)]
    threads = ThreadpoolController()

    def carry_out(one):
        # OpenMP's own threads wait for each other in busy loops: where something else keeps a
        # core busy, a fit takes a hundred times as long.
        with threads.limit(limits=1, user_api="openmp"):
            return one.i, one.fold, _fit_one(one, rows, task.columns, n_trees)

    # Smaller fits spend most of their time in Python, which runs one thread at a time.
    is_large = len(rows.X) * len(task.columns) > LARGE_TABLE
    with ThreadPoolExecutor(joblib.cpu_count() if is_large else 1) as pool:
        fitted = list(pool.map(carry_out, fits))
    found = []
    for i, of_head in groupby(fitted, key=lambda one: one[0]):
        head, answers = task.heads[i], np.full((len(where), task.heads[i].n_units), np.nan)
        parts = []
        for fold, of_fold in groupby(of_head, key=lambda one: one[1]):
            arrays = [part for _, _, part in of_fold]
            alone = _as_trees(arrays, 1, head, task.columns)
            here = np.isin(where, fold.held_out)
            answers[here] = alone.predict(rows.X[where[here]])
            parts += arrays
        model = _as_trees(parts, N_FOLDS, head, task.columns)
        found.append(AuxiliaryModel(model, where, answers))
    return found


@dataclass(frozen=True, eq=False)
class _Fold:
    """Places of rows to train on, and of those to predict."""

    inside: np.ndarray
    held_out: np.ndarray


@dataclass(frozen=True, eq=False)
class _FoldFit:
    """A fit without one fold: of a label, or of one of the numbers under a head."""

    i: int
    fold: _Fold
    n_units: int
    unit: int | None  # index of the number, None for a label
    size: float  # unit of the number; y is in multiples of it
    y: np.ndarray  # of the fold's rows


def _fits_of(rows, i, head, seed):
    labelled = np.flatnonzero(rows.weights[i] > 0)
    target, is_label = rows.targets[i][labelled], head.kind == "class"
    if len(labelled) < 2 * N_FOLDS:
        return
    if is_label:
        counts = np.bincount(target, minlength=head.n_units)
        if np.sum(counts > 1) < 2:
            return
        parts: list[tuple[int | None, float, np.ndarray]] = [(None, 1.0, target)]
    else:
        numbers, sizes = in_units(target, head, rows.weights[i][labelled])
        parts = [(unit, size, numbers[:, unit]) for unit, size in enumerate(sizes)]
    order, place = _mixed(target if is_label else np.zeros(len(labelled), int), seed)
    for number in range(N_FOLDS):
        inside = order[place != number][:MAX_BOOSTING_ROWS]
        fold = _Fold(labelled[inside], labelled[order[place == number]])
        for unit, size, y in parts:
            yield _FoldFit(i, fold, head.n_units, unit, size, y[inside])


def _mixed(code, seed):
    """Rows in random order, and the fold of each, stratified on the label."""
    order = np.random.default_rng(seed).permutation(len(code))
    fold = np.empty(len(code), int)
    fold[np.argsort(code[order], kind="stable")] = np.arange(len(code)) % N_FOLDS
    return order, fold


def _fit_one(one, rows, columns, n_trees):
    # Their import takes a while, and prediction does not need it.
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    is_label = one.unit is None
    boosting = HistGradientBoostingClassifier if is_label else HistGradientBoostingRegressor
    model = boosting(
        max_iter=n_trees,
        learning_rate=min(MAX_LEARNING_RATE, LEARNING / n_trees),
        max_leaf_nodes=MAX_LEAVES,
        early_stopping=False,
        random_state=0,
    )
    inside = one.fold.inside
    weights = rows.weights[one.i][inside]
    if np.ptp(weights) == 0:
        weights = None  # which halves the time: scikit-learn is slow to find bins by weights
    model.fit(rows.X[np.ix_(inside, columns)], one.y, weights)
    return _arrays_of(model, one)


def _arrays_of(model, one):
    """Nodes of all trees, their counts, and the value of each node: (n_nodes + 1, n_units).

    The baseline that the trees are added to is the last, as a tree of one leaf.
    """
    # Private attributes of scikit-learn, which converters such as skl2onnx read, too.
    baseline = model._baseline_prediction.ravel() * one.size
    trees = [tree.nodes for of_round in model._predictors for tree in of_round]
    nodes, counts = np.concatenate(trees), np.array([len(nodes) for nodes in trees])
    values = np.zeros((len(nodes) + 1, one.n_units))
    if one.unit is not None:
        units = np.array([one.unit])
        values[-1, units] = baseline
    else:
        units = known = np.asarray(model.classes_)
        if len(baseline) == 1:  # two labels have one score, that of the second
            baseline, units = np.append(0, baseline), known[1:]
        # A label without a row to train on has the score of half a row.
        shares = softmax(baseline)
        values[-1] = baseline[0] + np.log(0.5 / len(one.y)) - np.log(shares[0])
        values[-1, known] = baseline
    unit = np.repeat(np.tile(units, len(model._predictors)), counts)
    values[np.arange(len(nodes)), unit] = nodes["value"] * one.size
    return nodes, counts, values


def _as_trees(parts, n_models, head, columns):
    """The mean of ``n_models`` fits as trees that are added up."""
    nodes = np.concatenate([a for nodes, _, _ in parts for a in (nodes, np.zeros(1, nodes.dtype))])
    counts = np.concatenate([np.append(counts, 1) for _, counts, _ in parts])
    values = np.concatenate([values for _, _, values in parts]) / n_models
    is_leaf = nodes["is_leaf"].astype(bool)
    is_leaf[np.cumsum([len(values) for _, _, values in parts]) - 1] = True
    first = np.repeat(np.cumsum(counts) - counts, counts)
    link = "softmax" if head.kind == "class" else "sum"
    return trees_of(
        counts,
        np.column_stack([nodes["left"], nodes["right"]]) + first[:, None],
        is_leaf,
        nodes["feature_idx"],
        nodes["num_threshold"],
        values,
        head,
        columns,
        link,
    )


def _serves(head):
    return is_unbounded(head) and not (head.kind == "class" and head.n_units > MAX_LABELS)


BOOSTING = Companion(
    "boosting",
    Trees,
    fit_boosting,
    _serves,
    {"n_trees": 100},
    {"n_trees": [Interval(Integral, 1, None, closed="left")]},
)
