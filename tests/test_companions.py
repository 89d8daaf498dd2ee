"""The contract of companions: laws of all of them, and a companion from outside."""

import dataclasses
import pickle
import re
from numbers import Integral

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from sklearn.base import clone
from sklearn.utils._param_validation import Interval

from conftest import class_head, encoded_rows, small, value_head
from skjoint._data.rows import Rows
from skjoint._ensemble.companions import boosting, ridge
from skjoint._ensemble.companions.contract import AuxiliaryModel, Companion, Task
from skjoint._ensemble.companions.registry import (
    COMPANIONS,
    arguments_of,
    fit_companions,
    register,
)
from skjoint._ensemble.held_out import HeldOut
from skjoint._ensemble.shares import stack
from skjoint._prediction import ridge as ridge_prediction
from skjoint._prediction import trees as tree_prediction
from skjoint._prediction.blocks import as_codes
from skjoint._prediction.stacked import FLOOR, Stacked, joined
from skjoint.persistence import load, save, to_onnx

NAMES = ["forest", "boosting", "ridge"]
FEW = {"n_trees": 15, "n_features": 20}
VALUE, LABEL = value_head(), class_head()
HEADS = {0: VALUE, 1: LABEL}
COLUMNS, EVERY = np.arange(5), np.arange(200)

every_companion = pytest.mark.parametrize("name", NAMES)


def fit(name, rows=None, heads=HEADS, where=EVERY, columns=COLUMNS):
    rows = encoded_rows() if rows is None else rows
    companion = COMPANIONS[name]
    arguments = {key: FEW[key] for key in companion.arguments}
    return companion.fit(Task(rows, heads, columns, where, seed=0), **arguments)


def weighted(times=1.0):
    rows = encoded_rows()
    weights = np.random.default_rng(1).uniform(0.5, 2, (2, 200)).astype(np.float32)
    return dataclasses.replace(rows, weights=list(weights * np.float32(times)))


@pytest.fixture(scope="module")
def fitted():
    return {name: fit(name) for name in NAMES}


# ---------------------------------------------------------------- the contract
@every_companion
def test_a_model_has_its_head_its_kind_and_answers_to_the_rows_asked_for(name):
    where = np.array([3, 7, 8, 150])
    for one in fit(name, where=where):
        head = {head.name: head for head in HEADS.values()}[one.head]
        assert one.model.kind == name
        assert isinstance(one.model, COMPANIONS[name].model)
        assert one.model.n_units == head.n_units
        assert one.answers.shape == (4, head.n_units)
        assert one.answers.dtype == one.model.predict(encoded_rows().X).dtype == np.float64
        assert_array_equal(one.where, where)
        assert one.model.reads(5)
        assert not one.model.reads(4)


@every_companion
def test_held_out_answers_do_not_depend_on_the_row_itself(name, monkeypatch):
    """Penalty and width of a ridge are chosen by all rows: here there is one of each."""
    monkeypatch.setattr(ridge, "WIDTHS", (0.3,))
    monkeypatch.setattr(ridge, "PENALTIES", np.array([1e-3]))
    # Numbers of which all others have mean 0, without rounding: the unit stays what it is.
    half = encoded_rows(128).X
    X = np.vstack([half, half * np.float32([-1, 1, 1, 1, 1])])
    number = np.round(8 * X[:, :1] * X[:, 1:2]) / np.float32(8)
    code, row = encoded_rows(256).targets[1], 5
    number[row], number[row + 128] = 2, 0
    changed = number.copy()
    changed[row] = -2
    weights, where = [np.ones(256, np.float32)] * 2, np.arange(256)
    rows, other = (Rows(X, [target, code], weights) for target in (number, changed))
    (one,), (two,) = (fit(name, these, {0: VALUE}, where) for these in (rows, other))
    assert_allclose(two.answers[row], one.answers[row], rtol=1e-6)
    assert np.abs(two.model.predict(X) - one.model.predict(X)).max() > 0.05
    if name == "forest":  # for boosting the label decides about the fold
        changed = code.copy()
        changed[row] = (code[row] + 1) % 3
        other = Rows(X, [number, changed], weights)
        (one,), (two,) = (fit(name, these, {1: LABEL}, where) for these in (rows, other))
        assert_array_equal(two.answers[row], one.answers[row])


@every_companion
def test_a_row_does_not_depend_on_the_rows_beside_it(fitted, name, monkeypatch):
    X = encoded_rows(300).X
    whole = [one.model.predict(X) for one in fitted[name]]
    for chunk, pending in [(2**14, 2**14), (64, 2**14), (7, 40)]:
        monkeypatch.setattr(tree_prediction, "TREES_CHUNK", chunk)
        monkeypatch.setattr(tree_prediction, "PENDING", pending)
        monkeypatch.setattr(ridge_prediction, "RIDGE_CHUNK", chunk)
        for part in (slice(0, 1), slice(5, 50), slice(0, 300)):
            for one, expected in zip(fitted[name], whole, strict=True):
                assert_array_equal(one.model.predict(X[part]), expected[part])


@every_companion
def test_the_type_of_x_does_not_matter(fitted, name):
    X = encoded_rows().X
    for one in fitted[name]:
        found = one.model.predict(X.astype(np.float64))
        assert found.dtype == np.float64
        assert_array_equal(found, one.model.predict(X))


@every_companion
def test_pickles_and_arrays_are_the_same_model(fitted, name):
    X = encoded_rows().X
    for one in fitted[name]:
        expected = one.model.predict(X)
        arrays = one.model.arrays()
        assert all(isinstance(a, (np.ndarray, str, int)) for a in arrays.values())
        again = COMPANIONS[one.model.kind].model(**arrays)
        for other in (again, pickle.loads(pickle.dumps(one.model))):
            assert_array_equal(other.predict(X), expected)
            assert other.kind == name
            assert other.arrays().keys() == arrays.keys()
        assert len(pickle.dumps(one.model)) < 2000 + sum(
            np.asarray(a).nbytes for a in arrays.values()
        )


DAMAGES = {
    "an axis too many": lambda a: a[None],
    "complex numbers": lambda a: a.astype(complex),
    "text": lambda a: a.astype(str),
    "nothing": lambda a: a[:0],
}


@every_companion
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_arrays_are_refused(fitted, name, damage):
    for one in fitted[name]:
        arrays = one.model.arrays()
        for field, array in arrays.items():
            if isinstance(array, np.ndarray):
                with pytest.raises(ValueError, match="these arrays are no"):
                    type(one.model)(**{**arrays, field: DAMAGES[damage](array)})
        for wrong in ({"n_units": one.model.n_units + 1}, {"head": ("value", "class")}):
            with pytest.raises(ValueError, match="these arrays are no"):
                type(one.model)(**{**arrays, **wrong})


@every_companion
def test_rows_without_weight_are_not_learned_from(name):
    rows, kept = encoded_rows(), EVERY % 3 > 0
    wild = np.where(kept[:, None], rows.targets[0], np.float32(1e6))
    masked = Rows(rows.X, [wild, rows.targets[1]], [rows.weights[0] * kept, rows.weights[1]])
    few = rows.take(np.flatnonzero(kept))
    (found,) = fit(name, masked, {0: VALUE})
    (alone,) = fit(name, few, {0: VALUE}, where=np.arange(9))
    assert_array_equal(found.model.predict(rows.X), alone.model.predict(rows.X))
    answered = found.answers[~kept]  # by the model, which was fitted without them, or not at all
    assert np.isnan(answered).all() or np.abs(answered).max() < 100


@every_companion
def test_only_ratios_of_weights_count(name):
    X = encoded_rows().X
    for one, two, plain in zip(
        fit(name, weighted()), fit(name, weighted(4)), fit(name), strict=True
    ):
        assert_allclose(two.model.predict(X), one.model.predict(X), rtol=1e-6, atol=1e-9)
        assert_allclose(two.answers, one.answers, rtol=1e-6, atol=1e-9)
        assert (plain.model.predict(X) != one.model.predict(X)).any()


@every_companion
def test_cores_do_not_matter(name, monkeypatch):
    monkeypatch.setattr(boosting, "LARGE_TABLE", 0)
    fits = []
    for cores in (1, 3):
        monkeypatch.setattr(joblib, "cpu_count", lambda cores=cores: cores)
        fits.append(fit(name))
    for one, other in zip(*fits, strict=True):
        assert_array_equal(one.answers, other.answers)
        for array, again in zip(
            one.model.arrays().values(), other.model.arrays().values(), strict=True
        ):
            assert_array_equal(array, again)


@every_companion
def test_a_seed_is_all_that_is_random(name, fitted):
    for one, other in zip(fit(name), fitted[name], strict=True):
        assert_array_equal(one.answers, other.answers)


@every_companion
@pytest.mark.parametrize("n_samples", [2, 5, 12])
def test_few_rows_have_a_model_or_none(name, n_samples):
    rows = encoded_rows().take(np.arange(n_samples))
    for one in fit(name, rows, where=np.arange(n_samples)):
        assert np.isfinite(one.model.predict(rows.X)).all()


SERVED = {
    VALUE: {"forest", "boosting", "ridge"},
    value_head(n_units=3): {"forest", "boosting", "ridge"},
    value_head(activation="softplus"): {"forest"},
    LABEL: {"forest", "boosting"},
    class_head(n_units=8): {"forest", "boosting"},
    class_head(n_units=9): {"forest"},
}


@every_companion
@pytest.mark.parametrize("head", SERVED, ids=str)
def test_a_head_that_it_does_not_serve_has_no_model(name, head):
    assert COMPANIONS[name].serves(head) == (name in SERVED[head])
    rows = encoded_rows()
    if head.kind == "class":
        target = (EVERY % head.n_units).astype(np.int32)
    else:
        target = np.repeat(rows.targets[0], head.n_units, axis=1)
    found = fit(name, dataclasses.replace(rows, targets=[target] * 2), {0: head})
    assert len(found) == (name in SERVED[head])


# ------------------------------------------------------- those asked for, fitted
def fit_all(names=NAMES, routed=FEW, value_loss="mse"):
    arguments, heads = arguments_of(names, routed), [VALUE, LABEL]
    losses = [VALUE.output.loss(value_loss), LABEL.output.loss("crossentropy")]
    return fit_companions(arguments, encoded_rows(), heads, losses, COLUMNS, 0, EVERY)


def test_models_are_those_of_each_companion_whatever_the_order_of_names(fitted):
    expected = [one for name in NAMES for one in fitted[name]]
    for names in (NAMES, tuple(NAMES[::-1])):
        found = fit_all(names)
        assert [one.model.kind for one in found] == [one.model.kind for one in expected]
        for one, other in zip(found, expected, strict=True):
            assert_array_equal(one.answers, other.answers)
    assert fit_all(()) == []


def test_a_number_that_is_no_mean_has_no_model():
    assert {one.head for one in fit_all(value_loss="mae")} == {"class"}


def test_arguments_reach_all_who_have_them_or_one():
    assert arguments_of(NAMES, {}) == {
        "forest": {"n_trees": 100},
        "boosting": {"n_trees": 100},
        "ridge": {"n_features": 512},
    }
    found = arguments_of(["boosting", "forest"], {"boosting__n_trees": 7, "n_trees": 5})
    assert found == {"forest": {"n_trees": 5}, "boosting": {"n_trees": 7}}
    # a search over companions may give arguments of some that are not asked for
    assert arguments_of(("ridge",), {"n_trees": 5}) == {"ridge": {"n_features": 512}}
    trees = fit_all(["forest", "boosting"], {"n_trees": 4, "boosting__n_trees": 2})
    assert trees[0].model.n_trees == 4
    assert trees[2].model.n_trees == boosting.N_FOLDS * (2 + 1)  # and the baseline of each


def test_names_and_arguments_that_nobody_has_are_errors():
    for names, routed, message in [
        (["forrest"], {}, r"companions must hold names .* Got 'forrest' .* mean 'forest'\?"),
        ([["forest"]], {}, r"companions must hold names"),
        ("forest", {}, r"companions must be a tuple of different names .* Got 'forest' instead"),
        (["ridge", "ridge"], {}, r"companions must be a tuple of different names"),
        (None, {}, r"companions must be a tuple of different names .* Got None instead"),
        (["forest"], {"ntrees": 3}, r"companions__ntrees\. Did you mean 'companions__n_trees'\?"),
        (["forest"], {"forest__n_tree": 3}, r"mean 'companions__forest__n_trees'\?"),
        (["ridge"], {"ridge__n_trees": 3}, r"No companion has .* companions__ridge__n_trees"),
        (["forest"], {"other__n_trees": 3}, r"No companion has .* companions__other__n_trees"),
        (["forest"], {"n_trees": 0}, r"'n_trees' parameter of companion 'forest' must be an int"),
        (["forest"], {"n_trees": 2.5}, r"'n_trees' parameter .* Got 2.5 instead"),
        (["ridge"], {"n_features": 2049}, r"'n_features' parameter of companion 'ridge'"),
        (["forest"], {"ridge__n_features": 0}, r"'n_features' parameter of companion 'ridge'"),
    ]:
        with pytest.raises(ValueError, match=message):
            arguments_of(names, routed)


# ------------------------------------------------------------- one from outside
@dataclasses.dataclass(frozen=True, eq=False)
class Neighbour:
    """The mean target of the nearest training rows."""

    head: str
    n_units: int
    X: np.ndarray
    y: np.ndarray
    n_neighbours: int

    kind = "neighbour"

    def __post_init__(self):
        if self.y.shape != (len(self.X), self.n_units):
            raise ValueError("these arrays are no neighbours")

    def reads(self, n_inputs):
        return self.X.shape[1] == n_inputs

    def arrays(self):
        return dataclasses.asdict(self)

    def predict(self, X, but=None):
        distances = ((X[:, None] - self.X) ** 2).sum(axis=2).astype(float)
        if but is not None:
            distances[np.arange(len(X)), but] = np.inf
        return self.y[np.argsort(distances, axis=1)[:, : self.n_neighbours]].mean(axis=1)


def fit_neighbours(task, n_neighbours):
    found = []
    for i, head in task.heads.items():
        y = task.rows.targets[i]
        y = np.eye(head.n_units)[y] if head.kind == "class" else y.astype(float)
        model = Neighbour(head.name, head.n_units, task.rows.X, y, n_neighbours)
        answers = model.predict(task.rows.X[task.where], but=task.where)
        found.append(AuxiliaryModel(model, task.where, answers))
    return found


NEIGHBOUR = Companion(
    "neighbour",
    Neighbour,
    fit_neighbours,
    arguments={"n_neighbours": 1},
    constraints={"n_neighbours": [Interval(Integral, 1, None, closed="left")]},
)


@pytest.fixture
def registered():
    register(NEIGHBOUR)
    yield
    COMPANIONS.pop("neighbour")


class Constants:
    """A network with one output for all rows."""

    spec = dataclasses.make_dataclass("Spec", ["heads", "n_inputs"])([VALUE, LABEL], 5)

    def predict(self, X, names, forms=None):
        outputs = {"value": np.full((len(X), 1), 0.1), "class": np.full((len(X), 3), 1 / 3)}
        return [outputs[name].astype(np.float32) for name in names]


def test_one_from_outside_is_stacked_with_the_networks(registered):
    rows = encoded_rows()
    held_out = HeldOut([Constants()] * 2, [rows.take(np.arange(0, 80)), rows.take(EVERY[60:])])
    found = fit_all(["forest", "neighbour"], {"n_trees": 5, "neighbour__n_neighbours": 3})
    assert [one.model.kind for one in found] == ["forest"] * 2 + ["neighbour"] * 2
    assert found[2].model.n_neighbours == 3
    stacked = stack(Constants(), found, held_out, 2, True)
    assert isinstance(stacked, Stacked)
    assert COMPANIONS["neighbour"].model is Neighbour
    neighbours = [m for m in stacked.models if m.kind == "neighbour"]
    assert neighbours
    X = encoded_rows(50, seed=1).X
    for head in HEADS.values():
        (network,) = Constants().predict(X, [head.name])
        pairs = zip(stacked.models, stacked.shares, strict=True)
        parts = [(share, model.predict(X)) for model, share in pairs if model.head == head.name]
        floor = FLOOR if head.kind == "class" else None
        (answer,) = stacked.predict(X, [head.name])
        assert_array_equal(answer, joined(network, parts, floor))
        assert stacked.share(head.name) == pytest.approx(sum(share for share, _ in parts))
    (codes,) = stacked.predict(X, ["class"], [as_codes])
    assert np.mean(codes == encoded_rows(50, seed=1).targets[1]) > 0.6
    again = pickle.loads(pickle.dumps(stacked))
    assert_array_equal(again.predict(X, ["value"])[0], stacked.predict(X, ["value"])[0])


def test_names_are_registered_once(registered):
    with pytest.raises(ValueError, match="named 'neighbour' is registered already"):
        register(NEIGHBOUR)
    for name in ("two__parts", "no identifier", 3):
        with pytest.raises(ValueError, match="must be an identifier without '__'"):
            register(dataclasses.replace(NEIGHBOUR, name=name))


# ------------------------------------------------------ through the estimator
def waves(n_samples=200, seed=0):
    """A number and a label that are smooth in two columns, but not linear."""
    X = np.random.default_rng(seed).uniform(-3, 3, size=(n_samples, 2))
    number = np.sin(2 * X[:, 0]) * np.cos(X[:, 1])
    return X, pd.DataFrame({"value": number, "label": np.where(number > 0, "up", "down")})


X, Y = waves()
BOTH = {
    "companions": ("forest", "neighbour"),
    "companions__n_trees": 5,
    "companions__neighbour__n_neighbours": 3,
    "validation": 0.3,
}


def fit_both(**params):
    return small(**{**BOTH, **params}).fit(X, Y)


def test_one_from_outside_has_a_share_in_an_estimator(registered):
    est, alone = fit_both(), fit_both(companions="forest")
    assert list(est.shares_) == ["network", "forest", "neighbour"]
    assert (est.shares_["neighbour"] > 0.2).all()
    assert {m.n_neighbours for m in est._model.network.models if m.kind == "neighbour"} == {3}
    test_X, test_y = waves(500, seed=1)
    found, without = (one.evaluate(test_X, test_y) for one in (est, alone))
    assert found["value_rmse"] < without["value_rmse"]
    assert found["class_log_loss"] < without["class_log_loss"]


def test_arguments_of_one_from_outside_survive_clone_and_set_params(registered):
    est = small(**BOTH)
    assert clone(est).get_params() == est.get_params()
    assert_array_equal(clone(est).fit(X, Y).predict(X), est.fit(X, Y).predict(X))
    est.set_params(companions__neighbour__n_neighbours=7).fit(X, Y)
    assert {m.n_neighbours for m in est._model.network.models if m.kind == "neighbour"} == {7}
    est.set_params(companions__neighbour__n_neighbours=None).fit(X, Y)
    assert "companions__neighbour__n_neighbours" not in est.get_params()
    assert {m.n_neighbours for m in est._model.network.models if m.kind == "neighbour"} == {1}


def test_one_from_outside_is_in_pickles_and_files(registered, tmp_path):
    est = fit_both()
    save(est, tmp_path / "m")
    for again in (pickle.loads(pickle.dumps(est)), load(tmp_path / "m")):
        assert_frame_equal(again.shares_, est.shares_)
        assert_array_equal(again.predict(X), est.predict(X))
        assert_array_equal(again.predict_proba(X), est.predict_proba(X))
        assert {type(m) for m in again._model.network.models} >= {COMPANIONS["neighbour"].model}
        assert_array_equal(again.fit(X, Y).predict(X), est.predict(X))


def test_a_file_with_a_companion_that_is_not_registered_is_refused(tmp_path):
    register(NEIGHBOUR)
    try:
        save(fit_both(), tmp_path / "m")
    finally:
        COMPANIONS.pop("neighbour")
    with pytest.raises(ValueError, match="an object of kind 'companion neighbour'"):
        load(tmp_path / "m")


def test_training_goes_on_without_one_from_outside(registered):
    est = fit_both().partial_fit(X, Y)
    assert not isinstance(est._model.network, Stacked)
    assert list(est.shares_) == ["network"]
    assert_array_equal(est.shares_, 1)


def test_to_onnx_refuses_one_from_outside_by_name(registered, tmp_path):
    onnx_file = tmp_path / "m.onnx"
    pytest.importorskip("onnx")
    message = r"companion 'neighbour'\. Fit without it, or with companions out of .*'forest'"
    with pytest.raises(NotImplementedError, match=message):
        to_onnx(fit_both(), onnx_file)
    assert not onnx_file.exists()
    to_onnx(fit_both(companions=("forest",)), onnx_file)


# ------------------------------------------------------------------- shares_
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"validation": 0.3},
        {"companions": ("forest",)},
        {"companions": "ridge", "n_members": 2, "early_stopping": True, "n_refits": 1},
        {"companions": ["ridge", "boosting"], "value_loss": "mae"},
        {"companions": ("boosting", "forest", "ridge"), "calibration": "temperature"},
    ],
    ids=str,
)
def test_shares_are_a_table_of_outputs_whose_rows_sum_to_one(params):
    routed = (
        {"companions__n_trees": 5, "companions__n_features": 10} if "companions" in params else {}
    )
    est = small(**params, **routed).fit(X, Y)
    names = params.get("companions", ())
    names = (names,) if isinstance(names, str) else names
    shares = est.shares_
    assert isinstance(shares, pd.DataFrame)
    assert list(shares.index) == est.value_names_ + est.class_names_ == ["value", "class"]
    assert set(shares) == {"network", *names}
    assert shares.columns[0] == "network"
    assert_allclose(shares.sum(axis=1), 1)
    assert (shares >= 0).all(axis=None)
    if not names:
        assert_array_equal(shares["network"], 1)
    shares["network"] = 7  # a table of the caller's own
    assert (est.shares_["network"] <= 1).all()


def test_each_target_has_its_shares():
    y = pd.DataFrame({"a": Y["value"], "b": 2 * X[:, 0], "c": Y["label"], "d": X[:, 1] > 0})
    est = small(companions="forest", companions__n_trees=5, validation=0.3).fit(X, y)
    assert list(est.shares_.index) == ["value_a", "value_b", "class_c", "class_d"]
    assert_allclose(est.shares_.sum(axis=1), 1)


def test_the_order_of_names_does_not_matter():
    few = {"companions__n_trees": 5, "companions__n_features": 10, "validation": 0.3}
    one = small(companions=("forest", "boosting", "ridge"), **few).fit(X, Y)
    other = small(companions=["ridge", "forest", "boosting"], **few).fit(X, Y)
    assert_frame_equal(one.shares_, other.shares_)
    assert (one.shares_["network"] < 1).all()
    assert_array_equal(one.predict(X), other.predict(X))
    assert_array_equal(one.predict_proba(X), other.predict_proba(X))


def test_there_are_no_shares_before_fit():
    assert not hasattr(small(), "shares_")


# ------------------------------------------------------------------- errors
def test_errors_of_companions_reach_the_user():
    for params, message in [
        ({"companions": ("forrest",)}, r"companions must hold names .* mean 'forest'\?"),
        ({"companions": "rigde"}, r"companions must hold names .* Got 'rigde' .* mean 'ridge'\?"),
        ({"companions": ("forest", "forest")}, r"a tuple of different names .* Got \('forest', 'f"),
        ({"companions": [["forest"]]}, r"companions must hold names .* Got \['forest'\] instead"),
        ({"companions": {"forest"}}, r"The 'companions' parameter .* must be"),
        ({"companions": 3}, r"The 'companions' parameter .* must be"),
        ({"companions": None}, r"The 'companions' parameter .* must be"),
        ({"companions__ntrees": 3}, r"companions__ntrees\. Did you mean 'companions__n_trees'\?"),
        ({"companions__forest__n_tree": 3}, r"mean 'companions__forest__n_trees'\?"),
        ({"companions__forrest__n_trees": 3}, r"mean 'companions__forest__n_trees'\?"),
        ({"companions__ridge__n_trees": 3}, r"No companion has .* companions__ridge__n_trees"),
        ({"companions__n_trees": -1}, r"'n_trees' parameter of companion 'forest' must be an int"),
        ({"companions__ridge__n_features": 0}, r"'n_features' parameter of companion 'ridge'"),
    ]:
        est = small(**{"companions": ("forest",), **params})
        with pytest.raises(ValueError, match=message):
            est.fit(X, Y)
        assert not hasattr(est, "shares_")


def test_a_string_is_one_name():
    few = {"companions__n_trees": 5, "validation": 0.3}
    one, other = (small(companions=names, **few).fit(X, Y) for names in ("forest", ("forest",)))
    assert_frame_equal(one.shares_, other.shares_)
    assert_array_equal(one.predict(X), other.predict(X))


@pytest.mark.parametrize("names", ["forest", ("forest", "ridge")])
def test_rows_with_a_shape_are_an_error(names):
    import keras

    trunk = keras.Sequential([keras.Input((2, 1)), keras.layers.Flatten()])
    est = small(trunk=trunk, companions=names)
    message = "companions must be () where rows of X have a shape, here (2, 1)"
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        est.fit(X[:, :, None], Y)
    assert f"Got {names!r} instead" in str(error.value)
