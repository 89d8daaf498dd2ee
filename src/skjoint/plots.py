"""Pictures of a joint model: its predictions, its training, its network.

matplotlib is an extra (``pip install "skjoint[plot]"``) and imported when a
picture is drawn.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.exceptions import NotFittedError
from sklearn.metrics import confusion_matrix

from skjoint._data.bands import codes_of_numbers
from skjoint._network.spec import TRUNK
from skjoint._support.composition import best_predictor, joint_estimator

__all__ = ["JointPredictionDisplay", "TrainingCurveDisplay", "plot_network"]

MANY_CLASSES = 10  # beyond, there is no room for counts
MANY_TICKS = 30  # beyond, names of classes are thinned out
LEGEND = {"fontsize": "small", "framealpha": 0.6}


def _pyplot():
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            'Plots need matplotlib: install it with pip install "skjoint[plot]".'
        ) from error
    return plt


def _panels(plt, ax, mosaic, **figure_options):
    """Axes by name: those of a new figure laid out as the mosaic, or the ones that were given."""
    if ax is None:
        return plt.subplot_mosaic(mosaic, layout="constrained", **figure_options)[1]
    ax, names = np.ravel(ax), list(dict.fromkeys(np.ravel(mosaic).tolist()))
    if len(ax) != len(names):
        raise ValueError(
            f"ax must be None or {len(names)} axes, for {names}. Got {len(ax)} instead."
        )
    return dict(zip(names, ax, strict=True))


def _background(ax):
    """Colour behind the axes, which may themselves be transparent."""
    color = ax.get_facecolor()
    return (color if color[3] else ax.figure.get_facecolor())[:3]


def _contrast(color, other):
    """How well letters of one colour stand out from the other: 1 not at all, 21 black on white."""
    # Relative luminance and contrast ratio as WCAG 2 defines them, with its curve rounded to 2.2.
    light = [np.dot(np.power(c[:3], 2.2), (0.2126, 0.7152, 0.0722)) + 0.05 for c in (color, other)]
    return max(light) / min(light)


def _scale(plt, ax, n_colors):
    """Colours in an order that the colour-blind see too, less the end that ``ax`` swallows."""
    cmap, background = plt.get_cmap("viridis"), _background(ax)
    is_dark = _contrast(cmap(0.0), background) < _contrast(cmap(1.0), background)
    return cmap(np.linspace(*((0.4, 1.0) if is_dark else (0.0, 0.8)), n_colors))


def _names(labels):
    """Labels as short text, but never two alike."""
    texts = [str(label) for label in labels]
    length = 16
    while len({_short(text, length) for text in texts}) < len(set(texts)):
        length += 8
    # matplotlib takes what stands between two dollars for a formula.
    return np.array([_short(text, length).replace("$", r"\$") for text in texts])


def _short(text, length):
    # Long names often differ at their ends only.
    return text if len(text) <= length else f"{text[: length - 7]}…{text[-6:]}"


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

    def __init__(
        self, *, value_true, value_pred, class_true, class_pred, labels, class_of_value=None
    ):
        self.value_true = value_true
        self.value_pred = value_pred
        self.class_true = class_true
        self.class_pred = class_pred
        self.labels = labels
        self.class_of_value = class_of_value

    @property
    def confusion_matrix(self):
        return confusion_matrix(self.class_true, self.class_pred, labels=self.labels)

    @classmethod
    def from_estimator(cls, estimator, X, y, *, labels=None, ax=None):
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
            ``classes_``, then those that training never saw.
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
        target = joint._targets.classes[0]
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
        value_true,
        value_pred,
        class_true,
        class_pred,
        *,
        labels=None,
        class_of_value=None,
        ax=None,
    ):
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
        columns = [value_true, value_pred, class_true, class_pred]
        columns += [] if class_of_value is None else [class_of_value]
        columns = [np.asarray(column) for column in columns]
        lengths = [len(column) for column in columns]
        if len(set(lengths)) > 1:
            raise ValueError(
                f"Found input variables with inconsistent numbers of samples: {lengths}"
            )
        shown = ~(pd.isna(columns[0]) | pd.isna(columns[2]))
        if labels is not None:
            shown &= pd.Series(columns[2]).isin(list(labels)).to_numpy()
        if not shown.any():
            wanted = "" if labels is None else f" among {list(labels)}"
            raise ValueError(
                f"Found no row with both a true number and a true label{wanted}, while a minimum "
                "of 1 is required."
            )
        # Without its gaps, a column of objects may be one of numbers or text.
        columns = [np.array(column[shown].tolist()) for column in columns]
        if labels is None:
            labels = np.unique(np.concatenate(columns[2:4]))
        names = ["value_true", "value_pred", "class_true", "class_pred", "class_of_value"]
        display = cls(**dict(zip(names, columns, strict=False)), labels=np.asarray(labels))
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
        size = (11, 5) if len(self.labels) <= MANY_CLASSES else (13, 6.2)
        axes = _panels(plt, ax, [["number", "label"]], figsize=size)
        self.ax_value_, self.ax_class_ = axes["number"], axes["label"]
        self.figure_ = self.ax_value_.figure
        self._plot_values(plt)
        self._plot_matrix(plt)
        return self

    def _plot_values(self, plt):
        ax, text_color = self.ax_value_, plt.rcParams["text.color"]
        n_classes = len(self.labels)
        codes = pd.Index(self.labels).get_indexer(pd.Index(self.class_true))
        colors = _scale(plt, ax, n_classes)
        right = self.class_true == self.class_pred
        ends = [
            min(self.value_true.min(), self.value_pred.min()),
            max(self.value_true.max(), self.value_pred.max()),
        ]
        (self.line_,) = ax.plot(ends, ends, color=text_color, alpha=0.5, linewidth=1, zorder=0)
        size = np.clip(10_000 / len(right), 4, 18)
        points = {"cmap": plt.matplotlib.colors.ListedColormap(colors), "alpha": 0.9, "s": size}
        points |= {"vmin": -0.5, "vmax": n_classes - 0.5}
        self.scatter_ = [
            ax.scatter(
                self.value_true[rows],
                self.value_pred[rows],
                c=codes[rows],
                marker=marker,
                linewidths=linewidth,
                **points,
            )
            for rows, marker, linewidth in ((right, "o", 0), (~right, "x", 1.2))
        ]
        shares = {
            "o": f"label right ({right.mean():.0%})",
            "x": f"label wrong ({1 - right.mean():.0%})",
        }
        handles = [
            plt.Line2D([], [], linestyle="", marker=marker, color=text_color, label=text)
            for marker, text in shares.items()
        ]
        self.disagreement_ = None
        if self.class_of_value is not None:
            differ = self.class_of_value != self.class_pred
            self.disagreement_ = ax.scatter(
                self.value_true[differ],
                self.value_pred[differ],
                s=3.5 * size,
                facecolors="none",
                edgecolors=text_color,
                linewidths=0.6,
                zorder=0.5,  # among thousands of rows the colours must stay visible
                label=f"number and label disagree ({differ.mean():.0%})",
            )
            handles.append(self.disagreement_)
        ax.set_ylim(top=ends[1] + 0.22 * (ends[1] - ends[0]))  # room for the legend
        ax.legend(handles=handles, loc="upper left", **LEGEND)
        bar = ax.figure.colorbar(
            self.scatter_[0], ax=ax, label="True label", fraction=0.046, aspect=40
        )
        bar.solids.set_alpha(1)
        ticks, names, size = self._ticks()
        bar.set_ticks(ticks, labels=names, fontsize=size)
        error = np.abs(self.value_true - self.value_pred).mean()
        ax.set(xlabel="True number", ylabel="Predicted number", title=f"Number: MAE {error:.4g}")

    def _ticks(self):
        """Where to name a label, its name, the size of the letters."""
        n_classes = len(self.labels)
        ticks = np.arange(0, n_classes, -(-n_classes // MANY_TICKS))
        size = "small" if n_classes <= MANY_CLASSES else "x-small"
        return ticks, _names(self.labels)[ticks], size

    def _plot_matrix(self, plt):
        ax, matrix = self.ax_class_, self.confusion_matrix
        ticks, names, size = self._ticks()
        colors = plt.matplotlib.colors
        background = _background(ax)
        # From what is behind to the first colour of the style: right on light and on dark.
        cmap = colors.LinearSegmentedColormap.from_list("shares", [background, "C0"])
        # Colours show shares of the true label, so that rare labels can be seen too.
        n_true = [np.sum(self.class_true == label) for label in self.labels]
        shares = matrix / np.maximum(n_true, 1)[:, None]
        self.im_ = ax.imshow(shares, cmap=cmap, vmin=0, vmax=1)
        ax.figure.colorbar(self.im_, ax=ax, label="Share of the true label", fraction=0.046)
        self.text_ = None
        if len(matrix) <= MANY_CLASSES:
            letters = [colors.to_rgba(plt.rcParams["text.color"]), background]
            self.text_ = np.empty(matrix.shape, dtype=object)
            for place, count in np.ndenumerate(matrix):
                behind = cmap(shares[place])
                color = max(letters, key=lambda letter, b=behind: _contrast(letter, b))
                self.text_[place] = ax.text(
                    *place[::-1], count, ha="center", va="center", color=color, fontsize=size
                )
        turned = {}
        if sum(map(len, names)) > 40:
            turned = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
            turned = turned if len(matrix) <= MANY_CLASSES else {"rotation": 90}
        ax.set_xticks(ticks, names, fontsize=size, **turned)
        ax.set_yticks(ticks, names, fontsize=size)
        accuracy = np.mean(self.class_true == self.class_pred)
        ax.set(
            xlabel="Predicted label", ylabel="True label", title=f"Label: accuracy {accuracy:.3f}"
        )


class TrainingCurveDisplay:
    """Loss and metric of each head over the epochs, and the epoch that was kept.

    Below them, the joint validation loss that early stopping looks at, and the
    weights of the losses where these were balanced. Create it with
    :meth:`from_estimator`.

    Parameters
    ----------
    history : dict of list
        As ``JointRegressorClassifier.history_``.
    best_epoch : int or ndarray, default=None
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
    ...     epochs=5, validation_fraction=0.2, loss_weights="uncertainty", random_state=0
    ... )
    >>> display = TrainingCurveDisplay.from_estimator(est.fit(X, y))
    >>> "val_class_loss" in display.lines_
    True
    >>> list(display.axes_)
    ['value_loss', 'value_mae', 'class_loss', 'class_accuracy', 'val_joint_loss', 'loss_weights']
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
            One for each panel, row by row; None makes a figure.

        Returns
        -------
        display : TrainingCurveDisplay
        """
        joint = joint_estimator(estimator)
        display = cls(history=joint.history_, best_epoch=getattr(joint, "best_epoch_", None))
        return display.plot(ax=ax)

    @property
    def panels(self):
        """Names of the panels, row by row."""
        heads = [n.removesuffix("_loss") for n in self.history if n.endswith("_loss")]
        rows = [
            [f"{head}_loss", metric]
            for head in heads
            for metric in (f"{head}_mae", f"{head}_accuracy")
            if metric in self.history and not head.startswith("val_")
        ]
        last = ["val_joint_loss"] * ("val_joint_loss" in self.history)
        last += ["loss_weights"] * bool(self._weight_names)
        return [*rows, (last * 2)[:2]] if last else rows

    def _kept(self, panel):
        """Index of the epoch that was kept for what a panel shows: the mean over members."""
        if np.ndim(self.best_epoch) == 0:
            return self.best_epoch
        heads = [n.removesuffix("_loss") for n in self.history if n.endswith("_loss")]
        heads = [name for name in heads if name and f"val_{name}_loss" in self.history]
        kept = np.atleast_2d(self.best_epoch)
        if kept.shape[1] != len(heads):  # by member alone
            return float(np.mean(self.best_epoch))
        head = panel.rpartition("_")[0]
        if head not in heads:
            return None
        kept = kept[:, heads.index(head)]
        return int(kept[0]) if len(kept) == 1 else float(kept.mean())

    @property
    def _weight_names(self):
        return [name for name in self.history if name.endswith("_loss_weight")]

    def plot(self, ax=None):
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
        plt = _pyplot()
        size = (9, 2.6 * len(self.panels) + 0.4)
        self.axes_ = _panels(plt, ax, self.panels, figsize=size)
        self.lines_ = {}
        for name, axes in self.axes_.items():
            if name == "loss_weights":
                self._plot_weights(plt, axes)
            elif name == "val_joint_loss":
                self._plot_curve(axes, name, "validation")
                axes.set(title="joint", ylabel="val_joint_loss")
            else:
                self._plot_curve(axes, name, "training")
                self._plot_curve(axes, f"val_{name}", "validation")
                head, _, metric = name.rpartition("_")
                axes.set(title=head, ylabel=self.METRICS.get(metric, "Loss"))
            kept = self._kept(name)
            if kept is not None:
                axes.axvline(
                    kept + 1,
                    color=plt.rcParams["text.color"],
                    alpha=0.7,
                    linestyle=":",
                    linewidth=1.2,
                    label=f"kept (epoch {kept + 1})"
                    if isinstance(kept, int)
                    else f"kept (mean of members: epoch {kept + 1:.1f})",
                )
            axes.locator_params(axis="x", integer=True)
        for name in self.panels[-1]:
            self.axes_[name].set_xlabel("Epoch")
        first = next(iter(self.axes_.values()))
        first.legend(**LEGEND)
        self.figure_ = first.figure
        return self

    def _plot_curve(self, ax, name, label, **style):
        if name in self.history:
            if label == "validation":
                style = {"color": "C1", "linestyle": "--"}
            curve = self.history[name]
            style["marker"] = "." if len(curve) == 1 else None  # one point makes no line
            (self.lines_[name],) = ax.plot(range(1, len(curve) + 1), curve, label=label, **style)

    def _plot_weights(self, plt, ax):
        # Not the colours of training and validation, which mean something else.
        colors = _scale(plt, ax, len(self._weight_names))
        for name, color in zip(self._weight_names, colors, strict=True):
            self._plot_curve(ax, name, name.removesuffix("_loss_weight"), color=color)
        weights = np.concatenate([self.history[name] for name in self._weight_names])
        if np.nanmin(weights) > 0 and np.nanmax(weights) > 100 * np.nanmin(weights):
            ax.set_yscale("log")
        ax.legend(**LEGEND)
        ax.set(title="loss weights", ylabel="Factor of the loss")


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
    from matplotlib.colors import to_rgba

    spec = joint_estimator(estimator).network_
    boxes = _network_boxes(spec)
    depth = max(box["y"] for box in boxes.values())
    breadth = len(spec.heads)
    if ax is None:
        size = (3.2 * breadth + 0.6, 0.95 * (depth + 1) + 0.5)
        _, ax = plt.subplots(figsize=size, layout="constrained")
    # One colour per branch, so thin that the style's letters stay legible on any background.
    color = plt.rcParams["text.color"]
    texts = {
        name: ax.text(
            box["x"],
            -box["y"],
            box["text"],
            ha="center",
            va="center",
            fontsize="small",
            bbox={
                "boxstyle": "round,pad=0.5",
                "facecolor": to_rgba(f"C{box['branch']}", 0.25),
                "edgecolor": f"C{box['branch']}",
            },
        )
        for name, box in boxes.items()
    }
    arrows = [(name, layer.name) for layer in spec.layers() for name in layer.inputs]
    arrows += [("input", TRUNK)] * (spec.trunk is not None)
    for start, end in arrows:
        start, end = texts[start], texts[end]
        ends = {"patchA": start.get_bbox_patch(), "patchB": end.get_bbox_patch()}
        style = {"arrowstyle": "-|>", "color": color, "shrinkA": 0, "shrinkB": 0}
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
    aside = {}
    for number, variance in spec.variances.items():
        aside |= {number: -0.22, variance: 0.22}
    for layer in spec.layers():
        column = columns.get(layer.branch)
        activation = getattr(layer.activation, "__name__", layer.activation)
        units = f"{layer.n_units} unit{'s' if layer.n_units > 1 else ''}"
        boxes[layer.name] = {
            "text": f"{layer.name}\n{units}, {activation}\n{layer.n_parameters:,} parameters",
            "x": (middle if column is None else column) + aside.get(layer.name, 0),
            "y": max(boxes[name]["y"] for name in layer.inputs) + 1,
            "branch": 0 if column is None else column + 1,
        }
    return boxes
