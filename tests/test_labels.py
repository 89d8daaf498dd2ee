"""Labels survive every border that they cross, or an error names the label."""

import itertools
import json
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from conftest import small
from skjoint._cli import main
from skjoint._cli.parser import make_parser
from skjoint._cli.task import csv_task
from skjoint._data.exact import as_array, common_dtype, concatenated, is_equal, places
from skjoint._data.read_y import read_table
from skjoint._data.targets import ClassTarget, Column, Targets
from skjoint.metrics import agreement_score, expected_calibration_error, joint_score
from skjoint.model_selection import class_scorer, joint_cross_val_predict
from skjoint.persistence import load, save, to_onnx

B = 2**53  # the first whole number whose successor is no float64
KINDS = {
    "whole numbers": np.array([0, 1, 2]),
    "small whole numbers": np.array([1, 2, 3], np.uint8),
    "beyond 2**53": np.array([B, B + 1, B + 2]),
    "below -2**53": np.array([-B - 2, -B - 1, -B]),
    "ends of int64": np.array([-(2**63), 0, 2**63 - 1]),
    "beyond 2**63": np.array([2**63, 2**63 + 1, 2**64 - 1], np.uint64),
    "uint64 of both halves": np.array([B, B + 1, 2**63 + 1], np.uint64),
    "floats": np.array([-1.0, 0.0, 2.0]),
    "large floats": np.array([float(B), B + 2.0, 2.0**60]),
    "float32": np.array([1, 2, 2**24], np.float32),
    "booleans": np.array([False, True]),
    "text": ["a", "b", "c"],
    "digits": ["0", "1", "10"],
    "codes": ["0007", "007", "7"],
    "numbers as text": ["1", "1.0", "1e0"],
    "large numbers as text": [str(B), str(B + 1), str(2**64)],
    "words for gaps": ["NA", "None", "nan"],
    "words for booleans": ["False", "TRUE", "true"],
    "empty": ["", "a", "b"],
    "a question mark": ["?", "a", "b"],
    "spaces": [" a", "a", "a "],
    "quotes and commas": ['"a"', "'a'", "a,b"],
    "lines": ["a\nb", "a\r\nb", "a\rb"],
    "NUL at the end": ["a", "a\0", "a\0\0"],
    "NUL inside": ["a", "a\0b", "a\0c"],
    "lone surrogates": ["a", "\ud800", "\udfff"],
    "formulas": ["'=cmd", "=cmd", "=cmd()"],
    "signs": ["+1", "-a", "@a"],
    "tabs": ["\ta", "\ra", "＝a"],
    "forms of a letter": ["e\u0301", "É", "é"],
}
TEXT = [kind for kind, labels in KINDS.items() if isinstance(labels, list)]
KINDS = {k: np.array(v, dtype=object) if k in TEXT else v for k, v in KINDS.items()}

N = 42
CODES = np.arange(N) % 3
X = np.column_stack([CODES + 0.5, np.linspace(-1, 1, N)])


def target(kind):
    """Labels of all rows, and a y that holds them."""
    labels = np.sort(KINDS[kind])[CODES % len(KINDS[kind])]
    column = pd.Series(labels, dtype=object) if kind in TEXT else labels
    return labels, pd.DataFrame({"number": 3 * X[:, 1], "k": column})


@pytest.fixture(scope="module", params=KINDS)
def fitted(request):
    """Kind of label, an estimator that knows them, and its answers by code."""
    labels, y = target(request.param)
    est = small(class_columns=["k"]).fit(X, y)
    expected = np.sort(KINDS[request.param])[est.predict_proba(X).argmax(axis=1)].tolist()
    return request.param, est, y, labels.tolist(), expected


def same(found, expected):
    """Equal entry by entry as Python has it, without any rounding, and of one type."""
    found = found.tolist() if isinstance(found, np.ndarray) else list(found)
    assert found == expected
    assert {type(a) for a in found} == {type(b) for b in expected}


# ------------------------------------------------------------------------ answers
def test_answers(fitted):
    _, est, _, labels, expected = fitted
    same(est.classes_, sorted(set(labels)))
    same(est.predict_class(X), expected)
    both = est.predict(X)
    assert both[:, 1].tolist() == expected
    in_one_row = [est.predict(X[i : i + 1]) for i in range(3)]
    assert {row.dtype for row in in_one_row} == {both.dtype}
    assert (both.dtype == np.float64) == (
        est.classes_.dtype.kind in "iuf" and all(int(float(c)) == c for c in est.classes_.tolist())
    )


def test_truth(fitted):
    _, est, y, labels, expected = fitted
    same(est.split_targets(y)[1], labels)
    gap = y.astype({"k": object})
    gap.loc[0, "k"] = None
    truth = est.split_targets(gap)[1]
    assert pd.isna(truth[0])
    assert truth[1:].tolist() == labels[1:]
    right = np.mean([a == b for a, b in zip(labels, expected, strict=True)])
    assert est.evaluate(X, y)["class_accuracy"] == pytest.approx(right)
    view = est.as_classifier()
    right_of_known = np.mean([a == b for a, b in zip(labels[1:], expected[1:], strict=True)])
    for data, accuracy in ((y, right), (y["k"], right), (labels, right), (gap, right_of_known)):
        assert view.score(X, data) == pytest.approx(accuracy)
    for data, accuracy in ((y, right), (gap, right_of_known)):
        assert class_scorer("accuracy")(est, X, data) == pytest.approx(accuracy)
    score = joint_score((None, labels), (None, est.predict_class(X)))
    assert score == pytest.approx(right)


def test_a_label_of_its_own_alone_is_a_hit(fitted):
    """Rows are moved on by one label: none is right, however near the labels are."""
    _, est, y, labels, _ = fitted
    known = sorted(set(labels))
    wrong = dict(zip(known, [*known[1:], known[0]], strict=True))
    predicted = est.predict_class(X)
    other = as_array([wrong[label] for label in predicted.tolist()])
    y = y.assign(k=pd.Series(other, dtype=object))
    assert est.evaluate(X, y)["class_accuracy"] == 0
    assert est.as_classifier().score(X, y) == 0
    assert est.as_classifier().score(X, other.tolist()) == 0
    assert class_scorer("accuracy")(est, X, y) == 0
    assert joint_score((None, other), (None, predicted)) == 0
    sure = np.tile([1.0, *[0.0] * (len(known) - 1)], (N, 1))
    error = expected_calibration_error([known[1]] * N, sure, classes=known)
    assert error == pytest.approx(1)


@pytest.mark.parametrize("kind", ["uint64 of both halves", "booleans", "NUL at the end"])
def test_out_of_fold_answers(kind):
    labels, y = target(kind)
    est = small(class_columns=["k"], epochs=1)
    for answers in (
        joint_cross_val_predict(est, X, y, cv=2),
        cross_val_predict(est, X, y, cv=2),
    ):
        assert set(answers[:, 1].tolist()) <= set(labels)
    assert set(joint_cross_val_predict(est, X, y, cv=2, method="predict_class")) <= set(labels)
    proba = joint_cross_val_predict(est, X, y, cv=2, method="predict_proba")
    assert proba.shape == (N, len(set(labels)))


@pytest.mark.parametrize("kind", ["uint64 of both halves", "NUL at the end", "lone surrogates"])
def test_numbers_given_a_label(kind):
    labels, y = target(kind)
    est = small(class_columns=["k"], epochs=1, head_link="mixture").fit(X, y)
    known = sorted(set(labels.tolist()))
    for_all = [est.predict_value(X, given_class=label) for label in known]
    by_row = est.predict_value(X, given_class=labels.tolist())
    assert by_row.tolist() == [for_all[code][i] for i, code in enumerate(CODES)]
    assert len({numbers[0] for numbers in for_all}) == 3


# -------------------------------------------------------------------------- files
def test_files(fitted, tmp_path):
    _, est, _, labels, expected = fitted
    save(est, tmp_path / "m")
    for again in (load(tmp_path / "m"), pickle.loads(pickle.dumps(est))):
        same(again.classes_, sorted(set(labels)))
        assert again.classes_.dtype == est.classes_.dtype
        same(again.predict_class(X), expected)


REFUSED_BY_ONNX = {
    "NUL at the end": r"Label 'a\\x00' of target 'class'.*NUL at the end",
    "lone surrogates": r"Label '\\ud800' of target 'class'.*Unicode",
}


def answers_of_graph(path):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(path)
    classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])["class"]
    return session.run(["class"], {"X": X})[0].tolist(), classes


def test_onnx(fitted, tmp_path):
    pytest.importorskip("onnx")
    kind, est, _, labels, expected = fitted
    if kind in REFUSED_BY_ONNX:
        with pytest.raises(NotImplementedError, match=REFUSED_BY_ONNX[kind]):
            to_onnx(est, tmp_path / "m.onnx")
        return
    to_onnx(est, tmp_path / "m.onnx")
    found, classes = answers_of_graph(tmp_path / "m.onnx")
    assert found == expected
    same(classes, sorted(set(labels)))


@pytest.mark.parametrize("kind", ["beyond 2**63", "booleans"])
def test_onnx_of_a_pipeline(kind, tmp_path):
    pytest.importorskip("skl2onnx")
    labels, y = target(kind)
    est = make_pipeline(StandardScaler(), small(class_columns=["k"], epochs=1)).fit(X, y)
    to_onnx(est, tmp_path / "m.onnx")
    found, classes = answers_of_graph(tmp_path / "m.onnx")
    assert found == est.predict(X, output="class").tolist()
    same(classes, sorted(set(labels.tolist())))


# ------------------------------------------------------------------- command line
REFUSED_BY_CSV = {
    "empty": r"Label '' of target 'k'",
    "a question mark": r"Label '?' of target 'k'",
    "NUL at the end": r"Label 'a\x00' of target 'k'",
    "NUL inside": r"Label 'a\x00b' of target 'k'",
    "lone surrogates": r"Label '\ud800' of target 'k'",
}


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "x.csv"
    pd.DataFrame(X, columns=["a", "b"]).to_csv(path, index=False)
    return path


def test_predictions_as_csv(fitted, table, tmp_path, capsys):
    """What the command line writes, it reads as the labels that it wrote."""
    kind, est, _, _, expected = fitted
    save(est, tmp_path / "m")
    out = tmp_path / "out.csv"
    code = main(["predict", str(tmp_path / "m"), str(table), "-o", str(out)])
    if kind in REFUSED_BY_CSV:
        assert code == 2
        assert REFUSED_BY_CSV[kind] in capsys.readouterr().err
        assert not out.exists()
        return
    assert code == 0
    read = read_labels_back(out)
    assert read == [str(label) for label in expected]


def read_labels_back(path, value="number", label="k"):
    """Labels of a file as ``train`` reads them, as text."""
    command = ["train", str(path), "--value", value, "--class", label, "-o", "model"]
    task = csv_task(make_parser().parse_args(command))
    return [str(label) for label in read_table(task.y).labels(1)[0].tolist()]


TRAINED = {
    "large": [str(B), str(B + 1), str(2**63 + 1)],
    "with gaps": [str(B), str(B + 1), ""],
    "codes": ["007", "07", "7"],
    "decimals": ["1.0", "2.0", "3.0"],
    "exponents": ["1e5", "100000", "1E5"],
    "words for gaps": ["NA", "null", "None"],
    "booleans": ["TRUE", "True", "true"],
    "spaces": [" a", "a", "a "],
    "quotes": ['say "a"', "a,b", "a\nb"],
    "formulas": ["=cmd|' /C calc'!A0", "@a", "b"],
    "signs": ["-1", "+1", "1"],
    "far below zero": [str(-B - 1), str(-B), "0"],
}


def with_labels(path, labels):
    """The labels of all rows, in the table at a path."""
    labels = np.array(labels, dtype=object)[CODES]
    pd.read_csv(path).assign(number=3 * X[:, 1], k=labels).to_csv(path, index=False)
    return [label for label in labels if label != ""]


@pytest.mark.parametrize("kind", TRAINED)
def test_labels_are_read_as_they_are_written(kind, table):
    labels = with_labels(table, TRAINED[kind])
    assert read_labels_back(table) == labels


@pytest.mark.parametrize("kind", ["large", "codes", "formulas"])
def test_labels_from_a_csv_into_a_csv(kind, table, tmp_path):
    with_labels(table, TRAINED[kind])
    model, out = tmp_path / "m", tmp_path / "out.csv"
    train = ["train", str(table), "--value", "number", "--class", "k", "-o", str(model)]
    assert main([*train, "--folds", "2"]) == 0
    assert main(["predict", str(model), str(table), "-o", str(out)]) == 0
    est = load(model)
    assert sorted(map(str, est.classes_)) == sorted(TRAINED[kind])
    predicted = est.predict_class(pd.read_csv(table)[["a", "b"]])
    assert read_labels_back(out) == [str(label) for label in predicted]


# ------------------------------------------------------------------- readings of y
FORMS = {
    "array of objects": lambda k: np.array([[0.5, label] for label in k], dtype=object),
    "list": lambda k: [[0.5, label] for label in k],
    "dict of lists": lambda k: {"v": [0.5] * len(k), "k": list(k)},
    "dict of objects": lambda k: {"v": [0.5] * len(k), "k": pd.Series(k, dtype=object)},
    "frame of objects": lambda k: pd.DataFrame(
        {"v": [0.5] * len(k), "k": pd.Series(k, dtype=object)}
    ),
}
NULLABLE = {
    "Int64": pd.array([B + 1, None, B, -1], dtype="Int64"),
    "UInt64": pd.array([2**63 + 1, None, 2**63, 0], dtype="UInt64"),
    "category": pd.Categorical([B + 1, None, B, -1]),
    "boolean": pd.array([True, None, False, True], dtype="boolean"),
}


@pytest.mark.parametrize("form", FORMS)
def test_labels_beside_gaps_are_read_as_they_are(form):
    for kind, gap in itertools.product(KINDS, [None, np.nan, pd.NA]):
        labels = KINDS[kind].tolist()
        found, mask = read_table(FORMS[form]([gap, *labels])).labels(1)
        same(found, labels)
        assert mask.tolist() == [False, *[True] * len(labels)]


@pytest.mark.parametrize("dtype", NULLABLE)
def test_labels_of_nullable_columns_are_read_as_they_are(dtype):
    y = {"v": [0.5] * 4, "k": NULLABLE[dtype]}
    expected = [label for label in list(NULLABLE[dtype]) if not pd.isna(label)]
    for form in (y, pd.DataFrame(y)):
        found, mask = read_table(form).labels(1)
        assert found.tolist() == expected
        assert mask.tolist() == [True, False, True, True]
    column = Column(found, mask)
    assert [label for label in column.labels().tolist() if not pd.isna(label)] == expected


def test_whole_numbers_of_two_types_in_one_column():
    found, _ = read_table({"k": [1.0, B + 1, 3]}).labels(0)
    same(found, [1, B + 1, 3])
    with pytest.raises(ValueError, match=f"numbers of one type.*Got {2**64} among others"):
        read_table({"k": [2**64, 1]}).labels(0)
    with pytest.raises(ValueError, match=f"numbers of one type.*Got {2**63 + 1} among others"):
        read_table({"k": [2**63 + 1, -1]}).labels(0)


def test_a_y_of_one_column_with_large_numbers_and_gaps():
    y = [B + 1, None, B, B + 1] * 10
    gate = Targets.learn(y)
    same(gate.classes[0].classes, [B, B + 1])
    assert gate.read(y)[1].labels().tolist() == y


@pytest.mark.parametrize("kind", KINDS)
def test_classes_declared_beforehand(kind):
    labels = KINDS[kind].tolist()
    y = {"v": [0.5, 1.5, 2.5], "k": np.resize(KINDS[kind][:2], 3)}
    for declared in (labels, KINDS[kind], tuple(labels)):
        gate = Targets.learn(y, classes=declared, class_columns=["k"])
        same(gate.classes[0].classes, sorted(labels))
    with pytest.raises(ValueError, match="classes must hold every label of y. Missing"):
        Targets.learn(y, classes=labels[1:], class_columns=["k"])


# --------------------------------------------------------------- arrays side by side
MIXES = {
    "int64 and uint64": (np.array([-1, B + 1]), np.array([1, 2**63 + 1], np.uint64), object),
    "int64 and float64": (np.array([1, B + 1]), np.array([1.0, 2.0]), object),
    "small ints and float64": (np.array([1, 2]), np.array([1.0, 2.0]), np.float64),
    "int64 and bool": (np.array([1, 2]), np.array([True, False]), object),
    "bool and bool": (np.array([False, True]), np.array([True, False]), np.bool_),
    "int64 and int64": (np.array([1, B + 1]), np.array([1, B + 1]), np.int64),
    "text and numbers": (np.array(["a", "a\0"], dtype=object), np.array([1, B + 1]), object),
    "int32 and float32": (
        np.array([1, 2**24 + 1], np.int32),
        np.array([1, 2], np.float32),
        np.float64,
    ),
    "int16 and float32": (np.array([1, 2], np.int16), np.array([1, 2], np.float32), np.float32),
}


@pytest.mark.parametrize("case", MIXES)
def test_several_labels_side_by_side(case):
    first, second, dtype = MIXES[case]
    assert common_dtype([first, second]) == dtype
    y = pd.DataFrame({"a": first, "b": second, "v": [0.5, 1.5]})
    gate = Targets.learn(y, value_columns=["v"])
    joined = gate.join({0: np.array([0.5, 1.5]), 1: first, 2: second})
    assert joined[:, 0].tolist() == first.tolist()
    assert joined[:, 1].tolist() == second.tolist()
    rows = np.arange(40) % 2
    est = small(value_columns=["v"], epochs=1).fit(X[:40], y.iloc[rows])
    found, truth = est.predict_class(X[:40]), est.split_targets(y)[1]
    for i, labels in enumerate((first, second)):
        assert truth[:, i].tolist() == labels.tolist()
        assert set(found[:, i].tolist()) <= set(labels.tolist())
    assert found.dtype == truth.dtype == dtype
    assert est.predict_class(X[:1]).dtype == dtype


def test_labels_of_one_type_are_told_apart_in_another():
    """What NumPy takes for equal: 2**53 + 1 is 2**53 in float64."""
    known = np.array([B, B + 1, 5])
    assert places(np.array([float(B), 5.0, B + 2.0]), known).tolist() == [0, 2, -1]
    assert places(np.array([B + 1, 2**63], np.uint64), known).tolist() == [1, -1]
    assert is_equal(np.array([B + 1, 5]), np.array([float(B), 5.0])).tolist() == [False, True]
    assert concatenated([np.array([B + 1]), np.array([2**63], np.uint64)]).tolist() == [
        B + 1,
        2**63,
    ]
    assert joint_score((None, [float(B), 5.0]), (None, [B + 1, 5])) == 0.5
    assert agreement_score([1.0 * B, 1.0], [float(B), 1.0], classes=[1, B + 1]) == 0.5
    target = ClassTarget("class", (0,), np.array(["a", "a\0"], dtype=object))
    assert target.codes(["a\0", "a", "b"]).tolist() == [1, 0, -1]


def test_accuracy_of_answers_beside_y():
    """The mean of hits is that of scikit-learn's own on the user's y, not more."""
    labels, y = target("beyond 2**53")
    est = small(class_columns=["k"], epochs=1).fit(X, y)
    found = est.predict(X)[:, 1]
    by_hand = np.mean([a == b for a, b in zip(found, labels.tolist(), strict=True)])
    assert accuracy_score(labels, found.astype(np.int64)) == by_hand
    assert (found == labels).mean() == by_hand
