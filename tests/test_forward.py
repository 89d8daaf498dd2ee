"""Prediction in NumPy: Keras' numbers, blocks and chunks, parts by name. No fit here."""

import pickle
import threading

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from conftest import class_head
from skjoint._network.build import build_model, call_model
from skjoint._network.graph import Embedding
from skjoint._network.outputs import Gaussian, Histogram, Label, Mixture, Point
from skjoint._network.outputs.histogram import bin_centres
from skjoint._network.spec import Head, NetworkSpec
from skjoint._network.weights import initial_weights, set_weights
from skjoint._prediction.activations import ACTIVATIONS, FEW
from skjoint._prediction.average import Average, average
from skjoint._prediction.blocks import (
    PRODUCT_SIZE,
    Product,
    as_codes,
    as_columns,
    as_probabilities,
    as_rows,
    in_chunks,
)
from skjoint._prediction.forward import FittedNetwork

RNG = np.random.default_rng(0)
X = RNG.normal(size=(70, 6)).astype(np.float32)
OUTPUTS = {
    "point": Point(2, "softplus"),
    "gaussian": Gaussian(2, "linear"),
    "histogram": Histogram(1, "linear"),
    "mixture": Mixture(2, "linear", 3),
}


def network(output=OUTPUTS["point"], seed=0, **changes):
    parts = {"input_shape": (6,), "hidden": (9, 5), "heads": (Head("value", output), class_head())}
    spec = NetworkSpec(**{**parts, "link": output.head_link, **changes})
    given = output.given_weights("value", np.array([[-2.0], [3.0]]), None)
    weights = initial_weights(spec, seed, given)
    noise = np.random.default_rng(seed)
    fixed = {id(array) for arrays in given.values() for array in arrays}
    is_mixture = isinstance(output, Mixture)
    moved = [
        w if id(w) in fixed or (is_mixture and i >= len(weights) - 2) else w + noise.normal()
        for i, w in enumerate(weights)
    ]
    return FittedNetwork(spec, [np.float32(0.3) * w for w in moved])


def all_names(spec):
    return [name for head in spec.heads for name in head.parts.values()]


def keras_parts(fitted, X):
    """All parts by name of layer, from the Keras model as training has it."""
    spec = fitted.spec
    model = build_model(spec, all_parts=True)
    set_weights(model, spec, fitted.weights)
    widths, found = spec.widths(), {}
    for head, output in zip(spec.heads, call_model(model, X, training=False), strict=True):
        ends = np.cumsum([widths[name] for name in head.parts.values()])
        columns = np.split(np.asarray(output), ends[:-1], axis=1)
        found.update(zip(head.parts.values(), columns, strict=True))
    return found


def assert_as_keras(fitted, X=X):
    names = all_names(fitted.spec)
    expected = keras_parts(fitted, X)
    for name, output in zip(names, fitted.predict(X, names), strict=True):
        assert output.dtype == np.float32
        assert output.shape == expected[name].shape
        assert_allclose(output, expected[name], rtol=1e-4, atol=1e-5, err_msg=name)


# ------------------------------------------------------------------ Keras' numbers
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_hidden_and_output_activations_are_those_of_keras(activation):
    fitted = network(Point(2, activation), activation=activation)
    assert fitted._by_numpy
    assert_as_keras(fitted)
    assert_as_keras(fitted, X[: FEW // 4])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_are_finite_where_those_of_keras_are(activation):
    import keras

    x = np.float32([-1e4, -90, -1, -0.0, 0, 1e-30, 1, 80, 1e4])[:, None].repeat(FEW + 1, axis=1)
    expected = np.asarray(keras.activations.get(activation)(keras.ops.convert_to_tensor(x.T)))
    with np.errstate(over="ignore"):
        found = ACTIVATIONS[activation](x.copy())
    assert_allclose(found.T, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("output", OUTPUTS.values(), ids=OUTPUTS)
@pytest.mark.parametrize("embedding", [None, Embedding(4, 3, 2)], ids=["plain", "embedded"])
def test_parts_are_those_of_keras(output, embedding):
    assert_as_keras(network(output, embedding=embedding))


@pytest.mark.parametrize("link", [None, "class_to_value", "value_to_class"])
def test_linked_heads_are_those_of_keras(link):
    heads = (Head("a", Gaussian(1, "linear"), (3,)), Head("b", Point(2, "relu")))
    heads += (Head("class_x", Label(2), (4,)), Head("class_y", Label(3)))
    assert_as_keras(network(link=link, heads=heads))


def test_known_numbers_of_labels_take_the_place_of_those_of_the_network():
    fitted = network(OUTPUTS["mixture"])
    known, constants = np.float32([[1], [0], [1]]), np.float32([[5, 6], [0, 0], [7, 8]])
    fitted = FittedNetwork(fitted.spec, [*fitted.weights[:-2], known, constants])
    by_class, proba, number = fitted.predict(X, ["value/by_class", "class", "value"])
    by_class = np.where(known > 0, constants, by_class.reshape(-1, 3, 2))
    assert_allclose(number, (proba[:, :, None] * by_class).sum(axis=1), rtol=1e-5)
    assert_as_keras(fitted)


def test_activations_that_numpy_has_not_are_left_to_keras():
    fitted = network(OUTPUTS["gaussian"], activation="hard_sigmoid")
    assert not fitted._by_numpy
    assert_as_keras(fitted)
    assert_array_equal(fitted.predict(X[3:4], ["class"])[0], fitted.predict(X, ["class"])[0][3:4])


def test_what_overflows_is_in_the_result_without_a_warning():
    fitted = network(Point(1, "exponential"), activation="linear")
    (value,) = fitted.predict(X * 1e30, ["value"])
    assert not np.isfinite(value).all()


# ------------------------------------------------------------------- parts by name
@pytest.mark.parametrize("output", OUTPUTS.values(), ids=OUTPUTS)
def test_each_part_may_be_asked_for_alone_and_in_any_order(output):
    fitted = network(output)
    names = all_names(fitted.spec)
    together = dict(zip(names, fitted.predict(X, names), strict=True))
    for name in names:
        assert_array_equal(fitted.predict(X, [name])[0], together[name])
    backwards = fitted.predict(X, names[::-1])
    for name, found in zip(names[::-1], backwards, strict=True):
        assert_array_equal(found, together[name])


def test_layers_that_nothing_asks_for_are_not_computed():
    fitted = network(heads=(Head("value", Point(1, "linear"), (3,)), Head("class", Label(3), (4,))))

    def steps_to(name):
        return [layer.name for layer, _ in fitted._steps_to((name,))]

    assert steps_to("value") == ["hidden_1", "hidden_2", "value/hidden_1", "value"]
    assert steps_to("class") == ["hidden_1", "hidden_2", "class/hidden_1", "class"]


def test_the_histogram_is_a_distribution_whose_mean_is_the_number():
    fitted = network(OUTPUTS["histogram"])
    centres = bin_centres(np.array([[-2.0], [3.0]])) * np.float32(0.3)  # as all weights
    bins, number = fitted.predict(X, ["value/histogram", "value"])
    assert_allclose(bins.sum(axis=1), 1, rtol=1e-5)
    assert_allclose(number, bins @ centres, rtol=1e-4, atol=1e-5)


# --------------------------------------------------------------- rows beside a row
@pytest.mark.parametrize("output", OUTPUTS.values(), ids=OUTPUTS)
@pytest.mark.parametrize("embedding", [None, Embedding(4, 3, 2)], ids=["plain", "embedded"])
@pytest.mark.parametrize("hidden", [(9, 5), (400, 300)], ids=["small", "large"])
def test_a_row_does_not_depend_on_the_rows_beside_it(output, embedding, hidden):
    fitted = network(output, embedding=embedding, hidden=hidden)
    names = all_names(fitted.spec)
    whole = fitted.predict(X, names)
    for rows in (slice(0, 1), slice(5, 7), slice(1, 34), slice(69, 70)):
        for found, expected in zip(fitted.predict(X[rows], names), whole, strict=True):
            assert_array_equal(found, expected[rows])
    many = np.tile(X, (100, 1))
    for found, expected in zip(fitted.predict(many, names), whole, strict=True):
        assert_array_equal(found, np.tile(expected, (100, 1)))


def test_no_rows_are_no_answers():
    fitted = network()
    value, proba = fitted.predict(X[:0], ["value", "class"])
    assert value.shape == (0, 2)
    assert proba.shape == (0, 3)


# ---------------------------------------------------------------- blocks and chunks
@pytest.mark.parametrize("block", [8, 16, 32])
@pytest.mark.parametrize("n_samples", [1, 7, 8, 33, 100])
def test_columns_are_padded_to_whole_blocks(block, n_samples):
    rows = np.tile(X, (2, 1))[:n_samples]
    columns = as_columns(rows, block)
    assert columns.dtype == np.float64
    assert columns.shape == (6, -(-n_samples // block) * block)
    assert_array_equal(columns[:, :n_samples], rows.T)
    assert not columns[:, n_samples:].any()


@pytest.mark.parametrize("shape", [(3, 6), (1, 6), (200, 6), (60, 3000)])
@pytest.mark.parametrize("n_blocks", [1, 2, 5])
def test_products_are_those_of_the_matrix(shape, n_blocks):
    block = 8
    matrix = RNG.normal(size=shape).astype(np.float32)
    columns = RNG.normal(size=(shape[1], n_blocks * block))
    product = Product(matrix, block)
    assert all(piece.size * block <= PRODUCT_SIZE or len(piece) == 1 for piece in product.pieces)
    found = product(columns)
    assert_allclose(found, matrix.astype(float) @ columns, rtol=1e-10, atol=1e-10)
    for i in range(n_blocks):  # bit for bit the product of this block alone
        own = slice(i * block, (i + 1) * block)
        assert_array_equal(found[:, own], product(np.ascontiguousarray(columns[:, own])))


@pytest.mark.parametrize("n_threads", [1, 2, 5, None])
@pytest.mark.parametrize("size", [1, 10, 69, 70, 200])
def test_chunks_are_put_together_in_order(n_threads, size):
    seen, lock = [], threading.Lock()

    def function(rows):
        with lock:
            seen.append(len(rows))
        return [rows.sum(axis=1), (rows * 2).astype(np.float64)]

    sums, doubled = in_chunks(function, X, size, n_threads)
    assert_array_equal(sums, X.sum(axis=1))
    assert_array_equal(doubled, X * 2.0)
    assert doubled.dtype == np.float64
    assert max(seen) <= size


def test_errors_in_a_chunk_are_raised():
    def function(rows):
        if len(rows) == 5:
            raise KeyError("the last chunk")
        return [rows]

    for n_threads in (1, 3):
        with pytest.raises(KeyError, match="the last chunk"):
            in_chunks(function, X[:25], 10, n_threads)


def test_forms_leave_out_what_pads():
    columns = RNG.uniform(0.1, 1, size=(4, 40)).astype(np.float32)
    for n_samples in (1, FEW, FEW + 1):
        assert_array_equal(as_rows(columns, n_samples), columns[:, :n_samples].T)
        assert_array_equal(as_codes(columns, n_samples), columns[:, :n_samples].argmax(axis=0))
        proba = as_probabilities(columns, n_samples)
        assert_allclose(proba, (columns / columns.sum(axis=0))[:, :n_samples].T, rtol=1e-6)


# ------------------------------------------------------------------------- members
@pytest.mark.parametrize("output", OUTPUTS.values(), ids=OUTPUTS)
def test_members_answer_with_their_combined_parts(output):
    members = [network(output, seed=seed) for seed in range(3)]
    together = average(members)
    names = all_names(together.spec)
    apart = [member.predict(X, names) for member in members]
    for i, name in enumerate(names):
        mean = np.mean([outputs[i] for outputs in apart], axis=0, dtype=float)
        if name == "value/variance":
            numbers = [outputs[names.index("value")] for outputs in apart]
            mean = mean + np.var(np.asarray(numbers, float), axis=0)
        assert_allclose(together.predict(X, names)[i], mean, rtol=1e-5, atol=1e-6)
        assert_array_equal(together.predict(X[7:8], names)[i], together.predict(X, names)[i][7:8])


def test_members_may_have_networks_of_their_own_for_each_head():
    a, b, c = (network(seed=seed) for seed in range(3))
    together = Average([a, b, c], [(0, 1), (2, 2)])
    value, proba = together.predict(X, ["value", "class"])
    numbers = [n.predict(X, ["value"])[0] for n in (a, c)]
    assert_allclose(value, np.mean(numbers, axis=0), rtol=1e-6)
    assert_allclose(proba, np.mean([n.predict(X, ["class"])[0] for n in (b, c)], axis=0), rtol=1e-6)
    assert together.member(0) is b
    assert together.member(1) is c
    nested = average([together, a])
    assert nested.places == [(0, 1), (2, 2), (3, 3)]
    assert average([a]) is a


def test_forms_of_members():
    together = average([network(seed=seed) for seed in range(2)])
    (rows,) = together.predict(X, ["class"])
    proba, codes = together.predict(X, ["class", "class"], [as_probabilities, as_codes])
    assert_allclose(proba.sum(axis=1), 1, rtol=1e-14)
    assert_allclose(proba, rows, rtol=1e-6)
    assert_array_equal(codes, rows.argmax(axis=1))


def test_pickles_hold_spec_and_weights_alone():
    for fitted in (network(OUTPUTS["gaussian"]), average([network(seed=s) for s in range(2)])):
        names = all_names(fitted.spec)
        before = pickle.dumps(fitted)
        expected = fitted.predict(X, names)
        assert pickle.dumps(fitted) == before  # to predict leaves no trace
        for found, one in zip(pickle.loads(before).predict(X, names), expected, strict=True):
            assert_array_equal(found, one)
