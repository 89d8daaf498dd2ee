"""The command line, as a user calls it."""

import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from conftest import make_data
from skjoint import __version__
from skjoint._cli import main
from skjoint.persistence import load


@pytest.fixture
def csv(tmp_path):
    X, y = make_data()
    path = tmp_path / "data.csv"
    pd.DataFrame(X, columns=list("abcd")).join(y).to_csv(path, index=False)
    return path


def test_main_job(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([]) == 0
    out = capsys.readouterr().out
    assert "joint model" in out
    assert "two separate models" in out
    assert "best constant" in out
    assert "Only 31 of 309 rows have the number, all have the label:" in out
    assert "All rows have both:" in out
    for column in ("MAE", "accuracy", "log loss", "disagree", "parameters", "seconds"):
        assert column in out
    picture = tmp_path / "skjoint-comparison.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert str(picture) in out


@pytest.mark.filterwarnings("ignore:y holds:UserWarning")
def test_compare(csv, tmp_path, capsys):
    picture = tmp_path / "my.png"
    for target in (["--class", "label"], ["--class-bins", "3", "--drop", "label"]):
        code = main(
            [
                "compare",
                str(csv),
                "--value",
                "value",
                *target,
                "--test-size",
                "30",
                "--plot",
                str(picture),
            ]
        )
        out = capsys.readouterr().out
        assert code == 0
        assert "90 to train, 30 to test" in out
        row = next(line for line in out.splitlines() if line.startswith("joint model")).split()
        assert (row[-3] == "-") == ("--class" in target)  # disagreement is known for bands
    assert picture.exists()


def errors(csv):
    table = pd.read_csv(csv)
    only_targets = csv.with_name("targets.csv")
    table[["value", "label"]].to_csv(only_targets, index=False)
    infinite = csv.with_name("infinite.csv")
    table.assign(a=np.inf).to_csv(infinite, index=False)
    broken = csv.with_name("broken.csv")
    broken.write_bytes(b"\x89PNG\x00\xff")
    empty = csv.with_name("empty.csv")
    empty.write_text("")
    usual = ["--value", "value", "--class", "label"]
    return {
        "no file": (["nowhere.csv", *usual], "There is no file nowhere.csv"),
        "a folder": ([csv.parent, *usual], "directory"),
        "not text": ([broken, *usual], "not a readable CSV table"),
        "empty": ([empty, *usual], "not a readable CSV table"),
        "misspelt column": (
            [csv, "--value", "valu", "--class", "label"],
            "no column 'valu'. Did you mean 'value'? Its columns are: a, b, c, d, value, label",
        ),
        "text as number": ([csv, "--value", "label", "--class", "value"], "must hold numbers"),
        "number as label": (
            [csv, "--value", "value", "--class", "b"],
            "Cut them into bands with --class-bins 3, or name another column with --class.",
        ),
        "no features": ([only_targets, *usual], "no column left to predict from"),
        "infinite": (
            [infinite, *usual],
            "infinite.csv, line 2: column 'a' must hold finite numbers. Got inf instead.",
        ),
        "one band": ([csv, "--value", "value", "--class-bins", "1"], "--class-bins must be at"),
        "drops its target": ([csv, *usual, "--drop", "value"], "must not name a target"),
        "a folder as picture": ([csv, *usual, "--plot", csv.parent], "is a folder"),
        "too many test rows": ([csv, *usual, "--test-size", "500"], "test_size=500"),
        "no such folder": ([csv, *usual, "--plot", "no/where.png"], "There is no folder no"),
        "wrong ending": ([csv, *usual, "--plot", "where.pgn"], "--plot must end in .png"),
    }


CASES = [
    "no file", "a folder", "not text", "empty", "misspelt column", "text as number", "no features",
    "number as label",
    "infinite", "one band", "too many test rows", "no such folder", "wrong ending",
    "drops its target", "a folder as picture",
]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_line_and_exit_code_2(csv, capsys, case):
    arguments, message = errors(csv)[case]
    assert main(["compare", *map(str, arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("skjoint: error: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err


def test_labels_called_none_are_labels(csv, tmp_path, capsys):
    table = pd.read_csv(csv).replace({"label": {"low": "None"}})
    table.loc[:4, "value"] = np.nan
    table.to_csv(csv, index=False)
    arguments = ["compare", str(csv), "--value", "value", "--class", "label"]
    assert main([*arguments, "--plot", str(tmp_path / "p.png")]) == 0
    out = capsys.readouterr().out
    assert "label: None, mid, top\n" in out
    assert "number    value (5 rows without)" in out


def test_options_of_the_main_job(tmp_path, capsys):
    picture = tmp_path / "p.svg"
    assert main(["--test-size", "100", "--seed", "3", "--plot", str(picture)]) == 0
    assert "342 to train, 100 to test" in capsys.readouterr().out
    assert picture.exists()
    with pytest.raises(SystemExit) as usage:
        main(["--test-size", "1.7"])
    assert usage.value.code == 2


def test_interruption(monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("skjoint._cli.main_job.run_main_job", interrupt)
    assert main([]) == 130
    assert capsys.readouterr().err == "skjoint: interrupted\n"


def test_without_matplotlib(tmp_path, monkeypatch, capsys, csv):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    picture = tmp_path / "none.png"
    arguments = ["compare", str(csv), "--value", "value", "--class", "label"]
    assert main([*arguments, "--plot", str(picture)]) == 0
    assert 'pip install "skjoint[plot]"' in capsys.readouterr().out
    assert not picture.exists()


def test_usage_and_version():
    done = subprocess.run(
        [sys.executable, "-m", "skjoint", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"skjoint {__version__}\n"
    done = subprocess.run(
        [sys.executable, "-m", "skjoint", "compare", "x.csv"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "--value" in done.stderr


@pytest.mark.parametrize("target", [["--class", "label"], ["--class-bins", "3", "--drop", "label"]])
def test_train_and_predict(csv, tmp_path, capsys, target):
    model, answers = tmp_path / "m.skjoint", tmp_path / "out.csv"
    train = ["train", str(csv), "--value", "value", *target, "-o", str(model), "--folds", "2"]
    assert main(train) == 0
    card = capsys.readouterr().out
    for part in ("rows        120", "number      value", "label ", "value_mae", "class_accuracy"):
        assert part in card
    assert f"skjoint {__version__}" in card
    assert ("band edges" in card) == ("--class-bins" in target)
    predict = ["predict", str(model), str(csv), "-o", str(answers)]
    assert main(predict) == 0
    table, found = pd.read_csv(csv), pd.read_csv(answers)
    est = load(model)
    label = "label" if "--class" in target else "value_class"
    assert list(found)[:2] == ["value", label]
    assert [c for c in found if "proba" in c] == [f"{label}_proba_{c}" for c in est.classes_]
    X = table[list("abcd")]
    np.testing.assert_allclose(found["value"], est.predict_value(X))
    assert (found[label] == est.predict_class(X)).all()
    np.testing.assert_allclose(found.filter(like="proba").sum(axis=1), 1)
    # neither file is replaced unasked, and nothing else is written
    before = model.read_bytes(), answers.read_bytes()
    for command in (train, predict):
        assert main(command) == 2
        assert "is there already. Add --force" in capsys.readouterr().err
        assert main([*command, "--force"]) == 0
    assert (model.read_bytes()[:4], answers.read_bytes()) == (before[0][:4], before[1])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data.csv", "m.skjoint", "out.csv"]


@pytest.mark.slow
def test_train_accurate(csv, tmp_path, capsys):
    model = tmp_path / "m.skjoint"
    train = ["train", str(csv), "--value", "value", "--class", "label", "-o", str(model)]
    assert main([*train, "--accurate", "--folds", "2"]) == 0
    out = capsys.readouterr().out
    assert "6 networks of" in out
    assert len(re.findall(r"shares      of (?:value|class): network \d.*, forest \d", out)) == 2
    assert "numeric_embedding=('periodic', 'rank')" in out
    assert load(model).n_members == 4


def test_what_train_and_predict_refuse(csv, tmp_path, capsys):
    def error(*arguments):
        assert main([str(a) for a in arguments]) == 2
        return capsys.readouterr().err

    out = ["-o", tmp_path / "m"]
    target = ["--value", "value", "--class", "label"]
    assert "no folder" in error("train", csv, *target, "-o", tmp_path / "no" / "m")
    assert "--folds must be at least 2" in error("train", csv, *target, *out, "--folds", "1")
    assert "no column 'prize'" in error("train", csv, "--value", "prize", "--class", "label", *out)
    assert "There is no file" in error("predict", tmp_path / "nothing", csv, *out)
    assert "not a model that skjoint can load" in error("predict", csv, csv, *out)
    assert main(["train", str(csv), *target, "-o", str(tmp_path / "m"), "--folds", "2"]) == 0
    pd.read_csv(csv).drop(columns="b").to_csv(tmp_path / "less.csv", index=False)
    message = error("predict", tmp_path / "m", tmp_path / "less.csv", "-o", tmp_path / "out.csv")
    assert "lacks columns the model was trained on: b" in message
