"""What the pictures share: matplotlib when it is needed, axes, colours, short names of labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    # One of the axes, some of them, or the array that plt.subplots returns.
    SomeAxes: TypeAlias = Axes | Sequence[Axes] | NDArray[Any]

LEGEND: Mapping[str, Any] = {"fontsize": "small", "framealpha": 0.6}


def pyplot() -> ModuleType:
    """matplotlib's pyplot, or an error that names the extra."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            'Plots need matplotlib: install it with pip install "skjoint[plot]".'
        ) from error
    return plt


def axes_by_name(
    plt: ModuleType,
    ax: SomeAxes | None,
    mosaic: Sequence[Sequence[str]],
    figsize: tuple[float, float],
) -> dict[str, Axes]:
    """The given axes by their names in the mosaic; None makes a figure of this layout."""
    if ax is None:
        _, axes = plt.subplot_mosaic(mosaic, layout="constrained", figsize=figsize)
        return dict(axes)
    given, names = np.ravel(np.asarray(ax)), list(dict.fromkeys(np.ravel(mosaic).tolist()))
    if len(given) != len(names):
        raise ValueError(
            f"ax must be None or {len(names)} axes, for {names}. Got {len(given)} instead."
        )
    return dict(zip(names, given, strict=True))


def background(ax: Axes) -> tuple[float, ...]:
    """Colour (red, green, blue) behind the axes, which may themselves be transparent."""
    color: Any = ax.get_facecolor()
    if not color[3]:
        color = ax.figure.get_facecolor()
    return tuple(color[:3])


def contrast(color: Sequence[float] | NDArray[Any], other: Sequence[float] | NDArray[Any]) -> float:
    """Contrast ratio of two colours as in WCAG 2: from 1 (equal) to 21 (black on white)."""
    # The relative luminance of WCAG 2, with its piecewise curve rounded to a power of 2.2.
    weights = (0.2126, 0.7152, 0.0722)
    light = [np.dot(np.power(c[:3], 2.2), weights) + 0.05 for c in (color, other)]
    return float(max(light) / min(light))


def color_scale(plt: ModuleType, ax: Axes, n_colors: int) -> NDArray[Any]:
    """Colours of viridis, without the end of it that is too near to the background of ``ax``."""
    cmap, behind = plt.get_cmap("viridis"), background(ax)
    is_dark = contrast(cmap(0.0), behind) < contrast(cmap(1.0), behind)
    first, last = (0.4, 1.0) if is_dark else (0.0, 0.8)
    return np.asarray(cmap(np.linspace(first, last, n_colors)))


def short_names(labels: Iterable[Any]) -> NDArray[np.str_]:
    """Labels as short texts that differ from each other as the labels do."""
    texts = [str(label) for label in labels]
    length = 16
    while len({_short(text, length) for text in texts}) < len(set(texts)):
        length += 8
    # matplotlib takes what stands between two dollars for a formula.
    return np.array([_short(text, length).replace("$", r"\$") for text in texts])


def _short(text: str, length: int) -> str:
    # Long names often differ at their ends only.
    return text if len(text) <= length else f"{text[: length - 7]}…{text[-6:]}"
