"""Pipelines as ONNX graphs.

skl2onnx converts the steps, but for some usual ones (``skjoint._onnx.steps``) and the joint
estimator at the end, which are ours.
"""

from __future__ import annotations

from copy import copy

import numpy as np
import pandas as pd
from sklearn.base import is_classifier, is_regressor
from sklearn.pipeline import Pipeline

from skjoint._onnx.answers import output_types
from skjoint._onnx.features import input_types, is_text, text_columns
from skjoint._onnx.graph import (
    BOOL,
    DOUBLE,
    FLOAT,
    INT64,
    MISSING,
    OPSETS,
    STRING,
    UINT64,
    Graph,
    entries,
    import_onnx,
)
from skjoint._onnx.model import check, check_names, describe, fitted_parts, write_model
from skjoint._onnx.steps import STEPS, imputes_text
from skjoint._support.composition import best_predictor, joint_estimator
from skjoint.views import OnClass, OnValue

ALIAS = "SkjointJointRegressorClassifier"


def import_skl2onnx():
    try:
        import skl2onnx
    except ImportError as error:
        raise ImportError(MISSING.format("skl2onnx")) from error
    return skl2onnx


def pipeline_model(pipeline):
    """The ``onnx.ModelProto`` of a fitted pipeline that ends in a joint estimator."""
    import_onnx()
    skl2onnx = import_skl2onnx()
    estimator = joint_estimator(pipeline)
    model, decoding = fitted_parts(estimator)
    pipeline = _plain(pipeline)
    register(type(estimator))
    names = getattr(pipeline, "feature_names_in_", None)
    n_features = pipeline.n_features_in_
    text = np.flatnonzero(_is_text(pipeline, n_features)).tolist()
    one_each = names is not None and _picks_columns(pipeline)
    inputs = input_types((n_features,), names, text, one_each)
    outputs = output_types(model, decoding)
    check_names(inputs, outputs)
    try:
        proto = _convert(pipeline, inputs, outputs, DOUBLE)
    except Exception:  # some converters of skl2onnx write graphs for float32 only
        try:
            proto = _convert(pipeline, inputs, outputs, FLOAT)
        except Exception as error:  # skl2onnx, the checker and ONNX Runtime raise different types
            raise NotImplementedError(
                f"This pipeline cannot be exported with skl2onnx {skl2onnx.__version__}: {error}"
            ) from error
    describe(proto, model.targets, names)
    return proto


def _plain(pipeline):
    """The same steps without searches, without steps that do nothing, and what steps wrap."""
    steps = [(name, step) for name, step in pipeline.steps if step not in (None, "passthrough")]
    name, last = steps[-1]
    last = best_predictor(last)
    before = [(name, _unwrapped(step)) for name, step in steps[:-1]]
    return Pipeline([*before, (name, _plain(last) if hasattr(last, "steps") else last)])


def _unwrapped(step):
    """A step with the fitted transformers themselves in place of what hands them their y."""
    if step is None or isinstance(step, str):
        return step
    if isinstance(step, (OnClass, OnValue)):
        return _unwrapped(step.step_)
    for parts in ("steps", "transformer_list", "transformers_"):
        if hasattr(step, parts):
            step, inside = copy(step), getattr(step, parts)
            setattr(step, parts, [(name, _unwrapped(part), *rest) for name, part, *rest in inside])
            return step
    if (is_classifier(step) or is_regressor(step)) and type(step) not in STEPS:
        raise NotImplementedError(
            f"to_onnx cannot write a {type(step).__name__} as a transformer: skl2onnx would write "
            "its predictions. Use another transformer, or export the joint estimator alone."
        )
    return step


# ---------------------------------------------------------------------- inputs
def _first_step(step):
    """The step of a pipeline that reads X."""
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
    elif hasattr(step, "split_targets"):  # the joint estimator
        model, _ = fitted_parts(step)
        found[text_columns(model.features)] = True
    elif hasattr(step, "categories_"):
        found[:] = [is_text(known) for known in step.categories_]
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


# ------------------------------------------------------------------ conversion
def _convert(pipeline, inputs, outputs, number):
    """The checked model by skl2onnx; with ``number`` FLOAT the steps get numbers in float32."""
    skl2onnx = import_skl2onnx()
    kinds = {name: number if kind == DOUBLE else kind for name, (kind, _) in inputs.items()}
    proto = skl2onnx.convert_sklearn(
        pipeline,
        "skjoint",
        initial_types=[(name, _tensor_type(kinds[name], inputs[name][1])) for name in inputs],
        target_opset=OPSETS,
        custom_conversion_functions={cls: _converter(write) for cls, write in STEPS.items()},
        custom_shape_calculators=dict.fromkeys(STEPS, _shape_calculator(number)),
        custom_parsers=dict.fromkeys(STEPS, _parse_step),
    )
    _put_ends(proto, inputs, kinds, outputs)
    check(proto)
    return proto


def _put_ends(proto, inputs, kinds, outputs):
    """Give inputs and outputs the names that skl2onnx has changed, and inputs float64."""
    helper = import_onnx().helper
    inside, casts, copies = {}, [], []
    for given, (name, kind) in zip(proto.graph.input, kinds.items(), strict=True):
        inside[given.name] = name
        if kind != inputs[name][0]:
            inside[given.name] = f"skjoint/float32/{name}"
            casts.append(helper.make_node("Cast", [name], [inside[given.name]], to=kind))
    for given, name in zip(proto.graph.output, outputs, strict=True):
        if given.name != name:
            copies.append(helper.make_node("Identity", [given.name], [name]))
    steps = list(proto.graph.node)
    for node in steps:
        node.input[:] = [inside.get(name, name) for name in node.input]
    nodes = [*casts, *steps, *copies]
    read = {name for node in nodes for name in node.input}  # no step reads a dropped column
    inputs = {name: type_ for name, type_ in inputs.items() if name in read}
    for field, types in ((proto.graph.input, inputs), (proto.graph.output, outputs)):
        del field[:]
        field.extend(helper.make_tensor_value_info(name, *type_) for name, type_ in types.items())
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)


def _tensor_type(kind, shape):
    from skl2onnx.common import data_types

    types = {
        FLOAT: data_types.FloatTensorType,
        INT64: data_types.Int64TensorType,
        STRING: data_types.StringTensorType,
        BOOL: data_types.BooleanTensorType,
        DOUBLE: data_types.DoubleTensorType,
        UINT64: data_types.UInt64TensorType,
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
            kind, flat = entries(array)
            container.add_initializer(name, kind, list(array.shape), flat)
        for name, domain, names, outputs, attributes in graph.nodes:
            versions = {"op_domain": domain, "op_version": OPSETS[domain]}
            container.add_node(name, names, outputs, name=outputs[0], **versions, **attributes)
        for tensor, variable in zip(tensors, operator.outputs, strict=True):
            ends = ([tensor], [variable.full_name])
            container.add_node("Cast", *ends, to=_kind(variable), op_version=OPSETS[""])

    return convert


def _parse_step(scope, step, inputs, custom_parsers=None):
    """One output, whatever else the step can do; without it one that predicts had others."""
    operator = scope.declare_local_operator(f"Skjoint{type(step).__name__}", step)
    operator.inputs = inputs
    operator.outputs.append(scope.declare_local_variable("variable", inputs[0].type))
    return operator.outputs


def _shape_calculator(number):
    """A function that gives a step's output its type: numbers of one type, or imputed text."""

    def calculate(operator):
        step = operator.raw_operator
        kind = STRING if imputes_text(step, _kind(operator.inputs[0])) else number
        shape = [None, len(step.get_feature_names_out())]
        operator.outputs[0].type = _tensor_type(kind, shape)

    return calculate


# ------------------------------------------------------------- joint estimator
def register(cls):
    """Tell skl2onnx how a class of joint estimators is converted; it may be called again."""
    import_skl2onnx().update_registered_converter(
        cls, ALIAS, _set_output_types, _converter(_write_estimator), parser=_parse
    )


def _write_estimator(graph, estimator, inputs):
    return write_model(graph, *fitted_parts(estimator), inputs)


def _parse(scope, estimator, inputs, custom_parsers=None):
    operator = scope.declare_local_operator(ALIAS, estimator)
    operator.inputs = inputs
    for name, type_ in output_types(*fitted_parts(estimator)).items():
        operator.outputs.append(scope.declare_local_variable(name, _tensor_type(*type_)))
    return operator.outputs


def _set_output_types(operator):
    types = output_types(*fitted_parts(operator.raw_operator)).values()
    for variable, type_ in zip(operator.outputs, types, strict=True):
        variable.type = _tensor_type(*type_)
