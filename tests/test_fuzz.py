"""Nothing breaks it: whatever comes in, finite answers or an error of ours that says what to do."""

import pickle
import traceback
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import UndefinedMetricWarning

from conftest import small
from skjoint import JointRegressorClassifier
from skjoint._engines.choice import ENGINES, Engine
from skjoint._engines.plan import Result, log_names

# Where scikit-learn checks parameters and arrays for us, in words of its own.
CHECKS = ("utils/validation.py", "utils/_param_validation.py", "sklearn/base.py")
SLOW = {"deadline": None, "suppress_health_check": list(HealthCheck)}


def untrained(plan, on_epoch, callbacks=()):
    """An engine that checks what every engine may count on, and gives the weights back."""
    assert plan.rows.X.dtype == np.float32
    assert np.isfinite(plan.rows.X).all()
    for target, weights, head in zip(
        plan.rows.targets, plan.rows.weights, plan.network.heads, strict=True
    ):
        assert len(target) == len(weights) == len(plan.rows.X)
        assert np.isfinite(target).all()
        assert (weights >= 0).all()
        assert not weights.any() or np.isclose(weights.mean(), 1, rtol=1e-3)
        if head.kind == "class":
            assert 0 <= target.min() <= target.max() < head.n_units
    logs = dict.fromkeys(log_names(plan), 0.5)
    for epoch in range(plan.first_epoch, plan.last_epoch):
        on_epoch(epoch, logs, lambda: plan.weights)
    n_epochs = plan.last_epoch - plan.first_epoch
    return Result(plan.weights, ("Adam", []), {name: [x] * n_epochs for name, x in logs.items()})


@pytest.fixture(scope="module", autouse=True)
def without_training():
    engines = dict(ENGINES)
    engine = Engine(untrained, runs_in_threads=True)
    ENGINES.update(fused=engine, keras=engine)
    yield
    ENGINES.update(engines)


def is_ours(error):
    """Whether the innermost frame is a raise statement of ours or a check of scikit-learn's."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    ours = "skjoint" in frame.filename and "raise" in frame.line
    documented = isinstance(error, (ValueError, TypeError, AttributeError))
    return documented and (ours or frame.filename.endswith(CHECKS))


def answer(function, *args, **kwargs):
    """What a call returns, None for an error of ours; all else, and NumPy's warnings, fail."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".*", UserWarning)  # ours and scikit-learn's on names
        warnings.filterwarnings("ignore", ".*", UndefinedMetricWarning)
        try:
            return function(*args, **kwargs)
        except Exception as error:
            if not is_ours(error):
                raise
            return None


# ---------------------------------------------------------------- what comes in
RNG = np.random.default_rng(0)
COLUMNS = {
    "float": lambda x: x,
    "float16": lambda x: x.astype(np.float16),
    "big-endian": lambda x: x.astype(">f8"),
    "huge": lambda x: x * 1e300,
    "tiny": lambda x: x * 1e-300,
    "subnormal": lambda x: x * 5e-324,
    "int8": lambda x: x.astype(np.int8),
    "bool": lambda x: x > 0,
    "constant": lambda x: np.ones(len(x)),
    "gaps": lambda x: np.where(x > 0, x, np.nan),
    "gaps only": lambda x: np.full(len(x), np.nan),
    "infinite": lambda x: np.where(x > 0, np.inf, x),
    "Int64": lambda x: pd.array([int(v) if v > 0 else None for v in x], dtype="Int64"),
    "Float64": lambda x: pd.array([v if v > 0 else None for v in x], dtype="Float64"),
    "boolean": lambda x: pd.array([v > 1 if v > 0 else None for v in x], dtype="boolean"),
    "text": lambda x: np.where(x > 0, "p", "q").astype(object),
    "text with gaps": lambda x: np.where(x > 1, "p", np.where(x > 0, "q", None)),
    "NA among text": lambda x: pd.Series(["p" if v > 0 else pd.NA for v in x], dtype=object),
    "NA among numbers": lambda x: pd.Series([v if v > 0 else pd.NA for v in x], dtype=object),
    "categories": lambda x: pd.Categorical(np.where(x > 0, "p", "q"), ["q", "p", "r"], True),
    "number categories": lambda x: pd.Categorical(x.astype(int)),
    "Decimal": lambda x: pd.Series([Decimal(int(v)) for v in x], dtype=object),
    "numbers and text": lambda x: pd.Series([v if v > 0 else "p" for v in x], dtype=object),
    "lists": lambda x: pd.Series([[v] for v in x], dtype=object),
    "bytes": lambda x: np.where(x > 0, b"p", b"q").astype(object),
    "complex": lambda x: x * 1j,
    "dates": lambda x: pd.Timestamp("2020") + pd.to_timedelta(x.astype(int), unit="D"),
    "durations": lambda x: pd.to_timedelta(x.astype(int), unit="D"),
    "periods": lambda x: pd.period_range("2020", periods=len(x), freq="D"),
    "sparse": lambda x: pd.arrays.SparseArray(np.where(x > 0, x, 0)),
}
CONTAINERS = {
    "frame": lambda frame: frame,
    "shuffled": lambda frame: frame.set_axis(RNG.permutation(len(frame))),
    "objects": lambda frame: frame.to_numpy(dtype=object),
    "array": lambda frame: frame.to_numpy(),
    "Fortran": lambda frame: np.asfortranarray(frame.to_numpy()),
    "strides": lambda frame: frame.to_numpy().repeat(2, axis=0)[::2],
    "list": lambda frame: frame.to_numpy(dtype=object).tolist(),
    "dict": lambda frame: {name: frame[name].array for name in frame},
}
STRANGE = [
    None,
    3.0,
    "text",
    {1, 2},
    [],
    [[1.0], [2.0, 3.0]],
    [np.ones((2, 3)), np.ones((2, 4))],
    (row for row in [[1.0]]),
    np.array(2.0),
    np.ones(12),
    np.ones((12, 0)),
    np.ones((12, 2, 1)),
    np.ones((12, 2)) * 1j,
    np.zeros((12, 2), "datetime64[D]"),
    np.zeros(12, [("a", float), ("b", int)]),
    np.ma.masked_array(np.ones((12, 2)), True),
    sparse.csr_array(np.ones((12, 2))),
    pd.DataFrame(np.ones((12, 2)), columns=["a", "a"]),
]


@st.composite
def tables(draw, n):
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from(STRANGE))
    kinds = draw(st.lists(st.sampled_from(sorted(COLUMNS)), max_size=3))
    numbers = np.random.default_rng(draw(st.integers(0, 5))).normal(size=(len(kinds), n)) * 3
    names = draw(st.permutations(["v", 0, ("c", 1)]))[: len(kinds)]
    if draw(st.booleans()):
        names = ["v", "c", "value"][: len(kinds)]
    columns = {
        name: pd.Series(COLUMNS[k](x)).array if k != "big-endian" else COLUMNS[k](x)
        for name, k, x in zip(names, kinds, numbers, strict=True)
    }
    frame = pd.DataFrame(columns, index=range(n))
    return CONTAINERS[draw(st.sampled_from(sorted(CONTAINERS)))](frame)


def good_targets(n):
    return pd.DataFrame({"v": np.arange(n) * 1.5, "c": np.array(["p", "q", "r"])[np.arange(n) % 3]})


def weights(n):
    numbers = np.random.default_rng(0).random(n)
    numbers_like = [
        numbers,
        list(numbers),
        pd.Series(numbers),
        numbers > 0.5,
        numbers[:, None] * [1, 2],
    ]
    numbers_like += [pd.array([1] * n, dtype="Int64"), numbers * 1e300, numbers * 1e-320, 2.0]
    wrong = [-numbers, numbers * 1j, np.full(n, np.nan), np.zeros(n), np.ones(n + 1), "balanced"]
    wrong += [np.full(n, "a"), np.ones((n, 2, 1)), np.array(1.0), {"v": 1}]
    return st.sampled_from([10.0 ** np.linspace(-300, 300, n), *numbers_like, *wrong])


VALUES = [
    None,
    True,
    False,
    0,
    1,
    -1,
    0.5,
    float("nan"),
    float("inf"),
    "a",
    "",
    [],
    [1],
    (1, 2),
    {},
]
VALUES += [
    {"p": 0.0},
    {"p": "x"},
    {"zz": 1},
    {"p": None},
    np.array(2),
    np.array([1, 2]),
    10**30,
    object,
]
VALUES += [pd.Series([1, 2]), ["v"], ["c"], [["v"]], [{"p": 1}], [True], [None], b"x", {1, 2}]
VALUES += [["p", "q", "r"], ["r", "p", "q", "p"], "mixture", "balanced", "mse", "relu", "by_head"]
NAMES = [
    n for n in JointRegressorClassifier().get_params() if n not in ("trunk", "callbacks", "verbose")
]
SENSIBLE = {
    "preprocess": [None],
    "early_stopping": [True, "by_head"],
    "n_refits": [1],
    "head_link": ["mixture", "class_to_value", "value_to_class"],
    "loss_weights": ["famo", {"value": 2}],
    "value_from": ["mean", "median", "blend", "auto"],
    "hidden_layer_sizes": ["auto"],
    "learning_rate_schedule": ["cosine"],
    "numeric_embedding": ["rank", "periodic", ("rank", "periodic")],
    "class_bins": [2, [0.0, 1.0]],
    "n_members": [2],
    "companions": ["forest", ("boosting", "ridge")],
    "companions__n_trees": [5],
    "companions__n_features": [5],
    "value_by_class": [{"p": 0.0}],
    "class_weight": ["balanced", {"p": 2.0}],
    "value_activation": ["softplus", lambda x: None],
    "value_loss": [
        "histogram",
        lambda true, pred: (true - pred)[:, 0] ** 2,
        lambda true, pred: 0.0,
    ],
    "validation": [0.3],
    "scale_value": [False],
    "classes": [["p", "q", "r"]],
    "value_columns": [["v"], [0], []],
    "class_columns": [["c"], [1], []],
}
parameters = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES), max_size=1).flatmap(
    lambda odd: st.fixed_dictionaries(
        {}, optional={name: st.sampled_from(values) for name, values in SENSIBLE.items()}
    ).map(lambda sensible: {**dict(list(sensible.items())[:3]), **odd})
)
CALLS = ["predict", "predict_value", "predict_class", "predict_proba", "pickle", "clone", "warm"]
CALLS += [
    "evaluate",
    "score",
    "partial_fit",
    "predict_interval",
    "given",
    "other X",
    "split_targets",
]


def check_state(est, before):
    """A failed call has left everything as it was."""
    assert vars(est).keys() == before.keys()
    assert all(vars(est)[name] is before[name] for name in before)


@settings(max_examples=120, **SLOW)
@given(data=st.data())
def test_finite_answers_or_an_error_of_ours(data):
    n = data.draw(st.sampled_from([12, 12, 12, 3, 2, 1, 0]))
    X = np.random.default_rng(0).normal(size=(n, 2))
    y, weight, params = good_targets(n), None, {}
    for part in data.draw(st.sets(st.sampled_from(["X", "y", "weight", "params"]), max_size=2)):
        if part == "X":
            X = data.draw(tables(n))
        elif part == "y":
            y = data.draw(tables(n))
        elif part == "weight":
            weight = data.draw(weights(n))
        else:
            params = data.draw(parameters)
    est = small(**{"hidden_layer_sizes": (4,), "epochs": 2, "batch_size": 8, **params})
    before = dict(vars(est))
    fit = est.fit if data.draw(st.booleans()) else est.partial_fit
    if answer(fit, X, y, sample_weight=weight) is None:
        check_state(est, before)
        return
    for call in data.draw(st.lists(st.sampled_from(CALLS), min_size=2, max_size=4)):
        before = dict(vars(est))
        if call.startswith("predict"):
            found = answer(getattr(est, call), X)
            for part in found if isinstance(found, list) else [found]:
                assert part is None or len(part) == n
                assert part is None or part.dtype.kind != "f" or np.isfinite(part).all()
        elif call == "evaluate" and n > 1:
            answer(est.evaluate, X, y, sample_weight=weight)
        elif call in ("score", "split_targets"):
            answer(*((est.score, X, y) if call == "score" else (est.split_targets, y)))
        elif call == "pickle" and not any(callable(value) for value in params.values()):
            again = pickle.loads(pickle.dumps(est))
            assert_array_equal(answer(again.predict, X), answer(est.predict, X))
        elif call == "clone":
            answer(clone(est).fit, X, y)
        elif call == "warm":
            answer(clone(est).set_params(warm_start=True).fit, X, y)
        elif call == "given":
            label = data.draw(st.sampled_from(["p", 0, ["p"] * n, np.nan, pd.NA, {}, [["p"]]]))
            answer(est.predict_value, X, given_class=label)
        elif call == "other X":
            answer(est.predict, data.draw(tables(data.draw(st.sampled_from([0, 1, 12])))))
        elif call == "partial_fit" and answer(est.partial_fit, X, y) is None:
            check_state(est, before)


# ------------------------------------------- what says the same gives the same
WHOLE = np.random.default_rng(1).integers(-9, 9, size=(40, 3))  # every type can hold these
SAME = {
    "float64": lambda a: a.astype(np.float64),
    "float32": lambda a: a.astype(np.float32),
    "float16": lambda a: a.astype(np.float16),
    "int8": lambda a: a.astype(np.int8),
    "big-endian": lambda a: a.astype(">f8"),
    "Fortran": np.asfortranarray,
    "strides": lambda a: a.repeat(2, axis=1)[:, ::2],
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
    "list": lambda a: a.tolist(),
    "tuples": lambda a: tuple(map(tuple, a)),
    "objects": lambda a: a.astype(object),
    "Decimal": lambda a: [[Decimal(int(v)) for v in row] for row in a],
    "frame": pd.DataFrame,
    "shuffled": lambda a: pd.DataFrame(a, index=np.random.default_rng(0).permutation(len(a))),
    "nullable": lambda a: pd.DataFrame(a).astype("Int64"),
    "nullable objects": lambda a: pd.DataFrame(a).astype("Int64").astype(object),
    "sparse columns": lambda a: pd.DataFrame(a).astype(pd.SparseDtype("float64", 1.0)),
}


@pytest.mark.parametrize("form", SAME)
@pytest.mark.parametrize("preprocess", ["auto", None])
def test_every_form_of_x_gives_the_same(form, preprocess):
    y = good_targets(40).to_dict("list")  # without an index, whose order would be compared
    est = JointRegressorClassifier.plain((4,), epochs=1, preprocess=preprocess, random_state=0)
    expected = est.fit(WHOLE, y).predict_value(WHOLE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = clone(est).fit(SAME[form](WHOLE), y).predict_value(SAME[form](WHOLE))
    assert_allclose(found, expected, rtol=1e-5)
    assert_allclose(est.predict_value(SAME[form](WHOLE)), expected, rtol=1e-5)


@pytest.mark.parametrize("form", SAME)
def test_every_form_of_y_gives_the_same(form):
    y = np.column_stack([WHOLE[:, 0] + WHOLE[:, 2], WHOLE[:, 1] > 0]).astype(np.int64)
    columns = {"value_columns": [0], "class_columns": [1]}
    est = JointRegressorClassifier.plain((4,), epochs=1, random_state=0, **columns)
    expected = est.fit(WHOLE, y).predict(WHOLE)
    same = clone(est).fit(WHOLE, SAME[form](y))
    assert_array_equal(same.predict(WHOLE).astype(float), expected)
    assert same.score(WHOLE, y) == est.score(WHOLE, SAME[form](y))


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30, 1e300, 5e-324 * 2**40])
def test_weights_count_by_their_ratios(scale):
    y, w = good_targets(40), np.random.default_rng(0).random(40) + 0.5
    est = JointRegressorClassifier.plain((4,), epochs=1, random_state=0)
    expected = est.fit(WHOLE, y, sample_weight=w).predict_value(WHOLE)
    found = est.fit(WHOLE, y, sample_weight=w * scale).predict_value(WHOLE)
    assert_allclose(found, expected, rtol=1e-4)


WARNINGS = {
    "labels": ({"y": np.arange(40)}, {}, "distinct numbers"),
    "known numbers": ({"y": good_targets(40)}, {"value_by_class": {"p": 0.0}}, "another number"),
    "rare": (
        {"y": good_targets(40)},
        {"class_weight": dict.fromkeys(["p", "q", "r", "zz"], 1)},
        "class_weight names labels",
    ),
}


@pytest.mark.parametrize("case", WARNINGS)
def test_warnings_point_to_the_line_that_called(case):
    arguments, params, message = WARNINGS[case]
    with pytest.warns(UserWarning, match=message) as caught:
        JointRegressorClassifier.plain((4,), epochs=1, **params).fit(WHOLE, **arguments)
    assert {w.filename for w in caught} == {__file__}
