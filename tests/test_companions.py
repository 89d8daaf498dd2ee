"""The contract of models beside the networks: laws of all of them, and one from outside."""

import dataclasses
import pickle
from numbers import Integral

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.utils._param_validation import Interval

from conftest import encoded_rows
from skjoint._engines.plan import Rows
from skjoint._ensemble.companions import boosting, ridge
from skjoint._ensemble.companions.contract import AuxiliaryModel, Companion, Task
from skjoint._ensemble.companions.registry import (
    COMPANIONS,
    arguments_of,
    fit_companions,
    register,
    shape_message,
)
from skjoint._ensemble.held_out import HeldOut
from skjoint._ensemble.shares import stack
from skjoint._network.losses import class_loss, value_loss
from skjoint._network.spec import Head
from skjoint._prediction import ridge as ridge_prediction
from skjoint._prediction import trees as tree_prediction
from skjoint._prediction.forward import as_codes
from skjoint._prediction.stacked import FLOOR, Stacked, joined

NAMES = ["forest", "boosting", "ridge"]
FEW = {"n_trees": 15, "n_features": 20}
VALUE, LABEL = Head("value", "value", 1, "linear"), Head("class", "class", 3, "softmax")
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
    Head("value", "value", 3, "linear"): {"forest", "boosting", "ridge"},
    Head("value", "value", 1, "softplus"): {"forest"},
    LABEL: {"forest", "boosting"},
    Head("class", "class", 8, "softmax"): {"forest", "boosting"},
    Head("class", "class", 9, "softmax"): {"forest"},
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
def fit_all(names=NAMES, routed=FEW, losses=("mse", "sparse_categorical_crossentropy")):
    found = [value_loss(losses[0]), class_loss(losses[1], 3)]
    return fit_companions(names, routed, encoded_rows(), [VALUE, LABEL], found, COLUMNS, 0, EVERY)


def test_models_are_those_of_each_companion_whatever_the_order_of_names(fitted):
    expected = [one for name in NAMES for one in fitted[name]]
    for names in (NAMES, tuple(NAMES[::-1])):
        found = fit_all(names)
        assert [one.model.kind for one in found] == [one.model.kind for one in expected]
        for one, other in zip(found, expected, strict=True):
            assert_array_equal(one.answers, other.answers)
    assert fit_all(()) == []


def test_a_number_that_is_no_mean_has_no_model():
    assert {one.head for one in fit_all(losses=("mae", "sparse_categorical_crossentropy"))} == {
        "class"
    }


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
    assert "(3, 1)" in shape_message(["forest"], (3, 1))


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
    """A network that has learned nothing but the mean."""

    spec = dataclasses.make_dataclass("Spec", ["heads", "n_inputs", "variances"])(
        [VALUE, LABEL], 5, {}
    )

    def predict(self, X, names, forms=None, keep_parts=False):
        outputs = {"value": np.full((len(X), 1), 0.1), "class": np.full((len(X), 3), 1 / 3)}
        return [outputs[name].astype(np.float32) for name in names]


def test_one_from_outside_has_its_share(registered):
    rows = encoded_rows()
    held_out = HeldOut([Constants()] * 2, [rows.take(np.arange(0, 80)), rows.take(EVERY[60:])])
    names, routed = ["forest", "neighbour"], {"n_trees": 5, "neighbour__n_neighbours": 3}
    losses = [value_loss("mse"), class_loss("sparse_categorical_crossentropy", 3)]
    found = fit_companions(
        names, routed, rows, [VALUE, LABEL], losses, COLUMNS, 0, np.unique(held_out.positions)
    )
    assert [one.model.kind for one in found] == ["forest"] * 2 + ["neighbour"] * 2
    assert found[2].model.n_neighbours == 3
    stacked = stack(Constants(), found, held_out, 2, True)
    assert isinstance(stacked, Stacked)
    assert COMPANIONS["neighbour"].model is Neighbour
    # What is kept are its own answers, and in what the networks answered is its part.
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
