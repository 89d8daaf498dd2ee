"""The network as plain data, and the Keras model built from it.

A :class:`NetworkSpec` says everything about the shape of the network: a
shared trunk of dense layers, then one branch per head. Together with a list
of NumPy weights it is all that a fitted estimator keeps.
"""

from __future__ import annotations

import difflib
import re
import warnings
from dataclasses import dataclass, replace

import numpy as np

from skjoint._dropout import hash_dropout
from skjoint._keras_import import import_keras, untouched_random

OUTPUT_INITIALIZER = "glorot_uniform"  # Keras' default


@dataclass(frozen=True)
class Head:
    """One branch on top of the trunk: its own hidden layers and its output."""

    name: str
    kind: str  # "value" or "class"
    n_units: int
    activation: object
    hidden: tuple[int, ...] = ()


@dataclass(frozen=True)
class Dense:
    """One dense layer of the graph: ``activation(inputs @ kernel + bias)``."""

    name: str
    inputs: str  # name of the layer it reads; "input" is the network's input
    n_inputs: int
    n_units: int
    activation: object
    branch: str | None = None  # the head it belongs to; None for the trunk
    is_output: bool = False

    @property
    def n_parameters(self):
        return (self.n_inputs + 1) * self.n_units


@dataclass(frozen=True)
class NetworkSpec:
    """Shape and regularisation of the network; see the estimator for the terms."""

    n_inputs: int
    hidden: tuple[int, ...]
    heads: tuple[Head, ...]
    activation: object = "relu"
    kernel_initializer: object = OUTPUT_INITIALIZER
    dropout: float = 0.0
    alpha: float = 0.0

    def layers(self):
        """All dense layers, every one after the layer it reads; weights follow this order."""
        layers = []

        def stack(sizes, branch, inputs, n_inputs):
            prefix = f"{branch}/hidden" if branch else "hidden"
            for i, n_units in enumerate(sizes, start=1):
                name = f"{prefix}_{i}"
                layers.append(Dense(name, inputs, n_inputs, n_units, self.activation, branch))
                inputs, n_inputs = name, n_units
            return inputs, n_inputs

        trunk = stack(self.hidden, None, "input", self.n_inputs)
        for head in self.heads:
            inputs, n_inputs = stack(head.hidden, head.name, *trunk)
            output = (head.n_units, head.activation, head.name, True)
            layers.append(Dense(head.name, inputs, n_inputs, *output))
        return layers

    def keras_names(self):
        """Names of the Keras layers by name of layer: unique, of letters that Keras takes."""
        names = {}
        for layer in self.layers():
            name = plain = re.sub(r"[^A-Za-z0-9_]", "_", layer.name)
            while name in names.values():
                name = f"{plain}_{len(names)}"
            names[layer.name] = name
        return names

    def without_penalty(self):
        return replace(self, alpha=0.0)

    @property
    def n_parameters(self):
        return sum(layer.n_parameters for layer in self.layers())


def nearest_name(name, names):
    """`` Did you mean 'adam'?``, or nothing when no known name is near."""
    matches = difflib.get_close_matches(str(name), [str(n) for n in names])
    if not matches:
        return ""
    # Letters swapped are likelier than letters forgotten: 'adma' is 'adam', not 'adamax'.
    nearest = min(matches, key=lambda match: abs(len(match) - len(str(name))))
    return f" Did you mean '{nearest}'?"


def check_identifier(parameter, identifier):
    """Raise unless Keras can make an activation or initializer of it."""
    keras = import_keras()
    module = keras.initializers if parameter == "kernel_initializer" else keras.activations
    try:
        with untouched_random():
            module.get(identifier)
    except (ValueError, TypeError):
        names = [name for name in vars(module) if name.islower() and not name.startswith("_")]
        raise ValueError(
            f"{parameter} must be a name that Keras knows, or a callable. "
            f"Got {identifier!r} instead.{nearest_name(identifier, names)}"
        ) from None


def is_non_negative(activation, scaled):
    """Whether a value activation gives no negative numbers; a warning where it is bounded."""
    if activation == "linear":
        return False
    check_identifier("value_activation", activation)
    keras = import_keras()
    x = np.array([[-1e4], [-1.0], [0.0], [1.0], [1e4]], dtype=np.float32)
    reached = np.asarray(keras.activations.get(activation)(keras.ops.convert_to_tensor(x)))
    if scaled and not reached.max() > 10:
        warnings.warn(
            f"value_activation={activation!r} gives at most {reached.max():g}: larger numbers, in "
            "scaled units, cannot be predicted. Use 'linear', 'relu' or 'softplus'.",
            UserWarning,
            stacklevel=2,
        )
    return bool(reached.min() >= 0)


def build_model(spec, seed=0):
    """The ``keras.Model`` of a spec: encoded X in, a list with one output per head out.

    Every initializer and dropout layer gets a seed of its own from ``seed``.
    """
    keras = import_keras()
    layers, names = spec.layers(), spec.keras_names()
    seeds, dropout_seeds = _layer_seeds(spec, seed)
    with untouched_random():
        tensors = {"input": keras.Input((spec.n_inputs,), name="input")}
        for layer in layers:
            output = keras.layers.Dense(
                layer.n_units,
                activation=layer.activation,
                kernel_initializer=_initializer(spec, layer, seeds[layer.name]),
                kernel_regularizer=keras.regularizers.L2(spec.alpha) if spec.alpha else None,
                name=names[layer.name],
            )(tensors[layer.inputs])
            if layer.name in dropout_seeds:
                dropout = hash_dropout()(
                    spec.dropout,
                    seed=dropout_seeds[layer.name],
                    name=f"{names[layer.name]}_dropout",
                )
                output = dropout(output)
            tensors[layer.name] = output
        return keras.Model(tensors["input"], [tensors[head.name] for head in spec.heads])


def restart_model(model, spec, seed, weights=None):
    """Make a model what ``build_model(spec, seed)`` would give, or with other weights."""
    seeds, dropout_seeds = _layer_seeds(spec, seed)
    if weights is None:
        weights = []
        with untouched_random():
            for layer in spec.layers():
                kernel = _initializer(spec, layer, seeds[layer.name])(
                    (layer.n_inputs, layer.n_units)
                )
                weights += [np.asarray(kernel), np.zeros(layer.n_units, np.float32)]
    set_weights(model, spec, weights)
    names = spec.keras_names()
    for layer, dropout_seed in dropout_seeds.items():
        model.get_layer(f"{names[layer]}_dropout").restart(dropout_seed)


def _layer_seeds(spec, seed):
    """Seeds by name of layer: of its initializer, and of the dropout behind it if there is one."""
    layers = spec.layers()
    seeds = np.random.SeedSequence(seed).generate_state(2 * len(layers)).tolist()
    names = [layer.name for layer in layers]
    dropped = {layer.name for layer in layers if spec.dropout and not layer.is_output}
    initializers = dict(zip(names, seeds[: len(layers)], strict=True))
    dropout = dict(zip(names, seeds[len(layers) :], strict=True))
    return initializers, {name: s for name, s in dropout.items() if name in dropped}


def _initializer(spec, layer, seed):
    keras = import_keras()
    identifier = OUTPUT_INITIALIZER if layer.is_output else spec.kernel_initializer
    initializer = keras.initializers.get(identifier)
    if isinstance(initializer, keras.initializers.Initializer):
        config = initializer.get_config()
        if "seed" in config:
            return type(initializer).from_config({**config, "seed": seed})
    return initializer


def call_model(model, X, training):
    """A list with one output per head; Keras unwraps the list of a model with one."""
    outputs = model(X, training=training)
    return outputs if isinstance(outputs, list) else [outputs]


def get_weights(model, spec):
    """Kernel and bias of every layer as NumPy arrays, in the order of ``spec.layers()``."""
    return [w for name in spec.keras_names().values() for w in model.get_layer(name).get_weights()]


def set_weights(model, spec, weights):
    """The reverse of :func:`get_weights`."""
    for i, name in enumerate(spec.keras_names().values()):
        model.get_layer(name).set_weights(weights[2 * i : 2 * i + 2])
