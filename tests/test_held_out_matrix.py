"""Validation rows, groups and splitters through whatever stands around an estimator.

Each cell counts the rows that every fit trains on and holds out. Excluded by scikit-learn:

- a search without metadata routing keeps ``groups`` for its own splitter, and has no other way;
- ``Pipeline(transform_input=...)`` needs metadata routing: without it ``step__X_val`` must be
  transformed already, as here.
"""

from contextlib import nullcontext

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_array_equal
from sklearn.model_selection import GridSearchCV, KFold, PredefinedSplit
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import skjoint.estimator
from conftest import make_data, small
from skjoint.views import as_classifier, as_regressor

N = 120
X, Y = make_data(N)
X_VAL, Y_VAL = make_data(40, seed=5)
GROUPS = np.arange(N) // 6
NAMES = ("X_val", "y_val", "sample_weight_val", "groups")
GIVEN = {
    "X_val": {"X_val": X_VAL, "y_val": Y_VAL, "sample_weight_val": np.ones(40)},
    "groups": {"groups": GROUPS},
    "splitter": {},
}
AROUND = ("plain", "pipeline", "search", "search of a pipeline", "view", "view of a pipeline")
EXCLUDED = {
    ("search", "off", "groups"): "the search keeps groups for its own splitter",
    ("search of a pipeline", "off", "groups"): "the pipeline's step would get uncut groups",
}
CELLS = [
    (around, routing, what)
    for around in AROUND
    for routing in ("off", "on")
    for what in GIVEN
    if (around, routing, what) not in EXCLUDED
]


class Halves(KFold):
    """Holds the second half out, whatever the number of rows."""

    def split(self, X, y=None, groups=None):
        half = len(X) // 2
        yield np.arange(half), np.arange(half, len(X))


@pytest.fixture
def counts(monkeypatch):
    """Rows that each fit of a test trains on and holds out."""
    found, train_all = [], skjoint.estimator.train_all

    def recorded(members, *rest):
        found.append(tuple(len(rows) for rows in (members[0].rows, members[0].validation)))
        return train_all(members, *rest)

    monkeypatch.setattr(skjoint.estimator, "train_all", recorded)
    return found


def model(around, routing, what):
    """The estimator of a cell."""
    est = small(epochs=1, validation=Halves(2) if what == "splitter" else 0.25)
    if routing == "on":
        est.set_fit_request(**dict.fromkeys(NAMES, True))
    if "pipeline" in around:
        transformed = ["X_val"] if routing == "on" else None
        steps = [("scale", StandardScaler()), ("net", est)]
        est = Pipeline(steps, transform_input=transformed)
    if "search" in around:
        name = "net__epochs" if "pipeline" in around else "epochs"
        est = GridSearchCV(est, {name: [1]}, cv=KFold(2), error_score="raise")
    if around == "view":
        est = as_regressor(est)
    return as_classifier(est) if around == "view of a pipeline" else est


def arguments(around, routing, what):
    """What ``fit`` is given, under the names that lead to the step."""
    given = GIVEN[what]
    if "pipeline" not in around or routing == "on":
        return given
    given = dict(given)
    if "X_val" in given:
        given["X_val"] = StandardScaler().fit(X).transform(given["X_val"])
    return {f"net__{name}": value for name, value in given.items()}


@pytest.mark.parametrize(("around", "routing", "what"), CELLS)
def test_every_fit_trains_on_the_rows_it_should(around, routing, what, counts):
    enabled = sklearn.config_context(enable_metadata_routing=True)
    with enabled if routing == "on" else nullcontext():
        est = model(around, routing, what)
        est.fit(X, Y, **arguments(around, routing, what))
    expected = {
        "X_val": {N: (N, 40), N // 2: (N // 2, 40)},
        "groups": {N: (90, 30), N // 2: (42, 18)},  # a quarter of 20 and of 10 groups, rounded up
        "splitter": {N: (60, 60), N // 2: (30, 30)},
    }[what]
    sizes = [N // 2, N // 2, N] if "search" in around else [N]
    assert counts == [expected[size] for size in sizes]


def test_a_pipeline_transforms_own_rows_like_X(counts):  # noqa: N802
    with sklearn.config_context(enable_metadata_routing=True):
        pipe = model("pipeline", "on", "X_val")
        pipe.fit(X, Y, **GIVEN["X_val"])
    seen = pipe[-1].evaluate(pipe[:-1].transform(X_VAL), Y_VAL)
    assert pipe[-1].history_["val_value_mae"][-1] == pytest.approx(seen["value_mae"], rel=1e-4)


def test_a_view_trains_its_own_head_on_validation_rows_of_its_own_kind(counts):
    for view, name in ((as_regressor, "value"), (as_classifier, "label")):
        view(small(epochs=1)).fit(X, Y[name], X_val=X_VAL, y_val=Y_VAL[name])
    assert counts == [(N, 40)] * 2


def test_a_search_cuts_own_rows_that_are_as_many_as_those_of_X(counts):  # noqa: N802
    other, truth = make_data(N, seed=7)
    GridSearchCV(small(), {"epochs": [1]}, cv=KFold(2), error_score="raise").fit(
        X, Y, X_val=other, y_val=truth
    )
    assert counts == [(60, 60), (60, 60), (N, N)]


def test_groups_reach_the_splitter_of_a_search_and_its_estimator(counts):
    from sklearn.model_selection import GroupKFold

    with sklearn.config_context(enable_metadata_routing=True):
        est = small(validation=0.2).set_fit_request(groups=True)
        search = GridSearchCV(est, {"epochs": [1]}, cv=GroupKFold(2), error_score="raise")
        search.fit(X, Y, groups=GROUPS)
    assert counts == [(48, 12), (48, 12), (96, 24)]
    assert_array_equal(
        np.isin(GROUPS, search.best_estimator_.validation_groups_).sum(),
        search.best_estimator_.n_validation_,
    )


def test_a_predefined_split_is_of_one_table():
    """In a search each fold has other rows: it needs groups or a splitter that counts rows."""
    fold = PredefinedSplit(np.where(np.arange(N) < 90, -1, 0))
    search = GridSearchCV(small(validation=fold), {"epochs": [1]}, cv=2, error_score="raise")
    with pytest.raises(ValueError, match="an entry for each row of X"):
        search.fit(X, Y)
