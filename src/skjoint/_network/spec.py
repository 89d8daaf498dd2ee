"""The network as plain data: a shared trunk, then one branch per head.

A :class:`NetworkSpec` holds everything about the shape of the network. Together with a list
of NumPy weights it is all that a fitted estimator keeps of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from skjoint._network.graph import INPUT, Categories, Dense, Embedding, Periodic
from skjoint._network.outputs import Output
from skjoint._network.trunk import NAME as TRUNK
from skjoint._network.trunk import Trunk

OUTPUT_INITIALIZER = "glorot_uniform"  # Keras' default
EMBEDDING = "embedding"
CATEGORIES = "categories"
EMBEDDINGS = ("rank", "periodic")  # of numbers
LINKS = ("class_to_value", "value_to_class", "mixture")


@dataclass(frozen=True)
class Head:
    """One branch on top of the trunk: its own hidden layers and its output."""

    name: str
    output: Output
    hidden: tuple[int, ...] = ()

    @property
    def kind(self):
        """Kind of its target, "value" or "class"."""
        return self.output.target

    @property
    def n_units(self):
        return self.output.n_units

    @property
    def activation(self):
        return self.output.activation

    @property
    def parts(self):
        """Names of the layers by part of the output; that of the first part is the head's."""
        return self.output.parts(self.name)


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
    embedding_alpha: float = 0.0
    trunk: Trunk | None = None  # instead of the hidden layers
    link: str | None = None
    embedding: Embedding | None = None
    n_codes: tuple[int, ...] = ()  # of the last columns, which hold codes of categories

    @property
    def n_inputs(self) -> int:
        """Numbers in one encoded row."""
        return int(np.prod(self.input_shape))

    @property
    def categories(self):
        """The layer of categories below all others, or None without any."""
        return Categories(CATEGORIES, self.n_inputs, self.n_codes) if self.n_codes else None

    @property
    def below(self):
        """Name of what the trunk reads."""
        return CATEGORIES if self.n_codes else INPUT

    @property
    def trunk_shape(self) -> tuple[int, ...]:
        """Shape of the rows that the trunk reads."""
        return (self.categories.n_units,) if self.n_codes else self.input_shape

    def layers(self):
        """All layers but a trunk of the user's, every one after the layers it reads."""
        layers, (inputs, n_inputs) = self._trunk_layers()
        gate = next((head for head in self.heads if head.kind == "class"), None)
        for head, seen in self._reading_order():
            own_inputs = (*inputs, *(other.output.read_part(other.name) for other in seen))
            n_own = n_inputs + sum(other.n_units for other in seen)
            hidden, read = self._stack(head.hidden, head.name, own_inputs, n_own)
            layers += [*hidden, *head.output.layers(head.name, *read, gate)]
        return layers

    def _trunk_layers(self):
        """Layers of the shared trunk, and the names and the number of features above it."""
        first = [self.categories] if self.n_codes else []
        if self.trunk is not None:
            return first, ((TRUNK,), self.trunk.n_features)
        read, n_inputs = self.below, int(np.prod(self.trunk_shape))
        if self.embedding is not None:
            waves = Periodic(EMBEDDING, (read,), n_inputs, self.embedding)
            first, read, n_inputs = [*first, waves], EMBEDDING, waves.n_units
        layers, features = self._stack(self.hidden, None, (read,), n_inputs)
        return [*first, *layers], features

    def _stack(self, sizes, branch, inputs, n_inputs):
        """Hidden layers one above the other, and what is read above them."""
        prefix, layers = f"{branch}/hidden" if branch else "hidden", []
        for i, n_units in enumerate(sizes, start=1):
            name = f"{prefix}_{i}"
            layers.append(Dense(name, inputs, n_inputs, n_units, self.activation, branch))
            inputs, n_inputs = (name,), n_units
        return layers, (inputs, n_inputs)

    def _reading_order(self):
        """The heads, each with those whose outputs it reads beside the features."""
        values = [head for head in self.heads if head.kind == "value"]
        classes = [head for head in self.heads if head.kind == "class"]
        if self.link == "class_to_value" or any(head.output.needs_classes for head in values):
            seen = classes if self.link == "class_to_value" else []
            return [(head, []) for head in classes] + [(head, seen) for head in values]
        seen = values if self.link == "value_to_class" else []
        return [(head, []) for head in values] + [(head, seen) for head in classes]

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
        """Names of the Keras layers that end in all parts of a head, by name of head."""
        names, found = self.keras_names(), {}
        for head in self.heads:
            more = list(head.parts)[1:]
            name = "_and_".join([names[head.name], *more])
            while more and name in [*names.values(), *found.values()]:
                name += "_"
            found[head.name] = name
        return found

    def widths(self):
        """Units of all parts, by name of layer."""
        of_layers = {layer.name: layer.n_units for layer in self.layers()}
        return {name: of_layers[name] for head in self.heads for name in head.parts.values()}

    def without_penalty(self):
        return replace(self, alpha=0.0, embedding_alpha=0.0)

    @property
    def n_parameters(self) -> int:
        in_trunk = 0 if self.trunk is None else self.trunk.n_parameters
        return in_trunk + sum(layer.n_parameters for layer in self.layers())
