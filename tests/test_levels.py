"""Categories are matched by what they say, not by the type they come in."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from skjoint import JointRegressorClassifier
from skjoint.__main__ import main
from skjoint._data.categories import CategoryEncoder
from skjoint._data.distinct import distinct, said
from skjoint.persistence import load, save

CODES = np.array([101, 102, 103, 104] * 15)
Y = pd.DataFrame({"number": CODES % 7 * 10.0, "label": np.where(CODES > 102, "big", "small")})


def table(column):
    return pd.DataFrame({"code": column, "x": np.linspace(-1, 1, len(column))})


def fit(column):
    params = {"epochs": 30, "learning_rate": 0.03, "random_state": 0}
    return JointRegressorClassifier.plain((8,), **params).fit(table(column), Y)


WHOLE = {
    "text": lambda: pd.Series(CODES.astype(str)),
    "object text": lambda: pd.Series(CODES.astype(str), dtype=object),
    "category of text": lambda: pd.Series(CODES.astype(str)).astype("category"),
    "category of numbers": lambda: pd.Series(CODES).astype("category"),
    "category of floats": lambda: pd.Series(CODES.astype(float)).astype("category"),
    "ordered": lambda: pd.Series(pd.Categorical(CODES, ordered=True)),
    "string": lambda: pd.Series(CODES.astype(str), dtype="string"),
}
LATER = {
    **WHOLE,
    "int64": lambda: pd.Series(CODES),
    "int8": lambda: pd.Series(CODES.astype(np.int8)),
    "float64": lambda: pd.Series(CODES.astype(float)),
    "float32": lambda: pd.Series(CODES.astype(np.float32)),
    "Int64": lambda: pd.Series(CODES, dtype="Int64"),
    "mixed": lambda: pd.Series([str(c) if c % 2 else c for c in CODES], dtype=object),
}


@pytest.mark.parametrize("first", WHOLE)
def test_the_same_codes_in_another_type_are_the_same_levels(first, tmp_path):
    est = fit(WHOLE[first]())
    save(est, tmp_path / "m")
    again = load(tmp_path / "m")
    expected = est.predict(table(WHOLE[first]()))
    assert est.score(table(WHOLE[first]()), Y) > 0.5
    for later, column in LATER.items():
        for model in (est, again):
            assert_array_equal(model.predict(table(column())), expected, err_msg=later)


@pytest.mark.parametrize("first", ["text", "string", "category"])
def test_truth_values_say_their_names(first):
    flags = CODES > 102
    columns = {
        "bool": pd.Series(flags),
        "object": pd.Series(flags, dtype=object),
        "text": pd.Series(flags.astype(str)),
        "string": pd.Series(flags.astype(str), dtype="string"),
        "category": pd.Series(flags).astype("category"),
    }
    pa = pytest.importorskip("pyarrow")
    columns["arrow"] = pd.Series(flags, dtype=pd.ArrowDtype(pa.bool_()))
    est = fit(columns[first])
    expected = est.predict(table(columns[first]))
    for later in ("text", "string", "object", "category", "bool", "arrow"):
        assert_array_equal(est.predict(table(columns[later])), expected, err_msg=later)


def test_codes_beyond_what_float64_tells_apart():
    codes = 2**53 + CODES
    est = fit(pd.Series(codes.astype(str)))
    assert_array_equal(est.predict(table(pd.Series(codes))), est.predict(table(codes.astype(str))))


def test_leading_zeros_and_truth_values_are_levels_of_their_own():
    known = CategoryEncoder.learn(distinct(pd.Series(["0101", "1", "True"], dtype=object)))
    for entries, codes in (([101, 1, 1.0, None, "1", 0.5], [0, 2, 2, 0, 2, 0]), ([True], [3])):
        column = distinct(pd.Series(entries, dtype=object))
        assert known.encode(column).tolist() == codes


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (-0.0, "0"),
        (1e300, str(int(1e300))),
        (float("inf"), "inf"),
        (np.uint64(2**64 - 1), "18446744073709551615"),
        (np.bool_(False), "False"),
        (b"1", "b'1'"),
        ((1, 2), "(1, 2)"),
    ],
)
def test_what_entries_say(entry, text):
    assert said(entry) == text


def test_one_warning_where_nothing_of_a_column_is_known():
    est = fit(pd.Series(CODES.astype(str)))
    other = table(pd.Series(["n" + str(c) for c in CODES]))
    with pytest.warns(UserWarning, match="None of the 60 entries of column 'code'") as caught:
        est.predict(other)
    assert len(caught) == 1
    est.predict(other[:9])  # few say nothing
    other.loc[0, "code"] = "101"
    est.predict(other)


def test_a_new_file_that_holds_digits_alone(tmp_path, capsys):
    """Codes 1 2 3 A B in training, and digits in the file to predict; with zeros before, too."""
    rng = np.random.default_rng(0)
    codes = rng.choice(["01", "2", "3", "A", "B"], 200)
    big = np.isin(codes, ["01", "3"])
    data = pd.DataFrame({"code": codes, "x": rng.normal(size=200)})
    data["number"], data["label"] = np.where(big, 10.0, -10.0), np.where(big, "yes", "no")
    data.to_csv(tmp_path / "train.csv", index=False)
    model = str(tmp_path / "m")
    main(
        [
            "train",
            str(tmp_path / "train.csv"),
            *["--value", "number", "--class", "label", "-o"],
            model,
        ]
    )
    digits = data[np.isin(codes, ["01", "2", "3"])]
    digits.to_csv(tmp_path / "new.csv", index=False)
    main(["predict", model, str(tmp_path / "new.csv"), "-o", str(tmp_path / "out.csv")])
    found = pd.read_csv(tmp_path / "out.csv")
    assert (found["label"].to_numpy() == digits["label"].to_numpy()).mean() > 0.95
