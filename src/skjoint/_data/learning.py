"""Learned from y before training: the scale of a number, the labels of a class."""

from __future__ import annotations

import numpy as np

from skjoint._data.class_bins import band_edges
from skjoint._data.entries import LARGEST
from skjoint._data.labels import declared_classes
from skjoint._support.warn import warn


def learn_scale(name, numbers, weights, scale_value, centre):
    """Offset and scale of a value target: 0 and 1, or mean and standard deviation.

    Parameters
    ----------
    name : str
        Of the target, for messages.
    numbers : ndarray of shape (n_samples, width)
        NaN where missing.
    weights : ndarray of shape (n_samples,)
    scale_value : bool
        Whether the scale is learned.
    centre : bool
        Whether the offset is, too; not for heads that cannot be negative.
    """
    width = numbers.shape[1]
    offset, scale = np.zeros(width), np.ones(width)
    labelled = ~np.isnan(numbers).any(axis=1) & (weights > 0)
    if not centre and (numbers[labelled] < 0).any():
        warn(
            f"Target '{name}' holds negative numbers, such as {np.nanmin(numbers):g}, which "
            "its value_activation cannot predict. Use value_activation='linear'."
        )
    if scale_value and not labelled.any():
        raise ValueError(
            f"No row with a positive weight is labelled for target '{name}', whose scale is "
            "to be learned, or value_by_class gives all its numbers. Let the first chunk hold "
            "some, or use scale_value=False."
        )
    if scale_value:
        present, w = numbers[labelled], weights[labelled]
        small = np.abs(present).max(axis=0)
        if ((small > 0) & (small < 1 / LARGEST)).any():
            raise ValueError(
                f"Target '{name}' must hold numbers of size {1 / LARGEST:g} and more, which "
                f"float32 can tell from 0. Got {small.min():g} at most: multiply it by a constant."
            )
        mean = np.average(present, axis=0, weights=w)
        std = np.sqrt(np.average((present - mean) ** 2, axis=0, weights=w))
        # A spread that is only rounding noise of the mean is a constant column.
        scale = np.where(std > 10 * np.finfo(float).eps * np.abs(mean), std, 1.0)
        offset = mean if centre else offset
    return offset, scale


def learn_labels(
    table, positions, name, *, class_bins, known, source
) -> tuple[np.ndarray, np.ndarray | None]:
    """Labels of a class target, and the edges of its bands or None.

    Parameters
    ----------
    table : Table
    positions : tuple of int
        Columns of the target; several are a one-hot block.
    name : str
        Of the target, for messages.
    class_bins : int, sequence of float or None
        Bands that the labels are cut from.
    known : sequence or None
        Labels that are declared beforehand.
    source : int or None
        The value (its index) that is in the same column.
    """
    if class_bins is not None and (known is not None or len(positions) > 1):
        raise ValueError(
            f"class_bins makes the labels of target '{name}' itself: leave out classes=... and "
            "one-hot blocks."
        )
    if len(positions) > 1:
        names = [table.frame.columns[p] for p in positions]
        named = all(isinstance(column, str) for column in names)
        return np.array(names, dtype=object) if named else np.arange(len(names)), None
    if source is not None:
        table.numbers(positions[0])  # raises where its labels are no numbers
    if class_bins is not None:
        edges = band_edges(table, positions[0], class_bins)
        return np.arange(len(edges) + 1), edges
    return _distinct_labels(table, positions[0], name, known, source), None


def _distinct_labels(table, position, name, known, source):
    """The labels that a column holds, or that are declared beforehand, sorted."""
    labels, _ = table.labels(position)
    if labels.dtype.kind == "f" and (labels % 1 != 0).any():
        raise ValueError(
            f"Column {table.column(position).name!r} of y holds numbers with fractions, such as "
            f"{labels[labels % 1 != 0][0]:g}, which make no labels. Cut them into bands with "
            "class_bins=3 (or a sequence of edges), or name another column in class_columns=[...]."
        )
    classes = np.unique(labels) if known is None else declared_classes(known, labels)
    if not len(labels):
        raise ValueError(f"No row of y is labelled for target '{name}'.")
    if len(classes) < 2:
        raise ValueError(
            f"Target '{name}' holds 1 class ({classes.tolist()[0]!r}), but at least 2 are needed. "
            "Name the labels that may come later with classes=[...]."
        )
    if known is None and source is not None and len(classes) > 0.2 * len(table):
        warn(
            f"y holds {len(classes)} distinct numbers in {len(table)} rows and each is taken as a "
            "label of its own. Cut them into bands with class_bins=... if that is not meant."
        )
    return classes
