"""The error of a file that is no model."""

from __future__ import annotations


class RefusedError(ValueError):
    """What ``load`` raises for a file that it must not read on."""


def refused(why):
    return RefusedError(f"This file is not a model that skjoint can load: {why}.")
