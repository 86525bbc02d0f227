"""Keys that the yaml leaves out though something reads them: added, so that nobody writes ``+``.

Hydra refuses a key that a yaml does not have. Two kinds of keys are right all the same: any key of
an open mapping (``kinds: {}``), and arguments of Lightning's that our presets do not set.
"""

import ast
from collections.abc import Callable, Sequence
from dataclasses import replace

from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig

from fewrec_cli.cli.keys import has
from fewrec_cli.cli.sweep import parse
from fewrec_cli.cli.words import Line
from fewrec_cli.core.errors import ConfigError
from fewrec_cli.experiment.annotation import MAPPINGS
from fewrec_cli.experiment.signature import Parameter, signature

LIGHTNINGS = ("trainer", "logger")
Composed = Callable[[Sequence[str]], DictConfig | None]


def may_add(line: Line) -> bool:
    """Whether a word of the line could need a ``++``."""
    return any(_candidate(word) is not None for word in line.words)


def widened(line: Line, groups: Sequence[str], composed: Composed) -> Line:
    """Return the line with ``++`` before words that add a key which something reads.

    Args:
        line: As typed.
        groups: All groups; none of them is an open mapping.
        composed: Composes other words in place of the line's, None where that fails.
    """
    plain = {word: one for word in line.words if (one := _candidate(word)) is not None}
    if not plain:
        return line
    rest = [word for word in line.words if word not in plain]
    cfg = composed(rest)
    if cfg is None:
        cfg = composed([])
    if cfg is None:
        return line
    words = tuple(
        f"++{word}" if word in plain and _adds(plain[word], cfg, groups) else word
        for word in line.words
    )
    return replace(line, words=words)


def _candidate(word: str) -> Override | None:
    """A plain word that may add a key: inside a part of a part, a mapping, or Lightning's."""
    key = word.partition("=")[0]
    if "=" not in word or "." not in key or key.startswith(("+", "~", "hydra.")):
        return None
    try:
        (one,) = parse([word])
    except HydraException:
        return None
    deep = key.count(".") > 1 or key.partition(".")[0] in LIGHTNINGS
    return one if deep or isinstance(one.value(), dict) else None


def _adds(one: Override, cfg: DictConfig, groups: Sequence[str]) -> bool:
    key = one.key_or_group
    if isinstance(one.value(), dict) and _is_open(key, cfg, groups):
        return True
    if has(cfg, key):
        return False
    parent, _, name = key.rpartition(".")
    if parent in LIGHTNINGS:
        return name in _parameters(parent, cfg)
    return _is_open(parent, cfg, groups)


def _is_open(key: str, cfg: DictConfig, groups: Sequence[str]) -> bool:
    """Whether a key holds an empty mapping that its class declares as one."""
    parent, _, name = key.rpartition(".")
    node = _node(cfg, key)
    if node is None or len(node) or key.replace(".", "/") in groups:
        return False
    takes = _parameters(parent, cfg).get(name)
    annotation = takes.annotation if takes is not None else None
    return annotation is not None and any(
        isinstance(part, ast.Name) and part.id in MAPPINGS for part in ast.walk(annotation)
    )


def _parameters(key: str, cfg: DictConfig) -> dict[str, Parameter]:
    node = _node(cfg, key)
    target = node.get("_target_") if node is not None else None
    if not isinstance(target, str):
        return {}
    try:
        return signature(target).parameters
    except ConfigError:  # told by the check
        return {}


def _node(cfg: DictConfig, key: str) -> DictConfig | None:
    node: object = cfg
    for part in key.split("."):
        node = node._get_node(part) if isinstance(node, DictConfig) and part in node else None
    return node if isinstance(node, DictConfig) and not node._is_none() else None


def lightnings(cfg: DictConfig, group: str) -> list[str]:
    """All keys that a group of Lightning's takes, as dotted words; none for other groups."""
    return [f"{group}.{name}" for name in _parameters(group, cfg)] if group in LIGHTNINGS else []
