"""Which rows each member trains on, and which it holds out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skjoint._data.split import split_validation


@dataclass(frozen=True, eq=False)
class HeldOutRows:
    """The rows that members hold out.

    Parameters
    ----------
    splits : tuple of (ndarray, ndarray)
        By member the places of the rows to train on, and of those to hold out, ascending; none
        where nothing is held out.
    """

    splits: tuple[tuple[np.ndarray, np.ndarray], ...] = ()


def hold_rows_out(codes, n_rows, settings):
    """The rows that the members of a fit hold out."""
    if settings.validation is None:
        return HeldOutRows()
    seeds = [seed_of(member, settings.seed) for member in range(settings.n_members)]
    splits = [split_validation(codes, n_rows, settings.validation, seed) for seed in seeds]
    return HeldOutRows(tuple(splits))


def seed_of(member, seed):
    """Seed of a member; the first one has the seed of a fit without others."""
    return seed if member == 0 else int(np.random.SeedSequence([seed, member]).generate_state(1)[0])
