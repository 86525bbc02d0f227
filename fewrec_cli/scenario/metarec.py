"""RecBole-MetaRec's protocol: users with 13 to 100 ratings are tasks, split at random 8:1:1."""

from dataclasses import replace
from typing import Unpack

import numpy as np

from fewrec_cli.core.errors import ConfigError, FewrecError
from fewrec_cli.data.base import Dataset
from fewrec_cli.scenario.bags import members
from fewrec_cli.scenario.base import Episodes, Scenario, Split, TaskPool
from fewrec_cli.scenario.episode import draw_episodes, episodes_in_order
from fewrec_cli.scenario.fold import find_fold
from fewrec_cli.scenario.holdout import Train
from fewrec_cli.scenario.people import notes_on, share_faults, split_people, within_bounds
from fewrec_cli.scenario.pool import Cut, make_split
from fewrec_cli.scenario.rules import TaskRules, TaskWords, adopt, raise_faults


class MetaRec(Scenario):
    """Tasks split by users; pretraining sees the training tasks alone.

    The bounds on a user's ratings decide who is split, so that they also bound training. With
    ``fold`` the users, their roles, supports, queries and positives are those of a given fold;
    ``fraction`` is then not read, and of ``validation`` only whether it is null.

    Args:
        fold: Seed of a given fold of MovieLens 100K, or None for a split by ``seed``.
        train: ``tasks`` trains on users within the bounds, ``all`` on everyone who is neither
            tested nor validates.
        files: Folder to look in first for the folds' table, then ``FEWREC_DATA`` and ``data/``.
        fraction: Share of the test users.
        seed: Decides the split and every draw.
        draws: Draws of support and query; a given fold has one.
        min_interactions: Rows a user needs, or None for shots + query.
        max_interactions: Rows a user has at most, or None.
        validation: Share of the validation users, or None.
        **task: The other words of every scenario; see ``TaskWords``.

    Raises:
        FewrecError: A value is out of range; several are reported together.

    Source:
        github.com/nuster1128/RecBole-MetaRec at 8627f14. Its split, never published, is by a seed
        of theirs.
    """

    def __init__(
        self,
        *,
        fold: int | None,
        train: Train,
        files: str | None,
        fraction: float,
        **task: Unpack[TaskWords],
    ) -> None:
        self.fold = fold
        self.train = train
        self.files = files
        self.fraction = fraction
        self.rules = TaskRules(**task)
        faults = [*share_faults(fraction, self.rules.validation), *self.rules.faults()]
        raise_faults([*faults, *self._fold_faults()])
        adopt(self, self.rules)

    def _fold_faults(self) -> list[FewrecError]:
        if self.fold is None or self.rules.draws == 1:
            return []
        return [
            ConfigError(
                f"scenario.draws={self.rules.draws} of scenario.fold={self.fold}, whose support "
                "and query are given",
                "take scenario.draws=1, or scenario.fold=null",
            )
        ]

    def split(self, dataset: Dataset) -> Split:
        """Split the users, or look up the given fold."""
        return self._given(dataset) if self.fold is not None else self._at_random(dataset)

    def _at_random(self, dataset: Dataset) -> Split:
        among, notes = within_bounds(dataset, self.rules)
        people = split_people(
            among,
            dataset.n_users,
            fraction=self.fraction,
            validation=self.rules.validation,
            seed=self.seed,
        )
        seen = people.train if self.train == "tasks" else ~(people.test | people.valid)
        user = dataset.interactions.user
        train, valid, test = (
            np.flatnonzero(group[user]) for group in (seen, people.valid, people.test)
        )
        notes = (*notes, *notes_on(people, seen, dataset, f"seed {self.seed}"))
        return make_split(dataset, Cut(train, valid, test, notes), self.rules, history=False)

    def _given(self, dataset: Dataset) -> Split:
        assert self.fold is not None, "split() asks for a given fold only"
        fold = find_fold(dataset, self.fold, self.files, self.query)
        train = fold.train
        if self.train == "all":
            held = members(np.concatenate([fold.valid, fold.test]), len(dataset.interactions))
            user = dataset.interactions.user
            train = np.flatnonzero(~np.isin(user, np.unique(user[held])))
        cut = Cut(train, fold.valid, fold.test, fold.notes)
        split = make_split(dataset, cut, self.rules, history=False)
        return replace(split, preferred=fold.preferred)

    def draw(self, pool: TaskPool, number: int) -> Episodes:
        """Draw support and query of every task, or take those of the given fold."""
        if self.fold is not None:
            return episodes_in_order(pool, number, query=self.query)
        return draw_episodes(pool, number, query=self.query, seed=self.seed)
