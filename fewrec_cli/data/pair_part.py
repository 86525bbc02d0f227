"""The part of a data set that holds some of its rows."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fewrec_cli.core.errors import DataError
from fewrec_cli.core.types import Facts, Field, IntArray
from fewrec_cli.data.base import Dataset, Note


def within(dataset: Dataset, years: Sequence[int], key: str) -> Dataset:
    """Return the part whose items were released in a span of years; others are left out, counted.

    Args:
        dataset: With years of release.
        years: First and last year.
        key: The config key, for messages.

    Raises:
        DataError: No such span, no years, or fewer than two users or items in it.
    """
    written = f"{key}={list(years)}".replace(" ", "")
    if len(years) != 2 or years[0] > years[1]:
        raise DataError(f"{written} is no span of years", f"write {key}=[FIRST,LAST]")
    if dataset.item_year is None:
        raise DataError(f"{written}: {dataset.name} has no years of release", f"leave {key} out")
    kept = (dataset.item_year >= years[0]) & (dataset.item_year <= years[1])
    part = taken(dataset, np.flatnonzero(kept[dataset.interactions.item]))
    if part.n_users < 2 or part.n_items < 2:
        raise DataError(
            f"{written} leaves {part.n_items:,} of {dataset.n_items:,} items "
            f"and {part.n_users:,} of {dataset.n_users:,} users",
            "widen the span",
        )
    gone = len(dataset.interactions) - len(part.interactions)
    text = f"rows of items not released from {years[0]} to {years[1]}: left out"
    return replace(part, notes=(*part.notes, Note("years", gone, text)))


def taken(dataset: Dataset, rows: IntArray) -> Dataset:
    """Return some rows, with the users and items that have one, numbered anew."""
    found = dataset.interactions.take(rows)
    users, user = np.unique(found.user, return_inverse=True)
    items, item = np.unique(found.item, return_inverse=True)
    several = [
        None if texts is None else tuple(texts[row] for row in items.tolist())
        for texts in (dataset.item_text, dataset.item_title)
    ]
    user_text = dataset.user_text
    return replace(
        dataset,
        interactions=replace(found, user=user.astype(np.int64), item=item.astype(np.int64)),
        user_ids=dataset.user_ids[users],
        item_ids=dataset.item_ids[items],
        user_fields=tuple(_rows_of(field, users) for field in dataset.user_fields),
        item_fields=tuple(_rows_of(field, items) for field in dataset.item_fields),
        item_year=None if dataset.item_year is None else dataset.item_year[items],
        item_text=several[0],
        item_title=several[1],
        user_text=None if user_text is None else tuple(user_text[row] for row in users.tolist()),
        item_facts=_facts_of(dataset.item_facts, items),
        user_facts=_facts_of(dataset.user_facts, users),
        oracle=None if dataset.oracle is None else dataset.oracle[np.ix_(users, items)],
    )


def _facts_of(facts: Facts, rows: IntArray) -> Facts:
    """Return the facts of some rows."""
    return {name: tuple(texts[row] for row in rows.tolist()) for name, texts in facts.items()}


def _rows_of(field: Field, rows: IntArray) -> Field:
    """Return the bags of some rows; the vocabulary stays whole."""
    counts = np.diff(field.offsets)[rows]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    within_bag = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts)
    entries = np.repeat(field.offsets[rows], counts) + within_bag
    return replace(field, offsets=offsets, index=field.index[entries], weight=field.weight[entries])
