"""Tables of the command line: what a spreadsheet would run, and what is opened."""

import csv
import gzip
import http.server
import io
import threading

import numpy as np
import pandas as pd
import pytest

from conftest import small
from skjoint._cli import main
from skjoint._cli.cells import NEUTRALISED, labels_as_written, neutralised
from skjoint._cli.output import CsvOutput
from skjoint._cli.parser import make_parser
from skjoint._cli.tables import open_table
from skjoint.persistence import save

X = np.random.default_rng(0).normal(size=(30, 2))
RUN = [
    "=1+1",
    "+1",
    "-1",
    "@sum",
    "\tx",
    "\rx",
    "\nx",
    " =1",
    "＝1",
    "＋1",
    "－1",
    "＠x",
    "'=1",
    "''@a",
]
KEPT = ["a", "", "a=1", "'a", "1", "(1)", "#1", "ä", "'", "a\n=1"]


@pytest.mark.parametrize("text", RUN)
def test_text_that_a_spreadsheet_would_run_has_an_apostrophe(text):
    found = neutralised(text)
    assert found == f"'{text}"
    assert NEUTRALISED.sub(r"\1", found) == text


@pytest.mark.parametrize("text", KEPT)
def test_other_text_stays_as_it_is(text):
    assert neutralised(text) == text
    assert not NEUTRALISED.match(text)


def test_two_texts_are_told_apart():
    texts = [*RUN, *KEPT, *(f"'{text}" for text in RUN)]
    assert len({neutralised(text) for text in texts}) == len(set(texts))


def test_labels_are_read_without_the_apostrophe_that_the_command_line_writes():
    """Where every such text has one; beside one that has none, an apostrophe is the user's."""
    written = pd.Series(["'=a", "''=a", "'b", None], dtype=object)
    assert labels_as_written(written)[:3].tolist() == ["=a", "'=a", "'b"]
    foreign = pd.Series(["'=a", "=a", "b"], dtype=object)
    assert labels_as_written(foreign).tolist() == ["'=a", "=a", "b"]


def test_cells_and_headers_of_predictions(tmp_path):
    """Numbers stay numbers, negative ones too; text and headers are neutralised."""
    table = pd.DataFrame(X, columns=["a", "b"])
    y = pd.DataFrame(
        {"v": -1e3 + X[:, 0], "k": ["=cmd", "@x", "plain"] * 10, "n": [-1, -2, 3] * 10}
    )
    est = small(epochs=1, class_columns=["k", "n"]).fit(table, y)
    save(est, tmp_path / "m")
    table.to_csv(tmp_path / "x.csv", index=False)
    arguments = [str(tmp_path / name) for name in ("m", "x.csv")]
    assert main(["predict", *arguments, "-o", str(tmp_path / "out.csv")]) == 0
    with (tmp_path / "out.csv").open(newline="") as stream:
        header, *rows = csv.reader(stream)
    columns = dict(zip(header, zip(*rows, strict=True), strict=True))
    assert set(columns["k"]) <= {"'=cmd", "'@x", "plain"}
    assert all(float(number) < 0 for number in columns["v"])
    assert set(columns["n"]) <= {"-1", "-2", "3"}
    assert "k_proba_=cmd" in header  # begins with a letter
    risky = ("=", "+", "-", "@", "\t", "\r")
    cells = [*header, *(cell for row in rows for cell in row)]
    assert not [
        c for c in cells if c.startswith(risky) and not c.lstrip("-").replace(".", "").isdigit()
    ]


def test_headers_are_neutralised():
    stream = io.StringIO()
    kept, predicted = pd.DataFrame({"@a": ["1"]}), pd.DataFrame({"=b": [2.0]})
    CsvOutput(stream).write(kept, predicted)
    assert stream.getvalue() == "'@a,'=b\n1,2.0\n"


def test_kept_numbers_are_what_they_are():
    """They are text here, so that 007 stays 007, and no formula."""
    stream = io.StringIO()
    cells = ["-1", "+1.5", "-1,5", "-1e-3", "007", "-a", "=1", "+1 2", ""]
    CsvOutput(stream).write(pd.DataFrame({"id": cells}), pd.DataFrame(index=range(9)))
    lines = list(csv.reader(io.StringIO(stream.getvalue())))[1:]
    assert [cell for (cell,) in lines[:8]] == [*cells[:5], "'-a", "'=1", "'+1 2"]


@pytest.mark.parametrize("command", ["predict", "train", "compare"])
def test_help_names_both(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    out = " ".join(capsys.readouterr().out.split())
    assert "--allow-url" in out
    assert "apostrophe" in out


# ---------------------------------------------------------------------- addresses
ADDRESSES = [
    "http://127.0.0.1:1/x.csv",
    "https://example.org/x.csv",
    "ftp://example.org/x.csv",
    "file:///etc/passwd",
    "file:/etc/passwd",
    "FILE:///etc/passwd",
    "s3://bucket/x.csv",
    "gs://bucket/x.csv",
    "memory://x.csv",
    "simplecache::s3://bucket/x.csv",
    "http:x.csv",
    "data:text/csv,a,b",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_addresses_are_opened_on_request_alone(address, capsys, monkeypatch):
    def opened(*_, **__):
        raise AssertionError("opened")

    monkeypatch.setattr(pd, "read_csv", opened)
    assert main(["compare", address, "--value", "v", "--class", "k"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"skjoint: error: {address} is an address" in error
    assert "--allow-url" in error


def test_predict_opens_no_address(tmp_path, capsys):
    est = small(epochs=1).fit(X, pd.DataFrame({"v": 2 * X[:, 0], "k": ["a", "b"] * 15}))
    save(est, tmp_path / "m")
    command = ["predict", str(tmp_path / "m"), "https://example.org/x.csv"]
    assert main([*command, "-o", str(tmp_path / "out.csv")]) == 2
    assert "Add --allow-url" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


def read(path, *options):
    """A table as ``train`` reads it."""
    command = ["train", str(path), "--value", "a", "--class", "b", "-o", "m", *options]
    with open_table(make_parser().parse_args(command)) as table:
        return table.read()


def test_an_address_on_request(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with gzip.open(tmp_path / "y.csv.gz", "wb") as stream:
        stream.write(b"a;b\n1;2\n")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=tmp_path)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        for name in ("x.csv", "y.csv.gz", "y.csv.gz?download=1"):
            address = f"http://127.0.0.1:{server.server_address[1]}/{name}"
            assert read(address, "--allow-url").to_dict("list") == {"a": [1], "b": [2]}
        assert read((tmp_path / "x.csv").as_uri(), "--allow-url").shape == (1, 2)
    finally:
        server.shutdown()
        server.server_close()


def test_errors_of_addresses_are_one_line(capsys):
    for address in ("http://127.0.0.1:1/x.csv", "file:///no/such.csv", "nokind://x/y.csv"):
        command = ["compare", address, "--value", "v", "--class", "k", "--allow-url"]
        assert main(command) == 2
        error = capsys.readouterr().err
        assert error.startswith("skjoint: error: ")
        assert error.count("\n") == 1


def test_a_file_that_is_called_like_an_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "http:x.csv").write_text("a,b\n1,2\n")
    assert read("http:x.csv").shape == (1, 2)


def test_the_request_reaches_every_command(monkeypatch, tmp_path, capsys):
    """Each hands the option on to what opens addresses."""
    (tmp_path / "m").write_text("")

    def opened(address):
        raise ValueError("opened")

    monkeypatch.setattr("skjoint._cli.sources._open_address", opened)
    target = ["http://x", "--value", "v", "--class", "k"]
    commands = [
        ["train", *target, "-o", "nowhere"],
        ["compare", *target],
        ["predict", str(tmp_path / "m"), "http://x"],
    ]
    for command in commands:
        assert main([*command, "--allow-url"]) == 2
        assert capsys.readouterr().err == "skjoint: error: opened\n"
        assert main(command) == 2
        assert "Add --allow-url" in capsys.readouterr().err
