"""Weights of a network: drawn to start from, copied out of a Keras model and into it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from skjoint._network.graph import Categories, MeanOverClasses, Periodic, Scaled
from skjoint._network.spec import EMBEDDING, OUTPUT_INITIALIZER, TRUNK
from skjoint._support.keras_import import import_keras, untouched_random

EMBEDDING_SCALE = 0.1  # of embedded categories at the start
FREQUENCY_SCALE = 0.1  # of the waves at the start, in periods per unit of a standardised number


def initial_weights(spec, seed, given=None, idle=()):
    """Weights to start from, in the order of :func:`get_weights`.

    ``given`` holds lists of arrays by name of layer for what is not drawn:
    the weights of a trunk, the known numbers of a mixture (default none known),
    the bins of a histogram, the units of a scaled activation (default 1). Layers
    named in ``idle`` start from 0.
    """
    given = given or {}
    layers = spec.layers()
    seeds = np.random.SeedSequence(seed).generate_state(len(layers)).tolist()
    weights = list(given[TRUNK]) if spec.trunk is not None else []
    with untouched_random():
        for layer, layer_seed in zip(layers, seeds, strict=True):
            if layer.name in given:
                weights += given[layer.name]
            elif isinstance(layer, MeanOverClasses):
                weights += [np.zeros(shape, np.float32) for shape in layer.shapes]
            elif isinstance(layer, Scaled):
                weights += [np.array([one, 0 * one]) for one in [np.ones(layer.n_units, "f")] * 2]
            elif isinstance(layer, Categories):
                weights += _initial_table(layer, layer_seed)
            elif isinstance(layer, Periodic):
                weights += _initial_embedding(layer, layer_seed)
            else:
                draw = initializer(spec, layer, layer_seed)
                # float64, a setting of the process, would draw other numbers.
                kernel = np.asarray(draw((layer.n_inputs, layer.n_units), dtype="float32"))
                kernel = np.zeros_like(kernel) if layer.name in idle else kernel
                weights += [kernel, np.zeros(layer.n_units, np.float32)]
    return weights


def _initial_table(layer, seed):
    """Small random rows, so that a level of few rows stays near the mean of all.

    Rows of code 0 are 0: without a row to learn from, what fit has not met is such a mean.
    """
    tables = []
    for shape in layer.shapes:
        table = np.random.default_rng(seed).normal(scale=EMBEDDING_SCALE, size=shape)
        _, starts = layer.embedded
        table[starts] = 0
        tables.append(table.astype(np.float32))
    return tables


def _initial_embedding(layer, seed):
    """Slow waves of any phase, and maps as PyTorch's linear layers start, without bias."""
    rng = np.random.default_rng(seed)
    of_waves, of_maps = layer.shapes
    frequencies = rng.normal(scale=FREQUENCY_SCALE, size=of_waves[1:])
    phases = rng.uniform(-np.pi, np.pi, size=of_waves[1:])
    bound = layer.embedding.n_frequencies**-0.5
    maps = rng.uniform(-bound, bound, size=of_maps)
    maps[:, -1] = 0
    return [np.array([frequencies, phases], np.float32), maps.astype(np.float32)]


def initializer(spec, layer, seed):
    """What draws the kernel of a layer, with a seed of its own."""
    keras = import_keras()
    identifier = OUTPUT_INITIALIZER if layer.is_output else spec.kernel_initializer
    found = keras.initializers.get(identifier)
    if isinstance(found, keras.initializers.Initializer):
        config = found.get_config()
        if "seed" in config:
            return type(found).from_config({**config, "seed": seed})
    return found


def restart_model(model, spec, seed, weights):
    """Give a model its weights, and its random layers (dropout, augmentation) their seeds."""
    set_weights(model, spec, weights)
    states = [v for v in model.variables if v.name == "seed_generator_state"]
    seeds = np.random.SeedSequence([*np.atleast_1d(seed), 1]).generate_state(len(states))
    for state, state_seed in zip(states, seeds.tolist(), strict=True):
        state.assign([state_seed, 0])


def get_weights(model, spec):
    """Weights as NumPy arrays: of the trunk, then of every layer of ``spec.layers()``.

    A dense layer has its kernel and bias, categories the table of their embeddings, if there
    are any, an embedding of numbers its waves and maps, a scaled
    activation its units inside and outside, a mean over classes its constants: a mark and
    the number for every class.
    """
    return [w for name in spec.keras_names().values() for w in model.get_layer(name).get_weights()]


def set_weights(model, spec, weights):
    """The reverse of :func:`get_weights`."""
    start = 0
    for name in spec.keras_names().values():
        layer = model.get_layer(name)
        end = start + len(layer.weights)
        layer.set_weights(weights[start:end])
        start = end


def by_layer(spec, weights):
    """Pairs of layer and its weights, of the list of :func:`get_weights` without a trunk's."""
    start = len(weights) - len(weight_shapes(spec))
    for layer in spec.layers():
        end = start + len(layer.shapes)
        yield layer, weights[start:end]
        start = end


def weights_of(spec, weights, name):
    """Those of one layer above a trunk, of a list in the order of :func:`get_weights`."""
    return next(found for layer, found in by_layer(spec, weights) if layer.name == name)


def with_idle_embedding(spec, weights, embedding):
    """The same network with an embedding whose waves are mapped to 0, and its weights.

    Nothing moves these zeros: the maps' gradients are products with the kernel's rows
    for them, whose gradients are products with what the maps give. So networks that embed
    numbers and networks that do not can share a program.
    """
    wide, found = replace(spec, embedding=embedding), []
    given = {layer.name: own for layer, own in by_layer(spec, weights)}
    for layer in wide.layers():
        if layer.name == EMBEDDING:
            found += [np.zeros(shape, np.float32) for shape in layer.shapes]
            continue
        own = given[layer.name]
        if EMBEDDING in layer.inputs:
            kernel = np.zeros((layer.n_inputs, layer.n_units), np.float32)
            kernel[_rows_of_numbers(embedding, layer)] = own[0]
            own = [kernel, *own[1:]]
        found += own
    return wide, found


def without_idle_embedding(spec, weights):
    """The reverse of :func:`with_idle_embedding`."""
    found = []
    for layer, own in by_layer(spec, weights):
        if EMBEDDING in layer.inputs:
            own = [own[0][_rows_of_numbers(spec.embedding, layer)], *own[1:]]
        if layer.name != EMBEDDING:
            found += own
    return replace(spec, embedding=None), found


def _rows_of_numbers(embedding, layer):
    """Rows of a kernel that do not belong to waves: of numbers, other columns, other heads."""
    n, width = embedding.n_columns, 1 + embedding.n_units
    return np.concatenate([np.arange(n) * width, np.arange(n * width, layer.n_inputs)])


def weight_shapes(spec):
    """Shapes of the weights above a trunk, in the order of :func:`get_weights`."""
    return [shape for layer in spec.layers() for shape in layer.shapes]
