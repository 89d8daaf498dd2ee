"""Annotations are true: mypy accepts the package and what a user writes with it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = "tests/typing/user_script.py"


def errors_of_mypy(cache, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", str(cache), *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "MYPY_FORCE_COLOR": "0"},
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr or done.stdout
    return [line for line in done.stdout.splitlines() if ": error: " in line]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    pytest.importorskip("mypy", reason="types are checked with the newest versions only")
    return tmp_path_factory.mktemp("mypy")


@pytest.mark.slow
def test_the_package_has_no_type_errors(cache):
    assert errors_of_mypy(cache) == []


@pytest.mark.slow
def test_what_a_user_writes_has_no_type_errors(cache):
    assert errors_of_mypy(cache, "--strict", "--follow-imports=silent", SCRIPT) == []


@pytest.mark.slow
def test_wrong_use_is_a_type_error(cache, tmp_path):
    """Annotations are there at all: each of these lines is refused."""
    lines = [
        "joint_cross_val_predict(None, [[1.0]], [[1.0, 2.0]], method='predict_all')",
        "value_scorer(1)",
        "plot_network(None).no_such_method()",
        "make_joint(n_sample=3)",
        "load_diabetes_bands(return_X_y=True).target",
        "joint_score(1.0, 2.0)",
        "as_regressor(None).predict()",
        "JointRegressorClassifier(head_link='mixed')",
        "JointRegressorClassifier().fit([[1.0]])",
        "JointRegressorClassifier().predict([[1.0]], output='values')",
        "JointRegressorClassifier().predict_value([[1.0]], return_std=True).mean()",
    ]
    script = tmp_path / "wrong.py"
    imports = [
        "from skjoint import JointRegressorClassifier",
        "from skjoint.datasets import load_diabetes_bands, make_joint",
        "from skjoint.metrics import joint_score",
        "from skjoint.model_selection import joint_cross_val_predict, value_scorer",
        "from skjoint.plots import plot_network",
        "from skjoint.views import as_regressor",
    ]
    script.write_text("\n".join([*imports, *lines, ""]))
    found = errors_of_mypy(cache, "--strict", "--follow-imports=silent", str(script))
    numbers = {int(line.split(":")[1]) for line in found}
    assert numbers == set(range(len(imports) + 1, len(imports) + len(lines) + 1))
