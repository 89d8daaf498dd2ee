"""Numbers learned on a scale of their own: as if what is transformed were y, in its units."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    PowerTransformer,
    QuantileTransformer,
    StandardScaler,
)

from conftest import make_data, small
from skjoint._data.targets import ValueTarget
from skjoint._data.value_transform import NAMED, learn_transform
from skjoint._ensemble.residuals import MOST, smaller
from skjoint._network.original import absolute_error, original_table
from skjoint.persistence import load, save, to_onnx
from skjoint.views import as_classifier, as_regressor

X, y = make_data()
y["value"] = np.exp(y["value"] / 20)
LOGS = y.assign(value=np.log(y["value"]))
ROOT = FunctionTransformer(np.sqrt, np.square)
ALL = [*NAMED, ROOT, PowerTransformer("box-cox")]
numbers_above_0 = arrays(float, st.integers(2, 40), elements=st.floats(1e-3, 1e6))


def price(**params):
    return small(**{"hidden_layer_sizes": (4,), "learning_rate": 0.01, **params})


# ------------------------------------------------------------------- transforms
@settings(max_examples=20)
@given(numbers_above_0)
@pytest.mark.parametrize("name", NAMED)
def test_there_and_back(name, numbers):
    transform = learn_transform(name, "price", numbers[:, None])
    there = transform.forward(numbers)
    assert np.isfinite(there).all()
    assert_allclose(transform.back(there), numbers, rtol=1e-5, atol=1e-5 * np.ptp(numbers))
    assert_array_equal(transform.forward(numbers[:, None])[:, 0], there)
    order = np.argsort(numbers)
    assert (np.diff(there[order]) >= 0).all()
    far = transform.back(np.array([-1e9, -30.0, 30.0, 1e9]))
    assert np.isfinite(far).all()
    assert (np.diff(far) >= 0).all()


def test_names_are_those_of_scikit_learn():
    numbers = y[["value"]].to_numpy()
    theirs = {
        "yeo-johnson": PowerTransformer(standardize=False),
        "quantile": QuantileTransformer(n_quantiles=120, output_distribution="normal"),
    }
    scores = np.linspace(-3, 3, 50)[:, None]
    for name, their in theirs.items():
        ours = learn_transform(name, "price", numbers)
        assert_allclose(ours.forward(numbers), their.fit_transform(numbers), atol=1e-9)
        assert_allclose(ours.back(scores / 9), their.inverse_transform(scores / 9), rtol=1e-9)


def test_missing_numbers_stay_missing():
    numbers = np.array([[1.0], [np.nan], [3.0]])
    for transform in ALL:
        learned = learn_transform(transform, "price", numbers[[0, 2]])
        assert_array_equal(np.isnan(learned.forward(numbers)), np.isnan(numbers))


@given(
    st.lists(st.tuples(st.floats(-5, 5), st.floats(0.1, 3)), min_size=1, max_size=3 * MOST),
)
def test_few_residuals_have_the_mean_of_many(pairs):
    residuals, weights = np.array(pairs).T
    kept, shares = smaller(residuals[:, None], weights)[:, :, 0]
    assert len(kept) <= MOST
    assert_allclose(shares.sum(), 1)
    assert_allclose(kept @ shares, np.average(residuals, weights=weights), atol=1e-9)


def test_mean_and_deviation_of_a_log_normal_number():
    transform = learn_transform("log", "price", np.ones((1, 1)))
    target = ValueTarget("price", (0,), np.array([2.0]), np.array([0.5]), transform=transform)
    outputs, scaled = np.linspace(-2, 2, 9)[:, None], np.linspace(0.1, 2, 9)[:, None]
    middle, s = 2.0 + 0.5 * outputs[:, 0], 0.5 * scaled[:, 0]
    assert_allclose(
        target.decode_deviation(scaled, outputs),
        np.exp(middle + s**2 / 2) * np.sqrt(np.expm1(s**2)),
        rtol=1e-9,
    )
    residuals, shares = smaller(np.random.default_rng(0).normal(size=(20000, 1)), np.ones(20000))
    mean = target.mean_back(target.transformed(outputs), 0.5 * residuals[:, 0], shares[:, 0])
    assert_allclose(mean, np.exp(middle + 0.125), rtol=0.01)


@pytest.mark.parametrize("transform", ALL, ids=str)
def test_errors_in_training_are_in_original_units(transform):
    numbers = y[["value"]].to_numpy()
    learned = learn_transform(transform, "value", numbers)
    target = ValueTarget("value", (0,), np.array([0.1]), np.array([0.7]), transform=learned)
    scaled = target.encode(numbers)
    table = original_table(target.decode, scaled).astype(np.float32)
    other = scaled[::-1].copy()
    found = np.asarray(absolute_error(scaled, other, table))
    away = np.abs(numbers - numbers[::-1])
    assert_allclose(found, away, rtol=1e-3, atol=1e-3 * np.ptp(numbers))
    assert_allclose(found.mean(), away.mean(), rtol=1e-3)


def test_errors_of_a_vector_are_looked_up_by_column():
    numbers = np.column_stack([y["value"], 1 + y["value"] ** 2])
    learned = learn_transform("log", "value", numbers)
    target = ValueTarget("value", (0, 1), np.zeros(2), np.ones(2), transform=learned)
    scaled = target.encode(numbers)
    found = absolute_error(scaled, scaled[::-1].copy(), original_table(target.decode, scaled))
    assert_allclose(np.asarray(found), np.abs(numbers - numbers[::-1]), rtol=1e-3, atol=1e-3)


# ------------------------------------------------------------------------ laws
@pytest.mark.parametrize(
    "params",
    [
        {"companions": ("ridge",), "n_members": 2, "early_stopping": True},
        {"value_loss": "gaussian_nll", "scale_value": False},
        pytest.param({"value_loss": "histogram"}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_logarithm_inside_is_one_outside(params):
    inside = price(value_transform="log", validation=0.2, **params).fit(X, y)
    outside = price(validation=0.2, **params).fit(X, LOGS)
    assert_array_equal(inside.predict_value(X), np.exp(outside.predict_value(X)))
    assert_array_equal(inside.predict_proba(X), outside.predict_proba(X))
    assert_array_equal(inside.history_["loss"], outside.history_["loss"])
    assert_array_equal(inside.shares_, outside.shares_)
    intervals = inside.predict_interval(X, coverage=0.8)
    assert_allclose(intervals, np.exp(outside.predict_interval(X, coverage=0.8)), rtol=1e-12)
    assert (intervals[:, 0] > 0).all()
    number = inside.predict_value(X)
    assert (intervals[:, 1] - number > number - intervals[:, 0]).all()
    if params.get("value_loss") == "gaussian_nll":
        s = outside.predict_value(X, return_std=True)[1]
        number, std = inside.predict_value(X, return_std=True)
        assert_allclose(std, number * np.exp(s**2 / 2) * np.sqrt(np.expm1(s**2)), rtol=1e-6)


def test_a_factor_of_the_number_is_one_of_the_prediction():
    one = price(value_transform="log", validation=0.2).fit(X, y)
    many = price(value_transform="log", validation=0.2).fit(X, y.assign(value=1000 * y["value"]))
    assert_allclose(many.predict_value(X), 1000 * one.predict_value(X), rtol=1e-4)
    assert_allclose(many.predict_interval(X), 1000 * one.predict_interval(X), rtol=1e-3)


@pytest.mark.parametrize("transform", ALL, ids=str)
def test_history_and_intervals_are_in_original_units(transform):
    still = price(value_transform=transform, learning_rate=1e-9, epochs=1, validation=0.4)
    still.set_params(engine="keras" if transform == "log" else "fused").fit(X, y)
    mae = 0.6 * still.history_["value_mae"][0] + 0.4 * still.history_["val_value_mae"][0]
    assert_allclose(mae, still.evaluate(X, y)["value_mae"], rtol=1e-3)
    low, high = still.predict_interval(X, coverage=0.8).T
    assert 0.7 < ((low <= y["value"]) & (y["value"] <= high)).mean() < 0.95
    assert (low < high).all()


def test_smearing_is_the_mean_where_the_head_gives_the_median():
    est = price(value_transform="log", epochs=60, learning_rate=0.02)
    est.fit(X, noisy := y.assign(value=y["value"] * np.random.default_rng(3).lognormal(size=120)))
    median = est.predict_value(X)
    est.set_params(value_from="smearing")
    mean = est.predict_value(X)
    off = noisy["value"] / median
    assert 0.35 < (off < 1).mean() < 0.65
    assert_allclose(mean / median, off.mean(), rtol=0.05)  # of a logarithm one factor for all rows
    assert_allclose(est.predict(X)[:, 0].astype(float), mean)
    view = as_regressor(est).fit(X, noisy["value"])
    assert view.estimator_.value_from == "smearing"
    as_classifier(est).fit(X, noisy["label"]).predict(X)


def test_intervals_lie_around_the_median():
    est = price(value_transform="log", validation=0.3).fit(X, y)
    intervals = est.predict_interval(X)
    assert_array_equal(est.set_params(value_from="smearing").predict_interval(X), intervals)


def test_an_order_that_is_turned_round():
    minus = FunctionTransformer(np.negative, np.negative)
    low, high = price(value_transform=minus, validation=0.2).fit(X, y).predict_interval(X).T
    assert (low < high).all()


def test_columns_are_transformed_one_by_one():
    several = y.assign(other=y["value"] ** 2)[["value", "other", "label"]]
    for columns in (None, [["value", "other"]]):
        est = price(value_transform="quantile", value_columns=columns, class_columns=["label"])
        est.fit(X, several)
        knots = np.vstack([target.transform.knots for target in est._model.targets.values])
        assert_allclose(knots[0], np.sort(several["value"]))
        assert_allclose(knots[1], np.sort(several["other"]))
        assert (est.predict_value(X) <= several[["value", "other"]].max().to_numpy()).all()
        assert np.isfinite(list(est.evaluate(X, several).values())).all()
        assert est.set_params(value_from="smearing").predict_value(X).shape == (120, 2)


def test_numbers_of_labels_that_are_a_constant():
    stay = y.assign(value=np.where(y["label"] == "low", 0.0, y["value"]))
    for link in (None, "mixture"):
        est = price(value_transform="log1p", value_by_class={"low": 0.0}, head_link=link)
        est.set_params(validation=0.2).fit(X, stay)
        free = stay["value"][stay["label"] != "low"]
        assert_allclose(est._model.targets.values[0].offset, np.log1p(free).mean())
        assert (est.predict_value(X, given_class="low") == 0).all() if link else True
        assert np.isfinite(est.predict_interval(X)).all()


def test_bands_are_cut_in_original_units():
    est = price(value_transform="log", class_bins=[50.0, 300.0], validation=0.3, value_from="blend")
    est.fit(X, y["value"])
    assert_array_equal(est.class_bin_edges_, [50, 300])
    assert set(est.value_blend_)
    for source in ("head", "mean", "median", "smearing", "blend"):
        numbers = est.set_params(value_from=source, class_from="value").predict_value(X)
        assert (numbers > 0).all()
        assert_array_equal(est.predict_class(X), np.digitize(numbers, [50, 300]))


# -------------------------------------------------------------------- lifetime
@pytest.mark.parametrize("transform", ALL, ids=str)
def test_files_pickles_and_chunks(transform, tmp_path):
    est = clone(price(value_transform=transform)).partial_fit(X[:60], y[:60])
    knots = pickle.dumps(est._model.targets.values[0].transform)
    est.partial_fit(X[60:], y[60:])
    assert pickle.dumps(est._model.targets.values[0].transform) == knots
    again = [pickle.loads(pickle.dumps(est))]
    if isinstance(transform, str):
        save(est, tmp_path / "model")
        again.append(load(tmp_path / "model"))
    else:
        with pytest.raises(TypeError, match="value_transform must be a name, such as 'log'"):
            save(est, tmp_path / "model")
        with pytest.raises(NotImplementedError, match="value_transform=.* is Python code"):
            to_onnx(est, tmp_path / "model.onnx")
    for source in ("head", "smearing"):
        for other in again:
            found = other.set_params(value_from=source).predict_value(X)
            assert_array_equal(found, est.set_params(value_from=source).predict_value(X))
    again[-1].partial_fit(X, y)


@pytest.mark.parametrize("transform", NAMED)
@pytest.mark.parametrize("loss", ["mse", "gaussian_nll"])
def test_graphs(transform, loss, tmp_path):
    from onnx_checks import answers

    est = price(value_transform=transform, value_loss=loss).fit(X, y)
    for source in ("head", "smearing"):
        est.set_params(value_from=source)
        found, numbers = answers(est, X, tmp_path), est.predict_value(X)
        assert_allclose(found["value"], numbers, rtol=1e-5, atol=1e-5 * numbers.std())
    if loss == "gaussian_nll":
        est.set_params(value_from="head")
        found, std = answers(est, X, tmp_path)["std"], est.predict_value(X, return_std=True)[1]
        assert_allclose(found, std, rtol=1e-4)


def test_a_graph_of_a_mean_over_labels(tmp_path):
    from onnx_checks import answers

    est = price(value_transform="yeo-johnson", head_link="mixture").fit(X, y)
    assert_allclose(answers(est, X, tmp_path)["value"], est.predict_value(X), rtol=1e-5)


def test_searches():
    grid = {"value_transform": [None, "log"], "value_from": ["head"]}
    search = GridSearchCV(price(epochs=40), grid, cv=2).fit(X, y)
    assert search.best_params_["value_transform"] == "log"
    quantiles = QuantileTransformer(n_quantiles=10, output_distribution="normal")
    grid = {"value_transform__n_quantiles": [20, 30]}
    search = GridSearchCV(price(value_transform=quantiles, epochs=1), grid, cv=2).fit(X, y)
    assert search.best_estimator_.value_transform.n_quantiles in (20, 30)
    assert quantiles.n_quantiles == 10
    with pytest.raises(ValueError, match="Invalid parameter 'value_transform__n_quantiles'"):
        price(value_transform="quantile").set_params(value_transform__n_quantiles=5)


# ------------------------------------------------------------------- bad input
class WithoutInverse(StandardScaler):
    inverse_transform = None


@pytest.mark.parametrize(
    ("params", "shift", "message"),
    [
        ({"value_transform": "log"}, -5, r"above 0 with .*'log'\. Got -.*smallest\. Use 'yeo-j"),
        ({"value_transform": "log1p"}, -5, r"above -1 with .*'log1p'. Got -.* Use 'yeo-johnson'"),
        ({"value_transform": "sqrt"}, 0, "value_transform.* must be a str among"),
        ({"value_transform": 2}, 0, "value_transform.* must be a str among"),
        ({"value_transform": StandardScaler}, 0, r"not its class. Got .* use StandardScaler\(\)"),
        ({"value_transform": WithoutInverse()}, 0, "implementing 'fit', 'transform' and 'inv"),
        ({"value_transform": FunctionTransformer(np.log)}, 0, "gives back what transform got"),
        (
            {"value_transform": KBinsDiscretizer(encode="ordinal", strategy="uniform")},
            0,
            "gives back what transform got",
        ),
        (
            {"value_transform": FunctionTransformer(np.log, np.exp, check_inverse=False)},
            -5,
            r"of which transform gives finite ones .* Got -.* becomes nan",
        ),
        ({"value_transform": "log", "value_loss": "msle"}, 0, "must be a loss of standardised"),
        ({"value_transform": "log", "value_loss": "mape"}, 0, "must be a loss of standardised"),
        ({"value_transform": "log", "value_activation": "softplus"}, 0, "must be 'linear' with"),
        ({"value_from": "smearing"}, 0, "Set value_transform, such as 'log', or value_from"),
        (
            {"value_transform": "log", "value_from": "smearing", "head_link": "mixture"},
            0,
            "must not be 'smearing' with head_link='mixture'",
        ),
        (
            {"value_transform": "log", "value_by_class": {"low": 0.0}},
            0,
            "value_by_class must give numbers above 0 .* 'log1p' for numbers above -1",
        ),
        (
            {
                "value_transform": FunctionTransformer(np.log, np.exp, check_inverse=False),
                "value_by_class": {"low": 0.0},
            },
            0,
            "transform gives finite ones with .* Got 0 instead, which becomes -inf",
        ),
    ],
)
def test_what_is_refused(params, shift, message):
    numbers = y["value"] + (shift - y["value"].min() if shift else 0)
    with pytest.raises(ValueError, match=message):
        price(**params).fit(X, y.assign(value=numbers))


def test_zero_is_refused_with_the_way_out():
    numbers = y["value"].where(y.index > 2, 0.0)
    with pytest.raises(ValueError, match=r"Got 0 instead.* Use 'log1p' for numbers above -1"):
        price(value_transform="log").fit(X, y.assign(value=numbers))
    weights = np.where(y.index > 2, 1.0, 0.0)  # rows that count as absent
    price(value_transform="log").fit(X, y.assign(value=numbers), sample_weight=weights)


def test_training_that_goes_on_keeps_the_transform():
    for transform in ("log", FunctionTransformer(np.log, np.exp)):
        est = price(value_transform=transform).partial_fit(X, y)
        with pytest.raises(ValueError, match="Target 'value' must hold numbers"):
            est.partial_fit(X, y.assign(value=-y["value"]))
        with pytest.raises(ValueError, match="value_transform must stay as it is"):
            est.set_params(value_transform="quantile").partial_fit(X, y)
    with pytest.raises(ValueError, match="'yeo-johnson' is to be learned"):
        price(value_transform="yeo-johnson").partial_fit(X, y.assign(value=np.nan))


def test_a_constant_stays_one():
    for transform in ("log", "log1p", "yeo-johnson", "quantile"):
        est = price(value_transform=transform).fit(X, y.assign(value=7.0))
        assert_allclose(est.predict_value(X), 7, rtol=1e-3)
    assert pd.Series(est.predict_class(X)).isin(y["label"]).all()
