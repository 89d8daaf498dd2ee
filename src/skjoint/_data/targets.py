"""The one gate for y: from any of its forms to lists of arrays and masks.

Every target of y becomes one entry of a list, also when there is just one
value and one class. Two orders of these lists exist:

output order
    all values, then all classes: the order of the network's outputs;
predict order
    the order of y's columns (a column that serves as both gives its value
    first, then its class): the order of ``predict``'s columns and of a
    ``sample_weight`` with one column per target.

All other modules have to do with output order, arrays and masks only.

Which columns are what, when nothing is declared:

>>> import numpy as np, pandas as pd
>>> from skjoint._data.targets import Targets
>>> def describe(y, **declared):
...     return [(t.name, t.kind, t.positions) for t in Targets.learn(y, **declared).outputs]

One column of whole numbers is both the value and, each distinct number a
label, the class:

>>> describe(np.array([3, 5, 3, 9, 9, 5, 3, 3, 5, 5, 9, 3, 3, 9, 5]))
[('value', 'value', (0,)), ('class', 'class', (0,))]

In an array of two columns the first is the value, the second the class:

>>> describe(np.array([[0.5, 1], [1.5, 0], [2.5, 1]]))
[('value', 'value', (0,)), ('class', 'class', (1,))]

In a DataFrame (or a dict of columns) the dtypes decide:

>>> describe(pd.DataFrame({"stage": ["i", "ii", "i"], "days": [3.0, 9.5, 4.0]}))
[('value', 'value', (1,)), ('class', 'class', (0,))]

With several targets of one kind the names carry the column:

>>> y = pd.DataFrame({"w": [3.0, 9.5], "h": [1, 2], "sex": ["f", "m"]})
>>> [name for name, _, _ in describe(y)]
['value_w', 'value_h', 'class_sex']
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
import pandas as pd

from skjoint._data.class_bins import numbers_in_bands
from skjoint._data.entries import LARGEST
from skjoint._data.exact import columns_of, common_dtype, is_exact, places
from skjoint._data.labels import known_codes, known_values, labels_of
from skjoint._data.layout import by_target, classes_by_target, layout
from skjoint._data.learning import NumberRule, learn_labels, learn_scale
from skjoint._data.read_y import read_table
from skjoint._data.sample_weight import check_class_weight, class_weights, normalise
from skjoint._data.target_names import target_names, weight_columns
from skjoint._data.value_transform import (
    OwnTransform,
    ValueTransform,
    check_numbers,
    learn_transform,
)
from skjoint._support.warn import warn

# Points and weights of the mean over a normal distribution.
POINTS, SHARES = np.polynomial.hermite_e.hermegauss(20)
SHARES = SHARES / SHARES.sum()


# --------------------------------------------------------------------- targets
@dataclass(frozen=True)
class ValueTarget:
    """One value head: a number (or a vector of numbers) and its scaling."""

    name: str
    positions: tuple[int, ...]
    offset: np.ndarray
    scale: np.ndarray
    loss_unit: float = 1.0  # by which its loss is divided
    transform: ValueTransform | OwnTransform | None = None  # before it is scaled

    kind = "value"

    @property
    def n_units(self):
        return len(self.positions)

    def encode(self, numbers):
        """Numbers in original units, NaN where missing, to float32 (n, width)."""
        scaled = np.nan_to_num((self.forward(numbers) - self.offset) / self.scale, nan=0.0)
        if np.abs(scaled).max(initial=0) > LARGEST:
            raise ValueError(
                f"Target '{self.name}' must hold numbers of the size that the first fit saw. Got "
                f"{np.nanmax(np.abs(numbers)):g}, {np.abs(scaled).max():g} of its standard "
                "deviations away."
            )
        return scaled.astype(np.float32)

    def decode(self, outputs):
        """Outputs of the head in original units: (n,), or (n, width)."""
        return self.back(self.transformed(outputs))

    def transformed(self, outputs):
        """Outputs as transformed numbers: in original units where there is no transform."""
        return self.transformed_deviation(outputs) + self.offset

    def transformed_deviation(self, scaled):
        """Standard deviations of the output, (n, width), of transformed numbers."""
        numbers = scaled[:, 0] if self.n_units == 1 else scaled  # 1-D is much faster
        return numbers * self.scale

    def forward(self, numbers):
        """Numbers in original units to transformed ones."""
        return numbers if self.transform is None else self.transform.forward(numbers)

    def back(self, transformed):
        """The reverse of :meth:`forward`."""
        return transformed if self.transform is None else self.transform.back(transformed)

    def around(self, numbers, widths):
        """Ends of intervals of these half-widths around transformed numbers, in original units."""
        middle = self.forward(numbers)
        ends = self.back(middle - widths), self.back(middle + widths)
        # A transform may turn the order round.
        return ends if self.transform is None else (np.minimum(*ends), np.maximum(*ends))

    def mean_back(self, transformed, steps, shares):
        """Mean in original units of numbers that lie by these steps from transformed ones.

        Parameters
        ----------
        transformed : ndarray of shape (n,) or (n, width)
        steps : iterable of arrays that can be added to it
        shares : iterable of float or ndarray of shape (width,)
            Their sum is 1.
        """
        # One after the other: so a row does not depend on its batch, and memory is small.
        parts = zip(steps, shares, strict=True)
        return sum(share * self.back(transformed + step) for step, share in parts)

    def decode_deviation(self, scaled, outputs):
        """Standard deviations of the output, (n, width), in original units.

        Behind a transform it is that of the normal distribution of transformed numbers, taken
        back at the points of Gauss-Hermite quadrature.
        """
        deviation = self.transformed_deviation(scaled)
        if self.transform is None:
            return deviation
        number = self.transformed(outputs)
        middle, steps = self.back(number), [deviation * point for point in POINTS]
        away = [self.back(number + step) - middle for step in steps]
        mean = sum(share * one for share, one in zip(SHARES, away, strict=True))
        square = sum(share * one**2 for share, one in zip(SHARES, away, strict=True))
        return np.sqrt(np.maximum(square - mean**2, 0.0))


@dataclass(frozen=True)
class ClassTarget:
    """One class head: its labels, and how they are read from y's columns."""

    name: str
    positions: tuple[int, ...]
    classes: np.ndarray
    edges: np.ndarray | None = None
    one_hot: bool = False
    source: int | None = None  # the value (its index) that this class is cut from
    centres: np.ndarray | None = None  # with a source, the number in place of each label
    quantiles: np.ndarray | None = None  # of the training numbers in each band (n_classes, 21)

    kind = "class"

    @property
    def n_units(self):
        return len(self.classes)

    def codes(self, labels) -> np.ndarray:
        """Indices into ``classes``; -1 for labels that are not among them."""
        return places(labels, self.classes)


@dataclass(frozen=True)
class Column:
    """One target's columns, row by row.

    ``data`` holds the numbers (n, width) in original units with NaN where
    missing, or the labels of the rows in ``mask`` only.
    """

    data: np.ndarray
    mask: np.ndarray

    def labels(self):
        """Labels of all rows: their own dtype, or with NaN / None where missing."""
        if self.mask.all():
            return self.data
        numeric = self.data.dtype.kind in "iuf" and is_exact(self.data)
        full = np.full(len(self.mask), np.nan if numeric else None, float if numeric else object)
        full[self.mask] = self.data
        return full


# ------------------------------------------------------------------------ gate
@dataclass(frozen=True)
class Targets:
    """The gate, fitted: which columns of y are what, and how they are encoded."""

    values: tuple[ValueTarget, ...]
    classes: tuple[ClassTarget, ...]
    names: tuple  # of y's columns; positions when y was an array
    named: bool
    known_values: dict  # the number, by code of the label, where the label alone decides it
    known_in_network: bool = False  # they are constants of a mean that unlabelled rows train, too

    def __getstate__(self):
        return {f.name: getattr(self, f.name) for f in fields(self)}  # without what is cached

    def __setstate__(self, state):
        self.__dict__.update(state)

    @property
    def outputs(self):
        return self.values + self.classes

    @property
    def predict_order(self):
        """Indices into ``outputs``, sorted by column, the value before the class."""
        outputs = self.outputs
        return sorted(
            range(len(outputs)),
            key=lambda i: (min(outputs[i].positions), outputs[i].kind != "value"),
        )

    @classmethod
    def learn(
        cls,
        y,
        *,
        value_columns=None,
        class_columns=None,
        class_bins=None,
        classes=None,
        number_rule=lambda width: NumberRule(),
        value_transform=None,
        whole=True,
        value_by_class=None,
        known_in_network=False,
        sample_weight=None,
    ):
        """Find the targets in y and learn their encodings.

        Parameters are those of the estimator. ``number_rule`` is a function of the width
        of a value target that gives its :class:`NumberRule`; ``whole`` is whether y is all
        there is to learn from. ``sample_weight`` is (n,) or (n, n_targets) in predict order.
        """
        table = read_table(y)
        groups = layout(table.frame, table.named, value_columns, class_columns, class_bins)
        gate = cls._undecided(table, *groups, class_bins, classes)
        known = known_values(value_by_class, gate.values, gate.classes)
        gate = replace(gate, known_values=known, known_in_network=known_in_network)
        weights = gate.split_weights(sample_weight, len(table))
        gate = gate._with_bands(table, weights)
        # A number that its label alone decides takes no part in learning the scale.
        free = ~gate.has_known_value(gate.read(table)) if known else 1.0
        values = []
        for target, w in zip(gate.values, weights[: len(gate.values)], strict=True):
            numbers, used = table.block(target.positions), w * free
            rule = number_rule(target.n_units)
            present = numbers[~np.isnan(numbers).any(axis=1) & (used > 0)]
            transform = learn_transform(value_transform, target.name, present, known.values())
            target = replace(target, transform=transform)
            learned = learn_scale(target.name, target.forward(numbers), used, rule, whole)
            values.append(replace(target, offset=learned[0], scale=learned[1]))
        return replace(gate, values=tuple(values))

    @classmethod
    def _undecided(cls, table, value_groups, class_groups, class_bins, classes):
        """Targets with their labels, but without scales: all that weights need."""
        names = tuple(table.frame.columns)
        bare = len(value_groups) <= 1 and len(class_groups) <= 1
        value_names = target_names("value", value_groups, names, bare)
        class_names = target_names("class", class_groups, names, bare)
        values = tuple(
            ValueTarget(name, group, None, None)  # type: ignore[arg-type]
            for name, group in zip(value_names, value_groups, strict=True)
        )
        known = classes_by_target(classes, len(class_groups))
        learned = []
        for name, positions, labels in zip(class_names, class_groups, known, strict=True):
            is_block = len(positions) > 1
            is_cut = positions in value_groups and not is_block
            source = value_groups.index(positions) if is_cut else None
            found = learn_labels(
                table, positions, name, class_bins=class_bins, known=labels, source=source
            )
            learned.append(ClassTarget(name, positions, *found, is_block, source))
        return cls(values, tuple(learned), names, table.named, {})

    def _with_bands(self, table, weights):
        """The same with the numbers in place of labels that are cut from a number."""
        classes = []
        for target, w in zip(self.classes, weights[len(self.values) :], strict=True):
            if target.source is not None and target.edges is None:
                target = replace(target, centres=target.classes.astype(np.float64))
            elif target.source is not None:
                numbers = table.numbers(target.positions[0])
                centres, quantiles = numbers_in_bands(target.edges, numbers, w)
                target = replace(target, centres=centres, quantiles=quantiles)
            classes.append(target)
        return replace(self, classes=tuple(classes))

    def read(self, y):
        """One :class:`Column` per target, in output order, from a y of the fitted form."""
        table = self._same_form(y)
        columns = []
        for target in self.values:
            numbers = table.block(target.positions)
            columns.append(Column(numbers, ~np.isnan(numbers).any(axis=1)))
        return columns + [Column(*labels_of(target, table)) for target in self.classes]

    def encode(self, columns):
        """Arrays for the network and masks of what trains it, from what ``read`` gave.

        A number that its label alone decides trains nothing.
        """
        arrays, masks = [], []
        free = ~self.has_known_value(columns)
        for target, column in zip(self.outputs, columns, strict=True):
            masks.append(column.mask & free if target.kind == "value" else column.mask)
            if target.kind == "value":
                check_numbers(target.transform, target.name, column.data[masks[-1]])
                arrays.append(target.encode(column.data))
            else:
                codes = np.zeros(len(column.mask), dtype=np.int32)
                codes[column.mask] = known_codes(target, column.data)
                arrays.append(codes)
        return arrays, masks

    def has_known_value(self, columns):
        """Mask of the rows whose label alone decides the number.

        A row without a label, but with such a number, is taken for one of these.
        """
        rows = np.zeros(len(columns[0].mask), dtype=bool)
        if self.known_values:
            codes = self._codes(columns)
            rows = np.isin(codes, list(self.known_values))
            if not self.known_in_network:
                numbers = np.isin(columns[0].data, list(self.known_values.values())).all(axis=1)
                rows |= (codes < 0) & numbers
        return rows

    def warn_of_other_values(self, columns):
        """Warn where labels that decide the number come with another one."""
        for code, number in self.known_values.items():
            rows = self._codes(columns) == code
            for column in columns[: len(self.values)]:
                data = column.data[rows & column.mask]
                other = data[~np.isclose(data, number).all(axis=1)]
                if len(other):
                    warn(
                        f"{len(other)} rows of label {self.classes[0].classes[code]!r} have "
                        f"another number than value_by_class says, such as {other[0, 0]:g} "
                        f"instead of {number:g}. Nothing is learned from their numbers."
                    )

    def _codes(self, columns):
        """Codes of the first class target's labels, -1 where there is none."""
        labels = columns[len(self.values)]
        codes = np.full(len(labels.mask), -1)
        codes[labels.mask] = self.classes[0].codes(labels.data)
        return codes

    def split_weights(self, sample_weight, n_samples):
        """One weight vector per target, in output order, not yet normalised."""
        n_targets = len(self.outputs)
        if sample_weight is None:
            return [np.ones(n_samples)] * n_targets
        if isinstance(sample_weight, pd.DataFrame):
            keys = weight_columns(self, sample_weight)
            if keys is not None:
                return [sample_weight[key].to_numpy() for key in keys]
            sample_weight = sample_weight.to_numpy()
            if sample_weight.shape[1] == 1:
                sample_weight = sample_weight[:, 0]
        if sample_weight.ndim == 1:
            return [sample_weight] * n_targets
        if sample_weight.shape[1] != n_targets:
            names = ", ".join(self.outputs[i].name for i in self.predict_order)
            raise ValueError(
                f"sample_weight must have shape (n_samples,) or (n_samples, {n_targets}), "
                f"one column per target ({names}). Got shape {sample_weight.shape} instead."
            )
        column_of = {output: column for column, output in enumerate(self.predict_order)}
        return [sample_weight[:, column_of[i]] for i in range(n_targets)]

    def row_weights(self, arrays, masks, sample_weight=None, class_weight=None, strict=True):
        """Weights per row and head: 0 where missing, otherwise of mean 1 over all rows.

        With w the sample weight times the weight of the row's class,
        w_i <- n * w_i / sum_j w_j. A batch loss that divides by the number of
        rows is then an unbiased estimate of the weighted mean over the
        labelled rows, however few they are. Without ``strict`` a head may be
        unlabelled as a whole, as in a chunk of ``partial_fit``.
        """
        factors = self.label_factors(arrays, masks, sample_weight, class_weight)
        return self.weights_by(factors, arrays, masks, sample_weight, strict)

    def label_factors(self, arrays, masks, sample_weight=None, class_weight=None):
        """By class target the factor of each label's weight, learned from rows to train on."""
        check_class_weight(self.classes, class_weight)
        weights = self.split_weights(sample_weight, len(masks[0]))
        entries = by_target(class_weight, len(self.classes), "class_weight")
        return [
            class_weights(target, arrays[i], np.where(masks[i], weights[i], 0.0), entry)
            for i, (target, entry) in enumerate(
                zip(self.classes, entries, strict=True), len(self.values)
            )
        ]

    def weights_by(self, factors, arrays, masks, sample_weight=None, strict=True):
        """As :meth:`row_weights`, with factors of labels that are known."""
        weights = self.split_weights(sample_weight, len(masks[0]))
        n_values = len(self.values)
        for i, target in enumerate(self.outputs):
            w = np.where(masks[i], weights[i], 0.0)
            if target.kind == "class":
                w = w * factors[i - n_values][arrays[i]]
            weights[i] = normalise(w, target.name, strict)
        if not any(w.any() for w in weights):
            raise ValueError("No row of y is labelled for any target: there is nothing to learn.")
        return weights

    def join(self, outputs) -> np.ndarray:
        """Decoded predictions, one per output, as the one array that ``predict`` returns."""
        return columns_of([outputs[i] for i in self.predict_order], self._joined_dtype)

    @cached_property
    def _joined_dtype(self):
        """float64 if it holds every number and label as it is, else object."""
        return common_dtype([np.zeros(0), *(target.classes for target in self.classes)])

    def _same_form(self, y):
        """y as a table of the fitted columns."""
        table = read_table(y, width=len(self.names))
        frame = table.frame
        if table.named and self.named:
            missing = [name for name in self.names if name not in frame.columns]
            if missing:
                raise ValueError(
                    f"y must have the columns it was fitted on, {list(self.names)}. "
                    f"Got {list(frame.columns)} instead; missing: {missing}."
                )
            return table.select(list(self.names))
        if frame.shape[1] != len(self.names):
            raise ValueError(
                f"y must have {len(self.names)} column(s), as in fit. Got {frame.shape[1]} instead."
            )
        return table
