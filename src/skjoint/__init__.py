"""One row of input, two kinds of answer: a number and a class label.

Importing skjoint loads neither TensorFlow nor matplotlib; both come with the
first ``fit`` or plot that needs them.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

from skjoint._support.keras_import import untouched_random

with untouched_random():  # importing scikit-learn draws from Python's global generator
    from skjoint.estimator import JointRegressorClassifier

if TYPE_CHECKING:  # else they are imported when they are asked for
    from skjoint import datasets, metrics, model_selection, persistence, plots, views

__version__ = "0.1.0"

__all__ = [
    "JointRegressorClassifier",
    "__version__",
    "datasets",
    "metrics",
    "model_selection",
    "persistence",
    "plots",
    "views",
]


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return importlib.import_module(f"skjoint.{name}")
    raise AttributeError(f"module 'skjoint' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
