"""Folds that are alike in both targets, scorers of one head, out-of-fold predictions."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.metrics import get_scorer_names, log_loss, mean_absolute_error, roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
    cross_val_score,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from conftest import make_data
from skjoint import JointRegressorClassifier
from skjoint.datasets import load_diabetes_bands
from skjoint.model_selection import (
    JointStratifiedGroupKFold,
    JointStratifiedKFold,
    JointStratifiedShuffleSplit,
    class_scorer,
    joint_cross_val_predict,
    joint_scoring,
    value_scorer,
)

QUICK = JointRegressorClassifier.plain((16,), epochs=4, learning_rate=0.01, random_state=0)


def spread_of_folds(splitter, X, y):
    """How much the test parts differ: in the label's shares, and in the number's deciles."""
    tests = [test for _, test in splitter.split(X, y)]
    shares = np.array([y["band"].iloc[t].value_counts(normalize=True).sort_index() for t in tests])
    deciles = np.array(
        [np.quantile(y["progression"].iloc[t], np.arange(1, 10) / 10) for t in tests]
    )
    return np.ptp(shares, axis=0).max(), deciles.std(axis=0).mean()


class TestSplitters:
    def test_folds_are_alike(self):
        X, y = load_diabetes_bands(return_X_y=True)
        shares, deciles = spread_of_folds(JointStratifiedKFold(5), X, y)
        plain_shares, plain_deciles = spread_of_folds(KFold(5, shuffle=True, random_state=0), X, y)
        assert shares < 0.025 < plain_shares
        assert deciles < plain_deciles / 3
        splitter = JointStratifiedKFold(5, shuffle=True, random_state=0)
        shares, deciles = spread_of_folds(splitter, X, y)
        assert shares < 0.025
        assert deciles < plain_deciles / 2
        splitter = JointStratifiedShuffleSplit(5, test_size=0.2, random_state=0)
        shares, deciles = spread_of_folds(splitter, X, y)
        assert shares < 0.025
        assert deciles < plain_deciles / 2

    @pytest.mark.parametrize("n_samples", [9, 30, 101])
    @pytest.mark.parametrize("shuffle", [False, True])
    def test_every_row_is_tested_once(self, n_samples, shuffle):
        X, y = make_data(n_samples)
        y["label"] = np.where(np.arange(n_samples) % 2, "odd", "even")
        seed = 0 if shuffle else None
        splitter = JointStratifiedKFold(3, shuffle=shuffle, random_state=seed)
        folds = list(splitter.split(X, y))
        assert_array_equal(np.sort(np.concatenate([t for _, t in folds])), np.arange(n_samples))
        for train, test in folds:
            assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(n_samples))
        sizes = [len(test) for _, test in folds]
        assert max(sizes) - min(sizes) <= 1
        assert splitter.get_n_splits() == 3

    @pytest.mark.parametrize(
        ("sizes", "expected"),
        [
            ({"test_size": 0.25}, (75, 25)),
            ({"train_size": 30, "test_size": 20}, (30, 20)),
            ({}, (90, 10)),
            ({"test_size": 1}, (99, 1)),
        ],
    )
    def test_sizes_of_shuffled_splits(self, sizes, expected):
        X, y = make_data(100)
        for train, test in JointStratifiedShuffleSplit(3, random_state=0, **sizes).split(X, y):
            assert (len(train), len(test)) == expected
            assert len(np.unique(np.concatenate([train, test]))) == sum(expected)

    def test_seeds(self):
        X, y = make_data()
        for kind in (
            lambda seed: JointStratifiedKFold(3, shuffle=True, random_state=seed),
            lambda seed: JointStratifiedShuffleSplit(3, random_state=seed),
        ):
            one, same, other = ([t for _, t in kind(s).split(X, y)] for s in (0, 0, 1))
            assert all(map(np.array_equal, one, same))
            assert not all(map(np.array_equal, one, other))

    @pytest.mark.parametrize(
        ("y", "declared"),
        [
            (np.arange(60) % 7, {}),
            (np.linspace(0, 1, 60), {"class_bins": 3}),
            (np.column_stack([np.linspace(0, 1, 60), np.arange(60) % 2]), {}),
            (np.column_stack([np.arange(60) % 2, np.linspace(0, 1, 60)]), {"class_columns": [0]}),
        ],
    )
    def test_takes_every_form_of_y(self, y, declared):
        folds = list(JointStratifiedKFold(3, **declared).split(np.zeros((60, 1)), y))
        assert [len(test) for _, test in folds] == [20, 20, 20]
        JointStratifiedShuffleSplit(1, **declared).get_n_splits()

    def test_missing_labels_are_spread_evenly(self):
        X, y = make_data(90)
        y.loc[:29, "value"] = np.nan
        y.loc[20:49, "label"] = None
        for _, test in JointStratifiedKFold(3).split(X, y):
            assert abs(y["value"].iloc[test].isna().sum() - 10) <= 2
            assert abs(y["label"].iloc[test].isna().sum() - 10) <= 1

    def test_rare_labels_are_named(self):
        X, y = make_data(60)
        y.loc[0, "label"] = "rare"
        with pytest.warns(
            UserWarning, match="only 1 rows, which is less than n_splits=3.*classes="
        ):
            folds = list(JointStratifiedKFold(3).split(X, y))
        assert len(folds) == 3

    @pytest.mark.parametrize(
        ("ours", "theirs"),
        [
            (JointStratifiedKFold(3), StratifiedKFold(3)),
            (JointStratifiedShuffleSplit(1), StratifiedShuffleSplit(1)),
        ],
    )
    def test_groups_that_are_ignored_are_warned_of_as_by_scikit_learn(self, ours, theirs):
        X, y = make_data(30)
        said = []
        for splitter, targets in ((ours, y), (theirs, y["label"])):
            with pytest.warns(UserWarning, match="groups parameter is ignored") as caught:
                list(splitter.split(X, targets, groups=np.arange(30)))
            said.append(str(caught[0].message))
        assert said[0].replace("Joint", "") == said[1]

    def test_bad_numbers(self):
        with pytest.raises(ValueError, match="k-fold cross-validation requires at least one"):
            JointStratifiedKFold(1)
        with pytest.raises(ValueError, match="shuffle"):
            JointStratifiedKFold(3, random_state=0)
        with pytest.raises(ValueError, match="n_splits=5 greater than the number of samples"):
            next(JointStratifiedKFold(5).split(np.zeros((3, 1)), [1, 1, 2]))


class TestGroups:
    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, 10**6), st.integers(2, 5), st.booleans(), st.sampled_from("isf"))
    def test_every_group_is_tested_once_and_whole(self, seed, n_splits, shuffle, kind):
        rng = np.random.default_rng(seed)
        X, y = make_data(60, seed)
        y.loc[rng.choice(60, 5), "label"] = None
        y.loc[rng.choice(60, 5), "value"] = np.nan
        groups = rng.integers(15, size=60)
        groups = {"i": groups, "s": np.char.add("g", groups.astype(str)), "f": groups / 2}[kind]
        options = {"shuffle": shuffle, "random_state": 0 if shuffle else None}
        splitter = JointStratifiedGroupKFold(n_splits, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # labels rarer than n_splits
            folds = list(splitter.split(X, y, groups))
        assert len(folds) == splitter.get_n_splits() == n_splits
        assert_array_equal(np.sort(np.concatenate([t for _, t in folds])), np.arange(60))
        for train, test in folds:
            assert not set(groups[train]) & set(groups[test])
            assert len(train) + len(test) == 60

    def test_folds_are_alike_in_both_targets(self):
        X, y = load_diabetes_bands(return_X_y=True)
        groups = np.random.default_rng(0).integers(110, size=len(X))
        given = {
            "ours": JointStratifiedGroupKFold(5).split(X, y, groups),
            "label": StratifiedGroupKFold(5).split(X, y["band"], groups),
            "none": GroupKFold(5).split(X, y, groups),
        }
        found = {}
        for name, folds in given.items():
            splits = type("Splits", (), {"split": staticmethod(lambda X, y, f=folds: f)})
            found[name] = spread_of_folds(splits, X, y)
        assert found["ours"][0] < found["none"][0] / 3  # labels
        assert found["ours"][1] < found["label"][1] * 0.7 < found["none"][1] * 0.5  # numbers

    def test_bad_groups(self):
        X, y = make_data(30)
        splitter = JointStratifiedGroupKFold(3)
        for groups, message in [
            (None, "'groups' parameter should not be None"),
            (np.arange(29), r"inconsistent numbers of samples: \[30, 30, 29\]"),
            (np.zeros((30, 2)), r"Got \(30, 2\) instead"),
            (np.where(np.arange(30) == 4, None, "a"), "missing entry in row 4"),
            (np.zeros(30), "n_splits=3 greater than the number of groups: 1"),
        ]:
            with pytest.raises(ValueError, match=message):
                next(splitter.split(X, y, groups))

    @pytest.mark.parametrize("kind", [JointStratifiedKFold, JointStratifiedGroupKFold])
    def test_a_seed_set_later_counts_with_shuffle_only(self, kind):
        X, y = make_data(60)
        plain, seeded = kind(3), kind(3)
        seeded.random_state = 0  # where a seed is given to any splitter
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # groups that are ignored
            pairs = zip(*(s.split(X, y, np.arange(60) // 4) for s in (plain, seeded)), strict=True)
        assert all(np.array_equal(a[1], b[1]) for a, b in pairs)

    def test_searches_and_routing_give_it_the_groups(self):
        X, y = make_data(60)
        groups = np.arange(60) // 4
        cv = JointStratifiedGroupKFold(2)
        grid = {"alpha": [0.0]}
        plain = GridSearchCV(QUICK, grid, cv=cv, refit=False).fit(X, y, groups=groups)
        with config_context(enable_metadata_routing=True):
            est = clone(QUICK).set_fit_request(groups=False)  # of splits alone, as without routing
            routed = GridSearchCV(est, grid, cv=cv, refit=False).fit(X, y, groups=groups)
        assert plain.best_score_ == routed.best_score_


class TestScorers:
    def test_by_hand(self, fitted):
        X, y = make_data()
        mae = mean_absolute_error(y["value"], fitted.predict_value(X))
        assert value_scorer("neg_mean_absolute_error")(fitted, X, y) == -mae
        auc = roc_auc_score(y["label"], fitted.predict_proba(X), multi_class="ovr")
        assert_allclose(class_scorer("roc_auc_ovr")(fitted, X, y), auc)
        w = np.arange(120.0)
        weighted = log_loss(y["label"], fitted.predict_proba(X), sample_weight=w)
        assert_allclose(class_scorer("neg_log_loss")(fitted, X, y, sample_weight=w), -weighted)

    @pytest.mark.filterwarnings("ignore")
    def test_every_metric_of_scikit_learn(self):
        """Each name works for the head it is for, or fails as scikit-learn's own scorer does."""
        X, y = make_data()
        y = y.assign(value=np.abs(y["value"]), label=(y["label"] == "top").astype(int).astype(str))
        y["label"] = (y["label"] == "1").astype(bool)
        est = clone(QUICK).set_params(value_activation="softplus").fit(X, y)
        worked = {"value": set(), "class": set()}
        for name in get_scorer_names():
            for kind, scorer in {"value": value_scorer, "class": class_scorer}.items():
                try:
                    assert np.isfinite(scorer(name)(est, X, y))
                except (ValueError, TypeError, AttributeError):
                    continue
                worked[kind].add(name)
        assert {"r2", "neg_mean_absolute_error", "d2_absolute_error_score"} <= worked["value"]
        assert {"accuracy", "roc_auc", "neg_log_loss", "f1", "average_precision"} <= worked["class"]

    def test_rows_without_a_label_are_left_out(self, fitted):
        X, y = make_data()
        y.loc[:9, "value"] = np.nan
        y.loc[100:, "label"] = None
        assert value_scorer("r2")(fitted, X, y) == value_scorer("r2")(fitted, X[10:], y[10:])
        score = class_scorer("neg_log_loss")
        assert score(fitted, X, y) == score(fitted, X[:100], y[:100])

    def test_a_fold_without_a_label(self, fitted):
        X, y = make_data()
        two = (y["label"] != "mid").to_numpy()
        assert np.isfinite(class_scorer("neg_log_loss")(fitted, X[two], y[two]))

    def test_through_nesting(self):
        X, y = make_data()
        pipeline = make_pipeline(StandardScaler(), QUICK)
        search = GridSearchCV(
            pipeline,
            {"jointregressorclassifier__alpha": [0, 0.1]},
            scoring=joint_scoring(),
            refit="value_r2",
            cv=2,
            error_score="raise",
        )
        folds = cross_validate(search, X, y, cv=2, scoring=joint_scoring(), error_score="raise")
        assert set(folds) >= {f"test_{name}" for name in joint_scoring()}
        assert_allclose(
            folds["test_joint"], (folds["test_value_r2"] + folds["test_class_accuracy"]) / 2
        )

    def test_weights_by_metadata_routing(self):
        X, y = make_data()
        w = np.random.default_rng(0).uniform(0, 2, 120)
        with config_context(enable_metadata_routing=True):
            est = clone(QUICK).set_fit_request(sample_weight=True)
            scorer = value_scorer("r2").set_score_request(sample_weight=True)
            found = cross_val_score(
                est, X, y, cv=KFold(2), scoring=scorer, params={"sample_weight": w}
            )
        by_hand = []
        for train, test in KFold(2).split(X):
            fold = clone(QUICK).fit(X[train], y.iloc[train], w[train])
            by_hand.append(fold.evaluate(X[test], y.iloc[test], w[test])["value_r2"])
        assert_allclose(found, by_hand)

    def test_unknown_name(self):
        with pytest.raises(ValueError, match="'r3' is not a valid scoring value"):
            value_scorer("r3")


class TestTools:
    def test_halving_over_epochs(self):
        X, y = make_data()
        search = HalvingGridSearchCV(
            QUICK,
            {"alpha": [0, 0.1, 0.5, 1.0]},
            resource="epochs",
            min_resources=1,
            max_resources=4,
            factor=2,
            cv=JointStratifiedKFold(2),
            random_state=0,
            error_score="raise",
        ).fit(X, y)
        assert search.best_estimator_.n_iter_ == 4

    def test_curves(self):
        X, y = make_data()
        sizes, _, scores = learning_curve(
            QUICK,
            X,
            y,
            cv=JointStratifiedKFold(3),
            scoring=value_scorer("r2"),
            train_sizes=[0.5, 1.0],
        )
        assert scores.shape == (len(sizes), 3)
        _, scores = validation_curve(
            QUICK,
            X,
            y,
            param_name="alpha",
            param_range=[0, 1],
            cv=2,
            scoring=class_scorer("accuracy"),
        )
        assert scores.shape == (2, 2)


class TestOutOfFold:
    def test_by_hand(self):
        X, y = make_data()
        folds = list(JointStratifiedKFold(3).split(X, y))
        proba = joint_cross_val_predict(QUICK, X, y, cv=3, method="predict_proba")
        values = joint_cross_val_predict(QUICK, X, y, cv=3, method="predict_value")
        both = joint_cross_val_predict(QUICK, X, y, cv=iter(folds))
        for train, test in folds:
            est = clone(QUICK).fit(X[train], y.iloc[train])
            assert_array_equal(proba[test], est.predict_proba(X[test]))
            assert_array_equal(values[test], est.predict_value(X[test]))
            assert_array_equal(both[test], est.predict(X[test]))

    def test_groups_stay_together(self):
        X, y = make_data()
        groups = pd.Series(np.arange(120) // 10).astype(str)
        folds = list(JointStratifiedGroupKFold(3).split(X, y, groups))
        expected = joint_cross_val_predict(QUICK, X, y, cv=folds)
        for cv in (3, JointStratifiedGroupKFold(3)):
            found = joint_cross_val_predict(QUICK, X, y, groups=groups, cv=cv)
            assert_array_equal(found, expected)
        with pytest.warns(UserWarning, match="groups parameter is ignored by JointStratifiedKFold"):
            joint_cross_val_predict(QUICK, X, y, groups=groups, cv=JointStratifiedKFold(2))

    def test_folds_that_lack_a_label(self):
        X, y = make_data(60)
        y.loc[3, "label"] = "rare"
        with pytest.warns(UserWarning, match="less than n_splits"):
            proba = joint_cross_val_predict(QUICK, X, y, cv=3, method="predict_proba")
        assert proba.shape == (60, 4)
        assert proba[3, 2] == 0  # the model of its fold never saw it
        assert_allclose(proba.sum(axis=1), 1)

    def test_pipelines_weights_several_targets_and_jobs(self):
        X, y = make_data()
        w = np.linspace(0.5, 2, 120)
        pipeline = make_pipeline(StandardScaler(), QUICK)
        options = {"cv": 3, "sample_weight": w, "method": "predict_class"}
        one = joint_cross_val_predict(pipeline, X, y, **options)
        two = joint_cross_val_predict(pipeline, pd.DataFrame(X), y, n_jobs=2, **options)
        assert_array_equal(one, two)
        y["sign"] = np.where(X[:, 3] > 0, "plus", "minus")
        proba = joint_cross_val_predict(QUICK, X, y, cv=3, method="predict_proba")
        assert [p.shape for p in proba] == [(120, 3), (120, 2)]

    def test_what_it_refuses(self):
        X, y = make_data()
        with pytest.raises(ValueError, match="method must be one of"):
            joint_cross_val_predict(QUICK, X, y, method="decision_function")
        with pytest.raises(ValueError, match="every row into the test part of exactly one fold"):
            joint_cross_val_predict(QUICK, X, y, cv=JointStratifiedShuffleSplit(2))


def test_joint_scoring_of_one_column_and_bins():
    X, y = make_data()
    est = JointRegressorClassifier.plain((8,), epochs=2, class_bins=[90.0, 110.0], random_state=0)
    scores = cross_validate(est, X, y["value"], scoring=joint_scoring(), cv=2, error_score="raise")
    est.fit(X, y["value"])
    for name, scorer in joint_scoring().items():
        assert np.isfinite(scores[f"test_{name}"]).all()
        if name == "class_accuracy":
            assert scorer(est, X, y["value"]) == est.evaluate(X, y["value"])["class_accuracy"]


def test_every_scorer_takes_weights():
    X, y = make_data()
    est = JointRegressorClassifier.plain((8,), epochs=2, random_state=0).fit(X, y)
    weight = np.where(np.arange(len(X)) < 40, 0.0, 1.0)
    for scorer in joint_scoring().values():
        assert scorer._accept_sample_weight()
        expected = scorer(est, X[40:], y[40:])
        assert scorer(est, X, y, sample_weight=weight) == pytest.approx(expected)


@pytest.mark.parametrize("one_column", [False, True])
def test_scorers_look_through_searches_and_pipelines(one_column):
    X, y = make_data()
    bins = {"class_bins": [90.0, 110.0]} if one_column else {}
    y = y["value"] if one_column else y
    est = JointRegressorClassifier.plain((8,), epochs=2, random_state=0, **bins)
    search = GridSearchCV(make_pipeline(StandardScaler(), est), {"jointregressorclassifier": [est]})
    outside = make_pipeline(StandardScaler(), search.set_params(cv=2)).fit(X, y)
    found = outside[-1].best_estimator_
    rows = found[0].transform(outside[0].transform(X))
    for scorer in joint_scoring().values():
        assert scorer(outside, X, y) == scorer(found[-1], rows, y)
