"""What every kind of output answers; the kinds of a value head are one file each.

A head ends in an *output*: plain frozen data that holds all that is special to it. The network
gives a head's answer in *parts*, each the output of a named layer; the first part is the number,
or the probabilities of the labels. In training the parts of a head lie side by side in one
array, and its targets in another: how they are laid out is a matter of the output alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np

from skjoint._network.graph import Dense, Scaled
from skjoint._network.original import absolute_error
from skjoint._network.start import constants_of, scaled_start

LEAST_PROBA = 1e-30  # what float32 can take the logarithm of
OUTPUTS: dict[str, type[Output]] = {}  # by name


def register(cls):
    """Add a kind of output, or put another in the place of the one of this name; returns it."""
    OUTPUTS[cls.name] = cls
    return cls


def names_of_losses():
    """Names of ``value_loss`` that ask for an output of their own."""
    return [name for cls in OUTPUTS.values() if (name := getattr(cls, "value_loss", None))]


class Request(NamedTuple):
    """What the parameters ask of the value heads, for an output to refuse what it cannot do."""

    value_loss: object
    value_activation: object
    head_link: str | None
    balancing: str | None
    widths: dict[str, int]  # numbers under each value head, by its name
    class_names: list[str]


@dataclass(frozen=True)
class Output(ABC):
    """What a head ends in.

    Parameters
    ----------
    n_units : int
        Numbers of a value head, labels of a class head.
    activation : str or callable
        Of the layer that gives the first part.
    """

    n_units: int
    activation: object

    name: ClassVar[str]  # in files
    target: ClassVar[str]  # "value" or "class"
    metric: ClassVar[str]  # in the logs
    first_part: ClassVar[str]
    monitor: ClassVar[str] = "loss"  # the held-out log that stops a head by itself
    is_likelihood: ClassVar[bool] = False  # whether its loss may be negative
    needs_classes: ClassVar[bool] = False  # whether its layers read the class probabilities
    deviation_parts: ClassVar[tuple[str, ...]] = ()  # of the standard deviation; () without one

    # ------------------------------------------------------------------ layers
    def parts(self, head: str) -> dict[str, str]:
        """Names of the layers by part, the number or the probabilities first."""
        return {self.first_part: head}

    def layers(self, head, inputs, n_inputs, gate=None):
        """Layers above the features, each after those it reads.

        Parameters
        ----------
        head : str
            Name of the head, and of the layer of its first part.
        inputs : tuple of str
            Names of the layers to read.
        n_inputs : int
            Units of these together.
        gate : Head, default=None
            The first class head; only with ``needs_classes``.
        """
        return [self.dense(head, head, inputs, n_inputs)]

    def dense(self, name, head, inputs, n_inputs, **changes):
        """A dense layer of the head, by default that of its first part."""
        settings = {"n_units": self.n_units, "activation": self.activation, **changes}
        return Dense(name, inputs, n_inputs, branch=head, is_output=True, **settings)

    def given_weights(self, head, numbers, known, scale=1.0):
        """Weights that are not drawn, by name of layer.

        Parameters
        ----------
        head : str
        numbers : ndarray of shape (n_labelled, n_units)
            Scaled numbers to train on.
        known : None or (marks, numbers)
            Of the labels that decide the number alone, (n_classes, 1) and (n_classes, n_units).
        scale : float or ndarray of shape (n_units,)
            Of the numbers: what they were divided by.
        """
        return {}

    def read_part(self, head):
        """Name of the layer that other heads read."""
        return head

    # ---------------------------------------------------------------- training
    def training_targets(self, head, targets, codes, weights_of):
        """Targets as the loss reads them, from the encoded ones.

        Parameters
        ----------
        head : str
        targets : ndarray
            Scaled numbers (n_samples, n_units), or codes (n_samples,).
        codes : ndarray of shape (n_samples,)
            Codes of the first class target's labels, -1 where there is none. Rows that are held
            out have -1 throughout: what is compared there is the number alone.
        weights_of : callable
            Arrays of a layer, by its name, that the network starts from.
        """
        return targets

    @abstractmethod
    def loss(self, identifier):
        """The Keras loss of rows, on training targets and all parts side by side."""

    @abstractmethod
    def row_metric(self, targets, outputs, units):
        """The metric of each row, as Keras tensors; numbers in original units by ``units``."""

    @abstractmethod
    def constants(self, targets, weights) -> Iterable[np.ndarray]:
        """Candidates for the best constant prediction, all parts side by side."""

    def relative_loss(self, loss, reference, by_difference=False):
        """A loss beside that of the best constant prediction: 1 where nothing was learned."""
        if self.is_likelihood or by_difference:
            return 1 + loss - reference
        return loss / reference

    # -------------------------------------------------------------- prediction
    def combine(self, parts, math):
        """Parts of an ensemble from those of its members: a dict of one tensor from lists.

        ``math`` does the arithmetic on NumPy arrays or on tensors of an ONNX graph, so that
        one formula serves both.
        """
        return {part: math.mean(members) for part, members in parts.items()}


@dataclass(frozen=True)
class ValueOutput(Output):
    """What a value head ends in; a kind of its own is a subclass that :func:`register` takes.

    A kind is chosen by the ``value_loss`` or the ``head_link`` that it names.

    Parameters
    ----------
    is_scaled : bool
        Whether the activation is that of a standardised number in other units, in which training
        starts from the mean: :class:`skjoint._network.graph.Scaled`.
    """

    is_scaled: bool = field(default=False, kw_only=True)

    target: ClassVar[str] = "value"
    metric: ClassVar[str] = "mae"
    first_part: ClassVar[str] = "number"
    number_part: ClassVar[str] = "number"  # whose layer has the value activation
    value_loss: ClassVar[str | None] = None
    head_link: ClassVar[str | None] = None
    # Where a label alone decides the number, whether that enters through the network's weights.
    uses_known_values: ClassVar[bool] = False
    class_parts: ClassVar[tuple[str, ...]] = ()  # of numbers given the class; () without any

    @classmethod
    def create(cls, n_units, activation, n_classes):
        """The output for so many numbers; ``n_classes`` of the first class target, or None."""
        return cls(n_units, activation)

    # ------------------------------------------------------------------ layers
    @property
    def n_numbers(self):
        """Units of the layer that has the value activation."""
        return self.n_units

    def layers(self, head, inputs, n_inputs, gate=None):
        name = self.parts(head)[self.number_part]
        if not self.is_scaled:
            return [self.dense(name, head, inputs, n_inputs, n_units=self.n_numbers)]
        below, n = standard_name(name), self.n_numbers
        return [
            self.dense(below, head, inputs, n_inputs, n_units=n, activation="linear"),
            Scaled(name, (below,), n, self.activation, head),
        ]

    def read_part(self, head):
        name = self.parts(head)[self.number_part]
        return standard_name(name) if self.is_scaled else name

    def given_weights(self, head, numbers, known, scale=1.0):
        if not self.is_scaled or not len(numbers):
            return {}
        times = self.n_numbers // self.n_units
        start = scaled_start(self.activation, numbers, np.broadcast_to(scale, self.n_units))
        return {self.parts(head)[self.number_part]: [np.tile(w, times) for w in start]}

    def idle_layers(self, head, numbers):
        """Names of the layers that start from 0, since the number is a constant."""
        name = self.read_part(head)
        return [name] if constants_of(numbers).all() else []

    @classmethod
    def refusals(cls, request):
        """Pairs of what does not go together, as a boolean, and the message that says so."""
        return []

    @classmethod
    def number_loss(cls, value_loss):
        """The ``value_loss`` by which numbers alone are compared."""
        return value_loss

    def takes_means(self, loss):
        """Whether its number of least loss is the mean, so that models beside may share in it."""
        return False

    def numbers(self, columns):
        """The numbers among training targets or parts side by side: they come first."""
        return columns[:, : self.n_units]

    def row_metric(self, targets, outputs, units):
        from skjoint._support.keras_import import import_keras

        error = absolute_error(self.numbers(targets), self.numbers(outputs), units)
        return import_keras().ops.mean(error, axis=-1)

    def constants(self, targets, weights):
        numbers = self.numbers(targets)
        labelled = weights > 0
        return [np.average(numbers, axis=0, weights=weights), np.median(numbers[labelled], axis=0)]

    def deviation(self, parts, math):
        """Standard deviation of the number, in scaled units, from its ``deviation_parts``.

        That of an ensemble is of the mixture of its members' distributions: ``combine`` adds the
        variance of their numbers, as intervals take it to do.
        """
        raise TypeError(f"A {self.name} output has no standard deviation.")

    def number_by_class(self, parts, codes):
        """The number if each row were of the class of its code, from its ``class_parts``."""
        raise TypeError(f"A {self.name} output has no number for each class.")


def standard_name(name):
    """Name of the layer with the standardised number that a scaled activation reads."""
    return f"{name}/standardised"
