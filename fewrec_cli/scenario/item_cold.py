"""Items that were never seen: existing users' rows on cold items become tasks."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from fewrec_cli.data.base import Dataset
from fewrec_cli.scenario.base import Episodes, Scenario, Split, TaskPool
from fewrec_cli.scenario.cold import ColdChoice
from fewrec_cli.scenario.episode import draw_episodes
from fewrec_cli.scenario.pool import Cut, make_split
from fewrec_cli.scenario.rules import TaskRules, adopt, raise_faults


class ItemCold(Scenario):
    """Cold items by fraction and seed, by year of release, or by list.

    A task is a user with their rows on cold items; their rows on warm items stay in training.
    Validation items are held out in the same way; with ``by=year`` they are the newest warm ones.

    Args:
        by: What decides which items are cold.
        fraction: Share of cold items, in (0, 1); read where ``by`` is ``fraction``.
        year: First cold year of release; read where ``by`` is ``year``.
        items: File of cold item ids, one per line; read where ``by`` is ``list``.
        seed: Decides which items are cold and every draw; the run's seed changes neither.
        shots: Support size of the headline row; 0 is the unadapted score.
        query: Query interactions per task.
        draws: Draws of support and query.
        min_interactions: Rows a task needs, or None for shots + query.
        max_interactions: Rows a task has at most, or None.
        candidates: ``query``, ``sampled:N`` or ``catalogue``.
        curve: Support sizes of the shot curve.
        validation: Further share of items held out for validation tasks, or None.
        short_history: What happens to users below ``min_interactions``.
        history: Whether adaptation also sees the user's rows on warm items.
        pool: Whether new items also learn from the supports of all tasks of a draw.

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
        history: bool,
        pool: bool,
    ) -> None:
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
        self.choice = ColdChoice(
            side="item",
            key="by",
            by=by,
            fraction=fraction,
            year=year,
            listed=items,
            validation=validation,
            seed=seed,
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
