"""The words of a run's config: which of them tell two runs apart, and the shortest that do."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

IGNORED = (
    "cache",
    "data.root",
    "data.timeout",
    "data.url",
    "evaluation.deciles",
    "evaluation.save_predictions",
    "logger",
    "resume",
    "scenario.files",
    "table",
    "threads",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.num_nodes",
    "trainer.strategy",
)
"""Words and groups that say where files lie, what is kept, what computes; not what is measured."""
ADDING = ("evaluation.further", "evaluation.k")
"""Words that choose how many metrics there are, and change the figures of none."""
SIZES = ("scenario.curve", "scenario.shots")
"""Words that choose the support sizes, which a table shows anyway: the last to tell rows apart."""
GROUPS = ("data", "scenario", "backbone", "strategy")
CHOSEN_INSIDE = ("adapter",)
"""Groups inside a group: ``strategy.adapter`` is chosen as ``strategy/adapter``."""
MOST_WORDS = 3
"""The shortest set of words is looked for up to this many; beyond, all that differ are shown."""
Words = Mapping[str, str]


def flat(config: object, path: str = "") -> dict[str, str]:
    """Return a config as the words that would choose it, without those that measure nothing.

    A ``_target_`` becomes the word of its option where it is one of ours.

    Example:
        >>> flat({"strategy": {"_target_": "fewrec_cli.strategy.maml.MAML", "inner_lr": 0.1}})
        {'strategy': 'maml', 'strategy.inner_lr': '0.1'}
    """
    if path in IGNORED:
        return {}
    if not isinstance(config, Mapping):
        return {path: text(config)}
    found: dict[str, str] = {}
    for key, value in config.items():
        if key == "_target_":
            found[_group(path)] = _option(str(value))
        else:
            found |= flat(value, f"{path}.{key}" if path else str(key))
    return found


def text(value: object) -> str:
    """Return a value as it is written on the command line.

    Example:
        >>> text([0, None, True])
        '[0,null,true]'
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{','.join(text(one) for one in value)}]"
    return str(value)


def differing(several: Sequence[Words]) -> tuple[str, ...]:
    """Return the keys in which some differ: options first, then by length, sizes last."""
    keys = dict.fromkeys(key for words in several for key in words)
    varied = [key for key in keys if len({words.get(key) for words in several}) > 1]
    return tuple(sorted(varied, key=_weight))


def distinguishing(
    several: Sequence[Words], pairs: Iterable[tuple[int, int]] | None = None
) -> tuple[str, ...]:
    """Return the fewest keys, short ones before long ones, by which no two are alike.

    Args:
        several: Words of each, no two the same.
        pairs: Places of those that must not be alike; None for any two.

    Example:
        >>> distinguishing([{"a": "1", "bb": "1"}, {"a": "1", "bb": "2"}])
        ('bb',)
    """
    keys = differing(several)
    apart = list(combinations(range(len(several)), 2) if pairs is None else pairs)
    for number in range(min(len(keys), MOST_WORDS) + 1):
        for some in combinations(keys, number):
            told = [tuple(words.get(key) for key in some) for words in several]
            if all(told[one] != told[other] for one, other in apart):
                return some
    return keys


def named(name: str, words: Words, keys: Iterable[str]) -> str:
    """Return a name with the words that tell it from its likes.

    Example:
        >>> named("maml", {"strategy.inner_steps": "5"}, ["strategy.inner_steps"])
        'maml (strategy.inner_steps=5)'
    """
    told = [f"{key}={words[key]}" for key in keys if key in words]
    return f"{name} ({', '.join(told)})" if told else name


def _weight(key: str) -> tuple[bool, int, int, str]:
    return key in SIZES, key.count("."), len(key), key


def _group(path: str) -> str:
    head, _, last = path.rpartition(".")
    if path in GROUPS:
        return path
    return f"{head.replace('.', '/')}/{last}" if last in CHOSEN_INSIDE else f"{path}._target_"


def _option(target: str) -> str:
    parts = target.split(".")
    return parts[-2] if len(parts) > 1 else target
