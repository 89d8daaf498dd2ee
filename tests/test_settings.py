"""What a fit decides before it trains: settings, conflicts, plans. No training here."""

import copy
import dataclasses
import itertools
import random

import keras
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from conftest import make_data
from skjoint import JointRegressorClassifier
from skjoint._data.sample_weight import total_weight
from skjoint._engines import choice
from skjoint._engines.optimizers import optimizer_key
from skjoint._fitting import conflicts
from skjoint._fitting.plans import write_plans
from skjoint._fitting.settings import AUTO_HELD_OUT, AUTO_SIZES, Settings, resolve
from skjoint._fitting.training_data import encode_rows, learn_encoders, read_training_data
from skjoint._network.losses import loss_key
from skjoint._network.outputs import asked_outputs
from skjoint._parameters.presets import PLAIN
from skjoint._prediction.average import average
from skjoint._prediction.fitted_model import FittedModel, Resumption
from skjoint._prediction.forward import FittedNetwork

X, Y = make_data(60)


def parts_of(est, X=X, y=Y, mode="fit", sample_weight=None):
    """All that plans are written from: encoded rows, targets, features and settings."""
    params = est.get_params(deep=False)
    data = read_training_data(X, y, sample_weight, params, None)
    targets, features = learn_encoders(data, params, est.classes)
    n_rows = total_weight(len(X), data.sample_weight)
    settings = resolve(params, targets, features, mode, 0, n_rows)
    return data, targets, features, settings


def settings_of(mode="fit", **params):
    return parts_of(JointRegressorClassifier(**params), mode=mode)[-1]


def comparable(entry):
    """Equal for what does the same: Keras losses have no equality of their own."""
    if isinstance(entry, keras.losses.Loss):
        return loss_key(entry)
    if hasattr(entry, "config"):
        return optimizer_key(entry), entry.rate
    return tuple(map(comparable, entry)) if isinstance(entry, (list, tuple)) else entry


def changed(one, other):
    """Names of the settings that differ."""
    names = [field.name for field in dataclasses.fields(Settings)]
    return {n for n in names if comparable(getattr(one, n)) != comparable(getattr(other, n))}


# ------------------------------------------------------- every "auto" by itself
def build(meta):
    return keras.Sequential([keras.Input(meta["input_shape"]), keras.layers.Dense(6)])


OTHERS = [
    {},
    {"value_layer_sizes": 4, "class_layer_sizes": (4, 3), "activation": "tanh"},
    {"dropout": 0.2},
    {"numeric_embedding": None},
    {"numeric_embedding": "rank"},
    {"numeric_embedding": "periodic"},
    {"numeric_embedding": ("periodic", "rank")},
    {"alpha": 0.0},
    {"alpha": 0.1},
    {"learning_rate": 0.01},
    {"learning_rate_schedule": "constant"},
    {"learning_rate_schedule": "cosine"},
    {"optimizer": "sgd", "optimizer__momentum": 0.9},
    {"optimizer": keras.optimizers.Adam(0.02)},
    {"callbacks": keras.callbacks.ReduceLROnPlateau()},
    {"warm_start": True},
    {"preprocess": None},
    {"value_loss": "histogram"},
    {"value_loss": "gaussian_nll"},
    {"head_link": "mixture"},
    {"head_link": "class_to_value"},
    {"loss_weights": "famo"},
    {"loss_weights": "dwa"},
    {"class_weight": "balanced"},
    {"validation": 0.3},
    {"early_stopping": "by_head", "n_members": 3, "n_refits": 2},
    {"calibration": "temperature"},
    {"value_from": "auto"},
    {"companions": ("forest", "ridge"), "companions__n_trees": 7},
]


@pytest.mark.parametrize("others", OTHERS, ids=lambda others: ", ".join(others) or "nothing")
@pytest.mark.parametrize("mode", ["fit", "chunk"])
def test_naming_layers_changes_the_layers_and_nothing_else(others, mode):
    auto = settings_of(mode, **others)
    assert auto.hidden == AUTO_SIZES == (256, 64)
    assert changed(auto, settings_of(mode, hidden_layer_sizes=AUTO_SIZES, **others)) == set()
    for sizes, hidden in [((), ()), (8, (8,)), ([64, 64], (64, 64)), (np.array([5]), (5,))]:
        named = settings_of(mode, hidden_layer_sizes=sizes, **others)
        assert named.hidden == hidden
        assert changed(auto, named) == {"hidden"}


# A name for each "auto", and the setting that it concerns; ranks are in the features.
NAMED = {
    "hidden_layer_sizes": ((12,), {"hidden"}),
    "numeric_embedding": ("periodic", {"embeddings"}),
    "alpha": (0.03, {"alpha"}),
    "learning_rate_schedule": ("constant", {"optimizer"}),
    "value_from": ("mean", {"value_from"}),
}


@pytest.mark.parametrize("name", NAMED)
def test_each_name_changes_its_own_setting_whatever_else_is_named(name):
    value, concerns = NAMED[name]
    y = Y["value"]
    common = {"class_bins": 3, "value_from": "auto"}
    others = [other for other in NAMED if other != name]
    for n in range(len(others) + 1):
        for chosen in itertools.combinations(others, n):
            params = {**common, **{other: NAMED[other][0] for other in chosen}}
            auto, named = (
                parts_of(JointRegressorClassifier(**{**params, **more}), y=y)[-1]
                for more in ({}, {name: value})
            )
            assert changed(auto, named) == concerns


def test_numbers_without_ranks_change_no_setting():
    ranked, standardised = (
        parts_of(JointRegressorClassifier(numeric_embedding=kind))[2:] for kind in ("auto", None)
    )
    assert changed(ranked[1], standardised[1]) == set()
    assert (ranked[0].n_ranks > 0, standardised[0].n_ranks) == (True, 0)


def test_the_auto_penalty_counts_encoded_columns_and_is_bounded():
    wide = np.random.default_rng(0).normal(size=(60, 300))
    numbers = pd.DataFrame(wide[:, :4]).add_prefix("x")
    numbers["few"] = np.arange(60) % 3  # has a column for each value; ranks do not count
    text = numbers.assign(letter=np.array(list("abcde"))[np.arange(60) % 5])

    def alpha(X, **params):
        return parts_of(JointRegressorClassifier(**params), X)[-1].alpha

    assert alpha(wide[:, :4]) == pytest.approx(4 * 5e-5)
    assert alpha(numbers) == pytest.approx(8 * 5e-5)
    assert alpha(text) == pytest.approx(13 * 5e-5)
    assert alpha(text, numeric_embedding=None) == pytest.approx(10 * 5e-5)
    assert alpha(numbers.to_numpy(), preprocess=None) == pytest.approx(5 * 5e-5)
    assert alpha(wide) == 0.01
    assert alpha(numbers, hidden_layer_sizes=(8,)) == pytest.approx(8 * 5e-5)
    assert alpha(numbers, alpha=0.2) == alpha(numbers, alpha=0.2, loss_weights="famo") == 0.2
    assert alpha(numbers, loss_weights="famo") == 0.0


def test_embeddings_are_drawn_to_zero_as_by_rows_of_each_level():
    """By default, and in no setting that names its penalty or does not see all rows."""
    zips = pd.DataFrame({"zip": [f"zip {i % 20}" for i in range(60)]})

    def penalty(X=zips, mode="fit", weights=None, **params):
        est = JointRegressorClassifier(**params)
        return parts_of(est, X, mode=mode, sample_weight=weights)[-1].embedding_alpha

    assert penalty() == penalty(early_stopping=True) == 5 / 60
    assert penalty(weights=np.full(60, 2.0)) == 5 / 120  # as many rows as they stand for
    assert penalty(mode="chunk") == penalty(alpha=0.001) == penalty(loss_weights="famo") == 0
    assert penalty(zips["zip"].str[:5].to_frame()) == 0  # one-hot units have kernels


@pytest.mark.parametrize("sizes", ["auto", (8,)])
def test_a_trunk_is_the_exception(sizes):
    """It brings its own layers, penalty and embedding; its rate stays."""
    common = {"trunk": build, "hidden_layer_sizes": sizes}
    *_, features, auto = parts_of(JointRegressorClassifier(**common))
    assert (auto.hidden, auto.embeddings, auto.alpha) == ((), (None,), 0.0)
    assert (auto.optimizer.schedule, auto.optimizer.rate) == ("constant", pytest.approx(0.001))
    assert not features.n_ranks
    # What is named counts here, too.
    assert changed(auto, settings_of(**common, alpha=0.1)) == {"alpha"}
    assert changed(auto, settings_of(**common, learning_rate_schedule="cosine")) == {"optimizer"}
    ranked = parts_of(JointRegressorClassifier(**common, numeric_embedding="rank"))
    assert ranked[2].n_ranks
    assert changed(auto, ranked[-1]) == set()


@pytest.mark.parametrize(
    ("params", "schedule", "rate"),
    [
        ({}, "cosine", 0.0015),
        ({"learning_rate": 0.001}, "cosine", 0.001),
        ({"learning_rate_schedule": "constant"}, "constant", 0.001),
        ({"learning_rate_schedule": "cosine"}, "cosine", 0.001),
        ({"warm_start": True}, "constant", 0.001),
        ({"callbacks": keras.callbacks.ReduceLROnPlateau}, "constant", 0.001),
        ({"optimizer": "sgd"}, "cosine", 0.015),
        ({"optimizer": keras.optimizers.SGD(0.3)}, "cosine", 0.3),
    ],
)
def test_the_auto_schedule(params, schedule, rate):
    spec = settings_of(**params).optimizer
    assert (spec.schedule, spec.rate) == (schedule, pytest.approx(rate))
    assert settings_of("chunk", **params).optimizer.schedule == "constant"


@pytest.mark.parametrize(
    ("params", "share"),
    [
        ({}, None),
        ({"n_members": 3}, None),
        ({"validation": 0.3}, 0.3),
        ({"validation": 0.3, "early_stopping": True}, 0.3),
        ({"early_stopping": True}, AUTO_HELD_OUT),
        ({"early_stopping": "by_head"}, AUTO_HELD_OUT),
        ({"calibration": "temperature"}, AUTO_HELD_OUT),
        ({"companions": ("ridge",)}, AUTO_HELD_OUT),
        ({"value_from": "auto"}, None),
    ],
)
def test_rows_are_held_out_where_something_needs_them(params, share):
    assert settings_of(**params).validation == share
    assert settings_of("chunk", **params).validation is None


def test_a_chunk_has_neither_held_out_rows_nor_what_needs_them():
    settings = settings_of("chunk", **{**OTHERS[-4], **OTHERS[-3], **OTHERS[-1]})
    assert (settings.epochs, settings.n_members, settings.n_refits) == (1, 3, 0)
    assert (settings.stopping, settings.calibrates, settings.companions) == (None, False, {})


def test_nothing_in_settings_is_auto():
    for others in OTHERS:
        settings = settings_of(**others)
        found = {f.name: getattr(settings, f.name) for f in dataclasses.fields(Settings)}
        del found["engine"], found["value_from"]  # decided by the plan, by the held-out rows
        assert "auto" not in [value for value in found.values() if isinstance(value, str)]
        assert settings.optimizer.schedule != "auto"


# ------------------------------------------------------------------------ plain
def test_the_plain_network_is_what_its_docstring_lists():
    est = JointRegressorClassifier.plain()
    assert {name: est.get_params()[name] for name in PLAIN} == PLAIN
    unnamed = {n: v for n, v in est.get_params().items() if n not in PLAIN}
    assert unnamed == {n: JointRegressorClassifier().get_params()[n] for n in unnamed}
    *_, features, settings = parts_of(est)
    assert settings.hidden == (64, 64)
    assert settings.embeddings == (None,)
    assert not features.n_ranks
    assert features.output_shape == (X.shape[1],)  # numbers enter once
    assert settings.alpha == settings.dropout == 0.0
    assert settings.optimizer.schedule == "constant"
    assert settings.optimizer.rate == pytest.approx(keras.optimizers.Adam().learning_rate)
    assert settings.validation is settings.stopping is None
    assert not settings.calibrates
    assert (settings.n_members, settings.n_refits, settings.companions) == (1, 0, {})


def plans_of(est, X=X, y=Y, previous=None, mode="fit"):
    data, targets, features, settings = parts_of(est, X, y, mode)
    rows = encode_rows(data, targets, features, settings)
    return write_plans(rows, targets, features, settings, previous)


@pytest.mark.parametrize(
    ("n_inputs", "sizes", "n_classes", "count"),
    [
        (10, (128, 64), 3, 9924),  # the article prints it
        (4, (20, 10), 3, 4 * 20 + 20 + 20 * 10 + 10 + 10 * 4 + 4),
        (4, (), 3, 4 * 4 + 4),
        (3, 5, 2, 3 * 5 + 5 + 5 * 3 + 3),
    ],
)
def test_plain_networks_have_the_parameters_of_textbooks(n_inputs, sizes, n_classes, count):
    rng = np.random.default_rng(0)
    numbers = rng.integers(4, size=(60, n_inputs)).astype(float)  # few values: no columns of theirs
    y = pd.DataFrame({"value": rng.normal(size=60), "label": np.arange(60) % n_classes})
    y["label"] = y["label"].astype(str)
    (plan,), _ = plans_of(JointRegressorClassifier.plain(sizes), numbers, y)
    assert plan.network.n_parameters == count == sum(w.size for w in plan.weights)


# -------------------------------------------------------------------- conflicts
IMAGES = np.zeros((60, 4, 4, 1)) + np.arange(60)[:, None, None, None]
STOPPED = {"early_stopping": True}
# In the order of the table.
REFUSED = [
    ({"n_refits": 2}, {}, "^n_refits=2 trains for the epochs that early stopping finds best"),
    (
        {"class_bins": 3, "value_from": "blend"},
        {"y": Y["value"], "method": "partial_fit"},
        "^value_from='blend' is chosen on validation rows.* Use 'mean' or 'median'",
    ),
    ({"value_from": "smearing"}, {}, "^value_from='smearing' is the mean of a number that is tran"),
    (
        {"value_transform": "quantile", "value_from": "smearing", "head_link": "mixture"},
        {},
        "^value_from must not be 'smearing' with head_link='mixture'",
    ),
    ({"n_refits": 2, "warm_start": True, **STOPPED}, {}, "^n_refits=2 starts anew on all rows"),
    (
        {"head_link": "class_to_value", "class_columns": []},
        {"y": Y[["value"]]},
        "^head_link='class_to_value' needs a value and a class target",
    ),
    ({"trunk__n": 3}, {}, r"^trunk__... needs trunk. Got \['trunk__n'\]"),
    (
        {"trunk": build, "numeric_embedding": ("rank", "periodic")},
        {},
        "^numeric_embedding must be 'rank' or None beside a trunk",
    ),
    (
        {"threshold": "f1"},
        {},
        r"^threshold='f1' needs a target of two labels. Got numbers of labels {'class': 3} instead",
    ),
    (
        {"threshold": "f1", "class_bins": 2, "class_from": "value"},
        {"y": Y["value"]},
        "^threshold='f1' is one of probabilities, class_from='value' takes the label of the number",
    ),
    (
        {"trunk": build, "companions": "ridge"},
        {"X": IMAGES},
        r"^companions must be \(\) where rows of X have a shape.*Got 'ridge' instead",
    ),
    (
        {"companions": "ridge"},
        {"X": sparse.csr_array(np.eye(60))},
        r"^companions must be \(\) where X is sparse.*Got 'ridge' instead.*TruncatedSVD",
    ),
]
PAIR = pd.DataFrame({"a": Y["value"], "b": -Y["value"], "label": Y["label"], "more": Y["label"]})
# By value_loss or head_link, in the order of the output's own rows.
REFUSED_BY_OUTPUTS = {
    "gaussian_nll": [
        ({"head_link": "mixture"}, {}, "must be a loss without variance"),
        ({"loss_weights": "dwa"}, {}, "balances losses of at least 0"),
    ],
    "histogram": [
        ({"head_link": "mixture"}, {}, "cannot go with head_link='mixture'"),
        ({"value_activation": "softplus"}, {}, "needs value_activation='linear'"),
        (
            {"value_columns": [["a", "b"]], "class_columns": ["label"]},
            {"y": PAIR[["a", "b", "label"]]},
            "needs value_columns without vectors",
        ),
    ],
    "mixture": [({}, {"y": PAIR[["a", "label", "more"]]}, "needs exactly one class target")],
}


@pytest.fixture
def trained(monkeypatch):
    """Plans that reached an engine."""
    plans = []

    def train(plan, on_epoch, callbacks):
        plans.append(plan)
        raise AssertionError("training began")

    for name in choice.ENGINES:
        monkeypatch.setitem(choice.ENGINES, name, choice.Engine(train, runs_in_threads=True))
    return plans


def assert_refused(params, data, message):
    est = JointRegressorClassifier(**params)
    with pytest.raises(ValueError, match=message):
        getattr(est, data.get("method", "fit"))(data.get("X", X), data.get("y", Y))
    assert not hasattr(est, "n_iter_")


def test_every_row_of_the_table_is_tested():
    assert len(REFUSED) == len(conflicts.CONFLICTS)


@pytest.mark.parametrize("row", range(len(REFUSED)))
def test_what_cannot_go_together_is_refused_before_training(row, trained, monkeypatch):
    assert_refused(*REFUSED[row])
    monkeypatch.setattr(conflicts, "CONFLICTS", [conflicts.CONFLICTS[row]])  # by this row alone
    assert_refused(*REFUSED[row])
    assert trained == []


@pytest.mark.parametrize(
    ("name", "row"), [(n, i) for n, rows in REFUSED_BY_OUTPUTS.items() for i in range(len(rows))]
)
def test_what_outputs_refuse_is_refused_before_training(name, row, trained):
    asked = {"head_link": name} if name == "mixture" else {"value_loss": name}
    params, data, message = REFUSED_BY_OUTPUTS[name][row]
    assert_refused({**asked, **params}, data, message)
    assert trained == []


def test_every_refusal_of_an_output_is_tested():
    request = conflicts.Request("mse", "linear", None, None, {"value": 1}, ["class"])
    for name, rows in REFUSED_BY_OUTPUTS.items():
        (kind,) = asked_outputs(*((None, name) if name == "mixture" else (name, None)))
        refusals = kind.refusals(request)
        assert len(refusals) == len(rows)
        assert not any(refused for refused, _ in refusals)


def test_what_concerns_held_out_rows_does_not_concern_chunks():
    settings_of("chunk", n_refits=2)
    settings_of("chunk", n_refits=2, warm_start=True, **STOPPED)
    parts_of(JointRegressorClassifier(trunk=build, companions=("ridge",)), IMAGES, mode="chunk")


# ------------------------------------------------------------------------ plans
def assert_same(one, other):
    """The same to the bit, part by part."""
    assert type(one) is type(other)
    if isinstance(one, np.ndarray):
        assert_array_equal(one, other)
        assert one.dtype == other.dtype
    elif isinstance(one, keras.losses.Loss):
        assert loss_key(one) == loss_key(other)
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            assert_same(*pair)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif dataclasses.is_dataclass(one) and not isinstance(one, type):
        for field in dataclasses.fields(one):
            assert_same(getattr(one, field.name), getattr(other, field.name))
    else:
        assert one == other


def weights_of(model):
    return [w for i in range(2) for w in model.network.member(i).weights]


PLANS = {
    "auto": {},
    "plain": PLAIN,
    "members and refits": {"n_members": 3, "n_refits": 2, "early_stopping": "by_head"},
    "embedded in turn": {"numeric_embedding": ("periodic", "rank"), "n_members": 2},
    "histogram": {"value_loss": "histogram", "validation": 0.2},
    "mixture": {"head_link": "mixture", "value_by_class": {"low": 0.0}, "class_weight": "balanced"},
    "raw": {"preprocess": None},
    "function as trunk": {"trunk": build, "n_members": 2},
    "model as trunk": {"trunk": build({"input_shape": (4,)})},
}


@pytest.mark.parametrize("name", PLANS)
def test_writing_plans_twice_gives_the_same_and_changes_nothing(name):
    est = JointRegressorClassifier(**PLANS[name])
    y = Y.assign(value=Y["value"].where(Y["label"] != "low", 0.0))
    own_X, own_y = X.copy(), y.copy()
    before = dict(vars(est))
    data, targets, features, settings = parts_of(est, own_X, own_y)
    rows = encode_rows(data, targets, features, settings)
    old_rows = copy.deepcopy(rows)
    states = random.getstate(), np.random.get_state()
    first = write_plans(rows, targets, features, settings)
    second = write_plans(rows, targets, features, settings)
    assert random.getstate() == states[0]
    assert_same(list(np.random.get_state()), list(states[1]))
    assert len(first[0]) == settings.n_members
    assert len(first[1]) == settings.n_refits
    assert_same(first, second)
    assert vars(est) == before
    assert_same(rows, old_rows)
    assert_array_equal(own_X, X)
    pd.testing.assert_frame_equal(own_y, y)


@pytest.mark.parametrize("mode", ["continue", "chunk"])
def test_plans_of_training_that_goes_on_leave_the_model_before_as_it_was(mode):
    est = JointRegressorClassifier(n_members=2, warm_start=True)
    data, targets, features, settings = parts_of(est, mode=mode)
    rows = encode_rows(data, targets, features, settings)
    started, _ = write_plans(rows, targets, features, settings)
    state = ("adam", [np.ones(3)])
    previous = FittedModel(
        targets=targets,
        features=features,
        network=average([FittedNetwork(plan.network, plan.weights) for plan in started]),
        seed=0,
        history={},
        loss_weights=np.ones((4, 2)),
        resumption=Resumption(states=((state, None),) * 2),
    )
    old_weights, old_state = copy.deepcopy((weights_of(previous), previous.resumption.states))
    fields = {f.name: getattr(previous, f.name) for f in dataclasses.fields(previous)}
    first = write_plans(rows, targets, features, settings, previous)
    assert_same(first, write_plans(rows, targets, features, settings, previous))
    assert_same(weights_of(previous), old_weights)
    assert_same(previous.resumption.states, old_state)
    assert all(getattr(previous, name) is value for name, value in fields.items())
    for plan, network in zip(first[0], previous.network.networks, strict=True):
        assert plan.first_epoch == 4
        assert plan.optimizer_state == state
        assert_same(plan.weights, network.weights)
