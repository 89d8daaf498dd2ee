"""What a fit leaves behind: one immutable model, which all fitted attributes and answers read."""

import copy
import pickle
import warnings
from dataclasses import FrozenInstanceError, fields

import keras
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from conftest import make_data, small
from skjoint import JointRegressorClassifier
from skjoint._prediction.attributes import FittedAttributes
from skjoint._prediction.fitted_model import FittedModel

X, Y = make_data(150)
FRAME = pd.DataFrame(X, columns=list("abcd"))
ATTRIBUTES = [n for n in vars(FittedAttributes) if n.endswith("_") and not n.startswith("_")]
ALWAYS = {
    "feature_report_",
    "n_features_in_",
    "value_names_",
    "class_names_",
    "history_",
    "loss_weights_",
    "n_iter_",
    "n_validation_",
    "shares_",
    "network_",
    "model_",
}
EVERYTHING = {
    "class_bins": 2,
    "validation": 0.3,
    "early_stopping": "by_head",
    "calibration": "temperature",
    "threshold": "f1",
    "value_from": "blend",
    "n_members": 2,
    "value_loss": "gaussian_nll",
}


@pytest.fixture(scope="module")
def plain():
    return small().fit(X, Y)


@pytest.fixture(scope="module")
def full():
    """One that has every attribute."""
    return small(**EVERYTHING).fit(FRAME, Y["value"], groups=np.arange(150) // 5)


def fresh():
    return small(validation=0.3, n_members=2, companions=("ridge",)).fit(FRAME, Y)


# -------------------------------------------------------------------- immutable
@pytest.mark.parametrize("field", [f.name for f in fields(FittedModel)])
def test_no_field_of_the_model_can_be_set(field, plain):
    model = plain._model
    before = getattr(model, field)
    with pytest.raises(FrozenInstanceError):
        setattr(model, field, None)
    with pytest.raises(FrozenInstanceError):
        delattr(model, field)
    assert getattr(model, field) is before


def test_new_names_cannot_be_set(plain):
    with pytest.raises(FrozenInstanceError):
        plain._model.other = 1


def test_the_estimator_keeps_parameters_and_the_model_alone(full):
    learned = set(vars(full)) - set(full.get_params(deep=False))
    assert "_model" in learned
    assert not {name for name in learned if name.endswith("_")}


# ------------------------------------------------------------------- attributes
def test_there_is_a_property_for_every_documented_attribute():
    assert set(ATTRIBUTES) > ALWAYS
    described = JointRegressorClassifier.__doc__.partition("Attributes\n")[2]
    for name in ATTRIBUTES:
        assert isinstance(getattr(JointRegressorClassifier, name), property)
        assert f"{name} :" in described or f"{name}," in described


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_before_fit_there_is_none_of_them(name):
    est = small()
    assert not hasattr(est, name)
    with pytest.raises((AttributeError, NotFittedError)):
        getattr(est, name)
    with pytest.raises(AttributeError):
        setattr(est, name, 1)
    assert name not in vars(est)


def test_names_of_features_can_be_taken_from_a_copy(full):
    """As SHAP's KernelExplainer does, which then predicts arrays."""
    nameless = copy.deepcopy(full)
    nameless.feature_names_in_ = None
    assert not hasattr(nameless, "feature_names_in_")
    assert full.feature_names_in_.tolist() == list("abcd")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = nameless.predict_value(X)
    assert_array_equal(values, full.predict_value(FRAME))


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_none_can_be_set_or_deleted(name, full):
    before = full._model
    if name != "feature_names_in_":
        with pytest.raises(AttributeError):
            setattr(full, name, 1)
    with pytest.raises(AttributeError):
        delattr(full, name)
    assert hasattr(full, name)
    assert full._model is before
    assert name not in vars(full)


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_a_clone_has_none_of_them(name, full):
    assert not hasattr(clone(full), name)


def test_those_of_other_settings_are_absent(plain):
    present = {name for name in ATTRIBUTES if hasattr(plain, name)}
    assert present == ALWAYS | {"classes_"}
    reasons = {
        "feature_names_in_": "X had no column names",
        "class_bin_edges_": "class_bins cut no label",
        "best_epoch_": "without early_stopping",
        "temperature_": "without calibration",
        "threshold_": "without threshold",
        "value_blend_": "value_from chose no blend",
        "validation_groups_": "no groups were held out",
    }
    assert present | set(reasons) == set(ATTRIBUTES)
    for name, reason in reasons.items():
        with pytest.raises(AttributeError, match=f"no attribute '{name}': .*{reason}"):
            getattr(plain, name)
    number_only = small(class_columns=[]).fit(X, Y[["value"]])
    assert number_only.class_names_ == []
    with pytest.raises(AttributeError, match="no attribute 'classes_': .*without a class target"):
        number_only.classes_  # noqa: B018


def test_they_are_those_of_the_model(full):
    model = full._model
    assert full.n_features_in_ == 4
    assert full.feature_names_in_.tolist() == list("abcd")
    assert full.value_names_ == ["value"]
    assert full.class_names_ == ["class"]
    assert len(full.classes_) == 2
    assert len(full.class_bin_edges_) == 1
    assert full.n_iter_ == len(full.loss_weights_) == len(full.history_["loss"]) == 3
    assert full.best_epoch_.shape == (2, 2)
    assert full.n_validation_ == 45
    assert [len(groups) for groups in full.validation_groups_] == [9, 9]
    assert full.temperature_ == model.temperatures[0]
    assert full.threshold_ == model.thresholds[0]
    assert sum(full.value_blend_.values()) == pytest.approx(1)
    assert full.shares_.shape == (2, 1)
    assert full.network_ is model.network.spec


def spoil(found):
    """Change what was returned, in place, as far as it can be changed."""
    if isinstance(found, np.ndarray):
        found[...] = "" if found.dtype.kind in "OU" else -7
    elif isinstance(found, pd.DataFrame):
        del found[found.columns[0]]
    elif isinstance(found, list):
        for part in found:
            spoil(part)
        found.append(None)
    elif isinstance(found, dict):
        for part in found.values():
            spoil(part)
        found.clear()
    elif isinstance(found, keras.Model):
        found.set_weights([w + 1 for w in found.get_weights()])


def as_bytes(found):
    if isinstance(found, keras.Model):
        return [w.tobytes() for w in found.get_weights()]
    if isinstance(found, pd.DataFrame):
        return found.to_json()
    return repr(found)


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_what_they_return_may_be_changed(name, full):
    before, answers = as_bytes(getattr(full, name)), full.predict(FRAME)
    spoil(getattr(full, name))
    assert as_bytes(getattr(full, name)) == before
    assert_array_equal(full.predict(FRAME), answers)


def test_answers_may_be_changed(full):
    ways = {
        "predict": full.predict,
        "value": full.predict_value,
        "class": full.predict_class,
        "proba": full.predict_proba,
        "interval": full.predict_interval,
    }
    for name, way in ways.items():
        before = way(FRAME).copy()
        spoil(way(FRAME))
        assert_array_equal(way(FRAME), before, err_msg=name)


def test_rows_of_the_user_are_not_changed_nor_kept():
    x, y, weights = X.copy(), Y.copy(), np.ones(len(X))
    params = {"preprocess": None, "validation": 0.3}
    expected = small(**params).fit(x, y, weights).predict_interval(X)
    waiting = small(**params).fit(x, y, weights)  # until its intervals are asked for
    assert_array_equal(x, X)
    pd.testing.assert_frame_equal(y, Y)
    x[:], y["value"], weights[:] = 0, 0.0, 0
    assert_array_equal(waiting.predict_interval(X), expected)


# ---------------------------------------------------------------- reading leaves no trace
READERS = {
    "predict": lambda est: est.predict(FRAME),
    "predict_value": lambda est: est.predict_value(FRAME),
    "predict_class": lambda est: est.predict_class(FRAME),
    "predict_proba": lambda est: est.predict_proba(FRAME),
    "predict_interval": lambda est: est.predict_interval(FRAME),
    "evaluate": lambda est: est.evaluate(FRAME, Y),
    "score": lambda est: est.score(FRAME, Y),
    "split_targets": lambda est: est.split_targets(Y),
    "pickle": pickle.dumps,
    "attributes": lambda est: [getattr(est, name, None) for name in ATTRIBUTES],
    "clone": clone,
    "repr": repr,
    "views": lambda est: est.as_regressor().predict(FRAME),
}


@pytest.fixture(scope="module")
def read_often():
    return fresh()


@pytest.mark.parametrize("reader", READERS)
def test_reading_leaves_the_estimator_as_it_is(reader, read_often):
    est = read_often
    before, model = dict(vars(est)), est._model
    parts = {f.name: getattr(model, f.name) for f in fields(model)}
    READERS[reader](est)
    assert vars(est).keys() == before.keys()
    assert all(vars(est)[name] is value for name, value in before.items())
    assert est._model is model
    assert all(getattr(model, name) is part for name, part in parts.items())


@pytest.mark.parametrize("reader", READERS)
def test_reading_leaves_the_pickle_as_it_is(reader, read_often):
    before = pickle.dumps(read_often)
    READERS[reader](read_often)
    assert pickle.dumps(read_often) == before


def test_pickles_are_the_same_whether_intervals_were_asked_for_or_not():
    asked, not_asked = fresh(), fresh()
    asked.predict_interval(FRAME)
    asked.predict(FRAME)
    one, other = (pickle.loads(pickle.dumps(est)) for est in (asked, not_asked))
    assert_array_equal(one.predict_interval(FRAME), other.predict_interval(FRAME))
    assert_array_equal(one.predict_interval(FRAME), asked.predict_interval(FRAME))
    assert len(pickle.dumps(asked)) == len(pickle.dumps(not_asked))


def test_pickles_of_pickles_are_the_same_model(full):
    again = pickle.loads(pickle.dumps(full))
    for name in ATTRIBUTES:
        assert as_bytes(getattr(again, name)) == as_bytes(getattr(full, name)), name
    assert_array_equal(again.predict(FRAME), full.predict(FRAME))
    assert_array_equal(again.predict_interval(FRAME), full.predict_interval(FRAME))


# ---------------------------------------------------------------------- failing fits
class Raises(keras.callbacks.Callback):
    """Raises at the end of the second epoch."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def on_epoch_end(self, epoch, logs=None):
        if epoch % 3 == 1:
            raise self.error


def failures():
    bad_y = Y.copy()
    bad_y["value"] = np.inf
    return {
        "parameter": ({"epochs": -1}, Y),
        "loss": ({"value_loss": "none"}, Y),
        "conflict": ({"value_loss": "gaussian_nll", "head_link": "mixture"}, Y),
        "y": ({}, bad_y),
        "length": ({}, Y[:-1]),
        "divergence": ({"learning_rate": 1e30, "optimizer": "sgd"}, Y),
        "error of a callback": ({"callbacks": [Raises(RuntimeError("stop"))]}, Y),
        "Ctrl-C": ({"callbacks": [Raises(KeyboardInterrupt())]}, Y),
    }


@pytest.mark.parametrize("engine", ["fused", "keras"])
@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("failure", failures())
def test_a_fit_that_fails_leaves_the_very_same_model(failure, warm_start, engine):
    est = small(validation=0.2).fit(X, Y)
    model, answers, intervals = est._model, est.predict(X), est.predict_interval(X)
    dumped = pickle.dumps(model)
    params, y = failures()[failure]
    est.set_params(warm_start=warm_start, engine=engine, **params)
    with pytest.raises((ValueError, RuntimeError, KeyboardInterrupt)):
        est.fit(X, y)
    assert est._model is model
    assert pickle.dumps(model) == dumped
    assert set(vars(est)) == {*est.get_params(deep=False), "_model"}
    assert_array_equal(est.predict(X), answers)
    assert_array_equal(est.predict_interval(X), intervals)


@pytest.mark.parametrize("failure", ["error of a callback", "Ctrl-C", "y"])
def test_a_chunk_that_fails_leaves_the_very_same_model(failure):
    est = small().fit(X, Y)
    model = est._model
    params, y = failures()[failure]
    if "callbacks" in params:
        params["callbacks"][0].on_epoch_end = params["callbacks"][0].on_train_end = raise_always
    with pytest.raises((ValueError, RuntimeError, KeyboardInterrupt)):
        est.set_params(**params).partial_fit(X, y)
    assert est._model is model


def raise_always(*args, **kwargs):
    raise KeyboardInterrupt


def test_a_first_fit_that_fails_leaves_no_model():
    est = small(callbacks=[Raises(RuntimeError("stop"))])
    with pytest.raises(RuntimeError, match="stop"):
        est.fit(X, Y)
    assert not hasattr(est, "_model")
    assert not any(hasattr(est, name) for name in ATTRIBUTES)
    with pytest.raises(NotFittedError):
        est.predict(X)


def test_a_new_fit_puts_a_new_model_in_its_place():
    est = small().fit(X, Y)
    model, answers = est._model, est.predict_value(X)
    est.fit(X[:100], Y[:100])
    assert est._model is not model
    est.partial_fit(X, Y)
    old = small()
    old._model = model  # whoever holds the old one can go on with it
    assert_array_equal(old.predict_value(X), answers)
