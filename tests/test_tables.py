"""Any table as it is: the kind of every column, and what it means for predictions."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score

from skjoint import JointRegressorClassifier
from skjoint._data.encoding import FeatureEncoder
from skjoint._data.features import read_features
from skjoint._prediction import fitted_model as _fitted_model
from skjoint.persistence import load, save, to_onnx

N = 240
RNG = np.random.default_rng(0)
EFFECTS = RNG.normal(size=40)
TOWNS = np.arange(N) % 40
WORDS = np.array(["network", "printer", "paper", "login", "screen", "mouse", "cable", "email"])


def notes():
    picks = RNG.integers(0, len(WORDS), size=(N, 8))
    return [" ".join(WORDS[row]) for row in picks]


def table():
    when = pd.Timestamp("2024-01-01") + pd.to_timedelta(RNG.integers(0, 10_000, N), "h")
    return pd.DataFrame(
        {
            "x": RNG.normal(size=N),
            "zip": [f"{10_000 + town}" for town in TOWNS],
            "size": pd.Categorical(RNG.choice(["s", "m", "l"], N)),
            "flag": RNG.random(N) > 0.5,
            "when": when,
            "note": notes(),
            "same": 1.0,
        }
    )


X = table()
NUMBER = X["x"] + EFFECTS[TOWNS] + X["flag"]
Y = pd.DataFrame({"number": NUMBER, "label": np.where(NUMBER > 0.5, "high", "low")})
ID = [f"u{i:05}" for i in RNG.permutation(N)]


def small(**params):
    defaults = {"epochs": 2, "random_state": 0, "batch_size": 32}
    return JointRegressorClassifier((8,), **{**defaults, **params})


def kinds(est):
    return est.feature_report_.set_index("column")["kind"].to_dict()


FITTED = small().fit(X, Y)


def test_the_report_shows_what_became_of_each_column():
    report = FITTED.feature_report_
    assert list(report) == ["column", "kind", "why", "levels", "width", "missing"]
    assert kinds(FITTED) == {
        "x": "number",
        "zip": "category",
        "size": "category",
        "flag": "category",
        "when": "date",
        "note": "text",
        "same": "drop",
    }
    by_name = report.set_index("column")
    assert by_name.loc["zip", "levels"] == 40
    assert by_name.loc[["size", "flag", "same"], "width"].tolist() == [3, 2, 0]
    units = FITTED.network_.layers()[0].n_units
    assert by_name["width"].sum() == units
    assert "note" in FITTED._repr_html_()
    assert "Columns of X" not in small()._repr_html_()


def test_what_is_declared_is_not_guessed():
    est = small(preprocess={"zip": "number", "note": "drop", 2: "category", "same": "number"})
    est.fit(X, Y)
    assert kinds(est) == kinds(FITTED) | {"zip": "number", "note": "drop", "same": "number"}
    assert (est.feature_report_["why"] == "declared").sum() == 4
    again = clone(est).fit(X, Y)
    assert_array_equal(again.predict(X), est.predict(X))
    assert_array_equal(est.predict(X.assign(note=0)), est.predict(X))


def test_a_number_may_be_declared_a_category():
    codes = pd.DataFrame({"x": X["x"], "code": TOWNS})
    est = small(preprocess={"code": "category"}, epochs=60, learning_rate=0.02).fit(codes, Y)
    assert est.evaluate(codes, Y)["value_r2"] > 0.9
    as_text = codes.assign(code=codes["code"].astype(str))
    assert_array_equal(est.predict(as_text), est.predict(codes))
    by_position = small(preprocess={1: "category"}).fit(codes.to_numpy(), Y)
    by_name = small(preprocess={"code": "category"}).fit(codes, Y)
    assert_array_equal(by_position.predict(codes.to_numpy()), by_name.predict(codes))


def test_ids_are_left_out_with_one_warning_that_says_how_to_keep_them():
    with pytest.warns(UserWarning, match=r"'id'.*preprocess={'id': 'category'}") as caught:
        est = small().fit(X.assign(id=ID), Y)
    assert len(caught) == 1
    assert kinds(est)["id"] == "drop"
    assert_array_equal(est.predict(X.assign(id="new")), est.predict(X.assign(id=ID)))
    kept = small(preprocess={"id": "category"}).fit(X.assign(id=ID), Y)
    assert kinds(kept)["id"] == "category"


def test_a_constant_column_moves_nothing():
    for same in (1.0, "text", np.nan, None, pd.Timestamp("2024-05-01"), True):
        constant = X.drop(columns="same").assign(same=pd.Series([same] * N))
        est = small().fit(constant, Y)
        for other in (7.0, "other"):
            assert_array_equal(est.predict(constant.assign(same=other)), est.predict(constant))


def test_the_last_column_left_stays():
    est = small().fit(pd.DataFrame({"a": np.ones(N), "b": np.ones(N)}), Y)
    assert kinds(est) == {"a": "drop", "b": "number"}
    est = small().fit(pd.DataFrame({"id": ID}), Y)
    assert kinds(est) == {"id": "category"}


def test_chunks_leave_no_column_out():
    est = small().partial_fit(X.assign(id=ID), Y, classes=["high", "low"])
    assert "drop" not in kinds(est).values()
    est.partial_fit(X.assign(id=ID[::-1]), Y)
    assert np.isfinite(est.predict_value(X.assign(id=ID))).all()


@pytest.mark.parametrize("engine", ["fused", "keras"])
def test_many_levels_are_learned_by_both_engines_alike(engine):
    est = small(epochs=60, engine=engine, learning_rate=0.02, batch_size=16)
    est.fit(X[["x", "zip", "flag"]], Y)
    found = est.evaluate(X[["x", "zip", "flag"]], Y)
    assert found["value_r2"] > 0.9
    assert found["class_accuracy"] > 0.9


def test_engines_agree_on_embeddings():
    columns = ["x", "zip", "flag"]
    fused, by_keras = (small(engine=e, epochs=3).fit(X[columns], Y) for e in ("fused", "keras"))
    assert_allclose(fused.predict_value(X[columns]), by_keras.predict_value(X[columns]), atol=1e-4)
    encoded = fused._model.encode(X[columns])
    value, proba = fused.model_.predict(encoded, verbose=0)
    target = fused._model.targets.values[0]
    assert_allclose(target.decode(value), fused.predict_value(X[columns]), atol=1e-5)
    assert_allclose(proba, fused.predict_proba(X[columns]), atol=1e-6)


def test_a_level_of_few_rows_is_learned_by_heart_no_more():
    """100 levels without an effect: they must not cost what the number tells."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=1500)
    table = pd.DataFrame({"x": x, "plane": [f"N{i}" for i in rng.permutation(1500) % 100]})
    label = np.where(x + rng.normal(size=1500) > 0, "late", "on time")
    y = pd.DataFrame({"number": x + rng.normal(size=1500), "label": label})
    loss = {}
    for alpha in ("auto", 0.0001):
        est = JointRegressorClassifier(alpha=alpha, random_state=0).fit(table[:1000], y[:1000])
        loss[alpha] = est.evaluate(table[1000:], y[1000:])["class_log_loss"]
    assert loss["auto"] < 0.97 * loss[0.0001]


def test_levels_that_fit_has_not_met_are_as_rare_ones():
    rare = X.assign(zip=[f"z{t}" if i >= 3 else f"once{i}" for i, t in enumerate(TOWNS)])
    columns = ["x", "zip"]
    est = small().fit(rare[columns], Y)
    first = rare[columns].iloc[:3].assign(x=0.0)
    assert len(np.unique(est.predict_value(first))) == 1
    assert_array_equal(est.predict(first.assign(zip="never seen")), est.predict(first))


def test_weights_are_repeats_of_rows():
    weights = RNG.integers(0, 3, size=N)
    rows = np.repeat(np.arange(N), weights)
    features = read_features(X, encode=True)
    kept = np.flatnonzero(weights)
    weighed = FeatureEncoder.learn(features.take(kept), weights[kept].astype(float), ranks=True)
    repeated = FeatureEncoder.learn(features.take(rows), ranks=True)
    skipped = ["note"]  # a sample of distinct texts, whatever their weights
    some = [i for i, name in enumerate(X) if name not in skipped]
    assert [weighed.guesses[i].kind for i in some] == [repeated.guesses[i].kind for i in some]
    assert_allclose(weighed.encode(features)[:, :20], repeated.encode(features)[:, :20], atol=1e-5)
    assert weighed.n_codes == repeated.n_codes


def test_what_is_read_survives_files_pickles_and_one_row(tmp_path):
    save(FITTED, tmp_path / "m")
    expected = FITTED.predict(X)
    for est in (load(tmp_path / "m"), pickle.loads(pickle.dumps(FITTED))):
        assert_array_equal(est.predict(X), expected)
        pd.testing.assert_frame_equal(est.feature_report_, FITTED.feature_report_)
    for i in (0, 17):
        assert_array_equal(FITTED.predict(X.iloc[[i]]), expected[[i]])
    assert_array_equal(FITTED.predict(X.iloc[5:9]), expected[5:9])


def test_columns_may_come_in_other_types():
    others = {
        "x": X["x"].astype(str),
        "zip": X["zip"].astype(int),
        "size": X["size"].astype(str),
        "flag": X["flag"].astype(str),
        "when": X["when"].dt.strftime("%Y-%m-%d %H:%M:%S"),
        "note": X["note"].astype("category"),
        "same": "anything",
    }
    expected = FITTED.predict(X)
    for name, column in others.items():
        assert_array_equal(FITTED.predict(X.assign(**{name: column})), expected, err_msg=name)


def test_numbers_with_a_decimal_comma():
    text = X[["x"]].assign(other=X["x"] * 2).astype(str)
    text = text.apply(lambda column: column.str.replace(".", ","))
    with pytest.warns(UserWarning, match=r"'(x|other)' of X is text and read as numbers"):
        est = small().fit(text, Y)
    numbers = X[["x"]].assign(other=X["x"] * 2)
    expected = small().fit(numbers, Y).predict_value(numbers)
    assert_allclose(est.predict_value(text), expected, rtol=1e-6)


def test_searches_and_folds_take_any_table():
    assert np.isfinite(cross_val_score(small(), X, Y, cv=3)).all()
    grid = {"preprocess": ["auto", {"note": "drop"}]}
    search = GridSearchCV(small(), grid, cv=2).fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_onnx_is_exact_or_names_the_column(tmp_path):
    ort = pytest.importorskip("onnxruntime")
    columns = ["x", "zip", "size", "flag", "same"]
    est = small().fit(X[columns], Y)
    to_onnx(est, tmp_path / "m.onnx")
    session = ort.InferenceSession(str(tmp_path / "m.onnx"))
    feed = {}
    for one in session.get_inputs():
        column = X[[one.name]].astype(str if one.type == "tensor(string)" else float)
        feed[one.name] = column.to_numpy(dtype=object if one.type == "tensor(string)" else float)
    value, label, _ = session.run(None, feed)
    assert_array_equal(value.ravel(), est.predict_value(X[columns]))
    assert_array_equal(label.ravel().astype(str), est.predict_class(X[columns]).astype(str))
    codes = pd.DataFrame({"x": X["x"], "code": np.where(TOWNS == 3, np.nan, TOWNS)})
    est = small(preprocess={"code": "category"}).fit(codes, Y)
    to_onnx(est, tmp_path / "c.onnx")
    session = ort.InferenceSession(str(tmp_path / "c.onnx"))
    later = codes.assign(code=np.where(TOWNS < 5, 0.5, codes["code"]))
    for rows in (codes, later):
        feed = {name: rows[[name]].to_numpy() for name in rows}
        assert_array_equal(session.run(None, feed)[0].ravel(), est.predict_value(rows))
    for name, kind in (("when", "date"), ("note", "text")):
        est = small().fit(X[["x", name]], Y)
        with pytest.raises(NotImplementedError, match=f"kind '{kind}', here \\['{name}'\\]"):
            to_onnx(est, tmp_path / "n.onnx")


def test_a_wide_table_of_zeros_keeps_its_width():
    zeros = np.where(RNG.random((N, 150)) < 0.1, RNG.random((N, 150)), 0)
    est = small().fit(zeros, Y)
    assert est.network_.n_inputs == 150
    assert (est.feature_report_["width"] == 1).all()


BAD = {
    "no column": ({"zap": "drop"}, "names no column of X: 'zap'. Did you mean 'zip'"),
    "no kind": ({"zip": "categorical"}, "one of the kinds.*'category'"),
    "all dropped": (dict.fromkeys(X, "drop"), "must leave a column"),
    "text as numbers": ({"size": "number"}, "'size' of X must hold numbers.*'[sml]'"),
    "text as dates": ({"zip": "date"}, "'zip' of X must hold dates"),
    "numbers as dates": ({"x": "date"}, "'x' of X must hold dates"),
    "dates as numbers": ({"when": "number"}, "'when' of X must hold numbers"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_kinds(case):
    preprocess, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        small(preprocess=preprocess).fit(X, Y)


def test_an_empty_vocabulary():
    with pytest.raises(ValueError, match="'dots' of X must hold text with letters"):
        small(preprocess={"dots": "text"}).fit(X.assign(dots=["...", "-"] * (N // 2)), Y)


@pytest.mark.parametrize(
    ("name", "entry", "message"),
    [
        ("x", "much", "Column 'x' of X must hold numbers. Got 'much'"),
        ("x", pd.Timestamp("2024-01-01"), "Column 'x' of X must hold numbers"),
        ("when", 5.0, "Column 'when' of X must hold dates"),
        ("when", "soon", "Column 'when' of X must hold dates.*'soon'"),
    ],
)
@pytest.mark.parametrize("n_rows", [1, 40])
def test_entries_of_another_kind_at_predict(name, entry, message, n_rows):
    with pytest.raises(ValueError, match=message):
        FITTED.predict(X[:n_rows].assign(**{name: pd.Series([entry] * n_rows)}))


def test_gaps_in_every_column_at_predict():
    gaps = X.assign(**dict.fromkeys(X))
    found = FITTED.predict_value(gaps)
    assert np.isfinite(found).all()
    assert len(np.unique(found)) == 1


def test_nothing_warns_of_a_plain_table():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small().fit(X, Y).predict(X)


def test_many_rows_are_encoded_and_predicted_in_parts(monkeypatch):
    expected = FITTED.predict(X)
    monkeypatch.setattr(_fitted_model, "ENCODED_AT_ONCE", 50)
    assert_array_equal(FITTED.predict(X), expected)
    assert_array_equal(FITTED.predict_proba(X)[::7], FITTED.predict_proba(X[::7]))
    later = X.assign(zip=["new"] * 100 + X["zip"].tolist()[100:])
    FITTED.predict(later)  # no warning of a part whose levels are all unknown


def test_a_column_of_other_levels_is_noticed_where_fit_met_rare_ones():
    rare = X[["x"]].assign(zip=[f"z{t}" if i >= 3 else f"once{i}" for i, t in enumerate(TOWNS)])
    est = small().fit(rare, Y)
    for n_rows in (10, 200):
        with pytest.warns(UserWarning, match=f"None of the {n_rows} entries of column 'zip'"):
            est.predict(rare[:n_rows].assign(zip="other"))
