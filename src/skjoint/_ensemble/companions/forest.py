"""Random forests beside the networks, one for each target.

Trees find at once what a network learns slowly: steps, exact values, rows that
repeat. scikit-learn grows them (Breiman 2001), on numbers or one-hot labels; what
is kept are arrays. One forest for all targets, whose splits serve number and label,
is quicker and worse where these have little in common.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import joblib
import numpy as np
from scipy.special import softmax

from skjoint._ensemble.blending import Companion, in_units
from skjoint._prediction.forward import in_chunks

MAX_FEATURES = 0.5  # share of the columns that a split may choose from
MAX_SAMPLES = 2**13  # rows of a tree, so that a forest on millions of rows stays small
CHUNK = 2**13  # rows at once
ENTRIES = 2**14  # rows times trees that are on their way at once


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees as arrays, one tree behind the other, for one head; in earlier files for several.

    A row goes from node i to ``children[i, 0]`` where ``x[feature[i]] <= threshold[i]``, else to
    ``children[i, 1]``; leaves lead to themselves and have a row of ``values``, that of their
    number in ``leaf``: numbers in scaled units and shares of labels (of boosted trees scores),
    head beside head.
    """

    heads: tuple[str, ...]
    n_units: tuple[int, ...]  # of each head
    columns: np.ndarray  # of encoded X that it reads
    roots: np.ndarray  # (n_trees,)
    children: np.ndarray  # (n_nodes, 2)
    feature: np.ndarray  # (n_nodes,), among the columns
    threshold: np.ndarray
    leaf: np.ndarray
    values: np.ndarray  # (n_leaves, sum of n_units)
    link: str = "mean"  # of the trees; boosted ones are added up: "sum", "softmax" of that

    def __post_init__(self):
        # Files may come from anywhere: nothing may lead out of the arrays, nor in circles.
        n_nodes, own = len(self.children), np.arange(len(self.children))[:, None]
        indices = (self.columns, self.roots, self.children, self.feature, self.leaf)
        leads_on = (self.children > own).all(axis=1) | (self.children == own).all(axis=1)
        if not (
            all(array.dtype.kind == "i" and array.min(initial=0) >= 0 for array in indices)
            and self.children.shape == (n_nodes, 2)
            and all(len(a) == n_nodes for a in (self.feature, self.threshold, self.leaf))
            and leads_on.all()
            and all(
                len(array) and array.max() < end
                for array, end in (
                    (self.roots, n_nodes),
                    (self.children, n_nodes),
                    (self.feature, len(self.columns)),
                    (self.leaf, len(self.values)),
                )
            )
            and self.link in ("mean", "sum", "softmax")
            and len(self.heads) == len(self.n_units)
            and self.values.shape[1] == sum(self.n_units)
        ):
            raise ValueError("these arrays are no forest")

    @property
    def kind(self):
        return "forest" if self.link == "mean" else "boosting"

    @property
    def n_trees(self):
        return len(self.roots)

    def reads(self, n_inputs):
        """Whether it reads rows of so many columns."""
        return self.columns.max(initial=-1) < n_inputs

    def __getstate__(self):
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def predict(self, X):
        """What the trees say together, by head: a dict of float64 arrays (n_samples, n_units)."""

        def total(X):
            found = np.zeros((len(X), self.values.shape[1]))
            for leaf in self._leaves(X):  # in one order: a row does not depend on those beside it
                found += self.values.take(leaf, axis=0)
            return [found]

        (found,) = in_chunks(total, X, CHUNK)
        if self.link == "mean":
            found /= self.n_trees
        elif self.link == "softmax":
            found = softmax(found, axis=1)
        return {head: found[:, place] for head, place in self.places.items()}

    @property
    def places(self):
        """Columns of ``values`` by head."""
        columns = np.split(np.arange(sum(self.n_units)), np.cumsum(self.n_units)[:-1])
        return dict(zip(self.heads, columns, strict=True))

    def out_of_bag(self, X, rows, in_bag):
        """Means over the trees that were grown without the row, NaN where there are none.

        ``rows`` are the places of X among all rows; ``in_bag`` has those of each tree.
        """
        total, count = np.zeros((len(X), self.values.shape[1])), np.zeros((len(X), 1))
        unseen = [~np.isin(rows, drawn) for drawn in in_bag]
        for start in range(0, len(X), CHUNK):
            part = slice(start, start + CHUNK)
            for leaf, is_unseen in zip(self._leaves(X[part]), unseen, strict=True):
                total[part] += is_unseen[part, None] * self.values.take(leaf, axis=0)
                count[part] += is_unseen[part, None]
        with np.errstate(invalid="ignore"):
            return {head: total[:, place] / count for head, place in self.places.items()}

    @cached_property
    def _steps(self):
        """Feature, threshold and next nodes of every node, in the types that NumPy looks up by."""
        return self.feature.astype(np.intp), self.threshold, self.children.ravel().astype(np.intp)

    def _leaves(self, X):
        """Places in ``values`` that the rows reach in each tree: (n_trees, n_samples)."""
        feature, threshold, children = self._steps
        n_samples, n_columns = len(X), len(self.columns)
        numbers = X[:, self.columns].ravel()
        # Few rows go through all trees at once, many through one tree, which is near them then.
        n_trees = max(1, ENTRIES // max(1, n_samples))
        reached = np.empty((self.n_trees, n_samples), np.intp)
        for start in range(0, self.n_trees, n_trees):
            found = reached[start : start + n_trees]
            node = np.repeat(self.roots[start : start + n_trees].astype(np.intp), n_samples)
            row = np.tile(np.arange(n_samples) * n_columns, len(found))
            place, n_steps = np.arange(len(node)), 0
            while len(node):
                goes_right = numbers.take(feature.take(node) + row) > threshold.take(node)
                following = children.take(2 * node + goes_right)
                n_steps += 1
                if n_steps % 4 == 0:  # rows that have arrived step aside
                    on = following != node
                    found.ravel()[place[~on]] = self.leaf.take(node[~on])
                    following, row, place = following[on], row[on], place[on]
                node = following
        return reached


# --------------------------------------------------------------------- growing
def grow(rows, heads, columns, n_trees, seed, where):
    """A forest for each of these heads, with its answers out of bag.

    Parameters
    ----------
    rows : Rows
        All rows to train on.
    heads : dict of {int: Head}
        By index into the targets of the rows.
    columns : ndarray of int
        Columns of X to read.
    n_trees, seed : int
    where : ndarray of int
        Rows to answer out of bag.

    Returns
    -------
    list of Companion
    """
    return [_grow_one(rows, i, head, columns, n_trees, seed, where) for i, head in heads.items()]


def _grow_one(rows, i, head, columns, n_trees, seed, where):
    # Its import takes a while, and prediction does not need it.
    from sklearn.ensemble import RandomForestRegressor

    labelled = np.flatnonzero(rows.weights[i] > 0)
    weights = rows.weights[i][labelled]
    targets, units = in_units(rows.targets[i][labelled], head, weights)
    grower = RandomForestRegressor(
        n_trees,
        max_features=MAX_FEATURES,
        max_samples=min(len(labelled), MAX_SAMPLES),
        n_jobs=joblib.cpu_count(),
        random_state=seed,
    )
    X, y = rows.X[labelled][:, columns], targets if targets.shape[1] > 1 else targets.ravel()
    with joblib.parallel_config(backend="threading"):  # whatever a search around it uses
        grower.fit(X, y, sample_weight=weights)
    forest = _arrays_of([tree.tree_ for tree in grower], head, columns, units)
    in_bag = [labelled[drawn] for drawn in grower.estimators_samples_]
    return Companion(forest, where, forest.out_of_bag(rows.X[where], where, in_bag))


def _arrays_of(trees, head, columns, units):
    counts = np.array([tree.node_count for tree in trees])
    first = np.repeat(np.cumsum(counts) - counts, counts)
    left, right, feature, threshold, values = (
        np.concatenate([getattr(tree, name) for tree in trees])
        for name in ("children_left", "children_right", "feature", "threshold", "value")
    )
    children = np.column_stack([left, right]) + first[:, None]
    values = values[:, :, 0] * units
    return as_arrays(counts, children, left < 0, feature, threshold, values, head, columns)


def as_arrays(counts, children, is_leaf, feature, threshold, values, head, columns, link="mean"):
    """The forest of scikit-learn's nodes, tree behind tree, of so many nodes each."""
    children[is_leaf] = np.flatnonzero(is_leaf)[:, None]
    rounded = threshold.astype(np.float32)
    # A float32 is at most a float64 where it is at most the largest float32 up to that.
    above = rounded > threshold
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    rounded[is_leaf] = np.inf
    return Forest(
        (head.name,),
        (head.n_units,),
        np.asarray(columns),
        (np.cumsum(counts) - counts).astype(np.int32),
        children.astype(np.int32),
        np.where(is_leaf, 0, feature).astype(np.int32),
        rounded,
        np.where(is_leaf, np.cumsum(is_leaf) - 1, 0).astype(np.int32),
        values[is_leaf].astype(np.float32),
        link,
    )
