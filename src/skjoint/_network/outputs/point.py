"""A number of its own: one linear map of the features, trained on any loss of numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from skjoint._network.losses import VALUE_LOSSES, check_loss, named_loss
from skjoint._network.outputs.base import ValueOutput, names_of_losses, register
from skjoint._support.keras_import import import_keras


@register
@dataclass(frozen=True)
class Point(ValueOutput):
    """The number alone."""

    name: ClassVar[str] = "point"

    def loss(self, value_loss):
        return point_loss(value_loss, self.n_units)

    def takes_means(self, loss):
        return isinstance(loss, import_keras().losses.MeanSquaredError)


def point_loss(value_loss, n_units):
    """The Keras loss of a name, a class, an object or a function, tried on some rows."""
    loss = named_loss(value_loss, VALUE_LOSSES, "value_loss", names_of_losses())
    check_loss(loss, "value_loss", np.zeros((3, n_units), np.float32), n_units)
    return loss
