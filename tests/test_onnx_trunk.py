"""Trunks of Keras layers in ONNX graphs; other layers are refused by name."""

from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from onnx_checks import SMALL, answers, assert_refused, onnxruntime
from skjoint import JointRegressorClassifier
from skjoint._network.keras_names import LAYERS as LISTED
from skjoint._onnx.graph import DOUBLE, Graph
from skjoint._onnx.model import as_proto, check
from skjoint._onnx.trunk import dense, write_trunk
from skjoint._onnx.trunk.tensor import MORE


def chain(*layers, shape=(4,)):
    """A trunk whose weights, statistics included, are all random."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input(shape), *layers])
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in model.get_weights()])
    model.trainable = False
    return model


L = keras.layers
TRUNKS = {
    "dense": lambda: chain(L.Dense(5, "gelu"), L.Dropout(0.5), L.Dense(3, use_bias=False)),
    "normalised": lambda: chain(L.BatchNormalization(), L.Dense(3), L.LayerNormalization()),
    "convolved": lambda: chain(
        L.RandomFlip(),
        L.Conv2D(4, 2, activation="relu"),
        L.MaxPooling2D(2),
        L.Flatten(),
        shape=(6, 5, 2),
    ),
    "recurrent": lambda: chain(L.Bidirectional(L.LSTM(3)), L.Dropout(0.2), shape=(6, 2)),
    "branches": lambda: keras.Model(*branches(keras.Input((6, 2)))),
}


def branches(inputs):
    """A convolution beside a recurrence and the last step."""
    x = L.Add()([L.Conv1D(2, 3, padding="same")(inputs), inputs])
    parts = [L.GlobalAveragePooling1D()(x), L.GRU(2)(inputs), 1.0 - inputs[:, -1] / 2]
    return inputs, L.Concatenate()(parts)


@pytest.mark.parametrize("name", TRUNKS)
def test_trunk(name, tmp_path):
    trunk = TRUNKS[name]()
    X = np.random.default_rng(0).normal(1.0, 2.0, size=(90, *trunk.input_shape[1:]))
    signal = X.reshape(90, -1)
    y = pd.DataFrame(
        {
            "value": 2 * signal[:, 0],
            "label": np.where(signal.sum(axis=1) > signal.sum() / 90, "a", "b"),
        }
    )
    if X.ndim > 2:
        X.reshape(-1)[5] = np.nan
    est = JointRegressorClassifier(trunk=trunk, epochs=2, random_state=0).fit(X, y)
    found = answers(est, X, tmp_path)
    numbers = est.predict_value(X)  # by Keras, all in float32
    assert_allclose(found["value"], numbers, rtol=1e-5, atol=1e-5 * max(numbers.std(), 0.1))
    proba = est.predict_proba(X)
    assert_allclose(found["proba"], proba, atol=1e-5)
    clear = np.abs(proba[:, 0] - 0.5) > 1e-5
    assert_array_equal(found["class"][clear], est.predict_class(X)[clear])


def test_codes(tmp_path):
    """Of an Embedding with masked steps, behind no preprocessing."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 6, size=(90, 5))
    y = pd.DataFrame({"value": X.sum(axis=1) + rng.normal(size=90), "label": X[:, 0] % 2 > 0})
    trunk = keras.Sequential([keras.Input((5,)), L.Embedding(6, 3, mask_zero=True), L.LSTM(4)])
    est = JointRegressorClassifier.plain(trunk=trunk, preprocess=None, epochs=2, random_state=0)
    found = answers(est.fit(X, y), X, tmp_path)
    assert_allclose(found["value"], est.predict_value(X), rtol=1e-5, atol=1e-5)
    assert_allclose(found["proba"], est.predict_proba(X), atol=1e-5)


def test_behind_other_steps(tmp_path):
    """skl2onnx takes the steps of a recurrence as they are."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 6))
    y = pd.DataFrame({"value": X[:, 0], "label": X[:, 1] > 0})
    steps = [L.Reshape((3, 2)), L.Masking(), L.GRU(3, return_sequences=True), L.SimpleRNN(2)]
    est = JointRegressorClassifier(
        trunk=keras.Sequential([keras.Input((6,)), *steps]), epochs=2, random_state=0
    )
    pipeline = make_pipeline(StandardScaler(), est).fit(X, y)
    found = answers(pipeline, X, tmp_path)
    assert_allclose(found["value"], pipeline.predict(X, output="value"), rtol=1e-5, atol=1e-5)
    assert_allclose(found["proba"], pipeline.predict_proba(X), atol=1e-5)


# ---------------------------------------------------------------------- layers
def write(graph, model):
    return write_trunk(graph, SimpleNamespace(build=lambda: model), model.get_weights(), "X")


def assert_same_features(model, shape, whole=False, masked=False):
    """The graph of a trunk gives what Keras gives, for no row, one row and many."""
    rng = np.random.default_rng(0)
    weights = model.get_weights()
    spread = [
        np.where(rng.random(w.shape) < 0.3, -0.6, 0.6) if w.ndim > 1 else 0.6 for w in weights
    ]
    model.set_weights(
        [s + rng.uniform(-0.3, 0.3, w.shape) for s, w in zip(spread, weights, strict=True)]
    )
    graph = Graph()
    features = write(graph, model)
    width = model.output_shape[-1]
    ends = {"X": (DOUBLE, [None, *shape])}, {"Y": (DOUBLE, [None, width])}
    proto = as_proto(graph, *ends, [features])
    check(proto)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    for n_rows in (9, 1, 0):
        X = rng.integers(0, 6, (n_rows, *shape)) if whole else rng.normal(size=(n_rows, *shape))
        if masked:
            X[:, -2:] = 0.0
            X[1:4, 1] = 0.0
        found = session.run(None, {"X": X.astype(np.float64)})[0]
        assert found.shape == (n_rows, width)
        if n_rows:
            wanted = np.asarray(model(X.astype(np.float32), training=False))
            assert_allclose(found, wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())


STEPS = (7, 3)
PICTURE = (7, 6, 4)
CHAINS = {
    "without scale": (
        (4,),
        [
            L.BatchNormalization(scale=False),
            L.LayerNormalization(center=False),
            L.GaussianNoise(1.0),
        ],
    ),
    "simple": ((4,), [L.Dense(5), L.ReLU(), L.Dense(4, "softplus"), L.Dense(3, "softmax")]),
    "flat": ((6, 2), [L.Flatten(), L.Dense(3), L.Reshape((1, 3)), L.Identity()]),
    "reshaped": ((6, 2), [L.Reshape((3, 4)), L.GlobalMaxPooling1D()]),
    "steps": ((6, 2), [L.Dense(3, "softmax"), L.GlobalAveragePooling1D()]),
    "means": ((3, 5, 2), [L.Dense(3), L.GlobalAveragePooling2D()]),
    "brightest": ((3, 5, 2), [L.GlobalMaxPooling2D(keepdims=True)]),
    "nested": ((4,), [keras.Sequential([keras.Input((4,)), L.Dense(3)]), L.Dense(2)]),
    "causal": (STEPS, [L.Conv1D(4, 3, padding="causal", dilation_rate=2), L.MaxPooling1D(2)]),
    "strides": (STEPS, [L.Conv1D(4, 4, 2, padding="same"), L.AveragePooling1D(3, 2, "same")]),
    "without bias": (
        STEPS,
        [L.Conv1D(4, 2, use_bias=False), L.Dense(2), L.MaxPooling1D(2), L.Dense(3)],
    ),
    "separable steps": (
        STEPS,
        [L.DepthwiseConv1D(3, 2, "same"), L.SeparableConv1D(4, 2, dilation_rate=2)],
    ),
    "longer": (
        STEPS,
        [
            L.Conv1DTranspose(4, 2, 3),
            L.Conv1DTranspose(3, 4, 1, padding="same"),
            L.Conv1DTranspose(3, 2, 3, padding="same"),
        ],
    ),
    "padded": (STEPS, [L.UpSampling1D(2), L.ZeroPadding1D(1), L.Cropping1D((1, 2))]),
    "pictures": (
        PICTURE,
        [
            L.Conv2D(4, (3, 2), 2, padding="same", activation="gelu"),
            L.AveragePooling2D(2, padding="same"),
        ],
    ),
    "groups": (PICTURE, [L.Conv2D(6, 3, dilation_rate=(2, 1), groups=2, padding="same")]),
    "separable": (
        PICTURE,
        [
            L.DepthwiseConv2D(3, padding="same"),
            L.SeparableConv2D(4, 3, 2, "same", depth_multiplier=2),
        ],
    ),
    "larger": (
        PICTURE,
        [
            L.Conv2DTranspose(4, 3, 2, padding="same"),
            L.UpSampling2D((2, 1)),
            L.ZeroPadding2D(((1, 2), (0, 3))),
            L.Cropping2D(((0, 1), (2, 1))),
        ],
    ),
    "normalised": (
        PICTURE,
        [
            L.RandomCrop(7, 6),
            L.Rescaling(0.5, 1.0),
            L.GroupNormalization(2),
            L.RMSNormalization(),
            L.UnitNormalization(),
        ],
    ),
    "volumes": ((5, 4, 6, 2), [L.Conv3D(3, 2), L.MaxPooling3D(2), L.GlobalMaxPooling3D()]),
    "in turn": (
        STEPS,
        [L.Permute((2, 1)), L.Dense(4), L.GlobalAveragePooling1D(), L.RepeatVector(2)],
    ),
    "every step": (
        STEPS,
        [L.TimeDistributed(L.Dense(4, "relu")), L.TimeDistributed(keras.Sequential([L.Dense(2)]))],
    ),
    "pictures in time": (
        (3, 5, 4, 2),
        [L.TimeDistributed(L.Conv2D(3, 2)), L.TimeDistributed(L.GlobalMaxPooling2D()), L.LSTM(2)],
    ),
    "lstm": (STEPS, [L.LSTM(4, return_sequences=True), L.LSTM(3, use_bias=False)]),
    "gru": (
        STEPS,
        [L.GRU(4, return_sequences=True), L.GRU(3, reset_after=False, activation="relu")],
    ),
    "backwards": (STEPS, [L.SimpleRNN(4, go_backwards=True, return_sequences=True)]),
    "both ways": (
        STEPS,
        [
            L.Bidirectional(L.LSTM(3, return_sequences=True)),
            L.Bidirectional(L.GRU(3), merge_mode="mul"),
        ],
    ),
    "other activations": (
        STEPS,
        [
            L.LSTM(3, return_sequences=True, recurrent_activation="hard_sigmoid"),
            L.GRU(3, "gelu", return_sequences=True),
            L.Bidirectional(L.SimpleRNN(2, "softsign", return_sequences=True), "ave"),
        ],
    ),
    "cells": (STEPS, [L.RNN(L.GRUCell(3, reset_after=False, recurrent_activation="softsign"))]),
    "einsum": (STEPS, [L.EinsumDense("abc,cd->abd", (7, 4), activation="relu", bias_axes="d")]),
    "slopes": ((5,), [L.PReLU(), L.LeakyReLU(), L.ELU(), L.ReLU(1.5, 0.1, 0.2), L.Softmax()]),
    "activations": ((5,), [L.Activation(name) for name in MORE]),
}
MASKED = {
    "sequences": [L.LSTM(4, return_sequences=True), L.GRU(3, return_sequences=True)],
    "mean": [L.TimeDistributed(L.Dense(3)), L.GlobalAveragePooling1D()],
    "both ways": [L.Bidirectional(L.SimpleRNN(4, return_sequences=True)), L.LayerNormalization()],
    "last": [L.LSTM(4)],
}


@pytest.mark.parametrize("name", CHAINS)
def test_chains_of_layers(name):
    shape, layers = CHAINS[name]
    copies = [type(layer).from_config(layer.get_config()) for layer in layers]
    assert_same_features(keras.Sequential([keras.Input(shape), *copies, L.Flatten()]), shape)


@pytest.mark.filterwarnings("ignore:Layer 'flatten")
@pytest.mark.parametrize("name", MASKED)
def test_masked_steps(name):
    layers = [L.Masking(), *MASKED[name], L.Flatten()]
    assert_same_features(keras.Sequential([keras.Input(STEPS), *layers]), STEPS, masked=True)


def remembered(x):
    steps, h, c = L.LSTM(4, return_sequences=True, return_state=True)(x)
    return L.LSTM(4)(steps, initial_state=[h, c])


def joined(x):
    a, b = L.Dense(3)(x), L.Dense(3)(x)
    joins = [L.Add, L.Subtract, L.Multiply, L.Average, L.Maximum, L.Minimum]
    return L.Concatenate()([join()([a, b]) for join in joins])


def computed(x):
    ops = keras.ops
    parts = [x[:, ::2, 1], x[..., 0], x[:, -2:, :2], ops.relu(ops.squeeze(x[:, 1:2], 1)) ** 2]
    parts += [ops.mean(x, axis=1) * 2, ops.max(x, axis=-1), ops.sum(ops.square(x), axis=(1, 2))]
    parts += [ops.stack([x[:, 0], x[:, 1]], axis=1), ops.transpose(ops.tanh(x), (0, 2, 1))]
    parts += [ops.maximum(ops.abs(ops.expand_dims(x[:, 0], 1)), 0.5), ops.exp(1 - x[:, 3] / 2)]
    sizes = [int(np.prod(part.shape[1:])) for part in parts]
    return ops.concatenate(
        [ops.reshape(part, (-1, n)) for part, n in zip(parts, sizes, strict=True)], axis=-1
    )


def used_twice(x):
    layer = L.Dense(3, "tanh")
    return layer(layer(x))


FUNCTIONAL = {
    "state": remembered,
    "joined": joined,
    "operations": computed,
    "used twice": used_twice,
    "a model inside": lambda x: keras.Sequential([keras.Input(STEPS), L.LSTM(3)])(x),
    "attention": lambda x: L.AdditiveAttention()([x, L.Attention(use_scale=True)([x, x])]),
    "several heads": lambda x: L.MultiHeadAttention(2, 3, value_dim=5)(x, x[:, :3]),
}


@pytest.mark.parametrize("name", FUNCTIONAL)
def test_functional_models(name):
    inputs = keras.Input(STEPS)
    outputs = L.Flatten()(FUNCTIONAL[name](inputs))
    assert_same_features(keras.Model(inputs, outputs), STEPS)


def test_embedded_codes():
    layers = [L.Embedding(6, 3, mask_zero=True), L.GRU(4)]
    assert_same_features(keras.Sequential([keras.Input((5,)), *layers]), (5,), whole=True)


@pytest.mark.parametrize("name", sorted(dense.ONLY_IN_TRAINING & LISTED))
def test_layers_of_training_vanish(name):
    factors = {"RandomTranslation": (0.2, 0.2), "RandomPosterization": (4,)}
    plain = {"RandomFlip", "RandAugment", "AugMix", "RandomColorJitter", "ActivityRegularization"}
    layer = getattr(L, name)(*factors.get(name, () if name in plain else (0.3,)))
    x = np.random.default_rng(0).uniform(0, 1, size=(2, 6, 6, 3)).astype(np.float32)
    x = x.reshape(
        {"SpatialDropout1D": (2, 36, 3), "SpatialDropout3D": (2, 2, 3, 6, 3)}.get(name, x.shape)
    )
    assert_array_equal(layer(x, training=False), x)


# -------------------------------------------------------------------- refusals
class Twice(L.Layer):
    def call(self, x):
        return 2 * x


def behind(*layers, shape=STEPS):
    return keras.Sequential([keras.Input(shape), *layers])


def of_inputs(function):
    inputs = keras.Input(STEPS)
    return keras.Model(inputs, function(inputs))


REFUSED = {
    "layer": (lambda: behind(L.Resizing(2, 2, name="r"), shape=PICTURE), r"'r' \(Resizing\)"),
    "layer of one's own": (lambda: behind(Twice(name="own")), r"'own' \(Twice\): .*Keras' own"),
    "function": (lambda: behind(L.Lambda(lambda x: 2 * x)), "Lambda"),
    "activation": (lambda: behind(L.Dense(3, activation="sparsemax")), "activations"),
    "cells": (lambda: behind(L.RNN([L.GRUCell(2), L.LSTMCell(2)])), "cell of"),
    "interpolation": (
        lambda: behind(L.UpSampling2D(2, interpolation="bilinear"), shape=PICTURE),
        "nearest",
    ),
    "axis": (lambda: behind(L.LayerNormalization(axis=1)), "last axis"),
    "smaller pictures": (lambda: behind(L.RandomCrop(2, 2), shape=PICTURE), "RandomCrop"),
    "masked product": (
        lambda: of_inputs(lambda x: L.Multiply()([L.Masking()(x), x])),
        r"\(Multiply\): .*masked steps",
    ),
    "masked softmax": (lambda: behind(L.Masking(), L.Softmax()), r"without \['mask'\]"),
    "causal attention": (
        lambda: of_inputs(lambda x: L.MultiHeadAttention(2, 2)(x, x, use_causal_mask=True)),
        "without .*causal",
    ),
    "operation": (lambda: of_inputs(lambda x: keras.ops.cumsum(x, 1)), "Cumsum"),
    "rows as steps": (lambda: of_inputs(lambda x: keras.ops.mean(x, axis=0)), "must not join rows"),
    "open sizes": (lambda: behind(L.UpSampling1D(2), shape=(None, 3)), "known sizes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_writer_is_refused(name):
    build, message = REFUSED[name]
    with pytest.raises(NotImplementedError, match=message):
        write(Graph(), build())


def test_a_refused_trunk_writes_no_file(tmp_path):
    trunk = keras.Sequential([keras.Input((2,)), L.Dense(3, activation="sparsemax", name="odd")])
    est = JointRegressorClassifier.plain(**SMALL, trunk=trunk)
    assert_refused(est, "ab", r"'odd' \(Dense\)", tmp_path)
