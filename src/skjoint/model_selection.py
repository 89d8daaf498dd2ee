"""Splitting and scoring rows that have a number and a label."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable, Iterator
from numbers import Integral
from typing import Any, Literal, Self, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.metrics import get_scorer, make_scorer
from sklearn.model_selection import BaseCrossValidator, BaseShuffleSplit, check_cv
from sklearn.model_selection._split import _BaseKFold, _validate_shuffle_split
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils.metadata_routing import MetadataRequest
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _num_samples

from skjoint._data.table import read_table
from skjoint._data.targets import Targets
from skjoint._support.composition import best_predictor, joint_estimator, joint_prefix, weight_name
from skjoint._support.typing import ArrayOrList, ClassBins, Columns, RandomState, XLike, YLike
from skjoint._support.warn import warn
from skjoint.views import ClassView, ValueView

__all__ = [
    "JointStratifiedKFold",
    "JointStratifiedShuffleSplit",
    "class_scorer",
    "joint_cross_val_predict",
    "joint_scoring",
    "value_scorer",
]


Method: TypeAlias = Literal["predict", "predict_value", "predict_class", "predict_proba"]


# --------------------------------------------------------------------- splitting
class _Stratified:
    """What both splitters share: an order of the rows in which neighbours are alike."""

    value_columns: Columns
    class_columns: Columns
    class_bins: ClassBins

    def _alike(
        self, y: YLike, rng: np.random.RandomState | None
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows sorted by labels, then by numbers (ties by ``rng``), and the first labels' codes.

        Missing labels are a label of their own, missing numbers come last.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the estimator's, about training
            gate = Targets.learn(
                read_table(y),
                value_columns=self.value_columns,
                class_columns=self.class_columns,
                class_bins=self.class_bins,
            )
        arrays, masks = gate.encode(gate.read(y))
        n_values = len(gate.values)
        codes = [
            np.where(m, a, -1) for a, m in zip(arrays[n_values:], masks[n_values:], strict=True)
        ]
        numbers = [
            np.where(m, a[:, 0], np.inf)
            for a, m in zip(arrays[:n_values], masks[:n_values], strict=True)
        ]
        ties = np.arange(len(masks[0])) if rng is None else rng.permutation(len(masks[0]))
        # lexsort's last key counts most.
        order = np.lexsort([ties, *numbers[::-1], *codes[::-1]])
        return order, codes[0] if codes else np.zeros(len(order), dtype=int)


class JointStratifiedKFold(_Stratified, _BaseKFold):
    """K folds that keep the shares of the labels and the distribution of the number.

    Rows are sorted by label, then by number, and each run of ``n_splits``
    neighbours gives one row to every fold. So all folds have nearly the same
    share of each label and, within each label, nearly the same quantiles of
    the number. Rows without a label count as a label of their own.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    shuffle : bool, default=False
        Whether the rows of a run are dealt out at random; else in turn.
    random_state : int, RandomState instance or None, default=None
        Seeds the dealing; only with ``shuffle=True``.
    value_columns, class_columns, class_bins : default=None
        Which columns of y are what, as in ``JointRegressorClassifier``.

    Examples
    --------
    >>> from skjoint.datasets import load_diabetes_bands
    >>> from skjoint.model_selection import JointStratifiedKFold
    >>> X, y = load_diabetes_bands(return_X_y=True)
    >>> for train, test in JointStratifiedKFold(3).split(X, y):
    ...     print(y.loc[test, "progression"].mean().round(), sum(y.loc[test, "band"] == "high"))
    151.0 52
    152.0 52
    153.0 52
    """

    def __init__(
        self,
        n_splits: int = 5,
        *,
        shuffle: bool = False,
        random_state: RandomState = None,
        value_columns: Columns = None,
        class_columns: Columns = None,
        class_bins: ClassBins = None,
    ) -> None:
        super().__init__(n_splits, shuffle=shuffle, random_state=random_state)
        self.value_columns = value_columns
        self.class_columns = class_columns
        self.class_bins = class_bins

    def _iter_test_indices(
        self, X: Any, y: Any = None, groups: Any = None
    ) -> Iterator[NDArray[np.intp]]:
        rng = check_random_state(self.random_state) if self.shuffle else None
        order, codes = self._alike(y, rng)
        n_samples = len(order)
        _warn_of_rare_labels(codes, self.n_splits)
        folds = np.empty(n_samples, dtype=int)
        deal = np.arange(self.n_splits)
        for start in range(0, n_samples, self.n_splits):
            run = order[start : start + self.n_splits]
            folds[run] = (deal if rng is None else rng.permutation(self.n_splits))[: len(run)]
        for fold in range(self.n_splits):
            yield np.flatnonzero(folds == fold)


class JointStratifiedShuffleSplit(_Stratified, BaseShuffleSplit):
    """Random splits that keep the shares of the labels and the distribution of the number.

    Rows are sorted by label, then by number, and one row of each run of
    neighbours goes to the test part.

    Parameters
    ----------
    n_splits : int, default=10
        Number of splits.
    test_size, train_size : float, int or None, default=None
        Share or number of rows; 0.1 to test if neither is given.
    random_state : int, RandomState instance or None, default=None
        Seeds the choice.
    value_columns, class_columns, class_bins : default=None
        Which columns of y are what, as in ``JointRegressorClassifier``.

    Examples
    --------
    >>> from skjoint.datasets import load_diabetes_bands
    >>> from skjoint.model_selection import JointStratifiedShuffleSplit
    >>> X, y = load_diabetes_bands(return_X_y=True)
    >>> splitter = JointStratifiedShuffleSplit(1, test_size=0.25, random_state=0)
    >>> train, test = next(splitter.split(X, y))
    >>> len(train), len(test)
    (331, 111)
    """

    def __init__(
        self,
        n_splits: int = 10,
        *,
        test_size: float | None = None,
        train_size: float | None = None,
        random_state: RandomState = None,
        value_columns: Columns = None,
        class_columns: Columns = None,
        class_bins: ClassBins = None,
    ) -> None:
        super().__init__(
            n_splits, test_size=test_size, train_size=train_size, random_state=random_state
        )
        self._default_test_size = 0.1
        self.value_columns = value_columns
        self.class_columns = class_columns
        self.class_bins = class_bins

    def _iter_indices(
        self, X: Any, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        rng = check_random_state(self.random_state)
        for _ in range(self.n_splits):
            order, _ = self._alike(y, rng)
            n_samples = len(order)
            n_train, n_test = _validate_shuffle_split(
                n_samples, self.test_size, self.train_size, self._default_test_size
            )
            # One place in each of n_test runs of equal length, then n_train of the rest alike.
            test = _one_of_each_run(order, n_test, rng)
            rest = order[~np.isin(order, test)]
            train = _one_of_each_run(rest, n_train, rng)
            yield rng.permutation(train), rng.permutation(test)


def _one_of_each_run(
    order: NDArray[np.intp], n_runs: int, rng: np.random.RandomState
) -> NDArray[np.intp]:
    bounds = np.arange(n_runs + 1) * len(order) // n_runs
    return order[rng.randint(bounds[:-1], bounds[1:])]


def _warn_of_rare_labels(codes: NDArray[np.intp], n_splits: int) -> None:
    _, counts = np.unique(codes[codes >= 0], return_counts=True)
    if len(counts) and counts.min() < n_splits:
        warn(
            f"The least populated label of y has only {counts.min()} rows, which is less than "
            f"n_splits={n_splits}: some folds are without it. Name all labels to the estimator "
            "with classes=[...]."
        )


# ----------------------------------------------------------------------- scoring
class _Scorer:
    """What scikit-learn asks of a scorer beside the call."""

    def __init__(self) -> None:
        self._metadata_request = MetadataRequest(owner=self)

    def _accept_sample_weight(self) -> bool:
        return True

    def get_metadata_routing(self) -> MetadataRequest:
        """Which metadata was asked for.

        Returns
        -------
        request : MetadataRequest
        """
        return self._metadata_request

    def set_score_request(self, **requests: bool | str | None) -> Self:
        """Ask for metadata, as scikit-learn's own scorers do: ``sample_weight=True``.

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
        :func:`value_scorer`. Scores of probabilities know all labels of the
        model, also those that a fold lacks.

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


def joint_scoring() -> dict[str, _JointScorer | _HeadScorer]:
    """Scorers of both heads for ``cross_validate`` and multimetric searches.

    Returns
    -------
    scoring : dict of str to callable
        ``joint`` (the mean of R² and accuracy, what ``score`` gives),
        ``value_r2``, ``value_neg_mean_absolute_error``, ``class_accuracy``,
        ``class_neg_log_loss``: higher is better for all.

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
    }


def joint_cross_val_predict(
    estimator: BaseEstimator,
    X: XLike,
    y: ArrayLike | pd.DataFrame,
    *,
    cv: int | BaseCrossValidator | Iterable[Any] | None = None,
    method: Method = "predict",
    sample_weight: ArrayLike | None = None,
    n_jobs: int | None = None,
) -> ArrayOrList:
    """Out-of-fold predictions of a joint model.

    ``sklearn.model_selection.cross_val_predict(method="predict_proba")`` gives
    every column of y whole numbers for labels before it fits, the number's
    column too: the model would learn ranks. Here y stays as it is.

    Parameters
    ----------
    estimator : JointRegressorClassifier, Pipeline or search
        It is cloned for every fold.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Features.
    y : array-like or DataFrame of shape (n_samples,) or (n_samples, n_targets)
        Targets, in any form that ``fit`` takes but a dict.
    cv : int, splitter or iterable, default=None
        None and whole numbers mean :class:`JointStratifiedKFold` (5 folds).
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
    if cv is None or isinstance(cv, Integral):
        declared = _declared_targets(estimator)
        cv = JointStratifiedKFold(5 if cv is None else int(cv), **declared)
    folds = list(check_cv(cv).split(X, y))
    tested = np.concatenate([test for _, test in folds])
    if not np.array_equal(np.sort(tested), np.arange(_num_samples(X))):
        raise ValueError("cv must put every row into the test part of exactly one fold.")
    parallel = Parallel(n_jobs=n_jobs)
    results = parallel(
        delayed(_fit_and_predict)(clone(estimator), X, y, sample_weight, *fold, method)
        for fold in folds
    )
    order = np.argsort(tested)
    if method != "predict_proba":
        return np.concatenate([answer for answer, _ in results])[order]
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
    """Probabilities of all folds under the sorted labels of all; 0 where a fold knew none."""
    labels = np.unique(np.concatenate([classes for _, classes in folds]))
    joined = []
    for proba, classes in folds:
        wide = np.zeros((len(proba), len(labels)))
        wide[:, pd.Index(labels).get_indexer(pd.Index(classes))] = proba
        joined.append(wide)
    return np.concatenate(joined)
