"""Training, validation and test rows of a given split: validation resembles the test."""

from typing import Literal

import numpy as np

from fewrec_cli.core.seeding import generator
from fewrec_cli.core.types import BoolArray
from fewrec_cli.data.base import Dataset, Note
from fewrec_cli.scenario.bags import members
from fewrec_cli.scenario.pool import Cut
from fewrec_cli.scenario.rules import TaskRules

State = Literal["user_cold", "item_cold", "both_cold", "warm"]
Train = Literal["all", "tasks"]


def task_rows(dataset: Dataset, rows: BoolArray, rules: TaskRules) -> BoolArray:
    """Return the rows of users who have neither too few nor too many of them, ``(n,)``.

    Args:
        dataset: Whose rows they are.
        rows: Which rows count, ``(n,)``.
        rules: Bounds of a task.
    """
    user = dataset.interactions.user
    counts = np.bincount(user[rows], minlength=dataset.n_users)
    fits = counts >= rules.needed
    if rules.max_interactions is not None:
        fits &= counts <= rules.max_interactions
    return np.asarray(rows & fits[user])


def cut_like(
    dataset: Dataset,
    train: BoolArray,
    test: BoolArray,
    like: State,
    rules: TaskRules,
    notes: tuple[Note, ...],
) -> Cut:
    """Hold a share of the training rows out as validation tasks that resemble the test tasks.

    ``user_cold`` holds out users, ``item_cold`` the newest items, ``both_cold`` both, leaving
    aside rows of mixed kind; ``warm`` a share of each user's rows.

    Args:
        dataset: Whose rows they are.
        train: Rows of the training state, ``(n,)``.
        test: Rows of the tested state, ``(n,)``.
        like: Which state the test tasks are of.
        rules: Gives seed and share (``validation``).
        notes: What is known of the split so far.
    """
    share = rules.validation or 0.0
    user, item = dataset.interactions.user, dataset.interactions.item
    users, items = (
        _users(dataset, train, rules.seed, share),
        _newest(dataset, train, rules.seed, share),
    )
    nobody = np.zeros(len(user), dtype=bool)
    by_user = users[user] if like in ("user_cold", "both_cold") else nobody
    by_item = items[item] if like in ("item_cold", "both_cold") else nobody
    if like == "warm":
        valid = train & (generator(rules.seed, "scenario", "rows").random(len(user)) < share)
        seen = train & ~valid
    else:
        valid = train & (by_user & by_item if like == "both_cold" else by_user | by_item)
        seen = train & ~by_user & ~by_item
    notes = (*notes, *_notes(dataset, valid, train & ~valid & ~seen, like))
    return Cut(np.flatnonzero(seen), np.flatnonzero(valid), np.flatnonzero(test), notes)


def _notes(dataset: Dataset, valid: BoolArray, mixed: BoolArray, like: State) -> tuple[Note, ...]:
    if not valid.any():
        return ()
    user, item = dataset.interactions.user[valid], dataset.interactions.item[valid]
    text = f"ratings held out for validation like {like}: {len(np.unique(user)):,} users, "
    text += f"{len(np.unique(item)):,} items"
    held = Note("validation", int(valid.sum()), text)
    if not mixed.any():
        return (held,)
    return (held, Note("set aside", int(mixed.sum()), "ratings of a validation user or item alone"))


def _users(dataset: Dataset, rows: BoolArray, seed: int, share: float) -> BoolArray:
    """Choose a share of the users at random, ``(n_users,)``."""
    found = np.unique(dataset.interactions.user[rows])
    order = generator(seed, "scenario", "user").permutation(found)
    return members(order[: round(share * len(found))], dataset.n_users)


def _newest(dataset: Dataset, rows: BoolArray, seed: int, share: float) -> BoolArray:
    """Choose the newest share of the items, at random where years are equal or unknown."""
    found = np.unique(dataset.interactions.item[rows])
    order = generator(seed, "scenario", "item").permutation(found)
    if dataset.item_year is not None:
        order = order[np.argsort(-dataset.item_year[order], kind="stable")]
    return members(order[: round(share * len(found))], dataset.n_items)
