"""Thresholds of labels of two, chosen by a score of held-out rows."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import balanced_accuracy_score, get_scorer
from sklearn.model_selection import TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline

from conftest import make_data, small
from skjoint._data.split import split_validation
from skjoint._ensemble.thresholds import MAX_TRIED, SCORERS, best_threshold
from skjoint._fitting.plans import seed_of
from skjoint.persistence import load, save
from skjoint.views import as_classifier, as_regressor

X, Y = make_data(300)
Y["label"] = np.where((Y["label"] == "top") & (X[:, 1] > 0), "rare", "most")
# The number is 500 where the label is "rare".
Y.loc[Y["label"] == "rare", "value"] = 500.0
CHOSEN = {"threshold": "balanced_accuracy"}
HELD_OUT = {"hidden_layer_sizes": (8,), "epochs": 6, "learning_rate": 0.01, "validation": 0.4}


def fit(y=Y, **params):
    return small(**{**HELD_OUT, **params}).fit(X, y)


@pytest.fixture(scope="module")
def est():
    return fit(calibration="temperature", value_by_class={"rare": 500.0}, **CHOSEN)


@pytest.fixture(scope="module")
def several():
    """Labels of two, three and two, without a threshold of the second."""
    y = Y.assign(band=make_data(300)[1]["label"], sign=X[:, 3] > 0.5)
    return fit(y=y, n_members=2, **CHOSEN)


# ------------------------------------------------------------------- the choice
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    name=st.sampled_from(SCORERS),
    n=st.integers(2, 12),
    decimals=st.sampled_from([1, 8]),
)
def test_no_threshold_has_a_better_score(seed, name, n, decimals):
    rng = np.random.default_rng(seed)
    codes = np.append([0, 1], rng.integers(2, size=n - 2))
    proba = rng.random(n).round(decimals).clip(max=0.9)
    weights = rng.integers(1, 4, n).astype(float)
    scorer = get_scorer(name)

    def score(threshold):
        labels = np.repeat(proba >= threshold, weights.astype(int)).astype(int)
        true = np.repeat(codes, weights.astype(int))
        return scorer._score_func(true, labels, **{**scorer._kwargs, **no_warning(name)})

    def no_warning(name):
        quiet = name.partition("_")[0] in ("f1", "jaccard", "precision", "recall")
        return {"zero_division": 0} if quiet else {}

    found = best_threshold(proba, codes, weights, name)
    rest = [score(t) for t in np.append(proba, 1.0)]
    assert score(found) >= max(rest) - 1e-12
    if score(0.5) >= max(rest) - 1e-12:
        assert found == 0.5  # of equal ones
    assert 0 <= found <= 1
    assert best_threshold(proba, codes, weights * 7, name) == pytest.approx(found)


def test_rows_without_weight_are_not_there():
    proba, codes = np.array([0.1, 0.3, 0.6, 0.2]), np.array([0, 1, 1, 1])
    found = best_threshold(proba, codes, np.array([1.0, 1.0, 1.0, 0.0]), "accuracy")
    assert found == best_threshold(proba[:3], codes[:3], np.ones(3), "accuracy")
    assert best_threshold(proba, codes, np.array([0.0, 1, 1, 1]), "accuracy") is None


def test_many_rows_are_quick_and_right():
    rng = np.random.default_rng(0)
    proba = rng.random(10 * MAX_TRIED)
    codes = (rng.random(len(proba)) < proba**2).astype(int)  # 1/2 is at sqrt(1/2)
    found = best_threshold(proba, codes, np.ones(len(proba)), "accuracy")
    assert_allclose(found, np.sqrt(0.5), atol=0.03)
    # of few rows of one label each is tried
    rare = np.arange(len(proba)) % 100 == 0
    proba = np.where(rare, 0.9 + proba / 20, proba * 0.9)
    found = best_threshold(proba, rare.astype(int), np.ones(len(proba)), "f1")
    assert_array_equal(proba >= found, rare)


# ---------------------------------------------------------------- the estimator
def test_labels_follow_it_and_probabilities_do_not(est):
    plain = fit(calibration="temperature", value_by_class={"rare": 500.0})
    proba = est.predict_proba(X)
    assert_array_equal(proba, plain.predict_proba(X))
    labels = np.where(proba[:, 1] >= est.threshold_, "rare", "most")
    assert (labels != plain.predict_class(X)).any()
    assert_array_equal(est.predict_class(X), labels)
    assert_array_equal(est.predict(X)[:, 1], labels)
    assert_array_equal([est.predict_class(row)[0] for row in X[:20, None]], labels[:20])
    assert_array_equal(as_classifier(est).predict(X), labels)
    assert_array_equal(make_pipeline("passthrough", est).predict(X, output="class"), labels)
    assert_array_equal(est.predict(X, output="frame")["label"], labels)
    metrics = est.evaluate(X, Y)
    assert metrics["class_balanced_accuracy"] == balanced_accuracy_score(Y["label"], labels)
    assert est.score(X, Y) == metrics["score"]
    # number and label do not contradict each other, in intervals neither
    assert_array_equal(est.predict_value(X) == 500, labels == "rare")
    middle = est.predict_interval(X, coverage=0.5).mean(axis=1)
    assert_allclose(middle[labels == "rare"], 500)
    assert est.n_validation_ == 120
    assert not hasattr(plain, "threshold_")


@pytest.mark.parametrize("n_members", [1, 3])
def test_it_is_the_best_on_held_out_rows(n_members):
    found = fit(n_members=n_members, class_weight={"rare": 9.0}, **CHOSEN)
    model, codes = found._model, (Y["label"] == "rare").to_numpy().astype(int)
    total, times = np.zeros(300), np.zeros(300)
    for i, network in enumerate(getattr(model.network, "networks", [model.network])):
        _, held_out = split_validation(codes, 300, 0.4, seed_of(i, model.seed))
        total[held_out] += network.predict(model.encode(X[held_out]), ["class"])[0][:, 1]
        times[held_out] += 1
    seen = times > 0
    proba, weights = total[seen] / times[seen], np.ones(seen.sum())
    expected = best_threshold(proba, codes[seen], weights, "balanced_accuracy")
    assert found.threshold_ == pytest.approx(expected, rel=1e-6)


def test_files_and_pickles_keep_it(est, several, tmp_path):
    for one in (est, several):
        save(one, tmp_path / "model.skjoint")
        for again in (load(tmp_path / "model.skjoint"), pickle.loads(pickle.dumps(one))):
            assert again.threshold_ == one.threshold_
            assert_array_equal(again.predict(X), one.predict(X))


def test_onnx_follows_it(est, several, tmp_path):
    pytest.importorskip("onnxruntime")
    from onnx_checks import answers

    for one in (est, several):
        found = answers(one, X, tmp_path)
        frame = one.predict(X, output="frame")
        for name in one.class_names_:
            column = "label" if name == "class" else name.removeprefix("class_")
            assert found[name].tolist() == frame[column].tolist()
    assert_allclose(found[several.value_names_[0]], several.predict_value(X))


def test_every_label_of_two_has_its_own(several):
    found = several
    first, second, third = found.threshold_
    assert second is None
    proba = found.predict_proba(X)
    labels = found.predict_class(X)
    assert_array_equal(labels[:, 0], np.where(proba[0][:, 1] >= first, "rare", "most"))
    assert_array_equal(labels[:, 1], found.classes_[1][proba[1].argmax(axis=1)])
    assert_array_equal(labels[:, 2], proba[2][:, 1] >= third)


def test_training_that_goes_on_chooses_anew_or_drops_it():
    found = fit(warm_start=True, epochs=1, **CHOSEN)
    first = found.threshold_
    assert found.fit(X, Y).threshold_ != first
    found.partial_fit(X, Y)
    assert not hasattr(found, "threshold_")
    most = found.classes_[found.predict_proba(X).argmax(axis=1)]
    assert_array_equal(found.predict_class(X), most)


def test_rows_of_one_label_are_refused_before_training(monkeypatch):
    y = Y.assign(label=np.where(np.arange(300) == 5, "rare", "most"))  # stays in training
    monkeypatch.setattr("skjoint.estimator.train_all", None)
    with pytest.raises(ValueError, match="only label 'most' of target 'class': threshold='f1'"):
        fit(y=y, threshold="f1")
    with pytest.raises(ValueError, match="'threshold' parameter .* must be a str among"):
        fit(threshold="neg_log_loss")


def test_views_alone():
    alone = as_regressor(small(epochs=1, **CHOSEN)).fit(X, Y["value"])
    assert alone.estimator_.n_validation_ == 0
    label = as_classifier(small(epochs=1, **CHOSEN)).fit(X, Y["label"])
    assert 0 < label.estimator_.threshold_ < 1
    assert label.estimator_.n_validation_ == 30


# ------------------------------------------------------------------ scikit-learn
def test_every_score_is_one_of_predicted_labels():
    for name in SCORERS:
        assert get_scorer(name)._response_method == "predict"


def test_scikit_learn_tunes_the_view_of_a_fitted_model():
    found = fit()
    options = {"cv": "prefit", "refit": False, "scoring": "balanced_accuracy"}
    tuned = TunedThresholdClassifierCV(as_classifier(found), **options).fit(X, Y["label"])
    assert tuned.estimator_.estimator is found
    labels = np.where(found.predict_proba(X)[:, 1] >= tuned.best_threshold_, "rare", "most")
    assert_array_equal(tuned.predict(X), labels)
    codes = (Y["label"] == "rare").to_numpy().astype(int)
    proba = found.predict_proba(X)[:, 1]
    ours = best_threshold(proba, codes, np.ones(300), "balanced_accuracy")
    assert balanced_accuracy_score(codes, proba >= ours) >= tuned.best_score_
