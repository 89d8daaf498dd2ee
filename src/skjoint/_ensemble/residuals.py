"""What transformed numbers leave over of predictions, for their mean in original units.

The mean of a number y whose transform T(y) is f(x) and a residual r is the mean of
:math:`T^{-1}(f(x) + r)` over the residuals (smearing, Duan 1983).
"""

from __future__ import annotations

import numpy as np

from skjoint._prediction.numpy_math import NumPyMath

MOST = 200  # residuals that are kept: means of so many equal parts
MOST_ROWS = 2**13  # of training to learn them from


def residuals_held_out(held_out, targets, heads):
    """Residuals of each transformed value on held-out rows, by its index: (2, k, width).

    The second axis holds residuals of transformed numbers, in standard deviations where the
    head has one, and their shares. A row that several members held out shares its weight.
    """
    if not _any_transform(targets):
        return {}
    times = np.bincount(held_out.row)[held_out.row]
    truth = [held_out.truth(i) for i in range(len(targets.values))]
    truth = [(numbers, weights / times) for numbers, weights in truth]
    return _by_value(truth, held_out.outputs, targets, heads)


def residuals_in_training(network, rows, targets):
    """The same on rows to train on, where none are held out."""
    if not _any_transform(targets):
        return {}
    rows = rows.take(slice(None, None, -(-len(rows) // MOST_ROWS)))
    heads, names = network.spec.heads, {}
    for i, head in enumerate(heads[: len(targets.values)]):
        names[i] = head.name
        names |= {(i, part): head.parts[part] for part in head.output.deviation_parts}
    outputs = dict(zip(names, network.predict(rows.X, list(names.values())), strict=True))
    truth = list(zip(rows.targets, rows.weights, strict=True))
    return _by_value(truth, outputs, targets, heads)


def _any_transform(targets):
    return any(target.transform is not None for target in targets.values)


def _by_value(truth, outputs, targets, heads):
    found = {}
    for i, target in enumerate(targets.values):
        true, weights = truth[i]
        residuals, output = true.astype(np.float64) - outputs[i], heads[i].output
        if output.class_parts:  # a mean over the labels, which leaves no one distribution over
            continue
        if output.deviation_parts:
            parts = {part: outputs[i, part] for part in output.deviation_parts}
            residuals = residuals / output.deviation(parts, NumPyMath)
        else:
            residuals = residuals * target.scale
        if (weights > 0).any():
            found[i] = smaller(residuals[weights > 0], weights[weights > 0])
    return found


def smaller(residuals, weights):
    """A few residuals with shares in place of many with weights, by column: (2, k, width).

    Each is the mean of residuals that follow one another, of about the same weight: the mean of
    all stays the same.

    >>> smaller(np.array([[3.0], [1.0], [2.0]]), np.array([1.0, 1.0, 2.0]))[:, :, 0].tolist()
    [[1.0, 2.0, 3.0], [0.25, 0.5, 0.25]]
    """
    n = min(MOST, len(weights))
    found = np.zeros((2, n, residuals.shape[1]))
    for j, column in enumerate(residuals.T):
        order = np.argsort(column, kind="stable")
        column, w = column[order], weights[order].astype(np.float64) / weights.sum()
        part = np.minimum((n * (np.cumsum(w) - w / 2)).astype(int), n - 1)
        shares = np.bincount(part, w, minlength=n)
        sums = np.bincount(part, w * column, minlength=n)
        found[0, :, j] = np.divide(sums, shares, out=np.zeros(n), where=shares > 0)
        found[1, :, j] = shares
    return found
