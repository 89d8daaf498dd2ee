"""Sparse X: the same table in any form gives the same answers, and never becomes dense."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skjoint import JointRegressorClassifier
from skjoint._data.encoding import FeatureEncoder
from skjoint._data.features import read_features
from skjoint._engines.entries import arrays_of, most_entries, room_for, rows_at
from skjoint._prediction.blocks import SparseColumns
from skjoint.persistence import load, save, to_onnx

RNG = np.random.default_rng(0)
DENSE = np.where(RNG.random((120, 130)) < 0.1, RNG.normal(size=(120, 130)) * 3, 0.0)
DENSE[:, 7] = 0.0
DENSE[:, 8] = 2.5
NUMBER = DENSE[:, :5].sum(axis=1)
Y = pd.DataFrame({"number": NUMBER, "label": np.where(NUMBER > 0, "up", "down")})
FORMS = [
    sparse.csr_array,
    sparse.csr_matrix,
    sparse.csc_array,
    sparse.coo_matrix,
    sparse.lil_array,
    sparse.dok_array,
]


def joint(**params):
    params = {"hidden_layer_sizes": (8,), "epochs": 2, "random_state": 0, **params}
    return JointRegressorClassifier(**params)


def encoded(X, weights=None):
    features = read_features(X, encode=True)
    return FeatureEncoder.learn(features, weights).encode(features)


# ------------------------------------------------------------------------ encoding
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_is_encoded_as_a_dense_table_of_mostly_zeros(seed, is_weighted):
    rng = np.random.default_rng(seed)
    X = np.where(rng.random((20, 130)) < 0.2, rng.normal(size=(20, 130)) * 10, 0.0)
    X[rng.random((20, 130)) < 0.01] = np.nan
    weights = rng.integers(1, 4, 20).astype(float) if is_weighted else None
    found = encoded(sparse.csr_array(X), weights)
    assert found.dtype == np.float32
    assert_allclose(found.toarray(), encoded(X, weights), rtol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_all_forms_give_the_same_bits(form):
    found, expected = encoded(form(DENSE)), encoded(sparse.csr_array(DENSE))
    for name in ("data", "indices", "indptr"):
        assert_array_equal(getattr(found, name), getattr(expected, name))


def test_entries_out_of_order_and_in_parts():
    X = sparse.csr_array(DENSE)
    split = sparse.csr_array((X.data[::-1].copy(), X.indices[::-1].copy(), X.indptr), X.shape)
    split = sparse.csr_array((split.data, split.indices.astype(np.int64), split.indptr), X.shape)
    before = split.data.copy()
    read = read_features(split, encode=True).numbers
    assert_array_equal(read.toarray(), split.toarray())
    assert_array_equal(split.data, before)
    halves = sparse.coo_array(
        (np.tile(X.data / 2, 2), (np.tile(X.nonzero()[0], 2), np.tile(X.nonzero()[1], 2))), X.shape
    )
    assert_array_equal(read_features(halves, encode=True).numbers.toarray(), X.toarray())


def test_constant_columns_are_left_out():
    encoder = FeatureEncoder.learn(read_features(sparse.csr_array(DENSE), encode=True))
    assert encoder.output_shape == (128,)
    moved = DENSE.copy()
    moved[:, 7:9] = 100.0
    read = encoder.encode(encoder.read(sparse.csr_array(moved)))
    expected = encoder.encode(encoder.read(sparse.csr_array(DENSE)))
    assert_array_equal(read.toarray(), expected.toarray())


def test_report_and_declared_kinds():
    est = joint(preprocess={0: "drop", 7: "number"}).fit(sparse.csr_array(DENSE), Y)
    report = est.feature_report_
    assert report["kind"].tolist()[:2] == ["drop", "number"]
    assert report["kind"][7] == "number"
    assert report["kind"][8] == "drop"
    assert report["why"].tolist()[:2] == ["declared", "sparse"]
    assert report["why"][8] == "constant"
    assert report["width"].sum() == 128
    dense = joint(preprocess={0: "drop", 7: "number"}).fit(DENSE, Y).feature_report_
    assert report.columns.tolist() == dense.columns.tolist()
    assert report.dtypes.tolist() == dense.dtypes.tolist()
    for column in ("kind", "width", "missing"):
        assert_array_equal(report[column], dense[column])


# ------------------------------------------------------------------------- batches
@given(st.integers(0, 2**32 - 1))
def test_rows_of_a_batch(seed):
    rng = np.random.default_rng(seed)
    X = sparse.csr_array(rng.integers(0, 3, (9, 6)) * (rng.random((9, 6)) < 0.4)).astype(np.float32)
    rows = rng.integers(0, 9, rng.integers(1, 12)).astype(np.int32)
    room = room_for(int(np.diff(X.indptr)[rows].sum()))
    assert_array_equal(rows_at(arrays_of(X), rows, 6, room), X.toarray()[rows])


def test_room_for_a_batch_is_that_of_its_longest_rows():
    X = sparse.csr_array(np.tri(5))
    assert [most_entries(X, n) for n in (1, 2, 9)] == [5, 9, 15]
    assert all(n <= room_for(n) <= max(64, 9 * n / 8) for n in range(1, 2000))


@given(st.integers(1, 12))
def test_a_row_does_not_depend_on_the_rows_beside_it(n):
    X = sparse.csr_array(DENSE.astype(np.float32))
    matrix = np.random.default_rng(0).normal(size=(4, X.shape[1])).astype(np.float32)
    whole = SparseColumns(X, 8).under(matrix)
    assert_array_equal(SparseColumns(X[n : n + 3], 8).under(matrix)[:, :3], whole[:, n : n + 3])
    assert_allclose(whole[:, : len(DENSE)], matrix @ X.toarray().T, atol=1e-4)


# ----------------------------------------------------------------------- estimator
SETTINGS = {
    "default": {},
    "as it is": {"preprocess": None},
    "keras": {"engine": "keras", "validation": 0.2},
    "members": {"n_members": 2, "early_stopping": True, "n_refits": 1},
    "no hidden layer": {"hidden_layer_sizes": (), "head_link": "class_to_value"},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_learns_what_the_dense_table_teaches(name):
    X = DENSE[:, 9:] if name == "as it is" else DENSE
    est = joint(**SETTINGS[name]).fit(sparse.csr_array(X), Y)
    dense = joint(**SETTINGS[name]).fit(X, Y)
    answers = est.predict_value(sparse.csc_matrix(X))
    assert_allclose(answers, dense.predict_value(X), atol=1e-4)
    assert_allclose(est.predict_proba(sparse.csr_array(X)), dense.predict_proba(X), atol=1e-4)
    assert_array_equal(answers[5:6], est.predict_value(sparse.csr_array(X)[5:6]))
    assert_allclose(est.predict_value(X), answers, atol=1e-5)
    assert_allclose(dense.predict_value(sparse.csr_array(X)), answers, atol=1e-4)


def test_a_trunk_reads_dense_rows():
    keras = pytest.importorskip("keras")

    def build(meta):
        X = keras.Input(meta["input_shape"])
        return keras.Model(X, keras.layers.Dense(4, activation="relu")(X))

    X = sparse.csr_array(DENSE)
    est = JointRegressorClassifier(trunk=build, epochs=2, random_state=0).fit(X, Y)
    dense = JointRegressorClassifier(trunk=build, numeric_embedding=None, epochs=2, random_state=0)
    expected = dense.fit(DENSE, Y).predict_value(DENSE)
    assert_allclose(est.predict_value(X), expected, atol=1e-4)
    assert_array_equal(est.predict_value(X[3:4]), est.predict_value(X)[3:4])


def test_training_goes_on():
    X = sparse.csr_array(DENSE)
    est = joint(warm_start=True).fit(X, Y).fit(X, Y)
    assert est.n_iter_ == 4
    chunked = joint()
    for start in (0, 60):
        chunked.partial_fit(X[start : start + 60], Y[start : start + 60], classes=["down", "up"])
    chunked.partial_fit(DENSE[:60], Y[:60])
    assert chunked.predict(X).shape == (120, 2)


def test_copies_and_files(tmp_path):
    X = sparse.csr_array(DENSE)
    est = joint().fit(X, Y)
    save(est, tmp_path / "model.skjoint")
    for same in (load(tmp_path / "model.skjoint"), pickle.loads(pickle.dumps(est))):
        assert_array_equal(same.predict_value(X), est.predict_value(X))
        assert same.feature_report_.equals(est.feature_report_)
    assert_array_equal(clone(est).fit(X, Y).predict_value(X), est.predict_value(X))


def test_searches_views_and_cross_validation():
    X = sparse.csr_array(DENSE)
    search = GridSearchCV(joint(), {"epochs": [1, 2]}, cv=2).fit(X, Y)
    assert search.best_score_ == search.best_score_
    assert cross_val_predict(joint(), X, Y, cv=2).shape == (120, 2)
    assert len(search.best_estimator_.evaluate(X, Y))


def test_text_and_tables_in_front():
    words = [" ".join(RNG.choice(["red", "green", "blue", "far", "near"], 4)) for _ in range(120)]
    pipeline = make_pipeline(TfidfVectorizer(), joint()).fit(words, Y)
    assert pipeline[-1].feature_report_["width"].sum() == 5
    assert pipeline.predict(words[:1]).shape == (1, 2)
    frame = pd.DataFrame({"id": [f"k{i % 60}" for i in range(120)], "x": DENSE[:, 0]})
    encode = make_column_transformer((OneHotEncoder(), ["id"]), (StandardScaler(), ["x"]))
    assert sparse.issparse(encode.fit_transform(frame))
    assert make_pipeline(encode, joint()).fit(frame, Y).predict(frame).shape == (120, 2)


def test_onnx_reads_dense_rows(tmp_path):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    est = joint().fit(sparse.csr_array(DENSE), Y)
    to_onnx(est, tmp_path / "model.onnx")
    session = runtime.InferenceSession(tmp_path / "model.onnx")
    answers = session.run(None, {session.get_inputs()[0].name: DENSE})
    assert_allclose(np.ravel(answers[0]), est.predict_value(sparse.csr_array(DENSE)), rtol=1e-5)


# ------------------------------------------------------------------------ refusals
def test_companions_read_dense_columns():
    with pytest.raises(ValueError, match="TruncatedSVD"):
        joint(companions="forest").fit(sparse.csr_array(DENSE), Y)


def test_kinds_other_than_numbers():
    with pytest.raises(ValueError, match="'number' or 'drop' where X is sparse"):
        joint(preprocess={0: "category"}).fit(sparse.csr_array(DENSE), Y)


def test_tables_of_text_after_a_sparse_fit():
    est = joint().fit(sparse.csr_array(DENSE), Y)
    with pytest.raises(ValueError, match="X must hold numbers only"):
        est.predict(pd.DataFrame(DENSE).astype({3: str}))


def test_infinite_and_missing_entries():
    X = DENSE.copy()
    X[0, 0] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        joint().fit(sparse.csr_array(X), Y)
    X[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        joint(preprocess=None).fit(sparse.csr_array(X), Y)
