"""Labels of a class target: read from y's columns, declared beforehand, or tied to a number."""

from __future__ import annotations

from numbers import Real

import numpy as np

from skjoint._data.class_bins import codes_of_numbers
from skjoint._data.entries import column_of_objects, read_labels
from skjoint._data.exact import places


def label_kind(labels):
    """What an array of labels holds, in a word."""
    return {"b": "boolean", "O": "text"}.get(labels.dtype.kind, "number")


def labels_of(target, table):
    """Labels of the rows that have one, and the mask of these rows, for a fitted class target."""
    if target.one_hot:
        return _labels_of_one_hot(target, table)
    position = target.positions[0]
    if target.edges is not None:
        numbers = table.numbers(position)
        mask = ~np.isnan(numbers)
        return target.classes[np.digitize(numbers[mask], target.edges)], mask
    labels, mask = table.labels(position)
    if len(labels) and label_kind(labels) != label_kind(target.classes):
        raise ValueError(
            f"Column {table.column(position).name!r} of y must hold labels of the type seen in fit "
            f"({label_kind(target.classes)}, such as {target.classes.tolist()[0]!r}). "
            f"Got {label_kind(labels)} such as {labels.tolist()[0]!r} instead."
        )
    return labels, mask


def _labels_of_one_hot(target, table):
    block = table.block(target.positions)
    mask = ~np.isnan(block).all(axis=1)
    valid = np.isin(block, (0, 1)).all(axis=1) & (block.sum(axis=1) == 1)
    if not valid[mask].all():
        row = int(np.flatnonzero(mask & ~valid)[0])
        raise ValueError(
            "Every row of a one-hot block must hold a single 1 and otherwise 0 (or be missing "
            f"as a whole). Got {block[row].tolist()} in row {row} of columns "
            f"{[table.frame.columns[p] for p in target.positions]}."
        )
    return target.classes[block[mask].argmax(axis=1)], mask


def declared_classes(known, labels):
    """The labels named in ``classes``, sorted; an error if y holds others."""
    classes, _ = read_labels(column_of_objects(list(known)))
    if len(classes) and len(labels) and label_kind(classes) != label_kind(labels):
        raise ValueError(
            f"classes must hold labels of the type of y's ({label_kind(labels)}). "
            f"Got {label_kind(classes)} such as {classes.tolist()[0]!r} instead."
        )
    classes = np.unique(classes)
    unknown = np.unique(labels[places(labels, classes) < 0]).tolist()
    if unknown:
        raise ValueError(
            f"classes must hold every label of y. Missing: {unknown[:10]}"
            f"{' and more' if len(unknown) > 10 else ''}."
        )
    return classes


def known_codes(target, labels):
    """Codes of labels, each among those of the first fit; an error for others."""
    codes = target.codes(labels)
    if (codes < 0).any():
        unknown = list(dict.fromkeys(labels[codes < 0].tolist()))
        raise ValueError(
            f"y holds labels of target '{target.name}' that the first fit did not know: "
            f"{unknown[:10]}. Name all labels beforehand with classes=[...]."
        )
    return codes


def known_values(value_by_class, values, classes):
    """The parameter ``value_by_class`` as {code of the label: number}."""
    if not value_by_class:
        return {}
    if not values or len(classes) != 1:
        raise ValueError(
            "value_by_class needs a value and exactly one class target. Got "
            f"{len(values)} value(s) and {len(classes)} class target(s)."
        )
    labels, numbers = list(value_by_class), list(value_by_class.values())
    bad = [n for n in numbers if not isinstance(n, Real) or not np.isfinite(n)]  # type: ignore[call-overload]
    if bad:
        raise ValueError(f"value_by_class must hold finite numbers. Got {bad[0]!r} instead.")
    codes = _codes_with_numbers(labels, classes[0])
    if classes[0].source is not None:
        _check_own_labels(labels, codes, numbers, classes[0])
    return dict(zip(codes, map(float, numbers), strict=True))


def _codes_with_numbers(labels, target):
    """Codes of the labels of ``value_by_class``: of y's labels some, but not all."""
    codes, known = [int(target.codes([label])[0]) for label in labels], target.classes
    unknown = [label for label, code in zip(labels, codes, strict=True) if code < 0]
    if unknown:
        raise ValueError(
            f"value_by_class names labels that y does not hold: {unknown}. "
            f"Known labels: {known[:20].tolist()}{' and more' if len(known) > 20 else ''}. Name "
            "labels that may be missing in classes=[...]."
        )
    if len(set(codes)) == len(known):
        raise ValueError(
            "value_by_class must leave a label whose number is to be learned. "
            f"Got numbers for all of {known.tolist()}."
        )
    return codes


def _check_own_labels(labels, codes, numbers, target):
    """Raise where a label is cut from the number, but not from the one that it is given."""
    for label, code, number in zip(labels, codes, numbers, strict=True):
        own = codes_of_numbers(np.array([number]), target.classes, target.edges)[0]
        if own != code:
            raise ValueError(
                f"value_by_class must give a label cut from the number a number of its own. "
                f"Got {number:g} for {label!r} instead, which has label "
                f"{target.classes.tolist()[own]!r}."
            )
