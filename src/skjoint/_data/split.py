"""Which rows are trained on and which are held out."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from sklearn.model_selection import StratifiedShuffleSplit, train_test_split


def label_codes(arrays, masks, n_values):
    """Label codes of the first class target, -1 where a row has no label; None without one.

    ``arrays`` and ``masks`` are those of ``Targets.encode``, the first ``n_values`` of which
    belong to values.
    """
    if len(arrays) == n_values:
        return None
    return np.where(masks[n_values], arrays[n_values], -1)


def split_validation(codes, n_samples, share, seed):
    """Row indices (train, validation), shuffled and stratified on the label.

    Labels with a single row stay in training. Without a class head, or where
    the labels are too many to be stratified, the split is shuffled only.

    Parameters
    ----------
    codes : ndarray of shape (n_samples,) or None
        Label codes of the first class target, -1 where a row has no label.
    n_samples : int
    share : float
        Of the rows that are held out, rounded up to whole rows.
    seed : int

    Returns
    -------
    train, validation : ndarray of int
    """
    if codes is None:
        codes = np.zeros(n_samples, dtype=int)
    _, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
    single = np.flatnonzero(counts[inverse] == 1)
    shared = np.flatnonzero(counts[inverse] > 1)
    n_validation = int(np.ceil(share * n_samples))
    if n_validation < 1 or n_samples - n_validation < 1:
        raise ValueError(
            f"validation={share} of {n_samples} rows leaves no row to train or to validate on."
        )
    n_labels = len(np.unique(inverse[shared]))
    if n_labels <= min(n_validation, len(shared) - n_validation):
        split = StratifiedShuffleSplit(1, test_size=n_validation, random_state=seed)
        train, validation = next(split.split(shared, inverse[shared]))
        return np.sort(np.concatenate([single, shared[train]])), np.sort(shared[validation])
    train, validation = train_test_split(
        np.arange(n_samples), test_size=n_validation, random_state=seed
    )
    return np.sort(train), np.sort(validation)


def split_groups(groups, codes, n_out, seed):
    """Row indices (train, validation) with whole groups held out, drawn at random.

    A group with all rows that a label has left in training stays there, as long as there are
    others to hold out.

    Parameters
    ----------
    groups : ndarray of shape (n_samples,)
        Codes of the groups: 0, 1, ...
    codes : ndarray of shape (n_samples,) or None
        Label codes, as in :func:`split_validation`.
    n_out : int
        Groups to hold out.
    seed : int or sequence of int

    Returns
    -------
    train, validation : ndarray of int
    """
    n_groups = int(groups.max()) + 1
    order = np.random.default_rng(seed).permutation(n_groups)
    if codes is not None:
        order = order[np.argsort(_has_last_rows(groups, codes, order, n_out)[order], kind="stable")]
    held_out = order[:n_out]
    is_out = np.isin(groups, held_out)
    return np.flatnonzero(~is_out), np.flatnonzero(is_out)


def _has_last_rows(groups, codes, order, n_out):
    """Mask of the groups that hold the last rows of a label, if those before them are held out."""
    labels, code = np.unique(codes, return_inverse=True)
    counts = sparse.csr_array(
        (np.ones(len(groups), int), (groups, code)), shape=(len(order), len(labels))
    )
    counts.sum_duplicates()
    left, needed = counts.sum(axis=0), np.zeros(len(order), bool)
    for group in order:
        part = slice(counts.indptr[group], counts.indptr[group + 1])
        of_labels, rows = counts.indices[part], counts.data[part]
        needed[group] = (left[of_labels] <= rows).any()
        if not needed[group]:
            left[of_labels] -= rows
            n_out -= 1
            if not n_out:
                break
    return needed


def row_keys(table, targets=()):
    """A key for each row of a table and of targets beside it: equal for equal rows.

    Keys are hashes of the bytes, so that 0.0 and -0.0 differ, which encoded rows do not hold.
    """
    arrays = [np.asarray(target).reshape(len(target), -1) for target in targets]
    if sparse.issparse(table):
        pairs = zip(table.indptr[:-1], table.indptr[1:], strict=True)
        parts = [hash(table.indices[i:j].tobytes() + table.data[i:j].tobytes()) for i, j in pairs]
        arrays.append(np.array(parts)[:, None])
    else:
        arrays.append(np.asarray(table).reshape(len(table), -1))
    rows = [np.ascontiguousarray(array) for array in arrays]
    return [hash(tuple(row.tobytes() for row in of_all)) for of_all in zip(*rows, strict=True)]
