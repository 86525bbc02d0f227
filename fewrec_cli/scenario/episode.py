"""Drawing: which rows of a task are its support, which are its query."""

import hashlib
from collections.abc import Sequence

import numpy as np

from fewrec_cli.core.seeding import generator
from fewrec_cli.core.types import BoolArray, IdArray, IntArray
from fewrec_cli.data.base import Dataset
from fewrec_cli.scenario.bags import pad, places
from fewrec_cli.scenario.base import Episodes, TaskPool


def draw_episodes(pool: TaskPool, number: int, *, query: int, seed: int) -> Episodes:
    """Put each task's rows in random order; the first ``query`` are the query, the rest support.

    A row's place depends on ``seed``, ``number`` and the row alone, so that the draw of a task
    does not change with the other tasks in the pool: a laxer ``min_interactions`` adds tasks and
    leaves the others as they were.

    Args:
        pool: Tasks of one split, each with at least ``query`` rows.
        number: Number of the draw.
        query: Query rows per task.
        seed: The scenario's seed.
    """
    table = pad(pool.offsets, _in_random_order(pool, number, seed))
    return Episodes(
        draw=number,
        user=pool.user,
        support=table[:, query:],
        query=table[:, :query],
        history=pool.padded_history,
    )


def draw_rest(pool: TaskPool, number: int, *, support: int, seed: int) -> Episodes:
    """Put each task's rows in random order; the first ``support`` are the support, the rest query.

    The order is that of ``draw_episodes``; queries differ in length and are padded.

    Args:
        pool: Tasks of one split, each with more than ``support`` rows.
        number: Number of the draw.
        support: Support rows per task.
        seed: The scenario's seed.
    """
    table = pad(pool.offsets, _in_random_order(pool, number, seed))
    return Episodes(
        draw=number,
        user=pool.user,
        support=table[:, :support],
        query=table[:, support:],
        history=pool.padded_history,
    )


def _in_random_order(pool: TaskPool, number: int, seed: int) -> IntArray:
    """Return the pool's rows, each task's in the order of a random key of the row, ``(n,)``."""
    reach = int(pool.rows.max(initial=-1)) + 1
    key = generator(seed, "draw", number).random(reach)[pool.rows]
    task, _ = places(pool.offsets)
    return pool.rows[np.lexsort((key, task))]


def episodes_in_order(pool: TaskPool, number: int, *, query: int) -> Episodes:
    """Take the last ``query`` rows of each task as its query, the rest in their order as support.

    Args:
        pool: Tasks of one split whose rows stand in a published order, query last.
        number: Number of the draw.
        query: Query rows per task.
    """
    task, position = places(pool.offsets)
    later = position >= np.diff(pool.offsets)[task] - query
    table = pad(pool.offsets, pool.rows[np.lexsort((position, ~later, task))])
    return Episodes(
        draw=number,
        user=pool.user,
        support=table[:, query:],
        query=table[:, :query],
        history=pool.padded_history,
    )


def episode_hash(episodes: Sequence[Episodes]) -> str:
    """Return the sha256 of all draws: same users, supports in the same order, same queries."""
    digest = hashlib.sha256()
    for drawn in episodes:
        for array in (drawn.user, drawn.support, drawn.query, drawn.history):
            digest.update(f"{drawn.draw} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array, dtype="<i8").tobytes())
    return digest.hexdigest()


def episode_table(dataset: Dataset, episodes: Sequence[Episodes]) -> dict[str, IdArray]:
    """Return the draws as the columns of ``episodes.parquet``, ids as found in the files.

    Columns: draw, task (position in ``Episodes.user``), role (``support`` or ``query``), position
    (the first n of the support are the n-shot support), user_id, item_id, rating (stars).
    """
    parts = [
        _role_columns(dataset, drawn, role) for drawn in episodes for role in ("support", "query")
    ]
    names = ("draw", "task", "role", "position", "user_id", "item_id", "rating")
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def _role_columns(dataset: Dataset, drawn: Episodes, role: str) -> dict[str, IdArray]:
    table = drawn.support if role == "support" else drawn.query
    present: BoolArray = table >= 0
    task, position = np.nonzero(present)
    rows = table[present]
    return {
        "draw": np.full(len(rows), drawn.draw, dtype=np.int64),
        "task": task,
        "role": np.full(len(rows), role, dtype=object),
        "position": position,
        "user_id": dataset.user_ids[dataset.interactions.user[rows]],
        "item_id": dataset.item_ids[dataset.interactions.item[rows]],
        "rating": dataset.interactions.rating[rows],
    }
