"""The labels that ``predict_value(given_class=...)`` asks about."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from skjoint._data.exact import as_array
from skjoint._prediction.fitted_model import FittedModel


def codes_given(model: FittedModel, given_class: ArrayLike, n_samples: int) -> NDArray[np.int32]:
    """Codes of the labels that ``predict_value(given_class=...)`` asks about, one for each row."""
    if not model.answers_by_class:
        raise ValueError(
            "given_class needs an estimator that knows numbers by class: fit it with "
            "head_link='mixture', or with value_by_class={label: number} for all labels but "
            "one."
        )
    target = model.targets.classes[0]
    shape = np.shape(given_class)
    labels = as_array(given_class if shape else [given_class])
    if shape not in ((), (n_samples,)):
        raise ValueError(
            f"given_class must be one label or have shape ({n_samples},). "
            f"Got shape {shape} instead."
        )
    try:
        codes = target.codes(labels)
    except TypeError as error:
        raise ValueError(
            f"given_class must be one label or an array of labels. Got {given_class!r} instead."
        ) from error
    if (codes < 0).any():
        unknown = pd.unique(labels[codes < 0])
        raise ValueError(
            f"given_class must hold labels of target '{target.name}'. Got "
            f"{unknown[:10].tolist()}; known: {target.classes[:20].tolist()}."
        )
    return np.broadcast_to(codes, n_samples)
