"""From one domain to another: pretrained on a source, tried on users of a target."""

from dataclasses import dataclass, replace
from typing import Literal, Unpack

import numpy as np

from fewrec_cli.core.errors import ConfigError, FewrecError, ScenarioError
from fewrec_cli.core.seeding import generator
from fewrec_cli.core.types import BoolArray, IntArray
from fewrec_cli.data.base import Dataset, Note
from fewrec_cli.scenario.bags import group, members, places
from fewrec_cli.scenario.base import Episodes, Scenario, Split, TaskPool
from fewrec_cli.scenario.episode import draw_episodes
from fewrec_cli.scenario.holdout import cut_like
from fewrec_cli.scenario.pool import Cut, make_split
from fewrec_cli.scenario.rules import TaskRules, TaskWords, adopt, fraction_faults, raise_faults

Train = Literal["source", "target", "both"]
Support = Literal["user", "domain"]
Like = Literal["both_cold", "user_cold"]


LENT = 64
"""Shared rows of a support at least, so that episodes are the same for runs of other curves."""


@dataclass(frozen=True)
class _Sides:
    """Rows of a paired data set by what they are to the tasks, ``(n,)`` each.

    Attributes:
        source: Rows of the source.
        task: Rows of the target whose users are tasks.
        other: Rows of the target whose users are not.
    """

    source: BoolArray
    task: BoolArray
    other: BoolArray


class Migration(Scenario):
    """A share of the target's users are tasks, whatever is trained on; nothing else is the test.

    With ``train=source`` pretraining sees no row of the target. ``train=target`` is the same model
    without the source: it learns from ``known`` ratings of each target user who is no task, and
    each task adapts to as many of its own. ``train=both`` learns from both.

    ``min_interactions`` and ``max_interactions`` bound the tasks of the table; a validation task
    needs one support row.

    With ``support=domain`` the task is the whole domain: all users of the target are adapted to the
    same few ratings, drawn from target users who are no tasks; the curve counts these. Where
    training sees ratings of the target, they are those of the first draw.

    Validation tasks come from the source, as nothing of the target may be chosen on;
    ``train=target`` has no source, so it is given validation users of the target with all their
    ratings. The others do not get these: what is known is known of the same users in all three.

    Args:
        train: What pretraining sees.
        support: Whose ratings the support of a task holds.
        known: Ratings known of each target user who is no task, or of all of them together.
        like: What validation tasks of the source resemble.
        fraction: Share of the target's users that are tasks.
        seed: Decides who is a task, what is known, and every draw.
        validation: Share of users (and newest items) held out for validation tasks, or None.
        **task: The other words of every scenario; see ``TaskWords``.

    Raises:
        FewrecError: A value is out of range; several are reported together.
    """

    def __init__(
        self,
        *,
        train: Train,
        support: Support,
        known: int | Literal["all"],
        like: Like,
        fraction: float,
        **task: Unpack[TaskWords],
    ) -> None:
        self.train = train
        self.support = support
        self.known = known
        self.like = like
        self.fraction = fraction
        self.rules = TaskRules(**task)
        raise_faults(
            [*fraction_faults("fraction", fraction), *self._faults(), *self.rules.faults()]
        )
        adopt(self, self.rules)

    def _faults(self) -> list[FewrecError]:
        found: list[FewrecError] = []
        if self.known != "all" and self.known < 1 and self.train != "source":
            found.append(
                ConfigError(
                    f"scenario.train={self.train} with scenario.known={self.known} leaves "
                    "no rating of the target to train on",
                    "raise scenario.shots (or scenario.known), or take scenario.train=source",
                )
            )
        if self.support == "domain" and "all" in (self.rules.shots, *self.rules.curve):
            found.append(
                ConfigError(
                    "scenario.support=domain cannot adapt to all ratings of the domain",
                    "give whole numbers in scenario.shots and scenario.curve",
                )
            )
        return found

    def split(self, dataset: Dataset) -> Split:
        """Choose the tasks among the target's users, then what is trained on and validated on."""
        sides, note = self._sides(dataset)
        nobody = np.zeros(len(dataset.interactions), dtype=bool)
        others = cut_like(dataset, sides.other, nobody, "user_cold", self.rules, ())
        known = self._known(dataset, others.train)
        cut = replace(others, train=known)
        if self.train != "target":
            cut = cut_like(dataset, sides.source, nobody, self.like, self.rules, ())
        if self.train == "both":
            cut = replace(cut, train=np.union1d(cut.train, known))
        test = np.flatnonzero(sides.task)
        cut = replace(cut, test=test, notes=(note, *cut.notes, *self._told(sides, cut)))
        # Bounds are the target's; histories of the source's few held-out items are short.
        ample = replace(self.rules, shots=1, min_interactions=None, max_interactions=None)
        valid_rules = replace(ample, short_history="drop")
        if self.support == "user":
            return make_split(dataset, cut, self.rules, history=False, valid_rules=valid_rules)
        rules = replace(self.rules, min_interactions=self._least(), shots=0, curve=(0,))
        split = make_split(dataset, cut, rules, history=False, valid_rules=valid_rules)
        return replace(split, test=replace(split.test, shared=self._enough(others.train)))

    def _sides(self, dataset: Dataset) -> tuple[_Sides, Note]:
        if dataset.domain is None:
            raise ScenarioError(
                f"scenario=migration moves from one data set to another, and {dataset.name} is one",
                "take data=pair, e.g. data=pair data/source=movielens data/target=bookcrossing",
            )
        user, target = dataset.interactions.user, dataset.domain == 1
        found = np.unique(user[target])
        order = generator(self.rules.seed, "scenario", "target user").permutation(found)
        chosen = members(order[: round(self.fraction * len(found))], dataset.n_users)
        count = int(chosen.sum())
        text = f"of {len(found):,} users of the target may be tasks "
        text += f"(fraction {self.fraction}, seed {self.rules.seed})"
        mine = target & chosen[user]
        return _Sides(~target, mine, target & ~mine), Note("target users", count, text)

    def _known(self, dataset: Dataset, other: IntArray) -> IntArray:
        """Return the target's rows that training may see: nested for a growing ``known``.

        Args:
            dataset: Whose rows they are.
            other: Rows of target users who are neither tasks nor kept for validation, ``(n,)``.
        """
        if self.known == "all":
            return other
        if self.support == "domain":
            return np.sort(self._lent(other, 0)[: self.known])
        shuffled = generator(self.rules.seed, "scenario", "known").permutation(other)
        user = dataset.interactions.user
        offsets, grouped = group(user, shuffled, np.unique(user[other]))
        _, rank = places(offsets)
        return np.sort(grouped[rank < self.known])

    def _told(self, sides: _Sides, cut: Cut) -> tuple[Note, ...]:
        seen = members(cut.train, len(sides.source))
        source, target = int((seen & sides.source).sum()), int((seen & ~sides.source).sum())
        text = f"rows of the source and {target:,} of the target (scenario.train={self.train})"
        return (Note("pretraining", source, text),)

    def _least(self) -> int:
        """Rows a task needs where its support is not its own."""
        return self.rules.min_interactions or self.query

    def _enough(self, rows: IntArray) -> IntArray:
        most = max(shots for shots in (self.rules.shots, *self.rules.curve) if shots != "all")
        if len(rows) < most:
            raise ScenarioError(
                f"support=domain needs {most:,} ratings of target users who are no tasks, "
                f"and {len(rows):,} are there",
                "lower scenario.shots and scenario.curve, or scenario.fraction",
            )
        return rows

    def draw(self, pool: TaskPool, number: int) -> Episodes:
        """Draw support and query of every task; see ``draw_episodes``."""
        drawn = draw_episodes(pool, number, query=self.query, seed=self.seed)
        if pool.shared is None:
            return drawn
        most = max(LENT, *(shots for shots in (self.shots, *self.curve) if shots is not None))
        lent = self._lent(pool.shared, number)[:most]
        return replace(drawn, support=np.tile(lent, (len(drawn), 1)))

    def _lent(self, rows: IntArray, number: int) -> IntArray:
        """Return the rows in the order in which a draw lends them, the same for all of training."""
        return generator(self.rules.seed, "domain", number).permutation(rows)
