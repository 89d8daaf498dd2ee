"""The warning of rows that are not independent, and where it stays silent."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.model_selection import ShuffleSplit, TimeSeriesSplit

from conftest import make_data, small
from skjoint._data.features import read_features
from skjoint._data.split import split_validation
from skjoint._fitting.dependence import warn_of_dependence
from skjoint.datasets import load_diabetes_bands


def message(X, dates=()):
    """What is said of a table, a tenth of whose rows are held out; "" if nothing."""
    features = read_features(X, encode=True)
    dates = {list(X.columns).index(name): "" for name in dates}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        split = split_validation(None, len(X), 0.1, 0)
        warn_of_dependence(features, dates, getattr(X, "index", None), split)
    assert len(caught) <= 1
    return str(caught[0].message) if caught else ""


def visits(n_patients=60, n_visits=5, jitter=0.0, shuffled=False):
    """Rows of patients: eight measures that hardly change, and two that do."""
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(n_patients), n_visits)
    table = rng.normal(size=(n_patients, 8))[patient]
    table += jitter * rng.normal(size=table.shape)
    table = np.column_stack([table, rng.normal(size=(len(table), 2))])
    frame = pd.DataFrame(table).rename(columns="x{}".format).assign(patient=patient)
    return frame.sample(frac=1, random_state=0) if shuffled else frame


# ------------------------------------------------------------------------- alarms
@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("name", ["patient", "Patient ID", "customer_id", "userId"])
def test_a_column_that_is_named_like_an_id_and_repeats(name, shuffled):
    X = visits(shuffled=shuffled).round(0).rename(columns={"patient": name})
    found = message(X)
    assert f"column {name!r} of X looks like an id that repeats (60 entries in 300 rows)" in found
    assert f"fit(X, y, groups=X[{name!r}])" in found


def test_a_column_of_an_array_is_named_by_its_place():
    assert "fit(X, y, groups=X[:, 10])" in message(visits().to_numpy())


def test_codes_of_one_form_that_repeat():
    X = visits(shuffled=True).round(0)
    X["who"] = "P-" + X.pop("patient").astype(str).str.zfill(3)
    assert "column 'who' of X looks like an id that repeats" in message(X)


def test_entries_whose_rows_stand_together():
    X = visits().round(0).rename(columns={"patient": "c"})
    assert "column 'c' of X looks like an id" in message(X)
    X["c"] = np.random.default_rng(0).permutation(60)[X["c"]]
    X = X.iloc[np.sort(np.random.default_rng(1).permutation(300)[:200])]  # not of one size
    assert "column 'c' of X looks like an id" in message(X)
    assert "looks like an id" not in message(X.sample(frac=1, random_state=0))


@pytest.mark.parametrize("jitter", [0.0, 1e-3])
def test_near_duplicates_across_the_split(jitter):
    found = message(visits(jitter=jitter, shuffled=True).drop(columns="patient"))
    assert "near-duplicate among the rows to train on" in found
    assert "fit(X, y, groups=...)" in found


@pytest.mark.parametrize("order", [1, -1])
def test_dates_by_which_rows_are_sorted(order):
    days = pd.date_range("2024-01-01", periods=90)[::order]
    X = pd.DataFrame({"day": days, "x": np.random.default_rng(0).normal(size=90)})
    found = message(X, dates=["day"])
    assert "column 'day' of X holds dates by which the rows are sorted" in found
    assert "validation=TimeSeriesSplit()" in found
    assert message(X.sample(frac=1, random_state=0), dates=["day"]) == ""
    assert "the index of X holds dates" in message(X.set_index("day"))


def test_one_fit_warns_once_and_names_the_way_out():
    X, y = make_data(120)
    X = pd.DataFrame(X, columns=list("abcd")).assign(patient=np.arange(120) // 4)
    with pytest.warns(UserWarning, match="column 'patient' of X looks like an id") as caught:
        small(epochs=1, early_stopping=True, n_members=2).fit(X, y)
    assert len(caught) == 1
    small(epochs=1).fit(X, y)  # nothing is held out
    small(epochs=1, early_stopping=True).fit(X, y, groups=X["patient"])
    small(epochs=1, validation=ShuffleSplit(1, test_size=0.1)).fit(X, y)
    small(epochs=1, early_stopping=True).fit(X[:100], y[:100], X_val=X[100:], y_val=y[100:])


def test_a_sorted_date_column_of_text_is_noticed_in_fit():
    X, y = make_data(60)
    days = pd.date_range("2024-01-01", periods=60).strftime("%Y-%m-%d")
    X = pd.DataFrame(X, columns=list("abcd")).assign(day=days)
    with pytest.warns(UserWarning, match="column 'day' of X holds dates"):
        small(epochs=1, validation=0.2).fit(X, y)
    small(epochs=1, validation=TimeSeriesSplit(2)).fit(X, y)


# ------------------------------------------------------------------------- silence
@pytest.mark.parametrize("seed", range(20))
def test_independent_rows_raise_no_alarm(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(50, 2000))
    measures = rng.normal(size=(n, 5))
    X = pd.DataFrame(measures @ rng.normal(size=(5, 8))).rename(columns="x{}".format).round(2)
    X["age"] = rng.integers(18, 90, n)
    X["city"] = rng.choice(["Rome", "Oslo", "Bern"], n)
    X["zip"] = rng.integers(10000, 10050, n).astype(str)
    assert message(X) == ""
    assert message(X.sort_values("age")) == ""
    assert message(X.sort_values("x0")) == ""


@pytest.mark.parametrize("name", ["user_rating", "site_area", "paid", "valid", "grid"])
def test_a_number_that_is_named_after_a_person_or_place_is_no_id(name):
    numbers = np.random.default_rng(0).integers(0, 40, 400)
    assert message(pd.DataFrame({name: numbers, "x": numbers[::-1]})) == ""


@pytest.mark.parametrize("seed", range(5))
def test_columns_that_say_the_same_count_once(seed):
    X = np.random.default_rng(seed).normal(size=(200, 4))
    assert message(np.hstack([np.tile(X, (1, 10)), 5 + 9 * X, -X, np.exp(X)])) == ""


def test_many_independent_columns_agree_in_some_by_chance():
    rng = np.random.default_rng(0)
    assert message(rng.normal(size=(1000, 100))) == ""
    assert message(rng.normal(size=(1000, 1)) + rng.normal(size=(1000, 60)) / 5) == ""
    assert message(rng.poisson(1, size=(1000, 100)).astype(float)) == ""


def test_columns_without_entries_are_nothing_to_compare():
    assert message(np.full((60, 3), np.nan)) == ""
    days = pd.date_range("2024-01-01", periods=60, tz="Europe/Rome")[::-1]
    assert message(pd.DataFrame({"day": days, "x": np.full(60, np.nan), "c": "a"})) == ""


@pytest.mark.parametrize("n_rows", [10, 49])
def test_few_rows_tell_nothing(n_rows):
    assert message(visits().iloc[:n_rows]) == ""


def test_rows_with_a_shape_and_sparse_ones_are_not_looked_at():
    X, y = make_data(120)
    wide = np.tile(X, (1, 5))
    small(epochs=1, validation=0.2).fit(sparse.csr_array(np.repeat(wide[:60], 2, axis=0)), y)


REAL = ["abalone", "penguins", "mpg", "diamonds", "heart_cleveland", "adult"]


@pytest.mark.parametrize("name", REAL)
def test_no_false_alarm_on_real_tables(name, data_folder):
    header = None if name in ("abalone", "heart_cleveland", "adult") else 0
    X = pd.read_csv(data_folder / f"{name}.csv", header=header, skipinitialspace=True)
    X = X.rename(columns=str)
    assert message(X) == ""
    assert message(X.sample(frac=1, random_state=0)) == ""


def test_wines_that_were_entered_twice_are_near_duplicates(data_folder):
    """1,177 rows of 6,497 repeat another one in every column: a held-out wine may be known."""
    found = message(pd.read_csv(data_folder / "winequality.csv"))
    assert "near-duplicate" in found


def test_the_data_that_comes_along_is_independent():
    assert message(load_diabetes_bands(return_X_y=True)[0]) == ""
