"""The main job: where one joint model pays, and where it does not, on data that is embedded.

Every training row of the diabetes data has its label. In the first comparison most rows lack
the number, in the second all have it. The joint model has one number per label
(``head_link="mixture"``), so that rows with a label only still teach it something about the
number. The separate models have the default settings, the label's also early stopping, which
makes it better: each is as good as this network gets with one answer.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import train_test_split

from skjoint import JointRegressorClassifier, __version__
from skjoint._cli.compare import (
    Split,
    measure,
    measure_constants,
    pyplot_for_files,
    seconds_of_import,
    separate_models,
    table_of_metrics,
)
from skjoint._cli.parser import path_of_plot
from skjoint._cli.task import Task, diabetes_task

N_SPLITS = 5
SHARE_KNOWN = 0.1  # of the training rows, in the first comparison
JOINT, SEPARATE, CONSTANT = "joint model", "two separate models", "best constant"
COLORS = {JOINT: "#3b528b", SEPARATE: "#d95f02"}
METRICS = {
    "value_mae": "mean absolute error of the number",
    "class_log_loss": "log loss of the label",
}

# Per model its metrics, one column per split.
Results = dict[str, pd.DataFrame]


class Situation(NamedTuple):
    """What the training rows know, what came out, and the models of the first split."""

    name: str
    results: Results
    split: Split
    models: dict[str, list[JointRegressorClassifier]]

    def lead(self, metric: str) -> NDArray[np.float64]:
        """Error of the separate models minus that of the joint model, by split."""
        joint, separate = (self.results[name].loc[metric] for name in (JOINT, SEPARATE))
        return (separate - joint).to_numpy(float)


def run_main_job(arguments: argparse.Namespace) -> None:
    """Compare in both situations, print a table of each, draw a picture."""
    plot_path = path_of_plot(arguments)
    task = diabetes_task()
    splits = [_split(task, arguments, arguments.seed + i) for i in range(N_SPLITS)]
    n_rows, n_known = len(splits[0].X_train), _n_known(splits[0])
    import_seconds = seconds_of_import()
    print(f"skjoint {__version__}, {task.name}")
    print(f"  rows      {n_rows} to train, {len(splits[0].X_test)} to test")
    print(f"  number    {task.value}")
    print(f"  label     its band: {', '.join(map(str, task.classes))}")  # type: ignore[arg-type]
    situations = []
    for name, prepare in {
        f"Only {n_known} of {n_rows} rows have the number, all have the label": _hide_numbers,
        "All rows have both": lambda split, seed: split,
    }.items():
        situations.append(_compare(name, task, splits, prepare, arguments.seed))
        _print_situation(situations[-1])
    print(
        f"\nErrors on the test rows, means over {N_SPLITS} splits. disagree: share of rows whose "
        "label is not\nthe label of the number. seconds: training, after "
        f"{import_seconds:.1f} s of importing TensorFlow."
    )
    _draw(task, situations, plot_path)


def _split(task: Task, arguments: argparse.Namespace, seed: int) -> Split:
    return Split(
        *train_test_split(task.X, task.y, test_size=arguments.test_size, random_state=seed)
    )


def _n_known(split: Split) -> int:
    return max(round(SHARE_KNOWN * len(split.y_train)), 2)


def _hide_numbers(split: Split, seed: int) -> Split:
    """The same split, with the number in a few training rows only."""
    y_train = split.y_train.astype({split.y_train.columns[0]: float})
    rows = np.random.default_rng(seed).permutation(len(y_train))[_n_known(split) :]
    y_train.iloc[rows, 0] = np.nan
    return split._replace(y_train=y_train)


def _compare(
    name: str,
    task: Task,
    splits: list[Split],
    prepare: Callable[[Split, int], Split],
    seed: int,
) -> Situation:
    prepared = [prepare(split, seed + i) for i, split in enumerate(splits)]
    found: dict[str, list[dict[str, float]]] = {JOINT: [], SEPARATE: [], CONSTANT: []}
    all_models = []
    for i, split in enumerate(prepared):
        linked = JointRegressorClassifier(
            head_link="mixture", random_state=seed + i, **task.target_parameters
        )
        number, label = separate_models(clone(linked).set_params(head_link=None))
        label.set_params(early_stopping=True, epochs=100)
        models = {JOINT: [linked], SEPARATE: [number, label]}
        for model, estimators in models.items():
            found[model].append(measure(estimators, split, task))
        found[CONSTANT].append(measure_constants(linked, split))
        all_models.append(models)
    results = {model: pd.DataFrame(metrics).T for model, metrics in found.items()}
    return Situation(name, results, prepared[0], all_models[0])


def _print_situation(situation: Situation) -> None:
    means = {model: metrics.mean(axis=1) for model, metrics in situation.results.items()}
    print(f"\n{situation.name}:")
    print(table_of_metrics(means))
    ahead = {metric: int((situation.lead(metric) > 0).sum()) for metric in METRICS}
    print(
        f"Splits in which the joint model is better: {ahead['value_mae']} of {N_SPLITS} by MAE, "
        f"{ahead['class_log_loss']} of {N_SPLITS} by log loss."
    )


# --------------------------------------------------------------------- picture
def _draw(task: Task, situations: list[Situation], path: Path) -> None:
    plt = pyplot_for_files()
    if plt is None:
        return
    figure, axes = plt.subplots(2, 2, figsize=(9, 7.5), layout="constrained")
    for ax, metric in zip(axes[0], METRICS, strict=True):
        _draw_errors(ax, situations, metric)
    for ax, model in zip(axes[1], (SEPARATE, JOINT), strict=True):
        _draw_numbers(ax, task, situations[0], model)
    figure.savefig(path, dpi=100)
    plt.close(figure)
    print(f"\nPicture of both comparisons: {path.resolve()}")


def _draw_errors(ax: Any, situations: list[Situation], metric: str) -> None:
    """One line per split, from the separate models to the joint one."""
    for at, situation in enumerate(situations):
        ends = [situation.results[model].loc[metric].to_numpy() for model in (SEPARATE, JOINT)]
        places = [3 * at, 3 * at + 1]
        ax.plot(places, ends, color="0.75", linewidth=1, zorder=1)
        for place, model, errors in zip(places, (SEPARATE, JOINT), ends, strict=True):
            ax.scatter([place] * N_SPLITS, errors, s=22, color=COLORS[model], zorder=2)
            ax.plot([place - 0.25, place + 0.25], [errors.mean()] * 2, color=COLORS[model], lw=3)
    ax.set_title(f"{METRICS[metric]} (lower is better)", fontsize="medium")
    ax.set_xlim(-0.7, 4.7)
    ax.set_xticks([0, 1, 3, 4], ["separate", "joint"] * 2)
    for at, text in enumerate(("number in few rows", "number in all rows")):
        ax.text(
            3 * at + 0.5, -0.13, text, ha="center", va="top", transform=ax.get_xaxis_transform()
        )


def _draw_numbers(ax: Any, task: Task, situation: Situation, model: str) -> None:
    """True and predicted numbers of the first split."""
    split = situation.split
    true = split.y_test[task.value].to_numpy()
    predicted = {
        name: estimators[0].predict_value(split.X_test)
        for name, estimators in situation.models.items()
    }
    everything = np.concatenate([true, *predicted.values()])
    limits = everything.min() - 20, everything.max() + 20
    ax.plot(limits, limits, color="0.6", linewidth=1, zorder=1)
    ax.scatter(true, predicted[model], s=14, alpha=0.7, color=COLORS[model], zorder=2)
    mae = np.abs(true - predicted[model]).mean()
    ax.set(xlabel=f"true {task.value}", ylabel="predicted", xlim=limits, ylim=limits)
    ax.set_title(f"number in few rows, {model}: MAE {mae:.1f}", fontsize="medium")
