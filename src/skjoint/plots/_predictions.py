"""Predicted against true numbers, beside the confusion matrix of the labels."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.metrics import confusion_matrix

from skjoint._data.class_bins import codes_of_numbers
from skjoint._data.foreign import as_pandas
from skjoint._support.composition import best_predictor, joint_estimator
from skjoint._support.typing import XLike, YLike
from skjoint.plots._style import (
    LEGEND,
    axes_by_name,
    background,
    color_scale,
    contrast,
    pyplot,
    short_names,
)

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from matplotlib.lines import Line2D

    from skjoint.plots._style import SomeAxes

MANY_CLASSES = 10  # beyond, there is no room for counts
MANY_TICKS = 30  # beyond, names of classes are thinned out


class JointPredictionDisplay:
    """Predicted against true number, coloured by true label, beside a confusion matrix.

    Rows whose label is predicted wrongly are drawn as crosses. Where the label
    is cut from the number, rows whose predicted label is not the label of the
    predicted number have a ring. Create it with :meth:`from_estimator` or
    :meth:`from_predictions`.

    Parameters
    ----------
    value_true, value_pred : ndarray of shape (n_samples,)
        True and predicted numbers.
    class_true, class_pred : ndarray of shape (n_samples,)
        True and predicted labels.
    labels : ndarray of shape (n_classes,)
        Labels in the order of the matrix, all true ones among them.
    class_of_value : ndarray of shape (n_samples,), default=None
        Labels of the predicted numbers.

    Attributes
    ----------
    confusion_matrix : ndarray of shape (n_classes, n_classes)
        Counts, true label by row.
    ax_value_, ax_class_ : matplotlib Axes
        The two parts of the picture.
    figure_ : matplotlib Figure
        The figure that holds them.
    scatter_ : list of PathCollection
        The points: right labels, wrong labels.
    disagreement_ : PathCollection or None
        The rings; None without ``class_of_value``.
    line_ : Line2D
        Where prediction and truth are equal.
    im_ : AxesImage
        The matrix.
    text_ : ndarray of Text of shape (n_classes, n_classes), or None
        Its counts; None with many classes.

    Examples
    --------
    >>> from skjoint import JointRegressorClassifier
    >>> from skjoint.datasets import load_diabetes_bands
    >>> from skjoint.plots import JointPredictionDisplay
    >>> X, y = load_diabetes_bands(return_X_y=True)
    >>> est = JointRegressorClassifier(epochs=5, random_state=0).fit(X, y)
    >>> display = JointPredictionDisplay.from_estimator(
    ...     est, X, y, labels=["low", "middle", "high"]
    ... )
    >>> display.confusion_matrix.sum()
    np.int64(442)
    """

    ax_value_: Axes
    ax_class_: Axes
    figure_: Figure | Any  # Any: a SubFigure where the given axes lie in one
    scatter_: list[PathCollection]
    disagreement_: PathCollection | None
    line_: Line2D
    im_: AxesImage
    text_: NDArray[np.object_] | None

    def __init__(
        self,
        *,
        value_true: NDArray[Any],
        value_pred: NDArray[Any],
        class_true: NDArray[Any],
        class_pred: NDArray[Any],
        labels: NDArray[Any],
        class_of_value: NDArray[Any] | None = None,
    ) -> None:
        self.value_true = value_true
        self.value_pred = value_pred
        self.class_true = class_true
        self.class_pred = class_pred
        self.labels = labels
        self.class_of_value = class_of_value

    @property
    def confusion_matrix(self) -> NDArray[np.int64]:
        matrix: NDArray[np.int64] = confusion_matrix(
            self.class_true, self.class_pred, labels=self.labels
        )
        return matrix

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: XLike,
        y: YLike,
        *,
        labels: Iterable[Any] | None = None,
        ax: SomeAxes | None = None,
    ) -> JointPredictionDisplay:
        """Predict X and draw it against y.

        Parameters
        ----------
        estimator : JointRegressorClassifier, Pipeline or search
            Fitted, with one value and one class target.
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows to predict.
        y : array-like, DataFrame or dict
            True targets, in the form of ``fit``. Rows that lack one are left out.
        labels : array-like of shape (n_classes,), default=None
            Labels in the order of the picture, or some of them; None takes
            ``classes_``, then those that only y has.
        ax : pair of matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : JointPredictionDisplay
        """
        joint = joint_estimator(estimator)
        value_true, class_true = joint.split_targets(y)
        if value_true is None or class_true is None or value_true.ndim + class_true.ndim > 2:
            raise ValueError(
                "JointPredictionDisplay draws one value and one class target; draw others with "
                "from_predictions, a pair at a time."
            )
        predictor = best_predictor(estimator)
        value_pred = predictor.predict(X, output="value")
        if labels is None:
            known = joint.classes_.tolist()
            labels = [*known, *sorted(set(class_true[~pd.isna(class_true)].tolist()) - set(known))]
        target = joint._model.targets.classes[0]
        class_of_value = None
        if target.source is not None:
            codes = codes_of_numbers(value_pred, target.classes, target.edges)
            class_of_value = target.classes[codes]
        return cls.from_predictions(
            value_true,
            value_pred,
            class_true,
            predictor.predict(X, output="class"),
            labels=labels,
            class_of_value=class_of_value,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls,
        value_true: ArrayLike,
        value_pred: ArrayLike,
        class_true: ArrayLike,
        class_pred: ArrayLike,
        *,
        labels: Iterable[Any] | None = None,
        class_of_value: ArrayLike | None = None,
        ax: SomeAxes | None = None,
    ) -> JointPredictionDisplay:
        """Draw given predictions.

        Parameters
        ----------
        value_true, value_pred : array-like of shape (n_samples,)
            True and predicted numbers. Rows that lack a true number or label
            are left out.
        class_true, class_pred : array-like of shape (n_samples,)
            True and predicted labels.
        labels : array-like of shape (n_classes,), default=None
            Labels in the order of the picture; rows of other true labels are
            left out. None sorts those that occur.
        class_of_value : array-like of shape (n_samples,), default=None
            Labels of the predicted numbers, where the label is cut from the
            number: rows in which they are not the predicted labels are marked.
        ax : pair of matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : JointPredictionDisplay

        Examples
        --------
        >>> from skjoint.plots import JointPredictionDisplay
        >>> display = JointPredictionDisplay.from_predictions(
        ...     [1.0, 5.0, 9.0],
        ...     [2.0, 6.0, 4.0],
        ...     ["low", "low", "high"],
        ...     ["low", "low", "high"],
        ...     labels=["low", "high"],
        ...     class_of_value=["low", "high", "low"],
        ... )
        >>> [text.get_text() for text in display.ax_value_.get_legend().get_texts()]
        ['label right (100%)', 'label wrong (0%)', 'number and label disagree (67%)']
        """
        given = [value_true, value_pred, class_true, class_pred]
        given += [] if class_of_value is None else [class_of_value]
        columns = [np.asarray(as_pandas(column, "a column")) for column in given]
        lengths = [len(column) for column in columns]
        if len(set(lengths)) > 1:
            raise ValueError(
                f"Found input variables with inconsistent numbers of samples: {lengths}"
            )
        shown = _rows_to_show(columns[0], columns[2], labels)
        # Without its gaps, a column of objects may be one of numbers or text.
        columns = [np.array(column[shown].tolist()) for column in columns]
        if labels is None:
            labels = np.unique(np.concatenate(columns[2:4]))
        names = ["value_true", "value_pred", "class_true", "class_pred", "class_of_value"]
        display = cls(**dict(zip(names, columns, strict=False)), labels=np.asarray(labels))
        return display.plot(ax=ax)

    def plot(self, ax: SomeAxes | None = None) -> JointPredictionDisplay:
        """Draw.

        Parameters
        ----------
        ax : pair of matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : JointPredictionDisplay
        """
        plt = pyplot()
        size = (11, 5) if len(self.labels) <= MANY_CLASSES else (13, 6.2)
        axes = axes_by_name(plt, ax, [["number", "label"]], figsize=size)
        self.ax_value_, self.ax_class_ = axes["number"], axes["label"]
        self.figure_ = self.ax_value_.figure
        self._plot_values(plt)
        self._plot_matrix(plt)
        return self

    def _plot_values(self, plt: ModuleType) -> None:
        ax, text_color = self.ax_value_, plt.rcParams["text.color"]
        low = min(self.value_true.min(), self.value_pred.min())
        high = max(self.value_true.max(), self.value_pred.max())
        (self.line_,) = ax.plot(
            [low, high], [low, high], color=text_color, alpha=0.5, linewidth=1, zorder=0
        )
        size = np.clip(10_000 / len(self.value_true), 4, 18)
        handles = [*self._plot_points(plt, size), *self._plot_rings(text_color, size)]
        ax.set_ylim(top=high + 0.22 * (high - low))  # room for the legend
        ax.legend(handles=handles, loc="upper left", **LEGEND)
        bar = self.figure_.colorbar(
            self.scatter_[0], ax=ax, label="True label", fraction=0.046, aspect=40
        )
        if bar.solids is not None:
            bar.solids.set_alpha(1)
        ticks, names, letters = self._ticks()
        bar.set_ticks(ticks.tolist(), labels=names.tolist(), fontsize=letters)
        error = np.abs(self.value_true - self.value_pred).mean()
        ax.set(xlabel="True number", ylabel="Predicted number", title=f"Number: MAE {error:.4g}")

    def _plot_points(self, plt: ModuleType, size: float) -> list[Artist]:
        """A dot for each right label, a cross for each wrong one; their keys for the legend."""
        ax, n_classes = self.ax_value_, len(self.labels)
        codes = pd.Index(self.labels).get_indexer(pd.Index(self.class_true))
        cmap = plt.matplotlib.colors.ListedColormap(color_scale(plt, ax, n_classes))
        right = self.class_true == self.class_pred
        self.scatter_ = [
            ax.scatter(
                self.value_true[rows],
                self.value_pred[rows],
                c=codes[rows],
                marker=marker,
                linewidths=linewidth,
                cmap=cmap,
                alpha=0.9,
                s=size,
                vmin=-0.5,
                vmax=n_classes - 0.5,
            )
            for rows, marker, linewidth in ((right, "o", 0), (~right, "x", 1.2))
        ]
        shares = {
            "o": f"label right ({right.mean():.0%})",
            "x": f"label wrong ({1 - right.mean():.0%})",
        }
        color = plt.rcParams["text.color"]
        return [
            plt.Line2D([], [], linestyle="", marker=marker, color=color, label=text)
            for marker, text in shares.items()
        ]

    def _plot_rings(self, color: Any, size: float) -> list[Artist]:
        """Rings where number and label disagree; their key for the legend."""
        self.disagreement_ = None
        if self.class_of_value is None:
            return []
        differ = self.class_of_value != self.class_pred
        self.disagreement_ = self.ax_value_.scatter(
            self.value_true[differ],
            self.value_pred[differ],
            s=3.5 * size,
            facecolors="none",
            edgecolors=color,
            linewidths=0.6,
            zorder=0.5,  # among thousands of rows the colours must stay visible
            label=f"number and label disagree ({differ.mean():.0%})",
        )
        return [self.disagreement_]

    def _ticks(self) -> tuple[NDArray[np.int64], NDArray[np.str_], str]:
        """Where to name a label, its name, the size of the letters."""
        n_classes = len(self.labels)
        ticks = np.arange(0, n_classes, -(-n_classes // MANY_TICKS))
        size = "small" if n_classes <= MANY_CLASSES else "x-small"
        return ticks, short_names(self.labels)[ticks], size

    def _plot_matrix(self, plt: ModuleType) -> None:
        ax, matrix = self.ax_class_, self.confusion_matrix
        ticks, names, size = self._ticks()
        # From the background to the first colour of the style: right on light and on dark.
        cmap = plt.matplotlib.colors.LinearSegmentedColormap.from_list(
            "shares", [background(ax), "C0"]
        )
        # Colours show shares of the true label, so that rare labels can be seen too.
        n_true = np.array([np.sum(self.class_true == label) for label in self.labels])
        shares = matrix / np.maximum(n_true, 1)[:, None]
        self.im_ = ax.imshow(shares, cmap=cmap, vmin=0, vmax=1)
        self.figure_.colorbar(self.im_, ax=ax, label="Share of the true label", fraction=0.046)
        self.text_ = None
        if len(matrix) <= MANY_CLASSES:
            self.text_ = self._plot_counts(plt, matrix, cmap(shares), size)
        turned: dict[str, Any] = {}
        if sum(map(len, names)) > 40:
            turned = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
            turned = turned if len(matrix) <= MANY_CLASSES else {"rotation": 90}
        ax.set_xticks(ticks, names, fontsize=size, **turned)
        ax.set_yticks(ticks, names, fontsize=size)
        accuracy = np.mean(self.class_true == self.class_pred)
        ax.set(
            xlabel="Predicted label", ylabel="True label", title=f"Label: accuracy {accuracy:.3f}"
        )

    def _plot_counts(
        self, plt: ModuleType, matrix: NDArray[np.int64], cells: NDArray[Any], size: str
    ) -> NDArray[np.object_]:
        """The count of each cell, in the style's text colour or its background."""
        text_color = plt.matplotlib.colors.to_rgba(plt.rcParams["text.color"])
        letters = [text_color, background(self.ax_class_)]
        texts = np.empty(matrix.shape, dtype=object)
        for (row, column), count in np.ndenumerate(matrix):
            ratios = [contrast(letter, cells[row, column]) for letter in letters]
            texts[row, column] = self.ax_class_.text(
                column,
                row,
                str(count),
                ha="center",
                va="center",
                color=letters[int(np.argmax(ratios))],
                fontsize=size,
            )
        return texts


def _rows_to_show(
    value_true: NDArray[Any], class_true: NDArray[Any], labels: Iterable[Any] | None
) -> NDArray[np.bool_]:
    """Rows that have a true number and a true label, one of ``labels`` if these are given."""
    shown = ~(pd.isna(value_true) | pd.isna(class_true))
    if labels is not None:
        shown &= pd.Series(class_true).isin(list(labels)).to_numpy()
    if not shown.any():
        wanted = "" if labels is None else f" among {list(labels)}"
        raise ValueError(
            f"Found no row with both a true number and a true label{wanted}, while a minimum "
            "of 1 is required."
        )
    return np.asarray(shown)
