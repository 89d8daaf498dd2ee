"""Scorers of one output, or of all, in the form that scikit-learn's searches take."""

from __future__ import annotations

import inspect
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.metrics import get_scorer, make_scorer
from sklearn.utils.metadata_routing import MetadataRequest

from skjoint._support.composition import best_predictor
from skjoint._support.typing import XLike, YLike
from skjoint.metrics import joint_metrics
from skjoint.views import ClassView, ValueView

# Entries of ``evaluate`` that scikit-learn has no scorer for which takes every fold.
METRICS = ("class_balanced_accuracy", "class_f1", "class_roc_auc", "class_average_precision")


class _Scorer:
    """The methods that scikit-learn needs of a scorer beside the call."""

    def __init__(self) -> None:
        self._metadata_request = MetadataRequest(owner=self)

    def _accept_sample_weight(self) -> bool:
        return True

    def get_metadata_routing(self) -> MetadataRequest:
        """Which metadata is requested.

        Returns
        -------
        request : MetadataRequest
        """
        return self._metadata_request

    def set_score_request(self, **requests: bool | str | None) -> Self:
        """Request metadata, as of scikit-learn's own scorers: ``sample_weight=True``.

        Parameters
        ----------
        **requests : dict
            Name of the metadata: True, False, None or an alias.

        Returns
        -------
        self : scorer
        """
        request = MetadataRequest(owner=self)
        for name, alias in requests.items():
            request.score.add_request(param=name, alias=alias)
        self._metadata_request = request
        return self


class _JointScorer(_Scorer):
    """``score`` of the joint estimator, also inside a search."""

    def __call__(
        self,
        estimator: BaseEstimator,
        X: XLike,
        y_true: YLike,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        # A search's own score is that of its refit metric.
        estimator = best_predictor(estimator)
        keywords = {} if sample_weight is None else {"sample_weight": sample_weight}
        score: float = estimator.score(X, y_true, **keywords)
        return score

    def __repr__(self) -> str:
        return "joint_scorer"


class _MetricScorer(_Scorer):
    """An entry of ``evaluate`` of which higher is better; NaN where it is not defined."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def __call__(
        self,
        estimator: BaseEstimator,
        X: XLike,
        y_true: YLike,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        return joint_metrics(estimator, X, y_true, sample_weight).get(self.name, np.nan)

    def __repr__(self) -> str:
        return f"metric_scorer({self.name!r})"


class _HeadScorer(_Scorer):
    """A scikit-learn scorer of one head, which leaves rows without its label out."""

    def __init__(self, view: type[ValueView] | type[ClassView], name: str) -> None:
        super().__init__()
        self.view = view
        self.name = name
        self._scorer = get_scorer(name)

    def __call__(
        self,
        estimator: BaseEstimator,
        X: XLike,
        y_true: YLike,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        view = self.view(estimator)
        X, truth, weights = view._truth(X, y_true, sample_weight, is_joint=True)
        if len(truth) == 0:
            return np.nan
        keywords = {} if weights is None else {"sample_weight": weights}
        score: float = self._complete(view)(view, X, truth, **keywords)
        return score

    def _complete(self, view: ValueView | ClassView) -> Any:
        """The scorer, with all labels of the model where a fold need not hold each of them."""
        scorer = self._scorer
        function = scorer._score_func
        takes_labels = "labels" in inspect.signature(function).parameters
        if scorer._response_method != "predict_proba" or not takes_labels:
            return scorer
        return make_scorer(
            function,
            response_method="predict_proba",
            greater_is_better=scorer._sign > 0,
            **{**scorer._kwargs, "labels": view.classes_},
        )

    def __repr__(self) -> str:
        return f"{'value' if self.view is ValueView else 'class'}_scorer({self.name!r})"


def value_scorer(name: str) -> _HeadScorer:
    """scikit-learn's scorer of this name, for the number of a joint model.

    Parameters
    ----------
    name : str
        Such as ``"neg_mean_absolute_error"``.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y, sample_weight=None)`` for a joint estimator,
        or a Pipeline or search that ends in one, and its joint y. Rows without
        a number are left out.

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> from skjoint import JointRegressorClassifier
    >>> from skjoint.datasets import load_diabetes_bands
    >>> from skjoint.model_selection import value_scorer
    >>> X, y = load_diabetes_bands(return_X_y=True)
    >>> est = JointRegressorClassifier(epochs=5, random_state=0)
    >>> cross_val_score(est, X, y, cv=3, scoring=value_scorer("r2")).shape
    (3,)
    """
    return _HeadScorer(ValueView, name)


def class_scorer(name: str) -> _HeadScorer:
    """scikit-learn's scorer of this name, for the label of a joint model.

    Parameters
    ----------
    name : str
        Such as ``"roc_auc_ovr"``, ``"neg_log_loss"`` or ``"f1_macro"``.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y, sample_weight=None)``, as of
        :func:`value_scorer`. Scores of probabilities count all labels of
        the model, also those that a fold lacks.

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> from skjoint import JointRegressorClassifier
    >>> from skjoint.datasets import load_diabetes_bands
    >>> from skjoint.model_selection import class_scorer
    >>> X, y = load_diabetes_bands(return_X_y=True)
    >>> est = JointRegressorClassifier(epochs=5, random_state=0)
    >>> cross_val_score(est, X, y, cv=3, scoring=class_scorer("roc_auc_ovr")).shape
    (3,)
    """
    return _HeadScorer(ClassView, name)


def joint_scoring() -> dict[str, _Scorer]:
    """Scorers of both heads for ``cross_validate`` and multimetric searches.

    Returns
    -------
    scoring : dict of str to callable
        ``joint`` (the mean of R² and accuracy, what ``score`` gives),
        ``value_r2``, ``value_neg_mean_absolute_error``, ``class_accuracy``,
        ``class_neg_log_loss``, and, as in ``JointRegressorClassifier.evaluate``,
        ``class_balanced_accuracy``, ``class_f1``, ``class_roc_auc`` and
        ``class_average_precision`` (the last two NaN where a fold lacks a label):
        higher is better for all.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skjoint import JointRegressorClassifier
    >>> from skjoint.datasets import load_diabetes_bands
    >>> from skjoint.model_selection import joint_scoring
    >>> X, y = load_diabetes_bands(return_X_y=True)
    >>> search = GridSearchCV(
    ...     JointRegressorClassifier(epochs=5, random_state=0),
    ...     {"alpha": [0.0, 0.01]},
    ...     scoring=joint_scoring(),
    ...     refit="class_neg_log_loss",
    ...     cv=2,
    ... ).fit(X, y)
    >>> search.cv_results_["mean_test_value_r2"].shape
    (2,)
    """
    return {
        "joint": _JointScorer(),
        **{f"value_{name}": value_scorer(name) for name in ("r2", "neg_mean_absolute_error")},
        **{f"class_{name}": class_scorer(name) for name in ("accuracy", "neg_log_loss")},
        **{name: _MetricScorer(name) for name in METRICS},
    }
