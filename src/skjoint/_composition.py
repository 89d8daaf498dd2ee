"""Looking through what scikit-learn puts around an estimator: searches and pipelines."""

from __future__ import annotations

from sklearn.utils.validation import check_is_fitted


def best_predictor(estimator):
    """The fitted estimator or pipeline that a search predicts with; others as they are.

    What comes back has ``predict(X, output=...)``, which a search has not.
    """
    while hasattr(estimator, "best_estimator_"):
        estimator = estimator.best_estimator_
    return estimator


def joint_estimator(estimator):
    """The fitted joint estimator at the end of searches and pipelines."""
    estimator = best_predictor(estimator)
    while hasattr(estimator, "steps"):
        estimator = best_predictor(estimator.steps[-1][1])
    if not hasattr(estimator, "split_targets"):
        raise TypeError(
            "A fitted JointRegressorClassifier, or a Pipeline or search that ends in one, is "
            f"expected. Got {type(estimator).__name__} instead."
        )
    check_is_fitted(estimator)
    return estimator
