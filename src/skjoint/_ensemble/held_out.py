"""Rows that members held out from training, with the outputs of the networks for them."""

from __future__ import annotations

from functools import cached_property

import numpy as np


class HeldOut:
    """The held-out rows of all members in one sequence of entries, member after member.

    Parameters
    ----------
    networks : list of FittedNetwork or Average
        By member.
    held_out : list of Rows
        By member, also of members that are yet to be trained. A row of the table may be
        held out by several members.

    Attributes
    ----------
    positions : ndarray of int
        Place of each entry in the table of all rows.
    """

    def __init__(self, networks, held_out):
        held_out = held_out[: len(networks)]
        self.networks = networks
        # Intervals keep these rows until they are needed, but not the table of all rows.
        self.by_member = [rows.alone() for rows in held_out]
        self.positions = np.concatenate([rows.positions for rows in held_out])

    @cached_property
    def row(self):
        """Number of each entry's row among the different rows that are held out."""
        return np.unique(self.positions, return_inverse=True)[1]

    @cached_property
    def outputs(self):
        """Output of the member's network for each entry, by index of the head.

        A part that the deviation or the number of head i is computed from is at ``(i, part)``.
        """
        names = {}
        for i, head in enumerate(self.networks[0].spec.heads):
            names[i] = head.name
            more = (*head.output.deviation_parts, *getattr(head.output, "class_parts", ()))
            names |= {(i, part): head.parts[part] for part in more}
        pairs = zip(self.networks, self.by_member, strict=True)
        parts = zip(*(n.predict(rows.X, list(names.values())) for n, rows in pairs), strict=True)
        return dict(zip(names, map(np.concatenate, parts), strict=True))

    def truth(self, i):
        """Targets and weights of head i."""
        targets = np.concatenate([rows.targets[i] for rows in self.by_member])
        return targets, np.concatenate([rows.weights[i] for rows in self.by_member])

    def by_row(self, output):
        """Mean output over the members that held a row out: (n_rows, n_units)."""
        times = np.bincount(self.row)
        total = np.zeros((len(times), output.shape[1]))
        np.add.at(total, self.row, output / times[self.row, None])
        return total

    def truth_by_row(self, i):
        """Targets and weights of head i, in the order of :meth:`by_row`."""
        first = np.unique(self.row, return_index=True)[1]
        targets, weights = self.truth(i)
        return targets[first], weights[first]


def pairs_of_rows(row):
    """All pairs of entries of the same row, as positions: arrays a and b, some at a time."""
    order = np.argsort(row, kind="stable")
    row = row[order]
    for lag in range(1, np.bincount(row).max(initial=0)):
        first = np.flatnonzero(row[:-lag] == row[lag:])
        yield order[first], order[first + lag]
