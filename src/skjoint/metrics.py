"""Scores of a number and a label predicted together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.utils import check_consistent_length

from skjoint._data.class_bins import codes_of_numbers
from skjoint._data.exact import as_array, is_equal
from skjoint._data.foreign import as_pandas
from skjoint._data.read_y import read_table
from skjoint._data.sample_weight import check_weights
from skjoint._data.targets import ClassTarget, Targets
from skjoint._support.typing import YLike
from skjoint._support.warn import warn

__all__ = ["agreement_score", "expected_calibration_error", "joint_score"]


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
    """The entries of ``evaluate`` for a label, from true codes (-1: no known label).

    The log loss clips as scikit-learn does; an unknown label had probability 0.
    """
    proba = proba.astype(np.float64)
    eps = np.finfo(np.float64).eps
    p = np.where(codes >= 0, proba[np.arange(len(codes)), codes], 0.0)
    return {
        "accuracy": float(np.average(codes == predicted, weights=weight)),
        "log_loss": float(np.average(-np.log(np.clip(p, eps, 1 - eps)), weights=weight)),
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
    outputs: Mapping[int, NDArray[Any]],
    y: YLike,
    sample_weight: ArrayLike | None = None,
) -> dict[str, float]:
    """What ``evaluate`` of the estimator returns.

    ``answers`` and ``outputs`` are numbers and labels, and probabilities, by output index.
    """
    y = read_table(y, len(answers[0]))
    check_consistent_length(answers[0], y)
    weights = targets.split_weights(check_weights(sample_weight, len(y)), len(y))
    metrics: dict[str, float] = {}
    scores = []
    columns = zip(targets.outputs, targets.read(y), strict=True)
    for i, (target, column) in enumerate(columns):
        mask = column.mask & (weights[i] > 0)
        if not mask.any():
            continue
        if target.kind == "value":
            found = value_metrics(column.data[mask], answers[i][mask], weights[i][mask])
        else:
            codes = _true_codes(target, column.data[mask[column.mask]])
            predicted = target.codes(answers[i][mask])
            found = class_metrics(codes, predicted, outputs[i][mask], weights[i][mask])
        metrics |= {f"{target.name}_{name}": figure for name, figure in found.items()}
        scores.append(found["r2" if target.kind == "value" else "accuracy"])
    if not scores:
        raise ValueError(
            "No target of y has a labelled row of positive weight: there is nothing to score."
        )
    agreements = _agreements(targets, answers, weights)
    return {"score": float(np.mean(scores)), **metrics, **agreements}


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
    """Codes of true labels; -1, which no prediction equals, for unseen ones, with a warning."""
    codes = target.codes(labels)
    if (codes < 0).any():
        unseen = sorted(set(labels[codes < 0].tolist()))
        warn(
            f"y holds labels of target '{target.name}' that training never saw; they count as "
            f"wrong: {unseen[:10]}{' and more' if len(unseen) > 10 else ''}."
        )
    return codes
