"""scikit-learn's check of the parameters before a ``fit``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from sklearn import get_config
from sklearn.base import _fit_context
from sklearn.utils.validation import _is_fitted

Method = TypeVar("Method", bound=Callable[..., Any])


def checks_parameters(method: Method) -> Method:
    """Decorator: parameters are checked first; for type checkers the method keeps its signature.

    scikit-learn checks them in the first ``partial_fit`` only. Here they are checked in later
    ones, too, since ``set_params`` may have changed them.
    """
    checked = _fit_context(prefer_skip_nested_validation=True)(method)
    if method.__name__ != "partial_fit":
        return checked

    @functools.wraps(method)
    def in_every_call(estimator, *args, **kwargs):
        if _is_fitted(estimator) and not get_config()["skip_parameter_validation"]:
            estimator._validate_params()
        return checked(estimator, *args, **kwargs)

    return cast(Method, in_every_call)
