"""Cheap signs that rows are not independent, where they are held out one by one at random.

What is learned from held-out rows is then about rows that are as good as known. One warning names
the signs; it costs a fraction of a second, whatever the table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from skjoint._data.as_kind import as_seconds
from skjoint._data.distinct import Distinct
from skjoint._support.warn import warn

MAX_ROWS = 2**15  # the first ones, whose order tells something, too
MAX_COLUMNS = 128  # likewise
LEAST_ROWS = 50
LEAST_DATES = 20
LEAST_IDS = 20
REPEATED = 0.9  # share of the rows whose id comes again
ADJACENT = 1.05  # runs of equal entries, for each entry
SORTED = 0.25  # share of steps the other way, up to which entries are sorted
NAMES_OF_IDS = re.compile(
    r"(.*[^a-z])?((id|uid|uuid)s?|(patient|subject|person|participant|respondent|individual|user"
    r"|customer|client|household|family|account|animal|store|shop|hospital|clinic|school|site"
    r"|station|sensor|device|machine|vehicle|driver|player|session)s?"
    r"([^a-z]*(id|nr|no|num|number|code|name|key))?)",
    re.IGNORECASE,
)
CAMEL_ID = re.compile(r"[a-z](Id|ID)$")
CODE = re.compile(r"(\D+)\d+")  # such as P017
N_COMPARED = 200  # held-out rows
MAX_PARTNERS = 2**14  # rows that each is compared with
BEYOND_CHANCE = 5.0  # natural logarithm of how much rarer a match is than one in all the rows
TEMPERS = np.array([0.5, 0.75, 1.0])
AGREED = 0.4  # share of what is rare in a row
N_RANKED = 1000  # rows by whose ranks columns are compared
SAME = 0.99  # correlation of ranks
DUPLICATES = 0.2  # share of the held-out rows that have a match
WIDTH = 0.02  # of what counts as one number, in standard deviations, of a measure


@dataclass(frozen=True, eq=False)
class _Column:
    """Codes of a column's entries in order of appearance, -1 where missing."""

    name: Any
    codes: np.ndarray
    entries: np.ndarray
    is_id_like: bool  # whole numbers or text

    @property
    def counts(self):
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.entries))


def warn_of_dependence(X, dates, index, split):
    """Warn once where a sign says that rows are not independent.

    Parameters
    ----------
    X : Features
    dates : dict of {int: str}
        Columns of dates, and the zone of each.
    index : Index or None
        Of X, where it is a table.
    split : (ndarray, ndarray)
        Rows to train on, and held-out rows.
    """
    if len(X) < LEAST_ROWS or sparse.issparse(X.numbers) or X.numbers.ndim > 2:
        return
    found = _sorted_dates(X, dates, index)
    columns = [] if found else _columns_of(X)
    if columns:
        found = _repeating_id(columns) or _near_duplicates(columns, *split)
    if found:
        (sign, remedy), share = found, len(split[1]) / len(X)
        warn(
            f"Rows are held out at random, as if they were independent, but {sign}. Early "
            "stopping, calibration, intervals and whatever else is learned from held-out rows may "
            f"then promise too much for new rows. {remedy} If rows are independent all the same, "
            f"validation=ShuffleSplit(1, test_size={share:.2g}) holds out as many without this "
            "warning."
        )


# --------------------------------------------------------------------------- dates
def _sorted_dates(X, dates, index):
    """Dates by which the rows are sorted, the first ones at least."""
    found = {f"column {X.name(p)!r} of X": as_seconds(X, p, zone)[0] for p, zone in dates.items()}
    if isinstance(index, (pd.DatetimeIndex, pd.PeriodIndex)):
        found["the index of X"] = index.asi8.astype(np.float64)
    for name, times in found.items():
        steps = np.diff(times[~np.isnan(times)])
        n_dates = 1 + np.count_nonzero(steps)
        if n_dates >= LEAST_DATES and ((steps >= 0).all() or (steps <= 0).all()):
            return (
                f"{name} holds dates by which the rows are sorted",
                "To predict later rows, hold out the last ones: validation=TimeSeriesSplit(), of "
                "sklearn.model_selection.",
            )
    return None


# ----------------------------------------------------------------------------- ids
def _columns_of(X):
    columns = []
    for position in sorted({*X.positions, *X.others})[:MAX_COLUMNS]:
        column = X.column(position)
        if isinstance(column, Distinct):
            part = column.take(slice(MAX_ROWS))
            columns.append(_Column(X.name(position), part.codes, part.values, True))
            continue
        column = np.asarray(column)[:MAX_ROWS]
        codes, entries = pd.factorize(column)
        whole = column.dtype.kind in "iuf" and bool((entries % 1 == 0).all())
        columns.append(_Column(X.name(position), codes, np.asarray(entries), whole))
    return [column for column in columns if len(column.entries) > 1]


def _repeating_id(columns):
    """A column that looks like the id of what several rows are of."""
    for column in columns:
        counts, n_rows = column.counts, len(column.codes)
        repeated = counts[counts > 1].sum()
        if (
            not column.is_id_like
            or not LEAST_IDS <= len(counts) <= n_rows / 2
            or repeated < REPEATED * n_rows
        ):
            continue
        if _is_named_so(column) or _is_coded(column) or _is_adjacent(column, columns):
            name = column.name
            entries = f"X[{name!r}]" if isinstance(name, str) else f"X[:, {name}]"
            return (
                f"column {name!r} of X looks like an id that repeats ({len(counts)} entries in "
                f"{n_rows} rows)",
                f"To predict for new ones, hold out whole ones: fit(X, y, groups={entries}), or "
                "a splitter that reads groups in validation.",
            )
    return None


def _is_named_so(column):
    name = column.name
    return isinstance(name, str) and bool(NAMES_OF_IDS.fullmatch(name) or CAMEL_ID.search(name))


def _is_coded(column):
    """Whether all entries are numbers behind the same letters."""
    if not isinstance(column.entries[0], str):
        return False
    found = [CODE.fullmatch(entry) if isinstance(entry, str) else None for entry in column.entries]
    return all(found) and len({match[1] for match in found}) == 1  # type: ignore[index]


def _is_adjacent(column, columns):
    """Whether the rows of each entry stand together, and not only since the table is sorted by it.

    In a sorted table ids have equally many rows each, or there is another column that they decide:
    the same in all rows of an entry, and different between them.
    """
    codes, n = column.codes, len(column.entries)
    if 1 + np.count_nonzero(np.diff(codes)) > ADJACENT * n:
        return False
    if not _are_sorted(column.entries) or np.ptp(column.counts) == 0:
        return True
    others = [other for other in columns if other is not column and len(other.entries) >= n / 2]
    pairs = (codes.astype(np.int64) * (len(other.entries) + 1) + other.codes for other in others)
    return any(len(np.unique(pair)) <= n for pair in pairs)


def _are_sorted(entries):
    """Whether entries mostly rise, or mostly fall, from one to the next."""
    try:
        rising = np.mean(entries[1:] > entries[:-1])
    except TypeError:  # numbers beside text
        return False
    return not SORTED < rising < 1 - SORTED


# ---------------------------------------------------------------------- duplicates
def _near_duplicates(columns, train, held_out):
    """A row to train on that a held-out row agrees with in more than chance would have it.

    Were columns independent, a row would agree with a given one in column j with the share p_j of
    its entry. The sum S of -log p_j over the columns in which two rows agree exceeds s by chance
    with a probability of at most exp(-t s) prod_j (1 + p_j^(1 - t)), for any t up to 1 (Chernoff).
    Columns may depend on each other: common entries do not count, and rows must agree in much of
    what is rare in one.
    """
    n_rows = len(columns[0].codes)
    rng = np.random.default_rng(0)
    train, held_out = train[train < n_rows], held_out[held_out < n_rows]
    some = rng.permutation(held_out)[:N_COMPARED]
    partners = np.sort(rng.permutation(train)[:MAX_PARTNERS])
    if not len(some) or not len(partners):
        return None
    agreement = np.zeros((len(some), len(partners)), np.float32)
    whole, by_chance = np.zeros(len(some)), np.zeros((len(TEMPERS), len(some)))
    for column in _different(columns):
        codes, rarity = _rarity(column, n_rows)
        codes, among, rarity = codes[some], codes[partners], rarity[some]
        whole += rarity
        by_chance += np.where(rarity > 0, np.log1p(np.exp(-np.outer(1 - TEMPERS, rarity))), 0)
        order = np.argsort(among, kind="stable")
        bounds = np.searchsorted(among[order], [codes, codes + 1]).T
        for i, (start, end) in enumerate(bounds):
            if rarity[i]:
                agreement[i, order[start:end]] += rarity[i]
    beyond = (np.log(n_rows) + BEYOND_CHANCE + by_chance) / TEMPERS[:, None]
    matched = agreement.max(axis=1) > np.maximum(beyond.min(axis=0), AGREED * whole)
    if np.mean(matched) < DUPLICATES:
        return None
    return (
        f"{np.mean(matched):.0%} of the held-out rows have a near-duplicate among the rows to "
        "train on, equal or nearly so in entries that are rare",
        "If such rows have one origin, as visits of one patient have, name it for each row: "
        "fit(X, y, groups=...), or a splitter in validation.",
    )


def _different(columns):
    """Columns without those that order the rows as another does: a match would count twice."""
    codes = [column.codes[:N_RANKED] for column in columns]
    numbers = [
        np.where(c < 0, -np.inf, column.entries[c]) if column.entries.dtype.kind in "iuf" else c
        for column, c in zip(columns, codes, strict=True)
    ]
    ranks = pd.DataFrame(dict(enumerate(numbers))).rank()
    with np.errstate(invalid="ignore", divide="ignore"):
        alike = np.abs(np.corrcoef(ranks.to_numpy(), rowvar=False).reshape(len(columns), -1)) > SAME
    return [column for i, column in enumerate(columns) if not alike[i, :i].any()]


def _rarity(column, n_rows):
    """Codes of what counts as equal, and how rare each row's is: -log(share), 0 of common ones."""
    codes, entries = column.codes, column.entries
    is_measure = entries.dtype.kind == "f" and len(entries) > n_rows / 2
    if is_measure:  # which repeats only by rounding
        low, high = np.quantile(entries, [0.1, 0.9])
        width = min(WIDTH, 1.2 / np.sqrt(n_rows)) * (high - low) / 2.56
        if width > 0:
            bins = pd.factorize(np.floor(entries / width))[0]
            codes = np.where(codes < 0, -1, bins[codes])
    counts = np.bincount(codes[codes >= 0], minlength=1)
    share = np.where(codes < 0, n_rows, counts[codes]) / n_rows
    return codes, np.where(share <= max(np.sqrt(n_rows), 2) / n_rows, -np.log(share), 0.0)
