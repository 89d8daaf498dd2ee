"""The data of ``train`` and ``compare``, from a file or from scikit-learn."""

from __future__ import annotations

import argparse
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from skjoint._cli.tables import Table, open_table

NEARLY_NONE = 0.1  # of the distinct entries

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


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
    kinds: dict[str, str] = field(default_factory=dict)  # of features, where they are given

    @property
    def target_parameters(self) -> dict[str, Any]:
        """The targets as parameters of the estimator and of splitters."""
        return {
            "value_columns": [self.value],
            "class_columns": [self.label],
            "class_bins": self.bins,
        }

    @property
    def parameters(self) -> dict[str, Any]:
        """Targets and kinds of features as parameters of the estimator."""
        kinds = {"preprocess": self.kinds} if self.kinds else {}
        return {**self.target_parameters, **kinds}

    def gaps(self, column: str) -> str:
        """How many rows lack this target, as text; empty if none do."""
        count = self.y[column].isna().sum()
        return f" ({count} rows without)" if count else ""


def diabetes_task() -> Task:
    """The diabetes data that comes with scikit-learn."""
    import numpy as np

    from skjoint.datasets import load_diabetes_bands

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
    value, label = arguments.value, arguments.label or arguments.value
    kinds = dict(arguments.kind)
    targets = list(dict.fromkeys([value, label]))
    with open_table(arguments) as table:
        _check_columns(arguments, table, targets, kinds)
        frame = table.read(
            labels=[label] if label != value else [],
            texts=[c for c, kind in kinds.items() if kind not in ("number", "drop")],
            numbers=[value, *(c for c, kind in kinds.items() if kind == "number")],
        )
        frame[value] = _numbers(table, frame[value])
        frame = frame.drop(columns=table.called(arguments.drop), errors="ignore")
        _check_finite(table, frame)
        _warn_of_text(table, frame.drop(columns=[label, *kinds], errors="ignore"))
    is_empty = frame.isna().all(axis=1)
    if is_empty.any():
        frame = frame[~is_empty].reset_index(drop=True)
    if not len(frame):
        raise ValueError(f"{table.name} has no rows.")
    return Task(
        table.name,
        frame.drop(columns=targets),
        frame[targets],
        value,
        label,
        bins=arguments.class_bins,
        kinds=kinds,
    )


def _check_columns(arguments, table, targets, kinds):
    """Raise for names that name no column, or a target as a feature."""
    table.check([*targets, *kinds])
    table.check([name for name in arguments.drop if name not in table.repeated])
    others = {*targets, *table.called(arguments.drop)}
    features = [c for c in table.named if c not in others]
    for option, named in (("--drop", arguments.drop), ("--kind", kinds)):
        if set(targets) & set(named):
            raise ValueError(f"{option} must not name a target. Got {', '.join(named)} instead.")
    if dropped := set(kinds) - set(features):
        raise ValueError(f"--kind must name features. Got {', '.join(dropped)} instead.")
    if not features:
        raise ValueError(f"{table.name} has no column left to predict from.")
    table.check(features)


def _numbers(table: Table, column: pd.Series) -> pd.Series:
    """A column that must hold numbers, as such."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column.dtype):
        return column
    numbers = pd.to_numeric(column.astype(object), errors="coerce")
    if column.dtype.kind in "mM":
        numbers = numbers.astype(float).where(numbers.isna())
    bad = column.notna() & numbers.isna()
    if bad.any():
        row = int(bad.idxmax())
        raise table.no_number(row, str(column.name), column[row])
    return numbers


def _check_finite(table, frame):
    import numpy as np

    for name, column in frame.select_dtypes("number").items():
        infinite = np.isinf(column.to_numpy(dtype=float, na_value=np.nan))
        if infinite.any():
            row = int(infinite.argmax())
            raise table.no_number(row, name, float(column[row]))


def _warn_of_text(table, frame):
    """Warn of columns that are numbers but for an entry in ten or fewer."""
    import pandas as pd

    for name, column in frame.select_dtypes(["object", "str"]).items():
        entries = pd.Series(column.dropna().unique(), dtype=object)
        others = entries[pd.to_numeric(entries, errors="coerce").isna()]
        if 0 < len(others) <= NEARLY_NONE * len(entries):
            row = int((column == others.iloc[0]).idxmax())
            problem = f"holds {others.iloc[0]!r} among numbers and is taken for text"
            warnings.warn(str(table.at(row, name, problem)), stacklevel=2)
