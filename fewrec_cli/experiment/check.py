"""The config against the signatures of what it builds: all faults at once, before any work."""

import ast
import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fewrec_cli.core.errors import ConfigError, Faults, FewrecError
from fewrec_cli.experiment.annotation import fits, wanted
from fewrec_cli.experiment.ranges import out_of_range
from fewrec_cli.experiment.rules import META_RIDGE, broken_rules
from fewrec_cli.experiment.signature import Parameter, Signature, signature
from fewrec_cli.strategy.words import ADAPTER_WORDS, ASIDE

GROUPS = ("data", "scenario", "backbone", "strategy", "trainer", "evaluation", "logger")
ROOT = {
    "seed": "int",
    "threads": "int",
    "cache": "bool",
    "resume": "str | None",
    "table": "dict | None",
}
TABLE = "table"
"""Read by ``fewrec table`` alone."""
LIGHTNINGS = ("trainer", "logger")
HYDRA_WORDS = ("_target_", "_partial_", "_recursive_", "_convert_", "_args_")
LATER = re.compile(r"\$\{hydra[:.]")  # known only once a job has its folder
ELSEWHERE = re.compile(r"\$\{(?P<dots>\.+)(?P<name>\w+)\}")
FEW = 20
CHOSEN_AT = "strategy/adapter"

Texts = Callable[[str], Mapping[str, str]]
"""The options of a group, each with the text of its yaml."""


def check(cfg: DictConfig, words: Sequence[str], adapter: str, texts: Texts) -> None:
    """Compare every key with what reads it.

    Args:
        cfg: The composed config, interpolations in place, without the ``hydra`` node.
        words: The overrides as typed, e.g. ``strategy.inner_lr=0.1``.
        adapter: The chosen option of ``strategy/adapter``.
        texts: Looks up the yaml of all options of a group.

    Raises:
        Faults: Everything that is wrong.
    """
    fitting = [ConfigError(*fault) for fault in broken_rules(lambda word: _value(cfg, word))]
    faults: list[FewrecError] = [*_root(cfg), *_unread(cfg, words, adapter, texts), *fitting]
    for group in GROUPS:
        untouched = group in LIGHTNINGS and not _touched(group, words)
        if group in cfg and isinstance(cfg[group], DictConfig) and not untouched:
            faults += _node(cfg[group], group)
    faults += [ConfigError(*fault) for fault in out_of_range(lambda word: _value(cfg, word))]
    if faults:
        raise Faults(_once(faults))


def _touched(group: str, words: Sequence[str]) -> bool:
    """Whether words reach a preset; ours are held to Lightning by tests, and reading it is slow."""
    return any(word.lstrip("+~").startswith((group, "experiment")) for word in words)


def _root(cfg: DictConfig) -> Iterable[FewrecError]:
    """Types of the root's own keys, and keys that nothing reads."""
    text = OmegaConf.to_yaml(cfg, resolve=False)
    for key in map(str, cfg):
        if key in ROOT:
            yield from _type(key, cfg, key, ast.parse(ROOT[key], mode="eval").body, __name__)
        elif key not in GROUPS and not re.search(rf"\$\{{{re.escape(key)}\b", text):
            yield _nothing_reads(key, (*GROUPS, *(one for one in ROOT if one != TABLE)))


def _unread(
    cfg: DictConfig, words: Sequence[str], adapter: str, texts: Texts
) -> Iterable[FewrecError]:
    """Words meant for the adapter that the chosen one does not take by interpolation."""
    node = cfg.get("strategy")
    text = OmegaConf.to_yaml(node, resolve=False) if isinstance(node, DictConfig) else ""
    bound = isinstance(node, DictConfig) and node.get("_target_") == META_RIDGE  # to its adapter
    for name in ADAPTER_WORDS:
        full = f"strategy.{name}"
        if not any(word.lstrip("+").partition("=")[0] == full for word in words):
            continue
        reads = re.compile(rf"\$\{{(\.+|strategy\.){name}\}}")
        if reads.search(text):
            continue
        readers = [option for option, yaml in texts(CHOSEN_AT).items() if reads.search(yaml)]
        other = f", or choose {CHOSEN_AT}={readers[0]}" if readers and not bound else ""
        yield ConfigError(
            f"{full} is read by {CHOSEN_AT}={'|'.join(readers)} only, not by {adapter}",
            f"leave it out{other}",
        )


def _node(node: DictConfig, path: str) -> Iterable[FewrecError]:
    """Keys of one node with a ``_target_``, and of the nodes inside it."""
    name = node.get("_target_")
    if not isinstance(name, str):
        yield from _inside(node, path)
        return
    try:
        takes = signature(name)
    except ConfigError as fault:
        yield ConfigError(f"{path}.{fault.problem}", fault.remedy)
        return
    aside = (*HYDRA_WORDS, *(ASIDE if path == "strategy" else ()))
    for key in map(str, node):
        parameter = takes.parameters.get(key)
        if parameter is None and key not in aside and not takes.open:
            yield _nothing_reads(f"{path}.{key}", [f"{path}.{one}" for one in takes.parameters])
        elif parameter is not None:
            yield from _type(f"{path}.{key}", node, key, parameter.annotation, parameter.module)
    yield from _missing(node, path, takes)
    yield from _inside(node, path)


def _inside(node: DictConfig, path: str) -> Iterable[FewrecError]:
    for key in map(str, node):
        if OmegaConf.is_missing(node, key) or OmegaConf.is_interpolation(node, key):
            continue
        child = node[key]
        if isinstance(child, DictConfig):
            yield from _node(child, f"{path}.{key}")


def _missing(node: DictConfig, path: str, takes: Signature) -> Iterable[FewrecError]:
    if node.get("_partial_"):
        return
    for name, parameter in takes.parameters.items():
        if parameter.required and name not in node:
            yield ConfigError(
                f"{path}.{name} is missing",
                f"the class takes {_takes(parameter)}; add it to the yaml",
            )


def _type(
    path: str, node: DictConfig, key: str, annotation: ast.expr | None, module: str
) -> Iterable[FewrecError]:
    if OmegaConf.is_missing(node, key):
        yield ConfigError(
            f"{path} has no value", f"write {path}=VALUE ({wanted(annotation, module)})"
        )
        return
    try:
        value = plain(node, key)
    except OmegaConfBaseException as fault:
        yield ConfigError(
            f"{path}: {str(fault).partition(chr(10))[0]}", "give it a value of its own"
        )
        return
    if value is Ellipsis or fits(value, annotation, module):
        return
    path = written_at(path, node, key)
    right = wanted(annotation, module)
    choice = "one of these" if "one of " in right else right
    one = fits([value], annotation, module)  # a list of one, written without its brackets
    instead = (
        f"[{value if isinstance(value, str) else shown(value)}]" if one else f"VALUE with {choice}"
    )
    yield ConfigError(
        f"{path} must be {right}, got {shown(value)}",
        f"write {path}={instead}",
    )


def written_at(path: str, node: DictConfig, key: str) -> str:
    """The word that a user writes: ``strategy.order`` where the key is only ``${..order}``."""
    raw = OmegaConf.to_container(node, resolve=False)
    found = ELSEWHERE.fullmatch(str(raw.get(key))) if isinstance(raw, dict) else None
    if found is None:
        return path
    above = path.split(".")[: -len(found["dots"])]
    return ".".join([*above, found["name"]])


def plain(node: DictConfig, key: str) -> object:
    """Return a key's value with interpolations filled in; Ellipsis where only a job knows it."""
    raw = OmegaConf.to_container(node, resolve=False)
    written = raw.get(key) if isinstance(raw, dict) else None
    if isinstance(written, str) and LATER.search(written):
        return Ellipsis
    value = node[key]
    if isinstance(value, DictConfig | ListConfig):
        return OmegaConf.to_container(value, resolve=True)
    return value


def _value(cfg: DictConfig, word: str) -> object:
    """The value at a dotted word; Ellipsis where there is none, or none that can be read."""
    node: object = cfg
    *parents, key = word.split(".")
    for parent in parents:
        node = node.get(parent) if isinstance(node, DictConfig) else None
    if not isinstance(node, DictConfig) or key not in node or OmegaConf.is_missing(node, key):
        return Ellipsis
    try:
        return plain(node, key)
    except OmegaConfBaseException:
        return Ellipsis


def _nothing_reads(word: str, known: Sequence[str]) -> ConfigError:
    names = {one.rpartition(".")[2]: one for one in known}
    near = difflib.get_close_matches(word.rpartition(".")[2], names, n=1)
    few = len(names) <= FEW
    known_ones = f"leave it out (read: {', '.join(known)})" if few else "leave it out"
    return ConfigError(
        f"{word} is read by nothing",
        f"did you mean {names[near[0]]}?" if near else known_ones,
    )


def _takes(parameter: Parameter) -> str:
    return f"{parameter.name} ({wanted(parameter.annotation, parameter.module)})"


def shown(value: object) -> str:
    """A value as a user would recognise it: text in quotes, YAML's words for the rest."""
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else repr(value)


def _once(faults: Iterable[FewrecError]) -> list[FewrecError]:
    """Drop a second fault about the same word: a wrong type needs no range."""
    by_word: dict[str, FewrecError] = {}
    for fault in faults:
        by_word.setdefault(fault.problem.partition(" ")[0], fault)
    return list(by_word.values())
