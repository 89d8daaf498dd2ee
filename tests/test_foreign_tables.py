"""Tables of polars and pyarrow are those of pandas."""

import datetime as dt
from decimal import Decimal

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from skjoint._data.foreign import as_pandas, check_eager, is_foreign, names_of, series_of

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
        assert names_of(table).tolist() == ["b", "a", ""]
        pd.testing.assert_frame_equal(as_pandas(table), frame)
        assert as_pandas(table[:1]).shape == (1, 3)
    assert as_pandas(pl.DataFrame()).shape == (0, 0)
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
