"""The inputs of the graph, and X encoded as ``FeatureEncoder`` does."""

from __future__ import annotations

from numbers import Real

import numpy as np

from skjoint._data.code_units import MAX_ONE_HOT
from skjoint._data.columns import LARGE
from skjoint._data.distinct import said
from skjoint._onnx.graph import DOUBLE, INT64, ML, STRING, as_double


# ---------------------------------------------------------------------- inputs
def input_types(row_shape, names, text, one_each=False):
    """Type and shape of the inputs by name: X, or every column where some are not numbers."""
    if not (one_each or text):
        return {"X": (DOUBLE, [None, *row_shape])}
    columns = range(row_shape[0])
    names = [f"x{i}" for i in columns] if names is None else names
    kinds = [STRING if i in text else DOUBLE for i in columns]
    return {str(name): (kind, [None, 1]) for name, kind in zip(names, kinds, strict=True)}


def check_kinds(features):
    """Raise for columns of a kind that ONNX has no exact operators for."""
    for kind, positions in (("text", features.texts), ("date", features.dates)):
        if positions:
            names = [features.name(position) for position in positions]
            raise NotImplementedError(
                f"to_onnx cannot write columns of kind {kind!r}, here {names}. Leave them out with "
                "preprocess={column: 'drop'}, or make numbers of them before fit."
            )


def text_columns(features):
    """Positions of the columns of X that are text."""
    found = features.categories.items()
    return [position for position, encoder in found if is_text(encoder.levels)]


def check_types(inputs, features):
    """Raise unless the inputs are text where the columns of fit were, and numbers elsewhere."""
    n_features, text = features.schema.n_features, text_columns(features)
    given = [kind == STRING for _, kind in inputs]
    if len(given) == 1:
        given *= n_features
    read = [guess.kind != "drop" for guess in features.guesses] or [True] * n_features
    expected = [position in text for position in range(n_features)]
    if len(given) != n_features or any(
        is_read and found != asked
        for is_read, found, asked in zip(read, given, expected, strict=True)
    ):
        raise NotImplementedError(
            "The exported steps do not give what the estimator was fitted on: it read "
            f"{n_features} column(s), text at {text}; they give {len(given)}, text at "
            f"{[i for i, is_given in enumerate(given) if is_given]}. A tensor of ONNX holds "
            "numbers or text: encode text in those steps, or leave all columns to the estimator."
        )


class Columns:
    """Columns of X as tensors of float64, or of text.

    ``inputs`` are pairs of name and type: all of X, or one tensor per column.
    """

    def __init__(self, graph, inputs):
        self.graph = graph
        self.inputs = inputs

    def all(self):
        return self.graph.side_by_side(as_double(self.graph, self.inputs))

    def at(self, positions):
        """Columns by position, side by side."""
        if len(self.inputs) == 1:
            return self.graph.columns(self.all(), positions)
        chosen = [self.inputs[position] for position in positions]
        return self.graph.side_by_side(as_double(self.graph, chosen))


# -------------------------------------------------------------------- encoding
def write_features(graph, features, columns):
    """Encoded X: float64 that was rounded to float32."""
    if not features.enabled:
        return graph.rounded(columns.all())
    if features.channels is not None:
        scaled = _standardised(graph, features.channels, columns.all())
        return graph.rounded(graph("Where", graph("IsNaN", scaled), 0.0, scaled))
    if features.entries is not None:
        return graph.rounded(_entries(graph, features.entries, columns))
    check_kinds(features)
    parts = []
    if features.numbers is not None:
        parts += _numbers(graph, features.numbers, columns.at(features.dense))
    if features.zeros is not None:
        scaled = graph("Div", columns.at(features.sparse), features.zeros.size)
        parts.append(graph("Where", graph("IsNaN", scaled), 0.0, scaled))
    parts += [
        codes_of(graph, columns.at([position]), encoder.levels)
        for position, encoder in features.categories.items()
    ]
    return graph.rounded(graph.side_by_side(parts))


def _entries(graph, encoder, columns):
    """What the table was in fit is sparse; a graph reads its rows as dense ones."""
    scaled = graph("Div", columns.at(encoder.kept.tolist()), encoder.size[encoder.kept])
    return graph("Where", graph("IsNaN", scaled), 0.0, scaled)


def _standardised(graph, encoder, X):
    return graph("Div", graph("Sub", X, encoder.mean), encoder.scale)


def _numbers(graph, encoder, X):
    """Ranks, standardised numbers and levels."""
    ranks = [_ranks(graph, encoder.knots, X)] if encoder.knots else []
    levels = _levels(graph, encoder.levels, X)
    scaled = _standardised(graph, encoder, X)
    if encoder.bend is not None:
        scaled = _bent(graph, scaled, encoder.bend)
    return [*ranks, graph("Where", graph("IsNaN", scaled), 0.0, scaled), *levels]


def _bent(graph, z, bend):
    """z / sqrt(1 + (z / bend)^2)."""
    z = graph("Clip", z, -LARGE, LARGE)
    bent = graph("Div", z, bend)
    return graph("Div", z, graph("Sqrt", graph("Add", graph("Mul", bent, bent), 1.0)))


def _levels(graph, levels, X):
    """Columns of 0 and 1, one for each level: an interval of the numbers of one column.

    A list of one tensor, or of none where there are no levels.
    """
    column, lower, upper = levels
    if not len(column):
        return []
    level = graph.columns(X, column)
    inside = graph("GreaterOrEqual", level, lower), graph("Less", level, upper)
    return [graph.cast(graph("And", *inside), DOUBLE)]


def _ranks(graph, knots, X):
    """Ranks interpolated between knots.

    The rank of the first knot, and the height of every step to the next knot times the share of
    the step that lies below the number.
    """
    starts, widths, heights = _steps_between(knots)
    rows = graph("Unsqueeze", X, [2])
    climbed = graph("Clip", graph("Div", graph("Sub", rows, starts), widths), 0.0, 1.0)
    climbed = graph("ReduceSum", graph("Mul", climbed, heights), [2], keepdims=0)
    found = graph("Add", climbed, np.array([ranks[0] for _, ranks in knots]))
    return graph("Where", graph("IsNaN", X), 0.0, found)


def _steps_between(knots):
    """Starts, widths and heights of the steps of every column, (n_columns, n_steps)."""
    n_steps = max(1, max(len(numbers) - 1 for numbers, _ in knots))
    shape = (len(knots), n_steps)
    starts, widths, heights = np.zeros(shape), np.ones(shape), np.zeros(shape)
    for i, (numbers, ranks) in enumerate(knots):
        n = len(numbers) - 1
        starts[i, :n] = numbers[:-1]
        widths[i, :n] = np.diff(numbers)
        heights[i, :n] = np.diff(ranks)
    return starts, widths, heights


# ------------------------------------------------------------------ categories
def is_missing(category):
    return category is None or category != category


def is_text(categories):
    """Whether the categories of a column, but for missing ones, are text."""
    present = [category for category in categories if not is_missing(category)]
    return not present or any(isinstance(category, str) for category in present)


def codes_of(graph, column, levels):
    """A column of codes, the place of the entry in ``levels`` from 1 on, else 0.

    A missing entry is "" or NaN.
    """
    codes = np.arange(1, len(levels) + 1)
    if is_text(levels):
        texts = ["" if is_missing(level) else said(level) for level in levels.tolist()]
        _check_distinct(texts)
        found = graph(
            "LabelEncoder",
            column,
            domain=ML,
            keys_strings=texts,
            values_int64s=codes.tolist(),
            default_int64=0,
        )
        return graph.cast(found, DOUBLE)
    if len(levels) > MAX_ONE_HOT and all(map(_is_whole, levels.tolist())):
        return _codes_of_whole(graph, column, levels.tolist())
    marks = [_is_category(graph, column, level) for level in levels.tolist()]
    marks = graph.cast(graph.side_by_side(marks), DOUBLE)
    return graph("MatMul", marks, codes.astype(np.float64)[:, None])


def _is_whole(level):
    if is_missing(level):
        return True
    return isinstance(level, Real) and float(level).is_integer() and abs(float(level)) < 2**53


def _codes_of_whole(graph, column, levels):
    """Codes of many whole numbers: one table instead of a comparison for each."""
    codes = {level: code for code, level in enumerate(levels, start=1)}
    gap = next((code for level, code in codes.items() if is_missing(level)), 0)
    keys = [level for level in levels if not is_missing(level)]
    is_whole = graph("Equal", column, graph("Floor", column))
    found = graph(
        "LabelEncoder",
        graph.cast(graph("Where", is_whole, column, 0.0), INT64),
        domain=ML,
        keys_int64s=[int(key) for key in keys],
        values_int64s=[codes[key] for key in keys],
        default_int64=0,
    )
    found = graph("Where", is_whole, graph.cast(found, DOUBLE), 0.0)
    return graph("Where", graph("IsNaN", column), float(gap), found)


def one_hot(graph, column, categories):
    """A column of 0 and 1 per category.

    A missing entry is "" or NaN; one that is no category gives 0 everywhere.
    """
    if not is_text(categories):
        marks = [_is_category(graph, column, category) for category in categories]
        return graph.cast(graph.side_by_side(marks), DOUBLE)
    texts = ["" if is_missing(category) else str(category) for category in categories]
    _check_distinct(texts)
    marks = graph("OneHotEncoder", column, domain=ML, cats_strings=texts, zeros=1)
    return graph.cast(graph("Reshape", marks, [0, len(texts)]), DOUBLE)


def _check_distinct(texts):
    if len(set(texts)) < len(texts):
        raise NotImplementedError(
            "A column of X has missing entries and the empty text '' for categories, which "
            "are the same in ONNX. Replace '' by another text before fit."
        )


def _is_category(graph, column, category):
    if is_missing(category):
        return graph("IsNaN", column)
    if not isinstance(category, (Real, np.bool_)):
        raise NotImplementedError(
            f"A column of X has {category!r} for a category. Categories in ONNX are text, numbers "
            "or booleans: convert the column before fit."
        )
    return graph("Equal", column, float(category))
