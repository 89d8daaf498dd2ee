"""The contract of value outputs, and that a kind from outside needs nothing but its class."""

import functools
import pickle
import re
from dataclasses import FrozenInstanceError, dataclass, fields, replace
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from scipy.special import softmax
from scipy.stats import norm
from sklearn.base import clone

from conftest import class_head, make_data, small
from skjoint._network.loss_rules import constant_loss
from skjoint._network.losses import per_sample
from skjoint._network.outputs import (
    OUTPUTS,
    Gaussian,
    Histogram,
    Mixture,
    Point,
    Request,
    ValueOutput,
    register,
    value_output,
)
from skjoint._network.outputs.gaussian import MIN_VARIANCE
from skjoint._network.outputs.histogram import N_BINS, SPREAD, bin_centres, places
from skjoint._network.spec import Head, NetworkSpec
from skjoint._network.weights import initial_weights, weights_of
from skjoint._prediction.numpy_math import NumPyMath
from skjoint._storage.contents import kind_named, kind_of
from skjoint.persistence import load, save, to_onnx

N_CLASSES = 3


# ------------------------------------------------------------- a kind from outside
LEAST_SCALE = 1e-3


def laplace_loss(y_true, y_pred):
    """``log b + |y - m| / b``, mean over units; b less ``LEAST_SCALE`` is given."""
    import keras

    number, scale = keras.ops.split(y_pred, 2, axis=-1)
    scale = scale + LEAST_SCALE
    losses = keras.ops.log(scale) + keras.ops.abs(y_true - number) / scale
    return keras.ops.mean(losses, axis=-1)


@dataclass(frozen=True)
class Laplace(ValueOutput):
    """Median m and scale b of a Laplace distribution, whose variance is 2 b^2."""

    name: ClassVar[str] = "laplace"
    value_loss: ClassVar[str] = "laplace_nll"
    is_likelihood: ClassVar[bool] = True
    deviation_parts: ClassVar[tuple[str, ...]] = ("scale",)

    @classmethod
    def refusals(cls, request):
        is_linear = request.value_activation == "linear"
        return [(not is_linear, "value_loss='laplace_nll' needs value_activation='linear'.")]

    @classmethod
    def number_loss(cls, value_loss):
        return "mae"

    def parts(self, head):
        return {"number": head, "scale": f"{head}/scale"}

    def layers(self, head, inputs, n_inputs, gate=None):
        scale = self.dense(f"{head}/scale", head, inputs, n_inputs, activation="softplus")
        return [*super().layers(head, inputs, n_inputs), scale]

    def loss(self, value_loss):
        return laplace_loss

    def constants(self, targets, weights):
        medians = np.median(targets[weights > 0], axis=0)
        return [np.append(medians, np.average(np.abs(targets - medians), 0, weights))]

    def combine(self, parts, math):
        found = super().combine(parts, math)
        if "scale" in parts:
            errors = [math.subtract(number, found["number"]) for number in parts["number"]]
            squares = [
                math.add(math.square(math.add(scale, LEAST_SCALE)), math.multiply(square, 0.5))
                for scale, square in zip(parts["scale"], map(math.square, errors), strict=True)
            ]
            found["scale"] = math.add(math.sqrt(math.mean(squares)), -LEAST_SCALE)
        return found

    def deviation(self, parts, math):
        return math.multiply(math.add(parts["scale"], LEAST_SCALE), 2**0.5)


@pytest.fixture
def laplace():
    before = dict(OUTPUTS)
    assert register(Laplace) is Laplace
    yield {"value_loss": "laplace_nll"}
    OUTPUTS.pop("laplace")
    assert before == OUTPUTS


# ------------------------------------------------------------------- the contract
OUTPUTS_TO_TRY = [
    Point(1, "linear"),
    Point(2, "softplus"),
    Gaussian(1, "linear"),
    Gaussian(2, "softplus"),
    Histogram(1, "linear"),
    Mixture(1, "linear", N_CLASSES),
    Mixture(2, "softplus", N_CLASSES),
    Laplace(1, "linear"),
    Laplace(2, "linear"),
]
LOSS_NAMES = {Gaussian: "gaussian_nll", Histogram: "histogram", Laplace: "laplace_nll"}
of_all = pytest.mark.parametrize(
    "output", OUTPUTS_TO_TRY, ids=lambda output: f"{output.name}-{output.n_units}"
)


def spec_of(output):
    return NetworkSpec((5,), (4,), (Head("value", output), class_head()), link=output.head_link)


def widths_of(output):
    """Units by part."""
    widths = spec_of(output).widths()
    return {part: widths[layer] for part, layer in output.parts("value").items()}


def random_parts(output, n_samples=7, seed=0, dtype=np.float32):
    """Parts such as a network may give them: numbers of any sign, all others positive."""
    rng = np.random.default_rng(seed)
    parts = {p: rng.normal(size=(n_samples, width)) for p, width in widths_of(output).items()}
    for part in ("variance", "scale", "histogram"):
        if part in parts:
            parts[part] = softmax(parts[part], axis=1) if part == "histogram" else parts[part] ** 2
    return {part: array.astype(dtype) for part, array in parts.items()}


def loss_of(output):
    return output.loss(LOSS_NAMES.get(type(output), "mse"))


def rows_of(output, n_samples=60, seed=0, labelled=True):
    """Numbers, codes, weights (some 0, where numbers are wild), and training targets."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(1, 2, size=(n_samples, output.n_units)).astype(np.float32)
    weights = rng.uniform(0.5, 2, n_samples).astype(np.float32)
    weights[:5] = 0
    codes = rng.integers(-1, N_CLASSES, n_samples) if labelled else np.full(n_samples, -1)
    spec = spec_of(output)
    start = initial_weights(spec, 0, output.given_weights("value", numbers[5:], None))
    numbers[:5] = 100
    targets = output.training_targets(
        "value", numbers, codes, lambda name: weights_of(spec, start, name)
    )
    return SimpleNamespace(numbers=numbers, codes=codes, weights=weights, targets=targets)


def shares_around(place):
    """Shares of the bins in the normal distribution around each place (n, 1)."""
    below = norm.cdf(np.arange(N_BINS + 1) - 0.5, place, SPREAD)
    return np.diff(below) / (below[:, -1:] - below[:, :1])


def numpy_loss(output, targets, answers):
    """Loss of each row by its formula, in float64."""
    targets, answers, n = targets.astype(float), answers.astype(float), output.n_units
    y, number, rest = targets[:, :n], answers[:, :n], answers[:, n:]
    if isinstance(output, Gaussian):
        variance = rest + MIN_VARIANCE
        return (np.log(variance) + (y - number) ** 2 / variance).mean(axis=1) / 2
    if isinstance(output, Laplace):
        scale = rest + LEAST_SCALE
        return (np.log(scale) + np.abs(y - number) / scale).mean(axis=1)
    if isinstance(output, Histogram):
        shares = shares_around(targets[:, 1:])
        divergence = np.where(shares > 0, shares * np.log(np.maximum(shares, 1e-300) / rest), 0)
        return (y - number)[:, 0] ** 2 + divergence.sum(axis=1) / 2
    if isinstance(output, Mixture):
        code = targets[:, -1].astype(int)
        own = rest.reshape(len(code), N_CLASSES, n)[np.arange(len(code)), code]
        number = np.where(code[:, None] >= 0, own, number)
    return ((y - number) ** 2).mean(axis=1)


def side_by_side(parts):
    return np.hstack(list(parts.values()))


@of_all
def test_it_is_plain_frozen_data(output):
    assert output == replace(output)
    assert hash(output) == hash(replace(output))
    assert pickle.loads(pickle.dumps(output)) == output
    with pytest.raises(FrozenInstanceError):
        output.n_units = 3
    assert type(output).create(output.n_units, output.activation, N_CLASSES) == output


@of_all
def test_the_first_part_is_the_number(output):
    parts = output.parts("value")
    assert next(iter(parts.items())) == ("number", "value")
    widths = widths_of(output)
    assert widths["number"] == output.n_units
    found = random_parts(output)
    assert_array_equal(output.numbers(side_by_side(found)), found["number"])
    assert {*output.deviation_parts, *output.class_parts} <= set(parts)


@of_all
def test_layers_come_after_those_they_read_and_belong_to_the_head(output):
    known = {"hidden_1", "class"}
    layers = output.layers("value", ("hidden_1",), 4, class_head())
    for layer in layers:
        assert set(layer.inputs) <= known
        assert layer.branch == "value"
        assert layer.is_output
        known.add(layer.name)
    assert set(output.parts("value").values()) <= known
    drawn = initial_weights(
        spec_of(output), 0, output.given_weights("value", np.ones((3, 1)), None)
    )
    assert all(w.dtype == np.float32 for w in drawn)


@of_all
def test_equal_members_together_are_that_member(output):
    member = random_parts(output)
    for n_members in (1, 3):
        found = output.combine({p: [array] * n_members for p, array in member.items()}, NumPyMath)
        assert found.keys() == member.keys()
        for part, array in member.items():
            assert_allclose(found[part], array, rtol=1e-6, atol=1e-7)


@of_all
def test_numbers_of_members_are_averaged_with_and_without_the_other_parts(output):
    members = [random_parts(output, seed=seed) for seed in range(3)]
    parts = {part: [member[part] for member in members] for part in members[0]}
    together = output.combine(parts, NumPyMath)
    alone = output.combine({"number": parts["number"]}, NumPyMath)
    assert list(alone) == ["number"]
    assert_array_equal(alone["number"], together["number"])
    assert_allclose(alone["number"], np.mean(parts["number"], axis=0), rtol=1e-6)


@pytest.mark.parametrize("output", [Gaussian(1, "linear"), Laplace(1, "linear")])
def test_deviations_of_members_are_those_of_their_mixture(output):
    """Of a mixture of distributions: mean variance, and the variance of the means."""
    members = [random_parts(output, seed=seed, dtype=np.float64) for seed in range(3)]
    parts = {part: [member[part] for member in members] for part in members[0]}
    variances = [output.deviation(member, NumPyMath) ** 2 for member in members]
    expected = np.mean(variances, axis=0) + np.var(parts["number"], axis=0)
    found = output.deviation(output.combine(parts, NumPyMath), NumPyMath)
    assert_allclose(found**2, expected, rtol=1e-6)


@of_all
def test_numpy_and_an_onnx_graph_give_the_same(output):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    from skjoint._onnx.graph import DOUBLE, Graph, GraphMath
    from skjoint._onnx.model import as_proto

    members = [random_parts(output, seed=seed, dtype=np.float64) for seed in range(3)]
    parts = {part: [member[part] for member in members] for part in members[0]}
    names = {part: [f"{part}_{i}" for i in range(3)] for part in parts}
    expected, graph = output.combine(parts, NumPyMath), Graph()
    tensors = output.combine(names, GraphMath(graph))
    if output.deviation_parts:
        tensors["deviation"] = output.deviation(tensors, GraphMath(graph))
        expected["deviation"] = output.deviation(expected, NumPyMath)
    inputs = {f"{part}_{i}": member[part] for i, member in enumerate(members) for part in parts}
    types = {name: (DOUBLE, list(array.shape)) for name, array in inputs.items()}
    of_outputs = {name: (DOUBLE, list(array.shape)) for name, array in expected.items()}
    proto = as_proto(graph, types, of_outputs, [tensors[name] for name in of_outputs])
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    for name, found in zip(of_outputs, session.run(list(of_outputs), inputs), strict=True):
        assert_allclose(found, expected[name], rtol=1e-12, err_msg=name)


# ---------------------------------------------------------------- targets and losses
@of_all
def test_numbers_come_first_among_training_targets(output):
    rows = rows_of(output)
    assert rows.targets.dtype == np.float32
    assert_array_equal(output.numbers(rows.targets), rows.numbers)
    further = rows.targets[:, output.n_units :]
    if isinstance(output, Histogram):
        assert_array_equal(further, places(rows.numbers, bin_centres(rows.numbers[5:])))
    elif isinstance(output, Mixture):
        assert_array_equal(further[:, 0], rows.codes)
    else:
        assert further.shape[1] == 0


@of_all
def test_the_loss_is_its_formula(output):
    rows = rows_of(output)
    answers = side_by_side(random_parts(output, len(rows.targets)))
    found = np.asarray(per_sample(loss_of(output))(rows.targets, answers))
    assert found.shape == (len(rows.targets),)
    assert_allclose(found, numpy_loss(output, rows.targets, answers), rtol=1e-3, atol=1e-4)


@of_all
def test_the_metric_is_the_absolute_error_in_original_units(output):
    rows, scale = rows_of(output), np.float32(2.5)
    parts = random_parts(output, len(rows.targets))
    found = output.row_metric(rows.targets, side_by_side(parts), scale)
    expected = np.abs(rows.numbers - parts["number"]).mean(axis=1) * scale
    assert_allclose(np.asarray(found), expected, rtol=1e-5)


@of_all
def test_constants_are_all_parts_side_by_side(output):
    rows = rows_of(output)
    constants = list(output.constants(rows.targets, rows.weights))
    assert constants
    for constant in constants:
        assert constant.shape == (sum(widths_of(output).values()),)
        assert np.isfinite(constant).all()
        assert np.abs(output.numbers(constant[None])).max() < 50  # rows of weight 0 do not count


@of_all
def test_the_held_out_loss_of_constants_is_that_of_the_formula(output):
    train, held_out = rows_of(output), rows_of(output, 40, seed=1, labelled=False)
    pairs = [(rows.targets, rows.weights) for rows in (train, held_out)]
    losses = [
        np.average(
            numpy_loss(output, held_out.targets, np.tile(constant, (40, 1))),
            weights=held_out.weights,
        )
        for constant in output.constants(*pairs[0])
    ]
    assert constant_loss(output, loss_of(output), *pairs) == pytest.approx(min(losses), rel=1e-3)


def constant_of(output, theta):
    """A constant answer from free numbers."""
    n = output.n_units
    if isinstance(output, (Gaussian, Laplace)):
        return np.append(theta[:n], np.exp(theta[n:]))
    if isinstance(output, Histogram):
        return np.append(theta[:n], softmax(theta[n:]))
    return np.append(theta, np.zeros(sum(widths_of(output).values()) - n))


@of_all
def test_no_other_constant_has_a_smaller_loss(output):
    """What a search over all constants finds on the rows they are learned from."""
    rows = rows_of(output, 61, labelled=False)
    of_whole_rows = rows.targets[5:], np.ones(56, np.float32)
    more = {Gaussian: output.n_units, Laplace: output.n_units, Histogram: N_BINS}
    n_free = output.n_units + more.get(type(output), 0)

    def loss(theta):
        answers = np.tile(constant_of(output, theta), (56, 1))
        return numpy_loss(output, of_whole_rows[0], answers).mean()

    best = minimize(loss, np.full(n_free, 0.1), method="L-BFGS-B", options={"maxfun": 50_000})
    found = constant_loss(output, loss_of(output), of_whole_rows, of_whole_rows)
    assert found == pytest.approx(best.fun, rel=2e-3)
    assert output.relative_loss(found, found) == pytest.approx(1)


def test_the_best_constant_of_absolute_errors_is_a_median():
    point = Point(1, "linear")
    y = np.random.default_rng(0).exponential(size=(51, 1)).astype(np.float32)
    rows = y, np.ones(51, np.float32)
    best = min(np.abs(y - candidate).mean() for candidate in y[:, 0])
    assert constant_loss(point, point.loss("mae"), rows, rows) == pytest.approx(best, rel=1e-5)


def test_numbers_by_class_are_those_of_the_codes():
    mixture = Mixture(2, "linear", N_CLASSES)
    parts = random_parts(mixture, 5)
    codes = np.array([2, 0, 1, 1, 2])
    found = mixture.number_by_class(parts, codes)
    for row, code in enumerate(codes):
        assert_array_equal(found[row], parts["by_class"][row, 2 * code : 2 * code + 2])


# ----------------------------------------------------------------- choice and refusals
@pytest.mark.parametrize(
    ("value_loss", "head_link", "kind"),
    [
        ("mse", None, Point),
        ("mae", "class_to_value", Point),
        ("gaussian_nll", "value_to_class", Gaussian),
        ("histogram", None, Histogram),
        ("huber", "mixture", Mixture),
        (laplace_loss, None, Point),
        ("laplace_nll", None, Point),  # unless it is registered
    ],
)
def test_parameters_choose_the_kind(value_loss, head_link, kind):
    assert value_output(value_loss, head_link) is kind


@of_all
def test_files_hold_registered_kinds_by_name(output, laplace):
    name, kind = kind_of(output)
    assert name == f"output {output.name}"
    assert kind.fields(output) == {f.name: getattr(output, f.name) for f in fields(output)}
    assert kind_named(name)[1].make(kind.fields(output)) == output


X, Y = make_data(150)


@pytest.mark.parametrize(
    ("params", "y", "message"),
    [
        (
            {"value_loss": "gaussian_nll", "head_link": "mixture"},
            Y,
            "value_loss must be a loss without variance, such as 'mse', with head_link='mixture'. "
            "Got 'gaussian_nll' instead.",
        ),
        (
            {"value_loss": "gaussian_nll", "loss_weights": "famo"},
            Y,
            "loss_weights='famo' balances losses of at least 0, and that of "
            "value_loss='gaussian_nll' may be negative.",
        ),
        (
            {"value_loss": "histogram", "head_link": "mixture"},
            Y,
            "value_loss='histogram', whose number is a mean of bins, cannot go with "
            "head_link='mixture'. Set another value_loss, such as 'mse'.",
        ),
        (
            {"value_loss": "histogram", "value_activation": "softplus"},
            Y,
            "needs value_activation='linear'. Got 'softplus' instead. Set another value_loss",
        ),
        (
            {"value_loss": "histogram", "value_columns": [["value", "more"]]},
            Y.assign(more=2 * X[:, 0]),
            "needs value_columns without vectors. Target 'value' has 2 numbers. Set another",
        ),
        (
            {"head_link": "mixture"},
            Y.assign(sign=np.where(X[:, 1] > 0, "+", "-")),
            "head_link='mixture' needs exactly one class target. Got ['class_label', 'class_sign']",
        ),
    ],
)
def test_fit_refuses_what_a_kind_cannot_do(params, y, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        small(**params).fit(X, y)


def test_a_point_refuses_nothing():
    request = Request("mse", "relu", None, "famo", {"value": 3}, ["class_a", "class_b"])
    assert not any(refused for refused, _ in Point.refusals(request))


# ------------------------------------------------- a kind from outside in the estimator
def fit_laplace(**params):
    defaults = {"epochs": 6, "learning_rate": 0.01, "value_loss": "laplace_nll"}
    return small(**{**defaults, **params}).fit(X, Y)


SETTINGS = [
    {"validation": 0.2},
    {"head_link": "value_to_class", "alpha": 0.01, "dropout": 0.2},
    {"numeric_embedding": "periodic", "value_layer_sizes": (5,)},
]


@pytest.mark.parametrize("params", SETTINGS, ids=["validated", "linked", "embedded"])
def test_engines_agree_on_a_kind_from_outside(params, laplace):
    fused, keras = (fit_laplace(engine=engine, **params) for engine in ("fused", "keras"))
    assert list(fused.history_) == list(keras.history_)
    for name, curve in fused.history_.items():
        assert_allclose(curve, keras.history_[name], rtol=1e-3, atol=1e-4, err_msg=name)
    weights = (est._model.network.weights for est in (fused, keras))
    for ours, theirs in zip(*weights, strict=True):
        assert_allclose(ours, theirs, rtol=1e-3, atol=2e-5)
    for ours, theirs in zip(
        *(est.predict_value(X, return_std=True) for est in (fused, keras)), strict=True
    ):
        assert_allclose(ours, theirs, rtol=1e-3)
    outputs = fused.model_.predict(fused._model.encode(X), verbose=0)
    number = fused._model.targets.values[0].decode(outputs[0])
    assert_allclose(number, fused.predict_value(X), rtol=1e-5, atol=1e-4)


def test_a_kind_from_outside_learns_its_scale(laplace):
    rng = np.random.default_rng(0)
    x, y = make_data(1500)
    noise = np.exp(1 + x[:, 2])
    y["value"] = 20 * x[:, 0] + rng.laplace(scale=noise)
    est = small(epochs=40, learning_rate=0.01, batch_size=64, **laplace).fit(x[:1000], y[:1000])
    value, std = est.predict_value(x[1000:], return_std=True)
    assert np.corrcoef(np.log(std), np.log(noise[1000:]))[0, 1] > 0.9
    assert np.mean(((y["value"][1000:] - value) / std) ** 2) == pytest.approx(1, abs=0.35)


@functools.cache
def ensemble_of_laplace():
    return fit_laplace(n_members=3, early_stopping="by_head", validation=0.3, n_refits=1)


def answers_of(est):
    value, std = est.predict_value(X, return_std=True)
    intervals = est.predict_interval(X, 0.8)
    return value, std, intervals, est.predict_proba(X), est.predict_class(X)


def test_members_of_a_kind_from_outside_stop_by_head_and_have_intervals(laplace):
    est = ensemble_of_laplace()
    assert est.best_epoch_.shape == (3, 2)
    assert isinstance(est._model.network.spec.heads[0].output, Laplace)
    value, std, intervals, *_ = answers_of(est)
    assert (std > 0).all()
    assert_allclose(intervals.mean(axis=1), value)
    assert np.ptp(np.ptp(intervals, axis=1) / std) < 1e-6 * np.ptp(intervals, axis=1).max()
    inside = (intervals[:, 0] <= Y["value"]) & (Y["value"] <= intervals[:, 1])
    assert inside.mean() == pytest.approx(0.8, abs=0.15)
    assert_array_equal(est.predict_value(X[:1], return_std=True)[1], std[:1])


def test_a_kind_from_outside_survives_pickles_files_and_clones(laplace, tmp_path):
    est = ensemble_of_laplace()
    save(est, tmp_path / "model.skjoint")
    again = [load(tmp_path / "model.skjoint"), pickle.loads(pickle.dumps(est))]
    for other in [*again, clone(est).fit(X, Y)]:
        for found, expected in zip(answers_of(other), answers_of(est), strict=True):
            assert_array_equal(found, expected)
    goes_on = again[0].set_params(warm_start=True, early_stopping=False, n_refits=0, epochs=1)
    assert np.isfinite(goes_on.fit(X, Y).predict_value(X)).all()
    assert goes_on.n_iter_ == est.n_iter_ + 1


def test_a_file_of_a_kind_that_is_gone_is_refused(laplace, tmp_path, monkeypatch):
    save(ensemble_of_laplace(), tmp_path / "model.skjoint")
    with monkeypatch.context() as patch:
        patch.delitem(OUTPUTS, "laplace")
        with pytest.raises(ValueError, match="laplace"):
            load(tmp_path / "model.skjoint")


def test_a_kind_from_outside_is_exported(laplace, tmp_path):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    for est in (fit_laplace(), ensemble_of_laplace()):
        to_onnx(est, tmp_path / "model.onnx")
        session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
        found = session.run(["value", "std", "proba", "class"], {"X": X})
        value, std = est.predict_value(X, return_std=True)
        assert_allclose(found[0], value, rtol=1e-6, atol=1e-5)
        assert_allclose(found[1], std, rtol=1e-6)
        assert_allclose(found[2], est.predict_proba(X), atol=1e-6)
        assert_array_equal(found[3], est.predict_class(X))


def test_a_kind_from_outside_works_with_the_rest(laplace):
    """Companions answer for the label, several numbers, bands with a blend, refusals, chunks."""
    beside = fit_laplace(companions=("forest",), companions__n_trees=5, validation=0.2)
    assert beside.shares_.loc["value", "forest"] == 0  # it does not take means
    several = small(**laplace).fit(X, Y.assign(other=X[:, 1] ** 2))
    value, std = several.predict_value(X, return_std=True)
    assert value.shape == std.shape == (150, 2)
    blend = small(class_bins=3, value_from="blend", **laplace).fit(X, Y["value"])
    assert np.isfinite(blend.predict_interval(X, 0.5)).all()
    chunks = small(**laplace).partial_fit(X[:80], Y[:80]).partial_fit(X[80:], Y[80:])
    assert np.isfinite(chunks.predict_value(X)).all()
    with pytest.raises(ValueError, match="needs value_activation='linear'"):
        fit_laplace(value_activation="softplus")
    with pytest.raises(ValueError, match="Did you mean 'laplace_nll'"):
        fit_laplace(value_loss="laplace_nl")


def test_a_kind_is_unknown_where_it_is_not_registered():
    with pytest.raises(ValueError, match="value_loss must be one of"):
        fit_laplace()


@dataclass(frozen=True)
class LaplaceInSquares(Laplace):
    """The same, with squared errors in the logs."""

    name: ClassVar[str] = "laplace in squares"
    value_loss: ClassVar[str] = "laplace_nll_in_squares"
    metric: ClassVar[str] = "mse"

    def row_metric(self, targets, outputs, scale):
        return super().row_metric(targets, outputs, scale) ** 2


def test_a_kind_may_have_a_metric_of_its_own(monkeypatch):
    monkeypatch.setitem(OUTPUTS, LaplaceInSquares.name, LaplaceInSquares)
    params = {"n_members": 2, "early_stopping": True, "validation": 0.3}
    est = small(epochs=3, value_loss=LaplaceInSquares.value_loss, **params).fit(X, Y)
    assert {"value_mse", "val_value_mse"} <= set(est.history_)
    assert est.predict_interval(X).shape == (len(X), 2)
