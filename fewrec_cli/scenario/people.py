"""Users split at random into training, validation and test, whoever has enough ratings."""

from dataclasses import dataclass

import numpy as np

from fewrec_cli.core.errors import ConfigError, FewrecError, ScenarioError
from fewrec_cli.core.seeding import generator
from fewrec_cli.core.types import BoolArray, IntArray
from fewrec_cli.data.base import Dataset, Note
from fewrec_cli.scenario.bags import members
from fewrec_cli.scenario.rules import TaskRules, fraction_faults


@dataclass(frozen=True)
class People:
    """Who is trained on, validates and is tested; nobody is in two groups.

    Attributes:
        train: ``(n_users,)``.
        valid: ``(n_users,)``.
        test: ``(n_users,)``.
    """

    train: BoolArray
    valid: BoolArray
    test: BoolArray


def split_people(
    among: IntArray, n_users: int, *, fraction: float, validation: float | None, seed: int
) -> People:
    """Split users at random.

    Args:
        among: Users who are split, ``(n,)``.
        n_users: Users of the data.
        fraction: Share of the test users.
        validation: Share of the validation users, or None.
        seed: The scenario's seed.

    Raises:
        ScenarioError: Nobody would be tested, or nobody would be left to train on.
    """
    order = generator(seed, "scenario", "user").permutation(among)
    test = round(fraction * len(order))
    held = test + round((validation or 0.0) * len(order))
    if not 0 < test <= held < len(order):
        raise ScenarioError(
            f"{len(among):,} users cannot be split into {test:,} test, {held - test:,} validation "
            f"and {len(order) - held:,} training users",
            "give more data, or change scenario.fraction and scenario.validation",
        )
    groups = (order[held:], order[test:held], order[:test])
    return People(*(members(group, n_users) for group in groups))


def share_faults(fraction: float, validation: float | None) -> list[FewrecError]:
    """Return what is wrong with the shares of test and validation users."""
    found = fraction_faults("fraction", fraction)
    if not found and fraction + (validation or 0.0) >= 1.0:
        found.append(
            ConfigError(
                f"scenario.fraction={fraction} and scenario.validation={validation} leave no user "
                "to pretrain on",
                "choose fractions whose sum is below 1",
            )
        )
    return found


def within_bounds(
    dataset: Dataset, rules: TaskRules, what: str = "tasks"
) -> tuple[IntArray, tuple[Note, ...]]:
    """Return the users who have neither too few nor too many ratings, ascending.

    Args:
        dataset: The data.
        rules: The bounds, and what becomes of users below them.
        what: What the others do not get, for the notes.

    Raises:
        ScenarioError: Somebody has too few where ``short_history=error``.
    """
    counts = np.bincount(dataset.interactions.user, minlength=dataset.n_users)
    most = rules.max_interactions
    short = (counts > 0) & (counts < rules.needed)
    long = counts > (counts.max(initial=0) if most is None else most)
    of = f"of {int((counts > 0).sum()):,} users have"
    rows = "interactions" if dataset.implicit else "ratings"
    notes = []
    if short.any():
        text = f"{of} fewer than {rules.needed} {rows}, {rules.reason}"
        if rules.short_history == "error":
            raise ScenarioError(
                f"{int(short.sum()):,} {text}",
                "lower scenario.min_interactions, or drop them with scenario.short_history=drop",
            )
        notes.append(Note("short history", int(short.sum()), f"{text}: no {what}"))
    if long.any():
        text = f"{of} more than {most} {rows} (scenario.max_interactions): no {what}"
        notes.append(Note("long history", int(long.sum()), text))
    return np.flatnonzero((counts > 0) & ~short & ~long), tuple(notes)


def notes_on(people: People, seen: BoolArray, dataset: Dataset, how: str) -> tuple[Note, ...]:
    """Say how many users are in each group, and how many ratings nobody sees.

    Args:
        people: The groups.
        seen: Whose ratings pretraining sees, ``(n_users,)``.
        dataset: The data.
        how: What decided.
    """
    counts = [int(group.sum()) for group in (people.train, people.valid, people.test)]
    parts = " / ".join(f"{count:,}" for count in counts)
    text = f"split {parts} into training, validation and test ({how})"
    aside = int((~(seen | people.valid | people.test))[dataset.interactions.user].sum())
    notes = (Note("users", sum(counts), text),)
    if not aside:
        return notes
    rows = "interactions" if dataset.implicit else "ratings"
    text = f"{rows} of users with too few or too many, not trained on (scenario.train=tasks)"
    return (*notes, Note("set aside", aside, text))
