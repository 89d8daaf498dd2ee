"""y as a list of arrays, columns of objects that are numbers, and targets left inside X."""

import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.model_selection import cross_val_score

from conftest import make_data, small
from skjoint._data.features import read_features
from skjoint._data.left_in import warn_of_targets_in
from skjoint._data.read_y import read_table

X, y = make_data(60)
NUMBER, LABEL = y["value"].to_numpy(), y["label"].to_numpy()
FORMS = {
    "list": [NUMBER, LABEL],
    "tuple": (NUMBER, LABEL),
    "lists": [NUMBER.tolist(), LABEL.tolist()],
    "columns": [NUMBER[:, None], LABEL[:, None]],
    "mixed": (NUMBER[:, None], pd.Series(LABEL, index=range(7, 67))),
    "frames": [pd.DataFrame({"v": NUMBER}), pd.DataFrame({"k": LABEL})],
    "objects": [NUMBER.astype(object), pd.Series(LABEL)],
    "decimals": [[Decimal(repr(float(number))) for number in NUMBER], LABEL],
}


@pytest.fixture(scope="module")
def fitted():
    return small(epochs=1, hidden_layer_sizes=(4,)).fit(X, np.column_stack([NUMBER, LABEL]))


# ---------------------------------------------------------------------- arrays
@pytest.mark.parametrize("form", FORMS)
def test_arrays_as_long_as_x_are_columns(form, fitted):
    table = read_table(FORMS[form], n_samples=60)
    assert_array_equal(table.numbers(0), NUMBER)
    assert_array_equal(table.labels(1)[0], LABEL)
    assert not table.named
    assert fitted.evaluate(X, FORMS[form]) == fitted.evaluate(X, np.column_stack([NUMBER, LABEL]))
    numbers, labels = fitted.split_targets(FORMS[form])
    assert_array_equal(numbers, NUMBER)
    assert_array_equal(labels, LABEL)


def test_fit_partial_fit_score_and_views_read_them(fitted):
    for method in ("fit", "partial_fit"):
        est = small(epochs=1, hidden_layer_sizes=(4,))
        assert_array_equal(
            getattr(est, method)(X, (NUMBER, LABEL)).predict_value(X), fitted.predict_value(X)
        )
    assert est.score(X, [NUMBER, LABEL]) == fitted.score(X, y)
    assert fitted.as_regressor().score(X, FORMS["mixed"]) == fitted.as_regressor().score(X, y)


def test_series_in_another_order_get_a_warning():
    turned = pd.Series(NUMBER[::-1], index=range(59, -1, -1))
    with pytest.warns(UserWarning, match=r"X and y\[0\] carry the same index labels in another"):
        small(epochs=1, hidden_layer_sizes=(4,)).fit(pd.DataFrame(X), [turned, pd.Series(LABEL)])


def test_as_many_as_rows_are_rows(fitted):
    rows = [[NUMBER[0], LABEL[0]], [NUMBER[1], LABEL[1]]]
    assert_array_equal(read_table(rows, n_samples=2).numbers(0), NUMBER[:2])
    assert fitted.evaluate(X[:2], rows) == fitted.evaluate(X[:2], y[:2])
    assert_array_equal(fitted.split_targets(rows[:1])[0], NUMBER[:1])


def test_blocks_of_columns():
    one_hot = (LABEL[:, None] == np.unique(LABEL)).astype(float)
    est = small(epochs=1, hidden_layer_sizes=(4,), class_columns=[[1, 2, 3]])
    est.fit(X, [NUMBER, one_hot])
    assert_array_equal(est.classes_, [0, 1, 2])
    assert est.evaluate(X, [NUMBER, one_hot])["class_accuracy"] > 0


def test_arrays_of_other_lengths_are_refused():
    for arrays, lengths in [
        ([NUMBER, LABEL[1:]], "60, 59"),
        ([NUMBER[1:], LABEL[1:]], "59, 59"),
        ((NUMBER, LABEL[:1]), "60, 1"),
    ]:
        with pytest.raises(ValueError, match=rf"as long as X, 60 rows. Got lengths \[{lengths}\]"):
            small().fit(X, arrays)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        small().fit(X, [[1.5, "a"], [2.5, "b"]])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        cross_val_score(small(), X, [NUMBER, LABEL], cv=2)  # which slices them: see the guide


# --------------------------------------------------------------------- objects
@pytest.mark.parametrize("number", [float, Decimal, lambda x: np.float32(x)])
def test_columns_of_objects_that_are_numbers(number):
    values = [number(str(round(x, 1))) for x in NUMBER]
    values[3] = None
    frame = pd.DataFrame({"k": LABEL, "v": pd.Series(values, dtype=object)}).set_axis(range(5, 65))
    array = np.empty((60, 2), dtype=object)
    array[:, 0], array[:, 1] = values, LABEL
    expected = np.array([np.nan if x is None else float(x) for x in values])
    assert read_table(frame).frame["v"].dtype == float
    assert_array_equal(read_table(frame).frame.index, frame.index)
    assert_array_equal(read_table(frame).numbers(1), expected)
    assert_array_equal(read_table(array).numbers(0), expected)
    assert_array_equal(read_table(frame["v"]).numbers(0), expected)
    assert_array_equal(read_table({"v": values}).numbers(0), expected)
    est = small(epochs=1, hidden_layer_sizes=(4,)).fit(X, frame)
    assert [target.positions for target in est._model.targets.outputs] == [(1,), (0,)]


def test_objects_of_other_kinds_stay_as_they_are():
    frame = pd.DataFrame(
        {
            "flag": pd.Series([True, False, None], dtype=object),
            "text": pd.Series(["1", "2", "3"], dtype=object),
            "both": pd.Series(["a", 2, 3.5], dtype=object),
        }
    )
    pd.testing.assert_frame_equal(read_table(frame).frame, frame)


# ------------------------------------------------------------------- left in X
def warnings_of(features, targets, preprocess="auto"):
    """What the check says of this X and y."""
    features = read_features(features, encode=preprocess is not None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_targets_in(features, read_table(targets, len(features)), preprocess)
    return [str(warning.message) for warning in caught]


F = pd.DataFrame(X, columns=list("abcd"))


def test_a_target_inside_x_gets_one_warning():
    both = F.assign(label=LABEL, price=NUMBER)
    (message,) = warnings_of(both, y)
    assert "column 'price' of X is 'value' of y, 'label' of X is 'label' of y" in message
    for features in (np.column_stack([X, NUMBER]), sparse.csr_array(np.column_stack([X, NUMBER]))):
        for targets in (y, np.column_stack([NUMBER, LABEL]), [NUMBER, LABEL]):
            (message,) = warnings_of(features, targets)
            assert "column 4 of X is" in message
    gaps = y.assign(value=y["value"].where(y.index > 5))
    (message,) = warnings_of(F.assign(value=NUMBER), gaps)
    assert "'value' of X is 'value' of y" in message
    (message,) = warnings_of(np.column_stack([X, NUMBER]).astype(np.float32), y, None)
    with pytest.warns(UserWarning, match="X holds what is to be predicted"):
        small(epochs=1, hidden_layer_sizes=(4,)).fit(F.assign(value=NUMBER), y)


def test_what_is_no_copy_gets_none():
    assert not warnings_of(F, y)
    assert not warnings_of(F.assign(value=NUMBER[::-1], label=LABEL[::-1]), y)
    assert not warnings_of(F.assign(value=NUMBER), y, {"value": "drop"})
    assert not warnings_of(F.assign(other=LABEL), y)  # labels by name alone
    assert not warnings_of(F.assign(e=1.0), y.assign(value=1.0))  # constants
    assert not warnings_of(F.assign(value=NUMBER)[:5], y[:5])
    assert not warnings_of(F.assign(value=NUMBER + 1e-9), y)
