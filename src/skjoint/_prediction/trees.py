"""Prediction from decision trees that are kept as arrays: random forests and boosted trees."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import softmax

from skjoint._prediction.blocks import in_chunks

TREES_CHUNK = 2**13  # rows at once
PENDING = 2**14  # rows times trees at once: their nodes stay near the processor
# The kind of companion by the link of its trees.
KIND_OF_LINK = {"mean": "forest", "sum": "boosting", "softmax": "boosting"}


@dataclass(frozen=True, eq=False)
class Trees:
    """Trees of one head as arrays, one tree behind the other.

    A row goes from node i to ``children[i, 0]`` where ``x[feature[i]] <= threshold[i]``, else to
    ``children[i, 1]``. A leaf is its own child; ``leaf`` is its row in ``values``.

    Categories are codes in a column: whole numbers from 0. A column may be read through a table
    that has a number for each code, and a node may test whether a code is in a set.

    Parameters
    ----------
    head : str
    n_units : int
    columns : ndarray of int
        Columns of encoded X that the trees read.
    roots : ndarray of int, shape (n_trees,)
    children : ndarray of int, shape (n_nodes, 2)
    feature : ndarray of int, shape (n_nodes,)
        Index into ``columns``.
    threshold : ndarray of float, shape (n_nodes,)
    leaf : ndarray of int, shape (n_nodes,)
    values : ndarray of float, shape (n_leaves, n_units)
        Numbers in scaled units, or shares of labels; scores of labels if ``link`` is "softmax".
    link : {"mean", "sum", "softmax"}, default="mean"
        Of the values that a row reaches in all trees: their mean, their sum, or the softmax of
        their sum.
    tables : ndarray of float, shape (n_entries,), default=None
        Tables of numbers, one behind the other. Without any it is None.
    starts : ndarray of int, default=None
        For each of the last columns, which are read through a table, its first entry.
    sets : ndarray of uint8, shape (n_sets, n_bytes), default=None
        Sets of codes, eight bits to a byte and the lowest first. Without any it is None.
    set_of : ndarray of int, shape (n_nodes,), default=None
        Set that a node tests: rows go to ``children[i, 0]`` where it has their code. -1 for a
        node with a threshold.
    """

    head: str
    n_units: int
    columns: np.ndarray
    roots: np.ndarray
    children: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    leaf: np.ndarray
    values: np.ndarray
    link: str = "mean"
    tables: np.ndarray | None = None
    starts: np.ndarray | None = None
    sets: np.ndarray | None = None
    set_of: np.ndarray | None = None

    def __post_init__(self):
        # Arrays may be those of a damaged file: no index may leave them, no path may be a circle.
        n_nodes = len(self.children)
        limits = (  # of indices
            (self.columns, np.inf),
            (self.roots, n_nodes),
            (self.children, n_nodes),
            (self.feature, len(self.columns)),
            (self.leaf, len(self.values)),
        )
        if not (
            all(array.dtype.kind == "i" and array.size for array, _ in limits)
            and all(array.min() >= 0 and array.max() < end for array, end in limits)
            and all(array.dtype.kind == "f" for array in (self.threshold, self.values))
            and self.columns.ndim == self.roots.ndim == 1
            and self.children.shape == (n_nodes, 2)
            and all(a.shape == (n_nodes,) for a in (self.feature, self.threshold, self.leaf))
            and self._leads_on()
            and self._has_tables()
            and self._has_sets()
            and self.link in KIND_OF_LINK
            and isinstance(self.head, str)
            and self.values.shape[1:] == (self.n_units,)
        ):
            raise ValueError("these arrays are no trees")

    def _leads_on(self):
        """Whether each node is its own child, twice, or comes before its children."""
        own = np.arange(len(self.children))[:, None]
        return ((self.children > own).all(axis=1) | (self.children == own).all(axis=1)).all()

    def _has_tables(self):
        tables, starts = self.tables, self.starts
        if tables is None or starts is None:
            return tables is starts
        return (
            tables.ndim == starts.ndim == 1
            and tables.dtype.kind == "f"
            and np.isfinite(tables).all()
            and starts.dtype.kind == "i"
            and 0 < len(starts) <= len(self.columns)
            and starts.min() >= 0
            and starts.max() < len(tables)
        )

    def _has_sets(self):
        sets, set_of = self.sets, self.set_of
        if sets is None or set_of is None:
            return sets is set_of
        return (
            sets.ndim == 2
            and sets.dtype == np.uint8
            and sets.size > 0
            and set_of.dtype.kind == "i"
            and set_of.shape == self.leaf.shape
            and set_of.min() >= -1
            and set_of.max() < len(sets)
            and (self.threshold[set_of >= 0] == np.inf).all()
        )

    @property
    def kind(self):
        """Name of the companion that fits such trees."""
        return KIND_OF_LINK[self.link]

    @property
    def n_trees(self):
        return len(self.roots)

    def reads(self, n_inputs):
        """Whether it predicts from rows of so many columns."""
        return self.columns.max() < n_inputs

    def arrays(self):
        """Fields by name, from which ``Trees(**fields)`` is made again."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: value for name, value in fields.items() if value is not None}

    __getstate__ = arrays  # without what is cached

    def predict(self, X):
        """Output of the head, float64 (n_samples, n_units)."""

        def total(X):
            found = np.zeros((len(X), self.n_units))
            for leaf in self.leaves(X):  # in one order: a row does not depend on those beside it
                found += self.values.take(leaf, axis=0)
            return [found]

        (found,) = in_chunks(total, X, TREES_CHUNK)
        if self.link == "mean":
            found /= self.n_trees
        elif self.link == "softmax":
            found = softmax(found, axis=1)
        return found

    @cached_property
    def _steps(self):
        """Feature, threshold and children of every node, in the types that NumPy looks up by."""
        return self.feature.astype(np.intp), self.threshold, self.children.ravel().astype(np.intp)

    @cached_property
    def _tests(self):
        """Tests of sets: whether codes are outside of each, one behind the other; the first entry
        of every node, where a node with a threshold has a set with all codes; the columns whose
        codes are looked up; the number of codes."""
        if self.sets is None or self.set_of is None:
            return None, None, None, 0
        outside = ~self.unpacked_sets()
        n_codes, is_test = outside.shape[1], self.set_of >= 0
        outside = np.append(outside, np.zeros((1, n_codes), bool), axis=0)
        start = np.where(is_test, self.set_of, len(self.sets)).astype(np.intp) * n_codes
        return outside.ravel(), start, np.unique(self.feature[is_test]), n_codes

    def unpacked_sets(self):
        """Whether a set has a code: bool (n_sets, n_codes). There must be sets."""
        sets: np.ndarray = self.sets  # type: ignore[assignment]
        return np.unpackbits(sets, axis=1, bitorder="little").astype(bool)

    def _read(self, X):
        """What the rows have in the columns that nodes read, flat: numbers, and codes or None."""
        numbers, codes = X[:, self.columns], None
        if self.tables is not None and self.starts is not None:
            place = numbers[:, -len(self.starts) :].astype(np.intp) + self.starts
            numbers[:, -len(self.starts) :] = self.tables.take(place, mode="clip")
        if self.sets is not None:
            _, _, tested, n_codes = self._tests
            codes = np.zeros(numbers.shape, np.intp)
            codes[:, tested] = np.clip(numbers[:, tested], 0, n_codes - 1)
            codes = codes.ravel()
        return numbers.ravel(), codes

    def leaves(self, X):
        """Rows of ``values`` that the rows of X reach in each tree: (n_trees, n_samples)."""
        feature, threshold, children = self._steps
        outside, first, _, _ = self._tests
        n_samples, n_columns = len(X), len(self.columns)
        numbers, codes = self._read(X)
        # Few rows go through all trees at once, many through one tree, which stays in the cache.
        n_trees = max(1, PENDING // max(1, n_samples))
        reached = np.empty((self.n_trees, n_samples), np.intp)
        for start in range(0, self.n_trees, n_trees):
            found = reached[start : start + n_trees]
            node = np.repeat(self.roots[start : start + n_trees].astype(np.intp), n_samples)
            row = np.tile(np.arange(n_samples) * n_columns, len(found))
            place, n_steps = np.arange(len(node)), 0
            while len(node):
                entry = feature.take(node) + row
                goes_right = numbers.take(entry) > threshold.take(node)
                if codes is not None:
                    goes_right |= outside.take(first.take(node) + codes.take(entry))
                following = children.take(2 * node + goes_right)
                n_steps += 1
                if n_steps % 4 == 0:  # rows at their leaf are taken out
                    on = following != node
                    found.ravel()[place[~on]] = self.leaf.take(node[~on])
                    following, row, place = following[on], row[on], place[on]
                node = following
        return reached
