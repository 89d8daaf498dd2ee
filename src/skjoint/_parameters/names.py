"""Names of parameters: routed ones such as ``optimizer__momentum``, former and unknown ones."""

from __future__ import annotations

from collections.abc import Iterable

from skjoint._support.nearest_name import nearest_name

ROUTED = ("optimizer", "callbacks", "trunk", "companions")
# Names of version 0.1, and what does the same.
FORMER = {
    "validation_fraction": "validation",
    "refit": "n_refits, the number of networks",
    "n_trees": "companions=('forest', 'boosting') and companions__n_trees",
    "n_fourier": "companions=('ridge',) and companions__n_features",
}


def is_routed(name: str) -> bool:
    prefix, _, rest = name.partition("__")
    return bool(rest) and prefix in ROUTED


def hint(name: str, known: Iterable[str]) -> str:
    """What an unknown name may have meant, as the end of a message; "" where nothing is near."""
    if name in FORMER:
        return f" It is now {FORMER[name]}."
    rest = name.partition("__")[2]
    return nearest_name(name, [*known, *(f"{prefix}__{rest}" for prefix in ROUTED)])
