"""Linked heads, numbers by class, several targets: laws that hold in both engines."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score

from conftest import make_data
from skjoint import JointRegressorClassifier
from skjoint.persistence import to_onnx

SMALL = {"hidden_layer_sizes": (12, 8), "epochs": 4, "random_state": 0}
LINKS = ["class_to_value", "value_to_class", "mixture"]


def zero_inflated(n_samples=400, seed=0):
    """A number that is 0 for one label and depends on X for the others."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, 3))
    label = np.where(X[:, 0] + 0.5 * rng.normal(size=n_samples) > 0, "some", "none")
    value = np.where(label == "none", 0.0, 10 + 3 * X[:, 1])
    return X, pd.DataFrame({"value": value, "label": label})


def assert_same_training(one, other):
    for name in one.history_:
        assert_allclose(one.history_[name], other.history_[name], rtol=1e-4, err_msg=name)
    for a, b in zip(one._model.network.weights, other._model.network.weights, strict=True):
        assert_allclose(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*another number than value_by_class")
@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("several", [False, True])
def test_engines_agree(link, several):
    X, y = make_data(130)
    y.loc[:9, "value"] = np.nan
    y.loc[5:19, "label"] = None
    if several:
        y["other"] = X[:, 2] * 1000.0
    options = {"value_layer_sizes": 5, "validation": 0.2, "value_by_class": {"low": 90.0}}
    est = JointRegressorClassifier(**SMALL, **options, head_link=link)
    fits = {engine: clone(est).set_params(engine=engine).fit(X, y) for engine in ("keras", "fused")}
    assert_same_training(fits["keras"], fits["fused"])


@pytest.mark.parametrize("link", LINKS)
def test_numpy_predicts_what_the_keras_model_predicts(link):
    X, y = make_data()
    y["other"] = X[:, 2] * 1000.0
    est = JointRegressorClassifier(**SMALL, head_link=link, preprocess=None).fit(X, y)
    outputs = [np.asarray(output) for output in est.model_(X.astype(np.float32))]
    scales = np.concatenate([t.scale for t in est._model.targets.values])
    offsets = np.concatenate([t.offset for t in est._model.targets.values])
    values = np.column_stack(outputs[:2]) * scales + offsets
    assert_allclose(est.predict_value(X), values, rtol=1e-4, atol=1e-3)
    assert_allclose(est.predict_proba(X), outputs[2], atol=1e-5)
    for rows in (slice(0, 1), slice(5, 30)):
        assert_array_equal(est.predict_value(X[rows]), est.predict_value(X)[rows])
    again = pickle.loads(pickle.dumps(est))
    assert_array_equal(again.predict(X), est.predict(X))


def test_a_link_makes_the_one_head_depend_on_the_other():
    """What one head learns reaches the other: without its labels the answers change."""
    X, y = make_data()
    blind = y.assign(label=np.where(np.arange(len(y)) < 60, "low", "top"))
    for link, changes in (("class_to_value", True), ("mixture", True), (None, False)):
        est = JointRegressorClassifier.plain((), head_link=link, epochs=3, random_state=0)
        same = np.array_equal(
            clone(est).fit(X, y[["value", "label"]].assign(label=blind["label"])).predict_value(X),
            clone(est).fit(X, blind.assign(label=blind["label"][::-1].to_numpy())).predict_value(X),
        )
        assert same != changes


class TestMixture:
    def fitted(self, engine="auto", **options):
        """The number is 100 higher in class b, and the class is half chance."""
        rng = np.random.default_rng(0)
        X = rng.normal(size=(1500, 3))
        label = np.where(X[:, 0] + rng.normal(size=1500) > 0, "b", "a")
        value = 10 * X[:, 1] + np.where(label == "b", 100.0, 0.0) + rng.normal(size=1500)
        y = pd.DataFrame({"value": value, "label": label})
        est = JointRegressorClassifier(
            head_link="mixture", epochs=30, random_state=0, engine=engine, **options
        )
        return est.fit(X, y), X, y

    def test_numbers_by_class(self):
        est, X, y = self.fitted()
        a, b = (est.predict_value(X, given_class=label) for label in "ab")
        assert np.sqrt(np.mean((a - 10 * X[:, 1]) ** 2)) < 5
        assert np.sqrt(np.mean((b - 100 - 10 * X[:, 1]) ** 2)) < 5
        assert abs(np.mean(b - a) - 100) < 3
        proba = est.predict_proba(X)
        assert_allclose(est.predict_value(X), proba[:, 0] * a + proba[:, 1] * b, rtol=1e-4)
        own = est.predict_value(X, given_class=y["label"])
        assert_array_equal(own, np.where(y["label"] == "b", b, a))
        assert_array_equal(est.predict_value(X[:1], given_class="a"), a[:1])

    @pytest.mark.filterwarnings("ignore:.*another number than value_by_class")
    def test_known_numbers_enter_the_mean(self):
        est, X, _ = self.fitted(value_by_class={"a": 7.0})
        assert_allclose(est.predict_value(X, given_class="a"), 7.0)
        proba = est.predict_proba(X)
        b = est.predict_value(X, given_class="b")
        assert_allclose(est.predict_value(X), proba[:, 0] * 7 + proba[:, 1] * b, rtol=1e-4)

    def test_validation_does_not_know_the_label(self):
        est, _, _ = self.fitted(validation=0.5)
        assert est.history_["val_value_loss"][-1] > 2 * est.history_["value_loss"][-1]

    def test_what_it_refuses(self):
        est, X, y = self.fitted()
        with pytest.raises(ValueError, match=r"given_class must hold labels.*\['z'\]; known: \['a"):
            est.predict_value(X, given_class="z")
        with pytest.raises(ValueError, match=r"given_class must be one label or have shape \(1500"):
            est.predict_value(X, given_class=["a", "b"])
        plain = JointRegressorClassifier(epochs=1).fit(X, y)
        with pytest.raises(ValueError, match="head_link='mixture', or with value_by_class"):
            plain.predict_value(X, given_class="a")
        two = y.assign(more=y["label"])
        with pytest.raises(ValueError, match="needs exactly one class target"):
            JointRegressorClassifier(head_link="mixture").fit(X, two)
        with pytest.raises(ValueError, match="head_link='mixture' needs a value and a class"):
            JointRegressorClassifier(head_link="mixture", value_columns=[]).fit(X, y[["label"]])
        with pytest.raises(ValueError, match="'head_link' parameter.*must be"):
            JointRegressorClassifier(head_link="both").fit(X, y)


class TestValueByClass:
    def test_the_number_follows_the_class(self):
        X, y = zero_inflated()
        est = JointRegressorClassifier(value_by_class={"none": 0}, epochs=20, random_state=0)
        est.fit(X, y)
        labels, values = est.predict_class(X), est.predict_value(X)
        assert (values[labels == "none"] == 0).all()
        assert (values[labels == "some"] != 0).all()
        assert_array_equal(est.predict(X, output="value"), values)
        assert_array_equal(est.predict(X)[:, 0].astype(float), values)
        assert (est.predict_value(X, given_class="none") == 0).all()
        assert_array_equal(
            est.predict_value(X, given_class="some")[labels == "some"], values[labels == "some"]
        )

    @pytest.mark.parametrize("link", [None, "class_to_value", "mixture"])
    def test_rows_of_the_label_do_not_train_the_value_head(self, link):
        X, y = zero_inflated()
        est = JointRegressorClassifier(
            **SMALL, value_by_class={"none": 0.0}, head_link=link, value_layer_sizes=4
        )
        other = y.assign(value=y["value"].where(y["label"] != "none", -1e6))
        gone = y.assign(value=y["value"].where(y["label"] != "none"))
        one, three = (clone(est).fit(X, target) for target in (y, gone))
        with pytest.warns(UserWarning, match=r"'none' have another number.*such as -1e\+06 inst"):
            two = clone(est).fit(X, other)
        assert one.history_ == two.history_ == three.history_
        assert_array_equal(one.predict_value(X), two.predict_value(X))

    def test_scaling_is_learned_from_the_rest(self):
        X, y = zero_inflated()
        est = JointRegressorClassifier(epochs=1, value_by_class={"none": 0.0}).fit(X, y)
        some = y.loc[y["label"] == "some", "value"]
        assert_allclose(est._model.targets.values[0].offset, some.mean())

    def test_in_search_and_cross_validation(self):
        X, y = zero_inflated(120)
        est = JointRegressorClassifier(**SMALL)
        search = GridSearchCV(
            est,
            {"value_by_class": [None, {"none": 0.0}], "head_link": [None, "mixture"]},
            cv=2,
            error_score="raise",
        ).fit(X, y)
        assert len(search.cv_results_["params"]) == 4
        scores = cross_val_score(est.set_params(**search.best_params_), X, y, cv=2)
        assert np.isfinite(scores).all()

    @pytest.mark.parametrize(
        ("constants", "message"),
        [
            ({"nobody": 0.0}, r"names labels that y does not hold: \['nobody'\]. Known labels"),
            ({"none": "zero"}, "must hold finite numbers. Got 'zero'"),
            ({"none": 0.0, "some": 1.0}, "must leave a label whose number is to be learned"),
        ],
    )
    def test_what_it_refuses(self, constants, message):
        with pytest.raises(ValueError, match=message):
            JointRegressorClassifier(value_by_class=constants).fit(*zero_inflated(50))

    def test_needs_one_value_and_one_class(self):
        X, y = zero_inflated(50)
        with pytest.raises(ValueError, match="needs a value and exactly one class"):
            JointRegressorClassifier(value_by_class={"none": 0.0}, value_columns=[]).fit(
                X, y[["label"]]
            )


class TestSeveralTargets:
    """Two classifiers and a regressor; three numbers and a binary label; one kind alone."""

    def test_two_labels_and_a_number(self):
        X, y = make_data()
        y["sign"] = np.where(X[:, 3] > 0, "plus", "minus")
        est = JointRegressorClassifier.plain((32,), epochs=40, learning_rate=0.01, random_state=0)
        est.fit(X, y)
        assert est.predict(X).shape == (120, 3)
        assert est.predict_value(X).shape == (120,)
        assert est.predict_class(X).shape == (120, 2)
        assert [p.shape for p in est.predict_proba(X)] == [(120, 3), (120, 2)]
        assert [c.tolist() for c in est.classes_] == [["low", "mid", "top"], ["minus", "plus"]]
        metrics = est.evaluate(X, y)
        assert metrics["class_label_accuracy"] > 0.8
        assert metrics["class_sign_accuracy"] > 0.8
        assert metrics["value_value_r2"] > 0.8
        assert {"value_value_loss", "class_label_accuracy", "class_sign_loss"} <= set(est.history_)
        assert_allclose(metrics["score"], est.score(X, y))
        assert np.isfinite(cross_val_score(clone(est).set_params(epochs=2), X, y, cv=3)).all()

    def test_three_numbers_never_negative_and_a_binary_label(self):
        X, _ = make_data()
        counts = pd.DataFrame(np.abs(X[:, :3]) * [1, 10, 1000], columns=["a", "b", "c"])
        counts["seen"] = X[:, 3] > 0
        est = JointRegressorClassifier(epochs=20, value_activation="relu", random_state=0)
        est.fit(X, counts)
        values = est.predict_value(X)
        assert values.shape == (120, 3)
        assert (values >= 0).all()
        assert est.predict_proba(X).shape == (120, 2)
        assert set(est.evaluate(X, counts)) >= {"value_a_r2", "value_c_mae", "class_seen_log_loss"}

    @pytest.mark.parametrize("kind", ["value", "class"])
    def test_one_kind_alone(self, kind):
        X, y = make_data()
        columns = {"value_columns": ["value"], "class_columns": ["label"]}
        columns |= {"value": {"class_columns": []}, "class": {"value_columns": []}}[kind]
        est = JointRegressorClassifier(**SMALL, **columns).fit(X, y)
        assert est.predict(X).shape == (120, 1)
        assert np.isfinite(est.score(X, y))
        missing = {"value": est.predict_class, "class": est.predict_value}[kind]
        with pytest.raises(AttributeError, match="trained without a"):
            missing(X)


class TestKnownNumbersInTheMean:
    def test_validation_judges_all_rows(self):
        """The mean is held against all numbers, the known ones too."""
        X, y = zero_inflated(600)
        est = JointRegressorClassifier.plain(
            (16,),
            head_link="mixture",
            value_by_class={"none": 0.0},
            validation=0.5,
            epochs=15,
            random_state=0,
        ).fit(X, y)
        plain = clone(est).set_params(value_by_class=None).fit(X, y)
        known, learned = (e.history_["val_value_mae"][-1] for e in (est, plain))
        assert known < 1.5 * learned

    def test_rows_without_label_and_with_the_constant(self):
        """Without a mixture they count as of that label; the mixture learns from them."""
        X, y = zero_inflated()
        y.loc[::2, "label"] = None
        for link, same in ((None, True), ("mixture", False)):
            est = JointRegressorClassifier(
                **SMALL, value_by_class={"none": 0.0}, head_link=link
            ).fit(X, y)
            gone = y.assign(value=y["value"].where(y["label"].notna() | (y["value"] != 0)))
            other = clone(est).fit(X, gone)
            assert (est.history_["value_loss"] == other.history_["value_loss"]) == same

    def test_must_stay_when_training_continues(self):
        X, y = zero_inflated()
        est = JointRegressorClassifier(**SMALL, value_by_class={"none": 0.0}).fit(X, y)
        with pytest.raises(ValueError, match="value_by_class must stay as it is"):
            est.set_params(value_by_class={"none": 99.0}).partial_fit(X, y)

    def test_given_class_needs_numbers_by_class(self):
        X, y = make_data()
        est = JointRegressorClassifier(**SMALL, value_by_class={"low": 80.0})
        with pytest.warns(UserWarning, match="rows of label 'low' have another number"):
            est.fit(X, y)
        with pytest.raises(ValueError, match="for all labels but one"):
            est.predict_value(X, given_class="mid")


MIXTURES = {
    "one": {},
    "members": {"n_members": 3},
    "temperature": {"n_members": 2, "calibration": "temperature", "validation": 0.3},
    "by head": {
        "n_members": 2,
        "n_refits": 1,
        "early_stopping": "by_head",
        "calibration": "temperature",
        "epochs": 12,
    },
    "companions": {"n_members": 2, "companions": ("forest",), "calibration": "temperature"},
    "known": {"value_by_class": {"none": 0.0}, "n_members": 2, "calibration": "temperature"},
    "softplus": {"value_activation": "softplus", "n_members": 2, "calibration": "temperature"},
    "vectors": {"value_columns": [["value", "more"]], "n_members": 2, "calibration": "temperature"},
}


@pytest.mark.parametrize("name", MIXTURES)
def test_the_number_of_a_mixture_is_the_mean_under_the_probabilities(name, tmp_path):
    X, y = zero_inflated(150)
    y["value"] += 0.1
    if name == "vectors":
        y["more"] = 2 * X[:, 0]
    if name == "known":
        y.loc[y["label"] == "none", "value"] = 0.0
    est = JointRegressorClassifier(**{**SMALL, "head_link": "mixture", **MIXTURES[name]}).fit(X, y)

    def mean(proba):
        by_class = [est.predict_value(X, given_class=label) for label in est.classes_]
        shares = proba.T if by_class[0].ndim == 1 else proba.T[:, :, None]
        return sum(share * number for share, number in zip(shares, by_class, strict=True))

    found = est.predict_value(X)
    assert_allclose(mean(est.predict_proba(X)), found, rtol=1e-10)
    assert_allclose(est.predict(X, output="value"), found, rtol=1e-12)
    onnxruntime = pytest.importorskip("onnxruntime")
    to_onnx(est, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    outputs = [output.name for output in session.get_outputs()]
    answers = session.run(None, {session.get_inputs()[0].name: X.astype(np.float64)})
    answers = dict(zip(outputs, answers, strict=True))
    assert_allclose(answers[est.value_names_[0]], found, rtol=1e-4, atol=1e-5)
    assert_allclose(answers["proba"], est.predict_proba(X), atol=1e-5)
