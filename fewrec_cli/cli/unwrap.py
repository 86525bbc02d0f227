"""The real fault inside Hydra's ``InstantiationException``, told with the file it stands in."""

import importlib
import os
import traceback
from pathlib import Path

import hydra
from hydra.errors import InstantiationException

from fewrec_cli.core.errors import ConfigError, FewrecError

NOT_THE_USERS = tuple(str(Path(str(one.__file__)).parent) for one in (importlib, hydra))


def unwrapped(fault: BaseException) -> BaseException:
    """Return the first real cause of a class that could not be built; other faults pass.

    A module that cannot be imported becomes a mistake that names its file and line.
    """
    if not isinstance(fault, InstantiationException):
        return fault
    causes = [fault.__cause__]
    while causes[-1] is not None and not isinstance(causes[-1], FewrecError):
        causes.append(causes[-1].__cause__)
    real = [one for one in causes if one is not None]
    first = next((one for one in real if not isinstance(one, InstantiationException)), None)
    if first is None:
        return fault
    if not isinstance(first, ImportError):
        return first
    return _import_fault(real[-1]) or first


def _import_fault(cause: BaseException) -> FewrecError | None:
    """Say where an import failed: in the last frame that is not the import system's own."""
    frames = [
        frame
        for frame in traceback.extract_tb(cause.__traceback__)
        if not frame.filename.startswith("<") and not frame.filename.startswith(NOT_THE_USERS)
    ]
    if not frames:
        return None
    place = f"{os.path.relpath(frames[-1].filename)}, line {frames[-1].lineno}"
    if isinstance(cause, ModuleNotFoundError):
        return ConfigError(
            f"{place}: there is no module {cause.name!r} to import",
            f"install {str(cause.name).partition('.')[0]}, or mend the import",
        )
    said = " ".join(str(cause).split())
    return ConfigError(f"{place}: {type(cause).__name__}: {said}", "mend that line")
