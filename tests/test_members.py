"""Several networks in one estimator: members that are averaged, epochs chosen by head."""

import pickle

import joblib
import numpy as np
import pytest
from keras.callbacks import LambdaCallback
from sklearn.base import clone

from conftest import make_data
from skjoint import JointRegressorClassifier
from skjoint._engines.fused.cache import training_programs
from skjoint._storage import writer
from skjoint._storage.contents import kind_of
from skjoint.persistence import load, save
from skjoint.plots import TrainingCurveDisplay

X, Y = make_data(150)
VALIDATED = {"validation": 0.2, "early_stopping": "by_head", "n_iter_no_change": 4}


def fit(X=X, y=Y, **params):
    defaults = {"epochs": 6, "learning_rate": 0.01, "random_state": 0}
    defaults |= {"hidden_layer_sizes": (12,)}
    return JointRegressorClassifier.plain(**{**defaults, **params}).fit(X, y)


def outputs(est):
    return est.predict_value(X), est.predict_proba(X)


def assert_same(est, other, **tolerance):
    for a, b in zip(outputs(est), outputs(other), strict=True):
        if tolerance:
            np.testing.assert_allclose(a, b, **tolerance)
        else:
            np.testing.assert_array_equal(a, b)


def test_answers_are_means_over_members():
    est = fit(n_members=3)
    encoded = est._model.encode(X)
    parts = [
        network.predict(encoded, ["value", "class"]) for network in est._model.network.networks
    ]
    target = est._model.targets.values[0]
    value, proba = (np.mean(part, axis=0) for part in zip(*parts, strict=True))
    np.testing.assert_allclose(est.predict_value(X), target.decode(value), rtol=1e-6)
    np.testing.assert_allclose(est.predict_proba(X), proba, atol=1e-6)
    np.testing.assert_allclose(est.predict_proba(X).sum(axis=1), 1, rtol=1e-12)
    assert len({part[0].tobytes() for part in parts}) == 3


def test_the_first_member_is_the_network_of_a_fit_with_one():
    single, several = fit(), fit(n_members=2)
    one = single._model.network
    for a, b in zip(one.weights, several._model.network.networks[0].weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_members_share_programs_one_per_core(monkeypatch):
    monkeypatch.setattr(joblib, "cpu_count", lambda: 2)
    sizes = {"hidden_layer_sizes": (11,)}
    before = training_programs.n_built
    fit(n_members=5, **sizes)
    assert training_programs.n_built - before <= 2
    before = training_programs.n_built
    fit(n_members=5, random_state=7, **sizes)
    monkeypatch.setattr(joblib, "cpu_count", lambda: 1)
    fit(n_members=3, **sizes)
    assert training_programs.n_built == before


@pytest.mark.parametrize("params", [{}, VALIDATED], ids=["plain", "validated"])
def test_side_by_side_is_the_same_as_one_after_another(params):
    heard = [LambdaCallback()]
    together, in_turn = (fit(n_members=4, callbacks=c, **params) for c in (None, heard))
    assert_same(together, in_turn)
    assert together.history_ == in_turn.history_


def test_a_member_that_fails_stops_the_others(monkeypatch):
    from skjoint._engines import choice

    fused, begun = choice.ENGINES["fused"], []

    def train(plan, on_epoch, callbacks):
        begun.append(plan.seed)
        if len(begun) == 2:
            raise KeyboardInterrupt
        return fused(plan, on_epoch, callbacks)

    monkeypatch.setitem(choice.ENGINES, "fused", choice.Engine(train, runs_in_threads=True))
    est = JointRegressorClassifier.plain((12,), n_members=8, epochs=100_000, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        est.fit(X, Y)
    assert len(begun) < 8
    assert not hasattr(est, "history_")


def test_by_head_keeps_the_best_epoch_of_each():
    est = fit(epochs=60, learning_rate=0.03, **VALIDATED)
    for i, (name, of) in enumerate([("value", 0), ("class", 1)]):
        best = est.best_epoch_[0, i]
        assert best == int(np.argmin(est.history_[f"val_{name}_loss"]))
        straight = fit(epochs=best + 1, learning_rate=0.03, validation=0.2)
        np.testing.assert_array_equal(outputs(est)[of], outputs(straight)[of])
    assert est.n_iter_ == min(60, est.best_epoch_.max() + 1 + 4)


def test_a_head_without_validation_labels_follows_the_joint_loss():
    y = Y.copy()
    y.loc[5:, "label"] = None
    y.loc[:4, "label"] = ["a", "b", "c", "d", "e"]  # single labels stay in training
    est = fit(y=y, epochs=30, **VALIDATED)
    assert est.best_epoch_[0, 1] == int(np.argmin(est.history_["val_joint_loss"]))


@pytest.mark.parametrize(
    "params",
    [{}, VALIDATED, {**VALIDATED, "head_link": "class_to_value"}, {"loss_weights": "famo"}],
    ids=["plain", "validated", "linked", "balanced"],
)
def test_engines_agree(params):
    fused, keras = (fit(n_members=2, engine=e, **params) for e in ("fused", "keras"))
    assert_same(fused, keras, rtol=1e-3, atol=1e-4)
    assert fused.history_.keys() == keras.history_.keys()
    np.testing.assert_allclose(fused.history_["loss"], keras.history_["loss"], rtol=1e-4)


@pytest.mark.parametrize("link", [None, "class_to_value", "mixture"])
def test_model_saving_and_pickles_give_the_same(link, tmp_path):
    est = fit(n_members=2, head_link=link, epochs=12, **VALIDATED)
    assert_same(est, pickle.loads(pickle.dumps(est)))
    save(est, tmp_path / "model.skjoint")
    again = load(tmp_path / "model.skjoint")
    assert_same(est, again)
    np.testing.assert_array_equal(again.best_epoch_, est.best_epoch_)
    value, proba = est.model_.predict(est._model.encode(X), verbose=0)
    value = est._model.targets.values[0].decode(value)
    np.testing.assert_allclose(est.predict_value(X), value, rtol=1e-5)
    np.testing.assert_allclose(est.predict_proba(X), proba, atol=1e-5)
    again.set_params(warm_start=True, epochs=2).fit(X, Y)  # with all that goes on from there


def test_a_row_does_not_depend_on_the_rows_around_it():
    est = fit(n_members=3, **VALIDATED)
    value, proba = outputs(est)
    for rows in (slice(0, 1), slice(3, 40)):
        np.testing.assert_array_equal(est.predict_value(X[rows]), value[rows])
        np.testing.assert_array_equal(est.predict_proba(X[rows]), proba[rows])
        np.testing.assert_array_equal(
            est.predict_class(X[rows]), est.classes_[proba[rows].argmax(axis=1)]
        )


def test_every_member_holds_out_rows_of_its_own(monkeypatch):
    from skjoint._engines import choice

    fused, held_out = choice.ENGINES["fused"], []

    def spy(plan, *rest):
        held_out.append(plan.validation.X)
        return fused(plan, *rest)

    monkeypatch.setitem(choice.ENGINES, "fused", choice.Engine(spy, runs_in_threads=True))
    y = Y.copy()
    y.loc[7, "label"] = "single"
    est = fit(y=y, n_members=6, **VALIDATED)
    assert {len(rows) for rows in held_out} == {30}
    assert len({rows.tobytes() for rows in held_out}) == 6
    assert len(np.unique(np.vstack(held_out), axis=0)) > 80
    single = est._model.encode(X[7:8])
    assert (
        not (np.vstack(held_out) == single).all(axis=1).any()
    )  # a label's only row stays in training, in every member


def test_members_and_refits_share_one_table(monkeypatch):
    from skjoint._engines import choice

    fused, plans = choice.ENGINES["fused"], []

    def spy(plan, *rest):
        plans.append(plan)
        return fused(plan, *rest)

    monkeypatch.setitem(choice.ENGINES, "fused", choice.Engine(spy, runs_in_threads=True))
    fit(n_members=3, n_refits=2, early_stopping=True)
    tables = [rows.table for plan in plans for rows in (plan.rows, plan.validation)]
    assert len(plans) == 5
    assert all(table is tables[0] for table in tables)
    assert len(tables[0]) == len(X)


def test_training_goes_on_in_every_member():
    est = fit(n_members=2, warm_start=True, epochs=3)
    before = [network.weights[0].copy() for network in est._model.network.networks]
    est.fit(X, Y)
    assert est.n_iter_ == 6
    straight = fit(n_members=2, epochs=6)
    assert_same(est, straight, rtol=1e-5)
    for old, network in zip(before, est._model.network.networks, strict=True):
        assert not np.array_equal(old, network.weights[0])
    with pytest.raises(ValueError, match="n_members must stay as it is"):
        est.set_params(n_members=3).fit(X, Y)
    chunked = clone(est).set_params(warm_start=False, n_members=2)
    for _ in range(2):
        chunked.partial_fit(X, Y)
    assert chunked.n_iter_ == 2


def test_a_trunk_of_the_users_own_has_members():
    import keras

    def build(meta):
        layers = [keras.Input(meta["input_shape"]), keras.layers.Dense(6, activation="relu")]
        return keras.Sequential(layers)

    est = fit(trunk=build, n_members=2, epochs=3)
    kernels = [network.weights[0] for network in est._model.network.networks]
    assert not np.array_equal(*kernels)
    assert np.isfinite(est.predict_value(X)).all()


def test_blend_is_chosen_on_rows_no_member_saw():
    est = fit(y=Y["value"], class_bins=4, value_from="blend", n_members=3)
    assert sum(est.value_blend_.values()) == pytest.approx(1)
    assert np.isfinite(est.predict_value(X)).all()


def test_history_is_the_mean_of_those_that_still_train():
    est = fit(n_members=3, epochs=80, learning_rate=0.03, **VALIDATED)
    assert est.best_epoch_.shape == (3, 2)
    lasts = est.best_epoch_.max(axis=1) + 1 + 4
    assert est.n_iter_ == min(80, lasts.max())
    assert {len(curve) for curve in est.history_.values()} == {est.n_iter_}
    display = TrainingCurveDisplay.from_estimator(est)
    kept = display.axes_["class_loss"].lines[-1].get_xdata()[0]
    assert kept == pytest.approx(est.best_epoch_[:, 1].mean() + 1)


def test_accurate_settings_are_parameters():
    est = JointRegressorClassifier.accurate(n_members=2, epochs=2, random_state=0)
    assert est.get_params() == clone(est).get_params()
    assert est.get_params()["numeric_embedding"] == ("periodic", "rank")
    est.set_params(companions=("forest", "boosting"), companions__n_trees=5).fit(X, Y)
    assert (
        len(getattr(est._model.network, "network", est._model.network).places) == 4
    )  # with the refits
    assert est.shares_.shape == (2, 3)
    with pytest.raises(TypeError, match="Did you mean 'epochs'"):
        JointRegressorClassifier.accurate(epoch=3)


def test_progress_names_the_member(capsys):
    fit(n_members=2, epochs=2, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" - ")[0] for line in lines] == [
        "Member 1/2 Epoch 1/2",
        "Member 1/2 Epoch 2/2",
        "Member 2/2 Epoch 1/2",
        "Member 2/2 Epoch 2/2",
    ]


def test_members_with_trunks_are_saved(tmp_path):
    import keras

    def build(meta):
        layers = [
            keras.Input(meta["input_shape"]),
            keras.layers.Dense(6, activation="relu"),
            keras.layers.Dropout(0.1),
        ]
        return keras.Sequential(layers)

    est = fit(trunk=build, n_members=2, epochs=2)
    save(est, tmp_path / "model.skjoint")
    assert_same(est, load(tmp_path / "model.skjoint"))


def _unchecked(value):
    """Name and kind of an object, with a check that passes everything."""
    found = kind_of(value)
    return found and (found[0], found[1]._replace(check=lambda value: None))


def test_a_file_cannot_name_networks_that_it_does_not_hold(tmp_path, monkeypatch):
    """The one check stands before writing, too, and is switched off there to see it in reading."""
    est = fit(n_members=2, epochs=1)
    for places in ([(0, 2)], [(0, -1)], [(0,)], [(0, 0.5)], []):
        est._model.network.places = places
        with pytest.raises(ValueError, match="an average has the networks that it names"):
            save(est, tmp_path / "model.skjoint")
        with monkeypatch.context() as unchecked:
            unchecked.setattr(writer, "kind_of", _unchecked)
            save(est, tmp_path / "model.skjoint")
        with pytest.raises(ValueError, match="not a model that skjoint can load"):
            load(tmp_path / "model.skjoint")


def test_views_of_one_head_stop_by_head():
    est = JointRegressorClassifier.plain((8,), epochs=5, random_state=0, **VALIDATED)
    view = est.as_regressor().fit(X, Y["value"])
    assert view.predict(X).shape == (150,)
    assert view.estimator_.best_epoch_.shape == (1, 1)
