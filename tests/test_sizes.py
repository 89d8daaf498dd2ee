"""Sizes of programs: room for refits, little waste when large. No fit here."""

from types import SimpleNamespace

import numpy as np
import pytest

from skjoint._engines.fused import tensors
from skjoint._engines.fused.sizes import MOST_PADDED, bucket, sizes_of


@pytest.mark.parametrize("n_samples", [1, 10, 64, 1000, 99_999, 100_001, 10**6])
def test_buckets(n_samples):
    size = bucket(n_samples)
    assert n_samples <= size <= max(64, 4 * n_samples)
    if 10 < n_samples <= 100_000:
        assert size >= 1.5 * n_samples  # the refit on all rows after two or more folds
    if n_samples > 100_000:
        assert size <= 1.1 * n_samples


def plan_of(n_samples, n_validation=None, batch_size=32):
    """What the sizes depend on: numbers of rows, and the size of a batch."""
    validation = None if n_validation is None else Sized(n_validation)
    return SimpleNamespace(
        network=SimpleNamespace(n_inputs=4),
        rows=Sized(n_samples),
        validation=validation,
        batch_size=batch_size,
    )


class Sized:
    def __init__(self, n_samples):
        self.table = np.zeros(n_samples)

    def __len__(self):
        return len(self.table)


@pytest.mark.parametrize("n_validation", [None, 0, 30, 400])
def test_a_new_program_suits_its_plan(n_validation):
    plan = plan_of(200, n_validation)
    sizes = sizes_of(plan)
    assert sizes.suit(plan)
    assert sizes.n_validation % sizes.validation_batch == 0
    assert (sizes.n_validation == 0) == (n_validation is None)


def test_a_program_suits_smaller_plans_but_not_much_smaller_ones():
    sizes = sizes_of(plan_of(1000))
    assert sizes.suit(plan_of(sizes.n_rows))
    assert not sizes.suit(plan_of(sizes.n_rows + 1))
    assert sizes.suit(plan_of(sizes.n_rows // MOST_PADDED))
    assert not sizes.suit(plan_of(sizes.n_rows // MOST_PADDED - 1))


def test_held_out_rows_count_too():
    sizes = sizes_of(plan_of(1000, 300))
    assert sizes.suit(plan_of(1000, 200))
    assert sizes.suit(plan_of(1000, 0))
    assert not sizes.suit(plan_of(1000, sizes.n_validation + 1))
    assert not sizes.suit(plan_of(1000, 20))


def test_a_batch_is_no_larger_than_the_rows_can_fill():
    assert sizes_of(plan_of(20, batch_size=10**6)).batch == 64
    assert sizes_of(plan_of(1000, batch_size=32)).batch == 32
    assert sizes_of(plan_of(1000, batch_size=32)).validation_batch == 64


@pytest.mark.parametrize("shape", [(5,), (5, 3), (5, 2, 2), (0, 3)])
def test_a_tensor_is_the_array_with_zeros_behind_it(shape):
    array = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    tensor = tensors.as_tensor(array, 8).numpy()
    assert tensor.shape == (8, *shape[1:])
    np.testing.assert_array_equal(tensor[: len(array)], array)
    assert not tensor[len(array) :].any()


def test_a_table_is_one_tensor_while_someone_has_it():
    table = np.arange(12, dtype=np.float32).reshape(4, 3)
    (tensor,) = tensors.shared_table(table, 8, 0)
    np.testing.assert_array_equal(tensor, np.vstack([table, np.zeros((4, 3))]))
    assert tensors.shared_table(table, 8, 0)[0] is tensor
    assert tensors.shared_table(table.view(), 8, 0)[0] is not tensor
    key = (id(table), 0, 8)
    assert key in tensors.tables
    del tensor
    assert key not in tensors.tables
