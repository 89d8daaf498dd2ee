"""Names of targets: made of y's columns, and found again in tables and dicts of the user."""

from __future__ import annotations

from collections import Counter

from skjoint._support.nearest_name import nearest_name


def target_names(kind, groups, columns, bare):
    """One name for each group of columns of y; ``bare`` where there is one target of each kind."""
    if bare:
        return [kind] * len(groups)
    names = [f"{kind}_{joined_name(group, columns)}" for group in groups]
    for name, count in Counter(names).items():
        if count > 1:
            same = [
                _columns_of(g, columns) for g, n in zip(groups, names, strict=True) if n == name
            ]
            raise ValueError(
                f"{kind}_columns must give every target a name of its own. Got {same} instead, all "
                f"of which are named '{name}': rename columns of y."
            )
        inner = next((other for other in names if other.startswith(f"{name}/")), None)
        if inner is not None:
            raise ValueError(
                f"The names of y's columns must not begin with that of another and '/', which "
                f"names a part of its head. Got targets '{name}' and '{inner}': rename a column."
            )
        if kind == "class" and f"{name}_balanced" in names:
            raise ValueError(
                f"The name of a label must not be that of another and '_balanced': the balanced "
                f"accuracy of '{name}' and the accuracy of '{name}_balanced' would have one name. "
                "Rename a column."
            )
    return names


def joined_name(group, columns):
    """Names of a target's columns in one."""
    return "_".join(str(columns[position]) for position in group)


def _columns_of(group, columns):
    names = [columns[position] for position in group]
    return names[0] if len(names) == 1 else names


# Meanings of a name, the most definite one first.
TARGET, COLUMN, KIND = range(3)
_TWICE = "{} must name every target once. Got {} instead, all of which mean '{}'."


def keys_by_target(targets, given, parameter):
    """For each target, in output order, the one of the given names that means it, or None.

    A name is that of a target, of its column of y, or "value" or "class" for all of a kind. A
    column that is a number and a label stands for both. The name of a target counts more than
    that of a column, and this more than a kind.

    Raises
    ------
    ValueError
        If a name means no target, two different ones, or one that another name means, too.
    """
    meanings = {name: _meaning(targets, name, parameter) for name in given}
    _raise_for_unknown(targets, [name for name in given if not meanings[name][1]], parameter)
    keys = []
    for i, target in enumerate(targets.outputs):
        names = [name for name in given if i in meanings[name][1]]
        least = min((meanings[name][0] for name in names), default=None)
        best = [name for name in names if meanings[name][0] == least]
        if len(best) > 1:
            raise ValueError(_TWICE.format(parameter, best, target.name))
        keys.append(best[0] if best else None)
    for name in given:  # one that gives way everywhere would count for nothing
        if name not in keys:
            target = targets.outputs[meanings[name][1][0]].name
            raise ValueError(_TWICE.format(parameter, [name, target], target))
    return keys


def weight_columns(targets, sample_weight):
    """The column of a table of weights for each target, in output order.

    None where the table is to be read as an array: of one column that is no target's, a weight
    for each row, or of columns 0, 1, ..., which are positions.
    """
    names = list(sample_weight.columns)
    if not any(any(_meanings(targets, name).values()) for name in names):
        positions = list(range(len(names)))
        if len(names) == 1 or names == positions:
            return None
    keys = keys_by_target(targets, names, "sample_weight")
    missing = [t.name for t, key in zip(targets.outputs, keys, strict=True) if key is None]
    if missing:
        raise ValueError(
            f"A table of sample_weight must have a column for every target. Got {names} instead; "
            f"missing: {missing}. One weight for each row is a Series or an array."
        )
    return keys


def _meaning(targets, name, parameter):
    """What a name means, and the indices of the targets that it means."""
    meanings = {meaning: i for meaning, i in _meanings(targets, name).items() if i}
    if not meanings:
        return None, []
    least = min(meanings)
    for other, indices in meanings.items():
        narrower = least == TARGET and set(meanings[least]) <= set(indices)
        if indices != meanings[least] and not narrower:
            names = {targets.outputs[i].name: None for i in [*meanings[least], *indices]}
            way = "its name" if other == KIND else "an array in the order of the targets"
            raise ValueError(
                f"{parameter} has the name {name!r}, which may mean each of {list(names)}, by the "
                f"name of a target, of a column of y or of a kind. Use {way} instead."
            )
    return least, meanings[least]


def _meanings(targets, name):
    outputs, columns = list(enumerate(targets.outputs)), targets.names
    of_columns = [i for i, t in outputs if any(columns[p] == name for p in t.positions)]
    text = str(name)
    if not of_columns:
        of_columns = [i for i, t in outputs if joined_name(t.positions, columns) == text]
    return {
        TARGET: [i for i, t in outputs if t.name == name],
        COLUMN: of_columns,
        KIND: [i for i, t in outputs if t.kind == name],
    }


def _raise_for_unknown(targets, unknown, parameter):
    if unknown:
        names = [target.name for target in targets.outputs]
        known = [*names, *map(str, targets.names)]
        raise ValueError(
            f"{parameter} names no target: {unknown}.{nearest_name(unknown[0], known)} Targets: "
            f"{names}. Columns of y: {list(targets.names)}."
        )
