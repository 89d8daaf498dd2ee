"""``predict``: the rows of a table with a saved model."""

from __future__ import annotations

import argparse

import pandas as pd

from skjoint._cli.parser import path_of_output
from skjoint._cli.tables import read_csv
from skjoint._support.files import whole_file
from skjoint.persistence import load


def predict_table(arguments: argparse.Namespace) -> None:
    """Predict the rows of a table and write the predictions as a table."""
    path = path_of_output(arguments)
    try:
        est = load(arguments.model)
    except FileNotFoundError:
        raise ValueError(f"There is no file {arguments.model}.") from None
    X = _features(est, arguments.csv)
    predictions = pd.DataFrame(_predictions(est, X))
    with whole_file(path) as stream:
        stream.write(predictions.to_csv(index=False).encode())
    print(f"{len(predictions)} rows predicted: {path.resolve()}")


def _features(est, csv):
    """The columns of a file that the model was trained on, in their order."""
    table = read_csv(csv)
    names = getattr(est, "feature_names_in_", None)
    if names is None:
        return table
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise ValueError(f"{csv} lacks columns the model was trained on: {', '.join(missing)}.")
    return table[list(names)]


def _predictions(est, X):
    """Columns by name: every target, and the probability of every label."""
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
