"""The data of a command, from a CSV file or from scikit-learn, as a task."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skjoint._support.nearest_name import nearest_name
from skjoint.datasets import load_diabetes_bands

# What begins a formula in a spreadsheet, as OWASP lists it; spaces before it are ignored.
RUNS = re.compile("[ ]*[-=+@\t\r\n\uff0b\uff0d\uff1d\uff20]")
NEUTRALISED = re.compile(f"'('*{RUNS.pattern})")
WHOLE = re.compile("0|-?[1-9][0-9]{0,19}")

LABEL_GAPS = ["", "?"]
GAPS = [*LABEL_GAPS, "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]


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
    is_label = arguments.label is not None and arguments.label != arguments.value
    label_column = arguments.label if is_label else None
    table = read_csv(arguments.csv, label_column, allow_url=arguments.allow_url)
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


def read_csv(
    path: str, label: str | None = None, *, texts: Iterable[str] = (), allow_url: bool = False
) -> pd.DataFrame:
    """The table of a file, with columns of text and the labels as they are written there."""
    source = _source(path, allow_url)
    try:
        names = pd.read_csv(source, nrows=0).columns
        gaps = dict.fromkeys(names, GAPS)
        if label not in names:
            return _parsed(source, gaps, dict.fromkeys(texts, object))
        # "None" or "NA" may well be a label; in other columns it is a gap.
        gaps[label] = LABEL_GAPS
        table = _parsed(source, gaps, {label: object})
    except FileNotFoundError:
        raise ValueError(f"There is no file {path}.") from None
    except ImportError as error:  # what pandas needs to open some kinds of address
        raise ValueError(f"{path} cannot be opened: {error}") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a readable CSV table: {error}") from error
    return table.assign(**{label: _labels(table[label])})  # type: ignore[arg-type]


def _parsed(source, gaps, dtypes):
    # In parts, a column of digits and letters would be numbers in some and text in others.
    return pd.read_csv(
        source, na_values=gaps, keep_default_na=False, dtype=dtypes, low_memory=False
    )


def _source(path, allow_url):
    """What pandas opens: a file of this machine, or an address where these are allowed."""
    if Path(path).exists() or not re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", path):
        return Path(path).absolute()  # which pandas takes for no address
    if not allow_url:
        raise ValueError(
            f"{path} is an address and no file of this machine. Add --allow-url to have it opened."
        )
    return path


def _labels(column):
    """Labels as text, or as whole numbers where these are written as the text is."""
    present = column.dropna()
    neutral = any(NEUTRALISED.match(text) for text in present)
    if neutral and not any(RUNS.match(text) for text in present):
        column = column.map(lambda text: NEUTRALISED.sub(r"\1", text), na_action="ignore")
        present = column.dropna()
    is_whole = len(present) and all(WHOLE.fullmatch(text) for text in present)
    for dtype in ("int64", "uint64"):
        limits = np.iinfo(dtype)
        if is_whole and all(limits.min <= int(text) <= limits.max for text in present):
            whole = [pd.NA if pd.isna(text) else int(text) for text in column]
            return pd.Series(pd.array(whole, dtype="Int64" if dtype == "int64" else "UInt64"))
    numbers = pd.to_numeric(present, errors="coerce")
    # Numbers with fractions make no labels, which the estimator has an error for.
    return pd.to_numeric(column) if numbers.notna().all() and (numbers % 1).any() else column


def neutralised(text: str) -> str:
    """A text that a spreadsheet would run, with an apostrophe before it; others as they are.

    Whoever takes one apostrophe away where such a text follows has every text back.
    """
    return f"'{text}" if RUNS.match(text.lstrip("'")) else text
