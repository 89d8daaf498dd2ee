"""``compare``: one joint model against two separate ones on the same rows."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.model_selection import train_test_split

from skjoint import JointRegressorClassifier, __version__
from skjoint._cli.parser import path_of_plot
from skjoint._cli.task import Task
from skjoint._support.keras_import import import_keras
from skjoint.metrics import agreement_score
from skjoint.plots import JointPredictionDisplay, TrainingCurveDisplay

COLUMNS = {
    "value_mae": "MAE",
    "value_rmse": "RMSE",
    "class_accuracy": "accuracy",
    "class_log_loss": "log loss",
    "disagreement": "disagree",
    "n_parameters": "parameters",
    "seconds": "seconds",
}
FORMATS = {
    "accuracy": "{:.3f}",
    "log loss": "{:.3f}",
    "disagree": "{:.1%}",
    "parameters": "{:,.0f}",
    "seconds": "{:.1f}",
}


class Split(NamedTuple):
    """Rows to train on and rows to test on."""

    X_train: pd.DataFrame
    X_test: pd.DataFrame
    y_train: pd.DataFrame
    y_test: pd.DataFrame


def compare_models(task: Task, arguments: argparse.Namespace) -> None:
    """Train both kinds of model on the same split, print a table, draw a picture."""
    plot_path = path_of_plot(arguments)
    split = Split(
        *train_test_split(
            task.X, task.y, test_size=arguments.test_size, random_state=arguments.seed
        )
    )
    import_seconds = seconds_of_import()
    joint = JointRegressorClassifier(
        early_stopping=True, random_state=arguments.seed, **task.parameters
    )
    metrics = {
        "joint model": measure([joint], split, task),
        "two separate models": measure(separate_models(joint), split, task),
        "best constant": measure_constants(joint, split),
    }
    _print_task(task, joint, split)
    print(table_of_metrics(metrics))
    print(
        "\nErrors on the test rows. disagree: share of them whose label is not the label of the "
        "number\n(known where the label is cut from the number). seconds: training, after "
        f"{import_seconds:.1f} s of\nimporting TensorFlow."
    )
    _draw(task, joint, split, plot_path)


def seconds_of_import() -> float:
    """Import TensorFlow, so that it is not part of the first fit."""
    start = time.perf_counter()
    import_keras()
    return time.perf_counter() - start


def separate_models(joint: JointRegressorClassifier) -> list[JointRegressorClassifier]:
    """The same settings for the number alone and for the label alone."""
    return [
        clone(joint).set_params(class_columns=[], class_bins=None),
        clone(joint).set_params(value_columns=[]),
    ]


def measure(
    estimators: list[JointRegressorClassifier], split: Split, task: Task
) -> dict[str, float]:
    """Metrics of one joint estimator, or of a pair of which each has one target."""
    start = time.perf_counter()
    for estimator in estimators:
        estimator.fit(split.X_train, split.y_train)
    seconds = time.perf_counter() - start
    metrics: dict[str, Any] = {}
    for estimator in estimators:
        metrics |= estimator.evaluate(split.X_test, split.y_test)
    for_value, for_class = estimators[0], estimators[-1]
    classes: Any = task.classes
    edges: Any = task.bin_edges
    if task.bins is not None:
        classes, edges = for_class.classes_, for_class.class_bin_edges_
    elif task.value == task.label:
        classes = for_class.classes_
    if classes is not None:
        metrics["disagreement"] = 1 - agreement_score(
            for_value.predict_value(split.X_test),
            for_class.predict_class(split.X_test),
            classes=classes,
            bin_edges=edges,
        )
    metrics["n_parameters"] = sum(e.network_.n_parameters for e in estimators)
    metrics["seconds"] = seconds
    return metrics


def measure_constants(joint: JointRegressorClassifier, split: Split) -> dict[str, float]:
    """Metrics of the best constants: median or mean of the number, shares of the labels."""
    values, labels, true_values, true_labels = (
        pd.Series(part).dropna()
        for y in (split.y_train, split.y_test)
        for part in joint.split_targets(y)
    )
    shares = labels.value_counts(normalize=True)
    probabilities = true_labels.map(shares).fillna(np.finfo(float).eps).astype(float)
    return {
        "value_mae": (true_values - values.median()).abs().mean(),
        "value_rmse": np.sqrt(((true_values - values.mean()) ** 2).mean()),
        "class_accuracy": (true_labels == shares.index[0]).mean(),
        "class_log_loss": -np.log(probabilities).mean(),
    }


def _print_task(task, joint, split):
    classes = [str(label) for label in joint.classes_]
    shown = ", ".join(classes[:6]) + (", ..." if len(classes) > 6 else "")
    label = task.label if task.bins is None else "its band"
    print(f"skjoint {__version__}, {task.name}")
    print(f"  rows      {len(split.X_train)} to train, {len(split.X_test)} to test")
    print(f"  features  {joint.network_.n_inputs} encoded from {task.X.shape[1]}")
    print(f"  number    {task.value}{task.gaps(task.value)}")
    print(f"  label     {label}: {shown}{task.gaps(task.label)}\n")


def table_of_metrics(metrics: Mapping[str, Mapping[str, float] | pd.Series]) -> str:
    """Metrics by model as text, one line per model."""
    table = pd.DataFrame(metrics).T.reindex(columns=list(COLUMNS)).rename(columns=COLUMNS)
    formatted = {
        name: [
            "-" if pd.isna(entry) else FORMATS.get(str(name), "{:.4g}").format(entry)
            for entry in table[name]
        ]
        for name in table
    }
    return pd.DataFrame(formatted, index=table.index).to_string()


def pyplot_for_files() -> ModuleType | None:
    """matplotlib's pyplot without windows; None, and a line that says so, without matplotlib."""
    try:
        import matplotlib as mpl
    except ImportError:
        print('\nNo picture: matplotlib is not installed (pip install "skjoint[plot]").')
        return None
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def _draw(task: Task, joint: JointRegressorClassifier, split: Split, path: Path) -> None:
    plt = pyplot_for_files()
    if plt is None:
        return
    figure, panels = plt.subplot_mosaic(
        "ab;cd;ef;gg",
        figsize=(11, 13),
        height_ratios=(5, 3, 3, 3),
        layout="constrained",
    )
    axes = list(panels.values())
    _draw_predictions(task, joint, split, axes[:2])
    TrainingCurveDisplay.from_estimator(joint, ax=axes[2:])
    figure.savefig(path, dpi=120)
    plt.close(figure)
    print(f"\nPredictions and training curves of the joint model: {path.resolve()}")


def _draw_predictions(task, joint, split, axes):
    if task.bin_edges is None:
        JointPredictionDisplay.from_estimator(joint, split.X_test, split.y_test, ax=axes)
        return
    # For the estimator the label is a column of its own, not cut from the number.
    value_true, class_true = joint.split_targets(split.y_test)
    value = joint.predict_value(split.X_test)
    JointPredictionDisplay.from_predictions(
        value_true,
        value,
        class_true,
        joint.predict_class(split.X_test),
        labels=task.classes,
        class_of_value=task.classes[np.digitize(value, task.bin_edges)],
        ax=axes,
    )
