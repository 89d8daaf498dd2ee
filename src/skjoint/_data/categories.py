"""Codes of categories: levels are matched by what they say, not by the type they come in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from skjoint._data.code_units import MAX_ONE_HOT
from skjoint._data.distinct import as_objects, said
from skjoint._support.warn import warn

LEAST_ROWS = 2  # of a level with a code of its own, where there are many levels
ENOUGH = 10  # entries of a column of which some should be known
MOST_CODES = 2**24  # whole numbers that float32 holds


@dataclass(frozen=True, eq=False)
class CategoryEncoder:
    """Levels of a column of categories, and the codes of entries.

    Parameters
    ----------
    levels : ndarray of object
        The level of code i + 1; None is a gap. Code 0 stands for all that is none of them.
    """

    levels: np.ndarray

    @classmethod
    def learn(cls, column, sample_weight=None):
        """Learn the levels of a :class:`skjoint._data.distinct.Distinct` column.

        Where a column has more levels than the network has one-hot units for, those of a single
        row share code 0 with what is not met in fit: so it is learned what a rare level means.
        """
        found: dict[str, list] = {}
        for place, value in enumerate(column.values.tolist()):
            found.setdefault(said(value), []).append(place)
        rows, weights = _totals(column, sample_weight)
        levels = [(column.values[places[0]], places) for places in found.values()]
        if len(levels) > MAX_ONE_HOT:
            # A row of weight 2 is two rows, but one of any weight that other rows hold, too.
            often = [
                (level, places)
                for level, places in levels
                if max(rows[places].sum(), weights[places].sum()) >= LEAST_ROWS
            ]
            levels = often or levels
        names: list = _in_order([level for level, _ in levels])
        if column.n_missing:
            names.append(None)
        if len(names) >= MOST_CODES:
            raise ValueError(
                f"A category of X must have less than {MOST_CODES:,} levels. Got {len(names):,} "
                "instead."
            )
        return cls(as_objects(names))

    @property
    def n_codes(self):
        return len(self.levels) + 1

    @cached_property
    def _code_of(self):
        return {
            None if level is None else said(level): code
            for code, level in enumerate(self.levels.tolist(), start=1)
        }

    def __getstate__(self):
        return {"levels": self.levels}

    def encode(self, column):
        """Codes of the entries of a ``Distinct`` column."""
        of_values = np.array([self._code_of.get(said(v), 0) for v in column.values], np.float32)
        return column.spread(of_values, self._code_of.get(None, 0))

    def warn_of_none_known(self, column, name):
        """One warning if a ``Distinct`` column has enough entries and none of them is a level."""
        n_present = len(column) - column.n_missing
        if n_present >= ENOUGH and not any(said(v) in self._code_of for v in column.values):
            shown = [said(level) for level in self.levels.tolist() if level is not None][:3]
            warn(
                f"None of the {n_present} entries of column {name!r} of X was known in fit, which "
                f"saw such as {shown}. They count as unknown: is it the right column?"
            )


def _totals(column, sample_weight):
    """Rows that hold each entry, and their weights together."""
    rows = column.counts
    if sample_weight is None:
        return rows, rows
    present = column.codes >= 0
    return rows, np.bincount(column.codes[present], sample_weight[present], len(rows))


def _in_order(levels):
    """Levels in ascending order, by what they say where they are of several types."""
    try:
        return sorted(levels)
    except TypeError:
        return sorted(levels, key=said)
