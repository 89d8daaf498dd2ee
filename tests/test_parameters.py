"""Parameters: their rules and order, former names, routed ones that come and go."""

import inspect
import re

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import Interval, InvalidParameterError

from conftest import make_data, small
from skjoint import JointRegressorClassifier
from skjoint._parameters import presets
from skjoint._parameters.constraints import CONSTRAINTS
from skjoint._parameters.names import FORMER, ROUTED, is_routed

X, Y = make_data(60)
NAMES = list(inspect.signature(JointRegressorClassifier.__init__).parameters)[1:]
CHECKED = [name for name in NAMES if CONSTRAINTS[name] != "no_validation"]
NUMBERS = [
    name
    for name in CHECKED
    if any(isinstance(rule, Interval) for rule in CONSTRAINTS[name])
    and "boolean" not in CONSTRAINTS[name]
]


# ------------------------------------------------------------- names and order
def documented():
    """Names of parameters in the class docstring, in its order."""
    text = inspect.getdoc(JointRegressorClassifier)
    section = text.partition("Parameters\n----------\n")[2].partition("\nAttributes\n")[0]
    heads = re.findall(r"^(\S[^:\n]*) : ", section, re.MULTILINE)
    return [name for head in heads for name in head.split(", ")]


def test_signature_docstring_and_rules_have_the_same_parameters_in_one_order():
    assert documented() == [*NAMES, "**routed"]
    assert list(CONSTRAINTS) == NAMES


def test_parameters_are_stored_as_they_are_given():
    est = JointRegressorClassifier()
    signature = inspect.signature(JointRegressorClassifier.__init__).parameters
    assert est.get_params() == {name: signature[name].default for name in NAMES}
    given = {name: object() for name in NAMES}
    stored = JointRegressorClassifier(**given).get_params(deep=False)
    assert all(stored[name] is given[name] for name in NAMES)


@pytest.mark.parametrize("preset", [presets.PLAIN, presets.ACCURATE])
def test_presets_are_parameters(preset):
    assert all(name in NAMES or is_routed(name) for name in preset)


@pytest.mark.parametrize(("name", "now"), FORMER.items())
def test_former_names_are_refused_with_the_new_one(name, now):
    message = re.escape(f"It is now {now}")
    with pytest.raises(TypeError, match=message):
        JointRegressorClassifier(**{name: 0.2})
    with pytest.raises(ValueError, match=message):
        JointRegressorClassifier().set_params(**{name: 0.2})
    search = GridSearchCV(small(), {name: [0.2]}, cv=2, error_score="raise")
    with pytest.raises(ValueError, match=message):
        search.fit(X, Y)


def test_former_names_point_to_parameters():
    for now in FORMER.values():
        words = set(re.findall(r"\w+", now))
        assert words & {*NAMES, *(word for word in words if is_routed(word))}


@pytest.mark.parametrize(
    ("wrong", "right"), [("epoch", "epochs"), ("optimiser__x", "optimizer__x")]
)
def test_unknown_names_are_refused_with_the_nearest_one(wrong, right):
    with pytest.raises(TypeError, match=f"Did you mean '{right}'"):
        JointRegressorClassifier(**{wrong: 3})
    with pytest.raises(ValueError, match=f"Did you mean '{right}'"):
        JointRegressorClassifier().set_params(**{wrong: 3})


def test_an_unknown_name_sets_none_of_those_beside_it():
    est = small(epochs=3)
    with pytest.raises(ValueError, match="Invalid parameter"):
        est.set_params(epochs=5, epoch=4)
    assert est.epochs == 3


# ------------------------------------------------------------ routed parameters
@pytest.mark.parametrize(
    "name",
    ["optimizer__momentum", "callbacks__patience", "trunk__n", "companions__forest__n_trees"],
)
def test_none_takes_a_routed_parameter_away(name):
    assert name.partition("__")[0] in ROUTED
    est = JointRegressorClassifier(**{name: 3})
    assert est.get_params()[name] == 3
    without = est.set_params(**{name: None})
    for one in (without, clone(without), JointRegressorClassifier(**{name: None})):
        assert name not in one.get_params()
        assert not hasattr(one, name)
    assert (
        without.set_params(**{name: None}).get_params() == JointRegressorClassifier().get_params()
    )
    assert clone(without.set_params(**{name: 4})).get_params()[name] == 4


def test_an_unset_parameter_reaches_nothing():
    momentum = {"optimizer": "sgd", "optimizer__momentum": 0.9}
    est = small(epochs=2, **momentum).fit(X, Y)
    with_momentum = est.predict_value(X)
    est.set_params(optimizer__momentum=None).fit(X, Y)
    never = small(epochs=2, optimizer="sgd").fit(X, Y)
    assert_array_equal(est.predict_value(X), never.predict_value(X))
    assert not np.array_equal(est.predict_value(X), with_momentum)


def test_a_grid_with_none_searches_without_the_parameter():
    est = small(epochs=3, optimizer="sgd", optimizer__momentum=0.5)
    grid = {"optimizer__momentum": [None, 0.9]}
    search = GridSearchCV(est, grid, cv=2, error_score="raise").fit(X, Y)
    plain = GridSearchCV(small(epochs=3, optimizer="sgd"), {"epochs": [3]}, cv=2).fit(X, Y)
    scores = search.cv_results_["mean_test_score"]
    assert scores[0] == plain.cv_results_["mean_test_score"][0]
    assert scores[0] != scores[1]


def test_none_takes_a_parameter_away_inside_a_pipeline():
    pipe = make_pipeline(StandardScaler(), small(optimizer="sgd", optimizer__momentum=0.9))
    name = "jointregressorclassifier__optimizer__momentum"
    assert name not in pipe.set_params(**{name: None}).get_params()


# -------------------------------------------------------------------- validation
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("name", CHECKED)
def test_what_a_parameter_cannot_be_is_refused(name, method):
    est = small().set_params(**{name: object()})
    with pytest.raises(InvalidParameterError, match=f"The '{name}' parameter of Joint"):
        getattr(est, method)(X, Y)
    assert not hasattr(est, "classes_")


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("given", [True, False])
def test_truth_values_are_no_numbers(name, given):
    with pytest.raises(InvalidParameterError, match=f"The '{name}' parameter of .*Got {given}"):
        small().set_params(**{name: given}).fit(X, Y)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("params", [{"verbose": 7}, {"scale_value": "yes"}, {"dropout": False}])
def test_validation_may_be_skipped(params, method):
    est = small(epochs=1, **params)
    with pytest.raises(InvalidParameterError):
        getattr(est, method)(X, Y)
    with sklearn.config_context(skip_parameter_validation=True):
        getattr(est, method)(X, Y)
    assert est.n_iter_ == 1


@pytest.mark.parametrize("params", [{"batch_size": 0}, {"engine": "gpu"}, {"epochs": True}])
def test_parameters_are_checked_for_later_chunks_too(params):
    est = small().partial_fit(X, Y).set_params(**params)
    with pytest.raises(InvalidParameterError, match=f"The '{next(iter(params))}' parameter"):
        est.partial_fit(X, Y)
    assert est.n_iter_ == 1


def test_parameters_can_be_read_while_another_thread_ends_a_first_fit(monkeypatch):
    est = small(optimizer__beta_1=0.8)

    def is_routed(name):
        est._model = None  # as the other fit does at its end
        return "__" in name

    monkeypatch.setattr("skjoint.estimator.is_routed", is_routed)
    assert est.get_params()["optimizer__beta_1"] == 0.8
