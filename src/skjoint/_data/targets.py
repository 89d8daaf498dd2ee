"""What y is: the one gate from any form of y to lists of arrays and masks.

Every target of y becomes one entry of a list, also when there is just one
value and one class. Two orders of these lists exist:

output order
    all values, then all classes: the order of the network's outputs;
predict order
    the order of y's columns (a column that serves as both gives its value
    first, then its class): the order of ``predict``'s columns and of a
    ``sample_weight`` with one column per target.

Everything below this module sees output order, arrays and masks only.

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

from dataclasses import dataclass, replace
from numbers import Integral, Real

import numpy as np
import pandas as pd

from skjoint._data.table import (
    LARGEST,
    column_numbers,
    is_numeric,
    layout,
    read_labels,
    read_numbers,
    read_table,
)
from skjoint._support.warn import warn

MIN_VARIANCE = 1e-6  # of a scaled number, added to what the network says
N_QUANTILES = 21  # that describe the numbers inside a band


# --------------------------------------------------------------------- targets
@dataclass(frozen=True)
class ValueTarget:
    """One value head: a number (or a vector of numbers) and its scaling."""

    name: str
    positions: tuple[int, ...]
    offset: np.ndarray
    scale: np.ndarray

    kind = "value"

    @property
    def n_units(self):
        return len(self.positions)

    def encode(self, numbers):
        """Numbers in original units, NaN where missing, to float32 (n, width)."""
        scaled = np.nan_to_num((numbers - self.offset) / self.scale, nan=0.0)
        if np.abs(scaled).max(initial=0) > LARGEST:
            raise ValueError(
                f"Target '{self.name}' must hold numbers of the size that the first fit saw. Got "
                f"{np.nanmax(np.abs(numbers)):g}, {np.abs(scaled).max():g} of its standard "
                "deviations away."
            )
        return scaled.astype(np.float32)

    def decode(self, outputs):
        """What the head gives, back in original units: (n,), or (n, width)."""
        numbers = outputs[:, 0] if self.n_units == 1 else outputs  # 1-D is much faster
        return numbers * self.scale + self.offset

    def decode_variance(self, outputs):
        """What the network says of the variance, as a standard deviation in original units."""
        variance = outputs[:, 0] if self.n_units == 1 else outputs
        return np.sqrt(variance + MIN_VARIANCE) * self.scale


@dataclass(frozen=True)
class ClassTarget:
    """One class head: its labels, and how they are read from y's columns."""

    name: str
    positions: tuple[int, ...]
    classes: np.ndarray
    edges: np.ndarray | None = None
    one_hot: bool = False
    source: int | None = None  # the value (its index) that this class is cut from
    centres: np.ndarray | None = None  # the number that each label of a source stands for
    quantiles: np.ndarray | None = None  # of the training numbers in each band (n_classes, 21)

    kind = "class"

    @property
    def n_units(self):
        return len(self.classes)

    def codes(self, labels):
        """Indices into ``classes``; -1 where training never saw the label."""
        return pd.Index(self.classes).get_indexer(pd.Index(labels)).astype(np.int32)


@dataclass(frozen=True)
class Column:
    """What one target's columns say, row by row.

    ``data`` holds the numbers (n, width) in original units with NaN where
    missing, or the labels of the rows in ``mask`` only.
    """

    data: np.ndarray
    mask: np.ndarray

    def labels(self):
        """Labels of all rows: their own dtype, or with NaN / None where missing."""
        if self.mask.all():
            return self.data
        numeric = self.data.dtype.kind in "iuf"
        full = np.full(len(self.mask), np.nan if numeric else None, float if numeric else object)
        full[self.mask] = self.data
        return full


# ------------------------------------------------------------------------ gate
@dataclass(frozen=True)
class Targets:
    """The gate, fitted: knows which columns of y are what and how to encode them."""

    values: tuple[ValueTarget, ...]
    classes: tuple[ClassTarget, ...]
    names: tuple  # of y's columns; positions when y was an array
    named: bool
    known_values: dict  # the number, by code of the label, where the label alone decides it
    is_mixture: bool = False  # known numbers are part of a mean that rows without label train

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
        scale_value=True,
        non_negative=False,
        value_by_class=None,
        is_mixture=False,
        sample_weight=None,
    ):
        """Find the targets in y and learn their encodings.

        Parameters are those of the estimator; ``non_negative`` says that the
        value heads cannot give negative numbers, so that scaling must not move
        zero. ``sample_weight`` is (n,) or (n, n_targets) in predict order.
        """
        table = read_table(y)
        frame, named = table.frame, table.named
        value_groups, class_groups = layout(frame, named, value_columns, class_columns, class_bins)
        names = tuple(frame.columns)
        bare = len(value_groups) <= 1 and len(class_groups) <= 1

        def output_name(kind, positions):
            column = "_".join(str(names[p]) for p in positions)
            return kind if bare else f"{kind}_{column}"

        class_targets = tuple(
            _learn_class(
                frame,
                group,
                output_name("class", group),
                class_bins=class_bins,
                known=known,
                source=value_groups.index(group) if group in value_groups else None,
            )
            for group, known in zip(
                class_groups, _classes_by_target(classes, len(class_groups)), strict=True
            )
        )
        # Without offsets and scales yet: the layout is all that weights need.
        value_targets = tuple(
            ValueTarget(output_name("value", g), g, None, None) for g in value_groups
        )
        known = known_values(value_by_class, value_targets, class_targets)
        gate = cls(value_targets, class_targets, names, named, known, is_mixture)
        weights = gate.split_weights(sample_weight, len(frame))
        weights_of_classes = weights[len(value_targets) :]
        gate = replace(
            gate,
            classes=tuple(
                _with_numbers(target, frame, w)
                for target, w in zip(class_targets, weights_of_classes, strict=True)
            ),
        )
        free = ~gate.has_known_value(gate.read(table)) if known else 1.0
        return replace(
            gate,
            values=tuple(
                _learn_value(
                    target,
                    read_numbers(frame, target.positions),
                    w * free,
                    scale_value,
                    not non_negative,
                )
                for target, w in zip(value_targets, weights[: len(value_targets)], strict=True)
            ),
        )

    def read(self, y):
        """One :class:`Column` per target, in output order, from a y of the fitted form."""
        frame = self._same_form(y)
        columns = []
        for target in self.values:
            numbers = read_numbers(frame, target.positions)
            columns.append(Column(numbers, ~np.isnan(numbers).any(axis=1)))
        for target in self.classes:
            columns.append(_read_class(frame, target))
        return columns

    def encode(self, columns):
        """Arrays for the network and masks of what trains it, from what ``read`` gave.

        A number that its label alone decides trains nothing.
        """
        arrays, masks = [], []
        free = ~self.has_known_value(columns)
        for target, column in zip(self.outputs, columns, strict=True):
            masks.append(column.mask & free if target.kind == "value" else column.mask)
            if target.kind == "value":
                arrays.append(target.encode(column.data))
            else:
                codes = np.zeros(len(column.mask), dtype=np.int32)
                codes[column.mask] = _known_codes(target, column.data)
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
            if not self.is_mixture:
                numbers = np.isin(columns[0].data, list(self.known_values.values())).all(axis=1)
                rows |= (codes < 0) & numbers
        return rows

    def warn_of_other_values(self, columns):
        """Say so where labels that decide the number come with another one."""
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
        weights = self.split_weights(sample_weight, len(masks[0]))
        per_class = iter(_by_target(class_weight, len(self.classes), "class_weight"))
        for i, target in enumerate(self.outputs):
            w = np.where(masks[i], weights[i], 0.0)
            if target.kind == "class":
                w = w * _class_weights(target, arrays[i], w, next(per_class))[arrays[i]]
            weights[i] = normalise(w, target.name, strict)
        if not any(w.any() for w in weights):
            raise ValueError("No row of y is labelled for any target: there is nothing to learn.")
        return weights

    def join(self, outputs):
        """Decoded predictions, one per output, as the one array that ``predict`` returns."""
        columns = [np.asarray(outputs[i]) for i in self.predict_order]
        numeric = all(c.dtype.kind in "iuf" for c in columns)
        return np.column_stack([c.astype(np.float64 if numeric else object) for c in columns])

    def _same_form(self, y):
        table = read_table(y)
        frame = table.frame
        if table.named and self.named:
            missing = [name for name in self.names if name not in frame.columns]
            if missing:
                raise ValueError(
                    f"y must have the columns it was fitted on, {list(self.names)}. "
                    f"Got {list(frame.columns)} instead; missing: {missing}."
                )
            return frame[list(self.names)]
        if frame.shape[1] != len(self.names):
            raise ValueError(
                f"y must have {len(self.names)} column(s), as in fit. Got {frame.shape[1]} instead."
            )
        return frame


def normalise(weights, name, strict=True):
    """Scale weights to mean 1, in float32; where nothing has weight an error, or zeros."""
    total = weights.sum()
    if not total > 0:
        if not strict:
            return np.zeros(len(weights), np.float32)
        raise ValueError(
            f"No row with a positive weight is labelled for target '{name}': "
            "there is nothing to train its head on."
        )
    return (weights * (len(weights) / total)).astype(np.float32)


# ---------------------------------------------------------------- reading a y
def _label_kind(labels):
    return {"b": "boolean", "O": "text"}.get(labels.dtype.kind, "number")


def _read_class(frame, target):
    """The :class:`Column` of labels of a fitted class target."""
    if target.one_hot:
        return _read_one_hot(frame, target.positions, target.classes)
    series = frame.iloc[:, target.positions[0]]
    if target.edges is not None:
        numbers = column_numbers(series)
        mask = ~np.isnan(numbers)
        return Column(target.classes[np.digitize(numbers[mask], target.edges)], mask)
    labels, mask = read_labels(series)
    if len(labels) and _label_kind(labels) != _label_kind(target.classes):
        raise ValueError(
            f"Column {series.name!r} of y must hold labels of the type seen in fit "
            f"({_label_kind(target.classes)}, such as {target.classes.tolist()[0]!r}). "
            f"Got {_label_kind(labels)} such as {labels.tolist()[0]!r} instead."
        )
    return Column(labels, mask)


def _read_one_hot(frame, positions, classes):
    block = read_numbers(frame, positions)
    mask = ~np.isnan(block).all(axis=1)
    valid = np.isin(block, (0, 1)).all(axis=1) & (block.sum(axis=1) == 1)
    if not valid[mask].all():
        row = int(np.flatnonzero(mask & ~valid)[0])
        raise ValueError(
            "Every row of a one-hot block must hold a single 1 and otherwise 0 (or be missing "
            f"as a whole). Got {block[row].tolist()} in row {row} of columns "
            f"{[frame.columns[p] for p in positions]}."
        )
    return Column(classes[block[mask].argmax(axis=1)], mask)


# -------------------------------------------------------- learning encodings
def _learn_value(target, numbers, weights, scale_value, centre):
    width = len(target.positions)
    offset, scale = np.zeros(width), np.ones(width)
    labelled = ~np.isnan(numbers).any(axis=1) & (weights > 0)
    if not centre and (numbers[labelled] < 0).any():
        warn(
            f"Target '{target.name}' holds negative numbers, such as {np.nanmin(numbers):g}, which "
            "its value_activation cannot predict. Use value_activation='linear'."
        )
    if scale_value and not labelled.any():
        raise ValueError(
            f"No row with a positive weight is labelled for target '{target.name}', whose scale is "
            "to be learned, or value_by_class knows all its numbers. Let the first chunk hold "
            "some, or use scale_value=False."
        )
    if scale_value:
        present, w = numbers[labelled], weights[labelled]
        small = np.abs(present).max(axis=0)
        if ((small > 0) & (small < 1 / LARGEST)).any():
            raise ValueError(
                f"Target '{target.name}' must hold numbers of size {1 / LARGEST:g} and more, which "
                f"float32 can tell from 0. Got {small.min():g} at most: multiply it by a constant."
            )
        mean = np.average(present, axis=0, weights=w)
        std = np.sqrt(np.average((present - mean) ** 2, axis=0, weights=w))
        # A spread that is only rounding noise of the mean is a constant column.
        scale = np.where(std > 10 * np.finfo(float).eps * np.abs(mean), std, 1.0)
        offset = mean if centre else offset
    return ValueTarget(target.name, target.positions, offset, scale)


def _learn_class(frame, positions, name, *, class_bins, known, source):
    if class_bins is not None and (known is not None or len(positions) > 1):
        raise ValueError(
            f"class_bins makes the labels of target '{name}' itself: leave out classes=... and "
            "one-hot blocks."
        )
    if len(positions) > 1:
        names = [frame.columns[p] for p in positions]
        named = all(isinstance(column, str) for column in names)
        labels = np.array(names, dtype=object) if named else np.arange(len(names))
        return ClassTarget(name, positions, labels, one_hot=True)
    series = frame.iloc[:, positions[0]]
    if source is not None:
        column_numbers(series)  # raises where its labels are no numbers
    if class_bins is not None:
        edges = _band_edges(series, class_bins)
        return ClassTarget(name, positions, np.arange(len(edges) + 1), edges, source=source)
    labels, _ = read_labels(series)
    if labels.dtype.kind == "f" and (labels % 1 != 0).any():
        raise ValueError(
            f"Column {series.name!r} of y holds numbers with fractions, such as "
            f"{labels[labels % 1 != 0][0]:g}, which make no labels. Cut them into bands with "
            "class_bins=3 (or a sequence of edges), or name another column in class_columns=[...]."
        )
    classes = np.unique(labels) if known is None else _declared_classes(known, labels)
    if not len(labels):
        raise ValueError(f"No row of y is labelled for target '{name}'.")
    if len(classes) < 2:
        raise ValueError(
            f"Target '{name}' holds 1 class ({classes.tolist()[0]!r}), but at least 2 are needed. "
            "Name the labels that may come later with classes=[...]."
        )
    if known is None and source is not None and len(classes) > 0.2 * len(frame):
        warn(
            f"y holds {len(classes)} distinct numbers in {len(frame)} rows and each is taken as a "
            "label of its own. Cut them into bands with class_bins=... if that is not meant."
        )
    return ClassTarget(name, positions, classes, source=source)


def _with_numbers(target, frame, weights):
    """A class target that is cut from a number, with the number that each label stands for."""
    if target.source is None:
        return target
    if target.edges is None:
        return replace(target, centres=target.classes.astype(np.float64))
    numbers = read_numbers(frame, target.positions)[:, 0]
    labelled = ~np.isnan(numbers) & (weights > 0)
    numbers, weights = numbers[labelled], weights[labelled]
    bands = np.digitize(numbers, target.edges)
    # A band that no row is in stands for its inner edges.
    low = np.concatenate([target.edges[:1], target.edges])
    high = np.concatenate([target.edges, target.edges[-1:]])
    centres, quantiles = (low + high) / 2, np.linspace(low, high, N_QUANTILES, axis=1)
    for band in np.unique(bands):
        inside = bands == band
        centres[band] = np.average(numbers[inside], weights=weights[inside])
        quantiles[band] = np.quantile(
            numbers[inside],
            np.linspace(0, 1, N_QUANTILES),
            weights=weights[inside],
            method="inverted_cdf",
        )
    return replace(target, centres=centres, quantiles=quantiles)


def codes_of_numbers(numbers, classes, edges=None):
    """Codes of the labels of numbers: their band, or the nearest of labels that are numbers."""
    if edges is not None:
        return np.digitize(numbers, edges)
    order = np.argsort(classes)
    known = np.asarray(classes)[order].astype(np.float64)
    return order[np.digitize(numbers, (known[1:] + known[:-1]) / 2)]


def _band_edges(series, class_bins):
    """Inner edges of the bands; band j holds edges[j - 1] <= number < edges[j]."""
    if (
        not is_numeric(series)
        and pd.to_numeric(series.astype(object), errors="coerce").isna().all()
    ):
        raise ValueError(
            f"class_bins cuts numbers into bands, but the class column {series.name!r} of y holds "
            "labels. Drop class_bins, or declare a number column in class_columns."
        )
    numbers = column_numbers(series)
    numbers = numbers[~np.isnan(numbers)]
    if isinstance(class_bins, Integral):
        if not len(numbers):
            raise ValueError(f"No row of y is labelled in column {series.name!r}.")
        edges = np.unique(np.quantile(numbers, np.arange(1, class_bins) / class_bins))
        occupied = np.unique(np.digitize(numbers, edges))
        if 2 <= len(occupied) < class_bins:
            warn(
                f"The numbers in column {series.name!r} of y repeat so often that class_bins="
                f"{class_bins} gives only {len(occupied)} band(s)."
            )
        if len(occupied) < 2:
            raise ValueError(
                f"class_bins={class_bins} finds 1 class in column {series.name!r} of y: its "
                "quantiles all fall together. Give the edges of the bands instead."
            )
        return edges[occupied[1:] - 1]
    try:
        edges = np.asarray(class_bins, dtype=np.float64)
    except (TypeError, ValueError):
        edges = np.array(np.nan)
    if (
        edges.ndim != 1
        or not len(edges)
        or not np.isfinite(edges).all()
        or (np.diff(edges) <= 0).any()
    ):
        raise ValueError(
            "class_bins must be a whole number of bands or an increasing sequence of finite edges. "
            f"Got {class_bins!r} instead."
        )
    return edges


def _classes_by_target(classes, n_targets):
    if classes is not None and np.ndim(classes) == 0:
        raise ValueError(f"classes must be a list of labels. Got {classes!r} instead.")
    if classes is not None and n_targets == 1 and all(np.ndim(label) == 0 for label in classes):
        classes = [classes]
    return _by_target(classes, n_targets, "classes")


def _by_target(parameter, n_targets, name):
    """One entry per class target, from one for all or a list with one for each."""
    if n_targets == 0 or not isinstance(parameter, (list, tuple, np.ndarray)):
        return [parameter] * n_targets
    if len(parameter) != n_targets:
        raise ValueError(
            f"{name} must have one entry for each of the {n_targets} class targets. "
            f"Got {parameter!r} instead."
        )
    return list(parameter)


def _declared_classes(known, labels):
    classes, _ = read_labels(pd.Series(list(known)))
    if len(classes) and len(labels) and _label_kind(classes) != _label_kind(labels):
        raise ValueError(
            f"classes must hold labels of the type of y's ({_label_kind(labels)}). "
            f"Got {_label_kind(classes)} such as {classes.tolist()[0]!r} instead."
        )
    classes = np.unique(classes)
    unknown = np.setdiff1d(labels, classes)
    if len(unknown):
        raise ValueError(
            f"classes must hold every label of y. Missing: {unknown[:10].tolist()}"
            f"{' and more' if len(unknown) > 10 else ''}."
        )
    return classes


def _known_codes(target, labels):
    codes = target.codes(labels)
    if (codes < 0).any():
        unknown = pd.unique(pd.Series(labels[codes < 0])).tolist()
        raise ValueError(
            f"y holds labels of target '{target.name}' that the first fit did not know: "
            f"{unknown[:10]}. Name all labels beforehand with classes=[...]."
        )
    return codes


def known_values(value_by_class, values, classes):
    """The parameter ``value_by_class`` as {code of the label: number}."""
    if not value_by_class:
        return {}
    if not values or len(classes) != 1:
        raise ValueError(
            "value_by_class needs a value and exactly one class target. Got "
            f"{len(values)} value(s) and {len(classes)} class target(s)."
        )
    labels, numbers = list(value_by_class), list(value_by_class.values())
    bad = [n for n in numbers if not isinstance(n, Real) or not np.isfinite(n)]
    if bad:
        raise ValueError(f"value_by_class must hold finite numbers. Got {bad[0]!r} instead.")
    codes = [int(classes[0].codes([label])[0]) for label in labels]
    unknown = [label for label, code in zip(labels, codes, strict=True) if code < 0]
    known = classes[0].classes
    if unknown:
        raise ValueError(
            f"value_by_class names labels that y does not hold: {unknown}. "
            f"Known labels: {known[:20].tolist()}{' and more' if len(known) > 20 else ''}. Name "
            "labels that may be missing in classes=[...]."
        )
    if len(set(codes)) == len(known):
        raise ValueError(
            "value_by_class must leave a label whose number is to be learned. "
            f"Got numbers for all of {known.tolist()}."
        )
    for label, code, number in zip(labels, codes, numbers, strict=True):
        if classes[0].source is not None:
            own = codes_of_numbers(np.array([number]), known, classes[0].edges)[0]
            if own != code:
                raise ValueError(
                    f"value_by_class must give a label cut from the number a number of its own. "
                    f"Got {number:g} for {label!r} instead, which has label "
                    f"{known.tolist()[own]!r}."
                )
    return dict(zip(codes, map(float, numbers), strict=True))


def _class_weights(target, codes, weights, class_weight):
    """One weight per class, in the order of ``target.classes``.

    "balanced" is scikit-learn's n / (n_classes * n_c), counted with the sample
    weights and over the classes that occur.
    """
    per_class = np.ones(target.n_units)
    if class_weight is None:
        return per_class
    if class_weight != "balanced" and not isinstance(class_weight, dict):
        raise ValueError(
            "class_weight must be 'balanced', a dict of {label: weight}, None or a list of these, "
            f"one for each class target. Got {class_weight!r} instead."
        )
    if class_weight == "balanced":
        counts = np.bincount(codes, weights, minlength=target.n_units)
        present = counts > 0
        per_class[present] = counts.sum() / (present.sum() * counts[present])
        return per_class
    bad = {k: w for k, w in class_weight.items() if not isinstance(w, Real) or not 0 <= w < np.inf}
    if bad:
        raise ValueError(f"class_weight must hold non-negative numbers. Got {bad} instead.")
    unknown = []
    for label, weight in class_weight.items():
        code = target.codes([label])[0]
        if code < 0:
            unknown.append(label)
        else:
            per_class[code] = weight
    if unknown:
        warn(
            f"class_weight names labels that y does not hold: {unknown}. "
            f"Known labels: {target.classes[:20].tolist()}."
        )
    return per_class
