"""The network as plain data, and the Keras model built from it.

A :class:`NetworkSpec` says everything about the shape of the network: a
shared trunk (dense layers, or a Keras network of the user's own), then one
branch per head, which may read what other heads say. Together with a list of
NumPy weights it is all that a fitted estimator keeps.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, replace

import numpy as np

from skjoint._network.layers import hash_dropout, mixture, periodic
from skjoint._network.trunk import NAME as TRUNK
from skjoint._network.trunk import Trunk
from skjoint._support.keras_import import first_line, import_keras, untouched_random
from skjoint._support.names import nearest_name
from skjoint._support.warn import warn

OUTPUT_INITIALIZER = "glorot_uniform"  # Keras' default
FLOAT32 = {"dtype": "float32"}  # whatever policy the process has
EMBEDDING = "embedding"
FREQUENCY_SCALE = 0.1  # of the waves at the start, in periods per unit of a standardised number
LINKS = ("class_to_value", "value_to_class", "mixture")


@dataclass(frozen=True)
class Head:
    """One branch on top of the trunk: its own hidden layers and its output."""

    name: str
    kind: str  # "value" or "class"
    n_units: int
    activation: object
    hidden: tuple[int, ...] = ()
    has_variance: bool = False  # the network says, too, how far off its number may be
    n_bins: int = 0  # whose mean the number is; 0 for a number of its own

    @property
    def variance(self):
        """Name of the layer that gives the variance, less ``MIN_VARIANCE``."""
        return f"{self.name}/variance"

    @property
    def histogram(self):
        """Name of the layer that gives the probabilities of the bins."""
        return f"{self.name}/histogram"

    @property
    def more(self):
        """What the head is trained on beside its output, and the name of its layer; or None."""
        if self.has_variance:
            return "variance", self.variance
        return ("histogram", self.histogram) if self.n_bins else None


@dataclass(frozen=True)
class Dense:
    """One dense layer of the graph: ``activation(concatenated inputs @ kernel + bias)``."""

    name: str
    inputs: tuple[str, ...]  # names of the layers it reads; "input" is the network's input
    n_inputs: int
    n_units: int
    activation: object
    branch: str | None = None  # the head it belongs to; None for the trunk
    is_output: bool = False
    is_fixed: bool = False  # its weights are given and stay

    @property
    def n_parameters(self):
        return 0 if self.is_fixed else (self.n_inputs + 1) * self.n_units

    @property
    def shapes(self):
        return [(self.n_inputs, self.n_units), (self.n_units,)]


@dataclass(frozen=True)
class Embedding:
    """How each of the first columns of X becomes several features: see :class:`Periodic`."""

    n_columns: int
    n_frequencies: int = 8
    n_units: int = 7


@dataclass(frozen=True)
class Periodic:
    """Numbers beside linear maps of their cosines; other columns are passed on behind them."""

    name: str
    n_inputs: int
    embedding: Embedding

    inputs = ("input",)
    activation = "periodic"
    branch = None
    is_output = False

    @property
    def n_units(self):
        return self.n_inputs + self.embedding.n_columns * self.embedding.n_units

    @property
    def n_parameters(self):
        return sum(int(np.prod(shape)) for shape in self.shapes)

    @property
    def shapes(self):
        """Of frequencies and phases, and of the maps with their bias in the last row."""
        n, m, u = self.embedding.n_columns, self.embedding.n_frequencies, self.embedding.n_units
        return [(2, n, m), (n, m + 1, u)]


@dataclass(frozen=True)
class Mixture:
    """A value head that is the mean of one number per class under the class probabilities."""

    name: str
    inputs: tuple[str, str]  # numbers by class, class probabilities
    n_classes: int
    n_units: int
    branch: str

    activation = "mean over classes"
    is_output = False  # nothing is dropped or drawn for it
    n_parameters = 0

    @property
    def shapes(self):
        return [(self.n_classes, 1), (self.n_classes, self.n_units)]


@dataclass(frozen=True)
class NetworkSpec:
    """Shape and regularisation of the network; see the estimator for the terms."""

    input_shape: tuple[int, ...]
    hidden: tuple[int, ...]
    heads: tuple[Head, ...]
    activation: object = "relu"
    kernel_initializer: object = OUTPUT_INITIALIZER
    dropout: float = 0.0
    alpha: float = 0.0
    trunk: Trunk | None = None  # instead of the hidden layers
    link: str | None = None
    embedding: Embedding | None = None

    @property
    def n_inputs(self):
        """Numbers in one encoded row."""
        return int(np.prod(self.input_shape))

    def layers(self):
        """All layers above a trunk of the user's, every one after the layers it reads."""
        layers = []

        def stack(sizes, branch, inputs, n_inputs):
            prefix = f"{branch}/hidden" if branch else "hidden"
            for i, n_units in enumerate(sizes, start=1):
                name = f"{prefix}_{i}"
                layers.append(Dense(name, inputs, n_inputs, n_units, self.activation, branch))
                inputs, n_inputs = (name,), n_units
            return inputs, n_inputs

        if self.embedding is not None:
            layers.append(Periodic(EMBEDDING, self.n_inputs, self.embedding))
            features = stack(self.hidden, None, (EMBEDDING,), layers[0].n_units)
        elif self.trunk is None:
            features = stack(self.hidden, None, ("input",), self.n_inputs)
        else:
            features = (TRUNK,), self.trunk.n_features
        for head, seen in self._reading_order():
            inputs, n_inputs = features
            inputs += tuple(other.name for other in seen)
            n_inputs += sum(other.n_units for other in seen)
            inputs, n_inputs = stack(head.hidden, head.name, inputs, n_inputs)
            n_units, name = head.n_units, head.name
            mixed = self.mixture_of(head)
            if mixed is not None:
                n_units, name = head.n_units * mixed.n_units, f"{head.name}/by_class"
            output = (n_units, head.activation, head.name, True)
            if head.n_bins:
                bins = (head.n_bins, "softmax", head.name, True)
                layers.append(Dense(head.histogram, inputs, n_inputs, *bins))
                inputs, n_inputs = (head.histogram,), head.n_bins
            layers.append(Dense(name, inputs, n_inputs, *output, is_fixed=head.n_bins > 0))
            if head.has_variance:
                output = (n_units, "softplus", head.name, True)
                layers.append(Dense(head.variance, inputs, n_inputs, *output))
            if mixed is not None:
                layers.append(
                    Mixture(head.name, (name, mixed.name), mixed.n_units, head.n_units, head.name)
                )
        return layers

    def _reading_order(self):
        """The heads, each with those whose outputs it sees beside the features."""
        values = [head for head in self.heads if head.kind == "value"]
        classes = [head for head in self.heads if head.kind == "class"]
        if self.link in ("class_to_value", "mixture"):
            seen = classes if self.link == "class_to_value" else []
            return [(head, []) for head in classes] + [(head, seen) for head in values]
        seen = values if self.link == "value_to_class" else []
        return [(head, []) for head in values] + [(head, seen) for head in classes]

    def mixture_of(self, head):
        """The class head over whose labels a value head is a mixture, or None."""
        if self.link != "mixture" or head.kind != "value":
            return None
        return next(other for other in self.heads if other.kind == "class")

    @property
    def variances(self):
        """Names of the layers that give variances, by name of head."""
        return {head.name: head.variance for head in self.heads if head.has_variance}

    def keras_names(self):
        """Names of the Keras layers by name of layer: unique, of letters that Keras takes."""
        names = {} if self.trunk is None else {TRUNK: TRUNK}
        for layer in self.layers():
            name = plain = re.sub(r"[^A-Za-z0-9_]", "_", layer.name)
            while name in names.values():
                name = f"{plain}_{len(names)}"
            names[layer.name] = name
        return names

    def output_names(self):
        """Names of the Keras layers that end in what a head is trained on, by name of head."""
        names = self.keras_names()
        return {
            head.name: names[head.name] + (f"_and_{head.more[0]}" if head.more else "")
            for head in self.heads
        }

    def without_penalty(self):
        return replace(self, alpha=0.0)

    @property
    def n_parameters(self):
        in_trunk = 0 if self.trunk is None else self.trunk.n_parameters
        return in_trunk + sum(layer.n_parameters for layer in self.layers())


def check_identifier(parameter, identifier):
    """Raise unless Keras can make an activation or initializer of it."""
    keras = import_keras()
    module = keras.initializers if parameter == "kernel_initializer" else keras.activations
    try:
        with untouched_random():
            found = module.get(identifier)
    except (ValueError, TypeError):
        names = [name for name in vars(module) if name.islower() and not name.startswith("_")]
        raise ValueError(
            f"{parameter} must be a name that Keras knows, or a callable. "
            f"Got {identifier!r} instead.{nearest_name(identifier, names)}"
        ) from None
    if getattr(found, "__module__", type(found).__module__).startswith("keras."):
        return
    given = (2, 3) if module is keras.initializers else keras.ops.zeros((2, 3))
    try:
        with untouched_random():
            shape = np.shape(found(given))
    except Exception as error:  # whatever the user's function may raise
        raise ValueError(
            f"{parameter} must be a name that Keras knows, or a callable of one "
            f"{'shape' if module is keras.initializers else 'tensor'}. It raised "
            f"{first_line(error)}"
        ) from error
    if shape != (2, 3):
        raise ValueError(
            f"{parameter} must give a tensor of the shape it is given. Got {shape} for (2, 3) "
            "instead."
        )


def is_non_negative(activation, scaled):
    """Whether a value activation gives no negative numbers; a warning where it is bounded."""
    if activation == "linear":
        return False
    check_identifier("value_activation", activation)
    keras = import_keras()
    x = np.array([[-1e4], [-1.0], [0.0], [1.0], [1e4]], dtype=np.float32)
    reached = np.asarray(keras.activations.get(activation)(keras.ops.convert_to_tensor(x)))
    if scaled and not reached.max() > 10:
        warn(
            f"value_activation={activation!r} gives at most {reached.max():g}: larger numbers, in "
            "scaled units, cannot be predicted. Use 'linear', 'relu' or 'softplus'."
        )
    return bool(reached.min() >= 0)


def build_model(spec, keep_parts=False):
    """The ``keras.Model`` of a spec: encoded X in, a list with one output per head out.

    Its weights are for the caller to set. With ``keep_parts`` the output of a
    mixture has the numbers by class behind their mean, and that of a head with
    a variance or a histogram has it behind the number, as training needs.
    """
    keras = import_keras()
    names = spec.keras_names()
    with untouched_random():
        tensors = {"input": keras.Input(spec.input_shape, name="input")}
        if spec.trunk is not None:
            tensors[TRUNK] = spec.trunk.build()(tensors["input"])
        for layer in spec.layers():
            inputs = [tensors[name] for name in layer.inputs]
            name = names[layer.name]
            if isinstance(layer, Mixture):
                settings = (layer.n_classes, layer.n_units, keep_parts)
                tensors[layer.name] = mixture()(*settings, name=name, **FLOAT32)(inputs)
                continue
            if isinstance(layer, Periodic):
                settings = dataclasses.asdict(layer.embedding)
                tensors[layer.name] = periodic()(**settings, name=name, **FLOAT32)(inputs[0])
                continue
            if len(inputs) > 1:
                inputs = [keras.layers.Concatenate(name=f"{name}_inputs", **FLOAT32)(inputs)]
            penalised = spec.alpha and not layer.is_fixed
            output = keras.layers.Dense(
                layer.n_units,
                activation=layer.activation,
                kernel_initializer=_initializer(spec, layer, seed=0),
                kernel_regularizer=keras.regularizers.L2(spec.alpha) if penalised else None,
                trainable=not layer.is_fixed,
                name=name,
                **FLOAT32,
            )(inputs[0])
            if spec.dropout and not layer.is_output:
                output = hash_dropout()(spec.dropout, name=f"{name}_dropout", **FLOAT32)(output)
            tensors[layer.name] = output
        outputs = {head.name: tensors[head.name] for head in spec.heads}
        if keep_parts:
            for head in spec.heads:
                if head.more:
                    join = keras.layers.Concatenate(name=spec.output_names()[head.name], **FLOAT32)
                    outputs[head.name] = join([tensors[head.name], tensors[head.more[1]]])
        return keras.Model(tensors["input"], list(outputs.values()))


def initial_weights(spec, seed, given=None):
    """Weights to start from, in the order of :func:`get_weights`.

    ``given`` holds lists of arrays by name of layer for what is not drawn:
    the weights of a trunk, the known numbers of a mixture (default none known),
    the bins of a histogram.
    """
    given = given or {}
    layers = spec.layers()
    seeds = np.random.SeedSequence(seed).generate_state(len(layers)).tolist()
    weights = list(given[TRUNK]) if spec.trunk is not None else []
    with untouched_random():
        for layer, layer_seed in zip(layers, seeds, strict=True):
            if layer.name in given:
                weights += given[layer.name]
            elif isinstance(layer, Mixture):
                weights += [np.zeros(shape, np.float32) for shape in layer.shapes]
            elif isinstance(layer, Periodic):
                weights += _initial_embedding(layer, layer_seed)
            else:
                draw = _initializer(spec, layer, layer_seed)
                kernel = np.asarray(draw((layer.n_inputs, layer.n_units)))
                weights += [kernel, np.zeros(layer.n_units, np.float32)]
    return weights


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


def _initializer(spec, layer, seed):
    keras = import_keras()
    identifier = OUTPUT_INITIALIZER if layer.is_output else spec.kernel_initializer
    initializer = keras.initializers.get(identifier)
    if isinstance(initializer, keras.initializers.Initializer):
        config = initializer.get_config()
        if "seed" in config:
            return type(initializer).from_config({**config, "seed": seed})
    return initializer


def restart_model(model, spec, seed, weights):
    """Give a model its weights, and its random layers (dropout, augmentation) their seeds."""
    set_weights(model, spec, weights)
    states = [v for v in model.variables if v.name == "seed_generator_state"]
    seeds = np.random.SeedSequence([*np.atleast_1d(seed), 1]).generate_state(len(states))
    for state, state_seed in zip(states, seeds.tolist(), strict=True):
        state.assign([state_seed, 0])


def call_model(model, X, training):
    """A list with one output per head; Keras unwraps the list of a model with one."""
    outputs = model(X, training=training)
    return outputs if isinstance(outputs, list) else [outputs]


def get_weights(model, spec):
    """Weights as NumPy arrays: of the trunk, then of every layer of ``spec.layers()``.

    A dense layer has its kernel and bias, an embedding its waves and maps, a
    mixture what it knows: a mark and the number for every class.
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


def weights_of(spec, weights, name):
    """Those of one layer above a trunk, of a list in the order of :func:`get_weights`."""
    behind = [layer.name for layer in reversed(spec.layers())].index(name)
    end = len(weights) - 2 * behind
    return weights[end - 2 : end]


def with_idle_embedding(spec, weights, embedding):
    """The same network with an embedding whose waves are mapped to 0, and its weights.

    Nothing moves these zeros: the maps' gradients are products with the kernel's rows
    for them, whose gradients are products with what the maps give. So networks that embed
    numbers and networks that do not can share a program.
    """
    wide = replace(spec, embedding=embedding)
    first, *others = wide.layers()
    found = [np.zeros(shape, np.float32) for shape in first.shapes]
    for i, layer in enumerate(others):
        kernel, bias = weights[2 * i : 2 * i + 2]
        if EMBEDDING in layer.inputs:
            kernel, narrow = np.zeros((layer.n_inputs, layer.n_units), np.float32), kernel
            kernel[_rows_of_numbers(first, layer)] = narrow
        found += [kernel, bias]
    return wide, found


def without_idle_embedding(spec, weights):
    """The reverse of :func:`with_idle_embedding`; networks that embed their numbers stay."""
    if spec.embedding is None or weights[1].any():
        return spec, weights
    first, *others = spec.layers()
    found = list(weights[2:])
    for i, layer in enumerate(others):
        if EMBEDDING in layer.inputs:
            found[2 * i] = found[2 * i][_rows_of_numbers(first, layer)]
    return replace(spec, embedding=None), found


def _rows_of_numbers(embedding, layer):
    """Rows of a kernel that do not belong to waves: of numbers, other columns, other heads."""
    n, width = embedding.embedding.n_columns, 1 + embedding.embedding.n_units
    return np.concatenate([np.arange(n) * width, np.arange(n * width, layer.n_inputs)])


def weight_shapes(spec):
    """Shapes of the weights above a trunk, in the order of :func:`get_weights`."""
    return [shape for layer in spec.layers() for shape in layer.shapes]
