"""``predict``: the rows of a table with a saved model."""

from __future__ import annotations

import argparse
import csv
import itertools
from collections import Counter

import numpy as np
import pandas as pd

from skjoint._cli.parser import path_of_output
from skjoint._cli.tables import LABEL_GAPS, neutralised, read_csv
from skjoint._support.files import whole_file
from skjoint.persistence import load


def predict_table(arguments: argparse.Namespace) -> None:
    """Predict the rows of a table and write the predictions as a table."""
    path = path_of_output(arguments)
    try:
        est = load(arguments.model)
    except FileNotFoundError:
        raise ValueError(f"There is no file {arguments.model}.") from None
    X = _features(est, arguments)
    columns = _predictions(est, X)
    predictions = pd.DataFrame(columns)
    # Where text has no "\r", nothing but separators, quotes and new lines needs quotes.
    texts = itertools.chain(columns, *(c for c in columns.values() if isinstance(c, list)))
    quoting = csv.QUOTE_NONNUMERIC if any("\r" in str(t) for t in texts) else csv.QUOTE_MINIMAL
    text = predictions.to_csv(index=False, lineterminator="\n", quoting=quoting).encode()
    with whole_file(path) as stream:
        stream.write(text)
    print(f"{len(predictions)} rows predicted: {path.resolve()}")


def _features(est, arguments):
    """The columns of a file that the model was trained on, in their order."""
    names = getattr(est, "feature_names_in_", None)
    # Codes of digits alone are text where they were in training: "007" is no 7.
    texts = est._model.features.text_columns() if names is not None else []
    table = read_csv(arguments.csv, texts=texts, allow_url=arguments.allow_url)
    if names is None:
        return table
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise ValueError(
            f"{arguments.csv} lacks columns the model was trained on: {', '.join(missing)}."
        )
    return table[list(names)]


def _predictions(est, X):
    """Columns by name: every target, and the probability of every label."""
    pairs = [(neutralised(name), column) for name, column in _columns(est, X)]
    repeated = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    if repeated:
        raise ValueError(
            f"Two columns of predictions would be called {repeated[0]!r}: rename a column of y "
            "before training."
        )
    return {name: _cells(column) for name, column in pairs}


def _cells(column):
    """Numbers as they are, text as a spreadsheet does not run it."""
    if column.dtype.kind == "f":
        return column.astype(np.float64)
    return column if column.dtype != object else [_cell(entry) for entry in column.tolist()]


def _cell(entry):
    return neutralised(entry) if isinstance(entry, str) else entry


def _columns(est, X):
    """Pairs of name and column: every target, and the probability of every label."""
    heads = {kind: [h for h in est.network_.heads if h.kind == kind] for kind in ("value", "class")}
    if heads["value"]:
        values = est.predict_value(X).reshape(len(X), -1)
        for head, column in zip(heads["value"], values.T, strict=True):
            yield head.name, column
    if heads["class"]:
        several = len(heads["class"]) > 1
        labels = est.predict_class(X).reshape(len(X), -1)
        probas = est.predict_proba(X) if several else [est.predict_proba(X)]
        classes = est.classes_ if several else [est.classes_]
        for i, head in enumerate(heads["class"]):
            _check_labels(head.name, classes[i])
            yield head.name, labels[:, i]
            for label, column in zip(classes[i], probas[i].T, strict=True):
                yield f"{head.name}_proba_{label}", column


def _check_labels(name, labels):
    """Raise for text that no cell gives back."""
    for label in labels:
        if not isinstance(label, str):
            continue
        why = "is a gap in a table" if label in LABEL_GAPS else ""
        if "\0" in label or _is_no_unicode(label):
            why = "cannot be written into one"
        if why:
            raise ValueError(f"Label {label!r} of target '{name}' {why}: train with another one.")


def _is_no_unicode(text):
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
