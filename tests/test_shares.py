"""Models beside the networks: how much each of them counts."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import log_loss

from conftest import class_head, encoded_rows, jumps, value_head
from skjoint import JointRegressorClassifier
from skjoint._data.split import split_validation
from skjoint._ensemble import shares as _shares
from skjoint._ensemble.companions.contract import AuxiliaryModel, Task
from skjoint._ensemble.companions.forest import fit_forest
from skjoint._ensemble.held_out import HeldOut
from skjoint._ensemble.shares import stack
from skjoint._ensemble.temperatures import learn_temperature
from skjoint._prediction.average import average
from skjoint._prediction.stacked import FLOOR, Stacked, pooled

FEW = {"hidden_layer_sizes": (12,), "epochs": 15, "learning_rate": 0.01, "random_state": 0}
HEADS = {0: value_head(), 1: class_head()}
NAMES = ["value", "class"]


X, Y = jumps()


def fit(y=Y, **params):
    settings = {
        **FEW,
        "companions": ("forest", "boosting", "ridge"),
        "companions__n_features": 50,
        "validation": 0.3,
    }
    return JointRegressorClassifier.plain(**{**settings, **params}).fit(X, y)


@pytest.fixture(scope="module")
def est():
    return fit(n_members=2, calibration="temperature")


@pytest.fixture(scope="module")
def plain():
    return fit(n_members=2, calibration="temperature", companions=())


class GivenRows(HeldOut):
    """Held-out rows of one head, with given outputs of several members."""

    def __init__(self, outputs, truth, row, weights=None):
        self.outputs, self.positions = {0: outputs}, row
        self._truth = truth, np.ones(len(truth)) if weights is None else weights

    def truth(self, i):
        targets, weights = self._truth
        return targets[self.positions], weights[self.positions]


class Network:
    def __init__(self, head):
        self.spec = dataclasses.make_dataclass("Spec", ["heads", "n_inputs"])([head], 5)


def stack_of(i, answers, held_out, n_networks, tempers=True):
    """Networks stacked with one model for each array of answers to all rows."""
    head = HEADS[i]
    (one,) = fit_forest(Task(encoded_rows(), {i: head}, np.arange(5), np.arange(9), 0), 5)
    where = np.arange(len(answers[0]))
    models = [AuxiliaryModel(one.model, where, found) for found in answers]
    return stack(Network(head), models, held_out, n_networks, tempers)


def share_of_model(outputs, answers, truth, row, n_networks, i=0, tempers=True):
    found = stack_of(i, [answers], GivenRows(outputs, truth, row), n_networks, tempers)
    return found.share(HEADS[i].name) if isinstance(found, Stacked) else 0.0


# ------------------------------------------------------------------- numbers
@settings(deadline=None, max_examples=25)
@given(st.floats(0.1, 3), st.floats(0.1, 3), st.floats(-0.5, 0.9), st.integers(0, 9))
def test_share_has_the_least_squared_error(of_network, of_model, correlation, seed):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(100, 1))
    errors = rng.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], 100)
    outputs = truth + of_network * errors[:, :1]
    answers = truth + of_model * errors[:, 1:]
    share = share_of_model(outputs, answers, truth, np.arange(100), 1)
    shares = np.linspace(0, 1, 201)
    squares = [np.mean(((1 - s) * outputs + s * answers - truth) ** 2) for s in shares]
    best, least = shares[np.argmin(squares)], _shares.LEAST_SHARE["value"]
    if abs(best - least) > 0.01:
        assert share == pytest.approx(best if best > least else 0, abs=0.006)


def test_share_is_that_beside_the_mean_of_the_networks():
    """Held-out rows meet one network, or two; the answer is a mean of eight."""
    rng = np.random.default_rng(0)
    truth, common = rng.normal(size=(2, 20_000, 1))
    members = truth + 0.5 * common + rng.normal(size=(8, 20_000, 1))
    answers = truth + rng.normal(size=(20_000, 1))
    row = np.tile(np.arange(20_000), 2)
    found = share_of_model(np.vstack(members[:2]), answers, truth, row, 8)
    of_mean = share_of_model(members.mean(axis=0), answers, truth, np.arange(20_000), 1)
    assert found == pytest.approx(of_mean, abs=0.02)
    assert share_of_model(np.vstack(members[:2]), answers, truth, row, 1) > found + 0.2


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 4), st.integers(0, 99))
def test_shares_are_the_best_there_are(n_parts, seed):
    rng = np.random.default_rng(seed)
    errors = rng.normal(size=(n_parts, 50)) + rng.normal(size=50) * rng.uniform(0, 3)
    errors *= rng.uniform(0.3, 2, size=(n_parts, 1))
    products = errors @ errors.T
    shares = _shares._least_on_simplex(products)
    assert shares.sum() == pytest.approx(1)
    assert (shares >= 0).all()
    others = rng.dirichlet(np.full(n_parts, 0.5), size=2000)
    assert shares @ products @ shares <= np.min((others @ products * others).sum(1)) * (1 + 1e-9)


# ------------------------------------------------------------- probabilities
def probabilities(scores):
    return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 99), st.floats(0.05, 0.95))
def test_geometric_means_sum_to_one_whatever_the_order_of_labels(seed, share):
    rng = np.random.default_rng(seed)
    own, other = (probabilities(3 * rng.normal(size=(20, 4))) for _ in range(2))
    found = pooled(own, [(share, other)], FLOOR)
    assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    order = rng.permutation(4)
    again = pooled(own[:, order], [(share, other[:, order])], FLOOR)
    assert_allclose(again, found[:, order], rtol=1e-5)
    assert_allclose(pooled(own, [(share, own)], FLOOR), own, rtol=1e-5)
    # the ratio of two labels is the weighed geometric mean of the ratios
    floored = (1 - FLOOR) * other + FLOOR * own
    ratios = (own[:, 0] / own[:, 1]) ** (1 - share) * (floored[:, 0] / floored[:, 1]) ** share
    assert_allclose(found[:, 0] / found[:, 1], ratios, rtol=1e-4)


def two_experts(n_samples, seed=0):
    """Codes, and probabilities of two with errors of their own: together they are better."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(3, size=n_samples)
    seen = np.eye(3)[codes] * 1.5 + rng.normal(size=(2, n_samples, 3))
    return codes, *(probabilities(1.5 * part) for part in seen)


def tempered(proba, codes):
    proba = proba ** (1 / learn_temperature(proba, codes, np.ones(len(codes))))
    return proba / proba.sum(axis=1, keepdims=True)


def test_exponents_have_the_least_log_loss():
    codes, own, answers = two_experts(5000)
    share = share_of_model(own, answers, codes, np.arange(5000), 1, i=1)
    found = log_loss(codes, tempered(pooled(own, [(share, answers)], FLOOR), codes))
    for other in np.linspace(0, 1, 21):
        geometric = tempered(pooled(own, [(other, answers)], FLOOR), codes)
        assert found < log_loss(codes, geometric) + 1e-4
        plain_mean = tempered((1 - other) * own + other * answers, codes)
        assert found < log_loss(codes, plain_mean) - 0.01


@pytest.mark.parametrize("shrunk", [1, 0.3, 0.05])
def test_without_temperatures_the_plain_geometric_mean_is_the_best(shrunk):
    """Who is too unsure would have a large exponent, which only a temperature makes right."""
    codes, own, answers = two_experts(5000)
    answers = probabilities(shrunk * np.log(answers))
    settings = own, answers, codes, np.arange(5000), 1, 1
    share = share_of_model(*settings, tempers=False)
    losses = [
        log_loss(codes, pooled(own, [(other, answers)], FLOOR)) for other in np.linspace(0, 1, 41)
    ]
    assert log_loss(codes, pooled(own, [(share, answers)], FLOOR)) < min(losses) + 2e-3
    if shrunk < 1:
        assert share_of_model(*settings, tempers=True) > share + 0.2


def test_a_model_that_is_no_better_than_chance_has_no_share():
    codes, own, _ = two_experts(5000)
    nothing = np.random.default_rng(0).dirichlet(np.ones(3), 5000)
    assert share_of_model(own, nothing, codes, np.arange(5000), 1, i=1) == 0
    assert share_of_model(nothing, own, codes, np.arange(5000), 1, i=1) > 0.95


def test_few_rows_leave_the_shares_of_least_squared_error():
    codes, own, answers = two_experts(4)
    share = share_of_model(own, answers, codes, np.arange(4), 1, i=1)
    truth = np.eye(3)[codes]
    errors = np.stack([own - truth, answers - truth]).reshape(2, -1)
    assert share == pytest.approx(_shares._least_on_simplex(errors @ errors.T)[1], abs=0.25)


def test_a_label_that_a_model_rules_out_is_not_ruled_out():
    own, sure = np.full((1, 3), 1 / 3), np.eye(3)[:1]
    assert pooled(own, [(1.0, sure)], FLOOR).min() == pytest.approx(FLOOR / 3, rel=1e-3)


def test_rows_that_two_members_held_out_count_once():
    codes, own, answers = two_experts(500)
    row = np.arange(500)
    once = share_of_model(own, answers, codes, row, 1, i=1)
    twice = share_of_model(np.vstack([own, own]), answers, codes, np.tile(row, 2), 1, i=1)
    assert twice == pytest.approx(once, abs=1e-6)


def test_rows_without_label_or_weight_do_not_count():
    codes, own, answers = two_experts(500)
    weights = np.where(np.arange(500) < 300, 1.0, 0.0)
    wild = np.where(weights > 0, codes, (codes + 1) % 3)
    some = stack_of(1, [answers], GivenRows(own, wild, np.arange(500), weights), 1)
    few = stack_of(1, [answers[:300]], GivenRows(own[:300], codes[:300], np.arange(300)), 1)
    assert some.share("class") == pytest.approx(few.share("class"), abs=1e-6)
    none = stack_of(1, [answers], GivenRows(own, wild, np.arange(500), np.zeros(500)), 1)
    assert not isinstance(none, Stacked)


def test_many_rows_are_learned_from_in_part(monkeypatch):
    codes, own, answers = two_experts(4000)
    whole = share_of_model(own, answers, codes, np.arange(4000), 1, i=1)
    monkeypatch.setattr(_shares, "MAX_EXPONENT_ROWS", 1500)
    part = share_of_model(own, answers, codes, np.arange(4000), 1, i=1)
    assert part != whole
    assert part == pytest.approx(whole, abs=0.1)


# ------------------------------------------------------------ in the estimator
def test_answers_are_means_of_networks_and_models(est, plain):
    assert_array_equal(plain.history_["loss"], est.history_["loss"])  # the networks are the same
    encoded, network = est._model.encode(X), est._model.network
    own = dict(zip(NAMES, network.network.predict(encoded, NAMES), strict=True))
    parts = {name: [] for name in NAMES}
    for model in network.models:
        share = est.shares_.loc[model.head, model.kind]
        parts[model.head].append((share, model.predict(encoded)))
    assert all(0.5 < sum(share for share, _ in of_head) <= 1 for of_head in parts.values())
    mean = (1 - sum(share for share, _ in parts["value"])) * own["value"]
    mean = mean + sum(share * output for share, output in parts["value"])
    number = est._model.targets.values[0].decode(mean)
    assert_allclose(est.predict_value(X), number.ravel(), rtol=1e-6)
    proba = own["class"].astype(float) ** (1 - sum(share for share, _ in parts["class"]))
    for share, output in parts["class"]:
        proba *= (0.95 * output + 0.05 * own["class"]) ** share
    assert_array_equal(est.predict_class(X), est.classes_[proba.argmax(axis=1)])
    proba **= 1 / est.temperature_
    proba /= proba.sum(axis=1, keepdims=True)
    assert_allclose(est.predict_proba(X), proba, rtol=1e-4, atol=1e-7)
    assert_array_equal(est.predict_proba(X[:1]), est.predict_proba(X)[:1])


def test_new_rows_are_answered_better(est, plain):
    test_X, test_y = jumps(1000, seed=2)
    found, before = est.evaluate(test_X, test_y), plain.evaluate(test_X, test_y)
    assert found["value_rmse"] < 0.8 * before["value_rmse"]
    assert found["class_log_loss"] < 0.8 * before["class_log_loss"]
    low, high = est.predict_interval(test_X, coverage=0.8).T
    value = test_y["value"]
    assert np.mean((low <= value) & (value <= high)) == pytest.approx(0.84, abs=0.08)
    assert np.mean(high - low) < 0.8 * np.mean(np.diff(plain.predict_interval(test_X, 0.8)))


def test_a_model_that_helps_nothing_is_not_kept():
    plane = np.random.default_rng(0).normal(size=(400, 3))
    y = plane.sum(axis=1)
    params = {**FEW, "epochs": 60, "validation": 0.3, "class_columns": []}
    est = JointRegressorClassifier.plain(
        **params, companions=("forest", "boosting"), companions__n_trees=10
    ).fit(plane, y)
    assert_array_equal(est.shares_, [[1, 0, 0]])
    assert not isinstance(est._model.network, Stacked)
    without = JointRegressorClassifier.plain(**params).fit(plane, y)
    assert_array_equal(without.shares_, [[1]])
    assert_array_equal(est.predict_value(plane), without.predict_value(plane))


@pytest.mark.parametrize(
    "params",
    [
        {"value_loss": "mae"},
        {"value_loss": "gaussian_nll"},
        {"head_link": "mixture"},
        {"value_loss": lambda true, found: abs(true - found)[:, 0]},
    ],
)
def test_numbers_that_are_no_plain_means_stay_the_networks(params):
    est, plain = fit(**params), fit(**params, companions=())
    networks = est.shares_["network"]
    assert networks["value"] == 1 > networks["class"]
    if params.get("head_link") == "mixture":  # a mean under the probabilities of all together
        by_class = np.column_stack([est.predict_value(X, given_class=c) for c in est.classes_])
        assert_allclose((est.predict_proba(X) * by_class).sum(axis=1), est.predict_value(X))
        return
    assert_array_equal(est.predict_value(X), plain.predict_value(X))
    if params.get("value_loss") == "gaussian_nll":
        assert_array_equal(
            est.predict_value(X, return_std=True)[1], plain.predict_value(X, return_std=True)[1]
        )
    if "head_link" in params:
        assert_array_equal(
            est.predict_value(X, given_class="a"), plain.predict_value(X, given_class="a")
        )


@pytest.mark.parametrize("activation", ["relu", "softplus"])
def test_numbers_that_cannot_be_negative_are_not(activation):
    plane = np.random.default_rng(0).normal(size=(400, 3))
    number = np.maximum(0, 10 * plane[:, 0] + plane[:, 1])
    y = pd.DataFrame({"value": number, "label": np.where(plane[:, 2] > 0, "a", "b")})
    est = JointRegressorClassifier.plain(
        **FEW,
        value_activation=activation,
        companions=("forest", "boosting", "ridge"),
        companions__n_trees=50,
        companions__n_features=50,
        validation=0.3,
    ).fit(plane, y)
    assert_array_equal(est.shares_.loc["value", ["boosting", "ridge"]], 0)
    assert est.predict_value(np.random.default_rng(1).normal(size=(2000, 3))).min() >= 0


def test_a_head_without_unseen_labels_stays_the_networks():
    codes = np.unique(Y["label"], return_inverse=True)[1]
    seed = fit(companions=())._model.seed
    _, unseen = split_validation(codes, 300, 0.3, seed)
    y = Y.copy()
    y.loc[unseen, "value"] = np.nan
    found = fit(y)
    networks = found.shares_["network"]
    assert networks["value"] == 1 > networks["class"]


def test_models_of_other_networks_are_refused(est):
    network, forest = est._model.network, est._model.network.models[0]
    wide = dataclasses.replace(forest, columns=forest.columns + 1)
    strange = dataclasses.replace(forest, head="other")
    for models, shares in [
        ([wide], [0.5]),
        ([strange], [0.5]),
        ([forest], [2.0]),
        ([forest], [-0.5]),
        ([forest], [float("nan")]),
        ([forest], []),
        ([forest, forest], [0.6, 0.6]),
    ]:
        with pytest.raises(ValueError, match="do not belong"):
            Stacked(average([network.member(0)]), models, shares)
    for floor in (0.0, 1.0, -0.5, float("nan")):
        with pytest.raises(ValueError, match="do not belong"):
            Stacked(average([network.member(0)]), [forest], [0.5], floor)
