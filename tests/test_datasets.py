import hashlib
import urllib.request
from urllib.error import URLError

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skjoint import datasets
from skjoint.datasets import fetch_abalone, load_diabetes_bands, make_joint


def test_diabetes_bands():
    data = load_diabetes_bands()
    assert data.frame.shape == (442, 12)
    band = np.digitize(data.target["progression"], data.band_edges)
    assert_array_equal(np.array(["low", "middle", "high"])[band], data.target["band"])
    assert data.target["band"].value_counts(normalize=True).min() > 0.3
    X, y = load_diabetes_bands(return_X_y=True)
    assert X.equals(data.data)
    assert y.equals(data.target)


def test_abalone(data_folder):
    data = fetch_abalone(data_home=data_folder, download_if_missing=False)
    assert data.data.shape == (4177, 8)
    assert data.target.nunique() == 28
    assert set(data.data["sex"]) == {"M", "F", "I"}


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """No file of the data set anywhere, and no network."""
    monkeypatch.delenv("SKJOINT_DATA", raising=False)
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "sklearn"))

    def offline(*args, **kwargs):
        raise URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", offline)
    return tmp_path


def test_offline_says_what_to_do(nowhere):
    with pytest.raises(OSError, match=r"no network.*abalone.csv, into data_home.*SKJOINT_DATA"):
        fetch_abalone()
    with pytest.raises(OSError, match="download_if_missing=False"):
        fetch_abalone(download_if_missing=False)
    assert not (nowhere / "sklearn").exists()


def test_another_file_is_refused(nowhere, monkeypatch):
    (nowhere / "abalone.csv").write_text("M,1\n")
    with pytest.raises(OSError, match="not the expected file: its sha256"):
        fetch_abalone(data_home=nowhere)
    monkeypatch.setenv("SKJOINT_DATA", str(nowhere))
    with pytest.raises(OSError, match="not the expected file"):
        fetch_abalone()


def test_download_is_checked_and_kept(nowhere, monkeypatch, two_rows):
    content = two_rows
    requested = []

    class Response:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return False

        def read(self):
            return content

    def answer(url, timeout):
        requested.append(url)
        return Response()

    monkeypatch.setattr(urllib.request, "urlopen", answer)
    first = fetch_abalone(data_home=nowhere / "home")
    again = fetch_abalone(data_home=nowhere / "home")
    assert requested == [datasets.ABALONE_URL]
    assert first.frame.equals(again.frame)
    assert [p.name for p in (nowhere / "home").iterdir()] == ["abalone.csv"]


@pytest.fixture
def two_rows(monkeypatch):
    """Two rows in abalone's format, taken for the real file."""
    content = b"M,0.45,0.36,0.095,0.51,0.22,0.1,0.15,15\nF,0.5,0.4,0.1,0.6,0.2,0.1,0.2,9\n"
    monkeypatch.setattr(datasets, "ABALONE_SHA256", hashlib.sha256(content).hexdigest())
    return content


def correlations(relatedness, noise, seeds=20):
    """Of number and label's code, one per seed."""
    found = []
    for seed in range(seeds):
        _, y = make_joint(relatedness=relatedness, noise=noise, random_state=seed)
        found.append(np.corrcoef(y["value"], y["class"].map(ord))[0, 1])
    return np.array(found)


def test_joint_same_seed_same_data():
    (X, y), (X_again, y_again) = (make_joint(random_state=7) for _ in range(2))
    assert_array_equal(X, X_again)
    assert y.equals(y_again)
    assert not y.equals(make_joint(random_state=8)[1])
    rng = np.random.RandomState(7)
    assert make_joint(random_state=rng)[1].equals(y)
    assert not make_joint(random_state=rng)[1].equals(y)


def test_joint_leaves_the_global_seed_alone():
    before = np.random.get_state()[1].copy()
    make_joint(random_state=0)
    assert_array_equal(np.random.get_state()[1], before)


def test_joint_same_features_whatever_the_targets():
    X, y = make_joint(random_state=0)
    for change in ({"relatedness": 1.0}, {"noise": 0.0}, {"n_classes": 5}):
        X_changed, y_changed = make_joint(**change, random_state=0)
        assert_array_equal(X, X_changed)
        assert not y.equals(y_changed)


def test_joint_shapes_and_kinds():
    X, y = make_joint(50, 4, n_informative=2, random_state=0)
    assert X.shape == (50, 4)
    assert list(y.columns) == ["value", "class"]
    assert y["value"].dtype == np.float64
    assert set(y["class"]) == {"a", "b", "c"}
    assert y.notna().all(axis=None)


@pytest.mark.parametrize("seed", range(3))
def test_joint_noise_adds_to_a_function_of_variance_one(seed):
    _, clean = make_joint(noise=0.0, random_state=seed)
    _, noisy = make_joint(noise=0.5, random_state=seed)
    assert_allclose([clean["value"].mean(), clean["value"].var(ddof=0)], [0, 1], atol=1e-12)
    assert_allclose((noisy["value"] - clean["value"]).std(), 0.5, rtol=0.1)


@pytest.mark.parametrize("seed", range(3))
def test_joint_functions_correlate_by_relatedness(seed):
    """At 1 the number is h, at 0 it is g; between, r is the square of its correlation with h."""
    (_, of_h), (_, of_g) = (
        make_joint(relatedness=r, noise=0.0, random_state=seed) for r in (1.0, 0.0)
    )
    assert_allclose(np.corrcoef(of_h["value"], of_g["value"])[0, 1], 0, atol=1e-12)
    for r in (0.2, 0.7):
        _, y = make_joint(relatedness=r, noise=0.0, random_state=seed)
        assert_allclose(np.corrcoef(y["value"], of_h["value"])[0, 1] ** 2, r)
        assert_allclose(
            y["value"], np.sqrt(r) * of_h["value"] + np.sqrt(1 - r) * of_g["value"], atol=1e-12
        )


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_joint_targets_correlate_more_when_more_related(noise):
    steps = np.array([correlations(r, noise) for r in (0.0, 0.25, 0.5, 0.75, 1.0)])
    assert (np.diff(steps.mean(axis=1)) > 0.1).all()


def test_joint_unrelated_targets_do_not_correlate():
    found = correlations(0.0, noise=0.0)
    assert abs(found.mean()) < 0.02
    assert np.abs(found).max() < 0.1


def test_joint_wholly_related_label_is_a_band_of_the_number():
    _, y = make_joint(relatedness=1.0, noise=0.0, n_classes=4, random_state=0)
    assert y.sort_values("value")["class"].is_monotonic_increasing


@pytest.mark.parametrize(("n_samples", "n_classes"), [(1000, 3), (100, 7), (26, 26), (4, 2)])
def test_joint_labels_are_equally_frequent(n_samples, n_classes):
    _, y = make_joint(n_samples, n_classes=n_classes, random_state=0)
    counts = y["class"].value_counts()
    assert len(counts) == n_classes
    assert counts.max() - counts.min() <= 1


def test_joint_depends_smoothly_on_the_informative_features_only():
    X, y = make_joint(n_features=3, n_informative=1, noise=0.0, random_state=0)
    jumps = [y["value"].iloc[column.argsort()].diff().abs().mean() for column in X.T]
    assert jumps[0] < 0.05
    assert min(jumps[1:]) > 0.5


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"n_samples": 3}, "'n_samples' parameter of make_joint must be an int"),
        ({"n_features": 0}, "'n_features' parameter"),
        ({"n_informative": 0}, "'n_informative' parameter"),
        ({"n_informative": 11}, "n_informative must be at most n_features. Got n_informative=11"),
        ({"n_classes": 1}, "'n_classes' parameter"),
        ({"n_classes": 27}, "'n_classes' parameter"),
        ({"n_samples": 5, "n_classes": 6}, "n_classes must be at most n_samples. Got"),
        ({"relatedness": -0.1}, "'relatedness' parameter"),
        ({"relatedness": 1.1}, "'relatedness' parameter"),
        ({"relatedness": "much"}, "'relatedness' parameter"),
        ({"noise": -1}, "'noise' parameter"),
        ({"noise": np.nan}, "'noise' parameter"),
        ({"random_state": "seed"}, "'random_state' parameter"),
    ],
)
def test_joint_bad_parameters(bad, message):
    with pytest.raises(ValueError, match=message):
        make_joint(**bad)
