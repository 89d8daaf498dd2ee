"""One row of input, two kinds of answer: a number and a class label.

Importing skjoint loads neither TensorFlow nor matplotlib; both come with the
first ``fit`` or plot that needs them. What it offers is imported when it is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from skjoint._support.keras_import import untouched_random

if TYPE_CHECKING:
    from skjoint import datasets, metrics, model_selection, persistence, plots, views
    from skjoint.estimator import JointRegressorClassifier

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


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'skjoint' has no attribute {name!r}")
    if name != "JointRegressorClassifier":
        return importlib.import_module(f"skjoint.{name}")
    with untouched_random():  # importing scikit-learn draws from Python's global generator
        found = importlib.import_module("skjoint.estimator").JointRegressorClassifier
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
