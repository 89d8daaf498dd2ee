"""The network as plain data, and the Keras model built from it.

A :class:`NetworkSpec` says everything about the shape of the network: a
shared trunk of dense layers, then one branch per head. Together with a list
of NumPy weights it is all that a fitted estimator keeps.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import random
import re
import sys
import tempfile
import threading
from dataclasses import dataclass

import numpy as np

OUTPUT_INITIALIZER = "glorot_uniform"  # Keras' default
STARTUP_NOTE = re.compile(
    rb"[IWE]\d{4} \d\d:\d\d:|WARNING: All log messages before absl::|To enable the following instr"
)


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
            prefix = f"{branch}_hidden" if branch else "hidden"
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

    @property
    def n_parameters(self):
        return sum(layer.n_parameters for layer in self.layers())


@contextlib.contextmanager
def untouched_random():
    """Give Python's global random state back as it was: Keras draws from it."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


_import_lock = threading.Lock()


def import_keras():
    """Keras on TensorFlow, imported on first use and leaving no trace in the process."""
    with _import_lock:
        if "keras" in sys.modules:
            import keras
        else:
            with untouched_random(), _quiet_startup():
                import keras
    if keras.backend.backend() != "tensorflow":
        raise ImportError(
            "skjoint needs Keras on its TensorFlow backend. "
            f"Got '{keras.backend.backend()}' instead; unset KERAS_BACKEND."
        )
    return keras


@contextlib.contextmanager
def _quiet_startup():
    """Keep TensorFlow's start-up notes off the terminal; a level set by the user stands.

    They are written before TensorFlow reads any log level, so they are taken
    out of the stream; everything else that was written comes through after.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ or "tensorflow" in sys.modules:
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            yield
            import tensorflow as tf

            tf.config.list_physical_devices()  # looks for accelerators, with a note each
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            del os.environ["TF_CPP_MIN_LOG_LEVEL"]
            written.seek(0)
            for line in written.read().splitlines(keepends=True):
                if not STARTUP_NOTE.match(line):
                    os.write(2, line)


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


def build_model(spec, seed=0):
    """The ``keras.Model`` of a spec: encoded X in, a list with one output per head out.

    Every initializer and dropout layer gets a seed of its own from ``seed``.
    """
    keras = import_keras()
    layers = spec.layers()
    seeds = np.random.SeedSequence(seed).generate_state(2 * len(layers)).tolist()
    with untouched_random():
        tensors = {"input": keras.Input((spec.n_inputs,), name="input")}
        for layer, seed, dropout_seed in zip(
            layers, seeds[: len(layers)], seeds[len(layers) :], strict=True
        ):
            output = keras.layers.Dense(
                layer.n_units,
                activation=layer.activation,
                kernel_initializer=_seeded_initializer(
                    keras, OUTPUT_INITIALIZER if layer.is_output else spec.kernel_initializer, seed
                ),
                kernel_regularizer=keras.regularizers.L2(spec.alpha) if spec.alpha else None,
                name=layer.name,
            )(tensors[layer.inputs])
            if spec.dropout and not layer.is_output:
                output = keras.layers.Dropout(
                    spec.dropout, seed=dropout_seed, name=f"{layer.name}_dropout"
                )(output)
            tensors[layer.name] = output
        return keras.Model(tensors["input"], [tensors[head.name] for head in spec.heads])


def _seeded_initializer(keras, identifier, seed):
    initializer = keras.initializers.get(identifier)
    if isinstance(initializer, keras.initializers.Initializer):
        config = initializer.get_config()
        if "seed" in config:
            return type(initializer).from_config({**config, "seed": seed})
    return initializer


def get_weights(model, spec):
    """Kernel and bias of every layer as NumPy arrays, in the order of ``spec.layers()``."""
    return [w for layer in spec.layers() for w in model.get_layer(layer.name).get_weights()]


def set_weights(model, spec, weights):
    """The reverse of :func:`get_weights`."""
    for i, layer in enumerate(spec.layers()):
        model.get_layer(layer.name).set_weights(weights[2 * i : 2 * i + 2])
