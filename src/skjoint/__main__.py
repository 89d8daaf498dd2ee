"""``python -m skjoint``: one joint model against two separate ones.

Without arguments on data that is embedded, with ``compare data.csv`` on any
table. ``train`` makes a model file of a table, ``predict`` uses it. Exit code 2
and one line on standard error say what was wrong.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.model_selection import train_test_split

from skjoint import JointRegressorClassifier, __version__
from skjoint._support.files import whole_file
from skjoint._support.keras_import import import_keras
from skjoint._support.names import nearest_name
from skjoint.datasets import load_diabetes_bands
from skjoint.metrics import agreement_score
from skjoint.model_selection import JointStratifiedKFold
from skjoint.persistence import load, save

GAPS = ["", "?", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]
PLOT = "skjoint-comparison.png"
# parameters of the estimator that messages advise, and the options that set them
OPTIONS = {
    r"class_bins=(\w+|\.{3})( \(or a sequence of edges\))?": r"--class-bins \1",
    r"(name another column in )?class_columns=\[?\.{3}\]?": "name another column with --class",
    r"value_columns=\[?\.{3}\]?": "--value",
}
COLUMNS = {
    "value_mae": "MAE",
    "value_rmse": "RMSE",
    "class_accuracy": "accuracy",
    "class_log_loss": "log loss",
    "disagreement": "disagree",
    "n_parameters": "parameters",
    "seconds": "seconds",
}


@dataclass
class Task:
    """A table to learn, and how its columns make a number and a label."""

    name: str
    X: pd.DataFrame
    y: pd.DataFrame | pd.Series
    value: str
    label: str
    bins: int | None = None  # bands cut from the number
    bin_edges: tuple | None = None  # known edges between the labels `classes`
    classes: np.ndarray | None = None


def main(argv=None):
    """Run the command line; returns the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("once")
            warnings.showwarning = _show_warning
            return _run(arguments)
    except KeyboardInterrupt:
        print("skjoint: interrupted", file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        print(f"skjoint: error: {_in_one_line(error)}", file=sys.stderr)
        return 2


def _show_warning(message, category, filename, lineno, file=None, line=None):
    print(f"skjoint: warning: {_in_one_line(message)}", file=sys.stderr)


def _in_one_line(message):
    """A message of the estimator in the words of the command line."""
    message = " ".join(str(message).split())
    for parameter, option in OPTIONS.items():
        message = re.sub(parameter, option, message)
    return message


def _run(arguments):
    if arguments.command == "train":
        train(_csv_task(arguments), arguments)
        return 0
    if arguments.command == "predict":
        predict(arguments)
        return 0
    task = _csv_task(arguments) if arguments.command == "compare" else _diabetes_task()
    compare(task, arguments.test_size, arguments.seed, Path(arguments.plot))
    return 0


def _parser():
    # Both the main job and commands take these; a default of the command would hide the main's.
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
    parser = argparse.ArgumentParser(
        prog="python -m skjoint", description=__doc__, parents=[options]
    )
    parser.add_argument("--version", action="version", version=f"skjoint {__version__}")
    parser.set_defaults(test_size=0.3, seed=0, plot=PLOT)
    commands = parser.add_subparsers(dest="command", metavar="command")
    command = commands.add_parser(
        "compare",
        parents=[options],
        help="joint against separate models on a CSV file",
        description="Train one joint and two separate models on a CSV file and compare them.",
    )
    _add_table(command)
    command = commands.add_parser(
        "train",
        help="train a joint model on a CSV file and save it",
        description="Train a joint model on a CSV file, save it and print its model card.",
    )
    _add_table(command)
    _add_output(command, "model file to write, such as model.skjoint")
    command.add_argument("--seed", type=int, default=0, help="of training (default: 0)")
    command.add_argument(
        "--accurate",
        action="store_true",
        help="the settings that predict best, for more time (JointRegressorClassifier.accurate)",
    )
    command.add_argument(
        "--folds", type=int, default=5, help="of the cross-validation in the card (default: 5)"
    )
    command = commands.add_parser(
        "predict",
        help="predict the rows of a CSV file with a saved model",
        description="Predict number, label and probabilities for the rows of a CSV file.",
    )
    command.add_argument("model", help="file that `train` or skjoint.persistence.save wrote")
    command.add_argument("csv", help="table with the columns the model was trained on")
    _add_output(command, "CSV file to write")
    return parser


def _add_table(command):
    """Options that say which table, and which of its columns are the targets."""
    command.add_argument("csv", help="table with a header line")
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


def _add_output(command, what):
    command.add_argument("-o", "--output", required=True, metavar="FILE", help=what)
    command.add_argument(
        "--force", action="store_true", help="replace the output file if it is there"
    )


def _test_size(text):
    """A share below 1, or a whole number of rows."""
    number = float(text)
    if not (0 < number < 1 or (number >= 1 and number.is_integer())):
        raise argparse.ArgumentTypeError(
            f"must be a share between 0 and 1 or a whole number of rows. Got {text} instead."
        )
    return number if number < 1 else int(number)


def _diabetes_task():
    data = load_diabetes_bands()
    return Task(
        "diabetes data of scikit-learn",
        data.data,
        data.target,
        "progression",
        "band",
        bin_edges=data.band_edges,
        classes=np.array(["low", "middle", "high"], dtype=object),
    )


def _csv_task(arguments):
    # "None" or "NA" may well be a label; in other columns it is a gap.
    is_label = arguments.label is not None and arguments.label != arguments.value
    table = _read_csv(arguments.csv, {arguments.label: ["", "?"]} if is_label else {})
    label = arguments.label or arguments.value
    for column in [arguments.value, label, *arguments.drop]:
        if column not in table.columns:
            raise ValueError(
                f"{arguments.csv} has no column {column!r}.{nearest_name(column, table.columns)} "
                f"Its columns are: {', '.join(map(str, table.columns))}."
            )
    if not pd.api.types.is_numeric_dtype(table[arguments.value]):
        raise ValueError(
            f"Column {arguments.value!r} must hold numbers. Got {table[arguments.value].dtype} "
            f"such as {table[arguments.value].iloc[0]!r} instead."
        )
    targets = list(dict.fromkeys([arguments.value, label]))
    if set(targets) & set(arguments.drop):
        raise ValueError(f"--drop must not name a target. Got {arguments.drop} instead.")
    features = table.drop(columns=[*targets, *arguments.drop])
    if not features.shape[1]:
        raise ValueError(f"{arguments.csv} has no column left to predict from.")
    return Task(
        arguments.csv,
        features,
        table[targets],
        arguments.value,
        label,
        bins=arguments.class_bins,
    )


def _read_csv(path, gaps_of=None):
    """A table; what counts as a gap may differ by column."""
    try:
        gaps = dict.fromkeys(pd.read_csv(path, nrows=0).columns, GAPS) | (gaps_of or {})
        return pd.read_csv(path, na_values=gaps, keep_default_na=False)
    except FileNotFoundError:
        raise ValueError(f"There is no file {path}.") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a readable CSV table: {error}") from error


def _joint_estimator(task, seed, accurate=False):
    settings = {
        "value_columns": [task.value],
        "class_columns": [task.label],
        "class_bins": task.bins,
        "random_state": seed,
    }
    if accurate:
        return JointRegressorClassifier.accurate(**settings)
    return JointRegressorClassifier(early_stopping=True, **settings)


def _check_place(option, path):
    if path.is_dir():
        raise ValueError(f"{option} must name a file. {path} is a folder.")
    if not path.parent.is_dir():
        raise ValueError(f"There is no folder {path.parent} to write {path.name} to.")


def _check_output(arguments):
    """Before any work: the file must not be there yet, its folder must."""
    path = Path(arguments.output)
    _check_place("--output", path)
    if path.exists() and not arguments.force:
        raise ValueError(f"{path} is there already. Add --force to replace it.")
    return path


def train(task, arguments):
    """Cross-validate and train a joint model, save it, print its card."""
    path = _check_output(arguments)
    if arguments.folds < 2:
        raise ValueError(f"--folds must be at least 2. Got {arguments.folds} instead.")
    est = _joint_estimator(task, arguments.seed, arguments.accurate)
    folds = JointStratifiedKFold(
        arguments.folds,
        shuffle=True,
        random_state=arguments.seed,
        value_columns=[task.value],
        class_columns=[task.label],
        class_bins=task.bins,
    )
    scores = pd.DataFrame(
        clone(est)
        .fit(task.X.iloc[rows], task.y.iloc[rows])
        .evaluate(task.X.iloc[test], task.y.iloc[test])
        for rows, test in folds.split(task.X, task.y)
    )
    save(est.fit(task.X, task.y), path)
    print(f"Joint model of {task.name}\n")
    print(f"  rows        {len(task.X)}")
    print(f"  features    {', '.join(task.X.columns)}")
    gaps = task.y.isna().sum()
    print(f"  number      {task.value}{_gaps(gaps[task.value])}")
    label = task.label if task.bins is None else f"band of {task.label}"
    print(f"  label       {label}: {', '.join(map(str, est.classes_))}{_gaps(gaps[task.label])}")
    if task.bins is not None:
        edges = ", ".join(f"{edge:g}" for edge in est.class_bin_edges_)
        print(f"  band edges  {edges}")
    n_networks = est.n_members + est._n_refits()
    members = f"{n_networks} networks of up to " if n_networks > 1 else ""
    print(f"  parameters  {members}{est.network_.n_parameters:,}, {est.n_iter_} epochs")
    shares = {
        kind: " and ".join(f"{share:.2f}" for share in getattr(est, f"{kind}_share_"))
        for kind in ("forest", "boosting", "ridge")
        if hasattr(est, f"{kind}_share_")
    }
    if shares:
        said = ", ".join(f"{kind} {of_kind}" for kind, of_kind in shares.items())
        print(f"  beside it   shares in number and label: {said}")
    defaults = JointRegressorClassifier().get_params()
    changed = {n: v for n, v in est.get_params().items() if v != defaults.get(n)}
    print(f"  settings    {', '.join(f'{name}={value!r}' for name, value in changed.items())}")
    print(f"  versions    skjoint {__version__}, numpy {np.__version__}, pandas {pd.__version__}")
    print(f"\nCross-validated, {arguments.folds} folds that keep the shares of the labels and the")
    print("distribution of the number (mean ± standard deviation):\n")
    for name, mean in scores.mean().items():
        print(f"  {name:16} {mean:.4g} ± {scores[name].std():.2g}")
    print(f"\nThe model, trained on all rows: {path.resolve()}")


def predict(arguments):
    """Predict the rows of a table with a saved model."""
    path = _check_output(arguments)
    try:
        est = load(arguments.model)
    except FileNotFoundError:
        raise ValueError(f"There is no file {arguments.model}.") from None
    table = _read_csv(arguments.csv)
    names = getattr(est, "feature_names_in_", None)
    if names is not None:
        missing = [name for name in names if name not in table.columns]
        if missing:
            raise ValueError(
                f"{arguments.csv} lacks columns the model was trained on: {', '.join(missing)}."
            )
        table = table[list(names)]
    frame = pd.DataFrame(_answers(est, table))
    with whole_file(path) as stream:
        stream.write(frame.to_csv(index=False).encode())
    print(f"{len(frame)} rows predicted: {path.resolve()}")


def _answers(est, X):
    """Columns of the predictions: every target, and the probability of every label."""
    heads = {kind: [h for h in est.network_.heads if h.kind == kind] for kind in ("value", "class")}
    columns = {}
    if heads["value"]:
        values = est.predict_value(X).reshape(len(X), -1)
        for head, column in zip(heads["value"], values.T, strict=True):
            columns[head.name] = column
    if heads["class"]:
        several = len(heads["class"]) > 1
        labels = est.predict_class(X).reshape(len(X), -1)
        probas = est.predict_proba(X) if several else [est.predict_proba(X)]
        classes = est.classes_ if several else [est.classes_]
        for i, head in enumerate(heads["class"]):
            columns[head.name] = labels[:, i]
            for label, column in zip(classes[i], probas[i].T, strict=True):
                columns[f"{head.name}_proba_{label}"] = column
    return columns


def compare(task, test_size, seed, plot_path):
    """Train both kinds of model on the same split, print a table, draw a picture."""
    _check_place("--plot", plot_path)
    if plot_path.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise ValueError(f"--plot must end in .png, .pdf or .svg. Got {plot_path} instead.")
    X_train, X_test, y_train, y_test = train_test_split(
        task.X, task.y, test_size=test_size, random_state=seed
    )
    start = time.perf_counter()
    import_keras()
    import_seconds = time.perf_counter() - start
    joint = _joint_estimator(task, seed)
    alone = [
        clone(joint).set_params(class_columns=[], class_bins=None),
        clone(joint).set_params(value_columns=[]),
    ]
    rows = {"joint model": _measure([joint], X_train, y_train, X_test, y_test, task)}
    rows["two separate models"] = _measure(alone, X_train, y_train, X_test, y_test, task)
    rows["best constant"] = _constant(joint, y_train, y_test)
    _print_report(task, joint, len(X_train), len(X_test), rows, import_seconds)
    _draw(task, joint, X_test, y_test, plot_path)


def _measure(estimators, X_train, y_train, X_test, y_test, task):
    """Metrics of one joint estimator, or of a pair of which each has one target."""
    start = time.perf_counter()
    for estimator in estimators:
        estimator.fit(X_train, y_train)
    seconds = time.perf_counter() - start
    metrics = {}
    for estimator in estimators:
        metrics |= estimator.evaluate(X_test, y_test)
    value, label = estimators[0].predict_value(X_test), estimators[-1].predict_class(X_test)
    classes, edges = task.classes, task.bin_edges
    if task.bins is not None:
        classes, edges = estimators[-1].classes_, estimators[-1].class_bin_edges_
    elif task.value == task.label:
        classes = estimators[-1].classes_
    if classes is not None:
        agreement = agreement_score(value, label, classes=classes, bin_edges=edges)
        metrics["disagreement"] = 1 - agreement
    metrics["n_parameters"] = sum(e.network_.n_parameters for e in estimators)
    metrics["seconds"] = seconds
    return metrics


def _constant(estimator, y_train, y_test):
    """Metrics of the best constants: median or mean of the number, shares of the labels."""
    values, labels, true_values, true_labels = (
        pd.Series(part).dropna() for y in (y_train, y_test) for part in estimator.split_targets(y)
    )
    shares = labels.value_counts(normalize=True)
    probabilities = true_labels.map(shares).fillna(np.finfo(float).eps).astype(float)
    return {
        "value_mae": (true_values - values.median()).abs().mean(),
        "value_rmse": np.sqrt(((true_values - values.mean()) ** 2).mean()),
        "class_accuracy": (true_labels == shares.index[0]).mean(),
        "class_log_loss": -np.log(probabilities).mean(),
    }


def _print_report(task, joint, n_train, n_test, rows, import_seconds):
    classes = [str(label) for label in joint.classes_]
    shown = ", ".join(classes[:6]) + (", ..." if len(classes) > 6 else "")
    origin = f"{joint.network_.n_inputs} encoded from {task.X.shape[1]}"
    print(f"skjoint {__version__}, {task.name}")
    print(f"  rows      {n_train} to train, {n_test} to test")
    print(f"  features  {origin}")
    gaps = task.y.isna().sum()
    print(f"  number    {task.value}{_gaps(gaps[task.value])}")
    label = task.label if task.bins is None else "its band"
    print(f"  label     {label}: {shown}{_gaps(gaps[task.label])}\n")
    table = pd.DataFrame(rows).T.reindex(columns=COLUMNS).rename(columns=COLUMNS)
    formats = {
        "accuracy": "{:.3f}",
        "log loss": "{:.3f}",
        "disagree": "{:.1%}",
        "parameters": "{:,.0f}",
        "seconds": "{:.1f}",
    }
    formatted = {
        name: [
            "-" if pd.isna(entry) else formats.get(name, "{:.4g}").format(entry)
            for entry in table[name]
        ]
        for name in table
    }
    print(pd.DataFrame(formatted, index=table.index).to_string())
    print(
        "\nErrors on the test rows. disagree: share of them whose label is not the label of the "
        "number\n(known where the label is cut from the number). seconds: training, after "
        f"{import_seconds:.1f} s of\nimporting TensorFlow."
    )


def _gaps(count):
    return f" ({count} rows without)" if count else ""


def _draw(task, joint, X_test, y_test, path):
    try:
        import matplotlib as mpl
    except ImportError:
        print('\nNo picture: matplotlib is not installed (pip install "skjoint[plot]").')
        return
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    from skjoint.plots import JointPredictionDisplay, TrainingCurveDisplay

    figure, axes = plt.subplot_mosaic(
        "ab;cd;ef;gg",
        figsize=(11, 13),
        height_ratios=(5, 3, 3, 3),
        layout="constrained",
    )
    axes = list(axes.values())
    if task.bin_edges is None:
        JointPredictionDisplay.from_estimator(joint, X_test, y_test, ax=axes[:2])
    else:  # the estimator does not know that the label is cut from the number
        value_true, class_true = joint.split_targets(y_test)
        value = joint.predict_value(X_test)
        JointPredictionDisplay.from_predictions(
            value_true,
            value,
            class_true,
            joint.predict_class(X_test),
            labels=task.classes,
            class_of_value=task.classes[np.digitize(value, task.bin_edges)],
            ax=axes[:2],
        )
    TrainingCurveDisplay.from_estimator(joint, ax=axes[2:])
    figure.savefig(path, dpi=120)
    plt.close(figure)
    print(f"\nPredictions and training curves of the joint model: {path.resolve()}")


if __name__ == "__main__":
    sys.exit(main())
