"""Views: one head as a plain regressor or classifier, wherever scikit-learn takes one."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import PartialDependenceDisplay, permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import ConfusionMatrixDisplay, PredictionErrorDisplay, accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from conftest import make_data
from skjoint import JointRegressorClassifier
from skjoint.views import as_classifier, as_regressor

QUICK = JointRegressorClassifier.plain((16,), epochs=10, learning_rate=0.01, random_state=0)


@pytest.fixture(params=["estimator", "pipeline", "search"])
def wrapped(request):
    """The joint estimator as it is, in a pipeline, in a search."""
    if request.param == "estimator":
        return QUICK
    pipeline = make_pipeline(StandardScaler(), QUICK)
    if request.param == "pipeline":
        return pipeline
    return GridSearchCV(pipeline, {"jointregressorclassifier__alpha": [0, 0.01]}, cv=2)


def test_kinds(fitted):
    assert is_regressor(as_regressor(fitted))
    assert is_classifier(as_classifier(fitted))
    assert is_regressor(fitted.as_regressor())
    assert is_classifier(fitted.as_classifier())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("view", [as_regressor, as_classifier])
def test_scikit_learns_checks(view):
    expected = {
        f"check_sample_weight_equivalence_on_{kind}_data": "float32 gives 1e-6, not the 1e-7 wanted"
        for kind in ("dense", "sparse")
    }
    checked = view(JointRegressorClassifier(random_state=0))
    results = check_estimator(checked, on_fail=None, expected_failed_checks=expected)
    failed = [r["check_name"] for r in results if r["status"] == "failed"]
    assert failed == []


def test_of_a_fitted_one(wrapped):
    X, y = make_data()
    joint = clone(wrapped).fit(X, y)
    best = getattr(joint, "best_estimator_", joint)
    number, label = as_regressor(joint), as_classifier(joint)
    assert_array_equal(number.predict(X), best.predict(X, output="value"))
    assert_array_equal(label.predict(X), best.predict(X, output="class"))
    assert_array_equal(label.predict_proba(X), joint.predict_proba(X))
    assert label.classes_.tolist() == ["low", "mid", "top"]
    assert number.n_features_in_ == 4
    for true in (y, y["value"]):
        assert number.score(X, true) == r2_score(y["value"], number.predict(X))
    for true in (y, y["label"]):
        assert label.score(X, true) == accuracy_score(y["label"], label.predict(X))
    with pytest.raises(NotFittedError):
        clone(number).predict(X)
    again = pickle.loads(pickle.dumps(number))
    assert_array_equal(again.predict(X), number.predict(X))


def test_fit_on_its_own_kind_is_the_head_alone(wrapped):
    X, y = make_data()
    w = np.random.default_rng(0).uniform(0.5, 2, len(y))
    number = as_regressor(wrapped).fit(X, y["value"], sample_weight=w)
    label = as_classifier(wrapped).fit(X, y["label"], sample_weight=w)
    assert number.predict(X).shape == label.predict(X).shape == (120,)
    if wrapped is QUICK:
        alone = clone(QUICK).set_params(class_columns=[]).fit(X, y["value"], w)
        assert_array_equal(number.predict(X), alone.predict_value(X))
        alone = clone(QUICK).set_params(value_columns=[]).fit(X, y["label"], w)
        assert_array_equal(label.predict_proba(X), alone.predict_proba(X))


def test_fit_on_a_joint_y_refits_a_clone(wrapped):
    X, y = make_data()
    number = as_regressor(wrapped).fit(X, y)
    assert_array_equal(number.predict(X), as_regressor(clone(wrapped).fit(X, y)).predict(X))
    assert not hasattr(wrapped, "classes_")


@pytest.mark.filterwarnings("ignore:.*another number than value_by_class")
def test_what_concerns_both_heads_is_left_out():
    X, y = make_data()
    est = clone(QUICK).set_params(
        head_link="mixture",
        value_by_class={"low": 0.0},
        loss_weights="famo",
        classes=["low", "mid", "top", "more"],
        class_weight={"low": 2.0},
        value_columns=["value"],
    )
    assert as_regressor(est).fit(X, y["value"]).predict(X).shape == (120,)
    assert as_classifier(est).fit(X, y["label"]).classes_.tolist() == ["low", "mid", "more", "top"]
    assert as_regressor(est).fit(X, y).predict(X).shape == (120,)


def test_missing_labels_are_left_out_of_the_score(fitted):
    X, y = make_data()
    y.loc[:20, "value"] = np.nan
    y.loc[90:, "label"] = None
    kept = y["value"].notna()
    number = as_regressor(fitted)
    assert number.score(X, y) == r2_score(y["value"][kept], number.predict(X[kept]))
    assert as_classifier(fitted).score(X, y) == as_classifier(fitted).score(X[:90], y[:90])


class TestTools:
    """Tools of scikit-learn that want a regressor or a classifier."""

    def test_inspection(self, fitted):
        plt = pytest.importorskip("matplotlib.pyplot")
        X, y = make_data()
        importance = permutation_importance(as_regressor(fitted), X, y["value"], random_state=0)
        assert importance.importances_mean.argmax() == 0
        PartialDependenceDisplay.from_estimator(as_regressor(fitted), X, [0, 1])
        PartialDependenceDisplay.from_estimator(as_classifier(fitted), X, [0], target="top")
        ConfusionMatrixDisplay.from_estimator(as_classifier(fitted), X, y["label"])
        PredictionErrorDisplay.from_estimator(as_regressor(fitted), X, y["value"])
        plt.close("all")

    def test_calibration(self, fitted):
        X, y = make_data()
        frozen = CalibratedClassifierCV(FrozenEstimator(as_classifier(fitted))).fit(X, y["label"])
        assert frozen.predict_proba(X).shape == (120, 3)
        refitted = CalibratedClassifierCV(as_classifier(QUICK), cv=2).fit(X, y["label"])
        assert refitted.score(X, y["label"]) > 0.5

    def test_threshold(self):
        X, y = make_data()
        y = y.assign(label=y["label"] == "top")
        tuned = TunedThresholdClassifierCV(as_classifier(QUICK), cv=2).fit(X, y["label"])
        assert set(tuned.predict(X)) <= {False, True}

    def test_stacking_and_voting(self):
        X, y = make_data()
        regressors = [("joint", as_regressor(QUICK)), ("ridge", Ridge())]
        for kind in (StackingRegressor, VotingRegressor):
            assert kind(regressors).fit(X, y["value"]).score(X, y["value"]) > 0.5
        classifiers = [("joint", as_classifier(QUICK)), ("logistic", LogisticRegression())]
        for model in (
            StackingClassifier(classifiers),
            VotingClassifier(classifiers, voting="soft"),
        ):
            assert model.fit(X, y["label"]).score(X, y["label"]) > 0.5

    def test_cross_validation(self):
        X, y = make_data()
        for view, target in ((as_regressor, "value"), (as_classifier, "label")):
            alone = cross_val_score(view(QUICK), X, y[target], cv=3)
            assert alone.mean() > 0.3
        assert cross_val_score(as_regressor(QUICK), X, y, cv=3).mean() > 0.3

    def test_metadata_routing(self):
        X, y = make_data()
        with config_context(enable_metadata_routing=True):
            view = as_regressor(clone(QUICK).set_fit_request(sample_weight=True))
            view.set_score_request(sample_weight=True)
            search = GridSearchCV(view, {"estimator__alpha": [0, 0.1]}, cv=2, error_score="raise")
            w = np.arange(120.0) + 1
            weighted = search.fit(X, y["value"], sample_weight=w).best_estimator_
        plain = as_regressor(QUICK).set_params(**search.best_params_).fit(X, y["value"], w)
        assert_allclose(weighted.predict(X), plain.predict(X))


def test_several_targets(data):
    X, y = data
    y = y.assign(more=X[:, 3] * 10, sign=np.where(X[:, 3] > 0, "plus", "minus"))
    est = clone(QUICK).fit(X, y)
    assert as_regressor(est).predict(X).shape == (120, 2)
    assert as_classifier(est).predict(X).shape == (120, 2)
    values, labels = est.split_targets(y)
    assert as_regressor(est).score(X, y) == r2_score(values, est.predict_value(X))
    assert_allclose(as_classifier(est).score(X, y), np.mean(labels == est.predict_class(X)))


def test_no_joint_estimator_inside():
    with pytest.raises(TypeError, match="JointRegressorClassifier, or a Pipeline or search"):
        as_regressor(Ridge()).fit(np.zeros((3, 1)), pd.Series([1.0, 2.0, 3.0]))
