"""Spec, Keras model and NumPy forward pass are the same network."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skjoint._inference import ACTIVATIONS, CHUNK, FittedNetwork
from skjoint._network import (
    Head,
    NetworkSpec,
    build_model,
    get_weights,
    initial_weights,
    set_weights,
)

X = np.random.default_rng(0).normal(size=(50, 10)).astype(np.float32)


def spec(**changes):
    parts = {
        "input_shape": (10,),
        "hidden": (128, 64),
        "heads": (Head("value", "value", 1, "linear"), Head("class", "class", 3, "softmax")),
    }
    return NetworkSpec(**{**parts, **changes})


def test_the_articles_network():
    """The article prints 9,924 parameters for inputs 10, shared 128-64, 3 classes."""
    assert spec().n_parameters == 9924
    model = build_model(spec())
    assert model.count_params() == 9924
    assert model.output_names == ["value", "class"]


def test_the_lessons_network():
    heads = (
        Head("value", "value", 1, "softplus", (20,)),
        Head("class", "class", 2, "softmax", (20,)),
    )
    lesson = spec(input_shape=(5,), hidden=(64, 64), heads=heads)
    names = ["hidden_1", "hidden_2", "value/hidden_1", "value", "class/hidden_1", "class"]
    assert [layer.name for layer in lesson.layers()] == names
    assert build_model(lesson).count_params() == lesson.n_parameters


def test_seeds():
    def kernel(seed):
        return initial_weights(spec(), seed)[0]

    assert_array_equal(kernel(1), kernel(1))
    assert (kernel(1) != kernel(2)).any()
    weights = initial_weights(spec(hidden=(10, 10)), 0)
    assert (weights[0] != weights[2]).any()  # layers of one shape differ


def test_regularisation_is_in_the_loss():
    model = build_model(spec(alpha=0.01))
    kernels = get_weights(model, spec())[::2]
    penalty = sum(np.sum(kernel.astype(float) ** 2) for kernel in kernels)
    assert_allclose(float(sum(model.losses)), 0.01 * penalty, rtol=1e-5)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_numpy_and_keras_activations_agree(activation):
    import keras

    x = np.linspace(-8, 8, 101, dtype=np.float32).reshape(1, -1)
    expected = np.asarray(keras.activations.get(activation)(keras.ops.convert_to_tensor(x)))
    assert_allclose(ACTIVATIONS[activation](x.astype(float).T).T, expected, rtol=1e-4, atol=1e-5)


@settings(max_examples=10, deadline=None)
@given(
    hidden=st.lists(st.integers(1, 6), max_size=3).map(tuple),
    activation=st.sampled_from(["relu", "tanh", "gelu", "selu"]),
    widths=st.tuples(st.integers(1, 3), st.integers(2, 5)),
    branch=st.lists(st.integers(1, 4), max_size=2).map(tuple),
)
def test_numpy_and_keras_networks_agree(hidden, activation, widths, branch):
    heads = (
        Head("value", "value", widths[0], "softplus", branch),
        Head("class", "class", widths[1], "softmax"),
    )
    network = spec(hidden=hidden, heads=heads, activation=activation)
    weights = [w + 0.1 for w in initial_weights(network, 3)]
    fitted = FittedNetwork(network, weights)
    for ours, keras_output in zip(
        fitted.predict(X, ["value", "class"]), fitted.build()(X), strict=True
    ):
        assert_allclose(ours, keras_output, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("activation", ["relu", lambda x: x / (1 + abs(x))])
@pytest.mark.parametrize("n_classes", [3, 40])
def test_a_row_does_not_depend_on_its_batch(activation, n_classes):
    heads = (Head("value", "value", 1, "linear"), Head("class", "class", n_classes, "softmax"))
    network = spec(activation=activation, heads=heads)
    fitted = FittedNetwork(network, initial_weights(network, 0))
    together = fitted.predict(X, ["value", "class"])
    for rows in (slice(0, 1), slice(7, 20)):
        for whole, part in zip(together, fitted.predict(X[rows], ["value", "class"]), strict=True):
            assert_array_equal(part, whole[rows])


def test_chunks_are_joined():
    network = spec(hidden=(4,))
    fitted = FittedNetwork(network, initial_weights(network, 0))
    many = np.tile(X, (CHUNK // len(X) + 2, 1))
    (values,) = fitted.predict(many, ["value"])
    assert len(values) == len(many)
    assert_array_equal(values[-len(X) :], values[: len(X)])


def test_state_is_weights_and_spec_only():
    fitted = FittedNetwork(spec(), initial_weights(spec(), 0))
    fitted.build()
    assert set(fitted.__getstate__()) == {"spec", "weights"}
    again = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(again.predict(X, ["value"])[0], fitted.predict(X, ["value"])[0])


def test_weights_round_trip():
    model = build_model(spec())
    weights = [np.full_like(w, i) for i, w in enumerate(get_weights(model, spec()))]
    set_weights(model, spec(), weights)
    for before, after in zip(weights, get_weights(model, spec()), strict=True):
        assert_array_equal(before, after)
