"""At home in scikit-learn: its checks, composition, searches, metadata routing."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import check_estimator

from conftest import make_data
from skjoint import JointRegressorClassifier
from skjoint._fitting.settings import resolve

SMALL = {"hidden_layer_sizes": (8,), "epochs": 3, "random_state": 0}

EXPECTED_FAILURES = {
    "check_sample_weights_shape": (
        "asks for an error when sample_weight has two columns and y one; here a column of whole "
        "numbers is two targets, and sample_weight may have a column for each"
    ),
    "check_sample_weight_equivalence_on_dense_data": (
        "asks for predictions equal to 1e-7; training is in float32, and the order of its sums "
        "differs between repeated and weighted rows (equal to 1e-4 in test_estimator.py)"
    ),
}
EXPECTED_FAILURES["check_sample_weight_equivalence_on_sparse_data"] = EXPECTED_FAILURES[
    "check_sample_weight_equivalence_on_dense_data"
]
EXPECTED_FAILURES |= dict.fromkeys(
    ["check_estimator_sparse_array", "check_estimator_sparse_matrix"],
    "asks for one column of predictions; here a column of whole numbers is two targets",
)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("preprocess", ["auto", None])
def test_check_estimator(preprocess):
    results = check_estimator(
        JointRegressorClassifier(preprocess=preprocess),
        expected_failed_checks=EXPECTED_FAILURES,
        on_fail=None,
    )
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"}
    assert failed == {}
    assert len(results) > 40


def test_tags():
    tags = get_tags(JointRegressorClassifier())
    assert tags.estimator_type is None
    assert tags.target_tags.required
    assert tags.target_tags.multi_output
    assert tags.input_tags.allow_nan
    assert not get_tags(JointRegressorClassifier(preprocess=None)).input_tags.allow_nan


@pytest.mark.parametrize("routing", [False, True])
def test_pipeline(data, routing):
    X, y = data
    with sklearn.config_context(enable_metadata_routing=routing):
        est = JointRegressorClassifier.plain(**SMALL, preprocess=None)
        weights = {"jointregressorclassifier__sample_weight": np.arange(120.0)}
        if routing:
            est.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
            weights = {"sample_weight": np.arange(120.0)}
        pipeline = make_pipeline(MinMaxScaler(), est).fit(X, y, **weights)
        final = pipeline[-1]
        Z = pipeline[0].transform(X)
        assert_array_equal(pipeline.predict(X), final.predict(Z))
        assert_array_equal(pipeline.predict(X, output="value"), final.predict_value(Z))
        assert_array_equal(pipeline.predict(X, output="class"), final.predict_class(Z))
        assert_array_equal(pipeline.predict_proba(X), final.predict_proba(Z))
        w = np.linspace(0, 1, 120)
        assert_allclose(pipeline.score(X, y, sample_weight=w), final.score(Z, y, w))
        unweighted = JointRegressorClassifier.plain(**SMALL, preprocess=None).fit(Z, y)
        assert (unweighted.predict_value(Z) != final.predict_value(Z)).any()


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("columns", [1, 2])
def test_weights_are_sliced_by_cross_validation(data, routing, columns):
    X, y = data
    weights = np.ones(120) if columns == 1 else np.ones((120, 2))
    weights[60:] = 0
    est = JointRegressorClassifier.plain(**SMALL)
    splits = [(np.arange(120), np.arange(120))]
    with sklearn.config_context(enable_metadata_routing=routing):
        if routing:
            est.set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
        (score,) = cross_val_score(est, X, y, cv=splits, params={"sample_weight": weights})
    expected = JointRegressorClassifier.plain(**SMALL).fit(X[:60], y[:60]).score(X, y)
    assert_allclose(score, expected)


def test_routing_changes_no_search(data):
    X, y = data
    grid, weights = {"alpha": [0.0, 0.1]}, np.linspace(0.1, 2, 120)
    found = []
    for routing in (False, True):
        with sklearn.config_context(enable_metadata_routing=routing):
            est = JointRegressorClassifier.plain(**SMALL)
            if routing:
                est.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
            search = GridSearchCV(est, grid, cv=2, error_score="raise")
            search.fit(X, y, sample_weight=weights)
            found.append(search.best_estimator_.predict(X, output="value"))
    assert_array_equal(*found)
    best = JointRegressorClassifier.plain(**SMALL).set_params(**search.best_params_)
    assert_array_equal(found[0], best.fit(X, y, sample_weight=weights).predict_value(X))


@pytest.mark.parametrize("output", ["default", "pandas"])
def test_column_transformer_before_it(output):
    X, y = make_data()
    X = pd.DataFrame(X, columns=list("abcd")).assign(colour=np.where(X[:, 0] > 0, "red", "blue"))
    columns = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["colour"]), remainder=StandardScaler()
    )
    columns.set_output(transform=output)
    pipeline = make_pipeline(columns, JointRegressorClassifier.plain(**SMALL, preprocess=None))
    assert np.isfinite(cross_val_score(pipeline, X, y, cv=2)).all()


Y_FORMS = {
    "frame": lambda y: y,
    "object array": lambda y: y.to_numpy(),
    "numbers": lambda y: np.column_stack([y["value"], pd.factorize(y["label"])[0]]),
    "whole numbers": lambda y: (y["value"] // 20).to_numpy(),
}


@pytest.mark.filterwarnings("ignore:y holds labels of target 'class' that training never saw")
@pytest.mark.parametrize("form", Y_FORMS)
def test_cross_validation_of_every_y(data, form):
    X, y = data
    y = Y_FORMS[form](y)
    est = JointRegressorClassifier.plain(**SMALL)
    cv = KFold(3, shuffle=True, random_state=0)
    scores = cross_val_score(est, X, y, cv=cv)
    assert np.isfinite(scores).all()
    result = cross_validate(
        est, X, y, cv=cv, scoring=lambda est, X, y: est.evaluate(X, y), return_train_score=True
    )
    assert_allclose(result["test_score"], scores)
    assert np.isfinite(result["train_value_mae"]).all()
    predicted = cross_val_predict(est, X, y, cv=cv)
    assert predicted.shape == (120, 2)


def test_searches(data):
    X, y = data
    grid = {"learning_rate": [1e-6, 0.01], "optimizer__beta_1": [0.8, 0.9]}
    search = GridSearchCV(JointRegressorClassifier.plain(**SMALL), grid, cv=2, error_score="raise")
    search.fit(X, y)
    assert search.best_params_["learning_rate"] == 0.01
    assert search.best_estimator_.predict(X, output="value").shape == (120,)
    assert search.predict(X).shape == (120, 2)
    pipeline = make_pipeline(StandardScaler(), JointRegressorClassifier.plain(**SMALL))
    search = RandomizedSearchCV(
        pipeline,
        {"jointregressorclassifier__hidden_layer_sizes": [(4,), (8,), (4, 4)]},
        n_iter=2,
        cv=2,
        random_state=0,
        error_score="raise",
    ).fit(X, y)
    assert len(search.cv_results_["params"]) == 2


def test_reprs(fitted):
    assert "epochs=60" in repr(fitted)
    html = fitted._repr_html_()
    assert "JointRegressorClassifier" in html
    assert "hidden_layer_sizes" in html


def test_five_folds_on_abalone(data_folder):
    from skjoint.datasets import fetch_abalone

    X, y = fetch_abalone(data_home=data_folder, return_X_y=True)
    with pytest.warns(UserWarning, match="never saw"):
        scores = cross_val_score(JointRegressorClassifier(epochs=3, random_state=0), X, y, cv=5)
    assert scores.shape == (5,)
    assert np.isfinite(scores).all()


def test_parameters_of_a_grid_may_be_numpy_numbers(data):
    X, y = data
    numbers = {"epochs": np.int64(2), "batch_size": np.int32(16), "n_members": np.int64(2)}
    numbers |= {"learning_rate": np.float32(0.01), "n_iter_no_change": np.int64(3)}
    numbers |= {"hidden_layer_sizes": np.array([8]), "alpha": np.float64(0.1)}
    plain = {
        "epochs": 2,
        "batch_size": 16,
        "n_members": 2,
        "learning_rate": 0.01,
    }
    plain |= {"hidden_layer_sizes": (8,), "alpha": 0.1}
    ests = [JointRegressorClassifier(random_state=0, **p).fit(X, y) for p in (numbers, plain)]
    assert_allclose(*[est.predict_value(X) for est in ests], rtol=1e-7)


# ------------------------------------------------------------------ parameters
ROUTED = (
    "optimizer__momentum",
    "callbacks__patience",
    "trunk__units",
    "companions__n_trees",
    "companions__forest__n_trees",
)


@pytest.mark.parametrize("name", [*JointRegressorClassifier().get_params(), *ROUTED])
@pytest.mark.parametrize("start", ["default", "plain", "accurate"])
def test_every_parameter_survives_every_way(name, start):
    """The constructor, set_params, get_params and clone keep it, and all the others."""
    make = {"default": JointRegressorClassifier}.get(start) or getattr(
        JointRegressorClassifier, start
    )
    before = make().get_params()
    expected = {**before, name: "another value"}
    est = make()
    assert est.set_params(**{name: "another value"}) is est
    again = make().set_params(**est.get_params())
    for one in (est, make(**{name: "another value"}), clone(est), clone(clone(est)), again):
        assert one.get_params() == expected
        assert one.get_params(deep=False) == expected
        assert getattr(one, name) == "another value"
    assert JointRegressorClassifier(**expected).get_params() == expected
    est.set_params(**{name: before.get(name)})  # None takes a routed one away again
    assert est.get_params() == before


def without_layers(settings):
    """All other settings as what can be compared: no objects, no names that Keras counts up."""
    optimizer = vars(settings.optimizer)
    config = {name: value for name, value in optimizer["config"].items() if name != "name"}
    return {
        **{name: value for name, value in vars(settings).items() if name != "hidden"},
        "optimizer": {**optimizer, "config": config},
        "losses": [loss.get_config() for loss in settings.losses],
    }


def test_a_grid_over_layers_changes_nothing_but_the_layers(data, monkeypatch):
    """Ranks, falling rate and penalty stay as they are with layers of one's own."""
    X, y = data
    found = []

    def record(*arguments):
        found.append(resolve(*arguments))
        return found[-1]

    monkeypatch.setattr("skjoint.estimator.resolve", record)
    grid = {"hidden_layer_sizes": ["auto", (8,), (8, 4), 6]}
    fold = [(np.arange(80), np.arange(80, 120))]
    est = JointRegressorClassifier(epochs=2, random_state=0)
    search = GridSearchCV(est, grid, cv=fold, refit=False, error_score="raise").fit(X, y)
    assert len(search.cv_results_["params"]) == len(found) == 4
    assert [settings.hidden for settings in found] == [(256, 64), (8,), (8, 4), (6,)]
    first, *others = [without_layers(settings) for settings in found]
    for other in others:
        assert other == first
    assert first["alpha"] > 0
    assert first["optimizer"]["schedule"] == "cosine"
    for layers in grid["hidden_layer_sizes"]:
        assert clone(est).set_params(hidden_layer_sizes=layers).fit(X, y)._model.features.n_ranks
