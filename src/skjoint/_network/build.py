"""The Keras model of a network."""

from __future__ import annotations

import dataclasses

from skjoint._network.graph import INPUT, Categories, MeanOverClasses, Periodic, Scaled
from skjoint._network.layers import (
    categories,
    hash_dropout,
    mean_over_classes,
    periodic,
    scaled,
)
from skjoint._network.spec import TRUNK
from skjoint._network.weights import initializer, set_weights
from skjoint._support.keras_import import import_keras, untouched_random

FLOAT32 = {"dtype": "float32"}  # whatever policy the process has


def build_model(spec, all_parts=False):
    """The ``keras.Model`` of a spec: encoded X in, a list with one output per head out.

    Its weights are for the caller to set. With ``all_parts`` the parts of a head lie side by
    side, as training needs; else there is the first one alone.
    """
    keras = import_keras()
    names = spec.keras_names()
    with untouched_random():
        tensors = {INPUT: keras.Input(spec.input_shape, name="input", **FLOAT32)}
        for layer in spec.layers():
            if TRUNK in layer.inputs and TRUNK not in tensors:
                tensors[TRUNK] = spec.trunk.build()(tensors[spec.below])
            inputs = [tensors[name] for name in layer.inputs]
            write = LAYERS.get(type(layer), _dense)
            tensors[layer.name] = write(spec, layer, names[layer.name], inputs)
        outputs = []
        for head in spec.heads:
            parts = [tensors[name] for name in head.parts.values()][: None if all_parts else 1]
            if len(parts) > 1:
                join = keras.layers.Concatenate(name=spec.output_names()[head.name], **FLOAT32)
                parts = [join(parts)]
            outputs += parts
        return keras.Model(tensors[INPUT], outputs)


def _dense(spec, layer, name, inputs):
    keras = import_keras()
    if len(inputs) > 1:
        inputs = [keras.layers.Concatenate(name=f"{name}_inputs", **FLOAT32)(inputs)]
    output = keras.layers.Dense(
        layer.n_units,
        activation=layer.activation,
        kernel_initializer=initializer(spec, layer, seed=0),
        kernel_regularizer=None if layer.is_fixed else _l2(spec.alpha),
        trainable=not layer.is_fixed,
        name=name,
        **FLOAT32,
    )(inputs[0])
    if spec.dropout and not layer.is_output:
        output = hash_dropout()(spec.dropout, name=f"{name}_dropout", **FLOAT32)(output)
    return output


def _categories(spec, layer, name, inputs):
    return categories()(
        layer.n_codes,
        embeddings_regularizer=_l2(spec.embedding_alpha),
        name=name,
        **FLOAT32,
    )(inputs[0])


def _l2(alpha):
    return import_keras().regularizers.L2(alpha) if alpha else None


def _periodic(spec, layer, name, inputs):
    settings = dataclasses.asdict(layer.embedding)
    return periodic()(**settings, name=name, **FLOAT32)(inputs[0])


def _scaled(spec, layer, name, inputs):
    return scaled()(layer.n_units, layer.activation, name=name, **FLOAT32)(inputs[0])


def _mean_over_classes(spec, layer, name, inputs):
    return mean_over_classes()(layer.n_classes, layer.n_units, name=name, **FLOAT32)(inputs)


LAYERS = {  # all others are dense
    Categories: _categories,
    Periodic: _periodic,
    Scaled: _scaled,
    MeanOverClasses: _mean_over_classes,
}


def fitted_model(spec, weights):
    """The ``keras.Model`` with these weights and the first part of each head."""
    keras = import_keras()
    model = build_model(spec, all_parts=True)
    set_weights(model, spec, weights)
    names = spec.keras_names()
    if all(len(head.parts) == 1 for head in spec.heads):
        return model
    return keras.Model(model.input, [model.get_layer(names[h.name]).output for h in spec.heads])


def call_model(model, X, training):
    """A list with one output per head; Keras unwraps the list of a model with one."""
    outputs = model(X, training=training)
    return outputs if isinstance(outputs, list) else [outputs]
