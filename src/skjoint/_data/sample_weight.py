"""Weights: those of the user checked, and one per row and head, of mean 1."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from numbers import Real

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_array

from skjoint._data.containers import check_container, check_names
from skjoint._data.foreign import as_pandas
from skjoint._data.layout import by_target
from skjoint._support.nearest_name import nearest_name
from skjoint._support.warn import warn


def check_weights(sample_weight, n_samples, argument="sample_weight"):
    """float64 weights of shape (n_samples,) or (n_samples, n_targets), or None.

    A table keeps the names of its columns, by which targets find theirs. ``argument`` is the
    name in messages.
    """
    if sample_weight is None:
        return None
    sample_weight = as_pandas(sample_weight, argument)
    names = None
    if isinstance(sample_weight, pd.DataFrame):
        names = sample_weight.columns
        check_names(names, argument)
    if isinstance(sample_weight, Real):
        sample_weight = np.full(n_samples, float(sample_weight))
    elif not sparse.issparse(sample_weight):
        check_container(sample_weight, argument)
    try:
        weights = check_array(
            sample_weight,
            ensure_2d=False,
            dtype=np.float64,
            ensure_all_finite=True,
            input_name=argument,
        )
    except ValueError as error:
        if argument in str(error):
            raise
        raise ValueError(f"{argument} must hold numbers. {error}") from error
    if weights.ndim > 2 or len(weights) != n_samples:
        raise ValueError(
            f"{argument} must have shape ({n_samples},) or ({n_samples}, n_targets). "
            f"Got {weights.shape} instead."
        )
    if (weights < 0).any():
        raise ValueError(f"Negative values in data passed to `{argument}`.")
    if not weights.any():
        raise ValueError(f"{argument} must hold at least one positive weight: all are zero.")
    largest = weights.max(axis=0)
    extreme = (largest > 1e100) | ((largest < 1e-100) & (largest > 0))
    # Only ratios count, and sums of these would be infinite or 0.
    weights = weights / np.where(extreme, largest, 1.0)
    return weights if names is None else pd.DataFrame(weights, columns=names)


def total_weight(n_samples, sample_weight):
    """How many rows they stand for: a weight of 2 is two rows, one below 1 is one.

    >>> [total_weight(2, weights) for weights in (None, np.array([1.0, 4.0]), np.ones(2) / 9)]
    [2, 5.0, 2.0]
    """
    if sample_weight is None:
        return n_samples
    return float(max(n_samples, np.max(np.sum(sample_weight, axis=0))))


def label_weights(targets, masks, sample_weight):
    """``sample_weight`` of class targets by output index; 0 where there is no label."""
    weights = targets.split_weights(sample_weight, len(masks[0]))
    of_classes = range(len(targets.values), len(targets.outputs))
    return {i: np.where(masks[i], weights[i], 0.0) for i in of_classes}


def weighted_rows(sample_weight):
    """Places of the rows of a weight above 0; None where that is all of them."""
    if sample_weight is None:
        return None
    weights = np.asarray(sample_weight)
    kept = np.flatnonzero(weights if weights.ndim == 1 else weights.any(axis=1))
    return None if len(kept) == len(weights) else kept


def drop_unweighted(features, table, sample_weight):
    """Leave out rows of weight 0, so that they equal rows that are not there."""
    kept = weighted_rows(sample_weight)
    if kept is None:
        return features, table, sample_weight
    return features.take(kept), table.take(kept), _safe_indexing(sample_weight, kept)


def normalise(weights, name, strict=True):
    """Scale weights to mean 1, in float32; where nothing has weight an error, or zeros."""
    total = weights.sum()
    if not total > 0:
        if not strict:
            return np.zeros(len(weights), np.float32)
        raise ValueError(
            f"No row with a positive weight is labelled for target '{name}': "
            "there is nothing to train its head on."
        )
    return (weights * (len(weights) / total)).astype(np.float32)


def normalised(rows, names, strict=True):
    """Rows with every head's weights scaled to mean 1 again, after a split."""
    weights = [normalise(w, name, strict) for w, name in zip(rows.weights, names, strict=True)]
    return replace(rows, weights=weights)


def check_class_weight(targets, class_weight):
    """Raise, or warn, where there are weights of labels that no target has.

    Each dict of a list is for one target; one alone is for all of them.
    """
    for_each = isinstance(class_weight, (list, tuple, np.ndarray))
    entries = by_target(class_weight, len(targets), "class_weight")
    groups = [[target] for target in targets] if for_each else [targets]
    for group, entry in zip(groups, entries, strict=False):
        if isinstance(entry, dict):
            _check_labels(group, entry)


def _check_labels(targets, class_weight):
    """Of a label that y does not hold: as in scikit-learn's ``compute_class_weight`` an error.

    Where all labels have a weight it can be meant for none of them: a warning is enough.
    """
    labels = [label for target in targets for label in target.classes.tolist()]
    keys = [_weight_key(label, class_weight) for label in labels]
    unknown = [key for key in class_weight if key not in keys]
    if not unknown:
        return
    left_out = [label for label, key in zip(labels, keys, strict=True) if key is None]
    message = (
        f"class_weight names labels that y does not hold: {unknown}.{{}} Known labels: "
        f"{labels[:20]}{' and more' if len(labels) > 20 else ''}."
    )
    if not left_out:
        warn(message.format(""))
        return
    near = nearest_name(unknown[0], left_out)
    raise ValueError(message.format(near) + " Name labels that may be missing in classes=[...].")


def _weight_key(label, class_weight):
    """The key that a label has in ``class_weight``, None if it has none.

    As in scikit-learn's ``compute_class_weight`` 1 is also True and the text '1'.
    """
    if label in class_weight:
        return label
    with contextlib.suppress(ValueError):
        if isinstance(label, str) and int(label) in class_weight:
            return int(label)
    return None


def class_weights(target, codes, weights, class_weight):
    """One weight per class, in the order of ``target.classes``.

    "balanced" is scikit-learn's n / (n_classes * n_c), counted with the sample weights, so that a
    weight of 2 is a row twice, and over the classes that occur.
    """
    per_class = np.ones(target.n_units)
    if class_weight is None:
        return per_class
    if class_weight != "balanced" and not isinstance(class_weight, dict):
        raise ValueError(
            "class_weight must be 'balanced', a dict of {label: weight}, None or a list of these, "
            f"one for each class target. Got {class_weight!r} instead."
        )
    if class_weight != "balanced":
        _check_sizes(class_weight)
        keys = [_weight_key(label, class_weight) for label in target.classes.tolist()]
        return np.array([1.0 if key is None else float(class_weight[key]) for key in keys])
    counts = np.bincount(codes, weights, minlength=target.n_units)
    present = counts > 0
    per_class[present] = counts.sum() / (present.sum() * counts[present])
    return per_class


def _check_sizes(class_weight):
    bad = {k: w for k, w in class_weight.items() if not isinstance(w, Real) or not 0 <= w < np.inf}  # type: ignore[operator]
    if bad:
        raise ValueError(f"class_weight must hold non-negative numbers. Got {bad} instead.")
