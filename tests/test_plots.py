"""Displays follow scikit-learn's conventions and show what they claim."""

import sys

import matplotlib as mpl
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skjoint import JointRegressorClassifier
from skjoint.plots import JointPredictionDisplay, TrainingCurveDisplay, plot_network


@pytest.fixture(autouse=True)
def _no_windows():
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


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


def test_joint_predictions_through_pipeline_and_search(data):
    X, y = data
    pipeline = make_pipeline(StandardScaler(), JointRegressorClassifier((4,), epochs=1))
    search = GridSearchCV(pipeline, {"jointregressorclassifier__alpha": [0.0, 0.1]}, cv=2)
    search.fit(X, y)
    display = JointPredictionDisplay.from_estimator(search, X, y)
    assert_array_equal(display.value_pred, search.best_estimator_.predict(X, output="value"))
    assert TrainingCurveDisplay.from_estimator(search).lines_
    plot_network(search)


def test_rows_without_a_target_are_left_out(fitted, data):
    X, y = data
    gaps = y.copy()
    gaps.loc[:9, "label"] = None
    gaps.loc[5:19, "value"] = np.nan
    assert len(JointPredictionDisplay.from_estimator(fitted, X, gaps).value_true) == 100


def test_labels_that_training_never_saw_have_a_row(fitted, data):
    X, y = data
    display = JointPredictionDisplay.from_estimator(fitted, X, y.replace({"low": "odd"}))
    assert "odd" in display.labels


def test_many_classes_and_given_axes():
    import matplotlib.pyplot as plt

    labels = np.repeat(np.arange(40), 3)
    _, axes = plt.subplots(1, 2)
    display = JointPredictionDisplay.from_predictions(
        labels * 1.0, labels + 0.5, labels, np.roll(labels, 1), ax=axes
    )
    assert display.ax_class_ is axes[1]
    assert len(display.ax_class_.get_xticks()) <= 10
    with pytest.raises(ValueError, match="pair of axes. Got 1"):
        display.plot(ax=axes[:1])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        JointPredictionDisplay.from_predictions([1.0], [1.0], ["a", "b"], ["a", "b"])


def test_training_curves(data):
    est = JointRegressorClassifier((8,), epochs=5, early_stopping=True, random_state=0).fit(*data)
    display = TrainingCurveDisplay.from_estimator(est)
    assert display.axes_.shape == (2, 2)
    for name in ("value_loss", "val_value_mae", "class_loss", "val_class_accuracy"):
        assert_array_equal(display.lines_[name].get_ydata(), est.history_[name])
    texts = [text.get_text() for text in display.axes_[0, 0].get_legend().get_texts()]
    assert texts == ["training", "validation", f"kept (epoch {est.best_epoch_ + 1})"]


def test_network(data):
    est = JointRegressorClassifier((20, 10), value_layer_sizes=5, epochs=1).fit(*data)
    ax = plot_network(est)
    boxes = [text.get_text().splitlines() for text in ax.texts if text.get_text()]
    names = ["input", "hidden_1", "hidden_2", "value/hidden_1", "value", "class"]
    assert [box[0] for box in boxes] == names
    assert boxes[1][1:] == ["20 units, relu", "100 parameters"]
    assert ax.get_title() == f"{est.model_.count_params():,} parameters"


def test_errors(monkeypatch, data):
    with pytest.raises(TypeError, match="JointRegressorClassifier.*Got StandardScaler"):
        plot_network(StandardScaler())
    X, y = data
    value_only = JointRegressorClassifier((4,), epochs=1, value_columns=["value"], class_columns=[])
    with pytest.raises(ValueError, match="one value and one class"):
        JointPredictionDisplay.from_estimator(value_only.fit(X, y), X, y)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'pip install "skjoint\[plot\]"'):
        TrainingCurveDisplay(history={"value_loss": [1.0], "value_mae": [1.0]}).plot()
