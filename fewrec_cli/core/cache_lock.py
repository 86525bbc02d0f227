"""One process at a time: the others wait, and one that is killed keeps nobody waiting."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of a file meanwhile, which is there as long as somebody works.

    Two may work at once in the moment in which the file goes: what they do must bear that.

    Args:
        path: The file; where it cannot be made or locked, nobody waits.
        waiting: Called before it waits for another process.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
    except OSError:
        yield
        return
    try:
        _lock(file, waiting)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
    finally:
        os.close(file)


def _lock(file: int, waiting: Callable[[], None]) -> None:
    if sys.platform == "win32":  # nobody waits there: the same work may be done twice
        return
    from fcntl import LOCK_EX, LOCK_NB, flock

    try:
        flock(file, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        waiting()
        flock(file, LOCK_EX)
    except OSError:
        return  # a file system without locks
