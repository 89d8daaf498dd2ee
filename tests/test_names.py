"""Tables and dicts with names go by name; rows go by position, and a warning says so."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from conftest import make_data, small
from skjoint._cli.predictions import Predictions
from skjoint._data.containers import warn_of_other_order
from skjoint._data.sample_weight import check_weights
from skjoint._data.targets import Targets
from skjoint._fitting.settings import resolve_loss_weights
from skjoint.metrics import joint_score
from skjoint.model_selection import (
    JointStratifiedKFold,
    JointStratifiedShuffleSplit,
    class_scorer,
    joint_cross_val_predict,
    joint_scoring,
    value_scorer,
)

N = 18
NUMBER, MORE = np.arange(N) + 0.5, np.arange(N) * 2.0
LABEL = np.array(["a", "b", "c"], dtype=object)[np.arange(N) % 3]
W, V, U = np.arange(1.0, N + 1), np.linspace(1, 2, N), np.linspace(3, 1, N)


def gate(y, **declared):
    return Targets.learn(y, **declared)


def by_target(targets, sample_weight):
    """Weights by name of target."""
    weights = targets.split_weights(check_weights(sample_weight, N), N)
    return {t.name: w.tolist() for t, w in zip(targets.outputs, weights, strict=True)}


# ----------------------------------------------------------------- tables of weights
PAIR = gate(pd.DataFrame({"grade": LABEL, "price": NUMBER}))
BOTH = gate(pd.Series(np.arange(N) % 3, name="n"))
SEVERAL = gate(pd.DataFrame({"p": NUMBER, "q": MORE, "k": LABEL}))
BLOCK = gate(pd.DataFrame({"p": NUMBER, "q": MORE, "k": LABEL}), value_columns=[["p", "q"]])
UNNAMED = gate(np.column_stack([NUMBER, np.arange(N) % 3]))
ALONE = gate(pd.DataFrame({"p": NUMBER}), value_columns=["p"], class_columns=[])

BY_NAME = {
    "names of targets": (PAIR, {"value": W, "class": V}, {"value": W, "class": V}),
    "columns of y": (PAIR, {"price": W, "grade": V}, {"value": W, "class": V}),
    "of both kinds of name": (PAIR, {"class": V, "price": W}, {"value": W, "class": V}),
    "a column that is both": (BOTH, {"n": W}, {"value": W, "class": W}),
    "its number alone by name": (BOTH, {"n": V, "value": W}, {"value": W, "class": V}),
    "several": (
        SEVERAL,
        {"k": U, "q": V, "value_p": W},
        {"value_p": W, "value_q": V, "class_k": U},
    ),
    "all of a kind": (
        SEVERAL,
        {"class": U, "value": W},
        {"value_p": W, "value_q": W, "class_k": U},
    ),
    "one before its kind": (
        SEVERAL,
        {"class": U, "value": W, "q": V},
        {"value_p": W, "value_q": V, "class_k": U},
    ),
    "a vector of numbers": (BLOCK, {"k": V, "p_q": W}, {"value": W, "class": V}),
    "positions": (UNNAMED, {1: V, 0: W}, {"value": W, "class": V}),
    "one for each row": (PAIR, {"weight": W}, {"value": W, "class": W}),
    "an array as a table": (PAIR, {0: V, 1: W}, {"value": W, "class": V}),  # grade, price
    "of one target": (ALONE, {"w": W}, {"value": W}),
}


@pytest.mark.parametrize("case", BY_NAME)
def test_columns_of_a_table_of_weights_are_found_by_name(case):
    targets, columns, expected = BY_NAME[case]
    found = by_target(targets, pd.DataFrame(columns))
    assert found == {name: w.tolist() for name, w in expected.items()}


REFUSED = {
    "foreign names": (PAIR, ["foo", "bar"], r"names no target: \['foo', 'bar'\]"),
    "a near name": (PAIR, ["price", "grad"], r"\['grad'\]. Did you mean 'grade'\?"),
    "one more": (PAIR, ["price", "grade", "w"], r"names no target: \['w'\]"),
    "one less": (
        PAIR,
        ["price"],
        r"column for every target. Got \['price'\].*missing: \['class'\]",
    ),
    "twice": (PAIR, ["price", "value", "class"], "name every target once.*mean 'value'"),
    "crossed": (
        gate(pd.DataFrame({"value": LABEL, "class": NUMBER})),
        ["value", "class"],
        r"sample_weight has the name 'value', which may mean each of \['value', 'class'\]",
    ),
    "a kind and a column": (
        gate(pd.DataFrame({"value": NUMBER, "q": MORE, "k": LABEL})),
        ["value", "k"],
        r"'value', which may mean each of \['value_value', 'value_q'\]",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_names_that_are_foreign_or_ambiguous_are_refused(case):
    targets, names, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        by_target(targets, pd.DataFrame(dict.fromkeys(names, W)))
    if len(names) > 1:
        with pytest.raises(ValueError, match=message.replace("sample_weight", "loss_weights")):
            resolve_loss_weights(dict.fromkeys(names, 1.0), targets)


def test_other_tables_of_weights():
    with pytest.raises(ValueError, match=r"distinct names. Repeated: \['a'\]"):
        check_weights(pd.DataFrame(np.ones((N, 2)), columns=["a", "a"]), N)


@pytest.mark.parametrize(
    ("targets", "loss_weights", "expected"),
    [
        (PAIR, {"grade": 3}, (1, 3)),
        (PAIR, {"value": 2, "class": 3}, (2, 3)),
        (SEVERAL, {"value": 2, "q": 5}, (2, 5, 1)),
        (BOTH, {"n": 2}, (2, 2)),
        (BLOCK, {"p_q": 2}, (2, 1)),
        (UNNAMED, {1: 4}, (1, 4)),
    ],
)
def test_loss_weights_by_name(targets, loss_weights, expected):
    assert resolve_loss_weights(loss_weights, targets) == (expected, None)


def test_a_loss_weight_that_would_count_for_nothing_is_refused():
    with pytest.raises(ValueError, match=r"once. Got \['price', 'value'\].*mean 'value'"):
        resolve_loss_weights({"value": 2.0, "price": 3.0}, PAIR)


def test_fits_and_scores_with_a_table_of_weights():
    X, y = make_data(60)
    rng = np.random.default_rng(0)
    w = pd.DataFrame({"label": rng.integers(0, 3, 60), "value": rng.integers(0, 3, 60)}) * 1.0
    array = w[["value", "label"]].to_numpy()
    est, same = small().fit(X, y, w), small().fit(X, y, array)
    assert_array_equal(est.predict_value(X), same.predict_value(X))
    assert_array_equal(est.predict_proba(X), same.predict_proba(X))
    assert est.evaluate(X, y, w) == est.evaluate(X, y, array)
    accuracy = est.evaluate(X, y, w)["class_accuracy"]
    r2 = est.evaluate(X, y, w)["value_r2"]
    for weights in (w, array):
        assert class_scorer("accuracy")(est, X, y, weights) == pytest.approx(accuracy)
        assert value_scorer("r2")(est, X, y, weights) == pytest.approx(r2)
        assert est.as_classifier().score(X, y, weights) == pytest.approx(accuracy)
        assert est.as_regressor().score(X, y, weights) == pytest.approx(r2)
    with pytest.raises(ValueError, match=r"must be an array here.*\['label', 'value'\]"):
        joint_score((y["value"], y["label"]), (y["value"], y["label"]), sample_weight=w)


def test_weights_of_labels_that_are_booleans():
    X, y = make_data(60)
    y = y.assign(label=y["label"] == "top")
    by_number = small(class_weight={0: 1.0, 1: 5.0}).fit(X, y).predict_proba(X)
    assert_array_equal(
        by_number, small(class_weight={False: 1.0, True: 5.0}).fit(X, y).predict_proba(X)
    )
    assert by_number[:, 1].mean() > small().fit(X, y).predict_proba(X)[:, 1].mean()
    with pytest.raises(ValueError, match=r"class_weight names labels that y does not hold: \[2\]"):
        small(class_weight={0: 1.0, 2: 5.0}).fit(X, y)


# ------------------------------------------------------------------- order of columns
def test_columns_of_a_one_hot_block_in_another_order():
    X, y = make_data(60)
    y = pd.get_dummies(y["label"]).astype(float).assign(value=y["value"])
    est = small(class_columns=[["low", "mid", "top"]]).fit(X, y)
    moved = y[["top", "value", "low", "mid"]]
    assert est.evaluate(X, moved) == est.evaluate(X, y)
    assert_array_equal(est.split_targets(moved)[1], est.split_targets(y)[1])
    scorers = joint_scoring()
    assert {n: s(est, X, moved) for n, s in scorers.items()} == {
        n: s(est, X, y) for n, s in scorers.items()
    }
    again = small(class_columns=[["low", "mid", "top"]]).fit(X, y)
    assert_array_equal(
        est.partial_fit(X, moved).predict_proba(X), again.partial_fit(X, y).predict_proba(X)
    )


# ------------------------------------------------------------------------ one name twice
def test_a_name_of_two_targets_is_refused_before_training():
    y = pd.DataFrame({"a": [1, 0] * 9, "b": [0, 1] * 9, "a_b": LABEL, "v": NUMBER})
    with pytest.raises(ValueError, match=r"Got \[\['a', 'b'\], 'a_b'\].*named 'class_a_b'"):
        gate(y, class_columns=[["a", "b"], "a_b"], value_columns=["v"])
    y = pd.DataFrame({"1": NUMBER, 1: MORE, "k": LABEL})
    with pytest.raises(ValueError, match=r"value_columns must give.*Got \['1', 1\].*'value_1'"):
        gate(y)
    with pytest.raises(ValueError, match=r"Got \[\['1', 1\], '1_1'\].*'value_1_1'"):
        gate(y.assign(**{"1_1": MORE}), value_columns=[["1", 1], "1_1"])
    assert [t.name for t in gate(y[["1", "k"]]).outputs] == ["value", "class"]
    y = pd.DataFrame({"a": NUMBER, "a/hidden_1": MORE, "k": LABEL})
    with pytest.raises(ValueError, match="targets 'value_a' and 'value_a/hidden_1': rename"):
        gate(y)


def test_two_metrics_of_one_name_are_refused_before_training():
    y = pd.DataFrame({"a": NUMBER, "k": LABEL, "k_balanced": LABEL})
    with pytest.raises(ValueError, match="accuracy of 'class_k_balanced' would have one name"):
        gate(y)


@pytest.mark.parametrize("loss", ["mse", "gaussian_nll"])
def test_columns_that_look_like_outputs_and_logs(loss):
    """No output, log, layer or metric takes the name of another's."""
    X, y = make_data(40)
    columns = {
        "a": y["value"],
        "a_loss": y["value"],
        "a_and_variance": y["value"],
        "a.b": y["value"],
        "a_b": y["value"],
        "value_a": y["value"],
        "k": y["label"],
        "k_log": y["label"],
        "class_k": y["label"],
    }
    y = pd.DataFrame(columns)
    est = small(value_loss=loss, epochs=1, value_layer_sizes=(2,)).fit(X, y)
    names = est.value_names_ + est.class_names_
    assert len(set(names)) == 9
    kinds = {"value": "mae", "class": "accuracy"}
    expected = {f"{n}_loss" for n in names} | {f"{n}_{kinds[n[:5]]}" for n in names} | {"loss"}
    assert set(est.history_) == expected
    assert len(est.evaluate(X, y)) == 1 + 6 * 3 + 3 * 6
    assert_allclose([len(o) for o in est.model_(est._model.encode(X))], 40)


def test_columns_of_predictions_with_one_name_are_refused():
    X, y = make_data(40)
    y = pd.DataFrame({"k": y["label"], "k_proba_low": y["label"], "v": y["value"]})
    est = small(epochs=1).fit(X, y)
    with pytest.raises(ValueError, match="two columns|Two columns.*'k_proba_low'"):
        Predictions(est, [])


# ---------------------------------------------------------------------- order of rows
A, Z = pd.DataFrame({"x": [1.0, 2.0, 3.0]}), pd.Series([1.0, 2.0, 3.0], index=[2, 0, 1])
REORDERED = {
    "X and y": ({"X": A, "y": Z}, "X and y carry"),
    "y and weights": ({"X": A.to_numpy(), "y": Z.to_frame(), "sample_weight": A["x"]}, "y and sam"),
    "all three": ({"X": A, "y": Z, "sample_weight": Z}, "X and y and sample_weight carry"),
    "a dict": ({"X": A, "y": {"v": A["x"], "k": Z}}, r"X and y\['k'\] carry"),
    "text": (
        {"X": A.set_axis(list("abc")), "y": Z.set_axis(list("bca"))},
        r"y.loc\[X.index\]",
    ),
    "repeated labels": ({"X": A.set_axis([0, 0, 1]), "y": Z.set_axis([0, 1, 0])}, "X and y"),
}
IN_ORDER = {
    "the same": {"X": A, "y": A["x"]},
    "other labels": {"X": A, "y": Z.set_axis([5, 6, 7])},
    "some labels": {"X": A, "y": Z.set_axis([0, 1, 7])},
    "other counts": {"X": A.set_axis([0, 0, 1]), "y": Z.set_axis([0, 1, 1])},
    "other lengths": {"X": A, "y": Z[:2]},
    "other levels": {"X": A, "y": Z.set_axis(pd.MultiIndex.from_product([[0], [2, 0, 1]]))},
    "arrays": {"X": A.to_numpy(), "y": Z.to_numpy(), "sample_weight": None},
}


@pytest.mark.parametrize("case", REORDERED)
def test_rows_in_another_order_are_named_once(case):
    data, message = REORDERED[case]
    with pytest.warns(UserWarning, match=message) as record:
        warn_of_other_order(**data)
    assert len(record) == 1


@pytest.mark.parametrize("case", IN_ORDER)
def test_other_indexes_are_not_compared(case):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_other_order(**IN_ORDER[case])


def test_every_entrance_warns_of_another_order():
    X, y = make_data(40)
    X = pd.DataFrame(X, columns=list("abcd"))
    est = small(epochs=1).fit(X, y)
    moved = y.sample(frac=1, random_state=0)
    w = pd.Series(1.0, index=moved.index)
    calls = {
        "fit": lambda: small(epochs=1).fit(X, moved),
        "weights": lambda: small(epochs=1).fit(X, y, w),
        "partial_fit": lambda: small().partial_fit(X, moved),
        "evaluate": lambda: est.evaluate(X, moved),
        "score": lambda: est.score(X, y, w),
        "view": lambda: est.as_regressor().score(X, moved["value"]),
        "fit of a view": lambda: small(epochs=1).as_regressor().fit(X, moved["value"]),
        "scorer": lambda: class_scorer("accuracy")(est, X, moved),
        "folds": lambda: list(JointStratifiedKFold(2).split(X, moved)),
        "splits": lambda: list(JointStratifiedShuffleSplit(2).split(X, moved)),
        "out of fold": lambda: joint_cross_val_predict(small(epochs=1), X, moved, cv=2),
    }
    for name, call in calls.items():
        with pytest.warns(UserWarning, match="in another order. Rows are taken") as record:
            call()
        assert len(record) == 1, name
