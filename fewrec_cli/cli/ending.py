"""How a job that did not finish ends: interrupts told as such, empty folders removed."""

from contextlib import suppress
from pathlib import Path

from fewrec_cli.core.errors import FewrecError, Interrupted

OURS = ("log.txt", "config.yaml")


def _is_interrupt(fault: BaseException) -> bool:
    """Whether the user pressed Ctrl-C; Lightning answers it with an exit of its own."""
    pressed = KeyboardInterrupt
    return isinstance(fault, pressed) or (
        isinstance(fault, SystemExit) and isinstance(fault.__context__, pressed)
    )


def refused_or_stopped(fault: BaseException) -> bool:
    """Whether a job ended by a mistake told to the user, or by the user."""
    refused = isinstance(fault, FewrecError) and fault.exit_code != 1
    return refused or _is_interrupt(fault)


def interrupted(fault: BaseException, left: Path | None) -> BaseException:
    """Tell an interrupt as one; other faults pass."""
    if not _is_interrupt(fault):
        return fault
    kept = "nothing was kept" if left is None else f"what was written so far is in {left}"
    return Interrupted("interrupted", kept)


def forget(folder: Path) -> bool:
    """Remove what a refused job left, if it is nothing but words; whether it did."""
    if any(path.name not in OURS for path in folder.iterdir()):
        return False
    for name in OURS:
        (folder / name).unlink(missing_ok=True)
    here = Path.cwd()
    with suppress(OSError):  # a parent that holds other runs stays
        folder.rmdir()
        for parent in folder.parents:
            if here not in parent.parents:
                break
            parent.rmdir()
    return True
