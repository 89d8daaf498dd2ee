"""``predict``: the rows of a table with a saved model, some after others."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from skjoint._cli.parser import path_of_output
from skjoint._cli.tables import ParquetTable, Table, open_table


def predict_table(arguments: argparse.Namespace) -> None:
    """Predict the rows of a table and write the predictions as a table."""
    path = path_of_output(arguments)
    with open_table(arguments) as table:
        kept = kept_columns(table, arguments.keep)
        from skjoint._cli.inputs import Inputs
        from skjoint._cli.output import open_output
        from skjoint._cli.predictions import Predictions
        from skjoint.persistence import load

        est = load(arguments.model)
        inputs = Inputs(est, table, kept)
        predictions = Predictions(est, kept)
        schema = table.schema if isinstance(table, ParquetTable) else None
        n_rows = 0
        with open_output(path, schema) as output:
            for name, labels in predictions.labels.items():
                output.check_labels(name, labels)
            for X, kept_rows in inputs.chunks():
                try:
                    rows = predictions.of(X)
                except (ValueError, TypeError) as error:
                    raise inputs.located(error, X) from error
                output.write(kept_rows, rows)
                n_rows += len(X)
            if not n_rows:
                raise ValueError(f"{table.name} has no rows.")
    if path is not None:
        print(f"{n_rows} rows predicted: {path.resolve()}")


def kept_columns(table: Table, options: Iterable[str]) -> list[str]:
    """The columns that are to be kept, given as names or with commas between them."""
    parts = [[o] if o in table.columns else o.split(",") for o in options]
    names = list(dict.fromkeys(name for part in parts for name in part))
    table.check(names)
    return names
