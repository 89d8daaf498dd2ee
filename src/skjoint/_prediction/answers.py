"""Answers of all targets together: as one array, or as a table with the names that y has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skjoint._data.exact import columns_of, common_dtype
from skjoint._data.target_names import joined_name


def side_by_side(
    outputs: Mapping[int, NDArray[Any]], known: Sequence[NDArray[Any]] = ()
) -> NDArray[Any] | Any:
    """One array from one per target: as it is if there is one, else as columns; None of none.

    ``known`` are all labels that may occur: they choose a dtype that holds each of them as it
    is, whatever rows there are.
    """
    arrays = [outputs[i] for i in sorted(outputs)]
    if len(arrays) <= 1:
        return arrays[0] if arrays else None
    if arrays[0].ndim > 1 or not known:
        return np.column_stack(arrays)
    return columns_of(arrays, common_dtype(known))


def split(targets: Any, y: Any) -> tuple[NDArray[Any] | None, NDArray[Any] | None]:
    """The numbers and the labels inside a y of the form that was fitted."""
    columns, n_values = targets.read(y), len(targets.values)
    values = {
        i: c.data[:, 0] if c.data.shape[1] == 1 else c.data
        for i, c in enumerate(columns[:n_values])
    }
    labels = {i: c.labels() for i, c in enumerate(columns[n_values:])}
    known = [target.classes for target in targets.classes]
    return side_by_side(values), side_by_side(labels, [*known, *labels.values()])


def check_std(model, given_class, value_from):
    """Raise where a FittedModel has no standard deviations of what is asked for."""
    if given_class is not None:
        raise ValueError("return_std must be False beside given_class. Got True instead.")
    if model.targets.values and not model.decoding("head", "head").deviation_parts:
        raise ValueError(
            "return_std needs a network that has learned how far off its numbers are: call "
            "fit with value_loss='gaussian_nll'. Got True instead. Intervals without it: "
            "predict_interval."
        )
    if model.value_source(value_from) != "head":
        raise ValueError(
            "return_std needs numbers of the value head, whose standard deviation it is: "
            f"set value_from='head'. Got value_from={value_from!r} instead."
        )


def column_names(targets):
    """Names of the columns of each output, by its index: those of y's columns where they have some.

    A label that is cut from the number of the same column is ``<name>_class``.
    """
    values = [_names_of_value(target, targets) for target in targets.values]
    taken = {name for names in values for name in names}
    classes = [_name_of_class(target, targets) for target in targets.classes]
    classes = [f"{name}_class" if name in taken else name for name in classes]
    return dict(enumerate([*values, *([name] for name in classes)]))


def _names_of_value(target, targets):
    if targets.named:
        return [targets.names[position] for position in target.positions]
    n_units = len(target.positions)
    return [target.name] if n_units == 1 else [f"{target.name}_{i}" for i in range(n_units)]


def _name_of_class(target, targets):
    if not targets.named:
        return target.name
    if len(target.positions) == 1:
        return targets.names[target.positions[0]]
    return joined_name(target.positions, targets.names)


def as_frame(targets, answers, index=None):
    """Numbers and labels by output index as a DataFrame, in the order of ``predict``."""
    names, columns = column_names(targets), []
    for i in targets.predict_order:
        answer = answers[i]
        parts = answer.T if answer.ndim > 1 else [answer]
        dtype = _dtype_of_text(targets.outputs[i]) if answer.dtype.kind in "OUT" else answer.dtype
        pairs = zip(names[i], parts, strict=True)
        columns += [pd.Series(part, index, dtype, name) for name, part in pairs]
    check_distinct([column.name for column in columns])
    return pd.concat(columns, axis=1)


def _dtype_of_text(target):
    """That which pandas gives these labels; object for text that is not Unicode."""
    try:
        return pd.Series(target.classes.tolist()).dtype
    except UnicodeEncodeError:
        return object


def check_distinct(names):
    """Raise where two columns of predictions would have one name."""
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(
            f"Two columns of predictions would be called {repeated[0]!r}: rename a column of y "
            "before training."
        )
