"""The data of a command, from a CSV file or from scikit-learn, as a task."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skjoint._support.nearest_name import nearest_name
from skjoint.datasets import load_diabetes_bands

GAPS = ["", "?", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]


@dataclass(frozen=True)
class Task:
    """A table of features, and which columns of another one are the number and the label."""

    name: str
    X: pd.DataFrame
    y: pd.DataFrame
    value: str
    label: str
    bins: int | None = None  # bands cut from the number
    bin_edges: tuple[float, ...] | None = None  # known edges between the labels `classes`
    classes: NDArray[Any] | None = None

    @property
    def target_parameters(self) -> dict[str, Any]:
        """The targets as parameters of the estimator and of splitters."""
        return {
            "value_columns": [self.value],
            "class_columns": [self.label],
            "class_bins": self.bins,
        }

    def gaps(self, column: str) -> str:
        """How many rows lack this target, as text; empty if none do."""
        count = self.y[column].isna().sum()
        return f" ({count} rows without)" if count else ""


def diabetes_task() -> Task:
    """The diabetes data that comes with scikit-learn."""
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


def csv_task(arguments: argparse.Namespace) -> Task:
    """The table and the targets that the options name."""
    # "None" or "NA" may well be a label; in other columns it is a gap.
    is_label = arguments.label is not None and arguments.label != arguments.value
    table = read_csv(arguments.csv, {arguments.label: ["", "?"]} if is_label else {})
    label = arguments.label or arguments.value
    _check_columns(arguments, table, [arguments.value, label, *arguments.drop])
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


def _check_columns(arguments, table, names):
    for name in names:
        if name not in table.columns:
            raise ValueError(
                f"{arguments.csv} has no column {name!r}.{nearest_name(name, table.columns)} "
                f"Its columns are: {', '.join(map(str, table.columns))}."
            )
    number = table[arguments.value]
    if not pd.api.types.is_numeric_dtype(number):
        raise ValueError(
            f"Column {arguments.value!r} must hold numbers. Got {number.dtype} such as "
            f"{number.iloc[0]!r} instead."
        )


def read_csv(path: str, gaps_of: Mapping[str, list[str]] | None = None) -> pd.DataFrame:
    """The table of a file; ``gaps_of`` names what is a gap where a column has gaps of its own."""
    try:
        names = pd.read_csv(path, nrows=0).columns
        gaps = dict.fromkeys(names, GAPS) | dict(gaps_of or {})
        return pd.read_csv(path, na_values=gaps, keep_default_na=False)
    except FileNotFoundError:
        raise ValueError(f"There is no file {path}.") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a readable CSV table: {error}") from error
