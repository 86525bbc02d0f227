"""Orders of rows in which a publisher's files list the ratings that the data holds in another."""

import numpy as np

from fewrec_cli.core.errors import DataError, ScenarioError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.core.types import IntArray
from fewrec_cli.data.base import Dataset, Note
from fewrec_cli.data.files import READ_AGAIN, DataFile, Wanted, require

UA = Wanted("MovieLens 100k", ("ml-100k.zip",), ("ml-100k",), ("ua.base", "ua.test"))
COLUMNS = 4
"""User, item, rating, timestamp."""
OTHERWISE = "or shuffle the data's own order with scenario.order=data"


def order_of_ua(dataset: Dataset, folder: str | None) -> tuple[IntArray, Note]:
    """Return the rows of the data in the order of ``ua.base``, then ``ua.test``.

    Args:
        dataset: MovieLens 100K with the ids of the original files.
        folder: Where to look first, before ``FEWREC_DATA`` and ``data/``; or None.

    Returns:
        Rows of ``Dataset.interactions``, ``(n,)``, and what was read.

    Raises:
        DataError: The files are nowhere, or broken.
        ScenarioError: They list other ratings than the data holds.
    """
    found = require(UA, folder, f"put it there, {OTHERWISE}")
    listed = np.concatenate([_pairs(found.files[name]) for name in UA.members])
    rows = dataset.interactions
    if dataset.user_ids.dtype != np.int64 or dataset.item_ids.dtype != np.int64:
        raise ScenarioError(
            f"ua.base lists whole numbers, and the ids of {dataset.name} are others",
            f"take the data it was made of: data=movielens data.version=100k, {OTHERWISE}",
        )
    pairs = dataset.user_ids[rows.user] << 32 | dataset.item_ids[rows.item]
    ascending = np.argsort(pairs, kind="stable")
    place = np.minimum(np.searchsorted(pairs[ascending], listed), len(pairs) - 1)
    order: IntArray = ascending[place]
    known = int((pairs[order] == listed).sum())
    if known < len(listed) or len(listed) != len(rows) or len(np.unique(order)) < len(order):
        raise ScenarioError(
            f"ua.base and ua.test list {len(listed):,} ratings, {known:,} of them among the "
            f"{len(rows):,} of {dataset.name}",
            f"take the data they were made of: data=movielens data.version=100k, {OTHERWISE}",
        )
    text = f"rows in the order of ua.base and ua.test, {found.note.text}"
    return order, Note("order", len(order), text)


def _pairs(file: DataFile) -> IntArray:
    """Return user and item of each line as one number, ``(lines,)``."""
    content = file.read(Reporter(quiet=True)).split()
    try:
        table = np.array(content, dtype=np.int64).reshape(-1, COLUMNS)
    except ValueError as fault:
        raise DataError(
            f"{file.label} does not hold {COLUMNS} whole numbers a line", READ_AGAIN
        ) from fault
    return np.asarray(table[:, 0] << 32 | table[:, 1])
