"""The command line: ``python -m skjoint``.

An error is one line on standard error, and exit code 2 where the user can mend it. Options, files
and columns are checked before anything heavy is imported.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import warnings
from collections.abc import Sequence
from functools import partial

from skjoint._cli.parser import check_arguments, make_parser
from skjoint._cli.predict import predict_table
from skjoint._cli.task import csv_task

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
            warnings.simplefilter("always")
            # pandas' words for fields that it leaves out, an error here
            warnings.filterwarnings("error", "Length of header or names does not match")
            warnings.filterwarnings("ignore", "X has feature names, but .* without feature names")
            warnings.showwarning = partial(_show_warning, set())
            _run(arguments)
    except KeyboardInterrupt:
        print("skjoint: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # who reads standard output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, OSError) as error:
        print(f"skjoint: error: {_in_one_line(error)}", file=sys.stderr)
        return 2
    except Exception as error:
        name = type(error).__name__
        print(f"skjoint: error: {name}: {_in_one_line(error)}", file=sys.stderr)
        return 1
    return 0


def _run(arguments: argparse.Namespace) -> None:
    check_arguments(arguments)
    if arguments.command == "predict":
        predict_table(arguments)
    elif arguments.command == "train":
        task = csv_task(arguments)
        from skjoint._cli.train import train_model

        train_model(task, arguments)
    elif arguments.command == "compare":
        task = csv_task(arguments)
        from skjoint._cli.compare import compare_models

        compare_models(task, arguments)
    else:
        from skjoint._cli.main_job import run_main_job

        run_main_job(arguments)


def _show_warning(shown, message, category, filename, lineno, file=None, line=None):
    """Show a warning once, however many rows it counts in the chunks of a table."""
    text = _in_one_line(message)
    key = re.sub(r"\d+ (?=entries|rows)", "", text)
    if key not in shown:
        shown.add(key)
        print(f"skjoint: warning: {text}", file=sys.stderr)


def _in_one_line(message: object) -> str:
    """A message of the estimator in the words of the command line."""
    text = " ".join(str(message).split())
    for parameter, option in OPTIONS.items():
        text = re.sub(parameter, option, text)
    return text
