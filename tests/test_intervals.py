"""Intervals of the number from errors on held-out rows."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import make_data, small
from skjoint._ensemble.intervals import learn_errors
from skjoint._ensemble.optimism import selection_optimism
from skjoint._prediction.intervals import conformal_quantile
from skjoint.persistence import load, save

HELD_OUT = {"validation": 0.3}


def fit(X, y, **params):
    defaults = {"epochs": 20, "learning_rate": 0.01, "hidden_layer_sizes": (12,), **HELD_OUT}
    return small(**{**defaults, **params}).fit(X, y)


def covered(intervals, true):
    return np.mean((true >= intervals[..., 0]) & (true <= intervals[..., 1]), axis=0)


@pytest.mark.parametrize(
    "params",
    [{}, {"n_members": 5}, {"early_stopping": "by_head"}, {"head_link": "mixture"}],
    ids=["one", "members", "stopped", "mixture"],
)
@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_new_rows_are_covered_as_often_as_asked(params, coverage):
    X, y = make_data(3000)
    # errors with heavy tails that grow with the value: no distribution is assumed
    y["value"] += np.random.default_rng(1).standard_t(3, len(y)) * (5 + 10 * (X[:, 0] > 0))
    est = fit(X[:1500], y[:1500], batch_size=128, **{"validation": 0.5, **params})
    intervals = est.predict_interval(X[1500:], coverage)
    assert intervals.shape == (1500, 2)
    assert covered(intervals, y["value"][1500:]) == pytest.approx(coverage, abs=0.07)  # 3 s.e.
    np.testing.assert_allclose(intervals.mean(axis=1), est.predict_value(X[1500:]))


@given(
    errors=st.lists(st.floats(0, 1e6), min_size=1, max_size=50),
    coverage=st.floats(0.01, 0.99),
)
def test_width_is_the_order_statistic_of_the_theory(errors, coverage):
    errors = np.sort(errors)
    n = len(errors)
    rank = int(np.ceil(coverage * (n + 1) - 1e-9))
    if rank > n:
        with pytest.raises(ValueError, match=f"needs more than {n} held-out rows"):
            conformal_quantile(errors, np.ones(n), n, coverage)
    else:
        assert conformal_quantile(errors, np.ones(n), n, coverage) == errors[rank - 1]
        again = np.repeat(errors, 3)  # as of three members that held out the same rows
        assert conformal_quantile(again, np.full(3 * n, 1 / 3), n, coverage) == errors[rank - 1]


def decoding_of(numbers, std=None):
    """What makes numbers of held-out outputs, and standard deviations where there are some."""
    return SimpleNamespace(
        decode=lambda outputs, kind: [numbers],
        transformed_deviations=lambda outputs: {} if std is None else {0: std},
        targets=SimpleNamespace(values=[SimpleNamespace(forward=lambda numbers: numbers)]),
    )


def errors_of(numbers, true, positions, weights=None, n_networks=1, std=None, optimism=1.0):
    """What is learned from the numbers of held-out rows, here of any origin."""
    decoding = decoding_of(numbers, std)
    weights = np.ones(len(true)) if weights is None else weights
    row = np.unique(positions, return_inverse=True)[1]
    held_out = SimpleNamespace(outputs=None, row=row)
    truth = [(true, weights)]
    ((errors, shared, _),) = learn_errors(held_out, decoding, truth, n_networks, [optimism])
    return errors, shared


def of_groups(true, sizes, groups_known=True):
    """What is learned of a network that predicts 0 for rows of groups of these sizes."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    decoding = decoding_of(np.zeros(len(true)))
    held_out = SimpleNamespace(outputs=None, row=np.arange(len(true)))
    truth, known = [(true, np.ones(len(true)))], group if groups_known else None
    (column,) = learn_errors(held_out, decoding, truth, 1, [1.0], known)
    return column


@pytest.mark.parametrize("unequal", [False, True])
@pytest.mark.parametrize("n_groups", [10, 50])
def test_rows_of_new_groups_are_covered_as_often_as_asked(n_groups, unequal):
    """Groups differ more than their rows, and large ones most."""
    rng = np.random.default_rng(0)
    n_covered, n_rows, of_rows = 0, 0, 0
    for _ in range(400):
        sizes = rng.integers(2, 20, n_groups + 20) if unequal else np.full(n_groups + 20, 6)
        effect = np.repeat(rng.normal(size=len(sizes)) * np.sqrt(sizes), sizes)
        true = effect + rng.normal(size=len(effect))
        first = sizes[:n_groups].sum()
        new = np.abs(true[first:])
        width = conformal_quantile(*of_groups(true[:first], sizes[:n_groups]), 0.9, "groups")
        n_covered, n_rows = n_covered + np.sum(new <= width), n_rows + len(new)
        columns = of_groups(true[:first], sizes[:n_groups], groups_known=False)
        of_rows += np.sum(new <= conformal_quantile(*columns, 0.9))
    assert 0.89 < n_covered / n_rows < (0.92 if n_groups == 50 else 0.99)
    assert of_rows / n_rows < 0.9


def test_a_coverage_needs_as_many_groups_as_it_would_need_rows():
    X, y = make_data(160)
    est = fit(X, y, epochs=1, validation=0.5).fit(X, y, groups=np.arange(160) // 10)
    assert est.n_validation_ == 80
    assert np.isfinite(est.predict_interval(X, 0.8)).all()
    with pytest.raises(ValueError, match="needs more than 8 held-out groups .* at least 9"):
        est.predict_interval(X, 0.9)


@pytest.mark.parametrize("n_networks", [1, 4, 100])
@pytest.mark.parametrize("noise", [0.5, 1, 10])
def test_errors_are_made_as_small_as_those_of_the_mean(n_networks, noise):
    """True number - mean = what is unknown to all networks + the mean of what they differ in."""
    rng = np.random.default_rng(0)
    positions = np.concatenate([rng.permutation(20_000)[:8000] for _ in range(4)])
    true = rng.normal(size=20_000) * noise
    numbers = 0.7 * rng.normal(size=len(positions))
    for std in (None, np.full(len(positions), noise)):
        found, shared = errors_of(numbers, true[positions], positions, None, n_networks, std)
        variance = 0.49 * (1 - 1 / n_networks)
        squared_unit = 1 if std is None else noise**2 + variance
        expected = (noise**2 + 0.49 - variance) / squared_unit
        assert np.average(found**2, weights=shared) == pytest.approx(expected, rel=0.1)


def test_errors_stay_where_there_is_no_other_network():
    rng = np.random.default_rng(0)
    numbers, true = rng.normal(size=(2, 300))
    once, twice = np.arange(300), np.arange(300) % 200
    as_they_are = np.sort(np.abs(true - numbers))
    np.testing.assert_array_equal(errors_of(numbers, true, twice)[0], as_they_are)
    np.testing.assert_array_equal(errors_of(numbers, true, once, n_networks=8)[0], as_they_are)
    nothing_wrong = errors_of(true, true, twice, n_networks=8)[0]
    np.testing.assert_array_equal(nothing_wrong, 0)


def member(epoch, *curve):
    return SimpleNamespace(best_epochs=[7, epoch], history={"val_value_mae": list(curve)})


def test_optimism_is_what_an_epoch_of_others_costs():
    members = [member(1, 3.0, 1.0, 2.0, 5.0), member(3, 2.0, 6.0, 2.0, 1.0), member(0, 4.0, 5.0)]
    chosen, by_others = 2 * (1 + 1 + 4), (5 + 3) + (6 + 2) + (5 + 5)  # the last curve ends at 1
    assert selection_optimism(members, 1, "val_value_mae") == pytest.approx(by_others / chosen)
    assert selection_optimism(members[:1], 1, "val_value_mae") == 1
    assert selection_optimism([], 1, "val_value_mae") == 1
    assert selection_optimism([member(0, 2.0, 1.0), member(1, 2.0, 1.0)], 1, "val_value_mae") == 1


def test_optimism_undoes_that_the_least_of_noisy_errors_is_too_small():
    """All epochs are equally good; each member takes the one where its own rows say the least."""
    rng = np.random.default_rng(0)
    curves = 1 + 0.1 * rng.normal(size=(400, 30))
    members = [member(int(np.argmin(curve)), *curve) for curve in curves]
    found = selection_optimism(members, 1, "val_value_mae")
    assert found * np.mean(curves.min(axis=1)) == pytest.approx(1, rel=0.01)
    numbers, true = rng.normal(size=(2, 50))
    as_they_are, grown = (errors_of(numbers, true, np.arange(50), optimism=g) for g in (1.0, found))
    np.testing.assert_allclose(grown[0], found * as_they_are[0])


def columns_of(est):
    """The call of ``learn_errors`` that waits until intervals are asked for."""
    waiting = est._model.interval_errors._columns
    assert waiting.func is learn_errors
    return waiting


@pytest.mark.parametrize("stopping", [False, True, "by_head"])
def test_errors_grow_where_several_members_chose_an_epoch(stopping):
    X, y = make_data(80)
    y["value"] = np.random.default_rng(0).normal(size=80)  # nothing to learn: the rest is chance
    growth = [columns_of(fit(X, y, n_members=n, early_stopping=stopping)).args[4] for n in (1, 4)]
    assert growth[0] == [1.0]
    assert growth[1][0] > 1.005 if stopping else growth[1] == [1.0]


@pytest.mark.parametrize("loss", ["mse", "gaussian_nll"])
def test_no_held_out_row_has_a_number(loss):
    X, y = make_data(60)
    est = fit(X, y, n_members=2, value_loss=loss, epochs=1)
    held_out = columns_of(est).args[0].positions  # as drawn by the label
    y["value"] = y["value"].where(~np.isin(np.arange(60), held_out))
    blind = fit(X, y, n_members=2, value_loss=loss, epochs=1)
    with pytest.raises(ValueError, match="needs more than 0 held-out rows"):
        blind.predict_interval(X)


def test_weights_of_errors_are_repeats():
    rng = np.random.default_rng(0)
    row = np.arange(300) % 200
    count = rng.integers(0, 4, size=200)
    numbers, true = rng.normal(size=(2, 300))
    weighted = errors_of(numbers, true, row, count[row].astype(float), 6)[0]
    copies = np.concatenate(
        [
            [(i, 1000 * c + row[i]) for c in range(count[row[i]])]
            for i in range(300)
            if count[row[i]]
        ]
    )
    copy, positions = copies.T
    repeated = errors_of(numbers[copy], true[copy], positions, None, 6)[0]
    np.testing.assert_allclose(np.unique(repeated.round(9)), np.unique(weighted.round(9)))


def test_wider_for_more():
    X, y = make_data(300)
    est = fit(X, y)
    widths = [np.ptp(est.predict_interval(X[:1], c)) for c in (0.2, 0.5, 0.8, 0.95)]
    assert widths == sorted(widths)
    doubled = y.assign(value=y["value"] * 2)
    twice = np.ptp(fit(X, doubled).predict_interval(X[:1], 0.8))
    assert twice == pytest.approx(2 * widths[2], rel=1e-3)


def test_several_numbers_and_gaps():
    X, y = make_data(400)
    y = y.assign(other=y["value"] ** 2 / 100)
    y.loc[::3, "other"] = np.nan
    est = fit(X, y)
    intervals = est.predict_interval(X)
    assert intervals.shape == (400, 2, 2)
    labelled = y["other"].notna()
    share = covered(intervals[labelled], y.loc[labelled, ["value", "other"]].to_numpy())
    assert (np.abs(share - 0.9) < 0.08).all()


def test_blends_and_bands():
    X, y = make_data(400)
    est = fit(X, y["value"], class_bins=5, value_from="blend")
    assert covered(est.predict_interval(X), y["value"]) > 0.8
    with pytest.raises(ValueError, match="are those of value_from='blend': call fit with 'head'"):
        est.set_params(value_from="head").predict_interval(X)


def test_saved_with_the_model(tmp_path):
    X, y = make_data()
    est = fit(X, y)
    save(est, tmp_path / "model.skjoint")
    again = load(tmp_path / "model.skjoint")
    np.testing.assert_array_equal(again.predict_interval(X, 0.7), est.predict_interval(X, 0.7))


def test_numbers_that_a_label_decides_are_counted():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 4))
    label = np.where(rng.random(3000) < 0.3, "none", "some")
    number = np.where(label == "none", 0, 100 + 3 * X[:, 1] + 3 * rng.normal(size=3000))
    y = pd.DataFrame({"value": number, "label": label})
    params = {"value_by_class": {"none": 0.0}, "validation": 0.5, "batch_size": 128}
    est = fit(X[:1500], y[:1500], epochs=5, **params)
    share = covered(est.predict_interval(X[1500:]), number[1500:])
    assert share == pytest.approx(0.9, abs=0.07)


def test_numbers_that_cannot_be_negative():
    X, y = make_data(300)
    y["value"] = np.exp(y["value"] / 30 - 3)
    intervals = fit(X, y, value_activation="softplus").predict_interval(X, 0.95)
    assert intervals.min() == 0
    assert covered(intervals, y["value"]) > 0.9


def test_training_that_goes_on_drops_them():
    X, y = make_data(200)
    est = fit(X, y)
    est.set_params(warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="Training that goes on"):
        est.predict_interval(X)


def test_errors_say_what_to_do():
    X, y = make_data(60)
    est = fit(X, y)
    for coverage in (0, 1, 1.5, "0.9", None):
        with pytest.raises(ValueError, match="coverage must be between 0 and 1"):
            est.predict_interval(X, coverage)
    with pytest.raises(ValueError, match=r"coverage=0\.99 needs more than 18 .* at least 99"):
        est.predict_interval(X, 0.99)
    with pytest.raises(ValueError, match="call fit with "):
        fit(X, y, validation=None).predict_interval(X)
    with pytest.raises(ValueError, match="call fit with "):
        est.partial_fit(X, y).predict_interval(X)  # the errors were those of another network
    with pytest.raises(AttributeError, match="without a value target"):
        fit(X, pd.DataFrame(y["label"]), value_columns=[]).predict_interval(X)
