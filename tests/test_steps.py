"""Steps before the estimator that learn from the number alone, or from the label alone."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.compose import make_column_transformer
from sklearn.cross_decomposition import PLSRegression
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import (
    RFE,
    SelectFromModel,
    SelectKBest,
    SequentialFeatureSelector,
    f_classif,
    f_regression,
)
from sklearn.linear_model import Lasso, Ridge
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, StandardScaler, TargetEncoder
from sklearn.utils.estimator_checks import check_estimator

from conftest import make_data, small
from skjoint import JointRegressorClassifier
from skjoint.views import as_classifier, as_regressor, on_class, on_value

ENCODER = TargetEncoder(cv=KFold(3), target_type="continuous")


def table(n_samples=120):
    X, y = make_data(n_samples)
    X = pd.DataFrame(X, columns=list("abcd"), index=np.arange(n_samples)[::-1])
    X["town"] = np.random.default_rng(0).choice(["x", "y", "z"], n_samples)
    return X, y.set_index(X.index)


def without_some(y):
    """The same with gaps, in other rows for the number than for the label."""
    y = y.copy()
    y.iloc[::5, 0] = np.nan
    y.iloc[3:20:4, 1] = None
    return y


def forms_of(y):
    """The same y in all its forms."""
    return {
        "table": y,
        "turned": y[["label", "value"]],
        "array": y.to_numpy(dtype=object),
        "dict": {name: column.to_numpy() for name, column in y.items()},
        "list": y.to_numpy(dtype=object).tolist(),
    }


# ---------------------------------------------------------------- what is handed on
STEPS = {
    "k best": (on_value, SelectKBest(f_regression, k=2)),
    "k best of labels": (on_class, SelectKBest(f_classif, k=2)),
    "of my own": (
        on_class,
        SelectKBest(lambda X, y: f_classif(X, y)[0], k=2),
    ),
    "from model": (on_value, SelectFromModel(Lasso(0.1))),
    "from trees": (on_value, SelectFromModel(ExtraTreesRegressor(5, random_state=0))),
    "recursive": (on_value, RFE(Ridge(), n_features_to_select=2)),
    "sequential": (on_value, SequentialFeatureSelector(Ridge(), n_features_to_select=1, cv=2)),
    "discriminants": (on_class, LinearDiscriminantAnalysis()),
    "pipeline": (on_value, make_pipeline(StandardScaler(), SelectKBest(f_regression, k=1))),
    "without labels": (on_value, StandardScaler()),
}


@pytest.mark.parametrize("form", forms_of(make_data(9)[1]))
@pytest.mark.parametrize("name", STEPS)
def test_a_step_learns_from_its_own_kind(name, form):
    X, y = make_data()
    on, step = STEPS[name]
    own = y["value"] if on is on_value else y["label"]
    alone = clone(step)
    wanted = alone.fit_transform(X, own)
    found = on(step).fit_transform(X, forms_of(y)[form])
    assert_allclose(found, wanted)
    assert_allclose(on(step).fit(X, forms_of(y)[form]).transform(X), alone.transform(X))


def test_rows_without_its_label_are_left_out():
    X, y = make_data()
    y = without_some(y)
    for on, step, name in (
        (on_value, SelectKBest(f_regression, k=2), "value"),
        (on_class, LinearDiscriminantAnalysis(), "label"),
    ):
        kept = y[name].notna()
        alone = clone(step).fit(X[kept], y.loc[kept, name])
        assert_allclose(on(step).fit_transform(X, y), alone.transform(X))
        assert_allclose(on(step).fit(X, y).transform(X), alone.transform(X))


@pytest.mark.parametrize("output", ["default", "pandas", "polars"])
def test_each_row_is_encoded_without_its_own_number(output):
    if output == "polars":
        pytest.importorskip("polars")
    X, y = table()
    y = without_some(y)
    known = y["value"].notna().to_numpy()
    encode = on_value(clone(ENCODER)).set_output(transform=output)
    found = np.asarray(encode.fit_transform(X[["town"]], y))
    crossed = clone(ENCODER).fit_transform(X.loc[known, ["town"]], y.loc[known, "value"])
    plain = clone(ENCODER).fit(X.loc[known, ["town"]], y.loc[known, "value"])
    assert_array_equal(found[known], crossed)
    assert_array_equal(found[~known], plain.transform(X.loc[~known, ["town"]]))
    assert (crossed != plain.transform(X.loc[known, ["town"]])).any()
    assert_array_equal(np.asarray(encode.transform(X[["town"]])), plain.transform(X[["town"]]))


def test_sparse_rows():
    X, y = make_data()
    select = on_value(SelectKBest(f_regression, k=2))
    for given in (y, without_some(y)):
        found = select.fit_transform(sparse.csr_matrix(X), given)
        assert sparse.issparse(found)
        assert_allclose(found.toarray(), select.fit_transform(X, given))


def test_of_scores_of_x_and_y_those_of_x_go_on():
    X, y = make_data()
    wanted = PLSRegression(2).fit(X, y["value"]).transform(X)
    assert_allclose(on_value(PLSRegression(2)).fit_transform(X, y), wanted)
    assert_allclose(on_value(PLSRegression(2)).fit(X, y).transform(X), wanted)


class Marks(BaseEstimator):
    """A transformer with the least that one has; it keeps what it was given."""

    def fit(self, X, y=None, sample_weight=None):
        self.y_, self.weights_ = y, sample_weight
        return self

    def transform(self, X):
        return np.asarray(X)


NUMBERS = np.array([1.0, 2.0, 4.0, 5.0])
DECLARED = [
    (on_value, NUMBERS + 0.5, {}, NUMBERS + 0.5),
    (on_value, [1, 2, 1, 2], {}, [1, 2, 1, 2]),
    (on_class, [1, 2, 1, 2], {}, [1, 2, 1, 2]),
    (on_class, ["a", "b", "a", "b"], {}, ["a", "b", "a", "b"]),
    (on_class, NUMBERS, {"class_bins": 2}, [0, 0, 1, 1]),
    (on_class, NUMBERS, {"class_bins": [1.5, 4.5]}, [0, 1, 1, 2]),
    (on_value, pd.DataFrame({"a": NUMBERS, "b": [0, 1, 1, 0]}), {"class_columns": ["b"]}, NUMBERS),
    (
        on_class,
        pd.DataFrame({"a": NUMBERS, "b": [0, 1, 1, 0]}),
        {"value_columns": [0]},
        [0, 1, 1, 0],
    ),
    (
        on_value,
        pd.DataFrame({"a": NUMBERS, "b": -NUMBERS, "c": list("xyxy")}),
        {},
        np.column_stack([NUMBERS, -NUMBERS]),
    ),
    (
        on_class,
        pd.DataFrame({"a": NUMBERS, "k0": [0, 1, 1, 0], "k1": [1, 0, 0, 1]}),
        {"value_columns": ["a"], "class_columns": [["k0", "k1"]]},
        ["k1", "k0", "k0", "k1"],
    ),
]


@pytest.mark.parametrize("i", range(len(DECLARED)))
def test_columns_are_declared_as_in_the_estimator(i):
    on, y, declared, wanted = DECLARED[i]
    found = on(Marks(), **declared).fit(np.zeros((4, 1)), y).step_.y_
    assert_array_equal(found, wanted)


# ---------------------------------------------------------------- in scikit-learn
def everywhere():
    encode = make_column_transformer(
        (on_value(ENCODER), ["town"]),
        (on_class(SelectKBest(f_classif, k=1)), list("abc")),
        remainder="passthrough",
    )
    return make_pipeline(encode, small())


def test_inside_a_column_transformer_and_a_search():
    X, y = table()
    grid = {"columntransformer__onclass__step__k": [1, 2]}
    search = GridSearchCV(everywhere(), grid, cv=2).fit(X, without_some(y))
    k = search.best_params_["columntransformer__onclass__step__k"]
    assert search.best_estimator_[-1].n_features_in_ == 2 + k
    assert np.isfinite(cross_val_score(everywhere(), X, y, cv=2)).all()
    assert search.predict(X).shape == (120, 2)


def test_inside_a_union():
    X, y = make_data()
    union = FeatureUnion(
        [
            ("number", on_value(SelectKBest(f_regression, k=1))),
            ("label", on_class(LinearDiscriminantAnalysis())),
        ]
    )
    assert union.fit_transform(X, y).shape == (120, 3)
    assert make_pipeline(union, small()).fit(X, y).predict(X).shape == (120, 2)


def test_names_and_containers():
    X, y = table()
    encode = everywhere()[0].set_output(transform="pandas")
    found = encode.fit_transform(X, y)
    assert list(found.columns) == list(encode.get_feature_names_out())
    assert_array_equal(found.index, X.index)
    select = on_value(SelectKBest(f_regression, k=2))
    assert not hasattr(select, "n_features_in_")
    assert not hasattr(on_value(Marks()), "get_feature_names_out")
    select.fit(X[list("abcd")], y)
    assert select.n_features_in_ == 4
    assert select.feature_names_in_.tolist() == list("abcd")
    assert select.get_feature_names_out().tolist() == ["a", "b"]
    with config_context(transform_output="pandas"):
        assert list(select.transform(X[list("abcd")]).columns) == ["a", "b"]


def test_what_the_step_can_undo():
    X, y = make_data()
    assert_allclose(
        (scale := on_value(StandardScaler()).fit(X, y)).inverse_transform(scale.transform(X)), X
    )
    assert not hasattr(on_value(Marks()), "inverse_transform")


def test_the_given_step_stays_as_it_is():
    X, y = make_data()
    step = SelectKBest(f_regression, k=2)
    select = on_value(step, class_columns=["label"])
    again = clone(select).fit(X, y)
    assert not hasattr(step, "scores_")
    assert again.get_params()["step__k"] == 2
    assert again.get_params()["class_columns"] == ["label"]
    assert_array_equal(pickle.loads(pickle.dumps(again)).transform(X), again.transform(X))
    with pytest.raises(NotFittedError):
        clone(again).transform(X)
    assert "SelectKBest" in again._repr_html_()


def test_tags_are_those_of_the_step():
    assert on_value(TargetEncoder()).__sklearn_tags__().input_tags.categorical
    tags = on_class(LinearDiscriminantAnalysis()).__sklearn_tags__()
    assert tags.estimator_type is None
    assert tags.target_tags.required
    assert tags.transformer_tags is not None


@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_checks():
    results = check_estimator(on_value(SelectKBest(f_regression, k=1)), on_fail=None)
    assert [r["check_name"] for r in results if r["status"] == "failed"] == []


def test_weights_go_to_the_rows_that_are_left():
    X, y = make_data()
    y, weights = without_some(y), np.arange(len(y), dtype=float)
    kept = y["value"].notna().to_numpy()
    pipe = Pipeline([("marks", on_value(Marks())), ("est", small())])
    pipe.fit(X, y, marks__sample_weight=weights)
    assert_array_equal(pipe[0].step_.weights_, weights[kept])
    assert_array_equal(pipe[0].step_.y_, y.loc[kept, "value"])
    with config_context(enable_metadata_routing=True):
        for step in (Marks().set_fit_request(sample_weight=True), KBinsDiscretizer(2)):
            if isinstance(step, KBinsDiscretizer):
                step.set_params(encode="ordinal", quantile_method="averaged_inverted_cdf")
                step.set_fit_request(sample_weight=True)
            routed = Pipeline([("marks", on_value(step)), ("est", small())])
            routed[-1].set_fit_request(sample_weight=True)
            routed.fit(X, y, sample_weight=weights)
            if isinstance(step, Marks):
                assert_array_equal(routed[0].step_.weights_, weights[kept])
            routed[0].fit(X, y, sample_weight=weights)


def test_views_of_a_pipeline_with_steps():
    X, y = make_data()
    number = make_pipeline(on_value(SelectKBest(f_regression, k=2)), small())
    label = make_pipeline(on_class(SelectKBest(f_classif, k=2)), small())
    assert as_regressor(number).fit(X, y["value"]).predict(X).shape == (120,)
    assert as_classifier(label).fit(X, y["label"]).predict(X).shape == (120,)


# -------------------------------------------------------------------- refusals
REFUSED = {
    "joint": (JointRegressorClassifier(), "behind the step"),
    "joint at the end": (make_pipeline(StandardScaler(), small()), "fit and transform"),
    "regressor": (Ridge(), "fit and transform. Got Ridge instead"),
    "class": (StandardScaler, r"write StandardScaler\(\)"),
    "word": ("passthrough", "'passthrough' instead"),
    "nothing": (None, "NoneType"),
}


@pytest.mark.parametrize("on", [on_value, on_class])
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_transformer_is_refused(name, on):
    step, message = REFUSED[name]
    with pytest.raises(TypeError, match=message):
        on(step)
    later = on(StandardScaler()).set_params(step=step)
    with pytest.raises(TypeError, match=message):
        later.fit(*make_data())


def test_a_y_without_the_kind_is_refused():
    X, y = make_data()
    with pytest.raises(ValueError, match="rows with a number"):
        on_value(StandardScaler()).fit(X, y.assign(value=np.nan))
    with pytest.raises(ValueError, match="value_columns"):
        on_value(StandardScaler(), value_columns=[], class_columns=["label"]).fit(X, y)
    with pytest.raises(ValueError, match="class_bins"):
        on_class(StandardScaler()).fit(X, y["value"])
    with pytest.raises(ValueError, match="y is None"):
        on_class(StandardScaler()).fit(X, None)
    with pytest.warns(UserWarning, match="another order"):
        on_class(StandardScaler()).fit(pd.DataFrame(X), y[::-1])
