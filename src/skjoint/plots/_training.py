"""Losses and metrics over the epochs of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from skjoint._support.composition import joint_estimator
from skjoint.plots._style import LEGEND, axes_by_name, color_scale, pyplot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from skjoint.plots._style import SomeAxes


class TrainingCurveDisplay:
    """Loss and metric of each head over the epochs, and the epoch that was kept.

    Below them, the joint validation loss that early stopping looks at, and the
    weights of the losses where these were balanced. Create it with
    :meth:`from_estimator`.

    Parameters
    ----------
    history : dict of list
        As ``JointRegressorClassifier.history_``.
    best_epoch : int or ndarray of shape (n_members, n_outputs), default=None
        Index of the epoch whose weights were kept, as
        ``JointRegressorClassifier.best_epoch_``.

    Attributes
    ----------
    axes_ : dict of Axes
        The panels by name: ``value_loss``, ``value_mae``, ``class_loss``,
        ``class_accuracy``, and if there are such ``val_joint_loss``,
        ``loss_weights``.
    lines_ : dict of Line2D
        The curves by their name in ``history``.
    figure_ : matplotlib Figure
        The figure that holds them.

    Examples
    --------
    >>> from skjoint import JointRegressorClassifier
    >>> from skjoint.datasets import load_diabetes_bands
    >>> from skjoint.plots import TrainingCurveDisplay
    >>> X, y = load_diabetes_bands(return_X_y=True)
    >>> est = JointRegressorClassifier(
    ...     epochs=5, validation=0.2, loss_weights="uncertainty", random_state=0
    ... )
    >>> display = TrainingCurveDisplay.from_estimator(est.fit(X, y))
    >>> "val_class_loss" in display.lines_
    True
    >>> list(display.axes_)
    ['value_loss', 'value_mae', 'class_loss', 'class_accuracy', 'val_joint_loss', 'loss_weights']
    """

    METRICS: Mapping[str, str] = {"mae": "MAE (original units)", "accuracy": "Accuracy"}

    axes_: dict[str, Axes]
    lines_: dict[str, Line2D]
    figure_: Figure | Any  # Any: a SubFigure where the given axes lie in one

    def __init__(
        self, *, history: Mapping[str, Sequence[float]], best_epoch: ArrayLike | None = None
    ) -> None:
        self.history = history
        self.best_epoch = best_epoch

    @classmethod
    def from_estimator(
        cls, estimator: BaseEstimator, *, ax: SomeAxes | None = None
    ) -> TrainingCurveDisplay:
        """Draw the training of a fitted estimator.

        Parameters
        ----------
        estimator : JointRegressorClassifier, Pipeline or search
            Fitted.
        ax : array-like of Axes, default=None
            One for each panel, row by row; None makes a figure.

        Returns
        -------
        display : TrainingCurveDisplay
        """
        joint = joint_estimator(estimator)
        display = cls(history=joint.history_, best_epoch=getattr(joint, "best_epoch_", None))
        return display.plot(ax=ax)

    @property
    def panels(self) -> list[list[str]]:
        """Names of the panels, row by row."""
        rows = [
            [f"{head}_loss", metric]
            for head in self._names_before("_loss")
            for metric in (f"{head}_mae", f"{head}_accuracy")
            if metric in self.history and not head.startswith("val_")
        ]
        last = ["val_joint_loss"] * ("val_joint_loss" in self.history)
        last += ["loss_weights"] * bool(self._names_before("_loss_weight"))
        return [*rows, (last * 2)[:2]] if last else rows

    def _names_before(self, ending: str) -> list[str]:
        """What the names in ``history`` with this ending begin with."""
        return [name.removesuffix(ending) for name in self.history if name.endswith(ending)]

    def _kept(self, panel: str) -> int | float | None:
        """Index of the epoch that was kept for what a panel shows: the mean over members.

        None where outputs kept different epochs and the panel is of all of them.
        """
        if self.best_epoch is None:
            return None
        outputs = [n for n in self._names_before("_loss") if n and f"val_{n}_loss" in self.history]
        kept = np.atleast_2d(np.asarray(self.best_epoch))
        output = panel.rpartition("_")[0]
        if kept.shape[1] > 1 and output in outputs:
            kept = kept[:, [outputs.index(output)]]
        if (kept != kept[:, :1]).any():
            return None
        return int(kept[0, 0]) if len(kept) == 1 else float(kept[:, 0].mean())

    def plot(self, ax: SomeAxes | None = None) -> TrainingCurveDisplay:
        """Draw.

        Parameters
        ----------
        ax : array-like of Axes, default=None
            One for each panel, row by row; None makes a figure.

        Returns
        -------
        display : TrainingCurveDisplay
        """
        if not self.panels:
            raise NotFittedError(
                "This history is empty. Call 'fit' with appropriate arguments before drawing it."
            )
        plt = pyplot()
        size = (9, 2.6 * len(self.panels) + 0.4)
        self.axes_ = axes_by_name(plt, ax, self.panels, figsize=size)
        self.lines_ = {}
        for name, axes in self.axes_.items():
            self._plot_panel(plt, axes, name)
            self._plot_kept(plt, axes, self._kept(name))
            axes.locator_params(axis="x", integer=True)
        for name in self.panels[-1]:
            self.axes_[name].set_xlabel("Epoch")
        first = next(iter(self.axes_.values()))
        first.legend(**LEGEND)
        self.figure_ = first.figure
        return self

    def _plot_panel(self, plt: ModuleType, ax: Axes, name: str) -> None:
        if name == "loss_weights":
            self._plot_weights(plt, ax)
        elif name == "val_joint_loss":
            self._plot_curve(ax, name, "validation")
            ax.set(title="joint", ylabel="val_joint_loss")
        else:
            self._plot_curve(ax, name, "training")
            self._plot_curve(ax, f"val_{name}", "validation")
            output, _, metric = name.rpartition("_")
            ax.set(title=output, ylabel=self.METRICS.get(metric, "Loss"))

    def _plot_kept(self, plt: ModuleType, ax: Axes, kept: int | float | None) -> None:
        if kept is None:
            return
        whose = f"epoch {kept + 1}"
        if not isinstance(kept, int):
            whose = f"mean of members: epoch {kept + 1:.1f}"
        ax.axvline(
            kept + 1,
            color=plt.rcParams["text.color"],
            alpha=0.7,
            linestyle=":",
            linewidth=1.2,
            label=f"kept ({whose})",
        )

    def _plot_curve(self, ax: Axes, name: str, label: str, color: Any = None) -> None:
        if name not in self.history:
            return
        style: dict[str, Any] = {} if color is None else {"color": color}
        if label == "validation":
            style = {"color": "C1", "linestyle": "--"}
        curve = self.history[name]
        marker = "." if len(curve) == 1 else None  # one point makes no line
        epochs = range(1, len(curve) + 1)
        (self.lines_[name],) = ax.plot(epochs, curve, label=label, marker=marker, **style)

    def _plot_weights(self, plt: ModuleType, ax: Axes) -> None:
        outputs = self._names_before("_loss_weight")
        # Not the colours of training and validation, which mean something else.
        for output, color in zip(outputs, color_scale(plt, ax, len(outputs)), strict=True):
            self._plot_curve(ax, f"{output}_loss_weight", output, color=color)
        weights = np.concatenate([self.history[f"{output}_loss_weight"] for output in outputs])
        if np.nanmin(weights) > 0 and np.nanmax(weights) > 100 * np.nanmin(weights):
            ax.set_yscale("log")
        ax.legend(**LEGEND)
        ax.set(title="loss weights", ylabel="Factor of the loss")
