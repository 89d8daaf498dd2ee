"""What the benchmark scripts share: options, tables, spreads, versions, results as JSON."""

from __future__ import annotations

import argparse
import json
from importlib.metadata import version
from pathlib import Path

import numpy as np

import skjoint

LIBRARIES = ("tensorflow", "keras", "scikit-learn", "pandas", "numpy")
RESULTS = Path(__file__).parent / "results"


def option_parser(name, description):
    """Options of one script: its docstring as help, and where the results go."""
    parser = argparse.ArgumentParser(
        prog=f"{name}.py",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--json",
        type=Path,
        default=RESULTS / f"{name}.json",
        metavar="PATH",
        help=f"file for the results (default: results/{name}.json next to the script)",
    )
    return parser


def count(text):
    """An argparse type: a whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1. Got {number} instead.")
    return number


def versions():
    return {"skjoint": skjoint.__version__, **{name: version(name) for name in LIBRARIES}}


def print_versions():
    print(", ".join(f"{name} {number}" for name, number in versions().items()))


# Of plain networks, which any library can build: most figures are about them.
PLAIN_LAYERS = (64, 64)


def warm_up():
    """Load TensorFlow, which the first fit would otherwise be charged for."""
    X = np.linspace(0, 1, 8).reshape(-1, 1)
    y = np.column_stack([X[:, 0], np.arange(8) % 2])
    skjoint.JointRegressorClassifier(epochs=1, random_state=0).fit(X, y)


def spread(values, digits=3):
    """``mean ± standard deviation``; the mean alone of a single value."""
    mean = f"{np.mean(values):.{digits}f}"
    return f"{mean} ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else mean


def in_lists(entries):
    """Dicts of figures as one dict of lists."""
    entries = list(entries)
    return {key: [entry[key] for entry in entries] for key in entries[0]}


def print_table(title, header, rows):
    """First column to the left, all others to the right."""
    rows = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    print(f"\n{title}")
    for i, (first, *rest) in enumerate(rows):
        cells = [c.rjust(w) for c, w in zip(rest, widths[1:], strict=True)]
        print("  ".join([first.ljust(widths[0]), *cells]).rstrip())
        if i == 0:
            print("  ".join("-" * w for w in widths))


def require(condition, message):
    """End the script with an error unless the condition holds."""
    if not condition:
        raise SystemExit(f"FAILED: {message}")


def write_json(path, results):
    """Results with the versions that gave them; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"versions": versions(), **results}, indent=1, default=_plain)
    path.write_text(text + "\n", encoding="utf-8")


def _plain(value):
    """NumPy arrays and scalars as what JSON knows."""
    return value.tolist()
