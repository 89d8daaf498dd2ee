"""Losses: names, classes and functions, what a loss of the user's must give, best constants."""

import functools

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax

from skjoint._network.loss_rules import constant_loss
from skjoint._network.losses import (
    CLASS_LOSSES,
    VALUE_LOSSES,
    check_loss,
    is_batch_mean,
    loss_key,
    named_loss,
    per_sample,
)
from skjoint._network.outputs import Label, Point
from skjoint._network.outputs.gaussian import gaussian_loss
from skjoint._network.outputs.label import one_hot_loss
from skjoint._network.outputs.mixture import mixture_loss

RNG = np.random.default_rng(0)
NUMBERS = RNG.normal(size=(6, 2)).astype(np.float32)
PREDICTED = RNG.normal(size=(6, 2)).astype(np.float32)
CODES = np.array([0, 1, 2, 2, 1, 0], np.int32)
PROBA = softmax(RNG.normal(size=(6, 3)), axis=1).astype(np.float32)
ERROR = NUMBERS - PREDICTED


def value_loss(identifier):
    return named_loss(identifier, VALUE_LOSSES, "value_loss")


def quartic(y_true, y_pred):
    return keras.ops.mean((y_true - y_pred) ** 4, axis=-1)


# ------------------------------------------------------------------------ names
@pytest.mark.parametrize("name", VALUE_LOSSES)
def test_names_of_value_losses(name):
    expected = {
        "mean_squared_error": (ERROR**2).mean(axis=1),
        "mean_absolute_error": np.abs(ERROR).mean(axis=1),
        "huber": np.where(np.abs(ERROR) < 1, ERROR**2 / 2, np.abs(ERROR) - 0.5).mean(axis=1),
    }[VALUE_LOSSES[name]]
    loss = Point(2, "linear").loss(name)
    assert isinstance(loss, keras.losses.Loss)
    assert_allclose(per_sample(loss)(NUMBERS, PREDICTED), expected, rtol=1e-5)


@pytest.mark.parametrize("name", [*CLASS_LOSSES, keras.losses.categorical_crossentropy])
def test_names_of_class_losses_are_the_cross_entropy_of_codes(name):
    found = per_sample(Label(3).loss(name))(CODES, PROBA)
    assert_allclose(found, -np.log(PROBA[np.arange(6), CODES]), rtol=1e-5)


def test_binary_crossentropy_is_that_of_two_labels():
    proba, codes = PROBA[:, :2] / PROBA[:, :2].sum(axis=1, keepdims=True), CODES % 2
    found = per_sample(Label(2).loss("binary_crossentropy"))(codes, proba)
    assert_allclose(found, -np.log(proba[np.arange(6), codes]), rtol=1e-5)
    with pytest.raises(ValueError, match="Got 'binary_crossentropy' for 3 classes instead"):
        Label(3).loss("binary_crossentropy")


@pytest.mark.parametrize(
    "identifier",
    [
        "log_cosh",
        "LogCosh",
        keras.losses.LogCosh,
        keras.losses.LogCosh(),
        keras.losses.log_cosh,
    ],
    ids=["name", "name of a class", "class", "object", "function"],
)
def test_all_ways_to_name_a_loss_of_keras(identifier):
    found = per_sample(value_loss(identifier))(NUMBERS, PREDICTED)
    assert_allclose(found, np.log(np.cosh(ERROR)).mean(axis=1), rtol=1e-3)


def test_functions_of_keras_become_its_classes():
    """So that what is done for a class is done for its function, too."""
    for function, cls in {
        keras.losses.mean_squared_error: keras.losses.MeanSquaredError,
        keras.losses.mean_absolute_error: keras.losses.MeanAbsoluteError,
        keras.losses.huber: keras.losses.Huber,
    }.items():
        assert type(value_loss(function)) is cls
    point = Point(1, "linear")
    named = [point.loss(way) for way in ("mse", keras.losses.mean_squared_error)]
    assert all(point.takes_means(loss) for loss in named)
    assert not point.takes_means(point.loss("mae"))


def test_objects_and_functions_stay_what_they_are():
    huber = keras.losses.Huber(delta=0.3)
    assert value_loss(huber) is huber
    assert value_loss(quartic) is quartic


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("msee", "mse"),
        ("absolut_error", "absolute_error"),
        ("hubr", "huber"),
        ("LogCosch", "LogCosh"),
        ("gaussian_nl", "gaussian_nll"),
        ("histogramm", "histogram"),
    ],
)
def test_the_nearest_name_is_in_the_error(name, nearest):
    message = f"value_loss must be one of .*Got '{name}' instead.*Did you mean '{nearest}'"
    with pytest.raises(ValueError, match=message):
        Point(1, "linear").loss(name)


def test_names_far_from_all_are_refused_without_a_guess():
    with pytest.raises(ValueError, match=r"class_loss must be one of .* Got 'zzz' instead\.$"):
        Label(3).loss("zzz")
    for other in (3, None, ["mse"]):
        with pytest.raises(ValueError, match=r"must be the name of a loss, .* Got .* instead\."):
            value_loss(other)


# ------------------------------------------------------------------ users' losses
def test_losses_of_the_users_own_are_tried():
    check_loss(quartic, "value_loss", NUMBERS, 2)
    assert Point(2, "linear").loss(quartic) is quartic
    with pytest.raises(ValueError, match=r"value_loss must give one loss per row, shape \(6,\)"):
        check_loss(lambda a, b: (a - b) ** 2, "value_loss", NUMBERS, 2)
    with pytest.raises(ValueError, match=r"Got shape \(\) instead: take means over the last axis"):
        check_loss(lambda a, b: keras.ops.mean((a - b) ** 2), "value_loss", NUMBERS, 2)
    with pytest.raises(ValueError, match=r"class_loss must be a function .* It raised .*broken"):
        check_loss(broken, "class_loss", CODES, 3)


def broken(y_true, y_pred):
    raise RuntimeError("broken")


def test_losses_inside_ours_are_tried_too():
    class Broken(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return keras.ops.mean(y_pred)

    with pytest.raises(ValueError, match="class_loss must give one loss per row"):
        Label(3).loss(Broken())


def test_losses_of_labels_get_them_one_hot():
    def focal(y_true, y_pred):
        return -keras.ops.sum(y_true * (1 - y_pred) ** 2 * keras.ops.log(y_pred), axis=-1)

    own = PROBA[np.arange(6), CODES]
    found = per_sample(Label(3).loss(focal))(CODES, PROBA)
    assert_allclose(found, -((1 - own) ** 2) * np.log(own), rtol=1e-5)
    smoothed = keras.losses.CategoricalCrossentropy(label_smoothing=0.3)
    target = 0.7 * np.eye(3)[CODES] + 0.1
    found = per_sample(Label(3).loss(smoothed))(CODES, PROBA)
    assert_allclose(found, -(target * np.log(PROBA)).sum(axis=1), rtol=1e-5)


def test_losses_of_rows_are_without_any_reduction():
    for loss in (keras.losses.MeanSquaredError(reduction="sum"), keras.losses.mean_squared_error):
        assert_allclose(per_sample(loss)(NUMBERS, PREDICTED), (ERROR**2).mean(axis=1), rtol=1e-5)
    assert per_sample(quartic) is quartic


# ------------------------------------------------------------------ keys, reductions
EQUAL = [
    (lambda: keras.losses.MeanSquaredError(), lambda: value_loss("mse")),
    (lambda: keras.losses.Huber(delta=0.5), lambda: keras.losses.Huber(delta=0.5)),
    (lambda: quartic, lambda: quartic),
    (lambda: gaussian_loss()(), lambda: gaussian_loss()()),
    (
        lambda: mixture_loss()(keras.losses.Huber(), 1),
        lambda: mixture_loss()(keras.losses.Huber(), 1),
    ),
]
DIFFERENT = [
    (lambda: keras.losses.Huber(delta=0.5), lambda: keras.losses.Huber(delta=0.6)),
    (lambda: keras.losses.MeanSquaredError(), lambda: keras.losses.MeanAbsoluteError()),
    (
        lambda: keras.losses.MeanSquaredError(),
        lambda: keras.losses.MeanSquaredError(reduction="sum"),
    ),
    (lambda: quartic, lambda: functools.partial(quartic)),
    (lambda: one_hot_loss()(quartic, 3), lambda: one_hot_loss()(broken, 3)),
    (lambda: one_hot_loss()(quartic, 3), lambda: one_hot_loss()(quartic, 4)),
    (
        lambda: mixture_loss()(keras.losses.Huber(delta=0.5), 1),
        lambda: mixture_loss()(keras.losses.Huber(delta=0.6), 1),
    ),
]


@pytest.mark.parametrize("pair", EQUAL)
def test_keys_of_equal_losses_are_equal(pair):
    one, other = (loss_key(make()) for make in pair)
    assert one == other
    assert hash(one) == hash(other)


@pytest.mark.parametrize("pair", DIFFERENT)
def test_keys_of_different_losses_differ(pair):
    one, other = (loss_key(make()) for make in pair)
    assert one != other


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (quartic, True),
        (keras.losses.MeanSquaredError(), True),
        (keras.losses.MeanSquaredError(reduction="sum"), False),
        (keras.losses.MeanSquaredError(reduction="mean_with_sample_weight"), False),
    ],
)
def test_which_losses_are_means_over_a_batch(loss, expected):
    assert is_batch_mean(loss) is expected
    assert is_batch_mean(mixture_loss()(loss, 1)) is expected


# --------------------------------------------------------------------- constants
def test_constants_are_learned_from_training_rows_and_count_on_held_out_ones():
    point, weights = Point(1, "linear"), np.array([1, 1, 2, 0], np.float32)
    train = np.array([[0.0], [2.0], [3.0], [99.0]], np.float32)
    held_out = np.array([[1.0], [5.0]], np.float32), np.array([3, 1], np.float32)
    found = constant_loss(point, point.loss("mse"), (train, weights), held_out)
    mean = median = 2.0
    assert_array_equal([list(c) for c in point.constants(train, weights)], [[mean], [median]])
    assert found == pytest.approx((3 * (1 - 2) ** 2 + (5 - 2) ** 2) / 4)


def test_a_reference_of_0_or_none_is_1():
    point, ones = Point(1, "linear"), np.ones(4, np.float32)
    same = np.full((4, 1), 7, np.float32)
    assert constant_loss(point, point.loss("mse"), (same, ones), (same, ones)) == 1

    def infinite(y_true, y_pred):
        return keras.ops.sum(y_pred, axis=-1) * np.inf

    assert constant_loss(point, infinite, (same, ones), (same, ones)) == 1


def test_labels_that_no_training_row_has_cost_a_finite_loss():
    label, weights = Label(3), np.ones(6, np.float32)
    train, held_out = np.zeros(6, np.int32), CODES
    found = constant_loss(label, label.loss("log_loss"), (train, weights), (held_out, weights))
    assert 5 < found < 20
