"""Gradient boosting for each target beside networks and forests, kept as a forest is.

Trees that each mend what those before them left over, as many as the random forest
has, grown by scikit-learn's HistGradientBoosting (Friedman 2001; Ke et al. 2017). No
tree of it is out of bag. So it is grown ``N_FOLDS`` times, each time without one part of
the rows, which gives the answers that its share is learned from; what is kept is the
mean of all, which is better than any (bagging).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby

import joblib
import numpy as np
from scipy.special import softmax
from threadpoolctl import ThreadpoolController

from skjoint._ensemble.blending import Companion, in_units
from skjoint._ensemble.companions.forest import as_arrays

N_FOLDS = 3
MAX_LEAVES = 15
MAX_LABELS = 8  # each has a tree of its own in every round
MAX_ROWS = 2**17  # of a model, so that millions of them take neither hours nor all the memory
LEARNING = 10  # learning rate times rounds, so that any number of rounds learns as much
MAX_LEARNING_RATE = 0.3
MANY = 2**18  # entries of X, from which on models side by side are quicker than in turn


def boost(rows, heads, columns, n_trees, seed, where):
    """Boosted trees for each head with few labels, as ``grow`` grows forests.

    Returns
    -------
    list of Companion
    """
    tasks = [task for i, head in heads.items() for task in _tasks_of(rows, i, head, seed)]
    threads = ThreadpoolController()

    def carry_out(task):
        # OpenMP's own threads wait for each other in busy loops: where something else keeps a
        # core busy, a model takes a hundred times as long.
        with threads.limit(limits=1, user_api="openmp"):
            return task.i, task.fold, _fit(task, rows, columns, n_trees)

    # Below, most of the time is Python's, which one thread at a time can have.
    n_threads = joblib.cpu_count() if len(rows.X) * len(columns) > MANY else 1
    with ThreadPoolExecutor(n_threads) as pool:
        fitted = list(pool.map(carry_out, tasks))
    grown = []
    for i, models in groupby(fitted, key=lambda one: one[0]):
        head, answers = heads[i], np.full((len(where), heads[i].n_units), np.nan)
        parts = []
        for fold, of_fold in groupby(models, key=lambda one: one[1]):
            arrays = [part for _, _, part in of_fold]
            alone = _as_forest(arrays, 1, head, columns)
            here = np.isin(where, fold.held_out)
            answers[here] = alone.predict(rows.X[where[here]])[head.name]
            parts += arrays
        forest = _as_forest(parts, N_FOLDS, head, columns)
        grown.append(Companion(forest, where, {head.name: answers}))
    return grown


@dataclass(frozen=True, eq=False)
class _Fold:
    """Places of rows to train on and of those to answer."""

    inside: np.ndarray
    held_out: np.ndarray


@dataclass(frozen=True, eq=False)
class _Task:
    """One model: of a label, or of one of the numbers under a head."""

    i: int
    fold: _Fold
    n_units: int
    unit: int | None  # which number
    size: float  # what its unit is, of which y is a multiple
    y: np.ndarray  # of the fold's rows


def _tasks_of(rows, i, head, seed):
    labelled = np.flatnonzero(rows.weights[i] > 0)
    target, is_label = rows.targets[i][labelled], head.kind == "class"
    if len(labelled) < 2 * N_FOLDS:
        return
    if is_label:
        counts = np.bincount(target, minlength=head.n_units)
        if head.n_units > MAX_LABELS or np.sum(counts > 1) < 2:
            return
        parts = [(None, 1.0, target)]
    else:
        numbers, sizes = in_units(target, head, rows.weights[i][labelled])
        parts = [(unit, size, numbers[:, unit]) for unit, size in enumerate(sizes)]
    order, place = _mixed(target if is_label else np.zeros(len(labelled), int), seed)
    for number in range(N_FOLDS):
        inside = order[place != number][:MAX_ROWS]
        fold = _Fold(labelled[inside], labelled[order[place == number]])
        for unit, size, y in parts:
            yield _Task(i, fold, head.n_units, unit, size, y[inside])


def _mixed(code, seed):
    """Rows in random order, and the fold of each: of each label as many in one as in the other."""
    order = np.random.default_rng(seed).permutation(len(code))
    fold = np.empty(len(code), int)
    fold[np.argsort(code[order], kind="stable")] = np.arange(len(code)) % N_FOLDS
    return order, fold


def _fit(task, rows, columns, n_trees):
    # Their import takes a while, and prediction does not need it.
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    is_label = task.unit is None
    boosting = HistGradientBoostingClassifier if is_label else HistGradientBoostingRegressor
    model = boosting(
        max_iter=n_trees,
        learning_rate=min(MAX_LEARNING_RATE, LEARNING / n_trees),
        max_leaf_nodes=MAX_LEAVES,
        early_stopping=False,
        random_state=0,
    )
    inside = task.fold.inside
    weights = rows.weights[task.i][inside]
    if np.ptp(weights) == 0:
        weights = None  # which halves the time: scikit-learn is slow to find bins by weights
    model.fit(rows.X[np.ix_(inside, columns)], task.y, weights)
    return _arrays_of(model, task)


def _arrays_of(model, task):
    """Nodes of all trees, their counts, and what each node would say: (n_nodes + 1, n_units).

    The baseline that the trees are added to is the last, as a tree of one leaf.
    """
    # By what scikit-learn does not call public, as others that translate these models do.
    baseline = model._baseline_prediction.ravel() * task.size
    trees = [tree.nodes for of_round in model._predictors for tree in of_round]
    nodes, counts = np.concatenate(trees), np.array([len(nodes) for nodes in trees])
    values = np.zeros((len(nodes) + 1, task.n_units))
    if task.unit is not None:
        units = np.array([task.unit])
        values[-1, units] = baseline
    else:
        units = known = np.asarray(model.classes_)
        if len(baseline) == 1:  # two labels have one score, that of the second
            baseline, units = np.append(0, baseline), known[1:]
        # A label that the fold has no row of has the score of half a row.
        shares = softmax(baseline)
        values[-1] = baseline[0] + np.log(0.5 / len(task.y)) - np.log(shares[0])
        values[-1, known] = baseline
    unit = np.repeat(np.tile(units, len(model._predictors)), counts)
    values[np.arange(len(nodes)), unit] = nodes["value"] * task.size
    return nodes, counts, values


def _as_forest(parts, n_models, head, columns):
    """The mean of ``n_models`` models as one forest, whose trees are added up."""
    nodes = np.concatenate([a for nodes, _, _ in parts for a in (nodes, np.zeros(1, nodes.dtype))])
    counts = np.concatenate([np.append(counts, 1) for _, counts, _ in parts])
    values = np.concatenate([values for _, _, values in parts]) / n_models
    is_leaf = nodes["is_leaf"].astype(bool)
    is_leaf[np.cumsum([len(values) for _, _, values in parts]) - 1] = True
    first = np.repeat(np.cumsum(counts) - counts, counts)
    link = "softmax" if head.kind == "class" else "sum"
    return as_arrays(
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
