"""The way back from transformed numbers, as nodes; the formulas are those of ``_data``.

Tensors have any shape whose last axis has the columns of a number.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from skjoint._data.targets import POINTS, SHARES
from skjoint._data.value_transform import LEAST, MOST, NAMED, OwnTransform, shown
from skjoint._onnx.graph import DOUBLE, INT64

NO_POWER = 1e-8  # below which a power is an exponential, to half of float64's digits
# Of the normal distribution: from the nearest place its Taylor series is exact to 1e-11.
END, N_PLACES = 8.0, 4001


def back(graph, target, transformed):
    """Numbers in original units."""
    transform = target.transform
    if transform is None:
        return transformed
    if isinstance(transform, OwnTransform):
        raise NotImplementedError(
            f"value_transform={shown(transform.transformers[0])} is Python code, which a graph "
            "cannot hold. Use a name, such as 'log' or 'quantile', and fit again."
        )
    return WAYS_BACK[transform.name](graph, transformed, transform.knots)


def smeared(graph, target, transformed, deviation, residuals):
    """The mean over residuals; ``deviation`` is None, or a tensor that they are multiplied by."""
    steps, shares = residuals[:, :, None, :]  # (k, 1, width) each
    if deviation is not None:
        steps = graph("Mul", graph("Unsqueeze", deviation, [0]), steps)
    numbers = back(graph, target, graph("Add", graph("Unsqueeze", transformed, [0]), steps))
    return _mean(graph, numbers, shares)


def deviation_back(graph, target, transformed, deviation):
    """Standard deviation in original units of transformed numbers that are normal."""
    if target.transform is None:
        return deviation
    middle = back(graph, target, transformed)
    steps = graph("Mul", graph("Unsqueeze", deviation, [0]), POINTS[:, None, None])
    numbers = back(graph, target, graph("Add", graph("Unsqueeze", transformed, [0]), steps))
    away, shares = graph("Sub", numbers, graph("Unsqueeze", middle, [0])), SHARES[:, None, None]
    mean = _mean(graph, away, shares)
    square = _mean(graph, graph("Mul", away, away), shares)
    return graph("Sqrt", graph("Max", graph("Sub", square, graph("Mul", mean, mean)), 0.0))


def _mean(graph, numbers, shares):
    return graph("ReduceSum", graph("Mul", numbers, shares), [0], keepdims=0)


# --------------------------------------------------------------------- by name
def _exp(graph, transformed, knots):
    return graph("Exp", graph("Min", transformed, MOST))


def _expm1(graph, transformed, knots):
    return graph("Sub", _exp(graph, transformed, knots), 1.0)


def _power_back(graph, transformed, knots):
    powers, low, high = knots.T
    start, end = np.transpose([NAMED["yeo-johnson"].forward(k[1:], k) for k in knots])
    size = graph("Abs", transformed)
    below = graph("Neg", _positive_back(graph, size, 2 - powers))
    above = _positive_back(graph, size, powers)
    found = graph("Where", graph("Less", transformed, 0.0), below, above)
    found = graph("Where", graph("GreaterOrEqual", transformed, end), high, found)
    found = graph("Where", graph("LessOrEqual", transformed, start), low, found)
    return graph("Min", graph("Max", found, low), high)


def _positive_back(graph, size, powers):
    """``(p x + 1)^(1 / p) - 1`` for powers by column."""
    none = np.abs(powers) < NO_POWER
    some = np.where(none, 1.0, powers)
    inside = graph("Max", graph("Add", graph("Mul", size, powers), 1.0), LEAST)
    found = graph("Exp", graph("Div", graph("Log", inside), some))
    return graph("Sub", graph("Where", none, graph("Exp", size), found), 1.0)


def _score_back(graph, transformed, knots):
    width, n_knots = knots.shape
    place = graph("Mul", _normal_share(graph, transformed), float(n_knots - 1))
    left = graph("Min", graph.cast(graph("Floor", place), INT64), n_knots - 2)
    entry = graph("Add", left, n_knots * np.arange(width))
    low = graph("Gather", knots.ravel(), entry)
    high = graph("Gather", knots.ravel(), graph("Add", entry, 1))
    rest = graph("Sub", place, graph.cast(left, DOUBLE))
    return graph("Add", low, graph("Mul", rest, graph("Sub", high, low)))


def _normal_share(graph, numbers):
    r"""The standard normal distribution function in float64, which ``Erf`` has in float32 alone.

    With h from a place g, it is :math:`\Phi(g) + \varphi(g) (h - g h^2/2 + (g^2 - 1) h^3/6)`.
    """
    places = np.linspace(-END, END, N_PLACES)
    density = np.exp(-(places**2) / 2) / np.sqrt(2 * np.pi)
    numbers = graph("Min", graph("Max", numbers, -END), END)
    nearest = graph("Round", graph("Mul", graph("Add", numbers, END), (N_PLACES - 1) / (2 * END)))
    nearest = graph.cast(nearest, INT64)
    g = graph("Gather", places, nearest)
    h = graph("Sub", numbers, g)
    third = graph("Mul", graph("Sub", graph("Mul", g, g), 1.0), graph("Div", h, 3.0))
    second = graph("Mul", graph("Sub", third, g), graph("Mul", h, 0.5))
    step = graph("Mul", graph("Gather", density, nearest), h)
    step = graph("Mul", step, graph("Add", second, 1.0))
    share = graph("Add", graph("Gather", ndtr(places), nearest), step)
    return graph("Min", graph("Max", share, 0.0), 1.0)


WAYS_BACK = {"log": _exp, "log1p": _expm1, "yeo-johnson": _power_back, "quantile": _score_back}
