"""Which rows are trained on and which are held out."""

from __future__ import annotations

import numpy as np
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
