"""The wheel holds everything, and runs from any folder."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import fewrec_cli

ROOT = Path(fewrec_cli.__file__).parent.parent


def call(*words: str | Path, folder: Path, path: Path | None = None) -> str:
    """Run a command that must succeed and return what it printed."""
    environment = dict(os.environ)
    if path is not None:  # before the checkout, which is installed in place
        environment["PYTHONPATH"] = os.pathsep.join([str(path), environment["PYTHONPATH"]])
    done = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the tree, so that the tree stays clean."""
    folder = tmp_path_factory.mktemp("build")
    names = call("git", "ls-files", "-co", "--exclude-standard", folder=ROOT).splitlines()
    for name in names:
        if name.startswith(("fewrec_cli/", "configs/")) or "/" not in name:
            if not (ROOT / name).is_file():
                continue  # deleted, not yet committed
            copy = folder / "tree" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((ROOT / name).read_bytes())
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder]
    call(*build, folder / "tree", folder=folder)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel alone is installed; its dependencies are those of the tests."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    call(*pip, "--target", folder, wheel, folder=folder)
    return folder


@pytest.mark.slow
def test_wheel_holds_every_module_and_every_yaml(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "fewrec_cli").rglob("*.py")}
    yamls = {f"fewrec_cli/{p.relative_to(ROOT)}" for p in (ROOT / "configs").rglob("*.yaml")}
    assert modules | yamls <= held
    assert {"fewrec_cli/py.typed", "fewrec_cli/configs/__init__.py"} <= held


def test_wheel_holds_nothing_else(wheel: Path) -> None:
    held = zipfile.ZipFile(wheel).namelist()
    foreign = [name for name in held if not name.startswith("fewrec_cli/")]
    assert all(".dist-info/" in name for name in foreign)
    assert all(name.endswith((".py", ".yaml", "py.typed")) for name in set(held) - set(foreign))


@pytest.mark.slow
def test_installed_package_is_the_one_that_answers(installed: Path, folder: Path) -> None:
    code = (
        "import fewrec_cli, fewrec_cli.configs as c; print(fewrec_cli.__file__); print(c.__file__)"
    )
    for line in call(sys.executable, "-c", code, folder=folder, path=installed).splitlines():
        assert Path(line).is_relative_to(installed)


def test_installed_package_knows_its_version(installed: Path, folder: Path) -> None:
    found = call(sys.executable, "-m", "fewrec_cli", "--version", folder=folder, path=installed)
    assert found.strip() == f"fewrec {fewrec_cli.__version__}"


@pytest.mark.slow
def test_installed_package_composes_from_an_empty_folder(installed: Path, folder: Path) -> None:
    words = ["train", "strategy=reptile", "--cfg", "job"]
    found = call(sys.executable, "-m", "fewrec_cli", *words, folder=folder, path=installed)
    assert "fewrec_cli.strategy.reptile.Reptile" in found
    assert not list(folder.iterdir())
