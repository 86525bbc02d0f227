"""The values of a key whose class allows a few only: ``order`` is ``first`` or ``second``."""

from collections.abc import Iterator

from omegaconf import DictConfig, OmegaConf

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.experiment.annotation import choices
from fewrec_cli.experiment.check import GROUPS, LIGHTNINGS, plain, written_at
from fewrec_cli.experiment.signature import signature


def values_of(cfg: DictConfig, word: str) -> tuple[str, ...]:
    """Return what may be written behind ``word=``.

    Args:
        cfg: A composed config, interpolations in place.
        word: A dotted key, where a user writes it: ``strategy.order``, which adapters read.

    Returns:
        The values as they are typed, the present one among them; none where the key takes any
        number or text, or where its class cannot be read.
    """
    group, _, name = word.partition(".")
    node = cfg.get(group) if group in GROUPS and group not in LIGHTNINGS and name else None
    if not isinstance(node, DictConfig):
        return ()
    return next((found for found in _read_by(node, group, word) if found), ())


def _read_by(node: DictConfig, path: str, word: str) -> Iterator[tuple[str, ...]]:
    """Yield the choices of every argument that takes its value from ``word``."""
    target = node.get("_target_")
    if isinstance(target, str):
        try:
            takes = signature(target).parameters
        except ConfigError:  # running it tells; here there is nothing to propose
            return
        for key, parameter in takes.items():
            if key in node and written_at(f"{path}.{key}", node, key) == word:
                named = choices(parameter.annotation, parameter.module)
                yield tuple(dict.fromkeys((*named, *_present(node, key)))) if named else ()
    for key in map(str, node):
        if not OmegaConf.is_missing(node, key) and not OmegaConf.is_interpolation(node, key):
            child = node[key]
            if isinstance(child, DictConfig):
                yield from _read_by(child, f"{path}.{key}", word)


def _present(node: DictConfig, key: str) -> tuple[str, ...]:
    """The number that a key has where it takes numbers beside what it names, e.g. ``all``."""
    value = plain(node, key)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return (str(value),) if number else ()
