"""Predictions as columns of a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pandas as pd

from skjoint import JointRegressorClassifier
from skjoint._data.target_names import joined_name


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
        values = [name for target in targets.values for name in _names_of_value(target, targets)]
        classes = [_name_of_class(target, targets) for target in targets.classes]
        classes = [f"{name}_class" if name in values else name for name in classes]
        self.values, classes = (
            [f"{name}_predicted" if name in kept else name for name in names]
            for names in (values, classes)
        )
        self.labels = dict(zip(classes, (t.classes for t in targets.classes), strict=True))
        self.columns = list(self._columns())
        counts = Counter([*kept, *self.columns])
        if repeated := [name for name, count in counts.items() if count > 1]:
            raise ValueError(
                f"Two columns of predictions would be called {repeated[0]!r}: rename a column of y "
                "before training."
            )

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


def _names_of_value(target, targets):
    if targets.named:
        return [str(targets.names[position]) for position in target.positions]
    n_units = len(target.positions)
    return [target.name] if n_units == 1 else [f"{target.name}_{i}" for i in range(n_units)]


def _name_of_class(target, targets):
    return joined_name(target.positions, targets.names) if targets.named else target.name
