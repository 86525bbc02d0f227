"""Drawing: which rows of a task are its support, which are its query."""

import hashlib
from collections.abc import Sequence

import numpy as np

from fewrec_cli.core.seeding import generator
from fewrec_cli.core.types import BoolArray, IdArray
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
    reach = int(pool.rows.max(initial=-1)) + 1
    key = generator(seed, "draw", number).random(reach)[pool.rows]
    task, _ = places(pool.offsets)
    ordered = pool.rows[np.lexsort((key, task))]
    table = pad(pool.offsets, ordered)
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
        "user_id": dataset.user_ids[drawn.user[task]],
        "item_id": dataset.item_ids[dataset.interactions.item[rows]],
        "rating": dataset.interactions.rating[rows],
    }
