"""Users and items that were never seen: cold users' rows on cold items become tasks."""

from typing import Literal, Unpack

import numpy as np

from fewrec_cli.data.base import Dataset, Note
from fewrec_cli.scenario.base import Episodes, Scenario, Split, TaskPool
from fewrec_cli.scenario.cold import ColdChoice, Groups
from fewrec_cli.scenario.episode import draw_episodes
from fewrec_cli.scenario.pool import Cut, make_split
from fewrec_cli.scenario.rules import TaskRules, TaskWords, adopt, raise_faults


class BothCold(Scenario):
    """Cold users on cold items; pretraining sees warm users on warm items.

    Validation tasks are held-out users on held-out items. All other rows, e.g. a cold user's on
    warm items, are set aside and counted.

    Args:
        users_by: What decides who is cold.
        items_by: What decides which items are cold.
        fraction: Share of cold users and of cold items, in (0, 1); read on each side where
            ``users_by`` or ``items_by`` is ``fraction``.
        year: First cold year of release; read where ``items_by`` is ``year``.
        users: File of cold user ids, one per line; read where ``users_by`` is ``list``.
        items: File of cold item ids, one per line; read where ``items_by`` is ``list``.
        pool: Whether new items also learn from the supports of all tasks of a draw.
        seed: Decides both cold sets and every draw; the run's seed changes none.
        validation: Further share of users and of items held out for validation tasks, or None.
        **task: The other words of every scenario; see ``TaskWords``.

    Raises:
        FewrecError: A value is out of range; several are reported together.
    """

    def __init__(
        self,
        *,
        users_by: Literal["fraction", "list"],
        items_by: Literal["fraction", "year", "list"],
        fraction: float,
        year: int,
        users: str | None,
        items: str | None,
        pool: bool,
        **task: Unpack[TaskWords],
    ) -> None:
        self.pool = pool
        self.rules = TaskRules(**task)
        self.users = ColdChoice(
            side="user",
            key="users_by",
            by=users_by,
            fraction=fraction,
            year=None,
            listed=users,
            validation=task["validation"],
            seed=task["seed"],
        )
        self.items = ColdChoice(
            side="item",
            key="items_by",
            by=items_by,
            fraction=fraction,
            year=year,
            listed=items,
            validation=task["validation"],
            seed=task["seed"],
        )
        raise_faults([*self.users.faults(), *self.items.faults(), *self.rules.faults()])
        adopt(self, self.rules)

    def split(self, dataset: Dataset) -> Split:
        """Hold out rows by user and by item; a row of mixed kind belongs to no part."""
        users, items = self.users.choose(dataset), self.items.choose(dataset)
        user, item = dataset.interactions.user, dataset.interactions.item
        cut = Cut(
            train=np.flatnonzero(users.warm[user] & items.warm[item]),
            valid=np.flatnonzero(users.valid[user] & items.valid[item]),
            test=np.flatnonzero(users.cold[user] & items.cold[item]),
            notes=(*users.notes, *items.notes, _set_aside(dataset, users, items)),
        )
        return make_split(dataset, cut, self.rules, history=False)

    def draw(self, pool: TaskPool, number: int) -> Episodes:
        """Draw support and query of every task; see ``draw_episodes``."""
        return draw_episodes(pool, number, query=self.query, seed=self.seed)


def _set_aside(dataset: Dataset, users: Groups, items: Groups) -> Note:
    user, item = dataset.interactions.user, dataset.interactions.item
    cold_user = int((users.cold[user] & items.warm[item]).sum())
    cold_item = int((users.warm[user] & items.cold[item]).sum())
    used = (
        (users.warm[user] & items.warm[item])
        | (users.valid[user] & items.valid[item])
        | (users.cold[user] & items.cold[item])
    )
    total = int((~used).sum())
    text = (
        f"of {len(user):,} rows, in no part: {cold_user:,} of cold users on warm "
        f"items, {cold_item:,} of warm users on cold items, "
        f"{total - cold_user - cold_item:,} that mix in a validation user or item"
    )
    return Note("set aside", total, text)
