"""Random forests beside the networks, one for each target (Breiman 2001).

Trees find at once what a network learns slowly: steps, exact values, rows that
repeat. scikit-learn grows them on numbers or one-hot labels; their nodes are kept as arrays.
Categories are numbers, too: the mean targets of their levels. The target of a row that is to
be answered must not be in them: each fifth of the rows is unknown to a fifth of the trees and
to their means.
One forest for all targets would be quicker, and worse where targets have little in common.
"""

from __future__ import annotations

from numbers import Integral

import joblib
import numpy as np
from sklearn.utils._param_validation import Interval

from skjoint._ensemble.companions.codes import FEW_CODES, learn_means, place_of, read_through
from skjoint._ensemble.companions.contract import AuxiliaryModel, Companion, in_units
from skjoint._prediction.trees import TREES_CHUNK, Trees

MAX_FEATURES = 0.5  # share of the columns that a split may choose from
N_GROUPS = 5  # of trees where there are categories
MAX_SAMPLES = 2**13  # rows of a tree, so that a forest on millions of rows stays small


def fit_forest(task, n_trees):
    """A forest for each head, with its out-of-bag predictions.

    Parameters
    ----------
    task : Task
    n_trees : int

    Returns
    -------
    list of AuxiliaryModel
    """
    return [_fit_one(task, i, head, n_trees) for i, head in task.heads.items()]


def _fit_one(task, i, head, n_trees):
    rows = task.rows
    labelled = np.flatnonzero(rows.weights[i] > 0)
    weights = rows.weights[i][labelled]
    targets, units = in_units(rows.targets[i][labelled], head, weights)
    # Trees read categories of few levels by their means alone, of others by their codes, too.
    plain = np.array([c for c in task.columns if task.n_codes.get(c, np.inf) > FEW_CODES], int)
    table, grown, in_bag = rows.X, [], []
    for part, (inside, n) in enumerate(_groups(task, len(labelled), n_trees)):
        here, seed = labelled[inside], (task.seed + part) % 2**32
        X, means = table[here][:, plain], None
        if task.n_codes:
            means = learn_means(table[here], task.n_codes, targets[inside], weights[inside], seed)
            X = np.hstack([X, means.numbers])
        forest = _grow(X, targets[inside], weights[inside], n, seed)
        grown.append(([tree.tree_ for tree in forest], means))
        # Means of levels are learned from all rows of their trees.
        in_bag += [here if means else here[drawn] for drawn in forest.estimators_samples_]
    trees = _as_trees(grown, head, plain if task.n_codes else task.columns, task, units)
    answers = out_of_bag(trees, table[task.where], task.where, in_bag)
    return AuxiliaryModel(trees, task.where, answers)


def _groups(task, n_samples, n_trees):
    """Rows of trees, as indices, and how many trees: all, or for categories each but a part."""
    if not task.n_codes or n_samples < N_GROUPS:
        return [(slice(None), n_trees)]
    group = np.random.default_rng(task.seed).permutation(n_samples) % N_GROUPS
    sizes = [len(trees) for trees in np.array_split(np.arange(n_trees), N_GROUPS)]
    return [(np.flatnonzero(group != part), n) for part, n in enumerate(sizes) if n]


def _grow(X, targets, weights, n_trees, seed):
    # Its import takes a while, and prediction does not need it.
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(
        n_trees,
        max_features=MAX_FEATURES,
        max_samples=min(len(X), MAX_SAMPLES),
        n_jobs=joblib.cpu_count(),
        random_state=seed,
    )
    y = targets if targets.shape[1] > 1 else targets.ravel()
    with joblib.parallel_config(backend="threading"):  # whatever backend surrounds the fit
        return forest.fit(X, y, sample_weight=weights)


def out_of_bag(trees, X, where, in_bag):
    """Means over the trees that were grown without the row, NaN where there are none.

    ``where`` are the places of X among all rows; ``in_bag`` has those of each tree.
    """
    total, count = np.zeros((len(X), trees.n_units)), np.zeros((len(X), 1))
    is_out = [~np.isin(where, drawn) for drawn in in_bag]
    for start in range(0, len(X), TREES_CHUNK):
        part = slice(start, start + TREES_CHUNK)
        for leaf, of_tree in zip(trees.leaves(X[part]), is_out, strict=True):
            total[part] += of_tree[part, None] * trees.values.take(leaf, axis=0)
            count[part] += of_tree[part, None]
    with np.errstate(invalid="ignore"):
        return total / count


def _as_trees(grown, head, columns, task, units):
    """``Trees`` of groups of scikit-learn's trees, with the means of levels of each group."""
    trees = [tree for group, _ in grown for tree in group]
    counts = np.array([tree.node_count for tree in trees])
    first = np.repeat(np.cumsum(counts) - counts, counts)
    left, right, threshold, values = (
        np.concatenate([getattr(tree, name) for tree in trees])
        for name in ("children_left", "children_right", "threshold", "value")
    )
    feature = np.concatenate(
        [
            place_of(tree.feature, len(columns), len(task.n_codes), part)
            for part, (group, _) in enumerate(grown)
            for tree in group
        ]
    )
    children = np.column_stack([left, right]) + first[:, None]
    values = values[:, :, 0] * units
    read = read_through(np.asarray(columns), list(task.n_codes), [means for _, means in grown])
    return trees_of(counts, children, left < 0, feature, threshold, values, head, **read)


def trees_of(counts, children, is_leaf, feature, threshold, values, head, **fields):
    """``Trees`` from the nodes of scikit-learn's trees in turn, ``counts`` of each."""
    children[is_leaf] = np.flatnonzero(is_leaf)[:, None]
    rounded = threshold.astype(np.float32)
    # For x in float32: x <= threshold where x <= the largest float32 not above the threshold.
    above = rounded > threshold
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    rounded[is_leaf] = np.inf
    return Trees(
        head=head.name,
        n_units=head.n_units,
        roots=(np.cumsum(counts) - counts).astype(np.int32),
        children=children.astype(np.int32),
        feature=np.where(is_leaf, 0, feature).astype(np.int32),
        threshold=rounded,
        leaf=np.where(is_leaf, np.cumsum(is_leaf) - 1, 0).astype(np.int32),
        values=values[is_leaf].astype(np.float32),
        **fields,
    )


FOREST = Companion(
    "forest",
    Trees,
    fit_forest,
    arguments={"n_trees": 100},
    constraints={"n_trees": [Interval(Integral, 1, None, closed="left")]},
)
