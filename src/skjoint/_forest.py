"""Random forests beside the networks, one for each target, and their shares in the answers.

Trees find at once what a network learns slowly: steps, exact values, rows that
repeat. scikit-learn grows them (Breiman 2001), on numbers or one-hot labels; what
is kept are arrays. One forest for all targets, whose splits serve number and label,
is quicker and worse where these have little in common. Answers are weighed means of
networks and forest, with the shares that have the least squared error on rows that
neither has seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import joblib
import numpy as np

from skjoint._inference import MAX_THREADS, as_rows, in_chunks
from skjoint._losses import is_mean_loss
from skjoint._uncertainty import pairs_of_rows

MAX_FEATURES = 0.5  # share of the columns that a split may choose from
MAX_SAMPLES = 2**13  # rows of a tree, so that a forest on millions of rows stays small
LEAST_SHARE = 0.05  # of a forest: less changes hardly an answer and takes its time and memory
# Of the networks in probabilities: a forest says 0 of a label that no leaf of a row has met, and
# the fewer trees, the more often; out of bag, where its share is learned, it has a third of them.
LEAST_OF_NETWORKS = 0.1
CHUNK = 2**13  # rows at once
ENTRIES = 2**14  # rows times trees that are on their way at once


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees as arrays, one tree behind the other, for one head; in earlier files for several.

    A row goes from node i to ``children[i, 0]`` where ``x[feature[i]] <= threshold[i]``, else to
    ``children[i, 1]``; leaves lead to themselves and have a row of ``values``, that of their
    number in ``leaf``: numbers in scaled units and shares of labels, head beside head.
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
            and len(self.heads) == len(self.n_units)
            and self.values.shape[1] == sum(self.n_units)
        ):
            raise ValueError("these arrays are no forest")

    @property
    def n_trees(self):
        return len(self.roots)

    def __getstate__(self):
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def predict(self, X):
        """Means over the trees by head: a dict of float64 arrays (n_samples, n_units)."""

        def total(X):
            found = np.zeros((len(X), self.values.shape[1]))
            for leaf in self._leaves(X):  # in one order: a row does not depend on those beside it
                found += self.values.take(leaf, axis=0)
            return [found]

        if len(X) <= CHUNK:
            (found,) = total(X)
        else:
            (found,) = in_chunks(total, X, CHUNK, min(joblib.cpu_count(), MAX_THREADS))
        return {head: found[:, place] / self.n_trees for head, place in self.places.items()}

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
@dataclass(frozen=True)
class Grown:
    """A forest with its answers out of bag, of the rows at some places among all."""

    forest: Forest
    where: np.ndarray  # ascending
    answers: dict[str, np.ndarray]  # by head; NaN where every tree has seen the row


def has_share(head, loss):
    """Whether a forest, which answers with means, may have a share in what a head says.

    In probabilities, and in numbers whose loss asks for the mean; not in a median, in a
    number with a variance of its own, nor in the mean of a mixture.
    """
    return head.kind == "class" or is_mean_loss(loss)


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
    list of Grown
    """
    return [_grow_one(rows, i, head, columns, n_trees, seed, where) for i, head in heads.items()]


def _grow_one(rows, i, head, columns, n_trees, seed, where):
    # Its import takes a while, and prediction does not need it.
    from sklearn.ensemble import RandomForestRegressor

    labelled = np.flatnonzero(rows.weights[i] > 0)
    weights = rows.weights[i][labelled]
    targets, units = _in_units(rows.targets[i][labelled], head, weights)
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
    forest = _as_arrays([tree.tree_ for tree in grower], head, columns, units)
    in_bag = [labelled[drawn] for drawn in grower.estimators_samples_]
    return Grown(forest, where, forest.out_of_bag(rows.X[where], where, in_bag))


def _in_units(target, head, weights):
    """What a head's columns are for the trees, and the unit of each.

    A split serves all numbers of a vector alike, whatever they are measured in.
    """
    if head.kind == "class":
        return np.eye(head.n_units)[target], np.ones(head.n_units)
    target = target[:, : head.n_units].astype(np.float64)
    mean = np.average(target, axis=0, weights=weights)
    unit = np.sqrt(np.average((target - mean) ** 2, axis=0, weights=weights))
    unit = np.where(unit > 0, unit, 1.0)
    return target / unit, unit


def _as_arrays(trees, head, columns, units):
    counts = [tree.node_count for tree in trees]
    roots = np.cumsum([0, *counts[:-1]])
    left = np.concatenate([tree.children_left for tree in trees])
    right = np.concatenate([tree.children_right for tree in trees])
    is_leaf, root, own = left < 0, np.repeat(roots, counts), np.arange(len(left))
    children = np.column_stack([left + root, right + root])
    children[is_leaf] = own[is_leaf, None]
    exact = np.concatenate([tree.threshold for tree in trees])
    threshold = exact.astype(np.float32)
    # A float32 is at most a float64 where it is at most the largest float32 up to that.
    above = threshold > exact
    threshold[above] = np.nextafter(threshold[above], np.float32(-np.inf))
    threshold[is_leaf] = np.inf
    feature = np.concatenate([tree.feature for tree in trees])
    values = np.concatenate([tree.value[:, :, 0] for tree in trees])[is_leaf] * units
    return Forest(
        (head.name,),
        (head.n_units,),
        np.asarray(columns),
        roots.astype(np.int32),
        children.astype(np.int32),
        np.where(is_leaf, 0, feature).astype(np.int32),
        threshold,
        np.where(is_leaf, np.cumsum(is_leaf) - 1, 0).astype(np.int32),
        values.astype(np.float32),
    )


# -------------------------------------------------------------------- blending
class Blend:
    """Networks and forests that answer together: weighed means, head by head.

    Parameters
    ----------
    network : FittedNetwork or Ensemble
    forests : list of Forest
    shares : dict of {str: float}
        Of the networks in the heads that forests have a share in.
    """

    def __init__(self, network, forests, shares):
        n_units = {head.name: head.n_units for head in network.spec.heads}
        grown = {}
        for forest in forests:
            grown |= zip(forest.heads, forest.n_units, strict=True)
        reach = max(forest.columns.max(initial=-1) for forest in forests)
        if not (
            grown.items() <= n_units.items()
            and reach < network.spec.n_inputs
            and all(head in grown and 0 <= share <= 1 for head, share in shares.items())
        ):
            raise ValueError("these forests do not belong to the network")
        self.network = network
        self.forests = forests
        self.shares = shares

    @property
    def spec(self):
        return self.network.spec

    def member(self, i):
        """The network of a member, from which training goes on."""
        return self.network.member(i)

    def build(self):
        """The networks alone as a new ``keras.Model``."""
        return self.network.build()

    def __getstate__(self):
        return {"network": self.network, "forests": self.forests, "shares": self.shares}

    def predict(self, X, heads, forms=None, keep_parts=False):
        """As :meth:`skjoint._inference.FittedNetwork.predict`."""
        outputs = self.network.predict(X, heads, None, keep_parts)
        found = {}
        for forest in self.forests:
            if any(head in self.shares and head in heads for head in forest.heads):
                found |= forest.predict(X)
        answers = []
        for head, form, output in zip(heads, forms or [as_rows] * len(heads), outputs, strict=True):
            if head in self.shares:
                output = mean_of(self.shares[head], output, found[head])
            answers.append(output if form is as_rows else form(output.T, len(X)))
        return answers


def mean_of(share, network, forest):
    """Both outputs of a head as one, float32."""
    return (share * network.astype(np.float64) + (1 - share) * forest).astype(np.float32)


def blended(network, grown, unseen, n_networks):
    """The networks with those forests that make their answers better.

    Parameters
    ----------
    network : FittedNetwork or Ensemble
        All ``n_networks`` of them.
    grown : list of Grown
        With answers for the unseen rows.
    unseen : Unseen
        Its outputs become those of networks and forest.

    Returns
    -------
    FittedNetwork, Ensemble or Blend
    """
    shares, kept = {}, []
    for part in grown:
        place = np.searchsorted(part.where, unseen.positions)
        for i, head in enumerate(network.spec.heads):
            if head.name not in part.answers:
                continue
            found, own = part.answers[head.name][place], unseen.outputs[i]
            share = _share_of_networks(unseen, i, head, found, n_networks)
            if head.kind == "class":
                share = max(share, LEAST_OF_NETWORKS)
            if share <= 1 - LEAST_SHARE:
                shares[head.name] = share
                unseen.outputs[i] = mean_of(share, own, np.where(np.isnan(found), own, found))
        if any(name in shares for name in part.answers):
            kept.append(part.forest)
    return Blend(network, kept, shares) if kept else network


def _share_of_networks(unseen, i, head, found, n_networks):
    r"""The share s of the networks in ``s * network + (1 - s) * forest`` of least squared error.

    With the errors e and f of both, :math:`s = (\bar{f^2} - \bar{ef}) / \overline{(e - f)^2}`
    (Bates & Granger 1969). ``e`` is the error of one network; that of the mean of n has the
    square :math:`\bar{e^2} (r + (1 - r) / n)`, r the correlation of two networks' errors, known
    from rows that several held out.
    """
    truth, weights = unseen.truth(i)
    if head.kind == "class":
        truth = np.eye(head.n_units)[truth]
    usable = (weights > 0) & ~np.isnan(found[:, 0])
    if not usable.any():
        return 1.0
    truth, row, weights = truth[usable, : head.n_units], unseen.row[usable], weights[usable]
    e, f = unseen.outputs[i][usable] - truth, found[usable] - truth
    weights = weights / np.bincount(row)[row]

    def mean(a, b):
        return np.average((a * b).sum(axis=1), weights=weights)

    of_networks = mean(e, e) * (1 - (1 - 1 / n_networks) * (1 - _correlation(e, row, weights)))
    of_forest, together = mean(f, f), mean(e, f)
    # (e - f)^2, with the smaller errors of the mean
    apart = of_networks + of_forest - 2 * together
    share = (of_forest - together) / apart if apart > 0 else 1.0
    return float(np.clip(share, 0, 1)) if np.isfinite(share) else 1.0


def _correlation(errors, row, weights):
    """Of the errors that two networks make in one row; 1 where no row has two."""
    product = square = 0.0
    for a, b in pairs_of_rows(row):
        product += weights[b] @ (errors[a] * errors[b]).sum(axis=1)
        square += weights[b] @ (errors[a] ** 2 + errors[b] ** 2).sum(axis=1) / 2
    return float(np.clip(product / square, 0, 1)) if square else 1.0
