"""What stands on an experiment's command line: flags drive the command, words choose."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fewrec_cli.cli.suggest import ask
from fewrec_cli.core.errors import ConfigError

INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")


@dataclass(frozen=True)
class Flag:
    """A flag of the experiment commands.

    Attributes:
        names: Long name first.
        text: One line for the help page.
        value: What follows it, e.g. ``DIR``; empty for a switch.
        choices: What its value may be; empty for anything.
        bare: Whether the value may be left out.
    """

    names: tuple[str, ...]
    text: str
    value: str = ""
    choices: tuple[str, ...] = ()
    bare: bool = False


FLAGS = (
    Flag(("--multirun", "-m"), "run every combination: strategy=maml,reptile seed=0,1 -m"),
    Flag(("--cfg", "-c"), "print the config instead of running", "job", ("job", "hydra", "all")),
    Flag(("--package", "-p"), "with --cfg: only this part, e.g. -p strategy", "PART"),
    Flag(("--resolve",), "with --cfg: interpolations filled in"),
    Flag(("--config-dir", "-cd"), "your own yaml and Python files beside ours", "DIR"),
    Flag(("--config-name", "-cn"), "another root config than the command's own", "NAME"),
    Flag(("--info", "-i"), "how the config was put together", "WHAT", INFO, bare=True),
    Flag(("--run", "-r"), "run one job (as without the flag)"),
    Flag(("--hydra-help",), "Hydra's own help"),
    Flag(("--help", "-h"), "this page"),
    Flag(("--version",), "the version of fewrec"),
    Flag(("--debug",), "show the traceback of an error"),
)
MODES = ("--multirun", "--run", "--cfg", "--info")
BY_NAME = {name: flag for flag in FLAGS for name in flag.names}


@dataclass(frozen=True)
class Line:
    """One command line, taken apart.

    Attributes:
        command: ``train``, ``evaluate``, ...
        flags: Long names with their values, None for a switch, in the order given.
        words: Everything else, in the order given.
    """

    command: str
    flags: tuple[tuple[str, str | None], ...]
    words: tuple[str, ...]

    def has(self, name: str) -> bool:
        """Whether the flag was given."""
        return any(flag == name for flag, _ in self.flags)

    def value(self, name: str) -> str | None:
        """The flag's value, the last one if given twice."""
        return next((value for flag, value in reversed(self.flags) if flag == name), None)

    def spelled(self, *without: str) -> list[str]:
        """The flags as arguments, those named in ``without`` left out."""
        kept = [(flag, value) for flag, value in self.flags if flag not in without]
        return [part for pair in kept for part in pair if part is not None]

    @property
    def config_dir(self) -> Path | None:
        """The user's own config folder, absolute."""
        given = self.value("--config-dir")
        return None if given is None else Path(given).absolute()

    @property
    def runs(self) -> bool:
        """Whether a job runs at all, or something is only shown."""
        return not any(self.has(name) for name in ("--cfg", "--info", "--hydra-help"))


def take_apart(command: str, words: Sequence[str]) -> Line:
    """Tell flags from words, whatever their order.

    Raises:
        ConfigError: A flag does not exist, or lacks its value.
    """
    flags: list[tuple[str, str | None]] = []
    rest: list[str] = []
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if not word.startswith("-"):
            rest.append(word)
            continue
        name, equals, value = word.partition("=")
        flag = BY_NAME.get(name)
        if flag is None:
            raise ConfigError(
                f"no flag {name}",
                ask(name, BY_NAME, f"see fewrec {command} --help"),
            )
        flags.append((flag.names[0], _value_of(flag, value if equals else None, queue)))
    modes = [flag for flag, _ in flags if flag in MODES]
    if len(set(modes)) > 1:
        raise ConfigError(f"{' and '.join(modes)} do not go together", "keep one of them")
    given = {flag for flag, _ in flags}
    alone = [name for name in ("--package", "--resolve") if name in given]
    if alone and "--cfg" not in given:
        raise ConfigError(
            f"{alone[0]} shows nothing without --cfg",
            f"add --cfg job, or leave {alone[0]} out",
        )
    return Line(command, tuple(flags), tuple(rest))


def _value_of(flag: Flag, attached: str | None, queue: list[str]) -> str | None:
    name = flag.names[0]
    if not flag.value:
        if attached is not None:
            raise ConfigError(f"{name} takes no value, got {attached!r}", f"write {name} alone")
        return None
    if attached is None and flag.bare and (not queue or queue[0] not in flag.choices):
        return None
    if attached is None and (not queue or queue[0].startswith("-")):
        example = flag.choices[0] if flag.choices else flag.value
        raise ConfigError(f"{name} lacks its value", f"write {name} {example}")
    value = queue.pop(0) if attached is None else attached
    if flag.choices and value not in flag.choices:
        raise ConfigError(
            f"{name} cannot be {value!r}",
            ask(value, flag.choices, f"one of: {', '.join(flag.choices)}"),
        )
    return value
