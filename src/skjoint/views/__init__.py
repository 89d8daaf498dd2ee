"""Views of one kind: a head as a plain estimator, and a joint y as the y of a plain transformer."""

from __future__ import annotations

from skjoint.views._heads import ClassView, ValueView, as_classifier, as_regressor
from skjoint.views._steps import OnClass, OnValue, on_class, on_value

__all__ = [
    "ClassView",
    "OnClass",
    "OnValue",
    "ValueView",
    "as_classifier",
    "as_regressor",
    "on_class",
    "on_value",
]
