"""Companions on tables with codes of categories."""

import dataclasses
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.preprocessing import TargetEncoder
from threadpoolctl import threadpool_limits

from conftest import class_head, small, value_head
from skjoint._data.rows import Rows
from skjoint._ensemble.companions import boosting, codes, forest, ridge
from skjoint._ensemble.companions.boosting import N_FOLDS
from skjoint._ensemble.companions.contract import Task
from skjoint._ensemble.companions.registry import COMPANIONS, fit_companions
from skjoint._onnx import companions as onnx_companions
from skjoint._onnx.companions import WRITERS
from skjoint._onnx.graph import DOUBLE, Graph
from skjoint._onnx.model import as_proto
from skjoint._prediction import ridge as ridge_prediction
from skjoint._prediction import trees as tree_prediction
from skjoint._prediction.stacked import Stacked
from skjoint.persistence import load, save, to_onnx

NAMES = ["forest", "boosting", "ridge"]
FEW = {"n_trees": 15, "n_features": 20}
VALUE, LABEL = value_head(), class_head()
HEADS = {0: VALUE, 1: LABEL}

every_companion = pytest.mark.parametrize("name", NAMES)


def encoded(frame, known=None):
    """Numbers, then a column of codes for each other column, and the numbers of codes.

    Levels in their order are 1, 2, ...; those that ``known`` has not more than once are 0.
    """
    known = frame if known is None else known
    numbers = frame.select_dtypes("number")
    columns, n_codes = [*numbers.to_numpy().T], {}
    for name in frame.columns.difference(numbers.columns, sort=False):
        counts = known[name].value_counts()
        levels = sorted(counts.index[counts > 1])
        n_codes[len(columns)] = len(levels) + 1
        columns.append(pd.Index(levels).get_indexer(frame[name]) + 1)
    return np.column_stack(columns).astype(np.float32), n_codes


def table(n_samples=300, seed=0, n_levels=(3, 8, 40)):
    """A number that depends on levels, and three labels that depend on it."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(n_samples, 2)).round(1), columns=["a", "b"])
    number = frame["a"].to_numpy()
    for i, n in enumerate(n_levels):
        level = rng.integers(n, size=n_samples)
        frame[f"c{i}"] = np.char.mod("level %d", level)
        number = number + np.sin(7.0 * level)
    label = np.digitize(number + rng.normal(size=n_samples) / 2, [-1, 1])
    return frame, number, label


def rows_of(frame, number, label):
    X, n_codes = encoded(frame)
    targets = [number.astype(np.float32)[:, None], label.astype(np.int32)]
    return Rows(X, targets, [np.ones(len(X), np.float32)] * 2), n_codes


ROWS, N_CODES = rows_of(*table())
MANY, MANY_CODES = rows_of(*table(1200, n_levels=(3, 350)))  # more than boosting tests sets of
_frame, *_targets = table(200, n_levels=(3, 4))
CATEGORIES, CATEGORY_CODES = rows_of(_frame.drop(columns=["a", "b"]), *_targets)  # alone
EVERY = np.arange(len(ROWS.X))


def fit(name, rows=ROWS, n_codes=N_CODES, heads=HEADS, where=None, columns=None):
    companion = COMPANIONS[name]
    arguments = {key: FEW[key] for key in companion.arguments}
    where = np.arange(len(rows.X)) if where is None else where
    columns = np.arange(rows.X.shape[1]) if columns is None else columns
    return companion.fit(Task(rows, heads, columns, where, 0, n_codes), **arguments)


@pytest.fixture(scope="module")
def fitted():
    """Models of each companion, some of a table with more codes than a set can have."""
    return {
        name: [
            *fit(name),
            *(fit(name, MANY, MANY_CODES) if name != "ridge" else ()),
            *fit(name, CATEGORIES, CATEGORY_CODES),
        ]
        for name in NAMES
    }


def inputs_of(one, n_samples=300):
    """Rows that a model can read: of the table that it was fitted on."""
    tables = {len(rows.X): rows.X for rows in (ROWS, MANY, CATEGORIES)}
    return tables[len(one.where)][:n_samples]


# ------------------------------------------------------------- boosted trees
SETTINGS = {"max_iter": 15, "learning_rate": 0.3, "max_leaf_nodes": 15, "early_stopping": False}


def folds_of(rows, is_label):
    code = rows.targets[1] if is_label else np.zeros(len(rows.X), int)
    order, fold = boosting._mixed(code, 0)
    return [(order[fold != k], order[fold == k]) for k in range(N_FOLDS)]


@pytest.fixture(scope="module")
def one_thread():
    """Threads of OpenMP wait in busy loops, which takes long on a machine with other work."""
    with threadpool_limits(1, user_api="openmp"):
        yield


@pytest.mark.usefixtures("one_thread")
@settings(deadline=None, max_examples=8)
@given(st.integers(0, 99), st.sampled_from([(2,), (3, 8), (8, 60), (254, 2)]))
def test_numbers_are_the_mean_of_scikit_learns_with_its_sets_of_categories(seed, n_levels):
    rows, n_codes = rows_of(*table(300, seed, n_levels))
    columns = np.arange(1, rows.X.shape[1])
    (found,) = fit("boosting", rows, n_codes, {0: VALUE}, columns=columns)
    number = rows.targets[0].ravel().astype(np.float64)
    unit, X = number.std(), rows.X[:, columns]
    # Code 0 is in no fold, and neither are levels of two rows that are both held out.
    unmet = X.copy()
    unmet[:, 1:] = 0
    total, without = 0, 0
    for inside, outside in folds_of(rows, is_label=False):
        referee = HistGradientBoostingRegressor(
            **SETTINGS, categorical_features=np.array([*n_codes]) - 1
        ).fit(X[inside], number[inside] / unit)
        expected = unit * referee.predict(X[outside])
        assert_allclose(found.answers[outside].ravel(), expected, rtol=1e-5, atol=1e-6)
        total += unit * referee.predict(X) / N_FOLDS
        without += unit * referee.predict(unmet) / N_FOLDS
    assert_allclose(found.model.predict(rows.X).ravel(), total, rtol=1e-5, atol=1e-6)
    rows.X[:, 2:] = 0
    assert_allclose(found.model.predict(rows.X).ravel(), without, rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("n_labels", [2, 3])
def test_labels_are_the_mean_score_of_scikit_learns_with_its_sets_of_categories(n_labels):
    label = np.minimum(ROWS.targets[1], n_labels - 1)
    rows = dataclasses.replace(ROWS, targets=[ROWS.targets[0], label])
    (found,) = fit("boosting", rows, heads={1: class_head(n_units=n_labels)})
    score = np.zeros((len(rows.X), n_labels))
    for inside, outside in folds_of(rows, is_label=True):
        referee = HistGradientBoostingClassifier(**SETTINGS, categorical_features=[*N_CODES])
        referee.fit(rows.X[inside], label[inside])
        expected = referee.predict_proba(rows.X[outside])
        assert_allclose(found.answers[outside], expected, rtol=1e-5, atol=1e-7)
        own = referee.decision_function(rows.X)
        score += (own if n_labels > 2 else np.column_stack([0 * own, own])) / N_FOLDS
    expected = np.exp(score) / np.exp(score).sum(axis=1, keepdims=True)
    assert_allclose(found.model.predict(rows.X), expected, rtol=1e-5, atol=1e-7)


def test_a_column_of_more_codes_than_sets_have_is_still_learned_from():
    (found,) = fit("boosting", MANY, MANY_CODES, {0: VALUE})
    number = MANY.targets[0].ravel()
    numbers_alone = fit("boosting", MANY, {}, {0: VALUE}, columns=np.arange(2))[0]
    error, alone = (np.mean((one.answers.ravel() - number) ** 2) for one in (found, numbers_alone))
    assert error < 0.75 * alone
    assert found.model.tables is not None


# --------------------------------------------------------- honesty of answers
@every_companion
@pytest.mark.parametrize("n_levels", [(2, 5), (6, 300)], ids=str)
def test_held_out_answers_do_not_depend_on_the_row_itself(name, n_levels, monkeypatch):
    """Penalty and width of a ridge are chosen by all rows: here there is one of each."""
    monkeypatch.setattr(ridge, "WIDTHS", (0.3,))
    monkeypatch.setattr(ridge, "PENALTIES", np.array([1e-3]))
    rows, n_codes = rows_of(*table(601, 3, n_levels))
    # As many ones as minus ones without the row: the unit stays what it is.
    row, number = 5, rows.targets[0].ravel()
    number = np.where(number < np.median(np.delete(number, row)), np.float32(-1), np.float32(1))
    fits = []
    for own in (-1, 1):
        number[row] = own
        label = (number > 0).astype(np.int32)
        these = Rows(rows.X, [number[:, None].copy(), label], rows.weights)
        heads = {0: VALUE} if name != "forest" else {0: VALUE, 1: class_head(n_units=2)}
        fits.append(fit(name, these, n_codes, heads, np.array([row])))
    for one, other in zip(*fits, strict=True):
        assert_allclose(other.answers, one.answers, rtol=1e-6, atol=1e-9)
        assert (one.model.predict(rows.X) != other.model.predict(rows.X)).any()


@every_companion
def test_an_id_without_meaning_has_no_say_in_held_out_answers(name):
    """Means of levels that had seen the row would foretell its target."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=800), "id": np.arange(800) // 2})
    frame["id"] = "id " + frame["id"].astype(str)
    number = rng.normal(size=800)
    rows, n_codes = rows_of(frame, number, (number > 0).astype(int))
    for one in fit(name, rows, n_codes, {0: VALUE, 1: class_head(n_units=2)}):
        target = number if one.head == "value" else number > 0
        assert abs(np.corrcoef(one.answers[:, -1], target)[0, 1]) < 0.15


def test_means_are_those_of_scikit_learns_target_encoder():
    y = ROWS.targets[0].astype(float)
    found = codes.learn_means(ROWS.X, N_CODES, y, np.ones(300), seed=0)
    encoder = TargetEncoder(smooth=codes.SMOOTHING, target_type="continuous")
    columns = list(N_CODES)
    encoder.fit(ROWS.X[:, columns], y.ravel())
    for column, table_, own in zip(columns, found.tables, found.numbers.T, strict=True):
        code = ROWS.X[:, column].astype(int)
        expected = encoder.transform(ROWS.X[:, columns])[:, columns.index(column)]
        assert_allclose(table_[code], expected, rtol=1e-5)
        assert (own == table_[code]).all() == (N_CODES[column] <= codes.FEW_CODES)


@given(st.integers(0, 99))
def test_weights_are_numbers_of_rows_in_means(seed):
    times = np.random.default_rng(seed).integers(1, 4, len(ROWS.X))
    y = np.eye(3)[ROWS.targets[1]]
    one = codes.learn_means(ROWS.X, N_CODES, y, times * times.mean(), 0)
    each = np.repeat(EVERY, times)
    # As many rows count for the smoothing.
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(codes, "SMOOTHING", codes.SMOOTHING * times.mean())
        two = codes.learn_means(ROWS.X[each], N_CODES, y[each], np.ones(len(each)), 0)
    for a, b in zip(one.tables, two.tables, strict=True):
        assert_allclose(np.abs(a), np.abs(b), rtol=1e-4, atol=1e-6)


@every_companion
def test_categories_are_learned_from(name):
    """With them errors of held-out answers are far below those of numbers alone."""
    number = ROWS.targets[0].ravel()
    heads = {0: VALUE}
    with_codes, alone = (
        fit(name, *args)[0].answers.ravel()
        for args in (
            (ROWS, N_CODES, heads),
            (dataclasses.replace(ROWS, table=ROWS.table[:, :2]), {}, heads),
        )
    )
    assert np.mean((with_codes - number) ** 2) < 0.8 * np.mean((alone - number) ** 2)


def test_columns_of_codes_are_passed_on():
    arguments = {name: {key: FEW[key] for key in COMPANIONS[name].arguments} for name in NAMES}
    losses = [VALUE.output.loss("mse"), LABEL.output.loss("crossentropy")]
    heads, every = list(HEADS.values()), np.arange(ROWS.X.shape[1])
    found = fit_companions(arguments, ROWS, heads, losses, every, 0, EVERY, N_CODES)
    for one, other in zip(found, [a for name in NAMES for a in fit(name)], strict=True):
        assert_array_equal(one.answers, other.answers)


@every_companion
def test_without_codes_nothing_is_added(name):
    for one in fit(name, n_codes={}):
        assert not {"tables", "starts", "sets", "set_of", "numbers", "levels"} & set(
            one.model.arrays()
        )


def test_a_ridge_has_the_levels_of_most_rows_where_there_is_little_room(monkeypatch):
    monkeypatch.setattr(ridge, "MAX_COLUMNS", 12)
    (one,) = fit("ridge")
    assert len(one.model.waves) == 12
    count = {(c, k): (ROWS.X[:, c] == k).sum() for c, n in N_CODES.items() for k in range(1, n)}
    kept = [count.pop((c, k)) for c, k in one.model.levels.tolist()]
    assert min(kept) >= max(count.values())
    assert np.isfinite(one.model.predict(ROWS.X)).all()


# ------------------------------------------------------ prediction and storage
@every_companion
def test_a_row_does_not_depend_on_the_rows_beside_it_nor_on_types(fitted, name, monkeypatch):
    whole = [one.model.predict(inputs_of(one)) for one in fitted[name]]
    for chunk, pending in [(64, 2**14), (7, 40)]:
        monkeypatch.setattr(tree_prediction, "TREES_CHUNK", chunk)
        monkeypatch.setattr(tree_prediction, "PENDING", pending)
        monkeypatch.setattr(ridge_prediction, "RIDGE_CHUNK", chunk)
        for part in (slice(0, 1), slice(5, 50), slice(0, 300)):
            for one, expected in zip(fitted[name], whole, strict=True):
                X = inputs_of(one)[part]
                assert_array_equal(one.model.predict(X), expected[part])
                assert_array_equal(one.model.predict(X.astype(float)), expected[part])


@every_companion
def test_pickles_and_arrays_are_the_same_model(fitted, name):
    for one in fitted[name]:
        X, arrays = inputs_of(one), one.model.arrays()
        expected = one.model.predict(X)
        assert all(isinstance(a, (np.ndarray, str, int)) for a in arrays.values())
        for other in (type(one.model)(**arrays), pickle.loads(pickle.dumps(one.model))):
            assert_array_equal(other.predict(X), expected)
            assert other.arrays().keys() == arrays.keys()
        assert one.model.reads(X.shape[1])
        assert not one.model.reads(X.shape[1] - 1)


DAMAGES = {
    "an axis too many": lambda a: a[None],
    "complex numbers": lambda a: a.astype(complex),
    "text": lambda a: a.astype(str),
    "nothing": lambda a: a[:0],
    "none": lambda a: None,
    "below": lambda a: np.where(a == a.max(), -2, a).astype(a.dtype),
    "beyond": lambda a: np.where(a == a.max(), 2**30, a).astype(a.dtype),
}
OF_CODES = {"tables", "starts", "sets", "set_of", "numbers", "levels"}


@every_companion
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_arrays_are_refused(fitted, name, damage):
    for one in fitted[name]:
        arrays = one.model.arrays()
        for field in OF_CODES & arrays.keys():
            if not arrays[field].size and damage in ("nothing", "below", "beyond"):
                continue  # no numbers at all
            if damage in ("below", "beyond") and field in ("tables", "sets"):
                continue  # numbers and bits may be any
            if damage == "beyond" and name == "ridge":
                bad = type(one.model)(**{**arrays, field: DAMAGES[damage](arrays[field])})
                assert not bad.reads(2**20) or field == "levels"  # codes may be any
                continue
            with pytest.raises(ValueError, match="these arrays are no"):
                type(one.model)(**{**arrays, field: DAMAGES[damage](arrays[field])})


def test_codes_that_no_table_has_are_no_way_out_of_the_arrays(fitted):
    for one in [*fitted["forest"], *fitted["boosting"], *fitted["ridge"]]:
        X = inputs_of(one).copy()
        X[:, 2:] = 1e6
        assert np.isfinite(one.model.predict(X)).all()


@every_companion
@pytest.mark.parametrize("at_once", [256, 20])
def test_onnx_is_exact(fitted, name, at_once, monkeypatch):
    onnxruntime = pytest.importorskip("onnxruntime")
    monkeypatch.setattr(onnx_companions, "TESTS_AT_ONCE", at_once)
    for one in fitted[name]:
        X, graph = inputs_of(one), Graph()
        found = WRITERS[name](graph, one.model, "X")
        shapes = {"X": (DOUBLE, [None, X.shape[1]])}, {"found": (DOUBLE, [None, None])}
        proto = as_proto(graph, *shapes, [found])
        session = onnxruntime.InferenceSession(proto.SerializeToString())
        (found,) = session.run(None, {"X": X.astype(float)})
        expected = one.model.predict(X)
        assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * max(1, expected.std()))


def test_a_mean_of_trees_with_sets_is_exact_in_onnx(fitted, monkeypatch):
    onnxruntime = pytest.importorskip("onnxruntime")
    monkeypatch.setattr(onnx_companions, "TESTS_AT_ONCE", 20)
    trees, graph = dataclasses.replace(fitted["boosting"][0].model, link="mean"), Graph()
    found = WRITERS["forest"](graph, trees, "X")
    shapes = {"X": (DOUBLE, [None, ROWS.X.shape[1]])}, {"found": (DOUBLE, [None, None])}
    session = onnxruntime.InferenceSession(as_proto(graph, *shapes, [found]).SerializeToString())
    (found,) = session.run(None, {"X": ROWS.X.astype(float)})
    assert_allclose(found, trees.predict(ROWS.X), rtol=1e-5, atol=1e-7)


@every_companion
@pytest.mark.parametrize("n_samples", [2, 5, 12])
def test_few_rows_have_a_model_or_none(name, n_samples):
    rows = ROWS.take(np.arange(n_samples))
    for one in fit(name, rows):
        assert np.isfinite(one.model.predict(ROWS.X)).all()


def test_few_trees_answer_the_rows_that_they_have_not_seen():
    task = Task(ROWS, HEADS, np.arange(5), EVERY, 0, N_CODES)
    for one in forest.fit_forest(task, 2):
        assert one.model.n_trees == 2
        answered = np.isfinite(one.answers).all(axis=1)
        assert answered.sum() == 2 * 300 // forest.N_GROUPS


# ------------------------------------------------------ through the estimator
def test_they_are_in_pickles_files_and_onnx(fitted, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    label = np.array(["x", "y", "z"])[ROWS.targets[1]]
    y = pd.DataFrame({"value": ROWS.targets[0].ravel(), "label": label})
    est = small(preprocess=None, epochs=1).fit(ROWS.X, y)
    models = [one.model for name in NAMES for one in fitted[name] if len(one.where) == len(EVERY)]
    network = Stacked(est._model.network, models, [0.3] * len(models))
    est._model = dataclasses.replace(est._model, network=network, companions=tuple(NAMES))
    assert {field for model in models for field in model.arrays()} >= OF_CODES
    save(est, tmp_path / "m")
    for again in (pickle.loads(pickle.dumps(est)), load(tmp_path / "m")):
        assert_array_equal(again.predict(ROWS.X), est.predict(ROWS.X))
        assert_array_equal(again.predict_proba(ROWS.X), est.predict_proba(ROWS.X))
    to_onnx(est, tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    found = session.run(["value"], {"X": ROWS.X.astype(float)})[0]
    assert_allclose(found.ravel(), est.predict_value(ROWS.X), rtol=1e-5, atol=1e-5)
