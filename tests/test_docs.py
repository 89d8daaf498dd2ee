"""Documentation that cannot rot: docstring examples and README blocks are run."""

import contextlib
import doctest
import importlib
import io
import pkgutil
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import skjoint

MODULES = [m.name for m in pkgutil.walk_packages(skjoint.__path__, "skjoint.")]
MODULES.remove("skjoint.__main__")
ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
CONTRIBUTING = ROOT / ".github" / "CONTRIBUTING.md"
CHANGES = Path(skjoint.__file__).parent / "CHANGES.md"
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name):
    mpl = pytest.importorskip("matplotlib")
    mpl.use("Agg")
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=FLAGS)
    assert result.failed == 0


def stated_errors():
    """Rows of the README's table of errors: what was done, and the message as a pattern."""
    table = README.read_text().split("## When the input is wrong")[1].split("##")[0]
    rows = re.findall(r"^\| (.*?) \| (.*?) \|$", table, re.M)[1:]
    return {done: ".*".join(map(re.escape, message.split("..."))) for done, message in rows}


@pytest.fixture(scope="module")
def diabetes():
    X, y = skjoint.datasets.load_diabetes_bands(return_X_y=True)
    return X[:200], y[:200]


class ForeignFrame:
    """What a table of another library looks like from here."""

    def __dataframe__(self):
        raise NotImplementedError

    def __array__(self, dtype=None, copy=None):
        return np.array([["a", 1.0]] * 200, dtype=object)


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
    "a DataFrame of polars": lambda X, y: ({}, ForeignFrame(), y),
    "a sparse X": lambda X, y: ({}, sparse.csr_array(X), y),
    "rows of unequal length": lambda X, y: ({}, [[1.0], [1.0, 2.0]], y[:2]),
    "a column of dates": lambda X, y: ({}, X.assign(day=pd.Timestamp("2020")), y),
    "a loss without": lambda X, y: ({"value_loss": lambda true, pred: (pred - true)[0, 0]}, X, y),
    "numbers beyond": lambda X, y: ({}, X, y.assign(progression=1e31)),
}


@pytest.mark.parametrize("done", DONE)
def test_readme_errors_are_those_of_the_code(done, diabetes):
    (row, pattern), *others = [r for r in stated_errors().items() if r[0].startswith(done)]
    assert not others
    params, X, y = DONE[done](*diabetes)
    with pytest.raises((ValueError, TypeError)) as caught:
        est = skjoint.JointRegressorClassifier.plain((4,), epochs=2, random_state=0, **params)
        if est.warm_start:
            est.fit(*diabetes)
        est.fit(X, y)
    assert re.fullmatch(pattern, str(caught.value), re.S), (row, str(caught.value))


def test_readme_states_no_error_that_is_not_tried():
    assert len(stated_errors()) == len(DONE)


def test_readme_commands_have_these_options():
    from skjoint._cli import main

    code = re.findall(r"`([^`]*)`", re.sub(r"```.*?```", "", README.read_text(), flags=re.S))
    of_scripts = [text for text in code if text.startswith("python benchmarks/")]
    for text in of_scripts:
        script, *options = text.removeprefix("python ").split()
        source = (README.parent / script).read_text()
        assert all(f'"{o}"' in source for o in options if o.startswith("--")), text
    others = set(code) - set(of_scripts)
    options = {o for text in others for o in re.findall(r"--(?!tf_)[a-z-]+", text)}
    assert len(options) > 3
    helped = ""
    for command in ("compare", "train", "predict"):
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
            main([command, "--help"])
        helped += out.getvalue()
    assert {o for o in options if o not in helped} == set()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(), re.S | re.M)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_readme_examples(tmp_path, monkeypatch, capsys):
    """All python blocks, one after another in one namespace, as a reader would run them."""
    mpl = pytest.importorskip("matplotlib")
    mpl.use("Agg")
    monkeypatch.chdir(tmp_path)
    namespace = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), namespace)
    lines = capsys.readouterr().out.splitlines()
    names = ["loss", "value_loss", "class_loss", "value_mae", "class_accuracy"]
    assert sum(all(f"{name}: " in line for name in names) for line in lines) == 2
    assert list(tmp_path.iterdir()) == []


def test_readme_pictures_are_there_and_small():
    names = re.findall(r'(?:src|srcset)="([^"]+)"', README.read_text())
    assert len(names) == 8
    for name in names:
        assert (README.parent / name).stat().st_size < 60_000, name


def test_readme_has_the_two_commands():
    commands = [line for block in blocks("bash") for line in block.splitlines()]
    assert len(commands) == 2
    assert commands[0].endswith("-m skjoint")
    assert commands[1].endswith("-m pytest -n 2 --dist loadfile")


def test_readme_lists_every_default():
    """The table of defaults names every parameter with the value that it has."""
    text = README.read_text()
    for name, value in skjoint.JointRegressorClassifier().get_params().items():
        assert f"`{name}={value!r}`".replace("'", '"') in text, name


def test_contributing_names_files_and_tests_that_are_there():
    text = CONTRIBUTING.read_text()
    table = text.split("| to add |")[1].split("\n\n")[0]
    assert len(re.findall("^\\| an? ", table, re.M)) == 8
    named = re.findall(r"`((?:src|tests)/[^` ]*)`", text)
    assert len(named) > 20
    for path, _, test in (name.partition("::") for name in named):
        assert (ROOT / path).exists(), path
        assert not test or f"def {test}(" in (ROOT / path).read_text(), test


def test_contributing_describes_every_package():
    text = CONTRIBUTING.read_text()
    for path in Path(skjoint.__file__).parent.glob("*/__init__.py"):
        assert re.search(rf"\*\*.*`{path.parent.name}`", text), path.parent.name


def test_changes_name_parameters_that_are_there_and_former_ones_that_are_refused():
    text = CHANGES.read_text()
    assert re.search(r"^## 0\.1\.0 \(unreleased\)$", text, re.M)
    for was, now in re.findall(r"^\| `(\w+)=.*? \| (.*) \|$", text, re.M):
        with pytest.raises(TypeError, match=rf"'{was}'\. It is now ") as caught:
            skjoint.JointRegressorClassifier(**{was: 1})
        for name in re.findall(r"(\w+)=", now):
            assert name in str(caught.value)
