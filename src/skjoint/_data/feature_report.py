"""What each column of X is, and what becomes of it, as a table."""

from __future__ import annotations

import pandas as pd

from skjoint._data.code_units import units_of

COLUMNS = ["column", "kind", "why", "levels", "width", "missing"]


def feature_report(features):
    """The report of a :class:`skjoint._data.encoding.FeatureEncoder`.

    ``levels`` are those of categories, ``width`` the numbers that the network reads of a column,
    ``missing`` the share of its entries that were missing in fit.
    """
    names = features.schema.feature_names
    names = list(range(features.schema.n_features) if names is None else names)
    if features.entries is not None:
        return features.entries.report(names)
    widths = _widths(features)
    levels = {p: len(encoder.levels) for p, encoder in features.categories.items()}
    rows = [
        (name, guess.kind, guess.why, levels.get(p, pd.NA), widths.get(p, 0), missing)
        for p, (name, guess, missing) in enumerate(
            zip(names, features.guesses, features.missing, strict=True)
        )
    ]
    report = pd.DataFrame(rows, columns=COLUMNS)
    return report.astype({"levels": "Int64", "width": int, "missing": float})


def _widths(features):
    """Numbers that the network reads of each column, by position."""
    widths = {p: units_of(encoder.n_codes) for p, encoder in features.categories.items()}
    widths |= {p: encoder.width for p, encoder in features.texts.items()}
    widths |= dict.fromkeys(features.sparse, 1)
    if features.numbers is not None:
        left = features.numbers.widths().tolist()
        widths |= {position: left.pop(0) for position in features.dense}
        for position, date in features.dates.items():
            widths[position] = sum(left.pop(0) for _ in date.parts)
    return widths
