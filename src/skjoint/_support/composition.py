"""Looking through what is put around an estimator: searches, pipelines and views."""

from __future__ import annotations

from copy import copy

from sklearn.utils.validation import check_is_fitted


def best_predictor(estimator):
    """The fitted estimator or pipeline that a search predicts with; others as they are.

    What comes back has ``predict(X, output=...)``, which a search has not.
    """
    while hasattr(estimator, "best_estimator_"):
        estimator = estimator.best_estimator_
    if hasattr(estimator, "steps"):
        name, last = estimator.steps[-1]
        best = best_predictor(last)
        if best is not last:
            estimator = copy(estimator)
            estimator.steps = [*estimator.steps[:-1], (name, best)]
    return estimator


def joint_estimator(estimator):
    """The fitted joint estimator at the end of searches and pipelines."""
    estimator = best_predictor(estimator)
    while hasattr(estimator, "steps"):
        estimator = best_predictor(estimator.steps[-1][1])
    if not hasattr(estimator, "split_targets"):
        if hasattr(estimator, "estimator"):
            check_is_fitted(estimator)
        raise TypeError(
            "A fitted JointRegressorClassifier, or a Pipeline or search that ends in one, is "
            f"expected. Got {type(estimator).__name__} instead."
        )
    check_is_fitted(estimator)
    return estimator


def joint_input(estimator, X):
    """The fitted joint estimator inside searches, pipelines and views, and X as it gets it."""
    while not hasattr(estimator, "split_targets"):
        if hasattr(estimator, "steps"):
            if len(estimator.steps) > 1:
                X = estimator[:-1].transform(X)
            estimator = estimator.steps[-1][1]
            continue
        inside = getattr(estimator, "best_estimator_", None)
        if hasattr(estimator, "_find_fitted"):  # a view
            inside = estimator._find_fitted()
        if inside is None:
            break
        estimator = inside
    return joint_estimator(estimator), X


def joint_prefix(estimator):
    """What leads to the parameters of the joint estimator inside, such as ``estimator__``."""
    if hasattr(estimator, "split_targets"):
        return ""
    if hasattr(estimator, "steps"):
        name, last = estimator.steps[-1]
        return f"{name}__{joint_prefix(last)}"
    inner = getattr(estimator, "estimator", None)
    if inner is None:
        raise TypeError(
            "A JointRegressorClassifier, or a Pipeline or search that ends in one, is expected. "
            f"Got {type(estimator).__name__} instead."
        )
    return f"estimator__{joint_prefix(inner)}"


def weight_name(estimator):
    """The name under which ``fit`` hands weights on to the joint estimator inside."""
    if hasattr(estimator, "steps"):
        name, last = estimator.steps[-1]
        return f"{name}__{weight_name(last)}"
    inner = getattr(estimator, "estimator", None)
    return "sample_weight" if inner is None else weight_name(inner)
