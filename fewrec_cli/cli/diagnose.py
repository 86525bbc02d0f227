"""What is wrong with a line that Hydra refuses, every word of it, with the nearest right one."""

import re
import shlex
from collections.abc import Callable, Iterator, Sequence

from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fewrec_cli.cli.catalogue import Catalogue
from fewrec_cli.cli.keys import chosen, has, keys_of, put
from fewrec_cli.cli.suggest import nearest
from fewrec_cli.cli.sweep import first_values, parse, spellings
from fewrec_cli.cli.widen import lightnings
from fewrec_cli.cli.words import Line
from fewrec_cli.core.errors import ConfigError, FewrecError
from fewrec_cli.experiment.check import GROUPS, ROOT

Compose = Callable[[Line, Sequence[str]], DictConfig]
REFUSALS = (HydraException, OmegaConfBaseException, ValueError)
OURS = (
    "data",
    "scenario",
    "backbone",
    "strategy",
    "strategy/adapter",
    "strategy/augment",
    "trainer",
    "evaluation",
    "logger",
    "sweep",
    "experiment",
)
NEEDED = (*GROUPS, *ROOT)
BRACKETS = (("[", "]"), ("{", "}"))
SHELL_READS = re.compile(r'["$`\\!]')


class Diagnosis:
    """Looks at each word of a line by itself: grammar and options at once, keys when asked to.

    A wrong option is replaced by the nearest right one, so that keys which only that option has
    can be judged in the same go.

    Args:
        line: The line.
        words: Its overrides.
        library: What can be chosen.
        compose: Composes other words in place of these.

    Attributes:
        faults: What was found, in the order of grammar, options, keys.
        cfg: What the right words compose to, wrong options replaced; None where nothing does.
    """

    def __init__(
        self, line: Line, words: Sequence[str], library: Catalogue, compose: Compose
    ) -> None:
        self.line = line
        self.words = words
        self.library = library
        self.compose = compose
        self.groups = library.groups()
        self.faults: list[FewrecError] = []
        self.cfg: DictConfig | None = None
        parsed = list(self._grammar())
        self.choices = [word for one in parsed for word in self._choice(one)]
        self.keys = [one for one in parsed if not self._is_choice(one)]

    def judge_keys(self) -> None:
        """Compose the choices, and tell each key that is not in them."""
        self.cfg = self._composed([*self.choices, *self._firsts()])
        if self.cfg is not None:
            return
        self.cfg = self._composed(self.choices)
        for one in self.keys:
            if self.cfg is not None and self._key(one, self.cfg):
                put(one, self.cfg)

    def _firsts(self) -> list[str]:
        return first_values([str(one.input_line) for one in self.keys], self.library)

    def _grammar(self) -> Iterator[Override]:
        for word in self.words:
            if word.startswith("="):
                self.faults.append(ConfigError(f"{word!r} lacks its key", "write KEY=VALUE"))
                continue
            try:
                (one,) = parse([word])
            except HydraException as refusal:
                self.faults.append(self._unreadable(word, refusal))
                continue
            if one.is_delete() and one.key_or_group in NEEDED:
                self.faults.append(_taken_away(one.key_or_group, self.library))
                continue
            yield one

    def _unreadable(self, word: str, refusal: HydraException) -> FewrecError:
        key, equals, value = word.partition("=")
        if not equals:
            return self._bare(word)
        if any(
            value.count(left) != value.count(right)
            for left, right in BRACKETS
            if value.startswith(left)
        ):
            return ConfigError(f"the brackets of {key} do not close, got {value}", "close them")
        spelled = f'"{value}"' if "'" in value and '"' not in value else quoted(value)
        try:
            parse([f"{key}={spelled}"])
        except HydraException:
            return ConfigError(
                f"cannot read {word!r}", " ".join(str(refusal).partition("\n")[0].split())
            )
        return ConfigError(
            f"the value of {key} needs quotes, got {value}",
            f"write {for_shell(f'{key}={spelled}')}",
        )

    def _bare(self, word: str) -> FewrecError:
        """A word without ``=``: a key that lacks its value, or a value that lacks its key."""
        if word in self.groups:
            options = ", ".join(self.library.options(word))
            return ConfigError(f"{word} lacks its value", f"write {word}=OPTION, one of: {options}")
        for group in self.groups:
            if word in self.library.options(group):
                return ConfigError(f"{word!r} is no word=value", f"did you mean {group}={word}?")
        cfg = self._composed([])
        now = OmegaConf.select(cfg, word) if cfg is not None and has(cfg, word) else None
        if cfg is not None and has(cfg, word):
            return ConfigError(f"{word} lacks its value", f"write {word}=VALUE (now {word}={now})")
        return ConfigError(
            f"{word!r} is no word=value",
            f"words choose (strategy=maml), flags drive; see fewrec {self.line.command} --help",
        )

    def _is_choice(self, one: Override) -> bool:
        known = one.key_or_group in self.groups or one.key_or_group.startswith("hydra/")
        return known and not one.is_delete()

    def _choice(self, one: Override) -> Iterator[str]:
        """Check a group's option; yield the word to compose with in its place."""
        if not self._is_choice(one):
            return
        group = one.key_or_group
        if group not in self.groups:  # Hydra's own groups are Hydra's to judge
            yield str(one.input_line)
            return
        options = self.library.options(group)
        if one.is_add() and group in OURS:
            given = str(one.input_line).lstrip("+")
            self.faults.append(ConfigError(f"{group} is chosen already", f"write {given}"))
            return
        meant: list[str] = []
        is_list, names = _names(one, self.library)
        for name in names:
            if name is None or name in options:
                meant += [] if name is None else [name]
                continue
            near = nearest(name, options)
            others = ", ".join(option for option in options if option != near)
            problem = f"no {group} {name!r}" + (f"; did you mean {near!r}?" if near else "")
            self.faults.append(ConfigError(problem, f"{'others' if near else 'one of'}: {others}"))
            meant += [near] if near else []
        if is_list or meant:
            key = one.get_key_element()
            yield f"{key}=[{','.join(meant)}]" if is_list else f"{key}={meant[0]}"

    def _composed(self, words: Sequence[str]) -> DictConfig | None:
        try:
            return self.compose(self.line, words)
        except REFUSALS:
            return None

    def _key(self, one: Override, cfg: DictConfig) -> bool:
        """Whether a key exists in what the choices compose to; if not, that is a fault."""
        key = one.key_or_group
        if one.is_add() or one.is_force_add() or has(cfg, key):
            return True
        self.faults.append(self._no_key(one, cfg))
        return False

    def _near(self, key: str, cfg: DictConfig) -> str | None:
        """The key whose last part is most like this one's, in the same part of the config."""
        part, dot, _ = key.partition(".")
        known = [*keys_of(cfg), *lightnings(cfg, part)]
        if dot and part not in cfg:
            return nearest(key, known)
        inside = [one for one in known if one.startswith(f"{part}.")] if dot else known
        by_name: dict[str, str] = {}
        parent = key.rpartition(".")[0]
        for one in sorted(
            inside, key=lambda one: (one.rpartition(".")[0] != parent, one.count("."))
        ):
            by_name.setdefault(one.rpartition(".")[2], one)
        name = nearest(key.rpartition(".")[2], by_name)
        return by_name[name] if name is not None else None

    def _no_key(self, one: Override, cfg: DictConfig) -> FewrecError:
        key = one.key_or_group
        near_key = self._near(key, cfg)
        near_group = None if key.partition(".")[0] in cfg else nearest(key, self.groups)
        value = str(one.input_line).partition("=")[2]
        part = key.partition(".")[0]
        all_of = f"all options: fewrec {self.line.command} --cfg job"
        if part == "hydra":
            problem, all_of = f"{key} is not an option of Hydra", "all of them: --cfg hydra"
        elif part in cfg and part != key:
            option = chosen(cfg, part)
            problem = f"{key} is not an option of {part}{option}"
            all_of = f"all options: fewrec {self.line.command} {part}{option} --cfg job -p {part}"
        else:
            problem = f"no group or key {key!r}"
        if near_group is not None and (near_key is None or "." not in key):
            return ConfigError(problem, f"did you mean {near_group}={value}?")
        return ConfigError(
            problem, f"did you mean {near_key}?   ({all_of})" if near_key else all_of
        )


def _names(one: Override, library: Catalogue) -> tuple[bool, list[str | None]]:
    """Whether a word chooses by lists, and all its options: none for ``null``."""
    words = spellings(one, library) if one.is_sweep_override() else [str(one.input_line)]
    values = [each.value() for each in parse(words) if not each.is_sweep_override()]
    names = [name for value in values for name in (value if isinstance(value, list) else [value])]
    is_list = any(isinstance(value, list) for value in values)
    return is_list, [None if name is None else str(name) for name in dict.fromkeys(names)]


def _taken_away(key: str, library: Catalogue) -> FewrecError:
    """A part of the run, or a key of the root, that nothing works without."""
    options = ", ".join(library.options(key)) if key in GROUPS else ""
    remedy = f"choose {key}=OPTION, one of: {options}" if options else f"write {key}=VALUE"
    return ConfigError(f"~{key} takes away what every run needs", remedy)


def quoted(text: str) -> str:
    """Put a value in the quotes of Hydra's grammar."""
    return "'" + text.replace("'", "\\'") + "'"


def for_shell(word: str) -> str:
    """Put a word in the quotes of the shell where it needs any, around those of Hydra.

    Example:
        >>> print(for_shell("seed=0"), for_shell("a=[1,2]"), for_shell("a='b c'"))
        seed=0 'a=[1,2]' "a='b c'"
    """
    plain = "'" not in word or SHELL_READS.search(word)
    return shlex.quote(word) if plain else f'"{word}"'


def in_short(refusal: Exception) -> FewrecError:
    """Hydra's message without its advice to append with ``+``."""
    if isinstance(refusal, MissingConfigException) and refusal.missing_cfg_file:
        known = ", ".join(refusal.options or ())
        return ConfigError(
            f"no config {refusal.missing_cfg_file!r}",
            f"one of: {known}" if known else "see what there is: fewrec list",
        )
    text = str(refusal) or str(refusal.__cause__ or type(refusal).__name__)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return ConfigError(lines[0], lines[1] if len(lines) > 1 else "see the words of the command")
