"""Training that goes on: a changed parameter takes effect, is refused, or is on a short list."""

import pickle

import keras
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from conftest import make_data
from skjoint import JointRegressorClassifier
from skjoint.persistence import load, save

X, Y = make_data(60)
BASE = {"epochs": 2, "batch_size": 16, "random_state": 0, "validation": 0.2, "warm_start": True}


def build(meta, units=3):
    return keras.Sequential([keras.Input(meta["input_shape"]), keras.layers.Dense(units, "relu")])


def halved(epoch, rate):
    return rate / 2


# Another value for every parameter, beside the plain network of four units.
STAY = {
    "hidden_layer_sizes": (5,),
    "value_layer_sizes": (3,),
    "class_layer_sizes": (3,),
    "activation": "tanh",
    "value_activation": "softplus",
    "kernel_initializer": "he_normal",
    "numeric_embedding": "rank",
    "head_link": "class_to_value",
    "value_by_class": {"low": 0.0},
    "trunk": build,
    "value_columns": ["value"],
    "class_columns": ["label"],
    "class_bins": 3,
    "classes": ["low", "mid", "top", "none"],
    "scale_value": False,
    "value_transform": "log",
    "preprocess": None,
    "n_members": 2,
}
EFFECT = {
    "dropout": 0.4,
    "alpha": 0.3,
    "value_loss": "mae",
    "class_loss": "categorical_focal_crossentropy",
    "loss_weights": (1.0, 0.1),
    "class_weight": {"low": 3.0, "mid": 1.0, "top": 1.0},
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "batch_size": 7,
    "callbacks": keras.callbacks.LearningRateScheduler(halved),
}
# They have an effect on fit alone; partial_fit names them as those that take no part.
EFFECT_ON_FIT = {
    "learning_rate_schedule": "cosine",
    "epochs": 3,
    "warm_start": False,
    "validation": 0.4,
    "early_stopping": True,
    "calibration": "temperature",
    "companions": ("forest",),
}
REFUSED = {
    "value_from": "mean",
    "class_from": "value",
    "threshold": "f1",
}  # of this y, now and ever
NOTHING_TO_DO = {"random_state": 5, "verbose": 0, "engine": "keras", "n_iter_no_change": 3}


def plain(**params):
    return JointRegressorClassifier.plain(**{"hidden_layer_sizes": (4,), **BASE, **params})


def started(how="fit", **params):
    est = plain(**params)
    return est.fit(X, Y) if how == "fit" else est.partial_fit(X, Y)


def go_on(est, how):
    return est.fit(X, Y) if how == "fit" else est.partial_fit(X, Y)


def left(est):
    """Everything that a fit leaves, as text."""
    found = [est.predict_value(X), est.predict_proba(X), est.history_, est.n_validation_]
    for name in ("temperature_", "shares_", "best_epoch_"):
        found.append(getattr(est, name, None))
    return [str(np.asarray(entry).tolist()) for entry in found]


def test_every_parameter_is_on_one_list():
    lists = (STAY, EFFECT, EFFECT_ON_FIT, REFUSED, NOTHING_TO_DO, {"n_refits": 1})
    names = [name for one in lists for name in one]
    assert sorted(names) == sorted(plain().get_params(deep=False))


@pytest.mark.parametrize("how", ["fit", "partial_fit"])
@pytest.mark.parametrize("name", STAY)
def test_what_the_first_fit_has_fixed_must_stay(name, how):
    est = started(how)
    before = left(est)
    est.set_params(**{name: STAY[name]})
    with pytest.raises(ValueError, match=f"^{name} must stay as it is when training continues"):
        go_on(est, how)
    assert left(est) == before


@pytest.mark.parametrize("how", ["fit", "partial_fit"])
@pytest.mark.parametrize("name", [*EFFECT, *EFFECT_ON_FIT])
def test_all_others_take_effect(name, how):
    unchanged = left(go_on(started(how), how))
    changed = started(how).set_params(**{name: {**EFFECT, **EFFECT_ON_FIT}[name]})
    takes_part = how == "fit" or name in EFFECT
    assert (left(go_on(changed, how)) != unchanged) == takes_part


@pytest.mark.parametrize("name", NOTHING_TO_DO)
def test_the_short_list_has_nothing_to_do(name):
    unchanged = go_on(started(), "fit")
    changed = go_on(started().set_params(**{name: NOTHING_TO_DO[name]}), "fit")
    np.testing.assert_allclose(changed.predict_value(X), unchanged.predict_value(X), rtol=1e-6)


@pytest.mark.parametrize("name", REFUSED)
def test_what_this_y_has_not_is_refused(name):
    est = started().set_params(**{name: REFUSED[name]})
    with pytest.raises(ValueError, match=f"{name}=.* needs a (label that is cut|target of two)"):
        go_on(est, "fit").predict(X)


def test_a_loss_that_needs_other_units_is_refused():
    est = started().set_params(value_loss="mape")
    with pytest.raises(ValueError, match="value_loss must stay as it is"):
        go_on(est, "fit")


def test_classes_are_those_of_the_first_chunk():
    labels = ["low", "mid", "top"]
    est = plain().partial_fit(X, Y, classes=[*labels, "none"])
    est.partial_fit(X, Y).partial_fit(X, Y, classes=["none", *reversed(labels)])
    for others in (labels, [*labels, "none", "more"], [*labels, "more"]):
        with pytest.raises(ValueError, match="classes must stay as it is"):
            est.partial_fit(X, Y, classes=others)


def test_equal_values_in_another_form_are_the_same():
    params = {
        "class_columns": ["label"],
        "value_columns": ["value"],
        "classes": ["low", "mid", "top"],
    }
    est = started(**params, hidden_layer_sizes=(4,))
    est.set_params(
        hidden_layer_sizes=[4], class_columns=("label",), classes=np.array(["top", "mid", "low"])
    )
    go_on(est, "fit")


def test_a_list_that_the_user_changes_in_place_is_noticed():
    edges = [90.0, 110.0]
    y = Y["value"]
    est = plain(class_bins=edges).fit(X, y)
    edges[0] = 95.0
    with pytest.raises(ValueError, match="class_bins must stay as it is"):
        est.fit(X, y)


def test_arguments_of_a_trunk_must_stay():
    units = {"trunk__units": 3}
    est = plain(trunk=build, **units).fit(X, Y)
    est.fit(X, Y)
    with pytest.raises(ValueError, match="trunk must stay as it is"):
        est.set_params(trunk__units=4).fit(X, Y)


@pytest.mark.parametrize("name", ["class_columns", "scale_value", "numeric_embedding"])
def test_files_and_pickles_remember(name, tmp_path):
    est = started()
    save(est, tmp_path / "model")
    for again in (load(tmp_path / "model"), pickle.loads(pickle.dumps(est))):
        assert_array_equal(go_on(again, "fit").predict(X), go_on(started(), "fit").predict(X))
        with pytest.raises(ValueError, match=f"{name} must stay as it is"):
            go_on(again.set_params(**{name: STAY[name]}), "fit")
