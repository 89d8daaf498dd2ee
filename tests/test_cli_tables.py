"""The command line on tables as other programs write them."""

import bz2
import codecs
import csv
import gzip
import io
import lzma
import subprocess
import sys
import zipfile

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skjoint._cli import main
from skjoint._cli.csv_form import CsvForm, distinct_names
from skjoint._cli.parser import KINDS, make_parser
from skjoint._cli.sources import encoding_of
from skjoint._cli.task import csv_task
from skjoint._cli.train import feature_report_lines

ROWS = pd.DataFrame(
    {
        "id": ["001", "002", "010"],
        "zip": ["01067", "80331", "01069"],
        "size": [12.5, 1100.25, None],
        "rooms": [1, 2, 3],
        "city": ["Köln", "Halle; Saale", 'say "hä",\nor so'],
        "garden": [True, False, True],
        "price": [10.5, 20.25, 30.0],
        "grade": ["gut", "NA", "007"],
    }
)
TARGETS = ["--value", "price", "--class", "grade"]


def text_of(sep=",", decimal=".", **options):
    return ROWS.to_csv(index=False, sep=sep, decimal=decimal, **options)


def task_of(path, *options):
    return csv_task(make_parser().parse_args(["train", str(path), *TARGETS, "-o", "m", *options]))


def assert_rows(task):
    """Whatever the file was, the rows are read from it."""
    X = task.X
    assert X["zip"].tolist() == ROWS["zip"].tolist()
    assert X["size"].dropna().tolist() == [12.5, 1100.25]
    assert X["rooms"].tolist() == [1, 2, 3]
    assert X["city"].tolist() == ROWS["city"].tolist()
    assert X["garden"].tolist() == [True, False, True]
    assert task.y["price"].tolist() == [10.5, 20.25, 30.0]
    assert task.y["grade"].tolist() == ["gut", "NA", "007"]


# -------------------------------------------------------------------- forms of files
FORMS = {
    "usual": text_of().encode(),
    "semicolons": text_of(";").encode(),
    "decimal commas": text_of(";", ",").encode(),
    "decimal commas, quoted": text_of(",", ",").encode(),
    "tabs": text_of("\t").encode(),
    "bars": text_of("|").encode(),
    "mark of UTF-8": text_of(";", ",").encode("utf-8-sig"),
    "UTF-16": text_of("\t").encode("utf-16"),
    "UTF-16, big end first": codecs.BOM_UTF16_BE + text_of("\t").encode("utf-16-be"),
    "cp1252": text_of(";", ",").encode("cp1252"),
    "lines of Windows": text_of(";", ",", lineterminator="\r\n").encode(),
    "Excel's first line": b"sep=;\r\n" + text_of(";").encode(),
    "empty lines": b"\n\n" + text_of().encode() + b"\n\n",
    "rows without cells at the end": text_of(";").encode() + b";;;;;;;\n",
    "all quoted": text_of(quoting=csv.QUOTE_ALL).encode(),
    "an index": ROWS.to_csv().encode(),
}


@pytest.mark.filterwarnings("ignore:.*is not UTF-8|.*without a name")
@pytest.mark.parametrize("form", FORMS)
def test_files_in_any_form_are_the_same_table(form, tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(FORMS[form])
    assert_rows(task_of(path, "--drop", "id"))


def zipped(content):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("inside.csv", content)
    return stream.getvalue()


PACKED = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zip": zipped}


@pytest.mark.parametrize("ending", PACKED)
def test_packed_files(ending, tmp_path, capsys):
    path = tmp_path / f"x.csv{ending}"
    packed = PACKED[ending](text_of(";", ",").encode())
    path.write_bytes(packed)
    assert_rows(task_of(path, "--drop", "id"))
    path.write_bytes(packed[: len(packed) // 2])
    assert "not a readable CSV table" in error_of("compare", path, *TARGETS, capsys=capsys)


@pytest.mark.parametrize("indexed", [False, True])
def test_parquet(indexed, tmp_path, capsys):
    pytest.importorskip("pyarrow")
    path = tmp_path / "x.parquet"
    (ROWS.set_index("id") if indexed else ROWS).to_parquet(path)
    assert_rows(task_of(path, *([] if indexed else ["--drop", "id"])))
    assert "--sep is for CSV files" in error_of(
        "compare", path, *TARGETS, "--sep", ";", capsys=capsys
    )
    path.write_bytes(b"no such file")
    assert "not a readable Parquet file" in error_of("compare", path, *TARGETS, capsys=capsys)


def test_labels_of_parquet_are_exact_beside_gaps(tmp_path):
    pytest.importorskip("pyarrow")
    labels = pd.array([2**53 + 1, None, 2**53], dtype="Int64")
    ROWS.assign(grade=labels).to_parquet(tmp_path / "x.parquet")
    found = task_of(tmp_path / "x.parquet").y["grade"]
    assert [found[0], found[2]] == [2**53 + 1, 2**53]
    assert pd.isna(found[1])


def test_parquet_without_pyarrow(tmp_path, monkeypatch, capsys):
    (tmp_path / "x.parquet").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    error = error_of("compare", tmp_path / "x.parquet", *TARGETS, capsys=capsys)
    assert 'pip install "skjoint[tables]"' in error


def test_what_is_given_is_not_looked_for(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes("a:b:c,d:price:grade\n1,5:2,500:x:1:ä\n".encode("cp1250"))
    options = ["--sep", ":", "--decimal", ",", "--encoding", "cp1250"]
    task = task_of(path, *options)
    assert task.X.to_dict("list") == {"a": [1.5], "b": [2.5], "c,d": ["x"]}
    assert task.y["grade"].tolist() == ["ä"]
    path.write_text("a\tprice\tgrade\n1,234\t5\tx\n")
    assert task_of(path).X["a"].tolist() == ["1,234"]  # thousands as likely
    assert task_of(path, "--sep", r"\t", "--decimal", ",").X["a"].tolist() == [1.234]


cells = st.text(st.sampled_from('ab ,;\t|"\n.0é'), min_size=1, max_size=5).filter(
    lambda text: text.strip() == text
)
numbers = st.integers(-999, 999).map(lambda number: number / 10)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([(",", "."), (";", ","), (";", "."), ("\t", "."), ("\t", ",")]),
    st.lists(st.tuples(cells, numbers, numbers), min_size=2, max_size=6),
)
def test_forms_are_found_whatever_the_cells_hold(form, rows):
    """Names have no separators in them, which is what they are found by."""
    table = pd.DataFrame(rows, columns=["text", "x", "y"])
    sep, decimal = form
    found = CsvForm.of(table.to_csv(index=False, sep=sep, decimal=decimal))
    assert found.sep == sep
    written = table[["x", "y"]].to_csv(sep=";", decimal=decimal)
    if decimal == "." or "," in written:
        assert found.decimal == decimal or "." in "".join(table["text"])
    assert found.header == ["text", "x", "y"]


@pytest.mark.parametrize(
    ("text", "sep", "decimal", "header"),
    [
        ("a\n1\n2\n", ",", ".", ["a"]),
        ("a b, c\nx\ny\n", ",", ".", ["a b", " c"]),
        ("a;b\n1,5;2,5\n", ";", ",", ["a", "b"]),
        ("a;b\n1.234;2\n", ";", ".", ["a", "b"]),
        ("a;b\n1.234;2,5\n", ";", ",", ["a", "b"]),
        ("a;b\n1.5;2,5\n", ";", ".", ["a", "b"]),
        ("a;b;\n1;2;\n", ";", ".", ["a", "b", ""]),
        ("a;b\n1;2;\n3;4;\n", ";", ".", ["a", "b", ""]),
        ("a\tb\nr1\t1\t2\nr2\t3\t4\n", "\t", ".", ["", "a", "b"]),
        ("a,b\n", ",", ".", ["a", "b"]),
    ],
)
def test_form(text, sep, decimal, header):
    form = CsvForm.of(text)
    assert form[:2] == (sep, decimal)
    assert form.header == header


@given(st.lists(st.sampled_from(["a", "a.1", "b", ""]), min_size=1, max_size=6))
def test_columns_are_called_as_pandas_calls_them(header):
    names = distinct_names(header)
    assert len(set(names)) == len(header)
    if len(header) > 1:
        found = pd.read_csv(io.StringIO(",".join(header) + "\n" + ",".join("1" * len(header))))
        assert names == list(found)


# -------------------------------------------------------------------------- encoding
@pytest.mark.parametrize("cut", [1, 2, 3, 1000])
def test_encodings_are_found_in_blocks_of_any_size(cut):
    def found(content, **options):
        return encoding_of([content[i : i + cut] for i in range(0, len(content), cut)], **options)

    assert found(b"abc") == "utf-8"
    assert found("aäß€😀".encode()) == "utf-8"
    assert found("aäß€".encode("cp1252")) == "cp1252"
    assert found("aä".encode()[:-1], whole=False) == "utf-8"
    assert found("aä".encode()[:-1]) == "cp1252"
    for content, why in [
        ("ä\nb\n".encode() + b"\xe4", "UTF-8 up to line 3"),
        (b"\xe4\x81", "neither UTF-8 nor cp1252"),
        (b"a\0", "no text"),
    ]:
        with pytest.raises(ValueError, match=why):
            found(content)


def test_umlauts_beyond_the_first_lines(tmp_path):
    """The header is read at once, the encoding found in the whole file."""
    path = tmp_path / "x.csv"
    rows = b"a,price,grade\n" + b"x,1,y\n" * 60_000
    path.write_bytes(rows + "ä,1,y\n".encode("cp1252"))
    with pytest.warns(UserWarning, match="read as cp1252. --encoding names another"):
        assert task_of(path).X["a"].iloc[-1] == "ä"
    path.write_bytes(rows + "ä,1,y\n".encode())
    assert task_of(path).X["a"].iloc[-1] == "ä"


# ------------------------------------------------------------------- kinds of columns
def test_codes_with_leading_zeros_are_text(tmp_path):
    columns = {
        "code": ["7", "007", ""],
        "big": ["00012345678901234567890", "1", "2"],
        "number": ["0", "-0.5", "0.25"],
        "whole": ["0", "10", ""],
        "price": ["01", "02", "03"],
        "grade": ["a", "b", "a"],
    }
    pd.DataFrame(columns).to_csv(tmp_path / "x.csv", index=False)
    task = task_of(tmp_path / "x.csv")
    assert task.X["code"].tolist()[:2] == ["7", "007"]
    assert task.X["big"].tolist() == columns["big"]
    assert task.X["number"].tolist() == [0, -0.5, 0.25]
    assert task.X["whole"].tolist()[:2] == [0, 10]
    assert task.y["price"].tolist() == [1, 2, 3]
    task = task_of(tmp_path / "x.csv", "--kind", "code=number", "whole=category")
    assert task.X["code"].tolist()[:2] == [7, 7]
    assert task.X["whole"].tolist()[:2] == ["0", "10"]
    assert task.parameters["preprocess"] == {"code": "number", "whole": "category"}


def test_kinds_are_those_of_the_estimator(tmp_path):
    (tmp_path / "x.csv").write_text("a=b,price,grade\n1,2,x\n")
    for kind in KINDS:
        task = task_of(tmp_path / "x.csv", "--kind", f"a=b={kind}")
        assert task.parameters["preprocess"] == {"a=b": kind}
    assert "preprocess" not in task_of(tmp_path / "x.csv").parameters


def test_report_of_features():
    report = pd.DataFrame(
        {
            "column": ["zip", "note"],
            "kind": ["category", "drop"],
            "why": ["text", "distinct in 99 % of the rows"],
            "levels": [812, 2000],
            "width": [1, 0],
            "missing": [0.0, 0.125],
        }
    )

    class Fitted:
        feature_report_ = report

    lines = feature_report_lines(Fitted())
    assert lines[0] == "Features:"
    assert lines[2].split() == list(report)
    assert lines[3].split() == ["zip", "category", "text", "812", "1", "0.0%"]
    assert "distinct in 99 % of the rows" in lines[4]
    assert lines[4].endswith("12.5%")
    Fitted.feature_report_ = pd.concat([report] * 500)
    assert len(feature_report_lines(Fitted())) < 70


# ------------------------------------------------------------------------- mistakes
def error_of(*arguments, capsys):
    assert main([str(argument) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("skjoint: error: ")
    assert error.count("\n") == 1
    return error


BAD = {
    "text in the number": (
        'a,price,grade\n"x\ny",1,k\n\n"z",n.a.,k\n',
        [],
        "x.csv, line 5: column 'price' must hold numbers. Got 'n.a.' instead.",
    ),
    "a decimal comma": ('a,price,grade\n1,"1,5",k\n2,2.75,k\n', [], "--decimal , reads decimal"),
    "infinity": ("a,price,grade\n1,1,k\ninf,2,k\n", [], "line 3: column 'a' must hold finite"),
    "a long row": (
        "a,price,grade\n1,2,x\n1,2,x,4\n",
        [],
        "line 3: 4 fields, where the header has 3",
    ),
    "a first long row": ("a,price,grade\n1,2,x,4\n1,2,x\n", [], "line 2: 4 fields"),
    "a name twice": ("a,a,price,grade\n1,2,3,x\n", [], "several columns 'a': give each a name"),
    "no rows": ("a,price,grade\n", [], "x.csv has no rows"),
    "a near name": ("a,prize,grade\n1,2,x\n", [], "no column 'price'. Did you mean 'prize'?"),
    "kind of no column": ("area,price,grade\n1,2,x\n", ["--kind", "aera=text"], "mean 'area'?"),
    "kind of a target": ("a,price,grade\n1,2,x\n", ["--kind", "price=text"], "not name a target"),
    "kind of a dropped column": (
        "a,b,price,grade\n1,2,2,x\n",
        ["--drop", "a", "--kind", "a=text"],
        "--kind must name features. Got a instead.",
    ),
    "other encoding": ("a,price,grade\nä,2,x\n", ["--encoding", "ascii"], "another encoding"),
}


@pytest.mark.parametrize("case", BAD)
def test_mistakes_are_one_line_that_names_the_place(case, tmp_path, capsys):
    content, options, message = BAD[case]
    path = tmp_path / "x.csv"
    path.write_text(content)
    out = ["-o", tmp_path / "m"]
    assert message in error_of("train", path, *TARGETS, *out, *options, capsys=capsys)


def test_columns_of_one_name_are_left_out_by_it(tmp_path):
    (tmp_path / "x.csv").write_text("a,a,b,price,grade\n1,2,4,3,x\n")
    assert list(task_of(tmp_path / "x.csv", "--drop", "a").X) == ["b"]


def test_a_word_among_numbers_is_named(tmp_path):
    rows = [f"{i},{i % 3}0,2,x" for i in range(1, 30)]
    (tmp_path / "x.csv").write_text("\n".join(["a,b,price,grade", *rows, "k.A.,1,2,x"]))
    with pytest.warns(UserWarning, match="line 31: column 'a' holds 'k.A.' among numbers"):
        task_of(tmp_path / "x.csv")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--no-such"], "arguments are required: table, --value"),
        (["train", "x.csv", *TARGETS, "-o", "m", "--no-such"], "unrecognized arguments: --no-such"),
        (["train", "x.csv", *TARGETS, "-o", "m", "--kind", "a=txt"], "Did you mean 'text'?"),
        (["train", "x.csv", *TARGETS, "-o", "m", "--kind", "a"], "such as zip=category"),
        (["compare", "x.csv", *TARGETS, "--sep", ";;"], "must be one character"),
        (["compare", "x.csv", *TARGETS, "--encoding", "utf-9"], "unknown encoding: utf-9"),
        (["compare", "x.csv", *TARGETS, "--decimal", ";"], "invalid choice"),
    ],
)
def test_wrong_options_are_one_line(arguments, message, capsys):
    with pytest.raises(SystemExit) as usage:
        main(arguments)
    assert usage.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error


def test_what_nobody_expected_is_one_line_too(monkeypatch, capsys):
    def fail(_):
        raise KeyError("x")

    monkeypatch.setattr("skjoint._cli.check_arguments", fail)
    assert main([]) == 1
    assert capsys.readouterr().err == "skjoint: error: KeyError: 'x'\n"


def test_mistakes_are_answered_before_anything_heavy_is_imported(tmp_path):
    """In one process, so that nothing is imported on the way."""
    (tmp_path / "x.csv").write_text("a,price,grade\n1,2,x\n")
    (tmp_path / "m").write_text("")
    script = """
import contextlib, io, sys
from skjoint._cli import main
train = ["train", "x.csv", "--value", "price", "--class", "grade", "-o", "new"]
for arguments, message in [
    (["train", "--no-such"], "required"),
    ([*train[:-1], "m"], "is there already"),
    ([*train, "--folds", "1"], "--folds must be at least 2"),
    ([*train, "--seed", "-1"], "--seed must be at least 0"),
    (["train", "y.csv", *train[2:]], "There is no file y.csv"),
    ([*train, "--value", "prize"], "Did you mean 'price'?"),
    ([*train, "--kind", "b=text"], "no column 'b'"),
    ([*train, "--kind", "a=txt"], "Did you mean 'text'?"),
    (["compare", "x.csv", "--value", "v", "--class", "k"], "no column 'v'"),
    (["predict", "no", "x.csv"], "There is no file no"),
    (["predict", "m", "y.csv"], "There is no file y.csv"),
    (["predict", "m", "x.csv", "--keep", "gride"], "Did you mean 'grade'?"),
]:
    with contextlib.redirect_stderr(io.StringIO()) as stream:
        try:
            code = main(arguments)
        except SystemExit as usage:
            code = usage.code
    assert code == 2 and message in stream.getvalue(), (arguments, stream.getvalue())
    assert stream.getvalue().count("\\n") == 1, stream.getvalue()
assert not {"tensorflow", "keras", "sklearn", "pandas"} & set(sys.modules)
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
