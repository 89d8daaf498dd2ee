"""The known name that is nearest to one that is not known."""

from __future__ import annotations

import difflib


def nearest_name(name, names) -> str:
    """`` Did you mean 'adam'?``, or nothing when no known name is near."""
    matches = difflib.get_close_matches(str(name), [str(n) for n in names])
    if not matches:
        return ""
    # Letters swapped are likelier than letters forgotten: 'adma' is 'adam', not 'adamax'.
    nearest = min(matches, key=lambda match: abs(len(match) - len(str(name))))
    return f" Did you mean '{nearest}'?"
