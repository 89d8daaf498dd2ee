"""Which columns of y are the values and which are the classes."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from numbers import Integral

import numpy as np
import pandas as pd

from skjoint._data.entries import is_numeric


def layout(frame, named, value_columns, class_columns, class_bins) -> tuple[list, list]:
    """Groups of positions for the values and for the classes."""
    everything = [(p,) for p in range(frame.shape[1])]
    if value_columns is None and class_columns is None:
        values, classes = _undeclared_layout(frame, named)
    else:
        values = _resolve(frame, value_columns, "value_columns")
        classes = _resolve(frame, class_columns, "class_columns")
        if values is None:
            values = _rest(everything, classes, "value_columns")
        elif classes is None:
            if len(values) == 1 and (len(everything) == 1 or class_bins is not None):
                used = {p for group in values for p in group}
                classes = [g for g in everything if g[0] not in used] or values
            else:
                classes = _rest(everything, values, "class_columns")
        if not values and not classes:
            raise ValueError(
                "value_columns and class_columns must not both be empty: declare a column of y."
            )
    return values, classes


def _undeclared_layout(frame, named):
    columns = list(frame.columns)
    numeric = [p for p in range(len(columns)) if is_numeric(frame.iloc[:, p])]
    if len(columns) == 1:
        if not numeric:
            raise ValueError(
                "A y of one column must hold numbers: the number is the value and, as a label or "
                f"by class_bins, the class. Got {frame.iloc[0, 0]!r} instead. To train on labels "
                "alone, pass value_columns=[]."
            )
        return [(0,)], [(0,)]
    if named:
        values = [(p,) for p in numeric]
        classes = [(p,) for p in range(len(columns)) if p not in numeric]
        if not classes or not values:
            if not classes:
                kind, missing, keyword, guess = "numbers", "class", "class_columns", columns[-1]
            else:
                kind, missing, keyword = "labels or text", "value", "value_columns"
                parsed = frame.apply(pd.to_numeric, errors="coerce").notna().mean()
                guess = parsed.idxmax()
            raise ValueError(
                f"The columns of y cannot be told apart: {columns} all hold {kind}, so none is the "
                f"{missing}. Declare it, for example {keyword}=[{guess!r}]."
            )
        return values, classes
    if len(columns) > 2:
        raise ValueError(
            f"The {len(columns)} columns of y cannot be told apart: without names only two are "
            "expected, the value first and the class second. Declare them, for example "
            "value_columns=[0], class_columns=[1]."
        )
    return [(0,)], [(1,)]


def _rest(everything, used, parameter):
    taken = {p for group in used for p in group}
    rest = [group for group in everything if group[0] not in taken]
    if not rest:
        raise ValueError(
            f"The declared columns leave no column of y for {parameter}. Name the column there "
            f"too (a column may serve both), or pass {parameter}=[] to train without."
        )
    return rest


def _resolve(frame, declared, parameter):
    """Names or positions to groups of positions; a nested list is one group."""
    if declared is None:
        return None
    if isinstance(declared, (str, Integral)):
        declared = [declared]
    elif isinstance(declared, np.ndarray):
        declared = np.atleast_1d(declared).tolist()
    groups = [
        tuple(
            _position(frame, column, parameter)
            for column in (
                entry
                if isinstance(entry, Sequence) and not isinstance(entry, (str, bytes))
                else [entry]
            )
        )
        for entry in declared
    ]
    flat = [p for group in groups for p in group]
    repeated = sorted({p for p in flat if flat.count(p) > 1})
    if repeated:
        raise ValueError(
            f"{parameter} must name each column once. "
            f"Repeated: {[frame.columns[p] for p in repeated]}."
        )
    return groups


def _position(frame, column, parameter):
    if isinstance(column, Hashable) and column in frame.columns:
        return int(frame.columns.get_loc(column))
    is_position = isinstance(column, Integral) and not isinstance(column, bool)
    if is_position and -frame.shape[1] <= column < frame.shape[1]:
        return int(column) % frame.shape[1]
    raise ValueError(
        f"{parameter} must name columns of y. Got {column!r} instead; y has {list(frame.columns)}."
    )


def by_target(parameter, n_targets, name):
    """One entry per class target, from one for all or a list with one for each."""
    if n_targets == 0 or not isinstance(parameter, (list, tuple, np.ndarray)):
        return [parameter] * n_targets
    if len(parameter) != n_targets:
        raise ValueError(
            f"{name} must have one entry for each of the {n_targets} class targets. "
            f"Got {parameter!r} instead."
        )
    return list(parameter)


def classes_by_target(classes, n_targets):
    """The parameter ``classes`` as one list of labels, or None, per class target."""
    if classes is not None and np.ndim(classes) == 0:
        raise ValueError(f"classes must be a list of labels. Got {classes!r} instead.")
    if classes is not None and n_targets == 1 and all(np.ndim(label) == 0 for label in classes):
        classes = [classes]
    return by_target(classes, n_targets, "classes")
