"""What each parameter may be, for scikit-learn's validation."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import HasMethods, Interval, InvalidParameterError, StrOptions

from skjoint._data.value_transform import NAMED
from skjoint._engines.balancing import METHODS
from skjoint._engines.choice import ENGINES
from skjoint._ensemble.thresholds import SCORERS
from skjoint._network.spec import EMBEDDINGS, LINKS
from skjoint._prediction.decoding import CLASS_FROM, VALUE_FROM

_SIZES = [Interval(Integral, 1, None, closed="left"), "array-like"]
_COLUMNS = [None, str, Integral, list, tuple, np.ndarray]
_COUNT = [Interval(Integral, 1, None, closed="left")]

CONSTRAINTS: dict[str, Any] = {
    # network
    "hidden_layer_sizes": [*_SIZES, StrOptions({"auto"})],
    "value_layer_sizes": _SIZES,
    "class_layer_sizes": _SIZES,
    "activation": [str, callable],
    "value_activation": [str, callable],
    "kernel_initializer": [str, dict, callable],
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "alpha": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
    "numeric_embedding": [StrOptions({"auto", *EMBEDDINGS}), list, tuple, None],
    "head_link": [StrOptions(set(LINKS)), None],
    "value_by_class": [dict, None],
    "trunk": [callable, None],
    # losses
    "value_loss": [str, callable],
    "class_loss": [str, callable],
    "loss_weights": ["array-like", dict, StrOptions(set(METHODS))],
    "class_weight": [StrOptions({"balanced"}), dict, list, None],
    # targets
    "value_columns": _COLUMNS,
    "class_columns": _COLUMNS,
    "class_bins": [Interval(Integral, 2, None, closed="left"), "array-like", None],
    "classes": ["array-like", None],
    "scale_value": ["boolean"],
    "value_transform": [
        StrOptions(set(NAMED)),
        HasMethods(["fit", "transform", "inverse_transform"]),
        None,
    ],
    "value_from": [StrOptions({*VALUE_FROM, "auto"})],
    "class_from": [StrOptions(set(CLASS_FROM))],
    "threshold": [StrOptions(set(SCORERS)), None],
    # features
    "preprocess": [StrOptions({"auto"}), dict, None],
    # training
    "optimizer": "no_validation",  # names, classes and instances, by skjoint._engines.routing
    "learning_rate": [Interval(Real, 0, None, closed="neither"), None],
    "learning_rate_schedule": [StrOptions({"auto", "constant", "cosine"})],
    "epochs": _COUNT,
    "batch_size": _COUNT,
    "engine": [StrOptions({"auto", *ENGINES})],
    "callbacks": "no_validation",  # likewise
    "warm_start": ["boolean"],
    "random_state": ["random_state"],
    "verbose": [Interval(Integral, 0, 2, closed="both"), "boolean"],
    # held-out rows
    "validation": [
        Interval(Real, 0, 1, closed="neither"),
        HasMethods(["get_n_splits", "split"]),
        None,
    ],
    "early_stopping": ["boolean", StrOptions({"by_head"})],
    "n_iter_no_change": _COUNT,
    "calibration": [StrOptions({"temperature"}), None],
    # ensemble
    "n_members": _COUNT,
    "n_refits": [Interval(Integral, 0, None, closed="left")],
    "companions": [str, list, tuple],
}


def check_numbers(params: Mapping[str, Any], owner: str) -> None:
    """Raise where a truth value stands for a number, which scikit-learn takes for 0 or 1."""
    for name, rules in CONSTRAINTS.items():
        a_number = any(isinstance(rule, Interval) for rule in rules)
        if a_number and "boolean" not in rules and isinstance(params[name], bool):
            raise InvalidParameterError(
                f"The '{name}' parameter of {owner} must be a number. Got {params[name]!r} instead."
            )
