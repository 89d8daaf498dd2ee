"""Warnings that point to the user's line."""

from __future__ import annotations

import sys
import warnings

# What may lie between the user and us, such as a search.
INNER = ("skjoint", "sklearn", "contextlib")


def warn(message):
    """Issue a UserWarning at the nearest line that is neither ours nor scikit-learn's."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in INNER:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, UserWarning, stacklevel=level)
