"""Checks of a file's content: Keras configurations that run no code, parts that fit together."""

from __future__ import annotations

import dataclasses

from skjoint._network.weights import weight_shapes
from skjoint._prediction.forward import FittedNetwork
from skjoint._storage.refusal import refused

# Names in Keras' configurations that are data; "__lambda__" and "__typespec__" are code.
DATA_NAMES = ("__keras_tensor__", "__slice__")
# Layers that read files or run code of their own.
UNSAFE_LAYERS = {
    "Lambda",
    "TFSMLayer",
    "TorchModuleWrapper",
    "JaxLayer",
    "FlaxLayer",
    "StringLookup",
    "IntegerLookup",
    "TextVectorization",
}


def check_keras_config(config, where):
    """Raise unless a Keras configuration names nothing but safe layers of Keras' own."""
    if isinstance(config, dict):
        name = config.get("class_name")
        if name is not None and name not in DATA_NAMES:
            _check_class(name, config, where)
        for value in config.values():
            check_keras_config(value, where)
    elif isinstance(config, (list, tuple)):
        for value in config:
            check_keras_config(value, where)


def _check_class(name, config, where):
    module, registered = config.get("module"), config.get("registered_name")
    ours = registered == "skjoint>HashDropout"
    keras_own = isinstance(module, str) and module.split(".")[0] == "keras"
    known = keras_own and registered in (None, name) and name not in UNSAFE_LAYERS
    special = name == "function" or str(name).startswith("__")
    if special or not (ours or known):
        raise TypeError(
            f"{where} has {name!r} of {module or registered}: only layers, optimizers, losses and "
            "initializers of Keras' own that run no code can be saved and loaded."
        )


def check_model(targets, features, network, **others):
    """Raise unless targets and rows are those of the network."""
    heads = [(head.name, head.kind, head.n_units) for head in network.spec.heads]
    same_heads = heads == [(target.name, target.kind, target.n_units) for target in targets.outputs]
    if not (same_heads and features.output_shape_ == network.spec.input_shape):
        raise refused("its targets and features are not those of its network")


def check_weights(spec, weights):
    """Raise unless these are the weights of the layers above a trunk."""
    expected = weight_shapes(spec)
    found = [w.shape for w in weights][-len(expected) :]
    if found != expected:
        raise refused(f"it has weights of shapes {found[:4]}... where {expected[:4]}... belong")


def check_places(networks, places):
    """Raise unless the networks can be members of one average."""
    n_heads = len(networks[0].spec.heads)
    like = dataclasses.replace(networks[0].spec, embedding=None)
    same = all(
        isinstance(network, FittedNetwork)
        and dataclasses.replace(network.spec, embedding=None) == like
        for network in networks
    )
    if not (same and places and all(len(place) == n_heads for place in places)):
        raise refused("its networks do not fit together")
    if not all(isinstance(i, int) and 0 <= i < len(networks) for place in places for i in place):
        raise refused("it names networks that it does not hold")


def check_trunk(network, shapes):
    """Raise unless the weights of a trunk have the shapes that its configuration asks for."""
    network = getattr(network, "network", network)  # without companions
    for part in getattr(network, "networks", [network]):
        found = [w.shape for w in part.weights[: len(shapes)]]
        if found != shapes or len(part.weights) != len(shapes) + len(weight_shapes(part.spec)):
            raise refused(f"its trunk has weights of shapes {found[:4]}... and not {shapes[:4]}")
