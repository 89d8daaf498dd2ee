"""Imports run one way, as the architecture says."""

import ast
from pathlib import Path

import pytest

import skjoint

# From the bottom up: each package or module may import those before it, and inside its own
# package what is not above it there.
ORDER = [
    "_support",
    "_data",
    "_network",
    "_prediction",
    "_engines",
    "_ensemble",
    "_fitting",
    "metrics",
    "views",
    "model_selection",
    "plots",
    "datasets",
    "_parameters",
    "estimator",
    "_onnx",
    "_storage",
    "persistence",
    "__init__",
    "_cli",
    "__main__",
]
ROOT = Path(skjoint.__file__).parent
SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in ROOT.rglob("*.py")
}
ENGINES = ("_engines.keras_fit", "_engines.fused")
OTHER_DATA = [m for m in SOURCES if m.startswith("_data.") and m != "_data.rows"]
NEVER = {
    # an engine sees neither the estimator nor the user's y and X: of data its rows alone
    "_engines": ("estimator", *OTHER_DATA),
    # views, plots, metrics and splitters take any fitted estimator
    "plots": ("estimator", "_prediction", "_engines"),
    "metrics": ("estimator",),
    "views": ("estimator",),
    "model_selection": ("estimator",),
    # prediction loads nothing that trains
    "_prediction": ("_engines", "_network.losses"),
}
HEAVY = {"keras", "tensorflow", "scikeras", "matplotlib", "onnx", "skl2onnx"}


def imports_of(name, everywhere=True):
    """Modules of skjoint (without the prefix), and others, that a module imports."""
    tree = ast.parse(SOURCES[name].read_text())
    found = set()
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.ImportFrom):
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def own_imports_of(name):
    """Modules of skjoint that a module imports, by their longest known name."""
    found = {m.removeprefix("skjoint.") for m in imports_of(name) if m.startswith("skjoint.")}
    return {m for m in found if m in SOURCES}


def is_in(module, places):
    return any(module == place or module.startswith(f"{place}.") for place in places)


def test_every_module_has_its_place():
    assert {name.split(".")[0] for name in SOURCES} == set(ORDER)


@pytest.mark.parametrize("name", SOURCES)
def test_imports_run_one_way(name):
    place = ORDER.index(name.split(".")[0])
    for used in own_imports_of(name):
        assert ORDER.index(used.split(".")[0]) <= place, (name, used)
        assert not is_in(used, NEVER.get(name.split(".")[0], ())), (name, used)


def test_no_module_imports_itself_by_way_of_others():
    uses = {name: own_imports_of(name) for name in SOURCES}
    done = set()
    while rest := {name for name in SOURCES if name not in done}:
        free = {name for name in rest if uses[name] <= done | {name}}
        assert free, f"a circle among {sorted(rest)}"
        done |= free


@pytest.mark.parametrize("name", SOURCES)
def test_heavy_packages_are_imported_inside_functions(name):
    roots = {module.split(".")[0] for module in imports_of(name, everywhere=False)}
    assert not roots & HEAVY


# ------------------------------------------------------------------------ sizes
MAX_LINES = 500  # of a file
MAX_ESTIMATOR = 450  # of the estimator without its docstrings
MAX_FUNCTION = 60  # of a function without its docstring
MAX_DATA_PATH = 40  # of the way from X and y to the fitted model


def own_lines(node):
    """Lines of a function or class without its docstring."""
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def docstring_lines(node):
    return node.body[0].end_lineno - node.body[0].lineno + 1 if ast.get_docstring(node) else 0


@pytest.mark.parametrize("name", SOURCES)
def test_a_file_is_read_in_one_sitting(name):
    text = SOURCES[name].read_text()
    lines = len(text.splitlines())
    if name == "estimator":
        kinds = (ast.ClassDef, ast.FunctionDef, ast.Module)
        documented = [node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]
        assert lines - sum(map(docstring_lines, documented)) <= MAX_ESTIMATOR
    else:
        assert lines <= MAX_LINES


@pytest.mark.parametrize("name", SOURCES)
def test_a_function_fits_on_a_screen(name):
    for node in ast.walk(ast.parse(SOURCES[name].read_text())):
        if isinstance(node, ast.FunctionDef) and (name, node.name) != ("estimator", "__init__"):
            assert own_lines(node) <= MAX_FUNCTION, node.name


def test_a_fit_reads_as_the_way_of_the_data():
    tree = ast.parse(SOURCES["estimator"].read_text())
    (path,) = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == "_fit"]
    assert own_lines(path) <= MAX_DATA_PATH
    assigned = [
        target.attr
        for node in ast.walk(path)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Attribute)
    ]
    assert assigned == ["_model"]
