"""Users and items that were never seen: cold users' rows on cold items become tasks."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from fewrec_cli.data.base import Dataset, Note
from fewrec_cli.scenario.base import Episodes, Scenario, Split, TaskPool
from fewrec_cli.scenario.cold import ColdChoice, Groups
from fewrec_cli.scenario.episode import draw_episodes
from fewrec_cli.scenario.pool import Cut, make_split
from fewrec_cli.scenario.rules import TaskRules, adopt, raise_faults


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
        seed: Decides both cold sets and every draw; the run's seed changes none.
        shots: Support size of the headline row; 0 is the unadapted score.
        query: Query interactions per task.
        draws: Draws of support and query.
        min_interactions: Rows a task needs, or None for shots + query.
        max_interactions: Rows a task has at most, or None.
        candidates: ``query``, ``sampled:N`` or ``catalogue``.
        curve: Support sizes of the shot curve.
        validation: Further share of users and of items held out for validation tasks, or None.
        short_history: What happens to users below ``min_interactions``.
        pool: Whether new items also learn from the supports of all tasks of a draw.

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
        seed: int,
        shots: int | Literal["all"],
        query: int,
        draws: int,
        min_interactions: int | None,
        max_interactions: int | None,
        candidates: str,
        curve: Sequence[int | Literal["all"]],
        validation: float | None,
        short_history: Literal["drop", "error"],
        pool: bool,
    ) -> None:
        self.pool = pool
        self.rules = TaskRules(
            seed=seed,
            shots=shots,
            query=query,
            draws=draws,
            min_interactions=min_interactions,
            max_interactions=max_interactions,
            candidates=candidates,
            curve=curve,
            validation=validation,
            short_history=short_history,
        )
        self.users = ColdChoice(
            side="user",
            key="users_by",
            by=users_by,
            fraction=fraction,
            year=None,
            listed=users,
            validation=validation,
            seed=seed,
        )
        self.items = ColdChoice(
            side="item",
            key="items_by",
            by=items_by,
            fraction=fraction,
            year=year,
            listed=items,
            validation=validation,
            seed=seed,
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
