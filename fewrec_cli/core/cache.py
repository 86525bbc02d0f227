"""The stage cache: results of long work on disk, each under a hash of what it was made of.

An entry is a folder ``KIND/HASH`` of any files and an ``entry.json``; see ``cache_entry``. It is
written beside its place and renamed when whole, and compared with its ``entry.json`` whenever it is
used. Whoever makes one within its ``turn`` makes it alone; without, processes that make one at once
each write their own, and one of them stays.
"""

import hashlib
import json
import os
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fewrec_cli.core.cache_entry import SHOWN, Entry, describe, problem, read
from fewrec_cli.core.cache_lock import alone
from fewrec_cli.core.code import code_version
from fewrec_cli.core.errors import CacheError

FOLDER = "FEWREC_CACHE"
"""Environment variable: where the cache lies."""
UNFINISHED = ".part"
FORGOTTEN_S = 24 * 3600.0
"""Unfinished folders that nobody has written into for so long were left by a killed process."""
LOCK = ".lock"
HASH_LENGTH = 32
ATTEMPTS = 5
"""How often an entry is put into its place while other processes put theirs."""


def cache_folder() -> Path:
    """Return where the cache lies: ``$FEWREC_CACHE``, else the user's cache folder."""
    named = os.environ.get(FOLDER)
    if named:
        return Path(named).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("fewrec", appauthor=False) / "stages"


def find(
    kind: str, facts: Mapping[str, Any], *, tell: Callable[[str], None] | None = None
) -> Path | None:
    """Return the folder of the entry that was made of exactly these facts, by this code.

    Every file is read and compared with its hash. An entry that fails is told of and not used; the
    next ``adding`` of the same facts puts a whole one in its place.

    Args:
        kind: What is looked for.
        facts: JSON values; the order of keys counts, as it may in a config (phases, augment). The
            value of ``shown``, if there is one, stands in ``fewrec cache list`` and counts for
            nothing else.
        tell: Takes the sentence about a damaged entry; stderr by default.

    Returns:
        A folder to read from, or None.
    """
    made_of = _canonical(kind, facts)
    folder = cache_folder() / kind / _hash(made_of)
    if not folder.is_dir():
        return None
    fault = problem(folder, made_of)
    if fault:
        say = tell or _to_stderr
        say(f"cache: {kind} {folder.name[:8]} is not used: {fault}; it is made anew")
        return None
    return folder


@contextmanager
def adding(kind: str, facts: Mapping[str, Any]) -> Iterator[Path]:
    """Yield an empty folder to write a result into; it becomes the entry when the block succeeds.

    An exception, Ctrl-C included, removes it. If another process has made the same entry meanwhile,
    that one stays.

    Args:
        kind: What is made.
        facts: As for ``find``.

    Raises:
        CacheError: The cache cannot be written to.
    """
    made_of = _canonical(kind, facts)
    final = cache_folder() / kind / _hash(made_of)
    part = _beside(final)
    try:
        part.mkdir(parents=True)
    except OSError as fault:
        raise _unwritable(fault) from fault
    try:
        yield part
        try:
            describe(part, made_of, str(facts.get(SHOWN, "")))
            _settle(part, final, made_of)
        except OSError as fault:
            raise _unwritable(fault) from fault
    finally:
        shutil.rmtree(part, ignore_errors=True)
    _sweep(final.parent)


@contextmanager
def turn(
    kind: str, facts: Mapping[str, Any], *, tell: Callable[[str], None] | None = None
) -> Iterator[Path | None]:
    """Yield the entry's folder, or None where it is this process's turn to make it.

    Others that want the same meanwhile wait, and then find it: the processes of one run, or the
    jobs of a sweep.

    Args:
        kind: As for ``find``.
        facts: Likewise.
        tell: Takes sentences about a damaged entry and about waiting; stderr by default.
    """
    say = tell or _to_stderr
    folder = find(kind, facts, tell=say)
    if folder is not None:
        yield folder
        return
    final = cache_folder() / kind / _hash(_canonical(kind, facts))
    wait = f"cache: another process is making {kind} {final.name[:8]}: waiting for it"
    with alone(final.with_name(f".{final.name}{LOCK}"), lambda: say(wait)):
        yield find(kind, facts, tell=lambda _: None)  # made meanwhile?


def keep(
    kind: str,
    facts: Mapping[str, Any],
    write: Callable[[Path], object],
    *,
    tell: Callable[[str], None] | None = None,
) -> None:
    """Add what ``write`` writes into a folder; that it cannot be kept is told of and ends nothing.

    Args:
        kind: What is made.
        facts: As for ``find``.
        write: Given an empty folder.
        tell: Takes the sentence about a cache that cannot be written to, or a full disk; stderr by
            default.
    """
    try:
        with adding(kind, facts) as part:
            write(part)
    except (CacheError, OSError) as fault:
        (tell or _to_stderr)(f"cache: {kind} cannot be kept: {str(fault).splitlines()[0]}")


def entries() -> list[Entry]:
    """Return all entries, by kind and then from the newest to the oldest; none is verified."""
    found = [
        entry
        for kind in _folders(cache_folder())
        for folder in _folders(kind)
        if not folder.name.startswith(".") and (entry := read(folder)) is not None
    ]
    return sorted(found, key=lambda one: (one.kind, -one.made, one.hash))


def remove(chosen: Iterable[Entry]) -> int:
    """Remove entries, and what killed processes left unfinished beside them.

    Each entry leaves its place in one step, so that no other process finds half of it.

    Returns:
        Bytes freed by the entries that this call removed.

    Raises:
        CacheError: One cannot be removed.
    """
    freed = 0
    for entry in chosen:
        try:
            gone = _take_away(entry.folder)
        except OSError as fault:
            raise CacheError(
                f"cannot remove {entry.folder}: {fault.strerror}",
                f"remove it by hand, or choose another cache with {FOLDER}=FOLDER",
            ) from fault
        freed += entry.bytes if gone else 0
        _sweep(entry.folder.parent)
    return freed


def _canonical(kind: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an entry is made of as it stands in its file."""
    telling = {name: value for name, value in facts.items() if name != SHOWN}
    text = json.dumps({"kind": kind, "code": code_version(kind), "facts": telling}, allow_nan=False)
    content: dict[str, Any] = json.loads(text)
    return content


def _hash(made_of: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:HASH_LENGTH]


def _beside(final: Path) -> Path:
    return final.with_name(f".{final.name}.{uuid.uuid4().hex[:12]}{UNFINISHED}")


def _settle(part: Path, final: Path, made_of: Mapping[str, Any]) -> None:
    """Rename ``part`` to ``final`` unless a whole entry stands there; a damaged one gives way."""
    for attempt in range(ATTEMPTS):
        try:
            part.rename(final)
        except OSError:
            if not final.is_dir() and attempt == ATTEMPTS - 1:
                raise
        else:
            return
        if final.is_dir() and not problem(final, made_of):
            return
        _take_away(final)


def _take_away(folder: Path) -> bool:
    """Remove a folder from its place in one step; False where another process was faster."""
    aside = _beside(folder)
    try:
        folder.rename(aside)
    except FileNotFoundError:
        return False
    shutil.rmtree(aside)
    return True


def _folders(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if one.is_dir()) if folder.is_dir() else []


def _sweep(kind: Path) -> None:
    """Remove what processes that were killed have left unfinished."""
    for one in _folders(kind):
        if one.name.endswith(UNFINISHED) and time.time() - _touched(one) > FORGOTTEN_S:
            shutil.rmtree(one, ignore_errors=True)


def _touched(folder: Path) -> float:
    """Return when something was last written in a folder (seconds since 1970)."""
    try:
        return max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
    except FileNotFoundError:  # its owner is just removing or renaming it
        return time.time()


def _unwritable(fault: OSError) -> CacheError:
    return CacheError(
        f"cannot write into the cache {cache_folder()}: {fault.strerror}",
        f"choose another folder with {FOLDER}=FOLDER",
    )


def _to_stderr(text: str) -> None:
    sys.stderr.write(f"{text}\n")
