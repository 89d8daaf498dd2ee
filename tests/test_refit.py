"""After early stopping further networks on all rows: ``n_refits``."""

import joblib
import keras
import numpy as np
import pytest

from conftest import make_data
from skjoint import JointRegressorClassifier
from skjoint._engines.fused.cache import training_programs
from skjoint.persistence import load, save

X, Y = make_data(150)
Y = Y.sample(frac=1, random_state=0).reset_index(drop=True)
STOPPED = {"early_stopping": "by_head", "validation": 0.2, "n_iter_no_change": 4}


def fit(**params):
    """A fit whose best epochs come early, as there is nothing to learn."""
    defaults = {"epochs": 25, "learning_rate": 0.03, "random_state": 0, **STOPPED}
    defaults |= {"hidden_layer_sizes": (12,)}
    return JointRegressorClassifier.plain(**{**defaults, **params}).fit(X, Y)


def parts(est):
    """Value and probabilities by member, refits first."""
    encoded, network = est._model.encode(X), est._model.network
    values, probas = [], []
    for of_value, of_class in network.places:
        values.append(network.networks[of_value].predict(encoded, ["value"])[0])
        probas.append(network.networks[of_class].predict(encoded, ["class"])[0])
    return np.array(values), np.array(probas)


@pytest.mark.parametrize(("n_members", "n_refits"), [(1, 1), (3, 3), (3, 2), (1, 2)])
def test_answers_are_means_over_members_and_refits(n_members, n_refits):
    plain, est = fit(n_members=n_members), fit(n_members=n_members, n_refits=n_refits)
    values, probas = parts(est)
    assert len(values) == n_members + n_refits
    np.testing.assert_array_equal(est.best_epoch_, plain.best_epoch_)
    assert est.history_ == plain.history_
    decoded = np.array([est._model.targets.values[0].decode(value) for value in values])
    np.testing.assert_allclose(est.predict_value(X), decoded.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(est.predict_proba(X), probas.mean(axis=0), atol=1e-6)
    stopped = decoded[n_refits:].mean(axis=0)
    np.testing.assert_allclose(plain.predict_value(X), stopped, rtol=1e-6)


class StopAfter(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.last = epoch

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = epoch == self.last


@pytest.mark.parametrize("stopping", [True, "by_head"])
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_refits_are_fits_on_all_rows_for_the_mean_of_the_best_epochs(stopping, schedule):
    est = fit(n_members=2, n_refits=2, early_stopping=stopping, learning_rate_schedule=schedule)
    best = np.rint(np.mean(est.best_epoch_, axis=0)).astype(int)
    assert 0 < best.max() < est.epochs - 1
    # In a fit of four members on all rows, the last two have the seeds of the refits.
    whole = JointRegressorClassifier(**est.get_params())
    whole.set_params(early_stopping=False, validation=None, n_refits=0, n_members=4)
    for refits, head, epoch in zip(parts(est), ["value", "class"], np.resize(best, 2), strict=True):
        whole.set_params(callbacks=StopAfter(int(epoch))).fit(X, Y)
        wanted = [
            n.predict(est._model.encode(X), [head])[0] for n in whole._model.network.networks[2:]
        ]
        np.testing.assert_array_equal(refits[:2], wanted)


def test_refits_share_the_programs_of_the_members(monkeypatch):
    monkeypatch.setattr(joblib, "cpu_count", lambda: 2)
    before = training_programs.n_built
    fit(n_members=4, n_refits=4, hidden_layer_sizes=(13,))
    assert training_programs.n_built - before <= 2


def test_what_ran_before_changes_nothing():
    """A program for rows to validate on serves plans of none, and the other way round."""
    sizes = {"hidden_layer_sizes": (14,), "n_refits": 1, "epochs": 100, "batch_size": 8}
    training_programs.clear()
    first = fit(**sizes)
    fit(**sizes, validation=0.5)
    np.testing.assert_array_equal(first.predict_value(X), fit(**sizes).predict_value(X))


@pytest.mark.parametrize("params", [{}, {"head_link": "mixture"}, {"loss_weights": "famo"}])
def test_engines_agree(params):
    fused, in_keras = (fit(engine=e, n_refits=1, epochs=5, **params) for e in ("fused", "keras"))
    np.testing.assert_array_equal(fused.best_epoch_, in_keras.best_epoch_)
    np.testing.assert_allclose(fused.predict_value(X), in_keras.predict_value(X), rtol=1e-3)
    np.testing.assert_allclose(fused.predict_proba(X), in_keras.predict_proba(X), atol=1e-4)


def test_one_after_another_is_the_same_as_side_by_side():
    together, in_turn = (fit(n_members=3, n_refits=3, callbacks=c) for c in (None, StopAfter(99)))
    np.testing.assert_array_equal(together.predict_value(X), in_turn.predict_value(X))


def test_held_out_rows_are_unseen_ones():
    """Temperatures and intervals are those of the networks that were stopped early."""
    options = {"n_members": 3, "calibration": "temperature"}
    plain, est = fit(**options), fit(**options, n_refits=3)
    assert est.temperature_ == plain.temperature_
    widths = [
        [np.ptp(e.predict_interval(X, coverage), axis=1) for coverage in (0.5, 0.7, 0.9)]
        for e in (plain, est)
    ]
    ratios = np.divide(*widths[::-1])  # of like errors: one, below 1 as more networks answer
    np.testing.assert_allclose(ratios, ratios[0, 0], rtol=1e-6)
    assert 0.95 < ratios[0, 0] <= 1


def test_saving_and_model_give_the_same(tmp_path):
    est = fit(n_members=2, n_refits=2)
    save(est, tmp_path / "model.skjoint")
    again = load(tmp_path / "model.skjoint")
    assert again.n_refits == 2
    np.testing.assert_array_equal(again.predict_value(X), est.predict_value(X))
    value, proba = est.model_.predict(est._model.encode(X), verbose=0)
    np.testing.assert_allclose(
        est._model.targets.values[0].decode(value), est.predict_value(X), rtol=1e-5
    )
    np.testing.assert_allclose(proba, est.predict_proba(X), atol=1e-5)


def test_partial_fit_goes_on_from_the_refits():
    est = fit(n_members=2, n_refits=2, early_stopping=True)
    n_iter = est.n_iter_
    refits, _ = parts(est)
    est.set_params(learning_rate=1e-6).partial_fit(X, Y)
    values, _ = parts(est)
    assert est.n_iter_ == n_iter + 1
    assert len(values) == 2
    np.testing.assert_allclose(values, refits[:2], atol=1e-3)
    assert np.abs(values - refits[2:]).max() > 0.1


@pytest.mark.parametrize(("n_members", "n_refits"), [(1, 1), (1, 2), (3, 3), (4, 2)])
def test_training_goes_on_whatever_kind_came_in_turn(n_members, n_refits):
    """From the refits and, where these are fewer than the members, from the first of those."""
    kinds = {"numeric_embedding": ("periodic", "rank"), "epochs": 8}
    est = fit(n_members=n_members, n_refits=n_refits, early_stopping=True, **kinds)
    before, _ = parts(est)
    assert len(before) == n_members + n_refits
    est.set_params(learning_rate=1e-6).partial_fit(X, Y)
    network = est._model.network
    after = [
        network.member(i).predict(est._model.encode(X), ["value"])[0] for i in range(n_members)
    ]
    np.testing.assert_allclose(after, before[:n_members], atol=1e-3)
    est.set_params(numeric_embedding="periodic")
    with pytest.raises(ValueError, match="numeric_embedding must stay as it is"):
        est.partial_fit(X, Y)


def test_lines_of_progress_name_refits(capsys):
    fit(n_members=2, n_refits=2, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("Member 2/2 Epoch 1/25") for line in lines)
    assert any(line.startswith("Refit 2/2 Epoch 1/25") for line in lines)
    assert not any("val_" in line for line in lines if line.startswith("Refit"))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"early_stopping": False}, "Use it with early_stopping=True or 'by_head'"),
        ({"warm_start": True}, "n_refits=1 starts anew"),
        ({"n_refits": -1}, "The 'n_refits' parameter"),
        ({"n_refits": True}, "The 'n_refits' parameter"),
        ({"n_refits": 2, "early_stopping": False}, "n_refits=2 trains for the epochs"),
    ],
)
def test_what_refits_cannot_do(params, message):
    with pytest.raises(ValueError, match=message):
        fit(**{"n_refits": 1, **params})
