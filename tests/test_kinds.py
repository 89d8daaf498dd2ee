"""Kinds of columns: guesses are conservative, and each says why."""

import uuid
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skjoint._data.kinds import (
    KINDS,
    Guess,
    check_preprocess,
    declared,
    guess_constant,
    guess_dtype,
    guess_kind,
    id_warning,
    numbers_warning,
    of_column,
)

QUICK = settings(max_examples=50, deadline=None)  # a busy machine is slow

N = 200
RNG = np.random.default_rng(0)


def guess(entries, may_drop=True):
    codes, values = pd.factorize(np.array(entries, dtype=object))
    counts = np.bincount(codes[codes >= 0], minlength=len(values))
    return guess_kind(values, counts, len(entries), may_drop)


def comma(x):
    return f"{x:,.2f}".translate(str.maketrans(",.", ".,"))


COLUMNS = {
    "decimal comma": ("number", "decimal comma", [comma(x) for x in RNG.normal(0, 1e5, N)]),
    "decimal point": ("number", "decimal point", [f"{x:.3f}" for x in RNG.normal(size=N)]),
    "thousands": ("number", "numbers written as text", [f"{x:,}" for x in range(1000, 1000 + N)]),
    "decimals": ("number", "numbers", [Decimal(i) / 7 for i in range(N)]),
    "numbers of two types": ("number", "numbers", [i if i % 2 else i / 3 for i in range(N)]),
    "durations": ("number", "durations, in days", [timedelta(hours=i) for i in range(N)]),
    "ISO dates": ("date", "ISO dates", [f"2024-03-{i % 31 + 1:02d}" for i in range(N)]),
    "timestamps": (
        "date",
        "ISO dates",
        [f"2024-03-01 {i // 60:02d}:{i % 60:02d}" for i in range(N)],
    ),
    "dates": ("date", "date objects", [date(2024, 3, i % 31 + 1) for i in range(N)]),
    "one day": ("date", "date objects", [date(2024, 3, 1), None] * (N // 2)),
    "notes": (
        "text",
        "text of 8 words on average",
        [f"the printer in room {i} is broken again" for i in range(N)],
    ),
    "levels": ("category", "text of 7 levels", [f"level {i % 7}" for i in range(N)]),
    "zips": ("category", "digits of 50 levels", [f"{i % 50:05d}" for i in range(N)]),
    "a level and gaps": ("category", "text of 1 level", ["yes", None] * (N // 2)),
    "booleans": ("category", "booleans", [True, False, None, True] * (N // 4)),
    "types mixed": ("category", "objects of 2 levels", [1, "a"] * (N // 2)),
    "German days": (
        "category",
        "text of 28 levels",
        [f"{i % 28 + 1:02d}.03.2024" for i in range(N)],
    ),
    "dates and a word": ("category", "text of 2 levels", ["2024-03-01", "never"] * (N // 2)),
    "half of them twice": ("category", "text of 100 levels", [f"name {i // 2}" for i in range(N)]),
    "ids with gaps": (
        "category",
        "text of 180 levels",
        [f"id {i}" if i % 10 else None for i in range(N)],
    ),
    "names with titles": (
        "text",
        "distinct text whose words recur",
        [f"Braund{i}, {('Mr', 'Mrs', 'Miss')[i % 3]}. Owen" for i in range(N)],
    ),
    "streets and numbers": (
        "text",
        "distinct text whose words recur",
        [f"{i} {('Main', 'High', 'Park')[i % 3]} Street" for i in range(N)],
    ),
    "keys with a word": ("drop", "distinct in 100 % of the rows", [f"order {i}" for i in range(N)]),
    "plates": (
        "drop",
        "distinct in 100 % of the rows",
        [f"B {chr(65 + i % 26)}{i // 26} {i:03d}" for i in range(N)],
    ),
    "UUIDs": ("drop", "distinct in 100 % of the rows", [str(uuid.uuid4()) for _ in range(N)]),
    "objects of UUID": ("drop", "distinct in 100 % of the rows", [uuid.uuid4() for _ in range(N)]),
    "mails": ("drop", "distinct in 100 % of the rows", [f"user{i}@example.com" for i in range(N)]),
    "names": (
        "drop",
        "distinct in 98 % of the rows",
        [f"Braund {i % 196}, Owen" for i in range(N)],
    ),
    "numbers of orders": ("drop", "distinct in 100 % of the rows", [f"{i:06d}" for i in range(N)]),
    "constant": ("drop", "constant", ["same"] * N),
    "gaps": ("drop", "nothing but gaps", [None, np.nan, pd.NaT, pd.NA] * (N // 4)),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_kinds_are_guessed_and_explained(name):
    kind, why, entries = COLUMNS[name]
    found = guess(entries)
    assert (found.kind, found.why) == (kind, why)
    assert found.kind in KINDS
    assert found.is_id == (kind == "drop" and "distinct" in why)


@pytest.mark.parametrize("name", COLUMNS)
def test_nothing_is_dropped_where_it_must_stay(name):
    kind, _, entries = COLUMNS[name]
    assert guess(entries, may_drop=False).kind == ("category" if kind == "drop" else kind)


def test_a_small_table_has_no_ids():
    assert guess([f"id {i}" for i in range(99)]).kind == "category"
    assert guess([f"id {i}" for i in range(100)]).kind == "drop"


def test_what_was_read_is_kept():
    assert guess(COLUMNS["decimal comma"][2]).decimal == ","
    assert guess(COLUMNS["decimal point"][2]).decimal == "."
    assert guess(["2024-03-01T10:00+02:00", "2024-03-02T10:00+02:00"]).zone == "UTC+02:00"
    assert guess(COLUMNS["dates"][2]).zone == ""


@QUICK
@given(st.lists(st.one_of(st.none(), st.text(), st.integers(), st.booleans(), st.dates())))
def test_any_column_has_a_kind(entries):
    assert guess(entries).kind in KINDS
    assert guess(entries, may_drop=False).kind in KINDS


DTYPES = {
    "float32": ("number", "float32"),
    "Int64": ("number", "Int64"),
    "bool": ("category", "booleans"),
    "boolean": ("category", "booleans"),
    "category": ("category", "categorical"),
    "datetime64[s]": ("date", "dates"),
    "datetime64[ns, Europe/Paris]": ("date", "dates"),
    "timedelta64[ns]": ("number", "durations, in days"),
    "period[M]": ("date", "periods"),
    "Sparse[float]": ("number", "Sparse[float64, nan]"),
    "date32[pyarrow]": ("date", "dates"),
    "duration[s][pyarrow]": ("number", "durations, in days"),
    "bool[pyarrow]": ("category", "booleans"),
    "double[pyarrow]": ("number", "double[pyarrow]"),
}


@pytest.mark.parametrize("name", DTYPES)
def test_dtypes_that_say_what_they_are(name):
    if "pyarrow" in name:
        pytest.importorskip("pyarrow")
    found = guess_dtype(pd.api.types.pandas_dtype(name))
    assert (found.kind, found.why) == DTYPES[name]
    assert found.zone == ("Europe/Paris" if "Paris" in name else "")


@pytest.mark.parametrize("name", ["object", "string", "str", "complex128", "interval"])
def test_dtypes_whose_entries_say_it(name):
    assert guess_dtype(pd.api.types.pandas_dtype(name)) is None


def test_constant_columns_say_nothing():
    assert guess_constant(1, 10, 10) == Guess("drop", "constant")
    assert guess_constant(0, 0, 10) == Guess("drop", "nothing but gaps")
    assert guess_constant(1, 9, 10) is guess_constant(2, 10, 10) is None


# ---------------------------------------------------------------------- declared
NAMES = ["zip", "note", 0, 7]


def test_columns_are_declared_by_name_or_position():
    assert check_preprocess({"zip": "category", 1: "text"}, NAMES, 4) == {0: "category", 1: "text"}
    assert check_preprocess({0: "drop", 7: "number"}, NAMES, 4) == {2: "drop", 3: "number"}
    assert check_preprocess({np.int64(1): "date"}, None, 4) == {1: "date"}
    assert check_preprocess({}, pd.Index(NAMES), 4) == {}


WRONG = {
    "no column": ({"zpi": "category"}, r"names no column of X: 'zpi'\. Did you mean 'zip'\? Col"),
    "no position": ({9: "drop"}, r"names no column of X: 9\. Columns: \["),
    "negative": ({-1: "drop"}, "names no column of X: -1"),
    "a truth value": ({True: "drop"}, "names no column of X: True"),
    "no kind": ({"zip": "categry"}, r"one of the kinds .*Got 'categry' for 'zip' .*'category'\?"),
    "None": ({"zip": None}, "one of the kinds .*Got None"),
    "a list": ({"zip": ["text"]}, "one of the kinds"),
    "twice": ({"note": "text", 1: "drop"}, "every column once. Got 'note' and 1 for column 1"),
    "nothing left": ({"zip": "drop", 1: "drop", 0: "drop", 3: "drop"}, "must leave a column"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_declared(name):
    preprocess, message = WRONG[name]
    with pytest.raises(ValueError, match=f"^preprocess .*{message}"):
        check_preprocess(preprocess, NAMES, 4)


def test_entries_must_be_what_is_declared():
    assert declared("number", np.array(["1", "2,5"], dtype=object)) == Guess(
        "number", "declared", ","
    )
    assert declared("number", np.array(["1", "2"], dtype=object)).decimal == "."
    assert declared("number", np.array([1, True], dtype=object)).decimal == ""
    assert declared("number", np.array([1.5])) == Guess("number", "declared")
    assert declared("date", np.array(["2024-03-01T10:00Z"], dtype=object)).zone == "UTC"
    for kind in ("category", "text", "drop"):
        assert declared(kind, np.array(["a", 1], dtype=object)) == Guess(kind, "declared")
    for kind, entries, message in (
        ("number", ["1,5", "x"], "Column 'zip' of X must hold numbers. Got '1,5' instead"),
        ("number", ["1", date(2024, 3, 1)], "Column 'zip' of X must hold numbers. Got datetime.da"),
        ("number", ["x"], "Column 'zip' of X must hold numbers. Got 'x' instead"),
        ("date", ["1.3.2024"], "Column 'zip' of X must hold dates.*Got '1.3.2024' instead: use"),
        ("date", [5], "Column 'zip' of X must hold dates.*Got 5 instead"),
    ):
        with pytest.raises(ValueError, match=message), of_column("zip"):
            declared(kind, np.array(entries, dtype=object))


def test_warnings_name_the_column_and_what_to_do():
    said = id_warning("mail", guess(COLUMNS["mails"][2]), "user0@example.com")
    assert "Column 'mail' of X is left out" in said
    assert "such as 'user0@example.com'" in said
    assert "preprocess={'mail': 'category'} keeps it" in said
    assert "dates" not in said
    said = id_warning("day", guess([f"{i} x" for i in range(100)]), "31.05.2024 18:30")
    assert "Are they dates? Use pandas.to_datetime first." in said
    said = numbers_warning("price", Guess("number", "decimal comma", ","), "1.234,5")
    assert "Column 'price' of X is text and read as numbers (decimal comma)" in said
    assert "'1.234,5' is 1234.5" in said
    assert "preprocess={'price': 'category'}" in said
