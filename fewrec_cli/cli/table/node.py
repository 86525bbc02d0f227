"""A part of a yaml file, read strictly: every fault is kept with the place where it stands."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from fewrec_cli.cli.suggest import ask
from fewrec_cli.core.errors import ConfigError

Value = TypeVar("Value")


@dataclass(frozen=True)
class Node:
    """One value of a file and where it stands.

    Attributes:
        place: Dotted path, the file's name first.
        value: What stands there, as YAML gives it.
        faults: Grows with every fault; shared by all nodes of a file.
    """

    place: str
    value: object
    faults: list[ConfigError]

    def fault(self, problem: str, remedy: str) -> None:
        """Keep a fault of this place."""
        self.faults.append(ConfigError(f"{self.place} {problem}", remedy))

    def keys(self, known: Sequence[str], needed: Sequence[str] = ()) -> "dict[str, Node]":
        """The nodes of a mapping; a key that is unknown, or needed and absent, is a fault."""
        nodes = self.entries()
        for name in [name for name in nodes if name not in known]:
            nodes.pop(name).fault(
                "is read by nothing", ask(name, known, f"read: {', '.join(known)}")
            )
        for name in needed:
            if name not in nodes and isinstance(self.value, Mapping):
                self.fault(f"lacks {name}", f"add {name}: to it")
        return nodes

    def entries(self) -> "dict[str, Node]":
        """The nodes of a mapping whose keys are free; of null there are none."""
        if self.value is None:
            return {}
        if not isinstance(self.value, Mapping):
            self.fault(f"must be a mapping, got {self.value!r}", "write NAME: {...}")
            return {}
        return {
            str(key): Node(f"{self.place}.{key}", value, self.faults)
            for key, value in self.value.items()
        }

    def text(self) -> str:
        """One line of text."""
        if isinstance(self.value, str) and self.value.strip():
            return " ".join(self.value.split())
        self.fault(f"must be a line of text, got {self.value!r}", "write it in quotes")
        return ""

    def number(self) -> float:
        """A number of 0 or more."""
        value = self.value
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
            return float(value)
        self.fault(f"must be a number of 0 or more, got {value!r}", "write e.g. 0.5")
        return 0.0

    def items(self, read: "Callable[[Node], Value]") -> tuple[Value, ...]:
        """Each entry of a list."""
        if not isinstance(self.value, Sequence) or isinstance(self.value, str):
            self.fault(f"must be a list, got {self.value!r}", "write [ONE, ANOTHER]")
            return ()
        return tuple(
            read(Node(f"{self.place}[{number}]", value, self.faults))
            for number, value in enumerate(self.value)
        )

    def texts(self) -> tuple[str, ...]:
        """A list of lines of text."""
        return self.items(Node.text)

    def words(self) -> tuple[str, ...]:
        """A list of words KEY=VALUE, as they stand on the command line."""
        return tuple(word for word in self.items(_word) if word)

    def one_of(self, names: Iterable[str], what: str) -> str:
        """A name among those that exist."""
        known, name = tuple(names), str(self.value)
        if name not in known:
            self.fault(
                f"names no {what}: {name!r}", ask(name, known, f"one of: {', '.join(known)}")
            )
        return name


def _word(node: Node) -> str:
    word = node.text()
    if word and "=" not in word:
        node.fault(f"is no word KEY=VALUE: {word!r}", f"write {word}=VALUE")
        return ""
    return word
