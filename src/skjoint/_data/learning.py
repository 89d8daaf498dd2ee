"""Learned from y before training: the scale of a number, the labels of a class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skjoint._data.class_bins import band_edges
from skjoint._data.entries import LARGEST
from skjoint._data.labels import declared_classes
from skjoint._support.warn import warn

FAR = 1000.0  # standard deviations from 0 to a mean that is moved nearer, for float32
NEAR = 1e-5  # of a mean: float32 can hardly tell numbers that differ by less
FEW = 0.01  # share of the variance below 0 that an activation without negative numbers may lose


@dataclass(frozen=True)
class Limit:
    """What numbers must be, why, and the way out.

    ``takes_few`` are numbers beyond the limits, with a warning, where they matter little.
    """

    why: str
    way_out: str
    low: float = -np.inf
    high: float = np.inf
    without_zero: bool = False
    sum_is_1: bool = False
    takes_few: bool = False


@dataclass(frozen=True)
class NumberRule:
    """How numbers are scaled, and what they must be.

    Parameters
    ----------
    keeps : {"mean", "zero", "size", "range", "units"}
        "mean": the offset is the mean, the scale the standard deviation. "zero": so, but the
        offset is 0, for heads that never cross it. "size": divided by a power of 2 near to
        their size. "range": by one near to their spread, so that the ends of a range stay
        exact. "units": as they are.
    limits : tuple of Limit
    is_raw : bool
        Whether nothing is to be learned: numbers stay as they are.
    counts_from_1 : bool
        Whether 1 is added to a number before it is compared.
    """

    keeps: str = "mean"
    limits: tuple[Limit, ...] = ()
    is_raw: bool = False
    counts_from_1: bool = False


def learn_scale(name, numbers, weights, rule, whole=True):
    """Offset and scale of a value target.

    Parameters
    ----------
    name : str
        Of the target, for messages.
    numbers : ndarray of shape (n_samples, width)
        NaN where missing.
    weights : ndarray of shape (n_samples,)
    rule : NumberRule
    whole : bool, default=True
        Whether these are all numbers to train on, and not the first chunk of them.
    """
    width = numbers.shape[1]
    labelled = ~np.isnan(numbers).any(axis=1) & (weights > 0)
    present, w = numbers[labelled], weights[labelled]
    for limit in rule.limits:
        _check_limit(name, present, limit)
    if rule.is_raw:
        return np.zeros(width), np.ones(width)
    if not labelled.any():
        raise ValueError(
            f"No row with a positive weight is labelled for target '{name}', whose scale is "
            "to be learned, or value_by_class gives all its numbers. Let the first chunk hold "
            "some, or use scale_value=False."
        )
    size = np.abs(present).max(axis=0)
    if ((size > 0) & (size < 1 / LARGEST)).any():
        raise ValueError(
            f"Target '{name}' must hold numbers of size {1 / LARGEST:g} and more, which "
            f"float32 can tell from 0. Got {size.min():g} at most: multiply it by a constant."
        )
    mean = np.average(present, axis=0, weights=w)
    std = np.sqrt(np.average((present - mean) ** 2, axis=0, weights=w))
    # A spread that is only rounding noise of the mean is a constant column.
    varies = std > 10 * np.finfo(float).eps * np.abs(mean)
    if rule.keeps in ("size", "range", "units"):
        _check_spread(name, rule, mean, np.where(varies, std, np.inf))
    spread = np.where(varies, std, 1.0)
    offset, scale = _offset_and_scale(rule, present, w, mean, spread)
    if not whole or any(limit.sum_is_1 for limit in rule.limits):
        return offset, scale
    # A constant is the offset; what a head adds to it counts for nothing.
    tiny = np.where(mean != 0, np.abs(mean) / FAR, 1.0)
    return np.where(varies, offset, present[0]), np.where(varies, scale, tiny)


def _offset_and_scale(rule, numbers, weights, mean, spread):
    """By column, from numbers (n_labelled, width) with their means and standard deviations."""
    if rule.keeps == "mean":
        return mean, spread
    if rule.keeps == "zero":
        sign = np.sign(mean)
        beyond = np.minimum(np.abs(mean) - FAR * spread, (sign * numbers).min(axis=0))
        return sign * np.maximum(beyond, 0.0), spread
    sizes = np.average(np.abs(numbers), axis=0, weights=weights)
    size = {"size": sizes, "range": spread, "units": np.ones_like(spread)}[rule.keeps]
    return np.zeros_like(size), 2.0 ** np.round(np.log2(np.where(size > 0, size, 1.0)))


def _check_limit(name, numbers, limit):
    """Raise, or warn, where numbers lie beyond a limit."""
    margin = 1e-3 * (limit.high - limit.low) if np.isfinite(limit.high - limit.low) else 0.0
    beyond = (numbers < limit.low - margin) | (numbers > limit.high + margin)
    if limit.without_zero:
        beyond |= numbers == 0
    if beyond.any():
        first = numbers[beyond][0]
        lost = np.sum(np.where(beyond, numbers, 0.0) ** 2)
        if limit.takes_few and lost <= FEW * np.sum((numbers - numbers.mean(axis=0)) ** 2):
            warn(
                f"Target '{name}' holds {_kind_of(limit)} numbers, such as {first:g}, which its "
                f"value_activation cannot predict. {limit.way_out}"
            )
            return
        raise ValueError(
            f"Target '{name}' must hold numbers {_wanted(limit)} with {limit.why}. Got {first:g} "
            f"instead. {limit.way_out}"
        )
    sums = numbers.sum(axis=1)
    if limit.sum_is_1 and len(sums) and np.abs(sums - 1).max() > 1e-3:
        raise ValueError(
            f"Target '{name}' must hold numbers whose sum is 1 in each row with {limit.why}. Got "
            f"a sum of {sums[np.abs(sums - 1).argmax()]:g} instead. {limit.way_out}"
        )


def _kind_of(limit):
    return "negative" if limit.low == 0 else "positive"


def _wanted(limit):
    """What numbers must be, in words."""
    if limit.without_zero:
        return "other than 0"
    if np.isinf(limit.high):
        return f"of {limit.low:g} and more"
    if np.isinf(limit.low):
        return f"of {limit.high:g} and less"
    return f"from {limit.low:g} to {limit.high:g}"


def _check_spread(name, rule, mean, spread):
    """Raise where numbers that cannot be moved differ by less than float32 can tell."""
    least = NEAR * np.abs(mean)
    if rule.counts_from_1:
        least = NEAR * (1 + np.abs(mean))
    if (spread < least).any():
        place = int(np.argmax(spread < least))
        raise ValueError(
            f"Target '{name}' must hold numbers that differ by more than float32 can tell with "
            f"{' and '.join(limit.why for limit in rule.limits)}, which cannot move them. Got a "
            f"standard deviation of {spread[place]:g} around {mean[place]:g}. Use "
            "value_loss='mse' or 'mae' and value_activation='linear'."
        )


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
