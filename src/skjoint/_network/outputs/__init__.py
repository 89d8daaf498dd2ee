"""Kinds of outputs: one file each, found by the parameters that ask for them.

>>> kind = value_output("gaussian_nll", None)
>>> kind.name, value_output("mae", "mixture").name, value_output("mae", None).name
('gaussian', 'mixture', 'point')
"""

from __future__ import annotations

from skjoint._network.outputs.base import OUTPUTS, Output, Request, ValueOutput, register
from skjoint._network.outputs.gaussian import Gaussian
from skjoint._network.outputs.histogram import Histogram
from skjoint._network.outputs.label import Label
from skjoint._network.outputs.mixture import Mixture
from skjoint._network.outputs.point import Point

__all__ = [
    "OUTPUTS",
    "Gaussian",
    "Histogram",
    "Label",
    "Mixture",
    "Output",
    "Point",
    "Request",
    "ValueOutput",
    "asked_outputs",
    "register",
    "value_output",
]


def asked_outputs(value_loss, head_link):
    """The kinds that these parameters ask for, more than one where they disagree."""
    kinds = [cls for cls in OUTPUTS.values() if issubclass(cls, ValueOutput)]
    asked = [cls for cls in kinds if cls.head_link is not None and cls.head_link == head_link]
    if isinstance(value_loss, str):
        asked += [cls for cls in kinds if cls.value_loss == value_loss]
    return asked


def value_output(value_loss, head_link):
    """The class of a value head's output that these parameters ask for."""
    return next(iter(asked_outputs(value_loss, head_link)), Point)
