"""Out-of-fold predictions."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import BaseCrossValidator, check_cv
from sklearn.utils import _safe_indexing
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _num_samples

from skjoint._data.containers import warn_of_other_order
from skjoint._data.exact import as_array, concatenated, places
from skjoint._data.foreign import as_pandas
from skjoint._support.composition import best_predictor, joint_estimator, joint_prefix, weight_name
from skjoint._support.typing import ArrayOrList, XLike, YLike
from skjoint.model_selection._splitters import (
    JointStratifiedGroupKFold,
    JointStratifiedKFold,
    Stratified,
)

Method: TypeAlias = Literal["predict", "predict_value", "predict_class", "predict_proba"]


def joint_cross_val_predict(
    estimator: BaseEstimator,
    X: XLike,
    y: ArrayLike | pd.DataFrame,
    *,
    groups: ArrayLike | None = None,
    cv: int | BaseCrossValidator | Iterable[Any] | None = None,
    method: Method = "predict",
    sample_weight: ArrayLike | None = None,
    n_jobs: int | None = None,
) -> ArrayOrList:
    """Out-of-fold predictions of a joint model.

    ``sklearn.model_selection.cross_val_predict(method="predict_proba")`` encodes
    every column of y as labels before it fits, that of the number, too: the model
    would learn ranks. Here y stays as it is.

    Parameters
    ----------
    estimator : JointRegressorClassifier, Pipeline or search
        It is cloned for every fold.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Features.
    y : array-like or DataFrame of shape (n_samples,) or (n_samples, n_targets)
        Targets, in any form that ``fit`` takes but a dict.
    groups : array-like of shape (n_samples,), default=None
        Group of each row, for the splitter; ``fit`` does not get it.
    cv : int, splitter or iterable, default=None
        None and whole numbers mean :class:`JointStratifiedKFold` (5 folds), and
        beside ``groups`` :class:`JointStratifiedGroupKFold`.
    method : {"predict", "predict_value", "predict_class", "predict_proba"}, default="predict"
        What to collect.
    sample_weight : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
        Weights for fitting.
    n_jobs : int, default=None
        Folds at the same time, as in scikit-learn.

    Returns
    -------
    predictions : ndarray, or list of ndarray
        Of each row the prediction of the fold's model that had not seen it.
        Columns of ``predict_proba`` follow the sorted labels of all folds.

    Examples
    --------
    >>> from skjoint import JointRegressorClassifier
    >>> from skjoint.datasets import load_diabetes_bands
    >>> from skjoint.model_selection import joint_cross_val_predict
    >>> X, y = load_diabetes_bands(return_X_y=True)
    >>> est = JointRegressorClassifier(epochs=5, random_state=0)
    >>> joint_cross_val_predict(est, X, y, cv=3, method="predict_proba").shape
    (442, 3)
    """
    methods = ("predict", "predict_value", "predict_class", "predict_proba")
    if method not in methods:
        raise ValueError(f"method must be one of {methods}. Got {method!r} instead.")
    y, sample_weight = as_pandas(y, "y"), as_pandas(sample_weight, "sample_weight")
    groups = as_pandas(groups, "groups")
    warn_of_other_order(X=X, y=y, sample_weight=sample_weight, groups=groups)
    if cv is None or isinstance(cv, Integral):
        declared = _declared_targets(estimator)
        kind = JointStratifiedKFold if groups is None else JointStratifiedGroupKFold
        cv = kind(5 if cv is None else int(cv), **declared)
    n_samples, splitter = _num_samples(X), check_cv(cv)
    rows = X
    if isinstance(splitter, Stratified):  # which would warn of other orders once more
        rows, groups = np.zeros(n_samples), None if groups is None else as_array(groups)
    folds = list(splitter.split(rows, y, groups))
    tested = np.concatenate([test for _, test in folds])
    if not np.array_equal(np.sort(tested), np.arange(n_samples)):
        raise ValueError("cv must put every row into the test part of exactly one fold.")
    parallel = Parallel(n_jobs=n_jobs)
    results = parallel(
        delayed(_fit_and_predict)(clone(estimator), X, y, sample_weight, *fold, method)
        for fold in folds
    )
    order = np.argsort(tested)
    if method != "predict_proba":
        return concatenated([answer for answer, _ in results])[order]
    several = isinstance(results[0][0], list)
    columns = [
        _joined_proba([(p[i], c[i]) if several else (p, c) for p, c in results])[order]
        for i in range(len(results[0][0]) if several else 1)
    ]
    return columns if several else columns[0]


def _declared_targets(estimator: BaseEstimator) -> dict[str, Any]:
    """The parameters of the joint estimator inside that name the columns of y."""
    params, prefix = estimator.get_params(), joint_prefix(estimator)
    names = ("value_columns", "class_columns", "class_bins")
    return {name: params[f"{prefix}{name}"] for name in names}


def _fit_and_predict(
    estimator: BaseEstimator,
    X: XLike,
    y: YLike,
    sample_weight: ArrayLike | None,
    train: NDArray[np.intp],
    test: NDArray[np.intp],
    method: Method,
) -> tuple[ArrayOrList, ArrayOrList]:
    keywords = {}
    if sample_weight is not None:
        keywords[weight_name(estimator)] = _safe_indexing(sample_weight, train)
    estimator.fit(_safe_indexing(X, train), _safe_indexing(y, train), **keywords)
    X_test = _safe_indexing(X, test)
    classes = getattr(joint_estimator(estimator), "classes_", None)
    if method == "predict_proba":
        return estimator.predict_proba(X_test), classes
    output = {"predict_value": "value", "predict_class": "class"}.get(method)
    return best_predictor(estimator).predict(X_test, output=output), classes


def _joined_proba(folds: list[tuple[NDArray[Any], NDArray[Any]]]) -> NDArray[np.float64]:
    """Probabilities of all folds under the sorted labels of all; 0 for those that a fold lacks."""
    labels = np.unique(concatenated([classes for _, classes in folds]))
    joined = []
    for proba, classes in folds:
        wide = np.zeros((len(proba), len(labels)))
        wide[:, places(classes, labels)] = proba
        joined.append(wide)
    return np.concatenate(joined)
