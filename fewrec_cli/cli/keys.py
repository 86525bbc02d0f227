"""Dotted keys of a composed config."""

from collections.abc import Iterator, Mapping
from contextlib import suppress

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException


def put(one: Override, cfg: DictConfig) -> None:
    """Set a key as Hydra would; a value that does not fit there is Hydra's to refuse."""
    if one.is_delete() or one.is_sweep_override():
        return
    with suppress(OmegaConfBaseException):
        OmegaConf.update(cfg, one.key_or_group, one.value(), merge=True, force_add=True)


def has(cfg: DictConfig, key: str) -> bool:
    """Whether a dotted key is there, whatever its value."""
    node: object = cfg
    for part in key.split("."):
        if isinstance(node, DictConfig) and part in node:
            node = node._get_node(part)
            continue
        return bool(OmegaConf.is_list(node) and part.isdigit())
    return True


def keys_of(cfg: DictConfig) -> list[str]:
    """All dotted keys, Hydra's own left out."""
    content = OmegaConf.to_container(cfg, resolve=False)
    plain = {key: value for key, value in content.items() if key != "hydra"}  # type: ignore[union-attr]
    return list(_dotted(plain, ""))


def _dotted(content: Mapping[object, object], prefix: str) -> Iterator[str]:
    for key, value in content.items():
        yield f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{prefix}{key}.")


def chosen(cfg: DictConfig, group: str) -> str:
    """The option of a group as it is typed, ``=maml``; empty for what is no group."""
    choice = OmegaConf.select(cfg, f"hydra.runtime.choices.{group}")
    return f"={choice}" if choice else ""
