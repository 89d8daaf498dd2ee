"""Thresholds of labels of two, chosen by a score of the labels of held-out rows."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.metrics import get_scorer

# scikit-learn's scorers of predicted labels; those of one label are of ``classes_[1]``.
SCORERS = (
    "accuracy",
    "balanced_accuracy",
    "matthews_corrcoef",
    *(
        f"{name}{average}"
        for name in ("f1", "jaccard", "precision", "recall")
        for average in ("", "_macro", "_micro", "_weighted")
    ),
)
MAX_TRIED = 500  # thresholds


def check_held_out_labels(plans, data, targets, name):
    """Raise unless the rows that members hold out have both labels of every target of two.

    Parameters
    ----------
    plans : list of Plan
        Of the members.
    data : EncodedData
    targets : Targets
    name : str
        Of the score.
    """
    rows = np.unique(np.concatenate([plan.validation.positions for plan in plans]))
    for i, target in _of_two_labels(targets):
        seen = np.unique(data.every.targets[i][rows][data.label_weights[i][rows] > 0])
        if len(seen) < 2:
            which = f"only label {target.classes.tolist()[seen[0]]!r}" if len(seen) else "no label"
            raise ValueError(
                f"The validation rows have {which} of target '{target.name}': threshold={name!r} "
                "has nothing to choose by. Hold out more with validation."
            )


def learn_thresholds(held_out, targets, weights, name):
    """Of each class target the probability of its second label from which on it is the answer.

    Predictions are means over members. So the thresholds are chosen by means over the
    members that held a row out.

    Parameters
    ----------
    held_out : HeldOut
        Its outputs are at their temperatures, and those of networks and companions together.
    targets : Targets
    weights : dict of {int: ndarray}
        By index of the output the weight of every row of the table in the score; 0: no label.
    name : str
        Of the score.

    Returns
    -------
    list of float or None
        None for targets of other numbers of labels, and where the rows have one label alone.
    """
    found: list[float | None] = [None] * len(targets.classes)
    rows = np.unique(held_out.positions)
    for i, _ in _of_two_labels(targets):
        proba = held_out.by_row(held_out.outputs[i])[:, 1]
        codes, _ = held_out.truth_by_row(i)
        found[i - len(targets.values)] = best_threshold(proba, codes, weights[i][rows], name)
    return found


def _of_two_labels(targets):
    """Pairs of output index and class target, of those that have two labels."""
    pairs = enumerate(targets.classes, start=len(targets.values))
    return [(i, target) for i, target in pairs if target.n_units == 2]


def best_threshold(proba, codes, weights, name):
    """The threshold of the best score; of equal ones that nearest to 1/2.

    Each lies in the middle between two probabilities, so that rounding moves no row across.

    >>> import numpy as np
    >>> proba, codes = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0, 0, 1, 1])
    >>> round(best_threshold(proba, codes, np.ones(4), "accuracy"), 6)
    0.25
    """
    labelled = weights > 0
    proba, codes, weights = proba[labelled], codes[labelled], weights[labelled]
    if len(np.unique(codes)) < 2:
        return None
    tried = _thresholds(proba, codes)
    scores = _scores(proba, codes, weights, tried, name)
    best = tried[scores >= scores.max() - 1e-12]  # sums of weights differ in their last digits
    return float(best[np.abs(best - 0.5).argmin()])


def _scores(proba, codes, weights, thresholds, name):
    """The score of each threshold; it depends on the weights of the four kinds of rows alone."""
    order = np.argsort(proba)
    n_below = np.searchsorted(proba[order], thresholds)
    rows = []
    for code in (0, 1):
        sums = np.append(0.0, np.cumsum(np.where(codes == code, weights, 0.0)[order]))
        rows += [sums[n_below], sums[-1] - sums[n_below]]
    scorer, true, predicted = get_scorer(name), [0, 0, 1, 1], [0, 1, 0, 1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of thresholds that no row reaches
        scores = [
            scorer._score_func(true, predicted, sample_weight=of_kinds, **scorer._kwargs)
            for of_kinds in np.maximum(rows, 0.0).T
        ]
    return np.nan_to_num(scores, nan=-np.inf)


def _thresholds(proba, codes):
    """0 and 1/2, and one between every two neighbours, 0 and 1 among them.

    If they are many, those just below some rows of either label, so that a rare one has its own.
    """
    points = np.unique(np.concatenate([[0.0, 1.0], proba]))
    between = (points[1:] + points[:-1]) / 2
    if len(between) > MAX_TRIED:
        of_labels = [np.sort(proba[codes == code]) for code in (0, 1)]
        n_rows = [np.linspace(0, len(p) - 1, MAX_TRIED // 2).astype(int) for p in of_labels]
        rows = np.concatenate([p[n] for p, n in zip(of_labels, n_rows, strict=True)])
        between = between[np.maximum(np.searchsorted(points, np.unique(rows)) - 1, 0)]
    return np.append(between, [0.0, 0.5])
