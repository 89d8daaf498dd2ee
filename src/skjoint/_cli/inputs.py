"""The rows of a table as a model was trained on them, and the place of what it refuses."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence

import pandas as pd

from skjoint import JointRegressorClassifier
from skjoint._cli.tables import BOOLEANS, Table
from skjoint._support.nearest_name import nearest_name


class Inputs:
    """The features of a table, read as those of training were.

    Parameters
    ----------
    est : JointRegressorClassifier
        Fitted.
    table : Table
    kept : sequence of str
        Columns that are kept beside the predictions.
    """

    def __init__(self, est: JointRegressorClassifier, table: Table, kept: Sequence[str]) -> None:
        self._est, self._table, self._kept = est, table, kept
        names = getattr(est, "feature_names_in_", None)
        if names is None:
            self._features = [c for c in table.named if c not in kept]
        else:
            self._features = list(names)
            self._check_columns()
        numbers = number_positions(est)
        self._numbers = [c for i, c in enumerate(self._features) if i in numbers]
        # Codes of digits alone are text where they were in training: "007" is no 7.
        self._texts = [c for i, c in enumerate(self._features) if i not in numbers]
        texts = self._texts if names is None else est._model.features.text_columns()
        self._booleans = [c for c in self._texts if c not in texts]

    def _check_columns(self):
        name, columns = self._table.name, self._table.columns
        missing = [c for c in self._features if c not in columns]
        if missing:
            raise ValueError(
                f"{name} lacks columns the model was trained on: {', '.join(missing)}."
                f"{nearest_name(missing[0], columns)}"
            )
        self._table.check(self._features)

    def chunks(self) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
        """Features and kept columns of some rows after others."""
        classes = self._est._model.targets.classes
        width = sum(len(target.classes) for target in classes)
        for X, kept in self._table.chunks(self._features, self._texts, self._kept, width):
            spelt = {
                c: X[c].map(lambda entry: BOOLEANS.get(entry, entry), na_action="ignore")
                for c in self._booleans
                if X[c].dtype == object
            }
            if len(X):
                yield X.assign(**spelt), kept

    # ---------------------------------------------------------------------- errors
    def located(self, error: Exception, X: pd.DataFrame) -> Exception:
        """The error of a chunk that the model refuses, with the place of the first such entry."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            accepted, refused = 0, len(X)
            while refused - accepted > 1:
                middle = (accepted + refused) // 2
                if self._refusal(X.iloc[accepted:middle]) is None:
                    accepted = middle
                else:
                    refused = middle
            row = X.iloc[[accepted]]
            reason = self._refusal(row)
            if reason is None:  # of some rows together
                return error
            return self._located(reason, row)

    def _located(self, reason, row):
        place = int(row.index[0])
        for column in self._features:
            is_number = column in self._numbers
            entry = row[column].tolist()[0]
            if self._refusal(row.assign(**{column: 0.0 if is_number else None})) is None:
                if is_number:
                    return self._table.no_number(place, column, entry)
                if column not in str(reason):
                    return self._table.at(place, column, f"holds {entry!r}: {reason}")
                break
        return ValueError(f"{self._table.name}, {self._table.place(place)}: {reason}")

    def _refusal(self, X):
        """The error of predicting these rows, or None."""
        numbers = {c: pd.to_numeric(X[c], errors="coerce") for c in self._numbers}
        read = {c: n for c, n in numbers.items() if not (n.isna() & X[c].notna()).any()}
        try:
            self._est.predict(X.assign(**read))
        except (ValueError, TypeError) as error:
            return error
        return None


def number_positions(est: JointRegressorClassifier) -> set[int]:
    """Positions of the features that are numbers for a model."""
    return {i for i, kind in enumerate(est.feature_report_["kind"]) if kind == "number"}
