"""The leak check: made on every run from the drawn rows themselves, not from how they were made."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from fewrec_cli.core.errors import RunError
from fewrec_cli.core.types import BoolArray, IntArray
from fewrec_cli.data.base import Dataset
from fewrec_cli.scenario.bags import members, pad
from fewrec_cli.scenario.base import Episodes, Split, TaskPool


@dataclass(frozen=True)
class LeakReport:
    """What was checked, and how many violations were found (a finished run has none).

    Where a row belongs to one task, no query row of a draw may be a support row of any task. In
    windows (``TaskPool.fixed_query``) it is in the support of later windows of the same user, so
    that each is held to its own: its support lies before its query and shares no row with it. Rows
    that all tasks share as their support (``TaskPool.shared``) are another user's, and stand once
    in each.

    Attributes:
        draws: Draws checked, validation draws included.
        tasks: Tasks checked, summed over draws.
        support_rows: Support rows checked, summed over draws.
        query_rows: Query rows checked, summed over draws.
        support_in_query: Support rows whose (user, item) pair is in a query of the same draw; of
            windows: in the query of the same task.
        history_in_query: History rows, likewise.
        query_in_train: Query rows whose pair pretraining sees.
        repeated: Rows whose pair stands a second time among the supports, or queries, of a draw;
            of windows: in the support of the same task, or among the queries.
        foreign: Rows that belong to another user than their task's, shared support rows apart.
        late: Support rows of windows that are later than a query row of the same task.
        shared: Pairs that are in two of training, validation and test; of windows: as queries in
            the latter two.
    """

    draws: int
    tasks: int
    support_rows: int
    query_rows: int
    support_in_query: int
    history_in_query: int
    query_in_train: int
    repeated: int
    foreign: int
    late: int
    shared: int

    def violations(self) -> dict[str, int]:
        """Return the counts that are not zero and must be."""
        checked = ("draws", "tasks", "support_rows", "query_rows")
        return {name: n for name, n in asdict(self).items() if n and name not in checked}


def check_leaks(dataset: Dataset, split: Split, episodes: Sequence[Episodes]) -> LeakReport:
    """Check that nothing a task is scored on was seen in pretraining or in adaptation.

    Args:
        dataset: The data that the rows are numbers into.
        split: The cut of the run.
        episodes: Every draw used for the table or for choosing anything.

    Raises:
        RunError: Any violation.
    """
    pair, n_pairs = _pair_numbers(dataset)
    train = members(pair[split.train], n_pairs)
    counts = Counter[str]()
    for drawn in episodes:
        counts.update(_check_draw(dataset, drawn, pair, train, split.test))
    parts = [train, *(members(pair[_own(p)], n_pairs) for p in (split.valid, split.test))]
    several = int((np.sum(parts, axis=0) > 1).sum())
    report = LeakReport(draws=len(episodes), shared=several, **counts)
    broken = report.violations()
    if broken:
        found = ", ".join(f"{name}: {count:,}" for name, count in broken.items())
        raise RunError(
            f"the tasks leak ({found})",
            "the figures would not be honest; this is a fault of the scenario, please report it",
        )
    return report


def _pair_numbers(dataset: Dataset) -> tuple[IntArray, int]:
    """Number the (user, item) pairs, so that a doubled row cannot hide behind its row number.

    Returns:
        The pair of each row of the data, ``(n,)``, and the number of pairs.
    """
    rows = dataset.interactions
    found, pair = np.unique(rows.user * dataset.n_items + rows.item, return_inverse=True)
    return pair.astype(np.int64), len(found)


def _own(pool: TaskPool) -> IntArray:
    """Return the rows that belong to the pool's tasks alone: of windows, their queries."""
    if not pool.fixed_query or not len(pool):
        return pool.rows
    return pad(pool.offsets, pool.rows)[:, -pool.fixed_query :].ravel()


def _check_draw(
    dataset: Dataset, drawn: Episodes, pair: IntArray, train: BoolArray, test: TaskPool
) -> dict[str, int]:
    """Return the counts of one draw by their name in ``LeakReport``."""
    support, query, history = (
        pair[table[table >= 0]] for table in (drawn.support, drawn.query, drawn.history)
    )
    in_support, in_query = members(support, len(train)), members(query, len(train))
    found = {
        "support_in_query": int(in_query[support].sum()),
        "history_in_query": int(in_query[history].sum()),
        "repeated": len(support) - int(in_support.sum()) + len(query) - int(in_query.sum()),
        "late": 0,
    }
    own = drawn.support
    if test.shared is not None:
        lent = (own >= 0) & members(test.shared, len(pair))[own]
        own = np.where(lent, -1, own)
        found["repeated"] -= _repeats(pair[drawn.support[lent]])
        found["repeated"] += _repeats_within(np.where(lent, pair[drawn.support], -1))
    if test.fixed_query:
        found = _check_windows(dataset, drawn, pair)
        found["repeated"] += len(query) - int(in_query.sum())
    return {
        "tasks": len(drawn),
        "support_rows": len(support),
        "query_rows": len(query),
        "query_in_train": int(train[query].sum()),
        "foreign": sum(
            _foreign(dataset, drawn, table) for table in (own, drawn.query, drawn.history)
        ),
        **found,
    }


def _repeats(pairs: IntArray) -> int:
    """Return how many of the pairs stand there a second time."""
    return len(pairs) - len(np.unique(pairs))


def _repeats_within(table: IntArray) -> int:
    """Return how many pairs stand a second time in a task, -1 being none; ``(tasks, n)``."""
    ascending = np.sort(table, axis=1)
    again = (ascending[:, 1:] == ascending[:, :-1]) & (ascending[:, 1:] >= 0)
    return int(again.sum())


def _check_windows(dataset: Dataset, drawn: Episodes, pair: IntArray) -> dict[str, int]:
    """Return the counts within each task; a support row may be another task's query."""

    def pairs(table: IntArray, padding: int) -> IntArray:
        return np.where(table >= 0, pair[table], padding - 3 * np.arange(table.shape[1]))

    support, query = pairs(drawn.support, -1), pairs(drawn.query, -2)
    history = pairs(drawn.history, -3)
    ascending = np.sort(support, axis=1)
    time = dataset.interactions.timestamp
    late = 0
    if time is not None:
        asked = np.where(drawn.query >= 0, time[drawn.query], np.iinfo(np.int64).max)
        late = int(((drawn.support >= 0) & (time[drawn.support] > asked.min(1)[:, None])).sum())
    return {
        "support_in_query": int((support[:, :, None] == query[:, None]).any(2).sum()),
        "history_in_query": int((history[:, :, None] == query[:, None]).any(2).sum()),
        "repeated": int((ascending[:, 1:] == ascending[:, :-1]).sum()),
        "late": late,
    }


def _foreign(dataset: Dataset, drawn: Episodes, table: IntArray) -> int:
    present = table >= 0
    owner = np.broadcast_to(drawn.user[:, None], table.shape)[present]
    return int((dataset.interactions.user[table[present]] != owner).sum())
