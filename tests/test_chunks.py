"""Data larger than memory: partial_fit over the chunks of a file."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import make_data
from skjoint import JointRegressorClassifier
from skjoint._engines.fused import program

SETTINGS = {"hidden_layer_sizes": (16,), "learning_rate": 0.01, "random_state": 0}
FEATURES, TARGETS = ["a", "b", "c", "town"], ["value", "label"]


@pytest.fixture
def csv(tmp_path):
    """1,000 rows with a text column, sorted by label: no chunk holds all labels."""
    X, y = make_data(1000)
    table = pd.DataFrame(X[:, :3], columns=["a", "b", "c"]).assign(
        town=np.where(X[:, 3] > 0, "north", "south"), **y
    )
    path = tmp_path / "data.csv"
    table.sort_values("label").to_csv(path, index=False)
    return path


def chunks(csv, size=250):
    for chunk in pd.read_csv(csv, chunksize=size):
        yield chunk[FEATURES], chunk[TARGETS]


def test_several_passes_over_a_file(csv):
    est = JointRegressorClassifier.plain(classes=["low", "mid", "top"], **SETTINGS)
    scores = []
    whole = pd.read_csv(csv)
    for _ in range(12):
        for X, y in chunks(csv):
            est.partial_fit(X, y)
        scores.append(est.score(whole[FEATURES], whole[TARGETS]))
    assert est.n_iter_ == 48
    assert scores[-1] > 0.7 > scores[0]
    assert est.classes_.tolist() == ["low", "mid", "top"]


def test_encodings_come_from_the_first_chunk(csv):
    est = JointRegressorClassifier.plain(classes=["low", "mid", "top"], **SETTINGS)
    first, *rest = chunks(csv)
    est.partial_fit(*first)
    scale = est._model.targets.values[0].scale.copy()
    for X, y in rest:
        with pytest.warns(UserWarning, match="entries of column 'town' of X was known in fit"):
            est.partial_fit(X.assign(town="unheard of"), y)
    np.testing.assert_array_equal(est._model.targets.values[0].scale, scale)


def test_what_a_chunk_must_not_be(csv):
    first, *_, last = chunks(csv)
    est = JointRegressorClassifier.plain(**SETTINGS)
    with pytest.raises(ValueError, match=r"holds 1 class .*classes=\[...\]"):
        est.partial_fit(*first)
    est.partial_fit(first[0], first[1].assign(label=["low", "mid"] * 125))
    weights = [w.copy() for w in est._model.network.weights]
    X, y = last
    for chunk, message in [
        ((X, y), r"labels of target 'class' that the first fit did not know: \['top'\].*classes="),
        ((X.drop(columns="b"), y), "yet now missing:\n- b"),
        ((X.rename(columns={"b": "z"}), y), "unseen at fit time:\n- z"),
        ((X, y.rename(columns={"value": "price"})), r"missing: \['value'\]"),
        ((X, y[["value"]]), r"missing: \['label'\]"),
    ]:
        with pytest.raises(ValueError, match=message):
            est.partial_fit(*chunk)
    for before, now in zip(weights, est._model.network.weights, strict=True):
        np.testing.assert_array_equal(before, now)  # nothing was lost


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads resident memory on Linux")
def test_memory_stays_flat(monkeypatch):
    """100 chunks of 2 MB, of two sizes; the bound is a tenth of what passed through."""
    monkeypatch.setattr(program, "STEPS_WORTH_COMPILING", 0)
    rng = np.random.default_rng(0)
    est = JointRegressorClassifier.plain(classes=[0, 1], batch_size=512, **SETTINGS)

    def train(n_chunks):
        for i in range(n_chunks):
            X = rng.normal(size=(6000 if i % 5 else 4000, 40))
            est.partial_fit(X, np.column_stack([2 * X[:, 0], X[:, 1] > 0]))
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

    before = train(10)
    assert train(100) - before < 20
