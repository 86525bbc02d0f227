"""How a delimited file is written, and what its rows may hold."""

from collections.abc import Mapping
from dataclasses import dataclass

from fewrec_cli.core.types import Scale


@dataclass(frozen=True)
class Layout:
    """How a delimited text is written.

    Attributes:
        separator: One or more characters between fields.
        encoding: Python's name of the encoding.
        names: Names of the columns where the file has no header, else None.
        quoted: Whether ``"`` quotes fields.
        escape: Character before a quote within quotes, or None.
    """

    separator: str
    encoding: str
    names: tuple[str, ...] | None = None
    quoted: bool = True
    escape: str | None = None


@dataclass(frozen=True)
class Columns:
    """Names of the interaction columns; None where there is none."""

    user: str
    item: str
    rating: str | None
    timestamp: str | None

    @property
    def named(self) -> Mapping[str, str]:
        """The columns that exist, by the option that names each."""
        pairs = {word: getattr(self, word) for word in ("user", "item", "rating", "timestamp")}
        return {f"data.columns.{word}": name for word, name in pairs.items() if name is not None}


@dataclass(frozen=True)
class Rules:
    """Which ratings are sound.

    Attributes:
        scale: Levels that a rating must be one of, or None for any finite number.
        also: Values outside the scale with a meaning of their own, e.g. -1 for "not rated".
    """

    scale: Scale | None
    also: tuple[float, ...] = ()
