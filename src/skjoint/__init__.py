"""One row of input, two kinds of answer: a number and a class label.

Importing skjoint loads neither TensorFlow nor matplotlib; both come with the
first ``fit`` or plot that needs them.
"""

import importlib

from skjoint._support.keras_import import untouched_random

with untouched_random():  # importing scikit-learn draws from Python's global generator
    from skjoint.estimator import JointRegressorClassifier

__version__ = "0.1.0"

_MODULES = ("datasets", "metrics", "model_selection", "persistence", "plots", "views")

__all__ = ["JointRegressorClassifier", "__version__", *_MODULES]


def __getattr__(name):
    if name in _MODULES:
        return importlib.import_module(f"skjoint.{name}")
    raise AttributeError(f"module 'skjoint' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
