"""The door: choose a command, call it, turn a fault into two lines and an exit code."""

import os
import sys
from collections.abc import Sequence

from fewrec_cli.core.errors import ConfigError, Faults, FewrecError, Interrupted

CLOSED_PIPE = 141  # what other tools end with: 128 + SIGPIPE
FLAGS = ("--help", "--version", "--debug")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The words after ``fewrec``; those of the process by default.

    Returns:
        The exit code: 0, 1 for a failed run, 2 for a mistake, 130 when interrupted, 141 when the
        reader of our stdout has gone.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    try:
        code = _dispatch(words)
        sys.stdout.flush()
    except FewrecError as fault:
        if debug:
            _trace()
        _tell(fault)
        return fault.exit_code
    except KeyboardInterrupt:
        if debug:
            _trace()
        sys.stderr.write("interrupted\n")
        return 130
    except BrokenPipeError:  # `fewrec list | head` closes our stdout; that is no fault
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE
    except Exception as fault:  # noqa: BLE001 -- the last wall before the user's terminal
        if debug:
            _trace()
        sys.stderr.write(f"error: {type(fault).__name__}: {_one_line(fault)}\n")
        sys.stderr.write("  add --debug for the traceback\n" if not debug else "")
        return 1
    return code


def _dispatch(words: list[str]) -> int:
    from fewrec_cli.cli.commands import BY_NAME, load

    queries = ("-sc", "--shell-completion")
    if words and words[0] in queries:  # the shell asks what could follow
        from fewrec_cli.cli.complete import answer

        return answer(words[1:])
    first, *rest = [word for word in words if word != "--debug"] or ["--help"]
    if first in ("--help", "-h", "help"):
        from fewrec_cli.cli.help import overview

        return overview()
    if "--version" in (first, *rest):
        from fewrec_cli import __version__

        print(f"fewrec {__version__}")  # noqa: T201
        return 0
    command = BY_NAME.get(first)
    if command is None:
        raise _unknown(first, FLAGS if first.startswith("-") else tuple(BY_NAME))
    if "--help" in rest or "-h" in rest:
        from fewrec_cli.cli.help import page

        return page(command, rest)
    code = load(command.function)(rest)
    return code if isinstance(code, int) else 0


def _unknown(word: str, names: Sequence[str]) -> ConfigError:
    from fewrec_cli.cli.suggest import ask

    kind = "flag" if word.startswith("-") else "command"
    return ConfigError(f"no {kind} {word!r}", ask(word, names, f"one of: {', '.join(names)}"))


def _tell(fault: FewrecError) -> None:
    if isinstance(fault, Interrupted):
        if os.environ.get("LOCAL_RANK", "0") != "0":  # the first process speaks for all
            return
        sys.stderr.write(f"{fault.problem}; {fault.remedy}\n")
        return
    for one in fault.faults if isinstance(fault, Faults) else [fault]:
        sys.stderr.write(f"error: {one.problem}\n  {one.remedy}\n")


def _one_line(fault: Exception) -> str:
    return " ".join(str(fault).split()) or "no message"


def _trace() -> None:
    import traceback

    sys.stderr.write(traceback.format_exc())
