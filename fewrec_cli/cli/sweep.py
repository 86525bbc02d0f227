"""The jobs of a sweep, told before the first one runs."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from omegaconf import DictConfig

from fewrec_cli.cli.catalogue import Catalogue
from fewrec_cli.cli.words import Line
from fewrec_cli.core.errors import ConfigError

BASIC = "BasicSweeper"


@dataclass(frozen=True)
class Jobs:
    """What a line runs.

    Attributes:
        sweeps: Whether it is a sweep at all.
        axes: For each word, its spellings: one for a plain word, several for a swept one.
    """

    sweeps: bool
    axes: tuple[tuple[str, ...], ...]

    @property
    def count(self) -> int:
        """How many jobs there are."""
        return math.prod(len(axis) for axis in self.axes)

    def to_check(self, most: int) -> Iterator[list[str]]:
        """Yield the words of each job; of a sweep with more than ``most`` each value once."""
        if self.count <= most:
            yield from (list(words) for words in itertools.product(*self.axes))
            return
        for position, axis in enumerate(self.axes):
            for word in axis if len(axis) > 1 else ():
                words = [other[0] for other in self.axes]
                yield [*words[:position], word, *words[position + 1 :]]


def jobs_of(line: Line, cfg: DictConfig, library: Catalogue) -> Jobs:
    """Return the jobs of a line.

    Args:
        line: What the user typed.
        cfg: A composition of it with the ``hydra`` node, which tells of a ``sweep=`` preset.
        library: What ``strategy=glob(*)`` chooses from.
    """
    mode = cfg.hydra.mode
    sweeps = line.has("--multirun") or (mode is not None and mode.name == "MULTIRUN")
    if not sweeps:
        return Jobs(sweeps=False, axes=tuple((word,) for word in line.words))
    sweeper = cfg.hydra.sweeper
    basic = str(sweeper.get("_target_", "")).endswith(BASIC)
    preset = (sweeper.get("params") or {}) if basic else {}
    words = [*(f"{key}={value}" for key, value in preset.items()), *line.words]
    by_key = {one.get_key_element(): one for one in parse(words)}
    return Jobs(sweeps=True, axes=tuple(spellings(one, library) for one in by_key.values()))


def parse(words: Sequence[str]) -> list[Override]:
    """Read words by Hydra's grammar."""
    found: list[Override] = OverridesParser.create().parse_overrides(list(words))
    return found


def spellings(override: Override, library: Catalogue) -> tuple[str, ...]:
    """All values of a swept word, each as a word of its own; a plain word as it stands."""
    if not override.is_sweep_override() or not override.is_discrete_sweep():
        return (str(override.input_line),)
    key = override.get_key_element()
    value: object = override.value()
    if isinstance(value, Glob):
        options = list(library.options(override.key_or_group))
        return tuple(f"{key}={name}" for name in value.filter(options))
    return tuple(f"{key}={value}" for value in override.sweep_string_iterator())


def several_values(line: Line, *, sweeps: bool) -> list[ConfigError]:
    """What is wrong with words of several values where nothing sweeps over them."""
    if sweeps:
        return []
    return [
        ConfigError(
            f"{one.key_or_group} is given several values: {one.get_value_string()}",
            "add -m to run each; a list is written in brackets: "
            f"{one.key_or_group}=[{one.get_value_string()}]",
        )
        for one in parse(line.words)
        if one.is_sweep_override()
    ]


def first_values(words: Sequence[str], library: Catalogue) -> list[str]:
    """The words of one job: of each swept word the first value."""
    return [word for one in parse(words) for word in spellings(one, library)[:1]]
