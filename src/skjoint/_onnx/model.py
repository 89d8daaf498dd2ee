"""A fitted estimator as an ONNX graph: features in, numbers, labels and probabilities out.

The graph is written from NumPy weights and plain data, without loading Keras. Like our
own prediction it computes in float64 and rounds to float32 where features are encoded
and where a head ends: otherwise a number near a band's edge, or two labels nearly tied,
could give another answer than ``predict``.
"""

from __future__ import annotations

import json

import skjoint
from skjoint._onnx.answers import output_types, plain_labels, write_answers
from skjoint._onnx.features import (
    Columns,
    check_types,
    input_types,
    text_columns,
    write_features,
)
from skjoint._onnx.graph import IR_VERSION, OPSETS, Graph, entries, import_onnx
from skjoint._onnx.network import write_outputs
from skjoint._prediction.decoding import Decoding
from skjoint._prediction.fitted_model import FittedModel


def fitted_parts(estimator) -> tuple[FittedModel, Decoding]:
    """The model behind an estimator, and how its outputs become answers at the moment."""
    model = estimator._model
    return model, model.decoding(estimator.value_from, estimator.class_from)


def estimator_model(estimator):
    """The ``onnx.ModelProto`` of a fitted joint estimator."""
    import_onnx()
    model, decoding = fitted_parts(estimator)
    names = model.features.schema.feature_names
    text, one_each = text_columns(model.features), bool(model.features.categories)
    inputs = input_types(model.features.row_shape, names, text, one_each)
    outputs = output_types(model, decoding)
    check_names(inputs, outputs)
    graph = Graph()
    kinds = [(name, kind) for name, (kind, _) in inputs.items()]
    tensors = write_model(graph, model, decoding, kinds)
    proto = as_proto(graph, inputs, outputs, tensors)
    check(proto)
    describe(proto, model.targets, names)
    return proto


def write_model(graph, model, decoding, inputs):
    """Names of the output tensors, in the order of ``output_types``.

    ``inputs`` are pairs of name and type: all of X, or one tensor per column.
    """
    check_types(inputs, model.features)
    X = write_features(graph, model.features, Columns(graph, inputs))
    outputs = write_outputs(graph, model.network, X)
    return list(write_answers(graph, model, decoding, outputs).values())


def as_proto(graph, inputs, outputs, tensors):
    """The model of a graph whose ``tensors`` become the outputs."""
    helper = import_onnx().helper
    nodes = [
        helper.make_node(operator, names, [output], domain=domain, **attributes)
        for operator, domain, names, output, attributes in graph.nodes
    ]
    for name, tensor in zip(outputs, tensors, strict=True):
        nodes.append(helper.make_node("Identity", [tensor], [name]))
    constants = []
    for name, array in graph.constants.items():
        kind, flat = entries(array)
        constants.append(helper.make_tensor(name, kind, array.shape, flat))
    ends = [
        [helper.make_tensor_value_info(name, *type_) for name, type_ in types.items()]
        for types in (inputs, outputs)
    ]
    return helper.make_model(
        helper.make_graph(nodes, "skjoint", *ends, constants),
        opset_imports=[helper.make_opsetid(*pair) for pair in OPSETS.items()],
        ir_version=IR_VERSION,
    )


def check_names(inputs, outputs):
    common = sorted(set(inputs) & {"", *outputs})
    if common:
        raise NotImplementedError(
            f"Columns of X have names that the graph cannot have for inputs, {common}: they are "
            "empty or those of outputs. Rename these columns before fit."
        )


def check(proto):
    """Raise unless the model is valid and, where ONNX Runtime is installed, loads."""
    import_onnx().checker.check_model(proto, full_check=True)
    try:
        import onnxruntime
    except ImportError:
        return
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are in the exception, too
    onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def describe(proto, targets, feature_names):
    """Put into the metadata what inputs and outputs are, for whoever serves the model."""
    described = {
        "features": None if feature_names is None else [str(name) for name in feature_names],
        "targets": [
            {
                "output": target.name,
                "kind": target.kind,
                "columns": [str(targets.names[p]) for p in target.positions],
            }
            for target in targets.outputs
        ],
        "classes": {t.name: plain_labels(t).tolist() for t in targets.classes},
    }
    proto.producer_name, proto.producer_version = "skjoint", skjoint.__version__
    props = {name: json.dumps(value) for name, value in described.items()}
    import_onnx().helper.set_model_props(proto, {"skjoint": skjoint.__version__, **props})
