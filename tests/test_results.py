"""Results in one call: `predict(output=...)` and `joint_metrics`, through whatever is around."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from conftest import make_data, small
from skjoint.metrics import joint_metrics
from skjoint.model_selection import joint_scoring
from skjoint.views import as_classifier, as_regressor


def quick(**params):
    return small(hidden_layer_sizes=(4,), epochs=1, **params)


@pytest.fixture(scope="module")
def pipe():
    """A Pipeline whose estimator has held rows out."""
    X, y = make_data()
    return make_pipeline(StandardScaler(), quick(validation=0.3)).fit(X, y)


@pytest.fixture(scope="module")
def nested(pipe):
    """A search of a Pipeline at the end of a Pipeline."""
    X, y = make_data()
    search = GridSearchCV(pipe, {"jointregressorclassifier__alpha": [0.0]}, cv=2)
    return make_pipeline(StandardScaler(), search).fit(X, y)


class TestOutputs:
    @pytest.mark.parametrize("routing", [False, True])
    @pytest.mark.parametrize("depth", [1, 2])
    def test_every_one_reaches_through_pipelines(self, pipe, routing, depth):
        X, _ = make_data()
        est, rows = pipe[-1], pipe[0].transform(X)
        outer = pipe if depth == 1 else make_pipeline("passthrough", pipe)
        with config_context(enable_metadata_routing=routing):
            assert_array_equal(outer.predict(X, output="proba"), est.predict_proba(rows))
            assert_array_equal(outer.predict(X, output="class"), est.predict_class(rows))
            assert_array_equal(outer.predict(X, output="interval"), est.predict_interval(rows))
            found = outer.predict(X, output="interval", coverage=0.6)
            assert_array_equal(found, est.predict_interval(rows, coverage=0.6))
            frame = outer.predict(X, output="frame")
        assert_array_equal(frame["value"], est.predict_value(rows))
        assert_array_equal(frame["label"], est.predict_class(rows))

    @pytest.mark.parametrize("routing", [False, True])
    def test_views_have_those_of_their_kind(self, nested, routing):
        X, _ = make_data()
        number, label = as_regressor(nested), as_classifier(nested)
        intervals = number.predict(X, output="interval", coverage=0.6)
        assert intervals.shape == (120, 2)
        assert_array_equal(label.predict(X, output="proba"), nested.predict_proba(X))
        assert_array_equal(number.predict(X, output="frame")["value"], number.predict(X))
        assert list(label.predict(X, output="frame")) == ["label"]
        with config_context(enable_metadata_routing=routing):
            wrapped = make_pipeline("passthrough", as_regressor(nested[-1].best_estimator_))
            found = wrapped.predict(nested[0].transform(X), output="interval", coverage=0.6)
        assert_array_equal(found, intervals)
        with pytest.raises(ValueError, match="output must be 'interval', 'frame' or None"):
            number.predict(X, output="proba")

    def test_bad_ones(self, pipe):
        X, _ = make_data()
        for options, message in [
            ({"output": "probability"}, "output must be .*'frame' or None. Got 'probability'"),
            ({"coverage": 0.8}, "coverage must be None where output is not 'interval'. Got 0.8"),
            ({"output": "proba", "coverage": 0.8}, "beside output='proba' instead"),
            ({"output": "interval", "coverage": 1.2}, "coverage must be between 0 and 1. Got 1.2"),
        ]:
            with pytest.raises(ValueError, match=message):
                pipe.predict(X, **options)


class TestFrames:
    @pytest.mark.parametrize(
        ("labels", "kind"),
        [
            (np.array([3, 1, 2]), "i"),
            (np.array([False, True, True]), "b"),
            (np.array([0.0, 1.0, 2.0]), "f"),
            (np.array(["a", "b", "c"], dtype=object), "O"),
            (np.array(["a", "\ud800", "c"], dtype=object), "O"),
        ],
    )
    def test_columns_are_those_of_y_with_plain_dtypes(self, labels, kind):
        X, y = make_data(30)
        index = pd.Index(np.arange(30) * 2, name="row")
        X = pd.DataFrame(X, index, list("abcd"))
        of_rows = labels[np.arange(30) % 3]
        column = pd.Series(of_rows, dtype=labels.dtype, name="kind")
        y = pd.concat([column, y["value"].rename("price")], axis=1)
        est = quick(class_columns=["kind"], value_columns=["price"]).fit(X, y)
        frame = est.predict(X, output="frame")
        assert list(frame.columns) == ["kind", "price"]
        assert frame["price"].dtype == np.float64
        assert frame["kind"].dtype.kind == kind
        assert frame.index.equals(index)
        assert_array_equal(frame["kind"].to_numpy(object), est.predict_class(X))

    def test_names_of_any_y(self):
        X, y = make_data(30)
        number = np.arange(30) % 3
        several = y.assign(more=y["value"] * 2)
        for target, params, names in [
            (y.to_numpy(), {}, ["value", "class"]),
            (number, {}, ["value", "class"]),
            (pd.Series(number, name="rings"), {}, ["rings", "rings_class"]),
            (several, {}, ["value", "label", "more"]),
            (several, {"value_columns": [["value", "more"]]}, ["value", "more", "label"]),
            (y.rename(columns={"value": 1, "label": 2}), {"value_columns": [1]}, [1, 2]),
            (y[["label"]], {"value_columns": []}, ["label"]),
        ]:
            est = quick(**params).fit(X, target)
            frame = est.predict(X, output="frame")
            assert list(frame.columns) == names
            assert frame.index.equals(pd.RangeIndex(30))
            assert_array_equal(frame.to_numpy(object), est.predict(X).astype(object))

    def test_two_columns_of_one_name_are_refused(self):
        X, y = make_data(30)
        y = pd.DataFrame({"a": np.arange(30) % 3, "a_class": y["label"]})
        est = quick(value_columns=["a"], class_columns=["a", "a_class"]).fit(X, y)
        with pytest.raises(ValueError, match="would be called 'a_class': rename a column of y"):
            est.predict(X, output="frame")


class TestMetrics:
    def test_of_any_nesting_are_those_of_the_estimator(self, nested):
        X, y = make_data()
        weight = np.linspace(0, 2, 120)
        best = nested[-1].best_estimator_
        rows = best[0].transform(nested[0].transform(X))
        for model in (
            nested,
            as_regressor(nested),
            as_classifier(nested),
            FrozenEstimator(nested),
            make_pipeline("passthrough", as_regressor(nested)),
            FrozenEstimator(as_regressor(nested)),
        ):
            assert joint_metrics(model, X, y) == best[-1].evaluate(rows, y)
            assert joint_metrics(model, X, y, weight) == best[-1].evaluate(rows, y, weight)
        assert joint_metrics(best[-1], rows, y) == best[-1].evaluate(rows, y)

    def test_of_a_view_that_was_fitted_on_its_own_kind(self):
        X, y = make_data(30)
        view = as_regressor(quick()).fit(X, y["value"])
        assert joint_metrics(view, X, y["value"]) == view.estimator_.evaluate(X, y["value"])

    def test_of_what_is_not_joint(self):
        X, y = make_data(30)
        with pytest.raises(TypeError, match="fitted JointRegressorClassifier"):
            joint_metrics(Ridge().fit(X, y["value"]), X, y)
        for unfitted in (quick(), as_regressor(quick()), make_pipeline("passthrough", quick())):
            with pytest.raises(NotFittedError):
                joint_metrics(unfitted, X, y)

    def test_a_scorer_of_a_fold_without_a_label(self, nested):
        X, y = make_data()
        two = (y["label"] != "mid").to_numpy()
        scores = {n: scorer(nested, X[two], y[two]) for n, scorer in joint_scoring().items()}
        undefined = {name for name, score in scores.items() if np.isnan(score)}
        assert undefined == {"class_roc_auc", "class_average_precision"}
