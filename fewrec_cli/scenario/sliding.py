"""Windows over each user's ratings in order of time: where they lie, and the tasks they make."""

from dataclasses import dataclass

import numpy as np

from fewrec_cli.core.grouping import order_by_history
from fewrec_cli.core.types import BoolArray, IntArray
from fewrec_cli.data.base import Dataset
from fewrec_cli.scenario.base import TaskPool
from fewrec_cli.scenario.pool import NO_ROWS


@dataclass(frozen=True)
class Listed:
    """All windows of a data set, by the place of their first query rating.

    Users stand in order of their first row in the file, each one's ratings in order of time (equal
    times in file order), and so do the windows.

    Attributes:
        order: Rows of the data in that order, ``(rows,)``.
        target: Places in ``order`` of each window's first query rating, ascending, ``(windows,)``.
        user: The user of each window, ``(windows,)``.
        shots: Support ratings of a window.
        query: Query ratings of a window.
    """

    order: IntArray
    target: IntArray
    user: IntArray
    shots: int
    query: int

    def __len__(self) -> int:
        return len(self.target)

    def rows(self, which: IntArray) -> IntArray:
        """Return some windows' rows: support, newest first, then query, ``(n, shots + query)``."""
        steps = np.concatenate([-1 - np.arange(self.shots), np.arange(self.query)])
        found: IntArray = self.order[self.target[which][:, None] + steps]
        return found

    def pool(self, which: IntArray) -> TaskPool:
        """Make one task of each of some windows."""
        none = np.zeros(len(which) + 1, dtype=np.int64)
        return TaskPool(
            user=self.user[which],
            offsets=np.arange(len(which) + 1) * (self.shots + self.query),
            rows=self.rows(which).ravel(),
            history=NO_ROWS,
            history_offsets=none,
            fixed_query=self.query,
        )


def list_windows(dataset: Dataset, fits: BoolArray, shots: int, query: int) -> Listed:
    """List the windows of all users that fit, ``(n_users,)``: one at every ``query``-th rating."""
    rows = dataset.interactions
    owner = _appearance(dataset)[rows.user]
    order = order_by_history(owner, rows.timestamp, dataset.n_users)
    user = rows.user[order]
    counts = np.bincount(owner, minlength=dataset.n_users)
    at = np.arange(len(order)) - (np.cumsum(counts) - counts)[owner[order]]
    first = fits[user] & (at >= shots) & ((at - shots) % query == 0)
    first &= at + query <= dataset.rows_per_user()[user]
    target = np.flatnonzero(first)
    return Listed(order, target, user[target], shots, query)


def _appearance(dataset: Dataset) -> IntArray:
    """Return each user's place in order of first appearance in the file, ``(n_users,)``."""
    user = dataset.interactions.user
    first = np.full(dataset.n_users, len(user))
    np.minimum.at(first, user, np.arange(len(user)))
    place = np.empty(dataset.n_users, np.int64)
    place[np.argsort(first, kind="stable")] = np.arange(dataset.n_users)
    return place
