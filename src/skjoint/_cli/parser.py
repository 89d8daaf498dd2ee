"""Commands and options, and the files that may be written."""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import NoReturn

from skjoint import __version__
from skjoint._support.nearest_name import nearest_name

DESCRIPTION = """\
One joint model against two separate ones. Without arguments on data that is embedded, with
``compare data.csv`` on any table. ``train`` makes a model file of a table, ``predict`` uses it.
Tables are CSV files, which may be packed (.gz, .bz2, .xz, .zip), or Parquet files.
An error is one line on standard error and exit code 2, or 1 where nobody has expected it.
"""
NEUTRAL = """\
Text that a spreadsheet would run, which begins with =, +, -, @, a tab or a new line, is written by
`predict` with an apostrophe before it; numbers stay numbers. `train` and `compare` read labels
without that apostrophe, unless the column holds such text that has none.
"""
PLOT = "skjoint-comparison.png"
KINDS = ("number", "category", "text", "date", "drop")


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        command = self.prog.removeprefix("python -m ")
        self.exit(2, f"{command}: error: {message} (see {self.prog} --help)\n")


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    options = _comparison_options()
    parser = Parser(prog="python -m skjoint", description=DESCRIPTION, parents=[options])
    parser.add_argument("--version", action="version", version=f"skjoint {__version__}")
    parser.set_defaults(test_size=0.3, seed=0, plot=PLOT)
    commands = parser.add_subparsers(dest="command", metavar="command")
    command = commands.add_parser(
        "compare",
        parents=[options],
        help="joint against separate models on a table",
        description="Train one joint and two separate models on a table and compare them.",
        epilog=NEUTRAL,
    )
    _add_table(command)
    command = commands.add_parser(
        "train",
        help="train a joint model on a table and save it",
        description="Train a joint model on a table, save it and print its model card.",
        epilog=NEUTRAL,
    )
    _add_table(command)
    _add_output(command, "model file to write, such as model.skjoint")
    _add_training(command)
    command = commands.add_parser(
        "predict",
        help="predict the rows of a table with a saved model",
        description="Predict number, label and probabilities for the rows of a table, which may "
        "be larger than memory.",
        epilog=NEUTRAL,
    )
    command.add_argument("model", help="file that `train` or skjoint.persistence.save wrote")
    _add_file(command, "table with the columns the model was trained on")
    command.add_argument(
        "--keep",
        nargs="+",
        action="extend",
        default=[],
        metavar="COL",
        help="columns to write before the predictions, such as --keep id,name",
    )
    _add_output(
        command,
        "table to write: .csv (also .csv.gz, .csv.bz2, .csv.xz), .parquet, or - for standard "
        "output (the default)",
        default="-",
    )
    return parser


def _comparison_options():
    """Options of ``compare`` and of a call without a command.

    They have no defaults here: those of ``compare`` would replace what stands before it.
    """
    options = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    options.add_argument(
        "--test-size",
        type=_test_size,
        help="share of rows (or, from 1 on, number of rows) to test on (default: 0.3)",
    )
    options.add_argument("--seed", type=int, help="of split and training (default: 0)")
    options.add_argument(
        "--plot", metavar="FILE", help=f"picture to write, PNG, PDF or SVG (default: {PLOT})"
    )
    return options


def _add_table(command):
    """Options that name a table, its target columns and the kinds of others."""
    _add_file(command, "table with a header line")
    command.add_argument("--value", required=True, metavar="COL", help="column with the number")
    label = command.add_mutually_exclusive_group(required=True)
    label.add_argument(
        "--class", dest="label", metavar="COL", help="column with the label; may be the number's"
    )
    label.add_argument(
        "--class-bins", type=int, metavar="K", help="cut the label from the number: K bands"
    )
    command.add_argument(
        "--drop",
        nargs="+",
        action="extend",
        default=[],
        metavar="COL",
        help="columns that are no features",
    )
    command.add_argument(
        "--kind",
        nargs="+",
        action="extend",
        default=[],
        type=_kind,
        metavar="COL=KIND",
        help=f"what a feature is ({', '.join(KINDS)}) instead of what is guessed, such as "
        "--kind zip=category note=drop",
    )


def _add_file(command, what):
    """The table, and how it is written."""
    command.add_argument("csv", metavar="table", help=what)
    command.add_argument(
        "--allow-url",
        action="store_true",
        help="open the table also where it is an address such as https://...",
    )
    command.add_argument(
        "--sep", type=_separator, metavar="CHAR", help="separator of a CSV file (default: found)"
    )
    command.add_argument(
        "--decimal", choices=[".", ","], help="decimal sign of a CSV file (default: found)"
    )
    command.add_argument(
        "--encoding",
        type=_encoding,
        metavar="NAME",
        help="of a CSV file (default: UTF-8, what its byte order mark says, or cp1252)",
    )


def _kind(text):
    """The name of a column and its kind."""
    name, equals, kind = text.rpartition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(
            f"must be a column and its kind, such as zip=category. Got {text} instead."
        )
    if kind not in KINDS:
        raise argparse.ArgumentTypeError(
            f"{kind!r} is no kind of column.{nearest_name(kind, KINDS)} Kinds are: "
            f"{', '.join(KINDS)}."
        )
    return name, kind


def _separator(text):
    """One character; a tab may be spelt."""
    sep = {"\\t": "\t", "tab": "\t"}.get(text, text)
    if len(sep) != 1 or sep in '"\r\n':
        raise argparse.ArgumentTypeError(
            f"must be one character, such as ';' or '\\t'. Got {text!r} instead."
        )
    return sep


def _encoding(text):
    try:
        io.TextIOWrapper(io.BytesIO(), text)
    except LookupError as error:
        raise argparse.ArgumentTypeError(f"{error}. Others are utf-16, latin-1, cp1250.") from None
    return text


def _add_output(command, what, default=None):
    required = default is None
    command.add_argument(
        "-o", "--output", required=required, default=default, metavar="FILE", help=what
    )
    command.add_argument(
        "--force", action="store_true", help="replace the output file if it is there"
    )


def _add_training(command):
    command.add_argument("--seed", type=int, default=0, help="of training (default: 0)")
    command.add_argument(
        "--accurate",
        action="store_true",
        help="the settings that predict best, for more time (JointRegressorClassifier.accurate)",
    )
    command.add_argument(
        "--folds", type=int, default=5, help="of the cross-validation in the card (default: 5)"
    )


def _test_size(text):
    """A share below 1, or a whole number of rows."""
    number = float(text)
    if not (0 < number < 1 or (number >= 1 and number.is_integer())):
        raise argparse.ArgumentTypeError(
            f"must be a share between 0 and 1 or a whole number of rows. Got {text} instead."
        )
    return number if number < 1 else int(number)


def check_arguments(arguments: argparse.Namespace) -> None:
    """Raise for what can be told without opening the table."""
    if arguments.command in ("train", "predict"):
        path_of_output(arguments)
    else:
        path_of_plot(arguments)
    if arguments.command == "predict" and not Path(arguments.model).exists():
        raise ValueError(f"There is no file {arguments.model}.")
    for name, least in (("folds", 2), ("class_bins", 2), ("seed", 0)):
        number = getattr(arguments, name, None)
        if number is not None and number < least:
            option = "--" + name.replace("_", "-")
            raise ValueError(f"{option} must be at least {least}. Got {number} instead.")


def path_of_output(arguments: argparse.Namespace) -> Path | None:
    """Where to write, None for standard output.

    The file must not be there yet (but for ``--force``), its folder must.
    """
    if arguments.output == "-" and arguments.command == "predict":
        return None
    path = Path(arguments.output)
    _check_place("--output", path)
    if path.exists() and not arguments.force:
        raise ValueError(f"{path} is there already. Add --force to replace it.")
    if arguments.command == "predict" and path.suffix.lower() in (".zip", ".xlsx"):
        raise ValueError(
            "--output must end in .csv, .csv.gz, .csv.bz2, .csv.xz or .parquet. Got "
            f"{path} instead."
        )
    return path


def path_of_plot(arguments: argparse.Namespace) -> Path:
    """Where to write the picture, whose ending names a format."""
    path = Path(arguments.plot)
    _check_place("--plot", path)
    if path.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise ValueError(f"--plot must end in .png, .pdf or .svg. Got {path} instead.")
    return path


def _check_place(option, path):
    if path.is_dir():
        raise ValueError(f"{option} must name a file. {path} is a folder.")
    if not path.parent.is_dir():
        raise ValueError(f"There is no folder {path.parent} to write {path.name} to.")
