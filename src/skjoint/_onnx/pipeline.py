"""Pipelines as ONNX graphs: skl2onnx converts their steps, we the joint estimator at the end.

A few usual steps are ours, too: skl2onnx 1.20 takes missing text for an unknown
one, and writes gaps and powers in float32 only.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, PowerTransformer

from skjoint._onnx import model as _onnx
from skjoint._onnx.model import BOOL, DOUBLE, FLOAT, INT64, STRING, Graph, as_double
from skjoint._support.composition import best_predictor, joint_estimator

ALIAS = "SkjointJointRegressorClassifier"


def import_skl2onnx():
    try:
        import skl2onnx
    except ImportError as error:
        raise ImportError(_onnx.MISSING.format("skl2onnx")) from error
    return skl2onnx


def pipeline_model(pipeline):
    """The ``onnx.ModelProto`` of a fitted pipeline that ends in a joint estimator."""
    _onnx.import_onnx()
    skl2onnx = import_skl2onnx()
    estimator = joint_estimator(pipeline)
    pipeline = _plain(pipeline)
    register(type(estimator))
    names = getattr(pipeline, "feature_names_in_", None)
    n_features = pipeline.n_features_in_
    text = np.flatnonzero(_is_text(pipeline, n_features)).tolist()
    one_each = names is not None and _picks_columns(pipeline)
    inputs = _onnx.input_types((n_features,), names, text, one_each)
    _onnx.check_names(inputs, _onnx.output_types(estimator))
    try:
        model = _convert(pipeline, inputs, DOUBLE)
        _onnx.check(model)
    except Exception:  # some converters of skl2onnx write graphs for float32 only
        try:
            model = _convert(pipeline, inputs, FLOAT)
            _onnx.check(model)
        except Exception as error:  # of skl2onnx, the checker or ONNX Runtime: each has its own
            raise NotImplementedError(
                f"This pipeline cannot be exported with skl2onnx {skl2onnx.__version__}: {error}"
            ) from error
    _onnx.describe(model, estimator, names)
    return model


def _plain(pipeline):
    """The same steps without searches and without steps that do nothing."""
    steps = [(name, step) for name, step in pipeline.steps if step not in (None, "passthrough")]
    name, last = steps[-1]
    last = best_predictor(last)
    return Pipeline([*steps[:-1], (name, _plain(last) if hasattr(last, "steps") else last)])


# ------------------------------------------------------------ what goes in
def _first_step(step):
    """What reads X in a pipeline."""
    while hasattr(step, "steps"):
        step = next(s for _, s in step.steps if s not in (None, "passthrough"))
    return step


def _picks_columns(step):
    """Whether X is read by a ColumnTransformer, which needs its columns by name."""
    step = _first_step(step)
    parts = [part for _, part in getattr(step, "transformer_list", ())]
    return hasattr(step, "transformers_") or any(map(_picks_columns, parts))


def _is_text(step, n_columns):
    """Which of the columns that a fitted step reads are text, from what it has learned."""
    step = _first_step(step)
    found = np.zeros(n_columns, dtype=bool)
    if hasattr(step, "transformers_"):
        for _, part, chosen in step.transformers_:
            if not isinstance(part, str):
                positions = _positions(step, chosen)
                found[positions] |= _is_text(part, len(positions))
    elif hasattr(step, "transformer_list"):
        for _, part in step.transformer_list:
            if not isinstance(part, str):
                found |= _is_text(part, n_columns)
    elif hasattr(step, "_features"):
        found[_onnx.text_columns(step)] = True
    elif hasattr(step, "categories_"):
        found[:] = [_onnx.is_text(known) for known in step.categories_]
    elif hasattr(step, "statistics_"):
        found[:] = [isinstance(filling, str) for filling in step.statistics_]
    elif hasattr(step, "vocabulary_"):
        found[:] = True
    return found


def _positions(transformer, chosen):
    """Positions of the columns that one part of a ColumnTransformer was given."""
    names = getattr(transformer, "feature_names_in_", None)
    positions = pd.Series(np.arange(transformer.n_features_in_), index=names)
    first = chosen.start if isinstance(chosen, slice) else next(iter(np.atleast_1d(chosen)), 0)
    found = positions.loc[chosen] if isinstance(first, str) else positions.iloc[chosen]
    return np.atleast_1d(found)


# -------------------------------------------------------------- conversion
def _convert(pipeline, inputs, number):
    """The model by skl2onnx; with ``number`` FLOAT the steps see numbers in float32."""
    skl2onnx = import_skl2onnx()
    kinds = {name: number if kind == DOUBLE else kind for name, (kind, _) in inputs.items()}
    model = skl2onnx.convert_sklearn(
        pipeline,
        "skjoint",
        initial_types=[(name, _tensor_type(kinds[name], inputs[name][1])) for name in inputs],
        target_opset=_onnx.OPSETS,
        custom_conversion_functions={cls: _converter(write) for cls, write in STEPS.items()},
        custom_shape_calculators=dict.fromkeys(STEPS, _shape_calculator(number)),
    )
    _put_ends(model, inputs, kinds, _onnx.output_types(joint_estimator(pipeline)))
    return model


def _put_ends(model, inputs, kinds, outputs):
    """Give inputs and outputs their own names, which skl2onnx has made plain, and float64."""
    helper = _onnx.import_onnx().helper
    inside, casts, copies = {}, [], []
    for given, (name, kind) in zip(model.graph.input, kinds.items(), strict=True):
        inside[given.name] = name
        if kind != inputs[name][0]:
            inside[given.name] = f"skjoint/float32/{name}"
            casts.append(helper.make_node("Cast", [name], [inside[given.name]], to=kind))
    for given, name in zip(model.graph.output, outputs, strict=True):
        if given.name != name:
            copies.append(helper.make_node("Identity", [given.name], [name]))
    steps = list(model.graph.node)
    for node in steps:
        node.input[:] = [inside.get(name, name) for name in node.input]
    nodes = [*casts, *steps, *copies]
    read = {name for node in nodes for name in node.input}  # no step reads a dropped column
    inputs = {name: type_ for name, type_ in inputs.items() if name in read}
    for field, types in ((model.graph.input, inputs), (model.graph.output, outputs)):
        del field[:]
        field.extend(helper.make_tensor_value_info(name, *type_) for name, type_ in types.items())
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _tensor_type(kind, shape):
    from skl2onnx.common import data_types

    types = {
        FLOAT: data_types.FloatTensorType,
        INT64: data_types.Int64TensorType,
        STRING: data_types.StringTensorType,
        BOOL: data_types.BooleanTensorType,
        DOUBLE: data_types.DoubleTensorType,
    }
    return types[kind](shape)


def _kind(variable):
    return variable.type.to_onnx_type().tensor_type.elem_type


def _converter(write):
    """A converter of skl2onnx from ``write(graph, step, inputs)``, which gives output tensors."""

    def convert(scope, operator, container):
        graph = Graph(scope.get_unique_variable_name)
        inputs = [(variable.full_name, _kind(variable)) for variable in operator.inputs]
        tensors = write(graph, operator.raw_operator, inputs)
        for name, array in graph.constants.items():
            kind, flat = _onnx.entries(array)
            container.add_initializer(name, kind, list(array.shape), flat)
        for name, domain, names, output, attributes in graph.nodes:
            versions = {"op_domain": domain, "op_version": _onnx.OPSETS[domain]}
            container.add_node(name, names, [output], name=output, **versions, **attributes)
        for tensor, variable in zip(tensors, operator.outputs, strict=True):
            ends = ([tensor], [variable.full_name])
            container.add_node("Cast", *ends, to=_kind(variable), op_version=_onnx.OPSETS[""])

    return convert


# ----------------------------------------------------------- joint estimator
def register(cls):
    """Tell skl2onnx how a class of joint estimators is converted; once more changes nothing."""
    import_skl2onnx().update_registered_converter(
        cls, ALIAS, _set_output_types, _converter(_onnx.write_estimator), parser=_parse
    )


def _parse(scope, model, inputs, custom_parsers=None):
    operator = scope.declare_local_operator(ALIAS, model)
    operator.inputs = inputs
    for name, type_ in _onnx.output_types(model).items():
        operator.outputs.append(scope.declare_local_variable(name, _tensor_type(*type_)))
    return operator.outputs


def _set_output_types(operator):
    types = _onnx.output_types(operator.raw_operator).values()
    for variable, type_ in zip(operator.outputs, types, strict=True):
        variable.type = _tensor_type(*type_)


# ------------------------------------------------------------- usual steps
def _shape_calculator(number):
    """Says that a step gives numbers of this type, or the text that it imputed."""

    def calculate(operator):
        step = operator.raw_operator
        is_text = isinstance(step, SimpleImputer) and _kind(operator.inputs[0]) == STRING
        shape = [None, len(step.get_feature_names_out())]
        operator.outputs[0].type = _tensor_type(STRING if is_text else number, shape)

    return calculate


def _columns(graph, inputs, n_columns):
    """One tensor per column."""
    tensors = as_double(graph, inputs)
    if len(tensors) == n_columns:
        return tensors
    X = graph.side_by_side(tensors)
    return [graph("Gather", X, np.array([i]), axis=1) for i in range(n_columns)]


def _without_rare(encoder):
    if encoder.min_frequency is not None or encoder.max_categories is not None:
        name = type(encoder).__name__
        raise NotImplementedError(f"{name} with min_frequency or max_categories is not supported.")


def _encode_one_hot(graph, encoder, inputs):
    _without_rare(encoder)
    columns = _columns(graph, inputs, len(encoder.categories_))
    parts = []
    for i, (column, known) in enumerate(zip(columns, encoder.categories_, strict=True)):
        part = _onnx.one_hot(graph, column, known)
        dropped = None if encoder.drop_idx_ is None else encoder.drop_idx_[i]
        if dropped is not None:
            kept = np.delete(np.arange(len(known)), dropped)
            part = graph("Gather", part, kept, axis=1)
        parts.append(part)
    return [graph.side_by_side(parts)]


def _encode_ordinal(graph, encoder, inputs):
    _without_rare(encoder)
    unknown = np.nan if encoder.unknown_value is None else encoder.unknown_value
    columns = _columns(graph, inputs, len(encoder.categories_))
    parts = []
    for column, known in zip(columns, encoder.categories_, strict=True):
        marks = _onnx.one_hot(graph, column, known)
        codes = [
            encoder.encoded_missing_value if category != category else code  # None has its own
            for code, category in enumerate(known)
        ]
        code = graph("Gather", np.array(codes, np.float64), graph("ArgMax", marks, axis=1))
        is_known = graph("ReduceMax", marks, np.array([1]))
        is_known = graph("Greater", is_known, np.array(0.5))
        parts.append(graph("Where", is_known, code, np.array(float(unknown))))
    return [graph.side_by_side(parts)]


def _impute(graph, imputer, inputs):
    if imputer.add_indicator:
        raise NotImplementedError("SimpleImputer with add_indicator=True is not supported.")
    missing, filling = imputer.missing_values, imputer.statistics_
    X = graph.side_by_side(as_double(graph, inputs))
    if inputs[0][1] == STRING:
        is_gap = graph("Equal", X, np.array("" if _onnx.is_missing(missing) else missing))
        return [graph("Where", is_gap, filling.astype(str), X)]
    filling = filling.astype(np.float64)
    if _onnx.is_missing(missing):
        is_gap = graph("IsNaN", X)
    else:
        is_gap = graph("Equal", X, np.array(float(missing)))
    X = graph("Where", is_gap, filling, X)
    if np.isnan(filling).any():  # columns of gaps only, which are left out
        X = graph("Gather", X, np.flatnonzero(~np.isnan(filling)), axis=1)
    return [X]


def _power(graph, x, exponents):
    """(x ** exponent - 1) / exponent of positive columns, or their logarithm for 0."""
    is_log = exponents == 0
    exponents = np.where(is_log, 1.0, exponents)
    power = graph("Sub", graph("Pow", x, exponents), np.array(1.0))
    return graph("Where", is_log, graph("Log", x), graph("Div", power, exponents))


def _transform_power(graph, transformer, inputs):
    X, exponents = graph.side_by_side(as_double(graph, inputs)), transformer.lambdas_
    if transformer.method == "box-cox":
        X = _power(graph, X, exponents)
    else:  # both branches see x + 1 or 1 - x of at least 1; NaN stays
        is_positive, size = graph("Greater", X, np.array(0.0)), graph("Abs", X)
        size = graph("Add", size, np.array(1.0))
        above, below = _power(graph, size, exponents), _power(graph, size, 2 - exponents)
        X = graph("Where", is_positive, above, graph("Neg", below))
    if transformer.standardize:
        scaler = transformer._scaler
        X = graph("Div", graph("Sub", X, scaler.mean_), scaler.scale_)
    return [X]


STEPS = {
    SimpleImputer: _impute,
    OneHotEncoder: _encode_one_hot,
    OrdinalEncoder: _encode_ordinal,
    PowerTransformer: _transform_power,
}
