"""Data with a number and a label per row."""

from __future__ import annotations

import hashlib
import os
import urllib.request
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pandas as pd
from sklearn.datasets import get_data_home, load_diabetes
from sklearn.utils import Bunch

__all__ = ["fetch_abalone", "load_diabetes_bands"]

ABALONE_URL = (
    "https://raw.githubusercontent.com/jbrownlee/Datasets/"
    "d20fcb6402ae34e653d4513b00f39257bb37ed7f/abalone.csv"
)
ABALONE_SHA256 = "eb2de13be807e9bb9ec4128b9c89b98ab23d7739121cfd17b7dde69b46ba7bf6"
ABALONE_COLUMNS = [
    "sex",
    "length",
    "diameter",
    "height",
    "whole_weight",
    "shucked_weight",
    "viscera_weight",
    "shell_weight",
    "rings",
]
ABALONE_DESCR = """\
Abalone: 4177 shells, 8 measurements, and the number of rings, which gives the
age in years (rings + 1.5). Predicting the rings as a number and as one of 28
labels at the same time is the example of the tutorial "Neural network models
for combined classification and regression".

Source: UCI Machine Learning Repository, doi 10.24432/C55C7W, CC BY 4.0.
"""

BANDS = np.array(["low", "middle", "high"], dtype=object)
BAND_EDGES = (100.0, 180.0)  # near the thirds of the 442 patients


def load_diabetes_bands(*, return_X_y=False):
    """Diabetes progression as a number and as its band; needs no download.

    scikit-learn's own diabetes data (442 patients, 10 standardised features)
    with two targets: ``progression`` after one year (25 to 346) and its
    ``band``: low below 100, middle below 180, else high, about a third of the
    patients each.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(X, y)`` instead of a Bunch.

    Returns
    -------
    data : Bunch
        ``data`` (DataFrame of shape (442, 10)), ``target`` (DataFrame with
        columns progression and band), ``frame`` (both), ``band_edges``,
        ``DESCR``.
    (X, y) : tuple of DataFrame
        If ``return_X_y``.

    Examples
    --------
    >>> from skjoint.datasets import load_diabetes_bands
    >>> X, y = load_diabetes_bands(return_X_y=True)
    >>> X.shape, y["band"].value_counts().to_dict()
    ((442, 10), {'high': 156, 'low': 147, 'middle': 139})
    """
    source = load_diabetes(as_frame=True)
    progression = source.target.rename("progression")
    band = BANDS[np.digitize(progression, BAND_EDGES)]
    target = pd.DataFrame({"progression": progression, "band": band})
    if return_X_y:
        return source.data, target
    return Bunch(
        data=source.data,
        target=target,
        frame=source.data.join(target),
        band_edges=BAND_EDGES,
        DESCR=source.DESCR,
    )


def fetch_abalone(*, data_home=None, download_if_missing=True, return_X_y=False):
    """Abalone shells: measurements and the number of rings.

    The file ``abalone.csv`` is looked for in ``data_home``, then in the folder
    that the environment variable ``SKJOINT_DATA`` names, then in scikit-learn's
    data home, and is downloaded only if it is in none of them.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder to look in first, and to download to. None downloads to
        scikit-learn's data home.
    download_if_missing : bool, default=True
        If False, raise an error instead of downloading.
    return_X_y : bool, default=False
        Return ``(X, y)`` instead of a Bunch.

    Returns
    -------
    data : Bunch
        ``data`` (DataFrame of shape (4177, 8), the first column, sex, is text),
        ``target`` (Series of 4177 whole numbers, rings, 1 to 29), ``frame``
        (both), ``DESCR``.
    (X, y) : tuple of DataFrame and Series
        If ``return_X_y``.

    Raises
    ------
    OSError
        If the file is nowhere and cannot be downloaded, or is not the
        expected one (its sha256 is checked).
    """
    frame = pd.read_csv(
        _abalone_path(data_home, download_if_missing), header=None, names=ABALONE_COLUMNS
    )
    X, y = frame.drop(columns="rings"), frame["rings"]
    if return_X_y:
        return X, y
    return Bunch(data=X, target=y, frame=frame, DESCR=ABALONE_DESCR)


def _abalone_path(data_home, download_if_missing):
    # get_data_home() creates the folder; looking for a file must not.
    sklearn_home = Path(os.environ.get("SCIKIT_LEARN_DATA", "~/scikit_learn_data")).expanduser()
    folders = [data_home, os.environ.get("SKJOINT_DATA"), sklearn_home]
    for folder in folders:
        if folder and (path := Path(folder) / "abalone.csv").is_file():
            _check_digest(path.read_bytes(), path)
            return path
    manual = (
        f"Download {ABALONE_URL} by other means and put it, as abalone.csv, into data_home or "
        "into the folder that the environment variable SKJOINT_DATA names."
    )
    if not download_if_missing:
        raise OSError(f"abalone.csv not found and download_if_missing=False. {manual}")
    try:
        with urllib.request.urlopen(ABALONE_URL, timeout=30) as response:
            content = response.read()
    except URLError as error:
        raise OSError(
            f"abalone.csv not found and not to be downloaded ({error}). {manual}"
        ) from error
    _check_digest(content, ABALONE_URL)
    path = Path(get_data_home(data_home)) / "abalone.csv"
    # Whole or not at all: a second process may be looking for it.
    part = path.with_suffix(f".part{os.getpid()}")
    part.write_bytes(content)
    part.replace(path)
    return path


def _check_digest(content, origin):
    digest = hashlib.sha256(content).hexdigest()
    if digest != ABALONE_SHA256:
        raise OSError(
            f"{origin} is not the expected file: its sha256 is {digest}, expected "
            f"{ABALONE_SHA256}. Delete it and fetch it again."
        )
