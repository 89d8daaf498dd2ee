"""Weights: those of the user checked, and one per row and head, of mean 1."""

from __future__ import annotations

from dataclasses import replace
from numbers import Real

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_array

from skjoint._data.containers import check_container
from skjoint._support.warn import warn


def check_weights(sample_weight, n_samples):
    """float64 weights of shape (n_samples,) or (n_samples, n_targets), or None."""
    if sample_weight is None:
        return None
    if isinstance(sample_weight, Real):
        sample_weight = np.full(n_samples, float(sample_weight))
    elif not sparse.issparse(sample_weight):
        check_container(sample_weight, "sample_weight")
    try:
        weights = check_array(
            sample_weight,
            ensure_2d=False,
            dtype=np.float64,
            ensure_all_finite=True,
            input_name="sample_weight",
        )
    except ValueError as error:
        if "sample_weight" in str(error):
            raise
        raise ValueError(f"sample_weight must hold numbers. {error}") from error
    if weights.ndim > 2 or len(weights) != n_samples:
        raise ValueError(
            f"sample_weight must have shape ({n_samples},) or ({n_samples}, n_targets). "
            f"Got {weights.shape} instead."
        )
    if (weights < 0).any():
        raise ValueError("Negative values in data passed to `sample_weight`.")
    if not weights.any():
        raise ValueError("sample_weight must hold at least one positive weight: all are zero.")
    largest = weights.max(axis=0)
    extreme = (largest > 1e100) | ((largest < 1e-100) & (largest > 0))
    # Only ratios count, and sums of these would be infinite or 0.
    return weights / np.where(extreme, largest, 1.0)


def drop_unweighted(features, table, sample_weight):
    """Leave out rows of weight 0, so that they equal rows that are not there."""
    if sample_weight is None:
        return features, table, None
    kept = np.flatnonzero(sample_weight if sample_weight.ndim == 1 else sample_weight.any(axis=1))
    if len(kept) == len(table):
        return features, table, sample_weight
    return features.take(kept), table.take(kept), sample_weight[kept]


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


def class_weights(target, codes, weights, class_weight):
    """One weight per class, in the order of ``target.classes``.

    "balanced" is scikit-learn's n / (n_classes * n_c), counted with the sample
    weights and over the classes that occur.
    """
    per_class = np.ones(target.n_units)
    if class_weight is None:
        return per_class
    if class_weight != "balanced" and not isinstance(class_weight, dict):
        raise ValueError(
            "class_weight must be 'balanced', a dict of {label: weight}, None or a list of these, "
            f"one for each class target. Got {class_weight!r} instead."
        )
    if class_weight == "balanced":
        counts = np.bincount(codes, weights, minlength=target.n_units)
        present = counts > 0
        per_class[present] = counts.sum() / (present.sum() * counts[present])
        return per_class
    bad = {k: w for k, w in class_weight.items() if not isinstance(w, Real) or not 0 <= w < np.inf}  # type: ignore[operator]
    if bad:
        raise ValueError(f"class_weight must hold non-negative numbers. Got {bad} instead.")
    unknown = []
    for label, weight in class_weight.items():
        code = target.codes([label])[0]
        if code < 0:
            unknown.append(label)
        else:
            per_class[code] = weight
    if unknown:
        warn(
            f"class_weight names labels that y does not hold: {unknown}. "
            f"Known labels: {target.classes[:20].tolist()}."
        )
    return per_class
