"""Domain cold: a new domain, of which a few labelled rows of all users together are known."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from fewrec_cli.core.errors import ConfigError, FewrecError, ScenarioError
from fewrec_cli.core.types import IntArray
from fewrec_cli.data.base import Dataset, Note
from fewrec_cli.scenario.bags import group, members, pad
from fewrec_cli.scenario.base import Episodes, Scenario, Split, TaskPool
from fewrec_cli.scenario.episode import episodes_in_order
from fewrec_cli.scenario.listed_order import order_of_ua
from fewrec_cli.scenario.pool import NO_ROWS, Cut, make_split
from fewrec_cli.scenario.rules import Shots, TaskRules, adopt, raise_faults

MOST_OTHERS = 64
"""Rows of the same user that a row of ``examples`` is foretold from, at most."""


class DomainCold(Scenario):
    """The task is the whole domain: K labelled rows are all that anything is learned from.

    The data's rows are shuffled, whoever's they are. The first ``train_rows`` are set aside for
    training, and of them the first ``domain_shots`` are seen; the next ``validation_rows``
    validate, and the rest is the test. Scores are per user: each one with test rows is a task whose
    query is all of them. Its support is what of the rows seen is its own, in the order of the
    shuffle; most users have none. Pretraining has seen those rows, too: a support tells a task no
    label that was not read before, only that it is of the task's own user.

    Args:
        domain_shots: K, or None for all of ``train_rows``; 0 for none at all (zero-shot).
        train_rows: Rows set aside for training.
        validation_rows: Rows that validate, or None.
        test_rows: Rows of the test at most, or None for all the rest.
        order: ``data`` shuffles the rows as they were read, ``ua`` in the order of MovieLens 100K's
            ``ua.base`` and ``ua.test``.
        files: Folder to look in first for those, then ``FEWREC_DATA`` and ``data/``.
        seed: Decides the shuffle.
        shots: Rows of its own user that a task adapts to, of those seen.
        query: Test rows that make a task, at least.
        draws: Repetitions; nothing is drawn.
        min_interactions: Test rows a task needs, or None for ``query``.
        max_interactions: Test rows a task has at most, or None. Validation tasks have no bounds.
        candidates: ``query``, ``sampled:N`` or ``catalogue``.
        curve: Support sizes of the shot curve.
        short_history: What happens to users below ``min_interactions``.

    Raises:
        FewrecError: A value is out of range; several are reported together.

    Source:
        Wu et al., "Could Small Language Models Serve as Recommenders? Towards Data-centric
        Cold-start Recommendations", WWW 2024; github.com/JacksonWuxs/PromptRec at 53b72d6,
        ``src/prepare_datasets.py``. With ``order=ua``, 250 and 50 rows and its seeds, these are its
        draws of MovieLens 100K. ``domain_shots``, ``test_rows`` and the support are ours: PromptRec
        trains on all 250 rows or none, and adapts nothing to a user.
    """

    domain = True

    def __init__(
        self,
        *,
        domain_shots: int | None,
        train_rows: int,
        validation_rows: int | None,
        test_rows: int | None,
        order: Literal["data", "ua"],
        files: str | None,
        seed: int,
        shots: Shots,
        query: int,
        draws: int,
        min_interactions: int | None,
        max_interactions: int | None,
        candidates: str,
        curve: Sequence[Shots],
        short_history: Literal["drop", "error"],
    ) -> None:
        self.domain_shots = domain_shots
        self.train_rows = train_rows
        self.validation_rows = validation_rows
        self.test_rows = test_rows
        self.order = order
        self.files = files
        self.rules = TaskRules(
            seed=seed,
            shots=shots,
            query=query,
            draws=draws,
            min_interactions=None,
            max_interactions=max_interactions,
            candidates=candidates,
            curve=curve,
            validation=None,
            short_history=short_history,
        )
        # a task's bounds are on its query alone: its support comes from elsewhere
        least = query if min_interactions is None else min_interactions
        self.bounds = replace(self.rules, shots=0, curve=(0,), min_interactions=least)
        apart = replace(self.rules, max_interactions=None)
        raise_faults([*self._faults(), *apart.faults(), *self.bounds.faults()])
        adopt(self, self.rules)

    def _faults(self) -> list[FewrecError]:
        found: list[FewrecError] = []
        rows = {
            "train_rows": (self.train_rows, 1),
            "domain_shots": (self.domain_shots, 0),
            "validation_rows": (self.validation_rows, 1),
            "test_rows": (self.test_rows, 1),
        }
        for key, (value, least) in rows.items():
            if value is not None and value < least:
                found.append(
                    ConfigError(
                        f"scenario.{key}={value} is no number of rows",
                        f"give a whole number of at least {least}",
                    )
                )
        if self.domain_shots is not None and self.domain_shots > self.train_rows:
            found.append(
                ConfigError(
                    f"scenario.domain_shots={self.domain_shots:,} are to be seen of "
                    f"scenario.train_rows={self.train_rows:,}",
                    "lower scenario.domain_shots, or raise scenario.train_rows",
                )
            )
        if self.order not in ("data", "ua"):
            found.append(
                ConfigError(f"scenario.order={self.order} is not known", "choose data or ua")
            )
        return found

    @property
    def query_word(self) -> str:
        """The query is all that a user has in the test."""
        return f"all({self.query}+)"

    def split(self, dataset: Dataset) -> Split:
        """Shuffle the rows and cut them.

        Raises:
            ScenarioError: No row is left to test on, or the order was not published for this data.
        """
        rows, notes = self._shuffled(dataset)
        held = self.train_rows + (self.validation_rows or 0)
        if held >= len(rows):
            raise ScenarioError(
                f"scenario.train_rows={self.train_rows:,} and scenario.validation_rows="
                f"{self.validation_rows or 0:,} leave none of {len(rows):,} ratings to test on",
                "lower them, or give more data",
            )
        aside, valid, rest = np.split(rows, [self.train_rows, held])
        seen, test = aside[: self.domain_shots], rest[: self.test_rows]
        user = dataset.interactions.user
        text = f"labelled rows of {len(np.unique(user[seen])):,} users are all that is seen"
        notes.append(Note("domain", len(seen), text))
        unread = len(rows) - len(seen) - len(valid) - len(test)
        if unread:
            notes.append(
                Note("unread", unread, f"of {len(rows):,} rows are neither seen nor asked")
            )
        share = len(valid) / len(rows) if len(valid) else None
        cut = Cut(np.sort(aside), np.sort(valid), np.sort(test), tuple(notes))
        bounds = replace(self.bounds, validation=share)
        any_row = replace(bounds, query=1, min_interactions=1, max_interactions=None)
        split = make_split(dataset, cut, bounds, history=False, valid_rules=any_row)
        own = int(members(user[seen], dataset.n_users)[split.test.user].sum())
        text = f"of {len(split.test):,} test tasks have rows of their own among those seen"
        return replace(
            split,
            train=np.sort(seen),
            valid=_with_own(dataset, split.valid, seen),
            test=_with_own(dataset, split.test, seen),
            known_users=members(user[seen], dataset.n_users),
            known_items=members(dataset.interactions.item[seen], dataset.n_items),
            notes=(*split.notes, Note("own support", own, text)),
            examples=_examples(dataset, seen),
        )

    def _shuffled(self, dataset: Dataset) -> tuple[IntArray, list[Note]]:
        """Return all rows in random order, ``(n,)``, by the generator that PromptRec draws with."""
        order, notes = np.arange(len(dataset.interactions)), list[Note]()
        if self.order == "ua":
            order, note = order_of_ua(dataset, self.files)
            notes.append(note)
        places = list(range(len(order)))
        random.Random(self.seed).shuffle(places)  # noqa: S311 - a draw, no secret
        return order[places], notes

    def draw(self, pool: TaskPool, number: int) -> Episodes:
        """Return the tasks of a pool: nothing is drawn."""
        if pool.fixed_query:
            return episodes_in_order(pool, number, query=pool.fixed_query)
        query, none = pad(pool.offsets, pool.rows), np.empty((len(pool), 0), dtype=np.int64)
        return Episodes(number, pool.user, pool.padded_history, query, none)


def _with_own(dataset: Dataset, pool: TaskPool, seen: IntArray) -> TaskPool:
    """Give each task the rows seen of its user, in their order; ``draw`` makes them its support."""
    user = dataset.interactions.user
    mine = seen[members(pool.user, dataset.n_users)[user[seen]]]
    offsets, history = group(user, mine, pool.user)
    return replace(pool, history=history, history_offsets=offsets)


def _examples(dataset: Dataset, seen: IntArray) -> TaskPool:
    """Make each row seen the query of one task, whose support is its user's other rows seen."""
    owner = dataset.interactions.user
    offsets, grouped = group(owner, seen, np.unique(owner[seen]))
    rows = [
        np.append(np.delete(bag, place)[:MOST_OTHERS], bag[place])
        for bag in np.split(grouped, offsets[1:-1])
        for place in range(len(bag))
    ]
    ends = np.cumsum([0, *map(len, rows)])
    return TaskPool(
        user=owner[grouped],
        offsets=ends,
        rows=np.concatenate([NO_ROWS, *rows]),
        history=NO_ROWS,
        history_offsets=np.zeros(len(rows) + 1, dtype=np.int64),
        fixed_query=1,
    )
