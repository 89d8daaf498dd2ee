"""Which rows members hold out: rows of the user's own, splitters, whole groups."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.model_selection import (
    GroupShuffleSplit,
    KFold,
    LeaveOneGroupOut,
    PredefinedSplit,
    StratifiedKFold,
    TimeSeriesSplit,
)

import skjoint.estimator
from conftest import encoded_rows, make_data, small, value_head
from skjoint import JointRegressorClassifier
from skjoint._data.split import row_keys, split_groups
from skjoint._ensemble.companions.contract import AuxiliaryModel, Companion, Task
from skjoint._fitting.splitters import AsGiven, splits_of
from skjoint.model_selection import JointStratifiedKFold
from skjoint.persistence import load, save

X, Y = make_data(120)
X_VAL, Y_VAL = make_data(40, seed=5)
GROUPS = np.arange(120) // 6


@pytest.fixture
def plans(monkeypatch):
    """The plans of all fits of a test, members first."""
    found, train_all = [], skjoint.estimator.train_all

    def recorded(members, refits, *rest):
        found.append(SimpleNamespace(members=members, refits=refits))
        return train_all(members, refits, *rest)

    monkeypatch.setattr(skjoint.estimator, "train_all", recorded)
    return found


def rows_of(plan):
    """Places of the rows that a plan trains on, and of those that it holds out."""
    return plan.rows.positions, plan.validation.positions


# ------------------------------------------------------------------ whole groups
@given(
    st.lists(st.integers(0, 6), min_size=8, max_size=60),
    st.lists(st.integers(-1, 3), min_size=60, max_size=60),
    st.integers(0, 1000),
    st.integers(1, 6),
)
def test_groups_are_held_out_as_a_whole(groups, codes, seed, n_out):
    groups = np.unique(groups, return_inverse=True)[1]
    codes, n_groups = np.array(codes[: len(groups)]), groups.max() + 1
    n_out = min(n_out, n_groups - 1)
    train, held_out = split_groups(groups, codes, n_out, seed)
    assert_array_equal(np.sort(np.concatenate([train, held_out])), np.arange(len(groups)))
    assert not set(groups[train]) & set(groups[held_out])
    assert len(set(groups[held_out])) == n_out


def test_the_only_group_with_a_label_stays_in_training():
    groups, codes = np.repeat(np.arange(10), 4), np.zeros(40, int)
    codes[[9, 11]] = 1  # in group 2 alone
    for seed in range(30):
        assert 9 in split_groups(groups, codes, 5, seed)[0]
    assert 9 in split_groups(groups, codes, 9, 0)[0]  # all the others
    every = split_groups(groups, groups, 3, 0)[1]  # each group has a label of its own
    assert len(set(groups[every])) == 3


def test_a_share_is_one_of_the_groups_and_members_hold_out_others():
    est = small(epochs=1, validation=0.2, n_members=3).fit(X, Y, groups=GROUPS)
    held_out = est.validation_groups_
    assert [len(groups) for groups in held_out] == [4, 4, 4]
    assert est.n_validation_ == 24
    assert len({tuple(groups) for groups in held_out}) == 3


@pytest.mark.parametrize(("n_groups", "expected"), [(20, 7), (40, 10), (120, 12)])
def test_the_share_that_nobody_named_is_ten_groups_as_far_as_there_are_thirty(n_groups, expected):
    groups = [f"patient {i}" for i in np.arange(120) % n_groups]
    est = small(epochs=1, early_stopping=True).fit(X, Y, groups=groups)
    assert len(est.validation_groups_) == expected
    assert np.isin(groups, est.validation_groups_).sum() == est.n_validation_


def test_groups_follow_rows_of_weight_zero():
    weights = np.where(GROUPS < 15, 1.0, 0.0)
    est = small(epochs=1, validation=0.5).fit(X, Y, weights, groups=pd.Series(GROUPS))
    assert set(est.validation_groups_) <= set(range(15))
    assert est.n_validation_ == 48


def test_held_out_groups_are_kept_in_files(tmp_path):
    est = small(epochs=1, validation=0.5).fit(X, Y, groups=GROUPS.astype(str))
    save(est, tmp_path / "m")
    again = load(tmp_path / "m")
    assert_array_equal(again.validation_groups_, est.validation_groups_)
    assert_array_equal(again.predict_interval(X), est.predict_interval(X))
    again.partial_fit(X, Y)
    assert not hasattr(again, "validation_groups_")


# --------------------------------------------------------------------- own rows
def test_own_rows_are_seen_and_never_trained_on(plans):
    alone = small(epochs=2).fit(X, Y)
    est = small(epochs=2, n_members=2).fit(X, Y, X_val=X_VAL, y_val=Y_VAL)
    for plan in plans[-1].members:
        train, held_out = rows_of(plan)
        assert_array_equal(train, np.arange(120))
        assert_array_equal(held_out, np.arange(120, 160))
    assert est.n_validation_ == 40
    first = small(epochs=2).fit(X, Y, X_val=X_VAL, y_val=Y_VAL[::-1].reset_index(drop=True))
    np.testing.assert_allclose(first.predict_value(X), alone.predict_value(X), rtol=1e-5)
    assert first.history_["val_value_mae"][-1] == pytest.approx(
        first.evaluate(X_VAL, Y_VAL[::-1].reset_index(drop=True))["value_mae"], rel=1e-5
    )


def test_refits_use_all_rows_of_X_and_no_others(plans):  # noqa: N802
    est = small(epochs=2, early_stopping=True, n_refits=1)
    est.fit(X, Y, X_val=X_VAL, y_val=Y_VAL)
    (refit,) = plans[-1].refits
    assert_array_equal(refit.rows.positions, np.arange(120))
    assert est.predict_interval(X_VAL, 0.8).shape == (40, 2)


def test_everything_learned_from_held_out_rows_is_learned_from_own_ones():
    params = {"companions": ("boosting", "forest", "ridge"), "companions__n_trees": 5}
    est = small(
        epochs=2,
        calibration="temperature",
        early_stopping="by_head",
        **params,
        companions__n_features=8,
    ).fit(X, Y, X_val=X_VAL, y_val=Y_VAL)
    other = Y_VAL.assign(label=np.roll(Y_VAL["label"], 1), value=0.0)
    worse = est.__sklearn_clone__().fit(X, Y, X_val=X_VAL, y_val=other)
    assert worse.temperature_ > est.temperature_
    width, wider = (np.ptp(e.predict_interval(X[:1]), axis=1) for e in (est, worse))
    assert wider > 2 * width
    assert not np.allclose(worse.shares_, est.shares_)


def test_weights_of_own_rows_count_rows_so_often():
    weights = np.arange(40) % 3
    twice = np.repeat(np.arange(40), weights)
    weighed, repeated = (
        small(epochs=1).fit(X, Y, **own).history_
        for own in (
            {"X_val": X_VAL, "y_val": Y_VAL, "sample_weight_val": weights},
            {"X_val": X_VAL[twice], "y_val": Y_VAL.iloc[twice]},
        )
    )
    for name in ("val_value_mae", "val_class_loss"):
        assert weighed[name] == pytest.approx(repeated[name], rel=1e-5)


def test_balanced_labels_are_those_of_the_rows_to_train_on():
    mostly_low = Y_VAL.assign(label="low")
    mostly_low.loc[:4, "label"] = "top"
    est = small(epochs=1, class_weight="balanced").fit(X, Y, X_val=X_VAL, y_val=mostly_low)
    counts = Y["label"].value_counts()
    weight = mostly_low["label"].map(1 / counts)
    loss = -np.log(est.predict_proba(X_VAL)[np.arange(40), np.where(weight.index < 5, 2, 0)])
    expected = np.average(loss, weights=weight)
    assert est.history_["val_class_loss"][-1] == pytest.approx(expected, rel=1e-4)


def test_training_that_goes_on_keeps_intervals_of_own_rows():
    est = small(epochs=1, warm_start=True)
    for _ in range(2):
        est.fit(X, Y, X_val=X_VAL, y_val=Y_VAL)
        assert est.predict_interval(X_VAL).shape == (40, 2)
    assert est.n_iter_ == 2


def test_own_rows_of_every_form_are_read_like_X():  # noqa: N802
    table = pd.DataFrame(X, columns=list("abcd")).assign(city=np.where(GROUPS % 2, "A", "B"))
    own = pd.DataFrame(X_VAL, columns=list("abcd")).assign(city=["A", "C"] * 20)
    est = small(epochs=1).fit(table, Y, X_val=own, y_val={k: Y_VAL[k] for k in Y_VAL})
    assert est.n_validation_ == 40
    assert est.feature_report_["levels"].tolist()[-1] == 2  # nothing is learned from them


REFUSED = {
    "one of two": ({"X_val": X_VAL}, "X_val is provided, but y_val was not"),
    "the other": ({"y_val": Y_VAL}, "y_val is provided, but X_val was not"),
    "weights alone": ({"sample_weight_val": [1]}, "sample_weight_val is provided, but X_val"),
    "columns": ({"X_val": X_VAL[:, :3], "y_val": Y_VAL}, "X_val: X has 3 features"),
    "targets": ({"X_val": X_VAL, "y_val": Y_VAL[["value"]]}, "y_val: y must have the columns"),
    "lengths": ({"X_val": X_VAL, "y_val": Y_VAL[:5]}, "X_val and y_val: .*inconsistent"),
    "label": (
        {"X_val": X_VAL, "y_val": Y_VAL.assign(label="new")},
        "y_val: Labels of target 'class' must be among those that are trained on. Got .'new'",
    ),
    "no label": (
        {"X_val": X_VAL, "y_val": Y_VAL.assign(label=None)},
        "y_val must hold a label for target 'class'",
    ),
    "no number": (
        {"X_val": X_VAL, "y_val": Y_VAL.assign(value=np.nan)},
        "y_val must hold a number for target 'value'",
    ),
    "weights": (
        {"X_val": X_VAL, "y_val": Y_VAL, "sample_weight_val": np.zeros(40)},
        "sample_weight_val must hold at least one positive weight",
    ),
    "the same rows": ({"X_val": X, "y_val": Y}, "All of their 120 rows are also rows of X"),
    "some of them": ({"X_val": X[:9], "y_val": Y[:9]}, "All of their 9 rows are also rows of X"),
    "with groups": (
        {"X_val": X_VAL, "y_val": Y_VAL, "groups": GROUPS},
        "groups must be None beside X_val",
    ),
    "few groups": ({"groups": GROUPS[:7]}, "groups must have one entry for each of the 120 rows"),
    "one group": ({"groups": np.ones(120)}, "groups must name two groups or more.*Got .1.0."),
    "gaps": ({"groups": np.where(GROUPS, GROUPS, np.nan)}, "entry for each row. Got 6 missing"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_held_out_is_refused_before_training(case, plans):
    given, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        small(validation=0.2).fit(X, Y, **given)
    assert not plans


def test_rows_that_may_be_equal_by_chance_are_no_mistake():
    few = np.random.default_rng(0).integers(2, size=(90, 2)).astype(float)
    y = np.column_stack([few.sum(axis=1), few[:, 0] > few[:, 1]])
    small(epochs=1).fit(few[:60], y[:60], X_val=few[60:], y_val=y[60:])


def test_keys_are_equal_for_equal_rows():
    rows = np.array([[1, 2], [3, 4], [1, 2]], np.float32)
    first, second, third = row_keys(rows, [np.array([1, 1, 1])])
    assert first == third != second
    assert row_keys(rows, [np.array([1, 1, 2])])[2] != third


# -------------------------------------------------------------------- splitters
def split(splitter, n_members=1, kept=None, codes=None, groups=None, y=Y):
    given = AsGiven(X, y, groups, kept)
    return splits_of(splitter, given, codes, SimpleNamespace(n_members=n_members, seed=3))


def test_each_member_takes_a_split_and_they_go_round():
    expected = list(KFold(3).split(X))
    for found, (train, held_out) in zip(
        split(KFold(3), n_members=5), [*expected, *expected[:2]], strict=True
    ):
        assert_array_equal(found[0], train)
        assert_array_equal(found[1], held_out)


def test_the_last_split_in_time_is_the_first():
    splits = split(TimeSeriesSplit(4), n_members=2)
    assert [(len(a), b[0], b[-1]) for a, b in splits] == [(96, 96, 119), (72, 72, 95)]


def test_a_splitter_draws_by_the_seed_of_the_fit_unless_it_has_one():
    free, own = KFold(2, shuffle=True), KFold(2, shuffle=True, random_state=9)
    assert_array_equal(split(free)[0][1], split(free)[0][1])
    assert free.random_state is None
    assert_array_equal(split(own)[0][1], next(own.split(X))[1])


def test_rows_of_weight_zero_count_as_absent_at_their_places():
    fold = np.where(np.arange(120) >= 100, 0, -1)
    kept = np.arange(10, 110)
    ((train, held_out),) = split(PredefinedSplit(fold), kept=kept)
    assert_array_equal(kept[train], np.arange(10, 100))
    assert_array_equal(kept[held_out], np.arange(100, 110))


def test_splitters_of_labels_read_the_first_label_and_others_y():
    codes = np.arange(120) % 4
    (_, held_out), *_ = split(StratifiedKFold(5), codes=codes)
    assert np.bincount(codes[held_out]).tolist() == [6, 6, 6, 6]
    kept = np.flatnonzero(codes > 0)
    (_, held_out), *_ = split(StratifiedKFold(5), codes=codes[kept], kept=kept)
    assert np.bincount(codes[kept][held_out]).tolist() == [0, 6, 6, 6]
    (_, held_out), *_ = split(JointStratifiedKFold(4))
    assert Y["value"].iloc[held_out].mean() == pytest.approx(Y["value"].mean(), abs=2)


@pytest.mark.parametrize("form", [dict, list])
def test_a_splitter_and_own_rows_beside_y_by_columns(form, plans):
    y, y_val = ({"a": v["value"], "b": v["label"]} for v in (Y, Y_VAL))
    y, y_val = (v if form is dict else list(v.values()) for v in (y, y_val))
    small(epochs=1, validation=JointStratifiedKFold(4)).fit(X, y)
    small(epochs=1).fit(X, y, X_val=X_VAL, y_val=y_val)
    assert [len(rows_of(fit.members[0])[1]) for fit in plans] == [30, 40]


class Overlapping(KFold):
    def split(self, X, y=None, groups=None):
        return ((np.arange(len(X)), test) for _, test in super().split(X, y, groups))


BAD = {
    "none": (PredefinedSplit(-np.ones(120)), "gives no split"),
    "length": (PredefinedSplit(np.zeros(5)), "an entry for each row of X. Got 5 entries for 120"),
    "nothing to train on": (PredefinedSplit(np.zeros(120)), "gives 0 and 120 of 120 rows"),
    "both": (Overlapping(2), "has 60 rows in both"),
    "others": (SimpleNamespace(split=lambda *a: [([500], [0])]), "of the 120 rows of X"),
    "groups": (LeaveOneGroupOut(), "'groups' parameter should not be None"),
}


@pytest.mark.parametrize("case", BAD)
def test_splitters_without_rows_to_use_are_refused(case):
    splitter, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        split(splitter)


def test_a_splitter_and_own_rows_cannot_go_together():
    with pytest.raises(ValueError, match="validation must be None or a share beside X_val"):
        small(validation=KFold(3)).fit(X, Y, X_val=X_VAL, y_val=Y_VAL)
    small(validation=0.3, epochs=1).fit(X, Y, X_val=X_VAL, y_val=Y_VAL)  # a share gives way


def test_a_fit_trains_on_the_rows_of_its_splits(plans):
    est = small(epochs=1, validation=GroupShuffleSplit(2, test_size=0.3), n_members=2)
    est.fit(X, Y, groups=GROUPS)
    for plan, groups in zip(plans[-1].members, est.validation_groups_, strict=True):
        train, held_out = rows_of(plan)
        assert_array_equal(held_out, np.flatnonzero(np.isin(GROUPS, groups)))
        assert_array_equal(train, np.flatnonzero(~np.isin(GROUPS, groups)))
    again = est.__sklearn_clone__().fit(X, Y, groups=GROUPS)
    assert_array_equal(again.predict_value(X), est.predict_value(X))


@pytest.mark.parametrize("splitter", [TimeSeriesSplit(3), JointStratifiedKFold(4)])
def test_splitters_are_kept_in_files(splitter, tmp_path):
    save(small(epochs=1, validation=splitter).fit(X, Y), tmp_path / "m")
    assert repr(load(tmp_path / "m").validation) == repr(splitter)


def test_a_splitter_with_a_generator_is_no_plain_data(tmp_path):
    splitter = KFold(3, shuffle=True, random_state=np.random.RandomState(0))
    with pytest.raises(TypeError, match="save cannot write validation.random_state"):
        save(small(epochs=1, validation=splitter).fit(X, Y), tmp_path / "m")


@pytest.mark.parametrize("validation", [0, 1.0, "share", KFold, 5])
def test_validation_is_a_share_or_a_splitter(validation):
    with pytest.raises(ValueError, match="'validation' parameter|Got the class KFold instead"):
        small(validation=validation).fit(X, Y)


def test_partial_fit_holds_nothing_out():
    with pytest.raises(TypeError, match="groups"):
        JointRegressorClassifier().partial_fit(X, Y, groups=GROUPS)


# ------------------------------------------------------------------- companions
class MeanModel:
    """Answers with the mean target of the rows that it was fitted to."""

    kind, head, n_units = "mean", "value", 1

    def __init__(self, mean):
        self.mean = mean

    def predict(self, X):
        return np.full((len(X), 1), self.mean)


def test_companions_answer_by_fits_to_exactly_the_rows_of_the_folds():
    fitted = []

    def fit(task):
        fitted.append(task.rows.targets[0].ravel())
        return [AuxiliaryModel(MeanModel(task.rows.targets[0].mean()), task.where, None)]

    rows, head = encoded_rows(50), value_head()
    inner = rows.take(np.arange(40))  # those behind are rows of the user's own
    folds = [(np.arange(20), np.arange(30, 40)), (np.arange(10), np.arange(35, 50))]
    folds.append((np.arange(40), np.arange(45, 50)))
    task = Task(inner, {0: head}, np.arange(5), np.arange(30, 50), 0, folds=folds)
    (found,) = Companion("mean", MeanModel, fit).fit(task)
    assert [len(targets) for targets in fitted] == [40, 20, 10]
    assert found.model.mean == inner.targets[0].mean()
    of_folds = [inner.targets[0][inside].mean() for inside, _ in folds]
    expected = np.repeat(
        [of_folds[0], np.mean(of_folds[:2]), of_folds[1], np.mean(of_folds[1:])], 5
    )
    np.testing.assert_allclose(found.answers.ravel(), expected, rtol=1e-5)
