"""Windows that slide over each user's history: the last ratings are the support of the next one."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, Unpack

import numpy as np

from fewrec_cli.core.errors import ConfigError, FewrecError, ScenarioError
from fewrec_cli.core.seeding import generator
from fewrec_cli.core.types import BoolArray, IntArray
from fewrec_cli.data.base import Dataset, Note
from fewrec_cli.scenario.bags import members, pad
from fewrec_cli.scenario.base import Episodes, Scenario, Split, TaskPool
from fewrec_cli.scenario.people import within_bounds
from fewrec_cli.scenario.rules import TaskRules, TaskWords, adopt, raise_faults
from fewrec_cli.scenario.sliding import Listed, list_windows

TRAIN, VALID, TEST, UNREAD = 0, 1, 2, 3


class Windows(Scenario):
    """A task is one window: its support is the ratings before its query, newest first.

    Users stand in the order in which they first appear in the file, each one's ratings in order of
    time (equal times in file order). A window begins at every ``query``-th rating. A rating is so
    the query of one window and in the support of later ones of the same user: what a task may read
    is its own window, and the leak check holds every run to that.

    Args:
        train: ``windows``: pretraining sees the targets and own histories of the windows drawn;
            ``users``: all ratings of users without a validation or test window.
        domain_shots: Training windows drawn for all users together, or None for all.
        last: Windows kept, counted from the end of the list, or None for all.
        parts: Shares of the kept windows for training, validation and test, in their order.
        folds: Parts into which the users are shuffled, where ``fold`` is given.
        fold: The part whose windows make the table, or None for ``parts``.
        seed: Decides the windows drawn and the folds.
        shots: Support size of a window, >= 1.
        query: Query ratings of a window, and how far it slides.
        draws: Repetitions; nothing is drawn.
        min_interactions: Ratings a user needs, or None for shots + query.
        max_interactions: Ratings a user has at most, or None.
        curve: Support sizes of the shot curve: the newest so many.
        validation: Share of the users outside the fold whose windows validate. None: no window
            validates, and those that would with ``parts`` stay unread.
        **task: The other words of every scenario; see ``TaskWords``.

    Raises:
        FewrecError: A value is out of range; several are reported together.

    Source:
        Bao et al., "TALLRec: An Effective and Efficient Tuning Framework to Align Large Language
        Model with Recommendation", RecSys 2023, section 4.1; github.com/SAI990323/TALLRec,
        preprocess_movie.py: its movie windows are those of MovieLens 100K with the values of the
        yaml. ``folds`` and ``train=users`` are ours.
    """

    def __init__(
        self,
        *,
        train: Literal["windows", "users"],
        domain_shots: int | None,
        last: int | None,
        parts: Sequence[float],
        folds: int,
        fold: int | None,
        **task: Unpack[TaskWords],
    ) -> None:
        self.train = train
        self.domain_shots = domain_shots
        self.last = last
        self.parts = tuple(parts)
        self.folds = folds
        self.fold = fold
        self.rules = TaskRules(**task)
        raise_faults([*self._faults(), *self.rules.faults()])
        adopt(self, self.rules)

    def _faults(self) -> list[FewrecError]:
        found: list[FewrecError] = []
        shots = self.rules.shots
        if shots == "all" or shots == 0:
            found.append(
                ConfigError(
                    f"scenario.shots={shots} is no length of a window",
                    "give the ratings before the query, 1 or more, e.g. 10",
                )
            )
        for key, value in (("domain_shots", self.domain_shots), ("last", self.last)):
            if value is not None and value < 1:
                found.append(
                    ConfigError(
                        f"scenario.{key}={value} leaves no window",
                        "give a whole number above 0, or null for all windows",
                    )
                )
        if len(self.parts) != 3 or min(self.parts) < 0 or abs(sum(self.parts) - 1) > 1e-9:
            found.append(
                ConfigError(
                    f"scenario.parts={list(self.parts)} are no three shares that sum to 1",
                    "give those of training, validation and test, e.g. [0.8,0.1,0.1]",
                )
            )
        if self.fold is not None and not 0 <= self.fold < self.folds:
            found.append(
                ConfigError(
                    f"scenario.fold={self.fold} is none of scenario.folds={self.folds}",
                    f"give a number from 0 to {self.folds - 1}, or null for no folds",
                )
            )
        return found

    def split(self, dataset: Dataset) -> Split:
        """List the windows, keep the last of them, and cut them in their order, or by users.

        Raises:
            ScenarioError: No window is left for training or test, or fewer than are to be drawn.
        """
        fits, notes = self._users(dataset)
        listed = list_windows(dataset, fits, self.shots or 0, self.query)
        kept = np.arange(len(listed))[-(self.last or len(listed)) :]
        text = f"of {len(listed):,} windows of {self.shots} + {self.query} ratings are kept"
        notes.append(Note("windows", len(kept), text))
        owner = listed.user[kept]
        part = self._by_order(len(kept)) if self.fold is None else self._by_user(dataset, owner)
        if self.rules.validation is None:
            part[part == VALID] = UNREAD
        valid, test = (listed.pool(kept[part == which]) for which in (VALID, TEST))
        for pool, name in ((valid, "validation"), (test, "test")):
            text = f"windows of {len(np.unique(pool.user)):,} users"
            notes += [Note(f"{name} tasks", len(pool), text)] if len(pool) else []
        if not len(test) or not (part == TRAIN).any():
            raise ScenarioError(
                f"of {len(listed):,} windows {len(test):,} are left to test on and "
                f"{int((part == TRAIN).sum()):,} to train on",
                "lower scenario.shots, set scenario.last=null, or give more data",
            )
        if self.train == "users":
            seen, examples, text = _of_users(dataset, listed, owner[part != TRAIN])
        else:
            seen, examples, text = self._drawn(listed, kept[part == TRAIN])
        notes.append(Note("pretraining", len(seen), text))
        rows = dataset.interactions
        return Split(
            train=seen,
            valid=valid,
            test=test,
            known_users=members(rows.user[seen], dataset.n_users),
            known_items=members(rows.item[seen], dataset.n_items),
            notes=tuple(notes),
            examples=examples,
        )

    def draw(self, pool: TaskPool, number: int) -> Episodes:
        """Return the windows of a pool: nothing is drawn."""
        table = pad(pool.offsets, pool.rows)
        cut = table.shape[1] - pool.fixed_query
        return Episodes(number, pool.user, table[:, :cut], table[:, cut:], pool.padded_history)

    def _users(self, dataset: Dataset) -> tuple[BoolArray, list[Note]]:
        """Return who has windows, ``(n_users,)``, and who was dropped."""
        rules = self.rules
        if rules.needed < (self.shots or 0) + self.query:
            rules = replace(rules, min_interactions=None)
        users, notes = within_bounds(dataset, rules, "windows")
        return members(users, dataset.n_users), list(notes)

    def _by_order(self, count: int) -> IntArray:
        """Return the part of each of ``count`` windows by its place."""
        ends = np.round(np.cumsum(self.parts) * count).astype(np.int64)
        return np.searchsorted(ends[:2], np.arange(count), side="right").astype(np.int64)

    def _by_user(self, dataset: Dataset, owner: IntArray) -> IntArray:
        """Return the part of windows, ``(n,)`` users, by users shuffled into folds."""
        order = generator(self.seed, "scenario", "folds").permutation(np.unique(owner))
        fold = np.arange(len(order)) % self.folds
        part = np.full(dataset.n_users, UNREAD)
        part[order] = np.where(fold == self.fold, TEST, TRAIN)
        others = order[fold != self.fold]
        part[others[: round((self.rules.validation or 0.0) * len(others))]] = VALID
        return part[owner]

    def _drawn(self, listed: Listed, train: IntArray) -> tuple[IntArray, TaskPool, str]:
        """Return the rows of the training windows drawn, those as tasks, and a sentence."""
        count = len(train) if self.domain_shots is None else self.domain_shots
        if count > len(train):
            raise ScenarioError(
                f"scenario.domain_shots={count:,}, and there are {len(train):,} training windows",
                "lower scenario.domain_shots, or take all with null",
            )
        drawn = generator(self.seed, "scenario", "windows").permutation(train)[:count]
        text = f"ratings of {count:,} of {len(train):,} training windows, targets and own histories"
        return np.unique(listed.rows(drawn)), listed.pool(drawn), text


def _of_users(dataset: Dataset, listed: Listed, held: IntArray) -> tuple[IntArray, TaskPool, str]:
    """Return all rows of the users who are not ``held``, their windows as tasks, and a sentence."""
    free = ~members(held, dataset.n_users)
    text = f"all ratings of the {int(free.sum()):,} users without a window held out"
    windows = listed.pool(np.flatnonzero(free[listed.user]))
    return np.flatnonzero(free[dataset.interactions.user]), windows, text
