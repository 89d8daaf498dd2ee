"""One head of a joint estimator as a plain scikit-learn regressor or classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import Tags, _safe_indexing
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_y, _num_samples, check_is_fitted, column_or_1d

from skjoint._data.containers import warn_of_other_order
from skjoint._data.exact import as_array, is_equal
from skjoint._data.foreign import as_pandas
from skjoint._data.labels import label_kind
from skjoint._data.sample_weight import check_weights
from skjoint._data.targets import Targets
from skjoint._prediction.answers import column_names
from skjoint._support.composition import best_predictor, joint_estimator, joint_prefix, weight_name
from skjoint._support.sklearn_callbacks import (
    CallbackSupportMixin,
    sub_estimator_task,
    with_callbacks,
)
from skjoint._support.typing import ArrayOrList, XLike, YLike

__all__ = ["ClassView", "ValueView", "as_classifier", "as_regressor"]

# Parameters that need heads of both kinds: their values when one head is trained alone.
BOTH_HEADS: Mapping[str, Any] = {
    "head_link": None,
    "value_by_class": None,
    "value_from": "head",
    "class_from": "head",
    "loss_weights": (1.0, 1.0),
    "class_bins": None,
    "value_columns": None,
    "class_columns": None,
}


def as_regressor(estimator: BaseEstimator) -> ValueView:
    """The number of a joint estimator as a scikit-learn regressor.

    Parameters
    ----------
    estimator : JointRegressorClassifier, Pipeline or search
        Fitted or not.

    Returns
    -------
    view : ValueView
        ``is_regressor(view)`` is true.

    Examples
    --------
    >>> from sklearn.inspection import permutation_importance
    >>> from skjoint import JointRegressorClassifier
    >>> from skjoint.datasets import load_diabetes_bands
    >>> from skjoint.views import as_regressor
    >>> X, y = load_diabetes_bands(return_X_y=True)
    >>> est = JointRegressorClassifier(epochs=5, random_state=0).fit(X, y)
    >>> view = as_regressor(est)
    >>> view.predict(X).shape
    (442,)
    >>> result = permutation_importance(view, X, y["progression"], random_state=0)
    >>> X.columns[result.importances_mean.argmax()] in ("bmi", "s5")
    True
    """
    return ValueView(estimator)


def as_classifier(estimator: BaseEstimator) -> ClassView:
    """The label of a joint estimator as a scikit-learn classifier.

    Parameters
    ----------
    estimator : JointRegressorClassifier, Pipeline or search
        Fitted or not.

    Returns
    -------
    view : ClassView
        ``is_classifier(view)`` is true.

    Examples
    --------
    >>> from sklearn.calibration import CalibratedClassifierCV
    >>> from sklearn.frozen import FrozenEstimator
    >>> from skjoint import JointRegressorClassifier
    >>> from skjoint.datasets import load_diabetes_bands
    >>> from skjoint.views import as_classifier
    >>> X, y = load_diabetes_bands(return_X_y=True)
    >>> est = JointRegressorClassifier(epochs=5, random_state=0).fit(X[:300], y[:300])
    >>> calibrated = CalibratedClassifierCV(FrozenEstimator(as_classifier(est)))
    >>> calibrated.fit(X[300:], y["band"][300:]).predict_proba(X[:2]).shape
    (2, 3)
    """
    return ClassView(estimator)


class _View(CallbackSupportMixin, MetaEstimatorMixin, BaseEstimator):
    """What both kinds of view share."""

    _part: ClassVar[int]  # index into what `split_targets` returns
    _alone: ClassVar[Mapping[str, Any]]  # parameters of the other head: their values without it

    estimator_: BaseEstimator

    def __init__(self, estimator: BaseEstimator) -> None:
        self.estimator = estimator

    @with_callbacks
    def fit(
        self, X: XLike, y: YLike, sample_weight: ArrayLike | None = None, **params: Any
    ) -> Self:
        """Fit a clone of the estimator.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,), or a y of both kinds
            Of the view's own kind (one column): that head is trained alone.
            Of two columns and more: as in ``JointRegressorClassifier.fit``,
            all heads are trained.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row.
        **params : dict
            Passed on to the ``fit`` of the estimator.

        Returns
        -------
        self : ValueView or ClassView
        """
        estimator, y = clone(self.estimator), as_pandas(y, "y")
        if _is_one_column(y):
            warn_of_other_order(X=X, y=y)
            y = self._own_kind(y)
            alone = {**BOTH_HEADS, **self._alone}
            prefix = joint_prefix(estimator)
            if self._part == 0 and estimator.get_params()[f"{prefix}value_from"] == "smearing":
                del alone["value_from"]  # which needs no label
            estimator.set_params(**{f"{prefix}{name}": value for name, value in alone.items()})
        if sample_weight is not None:
            params[weight_name(estimator)] = sample_weight
        with sub_estimator_task(self, estimator, X, y):
            self.estimator_ = estimator.fit(X, y, **params)
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return self._find_fitted() is not None

    def _find_fitted(self) -> BaseEstimator | None:
        """The estimator fitted by ``fit``, else the given one if it is fitted, else None."""
        if hasattr(self, "estimator_"):
            return self.estimator_
        try:
            joint_estimator(self.estimator)
        except (TypeError, ValueError, AttributeError):  # NotFittedError is one of these
            return None
        return self.estimator

    @property
    def _fitted(self) -> BaseEstimator:
        check_is_fitted(self)
        return best_predictor(self._find_fitted())

    @property
    def n_features_in_(self) -> int:
        """Number of columns of X."""
        n_features: int = self._fitted.n_features_in_
        return n_features

    @property
    def feature_names_in_(self) -> NDArray[np.object_]:
        """Names of X's columns, if all are strings."""
        names: NDArray[np.object_] = self._fitted.feature_names_in_
        return names

    def _predicted(
        self, X: XLike, output: str | None, own: str, more: str, **options: Any
    ) -> NDArray[Any] | Any:
        """What ``predict`` gives; ``own`` is the output of the view, ``more`` another of its kind.

        Of a DataFrame only the columns of the own kind.
        """
        if output not in (None, more, "frame"):
            raise ValueError(f"output must be {more!r}, 'frame' or None. Got {output!r} instead.")
        predictor = self._fitted
        answer = predictor.predict(X, output=own if output is None else output, **options)
        if output != "frame":
            return answer
        targets = joint_estimator(predictor)._model.targets
        names = column_names(targets).items()
        return answer[[n for i, group in names for n in group if targets.outputs[i].kind == own]]

    def _truth(
        self, X: XLike, y: YLike, sample_weight: ArrayLike | None, is_joint: bool = False
    ) -> tuple[XLike, NDArray[Any], ArrayLike | None]:
        """Rows that are labelled for this view: X, truth and weights.

        A y of one column holds truth of the view's own kind. With ``is_joint`` it is a y of the
        form that the estimator was fitted on, where that had one column, too.
        """
        y, sample_weight = as_pandas(y, "y"), as_pandas(sample_weight, "sample_weight")
        warn_of_other_order(X=X, y=y, sample_weight=sample_weight)
        joint = joint_estimator(self._fitted)
        targets = joint._model.targets
        sample_weight = self._own_weights(targets, sample_weight, _num_samples(X))
        if _is_one_column(y) and not (is_joint and len(targets.names) == 1):
            return X, self._as_known(targets, as_array(y).reshape(-1)), sample_weight
        truth = joint.split_targets(y)[self._part]
        missing = pd.isna(truth)
        rows = np.flatnonzero(~(missing if missing.ndim == 1 else missing.any(axis=1)))
        if len(rows) < len(truth):
            X = _safe_indexing(X, rows)
            truth = as_array(truth[rows])
            sample_weight = None if sample_weight is None else np.asarray(sample_weight)[rows]
        return X, self._as_known(targets, truth), sample_weight

    def _own_weights(
        self, targets: Targets, sample_weight: ArrayLike | None, n_samples: int
    ) -> ArrayLike | None:
        """One weight for each row, of weights that have a column for each target."""
        if sample_weight is None or np.ndim(sample_weight) < 2:
            return sample_weight
        of_targets = targets.split_weights(check_weights(sample_weight, n_samples), n_samples)
        n_values = len(targets.values)
        own: list[NDArray[Any]]
        own = of_targets[n_values:] if self._part else of_targets[:n_values]
        if any((weights != own[0]).any() for weights in own):
            raise ValueError(
                "sample_weight must have one weight for each row where a score is of several "
                "targets. Got other weights for each of them instead."
            )
        return own[0]

    @staticmethod
    def _as_known(targets: Targets, truth: NDArray[Any]) -> NDArray[Any]:
        """Truth in the dtype of predictions."""
        return truth

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = self.estimator.__sklearn_tags__().input_tags
        tags.input_tags.allow_nan = inner.allow_nan
        tags.input_tags.categorical = inner.categorical
        tags.input_tags.string = inner.string
        tags.input_tags.sparse = inner.sparse
        tags.target_tags.required = True
        return tags

    def get_metadata_routing(self) -> MetadataRouter:
        """How metadata reaches the estimator.

        Returns
        -------
        routing : MetadataRouter
        """
        mapping = MethodMapping()
        for method in ("fit", "predict"):
            mapping.add(caller=method, callee=method)
        return MetadataRouter(owner=self).add(estimator=self.estimator, method_mapping=mapping)


class ValueView(RegressorMixin, _View):
    """The number of a joint estimator as a regressor; see :func:`as_regressor`.

    Made from a fitted estimator it predicts with it. ``fit`` leaves that one as
    it is: it fits a clone.

    Parameters
    ----------
    estimator : JointRegressorClassifier, Pipeline or search
        Fitted or not.

    Attributes
    ----------
    estimator_ : JointRegressorClassifier, Pipeline or search
        The clone that ``fit`` has fitted.
    n_features_in_ : int
        Number of columns of X.
    """

    _part = 0
    _alone: ClassVar[Mapping[str, Any]] = {
        "class_columns": [],
        "classes": None,
        "class_weight": None,
        "threshold": None,
    }

    @staticmethod
    def _own_kind(y: YLike) -> NDArray[Any]:
        number: NDArray[Any] = _check_y(column_or_1d(y, warn=True), y_numeric=True)
        return number

    def predict(
        self,
        X: XLike,
        output: Literal["interval", "frame"] | None = None,
        *,
        coverage: float | None = None,
    ) -> NDArray[np.float64] | Any:
        """Predict the number.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Features.
        output : {"interval", "frame"} or None, default=None
            As in ``JointRegressorClassifier.predict``, of the number alone.
        coverage : float in (0, 1), default=None
            Likewise.

        Returns
        -------
        values : ndarray of shape (n_samples,) or (n_samples, n_values)
            In its place what ``output`` names.
        """
        return self._predicted(X, output, "value", "interval", coverage=coverage)

    def score(self, X: XLike, y: YLike, sample_weight: ArrayLike | None = None) -> float:
        """R² of the number.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,), or a y of both kinds
            Of the latter the number is picked, rows without one are left out.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row.

        Returns
        -------
        score : float
        """
        X, truth, sample_weight = self._truth(X, y, sample_weight)
        score: float = r2_score(truth, self.predict(X), sample_weight=sample_weight)
        return score


class ClassView(ClassifierMixin, _View):
    """The label of a joint estimator as a classifier; see :func:`as_classifier`.

    Made from a fitted estimator it predicts with it. ``fit`` leaves that one as
    it is: it fits a clone.

    Parameters
    ----------
    estimator : JointRegressorClassifier, Pipeline or search
        Fitted or not.

    Attributes
    ----------
    estimator_ : JointRegressorClassifier, Pipeline or search
        The clone that ``fit`` has fitted.
    classes_ : ndarray of shape (n_classes,), or list of these
        Labels, in the order of ``predict_proba``'s columns.
    n_features_in_ : int
        Number of columns of X.
    """

    _part = 1
    _alone: ClassVar[Mapping[str, Any]] = {"value_columns": []}

    @staticmethod
    def _own_kind(y: YLike) -> NDArray[Any]:
        label: NDArray[Any] = as_array(column_or_1d(as_array(y), warn=True))
        check_classification_targets(label)
        return label

    @staticmethod
    def _as_known(targets: Targets, truth: NDArray[Any]) -> NDArray[Any]:
        """Truth in the dtype of predictions, unless it holds other labels than these."""
        if len(targets.classes) != 1 or truth.ndim > 1:
            return truth
        codes = targets.classes[0].codes(truth)
        return targets.classes[0].classes[codes] if (codes >= 0).all() else truth

    @property
    def classes_(self) -> ArrayOrList:
        """Labels, in the order of ``predict_proba``'s columns."""
        return joint_estimator(self._fitted).classes_

    def predict(
        self, X: XLike, output: Literal["proba", "frame"] | None = None
    ) -> NDArray[Any] | Any:
        """Predict the label.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Features.
        output : {"proba", "frame"} or None, default=None
            As in ``JointRegressorClassifier.predict``, of the label alone.

        Returns
        -------
        labels : ndarray of shape (n_samples,) or (n_samples, n_class_targets)
            In its place what ``output`` names.
        """
        return self._predicted(X, output, "class", "proba")

    def predict_proba(self, X: XLike) -> ArrayOrList:
        """Probabilities of the labels.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Features.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes), or list of these
        """
        return self._fitted.predict_proba(X)

    def score(self, X: XLike, y: YLike, sample_weight: ArrayLike | None = None) -> float:
        """Accuracy of the label.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,), or a y of both kinds
            Of the latter the label is picked, rows without one are left out.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row.

        Returns
        -------
        score : float
            The mean over targets where there are several.
        """
        X, truth, sample_weight = self._truth(X, y, sample_weight)
        predicted = self.predict(X)
        if truth.ndim == 1:
            (target,) = joint_estimator(self._fitted)._model.targets.classes
            of_a_kind = label_kind(truth) == label_kind(predicted)
            if of_a_kind and not (truth.dtype.kind == "f" and (truth % 1).any()):
                # By codes a label equals itself alone.
                truth, predicted = target.codes(truth), target.codes(predicted)
            score: float = accuracy_score(truth, predicted, sample_weight=sample_weight)
            return score
        weights = None if sample_weight is None else np.asarray(sample_weight)
        pairs = zip(truth.T, predicted.T, strict=True)
        return float(np.mean([np.average(is_equal(t, p), weights=weights) for t, p in pairs]))


def _is_one_column(y: YLike) -> bool:
    """Whether y holds one column."""
    if isinstance(y, dict):
        return len(y) == 1
    try:
        shape = y.shape if hasattr(y, "shape") else np.asarray(y).shape
    except ValueError:  # a list of arrays of several shapes
        return False
    return len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)
