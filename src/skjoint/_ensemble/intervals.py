"""Half-widths of prediction intervals, learned from errors on held-out rows."""

from __future__ import annotations

import numpy as np

from skjoint._ensemble.held_out import pairs_of_rows


def learn_errors(held_out, decoding, truth, n_networks, optimism, groups=None):
    r"""Ascending absolute errors of the numbers on held-out rows.

    They are those of transformed numbers where there is a transform. Where the network gives a
    variance, errors are in its standard deviations (Lei et al. 2018, section 5.2). A row that
    several members held out shares its weight among them.
    Errors are those of one network. They are multiplied to become those of the final
    predictor on new rows:

    - by :math:`\sqrt{1 - (1 - 1/n) a}` for the mean of n networks, a the share of the error's
      variance in which two networks differ (the ambiguity of Krogh & Vedelsby 1995);
    - by ``optimism``, since the epochs were chosen on these rows.

    With groups a new row comes from a new one: groups are what is exchangeable, and their number
    takes the place of that of rows (hierarchical conformal prediction: Dunn, Wasserman & Ramdas
    2023 [1]_, Lee, Barber & Willett 2023 [2]_). Among G + 1 groups, with Q the quantile of all
    their errors, the new group has on average a share of 1 / (G + 1) of the rows below Q. Rows
    keep their weights, so that the coverage is one of rows; with groups of one size that is the
    same as if each group counted alike.

    Parameters
    ----------
    held_out : HeldOut
    decoding : Decoding
    truth : list of (ndarray, ndarray)
        True numbers and weights of each value target.
    n_networks : int
    optimism : list of float
        By value target, see :func:`skjoint._ensemble.optimism.selection_optimism`.
    groups : ndarray of int, default=None
        Code of the group of each entry.

    Returns
    -------
    list of (ndarray, ndarray, int)
        By column of numbers: errors, their weights, and the number of rows, or of groups.

    References
    ----------
    .. [1] R. Dunn, L. Wasserman and A. Ramdas, "Distribution-Free Prediction Sets for
       Two-Layer Hierarchical Models", JASA 118 (2023).
    .. [2] Y. Lee, R. F. Barber and R. Willett, "Distribution-Free Inference with Hierarchical
       Data", arXiv:2306.06342 (2023).
    """
    numbers = decoding.decode(held_out.outputs, "value")
    deviations = decoding.transformed_deviations(held_out.outputs)
    row, times = held_out.row, np.bincount(held_out.row)
    by_column = []
    for i, (true, weights) in enumerate(truth):
        target = decoding.targets.values[i]
        errors = (target.forward(true) - target.forward(numbers[i])) / deviations.get(i, 1)
        labelled = weights > 0
        weights, row_of = weights[labelled], row[labelled]
        shared = weights / times[row_of]
        n = len(np.unique(row_of if groups is None else groups[labelled]))
        for column in errors.reshape(len(errors), -1)[labelled].T:
            ambiguity = (1 - 1 / n_networks) * _own_share(column, weights, row_of)
            shrinkage = max(1 - ambiguity, 1 / n_networks)
            if i in deviations and ambiguity:
                # The variance of an ensemble contains the ambiguity.
                shrinkage /= 1 + ambiguity * np.average(column**2, weights=shared)
            sizes = np.abs(column) * np.sqrt(shrinkage) * optimism[i]
            order = np.argsort(sizes)
            by_column.append((sizes[order], shared[order], n))
    return by_column


def _own_share(errors, weights, row):
    """Share of the errors' variance in which two networks differ on a row.

    It is learned from rows that several members held out, by pairs of errors a and b: if their
    correlation is r, normal ones have E|a + b| / E(|a| + |b|) = sqrt((1 + r) / 2). Absolute
    sizes, as in the intervals, depend less on a few wild errors. Without pairs it is 0.
    """
    both = each = 0.0
    for i, j in pairs_of_rows(row):
        a, b, w = errors[i], errors[j], weights[j]
        both += np.sum(w * np.abs(a + b))  # a product's last bits depend on the number of threads
        each += np.sum(w * (np.abs(a) + np.abs(b)))
    return 2 * (1 - (both / each) ** 2) if each else 0.0
