"""The gate for y: no network here."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal

from skjoint._data.learning import Limit, NumberRule
from skjoint._data.targets import Targets

VALUE = np.linspace(-3.0, 7.0, 20)
CODES = np.arange(20) % 3
TEXT = np.array(["a", "b", "c"], dtype=object)[CODES]


def learn(y, **declared):
    gate = Targets.learn(y, **declared)
    columns = gate.read(y)
    arrays, masks = gate.encode(columns)
    return gate, columns, arrays, masks


def frame(**columns):
    return pd.DataFrame(columns)


FORMS = {
    "two columns": (np.column_stack([VALUE, CODES]), {}, [0.0, 1.0, 2.0]),
    "two columns, object": (np.column_stack([VALUE.astype(object), TEXT]), {}, ["a", "b", "c"]),
    "two columns, stacked to text": (np.column_stack([VALUE, TEXT]), {}, ["a", "b", "c"]),
    "nested list": (
        [[v, t] for v, t in zip(VALUE.tolist(), TEXT.tolist(), strict=True)],
        {},
        ["a", "b", "c"],
    ),
    "frame, text": (frame(k=TEXT, v=VALUE), {}, ["a", "b", "c"]),
    "frame, category": (frame(k=pd.Categorical(TEXT), v=VALUE), {}, ["a", "b", "c"]),
    "frame, string dtype": (frame(k=pd.array(TEXT, dtype="string"), v=VALUE), {}, ["a", "b", "c"]),
    "frame, bool": (frame(k=CODES > 0, v=VALUE), {}, [False, True]),
    "frame, nullable bool": (
        frame(k=pd.array(CODES > 0, dtype="boolean"), v=VALUE),
        {},
        [False, True],
    ),
    "frame, int labels declared": (frame(k=CODES, v=VALUE), {"class_columns": ["k"]}, [0, 1, 2]),
    "frame, value declared": (frame(k=CODES, v=VALUE), {"value_columns": "v"}, [0, 1, 2]),
    "frame, by position": (frame(k=CODES, v=VALUE), {"class_columns": [0]}, [0, 1, 2]),
    "frame, nullable int": (
        frame(k=pd.array(CODES, dtype="Int64"), v=VALUE),
        {"class_columns": ["k"]},
        [0, 1, 2],
    ),
    "dict": ({"v": VALUE, "k": TEXT}, {}, ["a", "b", "c"]),
    "one-hot frame": (
        pd.get_dummies(pd.Series(TEXT)).astype(int).assign(v=VALUE),
        {"class_columns": [["a", "b", "c"]]},
        ["a", "b", "c"],
    ),
    "one-hot array": (
        np.column_stack([VALUE, np.eye(3)[CODES]]),
        {"class_columns": [[1, 2, 3]]},
        [0, 1, 2],
    ),
    "classes known beforehand": (
        frame(k=TEXT, v=VALUE),
        {"classes": ["d", "c", "b", "a"]},
        ["a", "b", "c", "d"],
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_arrays(form):
    y, declared, classes = FORMS[form]
    gate, columns, arrays, masks = learn(y, **declared)
    assert [t.name for t in gate.outputs] == ["value", "class"]
    assert gate.classes[0].classes.tolist() == classes
    assert_allclose(arrays[0][:, 0], (VALUE - VALUE.mean()) / VALUE.std(), rtol=1e-6)
    assert_array_equal(arrays[1], CODES > 0 if classes == [False, True] else CODES)
    assert arrays[0].dtype == np.float32
    assert arrays[1].dtype == np.int32
    assert all(mask.all() for mask in masks)
    # and back again
    assert_allclose(gate.values[0].decode(arrays[0]), VALUE, rtol=1e-6)
    assert_array_equal(gate.classes[0].classes[arrays[1]], columns[1].labels())


def test_predict_order_follows_the_columns():
    gate, *_ = learn(frame(k=TEXT, v=VALUE))
    assert [gate.outputs[i].name for i in gate.predict_order] == ["class", "value"]
    joined = gate.join({0: VALUE, 1: TEXT})
    assert joined.dtype == object
    assert joined[0].tolist() == ["a", VALUE[0]]
    numeric, *_ = learn(np.column_stack([VALUE, CODES]))
    assert numeric.join({0: VALUE, 1: CODES}).dtype == np.float64


@pytest.mark.parametrize("dtype", [np.int64, np.float64, object])
def test_one_column_of_whole_numbers_is_value_and_label(dtype):
    gate, _, arrays, _ = learn(np.repeat(CODES, 3).astype(dtype))
    assert [t.positions for t in gate.outputs] == [(0,), (0,)]
    assert gate.classes[0].source == 0
    assert_array_equal(arrays[1], np.repeat(CODES, 3))


def test_many_labels_point_to_class_bins():
    with pytest.warns(UserWarning, match="20 distinct numbers in 20 rows.*class_bins"):
        learn(np.arange(20))


MISSING = {
    "NaN": frame(k=[None, *TEXT[1:]], v=[0.5, np.nan, *VALUE[2:]]),
    "pd.NA": frame(
        k=pd.array([pd.NA, *TEXT[1:]], dtype="string"),
        v=pd.array([0.5, pd.NA, *VALUE[2:]], dtype="Float64"),
    ),
    "object array": np.array(
        [[v, k] for v, k in zip([0.5, None, *VALUE[2:]], [None, *TEXT[1:]], strict=True)],
        dtype=object,
    ),
    "stacked text": np.column_stack(
        [[0.5, np.nan, *VALUE[2:]], np.array([None, *TEXT[1:]])]
    ).astype(str),
}


@pytest.mark.filterwarnings("ignore:The entries 'nan', 'None':UserWarning")
@pytest.mark.parametrize("form", MISSING)
def test_missing_entries_are_masked(form):
    gate, columns, arrays, masks = learn(MISSING[form])
    assert masks[0].tolist() == [True, False] + [True] * 18
    assert masks[1].tolist() == [False] + [True] * 19
    assert np.isfinite(arrays[0]).all()
    assert gate.classes[0].classes.tolist() == ["a", "b", "c"]
    weights = gate.row_weights(arrays, masks)
    for w, mask in zip(weights, masks, strict=True):
        assert (w[~mask] == 0).all()
        assert_allclose(w.mean(), 1, rtol=1e-6)
    assert np.isnan(columns[0].data[1, 0])
    assert columns[1].labels()[0] is None


def test_gaps_in_whole_numbers_and_nullable_ints():
    y = np.repeat(CODES, 3).astype(float)
    y[4] = np.nan
    gate, _, _, masks = learn(y)
    assert gate.classes[0].classes.tolist() == [0, 1, 2]
    assert [mask.sum() for mask in masks] == [59, 59]
    nullable = frame(k=pd.array([None, *CODES[1:]], dtype="Int64"), v=VALUE)
    gate, *_ = learn(nullable, class_columns=["k"])
    assert gate.classes[0].classes.dtype == np.int64


def test_bands_are_numpy_digitize():
    y = np.random.default_rng(0).normal(size=200)
    gate, _, arrays, _ = learn(y, class_bins=4)
    edges = gate.classes[0].edges
    assert_allclose(edges, np.quantile(y, [0.25, 0.5, 0.75]))
    assert np.bincount(arrays[1]).tolist() == [50] * 4
    gate, _, arrays, _ = learn(y, class_bins=[-1.0, 0.0, 5.0])
    assert_array_equal(arrays[1], np.digitize(y, [-1.0, 0.0, 5.0]))
    assert gate.classes[0].classes.tolist() == [0, 1, 2, 3]
    with pytest.warns(UserWarning, match="gives only 2 band"):
        learn(np.repeat([0.0, 1.5], [30, 70]), class_bins=4)


def test_vector_of_numbers_under_one_head():
    y = frame(a=VALUE, b=2 * VALUE, k=TEXT)
    gate, _, arrays, _ = learn(y, value_columns=[["a", "b"]])
    assert arrays[0].shape == (20, 2)
    assert gate.values[0].decode(arrays[0]).shape == (20, 2)


def test_several_targets_are_named_by_column():
    y = frame(a=VALUE, b=2 * VALUE, k=TEXT, m=CODES > 0)
    gate, *_ = learn(y)
    assert [t.name for t in gate.outputs] == ["value_a", "value_b", "class_k", "class_m"]


def test_score_time_forms():
    y = frame(k=TEXT, v=VALUE)
    gate, *_ = learn(y)
    by_name = gate.read(y[["v", "k"]].assign(other=1))
    assert_array_equal(by_name[1].labels(), TEXT)
    by_position = gate.read(y.to_numpy())
    assert_allclose(by_position[0].data[:, 0], VALUE)


def test_non_negative_heads_keep_zero_in_place():
    limit = Limit("value_activation='relu'", "Use 'linear'.", low=0.0, takes_few=True)
    given = {"class_bins": 2, "number_rule": lambda width: NumberRule("zero", (limit,))}
    gate, _, arrays, _ = learn(np.abs(VALUE), **given)
    assert gate.values[0].offset == 0
    assert_allclose(arrays[0].std(), 1, rtol=1e-6)
    few = np.append(10 * np.abs(VALUE), -3)
    with pytest.warns(UserWarning, match="negative numbers, such as -3, which its value_activ"):
        learn(few, **given)
    with pytest.raises(ValueError, match=r"'value' must hold numbers of 0 and more with value_act"):
        learn(VALUE, **given)


def test_balanced_class_weights():
    y = frame(v=VALUE, k=["a"] * 15 + ["b"] * 5)
    gate, _, arrays, masks = learn(y)
    w = gate.row_weights(arrays, masks, class_weight="balanced")[1]
    assert_allclose(w[:15].sum(), w[15:].sum(), rtol=1e-6)
    w = gate.row_weights(arrays, masks, class_weight={"a": 1, "b": 9})[1]
    assert_allclose(w[-1] / w[0], 9, rtol=1e-6)
    with pytest.raises(ValueError, match="labels that y does not hold: \\['z'\\].*classes="):
        gate.row_weights(arrays, masks, class_weight={"z": 3.0})
    with pytest.warns(UserWarning, match="labels that y does not hold: \\['z'\\]"):
        gate.row_weights(arrays, masks, class_weight={"a": 1.0, "b": 9.0, "z": 3.0})


def test_weights_per_target_come_in_predict_order():
    y = frame(k=TEXT, v=VALUE)
    gate, _, arrays, masks = learn(y)
    sample_weight = np.column_stack([np.arange(20.0), np.ones(20)])
    value, label = gate.row_weights(arrays, masks, sample_weight)
    assert_allclose(value, 1)
    assert_allclose(label, np.arange(20) / 9.5, rtol=1e-6)


numbers = hnp.arrays(
    np.float64,
    st.integers(2, 40),
    elements=st.floats(-1e6, 1e6, allow_subnormal=False) | st.just(np.nan),
)


@given(numbers, st.floats(0.01, 1000), st.floats(-1e3, 1e3))
def test_scaling_the_number_changes_nothing_but_the_units(y, factor, shift):
    """Encoded targets are the same for y and factor * y + shift; decoding inverts."""
    if np.isnan(y).all() or np.nanstd(y) < 1e-3:
        y = np.append(y, [0.0, 1.0])
    declared = {"value_columns": [0], "class_columns": []}
    gate, columns, (encoded,), (mask,) = learn(y, **declared)
    scaled = learn(factor * y + shift, **declared)[2][0]
    assert_allclose(scaled, encoded, rtol=1e-3, atol=1e-3)
    assert_allclose(
        gate.values[0].decode(encoded)[mask],
        columns[0].data[mask, 0],
        rtol=1e-5,
        atol=1e-5 * np.nanmax(np.abs(y)) + 1e-12,
    )


@given(
    st.lists(st.sampled_from(["x", "y", "z", None]), min_size=3, max_size=30),
    st.lists(st.just(0.0) | st.floats(1e-6, 10), min_size=30, max_size=30),
)
def test_weights_of_a_head_have_mean_one(labels, sample_weight):
    labels = ["x", "y", *labels]
    n = len(labels)
    y = pd.DataFrame({"v": np.arange(n) + 0.5, "k": pd.Series(labels, dtype=object)})
    sample_weight = np.array([1.0, 1.0, *sample_weight])[:n]
    gate, _, arrays, masks = learn(y)
    for class_weight in (None, "balanced"):
        for w, mask in zip(
            gate.row_weights(arrays, masks, sample_weight, class_weight), masks, strict=True
        ):
            assert_allclose(w.mean(), 1, rtol=1e-5)
            assert (w[~mask] == 0).all()


ERRORS = {
    "fractions without bands": (VALUE, {}, "fractions, such as -2.*class_bins=3"),
    "labels with fractions": (np.column_stack([CODES, VALUE]), {}, "Column 1 .* fractions"),
    "text in the value column": (
        np.column_stack([TEXT, CODES.astype(object)]),
        {},
        "Column 0 of y must hold numbers to be a value. Got 'a'",
    ),
    "text alone": (TEXT, {}, "must hold numbers.*value_columns=\\[\\]"),
    "numbers only": (frame(a=VALUE, b=CODES), {}, "cannot be told apart.*class_columns=\\['b'\\]"),
    "labels only": (frame(a=TEXT, b=TEXT), {}, "cannot be told apart.*value_columns=\\['a'\\]"),
    "three columns": (np.zeros((5, 3)), {}, "3 columns of y cannot be told apart"),
    "wrong name": (
        frame(a=VALUE, b=TEXT),
        {"class_columns": ["c"]},
        "class_columns must name columns of y. Got 'c' instead; y has \\['a', 'b'\\]",
    ),
    "wrong position": (np.zeros((5, 2)), {"value_columns": [2]}, "Got 2 instead"),
    "named twice": (frame(a=VALUE, b=TEXT), {"value_columns": ["a", "a"]}, "Repeated: \\['a'\\]"),
    "nothing left": (frame(a=VALUE, b=CODES), {"value_columns": ["a", "b"]}, "leave no column"),
    "nothing declared": (VALUE, {"value_columns": [], "class_columns": []}, "not both be empty"),
    "repeated columns": (
        pd.DataFrame(np.zeros((5, 2)), columns=["a", "a"]),
        {},
        "distinct names. Repeated: \\['a'\\]",
    ),
    "one class": (frame(v=VALUE, k=["a"] * 20), {}, "holds 1 class \\('a'\\).*classes="),
    "no label": (
        frame(v=VALUE, k=[None] * 20),
        {"class_columns": ["k"]},
        "No row of y is labelled",
    ),
    "infinite": (frame(v=[np.inf, *VALUE[1:]], k=TEXT), {}, "infinity in column 'v'"),
    "infinite labels": (np.array([np.inf, 1, 2, 1]), {}, "infinity"),
    "dates": (frame(v=VALUE, k=pd.date_range("2020", periods=20)), {}, "dates or durations"),
    "complex": (CODES + 1j, {}, "Complex data not supported"),
    "mixed labels": (frame(v=VALUE, k=[1, *TEXT[1:]]), {}, "uniformly text, numbers or booleans"),
    "3-D": (np.zeros((3, 2, 2)), {}, "must be 1-D or 2-D"),
    "ragged": ([[1, 2], [3]], {}, "rows of one length"),
    "ragged dict": ({"a": VALUE, "b": TEXT[:3]}, {}, "1-D arrays of one length"),
    "None": (None, {}, "requires y to be passed"),
    "empty": ([], {}, "0 sample"),
    "classes incomplete": (
        CODES,
        {"classes": [0, 1]},
        "must hold every label of y. Missing: \\[2\\]",
    ),
    "classes of another type": (frame(v=VALUE, k=TEXT), {"classes": [0, 1]}, "of the type of y's"),
    "bands of text": (frame(v=VALUE, k=TEXT), {"class_bins": 3}, "class_bins cuts numbers"),
    "bands of a constant": (np.full(9, 1.5), {"class_bins": 3}, "finds 1 class"),
    "known number of another band": (
        VALUE,
        {"class_bins": [5.0], "value_by_class": {0: 9.0}},
        "Got 9 for 0 instead, which has label 1",
    ),
    "known number of another label": (
        np.arange(9) % 3,
        {"value_by_class": {1: 2}},
        "Got 2 for 1 instead, which has label 2",
    ),
    "unsorted edges": (VALUE, {"class_bins": [2.0, 1.0]}, "increasing sequence"),
    "one-hot with two ones": (
        np.column_stack([VALUE, np.ones((20, 2))]),
        {"class_columns": [[1, 2]]},
        "single 1 .*row 0",
    ),
}


@pytest.mark.filterwarnings("ignore:y holds .* distinct numbers")
@pytest.mark.parametrize("case", ERRORS)
def test_bad_y(case):
    y, declared, message = ERRORS[case]
    with pytest.raises(ValueError, match=message):
        learn(y, **declared)


def test_bad_y_at_score():
    gate, *_ = learn(frame(k=TEXT, v=VALUE))
    with pytest.raises(ValueError, match="labels of the type seen in fit \\(text, such as 'a'\\)"):
        gate.read(frame(k=CODES, v=VALUE))
    with pytest.raises(ValueError, match="missing: \\['v'\\]"):
        gate.read(frame(k=TEXT, w=VALUE))
    with pytest.raises(ValueError, match="must have 2 column"):
        gate.read(VALUE)
    with pytest.raises(ValueError, match="did not know: \\['z'\\].*classes="):
        gate.encode(gate.read(frame(k=["z", *TEXT[1:]], v=VALUE)))
    with pytest.raises(ValueError, match="No row with a positive weight is labelled"):
        columns = gate.read(frame(k=TEXT, v=[np.nan] * 20))
        gate.row_weights(*gate.encode(columns))


def test_weight_matrix_of_wrong_width():
    gate, _, arrays, masks = learn(frame(k=TEXT, v=VALUE))
    with pytest.raises(
        ValueError, match=r"\(n_samples, 2\).*\(class, value\). Got shape \(20, 3\)"
    ):
        gate.row_weights(arrays, masks, np.ones((20, 3)))
