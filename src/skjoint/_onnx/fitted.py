"""What the writers read of a fitted estimator."""

from __future__ import annotations


def fitted_parts(estimator):
    """The model behind an estimator, and how its outputs become answers at the moment."""
    model = estimator._model
    return model, model.decoding(estimator.value_from, estimator.class_from)
