"""Trunks of Keras layers in ONNX graphs; other layers are refused by name."""

import keras
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from onnx_checks import SMALL, answers, assert_refused
from skjoint import JointRegressorClassifier


def chain(*layers, shape=(4,)):
    """A trunk whose weights, statistics included, are all random."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input(shape), *layers])
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in model.get_weights()])
    model.trainable = False
    return model


def functional(*layers):
    inputs = x = keras.Input((4,))
    for layer in layers:
        x = layer(x)
    return inputs, x


L = keras.layers
TRUNKS = {
    "dense": lambda: chain(L.Dense(5, "gelu"), L.Dropout(0.5), L.Dense(3, use_bias=False)),
    "normalised": lambda: chain(L.BatchNormalization(), L.Dense(3), L.LayerNormalization()),
    "without scale": lambda: chain(
        L.BatchNormalization(scale=False), L.LayerNormalization(center=False), L.GaussianNoise(1.0)
    ),
    "activations": lambda: chain(L.Dense(5), L.ReLU(), L.Dense(4), L.Activation("softplus")),
    "nested": lambda: chain(keras.Sequential([keras.Input((4,)), L.Dense(3)]), L.Dense(2)),
    "flat": lambda: chain(L.Flatten(), L.Dense(3), shape=(6, 2)),
    "reshaped": lambda: chain(L.Reshape((3, 4)), L.GlobalMaxPooling1D(), shape=(6, 2)),
    "steps": lambda: chain(L.Dense(3, "softmax"), L.GlobalAveragePooling1D(), shape=(6, 2)),
    "pictures": lambda: chain(L.Dense(3), L.GlobalAveragePooling2D(), shape=(3, 5, 2)),
    "functional": lambda: keras.Model(*functional(L.Dense(3, "relu"), L.BatchNormalization())),
    "brightest": lambda: chain(L.GlobalMaxPooling2D(), shape=(3, 5, 2)),
}


@pytest.mark.parametrize("name", TRUNKS)
def test_trunk(name, tmp_path):
    trunk = TRUNKS[name]()
    X = np.random.default_rng(0).normal(1.0, 2.0, size=(90, *trunk.input_shape[1:]))
    signal = X.reshape(90, -1)
    y = pd.DataFrame(
        {"value": signal[:, 0], "label": np.where(signal.sum(axis=1) > signal.sum() / 90, "a", "b")}
    )
    if X.ndim > 2:
        X.reshape(-1)[5] = np.nan
    est = JointRegressorClassifier(trunk=trunk, epochs=2, random_state=0).fit(X, y)
    found = answers(est, X, tmp_path)
    numbers = est.predict_value(X)  # by Keras, all in float32
    assert_allclose(found["value"], numbers, rtol=1e-5, atol=1e-5 * max(numbers.std(), 0.1))
    proba = est.predict_proba(X)
    assert_allclose(found["proba"], proba, atol=1e-5)
    clear = np.abs(proba[:, 0] - 0.5) > 1e-5
    assert_array_equal(found["class"][clear], est.predict_class(X)[clear])


# -------------------------------------------------------------------- refusals
def recurrent(meta):
    inputs = keras.Input(meta["input_shape"])
    x = L.Reshape((meta["input_shape"][0], 1))(inputs)
    return keras.Model(inputs, L.GRU(3, name="remember")(x))


def branching(meta):
    inputs = keras.Input(meta["input_shape"])
    return keras.Model(inputs, L.Add()([L.Dense(3)(inputs), L.Dense(3)(inputs)]))


def repeating(meta):
    layer, inputs = L.Dense(meta["input_shape"][0]), keras.Input(meta["input_shape"])
    return keras.Model(inputs, layer(layer(inputs)))


def curious(meta):
    return keras.Sequential([keras.Input(meta["input_shape"]), L.Dense(3, activation="mish")])


def bounded(meta):
    return keras.Sequential([keras.Input(meta["input_shape"]), L.ReLU(max_value=1.0)])


EST = JointRegressorClassifier.plain(**SMALL)
REFUSED = {
    "layer": (clone(EST).set_params(trunk=recurrent), "ab", r"'remember' \(GRU\)"),
    "branches": (clone(EST).set_params(trunk=branching), "ab", "chain"),
    "a layer used twice": (clone(EST).set_params(trunk=repeating), "ab", "chain"),
    "activation of a layer": (clone(EST).set_params(trunk=curious), "ab", "activations"),
    "parameter of a layer": (clone(EST).set_params(trunk=bounded), "ab", "ReLU without"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_unusual_trunks_are_refused(name, tmp_path):
    assert_refused(*REFUSED[name], tmp_path)
