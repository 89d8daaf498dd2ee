"""A user's own Keras network in place of the hidden layers, as plain data."""

from __future__ import annotations

import dataclasses
import functools
import json
from dataclasses import dataclass

import numpy as np

from skjoint._network.keras_config import is_listed, made_of
from skjoint._network.layers import hash_dropout
from skjoint._support.keras_import import first_line, import_keras, untouched_random
from skjoint._support.lost_settings import lost_settings

NAME = "trunk"  # of the nested model in the whole network


@dataclass(frozen=True)
class Trunk:
    """The layers of a Keras model from encoded X to features; their weights are kept apart."""

    config: str  # JSON
    n_features: int
    n_parameters: int
    adds_losses: bool  # in a call, as an activity regularizer does
    convolves: bool
    embeds: bool
    classes: tuple = ()  # of layers that are not Keras' own
    n_codes: int | None = None  # where X goes straight into an Embedding layer

    def check_codes(self, X):
        """Raise where X holds codes that the Embedding layer does not know.

        A plain graph would raise TensorFlow's error, XLA silently take the nearest code.
        """
        if (
            self.n_codes is not None
            and X.shape[0]
            and not (X.min() >= 0 and X.max() < self.n_codes)
        ):
            raise ValueError(
                f"X must hold codes from 0 to {self.n_codes - 1}, which the Embedding layer of "
                f"trunk knows, with preprocess=None. Got numbers from {X.min():g} to {X.max():g} "
                "instead."
            )

    def build(self):
        """The trunk as a new ``keras.Model``; its weights are for the caller to set."""
        return _rebuild(self.config, self.classes)

    def declared_shapes(self, input_shape):
        """Shapes of the weights that a config of any origin asks for; none is made.

        Raises
        ------
        ValueError, TypeError
            If the config is not one of listed layers, or of another network than the other fields.
        """
        keras = import_keras()
        from keras.src.backend.common import global_state

        waiting = global_state.get_global_attribute("uninitialized_variables", [], True)
        n_waiting = len(waiting)
        try:
            with keras.StatelessScope(initialize_variables=False):
                model = made_of(json.loads(self.config), "trunk")
            if not isinstance(model, keras.Model):
                raise ValueError("trunk must be a keras.Model.")
            _check_built(model, input_shape)
            if self != dataclasses.replace(self, **_facts(model)) or self.classes != ():
                raise ValueError("trunk must have the layers that it is said to have.")
            return [tuple(weight.shape) for weight in model.weights]
        finally:
            del waiting[n_waiting:]


def _rebuild(config, classes):
    parsed = json.loads(config)
    if not classes and is_listed(parsed):
        return made_of(parsed, "trunk")
    # The user's own model in memory, Lambda layers included: load has passed on no such config.
    keras = import_keras()
    hash_dropout()  # registered with Keras before it is looked for
    own = {cls.__name__: cls for cls in classes}
    own |= {keras.saving.get_registered_name(cls): cls for cls in classes}
    return keras.saving.deserialize_keras_object(parsed, custom_objects=own, safe_mode=False)


def read_trunk(model, input_shape):
    """A :class:`Trunk` and its weights from a Keras model, which stays as it is.

    Raises
    ------
    ValueError
        If the model does not lead from rows of ``input_shape`` to one feature
        vector a row.
    """
    keras = import_keras()
    if not isinstance(model, keras.Model):
        raise ValueError(
            "trunk must be a keras.Model, or a function build(meta, ...) that returns one. "
            f"Got {type(model).__name__} instead."
        )
    _check_built(model, input_shape)
    weights = model.get_weights()
    config = keras.saving.serialize_keras_object(model)
    for end in ("input_layers", "output_layers"):  # of functional models: [name, 0, 0]
        tensor = config["config"].get(end)
        if tensor and (isinstance(tensor, dict) or not isinstance(tensor[0], str)):
            raise ValueError(
                "trunk must lead from one tensor to one tensor: keras.Model(inputs, outputs) "
                "without lists or dicts around them."
            )
    config["config"]["name"] = NAME
    config = json.dumps(_with_cheap_dropout(_without_training(config)), sort_keys=True)
    layers = model._flatten_layers()
    own = {type(layer) for layer in layers if not type(layer).__module__.startswith("keras.")}
    own.discard(hash_dropout())  # of a trunk that was loaded
    classes = tuple(sorted(own, key=lambda cls: cls.__name__))
    trainable, adds_losses = _try_out(config, classes, input_shape)
    _check_kept(layers, config, classes)
    if trainable != tuple(variable.trainable for variable in model.weights):
        raise ValueError(
            "trunk must have the same weights, and the same of them frozen, when Keras rebuilds it "
            "from its config. Freeze whole layers, not layers inside a layer of your own."
        )
    return Trunk(config, adds_losses=adds_losses, classes=classes, **_facts(model)), weights


def _facts(model):
    """Fields of a trunk that follow from its model."""
    layers = list(model._flatten_layers())
    names = [type(layer).__name__ for layer in layers]
    codes = [layer.input_dim for layer in layers if _embeds(layer, model.inputs[0])]
    return {
        "n_features": model.outputs[0].shape[-1],
        "n_parameters": model.count_params(),
        "convolves": any("Conv" in name for name in names),
        "embeds": "Embedding" in names,
        "n_codes": min(codes, default=None),
    }


def _check_kept(layers, config, classes):
    """Raise where a layer that is not Keras' own forgets a setting when it is rebuilt."""
    if not classes:
        return
    with untouched_random():
        rebuilt = list(_rebuild(config, classes)._flatten_layers())
    for layer, again in zip(layers, rebuilt, strict=True):
        lost = lost_settings(layer, again) if isinstance(layer, classes) else []
        if lost:
            shown = ", ".join(f"{name}={old!r} (it has {new!r})" for name, old, new in lost)
            raise ValueError(
                f"trunk must consist of layers that Keras can rebuild as they are. A rebuilt "
                f"{type(layer).__name__} loses {shown}: let its get_config return all arguments "
                "of the constructor."
            )


def _embeds(layer, tensor):
    return isinstance(layer, import_keras().layers.Embedding) and layer.input is tensor


@functools.lru_cache(maxsize=64)
def _try_out(config, classes, input_shape):
    """Rebuild a config: which weights are trainable, and whether a call adds losses."""
    try:
        with untouched_random():
            model = _rebuild(config, classes)
            model(np.zeros((2, *input_shape), np.float32), training=True)
    except Exception as error:  # whatever the user's layers may raise
        raise ValueError(
            "trunk must consist of layers that Keras can rebuild from their configuration: layers "
            "of your own need get_config, and Lambda layers that use other names are better "
            "written as layers or as keras.ops in a functional model. The rebuilt network raised "
            f"{first_line(error)}"
        ) from error
    regularized = sum(v.regularizer is not None for v in model.trainable_variables)
    trainable = tuple(variable.trainable for variable in model.weights)
    return trainable, len(model.losses) > regularized


def _check_built(model, input_shape):
    if not model.built or not getattr(model, "inputs", None):
        raise ValueError(
            "trunk must be a functional or sequential keras.Model with an Input of shape "
            f"{input_shape}, that of one encoded row. Got a model without one instead."
        )
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(
            "trunk must lead from one input to one feature tensor. Got "
            f"{len(model.inputs)} input(s) and {len(model.outputs)} output(s) instead."
        )
    expected = tuple(model.inputs[0].shape)[1:]
    fits = len(expected) == len(input_shape) and all(
        size in (None, given) for size, given in zip(expected, input_shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"trunk must take rows of shape {input_shape}, that of one encoded row of X. "
            f"Its input has shape {expected} instead."
        )
    shape = tuple(model.outputs[0].shape)
    if len(shape) != 2 or shape[1] is None:
        raise ValueError(
            "trunk must end in a feature tensor of shape (n_samples, n_features). Got "
            f"{shape} instead: end it with Flatten, GlobalAveragePooling or return_sequences=False."
        )


def _without_training(config):
    """The same config without what ``compile`` was given, which a trunk does not need."""
    if isinstance(config, dict):
        return {k: _without_training(v) for k, v in config.items() if k != "compile_config"}
    return [_without_training(v) for v in config] if isinstance(config, (list, tuple)) else config


def _with_cheap_dropout(config):
    """The same config with ``keras.layers.Dropout`` as the equal layer that XLA runs fast."""
    if isinstance(config, dict):
        config = {key: _with_cheap_dropout(value) for key, value in config.items()}
        if config.get("class_name") == "Dropout" and config.get("module") == "keras.layers":
            settings = dict(config["config"])
            if settings.pop("noise_shape", None) is None and settings["rate"] < 1:
                settings["seed"] = 0
                cls = hash_dropout()
                names = {"class_name": cls.__name__, "registered_name": f"skjoint>{cls.__name__}"}
                return {**config, "module": None, **names, "config": settings}
        return config
    if isinstance(config, (list, tuple)):
        return [_with_cheap_dropout(value) for value in config]
    return config
