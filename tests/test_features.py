"""What X may be, and how it becomes float32."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.preprocessing import StandardScaler

from skjoint import JointRegressorClassifier
from skjoint._data import encoding as _encoding
from skjoint._data import features as _features
from skjoint._data.encoding import FeatureEncoder
from skjoint._data.features import read_features

RNG = np.random.default_rng(0)
NUMBERS = RNG.normal(5, 3, size=(30, 2))
COLOUR = np.array(["red", "green", None], dtype=object)[np.arange(30) % 3]


def read(X, encode=True):
    return read_features(X, encode=encode)


def encoded(X, X_new=None):
    encoder = FeatureEncoder.learn(read(X))
    return encoder.encode(encoder.read(X if X_new is None else X_new))


def test_numbers_are_standardised():
    assert_allclose(encoded(NUMBERS), StandardScaler().fit_transform(NUMBERS), rtol=1e-5)
    assert encoded(NUMBERS).dtype == np.float32


def test_a_gap_is_the_mean_of_its_column():
    X = NUMBERS.copy()
    X[3, 1] = np.nan
    result = encoded(X)
    assert result[3, 1] == 0
    filled = X.copy()
    filled[3, 1] = np.nanmean(X[:, 1])
    assert_allclose(encoded(X, filled)[3, 1], 0, atol=1e-6)
    # a column of gaps only is left out
    empty = np.column_stack([NUMBERS[:, 0], np.full(30, np.nan)])
    assert_array_equal(encoded(empty), encoded(NUMBERS[:, :1]))


@pytest.mark.parametrize("kind", ["object", "category", "string", "array"])
def test_text_becomes_codes(kind):
    X = pd.DataFrame({"a": NUMBERS[:, 0], "colour": COLOUR, "flag": NUMBERS[:, 1] > 5})
    X_new = X.iloc[:2].assign(colour=["green", "violet"])
    if kind == "array":
        X, X_new = X.to_numpy(), X_new.to_numpy()
    else:
        X, X_new = X.astype({"colour": kind}), X_new.astype({"colour": kind})
    result = encoded(X)
    assert result.shape == (30, 1 + 2)
    assert_array_equal(result[:, 1], np.resize([2, 1, 3], 30))  # in order, a gap is the last
    assert_array_equal(encoded(X, X_new)[:, 1], [1, 0])  # 0 is unknown


def test_nullable_and_integer_columns():
    X = pd.DataFrame({"a": pd.array([1, None, 3, 4], dtype="Int64"), "b": [1, 2, 3, 4]})
    result = encoded(X)
    assert result[1, 0] == 0
    assert_allclose(result[:, 1], StandardScaler().fit_transform(X[["b"]])[:, 0], rtol=1e-6)


def test_weights_are_repeats():
    weights = np.arange(30) % 3
    kept, X = weights > 0, read(NUMBERS)
    by_weight = FeatureEncoder.learn(X.take(kept), weights[kept].astype(float))
    by_repeat = FeatureEncoder.learn(read(NUMBERS.repeat(weights, axis=0)))
    assert_allclose(by_weight.encode(X), by_repeat.encode(X), rtol=1e-5)


@pytest.mark.parametrize("kind", ["frame", "array", "images"])
def test_many_rows_are_encoded_in_parts(kind, monkeypatch):
    X = NUMBERS.copy()
    X[3, 1] = np.nan
    if kind == "images":
        X = X.reshape(30, 2, 1)
    elif kind == "frame":  # with an index that slices by label would misread
        X = pd.DataFrame({"a": X[:, 1], "colour": COLOUR}, index=RNG.permutation(30) / 7)
    X = read_features(X, encode=True, allow_nd=True)
    encoder = FeatureEncoder.learn(X, ranks=kind != "images")
    whole = encoder.encode(X)
    monkeypatch.setattr(_encoding, "ENCODED_AT_ONCE", 7)
    assert_array_equal(encoder.encode(X), whole)


def test_as_they_are():
    X = read(NUMBERS, encode=False)
    assert X.numbers.dtype == np.float32
    assert FeatureEncoder.learn(X, enabled=False).encode(X) is X.numbers


OBJECTS = sparse.csr_matrix(np.eye(2))
OBJECTS.data = OBJECTS.data.astype(object)  # SciPy refuses to make one
ERRORS = {
    "sparse, of objects": (OBJECTS, True, ValueError, r"astype\(float\)"),
    "infinite": (np.array([[1.0, np.inf]]), True, ValueError, "infinity"),
    "infinite in a frame with text": (
        pd.DataFrame({"a": [1.0, np.inf], "b": ["x", "y"]}),
        True,
        ValueError,
        "infinity",
    ),
    "1-D": (NUMBERS[0], True, ValueError, "Reshape your data"),
    "no rows": (np.zeros((0, 2)), True, ValueError, "0 sample"),
    "no rows with text": (
        pd.DataFrame({"a": pd.Series([], dtype=object)}),
        True,
        ValueError,
        "0 sample",
    ),
    "complex": (NUMBERS * 1j, True, ValueError, "Complex data not supported"),
    "repeated names": (
        pd.DataFrame(NUMBERS, columns=["a", "a"]),
        True,
        ValueError,
        "distinct names. Repeated: \\['a'\\]",
    ),
    "gap as they are": (np.array([[1.0, np.nan]]), False, ValueError, "preprocess='auto'.*NaN"),
    "text as they are": (
        pd.DataFrame({"a": ["x"]}),
        False,
        ValueError,
        "numbers only.*preprocess='auto'.*'x'",
    ),
    "too large as they are": (np.array([[1e300]]), False, ValueError, "too large"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_bad_x(case):
    X, encode, error, message = ERRORS[case]
    with pytest.raises(error, match=f"(?s){message}"):
        FeatureEncoder.learn(read(X, encode), enabled=encode).encode(read(X, encode))


MIXED = pd.DataFrame({"a": NUMBERS[:, 0], "colour": COLOUR, "b": NUMBERS[:, 1]})


def test_features_are_numbers_and_other_columns_with_their_places():
    X = read(MIXED)
    assert_array_equal(X.numbers, NUMBERS)
    assert_array_equal(X.others[1].spread(X.others[1].values, None), COLOUR)
    assert (X.positions, list(X.others)) == ((0, 2), [1])
    assert list(X.names) == list(MIXED) == X.schema.feature_names.tolist()
    assert (len(X), X.row_shape, X.schema.n_features) == (30, (3,), 3)
    assert not read(NUMBERS).others
    assert read(NUMBERS).schema.feature_names is None


@pytest.mark.parametrize("X", [NUMBERS, MIXED, MIXED[["colour"]]], ids=["array", "mixed", "text"])
def test_features_of_some_rows_are_those_rows_read(X):
    rows = np.array([3, 1, 1, 7])
    taken, expected = read(X).take(rows), read(X[rows] if X is NUMBERS else X.iloc[rows])
    assert_array_equal(taken.numbers, expected.numbers)
    assert taken.positions == expected.positions
    assert list(taken.others) == list(expected.others)
    for position, column in taken.others.items():
        other = expected.others[position]
        entries, others = (c.spread(c.values, None).tolist() for c in (column, other))
        assert entries == others
        assert sorted(column.values) == sorted(other.values)


def test_columns_keep_the_kind_that_they_had_in_fit():
    X = pd.DataFrame({"a": NUMBERS[:, 0], "code": pd.Categorical(np.arange(30) % 3)})
    encoder = FeatureEncoder.learn(read(X))
    expected = encoder.encode(encoder.read(X))
    assert expected.shape == (30, 1 + 1)
    # an integer column of a table, and an array of floats: the same categories
    as_numbers = X.astype({"code": int})
    for again in (as_numbers, as_numbers.to_numpy()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an array has no names
            assert_array_equal(encoder.encode(encoder.read(again)), expected)
    # a column of gaps only is one of numbers where numbers were
    gaps = encoder.encode(encoder.read(X.assign(a=pd.Series([None] * 30, dtype=object))))
    assert (gaps[:, 0] == 0).all()


@pytest.mark.parametrize("X", [NUMBERS, MIXED], ids=["array", "mixed"])
def test_x_is_taken_apart_once(X, monkeypatch):
    counts = {"read_column": 0, "validate_data": 0}

    def counted(name):
        original = getattr(_features, name)

        def call(*args, **kwargs):
            counts[name] += 1
            return original(*args, **kwargs)

        return call

    for name in counts:
        monkeypatch.setattr(_features, name, counted(name))
    features = read(X)
    first = FeatureEncoder.learn(features, ranks=True).encode(features)
    assert counts == {"read_column": 3 if X is MIXED else 0, "validate_data": 1}
    monkeypatch.undo()
    encoder = FeatureEncoder.learn(read(X), ranks=True)
    assert_array_equal(encoder.encode(encoder.read(X)), first)


def test_messages_are_scikit_learns_and_name_the_owner():
    encoder = FeatureEncoder.learn(read(MIXED))
    with pytest.raises(ValueError, match="(?s)names should match those.*now missing:\n- b"):
        encoder.read(MIXED[["a", "colour"]])
    with pytest.raises(ValueError, match="same order as they were in fit"):
        encoder.read(MIXED[["colour", "a", "b"]])
    with pytest.warns(UserWarning, match="valid feature names, but Mine was fitted with feature"):
        encoder.read(MIXED.to_numpy(), owner="Mine")
    encoder = FeatureEncoder.learn(read(NUMBERS))
    message = "X has 1 features, but {} is expecting 2 features as input"
    for owner in ("JointRegressorClassifier", "Mine"):
        with pytest.raises(ValueError, match=message.format(owner)):
            encoder.read(NUMBERS[:, :1], owner=owner)
    with pytest.raises(ValueError, match=message.format("JointRegressorClassifier")):
        encoder.read(NUMBERS[:, :1])
    with pytest.warns(UserWarning, match="X has feature names, but Mine was fitted without"):
        encoder.read(pd.DataFrame(NUMBERS, columns=["a", "b"]), owner="Mine")


def test_reading_x_writes_nothing_to_the_schema_of_fit():
    encoder = FeatureEncoder.learn(read(MIXED))
    schema = encoder.schema
    assert encoder.read(MIXED).schema is schema
    with pytest.warns(UserWarning, match="valid feature names"):
        encoder.read(MIXED.to_numpy())
    assert encoder.schema is schema
    assert schema.feature_names.tolist() == list(MIXED)


def test_rows_of_another_shape_than_in_fit_are_refused():
    X = NUMBERS.reshape(10, 3, 2)
    encoder = FeatureEncoder.learn(read_features(X, encode=True, allow_nd=True))
    assert encoder.encode(encoder.read(X)).shape == (10, 3, 2)
    with pytest.raises(ValueError, match=r"rows of shape \(3, 2\), as in fit. Got \(3, 1\)"):
        encoder.encode(encoder.read(X[:, :, :1]))
    with pytest.raises(ValueError, match="Found array with dim 3.*trunk="):
        read(X)


def test_text_where_numbers_were():
    X = pd.DataFrame({"a": NUMBERS[:, 0], "b": COLOUR})
    encoder = FeatureEncoder.learn(read(X))
    with pytest.raises(ValueError, match="Column 'a' of X must hold numbers. Got 'red' instead"):
        encoder.encode(encoder.read(X.assign(a="red")))
    as_text = X.assign(a=X["a"].astype(str))
    assert_array_equal(encoder.encode(encoder.read(as_text)), encoder.encode(encoder.read(X)))


def test_entries_that_are_no_plain_ones_are_named():
    X = pd.DataFrame({"a": [1.0, 2.0] * 4, "the b": [[1], [2]] * 4})
    y = pd.DataFrame({"v": range(8), "c": ["p", "q"] * 4})
    message = "Column 'the b' of X must hold numbers, text or dates. Got entries of type list;"
    with pytest.raises(ValueError, match=message):
        JointRegressorClassifier.plain((4,), epochs=1).fit(X, y)


def test_a_table_without_columns():
    y = pd.DataFrame({"v": range(8), "c": ["p", "q"] * 4})
    for X in (pd.DataFrame(index=range(8)), np.empty((8, 0))):
        with pytest.raises(ValueError, match=r"0 feature\(s\)"):
            JointRegressorClassifier.plain((4,), epochs=1).fit(X, y)
