"""Users who were never seen: all rows of cold users become tasks."""

from typing import Literal, Unpack

import numpy as np

from fewrec_cli.core.types import BoolArray
from fewrec_cli.data.base import Dataset
from fewrec_cli.scenario.base import Episodes, Scenario, Split, TaskPool
from fewrec_cli.scenario.cold import ColdChoice
from fewrec_cli.scenario.episode import draw_episodes
from fewrec_cli.scenario.pool import Cut, make_split
from fewrec_cli.scenario.rules import TaskRules, TaskWords, adopt, raise_faults


class UserCold(Scenario):
    """Cold users by fraction and seed, or by list; pretraining sees the other users' rows.

    Args:
        by: What decides who is cold.
        fraction: Share of cold users, in (0, 1); read where ``by`` is ``fraction``.
        users: File of cold user ids, one per line; read where ``by`` is ``list``.
        seed: Decides who is cold and every draw; the run's seed changes neither.
        validation: Further share of users held out as validation tasks, or None.
        **task: The other words of every scenario; see ``TaskWords``.

    Raises:
        FewrecError: A value is out of range; several are reported together.
    """

    def __init__(
        self,
        *,
        by: Literal["fraction", "list"],
        fraction: float,
        users: str | None,
        **task: Unpack[TaskWords],
    ) -> None:
        self.rules = TaskRules(**task)
        self.choice = ColdChoice(
            side="user",
            key="by",
            by=by,
            fraction=fraction,
            year=None,
            listed=users,
            validation=task["validation"],
            seed=task["seed"],
        )
        raise_faults([*self.choice.faults(), *self.rules.faults()])
        adopt(self, self.rules)

    def split(self, dataset: Dataset) -> Split:
        """Hold out all rows of cold and of validation users."""
        users = self.choice.choose(dataset)
        user = dataset.interactions.user
        cut = Cut(
            train=np.flatnonzero(users.warm[user]),
            valid=np.flatnonzero(users.valid[user]),
            test=np.flatnonzero(users.cold[user]),
            notes=users.notes,
        )
        return make_split(dataset, cut, self.rules, history=False)

    def task_users(self, dataset: Dataset) -> BoolArray:
        """Return the cold and the validation users."""
        return ~self.choice.choose(dataset).warm

    def draw(self, pool: TaskPool, number: int) -> Episodes:
        """Draw support and query of every task; see ``draw_episodes``."""
        return draw_episodes(pool, number, query=self.query, seed=self.seed)
