"""Small variables that the optimizer moves as one vector train as each by itself."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from conftest import make_data
from skjoint import JointRegressorClassifier
from skjoint._engines.fused import program, template
from skjoint._engines.fused.cache import training_programs
from skjoint._engines.fused.small import MAX_NUMBERS, SmallVariables

SETTINGS = {"hidden_layer_sizes": (40, 30), "epochs": 4, "random_state": 0}  # kernel 2 is large


@pytest.fixture
def one_by_one(monkeypatch):
    """A function that switches to variables by themselves."""

    def switch():
        monkeypatch.setattr(template, "small_variables", lambda *settings: None)
        training_programs.clear()

    training_programs.clear()
    yield switch
    training_programs.clear()


def variables():
    import keras

    shapes = [(3, 2), (2,), (2, MAX_NUMBERS), (), (1,)]
    rng = np.random.default_rng(0)
    return [keras.Variable(rng.normal(size=shape).astype(np.float32)) for shape in shapes]


@pytest.mark.parametrize(
    ("steps", "options"),
    [
        (0, {"optimizer": "adamw", "optimizer__weight_decay": 0.1, "dropout": 0.1}),
        (np.inf, {"optimizer": "adam"}),
        (np.inf, {"numeric_embedding": "periodic", "value_loss": "histogram"}),
        (np.inf, {"head_link": "mixture", "loss_weights": "uncertainty"}),
    ],
)
def test_training_is_the_same_as_one_by_one(options, steps, one_by_one, monkeypatch):
    monkeypatch.setattr(program, "STEPS_WORTH_COMPILING", steps)
    X, y = make_data()
    est = JointRegressorClassifier(**SETTINGS, **options)
    joined = est.fit(X, y)
    found, state = joined._network.weights, joined._member_states[0][0]
    assert [p.template.small is not None for p in training_programs._idle] == [True]
    one_by_one()
    est.fit(X, y)
    for a, b in zip(found, est._network.weights, strict=True):
        assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    kind, arrays = est._member_states[0][0]
    assert state[0] == kind
    for a, b in zip(state[1], arrays, strict=True):
        assert_allclose(a, b, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "sgd"},
        {"optimizer__amsgrad": True},
        {"optimizer__clipnorm": 1.0},
        {"optimizer__use_ema": True},
    ],
)
def test_an_optimizer_that_looks_at_whole_variables_has_them_one_by_one(options, one_by_one):
    X, y = make_data()
    JointRegressorClassifier(**SETTINGS, **options).fit(X, y)
    assert [p.template.small for p in training_programs._idle] == [None]


def test_training_goes_on_where_other_variables_or_engines_left_it(one_by_one):
    X, y = make_data()

    def after(second, switch=None):
        est = JointRegressorClassifier(**SETTINGS, engine="fused").partial_fit(X, y)
        if switch:
            switch()
        est.set_params(engine=second)
        for _ in range(3):
            est.partial_fit(X, y)
        return est.predict_value(X)

    expected = after("fused")
    assert_allclose(after("keras"), expected, rtol=1e-4)
    assert_allclose(after("fused", one_by_one), expected, rtol=1e-4)


def test_what_a_callback_saves_has_the_variables_of_the_optimizer(tmp_path, one_by_one):
    import keras

    X, y = make_data()
    callbacks = [keras.callbacks.ModelCheckpoint(tmp_path / "model.keras")]
    est = JointRegressorClassifier(**SETTINGS, callbacks=callbacks).fit(X, y)
    saved = keras.models.load_model(tmp_path / "model.keras").optimizer
    _, arrays = est._member_states[0][0]
    for variable, array in zip(saved.variables, arrays, strict=True):
        assert_array_equal(np.asarray(variable), array)


def test_numbers_of_an_optimizer_come_apart_and_together():
    import keras

    given = variables()
    small = SmallVariables(given)
    assert [tuple(v.shape) for v in small.moved] == [(10,), (2, MAX_NUMBERS)]
    alone, joined = keras.optimizers.Adam(), keras.optimizers.Adam()
    alone.build(given)
    joined.build(small.moved)
    shapes = [tuple(v.shape) for v in alone.variables]
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in shapes]
    together = small.with_vector(arrays)
    assert [a.shape for a in together] == [tuple(v.shape) for v in joined.variables]
    for a, b in zip(small.by_variable(together), arrays, strict=True):
        assert_array_equal(a, b)


def test_the_vector_goes_to_the_variables_it_came_from():
    given = variables()
    before = [v.numpy() for v in given]
    small = SmallVariables(given)
    small.gather()
    small.vector.assign(2 * small.vector)
    small.scatter()
    for i, (variable, old) in enumerate(zip(given, before, strict=True)):
        assert_array_equal(variable.numpy(), old if i == 2 else 2 * old)
