"""The numbers alone, or the labels alone, of a joint y."""

from __future__ import annotations

import numpy as np

from skjoint._data.exact import columns_of, common_dtype
from skjoint._data.layout import layout
from skjoint._data.read_y import read_table
from skjoint._data.targets import Targets


def own_numbers(y, value_columns=None, class_columns=None, class_bins=None):
    """Numbers of the rows that have them, (n,) or (n, n_numbers), and the mask of these rows.

    >>> import pandas as pd
    >>> y = pd.DataFrame({"stage": ["i", "ii", "i"], "days": [3.0, None, 4.0]})
    >>> own_numbers(y)
    (array([3., 4.]), array([ True, False,  True]))
    """
    table = read_table(y)
    groups = [(0,)]  # of one column
    if not _is_its_own(table, value_columns, class_columns):
        groups, _ = layout(table.frame, table.named, value_columns, class_columns, class_bins)
    _check_some(groups, "number", "value_columns")
    numbers = table.block([p for group in groups for p in group])
    mask = ~np.isnan(numbers).any(axis=1)
    _check_some(mask.nonzero()[0], "number", "value_columns")
    numbers = numbers[mask]
    return (numbers[:, 0] if numbers.shape[1] == 1 else numbers), mask


def own_labels(y, value_columns=None, class_columns=None, class_bins=None):
    """Labels of the rows that have them, (n,) or (n, n_labels), and the mask of these rows.

    >>> import pandas as pd
    >>> y = pd.DataFrame({"stage": ["i", None, "ii"], "days": [3.0, 9.5, 4.0]})
    >>> own_labels(y)
    (array(['i', 'ii'], dtype=object), array([ True, False,  True]))
    """
    table = read_table(y)
    groups = [(0,)]
    if not _is_its_own(table, value_columns, class_columns):
        _, groups = layout(table.frame, table.named, value_columns, class_columns, class_bins)
    _check_some(groups, "label", "class_columns")
    columns = Targets._undecided(table, [], groups, class_bins, None).read(table)
    mask = np.logical_and.reduce([column.mask for column in columns])
    _check_some(mask.nonzero()[0], "label", "class_columns")
    labels = [column.data[mask[column.mask]] for column in columns]
    if len(labels) == 1:
        return labels[0], mask
    return columns_of(labels, common_dtype(labels)), mask


def _is_its_own(table, value_columns, class_columns):
    """Whether y has one column, for which nothing is declared: it is of either kind."""
    return table.frame.shape[1] == 1 and value_columns is None and class_columns is None


def _check_some(found, kind, parameter):
    if not len(found):
        raise ValueError(
            f"y must have rows with a {kind} for a step that learns from it. Got none: see "
            f"{parameter}."
        )
