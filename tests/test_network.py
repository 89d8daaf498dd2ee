"""Spec, Keras model and NumPy forward pass are the same network."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from conftest import class_head, value_head
from skjoint._network.build import build_model
from skjoint._network.outputs import Label, Mixture, Point
from skjoint._network.spec import Head, NetworkSpec
from skjoint._network.weights import get_weights, initial_weights, set_weights
from skjoint._prediction.activations import ACTIVATIONS
from skjoint._prediction.blocks import as_codes, as_probabilities, as_rows
from skjoint._prediction.forward import FORWARD_CHUNK, FittedNetwork

X = np.random.default_rng(0).normal(size=(50, 10)).astype(np.float32)


def spec(**changes):
    parts = {
        "input_shape": (10,),
        "hidden": (128, 64),
        "heads": (value_head(), class_head()),
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
        Head("value", Point(1, "softplus"), (20,)),
        Head("class", Label(2), (20,)),
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
        Head("value", Point(widths[0], "softplus"), branch),
        class_head(n_units=widths[1]),
    )
    network = spec(hidden=hidden, heads=heads, activation=activation)
    weights = [w + 0.1 for w in initial_weights(network, 3)]
    fitted = FittedNetwork(network, weights)
    for ours, keras_output in zip(
        fitted.predict(X, ["value", "class"]), fitted.build()(X), strict=True
    ):
        assert_allclose(ours, keras_output, rtol=1e-4, atol=1e-5)


FORMS = (as_rows, as_rows, as_probabilities, as_codes)


def in_all_forms(fitted, X):
    return fitted.predict(X, ["value", "class", "class", "class"], FORMS)


def many_classes(**changes):
    """A network whose sums, over 28 classes, have more than one order to be taken in."""
    is_mixture = changes.get("link") == "mixture"
    output = Mixture(1, "linear", 28) if is_mixture else Point(1, "linear")
    network = spec(heads=(Head("value", output), class_head(n_units=28)), **changes)
    return FittedNetwork(network, [w + 0.1 for w in initial_weights(network, 0)])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"activation": "tanh", "hidden": (20, 10)},
        {"hidden": (1,)},
        {"hidden": (300, 300)},  # kernels in pieces
        {"link": "class_to_value"},
        {"link": "mixture"},
        {"activation": lambda x: x / (1 + abs(x))},  # Keras
    ],
)
def test_a_row_does_not_depend_on_its_batch(changes):
    fitted = many_classes(**changes)
    many = np.tile(X, (5, 1)) * np.linspace(0.1, 3, 5 * len(X))[:, None].astype(np.float32)
    together = in_all_forms(fitted, many)
    for start in (0, 1, 77):
        for size in (1, 2, 7, 8, 9, 31, 32, 33, 100):
            rows = slice(start, start + size)
            for whole, part in zip(together, in_all_forms(fitted, many[rows]), strict=True):
                assert_array_equal(part, whole[rows])


def test_chunks_are_joined():
    fitted = many_classes(hidden=(4,))
    for n_chunks in (2, 5):  # in one thread and in several
        many = np.tile(X, (n_chunks * FORWARD_CHUNK // len(X) + 1, 1))
        for whole, few in zip(in_all_forms(fitted, many), in_all_forms(fitted, X), strict=True):
            assert_array_equal(whole, np.tile(few, (len(many) // len(X), *[1] * (few.ndim - 1))))


@pytest.mark.parametrize("n_samples", [1, 2, 50, 500])
def test_forms_of_an_output(n_samples):
    many = np.tile(X, (10, 1))[:n_samples]
    _, rows, proba, codes = in_all_forms(many_classes(), many)
    assert proba.dtype == np.float64
    assert_allclose(proba.sum(axis=1), 1, rtol=1e-14)
    assert_allclose(proba, rows, rtol=1e-6)
    assert_array_equal(codes, rows.argmax(axis=1))


def test_codes_of_equal_and_of_broken_outputs():
    columns = np.zeros((300, 50), np.float32)
    columns[[7, 299], 1] = 1
    columns[:, 2] = np.nan
    assert_array_equal(as_codes(columns, 50)[:4], [0, 7, 0, 0])


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
