"""From outputs of the heads to one number and one label per target.

Where a label is cut from the number, its probabilities are a distribution
over the number: its mean and median are numbers, too, and the number has a
label.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from skjoint._data.class_bins import codes_of_numbers
from skjoint._data.targets import Targets
from skjoint._network.outputs import Output
from skjoint._prediction.numpy_math import NumPyMath

OF_LABELS = ("mean", "median", "blend")  # that a label's probabilities take part in
VALUE_FROM = ("head", *OF_LABELS, "smearing")
CLASS_FROM = ("head", "value")
SHARES = [i / 20 for i in range(21)]  # of the value head in a blend


@dataclass(frozen=True)
class Decoding:
    """How outputs of the network become numbers in original units and labels.

    Outputs are in a dict: of head i at ``i``, another part of it at ``(i, part)``.

    Parameters
    ----------
    targets : Targets
    outputs : tuple of Output
        Of the heads, values first.
    value_from : {"head", "mean", "median", "blend", "smearing"}
    class_from : {"head", "value"}
    blends : dict
        By index of a value whose label is cut from it: what the head is blended with, and the
        share of the head.
    thresholds : tuple of float or None
        Of each class target, or none at all: the probability of the second of two labels from
        which on it is the answer; None for the most probable label.
    residuals : dict
        By index of a value: residuals of its transformed numbers and their shares, (2, k, width),
        in standard deviations where the head has one.
    """

    targets: Targets
    outputs: tuple[Output, ...]
    value_from: str = "head"
    class_from: str = "head"
    blends: dict = field(default_factory=dict)
    thresholds: tuple[float | None, ...] = ()
    residuals: dict = field(default_factory=dict)

    def needs(self, kind=None):
        """Indices of the outputs from which "value", "class", "proba" or all are made."""
        n_values, n_outputs = len(self.targets.values), len(self.targets.outputs)
        values, classes = list(range(n_values)), list(range(n_values, n_outputs))
        if kind == "value":
            return values + [i for i in classes if self._shapes_a_value(i) or self.class_parts]
        if kind == "proba" or (kind == "class" and self.class_from == "head"):
            return classes
        return values + classes

    def _shapes_a_value(self, i):
        from_class = self.value_from in OF_LABELS and self.targets.outputs[i].source is not None
        return from_class or self.class_decides

    @property
    def class_decides(self):
        """Whether a number follows the predicted class where this has a known one."""
        return bool(self.targets.known_values) and not self.targets.known_in_network

    @property
    def _value_outputs(self):
        return self.outputs[: len(self.targets.values)]

    @property
    def number_parts(self):
        """What numbers are made from beside the first parts of their heads."""
        more = self.deviation_parts if self.value_from == "smearing" else []
        return [*self.class_parts, *more]

    @property
    def deviation_parts(self):
        """What :meth:`deviations` reads beside the numbers: pairs of index and part."""
        pairs = enumerate(self._value_outputs)
        return [(i, part) for i, output in pairs for part in output.deviation_parts]

    @property
    def class_parts(self):
        """What numbers by class are made from, which a mixture takes the mean of."""
        pairs = enumerate(self._value_outputs)
        return [(i, part) for i, output in pairs for part in output.class_parts]

    def decode(self, outputs, kind=None):
        """Numbers and labels by output index, from the outputs that :meth:`needs` names.

        Class outputs are probabilities, or the codes of the most probable labels.
        """
        n_values = len(self.targets.values)
        numbers = {}
        if kind != "class" or self.class_from == "value":
            numbers = {i: self._number(i, outputs) for i in range(n_values)}
        if kind == "value":
            return numbers
        labels = {}
        for i, target in enumerate(self.targets.classes, start=n_values):
            if self.class_from == "value" and target.source is not None:
                number = numbers[target.source]
                labels[i] = target.classes[codes_of_numbers(number, target.classes, target.edges)]
            else:
                labels[i] = target.classes[self._codes(i, outputs)]
        return labels if kind == "class" else {**numbers, **labels}

    def head_number(self, i, outputs):
        """The number of value head i, of a mixture ``sum_c p(c) E[number | c]``.

        The probabilities are those that are answered, of all members and companions and at
        their temperature.
        """
        if not self.outputs[i].class_parts:
            return self.targets.values[i].decode(outputs[i])
        proba = outputs[len(self.targets.values)].astype(np.float64)
        mean: np.ndarray | float = 0.0
        for code in range(proba.shape[1]):
            number = self.number_given(i, outputs, np.full(len(proba), code))
            share = proba[:, code] if number.ndim == 1 else proba[:, code, None]
            mean = mean + share * number
        return mean

    def number_given(self, i, outputs, codes):
        """The number of value head i if each row were of the class of its code."""
        output, number = self.outputs[i], outputs[i]
        if output.class_parts:
            parts = {part: outputs[i, part] for part in output.class_parts}
            number = output.number_by_class(parts, codes)
        number = self.targets.values[i].decode(number)
        self.put_known(number, codes)
        return number

    def _number(self, i, outputs):
        smears = self.value_from == "smearing"
        number = self._smeared(i, outputs) if smears else self.head_number(i, outputs)
        by_class = self.distribution_of(i)
        if by_class is not None and self.value_from in OF_LABELS:
            proba, target = outputs[by_class], self.targets.outputs[by_class]
            if self.value_from == "blend":
                summary, share = self.blends[i]
                number = share * number + (1 - share) * summarise(summary, proba, target)
            else:
                number = summarise(self.value_from, proba, target)
        if self.class_decides:
            self.put_known(number, self._codes(len(self.targets.values), outputs))
        return number

    def _smeared(self, i, outputs):
        r"""The mean of the number whose transform T the head predicts (Duan 1983).

        :math:`\sum_k w_k T^{-1}(f(x) + s(x) r_k)` over residuals r, with the standard deviation s
        of a head that has one.
        """
        target, (residuals, shares) = self.targets.values[i], self.residuals[i]
        if target.n_units == 1:
            residuals, shares = residuals[:, 0], shares[:, 0]
        deviation = self.transformed_deviations(outputs).get(i, 1.0)
        steps = (deviation * residual for residual in residuals)
        return target.mean_back(target.transformed(outputs[i]), steps, shares)

    def deviations(self, outputs):
        """Standard deviations in original units by index, of the heads that have one.

        They are 0 where a label decides the number.
        """
        scaled = self._scaled_deviations(outputs)
        found = {i: self.targets.values[i].decode_deviation(s, outputs[i]) for i, s in scaled}
        if found and self.class_decides:
            codes = self._codes(len(self.targets.values), outputs)
            for deviation in found.values():
                deviation[np.isin(codes, list(self.targets.known_values))] = 0
        return found

    def transformed_deviations(self, outputs):
        """Standard deviations of transformed numbers by index, whatever a label decides."""
        scaled = self._scaled_deviations(outputs)
        return {i: self.targets.values[i].transformed_deviation(s) for i, s in scaled}

    def _scaled_deviations(self, outputs):
        """Pairs of index and what the head gives, (n, width)."""
        for i, output in enumerate(self._value_outputs):
            if output.deviation_parts and (i, output.deviation_parts[0]) in outputs:
                parts = {part: outputs[i, part] for part in output.deviation_parts}
                yield i, output.deviation(parts, NumPyMath)

    def _codes(self, i, outputs):
        """Codes of the labels of class output i, from probabilities or as they are."""
        output, threshold = outputs[i], self.threshold_of(i)
        if output.ndim == 1:
            return output
        return output.argmax(axis=1) if threshold is None else 1 * (output[:, 1] >= threshold)

    def threshold_of(self, i):
        """The threshold of class output i, or None."""
        return self.thresholds[i - len(self.targets.values)] if self.thresholds else None

    def distribution_of(self, i):
        """Index of the class output that is a distribution over value i, or None."""
        n_values = len(self.targets.values)
        found = (j for j, t in enumerate(self.targets.classes, n_values) if t.source == i)
        return next(found, None)

    def put_known(self, values, codes):
        """Write the numbers that the classes of these codes have, in place."""
        for code, number in self.targets.known_values.items():
            values[codes == code] = number

    def of_intervals(self):
        """That of the numbers that intervals lie around: smeared ones are off the middle."""
        return replace(self, value_from="head") if self.value_from == "smearing" else self

    def check(self):
        """Raise unless there is a label cut from the number where one is asked for."""
        asked = [("value_from", self.value_from), ("class_from", self.class_from)]
        for (name, source), known in zip(asked, (VALUE_FROM, CLASS_FROM), strict=True):
            if source not in known:
                raise ValueError(f"{name} must be one of {known}. Got {source!r} instead.")
        alone = ("head", "smearing")
        linked = [f"{name}={source!r}" for name, source in asked if source not in alone]
        if linked and all(target.source is None for target in self.targets.classes):
            raise ValueError(
                f"{' and '.join(linked)} needs a label that is cut from the number: a y of one "
                "column, or class_bins on a column that is the value, too. Use 'head'."
            )


def without_auto(value_from, blends):
    """What ``value_from`` stands for, given the blends that held-out rows have chosen."""
    if value_from == "auto":
        return "blend" if blends else "head"
    return value_from


def summarise(name, proba, target):
    """Mean or median of the number under the probabilities of its labels."""
    proba = proba.astype(np.float64)
    # Running sums have one order of adding up, so that a row does not depend on its batch.
    below = np.cumsum(proba, axis=1)
    total = below[:, -1]
    if name == "mean":
        return np.cumsum(proba * target.centres, axis=1)[:, -1] / total
    middle = (below < 0.5 * total[:, None]).sum(axis=1)
    if target.edges is None:
        return target.centres[middle]
    # The median lies inside a band, where half of the probability lies below by the band's own
    # training numbers.
    rows = np.arange(len(proba))
    share = 1 - (below[rows, middle] - 0.5 * total) / proba[rows, middle]
    quantiles = target.quantiles[middle]
    place = share * (quantiles.shape[1] - 1)
    left = np.minimum(place.astype(int), quantiles.shape[1] - 2)
    low, high = quantiles[rows, left], quantiles[rows, left + 1]
    return low + (place - left) * (high - low)


def choose_blend(head, proba, target, loss):
    """The blend of least loss on validation rows: (summary, share of the head).

    ``loss`` takes numbers in original units and gives their mean loss.
    """
    candidates = [
        (loss(share * head + (1 - share) * numbers), summary, share)
        for summary in ("mean", "median")
        for numbers in [summarise(summary, proba, target)]
        for share in SHARES
    ]
    _, summary, share = min(candidates)
    return summary, share
