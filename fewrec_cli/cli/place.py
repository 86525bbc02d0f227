"""Options of a group that stand within another option: ``data/source=anime`` of ``data=pair``.

Hydra's own word for it names the group and the place, ``data@data.source=anime``.
"""

import re
from collections.abc import Mapping, Sequence

from fewrec_cli.cli.catalogue import Catalogue
from fewrec_cli.core.errors import ConfigError

WORD = re.compile(r"(?P<group>[\w/]+)/(?P<place>\w+)(?P<rest>=.*)", re.DOTALL)


def placed(words: Sequence[str], library: Catalogue) -> tuple[str, ...]:
    """Return the words with each ``GROUP/PLACE=OPTION`` as Hydra writes it; others as they are."""
    groups = library.groups()
    return tuple(_placed(word, groups, library) for word in words)


def _placed(word: str, groups: Sequence[str], library: Catalogue) -> str:
    found = WORD.fullmatch(word)
    if found is None or found["group"] not in groups:
        return word
    group, place = found["group"], found["place"]
    if f"{group}/{place}" in groups or place not in places(group, library):
        return word
    return f"{group}@{at(group, place)}{found['rest']}"


def at(group: str, place: str) -> str:
    """Return where in the config an option of an option stands, e.g. ``data.source``."""
    return f"{group.replace('/', '.')}.{place}"


def places(group: str, library: Catalogue) -> frozenset[str]:
    """Return the places that options of a group keep for options of the same group."""
    return frozenset(place for found in _kept(group, library).values() for place in found)


def fillings(library: Catalogue) -> list[str]:
    """Return every word that puts an option into a place, e.g. ``data/source=anime``."""
    return [
        f"{group}/{place}={name}"
        for group in library.groups()
        for place in sorted(places(group, library))
        for name in library.options(group)
        if name not in _having(group, place, library)
    ]


def _having(group: str, place: str, library: Catalogue) -> tuple[str, ...]:
    return tuple(name for name, found in _kept(group, library).items() if place in found)


def _kept(group: str, library: Catalogue) -> dict[str, list[str]]:
    """Return the places of each option of a group, from its list of defaults."""
    entry = re.compile(rf"^\s*- /{re.escape(group)}@(\w+):", re.MULTILINE)
    paths = library.options(group)
    return {name: entry.findall(path.read_text("utf-8")) for name, path in paths.items()}


def homeless(
    words: Sequence[str], chosen: Mapping[str, str | None], library: Catalogue
) -> ConfigError | None:
    """Return what is wrong with a word for a place that the chosen option does not have.

    Args:
        words: As Hydra takes them.
        chosen: The option of each group that the other words choose.
        library: What can be chosen.
    """
    for word in words:
        key = word.partition("=")[0]
        group, _, where = key.partition("@")
        place = where.rpartition(".")[2]
        having = _having(group, place, library) if where else ()
        if having and chosen.get(group) not in having:
            return ConfigError(
                f"{group}/{place} is no part of {group}={chosen.get(group)}",
                f"add {group}={having[0]}, or leave {group}/{place} out",
            )
    return None
