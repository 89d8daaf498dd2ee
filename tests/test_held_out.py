"""Rows that several members held out, and the networks' outputs for them."""

import dataclasses
from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from conftest import class_head, encoded_rows, value_head
from skjoint._ensemble.held_out import HeldOut, pairs_of_rows
from skjoint._network.outputs import Gaussian

HEADS = [value_head(kind=Gaussian), class_head()]


class Network:
    """Its outputs are columns of X times a factor."""

    spec = dataclasses.make_dataclass("Spec", ["heads"])(HEADS)

    def __init__(self, factor):
        self.factor = factor

    def predict(self, X, names):
        places = {"value": slice(0, 1), "class": slice(1, 4), "value/variance": slice(4, 5)}
        return [self.factor * X[:, places[name]] for name in names]


def of_two_members():
    rows = encoded_rows(20)
    parts = [rows.take(np.array(which)) for which in ([3, 5, 9], [9, 1, 5, 7])]
    return rows, HeldOut([Network(1), Network(10)], parts)


def test_outputs_are_those_of_the_member_that_held_the_row_out():
    rows, held_out = of_two_members()
    assert_array_equal(held_out.positions, [3, 5, 9, 9, 1, 5, 7])
    assert_array_equal(held_out.row, [1, 2, 4, 4, 0, 2, 3])
    factor = np.repeat(np.float32([1, 10]), [3, 4])[:, None]
    expected = factor * rows.X[held_out.positions]
    places = {0: slice(0, 1), (0, "variance"): slice(4, 5), 1: slice(1, 4)}
    assert list(held_out.outputs) == list(places)
    for i, columns in places.items():
        assert_array_equal(held_out.outputs[i], expected[:, columns])
    for i in range(2):
        target, weights = held_out.truth(i)
        assert_array_equal(target, rows.targets[i][held_out.positions])
        assert_array_equal(weights, rows.weights[i][held_out.positions])


def test_a_row_of_several_members_has_the_mean_of_their_outputs():
    rows, held_out = of_two_members()
    factor = np.array([10, 1, 5.5, 10, 5.5])[:, None]
    expected = factor * rows.X[[1, 3, 5, 7, 9], 1:4]
    assert_allclose(held_out.by_row(held_out.outputs[1]), expected, rtol=1e-6)
    assert_array_equal(held_out.truth_by_row(1)[0], rows.targets[1][[1, 3, 5, 7, 9]])


def test_members_that_are_yet_to_be_trained_do_not_count():
    rows = encoded_rows(20)
    held_out = HeldOut([Network(1)], [rows.take(np.arange(3)), rows.take(np.arange(9))])
    assert len(held_out.outputs[0]) == 3


def test_the_table_of_all_rows_is_not_kept():
    _, held_out = of_two_members()
    assert [len(rows.table) for rows in held_out.by_member] == [3, 4]


@given(st.lists(st.integers(0, 5), max_size=30))
def test_pairs_are_all_of_the_same_row(row):
    found = [pair for a, b in pairs_of_rows(np.array(row, int)) for pair in zip(a, b, strict=True)]
    expected = {pair for pair in combinations(range(len(row)), 2) if row[pair[0]] == row[pair[1]]}
    assert len(found) == len(expected)
    assert {tuple(sorted(map(int, pair))) for pair in found} == expected
