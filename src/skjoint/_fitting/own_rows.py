"""Validation rows of the user's own: read like those of X, and never trained on."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import check_consistent_length

from skjoint._data.containers import warn_of_other_order
from skjoint._data.read_y import read_table
from skjoint._data.rows import Rows
from skjoint._data.sample_weight import check_weights, drop_unweighted, label_weights
from skjoint._data.split import label_codes, row_keys
from skjoint._fitting.splitters import is_splitter

MOSTLY_DISTINCT = 0.5  # share of the rows to train on; in others the same row may come by chance


@dataclass(frozen=True)
class Given:
    """What ``fit`` is given, beside ``validation``, to say which rows are held out; as it came."""

    X_val: Any = None
    y_val: Any = None
    sample_weight_val: Any = None
    groups: Any = None

    @property
    def has_rows(self):
        """Whether there are validation rows of the user's own."""
        return self.X_val is not None

    def check(self, validation):
        """Raise where these, or one of them and ``validation``, cannot go together."""
        if isinstance(validation, type):
            raise ValueError(
                "validation must be a splitter, a share or None. Got the class "
                f"{validation.__name__} instead: write {validation.__name__}(...)."
            )
        if (self.X_val is None) != (self.y_val is None):
            given, missing = ("X_val", "y_val") if self.has_rows else ("y_val", "X_val")
            raise ValueError(f"{given} is provided, but {missing} was not provided.")
        if self.sample_weight_val is not None and not self.has_rows:
            raise ValueError("sample_weight_val is provided, but X_val was not provided.")
        if self.groups is not None and self.has_rows:
            raise ValueError(
                "groups must be None beside X_val: groups say which rows of X are held out "
                "together, and with X_val none of them are. Leave one of the two away."
            )
        if self.has_rows and is_splitter(validation):
            raise ValueError(
                "validation must be None or a share beside X_val, which takes its place. Got "
                f"{validation!r} instead."
            )


def encode_own_rows(given, targets, features, factors):
    """The user's validation rows, encoded as training rows are, and their every weight.

    Parameters
    ----------
    given : Given
    targets : Targets
    features : FeatureEncoder
    factors : list of ndarray
        Of labels, by class target.

    Returns
    -------
    rows : Rows
    every_weight : list of ndarray
        Weights where the label alone decides the number, too.
    of_labels : dict of {int: ndarray}
        ``sample_weight`` of class targets by output index.

    Raises
    ------
    ValueError
        If they have other columns than X and y, labels that y has not, or no number or label
        for a target.
    """
    data = {name: getattr(given, name) for name in ("X_val", "y_val", "sample_weight_val")}
    warn_of_other_order(**data)
    with _of("X_val"):
        X = features.read(given.X_val)
    with _of("y_val"):
        y = read_table(given.y_val, len(X))
    with _of("X_val and y_val"):
        check_consistent_length(X, y)
    weight = check_weights(given.sample_weight_val, len(y), "sample_weight_val")
    X, y, weight = drop_unweighted(X, y, weight)
    with _of("y_val"):
        columns = targets.read(y)
        _check_labels(targets, columns)
        arrays, masks = targets.encode(columns)
    with _of("sample_weight_val"):
        row_weights = targets.split_weights(weight, len(y))
    _check_labelled(targets, masks, row_weights)
    with _of("X_val"):
        table = features.encode(X)
    weights = targets.weights_by(factors, arrays, masks, weight, strict=False)
    every_mask = [column.mask for column in columns]
    every_weight = targets.weights_by(factors, arrays, every_mask, weight, strict=False)
    codes = label_codes(arrays, masks, len(targets.values))
    rows = Rows(table, arrays, weights, codes=codes)
    return rows, every_weight, label_weights(targets, masks, weight)


@contextmanager
def _of(name):
    """Inside, an error names what it is about."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise type(error)(f"{name}: {error}") from None


def _check_labels(targets, columns):
    for target, column in zip(targets.classes, columns[len(targets.values) :], strict=True):
        unknown = column.data[target.codes(column.data) < 0]
        if len(unknown):
            raise ValueError(
                f"Labels of target '{target.name}' must be among those that are trained on. Got "
                f"{list(dict.fromkeys(unknown.tolist()))[:10]}; known: "
                f"{target.classes[:20].tolist()}."
            )


def _check_labelled(targets, masks, weights):
    for target, mask, weight in zip(targets.outputs, masks, weights, strict=True):
        if not (mask & (weight > 0)).any():
            what = "number" if target.kind == "value" else "label"
            raise ValueError(
                f"y_val must hold a {what} for target '{target.name}' in a row of positive weight, "
                "to validate its head on. Got none."
            )


def check_unseen(rows, own):
    """Raise where all validation rows are rows to train on, too.

    Where many training rows are alike, as in a table of a few categories, a new row may well be
    one of them.
    """
    if not sparse.issparse(rows.table) and not _is_seen(rows.table, own.table[0]):
        return  # in a moment: keys of millions of rows take seconds
    trained = row_keys(rows.table, rows.targets)
    if len(set(trained)) < MOSTLY_DISTINCT * len(trained):
        return
    if set(row_keys(own.table, own.targets)) <= set(trained):
        raise ValueError(
            "X_val and y_val must hold rows that are not trained on. All of their "
            f"{len(own.targets[0])} rows are also rows of X and y."
        )


def _is_seen(table, row):
    """Whether a row stands in a table."""
    table, candidates = table.reshape(len(table), -1), np.arange(len(table))
    for column, entry in enumerate(row.ravel()):
        candidates = candidates[table[candidates, column] == entry]
        if not len(candidates):
            return False
    return True


def joined(rows, own):
    """Rows, and those of the user's own behind them, in one table."""
    if sparse.issparse(rows.table):
        stacked = sparse.vstack([rows.table, sparse.csr_array(own.table)], format="csr")
        table = sparse.csr_array(stacked)
    else:
        table = np.concatenate([rows.table, own.table])
    codes = None if rows.codes is None else np.concatenate([rows.codes, own.codes])
    targets = one_behind_other(rows.targets, own.targets)
    return Rows(table, targets, one_behind_other(rows.weights, own.weights), codes=codes)


def one_behind_other(first, second):
    """Lists of arrays as one list: each array, and that of the second behind it."""
    return [np.concatenate(pair) for pair in zip(first, second, strict=True)]
