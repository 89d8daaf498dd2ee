import hashlib
import urllib.request
from urllib.error import URLError

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skjoint import datasets
from skjoint.datasets import fetch_abalone, load_diabetes_bands


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
