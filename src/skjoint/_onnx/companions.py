"""Companions beside the networks as nodes, joined with the outputs of the networks.

``WRITERS`` has a writer for every kind: a function of (graph, companion, X) that
returns the tensor of its head.
"""

from __future__ import annotations

import numpy as np

from skjoint._onnx.graph import DOUBLE, INT64, ML, import_onnx
from skjoint._prediction.stacked import LEAST_PROBA

TESTS_AT_ONCE = 256  # of sets, whose columns of 0 and 1 take 2 KB a row


def join_companions(graph, stacked, X, outputs):
    """Outputs by name, with the companions' part in those that they have a share in."""
    parts = {}
    for companion, share in zip(stacked.models, stacked.shares, strict=True):
        found = _writer(companion)(graph, companion, X)
        parts.setdefault(companion.head, []).append((share, found))
    outputs = dict(outputs)
    for head in stacked.spec.heads:
        if head.name in parts:
            own, floor = outputs[head.name], stacked.floor_of(head)
            outputs[head.name] = _joined(graph, own, parts[head.name], floor)
    return outputs


def _writer(companion):
    if companion.kind not in WRITERS:
        raise NotImplementedError(
            f"to_onnx cannot write the companion {companion.kind!r}. Fit without it, or with "
            f"companions out of {sorted(WRITERS)}."
        )
    return WRITERS[companion.kind]


def _joined(graph, own, parts, floor):
    """Mean of the networks' output and the companions'; with a floor a geometric mean.

    ``parts`` are pairs of share and tensor; ``floor`` is the networks' share in each
    companion's probabilities.
    """
    tensors, shares = [own], [1 - sum(share for share, _ in parts)]
    for share, found in parts:
        shares.append(share)
        if floor is not None:
            found = graph("Add", graph("Mul", found, 1 - floor), graph("Mul", own, floor))
        tensors.append(found)
    if floor is not None:
        tensors = [graph("Log", graph("Max", proba, LEAST_PROBA)) for proba in tensors]
    terms = [graph("Mul", one, share) for one, share in zip(tensors, shares, strict=True)]
    whole = graph("Sum", *terms)
    if floor is not None:
        whole = graph("Softmax", whole, axis=-1)
    return graph.rounded(whole)


# ----------------------------------------------------------------------- ridge
def _ridge(graph, ridge, X):
    """[x, sin(x W + b)] C + c."""
    waves, phases, coef, intercept = (
        array.astype(np.float64)
        for array in (ridge.waves, ridge.phases, ridge.coef, ridge.intercept)
    )
    if ridge.levels is not None:
        X = _with_levels(graph, X, ridge.numbers, ridge.levels)
    sines = graph("Sin", graph("Gemm", X, waves, phases))
    return graph("Gemm", graph.side_by_side([X, sines]), coef, intercept)


def _with_levels(graph, X, numbers, levels):
    """Columns of numbers, then a 0 or 1 for each level."""
    columns, codes = levels.T
    is_level = graph("Equal", graph.columns(X, columns), codes[None].astype(np.float64))
    parts = [graph.columns(X, numbers)] if len(numbers) else []
    return graph.side_by_side([*parts, graph.cast(is_level, DOUBLE)])


# ----------------------------------------------------------------------- trees
def _trees(graph, trees, X):
    """The mean or the sum of all trees, or the softmax of the sum."""
    columns = _columns_read(graph, trees, X)
    batches = _batches(trees)
    is_mean = trees.link == "mean"
    found = [
        graph(
            "TreeEnsembleRegressor",
            _with_tests(graph, trees, columns, tests),
            domain=ML,
            n_targets=trees.n_units,
            aggregate_function="AVERAGE" if is_mean and len(batches) == 1 else "SUM",
            **_node_attributes(trees, nodes, tests),
        )
        for nodes, tests in batches
    ]
    found = [graph.cast(part, DOUBLE) for part in found]
    if len(batches) > 1:
        found = [graph("Mul", graph("Sum", *found), 1 / trees.n_trees if is_mean else 1.0)]
    return graph("Softmax", found[0], axis=-1) if trees.link == "softmax" else found[0]


def _columns_read(graph, trees, X):
    """The columns that the trees read, some of them through tables."""
    columns = graph.columns(X, trees.columns)
    if trees.starts is None:
        return columns
    n_plain = len(trees.columns) - len(trees.starts)
    codes = graph.cast(graph.columns(X, trees.columns[n_plain:]), INT64)
    places = graph("Add", codes, trees.starts[None].astype(np.int64))
    numbers = graph("Gather", trees.tables.astype(np.float64), places)
    parts = [graph.columns(columns, np.arange(n_plain))] if n_plain else []
    return graph.side_by_side([*parts, numbers])


def _batches(trees):
    """Nodes of some trees at a time, and those among them that test sets.

    TreeEnsembleRegressor has no test of sets. A column of 0 and 1 stands for each; those of
    all trees at once would take much memory.
    """
    n_nodes = len(trees.children)
    if trees.sets is None:
        return [(slice(0, n_nodes), [])]
    tests = np.flatnonzero(trees.set_of >= 0)
    n_before = np.searchsorted(tests, trees.roots)  # tests in the trees before
    batch = n_before // TESTS_AT_ONCE
    starts = trees.roots[np.unique(batch, return_index=True)[1]]
    ends = np.append(starts[1:], n_nodes)
    batches = [slice(*pair) for pair in zip(starts, ends, strict=True)]
    return [(b, tests[(tests >= b.start) & (tests < b.stop)]) for b in batches]


def _with_tests(graph, trees, columns, tests):
    """Columns, then for each test of a set whether the row's code is outside."""
    if not len(tests):
        return columns
    inside = trees.unpacked_sets()[trees.set_of[tests]]
    codes = graph.cast(graph.columns(columns, trees.feature[tests]), INT64)
    places = graph("Add", codes, (np.arange(len(tests)) * inside.shape[1])[None])
    is_outside = graph.cast(graph("Gather", (~inside).ravel(), places), DOUBLE)
    return graph.side_by_side([columns, is_outside])


def _node_attributes(trees, nodes, tests):
    """Nodes and the values of leaves as attributes of a TreeEnsembleRegressor.

    Our nodes are numbered through all trees, and a leaf is its own child. ONNX numbers the nodes
    of each tree by themselves, beside the number of the tree.
    """
    own = np.arange(len(trees.children))[nodes]
    feature, threshold = trees.feature.copy(), trees.threshold.copy()
    feature[tests], threshold[tests] = len(trees.columns) + np.arange(len(tests)), 0.5
    tree = np.searchsorted(trees.roots, own, side="right") - 1
    place = own - trees.roots[tree]
    left, right = (trees.children[nodes] - trees.roots[tree][:, None]).T
    is_leaf = left == place
    leaf, target, weights = _leaf_weights(trees.values[trees.leaf[nodes][is_leaf]])
    leaf = np.flatnonzero(is_leaf)[leaf]
    tree -= tree[0]
    # The helper of ONNX takes lists of whole numbers, and tensors of float64.
    numbers = {
        "nodes_treeids": tree,
        "nodes_nodeids": place,
        "nodes_featureids": feature[nodes],
        "nodes_truenodeids": np.where(is_leaf, 0, left),
        "nodes_falsenodeids": np.where(is_leaf, 0, right),
        "target_treeids": tree[leaf],
        "target_nodeids": place[leaf],
        "target_ids": target,
    }
    threshold = np.where(is_leaf, 0, threshold[nodes])
    return {
        "nodes_modes": np.where(is_leaf, "LEAF", "BRANCH_LEQ").tolist(),
        "nodes_values_as_tensor": _doubles("nodes_values", threshold),
        "target_weights_as_tensor": _doubles("target_weights", weights),
        **{name: array.tolist() for name, array in numbers.items()},
    }


def _leaf_weights(values):
    """Row, column and value of the entries that are written.

    Most shares of labels are 0 and left out, but every leaf needs one entry.
    """
    written = values != 0
    written[~written.any(axis=1), 0] = True
    rows, columns = np.nonzero(written)
    return rows, columns, values[rows, columns]


def _doubles(name, array):
    array = array.astype(np.float64).ravel()
    return import_onnx().helper.make_tensor(name, DOUBLE, array.shape, array)


WRITERS = {"forest": _trees, "boosting": _trees, "ridge": _ridge}
