"""``train``: a model file of a table, and a card that describes the model."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from skjoint import JointRegressorClassifier, __version__
from skjoint._cli.task import Task
from skjoint.model_selection import JointStratifiedKFold
from skjoint.persistence import save

REPORTED = 60  # features; of more, the first and the last are shown


def train_model(task: Task, arguments: argparse.Namespace) -> None:
    """Cross-validate and train a joint model, save it, print its card."""
    path = Path(arguments.output)
    settings = {**task.parameters, "random_state": arguments.seed}
    if arguments.accurate:
        est = JointRegressorClassifier.accurate(**settings)
    else:
        est = JointRegressorClassifier(early_stopping=True, **settings)
    scores = _cross_validate(est, task, arguments.folds, arguments.seed)
    save(est.fit(task.X, task.y), path)
    report = feature_report_lines(est)
    for line in [*_card(est, task), "", *report, *_score_lines(scores), "", _place(path)]:
        print(line)


def _cross_validate(est, task, n_folds, seed):
    """The figures of ``evaluate``, one row per fold."""
    folds = JointStratifiedKFold(n_folds, shuffle=True, random_state=seed, **task.target_parameters)
    return pd.DataFrame(
        clone(est)
        .fit(task.X.iloc[rows], task.y.iloc[rows])
        .evaluate(task.X.iloc[test], task.y.iloc[test])
        for rows, test in folds.split(task.X, task.y)
    )


def _card(est: JointRegressorClassifier, task: Task) -> Iterator[str]:
    """The lines that describe a fitted estimator."""
    yield f"Joint model of {task.name}"
    yield ""
    yield f"  rows        {len(task.X)}"
    yield f"  features    {', '.join(task.X.columns)}"
    yield f"  number      {task.value}{task.gaps(task.value)}"
    label = task.label if task.bins is None else f"band of {task.label}"
    yield f"  label       {label}: {', '.join(map(str, est.classes_))}{task.gaps(task.label)}"
    if task.bins is not None:
        yield f"  band edges  {', '.join(f'{edge:g}' for edge in est.class_bin_edges_)}"
    n_networks = est.n_members + est.n_refits
    networks = f"{n_networks} networks of up to " if n_networks > 1 else ""
    yield f"  parameters  {networks}{est.network_.n_parameters:,}, {est.n_iter_} epochs"
    if len(est.shares_.columns) > 1:  # not the networks alone
        for output, shares in est.shares_.iterrows():
            parts = ", ".join(f"{kind} {share:.2f}" for kind, share in shares.items())
            yield f"  shares      of {output}: {parts}"
    defaults = JointRegressorClassifier().get_params()
    changed = {n: v for n, v in est.get_params().items() if v != defaults.get(n)}
    yield f"  settings    {', '.join(f'{name}={value!r}' for name, value in changed.items())}"
    yield f"  versions    skjoint {__version__}, numpy {np.__version__}, pandas {pd.__version__}"


def feature_report_lines(est: Any) -> list[str]:
    """What became of each feature: ``feature_report_`` as text, and an empty line."""
    report = est.feature_report_
    shown = report.assign(missing=[f"{share:.1%}" for share in report["missing"]])
    texts = {c: shown[c].astype(str).str.len().max() for c in ("column", "kind", "why")}
    left = {c: (lambda width: lambda entry: f"{entry!s:{width}}")(w) for c, w in texts.items()}
    table = shown.to_string(index=False, max_rows=REPORTED, formatters=left)
    return ["Features:", "", *(f"  {line}" for line in table.splitlines()), ""]


def _score_lines(scores):
    yield f"Cross-validated, {len(scores)} folds that keep the shares of the labels and the"
    yield "distribution of the number (mean ± standard deviation):"
    yield ""
    width = max(map(len, scores))
    for name, mean in scores.mean().items():
        yield f"  {name:{width}} {mean:.4g} ± {scores[name].std():.2g}"


def _place(path: Path) -> str:
    return f"The model, trained on all rows: {path.resolve()}"
