"""Data with a number and a label per row."""

from __future__ import annotations

import hashlib
import os
import string
import urllib.request
from numbers import Integral, Real
from pathlib import Path
from typing import Literal, overload
from urllib.error import URLError

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.datasets import get_data_home, load_diabetes
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, validate_parameter_constraints

from skjoint._support.files import whole_file
from skjoint._support.typing import RandomState

__all__ = ["fetch_abalone", "load_diabetes_bands", "make_joint"]

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

JOINT_LABELS = np.array(list(string.ascii_lowercase), dtype=object)
JOINT_UNITS = 16  # of each random function of make_joint
JOINT_CONSTRAINTS = {
    # Three functions can be uncorrelated on four rows, on fewer they cannot.
    "n_samples": [Interval(Integral, 4, None, closed="left")],
    "n_features": [Interval(Integral, 1, None, closed="left")],
    "n_informative": [Interval(Integral, 1, None, closed="left")],
    "n_classes": [Interval(Integral, 2, len(JOINT_LABELS), closed="both")],
    "relatedness": [Interval(Real, 0, 1, closed="both")],
    "noise": [Interval(Real, 0, None, closed="left")],
    "random_state": ["random_state"],
}


@overload
def load_diabetes_bands(*, return_X_y: Literal[False] = False) -> Bunch: ...
@overload
def load_diabetes_bands(*, return_X_y: Literal[True]) -> tuple[pd.DataFrame, pd.DataFrame]: ...
def load_diabetes_bands(*, return_X_y: bool = False) -> Bunch | tuple[pd.DataFrame, pd.DataFrame]:
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


def make_joint(
    n_samples: int = 1000,
    n_features: int = 10,
    *,
    n_informative: int = 5,
    n_classes: int = 3,
    relatedness: float = 0.5,
    noise: float = 0.5,
    random_state: RandomState = None,
) -> tuple[NDArray[np.float64], pd.DataFrame]:
    r"""A number and a label that share as much as you say.

    The features are independent and standard normal. Three random smooth
    functions of the first ``n_informative`` of them, h which both targets
    share, g which is the number's own and k the label's, give

    .. math::

        u = \sqrt{r}\, h(x) + \sqrt{1 - r}\, g(x), \qquad
        v = \sqrt{r}\, h(x) + \sqrt{1 - r}\, k(x)

    with r the ``relatedness``. Over the rows h, g and k are uncorrelated with
    mean 0 and variance 1, so that u and v have variance 1 and correlation r.
    The number is u plus noise. The label says in which of ``n_classes``
    equally frequent bands v plus noise of its own lies.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of rows, at least 4 and at least ``n_classes``.
    n_features : int, default=10
        Number of columns of X.
    n_informative : int, default=5
        How many of them, from the left, the targets depend on.
    n_classes : int, default=3
        Number of labels, at most 26.
    relatedness : float in [0, 1], default=0.5
        Correlation of u and v. At 1 the label is cut from the number's own
        function; at 0 the targets share the informative features but no
        function of them.
    noise : float, default=0.5
        Standard deviation of the noise of both, that of u and v being 1. No
        model can expect an R² of the number above ``1 / (1 + noise**2)``.
    random_state : int, RandomState instance or None, default=None
        Seeds everything. The same int gives the same X, h, g, k and noise
        whatever ``relatedness``, ``noise`` and ``n_classes`` are.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        Features.
    y : DataFrame of shape (n_samples, 2)
        Columns value (float) and class (text: "a" is the lowest band, "b" the
        next, ...).

    Notes
    -----
    Each function is a network of 16 tanh units with normal weights, as in
    [1]_. Bands of a noisy function are the ordered probit model [2]_. They have
    an order, and only because of it can one correlation say how related the
    targets are; labels without one would need a function each.

    References
    ----------
    .. [1] R. M. Neal, "Bayesian Learning for Neural Networks", Springer 1996,
       chapter 2.
    .. [2] R. D. McKelvey and W. Zavoina, "A Statistical Model for the Analysis
       of Ordinal Level Dependent Variables", Journal of Mathematical Sociology
       4 (1975), 103-120.

    Examples
    --------
    >>> from skjoint.datasets import make_joint
    >>> X, y = make_joint(n_samples=300, random_state=0)
    >>> X.shape, y["class"].value_counts(sort=False).sort_index().to_dict()
    ((300, 10), {'a': 100, 'b': 100, 'c': 100})
    >>> X, y = make_joint(relatedness=1.0, noise=0.0, random_state=0)
    >>> lowest, highest = y.groupby("class")["value"].agg(["min", "max"]).to_numpy().T
    >>> (lowest[1:] >= highest[:-1]).all()
    np.True_
    """
    # As a decorator the check would hide the function from doctest.
    validate_parameter_constraints(
        JOINT_CONSTRAINTS,
        {
            "n_samples": n_samples,
            "n_features": n_features,
            "n_informative": n_informative,
            "n_classes": n_classes,
            "relatedness": relatedness,
            "noise": noise,
            "random_state": random_state,
        },
        caller_name="make_joint",
    )
    for name, number, bound_name, bound in (
        ("n_informative", n_informative, "n_features", n_features),
        ("n_classes", n_classes, "n_samples", n_samples),
    ):
        if number > bound:
            raise ValueError(
                f"{name} must be at most {bound_name}. Got {name}={number} and "
                f"{bound_name}={bound} instead."
            )
    rng = check_random_state(random_state)
    X = rng.standard_normal((n_samples, n_features))
    functions = [_random_function(X[:, :n_informative], rng) for _ in range(3)]
    h, g, k = _uncorrelated(np.column_stack(functions)).T
    value_noise, class_noise = noise * rng.standard_normal((2, n_samples))
    shared, own = np.sqrt(relatedness), np.sqrt(1 - relatedness)
    value = shared * h + own * g + value_noise
    rank = (shared * h + own * k + class_noise).argsort().argsort()
    label = JOINT_LABELS[rank * n_classes // n_samples]
    return X, pd.DataFrame({"value": value, "class": label})


def _random_function(X: NDArray[np.float64], rng: np.random.RandomState) -> NDArray[np.float64]:
    """A smooth nonlinear function of all columns of X, drawn anew in each call."""
    # Units see inputs of standard deviation 2: bent by tanh, not yet steps.
    weights = rng.normal(scale=2 / np.sqrt(X.shape[1]), size=(X.shape[1], JOINT_UNITS))
    bias = rng.standard_normal(JOINT_UNITS)
    units = np.tanh(X @ weights + bias)
    function: NDArray[np.float64] = units @ rng.standard_normal(JOINT_UNITS)
    return function


def _uncorrelated(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """The columns with mean 0, variance 1 and, each freed of those before it, correlation 0."""
    q, r = np.linalg.qr(columns - columns.mean(axis=0))
    # QR leaves the signs open; with these the columns keep their direction.
    scores: NDArray[np.float64] = q * np.sign(np.diag(r)) * np.sqrt(len(columns))
    return scores


@overload
def fetch_abalone(
    *,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    return_X_y: Literal[False] = False,
) -> Bunch: ...
@overload
def fetch_abalone(
    *,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    return_X_y: Literal[True],
) -> tuple[pd.DataFrame, pd.Series]: ...
def fetch_abalone(
    *,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
) -> Bunch | tuple[pd.DataFrame, pd.Series]:
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


def _abalone_path(data_home: str | os.PathLike[str] | None, download_if_missing: bool) -> Path:
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
    with whole_file(path) as stream:  # a second process may be looking for it
        stream.write(content)
    return path


def _check_digest(content: bytes, origin: str | Path) -> None:
    digest = hashlib.sha256(content).hexdigest()
    if digest != ABALONE_SHA256:
        raise OSError(
            f"{origin} is not the expected file: its sha256 is {digest}, expected "
            f"{ABALONE_SHA256}. Delete it and fetch it again."
        )
