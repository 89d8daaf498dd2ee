"""Steps of scikit-learn that skl2onnx does not convert as we need them.

skl2onnx 1.20 encodes missing text as unknown text, imputes and transforms by powers in
float32 only, and takes what also predicts for a predictor. ``STEPS`` has a writer for every
class: a function of (graph, step, inputs), where inputs are pairs of name and type, that
returns output tensors.
"""

from __future__ import annotations

import numpy as np
from sklearn import feature_selection as selection
from sklearn.cross_decomposition import CCA, PLSCanonical, PLSRegression
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, PowerTransformer, TargetEncoder

from skjoint._onnx.features import is_missing, one_hot
from skjoint._onnx.graph import STRING, as_double


def imputes_text(step, kind):
    """Whether a step that reads this type gives text."""
    return isinstance(step, SimpleImputer) and kind == STRING


def _columns(graph, inputs, n_columns):
    """One tensor per column."""
    tensors = as_double(graph, inputs)
    if len(tensors) == n_columns:
        return tensors
    X = graph.side_by_side(tensors)
    return [graph.columns(X, [i]) for i in range(n_columns)]


def _without_rare(encoder):
    if encoder.min_frequency is not None or encoder.max_categories is not None:
        name = type(encoder).__name__
        raise NotImplementedError(f"{name} with min_frequency or max_categories is not supported.")


def _encode_one_hot(graph, encoder, inputs):
    _without_rare(encoder)
    columns = _columns(graph, inputs, len(encoder.categories_))
    parts = []
    for i, (column, known) in enumerate(zip(columns, encoder.categories_, strict=True)):
        part = one_hot(graph, column, known)
        dropped = None if encoder.drop_idx_ is None else encoder.drop_idx_[i]
        if dropped is not None:
            kept = np.delete(np.arange(len(known)), dropped)
            part = graph.columns(part, kept)
        parts.append(part)
    return [graph.side_by_side(parts)]


def _encode_ordinal(graph, encoder, inputs):
    _without_rare(encoder)
    unknown = np.nan if encoder.unknown_value is None else encoder.unknown_value
    columns = _columns(graph, inputs, len(encoder.categories_))
    parts = []
    for column, known in zip(columns, encoder.categories_, strict=True):
        marks = one_hot(graph, column, known)
        codes = [
            encoder.encoded_missing_value if category != category else code  # NaN != NaN
            for code, category in enumerate(known)
        ]
        code = graph("Gather", np.array(codes, np.float64), graph("ArgMax", marks, axis=1))
        is_known = graph("ReduceMax", marks, [1])
        is_known = graph("Greater", is_known, 0.5)
        parts.append(graph("Where", is_known, code, float(unknown)))
    return [graph.side_by_side(parts)]


def _encode_by_target(graph, encoder, inputs):
    """The learned means of each category, for unknown ones the mean of all, by class of y."""
    means = np.atleast_1d(encoder.target_mean_)
    columns, parts = _columns(graph, inputs, len(encoder.categories_)), []
    for i, (column, known) in enumerate(zip(columns, encoder.categories_, strict=True)):
        learned = encoder.encodings_[i * len(means) : (i + 1) * len(means)]
        marks = one_hot(graph, column, known)
        beside_mean = graph("MatMul", marks, np.column_stack(learned) - means)
        parts.append(graph("Add", beside_mean, means))
    return [graph.side_by_side(parts)]


def _impute(graph, imputer, inputs):
    if imputer.add_indicator:
        raise NotImplementedError("SimpleImputer with add_indicator=True is not supported.")
    missing, filling = imputer.missing_values, imputer.statistics_
    X = graph.side_by_side(as_double(graph, inputs))
    if inputs[0][1] == STRING:
        is_gap = graph("Equal", X, np.array("" if is_missing(missing) else missing))
        return [graph("Where", is_gap, filling.astype(str), X)]
    filling = filling.astype(np.float64)
    if is_missing(missing):
        is_gap = graph("IsNaN", X)
    else:
        is_gap = graph("Equal", X, float(missing))
    X = graph("Where", is_gap, filling, X)
    if np.isnan(filling).any():  # columns of gaps only, which are left out
        X = graph.columns(X, np.flatnonzero(~np.isnan(filling)))
    return [X]


def _power(graph, x, exponents):
    """(x ** exponent - 1) / exponent of positive columns, or their logarithm for 0."""
    is_log = exponents == 0
    exponents = np.where(is_log, 1.0, exponents)
    power = graph("Sub", graph("Pow", x, exponents), 1.0)
    return graph("Where", is_log, graph("Log", x), graph("Div", power, exponents))


def _transform_power(graph, transformer, inputs):
    X, exponents = graph.side_by_side(as_double(graph, inputs)), transformer.lambdas_
    if transformer.method == "box-cox":
        X = _power(graph, X, exponents)
    else:  # the power is that of |x| + 1 on either side of 0; NaN stays
        is_positive, size = graph("Greater", X, 0.0), graph("Abs", X)
        size = graph("Add", size, 1.0)
        above, below = _power(graph, size, exponents), _power(graph, size, 2 - exponents)
        X = graph("Where", is_positive, above, graph("Neg", below))
    if transformer.standardize:
        scaler = transformer._scaler
        X = graph("Div", graph("Sub", X, scaler.mean_), scaler.scale_)
    return [X]


def _select(graph, selector, inputs):
    X = graph.side_by_side(as_double(graph, inputs))
    return [graph.columns(X, selector.get_support(indices=True))]


def _discriminate(graph, analysis, inputs):
    X, scalings = graph.side_by_side(as_double(graph, inputs)), analysis.scalings_
    if analysis.solver == "svd":
        X = graph("Sub", X, analysis.xbar_.astype(np.float64))
    return [graph("MatMul", X, scalings[:, : analysis._max_components].astype(np.float64))]


def _rotate(graph, pls, inputs):
    X = graph.side_by_side(as_double(graph, inputs))
    X = graph("Div", graph("Sub", X, pls._x_mean), pls._x_std)
    return [graph("MatMul", X, pls.x_rotations_)]


SELECTORS = (
    selection.GenericUnivariateSelect,
    selection.RFE,
    selection.RFECV,
    selection.SelectFdr,
    selection.SelectFpr,
    selection.SelectFromModel,
    selection.SelectFwe,
    selection.SelectKBest,
    selection.SelectPercentile,
    selection.SequentialFeatureSelector,
)
STEPS = {
    SimpleImputer: _impute,
    OneHotEncoder: _encode_one_hot,
    OrdinalEncoder: _encode_ordinal,
    PowerTransformer: _transform_power,
    TargetEncoder: _encode_by_target,
    LinearDiscriminantAnalysis: _discriminate,
    **dict.fromkeys((CCA, PLSCanonical, PLSRegression), _rotate),
    **dict.fromkeys(SELECTORS, _select),
}
