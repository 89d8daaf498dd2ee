"""Labels that are cut from numbers: bands, their edges, and the numbers inside them."""

from __future__ import annotations

from numbers import Integral

import numpy as np
import pandas as pd

from skjoint._data.entries import is_numeric
from skjoint._support.warn import warn

N_QUANTILES = 21  # that describe the numbers inside a band


def codes_of_numbers(numbers, classes, edges=None):
    """Codes of the labels of numbers: their band, or the nearest of labels that are numbers."""
    if edges is not None:
        return np.digitize(numbers, edges)
    order = np.argsort(classes)
    known = np.asarray(classes)[order].astype(np.float64)
    return order[np.digitize(numbers, (known[1:] + known[:-1]) / 2)]


def band_edges(table, position, class_bins):
    """Inner edges of the bands; band j holds edges[j - 1] <= number < edges[j]."""
    numbers = _numbers_to_cut(table, position)
    if isinstance(class_bins, Integral):
        return _quantile_edges(numbers, class_bins, table.column(position).name)
    try:
        edges = np.asarray(class_bins, dtype=np.float64)
    except (TypeError, ValueError):
        edges = np.array(np.nan)
    if (
        edges.ndim != 1
        or not len(edges)
        or not np.isfinite(edges).all()
        or (np.diff(edges) <= 0).any()
    ):
        raise ValueError(
            "class_bins must be a whole number of bands or an increasing sequence of finite edges. "
            f"Got {class_bins!r} instead."
        )
    return edges


def _numbers_to_cut(table, position):
    """The numbers of the class column that are there; an error if it holds labels only."""
    series = table.column(position)
    try:
        numbers = table.numbers(position)
        numbers = numbers[~np.isnan(numbers)]
        has_numbers = is_numeric(series) or len(numbers) > 0
    except ValueError:
        if pd.to_numeric(series.astype(object), errors="coerce").notna().any():
            raise
        has_numbers = False
    if not has_numbers:
        raise ValueError(
            f"class_bins cuts numbers into bands, but the class column {series.name!r} of y holds "
            "labels. Drop class_bins, or declare a number column in class_columns."
        )
    return numbers


def _quantile_edges(numbers, n_bands, name):
    """Edges at the quantiles of the numbers, without bands that no number is in."""
    if not len(numbers):
        raise ValueError(f"No row of y is labelled in column {name!r}.")
    edges = np.unique(np.quantile(numbers, np.arange(1, n_bands) / n_bands))
    occupied = np.unique(np.digitize(numbers, edges))
    if 2 <= len(occupied) < n_bands:
        warn(
            f"The numbers in column {name!r} of y repeat so often that class_bins="
            f"{n_bands} gives only {len(occupied)} band(s)."
        )
    if len(occupied) < 2:
        raise ValueError(
            f"class_bins={n_bands} finds 1 class in column {name!r} of y: its "
            "quantiles all fall together. Give the edges of the bands instead."
        )
    return edges[occupied[1:] - 1]


def numbers_in_bands(edges, numbers, weights):
    """The mean and the quantiles of the numbers in each band, by weight.

    Returns
    -------
    centres : ndarray of shape (n_bands,)
    quantiles : ndarray of shape (n_bands, N_QUANTILES)
        A band that no row is in has what lies between its inner edges.
    """
    labelled = ~np.isnan(numbers) & (weights > 0)
    numbers, weights = numbers[labelled], weights[labelled]
    bands = np.digitize(numbers, edges)
    low = np.concatenate([edges[:1], edges])
    high = np.concatenate([edges, edges[-1:]])
    centres, quantiles = (low + high) / 2, np.linspace(low, high, N_QUANTILES, axis=1)
    for band in np.unique(bands):
        inside = bands == band
        centres[band] = np.average(numbers[inside], weights=weights[inside])
        quantiles[band] = np.quantile(
            numbers[inside],
            np.linspace(0, 1, N_QUANTILES),
            weights=weights[inside],
            method="inverted_cdf",
        )
    return centres, quantiles
