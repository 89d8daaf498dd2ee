"""Documentation that cannot rot: docstring examples and README blocks are run."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import skjoint

MODULES = [m.name for m in pkgutil.iter_modules(skjoint.__path__) if m.name != "__main__"]
README = Path(__file__).parents[1] / "README.md"
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name):
    mpl = pytest.importorskip("matplotlib")
    mpl.use("Agg")
    module = importlib.import_module(f"skjoint.{name}")
    result = doctest.testmod(module, optionflags=FLAGS)
    assert result.failed == 0
