"""Imports run one way, as the architecture says."""

import ast
from pathlib import Path

import pytest

import skjoint

# Each module may import the ones before it, never one after it.
ORDER = [
    "_warn",
    "_keras_import",
    "_layers",
    "_trunk",
    "_network",
    "_histogram",
    "_losses",
    "_balancing",
    "_training",
    "_optimizers",
    "_small",
    "_routing",
    "_keras",
    "_programs",
    "_fused",
    "_inference",
    "_table",
    "_targets",
    "_features",
    "_answers",
    "_composition",
    "_callbacks",
    "_members",
    "_uncertainty",
    "_blending",
    "_forest",
    "_boosting",
    "_ridge",
    "_files",
    "_onnx_layers",
    "_onnx",
    "_skl2onnx",
    "metrics",
    "views",
    "model_selection",
    "plots",
    "datasets",
    "estimator",
    "persistence",
    "__init__",
    "__main__",
]
SOURCES = {path.stem: path for path in Path(skjoint.__file__).parent.glob("*.py")}
ENGINES = {"_keras", "_fused"}
NEVER = {
    # an engine sees neither the estimator nor the user's y and X
    **{engine: {"estimator", "_targets", "_table", "_features"} for engine in ENGINES},
    # plots and metrics take any fitted estimator
    "plots": {"estimator", "_inference", *ENGINES},
    "metrics": {"estimator"},
    # prediction does not load what trains
    "_inference": {"_training", "_losses", *ENGINES},
}


def imports_of(name, everywhere=True):
    """Modules of skjoint (without the prefix), and others, that a module imports."""
    tree = ast.parse(SOURCES[name].read_text())
    nodes = ast.walk(tree) if everywhere else tree.body
    found = set()
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            found.add(node.module)
            if node.module == "skjoint":
                found |= {f"skjoint.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def test_every_module_has_its_place():
    assert set(ORDER) == set(SOURCES)


@pytest.mark.parametrize("name", ORDER)
def test_imports_run_one_way(name):
    used = {m.removeprefix("skjoint.") for m in imports_of(name) if m.startswith("skjoint.")}
    used &= set(SOURCES)
    assert used <= set(ORDER[: ORDER.index(name)])
    assert not used & NEVER.get(name, set())


@pytest.mark.parametrize("name", ORDER)
def test_heavy_packages_are_imported_inside_functions(name):
    roots = {module.split(".")[0] for module in imports_of(name, everywhere=False)}
    assert not roots & {"keras", "tensorflow", "scikeras", "matplotlib", "onnx", "skl2onnx"}
