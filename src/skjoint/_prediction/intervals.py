"""Errors on held-out rows, and the half-widths of intervals that follow from them."""

from __future__ import annotations

import threading

import numpy as np


class IntervalErrors:
    """Absolute errors of the numbers on held-out rows, found when first needed.

    Until then the held-out rows are kept. Threads that need the errors at the same time wait for
    one another, and get the same ones.

    Parameters
    ----------
    value_from : str
        Which numbers they are the errors of.
    non_negative : bool
        Whether the numbers, and so the ends of intervals, are never negative.
    columns : list of (errors, weights, n_rows), or a function that gives it
        By column of the numbers: ascending errors, in standard deviations where the output has
        one; their weights; the number of different rows, or groups.
    by_group : bool
        Whether new rows come from new groups.
    """

    def __init__(self, value_from, non_negative, columns, by_group=False):
        self.value_from = value_from
        self.non_negative = non_negative
        self.by_group = by_group
        self._columns = columns
        self._lock = threading.Lock()

    @property
    def columns(self) -> list[tuple[np.ndarray, np.ndarray, int]]:
        with self._lock:
            if callable(self._columns):
                self._columns = self._columns()
            return self._columns

    def __getstate__(self):
        return {
            "value_from": self.value_from,
            "non_negative": self.non_negative,
            "columns": self.columns,
            "by_group": self.by_group,
        }

    def __setstate__(self, state):
        self.__init__(**state)  # type: ignore[misc]

    def widths(self, coverage):
        """Half-widths of intervals that hold the number in this share of cases, by column."""
        units = "groups" if self.by_group else "rows"
        return [conformal_quantile(*column, coverage, units) for column in self.columns]


def conformal_quantile(errors, weights, n, coverage, units="rows"):
    """The ``coverage * (1 + 1 / n)`` quantile of ascending errors of n rows or groups, weighted.

    Split conformal prediction (Lei et al. 2018); of groups hierarchical conformal prediction
    (Lee, Barber & Willett 2023).
    """
    total = weights.sum()
    # of n + 1 rows or groups: the new one has the mean weight of the others
    needed = coverage * total * (1 + 1 / n) * (1 - 1e-12) if n else np.inf
    reached = np.cumsum(weights) >= needed
    if not reached.any():
        raise ValueError(
            f"coverage={coverage} needs more than {n} held-out {units} with a number: at least "
            f"{int(np.ceil(coverage / (1 - coverage) - 1e-9))}. Hold out more with validation."
        )
    return float(errors[np.argmax(reached)])
