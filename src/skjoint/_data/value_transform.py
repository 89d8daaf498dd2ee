"""The scale on which a number is learned, such as its logarithm, and the way back.

Named transforms are arrays, so that files can hold them and prediction needs NumPy and SciPy
alone. A transformer of the user's is kept as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.special import boxcox1p, inv_boxcox1p, ndtr, ndtri

from skjoint._data.entries import LARGEST

MOST = 700.0  # that float64 can take the exponential of
LEAST = np.finfo(np.float64).tiny
CLIPPED = 1e-7  # share of the rows beyond which scikit-learn takes none: 5.2 standard deviations
N_QUANTILES = 1000  # as scikit-learn's
REACH = 10.0  # ranges of the training numbers beyond them that the way back from a power goes
FINE = 1e7  # parts of what a power takes that float64 must tell apart
CLOSE = 1e-3  # of a standard deviation, from a number to what the way back makes of it


# --------------------------------------------------------------- by column
# forward(numbers, knots) and back(transformed, knots) of a column, and learn(numbers) -> knots.
def _log(numbers, knots):
    return np.where(numbers < 0, np.nan, np.log(np.maximum(numbers, LEAST)))


def _exp(transformed, knots):
    return np.exp(np.minimum(transformed, MOST))


def _log1p(numbers, knots):
    return np.where(numbers < -1, np.nan, np.log1p(np.maximum(numbers, np.nextafter(-1, 0))))


def _expm1(transformed, knots):
    return np.expm1(np.minimum(transformed, MOST))


def _power(numbers, knots):
    r"""``((x + 1)^p - 1) / p`` above 0, ``-((1 - x)^(2 - p) - 1) / (2 - p)`` below."""
    p = knots[0]
    size = np.abs(numbers)
    return np.where(numbers < 0, -boxcox1p(size, 2 - p), boxcox1p(size, p))


def _power_back(transformed, knots):
    p, low, high = knots
    size = np.abs(transformed)
    with np.errstate(all="ignore"):  # in the half that is not taken
        found = np.where(transformed < 0, -inv_boxcox1p(size, 2 - p), inv_boxcox1p(size, p))
    # A power may have an end, beyond which there is nothing to go back to.
    start, end = _power(knots[1:], knots)
    found = np.where(transformed <= start, low, np.where(transformed >= end, high, found))
    return np.clip(found, low, high)


def _learn_power(numbers):
    from sklearn.preprocessing import PowerTransformer

    far = REACH * np.ptp(numbers)
    ends = numbers.min() - far, numbers.max() + far
    if far == 0:
        return np.array([1.0, *ends])
    with np.errstate(all="ignore"):
        found = PowerTransformer(standardize=False).fit(numbers[:, None]).lambdas_
        knots = np.array([found[0], *ends])
        back = _power_back(_power(numbers, knots), knots)
    # Of two numbers alone, say, float64 has no number for the best power.
    return knots if (np.abs(back - numbers) < far / FINE).all() else np.array([1.0, *ends])


def _score(numbers, knots):
    """Normal scores of ranks; a number that many rows have is in the middle of its ranks."""
    shares = np.linspace(0, 1, len(knots))
    below = np.interp(numbers, knots, shares)
    above = -np.interp(-numbers, -knots[::-1], -shares[::-1])
    end = ndtri(CLIPPED)
    return np.clip(ndtri((below + above) / 2), end, -end)


def _score_back(transformed, knots):
    return np.interp(ndtr(transformed), np.linspace(0, 1, len(knots)), knots)


def _learn_quantiles(numbers):
    from sklearn.preprocessing import QuantileTransformer

    n = min(N_QUANTILES, len(numbers))
    found = QuantileTransformer(n_quantiles=n, subsample=None).fit(numbers[:, None])
    return np.resize(found.quantiles_[:, 0], max(n, 2))


class Named(NamedTuple):
    """A transform with a name: there, back, what is learned, and what numbers lie above."""

    forward: Callable
    back: Callable
    learn: Callable | None = None
    above: float = -np.inf


NAMED = {
    "log": Named(_log, _exp, above=0.0),
    "log1p": Named(_log1p, _expm1, above=-1.0),
    "yeo-johnson": Named(_power, _power_back, _learn_power),
    "quantile": Named(_score, _score_back, _learn_quantiles),
}


# ---------------------------------------------------------------- transforms
@dataclass(frozen=True)
class ValueTransform:
    """A named transform of the columns of a number.

    Parameters
    ----------
    name : str
        Out of ``NAMED``.
    knots : ndarray of shape (width, n_knots)
        What is learned, by column: of "yeo-johnson" the power and the ends of what is given
        back, of "quantile" the quantiles, of the others nothing.
    """

    name: str
    knots: np.ndarray

    def forward(self, numbers):
        """Numbers (n,) or (n, width) on the scale of learning; NaN where there is none."""
        return _by_column(NAMED[self.name].forward, numbers, self.knots)

    def back(self, transformed):
        """The reverse, for any number of float64."""
        return _by_column(NAMED[self.name].back, transformed, self.knots)


@dataclass(frozen=True)
class OwnTransform:
    """Transformers of the user's, fitted to one column each.

    Where one of them finds no way back, that from the nearest of the numbers to train on is
    taken: ``ends`` are the least and the largest of these, transformed.
    """

    transformers: tuple[Any, ...]
    ends: tuple[tuple[float, float], ...]

    def forward(self, numbers):
        return _by_column(_call_forward, numbers, self.transformers)

    def back(self, transformed):
        pairs = tuple(zip(self.transformers, self.ends, strict=True))
        return _by_column(_call_back, transformed, pairs)


def _by_column(function, numbers, by_column):
    if numbers.ndim == 1:
        return function(numbers, by_column[0])
    columns = zip(numbers.T, by_column, strict=True)
    return np.column_stack([function(column, one) for column, one in columns])


def _call_forward(numbers, transformer):
    """NaN where there is no number: of a transformer that takes none, too."""
    found = np.full(len(numbers), np.nan)
    present = ~np.isnan(numbers)
    if present.any():
        with np.errstate(all="ignore"):
            there = transformer.transform(numbers[present, None])
        found[present] = _column_of(there, "transform")
    return found


def _call_back(transformed, pair):
    transformer, ends = pair
    if not len(transformed):
        return np.zeros(0)
    with np.errstate(all="ignore"):
        found = transformer.inverse_transform(transformed[:, None])
    found = _column_of(found, "inverse_transform")
    lost = ~np.isfinite(found)
    if lost.any():
        nearest = np.clip(transformed[lost], *ends)[:, None]
        found = found.copy()
        found[lost] = _column_of(transformer.inverse_transform(nearest), "inverse_transform")
    return found


def _column_of(table, method):
    table = np.asarray(table, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != 1:
        raise ValueError(
            f"{method} of value_transform must give one column for one column, shape "
            f"(n_samples, 1). Got shape {table.shape} instead."
        )
    return table[:, 0]


# ------------------------------------------------------------------ learning
def learn_transform(value_transform, name, numbers, known=()):
    """The transform of a value target, or None.

    Parameters
    ----------
    value_transform : str, transformer or None
        The parameter.
    name : str
        Of the target, for messages.
    numbers : ndarray of shape (n_labelled, width)
        To train on.
    known : sequence of float
        Numbers that labels decide alone.
    """
    if value_transform is None:
        return None
    if not isinstance(value_transform, str):
        return _learn_own(value_transform, name, numbers, known)
    named, width = NAMED[value_transform], numbers.shape[1]
    check_domain(value_transform, f"Target '{name}' must hold", numbers)
    check_domain(value_transform, "value_by_class must give", np.array(list(known)))
    if named.learn is None:
        return ValueTransform(value_transform, np.zeros((width, 0)))
    _check_some(value_transform, name, numbers)
    return ValueTransform(value_transform, np.array([named.learn(c) for c in numbers.T]))


def check_domain(value_transform, start, numbers):
    """Raise for numbers that a named transform does not take."""
    above = NAMED[value_transform].above
    smallest = numbers.min(initial=np.inf)
    if smallest <= above:
        ways = ["'log1p' for numbers above -1"] if above == 0 and smallest > -1 else []
        ways.append("'yeo-johnson' or 'quantile' for any numbers")
        raise ValueError(
            f"{start} numbers above {above:g} with value_transform={value_transform!r}. Got "
            f"{smallest:g} instead, the smallest. Use {', '.join(ways)}."
        )


def _check_some(value_transform, name, numbers):
    if not len(numbers):
        raise ValueError(
            f"No row with a positive weight is labelled for target '{name}', whose "
            f"value_transform={value_transform!r} is to be learned, or value_by_class gives all "
            "its numbers. Let the first chunk hold some, or use 'log' or 'log1p'."
        )


def _learn_own(transformer, name, numbers, known):
    """The user's transformer, fitted to a copy for each column; an error if it cannot go back."""
    from sklearn.base import clone

    if isinstance(transformer, type):
        raise ValueError(
            f"value_transform must be a transformer and not its class. Got {transformer!r} "
            f"instead: use {transformer.__name__}()."
        )
    _check_some(transformer, name, numbers)
    with np.errstate(all="ignore"):
        fitted = tuple(clone(transformer, safe=False).fit(column[:, None]) for column in numbers.T)
    there = _by_column(_call_forward, numbers, fitted)
    found = OwnTransform(fitted, tuple((column.min(), column.max()) for column in there.T))
    _check_transformed(transformer, name, numbers, there)
    of_labels = np.repeat(np.array(list(known), dtype=float)[:, None], len(fitted), axis=1)
    _check_transformed(transformer, name, of_labels, found.forward(of_labels))
    back = found.back(there)
    away = np.abs(back - numbers)
    if (away > CLOSE * (numbers.std(axis=0) + 1e-12 * np.abs(numbers))).any():
        row, column = np.unravel_index(np.argmax(away), away.shape)
        raise ValueError(
            "value_transform must have an inverse_transform that gives back what transform got. "
            f"Got {back[row, column]:g} for {numbers[row, column]:g} of target '{name}' instead, "
            f"from {shown(transformer)}."
        )
    return found


def check_numbers(transform, name, numbers):
    """Raise for numbers (n_labelled, width) that a transform of an earlier fit does not take."""
    if isinstance(transform, ValueTransform):
        check_domain(transform.name, f"Target '{name}' must hold", numbers)
    elif transform is not None:
        _check_transformed(transform.transformers[0], name, numbers, transform.forward(numbers))


def _check_transformed(transformer, name, numbers, transformed):
    """Raise unless a transformer of the user's has given finite numbers."""
    bad = ~(np.abs(transformed) <= LARGEST)  # NaN, too
    if bad.any():
        raise ValueError(
            f"Target '{name}' must hold numbers of which transform gives finite ones with "
            f"value_transform={shown(transformer)}. Got {numbers[bad].min():g} instead, which "
            f"becomes {transformed[bad][np.argmin(numbers[bad])]:g}."
        )


def shown(transformer):
    """A transformer in one line."""
    return " ".join(repr(transformer).split())
