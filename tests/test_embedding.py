"""Periodic embeddings of numbers: what they compute, and that all parts of skjoint take them."""

from importlib.metadata import version
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import StandardScaler

from conftest import class_head, make_data, value_head
from skjoint import JointRegressorClassifier
from skjoint._data.columns import N_KNOTS
from skjoint._data.encoding import FeatureEncoder
from skjoint._data.features import read_features
from skjoint._engines.fused.cache import training_programs
from skjoint._engines.optimizers import new_optimizer
from skjoint._engines.routing import optimizer_spec
from skjoint._fitting.members import fitted_network
from skjoint._network.graph import Embedding
from skjoint._network.spec import NetworkSpec
from skjoint._network.weights import (
    initial_weights,
    weight_shapes,
    with_idle_embedding,
    without_idle_embedding,
)
from skjoint._prediction.forward import FittedNetwork
from skjoint.persistence import load, save

X, Y = make_data(150)
MIXED = pd.DataFrame(X, columns=list("abcd")).assign(
    b=np.where(X[:, 1] > 0, "up", "down"), e=np.where(X[:, 3] > 1, np.nan, X[:, 3])
)


def fit(X=X, **params):
    defaults = {"epochs": 4, "learning_rate": 0.01, "random_state": 0}
    defaults |= {"hidden_layer_sizes": (12,), "numeric_embedding": "periodic"}
    return JointRegressorClassifier.plain(**{**defaults, **params}).fit(X, Y)


def test_it_is_what_the_formula_says():
    est = fit(MIXED)
    encoded = est._model.encode(MIXED).astype(np.float64)
    n = 8  # ranks of a, c, d, e, then these; then the categories of b
    assert est.network_.embedding == Embedding(n)
    waves, maps, kernel, bias, *rest = (w.astype(np.float64) for w in est._model.network.weights)
    features = []
    for j in range(n):
        x = encoded[:, [j]]
        cosines = np.cos(2 * np.pi * waves[0, j] * x + waves[1, j])
        features += [x, cosines @ maps[j, :-1] + maps[j, -1]]
    features = np.hstack([*features, encoded[:, n:]])
    hidden = np.maximum(features @ kernel + bias, 0)
    value = hidden @ rest[0] + rest[1]
    np.testing.assert_allclose(
        est.predict_value(MIXED),
        est._model.targets.values[0].decode(value.astype(np.float32)),
        rtol=1e-6,
    )
    assert est.network_.n_parameters == sum(w.size for w in est._model.network.weights)


@pytest.mark.parametrize("data", [X, MIXED], ids=["numbers", "mixed"])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"numeric_embedding": "rank"},
        {"n_members": 2, "alpha": 0.01, "dropout": 0.2},
        {"n_members": 3, "numeric_embedding": ("rank", "periodic")},
    ],
)
def test_engines_and_models_agree(data, params):
    fused, keras = (fit(data, engine=engine, **params) for engine in ("fused", "keras"))
    np.testing.assert_allclose(fused.predict_value(data), keras.predict_value(data), rtol=1e-4)
    np.testing.assert_allclose(fused.predict_proba(data), keras.predict_proba(data), atol=1e-4)
    value, proba = fused.model_.predict(fused._model.encode(data), verbose=0)
    np.testing.assert_allclose(fused.predict_proba(data), proba, atol=1e-5)
    expected = fused._model.targets.values[0].decode(value)
    np.testing.assert_allclose(fused.predict_value(data), expected, rtol=1e-5)


def test_its_cosine_is_the_cosine_and_so_is_its_slope():
    import tensorflow as tf

    from skjoint._network.layers import periodic

    x = np.linspace(-20, 20, 4001, dtype=np.float32)[:, None]
    layer = periodic()(1, 1, 1)
    layer.build(x.shape)
    # One wave of frequency 1/2 and phase 0.3, mapped to itself.
    layer.set_weights([np.array([[[0.5]], [[0.3]]]), np.array([[[1.0], [0.0]]])])
    inputs = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        wave = layer(inputs)[:, 1]
    angle = np.pi * x.astype(np.float64)[:, 0] + 0.3
    np.testing.assert_allclose(wave, np.cos(angle), atol=1e-5)
    slope = tape.gradient(wave, inputs).numpy()[:, 0]
    np.testing.assert_allclose(slope, -np.pi * np.sin(angle), atol=1e-4)


@pytest.mark.parametrize("data", [X, MIXED], ids=["numbers", "mixed"])
@pytest.mark.parametrize("n_units", [4, 64, 300])
def test_a_row_does_not_depend_on_the_rows_around_it(data, n_units):
    est = fit(data, hidden_layer_sizes=(n_units,), epochs=1)
    value, proba = est.predict_value(data), est.predict_proba(data)
    frame = pd.DataFrame(data)
    many = pd.concat([frame] * 60, ignore_index=True)
    np.testing.assert_array_equal(est.predict_value(many)[:150], value)
    for rows in (slice(0, 1), slice(7, 10), slice(3, 90)):
        part = frame.iloc[rows] if data is MIXED else X[rows]
        np.testing.assert_array_equal(est.predict_value(part), value[rows])
        np.testing.assert_array_equal(est.predict_proba(part), proba[rows])


def learned(X, weights=None, ranks=True):
    return FeatureEncoder.learn(read_features(X, encode=True), weights, ranks=ranks)


def encoded_by(encoder, X):
    return encoder.encode(encoder.read(X))


def ranks_of(X, weights=None, of=None):
    encoder = learned(X, weights)
    return encoded_by(encoder, X if of is None else of)[:, : X.shape[1]]


def test_ranks_know_nothing_but_order():
    x = X[:100]
    ranks = ranks_of(x)
    np.testing.assert_array_equal(ranks, ranks_of(np.sinh(5 * x)))
    np.testing.assert_array_equal(ranks.argsort(axis=0), x.argsort(axis=0))
    np.testing.assert_allclose(ranks.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(ranks.std(axis=0), 1, atol=1e-3)
    beyond = ranks_of(x, of=np.array([[-1e6] * 4, [1e6] * 4]))
    np.testing.assert_array_equal(beyond, [ranks.min(axis=0), ranks.max(axis=0)])


def test_ranks_of_many_rows_are_interpolated():
    x = np.random.default_rng(0).exponential(size=(20_000, 1))
    x[:8000] = 0
    below = np.array([(x < v).mean() + (x == v).mean() / 2 for v in x[7990:8200, 0]])
    ranks = ranks_of(x)[7990:8200, 0] / np.sqrt(12) + 0.5
    np.testing.assert_allclose(ranks, below, atol=1 / N_KNOTS)


def test_ranks_of_weighted_rows_are_those_of_repeated_ones():
    weights = np.random.default_rng(0).integers(0, 4, size=len(X)).astype(float)
    gaps = X.copy()
    gaps[::5, 1] = np.nan
    weighted = learned(gaps[weights > 0], weights[weights > 0])
    repeated = learned(np.repeat(gaps, weights.astype(int), axis=0))
    np.testing.assert_allclose(encoded_by(weighted, gaps), encoded_by(repeated, gaps), atol=1e-6)


def test_ranks_of_columns_that_hold_one_number_or_none():
    flat = np.column_stack([np.full(20, 3.0), np.full(20, np.nan), np.arange(20.0)])
    ranks = ranks_of(flat)
    np.testing.assert_array_equal(ranks[:, :2], 0)


LEVELS = np.array([[3.0], [5.0], [np.nan], [5.0], [9.0], [3.0]] * 10)


def test_few_values_have_a_column_each():
    X = np.column_stack([np.arange(60.0), LEVELS, np.arange(60) % 2])
    encoder = learned(X)
    encoded = encoded_by(encoder, X)
    assert encoder.output_shape == encoded.shape[1:] == (3 + 3 + 3,)
    np.testing.assert_array_equal(encoded[:, 6:], LEVELS == [3.0, 5.0, 9.0])
    assert encoder.n_numbers == 6  # of which there are waves
    plain = learned(X, ranks=False)
    assert plain.output_shape == (3,)


def test_new_values_belong_to_the_nearest_level():
    encoder = learned(LEVELS)
    new = np.array([[3.9], [4.1], [6.9], [7.1], [1e9], [np.nan]])
    found = encoded_by(encoder, new)[:, 2:].tolist()
    assert found == [[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 0, 0]]


def test_levels_come_before_categories_and_do_not_know_the_precision():
    frame = pd.DataFrame({"kind": ["a", "b"] * 30, "level": LEVELS[:, 0] / 10})
    encoder = learned(frame)
    encoded = encoded_by(encoder, frame)
    np.testing.assert_array_equal(encoded[:, 2:5], LEVELS == [3.0, 5.0, 9.0])
    np.testing.assert_array_equal(encoded[:, 5:].sum(axis=1), 1)
    single = encoded_by(encoder, frame.astype({"level": np.float32}))
    np.testing.assert_array_equal(encoded[:, 2:], single[:, 2:])


def standardised(rows):
    return StandardScaler().fit(X).transform(rows)


def test_wild_numbers_bend_to_a_bound():
    """z / sqrt(1 + z**2 / 25), which keeps order, sign and what is small."""
    encoder = learned(X)
    new = np.concatenate([X, X * 10, X * 1e6, np.full((1, 4), 1e300), np.full((1, 4), -1e300)])
    z = standardised(np.clip(new, -1e30, 1e30))
    bent = encoded_by(encoder, new)[:, 4:]
    np.testing.assert_allclose(bent, z / np.sqrt(1 + z**2 / 25), rtol=1e-5)
    assert np.abs(bent).max() == 5
    order = np.argsort(z[:, 0], kind="stable")
    assert (np.diff(bent[order, 0]) >= 0).all()
    plain = learned(X, ranks=False)
    np.testing.assert_allclose(encoded_by(plain, X * 10), standardised(X * 10), rtol=1e-5)


@pytest.mark.parametrize(("n_values", "n_columns"), [(2, 0), (3, 3), (10, 10), (11, 0)])
def test_how_many_values_are_few(n_values, n_columns):
    X = np.arange(n_values * 8.0)[:, None] % n_values
    assert learned(X).output_shape == (2 + n_columns,)


def test_it_bends_where_a_plain_network_of_that_size_cannot():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1.7, 1.7, size=(600, 1))
    y = pd.DataFrame({"v": np.sin(9 * x[:, 0]), "c": np.where(np.sin(9 * x[:, 0]) > 0, "+", "-")})
    params = {"hidden_layer_sizes": (8,), "epochs": 200, "learning_rate": 0.01, "random_state": 0}
    scores = [
        JointRegressorClassifier.plain(numeric_embedding=kind, **params).fit(x, y).score(x, y)
        for kind in (None, "periodic")
    ]
    assert scores[1] > 0.9 > scores[0] + 0.1


@pytest.mark.parametrize("kind", ["rank", "periodic", ("periodic", "rank")])
def test_it_is_saved_and_goes_on(tmp_path, kind):
    est = fit(MIXED, n_members=2, early_stopping="by_head", numeric_embedding=kind)
    save(est, tmp_path / "model.skjoint")
    again = load(tmp_path / "model.skjoint")
    np.testing.assert_array_equal(est.predict_value(MIXED), again.predict_value(MIXED))
    again.set_params(warm_start=True, epochs=1).fit(MIXED, Y)


def dense_trunk(meta):
    import keras

    return keras.Sequential([keras.Input(meta["input_shape"]), keras.layers.Dense(3)])


def test_where_there_is_nothing_to_embed():
    words = pd.DataFrame({"b": MIXED["b"], "c": MIXED["b"]})
    assert fit(words).network_.embedding is None
    assert fit(preprocess=None).network_.embedding is None
    with pytest.raises(ValueError, match="numeric_embedding must be 'rank' or None beside a trunk"):
        fit(trunk=dense_trunk)
    assert fit(trunk=dense_trunk, numeric_embedding="rank").network_.input_shape == (8,)
    for sequence in ([], ["rank", "periodical"], [None]):
        with pytest.raises(ValueError, match="sequence for numeric_embedding must hold names"):
            fit(numeric_embedding=sequence)
    with pytest.raises(ValueError, match="'numeric_embedding' parameter"):
        JointRegressorClassifier(numeric_embedding="fourier").fit(X, Y)


def test_auto_is_ranks_but_for_trunks_and_the_plain_network():
    """Trunks and the textbook's network have the parameters that tutorials count."""
    default = JointRegressorClassifier(epochs=1, random_state=0).fit(MIXED, Y)
    assert default.network_.hidden == (256, 64)
    assert default.network_.embedding is None
    assert default.network_.input_shape == (4 + 4 + 2,)
    named = JointRegressorClassifier((12,), epochs=1, random_state=0).fit(MIXED, Y)
    assert named.network_.input_shape == default.network_.input_shape
    trunk = JointRegressorClassifier(epochs=1, random_state=0, trunk=dense_trunk)
    for own in (trunk, JointRegressorClassifier.plain((256, 64), epochs=1, random_state=0)):
        assert own.fit(MIXED, Y).network_.input_shape == (4 + 2,)


def test_members_take_their_embeddings_in_turn():
    mixed = fit(MIXED, n_members=3, numeric_embedding=("periodic", "rank"))
    kinds = [mixed._model.network.member(i).spec.embedding for i in range(3)]
    assert kinds == [Embedding(8), None, Embedding(8)]
    alone = fit(MIXED, numeric_embedding="periodic")
    first = mixed._model.network.member(0)
    for ours, theirs in zip(first.weights, alone._model.network.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


MUON = pytest.param(
    "muon",
    marks=pytest.mark.skipif(
        version("keras").startswith("3.12."), reason="Keras 3.12's own Muon fails on TensorFlow"
    ),
)
OPTIMIZERS = ["adam", "adamw", "sgd", "rmsprop", "adagrad", "adadelta", "nadam", "lion", "ftrl"]


@pytest.mark.parametrize("optimizer", [*OPTIMIZERS, "adafactor", "lamb", MUON])
def test_zeros_without_gradients_stay_zero(optimizer):
    """With every optimizer of Keras: what keeps an idle embedding idle."""
    import keras

    rows = np.array([[0.0], [1.0], [1.0]], np.float32) * np.linspace(1, 2, 4, dtype=np.float32)
    moved = keras.Variable(rows)
    by = new_optimizer(optimizer_spec(optimizer, 0.01, "constant", {}))
    by.build([moved])
    for _ in range(5):
        by.apply([rows], [moved])
    assert not np.asarray(moved)[0].any()
    assert (np.asarray(moved)[1:] != rows[1:]).all()


@pytest.mark.parametrize("optimizer", ["adamw", "ftrl", MUON])
def test_members_that_do_not_embed_train_beside_an_idle_embedding(optimizer):
    """They share the program of those that do, and are what they would be without them."""
    params = {"optimizer": optimizer, "dropout": 0.1, "alpha": 0.01, "learning_rate": 0.003}
    params |= {"head_link": "class_to_value", "hidden_layer_sizes": (9, 5)}
    before = training_programs.n_built
    beside = fit(MIXED, numeric_embedding=("rank", "periodic"), n_members=2, **params)
    assert training_programs.n_built - before <= 2
    alone = fit(MIXED, numeric_embedding="rank", **params)
    assert beside._model.network.member(0).spec == alone.network_
    if optimizer == "muon":  # whose steps depend on the shape of a kernel
        return
    for ours, theirs in zip(
        beside._model.network.member(0).weights, alone._model.network.weights, strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)


@pytest.mark.parametrize("hidden", [(), (6, 5)])
@pytest.mark.parametrize("link", [None, "class_to_value", "value_to_class"])
def test_an_idle_embedding_changes_no_answer_and_leaves(hidden, link):
    heads = (value_head(), class_head())
    spec = NetworkSpec((7,), hidden, heads, link=link)
    weights = initial_weights(spec, 0)
    wide, more = with_idle_embedding(spec, weights, Embedding(4, 3, 2))
    assert [w.shape for w in more] == weight_shapes(wide)
    rows = X[:, [0, 1, 2, 3, 0, 1, 2]].astype(np.float32)
    outputs = [
        FittedNetwork(*n).predict(rows, ["value", "class"]) for n in ((spec, weights), (wide, more))
    ]
    for ours, theirs in zip(*outputs, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    back, found = without_idle_embedding(wide, more)
    assert back == spec
    for ours, theirs in zip(found, weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    # Which networks have one for company only is part of their plan.
    for is_idle, expected in ((True, spec), (False, wide)):
        plan = SimpleNamespace(network=wide, idle_embedding=is_idle)
        assert fitted_network(plan, more).spec == expected
