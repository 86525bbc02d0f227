"""Nobody is new: a part of each user's rows is held out of training and becomes the task."""

from typing import Unpack

import numpy as np

from fewrec_cli.core.seeding import generator
from fewrec_cli.core.types import IntArray
from fewrec_cli.data.base import Dataset, Note
from fewrec_cli.scenario.bags import group, places
from fewrec_cli.scenario.base import Episodes, Scenario, Split, TaskPool
from fewrec_cli.scenario.episode import draw_episodes
from fewrec_cli.scenario.pool import Cut, make_split
from fewrec_cli.scenario.rules import TaskRules, TaskWords, adopt, fraction_faults, raise_faults


class Warm(Scenario):
    """Users and items are known; support and query are both drawn from rows held out by user.

    Args:
        fraction: Share of each user's rows held out for their task, in (0, 1), rounded down.
        history: Whether adaptation also sees the user's rows in training.
        seed: Decides which rows are held out and every draw; the run's seed changes neither.
        validation: Further share of each user's rows, held out for validation tasks, or None.
        **task: The other words of every scenario; see ``TaskWords``.

    Raises:
        FewrecError: A value is out of range; several are reported together.
    """

    def __init__(
        self,
        *,
        fraction: float,
        history: bool,
        **task: Unpack[TaskWords],
    ) -> None:
        self.rules = TaskRules(**task)
        self.fraction = fraction
        self.history = history
        raise_faults([*fraction_faults("fraction", fraction), *self.rules.faults()])
        adopt(self, self.rules)

    def split(self, dataset: Dataset) -> Split:
        """Hold out the same share of every user's rows, at random."""
        part = self._parts(dataset)
        test, valid = np.flatnonzero(part == 2), np.flatnonzero(part == 1)
        total = len(dataset.interactions)
        text = (
            f"of {total:,} rows: {len(test):,} for test tasks and {len(valid):,} for "
            f"validation tasks (fraction {self.fraction} of each user, seed {self.seed})"
        )
        cut = Cut(
            train=np.flatnonzero(part == 0),
            valid=valid,
            test=test,
            notes=(Note("held out", len(test) + len(valid), text),),
        )
        return make_split(dataset, cut, self.rules, history=self.history)

    def _parts(self, dataset: Dataset) -> IntArray:
        """Return 2 for rows of test tasks, 1 for validation, 0 for training, ``(n,)``."""
        rows = dataset.interactions
        shuffled = generator(self.seed, "scenario", "rows").permutation(len(rows))
        offsets, grouped = group(rows.user, shuffled, np.arange(dataset.n_users))
        user, rank = places(offsets)
        counts = np.diff(offsets)[user]
        n_test = np.floor(self.fraction * counts + 1e-9)
        n_valid = np.floor((self.rules.validation or 0.0) * counts + 1e-9)
        part = np.zeros(len(rows), dtype=np.int64)
        part[grouped] = np.select([rank < n_test, rank < n_test + n_valid], [2, 1], 0)
        return part

    def draw(self, pool: TaskPool, number: int) -> Episodes:
        """Draw support and query of every task; see ``draw_episodes``."""
        return draw_episodes(pool, number, query=self.query, seed=self.seed)
