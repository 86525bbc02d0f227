"""TaNP's protocol: a few ratings of a new user are known, and all of its others are ranked."""

from dataclasses import replace
from typing import Unpack

import numpy as np

from fewrec_cli.core.errors import ConfigError, FewrecError
from fewrec_cli.core.types import BoolArray
from fewrec_cli.data.base import Dataset, Note
from fewrec_cli.scenario.bags import members
from fewrec_cli.scenario.base import Episodes, Scenario, Split, TaskPool
from fewrec_cli.scenario.episode import draw_rest
from fewrec_cli.scenario.holdout import Train, task_rows
from fewrec_cli.scenario.people import notes_on, share_faults, split_people
from fewrec_cli.scenario.pool import Cut, make_split
from fewrec_cli.scenario.rules import TaskRules, TaskWords, adopt, raise_faults


class TaNP(Scenario):
    """All users are split at random; ratings of items that no training user has are dropped.

    The support has the same size in every task, and the query is the rest, so that lists differ
    in length. The bounds on a user's ratings hold after the dropping.

    Args:
        train: ``tasks`` trains on users within the bounds, ``all`` on every training user.
        support: Support rows that are drawn of each task.
        fraction: Share of the test users.
        seed: Decides the split and every draw.
        shots: Support size of the headline row, at most ``support``.
        query: Query interactions per task at least.
        min_interactions: Rows a task needs, or None for support + query.
        validation: Share of the validation users, or None.
        **task: The other words of every scenario; see ``TaskWords``.

    Raises:
        FewrecError: A value is out of range; several are reported together.

    Source:
        Lin et al., "Task-adaptive Neural Process for User Cold-Start Recommendation", WWW 2021;
        github.com/IIEdm/TaNP at 994f2a2, ``utils/loader.py``. Departures: validation users, whom
        the code sets aside and never reads, choose the step; validation tasks lose unseen items
        as test tasks do. The paper's order of users was not published, so the split is ours.
    """

    def __init__(
        self,
        *,
        train: Train,
        support: int,
        fraction: float,
        **task: Unpack[TaskWords],
    ) -> None:
        self.train = train
        self.support = support
        self.fraction = fraction
        least = task["min_interactions"]
        least = support + task["query"] if least is None else least
        self.rules = replace(TaskRules(**task), min_interactions=least)
        faults = [*share_faults(fraction, self.rules.validation), *self.rules.faults()]
        raise_faults([*faults, *self._support_faults()])
        adopt(self, self.rules)

    @property
    def query_word(self) -> str:
        """The query is what the support leaves."""
        return f"rest({self.query}+)"

    def _support_faults(self) -> list[FewrecError]:
        support, rules = self.support, self.rules
        found: list[FewrecError] = []
        if support < 1:
            found.append(ConfigError(f"scenario.support={support} is too small", "give 1 or more"))
        beyond = [n for n in (rules.shots, *rules.curve) if isinstance(n, int) and n > support]
        if beyond:
            found.append(
                ConfigError(
                    f"scenario.shots and scenario.curve ask for {beyond[0]} support rows, and "
                    f"scenario.support={support} are drawn",
                    "lower them, or raise scenario.support",
                )
            )
        if rules.needed < support + rules.query:
            found.append(
                ConfigError(
                    f"scenario.min_interactions={rules.needed} is below scenario.support={support} "
                    f"+ scenario.query={rules.query}",
                    "raise it, or take scenario.min_interactions=null",
                )
            )
        return found

    def split(self, dataset: Dataset) -> Split:
        """Split the users and drop what training users have never rated from the others' tasks."""
        user, item = dataset.interactions.user, dataset.interactions.item
        people = split_people(
            np.unique(user),
            dataset.n_users,
            fraction=self.fraction,
            validation=self.rules.validation,
            seed=self.seed,
        )
        everything = people.train[user]
        known = members(item[everything], dataset.n_items)[item]
        train = everything if self.train == "all" else task_rows(dataset, everything, self.rules)
        seen = members(user[train], dataset.n_users)
        notes = (
            *notes_on(people, seen, dataset, f"seed {self.seed}"),
            *_unseen(people.valid[user] & ~known, "validation"),
            *_unseen(people.test[user] & ~known, "test"),
        )
        valid, test = (np.flatnonzero(group[user] & known) for group in (people.valid, people.test))
        cut = Cut(np.flatnonzero(train), valid, test, notes)
        return make_split(dataset, cut, self.rules, history=False)

    def draw(self, pool: TaskPool, number: int) -> Episodes:
        """Draw the support of every task; the rest is its query."""
        return draw_rest(pool, number, support=self.support, seed=self.seed)


def _unseen(rows: BoolArray, group: str) -> tuple[Note, ...]:
    """Count the ratings of items that no training user has rated."""
    if not rows.any():
        return ()
    text = f"ratings of {group} users for items that no training user has rated: dropped"
    return (Note("unseen items", int(rows.sum()), text),)
