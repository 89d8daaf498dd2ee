"""The command line's predictions: columns, chunks, places of errors, forms of output."""

import gzip
import io

import numpy as np
import pandas as pd
import pytest

from conftest import small
from skjoint._cli import main, tables
from skjoint._cli.predictions import Predictions
from skjoint.persistence import save

N = 60
RNG = np.random.default_rng(0)
X = pd.DataFrame(
    {
        "size": RNG.normal(size=N).round(3),
        "rooms": RNG.integers(1, 5, N),
        "zip": RNG.choice(["01067", "80331", "1067"], N),
        "garden": RNG.choice([True, False], N),
    }
)
Y = pd.DataFrame({"price": X["size"] * 3 + X["rooms"], "grade": np.where(X["rooms"] > 2, "A", "B")})
IDS = pd.DataFrame({"id": [f"{i:04d}" for i in range(N)], "when": ["2024-01-02"] * N})
PROBAS = ["grade_proba_A", "grade_proba_B"]


@pytest.fixture(scope="module")
def est():
    return small(epochs=2, value_columns=["price"], class_columns=["grade"]).fit(X, Y)


@pytest.fixture
def folder(tmp_path, monkeypatch, est):
    monkeypatch.chdir(tmp_path)
    save(est, "m")
    IDS.join(X).to_csv("new.csv", index=False)
    return tmp_path


def predict(*arguments):
    assert main(["predict", "m", *arguments, "--force"]) == 0


def assert_predictions(found, est):
    np.testing.assert_allclose(found["price"], est.predict_value(X))
    assert found["grade"].tolist() == est.predict_class(X).tolist()
    np.testing.assert_allclose(found[PROBAS], est.predict_proba(X))


def test_columns_are_the_kept_ones_and_the_targets(folder, est):
    predict("new.csv", "--keep", "id,zip", "when", "-o", "out.csv")
    found = pd.read_csv("out.csv", dtype={"id": str, "zip": str})
    assert list(found) == ["id", "zip", "when", "price", "grade", *PROBAS]
    assert found["id"].tolist() == IDS["id"].tolist()
    assert found["zip"].tolist() == X["zip"].tolist()
    assert_predictions(found, est)


def test_a_kept_column_of_a_target_stands_beside_its_prediction(folder):
    IDS.join(X).join(Y).to_csv("new.csv", index=False)
    predict("new.csv", "--keep", "price", "-o", "out.csv")
    found = pd.read_csv("out.csv")
    assert list(found) == ["price", "price_predicted", "grade", *PROBAS]
    np.testing.assert_allclose(found["price"], Y["price"])


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_tables_are_predicted_in_chunks(ending, folder, est, monkeypatch):
    """Each has its own types, and all together are the whole."""
    table = IDS.join(X).astype({"rooms": object})
    table.loc[[3, 50], "size"] = np.nan
    table.loc[40:, "garden"] = True
    if ending == "parquet":
        pytest.importorskip("pyarrow")
        table["rooms"] = table["rooms"].astype(int)
    for keep in ([], ["--keep", "id", "size", "zip", "garden"]):
        getattr(table, f"to_{ending}")(f"new.{ending}", index=False)
        monkeypatch.undo()
        monkeypatch.chdir(folder)
        predict(f"new.{ending}", *keep, "-o", "whole.csv")
        monkeypatch.setattr(tables, "CHUNK", 1100)  # bytes
        sizes = []
        of = Predictions.of
        monkeypatch.setattr(
            Predictions,
            "of",
            lambda self, X, of=of, sizes=sizes: sizes.append(len(X)) or of(self, X),
        )
        predict(f"new.{ending}", *keep, "-o", "parts.csv")
        assert len(sizes) > 3
        assert sum(sizes) == N
        whole, parts = (pd.read_csv(name, dtype=str) for name in ("whole.csv", "parts.csv"))
        kept = [c for c in whole if c not in ("price", *PROBAS)]
        pd.testing.assert_frame_equal(whole[kept], parts[kept])
        numbers = whole[["price", *PROBAS]].astype(float)
        pd.testing.assert_frame_equal(numbers, parts[["price", *PROBAS]].astype(float))


def test_columns_are_read_as_in_training(folder, est):
    """Codes of digits are text, numbers are numbers, booleans stay what they are."""
    table = X.astype({"size": object, "rooms": object, "garden": object})
    table["zip"] = "01067"
    expected = est.predict_value(X.assign(zip="01067"))
    table["rooms"] = [f"00{rooms}" for rooms in table["rooms"]]
    table["size"] = [f"{size:+.5f}" for size in table["size"]]
    table["garden"] = ["TRUE" if garden else "false" for garden in table["garden"]]
    table.to_csv("new.csv", index=False)
    for keep in ([], ["--keep", "zip", "size", "rooms", "garden"]):
        predict("new.csv", *keep, "-o", "out.csv")
        np.testing.assert_allclose(pd.read_csv("out.csv")["price"], expected)


def test_kept_cells_are_written_as_they_are(folder):
    cells = ["NA", "", "007", "1e5", "-1.50", "12345678901234567890123", "a;b", 'say "x"', "None"]
    X[:9].assign(key=cells).to_csv("new.csv", index=False)
    predict("new.csv", "--keep", "key", "-o", "out.csv")
    found = pd.read_csv("out.csv", dtype=str, keep_default_na=False)["key"]
    assert found.tolist() == cells


def test_standard_output(folder, capsys, est):
    for arguments in (["new.csv"], ["new.csv", "-o", "-"]):
        predict(*arguments, "--keep", "id")
        found = pd.read_csv(io.StringIO(capsys.readouterr().out))
        assert next(iter(found)) == "id"
        assert_predictions(found, est)


@pytest.mark.parametrize("ending", ["gz", "bz2", "xz"])
def test_packed_output(ending, folder, est):
    predict("new.csv", "-o", f"out.csv.{ending}")
    assert_predictions(pd.read_csv(f"out.csv.{ending}"), est)
    first = (folder / f"out.csv.{ending}").read_bytes()
    predict("new.csv", "-o", f"out.csv.{ending}")
    assert (folder / f"out.csv.{ending}").read_bytes() == first


def test_parquet_output_keeps_types(folder, est, monkeypatch):
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(tables, "CHUNK", 1100)
    predict("new.csv", "--keep", "id", "-o", "out.parquet")
    found = pd.read_parquet("out.parquet")
    assert found["id"].tolist() == IDS["id"].tolist()
    assert_predictions(found, est)
    kept = {
        "id": np.arange(N)[::-1] ** 2 + 2**60,
        "big": pd.array([None] * 40 + [2**60 + 1] * 20, dtype="Int64"),
        "day": pd.Timestamp("2024-01-02", tz="Europe/Berlin"),
        "kind": pd.Categorical(["x", "y", None] * 20),
    }
    X.assign(**kept).set_index("id").to_parquet("new.parquet")
    predict("new.parquet", "--keep", "id", "big", "day", "kind", "-o", "out.parquet")
    found = pd.read_parquet("out.parquet", dtype_backend="numpy_nullable")
    assert found["id"].tolist() == kept["id"].tolist()
    assert found["big"].dropna().tolist() == [2**60 + 1] * 20
    assert (found["day"] == kept["day"]).all()
    assert found["kind"].dropna().tolist() == ["x", "y"] * 20
    assert_predictions(pd.read_parquet("out.parquet"), est)


# -------------------------------------------------------------------------- errors
BAD = {
    "text in a number": ("size", "n.a.", "column 'size' must hold numbers. Got 'n.a.' instead."),
    "a decimal comma": ("size", "1,5", "Got '1,5' instead. --decimal , reads decimal commas."),
    "infinity": ("size", "inf", "column 'size' must hold finite numbers. Got inf instead."),
    "beyond": ("rooms", "1e300", "column 'rooms' must hold finite numbers. Got 1e+300 instead."),
}


@pytest.mark.parametrize("keep", [[], ["--keep", "size"]])
@pytest.mark.parametrize("chunk", [tables.CHUNK, 1100])
@pytest.mark.parametrize("case", BAD)
def test_a_bad_value_is_named_with_its_line(case, chunk, keep, folder, monkeypatch, capsys):
    """Nothing is written, and the line is that of the file."""
    column, entry, message = BAD[case]
    monkeypatch.setattr(tables, "CHUNK", chunk)
    table = X.astype({"size": object, "rooms": object}).assign(note="two\nlines")
    table.loc[[37, 45], column] = entry
    table.to_csv("new.csv", index=False)
    assert main(["predict", "m", "new.csv", "-o", "out.csv", *keep]) == 2
    error = capsys.readouterr().err
    assert error.startswith("skjoint: error: new.csv, line 76: ")
    assert error.count("\n") == 1
    assert message in error
    assert sorted(path.name for path in folder.iterdir()) == ["m", "new.csv"]


def test_a_bad_value_of_parquet_is_named_with_its_row(folder, capsys):
    pytest.importorskip("pyarrow")
    X.assign(size=np.where(X.index == 9, np.inf, X["size"])).to_parquet("new.parquet")
    assert main(["predict", "m", "new.parquet"]) == 2
    assert "new.parquet, row 10: column 'size' must hold" in capsys.readouterr().err


def test_other_mistakes(folder, capsys):
    def error(*arguments):
        assert main(["predict", "m", *arguments]) == 2
        return capsys.readouterr().err

    X.rename(columns={"rooms": "room"}).to_csv("less.csv", index=False)
    message = "lacks columns the model was trained on: rooms. Did you mean 'room'?"
    assert message in error("less.csv")
    (folder / "none.csv").write_text(",".join(X) + "\n")
    assert "none.csv has no rows" in error("none.csv", "-o", "out.csv")
    assert not (folder / "out.csv").exists()
    assert "--output must end in" in error("new.csv", "-o", "out.zip")
    (folder / "twice.csv").write_text("size,size,rooms,zip,garden\n1,2,3,4,5\n")
    assert "several columns 'size'" in error("twice.csv")
    with gzip.open("new.csv.gz", "wb") as stream:
        stream.write((folder / "new.csv").read_bytes() + b"1,2,3,4,5,6,7,8\n")
    assert "line 62: 8 fields, where the header has 6" in error("new.csv.gz", "-o", "out.csv")
    assert not (folder / "out.csv").exists()


# ------------------------------------------------------------------- other models
def test_targets_of_every_form(folder):
    y = pd.DataFrame(
        {
            "p": Y["price"],
            "q": -Y["price"],
            "n": 5 - X["rooms"],
            "k": Y["grade"],
            "a": (X["rooms"] > 2) * 1.0,
            "b": (X["rooms"] <= 2) * 1.0,
        }
    )
    cases = [
        (["p"], [], {}, ["p"]),
        ([["p", "q"]], ["k"], {}, ["p", "q", "k", "k_proba_A", "k_proba_B"]),
        (["p", "q"], [], {}, ["p", "q"]),
        ([], ["k"], {}, ["k", "k_proba_A", "k_proba_B"]),
        (["n"], ["n"], {}, ["n", "n_class", *(f"n_class_proba_{i}" for i in range(1, 5))]),
        (["p"], [["a", "b"]], {}, ["p", "a_b", "a_b_proba_a", "a_b_proba_b"]),
        (["p"], ["p"], {"class_bins": 2}, ["p", "p_class", "p_class_proba_0", "p_class_proba_1"]),
    ]
    for values, classes, more, expected in cases:
        used = list(dict.fromkeys(np.hstack([*values, *classes]).tolist()))
        est = small(epochs=1, value_columns=values, class_columns=classes, **more)
        est.fit(X, y[used])
        predictions = Predictions(est, [])
        found = predictions.of(X)
        assert list(found) == expected
        if values:
            numbers = est.predict_value(X).reshape(N, -1)
            np.testing.assert_array_equal(found.iloc[:, : numbers.shape[1]], numbers)


def test_a_model_of_arrays_takes_all_columns_but_those_that_are_kept(folder, recwarn, capsys):
    numbers = X[["size", "rooms"]].to_numpy(dtype=float)
    est = small(epochs=1).fit(numbers, Y.to_numpy(dtype=object))
    save(est, "m")
    IDS[["id"]].join(X[["size", "rooms"]]).to_csv("new.csv", index=False)
    predict("new.csv", "--keep", "id", "-o", "out.csv")
    found = pd.read_csv("out.csv")
    assert list(found) == ["id", "value", "class", "class_proba_A", "class_proba_B"]
    np.testing.assert_allclose(found["value"], est.predict_value(numbers))
    assert capsys.readouterr().err == ""
