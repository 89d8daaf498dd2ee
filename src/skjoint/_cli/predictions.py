"""Predictions as columns of a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from skjoint import JointRegressorClassifier
from skjoint._prediction.answers import check_distinct, column_names


class Predictions:
    """Predictions as columns: every target by its name in y, and every label's probability.

    A label that is cut from the number of the same name is ``<name>_class``; what has the name
    of a kept column is ``<name>_predicted``.

    Parameters
    ----------
    est : JointRegressorClassifier
        Fitted.
    kept : list of str
        Columns that stand before the predictions.
    """

    def __init__(self, est: JointRegressorClassifier, kept: list[str]) -> None:
        self._est = est
        targets = est._model.targets
        self._n_values = len(targets.values)
        names = [[str(name) for name in group] for group in column_names(targets).values()]
        values = [name for group in names[: self._n_values] for name in group]
        classes = [name for group in names[self._n_values :] for name in group]
        self.values, classes = (
            [f"{name}_predicted" if name in kept else name for name in names]
            for names in (values, classes)
        )
        self.labels: dict[str, Any] = dict(
            zip(classes, (t.classes for t in targets.classes), strict=True)
        )
        self.columns = list(self._columns())
        check_distinct([*kept, *self.columns])

    def _columns(self) -> Iterator[str]:
        yield from self.values
        for name, labels in self.labels.items():
            yield name
            yield from (f"{name}_proba_{label}" for label in labels)

    def of(self, X: pd.DataFrame) -> pd.DataFrame:
        """The predictions of some rows."""
        model, parts = self._est._fitted(), []
        answers = model.answers(X, self._est._decoding(model))
        probas = model.probabilities(X) if self.labels else []
        for i in sorted(answers):
            answer = answers[i]
            parts += list(answer.T) if answer.ndim > 1 else [answer]
            if i >= self._n_values:
                parts += list(probas[i - self._n_values].T)
        return pd.DataFrame(
            {
                name: pd.Series(part, X.index, object if part.dtype.kind in "OUT" else part.dtype)
                for name, part in zip(self.columns, parts, strict=True)
            }
        )
