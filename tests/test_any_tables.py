"""The benchmark of tables as they come: a run on a table that needs no other package."""

import re
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
FIGURES = {"rmse", "mae", "log_loss", "accuracy", "fit_seconds", "row_ms"}


@pytest.fixture
def tables(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    loaded = set(sys.modules)
    import tables

    yield tables
    for name in set(sys.modules) - loaded:
        if (BENCHMARKS / f"{name}.py").is_file():
            del sys.modules[name]


def test_a_quick_run_gives_errors_and_costs(tables, capsys):
    (found,) = tables.main(["--quick", "--models", "joint"]).values()
    assert set(found) >= FIGURES
    assert all(found[name] > 0 for name in FIGURES)
    assert found["rmse"] < 70  # of a constant: 77
    assert "joint" in capsys.readouterr().out


def test_a_refused_table_is_told(tables, monkeypatch, capsys):
    def refuse(table, X):
        raise ValueError("X must be\nanother one")

    monkeypatch.setitem(tables.MODELS, "joint", (refuse, "skjoint"))
    assert list(tables.main(["--quick", "--models", "joint"]).values()) == [
        {"refused": "X must be"}
    ]
    assert "refused" in capsys.readouterr().out


def test_distance_to_the_best_pair(tables, capsys):
    figures = {"mae": 1.0, "accuracy": 1.0, "fit_seconds": 1.0, "row_ms": 1.0}
    tables.report(
        {
            ("flights", "joint", 0): {"rmse": 1.1, "log_loss": 0.3, **figures},
            ("flights", "joint", 1): {"rmse": 1.3, "log_loss": 0.3, **figures},
            ("flights", "CatBoost", 0): {"rmse": 1.0, "log_loss": 0.9, **figures},
            ("flights", "skrub, linear", 0): {"rmse": 2.0, "log_loss": 0.6, **figures},
            ("flights", "skrub, boosting", 0): {"refused": "no"},
        }
    )
    assert re.search(r"\njoint +\+20 / -50 +\+20.0 / -50.0\n", capsys.readouterr().out)
