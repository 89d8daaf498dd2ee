"""scikit-learn's check of the parameters before a ``fit``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sklearn.base import _fit_context

Method = TypeVar("Method", bound=Callable[..., Any])


def checks_parameters(method: Method) -> Method:
    """Decorator: parameters are checked first; for type checkers the method keeps its signature."""
    return _fit_context(prefer_skip_nested_validation=True)(method)
