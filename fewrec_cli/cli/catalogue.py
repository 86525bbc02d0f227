"""What can be chosen: groups and options as files, read without composing anything."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.experiment.signature import docstring

CONFIGS = "fewrec_cli.configs"
PACKAGE_LINE = "@package"


@dataclass(frozen=True)
class Catalogue:
    """Folders of configs, ours first; the first that has an option wins, as in Hydra.

    Attributes:
        roots: Absolute paths.
    """

    roots: tuple[Path, ...]

    def groups(self) -> tuple[str, ...]:
        """All groups in alphabetical order, nested ones as ``strategy/adapter``."""
        return tuple(sorted({group for root in self.roots for group in _groups(root, "")}))

    def options(self, group: str) -> dict[str, Path]:
        """Each option of a group with its file, in alphabetical order."""
        found: dict[str, Path] = {}
        for root in self.roots:
            for path in (root / group).glob("*.yaml"):
                found.setdefault(path.stem, path)
        return dict(sorted(found.items()))

    def described(self, text: str) -> str:
        """The comment at the top of a yaml, empty where there is none."""
        head = itertools.takewhile(lambda line: line.startswith("#"), text.splitlines())
        told = (line.lstrip("# ").strip() for line in head if PACKAGE_LINE not in line)
        return next(told, "")

    def summary(self, path: Path) -> str:
        """One line on an option: the first comment of its file, or its class's docstring."""
        text = path.read_text(encoding="utf-8")
        told = self.described(text)
        if told:
            return told
        target = next((line for line in text.splitlines() if line.startswith("_target_:")), "")
        try:
            return docstring(target.partition(":")[2].strip())
        except ConfigError as fault:  # a listing goes on; running the option tells it as an error
            return fault.problem


def catalogue(*more: Path | None) -> Catalogue:
    """Return our configs, then the user's own folders."""
    ours = Path(str(import_module(CONFIGS).__file__)).parent
    return Catalogue((ours, *(root for root in more if root is not None)))


def _groups(root: Path, prefix: str) -> Iterator[str]:
    for folder in sorted(root.iterdir()):
        if not folder.is_dir() or folder.name.startswith((".", "_")):
            continue
        name = f"{prefix}{folder.name}"
        if any(folder.glob("*.yaml")):
            yield name
        yield from _groups(folder, f"{name}/")
