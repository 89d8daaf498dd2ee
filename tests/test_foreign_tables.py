"""Tables of polars and pyarrow are those of pandas."""

import datetime as dt
import sys
from decimal import Decimal

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.utils import _safe_indexing

from conftest import make_data, small
from skjoint._data.foreign import as_pandas, check_eager, is_foreign, names_of, series_of
from skjoint._data.read_y import read_table
from skjoint._data.sample_weight import check_weights
from skjoint.metrics import agreement_score, expected_calibration_error, joint_score
from skjoint.model_selection import (
    JointStratifiedKFold,
    JointStratifiedShuffleSplit,
    joint_cross_val_predict,
    joint_scoring,
)
from skjoint.plots import JointPredictionDisplay
from skjoint.views import as_classifier, as_regressor

pa = pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")

DAY, NOON = dt.date(2024, 2, 29), dt.datetime(2024, 2, 29, 12, 30)
BIG = 2**53 + 1

# Type of polars, type of Arrow, entries, and what pandas has of them: dtype and entries.
COLUMNS = {
    "whole": (pl.Int64, pa.int64(), [1, BIG], "int64", [1, BIG]),
    "whole with a gap": (pl.Int64, pa.int64(), [1, None], "float64", [1.0, np.nan]),
    "large with a gap": (pl.Int64, pa.int64(), [BIG, None], "Int64", [BIG, None]),
    "small": (pl.UInt8, pa.uint8(), [255, 0], "uint8", [255, 0]),
    "small with a gap": (pl.Int8, pa.int8(), [-1, None], "float64", [-1.0, np.nan]),
    "without a sign": (pl.UInt64, pa.uint64(), [2**64 - 1, 0], "uint64", [2**64 - 1, 0]),
    "fractions": (pl.Float64, pa.float64(), [0.1, None], "float64", [0.1, np.nan]),
    "float32": (pl.Float32, pa.float32(), [0.5, None], "float32", [0.5, np.nan]),
    "yes and no": (pl.Boolean, pa.bool_(), [True, False], "bool", [True, False]),
    "perhaps": (pl.Boolean, pa.bool_(), [True, None], "object", [True, None]),
    "category": (
        pl.Categorical,
        pa.dictionary(pa.int32(), pa.string()),
        ["b", None, "a"],
        "category",
        ["b", None, "a"],
    ),
    "day": (pl.Date, pa.date32(), [DAY, None], "datetime64[s]", [pd.Timestamp(DAY), pd.NaT]),
    "moment": (
        pl.Datetime("us"),
        pa.timestamp("us"),
        [NOON, None],
        "datetime64[us]",
        [pd.Timestamp(NOON), pd.NaT],
    ),
    "moment in a zone": (
        pl.Datetime("ms", "Europe/Berlin"),
        pa.timestamp("ms", "Europe/Berlin"),
        [pd.Timestamp(NOON, tz="Europe/Berlin").to_pydatetime(), None],
        "datetime64[ms, Europe/Berlin]",
        [pd.Timestamp(NOON, tz="Europe/Berlin"), pd.NaT],
    ),
    "duration": (
        pl.Duration("us"),
        pa.duration("us"),
        [dt.timedelta(hours=1), None],
        "timedelta64[us]",
        [pd.Timedelta(hours=1), pd.NaT],
    ),
    "decimal": (
        pl.Decimal(10, 2),
        pa.decimal128(10, 2),
        [Decimal("1.25"), None],
        "object",
        [Decimal("1.25"), None],
    ),
    "nothing": (pl.Null, pa.null(), [None, None], "object", [None, None]),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_becomes_what_pandas_has(name):
    of_polars, of_arrow, entries, dtype, expected = COLUMNS[name]
    column = pa.array(entries, of_arrow)
    tables = [
        pl.Series(entries, dtype=of_polars),
        pl.DataFrame({"a": [0] * len(entries), name: pl.Series(entries, dtype=of_polars)}),
        column,
        pa.chunked_array([column[:1], column[1:]]),
        pa.table({"a": [0] * len(entries), name: column}),
        pa.record_batch({"a": [0] * len(entries), name: column}),
    ]
    for table in tables:
        assert is_foreign(table)
        found = series_of(table, 1)
        wanted = pd.Series(expected, dtype=dtype)
        assert found.dtype == wanted.dtype
        pd.testing.assert_series_equal(found, wanted, check_names=False)


def test_polars_needs_no_pyarrow(monkeypatch):
    columns = {
        name: pl.Series(entries * 3, dtype=of_polars).head(3)
        for name, (of_polars, _, entries, _, _) in COLUMNS.items()
    }
    table = pl.DataFrame({**columns, "text": ["a", None, "ä"]})
    expected = as_pandas(table, "X")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    pd.testing.assert_frame_equal(as_pandas(table, "X"), expected)


TEXT = st.lists(st.none() | st.text(), min_size=1)


@settings(deadline=None, max_examples=20)
@given(entries=TEXT)
def test_text_stays_as_it_is(entries):
    for column in (pl.Series(entries, dtype=pl.String), pa.array(entries, pa.string())):
        found = series_of(column)
        assert found.astype(object).where(found.notna(), None).tolist() == entries


def test_levels_that_are_numbers_stay_levels():
    found = series_of(pa.array([5, None, 5]).dictionary_encode())
    assert found.dtype == "category"
    assert found.cat.categories.tolist() == [5]


def test_a_table_keeps_the_names_and_the_order_of_its_columns():
    frame = pd.DataFrame({"b": [1, 2], "a": [0.5, np.nan], "": [True, False]})
    for table in (pl.from_pandas(frame), pa.table(dict(frame)), pa.record_batch(dict(frame))):
        assert names_of(table) == ["b", "a", ""]
        pd.testing.assert_frame_equal(as_pandas(table, "X"), frame)
        assert as_pandas(table[:1], "X").shape == (1, 3)
    assert as_pandas(pl.DataFrame(), "X").shape == (0, 0)
    assert series_of(pl.Series("n", [1])).name == "n"


def test_two_columns_of_one_name_are_an_error():
    table = pa.table([pa.array([1]), pa.array([2]), pa.array([3])], names=["a", "b", "a"])
    assert is_foreign(table)
    with pytest.raises(ValueError, match=r"columns of X must have distinct names. Repeated: \['a'"):
        names_of(table)


def test_a_query_is_an_error_that_says_what_to_do():
    with pytest.raises(TypeError, match=r"X must be a table .* LazyFrame .* use X\.collect\(\)"):
        check_eager(pl.LazyFrame({"a": [1]}), "X")
    for data in (pl.DataFrame({"a": [1]}), pd.DataFrame(), np.ones(3), [1], object(), pa.array([])):
        check_eager(data, "X")


@pytest.mark.parametrize("data", [pd.Series([1]), pd.DataFrame(), np.ones(2), [1], {"a": [1]}, "x"])
def test_what_is_not_foreign(data):
    assert not is_foreign(data)


# ------------------------------------------------- y and weights: the same as of pandas
N = 60
LIBRARIES = {
    "polars": pl.from_pandas,
    "pyarrow": lambda data: (
        pa.Table.from_pandas(data, preserve_index=False)
        if isinstance(data, pd.DataFrame)
        else pa.chunked_array([pa.array(data)])
    ),
}
of_library = pytest.mark.parametrize("library", LIBRARIES)


def targets(label="text"):
    """X, and a y with gaps in both columns, whose label is of a kind."""
    X, y = make_data(N)
    value, codes = y["value"].copy(), pd.Series(pd.factorize(y["label"])[0])
    value[:5] = np.nan
    labels = {
        "text": codes.map({0: "ä", 1: "b", 2: "'c"}),
        "whole": codes,
        "whole with gaps": codes.where(codes.index > 4),
        "beyond 2**53": codes + 2**53,
        "nullable": codes.astype("Int64").where(codes.index > 4) + 2**53,
        "bool": codes > 0,
        "bool with gaps": (codes > 0).astype(object).where(codes.index > 4, None),
        "category": codes.map({0: "z", 1: "y", 2: "x"}).astype("category"),
    }
    return X, pd.DataFrame({"grade": labels[label], "price": value})


LABELS = [
    "text",
    "whole",
    "whole with gaps",
    "beyond 2**53",
    "nullable",
    "bool",
    "bool with gaps",
    "category",
]


@pytest.mark.parametrize("label", LABELS)
@of_library
def test_columns_of_y_are_read_alike(library, label):
    y = targets(label)[1]
    expected, found = read_table(y), read_table(LIBRARIES[library](y))
    assert found.named
    assert list(found.frame.columns) == ["grade", "price"]
    np.testing.assert_array_equal(found.numbers(1), expected.numbers(1))
    for a, b in zip(found.labels(0), expected.labels(0), strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype


@of_library
def test_predictions_scores_and_weights_have_the_same_bits(library):
    X, y = targets("whole")
    convert = LIBRARIES[library]
    rng = np.random.default_rng(0)
    weights = pd.DataFrame({"price": rng.uniform(size=N), "grade": rng.uniform(size=N)})
    est = small(class_columns=["grade"])
    for weight in (None, weights, weights["price"]):
        of_other = None if weight is None else convert(weight)
        a = est.fit(X, y, sample_weight=weight)
        bits, scored = a.predict(X), a.evaluate(X, y, sample_weight=weight)
        b = est.fit(X, convert(y), sample_weight=of_other)
        np.testing.assert_array_equal(b.predict(X), bits)
        assert b.evaluate(X, convert(y), sample_weight=of_other) == scored
        assert b.score(X, convert(y), sample_weight=of_other) == scored["score"]
    for a, b in zip(est.split_targets(y), est.split_targets(convert(y)), strict=True):
        np.testing.assert_array_equal(a, b)


@of_library
def test_chunks_continue_alike(library):
    X, y = targets()
    a, b = small(), small()
    for rows in (np.arange(40), np.arange(40, N)):
        a.partial_fit(X[rows], y.iloc[rows], classes=["ä", "b", "'c"])
        part = _safe_indexing(LIBRARIES[library](y), rows)
        b.partial_fit(X[rows], part, classes=["ä", "b", "'c"])
    np.testing.assert_array_equal(b.predict_proba(X), a.predict_proba(X))


@of_library
def test_one_column_and_a_dict_of_columns(library):
    X, y = targets("beyond 2**53")
    convert = LIBRARIES[library]
    price = y["price"].fillna(0.0)
    of_pandas = small(class_bins=3).fit(X, price).predict_proba(X)
    found = small(class_bins=3).fit(X, convert(price)).predict_proba(X)
    np.testing.assert_array_equal(found, of_pandas)
    as_dict = {name: convert(y[name]) for name in y}
    expected = small(class_columns=["grade"]).fit(X, y)
    found = small(class_columns=["grade"]).fit(X, as_dict)
    np.testing.assert_array_equal(found.predict(X), expected.predict(X))
    assert found.classes_.dtype == np.int64


@of_library
def test_splits_searches_and_scorers_are_the_same(library):
    X, y = targets()
    convert = LIBRARIES[library]
    for splitter in (JointStratifiedKFold(3), JointStratifiedShuffleSplit(2, random_state=0)):
        pairs = zip(splitter.split(X, y), splitter.split(X, convert(y)), strict=True)
        for a, b in pairs:
            np.testing.assert_array_equal(np.concatenate(a), np.concatenate(b))
    weight = pd.Series(np.random.default_rng(0).uniform(size=N))
    for method in ("predict", "predict_proba"):
        expected = joint_cross_val_predict(small(), X, y, cv=3, method=method, sample_weight=weight)
        found = joint_cross_val_predict(
            small(), X, convert(y), cv=3, method=method, sample_weight=convert(weight)
        )
        np.testing.assert_array_equal(found, expected)
    splits = list(JointStratifiedKFold(3).split(X, y))
    options = {"cv": splits, "scoring": joint_scoring()}
    expected = cross_validate(small(), X, y, **options)
    found = cross_validate(small(), X, convert(y), **options)
    for name in options["scoring"]:
        np.testing.assert_array_equal(found[f"test_{name}"], expected[f"test_{name}"])
    search = GridSearchCV(small(), {"alpha": [0.0, 0.1]}, cv=splits)
    expected = search.fit(X, y).cv_results_["mean_test_score"]
    found = search.fit(X, convert(y)).cv_results_["mean_test_score"]
    np.testing.assert_array_equal(found, expected)


@of_library
def test_views_take_their_column_and_the_whole_y(library):
    X, y = targets()
    convert = LIBRARIES[library]
    whole = y.dropna().reset_index(drop=True)
    X = X[y.notna().all(axis=1)]
    weight = pd.Series(np.random.default_rng(0).uniform(size=len(X)))
    for view, name in ((as_regressor, "price"), (as_classifier, "grade")):
        for target in (whole, whole[name]):
            a, b = view(small()).fit(X, target), view(small()).fit(X, convert(target))
            np.testing.assert_array_equal(b.predict(X), a.predict(X))
            expected = a.score(X, target, sample_weight=weight)
            assert b.score(X, convert(target), sample_weight=convert(weight)) == expected
        assert a.score(X, whole[[name]]) == b.score(X, convert(whole[[name]]))


@of_library
def test_metrics_and_plots(library):
    pytest.importorskip("matplotlib").use("agg")
    convert = LIBRARIES[library]
    y = targets("bool with gaps")[1]
    value, label = y["price"], y["grade"]
    weight = pd.Series(np.linspace(0, 1, N))
    pred = value.fillna(1.0) + 1
    guess = pd.Series(np.arange(N) % 2 == 0)

    def scores(convert):
        proba = convert(pd.DataFrame({"no": [0.4] * N, "yes": [0.6] * N}))
        yield joint_score(
            (convert(value), convert(label)),
            (convert(pred), convert(guess)),
            sample_weight=convert(weight),
        )
        yield agreement_score(
            convert(pred),
            convert(guess),
            classes=[False, True],
            bin_edges=[100.0],
            sample_weight=convert(weight),
        )
        yield expected_calibration_error(
            convert(label), proba, classes=[False, True], sample_weight=convert(weight)
        )
        display = JointPredictionDisplay.from_predictions(
            convert(value), convert(pred), convert(label), convert(guess)
        )
        yield display.confusion_matrix.tolist()

    assert list(scores(convert)) == list(scores(lambda data: data))


def test_what_is_refused_of_y_and_weights():
    X, y = targets()
    with pytest.raises(TypeError, match=r"y must be a table .* use y\.collect\(\)"):
        small().fit(X, pl.from_pandas(y).lazy())
    twice = pa.table([pa.array(y["price"]), pa.array(y["grade"])], names=["a", "a"])
    with pytest.raises(ValueError, match=r"columns of y must have distinct names"):
        small().fit(X, twice)
    for name in ("sample_weight", "y"):
        with pytest.raises(ValueError, match=f"columns of {name} must have distinct names"):
            read_table(twice) if name == "y" else check_weights(twice, N)
    with pytest.raises(ValueError, match="holds dates or durations"):
        small().fit(X, pl.DataFrame({"price": y["price"].to_numpy(), "day": [DAY] * N}))


# --------------------------------------------------------------- X: the same as of pandas
def any_table():
    """A table with columns of every kind, and gaps."""
    rng = np.random.default_rng(0)
    gap = rng.uniform(size=N) < 0.1
    city = pd.Series(rng.choice(["Köln", "Bonn", "Rom"], N))
    days = pd.to_timedelta(rng.integers(90, size=N), "D").as_unit("us")
    minutes = pd.to_timedelta(rng.integers(9000, size=N), "min").as_unit("us")
    return pd.DataFrame(
        {
            "whole": rng.integers(100, size=N),
            "number": np.where(gap, np.nan, rng.normal(size=N)),
            "text": city.where(~gap, None),
            "category": city.astype("category"),
            "yes": rng.uniform(size=N) < 0.5,
            "day": pd.Timestamp("2024-01-01") + days,
            "moment": pd.Timestamp("2024-01-01", tz="Europe/Rome") + minutes,
            "lasts": minutes,
        }
    )


@of_library
def test_predictions_of_any_table_have_the_same_bits(library):
    X, (_, y) = any_table(), make_data(N)
    convert = LIBRARIES[library]
    expected = small().fit(X, y).predict(X)
    est = small().fit(convert(X), convert(y))
    np.testing.assert_array_equal(est.predict(convert(X)), expected)
    np.testing.assert_array_equal(est.predict(X), expected)
    np.testing.assert_array_equal(small().fit(X, y).predict(convert(X)), expected)
    one = convert(X.iloc[[3]])
    np.testing.assert_array_equal(est.predict(one), expected[[3]])


@of_library
def test_names_are_kept_and_checked_at_predict(library):
    X, (_, y) = any_table(), make_data(N)
    convert = LIBRARIES[library]
    est = small().fit(convert(X), y)
    assert est.feature_names_in_.tolist() == list(X)
    swapped = X[["number", "whole", *X.columns[2:]]]
    with pytest.raises(ValueError, match="feature names should match"):
        est.predict(convert(swapped))
    with pytest.raises(ValueError, match="feature names should match"):
        est.predict(convert(X.rename(columns={"text": "other"})))


@of_library
def test_chunks_searches_and_views_of_any_table(library):
    X, (_, y) = any_table(), make_data(N)
    convert = LIBRARIES[library]
    parts = [np.arange(40), np.arange(40, N)]
    a, b = small(), small()
    for rows in parts:
        a.partial_fit(X.iloc[rows], y.iloc[rows], classes=["low", "mid", "top"])
        b.partial_fit(_safe_indexing(convert(X), rows), y.iloc[rows], classes=["low", "mid", "top"])
    np.testing.assert_array_equal(b.predict_proba(convert(X)), a.predict_proba(X))
    splits = list(JointStratifiedKFold(3).split(X, y))
    assert all(
        np.array_equal(np.concatenate(p), np.concatenate(q))
        for p, q in zip(splits, JointStratifiedKFold(3).split(convert(X), convert(y)), strict=True)
    )
    np.testing.assert_array_equal(
        joint_cross_val_predict(small(), convert(X), convert(y), cv=3),
        joint_cross_val_predict(small(), X, y, cv=3),
    )
    with_gaps = y.assign(label=y["label"].where(y.index > 5, None))
    views = [as_classifier(small().fit(X, y)), as_classifier(small().fit(convert(X), y))]
    assert views[0].score(X, with_gaps) == views[1].score(convert(X), convert(with_gaps))


def test_two_columns_of_one_name_and_a_query_as_x():
    _, y = make_data(N)
    column = pa.array(np.arange(float(N)))
    with pytest.raises(ValueError, match="columns of X must have distinct names"):
        small().fit(pa.table([column, column], names=["a", "a"]), y)
    with pytest.raises(TypeError, match=r"use X\.collect\(\)"):
        small().fit(pl.from_pandas(any_table()).lazy(), y)


def test_one_column_alone_is_no_x():
    for column in (pl.Series(np.arange(3.0)), pa.array([1.0, 2.0, 3.0]), pa.chunked_array([[1.0]])):
        with pytest.raises(ValueError, match="Expected 2D array, got 1D array instead"):
            small().fit(column, pd.DataFrame({"v": [1.0, 2.0, 3.0], "c": ["p", "q", "p"]}))


NUMBERS = {
    "float32": lambda rng: rng.normal(size=(N, 3)).astype(np.float32),
    "float64": lambda rng: rng.normal(size=(N, 3)),
    "int8": lambda rng: rng.integers(9, size=(N, 3)).astype(np.int8),
    "beyond 2**53": lambda rng: rng.integers(2**60, size=(N, 3)),
}


@pytest.mark.parametrize("preprocess", ["auto", None])
@pytest.mark.parametrize("kind", NUMBERS)
@of_library
def test_tables_of_numbers_have_the_same_bits(library, kind, preprocess):
    X = pd.DataFrame(NUMBERS[kind](np.random.default_rng(0)), columns=["a", "b", "c"])
    y, convert = make_data(N)[1], LIBRARIES[library]
    if kind == "beyond 2**53" and preprocess is None:
        X = X // 2**50
    est = small(preprocess=preprocess, epochs=1)
    expected = est.fit(X, y).predict_value(X)
    np.testing.assert_array_equal(est.predict_value(convert(X)), expected)
    np.testing.assert_array_equal(est.fit(convert(X), y).predict_value(convert(X)), expected)
    assert est.feature_names_in_.tolist() == ["a", "b", "c"]
