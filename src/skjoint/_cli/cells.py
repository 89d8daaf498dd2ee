"""Cells of tables: labels as they are written, and text that a spreadsheet would run."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

# What begins a formula in a spreadsheet, as OWASP lists it; spaces before it are ignored.
RUNS = re.compile("[ ]*[-=+@\t\r\n\uff0b\uff0d\uff1d\uff20]")
NEUTRALISED = re.compile(f"'('*{RUNS.pattern})")
WHOLE = re.compile("0|-?[1-9][0-9]{0,19}")


def labels_as_written(column: pd.Series) -> pd.Series:
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
