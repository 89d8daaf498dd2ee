"""The layers of a joint network as boxes with arrows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator

from skjoint._network.trunk import NAME as TRUNK
from skjoint._support.composition import joint_estimator
from skjoint.plots._style import pyplot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text


def plot_network(estimator: BaseEstimator, *, ax: Axes | None = None) -> Axes:
    """Draw the network: the shared trunk, then one branch per head.

    Each box names a layer with its number of units, activation and
    parameters. Drawn with matplotlib alone.

    Parameters
    ----------
    estimator : JointRegressorClassifier, Pipeline or search
        Fitted.
    ax : matplotlib Axes, default=None
        Where to draw; None makes a figure.

    Returns
    -------
    ax : matplotlib Axes

    Examples
    --------
    >>> from skjoint import JointRegressorClassifier
    >>> from skjoint.datasets import load_diabetes_bands
    >>> from skjoint.plots import plot_network
    >>> X, y = load_diabetes_bands(return_X_y=True)
    >>> ax = plot_network(JointRegressorClassifier((20, 10), epochs=1).fit(X, y))
    >>> [text.get_text().split()[0] for text in ax.texts if text.get_text()]
    ['input', 'hidden_1', 'hidden_2', 'value', 'class']
    """
    plt = pyplot()
    spec = joint_estimator(estimator).network_
    boxes = _network_boxes(spec)
    depth = max(box.y for box in boxes.values())
    breadth = len(spec.heads)
    if ax is None:
        size = (3.2 * breadth + 0.6, 0.95 * (depth + 1) + 0.5)
        ax = plt.subplots(figsize=size, layout="constrained")[1]
    texts = {name: _plot_box(ax, box) for name, box in boxes.items()}
    arrows = [(name, layer.name) for layer in spec.layers() for name in layer.inputs]
    arrows += [(spec.below, TRUNK)] * (spec.trunk is not None)
    for start, end in arrows:
        _plot_arrow(ax, texts[start], texts[end], plt.rcParams["text.color"])
    ax.set(xlim=(-0.5, breadth - 0.5), ylim=(-depth - 0.5, 0.5))
    ax.set_title(f"{spec.n_parameters:,} parameters")
    ax.axis("off")
    return ax


@dataclass(frozen=True)
class _Box:
    """A layer in the picture: its text, its place (y downwards), the number of its branch."""

    text: str
    x: float
    y: int
    branch: int


def _plot_box(ax: Axes, box: _Box) -> Text:
    from matplotlib.colors import to_rgba

    # One colour per branch, so thin that the style's letters stay legible on any background.
    frame = {
        "boxstyle": "round,pad=0.5",
        "facecolor": to_rgba(f"C{box.branch}", 0.25),
        "edgecolor": f"C{box.branch}",
    }
    return ax.text(box.x, -box.y, box.text, ha="center", va="center", fontsize="small", bbox=frame)


def _plot_arrow(ax: Axes, start: Text, end: Text, color: Any) -> None:
    style: dict[str, Any] = {"arrowstyle": "-|>", "color": color, "shrinkA": 0, "shrinkB": 0}
    style |= {"patchA": start.get_bbox_patch(), "patchB": end.get_bbox_patch()}
    ax.annotate("", xytext=start.get_position(), xy=end.get_position(), arrowprops=style, zorder=0)


def _network_boxes(spec: Any) -> dict[str, _Box]:
    """The box of every layer by its name.

    The trunk runs down the middle (branch 0), the heads side by side below it.
    """
    middle = (len(spec.heads) - 1) / 2
    columns = {head.name: i for i, head in enumerate(spec.heads)}
    text = f"input\n{spec.n_inputs} encoded features"
    boxes = {"input": _Box(text, middle, 0, branch=0)}
    if spec.trunk is not None:
        below = 0 if spec.categories is None else 1
        units = f"{spec.trunk.n_features} features\n{spec.trunk.n_parameters:,} parameters"
        boxes[TRUNK] = _Box(f"{TRUNK}\n{units}", middle, 1 + below, branch=0)
    aside: dict[str, float] = {}
    for head in spec.heads:
        for part in head.output.deviation_parts:
            aside |= {head.name: -0.22, head.parts[part]: 0.22}
    for layer in spec.layers():
        column = columns.get(layer.branch)
        activation = getattr(layer.activation, "__name__", layer.activation)
        units = f"{layer.n_units} unit{'s' if layer.n_units > 1 else ''}"
        boxes[layer.name] = _Box(
            f"{layer.name}\n{units}, {activation}\n{layer.n_parameters:,} parameters",
            x=(middle if column is None else column) + aside.get(layer.name, 0),
            y=max(boxes[name].y for name in layer.inputs) + 1,
            branch=0 if column is None else column + 1,
        )
    return boxes
