"""What the writers read of a fitted estimator."""

from __future__ import annotations

from skjoint._prediction.decoding import Decoding
from skjoint._prediction.fitted_model import FittedModel


def fitted_parts(estimator) -> tuple[FittedModel, Decoding]:
    """The model behind an estimator, and how its outputs become answers at the moment."""
    model = estimator._model
    return model, model.decoding(estimator.value_from, estimator.class_from)
