"""Imports point down only, and the door stays light."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fewrec_cli

PACKAGE = Path(fewrec_cli.__file__).parent
CONFIGS = PACKAGE.parent / "configs"
LAYERS = {
    "cli": 9,
    "report": 8,
    "experiment": 7,
    "strategy": 6,
    "engine": 5,
    "backbone": 4,
    "text": 3,
    "scenario": 2,
    "data": 2,
    "metric": 1,
    "core": 0,
}
HEAVY = ("torch", "pytorch_lightning", "lightning", "pandas", "transformers", "numpy", "scipy")
NO_MODULES_OF_OURS = {"trainer", "logger", "sweep", "experiment", "evaluation"}


def name_of(path: Path) -> str:
    """Return the dotted name of a source file; a package's is that of its folder."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imported_names(path: Path, module: str) -> Iterator[str]:
    """Yield every module of ours that a file imports, wherever the import stands.

    Read from the source, so imports in functions and under TYPE_CHECKING count, and so does a
    name handed to ``import_module`` as a constant.
    """
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            stem = ".".join([*above, node.module or ""] if node.level else [node.module or ""])
            stem = stem.rstrip(".")
            inner = [f"{stem}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else stem for name in inner]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            first = node.args[0] if node.args else None
            names = [first.value] if isinstance(first, ast.Constant) else []
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == "fewrec_cli")


IMPORTS = {name: set(imported_names(path, name)) for name, path in MODULES.items()}


def package_of(module: str) -> str | None:
    """Return the layer's name, or None for the top (``fewrec_cli``, ``fewrec_cli.__main__``)."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in LAYERS else None


def options() -> set[str]:
    """Return the modules that stand behind a yaml: they are found by ``_target_`` only."""
    found = set()
    for path in CONFIGS.rglob("*.yaml"):
        parts = path.relative_to(CONFIGS).with_suffix("").parts
        if len(parts) > 1 and parts[0] not in NO_MODULES_OF_OURS:
            found.add(".".join(["fewrec_cli", *parts]))
    return found & set(MODULES)


def test_every_module_belongs_to_a_layer() -> None:
    loose = [name for name in MODULES if package_of(name) is None]
    assert sorted(loose) == ["fewrec_cli", "fewrec_cli.__main__"]


def imports() -> Iterator[tuple[str, str]]:
    """Yield every module with each module of another layer that it imports."""
    for module in sorted(MODULES):
        for name in sorted(IMPORTS[module]):
            if package_of(name) != package_of(module):
                yield module, name


def test_imports_point_down() -> None:
    upward = []
    for module, name in imports():
        own, other = package_of(module), package_of(name)
        if own is None or other is None or (own, other) == ("scenario", "data"):
            continue
        if LAYERS[other] >= LAYERS[own]:
            upward.append(f"{module} imports {name}: {own} stands below {other}")
    assert upward == []


def test_options_are_found_by_their_yaml_not_imported_by_other_packages() -> None:
    concrete = options()
    named = [f"{module} imports {name}" for module, name in imports() if name in concrete]
    assert named == [], "use base.py; _target_ is the registry"


@pytest.mark.parametrize("package", ["strategy", "engine"])
def test_strategies_and_engine_see_only_the_base_of_a_backbone(package: str) -> None:
    for module in sorted(MODULES):
        if package_of(module) == package:
            seen = {name for name in IMPORTS[module] if package_of(name) == "backbone"}
            assert seen <= {"fewrec_cli.backbone.base"}, f"{module} imports {sorted(seen)}"


def test_no_cycles() -> None:
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        if module in path:
            cycle = " → ".join([*path[path.index(module) :], module])
            pytest.fail(f"modules import one another: {cycle}")
        if module not in done:
            for name in sorted(IMPORTS.get(module, set()) - {module}):
                visit(name, (*path, module))
            done.add(module)

    for module in sorted(MODULES):
        visit(module, ())


@pytest.mark.parametrize("package", sorted(LAYERS))
def test_package_files_are_empty(package: str) -> None:
    if package != "cli":  # the command's main stands there
        text = (PACKAGE / package / "__init__.py").read_text(encoding="utf-8")
        assert not [node for node in ast.parse(text).body if not isinstance(node, ast.Expr)]


def heavy_after(code: str, folder: Path) -> tuple[int, list[str]]:
    """Run Python code in its own process; return its exit code and the heavy imports it made."""
    report = (
        "import atexit, json, sys\n"
        "def tell():\n"
        f"    heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "    open('heavy.json', 'w').write(json.dumps(heavy))\n"
        "atexit.register(tell)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", report + code],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, json.loads((folder / "heavy.json").read_text())


def test_the_door_imports_nothing_heavy(tmp_path: Path) -> None:
    assert heavy_after("import fewrec_cli, fewrec_cli.cli", tmp_path) == (0, [])


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("--help", 0),
        ("train --help", 0),
        ("train strategy=maml --cfg job", 0),
        ("train strategy.iner_lr=1", 2),
        ("list", 0),
        ("cache list", 0),
    ],
)
def test_help_lists_and_mistakes_import_nothing_heavy(line: str, code: int, tmp_path: Path) -> None:
    run = f"import sys; from fewrec_cli.cli import main; sys.exit(main({line.split()!r}))"
    assert heavy_after(run, tmp_path) == (code, [])
