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
from itertools import chain, combinations

import joblib
import numpy as np
from scipy.special import softmax

from skjoint._inference import MAX_THREADS, as_rows, in_chunks
from skjoint._losses import is_mean_loss
from skjoint._uncertainty import pairs_of_rows

MAX_FEATURES = 0.5  # share of the columns that a split may choose from
MAX_SAMPLES = 2**13  # rows of a tree, so that a forest on millions of rows stays small
LEAST_SHARE = 0.1  # of a forest: less changes hardly an answer and takes its time and memory
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
    def n_trees(self):
        return len(self.roots)

    def __getstate__(self):
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def predict(self, X):
        """What the trees say together, by head: a dict of float64 arrays (n_samples, n_units)."""

        def total(X):
            found = np.zeros((len(X), self.values.shape[1]))
            for leaf in self._leaves(X):  # in one order: a row does not depend on those beside it
                found += self.values.take(leaf, axis=0)
            return [found]

        if len(X) <= CHUNK:
            (found,) = total(X)
        else:
            (found,) = in_chunks(total, X, CHUNK, min(joblib.cpu_count(), MAX_THREADS))
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
    return Grown(forest, where, forest.out_of_bag(rows.X[where], where, in_bag))


def in_units(target, head, weights):
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


# -------------------------------------------------------------------- blending
class Blend:
    """Networks and forests that answer together: weighed means, head by head.

    Parameters
    ----------
    network : FittedNetwork or Ensemble
    forests : list of Forest
    shares : list of dict of {str: float}
        Of each forest in the heads that it has a share in; the rest is the networks'.
    """

    def __init__(self, network, forests, shares):
        n_units = {head.name: head.n_units for head in network.spec.heads}
        reach = max(forest.columns.max(initial=-1) for forest in forests)
        if not (
            all(
                dict(zip(f.heads, f.n_units, strict=True)).items() <= n_units.items()
                for f in forests
            )
            and reach < network.spec.n_inputs
            and all(s.keys() <= set(f.heads) for s, f in zip(shares, forests, strict=True))
            and all(0 <= share <= 1 for of_forest in shares for share in of_forest.values())
            and all(sum(s.get(head, 0) for s in shares) < 1 + 1e-6 for head in n_units)
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

    def share(self, head, boosted=None):
        """Of all trees in a head, of those that are boosted or of those that are not."""
        pairs = zip(self.forests, self.shares, strict=True)
        return sum(
            shares.get(head, 0.0)
            for forest, shares in pairs
            if boosted in (None, forest.link != "mean")
        )

    def __getstate__(self):
        return {"network": self.network, "forests": self.forests, "shares": self.shares}

    def predict(self, X, heads, forms=None, keep_parts=False):
        """As :meth:`skjoint._inference.FittedNetwork.predict`."""
        outputs = self.network.predict(X, heads, None, keep_parts)
        parts = {head: [] for head in heads}
        for forest, shares in zip(self.forests, self.shares, strict=True):
            wanted = shares.keys() & parts.keys()
            if wanted:
                found = forest.predict(X)
                for head in wanted:
                    parts[head].append((shares[head], found[head]))
        answers = []
        for head, form, output in zip(heads, forms or [as_rows] * len(heads), outputs, strict=True):
            if parts[head]:
                output = mean_of(output, parts[head])
            answers.append(output if form is as_rows else form(output.T, len(X)))
        return answers


def mean_of(network, parts):
    """What networks and trees say of a head as one, float32; parts are shares and answers."""
    whole = (1 - sum(share for share, _ in parts)) * network.astype(np.float64)
    for share, found in parts:
        whole += share * found
    return whole.astype(np.float32)


def blended(network, grown, unseen, n_networks):
    """The networks with those forests that make their answers better.

    Parameters
    ----------
    network : FittedNetwork or Ensemble
        All ``n_networks`` of them.
    grown : list of Grown
        With answers for the unseen rows.
    unseen : Unseen
        Its outputs become those of networks and forests.

    Returns
    -------
    FittedNetwork, Ensemble or Blend
    """
    shares = [{} for _ in grown]
    for i, head in enumerate(network.spec.heads):
        of_head = [j for j, part in enumerate(grown) if head.name in part.answers]
        if not of_head:
            continue
        own, answers = unseen.outputs[i], []
        for part in (grown[j] for j in of_head):
            found = part.answers[head.name][np.searchsorted(part.where, unseen.positions)]
            answers.append(np.where(np.isnan(found), own, found))
        found = _best_shares(unseen, i, head, answers, n_networks)
        unseen.outputs[i] = mean_of(own, list(zip(found, answers, strict=True)))
        for j, share in zip(of_head, found, strict=True):
            if share:
                shares[j][head.name] = share
    kept = [j for j, of_forest in enumerate(shares) if of_forest]
    if not kept:
        return network
    return Blend(network, [grown[j].forest for j in kept], [shares[j] for j in kept])


def _best_shares(unseen, i, head, answers, n_networks):
    r"""The share of each forest's answers in the mean with the networks of least squared error.

    With C the mean products of the errors, shares w that sum to 1 make :math:`w^T C w` the
    least (Bates & Granger 1969), none below 0. The error of the networks is that of one of
    them; that of the mean of n has the square :math:`\bar{e^2} (r + (1 - r) / n)`, r the
    correlation of two networks' errors, known from rows that several held out.
    """
    truth, weights = unseen.truth(i)
    if head.kind == "class":
        truth = np.eye(head.n_units)[truth]
    usable = weights > 0
    if not usable.any():
        return [0.0] * len(answers)
    row, weights = unseen.row[usable], weights[usable]
    weights = weights / np.bincount(row)[row]
    truth = truth[usable, : head.n_units]
    errors = [said[usable] - truth for said in (unseen.outputs[i], *answers)]
    products = np.array(
        [[np.average((a * b).sum(axis=1), weights=weights) for a in errors] for b in errors]
    )
    products[0, 0] *= 1 - (1 - 1 / n_networks) * (1 - _correlation(errors[0], row, weights))
    shares = _least(products)
    shares[1:] *= shares[1:] >= LEAST_SHARE
    if head.kind == "class":
        shares[0] = max(shares[0], shares[1:].sum() * LEAST_OF_NETWORKS / (1 - LEAST_OF_NETWORKS))
    total = shares.sum()
    return (shares[1:] / total).tolist() if total > 0 else [0.0] * len(answers)


def _least(products):
    """Shares w, none below 0, whose sum is 1 and :math:`w^T C w` the least.

    Where it is least, it is so among some of the parts, without a bound: few parts, all tried.
    """
    n = len(products)
    best, least = np.eye(n)[0], products[0, 0]
    for some in chain.from_iterable(combinations(range(n), k) for k in range(1, n + 1)):
        among = products[np.ix_(some, some)]
        try:
            shares = np.linalg.solve(among, np.ones(len(some))) if len(some) > 1 else np.ones(1)
        except np.linalg.LinAlgError:
            continue
        shares = shares / shares.sum() if shares.sum() else shares
        error = shares @ among @ shares
        if np.isfinite(error) and error < least and (shares >= 0).all():
            best, least = np.zeros(n), error
            best[list(some)] = shares
    return best


def _correlation(errors, row, weights):
    """Of the errors that two networks make in one row; 1 where no row has two."""
    product = square = 0.0
    for a, b in pairs_of_rows(row):
        product += weights[b] @ (errors[a] * errors[b]).sum(axis=1)
        square += weights[b] @ (errors[a] ** 2 + errors[b] ** 2).sum(axis=1) / 2
    return float(np.clip(product / square, 0, 1)) if square else 1.0
