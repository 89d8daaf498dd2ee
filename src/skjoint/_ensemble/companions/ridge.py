"""Ridge regression on random Fourier features beside the networks, for each number.

A number that is nearly linear, or smooth, needs many steps of a network and has a closed
form here: sines of random combinations of the columns stand for a Gaussian kernel (Rahimi
& Recht 2007), the columns themselves for what is linear. So does what it says of a row
that it was fitted without: all rows are held out, each from the others, for the price of
one fit (Allen 1974), which is what penalty and width of the kernel are chosen by.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import joblib
import numpy as np
from threadpoolctl import ThreadpoolController

from skjoint._ensemble.blending import Companion, in_units
from skjoint._prediction.forward import Product, as_columns, in_chunks

WIDTHS = (0.1, 0.3, 1.0)  # of the kernel exp(-width d^2), d in units of the median distance
# For each row. With smaller ones a fit passes through all rows where these are few, and its
# errors without a row are quotients of rounding errors.
PENALTIES = np.logspace(-6, 2, 17)
MAX_ROWS = 2**15  # to fit
MAX_COLUMNS = 2**10  # of X: with more, products and eigenvectors take too long
MAX_FOURIER = 2**11  # features, for the same reason
LEAST_ROWS = 8
LEAST_OUTSIDE = 1e-12  # of an answer that is not the row's own doing, for the division by it
N_PAIRED = 500  # rows whose distances are measured
BLOCK = 16  # rows of a product
CHUNK = 2**11  # rows at once

one_at_a_time = threading.Lock()


@dataclass(frozen=True, eq=False)
class Ridge:
    """``[x, sin(x W + b)] C + c`` for one head, in scaled units."""

    heads: tuple[str]
    n_units: tuple[int]
    waves: np.ndarray  # W, (n_columns, n_fourier)
    phases: np.ndarray  # b, (n_fourier,)
    coef: np.ndarray  # C, (n_columns + n_fourier, n_units)
    intercept: np.ndarray  # c, (n_units,)

    kind = "ridge"

    def __post_init__(self):
        arrays = (self.waves, self.phases, self.coef, self.intercept)
        shapes = [np.shape(array) for array in arrays]
        n_fourier, n_units = np.size(self.phases), sum(self.n_units)
        n_columns = len(self.coef) - n_fourier
        expected = [
            (n_columns, n_fourier),
            (n_fourier,),
            (n_columns + n_fourier, n_units),
            (n_units,),
        ]
        if (
            len(self.heads) != 1
            or len(self.n_units) != 1
            or not n_fourier
            or shapes != expected
            or not all(array.dtype.kind == "f" and np.isfinite(array).all() for array in arrays)
        ):
            raise ValueError("these arrays are no ridge regression")
        kernels = (self.waves.T, self.coef[:n_columns].T, self.coef[n_columns:].T)
        products = [Product(kernel, BLOCK) for kernel in kernels]
        object.__setattr__(self, "_products", products)

    def __getstate__(self):
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.__post_init__()

    def reads(self, n_inputs):
        """Whether it reads rows of so many columns."""
        return len(self.waves) == n_inputs

    def predict(self, X):
        """Numbers by head: a dict of one float64 array (n_samples, n_units)."""

        def answer(X):
            project, linear, smooth = self._products
            columns = as_columns(X, BLOCK)
            waves = project(columns)
            waves += self.phases[:, None]
            numbers = linear(columns) + smooth(np.sin(waves, out=waves))
            return [numbers.T[: len(X)] + self.intercept]

        (found,) = in_chunks(answer, X, CHUNK)
        return {self.heads[0]: found}


# --------------------------------------------------------------------- fitting
def regress(rows, heads, n_fourier, seed, where):
    """A ridge regression for each number among these heads, on all columns of X.

    Parameters
    ----------
    rows : Rows
        All rows to train on.
    heads : dict of {int: Head}
        By index into the targets of the rows.
    n_fourier, seed : int
    where : ndarray of int
        Rows to answer without having seen them.

    Returns
    -------
    list of Companion
    """
    if rows.X.shape[1] > MAX_COLUMNS:
        return []
    found = []
    # Sums over threads depend in bits on how many there are; widths have a thread each. The limit
    # is the process': fits in several threads would take it from each other.
    with (
        one_at_a_time,
        ThreadpoolController().limit(limits=1, user_api="blas"),
        ThreadPoolExecutor(joblib.cpu_count()) as pool,
    ):
        for i, head in heads.items():
            n_labelled = np.count_nonzero(rows.weights[i])
            if head.kind == "value" and n_labelled >= LEAST_ROWS:
                found.append(_regress_one(rows, i, head, n_fourier, seed, where, pool.map))
    return found


def _regress_one(rows, i, head, n_fourier, seed, where, run):
    rng = np.random.default_rng(seed)
    order = rng.permutation(np.flatnonzero(rows.weights[i] > 0))
    inside = np.sort(order[:MAX_ROWS])
    weights = rows.weights[i][inside].astype(np.float64)
    y, units = in_units(rows.targets[i][inside], head, weights)
    X = rows.X[inside]
    distance = _median_distance(rows.X[order[:N_PAIRED]])
    waves = rng.normal(size=(X.shape[1], n_fourier))
    phases = rng.uniform(0, 2 * np.pi, n_fourier)

    def fit(width):
        # Of the kernel exp(-width d^2), whose waves are normal with that variance.
        return _Fit(X, y, weights, waves * np.sqrt(2 * width / distance), phases)

    best = min(run(fit, WIDTHS), key=lambda fit: fit.error)
    coef, intercept = best.coefficients()
    model = Ridge(
        (head.name,), (head.n_units,), best.waves, best.phases, coef * units, intercept * units
    )
    answers = model.predict(rows.X[where])[head.name]
    asked = np.isin(inside, where)
    answers[np.searchsorted(where, inside[asked])] = best.without_each()[asked] * units
    return Companion(model, where, {head.name: answers})


def _median_distance(X):
    """Between two rows, squared; of rows that are mostly equal, the mean."""
    # Its import takes a while, and prediction does not need it.
    from scipy.spatial.distance import pdist

    squares = pdist(X.astype(np.float64), "sqeuclidean")
    return np.median(squares) or squares.mean() or 1.0


class _Fit:
    """A ridge regression with the penalty of least squared error of rows left out.

    All is found from the eigenvectors of ``Z^T W Z``, Z the features without their mean.
    """

    def __init__(self, X, y, weights, waves, phases):
        self.X, self.y, self.weights = X, y, weights
        self.waves, self.phases = waves, phases
        self.total = weights.sum()
        self.scale = 1.0  # of the columns, until their spread is known
        self.mean_y = np.average(y, axis=0, weights=weights)
        n_features = len(waves) + len(phases)
        self.mean, products = np.zeros(n_features), np.zeros((n_features, n_features))
        cross = np.zeros((n_features, y.shape[1]))
        for part in self._chunks():
            features = self._features(part)
            weighed = features * weights[part, None]
            self.mean += weighed.sum(axis=0) / self.total
            products += weighed.T @ features
            cross += weighed.T @ (y[part] - self.mean_y)
        products -= self.total * np.outer(self.mean, self.mean)
        square = np.trace(products[: len(waves), : len(waves)]) / self.total
        self.scale = 1 / np.sqrt(square) if square > 0 else 1.0
        scales = np.append(np.full(len(waves), self.scale), np.ones(len(phases)))
        products *= np.outer(scales, scales)
        self.mean *= scales
        cross *= scales[:, None]
        values, self.vectors = np.linalg.eigh(products)
        self.cross = self.vectors.T @ cross
        # by penalty, what each eigenvector is multiplied by
        inverses = 1 / (np.maximum(values, 0) + PENALTIES[:, None] * self.total)
        errors = sum(
            weights[part] @ (self._missed(part, inverses) ** 2).sum(axis=2)
            for part in self._chunks()
        )
        best = np.argmin(errors)
        self.error, self.inverse = errors[best], inverses[best]

    def _chunks(self):
        return [slice(start, start + CHUNK) for start in range(0, len(self.X), CHUNK)]

    def _features(self, part):
        """Columns and waves of some rows, the squares of either sum to about 1 in a row."""
        X = self.X[part].astype(np.float64)
        waves = np.sin(X @ self.waves + self.phases)
        return np.hstack([X * self.scale, waves * np.sqrt(2 / len(self.phases))])

    def _missed(self, part, inverses):
        """By penalty ``e / (1 - h)``, what a fit without a row misses it by: (n, penalties, units).

        e is what the fit with it leaves over, h the row's influence on its own answer.
        """
        rotated = (self._features(part) - self.mean) @ self.vectors
        influence = self.weights[part, None] * (rotated**2 @ inverses.T + 1 / self.total)
        coef = self.cross[:, None] * inverses.T[:, :, None]
        said = (rotated @ coef.reshape(len(coef), -1)).reshape(-1, *coef.shape[1:])
        left_over = (self.y[part] - self.mean_y)[:, None] - said
        return left_over / np.maximum(1 - influence, LEAST_OUTSIDE)[:, :, None]

    def without_each(self):
        """What the fit without a row says of it, for all rows."""
        missed = [self._missed(part, self.inverse[None])[:, 0] for part in self._chunks()]
        return self.y - np.concatenate(missed)

    def coefficients(self):
        """``coef`` and ``intercept`` of a :class:`Ridge`."""
        coef = self.vectors @ (self.cross * self.inverse[:, None])
        intercept = self.mean_y - self.mean @ coef
        n_columns = len(self.waves)
        coef[:n_columns] *= self.scale
        coef[n_columns:] *= np.sqrt(2 / len(self.phases))
        return coef, intercept
