"""Layers of the network as plain data: what each reads, its size, the shapes of its weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
class Periodic:
    """Numbers beside linear maps of their cosines; other columns follow unchanged."""

    name: str
    n_inputs: int
    embedding: Embedding

    inputs = (INPUT,)
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
