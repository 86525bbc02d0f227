"""The version of the code that a stored result was made by."""

import hashlib
from functools import lru_cache
from pathlib import Path

WITHOUT = ("cli", "report")
"""Packages of ours that no stored result depends on: they read words and write tables."""


@lru_cache(maxsize=1)
def code_version() -> str:
    """Return the hash of all sources that a result may depend on; read once in a process."""
    home = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for path in sorted(home.rglob("*.py")):
        name = path.relative_to(home)
        if name.parts[0] not in WITHOUT:
            digest.update(f"{name.as_posix()}\n".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
