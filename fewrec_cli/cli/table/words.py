"""Words of the command line: an experiment's yaml as words, and words put over one another."""

import re
from collections.abc import Iterator, Mapping, Sequence

from fewrec_cli.cli.diagnose import quoted
from fewrec_cli.cli.table.node import Node
from fewrec_cli.core.errors import ConfigError

OVERRIDE = "override /"
PLAIN = (int, float, bool)
INTERPOLATION = re.compile(r"\$\{[\w.]+\}")


def experiment_words(
    content: Mapping[str, object], place: str, faults: list[ConfigError]
) -> tuple[str, ...]:
    """Return the words that choose what an experiment's yaml chooses, groups first.

    Args:
        content: The yaml, without the node of the table.
        place: How faults speak of the file.
        faults: Grows with every fault: a default that is not an override of a group.

    Example:
        >>> content = {"defaults": [{"override /data": "movielens"}], "data": {"version": "1m"}}
        >>> experiment_words(content, "table-x", [])
        ('data=movielens', 'data.version=1m')
    """
    groups = Node(f"{place}: defaults", content.get("defaults", []), faults).items(_group)
    body = {key: value for key, value in content.items() if key != "defaults"}
    return (*(word for word in groups if word), *_leaves(body))


def _group(node: Node) -> str:
    value = node.value
    if isinstance(value, Mapping) and len(value) == 1:
        ((key, option),) = value.items()
        if str(key).startswith(OVERRIDE):
            return f"{str(key).removeprefix(OVERRIDE)}={_spelled(option)}"
    if value != "_self_":
        node.fault(f"is not read by a table: {value!r}", "write - override /GROUP: OPTION")
    return ""


def _leaves(node: Mapping[str, object], above: str = "") -> Iterator[str]:
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves({str(k): v for k, v in value.items()}, f"{above}{key}.")
        else:
            yield f"{above}{key}={_spelled(value)}"


def _spelled(value: object) -> str:
    """A value in Hydra's grammar."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(_spelled(one) for one in value)}]"
    if isinstance(value, Mapping):
        return "{}"
    text = str(value)
    plain = isinstance(value, PLAIN) or all(c.isalnum() or c in "_-./:@" for c in text)
    return text if plain or INTERPOLATION.fullmatch(text) else quoted(text)


def over(base: Sequence[str], groups: Sequence[str], *layers: Sequence[str]) -> tuple[str, ...]:
    """Put layers of words over an experiment's; of words for one key the last counts.

    A layer that chooses a group anew drops what the experiment says of that group.

    Args:
        base: The experiment's words.
        groups: Names of all groups, to tell ``strategy=maml`` from ``seed=1``.
        layers: Words, later ones win.

    Example:
        >>> over(["strategy=maml", "strategy.epochs=5", "seed=0"], ["strategy"],
        ...      ["strategy=reptile"], ["seed=1"])
        ('strategy=reptile', 'seed=1')
    """
    added = [word for layer in layers for word in layer]
    anew = {key(word) for word in added} & set(groups)
    kept = [word for word in base if not any(_belongs(key(word), group) for group in anew)]
    last = {key(word): word for word in (*kept, *added)}
    return tuple(sorted(last.values(), key=lambda word: key(word) not in groups))


def key(word: str) -> str:
    """What stands before the first ``=``."""
    return word.partition("=")[0]


def _belongs(name: str, group: str) -> bool:
    return name == group or name.startswith((f"{group}.", f"{group}/"))
