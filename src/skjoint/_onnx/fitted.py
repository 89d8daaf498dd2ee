"""What the graph is written from: the only place that reads private attributes of an estimator."""

from __future__ import annotations

from dataclasses import dataclass

from skjoint._data.features import FeatureEncoder
from skjoint._data.targets import Targets


@dataclass(frozen=True)
class Fitted:
    """What a fit has left.

    ``temperatures`` has one for each class target, or none; ``feature_names`` is None where
    X had none.
    """

    targets: Targets
    features: FeatureEncoder
    network: object
    temperatures: tuple[float, ...]
    feature_names: list[str] | None
    n_features: int
    row_shape: tuple[int, ...]


def fitted_parts(estimator):
    """The fitted model of an estimator, and how it decodes outputs by its parameters now."""
    names = getattr(estimator, "feature_names_in_", None)
    model = Fitted(
        targets=estimator._targets,
        features=estimator._features,
        network=estimator._network,
        temperatures=tuple(estimator._temperatures),
        feature_names=None if names is None else list(names),
        n_features=estimator.n_features_in_,
        row_shape=estimator._features.row_shape_,
    )
    return model, estimator._answers
