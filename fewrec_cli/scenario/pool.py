"""Task pools: rows of interactions grouped by user, in compressed form (CSR)."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from fewrec_cli.core.errors import ScenarioError
from fewrec_cli.core.types import BoolArray, IntArray
from fewrec_cli.data.base import Dataset, Note
from fewrec_cli.scenario.bags import group, take
from fewrec_cli.scenario.base import Split, TaskPool
from fewrec_cli.scenario.rules import TaskRules

NO_ROWS: IntArray = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Cut:
    """Disjoint rows of ``Dataset.interactions`` for each purpose.

    Attributes:
        train: Rows that pretraining may see, ``(n,)``, ascending.
        valid: Rows of the validation tasks, ``(n,)``.
        test: Rows of the tasks that make the table, ``(n,)``.
        notes: Who was held out, with counts.
    """

    train: IntArray
    valid: IntArray
    test: IntArray
    notes: tuple[Note, ...]


def make_split(
    dataset: Dataset,
    cut: Cut,
    rules: TaskRules,
    *,
    history: bool,
    valid_rules: TaskRules | None = None,
) -> Split:
    """Group the rows of a cut into tasks and drop the users whom the rules leave out.

    Args:
        dataset: The data that ``cut`` numbers the rows of.
        cut: Rows for each purpose.
        rules: How many rows a task needs.
        history: Whether a task also holds its user's rows in ``cut.train``.
        valid_rules: How many rows a validation task needs, where not as many as the others.

    Raises:
        ScenarioError: Nothing to pretrain on, no task left, or a short history where
            ``short_history=error``.
    """
    total, rows = dataset.shard.total, dataset.interactions
    if not total(np.array(len(cut.train))):
        raise ScenarioError(
            f"no interaction of {len(rows):,} is left to pretrain on",
            "lower scenario.fraction or scenario.validation, or give more data",
        )
    past = cut.train if history else NO_ROWS
    test, dropped = _keep(build_pool(dataset, cut.test, past), rules, "test", dataset)
    notes = [*cut.notes, *dropped]
    valid = empty_pool()
    if rules.validation is not None:
        pool = build_pool(dataset, cut.valid, past)
        valid, dropped = _keep(pool, valid_rules or rules, "validation", dataset)
        notes += dropped
    return Split(
        train=cut.train,
        valid=valid,
        test=test,
        known_users=total(np.bincount(rows.user[cut.train], minlength=dataset.n_users)) > 0,
        known_items=total(np.bincount(rows.item[cut.train], minlength=dataset.n_items)) > 0,
        notes=tuple(notes),
    )


def empty_pool() -> TaskPool:
    """Return a pool without tasks."""
    start = np.zeros(1, dtype=np.int64)
    return TaskPool(NO_ROWS, start, NO_ROWS, NO_ROWS, start)


def build_pool(dataset: Dataset, rows: IntArray, past: IntArray) -> TaskPool:
    """Make one task of each user who has a row.

    Args:
        dataset: The data that the rows are numbers into.
        rows: Rows to draw support and query from, ``(n,)``.
        past: Rows of pretraining that the tasks hold as history, ``(m,)``; other users' are left.
    """
    user = dataset.interactions.user
    users = np.flatnonzero(np.bincount(user[rows], minlength=dataset.n_users))
    offsets, grouped = group(user, rows, users)
    has_task = np.zeros(dataset.n_users, dtype=bool)
    has_task[users] = True
    history_offsets, history = group(user, past[has_task[user[past]]], users)
    return TaskPool(users, offsets, grouped, history, history_offsets)


def select_tasks(pool: TaskPool, keep: BoolArray) -> TaskPool:
    """Return the tasks where ``keep`` is true, ``(tasks,)``, in their order."""
    offsets, rows = take(pool.offsets, pool.rows, keep)
    history_offsets, history = take(pool.history_offsets, pool.history, keep)
    return TaskPool(pool.user[keep], offsets, rows, history, history_offsets)


@dataclass(frozen=True)
class _Words:
    """How messages speak of a pool."""

    name: Literal["test", "validation"]
    rows: str

    def of(self, pool: TaskPool) -> str:
        return f"of {len(pool):,} users with {self.name} {self.rows}"


def _keep(
    pool: TaskPool, rules: TaskRules, name: Literal["test", "validation"], dataset: Dataset
) -> tuple[TaskPool, list[Note]]:
    """Drop the tasks that are too short or too long, and say how many."""
    words = _Words(name, "interactions" if dataset.implicit else "ratings")
    counts = np.diff(pool.offsets)
    short = counts < rules.needed
    long = counts > rules.max_interactions if rules.max_interactions else np.zeros_like(short)
    notes = []
    if short.any():
        notes.append(_short_note(pool, rules, words, int(short.sum())))
    if long.any():
        limit = f"more than {rules.max_interactions} {words.rows} (scenario.max_interactions)"
        text = f"{words.of(pool)} have {limit}: dropped"
        notes.append(Note("long history", int(long.sum()), text))
    kept = select_tasks(pool, ~(short | long))
    if not len(kept):
        raise _no_task(pool, rules, words)
    notes.append(
        Note(f"{name} tasks", len(kept), f"of {len(pool):,} users with {name} {words.rows}")
    )
    return kept, [*notes, *_support_notes(kept, rules, name)]


def _support_notes(
    pool: TaskPool, rules: TaskRules, name: Literal["test", "validation"]
) -> list[Note]:
    """Count the tasks with less support than asked for; the curve is drawn of test tasks alone."""
    support = np.diff(pool.offsets) - rules.query
    notes = []
    short = 0 if rules.shots == "all" else int((support < rules.shots).sum())
    if short:
        text = f"of {len(pool):,} {name} tasks have fewer than {rules.shots} support rows"
        text += f" at shots={rules.shots}; they use what they have"
        notes.append(Note("short support", short, text))
    sizes = {shots for shots in rules.curve if shots not in ("all", rules.shots)}
    points = [(int((support < size).sum()), size) for size in sorted(sizes)]
    reached = [f"{count:,} at {size} shots" for count, size in points if count]
    if reached and name == "test":
        text = f"of {len(pool):,} test tasks have fewer support rows ({', '.join(reached)}); "
        text += "they use what they have"
        notes.append(Note("short curve", max(count for count, _ in points), text))
    return notes


def _short_note(pool: TaskPool, rules: TaskRules, words: _Words, short: int) -> Note:
    """Count the short tasks, or refuse them where ``short_history=error``."""
    what = f"{words.of(pool)} have fewer than {rules.needed} {words.rows}, {rules.reason}"
    if rules.short_history == "error":
        raise ScenarioError(
            f"{short:,} {what}",
            "lower scenario.shots, or drop them with scenario.short_history=drop",
        )
    return Note("short history", short, f"{what}: dropped")


def _no_task(pool: TaskPool, rules: TaskRules, words: _Words) -> ScenarioError:
    most = int(np.diff(pool.offsets).max(initial=0))
    allowed = f"{rules.needed} or more {words.rows}, {rules.reason}"
    remedy = "lower scenario.shots or scenario.query"
    if rules.max_interactions is not None:
        allowed = f"{rules.needed} to {rules.max_interactions} {words.rows}"
        remedy = "lower scenario.shots or scenario.query, raise scenario.max_interactions"
    if words.name == "validation":
        remedy += ", raise scenario.validation, or do without: scenario.validation=null"
    else:
        remedy += ", or give more data"
    problem = f"no {words.name} task is left: none {words.of(pool)} has {allowed}"
    return ScenarioError(f"{problem} (longest: {most:,})", remedy)
