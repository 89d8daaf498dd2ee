"""Pictures of a joint model: its predictions, its training, its network.

matplotlib is an extra (``pip install "skjoint[plot]"``) and imported when a
picture is drawn.
"""

from __future__ import annotations

import numpy as np
from sklearn.metrics import confusion_matrix

from skjoint._composition import best_predictor, joint_estimator
from skjoint._network import TRUNK

__all__ = ["JointPredictionDisplay", "TrainingCurveDisplay", "plot_network"]

MANY_CLASSES = 10  # beyond, colours run along a scale and tick labels are thinned out


def _pyplot():
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            'Plots need matplotlib: install it with pip install "skjoint[plot]".'
        ) from error
    return plt


def _two_axes(plt, ax, **figure_options):
    """A figure with two axes side by side, or the two that were given."""
    if ax is None:
        return plt.subplots(1, 2, layout="constrained", **figure_options)[1]
    ax = np.ravel(ax)
    if len(ax) != 2:
        raise ValueError(f"ax must be None or a pair of axes. Got {len(ax)} instead.")
    return ax


class JointPredictionDisplay:
    """Predicted against true number, coloured by true label, beside a confusion matrix.

    Rows whose label is predicted wrongly are drawn as crosses. Create it with
    :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    value_true, value_pred : ndarray of shape (n_samples,)
        True and predicted numbers.
    class_true, class_pred : ndarray of shape (n_samples,)
        True and predicted labels.
    labels : ndarray of shape (n_classes,)
        Labels in the order of the matrix.

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
    line_ : Line2D
        Where prediction and truth are equal.
    im_ : AxesImage
        The matrix.

    Examples
    --------
    >>> from skjoint import JointRegressorClassifier
    >>> from skjoint.datasets import load_diabetes_bands
    >>> from skjoint.plots import JointPredictionDisplay
    >>> X, y = load_diabetes_bands(return_X_y=True)
    >>> est = JointRegressorClassifier(epochs=5, random_state=0).fit(X, y)
    >>> display = JointPredictionDisplay.from_estimator(est, X, y)
    >>> display.confusion_matrix.sum()
    np.int64(442)
    """

    def __init__(self, *, value_true, value_pred, class_true, class_pred, labels):
        self.value_true = value_true
        self.value_pred = value_pred
        self.class_true = class_true
        self.class_pred = class_pred
        self.labels = labels

    @property
    def confusion_matrix(self):
        return confusion_matrix(self.class_true, self.class_pred, labels=self.labels)

    @classmethod
    def from_estimator(cls, estimator, X, y, *, ax=None):
        """Predict X and draw it against y.

        Parameters
        ----------
        estimator : JointRegressorClassifier, Pipeline or search
            Fitted, with one value and one class target.
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows to predict.
        y : array-like, DataFrame or dict
            True targets, in the form of ``fit``. Rows that lack one are left out.
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
        return cls.from_predictions(
            value_true,
            predictor.predict(X, output="value"),
            class_true,
            predictor.predict(X, output="class"),
            labels=joint.classes_,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls, value_true, value_pred, class_true, class_pred, *, labels=None, ax=None
    ):
        """Draw given predictions.

        Parameters
        ----------
        value_true, value_pred : array-like of shape (n_samples,)
            True and predicted numbers.
        class_true, class_pred : array-like of shape (n_samples,)
            True and predicted labels.
        labels : array-like of shape (n_classes,), default=None
            Order of the labels; None sorts those that occur.
        ax : pair of matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : JointPredictionDisplay
        """
        columns = [np.asarray(c) for c in (value_true, value_pred, class_true, class_pred)]
        lengths = [len(c) for c in columns]
        if len(set(lengths)) > 1:
            raise ValueError(
                f"Found input variables with inconsistent numbers of samples: {lengths}"
            )
        missing = np.isnan(columns[0].astype(float)) | (columns[2] != columns[2])
        if columns[2].dtype == object:
            missing |= np.array([label is None for label in columns[2]])
        value_true, value_pred, class_true, class_pred = [c[~missing] for c in columns]
        if columns[2].dtype == object:
            class_true = np.array(class_true.tolist(), dtype=getattr(labels, "dtype", None))
        if labels is None:
            labels = np.unique(np.concatenate([class_true, class_pred]))
        else:
            # A label that training never saw has no place among the estimator's.
            unseen = np.setdiff1d(class_true, labels)
            labels = np.union1d(labels, unseen) if len(unseen) else labels
        display = cls(
            value_true=value_true.astype(float),
            value_pred=value_pred,
            class_true=class_true,
            class_pred=class_pred,
            labels=np.asarray(labels),
        )
        return display.plot(ax=ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : pair of matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : JointPredictionDisplay
        """
        plt = _pyplot()
        self.ax_value_, self.ax_class_ = _two_axes(plt, ax, figsize=(11, 5))
        self.figure_ = self.ax_value_.figure
        self._plot_values(plt)
        self._plot_matrix()
        return self

    def _plot_values(self, plt):
        ax = self.ax_value_
        codes = {label: i for i, label in enumerate(self.labels.tolist())}
        colors = self._colors(plt)[[codes[label] for label in self.class_true.tolist()]]
        right = self.class_true == self.class_pred
        ends = [
            min(self.value_true.min(), self.value_pred.min()),
            max(self.value_true.max(), self.value_pred.max()),
        ]
        (self.line_,) = ax.plot(ends, ends, color="gray", linewidth=1, zorder=0)
        self.scatter_ = [
            ax.scatter(
                self.value_true[rows],
                self.value_pred[rows],
                c=colors[rows],
                marker=marker,
                s=18,
                alpha=0.7,
                linewidths=linewidth,
            )
            for rows, marker, linewidth in ((right, "o", 0), (~right, "x", 1.2))
        ]
        handles = [
            plt.Line2D([], [], linestyle="", marker=marker, color="gray", label=text)
            for marker, text in (
                ("o", f"label right ({right.mean():.0%})"),
                ("x", f"label wrong ({1 - right.mean():.0%})"),
            )
        ]
        if len(self.labels) <= MANY_CLASSES:
            handles += [
                plt.Line2D([], [], linestyle="", marker="s", color=color, label=_short(label))
                for color, label in zip(self._colors(plt), self.labels, strict=True)
            ]
        ax.legend(handles=handles, fontsize="small", framealpha=0.5)
        error = np.abs(self.value_true - self.value_pred).mean()
        ax.set(xlabel="True number", ylabel="Predicted number", title=f"Number: MAE {error:.4g}")

    def _colors(self, plt):
        n_classes = len(self.labels)
        if n_classes <= MANY_CLASSES:
            return plt.get_cmap("tab10")(np.arange(n_classes))
        return plt.get_cmap("viridis")(np.linspace(0, 1, n_classes))

    def _plot_matrix(self):
        ax, matrix = self.ax_class_, self.confusion_matrix
        n_classes = len(self.labels)
        # Colours show shares of the true label, so that rare labels can be seen too.
        shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        self.im_ = ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        ax.figure.colorbar(self.im_, ax=ax, label="Share of the true label", fraction=0.046)
        if n_classes <= MANY_CLASSES:
            for i, j in np.ndindex(matrix.shape):
                color = "white" if shares[i, j] > 0.5 else "black"
                ax.text(j, i, matrix[i, j], ha="center", va="center", color=color)
        ticks = np.arange(0, n_classes, -(-n_classes // MANY_CLASSES))
        names = [_short(self.labels[i]) for i in ticks]
        turned = {"rotation": 45, "ha": "right"} if max(map(len, names)) > 4 else {}
        ax.set_xticks(ticks, names, **turned)
        ax.set_yticks(ticks, names)
        accuracy = np.trace(matrix) / max(matrix.sum(), 1)
        ax.set(
            xlabel="Predicted label", ylabel="True label", title=f"Label: accuracy {accuracy:.3f}"
        )


def _short(label, length=16):
    text = str(label)
    # Long names often differ at their ends only.
    return text if len(text) <= length else f"{text[: length - 7]}…{text[-6:]}"


class TrainingCurveDisplay:
    """Loss and metric of each head over the epochs, and the epoch that was kept.

    Create it with :meth:`from_estimator`.

    Parameters
    ----------
    history : dict of list
        As ``JointRegressorClassifier.history_``.
    best_epoch : int, default=None
        Index of the epoch whose weights were kept.

    Attributes
    ----------
    axes_ : ndarray of Axes
        One row per head: its loss, its metric.
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
    >>> est = JointRegressorClassifier(epochs=5, validation_fraction=0.2, random_state=0)
    >>> display = TrainingCurveDisplay.from_estimator(est.fit(X, y))
    >>> "val_class_loss" in display.lines_
    True
    """

    METRICS = {"mae": "MAE (original units)", "accuracy": "Accuracy"}

    def __init__(self, *, history, best_epoch=None):
        self.history = history
        self.best_epoch = best_epoch

    @classmethod
    def from_estimator(cls, estimator, *, ax=None):
        """Draw the training of a fitted estimator.

        Parameters
        ----------
        estimator : JointRegressorClassifier, Pipeline or search
            Fitted.
        ax : array-like of Axes, default=None
            Two for each head; None makes a figure.

        Returns
        -------
        display : TrainingCurveDisplay
        """
        joint = joint_estimator(estimator)
        display = cls(history=joint.history_, best_epoch=getattr(joint, "best_epoch_", None))
        return display.plot(ax=ax)

    @property
    def panels(self):
        """Per head (name of the loss, name of the metric)."""
        names = [n for n in self.history if not n.startswith("val_")]
        heads = [n.removesuffix("_loss") for n in names if n.endswith("_loss")]
        return [
            (f"{head}_loss", metric)
            for head in heads
            for metric in (f"{head}_mae", f"{head}_accuracy")
            if metric in self.history
        ]

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : array-like of Axes, default=None
            Two for each head; None makes a figure.

        Returns
        -------
        display : TrainingCurveDisplay
        """
        plt = _pyplot()
        panels = self.panels
        if ax is None:
            size = (9, 2.8 * len(panels) + 0.4)
            _, ax = plt.subplots(
                len(panels), 2, sharex=True, squeeze=False, figsize=size, layout="constrained"
            )
        self.axes_ = np.reshape(ax, (len(panels), 2))
        self.figure_ = self.axes_[0, 0].figure
        self.lines_ = {}
        for row, names in zip(self.axes_, panels, strict=True):
            for axes, name in zip(row, names, strict=True):
                self._plot_curve(axes, name)
        for axes in self.axes_[-1]:
            axes.set_xlabel("Epoch")
        self.axes_[0, 0].legend(fontsize="small", framealpha=0.5)
        return self

    def _plot_curve(self, ax, name):
        for curve, label in ((name, "training"), (f"val_{name}", "validation")):
            if curve in self.history:
                epochs = np.arange(1, len(self.history[curve]) + 1)
                (self.lines_[curve],) = ax.plot(epochs, self.history[curve], label=label)
        if self.best_epoch is not None:
            ax.axvline(
                self.best_epoch + 1,
                color="gray",
                linestyle="--",
                linewidth=1,
                label=f"kept (epoch {self.best_epoch + 1})",
            )
        head, _, metric = name.rpartition("_")
        ax.set(title=head, ylabel=self.METRICS.get(metric, "Loss"))
        ax.locator_params(axis="x", integer=True)


def plot_network(estimator, *, ax=None):
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
    plt = _pyplot()
    spec = joint_estimator(estimator).network_
    boxes = _network_boxes(spec)
    depth = max(box["y"] for box in boxes.values())
    breadth = len(spec.heads)
    if ax is None:
        size = (3.2 * breadth + 0.6, 0.95 * (depth + 1) + 0.5)
        _, ax = plt.subplots(figsize=size, layout="constrained")
    # One colour per branch, light enough for black letters on any background.
    tints = plt.get_cmap("Pastel1")
    texts = {
        name: ax.text(
            box["x"],
            -box["y"],
            box["text"],
            ha="center",
            va="center",
            fontsize="small",
            color="black",
            bbox={"boxstyle": "round,pad=0.5", "facecolor": tints(box["branch"] % 9)},
        )
        for name, box in boxes.items()
    }
    arrows = [(name, layer.name) for layer in spec.layers() for name in layer.inputs]
    arrows += [("input", TRUNK)] * (spec.trunk is not None)
    for start, end in arrows:
        start, end = texts[start], texts[end]
        ends = {"patchA": start.get_bbox_patch(), "patchB": end.get_bbox_patch()}
        style = {"arrowstyle": "-|>", "color": "gray", "shrinkA": 0, "shrinkB": 0}
        places = {"xytext": start.get_position(), "xy": end.get_position()}
        ax.annotate("", **places, arrowprops={**style, **ends}, zorder=0)
    ax.set(xlim=(-0.5, breadth - 0.5), ylim=(-depth - 0.5, 0.5))
    ax.set_title(f"{spec.n_parameters:,} parameters")
    ax.axis("off")
    return ax


def _network_boxes(spec):
    """Text, place (x to the right, y downwards) and number of the branch of every layer.

    The trunk runs down the middle (branch 0), the heads side by side below it.
    """
    middle = (len(spec.heads) - 1) / 2
    columns = {head.name: i for i, head in enumerate(spec.heads)}
    text = f"input\n{spec.n_inputs} encoded features"
    boxes = {"input": {"text": text, "x": middle, "y": 0, "branch": 0}}
    if spec.trunk is not None:
        units = f"{spec.trunk.n_features} features\n{spec.trunk.n_parameters:,} parameters"
        boxes[TRUNK] = {"text": f"{TRUNK}\n{units}", "x": middle, "y": 1, "branch": 0}
    for layer in spec.layers():
        column = columns.get(layer.branch)
        activation = getattr(layer.activation, "__name__", layer.activation)
        units = f"{layer.n_units} unit{'s' if layer.n_units > 1 else ''}"
        boxes[layer.name] = {
            "text": f"{layer.name}\n{units}, {activation}\n{layer.n_parameters:,} parameters",
            "x": middle if column is None else column,
            "y": max(boxes[name]["y"] for name in layer.inputs) + 1,
            "branch": 0 if column is None else column + 1,
        }
    return boxes
