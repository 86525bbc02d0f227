"""The version of the code that a stored result was made by."""

import ast
import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

WITHOUT = ("cli", "report")
"""Packages of ours that no stored result depends on: they read words and write tables."""
MADE_IN = {
    "vectors": "text/encode.py",
    "language": "text/domain.py",
    "pairs": "backbone/kept.py",
}
"""Modules that, with all that they import, settle the results of a kind; all sources settle those
of any other."""


@lru_cache(maxsize=16)
def code_version(kind: str = "") -> str:
    """Return the hash of the sources that results of a kind depend on; read once in a process.

    Args:
        kind: Of the stage cache.
    """
    home = Path(__file__).resolve().parents[1]
    paths = _imported(home, home / MADE_IN[kind]) if kind in MADE_IN else set(_sources(home))
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(f"{path.relative_to(home).as_posix()}\n".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _sources(home: Path) -> Iterator[Path]:
    for path in home.rglob("*.py"):
        if path.relative_to(home).parts[0] not in WITHOUT:
            yield path


def _imported(home: Path, first: Path) -> set[Path]:
    """Return a module of ours and all modules of ours that it leads to."""
    found, left = {first}, [first]
    while left:
        for words in _names(ast.parse(left.pop().read_bytes())):
            if words[0] != home.name:
                continue
            stem = home.joinpath(*words[1:])
            for path in (stem.with_suffix(".py"), stem / "__init__.py"):
                if path.is_file() and path not in found:
                    found.add(path)
                    left.append(path)
    return found


def _names(tree: ast.Module) -> Iterator[list[str]]:
    """Yield what a module imports, functions included; of ``from a import b``: a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name.split(".") for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            words = node.module.split(".")
            yield words
            yield from ([*words, one.name] for one in node.names)
