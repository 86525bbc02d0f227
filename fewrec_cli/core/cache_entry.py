"""One entry of the stage cache: what its ``entry.json`` says, and whether its files agree.

``entry.json`` holds the kind, the code's version, the facts, when it was made, and the size and
SHA-256 of each file beside it.
"""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ENTRY = "entry.json"
SHOWN = "shown"
"""Fact that only tells people what an entry is."""


@dataclass(frozen=True)
class Entry:
    """One result in the cache.

    Attributes:
        kind: What it is, e.g. ``pretrained``.
        hash: Of kind, code and facts.
        folder: Where its files lie.
        shown: The same in a few words of its maker, or empty.
        facts: What it was made of; empty where ``entry.json`` cannot be read.
        bytes: Size of its files on disk.
        code: Version of the code that made it; empty likewise.
        made: When it was made (seconds since 1970).
        whole: Whether its files are there and have the sizes they were written with.
    """

    kind: str
    hash: str
    folder: Path
    shown: str
    facts: Mapping[str, Any]
    bytes: int
    code: str
    made: float
    whole: bool


def describe(part: Path, made_of: Mapping[str, Any], shown: str) -> None:
    """Write the ``entry.json`` of a folder that is complete but for it.

    Raises:
        ValueError: One of its files has that name.
        OSError: It cannot be written.
    """
    if (part / ENTRY).exists():
        raise ValueError(f"an entry's own files must not be named {ENTRY}")
    files = {name: [path.stat().st_size, _digest(path)] for name, path in _files(part).items()}
    content = {**made_of, SHOWN: shown, "made": time.time(), "files": files}
    (part / ENTRY).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def problem(folder: Path, made_of: Mapping[str, Any]) -> str:
    """Say in a few words why an entry must not be used; empty where it may."""
    try:
        content = json.loads((folder / ENTRY).read_text(encoding="utf-8"))
        files = {name: (int(size), digest) for name, (size, digest) in content["files"].items()}
        there = _files(folder)
        if json.dumps({key: content.get(key) for key in made_of}) != json.dumps(made_of):
            return "it was made of something else"
        odd = sorted(set(files) ^ set(there))
        if odd:
            return f"{odd[0]} is {'missing' if odd[0] in files else 'not one of its files'}"
        for name, (size, digest) in files.items():
            if there[name].stat().st_size != size:
                return f"{name} has {there[name].stat().st_size:,} bytes, not {size:,}"
            if _digest(there[name]) != digest:
                return f"{name} is not what was written"
    except OSError as fault:
        return f"{Path(str(fault.filename)).name} cannot be read ({fault.strerror})"
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{ENTRY} is damaged"
    return ""


def read(folder: Path) -> Entry | None:
    """Read an entry without reading its files; None where it has just been removed."""
    facts, code, shown = dict[str, Any](), "", ""
    try:
        made, sizes = folder.stat().st_mtime, _sizes(folder)
    except OSError:
        return None
    try:
        content = json.loads((folder / ENTRY).read_text(encoding="utf-8"))
        facts, code, shown = (
            dict(content["facts"]),
            str(content["code"]),
            str(content.get(SHOWN, "")),
        )
        made = float(content["made"])
        written = {name: int(size) for name, (size, _) in content["files"].items()}
        whole = written == {name: size for name, size in sizes.items() if name != ENTRY}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        whole = False
    used = sum(sizes.values())
    return Entry(folder.parent.name, folder.name, folder, shown, facts, used, code, made, whole)


def _sizes(folder: Path) -> dict[str, int]:
    """Return the bytes of every file of a folder, ``entry.json`` too."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths}


def _files(folder: Path) -> dict[str, Path]:
    """Return an entry's own files by their names in it."""
    found = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    return {name: path for name, path in sorted(found.items()) if name != ENTRY}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
