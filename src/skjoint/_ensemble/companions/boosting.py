"""Gradient boosting for each target beside the networks (Friedman 2001, Ke et al. 2017).

Each tree is fitted to the residuals of those before it, by scikit-learn's
HistGradientBoosting. Its trees have no rows out of bag. So it is fitted ``N_FOLDS`` times, each
time without one fold, whose predictions are held out; the model is the mean of these fits, which
is better than one of them (bagging). Categories are codes, of which its nodes test sets; columns
of more codes than it takes are numbers: the codes, and the mean targets of their levels.
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

from skjoint._ensemble.companions.codes import Means, learn_means, place_of, read_through
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
MAX_CODES = 255  # of a column whose sets of codes nodes can test: scikit-learn's limit
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
            return one.i, one.fold, _fit_one(one, task, n_trees)

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
            alone = _as_trees(arrays, 1, head, task)
            here = np.isin(where, fold.held_out)
            answers[here] = alone.predict(rows.X[where[here]])
            parts += arrays
        model = _as_trees(parts, N_FOLDS, head, task)
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


def _kinds_of_codes(task):
    """Columns whose sets of codes are tested, and those that need means of levels."""
    tested = {column: n for column, n in task.n_codes.items() if n <= MAX_CODES}
    return tested, {column: n for column, n in task.n_codes.items() if n > MAX_CODES}


@dataclass(frozen=True, eq=False)
class _Part:
    """Nodes of all trees of a fit, their counts, and the value of each: (n_nodes + 1, n_units).

    The baseline that the trees are added to is the last, as a tree of one leaf. Features are
    indices into ``task.columns``, then into the columns of ``means``. ``sets`` are those that
    nodes test, ``set_of`` the set of each node, -1 without any.
    """

    nodes: np.ndarray
    counts: np.ndarray
    values: np.ndarray
    feature: np.ndarray
    sets: np.ndarray
    set_of: np.ndarray
    means: Means | None


def _fit_one(one, task, n_trees):
    # Their import takes a while, and prediction does not need it.
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    rows, inside = task.rows, one.fold.inside
    tested, large = _kinds_of_codes(task)
    n_codes = np.array([tested.get(column, 0) for column in task.columns])
    is_label = one.unit is None
    boosting = HistGradientBoostingClassifier if is_label else HistGradientBoostingRegressor
    model = boosting(
        max_iter=n_trees,
        learning_rate=min(MAX_LEARNING_RATE, LEARNING / n_trees),
        max_leaf_nodes=MAX_LEAVES,
        categorical_features=np.flatnonzero(np.isin(task.columns, list(tested)))
        if tested
        else None,
        early_stopping=False,
        random_state=0,
    )
    weights, means, table = rows.weights[one.i][inside], None, rows.X
    X = table[np.ix_(inside, task.columns)]
    if large:
        y = np.eye(one.n_units)[one.y] if is_label else one.y[:, None]
        means = learn_means(table[inside], large, y, weights, task.seed)
        X = np.hstack([X, means.numbers])
    if np.ptp(weights) == 0:
        weights = None  # which halves the time: scikit-learn is slow to find bins by weights
    model.fit(X, one.y, weights)
    return _part_of(model, one, X, n_codes, means)


def _part_of(model, one, X, n_codes, means):
    # Private attributes of scikit-learn, which converters such as skl2onnx read, too.
    baseline = model._baseline_prediction.ravel() * one.size
    trees = [tree for of_round in model._predictors for tree in of_round]
    nodes = np.concatenate([tree.nodes for tree in trees])
    counts = np.array([len(tree.nodes) for tree in trees])
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
    feature, sets, set_of = _tests_of(trees, nodes, counts, X, n_codes)
    return _Part(nodes, counts, values, feature, sets, set_of, means)


def _tests_of(trees, nodes, counts, X, n_codes):
    """Feature of each node, the sets of codes that go left, and the set of each node or -1.

    scikit-learn puts the columns of categories first and numbers the codes that a fit has met.
    Those that it has not met go where more rows have gone.
    """
    set_of = np.full(len(nodes), -1)
    if not n_codes.any():
        return nodes["feature_idx"], np.zeros((0, 0), bool), set_of
    n_numbers = X.shape[1] - len(n_codes)
    is_number = np.append(n_codes == 0, np.ones(n_numbers, bool))
    feature = np.argsort(is_number, kind="stable")[nodes["feature_idx"]]
    is_test = nodes["is_categorical"].astype(bool) & ~nodes["is_leaf"].astype(bool)
    set_of[is_test] = np.arange(is_test.sum())
    number = np.full((len(n_codes), n_codes.max()), -1)  # of a code, by column
    for column in np.flatnonzero(n_codes):
        met = np.unique(X[:, column]).astype(int)
        number[column, met] = np.arange(len(met))
    words = np.concatenate([tree.raw_left_cat_bitsets for tree in trees])
    first = np.cumsum([0] + [len(tree.raw_left_cat_bitsets) for tree in trees])[:-1]
    word = nodes["bitset_idx"][is_test] + np.repeat(first, counts)[is_test]
    is_left = (words[word][:, :, None] >> np.arange(32, dtype=np.uint32)) & 1
    number = number[feature[is_test]]
    found = np.take_along_axis(is_left.reshape(len(number), 256), np.maximum(number, 0), axis=1)
    unmet = nodes["missing_go_to_left"][is_test][:, None]
    return feature, np.where(number < 0, unmet, found).astype(bool), set_of


def _as_trees(parts, n_models, head, task):
    """The mean of ``n_models`` fits as trees that are added up."""
    large = _kinds_of_codes(task)[1]
    nodes = _with_baselines([part.nodes for part in parts], 0)
    counts = np.concatenate([np.append(part.counts, 1) for part in parts])
    values = np.concatenate([part.values for part in parts]) / n_models
    is_leaf = nodes["is_leaf"].astype(bool)
    is_leaf[np.cumsum([len(part.values) for part in parts]) - 1] = True
    first = np.repeat(np.cumsum(counts) - counts, counts)
    feature = [
        place_of(part.feature, len(task.columns), len(large), i) for i, part in enumerate(parts)
    ]
    fields = read_through(np.asarray(task.columns), list(large), [part.means for part in parts])
    threshold = nodes["num_threshold"].copy()
    n_sets = np.cumsum([0] + [len(part.sets) for part in parts])
    if n_sets[-1]:
        set_of = [
            np.where(part.set_of < 0, -1, part.set_of + n)
            for part, n in zip(parts, n_sets[:-1], strict=True)
        ]
        fields["set_of"] = _with_baselines(set_of, -1).astype(np.int32)
        sets = np.concatenate([part.sets for part in parts if len(part.sets)])
        fields["sets"] = np.packbits(sets, axis=1, bitorder="little")
        threshold[fields["set_of"] >= 0] = np.inf
    return trees_of(
        counts,
        np.column_stack([nodes["left"], nodes["right"]]) + first[:, None],
        is_leaf,
        _with_baselines(feature, 0),
        threshold,
        values,
        head,
        link="softmax" if head.kind == "class" else "sum",
        **fields,
    )


def _with_baselines(arrays, value):
    """Arrays of the nodes of fits one behind the other, each with a node for its baseline."""
    return np.concatenate(
        [np.append(array, np.full(1, value).astype(array.dtype)) for array in arrays]
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
