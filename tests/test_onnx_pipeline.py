"""Pipelines and searches as ONNX graphs; steps that cannot be written are refused."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.cross_decomposition import PLSRegression
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import StackingClassifier
from sklearn.feature_selection import RFE, SelectFromModel, SelectKBest, f_regression
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    StandardScaler,
    TargetEncoder,
)

from conftest import make_data
from onnx_checks import SMALL, TOLERANCE, answers, assert_equal, assert_refused, mixed_data
from skjoint import JointRegressorClassifier
from skjoint.persistence import register_onnx_converter
from skjoint.views import on_class, on_value

onnxruntime = pytest.importorskip("onnxruntime")
skl2onnx = pytest.importorskip("skl2onnx")


def numbers_and_text(text_steps, **options):
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["a", "b"]),
            ("text", text_steps, ["town", "kind"]),
        ],
        **options,
    )


PIPELINES = {
    "scaler": lambda: StandardScaler(),
    "power": lambda: PowerTransformer(),
    "union": lambda: make_union(MinMaxScaler(), PowerTransformer(standardize=False)),
    "some columns": lambda: make_column_transformer(
        (SimpleImputer(strategy="median"), [0, 2]), ("passthrough", slice(2, 4))
    ),
    "one-hot": lambda: numbers_and_text(OneHotEncoder(handle_unknown="ignore")),
    "one-hot without first": lambda: numbers_and_text(OneHotEncoder(drop="first")),
    "imputed text": lambda: numbers_and_text(
        make_pipeline(
            SimpleImputer(strategy="most_frequent", missing_values=None),
            OneHotEncoder(handle_unknown="ignore"),
        )
    ),
    "ordinal": lambda: numbers_and_text(
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-5)
    ),
    "the rest": lambda: numbers_and_text("drop", remainder=OneHotEncoder(handle_unknown="ignore")),
    "nothing": lambda: "passthrough",
}
OF_NUMBERS = ("scaler", "power", "union", "some columns")


@pytest.mark.parametrize("name", PIPELINES)
def test_pipeline(name, tmp_path):
    X, y = mixed_data()
    if name in OF_NUMBERS:
        X = 1000 + 50 * make_data(80)[0]
    elif name == "the rest":
        X = X[["a", "b", "town", "kind", "level"]].assign(level=X["c"].round().clip(-1, 1))
    pipeline = make_pipeline(PIPELINES[name](), JointRegressorClassifier.plain(**SMALL)).fit(X, y)
    found = assert_equal(pipeline, X, tmp_path)
    assert list(found) == ["value", "class", "proba"]
    if name == "the rest":  # columns that are dropped are no inputs
        inputs = onnxruntime.InferenceSession(tmp_path / "model.onnx").get_inputs()
        assert [entry.name for entry in inputs] == ["a", "b", "level"]


SUPERVISED = {
    "k best": on_value(SelectKBest(f_regression, k=1)),
    "from model": on_class(SelectFromModel(LogisticRegression())),
    "recursive": on_value(RFE(Ridge(), n_features_to_select=2)),
    "pipeline": on_class(make_pipeline(StandardScaler(), SelectKBest(k=2))),
    "discriminants": on_class(LinearDiscriminantAnalysis()),
    "one discriminant": on_class(LinearDiscriminantAnalysis(solver="eigen", n_components=1)),
    "latent": on_value(PLSRegression(2)),
    "union": make_union(on_value(SelectKBest(f_regression, k=1)), on_class(SelectKBest(k=2))),
}


@pytest.mark.parametrize("name", SUPERVISED)
def test_steps_that_learn_from_one_kind(name, tmp_path):
    X, y = make_data()
    y.loc[::7, "value"] = np.nan
    pipeline = make_pipeline(SUPERVISED[name], JointRegressorClassifier.plain(**SMALL)).fit(X, y)
    assert_equal(pipeline, X, tmp_path)


def test_means_of_the_target_by_category(tmp_path):
    X, y = mixed_data()
    numbers, labels = TargetEncoder(cv=KFold(3)), TargetEncoder(cv=KFold(3))
    encode = make_column_transformer((on_value(numbers), ["kind"]), (on_class(labels), ["town"]))
    pipeline = make_pipeline(encode, JointRegressorClassifier.plain(**SMALL)).fit(X, y)
    new = X.copy()
    new.loc[:3, "town"] = "never seen"
    assert_equal(pipeline, new, tmp_path)


def test_steps_that_count_in_float32_only(tmp_path):
    X, y = make_data()
    pipeline = make_pipeline(PolynomialFeatures(2), JointRegressorClassifier.plain(**SMALL)).fit(
        X, y
    )
    found = answers(pipeline, X, tmp_path)
    numbers = pipeline.predict(X, output="value")
    assert_allclose(found["value"], numbers, atol=1e-5 * numbers.std())
    assert_array_equal(found["class"], pipeline.predict(X, output="class"))


def test_text_that_a_step_hands_on(tmp_path):
    X, y = mixed_data()
    impute = SimpleImputer(strategy="constant", fill_value="?", missing_values=None)
    X = X[["town", "kind"]].astype(object)
    assert_equal(
        make_pipeline(impute, JointRegressorClassifier.plain(**SMALL)).fit(X, y), X, tmp_path
    )


def test_several_targets_behind_a_step(tmp_path):
    X, y = make_data()
    y["the sign?"] = X[:, 3] > 0
    pipeline = make_pipeline(StandardScaler(), JointRegressorClassifier.plain(**SMALL)).fit(X, y)
    found = assert_equal(pipeline, X, tmp_path)
    assert found["class_the sign?"].dtype == bool


def test_searches(tmp_path):
    X, y = make_data()
    est = JointRegressorClassifier.plain(**SMALL)
    over = {"jointregressorclassifier__alpha": [0.0, 0.1]}
    search = GridSearchCV(make_pipeline(StandardScaler(), est), over, cv=2).fit(X, y)
    assert_equal(search, X, tmp_path)
    search = GridSearchCV(est, {"alpha": [0.0, 0.1]}, cv=2)
    assert_equal(search.fit(X, y), X, tmp_path)
    pipeline = make_pipeline(StandardScaler(), search).fit(X, y)
    inside = make_pipeline(pipeline[0], pipeline[-1].best_estimator_)
    for one, other in zip(
        answers(pipeline, X, tmp_path).values(), answers(inside, X, tmp_path).values(), strict=True
    ):
        assert_array_equal(one, other)


def test_for_those_who_call_skl2onnx(tmp_path):
    X, y = make_data()
    pipeline = make_pipeline(StandardScaler(), JointRegressorClassifier.plain(**SMALL)).fit(X, y)
    register_onnx_converter()
    register_onnx_converter()
    model = skl2onnx.to_onnx(pipeline, X[:1])
    session = onnxruntime.InferenceSession(model.SerializeToString())
    value, label, proba = session.run(["value", "class", "proba"], {"X": X})
    assert_allclose(value, pipeline.predict(X, output="value"), rtol=TOLERANCE)
    assert_array_equal(label, pipeline.predict(X, output="class"))
    assert proba.shape == (len(X), 3)


# -------------------------------------------------------------------- refusals
def numbers_beside_text():
    return make_column_transformer(("passthrough", ["a"]), ("passthrough", ["town"]))


EST = JointRegressorClassifier.plain(**SMALL)
REFUSED = {
    "a predictor as a step": (
        make_pipeline(on_class(StackingClassifier([("a", LogisticRegression())], cv=2)), EST),
        "bc",
        "StackingClassifier as a transformer",
    ),
    "unknown step": (make_pipeline(FunctionTransformer(np.exp), EST), "ab", "Function"),
    "rare labels": (
        make_pipeline(OneHotEncoder(min_frequency=9, sparse_output=False), EST),
        ["town"],
        "min_frequency",
    ),
    "indicator": (make_pipeline(SimpleImputer(add_indicator=True), EST), "ab", "add_indicator"),
    "both kinds": (make_pipeline(numbers_beside_text(), EST), ["a", "town"], "numbers or text"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_steps_that_cannot_be_written_are_refused(name, tmp_path):
    assert_refused(*REFUSED[name], tmp_path)
