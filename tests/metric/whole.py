"""Score tasks that fit into memory together, as most tests have them."""

from typing import Any

from fewrec_cli.metric.base import RankedLists, RatedQueries
from fewrec_cli.metric.evaluate import PerTask, gather, score_block


def score_tasks(lists: RankedLists, rated: RatedQueries | None, **words: Any) -> PerTask:
    """Compute every metric of one row on one draw: one block; words as in ``score_block``."""
    return gather([score_block(lists, rated, **words)])
