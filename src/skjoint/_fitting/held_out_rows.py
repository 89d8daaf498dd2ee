"""Which rows each member trains on, and which it holds out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from skjoint._data.foreign import as_pandas
from skjoint._data.split import split_groups, split_validation
from skjoint._fitting.splitters import is_splitter, splits_of

N_DRAWS = 20  # of groups, until a member holds out others than those before it


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of rows: the code of each row's, and what the codes stand for."""

    codes: np.ndarray
    levels: np.ndarray

    @classmethod
    def read(cls, groups, n_rows):
        """Groups as the user gives them, one for each row."""
        entries = np.asarray(as_pandas(groups, "groups"))
        if entries.ndim == 2 and entries.shape[1] == 1:
            entries = entries[:, 0]
        if entries.shape != (n_rows,):
            raise ValueError(
                f"groups must have one entry for each of the {n_rows} rows of X. Got shape "
                f"{entries.shape} instead."
            )
        codes, levels = pd.factorize(entries)
        if (codes < 0).any():
            raise ValueError(
                f"groups must have an entry for each row. Got {np.sum(codes < 0)} missing ones."
            )
        return cls(codes, np.asarray(levels))

    @property
    def labels(self):
        """The group of each row."""
        return self.levels[self.codes]

    def take(self, rows):
        """Of some of the rows, with the groups that occur in them."""
        found, codes = np.unique(self.codes[rows], return_inverse=True)
        return Groups(codes, self.levels[found])

    def of(self, rows):
        """The groups of some rows, in the order in which they first came."""
        return self.levels[np.unique(self.codes[rows])]


@dataclass(frozen=True, eq=False)
class HeldOutRows:
    """The rows that members hold out.

    Parameters
    ----------
    splits : tuple of (ndarray, ndarray)
        By member the places of the rows to train on, and of those to hold out, ascending; none
        where nothing is held out.
    singly : bool
        Whether rows were drawn one by one, so that any other row left out is as good.
    groups : Groups or None
        Of the rows of X.
    """

    splits: tuple[tuple[np.ndarray, np.ndarray], ...] = ()
    singly: bool = True
    groups: Groups | None = None

    @property
    def folds(self):
        """The different splits, for models that must hold out what members do; else none."""
        found: list[tuple[np.ndarray, np.ndarray]] = []
        for split in () if self.singly else self.splits:
            if not _is_among(split, found):
                found.append(split)
        return found

    @property
    def held_out_groups(self):
        """By member the groups of the rows that it holds out; none without groups."""
        if self.groups is None:
            return ()
        return tuple(self.groups.of(held_out) for _, held_out in self.splits)


def hold_rows_out(rows, n_own, groups, as_given, settings):
    """The rows that the members of a fit hold out.

    Parameters
    ----------
    rows : Rows
        Of X.
    n_own : int
        Validation rows of the user's own, whose places are behind those.
    groups : Groups or None
    as_given : AsGiven or None
        For a splitter.
    settings : Settings

    Returns
    -------
    HeldOutRows
    """
    if groups is not None and len(groups.levels) < 2:
        raise ValueError(
            "groups must name two groups or more, so that one can be held out while another is "
            f"trained on. Got {groups.levels.tolist()} only."
        )
    n_rows, validation = len(rows), settings.validation
    seeds = [seed_of(member, settings.seed) for member in range(settings.n_members)]
    if n_own:
        whole = np.arange(n_rows), np.arange(n_rows, n_rows + n_own)
        return HeldOutRows((whole,) * settings.n_members, singly=False)
    if validation is None:
        return HeldOutRows()
    if is_splitter(validation):
        splits = splits_of(validation, as_given, rows.codes, settings)
        return HeldOutRows(splits, False, groups)
    if groups is None:
        splits = [split_validation(rows.codes, n_rows, validation, seed) for seed in seeds]
        return HeldOutRows(tuple(splits))
    return HeldOutRows(_group_splits(groups, rows.codes, settings, seeds), False, groups)


def _group_splits(groups, codes, settings, seeds):
    """A split for each seed, of other groups as far as there are others."""
    n_groups = len(groups.levels)
    wanted = np.ceil(settings.validation * n_groups)
    n_out = max(wanted, min(settings.least_groups, np.ceil(n_groups / 3)))
    splits: list[tuple[np.ndarray, np.ndarray]] = []
    for seed in seeds:
        for draw in range(N_DRAWS):
            seed_of_draw = seed if draw == 0 else [seed, draw]
            split = split_groups(groups.codes, codes, min(int(n_out), n_groups - 1), seed_of_draw)
            if not _is_among(split, splits):
                break
        splits.append(split)
    return tuple(splits)


def _is_among(split, others):
    return any(all(map(np.array_equal, split, other)) for other in others)


def seed_of(member, seed):
    """Seed of a member; the first one has the seed of a fit without others."""
    return seed if member == 0 else int(np.random.SeedSequence([seed, member]).generate_state(1)[0])
