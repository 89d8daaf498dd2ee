"""Layers of the network as plain data: what each reads, its size, the shapes of its weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skjoint._data.code_units import EMBEDDING_WIDTH, is_embedded, units_of

INPUT = "input"  # name under which layers read encoded X


@dataclass(frozen=True)
class Dense:
    """One dense layer: ``activation(concatenated inputs @ kernel + bias)``."""

    name: str
    inputs: tuple[str, ...]  # names of the layers it reads
    n_inputs: int
    n_units: int
    activation: object
    branch: str | None = None  # the head it belongs to; None for the trunk
    is_output: bool = False
    is_fixed: bool = False  # its weights are given and stay

    @property
    def n_parameters(self):
        return 0 if self.is_fixed else (self.n_inputs + 1) * self.n_units

    @property
    def shapes(self):
        return [(self.n_inputs, self.n_units), (self.n_units,)]


@dataclass(frozen=True)
class Embedding:
    """Settings of a :class:`Periodic` layer: how each of the first columns becomes several."""

    n_columns: int
    n_frequencies: int = 8
    n_units: int = 7


@dataclass(frozen=True)
class Categories:
    """One-hot units of small categories and learned embeddings of large ones.

    The last columns of encoded X hold codes of categories; the columns before them pass through.
    Code 0 stands for what fit has not met: its one-hot units are all 0. All embeddings are rows
    of one table, those of one column behind those of the other.

    Parameters
    ----------
    name : str
    n_inputs : int
    n_codes : tuple of int
        Number of codes of each of the last columns, code 0 included.
    """

    name: str
    n_inputs: int
    n_codes: tuple[int, ...]

    inputs = (INPUT,)
    activation = "embedding"
    branch = None
    is_output = False

    @property
    def n_columns(self):
        """Columns before those of codes."""
        return self.n_inputs - len(self.n_codes)

    @property
    def one_hot(self):
        """Column of codes and code of every one-hot unit: two arrays."""
        small = [(i, n) for i, n in enumerate(self.n_codes) if not is_embedded(n)]
        units = [(i, code) for i, n in small for code in range(1, n)]
        columns, codes = np.array(units, dtype=np.int32).reshape(-1, 2).T
        return columns, codes

    @property
    def embedded(self):
        """Columns of codes that are embedded, and the row of the table of each code 0."""
        columns = [i for i, n in enumerate(self.n_codes) if is_embedded(n)]
        sizes = [self.n_codes[i] for i in columns]
        starts = np.cumsum([0, *sizes])[:-1]
        return np.array(columns, dtype=np.int32), starts.astype(np.int32)

    @property
    def n_units(self):
        return self.n_columns + sum(units_of(n) for n in self.n_codes)

    @property
    def n_parameters(self):
        return sum(int(np.prod(shape)) for shape in self.shapes)

    @property
    def shapes(self):
        n_rows = sum(n for n in self.n_codes if is_embedded(n))
        return [(n_rows, EMBEDDING_WIDTH)] if n_rows else []


@dataclass(frozen=True)
class Periodic:
    """Numbers beside linear maps of their cosines; other columns follow unchanged."""

    name: str
    inputs: tuple[str]
    n_inputs: int
    embedding: Embedding

    activation = "periodic"
    branch = None
    is_output = False

    @property
    def n_units(self):
        return self.n_inputs + self.embedding.n_columns * self.embedding.n_units

    @property
    def n_parameters(self):
        return sum(int(np.prod(shape)) for shape in self.shapes)

    @property
    def shapes(self):
        """Of frequencies and phases, and of the maps with their bias in the last row."""
        n, m, u = self.embedding.n_columns, self.embedding.n_frequencies, self.embedding.n_units
        return [(2, n, m), (n, m + 1, u)]


@dataclass(frozen=True)
class Scaled:
    """``outer * activation(inner * inputs + start) + offset``, unit by unit.

    Its weights are given and stay: ``[inner, start]`` and ``[outer, offset]``. What it reads is
    a standardised number, whatever the activation makes of it.
    """

    name: str
    inputs: tuple[str]
    n_units: int
    activation: object
    branch: str

    is_output = True
    n_parameters = 0

    @property
    def n_inputs(self):
        return self.n_units

    @property
    def shapes(self):
        return [(2, self.n_units), (2, self.n_units)]


@dataclass(frozen=True)
class MeanOverClasses:
    """The mean of one number per class under the class probabilities.

    Its weights are constants: a mark for each class whose number is known, and that number.
    """

    name: str
    inputs: tuple[str, str]  # numbers by class, class probabilities
    n_classes: int
    n_units: int
    branch: str

    activation = "mean over classes"
    is_output = True
    n_parameters = 0

    @property
    def shapes(self):
        return [(self.n_classes, 1), (self.n_classes, self.n_units)]
