"""Documentation that cannot rot: examples of docstrings, README and guide are run."""

import contextlib
import doctest
import importlib
import importlib.util
import io
import pkgutil
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

import skjoint

MODULES = [m.name for m in pkgutil.walk_packages(skjoint.__path__, "skjoint.")]
MODULES.remove("skjoint.__main__")
ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
CONTRIBUTING = ROOT / ".github" / "CONTRIBUTING.md"
MEASURED = ROOT / "benchmarks" / "README.md"
SOURCE = ROOT / "src/skjoint"  # of the checkout, whose links lead on
CHANGES = SOURCE / "CHANGES.md"
GUIDE = SOURCE / "guide"
PAGES = sorted(GUIDE.glob("*.md"))
DOCUMENTS = [README, MEASURED, CONTRIBUTING, CHANGES, *PAGES]
RUN = [README, MEASURED, *PAGES]  # documents whose blocks of Python are run
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name):
    mpl = pytest.importorskip("matplotlib")
    mpl.use("Agg")
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=FLAGS)
    assert result.failed == 0


def stated_errors():
    """Rows of the table of errors: what was done, and the message as a pattern."""
    page = GUIDE / "errors.md"
    text = page.read_text() if page.exists() else README.read_text()
    _, header, rest = text.partition("| input | message |\n")
    if not header:
        pytest.skip("no table of errors in this tree")
    rows = re.findall(r"^\| (.*?) \| (.*?) \|$", rest.split("\n\n")[0], re.M)
    return {done: ".*".join(map(re.escape, message.split("..."))) for done, message in rows}


@pytest.fixture(scope="module")
def diabetes():
    X, y = skjoint.datasets.load_diabetes_bands(return_X_y=True)
    return X[:200], y[:200]


def of_polars(X):
    pl = pytest.importorskip("polars")
    return pl.from_pandas(X).lazy()


def ends_in_a_sequence(meta):
    keras = pytest.importorskip("keras")
    inputs = keras.Input(meta["input_shape"])
    return keras.Model(inputs, keras.layers.GRU(32, return_sequences=True)(inputs))


# The first word or two of each row, and what a reader would type: (X, y) -> arguments of fit.
DONE = {
    "`fit(X, price)`": lambda X, y: ({}, X, np.round(50 + 900 * X["bmi"].to_numpy(), 2)),
    "`JointRegressorClassifier(epoch=3)`": lambda X, y: ({"epoch": 3}, X, y),
    '`optimizer="adma"`': lambda X, y: ({"optimizer": "adma"}, X, y),
    '`loss_weights={"vlaue": 2}`': lambda X, y: ({"loss_weights": {"vlaue": 2}}, X, y),
    '`value_by_class={"nobody": 0}`': lambda X, y: ({"value_by_class": {"nobody": 0}}, X, y),
    "a trunk that ends": lambda X, y: (
        {"trunk": ends_in_a_sequence},
        X.to_numpy().reshape(200, 10, 1),
        y,
    ),
    "a chunk with a new label": lambda X, y: (
        {"warm_start": True},
        X,
        y.assign(band=y["band"].where(y.index > 0, "huge")),
    ),
    "a rate that is too high": lambda X, y: (
        {"optimizer": "sgd", "learning_rate": 1e9, "loss_weights": (1, 0)},
        X,
        y,
    ),
    '`preprocess={"ag"': lambda X, y: ({"preprocess": {"ag": "drop"}}, X, y),
    "a LazyFrame of polars": lambda X, y: ({}, of_polars(X), y),
    "a sparse X beside": lambda X, y: ({"companions": "forest"}, sparse.csr_array(X), y),
    "rows of unequal length": lambda X, y: ({}, [[1.0], [1.0, 2.0]], y[:2]),
    "a column of text": lambda X, y: (
        {"preprocess": {"day": "number"}},
        X.assign(day="monday"),
        y,
    ),
    "a loss without": lambda X, y: ({"value_loss": lambda true, pred: (pred - true)[0, 0]}, X, y),
    '`threshold="f1"` with': lambda X, y: ({"threshold": "f1"}, X, y),
    '`value_transform="log"`': lambda X, y: (
        {"value_transform": "log"},
        X,
        y.assign(progression=y["progression"].where(y.index > 0, 0.0)),
    ),
    "`fit(X, [price, grade])`": lambda X, y: ({}, X, [y["progression"], y["band"][1:]]),
    "numbers beyond": lambda X, y: ({}, X, y.assign(progression=1e31)),
}


@pytest.mark.parametrize("done", DONE)
def test_stated_errors_are_those_of_the_code(done, diabetes):
    (row, pattern), *others = [r for r in stated_errors().items() if r[0].startswith(done)]
    assert not others
    params, X, y = DONE[done](*diabetes)
    with pytest.raises((ValueError, TypeError)) as caught:
        est = skjoint.JointRegressorClassifier.plain((4,), epochs=2, random_state=0, **params)
        if est.warm_start:
            est.fit(*diabetes)
        est.fit(X, y)
    assert re.fullmatch(pattern, str(caught.value), re.S), (row, str(caught.value))


def test_no_error_is_stated_that_is_not_tried():
    assert len(stated_errors()) == len(DONE)


def text_of(path):
    """A document without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.S | re.M)


def blocks(language, path):
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), re.S | re.M)


def name_of(path):
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name


def test_named_commands_have_these_options():
    from skjoint._cli import main

    options = set()
    for path in DOCUMENTS:
        for text in re.findall(r"`([^`]*)`", text_of(path)):
            named = set(re.findall(r"(?<![\w-])--[a-z-]+", text))
            if text.startswith("python benchmarks/"):
                script = text.split()[1]
                source = (ROOT / script).read_text()
                assert all(f'"{o}"' in source for o in named), (name_of(path), text)
            elif "skjoint" in text or text.startswith("--"):
                options |= named
    helped = "--help"
    for command in ("compare", "train", "predict"):
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
            main([command, "--help"])
        helped += out.getvalue()
    assert len(options) > 3
    assert {o for o in options if o not in helped} == set()


def is_there(package):
    return importlib.util.find_spec(package.replace("-", "_")) is not None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", RUN, ids=name_of)
def test_examples_run(path, tmp_path, monkeypatch, capsys):
    """All python blocks of a page, one after another in one namespace, as a reader would run them.

    A block that begins with ``# needs: package`` is left out where the package is not installed.
    """
    mpl = pytest.importorskip("matplotlib")
    mpl.use("Agg")
    monkeypatch.chdir(tmp_path)
    # a module of this name, so that classes and functions of the page can be pickled
    page = types.ModuleType("page_of_the_guide")
    monkeypatch.setitem(sys.modules, page.__name__, page)
    for block in blocks("python", path):
        needed = re.match(r"# needs: (.*)", block)
        if needed and not all(map(is_there, re.split(r"[, ]+", needed[1].strip()))):
            continue
        exec(compile(block, name_of(path), "exec"), page.__dict__)
    mpl.pyplot.close("all")
    lines = capsys.readouterr().out.splitlines()
    if "verbose=2" in path.read_text():
        names = ["loss", "value_loss", "class_loss", "value_mae", "class_accuracy"]
        assert sum(all(f"{name}: " in line for name in names) for line in lines) >= 2
    assert path != README or list(tmp_path.iterdir()) == []


def links():
    """Where the links and pictures of all documents point to: (document, target) in this tree."""
    for path in DOCUMENTS:
        text = text_of(path)
        targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(
            r'(?:src|srcset)="([^"]+)"', text
        )
        for target in targets:
            if "://" not in target:
                yield path, target


def anchor(heading):
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_point_to_files_and_headings_that_are_there(path):
    for target in [target for document, target in links() if document == path]:
        file, _, wanted = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), target
        if wanted:
            headings = re.findall(r"^#+ (.*)$", text_of(there), re.M)
            assert wanted in map(anchor, headings), target


def test_pictures_are_small():
    endings = (".png", ".svg")
    pictures = {path.parent / t for path, t in links() if t.endswith(endings)}
    assert len(pictures) >= 11
    for picture in pictures:
        assert picture.stat().st_size < (80_000 if picture.suffix == ".svg" else 60_000), picture


def test_readme_is_read_in_one_sitting():
    assert len(README.read_text().splitlines()) <= 300


def test_readme_leads_to_every_page_of_the_guide():
    linked = {(path.parent / t).resolve() for path, t in links() if path == README}
    pages = {page.resolve() for page in PAGES if page.name != "README.md"}
    assert pages <= linked


def test_readme_has_the_two_commands():
    commands = [line for block in blocks("bash", README) for line in block.splitlines()]
    assert len(commands) == 2
    assert commands[0].endswith("-m skjoint")
    assert commands[1].endswith("-m pytest -n 2 --dist loadfile")


def test_readme_shows_what_the_main_job_prints():
    """Same lines and columns; the figures are those of another machine."""
    (shown,) = blocks("text", README)
    from skjoint._cli.main_job import CONSTANT, JOINT, SEPARATE

    for line in (JOINT, SEPARATE, CONSTANT, "MAE", "disagree", "Splits in which", "Only 31 of 309"):
        assert line in shown


def test_guide_lists_every_default():
    """The page of parameters names every one with the value that it has."""
    text = (GUIDE / "parameters.md").read_text()
    for name, value in skjoint.JointRegressorClassifier().get_params().items():
        assert f"`{name}={value!r}`".replace("'", '"') in text, name


def test_contributing_names_files_and_tests_that_are_there():
    text = CONTRIBUTING.read_text()
    table = text.split("| to add |")[1].split("\n\n")[0]
    assert len(re.findall("^\\| an? ", table, re.M)) == 9
    named = re.findall(r"`((?:src|tests)/[^` ]*)`", text)
    assert len(named) > 20
    for path, _, test in (name.partition("::") for name in named):
        assert (ROOT / path).exists(), path
        assert not test or f"def {test}(" in (ROOT / path).read_text(), test


def test_contributing_describes_every_package():
    text = CONTRIBUTING.read_text()
    for path in SOURCE.glob("*/__init__.py"):
        assert re.search(rf"\*\*.*`{path.parent.name}`", text), path.parent.name


def test_changes_name_parameters_that_are_there_and_former_ones_that_are_refused():
    text = CHANGES.read_text()
    assert re.search(r"^## 0\.1\.0 \(unreleased\)$", text, re.M)
    for was, now in re.findall(r"^\| `(\w+)=.*? \| (.*) \|$", text, re.M):
        with pytest.raises(TypeError, match=rf"'{was}'\. It is now ") as caught:
            skjoint.JointRegressorClassifier(**{was: 1})
        for name in re.findall(r"(\w+)=", now):
            assert name in str(caught.value)
