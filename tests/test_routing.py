"""From parameters to Keras objects, and what callbacks need. No fit here."""

import sys

import keras
import pytest

from skjoint._engines.callback_needs import listens_to_batches, release, sets_rate
from skjoint._engines.routing import AUTO_RATE, make_callbacks, make_trunk, optimizer_spec
from skjoint._engines.scikeras_import import scikeras_tools


class Stopper(keras.callbacks.Callback):
    def __init__(self, stop_after=None):
        super().__init__()
        self.stop_after = stop_after


@pytest.mark.parametrize(
    ("optimizer", "learning_rate", "routed"),
    [
        ("sgd", 0.1, {"momentum": 0.9}),
        ("SGD", None, {"momentum": 0.9, "learning_rate": 0.1}),
        (keras.optimizers.SGD, 0.1, {"momentum": 0.9}),
        (keras.optimizers.SGD(0.1, momentum=0.9), None, {}),
    ],
)
def test_an_optimizer_by_name_class_or_instance_is_one_spec(optimizer, learning_rate, routed):
    spec = optimizer_spec(optimizer, learning_rate, "constant", routed)
    assert spec.cls is keras.optimizers.SGD
    assert (spec.rate, spec.config["momentum"]) == (pytest.approx(0.1), 0.9)


def test_the_schedule_auto_falls_from_a_higher_rate_unless_a_rate_is_given():
    own = optimizer_spec("adam", None, "constant", {}).rate
    auto = optimizer_spec("adam", None, "auto", {})
    assert (auto.schedule, auto.rate) == ("cosine", AUTO_RATE * own)
    for given in (("adam", own, {}), ("adam", None, {"learning_rate": own})):
        assert optimizer_spec(*given[:2], "auto", given[2]).rate == own
    assert optimizer_spec(keras.optimizers.Adam(own), None, "auto", {}).rate == pytest.approx(own)


def test_the_schedule_auto_leaves_an_optimizer_its_own():
    decay = keras.optimizers.schedules.CosineDecay(0.1, 10)
    spec = optimizer_spec(keras.optimizers.SGD(decay), None, "auto", {})
    assert (spec.schedule, spec.rate) == ("constant", None)


@pytest.mark.parametrize(
    ("optimizer", "learning_rate", "schedule", "routed", "message"),
    [
        ("adma", None, "constant", {}, "Got 'adma' instead. Did you mean 'adam'?"),
        (3, None, "constant", {}, "Got 3 instead"),
        (dict, None, "constant", {}, "must be the name of a Keras optimizer"),
        ("sgd", None, "constant", {"momentun": 0.9}, "Did you mean 'momentum'?"),
        ("sgd", 0.1, "constant", {"learning_rate": 0.2}, "same setting"),
        (keras.optimizers.SGD(), 0.1, "constant", {}, "learning_rate must be None"),
        (keras.optimizers.SGD(), None, "constant", {"momentum": 0.1}, "name or a class"),
        (
            keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 10)),
            None,
            "cosine",
            {},
            "schedule of its own",
        ),
    ],
)
def test_bad_optimizers(optimizer, learning_rate, schedule, routed, message):
    with pytest.raises(ValueError, match=message):
        optimizer_spec(optimizer, learning_rate, schedule, routed)


@pytest.mark.parametrize(
    ("callbacks", "routed", "message"),
    [
        ("early", {}, "must be Keras callbacks"),
        ([3], {}, "Got 3 instead"),
        (None, {"patience": 3}, "needs callbacks"),
        (Stopper(), {"stop_after": 3}, "callback classes only"),
        (Stopper, {"patience": 3}, "callback classes only"),
    ],
)
def test_bad_callbacks(callbacks, routed, message):
    with pytest.raises(ValueError, match=message):
        make_callbacks(callbacks, routed)


def test_scikeras_tools_are_imported_once():
    assert scikeras_tools() is scikeras_tools()


def test_scikeras_leaves_no_trace():
    reduce, loaded = keras.Model.__reduce__, "scikeras" in sys.modules
    scikeras_tools()
    assert keras.Model.__reduce__ is reduce
    assert ("scikeras" in sys.modules) == loaded


def test_callbacks_from_instances_classes_lists_and_dicts():
    stop = keras.callbacks.EarlyStopping
    instance = Stopper()
    assert make_callbacks(None, {}) == []
    assert make_callbacks([instance, [instance]], {}) == [instance] * 2
    assert [type(c) for c in make_callbacks({"a": stop, "b": Stopper}, {})] == [stop, Stopper]


def test_arguments_reach_callback_classes_by_place_and_by_name():
    stop = keras.callbacks.EarlyStopping
    first, second = make_callbacks([stop, Stopper], {"0__patience": 4})
    assert (type(first), type(second), first.patience) == (stop, Stopper, 4)
    assert make_callbacks(stop, {"patience": 4})[0].patience == 4
    assert make_callbacks({"stop": stop}, {"stop__patience": 4})[0].patience == 4


@pytest.mark.parametrize(
    ("trunk", "routed", "message"),
    [
        (keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]), {"n": 3}, "trunk__"),
        (keras.layers.Dense(3), {}, "trunk must be a keras.Model or a function"),
        (keras.layers.Dense, {}, "trunk must be a keras.Model or a function"),
        (lambda meta, units=3: None, {"unit": 3}, "Did you mean 'units'"),
        (lambda: None, {}, "can be called as build"),
        (lambda meta, units: None, {}, "can be called as build"),
    ],
)
def test_bad_trunks(trunk, routed, message):
    with pytest.raises(ValueError, match=message):
        make_trunk(trunk, {"input_shape": (4,)}, routed, 0)


@pytest.mark.parametrize(
    ("callback", "needs"),
    [
        (keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None), True),
        (keras.callbacks.ModelCheckpoint("x.keras", save_freq=10), True),
        (keras.callbacks.ModelCheckpoint("x.keras"), False),
        (keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None), False),
        (keras.callbacks.TerminateOnNaN(), False),
        (keras.callbacks.TensorBoard("x"), False),
        (keras.callbacks.TensorBoard("x", update_freq=10), True),
        (keras.callbacks.Callback(), False),
    ],
)
def test_who_needs_every_batch(callback, needs):
    assert listens_to_batches(callback) == needs


def test_who_sets_the_rate():
    assert sets_rate(keras.callbacks.ReduceLROnPlateau())
    assert not sets_rate(keras.callbacks.EarlyStopping())


def test_released_callbacks_have_no_model():
    callback = Stopper()
    callback.set_model(keras.Sequential())
    release([callback])
    assert callback.model is None
