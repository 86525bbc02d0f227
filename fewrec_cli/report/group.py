"""From runs to the rows of a table: runs that differ in the seed only are one row."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.report.run import Run
from fewrec_cli.report.words import ADDING, GROUPS, Words, differing, distinguishing, named

SEED = "seed"
PROTOCOL = ("data", "scenario")
"""Groups that decide which tasks there are; all others decide who answers them."""


@dataclass(frozen=True)
class Entry:
    """The runs behind one row, before anything is computed.

    Attributes:
        name: What the model is called; its unadapted self is ``NAME (unadapted)``.
        runs: One per seed, or per seed and split; the same words otherwise.
        state: Who is cold, or which data: rows of one state and track are compared.
        track: What was trained on or adapted to; empty without tracks.
        words: Words in which it differs from other entries of the table.
    """

    name: str
    runs: tuple[Run, ...]
    state: str
    track: str = ""
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Grouped:
    """Entries, and what was left out on the way.

    Attributes:
        entries: In the order in which their first runs were given.
        notes: Plain sentences.
    """

    entries: tuple[Entry, ...]
    notes: tuple[str, ...]


def entries_of(
    runs: Sequence[Run], over: Sequence[str] = (SEED,), columns: Sequence[str] = ()
) -> Grouped:
    """Group runs by all their words but the seed, and give each group a name of its own.

    The state is the scenario's ``state`` or its word. Where several protocols (data and scenario)
    would have the same state, the shortest words that tell them apart are added; and so for
    models of the same name. A run that repeats another's words and seed is left out, the newest
    stays. Words that only add metrics (``evaluation.further``, ``evaluation.k``) do not part
    runs that have the same of the table's columns.

    Args:
        runs: At least one.
        over: Words averaged over; the seed always is. ``scenario.seed`` makes one row of several
            task splits.
        columns: Metrics of the table.

    Raises:
        ConfigError: A word of ``over`` is in no run's config, or chooses an option.
    """
    same = [note for word in over if (note := _over(word, runs))]
    averaged = {SEED, *over}
    kept, repeated = _newest(_worded_alike(runs, averaged, columns))
    notes = (*same, *repeated)
    protocols = _groups(kept, lambda run: _protocol(run, averaged))
    models = _groups(kept, lambda run: _model(run, averaged))
    states = _names([dict(key) for key in protocols], _state)
    names = _names([dict(key) for key in models], lambda words: _name(models[_key(words)][0]))
    every = differing([{**dict(a), **dict(b)} for a in protocols for b in models])
    entries: list[Entry] = []
    for key, some in _groups(kept, lambda run: _both(run, averaged)).items():
        protocol, model = _protocol(some[0], averaged), _model(some[0], averaged)
        words = dict(key)
        state, name = states[_key(protocol)], names[_key(model)]
        told = {word: words[word] for word in every if word in words}
        entries.append(Entry(name, tuple(some), state, "", told))
    return Grouped(tuple(entries), notes)


def protocol(run: Run, averaged: Sequence[str] = (SEED,)) -> dict[str, str]:
    """Return what floors depend on besides the seed: data, scenario and evaluation."""
    words = _protocol(run, {SEED, *averaged})
    return {**words, **{k: v for k, v in run.words.items() if _in(k, ("evaluation",))}}


def _over(word: str, runs: Sequence[Run]) -> str:
    """Refuse what cannot be averaged over; say where there is nothing to average."""
    values = {run.words.get(word) for run in runs}
    if values == {None}:
        raise ConfigError(
            f"--over {word}: no run has such a word",
            "write e.g. --over scenario.seed, a word of config.yaml",
        )
    if word in GROUPS or "/" in word:
        raise ConfigError(
            f"--over {word}: options are compared, each with words of its own, not averaged",
            f"name a word that they share, e.g. --over scenario.seed; without --over each {word} "
            "has its row",
        )
    if len(values) > 1 or word == SEED:
        return ""
    return f"--over {word} changed nothing: every run has {word}={values.pop()}."


def _worded_alike(runs: Sequence[Run], averaged: set[str], columns: Sequence[str]) -> Iterator[Run]:
    """Give runs that differ only in metrics which are not shown the words of the first."""
    first: dict[object, Words] = {}
    for run in runs:
        rest = {k: v for k, v in run.words.items() if k not in {*ADDING, *averaged}}
        measured = {metric for row in run.rows for metric in row.metrics}
        known = first.setdefault((_key(rest), frozenset(measured & set(columns))), run.words)
        adding = {key: known[key] for key in ADDING if key in known}
        own = {k: v for k, v in run.words.items() if k not in ADDING}
        yield replace(run, words={**own, **adding})


def _newest(runs: Iterable[Run]) -> tuple[list[Run], tuple[str, ...]]:
    """Keep one run of each config, the newest, in the order given."""
    runs = list(runs)
    newest: dict[tuple[tuple[str, str], ...], Run] = {}
    for run in runs:
        key = _key({**run.words, "data hash": run.data_hash})
        other = newest.get(key)
        if other is None or run.finished > other.finished:
            newest[key] = run
    kept = set(map(id, newest.values()))
    count = len(runs) - len(kept)
    told = "run repeats another's" if count == 1 else "runs repeat others'"
    notes = (f"{count} {told} words and seed: the newest is shown.",) if count else ()
    return [run for run in runs if id(run) in kept], notes


def _protocol(run: Run, averaged: set[str]) -> dict[str, str]:
    words = {k: v for k, v in run.words.items() if _in(k, PROTOCOL) and k not in averaged}
    if any(word.startswith("data.") for word in averaged):
        return words
    return {**words, "data hash": run.data_hash[:8]}


def _model(run: Run, averaged: set[str]) -> dict[str, str]:
    return {k: v for k, v in run.words.items() if not _in(k, PROTOCOL) and k not in averaged}


def _both(run: Run, averaged: set[str]) -> dict[str, str]:
    return {**_protocol(run, averaged), **_model(run, averaged)}


def _in(word: str, groups: Sequence[str]) -> bool:
    return word.partition(".")[0] in groups


def _state(words: Words) -> str:
    return words.get("scenario.state", words.get("scenario", "scenario"))


def _name(run: Run) -> str:
    models = [row.row for row in run.rows if row.kind == "model"]
    return models[0] if models else run.signature.get("strategy", "model")


def _key(words: Words) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(words.items()))


def _groups(
    runs: Sequence[Run], words: Callable[[Run], Words]
) -> dict[tuple[tuple[str, str], ...], list[Run]]:
    found: dict[tuple[tuple[str, str], ...], list[Run]] = {}
    for run in runs:
        found.setdefault(_key(words(run)), []).append(run)
    return found


def _names(
    several: Sequence[Words], plain: Callable[[Words], str]
) -> dict[tuple[tuple[str, str], ...], str]:
    """Name each by its plain name, with distinguishing words where others share it."""
    alike: dict[str, list[Words]] = {}
    for words in several:
        alike.setdefault(plain(words), []).append(words)
    return {
        _key(words): named(name, words, distinguishing(some))
        for name, some in alike.items()
        for words in some
    }
