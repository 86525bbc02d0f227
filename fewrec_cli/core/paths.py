"""Files that are either whole or absent."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fewrec_cli.core.errors import RunFolderError

CONFIG = "config.yaml"
"""The file that a run writes first."""
OF_A_RUN = "hydra.run.dir=FOLDER (a sweep: hydra.sweep.dir=FOLDER)"


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """Yield a path beside ``path`` to write to; rename it to ``path`` when the block succeeds.

    An exception, Ctrl-C included, removes the unfinished file and leaves ``path`` as it was.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def make_folder(path: Path, *, word: str = OF_A_RUN) -> Path:
    """Create a folder with its parents.

    Args:
        path: The folder.
        word: What chooses another one.

    Raises:
        RunFolderError: It cannot be created or written to.
    """
    remedy = f"choose another with {word}"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise RunFolderError(
            f"cannot create the folder {path}: {fault.strerror}", remedy
        ) from fault
    if not os.access(path, os.W_OK):
        raise RunFolderError(f"cannot write into the folder {path}", remedy)
    return path


def require_folder(path: Path, remedy: str, *, what: str = "folder") -> None:
    """Refuse a path that is no folder, and say what it is instead.

    Args:
        path: As the user gave it.
        remedy: What to give.
        what: What the user was asked for, e.g. ``run folder``.

    Raises:
        RunFolderError: Nothing is there, or a file is; of a file in a run folder, that folder is
            proposed.
    """
    if path.is_dir():
        return
    if not path.exists():
        raise RunFolderError(f"no {what} {path}", remedy)
    if (path.parent / CONFIG).is_file():
        remedy = f"give the folder that it lies in: {path.absolute().parent}"
    raise RunFolderError(f"{path} is a file, not a {what}", remedy)
