"""The estimator as its user meets it: answers, laws, errors."""

import copy
import functools
import io
import pickle
from contextlib import redirect_stdout

import joblib
import keras
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    log_loss,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
)

from conftest import make_data, small
from skjoint import JointRegressorClassifier
from skjoint.metrics import agreement_score, joint_score


def fit(X, y, sample_weight=None, **parameters):
    return small(**{"hidden_layer_sizes": (8,), **parameters}).fit(X, y, sample_weight)


def same(a, b, X):
    assert_array_equal(a.predict_value(X), b.predict_value(X))
    assert_array_equal(a.predict_proba(X), b.predict_proba(X))


# ------------------------------------------------------------------- answers
def test_shapes_and_dtypes(fitted, data):
    X, _ = data
    assert fitted.predict(X).shape == (120, 2)
    assert fitted.predict(X).dtype == object
    value, label, proba = fitted.predict_value(X), fitted.predict_class(X), fitted.predict_proba(X)
    assert value.shape == (120,)
    assert value.dtype == np.float64
    assert label.dtype == object
    assert proba.shape == (120, 3)
    assert_allclose(proba.sum(axis=1), 1, rtol=1e-12)
    assert_array_equal(label, fitted.classes_[proba.argmax(axis=1)])
    assert_array_equal(fitted.predict(X)[:, 0], value)
    assert_array_equal(fitted.predict(X, output="value"), value)
    assert_array_equal(fitted.predict(X, output="class"), label)


def test_it_learns(fitted, data):
    metrics = fitted.evaluate(*data)
    assert metrics["value_r2"] > 0.8
    assert metrics["class_accuracy"] > 0.8


def test_score_and_evaluate_are_scikit_learns_metrics(fitted, data):
    X, y = data
    w = np.linspace(0, 1, len(X))
    metrics = fitted.evaluate(X, y, w)
    value, label = fitted.predict_value(X), fitted.predict_class(X)
    proba = fitted.predict_proba(X)
    expected = {
        "value_mae": mean_absolute_error(y["value"], value, sample_weight=w),
        "value_r2": r2_score(y["value"], value, sample_weight=w),
        "class_accuracy": accuracy_score(y["label"], label, sample_weight=w),
        "class_log_loss": log_loss(y["label"], proba, sample_weight=w),
        "class_balanced_accuracy": balanced_accuracy_score(y["label"], label, sample_weight=w),
        "class_f1": f1_score(y["label"], label, average="macro", sample_weight=w),
        "class_roc_auc": roc_auc_score(y["label"], proba, multi_class="ovr", sample_weight=w),
        "class_average_precision": average_precision_score(y["label"], proba, sample_weight=w),
    }
    assert metrics.keys() == {*expected, "score", "value_rmse"}
    for name, figure in expected.items():
        assert_allclose(metrics[name], figure, rtol=1e-12)
    assert_allclose(metrics["score"], (metrics["value_r2"] + metrics["class_accuracy"]) / 2)
    assert fitted.score(X, y, w) == metrics["score"]
    split = fitted.split_targets(y)
    assert_allclose(joint_score(split, (value, label), sample_weight=w), metrics["score"])
    only_value = fitted.evaluate(X, y, np.column_stack([np.ones(120), w]))
    assert_allclose(only_value["value_mae"], mean_absolute_error(y["value"], value))
    assert_allclose(only_value["class_accuracy"], metrics["class_accuracy"])


def test_the_keras_model_gives_the_predictions(fitted, data):
    X, _ = data
    model = fitted.model_
    assert isinstance(model, keras.Model)
    assert model.output_names == ["value", "class"]
    value, proba = model(fitted._model.encode(X))
    target = fitted._model.targets.values[0]
    scaled = (fitted.predict_value(X) - target.offset) / target.scale
    assert_allclose(np.asarray(value)[:, 0], scaled, rtol=1e-3, atol=1e-5)
    assert_allclose(proba, fitted.predict_proba(X), rtol=1e-3, atol=1e-5)


def test_one_column_of_whole_numbers_and_agreement():
    X, _ = make_data()
    y = np.round(5 + X[:, 0]).astype(int)
    est = fit(X, y, epochs=20)
    assert est.predict(X).dtype == np.float64
    assert est.predict_class(X).dtype == np.int64
    assert est.classes_.tolist() == sorted(set(y))
    agreement = est.evaluate(X, y)["agreement"]
    value, label = est.predict_value(X), est.predict_class(X)
    nearest = est.classes_[np.abs(value[:, None] - est.classes_).argmin(axis=1)]
    assert_allclose(agreement, np.mean(nearest == label))


def test_class_bins():
    X, y = make_data()
    est = fit(X, y["value"], class_bins=3)
    assert est.classes_.tolist() == [0, 1, 2]
    assert_allclose(est.class_bin_edges_, np.quantile(y["value"], [1 / 3, 2 / 3]))
    _, label = est.split_targets(y["value"])
    assert_array_equal(label, np.digitize(y["value"], est.class_bin_edges_))
    expected = agreement_score(
        est.predict_value(X),
        est.predict_class(X),
        classes=[0, 1, 2],
        bin_edges=est.class_bin_edges_,
    )
    assert est.evaluate(X, y["value"])["agreement"] == expected
    assert not hasattr(est.set_params(class_bins=None).fit(X, y), "class_bin_edges_")


def test_features_of_a_frame_are_checked_by_name():
    X, y = make_data()
    X = pd.DataFrame(X, columns=list("abcd")).assign(colour=np.where(X[:, 0] > 0, "red", "blue"))
    est = fit(X, y)
    assert est.feature_names_in_.tolist() == ["a", "b", "c", "d", "colour"]
    assert est.n_features_in_ == 5
    with pytest.raises(ValueError, match="feature names should match"):
        est.predict(X.rename(columns={"a": "z"}))
    with pytest.raises(ValueError, match="feature names should match"):
        est.predict(X[["b", "a", "c", "d", "colour"]])
    with pytest.warns(UserWarning, match="None of the 120 entries of column 'colour'"):
        assert len(est.predict(X.assign(colour="violet"))) == 120


def test_several_targets_in_every_method(data):
    X, y = data
    y = y.assign(double=2 * y["value"], up=y["value"] > 100)
    est = fit(X, y, value_activation="relu")
    assert est.predict(X).shape == (120, 4)
    assert est.predict_value(X).shape == (120, 2)
    assert est.predict_class(X).shape == (120, 2)
    assert [p.shape for p in est.predict_proba(X)] == [(120, 3), (120, 2)]
    assert [c.tolist() for c in est.classes_] == [["low", "mid", "top"], [False, True]]
    assert "value_double_mae" in est.evaluate(X, y)
    assert "class_up_accuracy" in est.history_
    assert (est.predict_value(X) >= 0).all()


def test_separate_heads(data):
    X, y = data
    value = fit(X, y, value_columns=["value"], class_columns=[])
    assert set(value.evaluate(X, y)) == {"score", "value_mae", "value_rmse", "value_r2"}
    with pytest.raises(AttributeError, match="without a class target"):
        value.predict_class(X)
    assert value.split_targets(y)[1] is None


# ---------------------------------------------------------------------- laws
def test_scaling_the_number_scales_the_prediction(data):
    X, y = data
    plain = fit(X, y)
    scaled = fit(X, y.assign(value=1000 * y["value"] - 7))
    assert_allclose(scaled.predict_value(X), 1000 * plain.predict_value(X) - 7, rtol=1e-4)
    assert_allclose(scaled.predict_proba(X), plain.predict_proba(X), atol=1e-4)
    assert_allclose(
        scaled.history_["value_mae"], 1000 * np.array(plain.history_["value_mae"]), rtol=1e-3
    )


def test_renaming_labels_renames_predictions(data):
    X, y = data
    plain = fit(X, y)
    renamed = fit(
        X, y.assign(label=y["label"].map({"low": 1, "mid": 2, "top": 3})), class_columns=[1]
    )
    assert_array_equal(
        pd.Series(plain.predict_class(X)).map({"low": 1, "mid": 2, "top": 3}),
        renamed.predict_class(X),
    )


def test_a_masked_label_changes_nothing(data):
    """Whatever stands in a row whose label is masked out, training is the same."""
    X, y = data
    weights = np.ones((120, 2))
    weights[:30, 1] = 0
    by_weight = fit(X, y, weights)
    other = y.copy()
    other.loc[:29, "label"] = "mid"
    same(by_weight, fit(X, other, weights), X)
    gaps = y.copy()
    gaps.loc[:29, "label"] = None
    same(by_weight, fit(X, gaps), X)


FULL_BATCH = {"batch_size": 1000, "epochs": 20}


def test_integer_weights_are_repeats(data):
    X, y = data
    weights = np.random.default_rng(0).integers(0, 4, len(X))
    by_weight = fit(X, y, weights, **FULL_BATCH)
    rows = np.arange(len(X)).repeat(weights)
    by_repeat = fit(X[rows], y.iloc[rows], **FULL_BATCH)
    assert_allclose(by_weight.predict_value(X), by_repeat.predict_value(X), rtol=1e-4)
    assert_allclose(by_weight.predict_proba(X), by_repeat.predict_proba(X), atol=1e-4)


def test_zero_weights_are_removed_rows(data):
    X, y = data
    weights = np.arange(len(X)) % 3 > 0
    same(fit(X, y, weights.astype(float)), fit(X[weights], y[weights]), X)


def test_the_scale_of_weights_does_not_matter(data):
    X, y = data
    weights = np.linspace(1, 2, len(X))
    a, b = fit(X, y, weights), fit(X, y, 64 * weights)
    assert_allclose(a.predict_value(X), b.predict_value(X), rtol=1e-5)


def test_a_head_labelled_in_few_rows_is_not_weighted_down(data):
    """Its loss is that of the labelled rows alone: at rate 0 the same with 30 % as with 100 %."""
    X, y = data
    y = pd.concat([y] * 10, ignore_index=True)
    X = np.tile(X, (10, 1))
    gaps = y.copy()
    gaps.loc[360:, "label"] = None
    rate = {"learning_rate": 1e-30, "epochs": 1}
    full, partly = fit(X, y, **rate), fit(X, gaps, **rate)
    assert_allclose(partly.history_["class_loss"], full.history_["class_loss"], rtol=1e-4)


@pytest.mark.parametrize("activation", ["relu", "softplus"])
@pytest.mark.parametrize("scale", [True, False])
def test_numbers_that_cannot_be_negative(activation, scale):
    X, y = make_data()
    stay = np.maximum(0, X[:, 0])
    est = fit(
        X,
        y.assign(value=stay),
        value_activation=activation,
        scale_value=scale,
        epochs=60,
        learning_rate=0.01,
    )
    assert (est.predict_value(10 * X) >= 0).all()
    assert est.evaluate(X, y.assign(value=stay))["value_r2"] > 0.5


def test_loss_weights_steer(data):
    X, y = data
    value_only = fit(X, y, loss_weights=(1, 0), epochs=20)
    class_only = fit(X, y, loss_weights=(0, 1), epochs=20)
    a, b = value_only.evaluate(X, y), class_only.evaluate(X, y)
    assert a["value_r2"] > b["value_r2"]
    assert a["class_log_loss"] > b["class_log_loss"]


def test_class_weight_steers():
    X, y = make_data()
    rare = y.assign(label=np.where(X[:, 0] > 1.2, "rare", "often"))
    plain, balanced = (fit(X, rare, class_weight=w, epochs=20) for w in (None, "balanced"))
    assert (balanced.predict_class(X) == "rare").sum() > (plain.predict_class(X) == "rare").sum()


# ----------------------------------------------------- seeds and continuation
def test_same_seed_same_result(data):
    X, y = data
    same(fit(X, y, dropout=0.2), fit(X, y, dropout=0.2), X)
    one, other = fit(X, y, random_state=None), fit(X, y, random_state=None)
    assert (one.predict_value(X) != other.predict_value(X)).any()
    state = fit(X, y, random_state=np.random.RandomState(5))
    same(state, fit(X, y, random_state=np.random.RandomState(5)), X)


def test_warm_start_continues(data):
    X, y = data
    straight = fit(X, y, epochs=6)
    est = fit(X, y, epochs=3, warm_start=True)
    est.fit(X, y)
    assert est.n_iter_ == 6
    assert_allclose(est.history_["loss"], straight.history_["loss"], rtol=1e-5)
    assert_allclose(est.predict_value(X), straight.predict_value(X), rtol=1e-4)
    est.set_params(warm_start=False).fit(X, y)
    assert est.n_iter_ == 3


def test_warm_start_takes_the_learning_rate_of_today(data):
    X, y = data
    est = fit(X, y, warm_start=True)
    before = est.predict_value(X)
    est.set_params(learning_rate=1e-20).fit(X, y)
    assert_array_equal(est.predict_value(X), before)


def test_warm_start_keeps_the_layers_only(data):
    X, y = data
    est = fit(X, y, warm_start=True)
    with pytest.raises(ValueError, match="hidden_layer_sizes must stay as it is"):
        est.set_params(hidden_layer_sizes=(9,)).fit(X, y)
    before = est.history_["loss"][-1]
    est.set_params(hidden_layer_sizes=(8,), alpha=10.0).fit(X, y)
    assert est.history_["loss"][-1] > before + 1  # the penalty of today counts


def test_loss_weights_by_target_or_by_kind(data):
    X, y = data
    y = y.assign(double=2 * y["value"])
    by_kind = fit(X, y, loss_weights=(1, 3))
    same(by_kind, fit(X, y, loss_weights=(1, 1, 3)), X)
    with pytest.raises(ValueError, match="each of \\['value_value', 'value_double', 'class_label'"):
        fit(X, y, loss_weights=(1, 1, 1, 1))


def test_partial_fit_is_fit_by_the_epoch(data):
    X, y = data
    est = JointRegressorClassifier.plain((8,), random_state=0)
    for _ in range(3):
        est.partial_fit(X, y)
    assert_allclose(est.predict_value(X), fit(X, y).predict_value(X), rtol=1e-4)
    assert est.n_iter_ == len(est.history_["loss"]) == 3


def test_partial_fit_knows_labels_beforehand(data):
    X, y = data
    first = (y["label"] != "top").to_numpy()
    est = JointRegressorClassifier.plain((8,), random_state=0)
    est.partial_fit(X[first], y[first], classes=["low", "mid", "top"])
    est.partial_fit(X[~first], y[~first])
    assert est.predict_proba(X).shape == (120, 3)
    est = JointRegressorClassifier.plain((8,)).partial_fit(X[first], y[first])
    with pytest.raises(ValueError, match="did not know: \\['top'\\].*classes="):
        est.partial_fit(X, y)
    with pytest.raises(ValueError, match="features"):
        est.partial_fit(X[:, :2], y)


def test_early_stopping_restores_the_best_epoch(data):
    X, y = data
    est = fit(X, y, early_stopping=True, epochs=200, learning_rate=0.03, n_iter_no_change=5)
    monitor = est.history_["val_joint_loss"]
    assert est.n_iter_ < 200
    best = int(np.argmin(monitor))
    assert_array_equal(est.best_epoch_, [[best, best]])
    assert best == est.n_iter_ - 1 - 5
    straight = fit(X, y, validation=0.1, epochs=best + 1, learning_rate=0.03)
    assert_allclose(est.predict_value(X), straight.predict_value(X), rtol=1e-4)
    assert not hasattr(straight, "best_epoch_")


def test_joint_monitor_is_one_for_a_constant(data):
    """A network that predicts the constants has monitor 1."""
    X, y = data
    est = fit(X, y, validation=0.3, epochs=30, learning_rate=0.05, hidden_layer_sizes=())
    assert est.history_["val_joint_loss"][-1] < 0.8
    noise = np.random.default_rng(1)
    nothing = pd.DataFrame(
        {"value": noise.normal(size=120), "label": noise.permutation(y["label"])}
    )
    est = fit(np.zeros_like(X), nothing, validation=0.3, epochs=60, learning_rate=0.05)
    assert_allclose(est.history_["val_joint_loss"][-1], 1, atol=0.1)


# ------------------------------------------------------------- copies, pickles
def test_pickle_joblib_and_copies(data, tmp_path):
    X, y = data
    est = fit(X, y, early_stopping=True)
    est.model_  # noqa: B018  what it holds must not get in the way
    joblib.dump(est, tmp_path / "est.joblib")
    for other in (
        pickle.loads(pickle.dumps(est)),
        joblib.load(tmp_path / "est.joblib"),
        copy.deepcopy(est),
    ):
        same(est, other, X)
        assert other.history_ == est.history_
        other.set_params(warm_start=True).fit(X, y)
        assert other.n_iter_ > est.n_iter_


def test_clone_with_keras_objects(data):
    X, y = data
    est = JointRegressorClassifier.plain(
        (8,),
        epochs=2,
        optimizer=keras.optimizers.SGD(0.01),
        callbacks=[keras.callbacks.EarlyStopping("loss", patience=1)],
        kernel_initializer=keras.initializers.HeNormal(),
        value_loss=functools.partial(keras.losses.huber, delta=2.0),
        random_state=0,
    ).fit(X, y)
    same(est, clone(est).fit(X, y), X)
    same(est, pickle.loads(pickle.dumps(est)), X)


def test_routed_parameters_survive():
    est = JointRegressorClassifier(optimizer="sgd", optimizer__momentum=0.9)
    assert est.get_params()["optimizer__momentum"] == 0.9
    est = clone(est).set_params(optimizer__nesterov=True, epochs=3)
    assert est.get_params()["optimizer__momentum"] == 0.9
    assert est.optimizer__nesterov is True
    assert "optimizer__momentum=0.9" in repr(est)


def test_own_activation_predicts_through_keras(data):
    X, y = data

    def squash(x):
        return x / (1 + keras.ops.abs(x))

    est = fit(X, y, activation=squash)
    assert_array_equal(est.predict_value(X[:3]), est.predict_value(X)[:3])
    named = fit(X, y, activation="softsign")
    assert_allclose(est.predict_value(X), named.predict_value(X), rtol=1e-4)


@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_verbose(data, verbose):
    output = io.StringIO()
    with redirect_stdout(output):
        fit(*data, verbose=verbose)
    lines = output.getvalue().splitlines()
    if verbose == 0:
        assert lines == []
    else:
        assert len(lines) == 3
        names = ["loss", "value_loss", "class_loss"]
        names += ["value_mae", "class_accuracy"] if verbose == 2 else []
        assert all(f"{name}: " in line for line in lines for name in names)


# --------------------------------------------------------------------- errors
BAD_PARAMETERS = {
    "epochs": (0, "'epochs' parameter .* must be an int in the range \\[1, inf\\). Got 0 instead"),
    "dropout": (1.0, "'dropout' .* must be a float in the range \\[0.0, 1.0\\). Got 1.0 instead"),
    "alpha": (-1, "'alpha' .* Got -1 instead"),
    "hidden_layer_sizes": ((8, 0), "hidden_layer_sizes must hold whole numbers from 1 to 1048576"),
    "value_layer_sizes": ("8", "'value_layer_sizes' .* Got '8' instead"),
    "activation": ("rleu", "activation must be a name .* Got 'rleu' instead. Did you mean 'relu'"),
    "value_activation": (None, "'value_activation' .* Got None instead"),
    "kernel_initializer": ("he_norml", "Did you mean 'he_normal'"),
    "value_loss": ("mean_sq", "value_loss must be .* Got 'mean_sq' instead"),
    "class_loss": ("crossentrpy", "Did you mean 'crossentropy'"),
    "loss_weights": ((1, -1), "loss_weights must hold a non-negative number"),
    "class_weight": ("blanced", "'class_weight' .* Got 'blanced' instead"),
    "class_bins": (1, "'class_bins' .* Got 1 instead"),
    "optimizer": ("adma", "Did you mean 'adam'"),
    "learning_rate": (0, "'learning_rate' .* Got 0 instead"),
    "learning_rate_schedule": ("cosin", "'learning_rate_schedule' .* Got 'cosin' instead"),
    "validation": (1.0, "'validation' .* Got 1.0 instead"),
    "preprocess": ("none", "'preprocess' .* Got 'none' instead"),
    "engine": ("fusd", "'engine' .* Got 'fusd' instead"),
    "verbose": (3, "'verbose' .* Got 3 instead"),
    "random_state": ("x", "'random_state' .* Got 'x' instead"),
    "n_members": (True, "'n_members' .* must be a number. Got True instead"),
    "classes": (np.array(2), "classes must be a list of labels. Got array\\(2\\) instead"),
}
OWN_FUNCTIONS = {
    "a loss of the batch": ({"value_loss": lambda t, p: (t - p)[0, 0]}, "one loss per row.*\\(\\)"),
    "a loss of columns": ({"value_loss": lambda t, p: (t - p) ** 2}, "Got shape \\(3, 1\\)"),
    "a class loss": ({"class_loss": lambda t, p: p}, "class_loss must give one loss per row"),
    "a loss that fails": ({"class_loss": lambda t: 0}, "It raised TypeError: .*2 were given"),
    "an activation": ({"activation": lambda x: x[:, :1]}, "Got \\(2, 1\\) for \\(2, 3\\)"),
    "an initializer": (
        {"kernel_initializer": lambda shape, dtype: 0.0},
        "Got \\(\\) for \\(2, 3\\) instead",
    ),
}


@pytest.mark.parametrize("case", OWN_FUNCTIONS)
def test_functions_that_cannot_be_used(data, case):
    params, message = OWN_FUNCTIONS[case]
    with pytest.raises(ValueError, match=message):
        fit(*data, **params)


@pytest.mark.parametrize("name", BAD_PARAMETERS)
def test_bad_parameters(data, name):
    value, message = BAD_PARAMETERS[name]
    with pytest.raises(ValueError, match=message):
        fit(*data, **{name: value})


def test_misspelt_parameters():
    with pytest.raises(TypeError, match="unexpected parameter 'epoch'. Did you mean 'epochs'"):
        JointRegressorClassifier(epoch=3)
    with pytest.raises(ValueError, match="Invalid parameter 'droput'.*Did you mean 'dropout'"):
        JointRegressorClassifier().set_params(droput=0.1)
    with pytest.raises(TypeError, match="unexpected parameter 'model__size'"):
        JointRegressorClassifier(model__size=3)


def test_before_fit(data):
    est = JointRegressorClassifier()
    for method in (est.predict, est.predict_value, est.predict_class, est.predict_proba):
        with pytest.raises(NotFittedError):
            method(data[0])
    for method in (est.score, est.evaluate):
        with pytest.raises(NotFittedError):
            method(*data)
    with pytest.raises(NotFittedError):
        est.split_targets(data[1])
    assert not hasattr(est, "model_")


BAD_WEIGHTS = {
    "negative": (-np.ones(120), "Negative values in data passed to `sample_weight`"),
    "zero": (np.zeros(120), "at least one positive weight"),
    "short": (np.ones(119), r"shape \(120,\) or \(120, n_targets\). Got \(119,\)"),
    "three columns": (np.ones((120, 3)), r"\(n_samples, 2\).*\(value, class\). Got shape"),
    "NaN": (np.full(120, np.nan), "NaN"),
    "one head": (np.tile([1.0, 0.0], (120, 1)), "labelled for target 'class'"),
}


@pytest.mark.parametrize("case", BAD_WEIGHTS)
def test_bad_weights(data, case):
    weights, message = BAD_WEIGHTS[case]
    with pytest.raises(ValueError, match=message):
        fit(*data, weights)


def test_lengths_that_differ(fitted, data):
    X, y = data
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        fit(X[:-1], y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        fitted.score(X[:-1], y)
    with pytest.raises(ValueError, match="output must be 'value', 'class', .* or None. Got 'both'"):
        fitted.predict(X, output="both")


def test_labels_that_training_never_saw_are_wrong(fitted, data):
    X, y = data
    odd = y.copy()
    odd.loc[:59, "label"] = "odd"
    with pytest.warns(UserWarning, match="training never saw.*\\['odd'\\]") as caught:
        metrics = fitted.evaluate(X, odd)
    assert len(caught) == 1
    assert metrics["class_accuracy"] <= 0.5
    assert np.isfinite(metrics["class_log_loss"])
    with pytest.raises(ValueError, match="labels of the type seen in fit"):
        fitted.score(X, y.assign(label=1), None)


def test_missing_entries_are_left_out_of_scores(fitted, data):
    X, y = data
    gaps = y.copy()
    gaps.loc[:59, "label"] = None
    gaps.loc[90:, "value"] = np.nan
    metrics = fitted.evaluate(X, gaps)
    assert_allclose(metrics["class_accuracy"], fitted.evaluate(X[60:], y[60:])["class_accuracy"])
    assert_allclose(metrics["value_mae"], fitted.evaluate(X[:90], y[:90])["value_mae"])
    nothing = y.assign(label=None, value=np.nan)
    with pytest.raises(ValueError, match="nothing to score"):
        fitted.score(X, nothing)


def test_divergence_is_an_error_and_loses_nothing(data):
    X, y = data
    est = fit(X, y)
    before = est.predict_value(X)
    est.set_params(optimizer="sgd", learning_rate=1e20)
    with pytest.raises(
        ValueError, match=r"(?s)became (nan|inf) in epoch 1 .*'value'.*learning_rate"
    ):
        est.fit(X, y)
    assert_array_equal(est.predict_value(X), before)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_failed_fit_leaves_the_estimator_as_it_was(data, error):
    X, y = data
    est = fit(X, y)
    state = dict(vars(est))

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise error

    est.set_params(callbacks=Interrupt())
    with pytest.raises(error):
        est.fit(X[:, :2], y.assign(label=y["label"] == "top"))
    after = dict(vars(est))
    after["callbacks"] = None
    assert after == state
    same(est.set_params(callbacks=None), fit(X, y), X)


# ------------------------------------------------------------- found by review
@pytest.mark.parametrize("engine", ["fused", "keras"])
def test_divergence_in_the_last_epoch(data, engine):
    options = {"optimizer": "sgd", "learning_rate": 1e30, "epochs": 1, "batch_size": 1000}
    with pytest.raises(ValueError, match="predictions became infinite in epoch 1.*learning_rate"):
        fit(*data, engine=engine, **options)


def test_history_has_an_entry_for_every_epoch(data):
    X, y = data
    est = fit(X, y, epochs=2, warm_start=True)
    est.set_params(early_stopping=True, epochs=4, n_iter_no_change=9).fit(X, y)
    best = int(np.nanargmin(est.history_["val_joint_loss"]))
    assert_array_equal(est.best_epoch_, [[best, best]])
    est.partial_fit(X, y)
    assert {len(figures) for figures in est.history_.values()} == {7}
    assert not hasattr(est, "best_epoch_")  # the last epochs were not judged
    assert np.isnan(est.history_["val_loss"][-1])


def test_names_of_columns_may_be_anything(data):
    X, y = data
    names = ["net price", "größe", "a:b", "km/h", "v", "v_hidden_1"]
    y = pd.DataFrame({**dict.fromkeys(names, y["value"]), "grüße (x)": y["label"]})
    for engine in ("fused", "keras"):
        est = fit(X, y, engine=engine, value_layer_sizes=3, dropout=0.1)
        assert set(est.history_) >= {f"value_{name}_mae" for name in names}
        assert "class_grüße (x)_accuracy" in est.history_
        assert np.isfinite(est.predict_value(X)).all()


def test_a_record_with_a_gap():
    X, y = make_data()
    est = fit(pd.DataFrame(X, columns=list("abcd")), y)
    for gap in (None, np.nan, pd.NA):
        record = pd.DataFrame([{"a": gap, "b": 1, "c": 2, "d": 3}])
        assert np.isfinite(est.predict_value(record)).all()


def test_scores_with_weights(data):
    X, y = data
    whole = (y["value"] // 20).to_numpy()
    est = fit(X, whole)
    w = np.repeat([1.0, 0.0], 60)
    first = est.evaluate(X[:60], whole[:60])
    for name, figure in est.evaluate(X, whole, w).items():
        assert_allclose(figure, first[name], err_msg=name)
    value_only = fit(X, y).evaluate(X, y, np.tile([1.0, 0.0], (120, 1)))
    assert "class_accuracy" not in value_only


@pytest.mark.parametrize("activation", [keras.activations.relu, "exponential"])
def test_activations_without_negative_values_keep_zero(activation):
    X, y = make_data()
    est = fit(X, y, value_activation=activation, epochs=60, learning_rate=0.01)
    assert est.predict_value(X).min() < y["value"].mean() - 20
    with pytest.raises(ValueError, match="numbers from 0 to 1 with value_activation='sigmoid'"):
        fit(X, y, value_activation="sigmoid")


def test_dict_of_series_goes_by_position(data):
    X, y = data
    shuffled = {
        "v": pd.Series(y["value"]),
        "k": pd.Series(y["label"].to_numpy(), index=range(120, 0, -1)),
    }
    same(fit(X, y), fit(X, shuffled), X)


def test_a_chunk_may_lack_a_target(data):
    X, y = data
    est = fit(X, y).partial_fit(X, y.assign(label=None))
    assert est.n_iter_ == 4
    with pytest.raises(ValueError, match="labelled for any target"):
        est.partial_fit(X, y.assign(label=None, value=np.nan))


def test_the_model_is_a_copy(fitted, data):
    before = fitted.predict_value(data[0])
    model = fitted.model_
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    assert_array_equal(fitted.predict_value(data[0]), before)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"class_bins": 3, "classes": [0, 1, 2]}, "leave out classes"),
        ({"class_columns": np.array([["a", "b"]])}, "must name columns of y. Got 'a'"),
        ({"class_bins": ["a"]}, "increasing sequence"),
    ],
)
def test_parameters_that_do_not_go_together(data, parameters, message):
    X, y = data
    with pytest.raises(ValueError, match=message):
        fit(X, y["value"] if "class_bins" in parameters else y, **parameters)


def test_scalar_weights_are_checked(data):
    same(fit(*data, 2.0), fit(*data), data[0])
    with pytest.raises(ValueError, match="at least one positive"):
        fit(*data, 0)
    with pytest.raises(ValueError, match="Negative values"):
        fit(*data, -1.0)


def test_misspelt_prefix():
    with pytest.raises(TypeError, match="Did you mean 'optimizer__momentum'"):
        JointRegressorClassifier(optimiser__momentum=0.9)
