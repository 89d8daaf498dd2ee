"""Trees beside the networks: what they answer, and how much they count."""

import dataclasses
import pickle
import subprocess
import sys

import joblib
import numpy as np
import onnxruntime
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.ensemble import RandomForestRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer

from conftest import make_data
from skjoint import JointRegressorClassifier, _forest
from skjoint._forest import Blend, blended, grow
from skjoint._members import ensemble
from skjoint._network import Head
from skjoint._training import Rows, split_validation
from skjoint.persistence import load, save, to_onnx

FEW = {"hidden_layer_sizes": (12,), "epochs": 15, "learning_rate": 0.01, "random_state": 0}
HEADS = {0: Head("value", "value", 1, "linear"), 1: Head("class", "class", 3, "softmax")}

NAMES = ["value", "class"]


def jumps(n_samples=300, seed=0):
    """Number and label by the exact value of a column: for trees an easy thing."""
    rng = np.random.default_rng(seed)
    place = rng.integers(20, size=n_samples)
    level = np.random.default_rng(1).permutation(20)
    X = np.column_stack([place, rng.normal(size=(n_samples, 2))])
    value = 100 + level[place] + rng.normal(size=n_samples)
    label = np.array(["a", "b", "c"])[level[place] % 3]
    return X, pd.DataFrame({"value": value, "label": label})


X, Y = jumps()


def fit(y=Y, **params):
    est = JointRegressorClassifier(**{**FEW, "n_trees": 100, "validation_fraction": 0.3, **params})
    return est.fit(X, y)


@pytest.fixture(scope="module")
def est():
    return fit(n_members=2, calibration="temperature")


@pytest.fixture(scope="module")
def plain():
    return fit(n_members=2, calibration="temperature", n_trees=0)


def rows_of(n_samples=200, seed=0):
    rng = np.random.default_rng(seed)
    encoded = rng.normal(size=(n_samples, 5)).astype(np.float32).round(1)
    number = (encoded[:, 0] * encoded[:, 1]).astype(np.float32)[:, None]
    code = np.digitize(encoded[:, 2], [-0.5, 0.5]).astype(np.int32)
    return Rows(encoded, [number, code], [np.ones(n_samples, np.float32)] * 2)


# ----------------------------------------------------------------- the forest
def test_they_are_scikit_learns_forests():
    rows = rows_of()
    settings = {"max_features": 0.5, "max_samples": 200, "random_state": 7, "oob_score": True}
    columns = rows.X[:, [0, 1, 2, 4]]
    number = rows.targets[0].ravel().astype(float)
    units = np.sqrt(np.average((number - np.average(number)) ** 2)), 1
    targets = number / units[0], np.eye(3)[rows.targets[1]]
    found = grow(rows, HEADS, np.array([0, 1, 2, 4]), 20, 7, np.arange(200))
    for head, grown, target, unit in zip(("value", "class"), found, targets, units, strict=True):
        referee = RandomForestRegressor(20, **settings).fit(columns, target, np.ones(200))
        expected = unit * referee.predict(columns).reshape(200, -1)
        assert_allclose(grown.forest.predict(rows.X)[head], expected, rtol=1e-5, atol=1e-6)
        expected = unit * referee.oob_prediction_.reshape(200, -1)
        assert_allclose(grown.answers[head], expected, rtol=1e-5, atol=1e-6)


def test_the_units_of_a_vector_do_not_matter():
    rows = rows_of()
    number = rows.targets[0]
    vector = np.hstack([number, number**2])
    heads = {0: Head("value", "value", 2, "linear")}
    units = np.float32([[1, 1]]), np.float32([[2.0**-20, 2.0**20]])
    one, two = (
        grow(dataclasses.replace(rows, targets=[vector * u]), heads, np.arange(5), 20, 0, [0])[0]
        for u in units
    )
    assert_array_equal(one.forest.threshold, two.forest.threshold)
    expected = units[1] * one.forest.predict(rows.X)["value"]
    assert_allclose(two.forest.predict(rows.X)["value"], expected, rtol=1e-6)


def test_rows_without_weight_are_not_there():
    rows, kept = rows_of(), np.arange(200) % 3 > 0
    number, code = rows.weights[0] * kept, rows.weights[1]
    wild = np.where(kept[:, None], rows.targets[0], np.float32(1e6))
    masked = Rows(rows.X, [wild, rows.targets[1]], [number, code])
    of_value, of_class = grow(masked, HEADS, np.arange(5), 20, 0, np.arange(9))
    assert (of_value.forest.heads, of_class.forest.heads) == (("value",), ("class",))
    few = rows.take(np.flatnonzero(kept))
    (alone,) = grow(few, {0: HEADS[0]}, np.arange(5), 20, 0, np.arange(9))
    expected = alone.forest.predict(rows.X)["value"]
    assert_array_equal(of_value.forest.predict(rows.X)["value"], expected)


def test_trees_of_large_tables_stay_small(monkeypatch):
    monkeypatch.setattr(_forest, "MAX_SAMPLES", 20)
    for grown in grow(rows_of(), HEADS, np.arange(5), 20, 0, np.arange(9)):
        assert len(grown.forest.values) <= 20 * 20


def test_a_row_does_not_depend_on_the_others(monkeypatch):
    rows = rows_of(300)
    grown = grow(rows, HEADS, np.arange(5), 20, 0, np.arange(9))
    whole = [part.forest.predict(rows.X) for part in grown]
    for chunk, entries in [(64, 2**14), (7, 40)]:
        monkeypatch.setattr(_forest, "CHUNK", chunk)
        monkeypatch.setattr(_forest, "ENTRIES", entries)
        for rows_of_it in (slice(0, 1), slice(5, 50), slice(0, 300)):
            for part, expected in zip(grown, whole, strict=True):
                found = part.forest.predict(rows.X[rows_of_it])
                for head, array in expected.items():
                    assert_array_equal(found[head], array[rows_of_it])


def test_cores_do_not_matter(monkeypatch):
    one = grow(rows_of(), HEADS, np.arange(5), 20, 0, np.arange(9))[0].forest
    monkeypatch.setattr(joblib, "cpu_count", lambda: 3)
    two = grow(rows_of(), HEADS, np.arange(5), 20, 0, np.arange(9))[0].forest
    for name in ("children", "threshold", "values"):
        assert_array_equal(getattr(one, name), getattr(two, name))


# ----------------------------------------------------------------- its share
class Judged:
    """Unseen rows of one head, as several members answer them."""

    def __init__(self, outputs, truth, row):
        self.outputs, self.positions = {0: outputs}, row
        self.row = np.unique(row, return_inverse=True)[1]
        self._truth = truth

    def truth(self, i):
        return self._truth[self.positions], np.ones(len(self.positions))


class Network:
    def __init__(self, head):
        self.spec = dataclasses.make_dataclass("Spec", ["heads", "n_inputs"])([head], 5)


def share_of_forest(outputs, answers, truth, row, n_networks, i=0):
    (grown,) = grow(rows_of(), {i: HEADS[i]}, np.arange(5), 5, 0, np.arange(9))
    answers = {HEADS[i].name: answers}
    grown = dataclasses.replace(grown, where=np.arange(len(truth)), answers=answers)
    found = blended(Network(HEADS[i]), [grown], Judged(outputs, truth, row), n_networks)
    return found.share(HEADS[i].name) if isinstance(found, Blend) else 0.0


@settings(deadline=None, max_examples=25)
@given(st.floats(0.1, 3), st.floats(0.1, 3), st.floats(-0.5, 0.9), st.integers(0, 9))
def test_share_has_the_least_squared_error(of_network, of_forest, correlation, seed):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(100, 1))
    errors = rng.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], 100)
    outputs = truth + of_network * errors[:, :1]
    answers = truth + of_forest * errors[:, 1:]
    share = share_of_forest(outputs, answers, truth, np.arange(100), 1)
    shares = np.linspace(0, 1, 201)
    squares = [np.mean(((1 - s) * outputs + s * answers - truth) ** 2) for s in shares]
    best = shares[np.argmin(squares)]
    if abs(best - _forest.LEAST_SHARE) > 0.01:
        expected = best if best > _forest.LEAST_SHARE else 0
        assert share == pytest.approx(expected, abs=0.006)


def test_share_is_that_beside_the_mean_of_the_networks():
    """Held-out rows meet one network, or two; the answer is a mean of eight."""
    rng = np.random.default_rng(0)
    truth, common = rng.normal(size=(2, 20_000, 1))
    members = truth + 0.5 * common + rng.normal(size=(8, 20_000, 1))
    answers = truth + rng.normal(size=(20_000, 1))
    row = np.tile(np.arange(20_000), 2)
    found = share_of_forest(np.vstack(members[:2]), answers, truth, row, 8)
    of_mean = share_of_forest(members.mean(axis=0), answers, truth, np.arange(20_000), 1)
    assert found == pytest.approx(of_mean, abs=0.02)
    assert share_of_forest(np.vstack(members[:2]), answers, truth, row, 1) > found + 0.2


def test_answers_are_means_of_networks_and_trees(est, plain):
    assert_array_equal(plain.history_["loss"], est.history_["loss"])  # the networks are the same
    assert est.forest_share_.shape == est.boosting_share_.shape == (2,)
    encoded, network = est._encode(X), est._network
    mean = dict(zip(NAMES, network.network.predict(encoded, NAMES), strict=True))
    for i, head in enumerate(mean):
        shares = est.forest_share_[i], est.boosting_share_[i]
        assert 0.5 < sum(shares) <= 1
        mean[head] = (1 - sum(shares)) * mean[head]
        for forest in network.forests:
            if head in forest.heads:
                share = shares[forest.link != "mean"]
                mean[head] += share * forest.predict(encoded)[head]
    number = est._targets.values[0].decode(mean["value"])
    assert_allclose(est.predict_value(X), number.ravel(), rtol=1e-6)
    proba = mean["class"] ** (1 / est.temperature_)
    proba /= proba.sum(axis=1, keepdims=True)
    assert_allclose(est.predict_proba(X), proba, rtol=1e-5)
    assert_array_equal(est.predict_proba(X[:1]), est.predict_proba(X)[:1])
    assert_array_equal(est.predict_class(X), est.classes_[mean["class"].argmax(axis=1)])


def test_new_rows_are_answered_better(est, plain):
    test_X, test_y = jumps(1000, seed=2)
    found, before = est.evaluate(test_X, test_y), plain.evaluate(test_X, test_y)
    assert found["value_rmse"] < 0.8 * before["value_rmse"]
    assert found["class_log_loss"] < 0.8 * before["class_log_loss"]
    low, high = est.predict_interval(test_X, coverage=0.8).T
    value = test_y["value"]
    assert np.mean((low <= value) & (value <= high)) == pytest.approx(0.84, abs=0.08)
    assert np.mean(high - low) < 0.8 * np.mean(np.diff(plain.predict_interval(test_X, 0.8)))


def test_a_forest_that_helps_nothing_is_not_kept():
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(400, 3))
    y = pd.DataFrame({"value": plane.sum(axis=1), "label": plane[:, 0] > plane[:, 1]})
    params = {**FEW, "epochs": 60, "validation_fraction": 0.3}
    est = JointRegressorClassifier(**params, n_trees=10).fit(plane, y)
    assert_array_equal(est.forest_share_, [0, 0])
    assert_array_equal(est.boosting_share_, [0, 0])
    assert not isinstance(est._network, Blend)
    without = JointRegressorClassifier(**params).fit(plane, y)
    assert not hasattr(without, "forest_share_")
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
    est, plain = fit(**params), fit(**params, n_trees=0)
    shares = est.forest_share_ + est.boosting_share_
    assert shares[0] == 0 < shares[1]
    assert_array_equal(est.predict_value(X), plain.predict_value(X))
    if params.get("value_loss") == "gaussian_nll":
        assert_array_equal(
            est.predict_value(X, return_std=True)[1], plain.predict_value(X, return_std=True)[1]
        )
    if "head_link" in params:
        assert_array_equal(
            est.predict_value(X, given_class="a"), plain.predict_value(X, given_class="a")
        )


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 4), st.integers(0, 99))
def test_shares_are_the_best_there_are(n_parts, seed):
    rng = np.random.default_rng(seed)
    errors = rng.normal(size=(n_parts, 50)) + rng.normal(size=50) * rng.uniform(0, 3)
    errors *= rng.uniform(0.3, 2, size=(n_parts, 1))
    products = errors @ errors.T
    shares = _forest._least(products)
    assert shares.sum() == pytest.approx(1)
    assert (shares >= 0).all()
    others = rng.dirichlet(np.full(n_parts, 0.5), size=2000)
    assert shares @ products @ shares <= np.min((others @ products * others).sum(1)) * (1 + 1e-9)


def test_networks_keep_a_share_in_probabilities():
    """Trees that are right on all rows they have not seen say 0 of all other labels."""
    truth = np.arange(100) % 3
    outputs, answers = np.full((100, 3), 1 / 3), np.eye(3)[truth]
    share = share_of_forest(outputs, answers, truth, np.arange(100), 1, i=1)
    assert share == pytest.approx(1 - _forest.LEAST_OF_NETWORKS)


def test_a_head_without_unseen_labels_stays_the_networks():
    codes = np.unique(Y["label"], return_inverse=True)[1]
    _, unseen = split_validation([codes], [np.ones(300, bool)], 0.3, fit(n_trees=0)._seed)
    y = Y.copy()
    y.loc[unseen, "value"] = np.nan
    found = fit(y)
    shares = found.forest_share_ + found.boosting_share_
    assert shares[0] == 0 < shares[1]


# ------------------------------------------------------- with everything else
def test_gaps_weights_and_several_targets():
    y = Y.assign(other=Y["value"] * 2, flag=X[:, 0] > 10)
    y.loc[::3, "value"] = np.nan
    weights = np.ones((300, 4))
    weights[:, 3] = np.where(X[:, 1] > 0, 2.0, 1.0)
    est = JointRegressorClassifier(**FEW, n_trees=20, class_weight=[{"a": 2.0}, None])
    est.fit(X, y, sample_weight=weights)
    assert est.forest_share_.shape == (4,)
    assert len(est._network.forests) > 1
    assert est.predict(X).shape == (300, 4)
    assert 0 < est.score(X, y) < 1


def test_vectors_of_numbers_have_a_share():
    y = np.column_stack([Y["value"], 2 * Y["value"], pd.factorize(Y["label"])[0]])
    est = JointRegressorClassifier(
        **FEW, n_trees=20, value_columns=[[0, 1]], class_columns=[2], scale_value=False
    ).fit(X, y)
    assert (est.forest_share_ + est.boosting_share_ > 0).all()
    assert est.predict_value(X).shape == (300, 2)


def test_columns_are_read_once():
    """Ranks and values of a few say of a tree what the number says."""
    frame = pd.DataFrame(X, columns=["place", "x", "y"]).assign(
        few=np.arange(300) % 4, town=np.where(X[:, 1] > 0, "north", "south")
    )
    est = JointRegressorClassifier(
        **FEW, numeric_embedding="rank", n_trees=10, validation_fraction=0.3
    ).fit(frame, Y)
    columns = est._network.forests[0].columns
    encoded = est._encode(frame)[:, columns]
    assert encoded.shape[1] == 4 + 2
    assert_array_equal(encoded[:, 4:].sum(axis=1), 1)
    assert np.abs(encoded[:, :4].mean(axis=0)).max() < 0.1


def test_fits_alike_are_alike_and_training_goes_on_without_it(est):
    again = fit(n_members=2, calibration="temperature")
    assert_array_equal(again.predict_value(X), est.predict_value(X))
    again.partial_fit(X, Y)
    assert not isinstance(again._network, Blend)
    assert not hasattr(again, "forest_share_")
    warm = fit(warm_start=True).fit(X, Y)
    assert isinstance(warm._network, Blend)
    assert warm.n_iter_ == 30


def test_callbacks_see_the_answers_of_both():
    sklearn_callback = pytest.importorskip("sklearn.callback")
    from skjoint.model_selection import joint_scoring

    monitor = sklearn_callback.ScoringMonitor(scoring=joint_scoring())
    params = {**FEW, "epochs": 2, "n_trees": 20, "validation_fraction": 0.3}
    JointRegressorClassifier(**params).set_callbacks(monitor).fit(X, Y)
    logs = monitor.get_logs().data_as_pandas
    assert (logs["class_accuracy"] > 0.9).all()  # which no network reaches in an epoch


def test_files_pickles_and_views(est, tmp_path):
    save(est, tmp_path / "m")
    for again in (load(tmp_path / "m"), pickle.loads(pickle.dumps(est))):
        assert_array_equal(again.predict(X), est.predict(X))
        assert_array_equal(again.predict_proba(X), est.predict_proba(X))
        assert_array_equal(again.predict_interval(X), est.predict_interval(X))
        assert_array_equal(again.forest_share_, est.forest_share_)
    alone = est.as_regressor().fit(X, Y["value"])
    assert alone.score(X, Y["value"]) > 0.8


def test_prediction_in_a_new_process_loads_no_tensorflow(est, tmp_path):
    save(est, tmp_path / "m")
    code = (
        "import sys; from skjoint.persistence import load; import numpy as np;"
        f"load({str(tmp_path / 'm')!r}).predict(np.zeros((2, 3)));"
        "assert not {'tensorflow', 'keras', 'sklearn.ensemble'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("scaled", [False, True])
def test_onnx(est, tmp_path, scaled):
    model, last, encoded = est, est, X
    if scaled:
        model = make_pipeline(PowerTransformer(), JointRegressorClassifier(**est.get_params()))
        model.fit(X, Y)
        last, encoded = model[-1], model[:-1].transform(X)
    assert (last.forest_share_ + last.boosting_share_).all()
    to_onnx(model, tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    value, label, proba = session.run(["value", "class", "proba"], {"X": X})
    assert_allclose(value, last.predict_value(encoded), rtol=1e-6)
    assert_allclose(proba, last.predict_proba(encoded), atol=1e-6)
    assert_array_equal(label, last.predict_class(encoded))


def test_model_is_the_networks_alone(est, plain):
    outputs = zip(est.model_.predict(X[:5]), plain.model_.predict(X[:5]), strict=True)
    for one, other in outputs:
        assert_array_equal(one, other)


# --------------------------------------------------------------------- errors
def test_rows_with_a_shape_are_an_error():
    import keras

    trunk = keras.Sequential([keras.Input((3, 1)), keras.layers.Flatten()])
    est = JointRegressorClassifier(trunk=trunk, n_trees=5, epochs=1)
    with pytest.raises(ValueError, match=r"n_trees must be 0 where rows of X have a shape.*\(3, 1"):
        est.fit(X[:, :, None], Y)
    with pytest.raises(ValueError, match="'n_trees' parameter"):
        JointRegressorClassifier(n_trees=-1).fit(X, Y)


CROOKED = {
    "a way out": ("children", lambda a: a + 1),
    "a circle": ("children", lambda a: np.maximum(a - 3, 0)),
    "a column that is not there": ("feature", lambda a: a + 9),
    "a leaf that is not there": ("leaf", lambda a: a + 10**6),
    "a root that is not there": ("roots", lambda a: a - 1),
    "fractions": ("leaf", lambda a: a / 2),
    "too few thresholds": ("threshold", lambda a: a[1:]),
    "too few values": ("values", lambda a: a[:, 1:]),
}


@pytest.mark.parametrize("name", CROOKED)
def test_files_with_crooked_trees_are_refused(est, tmp_path, name):
    field, change = CROOKED[name]
    network = est._network
    forest = network.forests[0]
    crooked = pickle.loads(pickle.dumps(forest))
    object.__setattr__(crooked, field, change(getattr(forest, field)))
    other = pickle.loads(pickle.dumps(est))
    other._network.forests[0] = crooked
    save(other, tmp_path / "m")
    with pytest.raises(ValueError, match="not a model that skjoint can load"):
        load(tmp_path / "m")


def test_forests_of_other_networks_are_refused(est):
    network, forest = est._network, est._network.forests[0]
    wide = dataclasses.replace(forest, columns=forest.columns + 1)
    strange = dataclasses.replace(forest, heads=("other",))
    for forests, shares in [
        ([wide], [{"value": 0.5}]),
        ([strange], [{"other": 0.5}]),
        ([forest], [{"value": 2.0}]),
        ([forest], [{"other": 0.5}]),
        ([forest, forest], [{"value": 0.6}, {"value": 0.6}]),
    ]:
        with pytest.raises(ValueError, match="do not belong"):
            Blend(ensemble([network.member(0)]), forests, shares)
    with pytest.raises(ValueError, match="no forest"):
        dataclasses.replace(forest, link="product")


def test_few_rows():
    small_X, small_y = make_data(12)
    est = JointRegressorClassifier(**{**FEW, "epochs": 2}, n_trees=3).fit(small_X, small_y)
    assert est.predict(small_X).shape == (12, 2)
