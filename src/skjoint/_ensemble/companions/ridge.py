"""Ridge regression on random Fourier features beside the networks, for each number.

A number that is nearly linear, or smooth, needs many steps of a network and has a closed
form here: sines of random combinations of the columns stand for a Gaussian kernel (Rahimi
& Recht 2007), the columns themselves for what is linear. The prediction of each row by a fit
without it has a closed form, too (Allen 1974): one fit gives held-out predictions of all rows.
Penalty and width of the kernel are those whose held-out predictions have the least squared error.
Categories are one-hot, as many levels as there is room for; those of the fewest rows, which a
penalty would leave near 0, have no column.
scikit-learn's RidgeCV finds the same penalties and predictions; it keeps the features of all
rows at once and took 2 to 6 times as long, in 2 to 25 times the memory.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from numbers import Integral

import joblib
import numpy as np
from sklearn.utils._param_validation import Interval
from threadpoolctl import ThreadpoolController

from skjoint._ensemble.companions.contract import (
    AuxiliaryModel,
    Companion,
    in_units,
    is_unbounded,
)
from skjoint._prediction.ridge import Ridge

WIDTHS = (0.1, 0.3, 1.0)  # of the kernel exp(-width d^2), d in units of the median distance
# For each row. With smaller ones a fit to few rows passes through all of them, and its
# leave-one-out errors are quotients of rounding errors.
PENALTIES = np.logspace(-6, 2, 17)
MAX_RIDGE_ROWS = 2**15  # to fit
MAX_COLUMNS = 2**10  # of X: with more, products and eigenvectors take too long
MAX_FOURIER = 2**11  # of the random ones, for the same reason
LEAST_ROWS = 8
LEAST_OUTSIDE = 1e-12  # of 1 - influence, for the division by it
N_PAIRED = 500  # rows whose distances are measured
FIT_CHUNK = 2**11  # rows at once

one_at_a_time = threading.Lock()


def fit_ridge(task, n_features):
    """A ridge regression for each number, on all columns of X, with leave-one-out predictions.

    Parameters
    ----------
    task : Task
    n_features : int
        Random Fourier features.

    Returns
    -------
    list of AuxiliaryModel
    """
    rows = task.rows
    if rows.X.shape[1] - len(task.n_codes) > MAX_COLUMNS:
        return []
    found = []
    # The last bits of a sum depend on the number of threads of BLAS: it is 1, and each width has a
    # thread. This limit is one for the whole process, so fits in several threads wait in turn.
    with (
        one_at_a_time,
        ThreadpoolController().limit(limits=1, user_api="blas"),
        ThreadPoolExecutor(joblib.cpu_count()) as pool,
    ):
        for i, head in task.heads.items():
            if np.count_nonzero(rows.weights[i]) >= LEAST_ROWS:
                found.append(_fit_one(task, i, head, n_features, pool.map))
    return found


def _fit_one(task, i, head, n_features, run):
    rows, where = task.rows, task.where
    rng = np.random.default_rng(task.seed)
    order = rng.permutation(np.flatnonzero(rows.weights[i] > 0))
    inside = np.sort(order[:MAX_RIDGE_ROWS])
    weights = rows.weights[i][inside].astype(np.float64)
    y, units = in_units(rows.targets[i][inside], head, weights)
    table = rows.X
    read = _levels_of(table[inside], task.n_codes)
    X = _read(table[inside], **read)
    distance = _median_distance(_read(table[order[:N_PAIRED]], **read))
    waves = rng.normal(size=(X.shape[1], n_features))
    phases = rng.uniform(0, 2 * np.pi, n_features)

    def fit(width):
        # The Fourier transform of exp(-width d^2) is normal, with variance 2 width.
        return _Fit(X, y, weights, waves * np.sqrt(2 * width / distance), phases)

    best = min(run(fit, WIDTHS), key=lambda fit: fit.error)
    coef, intercept = best.coefficients()
    arrays = best.waves, best.phases, coef * units, intercept * units
    model = Ridge(head.name, head.n_units, *arrays, **read)
    answers = model.predict(table[where])
    asked = np.isin(inside, where)
    answers[np.searchsorted(where, inside[asked])] = best.without_each()[asked] * units
    return AuxiliaryModel(model, where, answers)


def _levels_of(X, n_codes):
    """Columns of numbers, and the levels with most rows: (column, code); nothing without codes.

    How many rows a level has does not depend on the targets, as held-out predictions need it.
    """
    if not n_codes:
        return {}
    numbers = np.delete(np.arange(X.shape[1]), list(n_codes))
    counts = [np.bincount(X[:, column].astype(int), minlength=n) for column, n in n_codes.items()]
    count = np.concatenate([of_column[1:] for of_column in counts])
    levels = np.array([(column, code) for column, n in n_codes.items() for code in range(1, n)])
    largest = np.argsort(-count, kind="stable")[: MAX_COLUMNS - len(numbers)]
    kept = np.sort(largest[count[largest] > 1])
    return {"numbers": numbers, "levels": levels.reshape(-1, 2)[kept].astype(np.int32)}


def _read(X, numbers=None, levels=None):
    """Columns of numbers and a 0 or 1 for each level."""
    if levels is None:
        return X
    is_level = [X[:, column] == code for column, code in levels]
    return np.column_stack([X[:, numbers], *is_level]).astype(np.float32)


def _median_distance(X):
    """Median squared distance between two rows; the mean where most rows are equal."""
    # Its import takes a while, and prediction does not need it.
    from scipy.spatial.distance import pdist

    squares = pdist(X.astype(np.float64), "sqeuclidean")
    return np.median(squares) or squares.mean() or 1.0


class _Fit:
    """A ridge regression with the penalty of least squared leave-one-out error.

    All is computed from the eigenvectors of ``Z^T W Z``, Z the centred features and W the
    weights: its size is that of the features, however many rows there are.
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
        # by penalty, the factor of each eigenvector
        inverses = 1 / (np.maximum(values, 0) + PENALTIES[:, None] * self.total)
        errors = sum(
            weights[part] @ (self._errors_without(part, inverses) ** 2).sum(axis=2)
            for part in self._chunks()
        )
        best = np.argmin(errors)
        self.error, self.inverse = errors[best], inverses[best]

    def _chunks(self):
        return [slice(start, start + FIT_CHUNK) for start in range(0, len(self.X), FIT_CHUNK)]

    def _features(self, part):
        """Columns and waves of some rows; the squares of each kind sum to about 1 in a row."""
        X = self.X[part].astype(np.float64)
        waves = np.sin(X @ self.waves + self.phases)
        return np.hstack([X * self.scale, waves * np.sqrt(2 / len(self.phases))])

    def _errors_without(self, part, inverses):
        """Leave-one-out errors ``e / (1 - h)`` by penalty: (n, penalties, units).

        e is the residual of the fit with the row, h the row's influence on its own prediction.
        """
        rotated = (self._features(part) - self.mean) @ self.vectors
        influence = self.weights[part, None] * (rotated**2 @ inverses.T + 1 / self.total)
        coef = self.cross[:, None] * inverses.T[:, :, None]
        fitted = (rotated @ coef.reshape(len(coef), -1)).reshape(-1, *coef.shape[1:])
        residual = (self.y[part] - self.mean_y)[:, None] - fitted
        return residual / np.maximum(1 - influence, LEAST_OUTSIDE)[:, :, None]

    def without_each(self):
        """Leave-one-out predictions of all rows."""
        errors = [self._errors_without(part, self.inverse[None])[:, 0] for part in self._chunks()]
        return self.y - np.concatenate(errors)

    def coefficients(self):
        """``coef`` and ``intercept`` of a :class:`Ridge`."""
        coef = self.vectors @ (self.cross * self.inverse[:, None])
        intercept = self.mean_y - self.mean @ coef
        n_columns = len(self.waves)
        coef[:n_columns] *= self.scale
        coef[n_columns:] *= np.sqrt(2 / len(self.phases))
        return coef, intercept


RIDGE = Companion(
    "ridge",
    Ridge,
    fit_ridge,
    lambda head: head.kind == "value" and is_unbounded(head),
    {"n_features": 512},
    {"n_features": [Interval(Integral, 1, MAX_FOURIER, closed="both")]},
)
