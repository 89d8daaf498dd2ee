"""Levels of categories, matched by what they say: codes come as text here, as numbers there."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np

from skjoint._support.warn import warn

ENOUGH = 10  # entries of a column of which some should be known


class _Unknown:
    """Stands for entries that are no level; equal to nothing else."""


UNKNOWN = _Unknown()


def said(entry):
    """What an entry says, as text.

    >>> said("101"), said(101), said(101.0), said(np.int8(101)), said("0101")
    ('101', '101', '101', '101', '0101')
    >>> said(True), said("True"), said(0.5), said(np.float32(0.1))
    ('True', 'True', '0.5', '0.1')
    """
    if isinstance(entry, (str, bool, np.bool_)):
        return str(entry)
    if isinstance(entry, Integral) or (isinstance(entry, Real) and entry == entry // 1):
        return str(int(entry))  # type: ignore[call-overload]
    return str(entry)


def match_levels(entries, levels, names):
    """Entries as the levels that they are, in columns of objects.

    Parameters
    ----------
    entries : ndarray of shape (n_samples, n_columns)
        Objects, None where missing.
    levels : list of ndarray
        Those of each column.
    names : sequence
        Of the columns, for the warning.

    Returns
    -------
    matched : ndarray of shape (n_samples, n_columns)
        ``entries`` itself where all are of the types of fit.
    """
    matched = entries
    for i, (name, known) in enumerate(zip(names, levels, strict=True)):
        column = entries[:, i]
        if not set(map(type, column)) <= {*map(type, known), type(None)}:
            matched = entries.copy() if matched is entries else matched
            level_of = {said(level): level for level in known if level is not None}
            found = [None if e is None else level_of.get(said(e), UNKNOWN) for e in column]
            matched[:, i] = found
        if len(column) >= ENOUGH:
            _warn_of_none_known(name, matched[:, i], known)
    return matched


def _warn_of_none_known(name, column, known):
    """One warning if a column has enough entries and none of them is a level."""
    present = [entry for entry in column if entry is not None]
    known = set(known)
    if len(present) >= ENOUGH and not any(entry in known for entry in present):
        shown = [level for level in known if level is not None][:3]
        warn(
            f"None of the {len(present)} entries of column {name!r} of X was known in fit, which "
            f"saw such as {sorted(map(str, shown))}. They count as unknown: is it the right column?"
        )
