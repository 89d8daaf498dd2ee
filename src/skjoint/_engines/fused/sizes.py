"""Sizes that a program is compiled for.

Shapes are static under XLA: a program has room for more rows than a plan has, so that folds and
refits share it. Sums, and so results, depend on the size of a batch in their last bits: it is
that of the plan, never the program's choice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from skjoint._engines.entries import most_entries, room_for

TIGHT_ROWS = 100_000  # rows from which padding is kept small
TIGHT_NUMBERS = 2**24  # numbers in X from which it is, too: 64 MB
ORDER_ENTRIES = 2**18  # batch order that is drawn and handed over at once
MOST_PADDED = 8  # times as many rows as a plan has: in a larger program copying takes too long


@dataclass(frozen=True)
class Sizes:
    """Room for rows in a program, padding included.

    ``n_orders`` is the number of epochs whose batch order is handed over at once.
    """

    n_rows: int
    batch: int
    n_validation: int  # 0 for plans without validation
    validation_batch: int
    n_entries: int = 0  # of a sparse table, in all
    batch_entries: int = 0
    validation_entries: int = 0

    @property
    def n_orders(self):
        return max(1, ORDER_ENTRIES // self.n_rows)

    def suit(self, plan):
        """Whether a program of these sizes has room for the plan, and not far too much."""
        n_samples, n_validation = plan.rows.table.shape[0], len(plan.validation or ())
        if not self._suit_entries(plan) or not n_samples <= self.n_rows <= MOST_PADDED * n_samples:
            return False
        most = max(MOST_PADDED * n_validation, validation_batch(plan))
        return not n_validation or n_validation <= self.n_validation <= most

    def _suit_entries(self, plan):
        """Whether there is room for all entries of a sparse table, and not far too much."""
        rooms = self.n_entries, self.batch_entries, self.validation_entries
        pairs = zip(_entries(plan), rooms, strict=True)
        return all(asked <= room <= MOST_PADDED * asked for asked, room in pairs)


def sizes_of(plan):
    """Sizes of a new program for a plan."""
    n_inputs = plan.network.n_inputs
    size, n_validation = validation_batch(plan), 0
    if plan.validation is not None:
        n_batches = -(-bucket(max(1, len(plan.validation)), n_inputs) // size)
        n_validation = n_batches * size
    n_rows = bucket(plan.rows.table.shape[0], n_inputs)
    return Sizes(n_rows, batch_size(plan), n_validation, size, *_entries(plan))


def _entries(plan):
    """Room for the entries of a sparse table, of a batch, and of one of held-out rows."""
    table = plan.rows.table
    if not sparse.issparse(table):
        return 0, 0, 0
    rows = (table.shape[0], batch_size(plan), validation_batch(plan))
    return tuple(room_for(most_entries(table, n)) for n in rows)


def bucket(n_samples, n_inputs=1):
    """Rows to compile for: room for the refit on all rows after folds, little waste when large."""
    if n_samples > TIGHT_ROWS or n_samples * n_inputs > TIGHT_NUMBERS:
        step = 2 ** (int(np.log2(n_samples)) - 4)
        return -(-n_samples // step) * step
    return max(64, 2 ** int(np.ceil(np.log2(1.5 * n_samples))))


def batch_size(plan):
    """Rows of a batch, with padding no more than the fit can use."""
    return min(plan.batch_size, bucket(len(plan.rows), plan.network.n_inputs))


def validation_batch(plan):
    """Rows of a batch of held-out rows."""
    return max(64, batch_size(plan))
