"""Boosted trees: scikit-learn's, kept as arrays of trees."""

import dataclasses

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_info

from conftest import class_head, value_head
from skjoint._data.rows import Rows
from skjoint._ensemble.companions import boosting as _boosting
from skjoint._ensemble.companions.boosting import N_FOLDS, fit_boosting
from skjoint._ensemble.companions.contract import Task

COLUMNS = np.array([0, 1, 2, 4])
EVERY = np.arange(300)
SETTINGS = {"max_iter": 20, "learning_rate": 0.3, "max_leaf_nodes": 15, "early_stopping": False}


def rows_of(n_labels=3, n_samples=300):
    rng = np.random.default_rng(0)
    encoded = rng.normal(size=(n_samples, 5)).astype(np.float32).round(1)
    number = (encoded[:, 0] * encoded[:, 1]).astype(np.float32)[:, None]
    code = rng.integers(n_labels, size=n_samples)
    code[encoded[:, 2] > 0] = 0
    weights = [rng.uniform(0.5, 2, size=n_samples).astype(np.float32) for _ in range(2)]
    return Rows(encoded, [number, code.astype(np.int32)], weights)


def boosted(rows, heads, where=EVERY, n_trees=20):
    return fit_boosting(Task(rows, heads, COLUMNS, where, 0), n_trees)


def folds_of(rows, i, is_label):
    """Rows to train on and to answer, as boosting draws them."""
    labelled = np.flatnonzero(rows.weights[i] > 0)
    code = rows.targets[i][labelled] if is_label else np.zeros(len(labelled), int)
    order, fold = _boosting._mixed(code, 0)
    return [(labelled[order[fold != k]], labelled[order[fold == k]]) for k in range(N_FOLDS)]


def test_numbers_are_the_mean_of_scikit_learns():
    rows = rows_of()
    (found,) = boosted(rows, {0: value_head()})
    columns, number = rows.X[:, COLUMNS], rows.targets[0].ravel()
    number, weights = number.astype(np.float64), rows.weights[0]
    mean = np.average(number, weights=weights)
    unit = np.sqrt(np.average((number - mean) ** 2, weights=weights))
    total, held_out = 0, np.empty(300)
    for inside, outside in folds_of(rows, 0, False):
        referee = HistGradientBoostingRegressor(**SETTINGS)
        referee.fit(columns[inside], number[inside] / unit, rows.weights[0][inside])
        held_out[outside] = unit * referee.predict(columns[outside])
        total += unit * referee.predict(columns) / N_FOLDS
    assert_allclose(found.model.predict(rows.X).ravel(), total, rtol=1e-5, atol=1e-6)
    assert_allclose(found.answers.ravel(), held_out, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("n_labels", [2, 4])
def test_labels_are_the_mean_score_of_scikit_learns(n_labels):
    rows = rows_of(n_labels)
    (found,) = boosted(rows, {1: class_head(n_units=n_labels)})
    columns, score = rows.X[:, COLUMNS], np.zeros((300, n_labels))
    for inside, outside in folds_of(rows, 1, True):
        referee = HistGradientBoostingClassifier(**SETTINGS)
        referee.fit(columns[inside], rows.targets[1][inside], rows.weights[1][inside])
        expected = referee.predict_proba(columns[outside])
        assert_allclose(found.answers[outside], expected, rtol=1e-5, atol=1e-7)
        own = referee.decision_function(columns)
        score += (own if n_labels > 2 else np.column_stack([np.zeros(300), own])) / N_FOLDS
    expected = np.exp(score) / np.exp(score).sum(axis=1, keepdims=True)
    assert_allclose(found.model.predict(rows.X), expected, rtol=1e-5, atol=1e-7)


def test_vectors_have_the_trees_of_each_number():
    rows = rows_of()
    number = rows.targets[0]
    vector = np.hstack([number, 1000 * rows.X[:, 3:4]])
    (both,) = boosted(dataclasses.replace(rows, targets=[vector]), {0: value_head(n_units=2)})
    for i in range(2):
        alone = dataclasses.replace(rows, targets=[vector[:, i : i + 1]])
        (one,) = boosted(alone, {0: value_head()})
        expected = one.model.predict(rows.X).ravel()
        found = both.model.predict(rows.X)[:, i]
        assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
        assert_allclose(both.answers[:, i], one.answers.ravel(), rtol=1e-5)


def test_rows_without_weight_are_not_there():
    rows, kept = rows_of(), EVERY % 3 > 0
    wild = np.where(kept[:, None], rows.targets[0], np.float32(1e6))
    masked = Rows(rows.X, [wild, rows.targets[1]], [rows.weights[0] * kept, rows.weights[1]])
    (found,) = boosted(masked, {0: value_head()})
    assert_array_equal(np.isnan(found.answers.ravel()), ~kept)
    few = rows.take(np.flatnonzero(kept))
    (alone,) = boosted(few, {0: value_head()}, where=np.arange(9))
    expected = alone.model.predict(rows.X)
    assert_array_equal(found.model.predict(rows.X), expected)


def test_a_label_of_one_row_stays_possible():
    rows = rows_of()
    rows.targets[1][7] = 3
    (found,) = boosted(rows, {1: class_head(n_units=5)})
    assert not np.isnan(found.answers).any()
    proba = found.model.predict(rows.X)
    assert proba.min() > 0
    assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)
    assert proba[:, 3:].mean() < 0.02


@pytest.mark.parametrize(
    ("codes", "n_units"),
    [
        (np.zeros(300, int), 2),  # one label
        (np.append(1, np.zeros(299, int)), 2),  # and one row of another
    ],
)
def test_labels_that_are_not_boosted(codes, n_units):
    rows = rows_of()
    rows.targets[1] = codes.astype(np.int32)
    assert boosted(rows, {1: class_head(n_units=n_units)}) == []
    few = rows.take(np.arange(2 * N_FOLDS - 1))
    assert boosted(few, {0: value_head()}) == []


def test_threads_of_others_are_left_as_they_were(monkeypatch):
    heads = {0: value_head(), 1: class_head()}
    before = threadpool_info()
    alone = boosted(rows_of(), heads)
    assert threadpool_info() == before
    monkeypatch.setattr(_boosting, "LARGE_TABLE", 0)
    monkeypatch.setattr(joblib, "cpu_count", lambda: 3)
    for one, other in zip(alone, boosted(rows_of(), heads), strict=True):
        for name in ("children", "threshold", "values"):
            assert_array_equal(getattr(one.model, name), getattr(other.model, name))
        assert_array_equal(one.answers, other.answers)


def test_models_of_large_tables_see_some_rows(monkeypatch):
    rows = rows_of()
    monkeypatch.setattr(_boosting, "MAX_BOOSTING_ROWS", 50)
    (found,) = boosted(rows, {0: value_head()})
    assert not np.isnan(found.answers).any()
    # of 50 rows, at least 20 in a leaf, a tree has two leaves
    assert len(found.model.values) <= N_FOLDS * (20 * 2 + 1)
