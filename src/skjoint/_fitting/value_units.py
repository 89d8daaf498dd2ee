"""In which units numbers are learned: what a loss and an activation together ask for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from skjoint._data.learning import Limit, NumberRule
from skjoint._network.loss_rules import LossRule, loss_unit, rule_of
from skjoint._network.outputs import value_output
from skjoint._network.outputs.point import point_loss
from skjoint._network.ranges import Range, activation_range

LIMITS = {  # of LossRule.numbers
    "any": (-np.inf, np.inf),
    "not 0": (-np.inf, np.inf),
    "not negative": (0.0, np.inf),
    "shares": (0.0, 1.0),
    "shares of 1": (0.0, 1.0),
}


@dataclass(frozen=True)
class ValueUnits:
    """What follows from loss and activation for value heads of one width.

    Parameters
    ----------
    loss : keras.losses.Loss or callable
        By which numbers alone are compared.
    rule : LossRule
    activation : str or callable
        Of the number; not always the one that was asked for.
    range : Range
        Of the activation.
    is_scaled : bool
        Whether the activation is that of a standardised number in other units.
    numbers : NumberRule
        For the scale of the numbers.
    """

    loss: object
    rule: LossRule
    activation: object
    range: Range
    is_scaled: bool
    numbers: NumberRule


def value_units(params, width):
    """Units of a value head of so many numbers.

    Parameters
    ----------
    params : dict
        Of the estimator.
    width : int

    Raises
    ------
    ValueError
        If the loss cannot compare such numbers, or the activation cannot give them.
    """
    value_loss, activation = params["value_loss"], params["value_activation"]
    loss = point_loss(value_output(value_loss, None).number_loss(value_loss), width)
    rule = rule_of(loss, value_loss)
    if width < rule.least_width:
        raise ValueError(
            f"value_loss must compare single numbers, as 'mse' does. Got {value_loss!r} instead, "
            "which compares vectors of numbers under one head, value_columns=[['a', 'b']]."
        )
    learns = params["scale_value"]
    if activation == "linear" and learns:
        activation = rule.activation
    found = activation_range(activation, width)
    if params["value_transform"] is not None:
        _check_transformed(params, rule, found)
    _check_outputs(params, rule, found)
    keeps = {"standard": _kept(found), "size": "size", "original": "units"}[rule.units]
    is_scaled = learns and (activation != "linear" or rule.units != "standard")
    limits = tuple(_limits(params, rule, found))
    rule_of_numbers = NumberRule(keeps, limits, not learns, rule.adds_1)
    return ValueUnits(loss, rule, activation, found, is_scaled, rule_of_numbers)


def _kept(found):
    """What scaling leaves where it is."""
    if found.is_bounded:
        return "range"
    return "zero" if found.ends_at_zero else "mean"


def _check_transformed(params, rule, found):
    """Raise unless loss and activation are for numbers that may lie anywhere."""
    transform = f"value_transform={params['value_transform']!r}"
    if rule.units != "standard":
        raise ValueError(
            f"value_loss must be a loss of standardised numbers, such as 'mse' or 'mae', with "
            f"{transform}. Got {params['value_loss']!r} instead, which means something in the "
            "units of y alone."
        )
    if np.isfinite([found.low, found.high]).any():
        raise ValueError(
            f"value_activation must be 'linear' with {transform}: what is transformed may lie "
            f"anywhere, and the way back gives numbers like those of y. Got "
            f"{params['value_activation']!r} instead."
        )


def _check_outputs(params, rule, found):
    """Raise unless the activation gives numbers that the loss can take."""
    low, high = LIMITS[rule.numbers]
    fits = found.low >= low and found.high <= high
    if rule.numbers == "shares of 1":
        fits = found.is_shares
    # As Keras does it: numbers below 0 count as 0.
    as_keras = rule.numbers == "not negative" and not rule.may_be_negative
    if not fits and not (as_keras and not params["scale_value"]):
        raise ValueError(
            f"value_activation must be {rule.activation!r} or another that gives such numbers "
            f"with value_loss={params['value_loss']!r}. Got {params['value_activation']!r} instead."
        )
    kind = value_output(params["value_loss"], params["head_link"])
    if found.is_shares and kind.class_parts:
        raise ValueError(
            "value_activation must treat each number by itself with head_link='mixture'. Got "
            f"{params['value_activation']!r} instead."
        )


def _limits(params, rule, found):
    """What numbers must be for the loss, and for the activation."""
    way_out = "Use another value_loss, such as 'mse' or 'mae'."
    low, high = LIMITS[rule.numbers]
    yield Limit(
        f"value_loss={params['value_loss']!r}",
        way_out,
        low,
        high,
        without_zero=rule.numbers == "not 0",
        sum_is_1=rule.numbers == "shares of 1",
    )
    way_out = "Use value_activation='linear'"
    if found.is_bounded:
        way_out += ", or move and divide the numbers"
    yield Limit(
        f"value_activation={params['value_activation']!r}",
        f"{way_out}.",
        found.low if found.is_bounded or found.ends_at_zero else -np.inf,
        found.high if found.is_bounded or found.ends_at_zero else np.inf,
        takes_few=found.ends_at_zero,
        sum_is_1=found.is_shares,
    )


def with_loss_units(targets, y, params, sample_weight):
    """The targets with the size of their losses, where these are not of standardised numbers."""
    if not params["scale_value"]:
        return targets
    columns, values = targets.read(y), []
    weights = targets.split_weights(sample_weight, len(y))
    free = ~targets.has_known_value(columns)
    for target, column, weight in zip(targets.values, columns, weights, strict=False):
        units = value_units(params, target.n_units)
        if units.rule.units != "standard":
            numbers, used = target.encode(column.data), weight * (column.mask & free)
            target = replace(target, loss_unit=loss_unit(units.loss, numbers, used))
        values.append(target)
    return replace(targets, values=tuple(values))
