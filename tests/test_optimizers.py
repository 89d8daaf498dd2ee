"""Optimizers of a run: made from a spec, their state copied out and in. No fit here."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skjoint._engines.optimizers import (
    make_optimizer,
    new_optimizer,
    optimizer_key,
    optimizer_state,
    resume_optimizer,
    set_optimizer_state,
)
from skjoint._engines.routing import optimizer_spec


def spec_of(name="adam", rate=0.01, schedule="constant", **routed):
    return optimizer_spec(name, rate, schedule, routed)


def plan_of(spec, state=None):
    return SimpleNamespace(optimizer=spec, n_steps=5, epochs=2, optimizer_state=state)


def stepped(spec, n_steps=0, shape=(3,)):
    """An optimizer that has moved a variable so many times, and the variable."""
    variable = keras.Variable(np.zeros(shape, np.float32))
    optimizer = new_optimizer(spec)
    optimizer.build([variable])
    for i in range(n_steps):
        optimizer.apply([np.full(shape, i + 1.0, np.float32)], [variable])
    return optimizer, variable


def test_a_cosine_schedule_is_one_half_wave_over_all_steps():
    rate = make_optimizer(plan_of(spec_of(rate=0.1, schedule="cosine")))._learning_rate
    found = [float(rate(step)) for step in (0, 5, 10, 20)]
    np.testing.assert_allclose(found, [0.1, 0.05, 0, 0], atol=1e-7)


def test_a_constant_rate_is_that_of_the_spec():
    optimizer = make_optimizer(plan_of(spec_of(rate=0.03)))
    assert float(optimizer.learning_rate) == pytest.approx(0.03)


def test_optimizers_that_differ_in_rate_or_name_share_programs():
    key = optimizer_key(spec_of())
    assert optimizer_key(spec_of(rate=0.5)) == key
    named = optimizer_spec(keras.optimizers.Adam(0.2, name="mine"), None, "constant", {})
    assert optimizer_key(named) == key
    for other in (spec_of(beta_1=0.5), spec_of("nadam"), spec_of(schedule="cosine")):
        assert optimizer_key(other) != key


def test_schedules_of_its_own_tell_optimizers_apart():
    decays = [keras.optimizers.schedules.ExponentialDecay(0.1, 5, rate) for rate in (0.5, 0.6)]
    specs = [optimizer_spec(keras.optimizers.SGD(d), None, "constant", {}) for d in decays]
    assert optimizer_key(specs[0]) != optimizer_key(specs[1])


@pytest.mark.parametrize("name", ["adam", "sgd", "rmsprop", "nadam"])
def test_a_state_goes_on_where_it_was_copied(name):
    spec = spec_of(name)
    one, variable = stepped(spec, 3)
    other, copy = stepped(spec)
    set_optimizer_state(other, optimizer_state(one))
    copy.assign(variable)
    for optimizer, moved in ((one, variable), (other, copy)):
        optimizer.apply([np.ones(3, np.float32)], [moved])
    assert_array_equal(np.asarray(variable), np.asarray(copy))


def test_the_rate_of_today_stands():
    old, _ = stepped(spec_of(rate=0.5), 2)
    new, _ = stepped(spec_of(rate=0.01))
    set_optimizer_state(new, optimizer_state(old))
    assert int(new.iterations) == 2
    assert float(new.learning_rate) == pytest.approx(0.01)


@pytest.mark.parametrize("other", [spec_of("nadam"), spec_of(amsgrad=True)])
def test_a_state_of_another_kind_or_form_is_left_alone(other):
    old, _ = stepped(other, 2)
    new, _ = stepped(spec_of())
    set_optimizer_state(new, optimizer_state(old))
    assert int(new.iterations) == 0
    new, _ = stepped(spec_of(), shape=(4,))
    set_optimizer_state(new, optimizer_state(stepped(spec_of(), 2)[0]))
    assert int(new.iterations) == 0


def test_an_annealed_rate_starts_anew():
    state = optimizer_state(stepped(spec_of(), 2)[0])
    for schedule, n_steps in (("constant", 2), ("cosine", 0)):
        spec = spec_of(schedule=schedule)
        optimizer, _ = stepped(spec)
        resume_optimizer(optimizer, plan_of(spec, state))
        assert int(optimizer.iterations) == n_steps
