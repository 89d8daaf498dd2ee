"""Displays follow scikit-learn's conventions and show what they claim."""

import sys
from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from conftest import make_data
from skjoint import JointRegressorClassifier
from skjoint._support.composition import joint_estimator
from skjoint.metrics import agreement_score
from skjoint.plots import JointPredictionDisplay, TrainingCurveDisplay, plot_network
from skjoint.plots._style import contrast

STYLES = ["default", "dark_background"]


@pytest.fixture(autouse=True)
def _no_windows():
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


@pytest.fixture(scope="module")
def searched():
    """A search in a pipeline over pipelines; number and bands cut from it; balanced losses."""
    X, y = make_data()
    est = JointRegressorClassifier.plain(
        (8,),
        class_bins=3,
        epochs=4,
        early_stopping=True,
        loss_weights="uncertainty",
        random_state=0,
    )
    inner = make_pipeline(StandardScaler(), est)
    search = GridSearchCV(inner, {"jointregressorclassifier__alpha": [0.1]}, cv=2)
    return make_pipeline(StandardScaler(), search).fit(X, y["value"].to_numpy())


def texts_of(legend):
    return [text.get_text() for text in legend.get_texts()]


def test_joint_predictions(fitted, data):
    X, y = data
    display = JointPredictionDisplay.from_estimator(fitted, X, y)
    right = fitted.predict_class(X) == y["label"].to_numpy()
    assert np.trace(display.confusion_matrix) == right.sum()
    assert display.scatter_[0].get_offsets().shape[0] == right.sum()
    assert display.scatter_[1].get_offsets().shape[0] == (~right).sum()
    assert_array_equal(display.labels, fitted.classes_)
    assert display.figure_ is display.ax_value_.figure
    ticks = [text.get_text() for text in display.ax_class_.get_xticklabels()]
    assert ticks == ["low", "mid", "top"]
    counts = [[int(text.get_text()) for text in row] for row in display.text_]
    assert_array_equal(counts, display.confusion_matrix)
    assert display.disagreement_ is None  # two columns: nobody said that one is cut from the other


def test_disagreements_are_marked_with_their_share(searched):
    X, y = make_data(seed=1)
    display = JointPredictionDisplay.from_estimator(searched, X, y["value"].to_numpy())
    est = joint_estimator(searched)
    of_value = np.digitize(display.value_pred, est.class_bin_edges_)
    differ = of_value != display.class_pred
    assert 0 < differ.sum() < len(differ)
    places = np.column_stack([display.value_true, display.value_pred])[differ]
    assert_array_equal(display.disagreement_.get_offsets(), places)
    agreement = agreement_score(
        display.value_pred, display.class_pred, classes=[0, 1, 2], bin_edges=est.class_bin_edges_
    )
    expected = f"number and label disagree ({1 - agreement:.0%})"
    assert texts_of(display.ax_value_.get_legend())[-1] == expected


def test_searches_and_pipelines_in_each_other_predict_as_they_do_by_hand(searched):
    X, y = make_data(seed=1)
    display = JointPredictionDisplay.from_estimator(searched, X, y["value"].to_numpy())
    inner = searched[-1].best_estimator_
    assert_array_equal(display.value_pred, inner.predict(searched[0].transform(X), output="value"))
    assert hasattr(searched[-1], "best_estimator_")  # the pipeline itself is as it was
    assert TrainingCurveDisplay.from_estimator(searched).lines_
    plot_network(searched)


def test_rows_without_a_target_are_left_out(fitted, data):
    X, y = data
    gaps = y.copy()
    gaps.loc[:9, "label"] = None
    gaps.loc[5:19, "value"] = np.nan
    assert len(JointPredictionDisplay.from_estimator(fitted, X, gaps).value_true) == 100
    with pytest.raises(ValueError, match="no row with both a true number and a true label"):
        JointPredictionDisplay.from_estimator(fitted, X, gaps.assign(value=np.nan))
    columns = pd.DataFrame({"number": [1, pd.NA, 3], "label": ["a", "a", "b"]}).convert_dtypes()
    display = JointPredictionDisplay.from_predictions(
        columns["number"], [1.0, 2.0, 3.0], columns["label"], ["a", "a", "a"]
    )
    assert_array_equal(display.confusion_matrix, [[1, 0], [1, 0]])


def test_labels_order_and_select_as_in_scikit_learn(fitted, data):
    X, y = data
    for labels in (["top", "low", "mid"], ["top", "mid"]):
        display = JointPredictionDisplay.from_estimator(fitted, X, y, labels=labels)
        matrix = confusion_matrix(y["label"], fitted.predict_class(X), labels=labels)
        assert_array_equal(display.confusion_matrix, matrix)
        ticks = [text.get_text() for text in display.ax_class_.get_yticklabels()]
        assert ticks == labels
        assert len(display.value_true) == y["label"].isin(labels).sum()


def test_labels_that_training_never_saw_come_last(fitted, data):
    X, y = data
    display = JointPredictionDisplay.from_estimator(fitted, X, y.replace({"low": "a new one"}))
    assert display.labels.tolist() == ["low", "mid", "top", "a new one"]
    assert display.confusion_matrix.sum() == len(y)


def test_many_classes_and_given_axes():
    import matplotlib.pyplot as plt

    labels = np.repeat(np.arange(40), 3)
    _, axes = plt.subplots(1, 2)
    display = JointPredictionDisplay.from_predictions(
        labels * 1.0, labels + 0.5, labels, np.roll(labels, 1), ax=axes
    )
    assert display.ax_class_ is axes[1]
    assert display.ax_value_.figure is axes[0].figure
    assert len(display.ax_class_.get_xticks()) == 20
    assert display.text_ is None
    with pytest.raises(ValueError, match="None or 2 axes.*Got 1"):
        display.plot(ax=axes[:1])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        JointPredictionDisplay.from_predictions([1.0], [1.0], ["a", "b"], ["a", "b"])


@pytest.mark.parametrize("n_classes", [2, 10, 28])
def test_long_names_are_short_distinct_and_do_not_overlap(n_classes):
    labels = np.array([f"of $many$ {i} long names of a {i % 3} kind" for i in range(n_classes)])
    display = JointPredictionDisplay.from_predictions(
        np.arange(n_classes), np.arange(n_classes), labels, labels, labels=labels
    )
    display.figure_.canvas.draw()
    names = display.ax_class_.get_yticklabels()
    assert len({text.get_text() for text in names}) == n_classes
    assert max(len(text.get_text()) for text in names) < len(labels[-1])
    boxes = sorted((text.get_window_extent() for text in names), key=lambda box: box.y0)
    letters = names[0].get_fontsize() * display.figure_.dpi / 72
    assert all(b.y0 - a.y0 > 0.8 * letters for a, b in pairwise(boxes))


@pytest.mark.parametrize("style", STYLES)
def test_everything_stands_out_from_the_background(style, fitted, data, searched):
    import matplotlib.pyplot as plt

    with plt.style.context(style):
        background = mpl.colors.to_rgba(plt.rcParams["axes.facecolor"])
        color = mpl.colors.to_rgba(plt.rcParams["text.color"])
        display = JointPredictionDisplay.from_estimator(fitted, *data)
        assert mpl.colors.to_rgba(display.line_.get_color()) == color
        display.figure_.canvas.draw()
        for points in display.scatter_:
            colors = [*points.get_edgecolors(), *points.get_facecolors()]
            assert all(contrast(c, background) > 1.7 for c in colors)
            assert len(colors) or not len(points.get_offsets())
        assert display.im_.cmap(0.0) == pytest.approx(background, abs=0.01)
        shares = display.im_.get_array()
        for place, text in np.ndenumerate(display.text_):
            letters = mpl.colors.to_rgba(text.get_color())
            assert contrast(letters, display.im_.cmap(shares[place])) > 4
        lines = TrainingCurveDisplay.from_estimator(searched).lines_.values()
        assert min(contrast(mpl.colors.to_rgba(n.get_color()), background) for n in lines) > 1.7
        texts = [text for text in plot_network(fitted).texts if text.get_text()]
        assert {mpl.colors.to_rgba(text.get_color()) for text in texts} == {color}


def test_training_curves(searched):
    est = joint_estimator(searched)
    display = TrainingCurveDisplay.from_estimator(est)
    panels = ["value_loss", "value_mae", "class_loss", "class_accuracy"]
    assert list(display.axes_) == [*panels, "val_joint_loss", "loss_weights"]
    for panel in panels:
        for name, style in ((panel, "-"), (f"val_{panel}", "--")):
            assert_array_equal(display.lines_[name].get_ydata(), est.history_[name])
            assert display.lines_[name].get_linestyle() == style
            assert display.lines_[name].axes is display.axes_[panel]
    assert_array_equal(display.lines_["val_joint_loss"].get_ydata(), est.history_["val_joint_loss"])
    weights = [display.lines_[f"{head}_loss_weight"].get_ydata() for head in ("value", "class")]
    assert_array_equal(np.transpose(weights), est.loss_weights_)
    kept = f"kept (epoch {est.best_epoch_[0, 0] + 1})"
    assert texts_of(display.axes_["value_loss"].get_legend()) == ["training", "validation", kept]
    assert texts_of(display.axes_["loss_weights"].get_legend()) == ["value", "class"]


def test_training_curves_without_validation(fitted):
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(2, 2)
    display = TrainingCurveDisplay.from_estimator(fitted, ax=axes)
    assert list(display.axes_.values()) == axes.ravel().tolist()
    assert display.figure_ is axes[0, 0].figure
    with pytest.raises(ValueError, match=r"None or 4 axes, for \['value_loss', .*Got 2"):
        display.plot(ax=axes[0])


@pytest.mark.parametrize(
    ("best_epoch", "kept"),
    [
        (None, [None, None, None]),
        (1, [1, 1, 1]),
        ([[1, 1]], [1, 1, 1]),  # one member that kept one epoch
        ([[1, 2]], [1, 2, None]),  # an epoch for each output
        ([[1, 1], [2, 2], [2, 2]], [5 / 3, 5 / 3, 5 / 3]),
        ([[1, 2], [2, 2]], [1.5, 2.0, None]),
    ],
)
def test_kept_epoch_is_that_of_the_panel(best_epoch, kept):
    curves = ["value_loss", "value_mae", "class_loss", "class_accuracy"]
    names = [*curves, *(f"val_{name}" for name in [*curves, "joint_loss"])]
    history = {name: [3.0, 2.0, 1.0] for name in names}
    display = TrainingCurveDisplay(history=history, best_epoch=best_epoch).plot()
    drawn = []
    for panel in ("value_mae", "class_loss", "val_joint_loss"):
        lines = [n for n in display.axes_[panel].lines if n.get_label().startswith("kept")]
        drawn.append(lines[0].get_xdata()[0] - 1 if lines else None)
    assert drawn == pytest.approx(kept)


def test_one_epoch_is_a_point():
    display = TrainingCurveDisplay(history={"value_loss": [1.0], "value_mae": [1.0]}).plot()
    assert display.lines_["value_loss"].get_marker() == "."


def test_network(data):
    est = JointRegressorClassifier.plain((20, 10), value_layer_sizes=5, epochs=1).fit(*data)
    ax = plot_network(est)
    boxes = [text.get_text().splitlines() for text in ax.texts if text.get_text()]
    names = ["input", "hidden_1", "hidden_2", "value/hidden_1", "value", "class"]
    assert [box[0] for box in boxes] == names
    assert boxes[1][1:] == ["20 units, relu", "100 parameters"]
    assert ax.get_title() == f"{est.model_.count_params():,} parameters"
    for loss, more in [("gaussian_nll", "value/variance"), ("histogram", "value/histogram")]:
        ax = plot_network(est.set_params(value_loss=loss).fit(*data))
        places = {t.get_text().split()[0]: t.get_position() for t in ax.texts if t.get_text()}
        assert set(places) == {*names, more}
        assert len(set(places.values())) == len(places)


def test_errors(monkeypatch, data):
    with pytest.raises(TypeError, match="JointRegressorClassifier.*Got StandardScaler"):
        plot_network(StandardScaler())
    with pytest.raises(NotFittedError, match="GridSearchCV instance is not fitted yet"):
        TrainingCurveDisplay.from_estimator(GridSearchCV(JointRegressorClassifier(), {}))
    with pytest.raises(NotFittedError, match="history is empty. Call 'fit'"):
        TrainingCurveDisplay(history={}).plot()
    X, y = data
    value_only = JointRegressorClassifier.plain(
        (4,), epochs=1, value_columns=["value"], class_columns=[]
    )
    with pytest.raises(ValueError, match="one value and one class"):
        JointPredictionDisplay.from_estimator(value_only.fit(X, y), X, y)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'pip install "skjoint\[plot\]"'):
        TrainingCurveDisplay(history={"value_loss": [1.0], "value_mae": [1.0]}).plot()
