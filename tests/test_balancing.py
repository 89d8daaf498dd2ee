"""Balanced losses: the papers' formulas by hand, the same in both engines, at work."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from conftest import make_data
from skjoint import JointRegressorClassifier
from skjoint._engines.balancing import METHODS
from skjoint._engines.fused.cache import training_programs

KINDS = ["value", "class"]
BOTH = np.ones(2, np.float32)
SMALL = {"hidden_layer_sizes": (12, 8), "epochs": 5, "random_state": 0}


def method(name):
    made = METHODS[name](KINDS)
    return made, made.init()


def as_numpy(*arrays):
    return [np.asarray(array, dtype=float) for array in arrays]


class TestFormulas:
    def test_uncertainty(self):
        """Kendall et al.: L_v / (2 sigma_v²) + L_c / sigma_c² + log sigma_v + log sigma_c."""
        made, state = method("uncertainty")
        losses = np.array([4.0, 0.25], np.float32)
        assert_allclose(made.weigh(state, losses, BOTH), [0.5 / 4, 0.5 / 0.25])  # optimal s
        state[3] = 1
        assert_allclose(made.weigh(state, losses, BOTH), [0.5, 1.0])
        state[0] = s = np.log([4.0, 0.5])
        assert_allclose(made.weigh(state, losses, BOTH), [1 / 8, 2.0], rtol=1e-6)

        def objective(s):
            sigma = np.exp(s / 2)
            return losses[0] / (2 * sigma[0] ** 2) + losses[1] / sigma[1] ** 2 + np.log(sigma).sum()

        slopes = [(objective(s + d) - objective(s - d)) / 2e-3 for d in 1e-3 * np.eye(2)]
        (moment,) = as_numpy(made.update(state, losses, losses, BOTH)[1])
        assert_allclose(moment / 0.1, slopes, atol=1e-5)  # Adam's first moment is 0.1 gradient

    def test_uncertainty_settles_where_the_formula_has_its_minimum(self):
        made, state = method("uncertainty")
        losses = np.array([4.0, 0.25], np.float32)
        state[3] = 1  # from s = 0
        for _ in range(2000):
            state = np.asarray(made.update(state, losses, losses, BOTH))
        assert_allclose(np.exp(state[0]), [4.0, 0.5], rtol=0.02)  # sigma² = L_v and 2 L_c

    def test_dwa(self):
        """Liu et al.: K softmax(r / T), r = L(t - 1) / L(t - 2), T = 2; 1 at first."""
        made, state = method("dwa")
        epochs = [np.array(losses, np.float32) for losses in ([4.0, 1.0], [2.0, 0.9], [2.0, 0.3])]
        assert_array_equal(made.weigh(state, None, None), [1, 1])
        state = made.update(state, epochs[0], None, None)
        assert_array_equal(made.weigh(state, None, None), [1, 1])
        for before, now in pairwise(epochs):
            state = made.update(state, now, None, None)
            r = np.exp(now / before / 2)
            assert_allclose(made.weigh(state, None, None), 2 * r / r.sum(), rtol=1e-6)

    def test_famo_weights(self):
        """Liu et al.: the step is along sum z_i grad log L_i, times 1 / sum (z_i / L_i)."""
        made, state = method("famo")
        losses = np.array([4.0, 0.5], np.float32)
        z_over_l = np.array([0.5 / 4, 0.5 / 0.5])
        assert_allclose(made.weigh(state, losses, BOTH), z_over_l / z_over_l.sum(), rtol=1e-6)

    def test_famo_update(self):
        """xi moves against J^T (log L - log L') + gamma xi; J: Jacobian of the softmax."""
        made, state = method("famo")
        state[0] = xi = np.array([0.3, -0.1])
        before, after = np.array([4.0, 0.5]), np.array([3.0, 0.49])
        z = np.exp(xi) / np.exp(xi).sum()
        jacobian = np.diag(z) - np.outer(z, z)
        gradient = jacobian.T @ (np.log(before) - np.log(after)) + 0.001 * xi
        new = np.asarray(made.update(state, np.float32(before), np.float32(after), BOTH))
        assert_allclose(new[1] / 0.1, gradient, rtol=1e-4)
        assert_allclose(new[0], xi - 0.025 * np.sign(gradient), rtol=1e-3)  # Adam's first step

    def test_famo_prefers_the_head_that_lags(self):
        made, state = method("famo")
        losses = np.array([1.0, 1.0], np.float32)
        for _ in range(20):
            state = np.asarray(made.update(state, losses, losses * np.float32([0.9, 1.0]), BOTH))
        first, second = np.asarray(made.weigh(state, losses, BOTH))
        assert second > 1.5 * first

    @pytest.mark.parametrize("name", ["uncertainty", "famo"])
    def test_a_head_without_labels_in_the_batch(self, name):
        made, state = method(name)
        losses, present = np.array([2.0, 0.0], np.float32), np.array([1.0, 0.0], np.float32)
        weights = np.asarray(made.weigh(state, losses, present))
        assert weights[0] > 0.2
        new = np.asarray(made.update(state, losses, losses, present))
        assert new[0][1] == state[0][1]


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("options", [{}, {"validation": 0.2, "dropout": 0.2}])
def test_engines_agree(name, options):
    X, y = make_data(130)
    y.loc[:9, "value"] = np.nan
    y.loc[5:19, "label"] = None
    est = JointRegressorClassifier.plain(
        **SMALL, loss_weights=name, warm_start=True, alpha=0.01, **options
    )
    fits = {}
    for engine in ("keras", "fused"):
        fits[engine] = clone(est).set_params(engine=engine).fit(X, y).fit(X, y).partial_fit(X, y)
    one, other = fits.values()
    assert list(one.history_) == list(other.history_)
    for log in one.history_:
        assert_allclose(one.history_[log], other.history_[log], rtol=1e-3, err_msg=log)
    assert_allclose(one.loss_weights_, other.loss_weights_, rtol=1e-3)
    for a, b in zip(one._model.network.weights, other._model.network.weights, strict=True):
        assert_allclose(a, b, rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("name", METHODS)
def test_weights_over_the_epochs(name):
    X, y = make_data()
    est = JointRegressorClassifier.plain((32,), epochs=20, loss_weights=name, learning_rate=0.01)
    est.set_params(random_state=0).fit(X, y)
    assert est.loss_weights_.shape == (20, 2)
    assert_array_equal(est.loss_weights_[:, 0], est.history_["value_loss_weight"])
    assert_array_equal(est.loss_weights_[:, 1], est.history_["class_loss_weight"])
    assert (est.loss_weights_ > 0).all()
    assert len(np.unique(est.loss_weights_.round(6))) > 10
    if name == "dwa":
        assert_array_equal(est.loss_weights_[:2], 1)
        assert_allclose(est.loss_weights_.sum(axis=1), 2, rtol=1e-5)
        losses = np.column_stack([est.history_[f"{kind}_loss"] for kind in KINDS])
        r = np.exp(losses[3] / losses[2] / 2)
        assert_allclose(est.loss_weights_[4], 2 * r / r.sum(), rtol=1e-4)
    assert est.score(X, y) > 0.3


def test_uncertainty_weighs_a_large_loss_down():
    """Without scaling the number's loss is thousands: fixed weights would drown the label."""
    X, y = make_data(400)
    y["value"] *= 100
    options = {"epochs": 40, "scale_value": False, "learning_rate": 0.01, "random_state": 0}
    fixed = JointRegressorClassifier(**options).fit(X, y)
    balanced = JointRegressorClassifier(**options, loss_weights="uncertainty").fit(X, y)
    assert balanced.loss_weights_[-1, 0] < 1e-3 * balanced.loss_weights_[-1, 1]
    assert balanced.evaluate(X, y)["class_log_loss"] < 0.7 * fixed.evaluate(X, y)["class_log_loss"]


def test_methods_in_a_search_share_programs():
    X, y = make_data()
    training_programs.clear()
    before = training_programs.n_built
    GridSearchCV(
        JointRegressorClassifier.plain(**SMALL),
        {"loss_weights": [(1, 1), "dwa", "famo"], "learning_rate": [0.01, 0.001]},
        cv=2,
        error_score="raise",
    ).fit(X, y)
    assert training_programs.n_built == before + 3


class TestNumbersAndNames:
    def fit(self, loss_weights, **changes):
        X, y = make_data(60)
        y = y.assign(**changes)
        est = JointRegressorClassifier.plain(
            (4,), epochs=2, loss_weights=loss_weights, random_state=0
        )
        return est.fit(X, y)

    @pytest.mark.parametrize(
        "same", [(0.5, 2.0), {"value": 0.5, "class": 2.0}, {"value": 0.5, "label": 2.0}]
    )
    def test_by_position_or_name(self, same):
        est = self.fit(same)
        assert_array_equal(est.loss_weights_, [[0.5, 2.0]] * 2)
        assert est.history_ == self.fit((0.5, 2.0)).history_

    def test_names_left_out_have_weight_one(self):
        assert_array_equal(self.fit({"label": 3}).loss_weights_[0], [1, 3])

    def test_several_targets(self):
        more = pd.Series(np.arange(60.0))
        assert_array_equal(self.fit((1, 2), more=more).loss_weights_[0], [1, 1, 2])
        assert_array_equal(self.fit((1, 2, 3), more=more).loss_weights_[0], [1, 2, 3])
        assert_array_equal(self.fit({"value_more": 5}, more=more).loss_weights_[0], [1, 5, 1])
        assert_array_equal(self.fit({"more": 5}, more=more).loss_weights_[0], [1, 5, 1])
        assert self.fit("dwa", more=more).loss_weights_.shape == (2, 3)

    @pytest.mark.parametrize(
        ("loss_weights", "message"),
        [
            ("kendall", "'loss_weights' parameter.*must be.*'uncertainty'"),
            ({"vlaue": 1.0}, r"names no target: \['vlaue'\]. Did you mean 'value'\? Targets: \['v"),
            ({"value": -1.0}, "must hold a non-negative number"),
            ((0.0, 0.0), "not only zeros"),
        ],
    )
    def test_what_it_refuses(self, loss_weights, message):
        with pytest.raises(ValueError, match=message):
            self.fit(loss_weights)

    def test_one_target_has_nothing_to_balance(self):
        X, y = make_data(60)
        est = JointRegressorClassifier(value_columns=["value"], class_columns=[])
        with pytest.raises(ValueError, match="balances two targets or more"):
            est.set_params(loss_weights="famo").fit(X, y)
