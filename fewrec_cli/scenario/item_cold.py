"""Items that were never seen: existing users' rows on cold items become tasks."""

from typing import Literal, Unpack

import numpy as np

from fewrec_cli.data.base import Dataset
from fewrec_cli.scenario.base import Episodes, Scenario, Split, TaskPool
from fewrec_cli.scenario.cold import ColdChoice
from fewrec_cli.scenario.episode import draw_episodes
from fewrec_cli.scenario.pool import Cut, make_split
from fewrec_cli.scenario.rules import TaskRules, TaskWords, adopt, raise_faults


class ItemCold(Scenario):
    """Cold items by fraction and seed, by year of release, or by list.

    A task is a user with their rows on cold items; their rows on warm items stay in training.
    Validation items are held out in the same way; with ``by=year`` they are the newest warm ones.

    Args:
        by: What decides which items are cold.
        fraction: Share of cold items, in (0, 1); read where ``by`` is ``fraction``.
        year: First cold year of release; read where ``by`` is ``year``.
        items: File of cold item ids, one per line; read where ``by`` is ``list``.
        history: Whether adaptation also sees the user's rows on warm items.
        pool: Whether new items also learn from the supports of all tasks of a draw.
        seed: Decides which items are cold and every draw; the run's seed changes neither.
        validation: Further share of items held out for validation tasks, or None.
        **task: The other words of every scenario; see ``TaskWords``.

    Raises:
        FewrecError: A value is out of range; several are reported together.
    """

    def __init__(
        self,
        *,
        by: Literal["fraction", "year", "list"],
        fraction: float,
        year: int,
        items: str | None,
        history: bool,
        pool: bool,
        **task: Unpack[TaskWords],
    ) -> None:
        self.rules = TaskRules(**task)
        self.choice = ColdChoice(
            side="item",
            key="by",
            by=by,
            fraction=fraction,
            year=year,
            listed=items,
            validation=task["validation"],
            seed=task["seed"],
        )
        self.history = history
        self.pool = pool
        raise_faults([*self.choice.faults(), *self.rules.faults()])
        adopt(self, self.rules)

    def split(self, dataset: Dataset) -> Split:
        """Hold out all rows on cold and on validation items."""
        items = self.choice.choose(dataset)
        item = dataset.interactions.item
        cut = Cut(
            train=np.flatnonzero(items.warm[item]),
            valid=np.flatnonzero(items.valid[item]),
            test=np.flatnonzero(items.cold[item]),
            notes=items.notes,
        )
        return make_split(dataset, cut, self.rules, history=self.history)

    def draw(self, pool: TaskPool, number: int) -> Episodes:
        """Draw support and query of every task; see ``draw_episodes``."""
        return draw_episodes(pool, number, query=self.query, seed=self.seed)
