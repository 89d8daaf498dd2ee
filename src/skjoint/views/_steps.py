"""Transformers that learn from the number, or from the label, of a joint y."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, MetaEstimatorMixin, TransformerMixin, clone
from sklearn.utils import Tags, _safe_indexing
from sklearn.utils._set_output import _safe_set_output
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    _routing_enabled,
    process_routing,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_method_params, check_is_fitted

from skjoint._data.containers import warn_of_other_order
from skjoint._data.one_kind import own_labels, own_numbers
from skjoint._support.typing import ClassBins, Columns, XLike, YLike

Method = TypeVar("Method", bound=Callable[..., Any])


def on_value(
    step: BaseEstimator,
    *,
    value_columns: Columns = None,
    class_columns: Columns = None,
    class_bins: ClassBins = None,
) -> OnValue:
    """A transformer that learns from the number of a joint y, for any Pipeline.

    Parameters
    ----------
    step : transformer
        Such as ``SelectKBest(f_regression)`` or ``TargetEncoder()``.
    value_columns, class_columns, class_bins : default=None
        Which columns of y are what, as in ``JointRegressorClassifier``.

    Returns
    -------
    step : OnValue
        Its ``fit`` and ``fit_transform`` take the y of ``JointRegressorClassifier``.

    Examples
    --------
    >>> from sklearn.feature_selection import SelectKBest, f_regression
    >>> from sklearn.pipeline import make_pipeline
    >>> from skjoint import JointRegressorClassifier
    >>> from skjoint.datasets import load_diabetes_bands
    >>> from skjoint.views import on_value
    >>> X, y = load_diabetes_bands(return_X_y=True)
    >>> select = on_value(SelectKBest(f_regression, k=4))
    >>> pipe = make_pipeline(select, JointRegressorClassifier(epochs=5, random_state=0)).fit(X, y)
    >>> pipe[0].get_feature_names_out()
    array(['bmi', 'bp', 's4', 's5'], dtype=object)
    """
    _check_step(step)
    return OnValue(
        step, value_columns=value_columns, class_columns=class_columns, class_bins=class_bins
    )


def on_class(
    step: BaseEstimator,
    *,
    value_columns: Columns = None,
    class_columns: Columns = None,
    class_bins: ClassBins = None,
) -> OnClass:
    """A transformer that learns from the label of a joint y, for any Pipeline.

    Parameters
    ----------
    step : transformer
        Such as ``SelectKBest(f_classif)`` or ``LinearDiscriminantAnalysis()``.
    value_columns, class_columns, class_bins : default=None
        Which columns of y are what, as in ``JointRegressorClassifier``.

    Returns
    -------
    step : OnClass
        Its ``fit`` and ``fit_transform`` take the y of ``JointRegressorClassifier``.

    Examples
    --------
    >>> from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    >>> from skjoint.datasets import load_diabetes_bands
    >>> from skjoint.views import on_class
    >>> X, y = load_diabetes_bands(return_X_y=True)
    >>> on_class(LinearDiscriminantAnalysis()).fit_transform(X, y).shape
    (442, 2)
    """
    _check_step(step)
    return OnClass(
        step, value_columns=value_columns, class_columns=class_columns, class_bins=class_bins
    )


def _check_step(step: Any) -> None:
    """Raise unless step is a transformer."""
    wanted = "step must be a transformer, an object with fit and transform. Got"
    if isinstance(step, type):
        raise TypeError(f"{wanted} the class {step.__name__} instead: write {step.__name__}().")
    if hasattr(step, "split_targets"):
        raise TypeError(
            f"{wanted} {type(step).__name__} instead, which learns from number and label itself: "
            "put it behind the step in a Pipeline."
        )
    if not (hasattr(step, "fit") and hasattr(step, "transform")):
        shown = repr(step) if isinstance(step, str) else type(step).__name__
        raise TypeError(f"{wanted} {shown} instead.")


def _if_step_has(name: str) -> Callable[[Method], Method]:
    """A decorator of methods that are there where the step has them."""
    decorator: Callable[[Method], Method] = available_if(
        lambda self: hasattr(getattr(self, "step_", self.step), name)
    )
    return decorator


class _OnOneKind(TransformerMixin, MetaEstimatorMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """What both kinds share."""

    _own: ClassVar[Callable[..., tuple[NDArray[Any], NDArray[np.bool_]]]]

    step_: BaseEstimator

    def __init__(
        self,
        step: BaseEstimator,
        *,
        value_columns: Columns = None,
        class_columns: Columns = None,
        class_bins: ClassBins = None,
    ) -> None:
        self.step = step
        self.value_columns = value_columns
        self.class_columns = class_columns
        self.class_bins = class_bins

    def fit(self, X: XLike, y: YLike, **params: Any) -> Self:
        """Fit a clone of the step to the rows that are labelled for it.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Features.
        y : array-like, DataFrame or dict of shape (n_samples, n_targets)
            As in ``JointRegressorClassifier.fit``, or one column of the step's own kind.
        **params : dict
            Passed on to the ``fit`` of the step; such as ``sample_weight``.

        Returns
        -------
        self : OnValue or OnClass
        """
        y, mask = self._own_y(X, y)
        params = self._routed("fit", params).get("fit", {})
        X, params = _rows(X, params, mask)
        self.step_ = clone(self.step).fit(X, y, **params)
        return self

    def fit_transform(self, X: XLike, y: YLike, **params: Any) -> Any:
        """Fit a clone of the step, and transform all rows.

        Rows that are labelled are transformed by the step's own ``fit_transform``,
        which may differ from its ``transform``: ``TargetEncoder`` encodes each row
        without its own y. The others are transformed by what was learned.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Features.
        y : array-like, DataFrame or dict of shape (n_samples, n_targets)
            As in ``JointRegressorClassifier.fit``, or one column of the step's own kind.
        **params : dict
            Passed on to the step, as in ``fit``.

        Returns
        -------
        X_new : array-like, sparse matrix or DataFrame of shape (n_samples, n_features_new)
        """
        y, mask = self._own_y(X, y)
        routed = self._routed("fit_transform", params)
        labelled, step = _rows(X, {}, mask)[0], clone(self.step)
        if hasattr(step, "fit_transform"):
            given = _rows(X, routed.get("fit_transform", {}), mask)[1]
            found = step.fit_transform(labelled, y, **given)
        else:
            given = _rows(X, routed.get("fit", {}), mask)[1]
            found = step.fit(labelled, y, **given).transform(labelled)
        self.step_ = step
        if isinstance(found, tuple):  # of X and of y, as those of PLSRegression
            found = found[0]
        if mask.all():
            return found
        rest = self.step_.transform(_rows(X, {}, ~mask)[0])
        order = np.argsort(np.concatenate([np.flatnonzero(mask), np.flatnonzero(~mask)]))
        return _safe_indexing(_joined(found, rest), order)

    def transform(self, X: XLike) -> Any:
        """Transform rows by what the step has learned.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Features.

        Returns
        -------
        X_new : array-like, sparse matrix or DataFrame of shape (n_samples, n_features_new)
        """
        check_is_fitted(self)
        return self.step_.transform(X)

    @_if_step_has("inverse_transform")
    def inverse_transform(self, X: XLike) -> Any:
        """Undo ``transform``, if the step can.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features_new)
            Transformed rows.

        Returns
        -------
        X_original : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        return self.step_.inverse_transform(X)

    @_if_step_has("get_feature_names_out")
    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Names of the columns that ``transform`` gives.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of X's columns, where the step takes them.

        Returns
        -------
        names : ndarray of str
        """
        check_is_fitted(self)
        names: NDArray[np.object_] = self.step_.get_feature_names_out(input_features)
        return names

    def set_output(self, *, transform: str | None = None) -> Self:
        """Set the container that ``transform`` and ``fit_transform`` of the step give.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            None changes nothing.

        Returns
        -------
        self : OnValue or OnClass
        """
        for step in (self.step, getattr(self, "step_", None)):
            if step is not None:
                _safe_set_output(step, transform=transform)
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "step_")

    @property
    def n_features_in_(self) -> int:
        """Number of columns of X."""
        n_features: int = self._fitted_step("n_features_in_").n_features_in_
        return n_features

    @property
    def feature_names_in_(self) -> NDArray[np.object_]:
        """Names of X's columns, if all are strings."""
        names: NDArray[np.object_] = self._fitted_step("feature_names_in_").feature_names_in_
        return names

    def _fitted_step(self, attribute: str) -> BaseEstimator:
        if not hasattr(self, "step_"):
            raise AttributeError(f"{type(self).__name__} has no {attribute} before fit.")
        return self.step_

    def _own_y(self, X: XLike, y: YLike) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The step's y of the rows that have it, and the mask of these rows."""
        _check_step(self.step)
        warn_of_other_order(X=X, y=y)
        return type(self)._own(y, self.value_columns, self.class_columns, self.class_bins)

    def _routed(self, method: str, params: dict[str, Any]) -> Any:
        """Metadata by method of the step."""
        if _routing_enabled():
            return process_routing(self, method, **params).step
        return {"fit": params, "fit_transform": params}

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        if hasattr(self.step, "__sklearn_tags__"):
            inner = self.step.__sklearn_tags__()
            tags.input_tags = inner.input_tags
            tags.transformer_tags = inner.transformer_tags or tags.transformer_tags
            tags.non_deterministic = inner.non_deterministic
            tags.array_api_support = False
        tags.target_tags.required = True
        return tags

    def get_metadata_routing(self) -> MetadataRouter:
        """How metadata reaches the step.

        Returns
        -------
        routing : MetadataRouter
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        if hasattr(self.step, "fit_transform"):
            mapping.add(caller="fit_transform", callee="fit_transform")
        else:
            mapping.add(caller="fit_transform", callee="fit")
        return MetadataRouter(owner=self).add(step=self.step, method_mapping=mapping)


class OnValue(_OnOneKind):
    """A transformer on the number of a joint y; see :func:`on_value`.

    Rows without a number are left out in ``fit`` and transformed like new ones.

    Parameters
    ----------
    step : transformer
        Fitted or not: ``fit`` fits a clone.
    value_columns, class_columns, class_bins : default=None
        Which columns of y are what, as in ``JointRegressorClassifier``.

    Attributes
    ----------
    step_ : transformer
        The clone that was fitted.
    n_features_in_ : int
        Number of columns of X.
    """

    _own = staticmethod(own_numbers)


class OnClass(_OnOneKind):
    """A transformer on the label of a joint y; see :func:`on_class`.

    Rows without a label are left out in ``fit`` and transformed like new ones.

    Parameters
    ----------
    step : transformer
        Fitted or not: ``fit`` fits a clone.
    value_columns, class_columns, class_bins : default=None
        Which columns of y are what, as in ``JointRegressorClassifier``.

    Attributes
    ----------
    step_ : transformer
        The clone that was fitted.
    n_features_in_ : int
        Number of columns of X.
    """

    _own = staticmethod(own_labels)


def _rows(X: XLike, params: dict[str, Any], mask: NDArray[np.bool_]) -> tuple[Any, dict[str, Any]]:
    """The rows in the mask, of X and of what has an entry for each of them."""
    if mask.all():
        return X, params
    rows = np.flatnonzero(mask)
    sliced: dict[str, Any] = _check_method_params(X, params, indices=rows)
    return _safe_indexing(X, rows), sliced


def _joined(first: Any, second: Any) -> Any:
    """The rows of two outputs of one transformer."""
    if sparse.issparse(first):
        return sparse.vstack([first, second], format="csr")
    if isinstance(first, pd.DataFrame):
        return pd.concat([first, second])
    if hasattr(first, "vstack"):  # polars
        return first.vstack(second)
    return np.concatenate([first, second])
