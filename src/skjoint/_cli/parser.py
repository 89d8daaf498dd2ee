"""Commands and options, and the files that may be written."""

from __future__ import annotations

import argparse
from pathlib import Path

from skjoint import __version__

DESCRIPTION = """\
One joint model against two separate ones. Without arguments on data that is embedded, with
``compare data.csv`` on any table. ``train`` makes a model file of a table, ``predict`` uses it.
An error is exit code 2 and one line on standard error.
"""
NEUTRAL = """\
Text that a spreadsheet would run, which begins with =, +, -, @, a tab or a new line, is written by
`predict` with an apostrophe before it; numbers stay numbers. `train` and `compare` read labels
without that apostrophe, unless the column holds such text that has none.
"""
PLOT = "skjoint-comparison.png"


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    options = _comparison_options()
    parser = argparse.ArgumentParser(
        prog="python -m skjoint", description=DESCRIPTION, parents=[options]
    )
    parser.add_argument("--version", action="version", version=f"skjoint {__version__}")
    parser.set_defaults(test_size=0.3, seed=0, plot=PLOT)
    commands = parser.add_subparsers(dest="command", metavar="command")
    command = commands.add_parser(
        "compare",
        parents=[options],
        help="joint against separate models on a CSV file",
        description="Train one joint and two separate models on a CSV file and compare them.",
        epilog=NEUTRAL,
    )
    _add_table(command)
    command = commands.add_parser(
        "train",
        help="train a joint model on a CSV file and save it",
        description="Train a joint model on a CSV file, save it and print its model card.",
        epilog=NEUTRAL,
    )
    _add_table(command)
    _add_output(command, "model file to write, such as model.skjoint")
    _add_training(command)
    command = commands.add_parser(
        "predict",
        help="predict the rows of a CSV file with a saved model",
        description="Predict number, label and probabilities for the rows of a CSV file.",
        epilog=NEUTRAL,
    )
    command.add_argument("model", help="file that `train` or skjoint.persistence.save wrote")
    command.add_argument("csv", help="table with the columns the model was trained on")
    _add_allow_url(command)
    _add_output(command, "CSV file to write")
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
    """Options that name a table and its target columns."""
    command.add_argument("csv", help="table with a header line")
    _add_allow_url(command)
    command.add_argument("--value", required=True, metavar="COL", help="column with the number")
    label = command.add_mutually_exclusive_group(required=True)
    label.add_argument(
        "--class", dest="label", metavar="COL", help="column with the label; may be the number's"
    )
    label.add_argument(
        "--class-bins", type=int, metavar="K", help="cut the label from the number: K bands"
    )
    command.add_argument(
        "--drop", nargs="+", default=[], metavar="COL", help="columns that are no features"
    )


def _add_allow_url(command):
    command.add_argument(
        "--allow-url",
        action="store_true",
        help="open the table also where it is an address such as https://...",
    )


def _add_output(command, what):
    command.add_argument("-o", "--output", required=True, metavar="FILE", help=what)
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


def path_of_output(arguments: argparse.Namespace) -> Path:
    """Where to write. The file must not be there yet (but for ``--force``), its folder must."""
    path = Path(arguments.output)
    _check_place("--output", path)
    if path.exists() and not arguments.force:
        raise ValueError(f"{path} is there already. Add --force to replace it.")
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
