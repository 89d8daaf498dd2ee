"""Scores of a number and a label predicted together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    mean_absolute_error,
    r2_score,
    recall_score,
    roc_auc_score,
    root_mean_squared_error,
)
from sklearn.utils import check_consistent_length

from skjoint._data.class_bins import codes_of_numbers
from skjoint._data.containers import warn_of_other_order
from skjoint._data.exact import as_array, is_equal
from skjoint._data.foreign import as_pandas
from skjoint._data.read_y import read_table
from skjoint._data.sample_weight import check_weights
from skjoint._data.targets import ClassTarget, Targets
from skjoint._support.composition import joint_input
from skjoint._support.typing import XLike, YLike
from skjoint._support.warn import warn

__all__ = ["agreement_score", "expected_calibration_error", "joint_metrics", "joint_score"]


def joint_metrics(
    model: BaseEstimator,
    X: XLike,
    y: YLike,
    sample_weight: ArrayLike | None = None,
) -> dict[str, float]:
    """All that ``evaluate`` gives, of an estimator inside whatever is around it.

    Parameters
    ----------
    model : JointRegressorClassifier, Pipeline, search or view
        Fitted, in any nesting.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows with the columns of the outermost ``fit``.
    y : array-like, DataFrame or dict
        True targets, as in ``JointRegressorClassifier.evaluate``.
    sample_weight : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
        As in ``JointRegressorClassifier.fit``.

    Returns
    -------
    metrics : dict of float
        As of ``JointRegressorClassifier.evaluate``.

    Raises
    ------
    TypeError
        If there is no fitted joint estimator inside.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skjoint import JointRegressorClassifier
    >>> from skjoint.datasets import load_diabetes_bands
    >>> from skjoint.metrics import joint_metrics
    >>> X, y = load_diabetes_bands(return_X_y=True)
    >>> est = JointRegressorClassifier(epochs=2, random_state=0)
    >>> pipe = make_pipeline(StandardScaler(), est).fit(X, y)
    >>> joint_metrics(pipe, X, y) == pipe[-1].evaluate(pipe[0].transform(X), y)
    True
    """
    joint, X_inside = joint_input(model, X)
    if X_inside is not X and not hasattr(X_inside, "index"):  # else evaluate compares them
        warn_of_other_order(X=X, y=y, sample_weight=sample_weight)
    metrics: dict[str, float] = joint.evaluate(X_inside, y, sample_weight)
    return metrics


def joint_score(
    y_true: Sequence[ArrayLike | None],
    y_pred: Sequence[ArrayLike | None],
    *,
    sample_weight: ArrayLike | None = None,
) -> float:
    r"""Mean over all targets of R² (numbers) and accuracy (labels).

    .. math:: \frac{1}{k} \left( \sum_{\text{values}} R^2 + \sum_{\text{classes}} \text{acc}
              \right)

    This is what ``JointRegressorClassifier.score`` returns. Missing entries
    of ``y_true`` (NaN, None, NA) are left out, target by target; a target without
    any entry does not count.

    Parameters
    ----------
    y_true : tuple (values, labels)
        True numbers and labels, each of shape (n_samples,) or
        (n_samples, n_targets_of_that_kind), or None: what ``est.split_targets(y)``
        returns.
    y_pred : tuple (values, labels)
        Predictions of the same shapes, such as
        ``(est.predict_value(X), est.predict_class(X))``.
    sample_weight : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
        Weight of each row, or of each row and target, numbers first, then labels.

    Returns
    -------
    score : float
        Best is 1. 0 for the constant mean and labels that are all wrong; may
        be negative.

    Raises
    ------
    ValueError
        If no target has a labelled row, or lengths differ.

    Examples
    --------
    >>> from skjoint.metrics import joint_score
    >>> joint_score(([1.0, 2.0, 3.0], ["a", "b", "a"]), ([1.0, 2.0, 3.0], ["a", "b", "b"]))
    0.833...
    """
    targets = [
        (metric, t, p)
        for metric, true, pred in zip((r2_score, _accuracy), y_true, y_pred, strict=True)
        for t, p in _target_pairs(true, pred)
    ]
    weights: list[NDArray[Any] | None] = [None] * len(targets)
    if sample_weight is not None:
        sample_weight = as_pandas(sample_weight, "sample_weight")
        if isinstance(sample_weight, pd.DataFrame) and sample_weight.shape[1] > 1:
            raise ValueError(
                "sample_weight must be an array here, with columns in the order of the targets, "
                f"numbers first, then labels. Got a table of {list(sample_weight)} instead: "
                "put its columns into that order and use to_numpy()."
            )
        columns = np.asarray(sample_weight, dtype=np.float64)
        if columns.ndim == 1:
            columns = np.tile(columns[:, None], len(targets))
        if columns.shape[1:] != (len(targets),):
            raise ValueError(
                f"sample_weight must have shape (n_samples,) or (n_samples, {len(targets)}). "
                f"Got {np.shape(sample_weight)} instead."
            )
        weights = list(columns.T)
    scores = []
    for (metric, t, p), w in zip(targets, weights, strict=True):
        check_consistent_length(t, w)
        mask = ~pd.isna(t) if w is None else ~pd.isna(t) & (w > 0)
        if mask.any():
            true = t[mask].astype(np.float64) if metric is r2_score else t[mask]
            weight = None if w is None else w[mask]
            scores.append(metric(true, p[mask], sample_weight=weight))
    if not scores:
        raise ValueError("No target of y_true has a labelled row: there is nothing to score.")
    return float(np.mean(scores))


def _accuracy(true: NDArray[Any], pred: NDArray[Any], sample_weight: NDArray[Any] | None) -> float:
    return float(np.average(is_equal(true, pred), weights=sample_weight))


def agreement_score(
    value: ArrayLike,
    label: ArrayLike,
    *,
    classes: ArrayLike,
    bin_edges: Sequence[float] | NDArray[Any] | None = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Share of rows whose predicted label is the label of the predicted number.

    Two answers from one row can contradict each other: a number in one band
    and a label that names another. Only where the class is cut from the
    number is there a label of a number: with ``bin_edges`` its band, else the
    nearest label.

    Parameters
    ----------
    value : array-like of shape (n_samples,)
        Predicted numbers.
    label : array-like of shape (n_samples,)
        Predicted labels.
    classes : array-like of shape (n_classes,)
        All labels, in the order of the bands if there are bands.
    bin_edges : array-like of shape (n_classes - 1,), default=None
        Inner edges of the bands: band j holds
        ``bin_edges[j - 1] <= number < bin_edges[j]``.
    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row.

    Returns
    -------
    agreement : float between 0 and 1
        1 - agreement is the rate of contradictions.

    Examples
    --------
    >>> from skjoint.metrics import agreement_score
    >>> agreement_score([8.7, 10.2], [9, 11], classes=[7, 8, 9, 10, 11])
    0.5
    >>> agreement_score([8.7, 10.2], [0, 1], classes=[0, 1], bin_edges=[9.5])
    1.0
    """
    check_consistent_length(value, label, sample_weight)
    value = np.asarray(as_pandas(value, "value"), dtype=np.float64)
    classes, sample_weight = as_array(classes), as_pandas(sample_weight, "sample_weight")
    if bin_edges is not None and len(bin_edges) != len(classes) - 1:
        raise ValueError(
            f"bin_edges must hold one edge less than there are classes, {len(classes) - 1}. "
            f"Got {len(bin_edges)} instead."
        )
    of_number = classes[codes_of_numbers(value, classes, bin_edges)]
    weights = None if sample_weight is None else np.asarray(sample_weight)
    return float(np.average(is_equal(of_number, as_array(label)), weights=weights))


def expected_calibration_error(
    y_true: ArrayLike,
    proba: ArrayLike,
    *,
    classes: ArrayLike,
    n_bins: int = 15,
    sample_weight: ArrayLike | None = None,
) -> float:
    r"""How far the probabilities of predicted labels are from the shares of right ones.

    Rows are sorted into bins of equal width by the probability of their most
    probable label, the confidence [1]_:

    .. math:: \sum_b \frac{n_b}{n} \left| \text{accuracy}_b - \text{confidence}_b \right|

    It measures how well probabilities are calibrated, not how good they are: shares
    of the labels in place of predictions have almost no error. With n rows in a bin chance alone
    gives it some :math:`0.4 / \sqrt n` and less: compare on many rows.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels. Missing ones (NaN, None) are left out; one that is not among
        ``classes`` counts as wrong.
    proba : array-like of shape (n_samples, n_classes)
        Probabilities, such as ``predict_proba`` gives them.
    classes : array-like of shape (n_classes,)
        Labels of the columns, such as ``est.classes_``.
    n_bins : int, default=15
        Bins between 0 and 1; bin b holds ``b / n_bins < confidence <= (b + 1) / n_bins``.
    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row.

    Returns
    -------
    error : float between 0 and 1
        Best is 0.

    Raises
    ------
    ValueError
        If shapes do not fit together, or no row is labelled.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun and K. Weinberger, "On Calibration of Modern
       Neural Networks", ICML 2017.

    Examples
    --------
    >>> from skjoint.metrics import expected_calibration_error
    >>> proba = [[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]]
    >>> expected_calibration_error(["a", "b", "b", "b"], proba, classes=["a", "b"])
    0.4...
    """
    check_consistent_length(y_true, proba, sample_weight)
    y_true, classes = as_array(y_true), as_array(classes)
    of_labels = np.asarray(as_pandas(proba, "proba"), float)
    if of_labels.ndim != 2 or of_labels.shape[1] != len(classes):
        raise ValueError(
            f"proba must have shape (n_samples, {len(classes)}), one column for each of classes. "
            f"Got {of_labels.shape} instead."
        )
    labelled = ~pd.isna(y_true)
    if not labelled.any():
        raise ValueError("No row of y_true is labelled: there is nothing to score.")
    n_samples, sample_weight = len(of_labels), as_pandas(sample_weight, "sample_weight")
    weights = np.ones(n_samples) if sample_weight is None else np.asarray(sample_weight, float)
    of_labels, weights = of_labels[labelled], weights[labelled]
    confidence = of_labels.max(axis=1)
    excess = confidence - is_equal(classes[of_labels.argmax(axis=1)], y_true[labelled])
    bins = np.maximum(np.ceil(confidence * n_bins).astype(int) - 1, 0)
    return float(np.abs(np.bincount(bins, weights * excess)).sum() / weights.sum())


def value_metrics(
    true: NDArray[Any], pred: NDArray[Any], weight: NDArray[Any] | None
) -> dict[str, float]:
    """The entries of ``evaluate`` for a number."""
    return {
        "mae": float(mean_absolute_error(true, pred, sample_weight=weight)),
        "rmse": float(root_mean_squared_error(true, pred, sample_weight=weight)),
        "r2": float(r2_score(true, pred, sample_weight=weight)),
    }


def class_metrics(
    codes: NDArray[Any],
    predicted: NDArray[Any],
    proba: NDArray[Any],
    weight: NDArray[Any] | None,
) -> dict[str, float]:
    """The entries of ``evaluate`` for a label, from true codes (below 0: no known label).

    The log loss clips as scikit-learn does; an unknown label had probability 0.
    """
    eps = np.finfo(np.float64).eps
    p = np.where(codes >= 0, proba[np.arange(len(codes)), codes], 0.0)
    # scikit-learn's balanced accuracy, which warns of predictions that are no true label.
    of_labels = {"labels": np.unique(codes), "average": "macro", "zero_division": 0}
    recall = recall_score(codes, predicted, sample_weight=weight, **of_labels)
    f1 = f1_score(codes, predicted, average="macro", sample_weight=weight, zero_division=0)
    return {
        "accuracy": _accuracy_of_codes(codes, predicted, weight),
        "balanced_accuracy": float(recall),
        "f1": float(f1),
        "log_loss": float(np.average(-np.log(np.clip(p, eps, 1 - eps)), weights=weight)),
        **_rankings(codes, proba, weight),
    }


def _accuracy_of_codes(
    codes: NDArray[Any], predicted: NDArray[Any], weight: NDArray[Any] | None
) -> float:
    return float(np.average(codes == predicted, weights=weight))


def _rankings(
    codes: NDArray[Any], proba: NDArray[Any], weight: NDArray[Any] | None
) -> dict[str, float]:
    """ROC AUC and average precision: of the second of two labels, else means over the labels.

    Each label against all others; where one of them is missing neither is defined.
    """
    n_classes = proba.shape[1]
    truth = codes[:, None] == np.arange(n_classes)
    if n_classes < 2 or not truth.any(axis=0).all():
        return {}
    if n_classes == 2:
        truth, proba = truth[:, 1], proba[:, 1]
    return {
        "roc_auc": float(roc_auc_score(truth, proba, sample_weight=weight)),
        "average_precision": float(average_precision_score(truth, proba, sample_weight=weight)),
    }


def _target_pairs(
    true: ArrayLike | None, pred: ArrayLike | None
) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    if true is None:
        return []
    true, pred = as_array(true), as_array(pred)
    if true.shape != pred.shape:
        raise ValueError(
            f"y_true and y_pred must have the same shape. Got {true.shape} and {pred.shape}."
        )
    if true.ndim == 1:
        return [(true, pred)]
    return list(zip(true.T, pred.T, strict=True))


def evaluate_answers(
    targets: Targets,
    answers: Mapping[int, NDArray[Any]],
    proba: Mapping[int, NDArray[Any]],
    y: YLike,
    sample_weight: ArrayLike | None = None,
) -> dict[str, float]:
    """What ``evaluate`` of the estimator returns.

    ``answers`` are numbers and labels by output index, ``proba`` the probabilities of labels.
    """
    weights, labelled = _labelled(targets, answers, y, sample_weight)
    metrics: dict[str, float] = {}
    scores = []
    for i, (target, mask, true) in labelled.items():
        if target.kind == "value":
            found = value_metrics(true, answers[i][mask], weights[i][mask])
        else:
            predicted = target.codes(answers[i][mask])
            found = class_metrics(true, predicted, proba[i][mask], weights[i][mask])
        metrics |= {f"{target.name}_{name}": figure for name, figure in found.items()}
        scores.append(found["r2" if target.kind == "value" else "accuracy"])
    agreements = _agreements(targets, answers, weights)
    return {"score": float(np.mean(scores)), **metrics, **agreements}


def score_answers(
    targets: Targets,
    answers: Mapping[int, NDArray[Any]],
    y: YLike,
    sample_weight: ArrayLike | None = None,
) -> float:
    """What ``score`` of the estimator returns, from numbers and labels by output index."""
    weights, labelled = _labelled(targets, answers, y, sample_weight)
    scores = []
    for i, (target, mask, true) in labelled.items():
        answer, weight = answers[i][mask], weights[i][mask]
        if target.kind == "value":
            scores.append(float(r2_score(true, answer, sample_weight=weight)))
        else:
            scores.append(_accuracy_of_codes(true, target.codes(answer), weight))
    return float(np.mean(scores))


def _labelled(
    targets: Targets,
    answers: Mapping[int, NDArray[Any]],
    y: YLike,
    sample_weight: ArrayLike | None,
) -> tuple[list[NDArray[np.float64]], dict[int, tuple[Any, NDArray[np.bool_], NDArray[Any]]]]:
    """Weights of all targets, and of those with labelled rows the mask and truth of these rows.

    The truth is numbers, or codes of labels.
    """
    y = read_table(y, len(answers[0]))
    check_consistent_length(answers[0], y)
    weights = targets.split_weights(check_weights(sample_weight, len(y)), len(y))
    labelled: dict[int, tuple[Any, NDArray[np.bool_], NDArray[Any]]] = {}
    columns = zip(targets.outputs, targets.read(y), strict=True)
    for i, (target, column) in enumerate(columns):
        mask = column.mask & (weights[i] > 0)
        if mask.any():
            if target.kind == "value":
                labelled[i] = target, mask, column.data[mask]
            else:
                labelled[i] = target, mask, _true_codes(target, column.data[mask[column.mask]])
    if not labelled:
        raise ValueError(
            "No target of y has a labelled row of positive weight: there is nothing to score."
        )
    return weights, labelled


def _agreements(
    targets: Targets, answers: Mapping[int, NDArray[Any]], weights: Sequence[NDArray[np.float64]]
) -> dict[str, float]:
    """How often label and number agree, where the label is cut from the number."""
    agreements = {}
    for i, target in enumerate(targets.classes, start=len(targets.values)):
        if target.source is not None:
            name = "agreement" if target.name == "class" else f"{target.name}_agreement"
            agreements[name] = agreement_score(
                answers[target.source],
                answers[i],
                classes=target.classes,
                bin_edges=target.edges,
                sample_weight=weights[i] if weights[i].any() else None,
            )
    return agreements


def _true_codes(target: ClassTarget, labels: NDArray[Any]) -> NDArray[np.int32]:
    """Codes of true labels; one below 0, which no prediction equals, for each unseen label.

    Of these a warning.
    """
    codes = target.codes(labels)
    is_unseen = codes < 0
    if is_unseen.any():
        unseen = sorted(set(labels[is_unseen].tolist()))
        warn(
            f"y holds labels of target '{target.name}' that training never saw; they count as "
            f"wrong: {unseen[:10]}{' and more' if len(unseen) > 10 else ''}."
        )
        codes[is_unseen] = -1 - pd.factorize(labels[is_unseen])[0]
    return codes
