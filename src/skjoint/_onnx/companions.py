"""Companions beside the networks as nodes, joined with the outputs of the networks.

``WRITERS`` has a writer for every kind: a function of (graph, companion, X) that
returns the tensor of its head.
"""

from __future__ import annotations

import numpy as np

from skjoint._onnx.graph import DOUBLE, ML, import_onnx
from skjoint._prediction.stacked import LEAST_PROBA


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
    sines = graph("Sin", graph("Gemm", X, waves, phases))
    return graph("Gemm", graph.side_by_side([X, sines]), coef, intercept)


# ----------------------------------------------------------------------- trees
def _trees(graph, trees, X):
    """The mean or the sum of all trees, or the softmax of the sum."""
    found = graph(
        "TreeEnsembleRegressor",
        graph.columns(X, trees.columns),
        domain=ML,
        n_targets=trees.n_units,
        aggregate_function="AVERAGE" if trees.link == "mean" else "SUM",
        **_node_attributes(trees),
    )
    found = graph.cast(found, DOUBLE)
    return graph("Softmax", found, axis=-1) if trees.link == "softmax" else found


def _node_attributes(trees):
    """Nodes and the values of leaves as attributes of a TreeEnsembleRegressor.

    Our nodes are numbered through all trees, and a leaf is its own child. ONNX numbers the nodes
    of each tree by themselves, beside the number of the tree.
    """
    own = np.arange(len(trees.children))
    tree = np.searchsorted(trees.roots, own, side="right") - 1
    place = own - trees.roots[tree]
    left, right = (trees.children - trees.roots[tree][:, None]).T
    is_leaf = left == place
    leaf, target, weights = _leaf_weights(trees.values[trees.leaf[is_leaf]])
    leaf = np.flatnonzero(is_leaf)[leaf]
    # The helper of ONNX takes lists of whole numbers, and tensors of float64.
    numbers = {
        "nodes_treeids": tree,
        "nodes_nodeids": place,
        "nodes_featureids": trees.feature,
        "nodes_truenodeids": np.where(is_leaf, 0, left),
        "nodes_falsenodeids": np.where(is_leaf, 0, right),
        "target_treeids": tree[leaf],
        "target_nodeids": place[leaf],
        "target_ids": target,
    }
    return {
        "nodes_modes": np.where(is_leaf, "LEAF", "BRANCH_LEQ").tolist(),
        "nodes_values_as_tensor": _doubles("nodes_values", np.where(is_leaf, 0, trees.threshold)),
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
