"""The command line: ``python -m skjoint``.

An error is exit code 2 and one line on standard error.
"""

from __future__ import annotations

import argparse
import re
import sys
import warnings
from collections.abc import Sequence

from skjoint._cli.compare import compare_models
from skjoint._cli.main_job import run_main_job
from skjoint._cli.parser import make_parser
from skjoint._cli.predict import predict_table
from skjoint._cli.tables import csv_task
from skjoint._cli.train import train_model

__all__ = ["main"]

# Parameters of the estimator that its messages name, and the options that set them here.
OPTIONS = {
    r"class_bins=(\w+|\.{3})( \(or a sequence of edges\))?": r"--class-bins \1",
    r"(name another column in )?class_columns=\[?\.{3}\]?": "name another column with --class",
    r"value_columns=\[?\.{3}\]?": "--value",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = make_parser().parse_args(argv)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("once")
            warnings.showwarning = _show_warning
            _run(arguments)
    except KeyboardInterrupt:
        print("skjoint: interrupted", file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        print(f"skjoint: error: {_in_one_line(error)}", file=sys.stderr)
        return 2
    return 0


def _run(arguments: argparse.Namespace) -> None:
    if arguments.command == "train":
        train_model(csv_task(arguments), arguments)
    elif arguments.command == "predict":
        predict_table(arguments)
    elif arguments.command == "compare":
        compare_models(csv_task(arguments), arguments)
    else:
        run_main_job(arguments)


def _show_warning(message, category, filename, lineno, file=None, line=None):
    print(f"skjoint: warning: {_in_one_line(message)}", file=sys.stderr)


def _in_one_line(message: object) -> str:
    """A message of the estimator in the words of the command line."""
    text = " ".join(str(message).split())
    for parameter, option in OPTIONS.items():
        text = re.sub(parameter, option, text)
    return text
