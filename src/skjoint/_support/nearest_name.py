"""The known name that is nearest to one that is not known."""

from __future__ import annotations

import difflib


def nearest_name(name, names) -> str:
    """`` Did you mean 'adam'?``, or nothing when no known name is near."""
    name = str(name)
    matches = difflib.get_close_matches(name, [str(n) for n in names])
    if not matches:
        return ""
    # Letters swapped are likelier than letters forgotten: 'adma' is 'adam', not 'adamax'.
    least = _likeness(matches[0], name) - 0.1
    about_as_near = [match for match in matches if _likeness(match, name) > least]
    nearest = min(about_as_near, key=lambda match: abs(len(match) - len(name)))
    return f" Did you mean '{nearest}'?"


def _likeness(match, name):
    return difflib.SequenceMatcher(None, match, name).ratio()
