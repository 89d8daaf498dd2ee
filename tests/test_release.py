"""What would be published: the wheel and the source archive, and a wheel that runs alone."""

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

import skjoint

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
FOLDERS = ["src", "tests", "benchmarks", ".ci", ".github"]
FILES = ["pyproject.toml", "README.md", "LICENSE", ".pre-commit-config.yaml"]
CACHES = ["tests/__pycache__/a.pyc", "tests/.pytest_cache/b", "src/skjoint/__pycache__/c.pyc"]
NOT_COPIED = ["__pycache__", ".*_cache", ".hypothesis", "*.egg-info", "results", "skjoint-*.png"]
FOR_DEVELOPERS = {"test", "quality"}  # extras that `all` leaves out


def run(*command, cwd):
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def files(folder):
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project, so that building leaves nothing in the checkout."""
    copy = tmp_path_factory.mktemp("project")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns(*NOT_COPIED))
    for name in FILES:
        shutil.copy(ROOT / name, copy)
    return copy


@pytest.fixture(scope="module")
def built(project, tmp_path_factory):
    """The source archive, and the wheel made of it; without the network."""
    pytest.importorskip("build", reason="the extra 'test' brings it")
    pytest.importorskip("hatchling", reason="the extra 'test' brings it")
    wanted = files(project)
    for name in CACHES:
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).touch()
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-I", "-m", "build", "--no-isolation"]
    run(*build, "--outdir", out, cwd=project)
    (wheel,) = out.glob("*.whl")
    (source,) = out.glob("*.tar.gz")
    return wheel, source, wanted


@pytest.fixture(scope="module")
def metadata(built):
    with zipfile.ZipFile(built[0]) as wheel:
        (name,) = [n for n in wheel.namelist() if n.endswith(".dist-info/METADATA")]
        return message_from_bytes(wheel.read(name))


def test_the_wheel_holds_all_of_the_package_and_nothing_else(built):
    wheel, _, wanted = built
    names = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    assert names == {n.removeprefix("src/") for n in wanted if n.startswith("src/")}
    assert {"skjoint/py.typed", "skjoint/CHANGES.md"} <= names


def test_the_source_archive_holds_what_the_tests_need_and_no_caches(built):
    _, source, wanted = built
    with tarfile.open(source) as archive:
        names = {m.name.partition("/")[2] for m in archive.getmembers() if m.isfile()}
    assert names - {"PKG-INFO", ".gitignore"} == wanted


def test_the_page_on_the_index_is_the_readme(metadata):
    assert metadata["Version"] == skjoint.__version__
    assert metadata["Description-Content-Type"] == "text/markdown"
    text = metadata.get_payload(decode=True).decode()
    assert text.strip() == (ROOT / "README.md").read_text(encoding="utf-8").strip()


def test_all_brings_every_extra_that_users_need(metadata):
    required = [re.split(r"; extra == ['\"]", r) for r in metadata.get_all("Requires-Dist")]
    of_extra = {}
    for name, *extra in required:
        of_extra.setdefault(extra[0][:-1] if extra else None, set()).add(name)
    assert set(of_extra) >= {None, "all", *FOR_DEVELOPERS}
    users = [names for extra, names in of_extra.items() if extra not in {None, *FOR_DEVELOPERS}]
    assert of_extra["all"] == set.union(*users)


def test_the_main_job_runs_from_the_wheel_alone(built, tmp_path):
    """In an environment of its own, away from the checkout, with the dependencies of this one."""
    environment, folder = tmp_path / "environment", tmp_path / "folder"
    folder.mkdir()
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=folder)
    python = environment / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    install = ["install", "--quiet", "--no-deps", "--no-index", built[0]]
    run(sys.executable, "-m", "pip", "--python", python, *install, cwd=folder)
    (init,) = environment.rglob("skjoint/__init__.py")
    others = [p for p in sys.path if Path(p).name in ("site-packages", "dist-packages")]
    (init.parents[1] / "dependencies.pth").write_text("\n".join(others))

    where = run(python, "-I", "-c", "import skjoint; print(skjoint.__file__)", cwd=folder)
    assert Path(where.strip()) == init
    assert f"skjoint {skjoint.__version__}" in run(python, "-I", "-m", "skjoint", cwd=folder)
    (picture,) = folder.iterdir()
    assert picture.read_bytes().startswith(b"\x89PNG")
