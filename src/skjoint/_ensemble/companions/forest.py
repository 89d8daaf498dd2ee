"""Random forests beside the networks, one for each target (Breiman 2001).

Trees find at once what a network learns slowly: steps, exact values, rows that
repeat. scikit-learn grows them on numbers or one-hot labels; their nodes are kept as arrays.
One forest for all targets would be quicker, and worse where targets have little in common.
"""

from __future__ import annotations

from numbers import Integral

import joblib
import numpy as np
from sklearn.utils._param_validation import Interval

from skjoint._ensemble.companions.contract import AuxiliaryModel, Companion, in_units
from skjoint._prediction.trees import TREES_CHUNK, Trees

MAX_FEATURES = 0.5  # share of the columns that a split may choose from
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
    # Its import takes a while, and prediction does not need it.
    from sklearn.ensemble import RandomForestRegressor

    rows = task.rows
    labelled = np.flatnonzero(rows.weights[i] > 0)
    weights = rows.weights[i][labelled]
    targets, units = in_units(rows.targets[i][labelled], head, weights)
    forest = RandomForestRegressor(
        n_trees,
        max_features=MAX_FEATURES,
        max_samples=min(len(labelled), MAX_SAMPLES),
        n_jobs=joblib.cpu_count(),
        random_state=task.seed,
    )
    X, y = rows.X[labelled][:, task.columns], targets if targets.shape[1] > 1 else targets.ravel()
    with joblib.parallel_config(backend="threading"):  # whatever backend surrounds the fit
        forest.fit(X, y, sample_weight=weights)
    trees = _as_trees([tree.tree_ for tree in forest], head, task.columns, units)
    in_bag = [labelled[drawn] for drawn in forest.estimators_samples_]
    answers = out_of_bag(trees, rows.X[task.where], task.where, in_bag)
    return AuxiliaryModel(trees, task.where, answers)


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


def _as_trees(trees, head, columns, units):
    counts = np.array([tree.node_count for tree in trees])
    first = np.repeat(np.cumsum(counts) - counts, counts)
    left, right, feature, threshold, values = (
        np.concatenate([getattr(tree, name) for tree in trees])
        for name in ("children_left", "children_right", "feature", "threshold", "value")
    )
    children = np.column_stack([left, right]) + first[:, None]
    values = values[:, :, 0] * units
    return trees_of(counts, children, left < 0, feature, threshold, values, head, columns)


def trees_of(counts, children, is_leaf, feature, threshold, values, head, columns, link="mean"):
    """``Trees`` from the nodes of scikit-learn's trees in turn, ``counts`` of each."""
    children[is_leaf] = np.flatnonzero(is_leaf)[:, None]
    rounded = threshold.astype(np.float32)
    # For x in float32: x <= threshold where x <= the largest float32 not above the threshold.
    above = rounded > threshold
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    rounded[is_leaf] = np.inf
    return Trees(
        head.name,
        head.n_units,
        np.asarray(columns),
        (np.cumsum(counts) - counts).astype(np.int32),
        children.astype(np.int32),
        np.where(is_leaf, 0, feature).astype(np.int32),
        rounded,
        np.where(is_leaf, np.cumsum(is_leaf) - 1, 0).astype(np.int32),
        values[is_leaf].astype(np.float32),
        link,
    )


FOREST = Companion(
    "forest",
    Trees,
    fit_forest,
    arguments={"n_trees": 100},
    constraints={"n_trees": [Interval(Integral, 1, None, closed="left")]},
)
