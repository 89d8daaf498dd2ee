"""What a user writes, for mypy --strict. tests/test_typing.py checks it; nothing runs it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, TargetEncoder

import skjoint
from skjoint import JointRegressorClassifier
from skjoint.datasets import load_diabetes_bands, make_joint
from skjoint.metrics import agreement_score, expected_calibration_error, joint_metrics, joint_score
from skjoint.model_selection import (
    JointStratifiedGroupKFold,
    JointStratifiedKFold,
    class_scorer,
    joint_cross_val_predict,
    joint_scoring,
    value_scorer,
)
from skjoint.persistence import load, save
from skjoint.plots import JointPredictionDisplay, TrainingCurveDisplay, plot_network
from skjoint.views import as_classifier, as_regressor, on_value


def fit_and_predict(X: pd.DataFrame, y: pd.DataFrame) -> NDArray[np.float64]:
    est = JointRegressorClassifier((64, 64), epochs=20, class_bins=3, random_state=0)
    est = est.fit(X, y, sample_weight=np.ones(len(X)))
    labels: NDArray[Any] = est.predict_class(X)
    both: NDArray[Any] = est.predict(X)
    numbers: NDArray[Any] = est.predict(X, output="value")
    proba = est.predict_proba(X)
    assert len(both) == len(numbers) == len(labels) == proba.shape[0]
    losses: list[float] = est.history_["loss"]
    report: dict[str, float] = est.evaluate(X, y)
    print(losses[-1], report["value_mae"], est.score(X, y), est.classes_[0], est.n_iter_)
    intervals: NDArray[np.float64] = est.predict_interval(X, coverage=0.8)
    frame: pd.DataFrame = est.predict(X, output="frame")
    narrow: NDArray[Any] = est.predict(X, output="interval", coverage=0.5)
    print(intervals.shape, frame.columns, narrow.shape, est.predict(X, output="proba").shape)
    return est.predict_value(X)


def settings(X: pd.DataFrame, y: pd.DataFrame) -> NDArray[np.float64]:
    est = JointRegressorClassifier(
        [64, 32],
        numeric_embedding=("periodic", "rank"),
        head_link="class_to_value",
        value_loss="gaussian_nll",
        class_loss=lambda true, proba: proba.mean(axis=1),
        loss_weights={"band": 2},
        class_weight={"low": 2},
        optimizer="adamw",
        optimizer__weight_decay=0.1,
        early_stopping="by_head",
        value_from="auto",
        companions=("forest",),
    )
    values, std = est.set_params(alpha=0.1).fit(X, y).predict_value(X, return_std=True)
    print(est.network_.n_parameters, est.shares_, est.temperature_)
    return values / std


def arrays_and_lists() -> float:
    X, y = make_joint(200, random_state=np.random.RandomState(0))
    est = JointRegressorClassifier.accurate(random_state=0).fit(X, y)
    est = JointRegressorClassifier().partial_fit([[0.0], [1.0]], [[0, 1], [1, 0]], classes=[0, 1])
    est.fit([[0.1, "red"], [0.2, "blue"]], [[3.5, "a"], [4.5, "b"]])
    values, labels = est.split_targets(y)
    assert labels is not None  # it has class targets
    error = expected_calibration_error(labels, est.predict_proba(X), classes=est.classes_)
    agreement = agreement_score([8.7], [9], classes=[7, 8, 9])
    return error + agreement + joint_score((values, labels), (est.predict_value(X), None))


def inside_scikit_learn(X: pd.DataFrame, y: pd.DataFrame) -> None:
    pipe = make_pipeline(StandardScaler(), JointRegressorClassifier())
    groups = np.arange(len(X)) // 2
    by_group = JointStratifiedGroupKFold(3, class_columns=["band"])
    joint_cross_val_predict(pipe, X, y, groups=groups, cv=by_group)
    found: dict[str, float] = joint_metrics(pipe.fit(X, y), X, y)
    print(found["class_f1"])
    folds = JointStratifiedKFold(3, shuffle=True, random_state=0, class_columns=["band"])
    search = GridSearchCV(
        pipe,
        {"jointregressorclassifier__alpha": [0.0, 0.01]},
        scoring=joint_scoring(),
        refit="joint",
        cv=folds,
    ).fit(X, y)
    scorer = value_scorer("r2").set_score_request(sample_weight=True)
    score: float = scorer(search, X, y)
    scores = cross_val_score(pipe, X, y, scoring=class_scorer("accuracy"), cv=folds)
    proba = joint_cross_val_predict(pipe, X, y, cv=folds, method="predict_proba")
    print(score, scores.mean(), proba.shape)


def views(est: JointRegressorClassifier, X: pd.DataFrame, y: pd.DataFrame) -> None:
    regressor = as_regressor(est).fit(X, y["progression"])
    classifier = est.as_classifier()
    values: NDArray[np.float64] = regressor.predict(X)
    print(values.mean(), regressor.score(X, y), classifier.predict_proba(X)[:, 0].mean())
    print(as_classifier(est).classes_.tolist())
    encoded = on_value(TargetEncoder(), value_columns=["progression"]).fit(X, y).transform(X)
    print(encoded.shape)


def keep(est: JointRegressorClassifier, folder: Path) -> JointRegressorClassifier:
    save(est, folder / "model.skjoint")
    return load(folder / "model.skjoint")


def draw(est: JointRegressorClassifier, X: pd.DataFrame, y: pd.DataFrame) -> None:
    display = JointPredictionDisplay.from_estimator(est, X, y)
    display.ax_value_.set_title(f"{display.confusion_matrix.sum()} rows")
    TrainingCurveDisplay.from_estimator(est).figure_.savefig("curves.png")
    plot_network(est).set_title("network")


X, y = load_diabetes_bands(return_X_y=True)
print(fit_and_predict(X, y).mean(), skjoint.datasets.load_diabetes_bands().band_edges)
