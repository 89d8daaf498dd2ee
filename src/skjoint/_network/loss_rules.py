"""Which losses of numbers go with standardised numbers, and what the others need.

A loss that does not change when true and predicted numbers move together, such as the squared
error, sees standardised numbers. Others mean something by the size of a number, or by its sign:
they see numbers that are divided only, or numbers in original units.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from skjoint._network.losses import per_sample
from skjoint._support.keras_import import import_keras


@dataclass(frozen=True)
class LossRule:
    """What a loss of numbers needs.

    Parameters
    ----------
    units : {"standard", "size", "original"}
        Standardised numbers, numbers divided by their size, numbers as they are.
    numbers : {"any", "not 0", "not negative", "shares", "shares of 1"}
        What the true numbers must be; of "shares of 1" those of a row sum to 1.
    activation : str
        What "linear" stands for.
    may_be_negative : bool
        Whether the loss may be.
    least_width : int
        Numbers under one head that it takes to compare them.
    adds_1 : bool
        Whether 1 is added to numbers before their logarithm is taken.
    """

    units: str = "standard"
    numbers: str = "any"
    activation: str = "linear"
    may_be_negative: bool = False
    least_width: int = 1
    adds_1: bool = False


STANDARD = LossRule()
RULES = {  # by name of Keras' function
    "mean_absolute_percentage_error": LossRule("size", "not 0"),
    "mean_squared_logarithmic_error": LossRule("original", "not negative", "softplus", adds_1=True),
    "poisson": LossRule("size", "not negative", "softplus", may_be_negative=True),
    "binary_crossentropy": LossRule("original", "shares", "sigmoid"),
    "categorical_crossentropy": LossRule("original", "shares of 1", "softmax", least_width=2),
    "kl_divergence": LossRule("original", "shares of 1", "softmax", least_width=2),
    "cosine_similarity": LossRule("original", may_be_negative=True, least_width=2),
}


def rule_of(loss, identifier=None):
    """The rule of a Keras loss or function; the ``identifier`` is for the message.

    A function of the user's sees standardised numbers.
    """
    name = keras_name(loss)
    if name is None:
        return STANDARD
    if name in RULES:
        return RULES[name]
    if moves_along(loss):
        return STANDARD
    raise ValueError(
        "value_loss must be a loss of numbers, such as 'mse', 'mae' or 'huber'. Got "
        f"{name if identifier is None else identifier!r} instead, a loss of labels."
    )


def keras_name(loss):
    """Name of Keras' function behind a loss, or of its class; None for a loss of the user's."""
    if isinstance(loss, functools.partial):
        loss = loss.func
    owner = loss if hasattr(loss, "__name__") else type(loss)
    if getattr(owner, "__module__", "").partition(".")[0] != "keras":
        return None
    return getattr(loss, "fn", owner).__name__


def moves_along(loss):
    """Whether the loss stays the same where true and predicted numbers move together."""
    if isinstance(loss, import_keras().losses.MeanSquaredError):
        return True  # the default: no need to try
    rng = np.random.default_rng(0)
    true, predicted = rng.uniform(0.2, 0.8, size=(2, 5, 2)).astype(np.float32)
    try:
        near = np.asarray(per_sample(loss)(true, predicted), np.float64)
        far = np.asarray(per_sample(loss)(true + 8, predicted + 8), np.float64)
    except Exception:  # whatever a loss of codes or sequences raises
        return False
    return near.shape == far.shape == (5,) and bool(np.allclose(near, far, rtol=1e-3))


def constants_to_try(numbers):
    """Constant predictions by which losses of any kind are nearly the least, (n, n_units)."""
    return np.quantile(numbers, np.linspace(0.02, 0.98, 49), axis=0).astype(np.float32)


def loss_unit(loss, numbers, weights):
    """What the best constant prediction costs more than a perfect one.

    Losses of standardised numbers are near 1 to begin with. Others may be of any size, and
    are divided by this one, so that the other heads keep their share of the trunk.
    """
    numbers, weights = numbers[weights > 0], weights[weights > 0]
    if not len(numbers):
        return 1.0

    def mean_loss(predicted):
        losses = np.asarray(per_sample(loss)(numbers, predicted), np.float64)
        return float(np.average(losses, weights=weights))

    constants = constants_to_try(numbers)
    constants = [np.average(numbers, axis=0, weights=weights).astype(np.float32), *constants]
    best = np.nanmin([mean_loss(np.tile(one, (len(numbers), 1))) for one in constants])
    unit = best - mean_loss(numbers)
    return float(unit) if np.isfinite(unit) and unit > 0 else 1.0


def constant_loss(output, loss, train, validation):
    """Held-out loss of the best constant prediction of one head; 1 where that is 0.

    Parameters
    ----------
    output : Output
        Of the head; its ``constants`` are learned from the training rows.
    loss : keras.losses.Loss or callable
    train, validation : (targets, weights)

    Returns
    -------
    loss : float
        Negative, perhaps, for a likelihood.
    """
    true, true_weight = validation
    candidates = list(output.constants(*train))
    if output.target == "value" and rule_within(loss) != STANDARD:
        targets, weights = train
        n, (first, *_) = output.n_units, candidates
        tries = constants_to_try(output.numbers(targets)[weights > 0])
        candidates += [np.append(one, first[n:]) for one in tries]
    losses = []
    for constant in candidates:
        prediction = np.tile(constant.astype(np.float32), (len(true), 1))
        per_row = np.asarray(per_sample(loss)(true, prediction))
        losses.append(float(np.average(per_row, weights=true_weight)))
    best = np.nanmin(losses)
    usable = np.isfinite(best) and (best > 0 or may_be_negative(output, loss))
    return best if usable else 1.0


def rule_within(loss):
    """The rule of the loss by which a head compares numbers, perhaps inside another."""
    return rule_of(getattr(loss, "loss", loss))


def may_be_negative(output, loss):
    """Whether the loss of a head may be, so that ratios of it mean nothing."""
    if output.target == "class" or output.is_likelihood:
        return output.is_likelihood
    return rule_within(loss).may_be_negative
