"""The mean of several networks."""

from __future__ import annotations

import numpy as np

from skjoint._network.layers import mean_over_classes
from skjoint._network.weights import weights_of
from skjoint._prediction.blocks import as_rows
from skjoint._prediction.numpy_math import NumPyMath
from skjoint._support.keras_import import import_keras, untouched_random


class Average:
    """Networks of one spec, but for their embedding, whose outputs are averaged.

    A member may have other weights for other heads, of the epochs in which each
    was best.

    Parameters
    ----------
    networks : list of FittedNetwork
    places : list of tuple of int
        For every member the index of the network of each head.
    """

    def __init__(self, networks, places):
        self.networks = networks
        self.places = places

    @property
    def spec(self):
        return self.networks[0].spec

    def member(self, i):
        """The network of a member that trained longest, from which training goes on."""
        return self.networks[max(self.places[i])]

    def __getstate__(self):
        return {"networks": self.networks, "places": self.places}

    def predict(self, X, names, forms=None):
        """As :meth:`FittedNetwork.predict`, of the members together.

        A variance is combined with the numbers of the members: ``names`` must have both.
        """
        by_member = self._by_member(X, names)
        found = {}
        for head in self.spec.heads:
            asked = {part: name for part, name in head.parts.items() if name in names}
            if asked:
                parts = {part: by_member[name] for part, name in asked.items()}
                combined = head.output.combine(parts, NumPyMath)
                found |= {asked[part]: mean.astype(np.float32) for part, mean in combined.items()}
        answers = []
        for name, form in zip(names, forms or [as_rows] * len(names), strict=True):
            mean = found[name]
            answers.append(mean if form is as_rows else form(mean.T, X.shape[0]))
        return answers

    def _by_member(self, X, names):
        """Outputs of each member by name, from one call of each network."""
        head_of = {
            name: i for i, head in enumerate(self.spec.heads) for name in head.parts.values()
        }
        asked = {}
        for member, place in enumerate(self.places):
            for name in names:
                asked.setdefault(place[head_of[name]], {}).setdefault(name, []).append(member)
        found = {}
        for place, members_of in asked.items():
            outputs = self.networks[place].predict(X, list(members_of))
            for (name, members), output in zip(members_of.items(), outputs, strict=True):
                found.update({(name, member): output for member in members})
        return {name: [found[name, m] for m in range(len(self.places))] for name in names}

    def share(self, head, kind=None):
        """Share of companions in a head: none."""
        return 0.0

    def build(self):
        """The members and the means of their outputs as a new ``keras.Model``."""
        keras = import_keras()
        names, heads = self.spec.keras_names(), self.spec.heads
        # The number of a mixture is made of the means of its parts.
        parts = {i: h.parts[part] for i, h in enumerate(heads) for part in _class_parts(h)}
        with untouched_random():
            X = keras.Input(self.spec.input_shape, name="input", dtype="float32")
            outputs = []
            for i, network in enumerate(self.networks):
                model = network.build()
                more = [model.get_layer(names[part]).output for part in parts.values()]
                model = keras.Model(model.inputs, [*model.outputs, *more], name=f"network_{i}")
                found = model(X)
                outputs.append(found if isinstance(found, list) else [found])

            def mean_of(i, column, name):
                tensors = [outputs[place[i]][column] for place in self.places]
                mean = keras.layers.Average(name=name, dtype="float32")
                return mean(tensors) if len(tensors) > 1 else tensors[0]

            means: list = [
                None if i in parts else mean_of(i, i, names[heads[i].name])
                for i in range(len(heads))
            ]
            for k, (i, part) in enumerate(parts.items()):
                by_class = mean_of(i, len(heads) + k, names[part])
                gate = next(j for j, head in enumerate(heads) if head.kind == "class")
                means[i] = self._mean_over_classes(i, [by_class, means[gate]])
            return keras.Model(X, means)

    def _mean_over_classes(self, i, tensors):
        """The number of head i from numbers by class and probabilities, as Keras tensors."""
        output, name = self.spec.heads[i].output, self.spec.keras_names()[self.spec.heads[i].name]
        layer = mean_over_classes()(output.n_classes, output.n_units, name=name, dtype="float32")
        number = layer(tensors)
        first = self.networks[0]  # all have the same constants
        layer.set_weights(weights_of(first.spec, first.weights, self.spec.heads[i].name))
        return number


def average(networks):
    """The mean of networks, and of the members of averages among them."""
    if len(networks) == 1:
        return networks[0]
    parts, places = [], []
    for network in networks:
        n_heads, start = len(network.spec.heads), len(parts)
        inside = network.places if isinstance(network, Average) else [(0,) * n_heads]
        places += [tuple(start + place for place in member) for member in inside]
        parts += network.networks if isinstance(network, Average) else [network]
    return Average(parts, places)


def _class_parts(head):
    return head.output.class_parts if head.kind == "value" else ()
