"""The leak check: made on every run from the drawn rows themselves, not from how they were made."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from fewrec_cli.core.errors import RunError
from fewrec_cli.core.types import BoolArray, IntArray
from fewrec_cli.data.base import Dataset
from fewrec_cli.scenario.bags import members
from fewrec_cli.scenario.base import Episodes, Split


@dataclass(frozen=True)
class LeakReport:
    """What was checked, and how many violations were found (a finished run has none).

    Attributes:
        draws: Draws checked, validation draws included.
        tasks: Tasks checked, summed over draws.
        support_rows: Support rows checked, summed over draws.
        query_rows: Query rows checked, summed over draws.
        support_in_query: Support rows whose (user, item) pair is in a query of the same draw.
        history_in_query: History rows whose pair is in a query of the same draw.
        query_in_train: Query rows whose pair pretraining sees.
        repeated: Rows whose pair stands a second time among the supports, or queries, of a draw.
        foreign: Rows that belong to another user than their task's.
        shared: Rows whose pair is in two of training, validation and test.
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
        counts.update(_check_draw(dataset, drawn, pair, train))
    parts = [train, *(members(pair[p.rows], n_pairs) for p in (split.valid, split.test))]
    shared = int((np.sum(parts, axis=0) > 1).sum())
    report = LeakReport(draws=len(episodes), shared=shared, **counts)
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


def _check_draw(
    dataset: Dataset, drawn: Episodes, pair: IntArray, train: BoolArray
) -> dict[str, int]:
    """Return the counts of one draw by their name in ``LeakReport``."""
    support, query, history = (
        pair[table[table >= 0]] for table in (drawn.support, drawn.query, drawn.history)
    )
    in_support, in_query = members(support, len(train)), members(query, len(train))
    return {
        "tasks": len(drawn),
        "support_rows": len(support),
        "query_rows": len(query),
        "support_in_query": int(in_query[support].sum()),
        "history_in_query": int(in_query[history].sum()),
        "query_in_train": int(train[query].sum()),
        "repeated": len(support) - int(in_support.sum()) + len(query) - int(in_query.sum()),
        "foreign": sum(
            _foreign(dataset, drawn, table) for table in (drawn.support, drawn.query, drawn.history)
        ),
    }


def _foreign(dataset: Dataset, drawn: Episodes, table: IntArray) -> int:
    present = table >= 0
    owner = np.broadcast_to(drawn.user[:, None], table.shape)[present]
    return int((dataset.interactions.user[table[present]] != owner).sum())
