"""Reading y: any form of it as one table, whose columns are parsed once."""

import collections
import decimal

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from skjoint import JointRegressorClassifier
from skjoint._data import read_y as _table
from skjoint._data.entries import read_labels, read_numbers
from skjoint._data.layout import layout
from skjoint._data.read_y import read_table
from skjoint._data.targets import Targets

NUMBERS = [1.5, 2.5, np.nan]
LABELS = ["a", None, "b"]
PAIRS = list(zip(NUMBERS, LABELS, strict=True))

FORMS = {
    "nested list": ([list(pair) for pair in PAIRS], False),
    "list of tuples": (PAIRS, False),
    "array of objects": (np.array(PAIRS, dtype=object), False),
    "frame": (pd.DataFrame({"v": NUMBERS, "k": LABELS}), True),
    "frame of category and nullable dtypes": (
        pd.DataFrame({"v": pd.array([1.5, 2.5, None], "Float64"), "k": pd.Categorical(LABELS)}),
        True,
    ),
    "frame of objects": (pd.DataFrame({"v": NUMBERS, "k": LABELS}, dtype=object), True),
    "frame of decimals": (
        pd.DataFrame({"v": [decimal.Decimal("1.5"), decimal.Decimal("2.5"), None], "k": LABELS}),
        True,
    ),
    "dict": ({"v": NUMBERS, "k": LABELS}, True),
    "dict of Series with an index": (
        {"v": pd.Series(NUMBERS, index=[2, 1, 0]), "k": pd.Series(LABELS, index=[5, 6, 7])},
        True,
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_same_table(form):
    y, named = FORMS[form]
    table = read_table(y)
    assert table.named == named
    assert len(table) == 3
    assert_array_equal(table.numbers(0), NUMBERS)
    labels, mask = table.labels(1)
    assert labels.tolist() == ["a", "b"]
    assert mask.tolist() == [True, False, True]
    assert_array_equal(table.block((0, 0)), np.column_stack([NUMBERS, NUMBERS]))


def test_numbers_and_labels_that_were_stacked_to_text_are_told_apart():
    with pytest.warns(UserWarning, match="'nan', 'None' and '<NA>'.*taken as not labelled"):
        table = read_table(np.column_stack([NUMBERS, ["a", "nan", "b"]]))
    assert_array_equal(table.numbers(0), NUMBERS)
    assert table.labels(1)[0].tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("y", "named"),
    [
        (pd.Series([1, 2], name="v"), True),
        (pd.Series([1, 2]), False),
        (np.array([1, 2]), False),
        ([1, 2], False),
        (range(1, 3), False),
        (np.array([1, 2], dtype=">i4"), False),
        ({"v": [1, 2]}, True),
    ],
)
def test_one_column_is_a_table_of_one(y, named):
    table = read_table(y)
    assert table.frame.shape == (2, 1)
    assert table.named == named
    assert table.numbers(0).tolist() == [1.0, 2.0]
    assert table.labels(0)[0].tolist() == [1, 2]


def test_a_table_is_read_as_it_is():
    table = read_table([[1.5, "a"]])
    assert read_table(table) is table


def test_rows_are_taken_by_position():
    y = pd.DataFrame({"v": [1.5, 2.5, 3.5], "k": list("abc")}, index=[2, 0, 1])
    table = read_table(y)
    table.numbers(0)
    taken = table.take(np.array([2, 0]))
    assert taken.numbers(0).tolist() == [3.5, 1.5]
    assert taken.labels(1)[0].tolist() == ["c", "a"]
    assert taken.named


def test_columns_are_selected_by_name():
    table = read_table({"v": [1.5], "k": ["a"], "w": [2.5]})
    assert table.select(["v", "k", "w"]) is table
    assert table.select(["w", "v"]).block((0, 1)).tolist() == [[2.5, 1.5]]


# ------------------------------------------------------------------ once per column
N = np.arange(40)
ONCE = {
    "value and class": ({"v": N + 0.5, "k": np.array(list("ab"))[N % 2]}, {}),
    "value and label in one column": (np.repeat([3, 5, 7, 9], 10), {}),
    "bands": (N + 0.5, {"class_bins": 3}),
    "bands of text": (pd.Series(N + 0.5).astype(str), {"value_columns": [0], "class_bins": 3}),
    "one-hot": (np.column_stack([N + 0.5, np.eye(4)[N % 4]]), {"class_columns": [[1, 2, 3, 4]]}),
    "vector": ({"a": N, "b": N, "k": N % 2 > 0}, {"value_columns": [["a", "b"]]}),
    "number by label": (
        {"v": N + 0.5, "k": np.array(list("abc"))[N % 3]},
        {"value_by_class": {"a": 1.0}},
    ),
    "number by band": (N + 0.5, {"class_bins": [9.0, 20.0], "value_by_class": {0: 1.0}}),
}


@pytest.fixture
def counts(monkeypatch):
    """How often each column was parsed, by what and name."""
    found = collections.Counter()
    for read in (read_numbers, read_labels):

        def call(series, read=read):
            found[read.__name__, series.name] += 1
            return read(series)

        monkeypatch.setattr(_table, read.__name__, call)
    return found


@pytest.mark.parametrize("case", ONCE)
def test_learning_and_encoding_parse_each_column_once(case, counts):
    y, declared = ONCE[case]
    table = read_table(y)
    gate = Targets.learn(table, **declared)
    gate.encode(gate.read(table))
    assert set(counts.values()) == {1}
    assert {name for _, name in counts} == set(table.frame.columns)


@pytest.mark.parametrize("weights", [None, N % 4])
def test_a_fit_parses_each_column_of_y_once(weights, counts):
    y = {"v": N + 0.5, "k": np.array(list("abc"))[N % 3], "more": N % 2 > 0}
    est = JointRegressorClassifier.plain((2,), epochs=1, random_state=0)
    est.fit(N[:, None], y, sample_weight=weights)
    expected = {("read_numbers", "v"), ("read_labels", "k"), ("read_labels", "more")}
    assert counts == dict.fromkeys(expected, 1)
    est.evaluate(N[:, None], y)
    assert counts == dict.fromkeys(expected, 2)


# ---------------------------------------------------------------------- entries
def test_labels_keep_their_dtype():
    for column, kind in [
        ([1, 2], "i"),
        (pd.array([1, None], dtype="Int64"), "i"),
        ([1.0, np.nan], "f"),
        ([True, False], "b"),
        (pd.array([True, None], dtype="boolean"), "b"),
        (pd.Categorical([3, None]), "i"),
        (["a", None], "O"),
        (pd.array(["a", None], dtype="string"), "O"),
    ]:
        assert read_labels(pd.Series(column))[0].dtype.kind == kind
    assert read_labels(pd.Series([1, 2], dtype=np.float16))[0].dtype == np.float32


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([True, False], [1.0, 0.0]),
        (["1.5", None, "-2"], [1.5, np.nan, -2.0]),
        (pd.Categorical([3, None]), [3.0, np.nan]),
        (pd.array([1, None], dtype="Int64"), [1.0, np.nan]),
    ],
)
def test_numbers_are_float64_with_nan_where_missing(column, expected):
    numbers = read_numbers(pd.Series(column))
    assert numbers.dtype == np.float64
    assert_array_equal(numbers, expected)


NO_NUMBERS = {
    "text": (["1", "x"], "Column 'v' of y must hold numbers to be a value. Got 'x' instead"),
    "infinite": ([1.0, np.inf], "Input y contains infinity in column 'v'"),
    "too large": ([1.0, 1e31], r"of size up to 1e\+30.*Got 1e\+31 instead: divide the column"),
}
NO_LABELS = {
    "infinite": ([1.0, -np.inf], "Input y contains infinity in column 'k'"),
    "mixed": (["a", 1], "uniformly text, numbers or booleans. Got 1 of type int"),
    "objects": ([("a",), ("b",)], r"Got \('a',\) of type tuple"),
}


@pytest.mark.parametrize("case", NO_NUMBERS)
def test_what_is_no_number_is_an_error(case):
    entries, message = NO_NUMBERS[case]
    with pytest.raises(ValueError, match=message):
        read_numbers(pd.Series(entries, name="v"))


@pytest.mark.parametrize("case", NO_LABELS)
def test_what_is_no_label_is_an_error(case):
    entries, message = NO_LABELS[case]
    with pytest.raises(ValueError, match=message):
        read_labels(pd.Series(entries, name="k"))


class Foreign:
    """A table of another package."""

    def __dataframe__(self):
        raise AssertionError

    def __array__(self, dtype=None, copy=None):
        raise AssertionError


ERRORS = {
    "None": (None, ValueError, "requires y to be passed, but the target y is None"),
    "sparse": (sparse.csr_matrix([[1.0]]), TypeError, r"dense y is required. Use y.toarray\(\)"),
    "masked": (np.ma.masked_array([1, 2]), TypeError, r"y must not be a masked array.*y.filled"),
    "structured": (
        np.array([(1, 2)], dtype=[("a", int), ("b", int)]),
        TypeError,
        r"Got a structured array instead: use pandas.DataFrame\(y\)",
    ),
    "text": ("abc", TypeError, "array-like or a pandas DataFrame. Got str instead"),
    "a number": (3, TypeError, "Got int instead"),
    "another table": (Foreign(), TypeError, r"Got a .*Foreign.* instead. Use y.to_pandas\(\)"),
    "ragged": ([[1, 2], [3]], ValueError, r"rows of one length. Got lengths \[1, 2\]"),
    "ragged dict": ({"a": [1, 2], "b": [1]}, ValueError, "dict y must hold 1-D arrays of one"),
    "dict of tables": ({"a": np.ones((2, 2))}, ValueError, r"Got shapes {'a': \(2, 2\)}"),
    "no dimension": (np.array(1.0), ValueError, r"1-D or 2-D. Got an array of shape \(\)"),
    "3-D": (np.ones((2, 2, 2)), ValueError, r"Got an array of shape \(2, 2, 2\)"),
    "no rows": (np.ones((0, 2)), ValueError, r"0 sample\(s\) or column\(s\) \(shape=\(0, 2\)\)"),
    "no columns": (pd.DataFrame(index=[0, 1]), ValueError, r"shape=\(2, 0\)"),
    "repeated names": (
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        ValueError,
        r"distinct names. Repeated: \['a'\]",
    ),
    "complex": (np.array([1j]), ValueError, "Complex data not supported: column 0 of y"),
    "dates": (
        {"when": pd.date_range("2020", periods=2)},
        ValueError,
        "Column 'when' of y holds dates or durations",
    ),
    "durations": (np.array([1, 2], "m8[s]"), ValueError, "dates or durations"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_what_is_no_y_is_an_error(case):
    y, error, message = ERRORS[case]
    with pytest.raises(error, match=message):
        read_table(y)


# ----------------------------------------------------------------------- layout
FRAME = pd.DataFrame({"v": [0.5, 1.5], "w": [1, 2], "k": ["a", "b"], "m": ["c", "d"]})
LAYOUTS = {
    "dtypes decide": ({}, [(0,), (1,)], [(2,), (3,)]),
    "values declared, the rest are classes": ({"value_columns": "v"}, [(0,)], [(1,), (2,), (3,)]),
    "classes declared, the rest are values": (
        {"class_columns": ["k", "m"]},
        [(0,), (1,)],
        [(2,), (3,)],
    ),
    "both declared": ({"value_columns": ["w"], "class_columns": ["m"]}, [(1,)], [(3,)]),
    "by position, from the end, too": (
        {"value_columns": [0], "class_columns": np.array([-1])},
        [(0,)],
        [(3,)],
    ),
    "a column of both kinds": ({"value_columns": ["w"], "class_columns": ["w"]}, [(1,)], [(1,)]),
    "groups": (
        {"value_columns": [["v", "w"]], "class_columns": [("k", 3)]},
        [(0, 1)],
        [(2, 3)],
    ),
    "no classes": ({"value_columns": ["v"], "class_columns": []}, [(0,)], []),
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_which_columns_are_what(case):
    declared, values, classes = LAYOUTS[case]
    declared = {"value_columns": None, "class_columns": None, **declared}
    assert layout(FRAME, True, **declared, class_bins=None) == (values, classes)


def test_labels_are_cut_from_the_value_where_no_other_column_is_left():
    for class_bins in (3, None):
        assert layout(FRAME[["v"]], True, ["v"], None, class_bins) == ([(0,)], [(0,)])
    assert layout(FRAME[["v", "w"]], True, ["v"], None, 3) == ([(0,)], [(1,)])
