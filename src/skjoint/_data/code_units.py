"""How many units the network makes of a category; both numbers by benchmarks/quality.py."""

from __future__ import annotations

MAX_ONE_HOT = 10  # levels; more are embedded
EMBEDDING_WIDTH = 8  # units of an embedded category


def is_embedded(n_codes):
    """Whether a category of so many codes, one of them for the unknown, has an embedding."""
    return n_codes - 1 > MAX_ONE_HOT


def units_of(n_codes):
    """Units of a category of so many codes.

    >>> units_of(4), units_of(11), units_of(12)
    (3, 10, 8)
    """
    return EMBEDDING_WIDTH if is_embedded(n_codes) else n_codes - 1
