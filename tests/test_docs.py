"""Documentation that cannot rot: docstring examples and README blocks are run."""

import doctest
import importlib
import pkgutil
import re
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


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(), re.S | re.M)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_readme_examples(tmp_path, monkeypatch, capsys):
    """All python blocks, one after another in one namespace, as a reader would run them."""
    pytest.importorskip("sklearn.callback", reason="one block needs scikit-learn 1.9")
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
    assert commands[1].endswith("-m pytest")


def test_readme_lists_every_default():
    """The table of defaults names every parameter with the value that it has."""
    text = README.read_text()
    for name, value in skjoint.JointRegressorClassifier().get_params().items():
        assert f"`{name}={value!r}`".replace("'", '"') in text, name
