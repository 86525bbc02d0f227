"""What a data set is once read, and what a reader must offer."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np

from fewrec_cli.core.errors import ShapeError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.core.types import Facts, Field, FloatArray, IdArray, IntArray, Interactions, Scale
from fewrec_cli.data.shard import ALONE, Shard


@dataclass(frozen=True)
class SourceFile:
    """One file that was read, as it goes into the manifest.

    Attributes:
        name: File name without its folder.
        size: Bytes.
        sha256: Hex digest of the content.
    """

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Note:
    """Something the reader did that a user must be able to see: dropped, merged, recognised.

    Attributes:
        subject: One or two words, e.g. ``duplicates`` or ``items``.
        count: How many rows (users, items) it concerns.
        text: One line in plain words.
    """

    subject: str
    count: int
    text: str


@dataclass(frozen=True)
class Dataset:
    """A data set in memory: interactions, attributes, and where they come from.

    Attributes:
        name: For tables and folders, e.g. ``movielens-100k``.
        interactions: One row per (user, item) pair, in file order.
        user_ids: Ids as found in the files, ``(n_users,)``.
        item_ids: Ids as found in the files, ``(n_items,)``; every item has at least one row.
        user_fields: Attributes of the users, each ``n_users`` rows long.
        item_fields: Attributes of the items, each ``n_items`` rows long.
        scale: Rating levels, or None for implicit data (all ratings are 1).
        positive: A rating of at least this (stars) counts as liked.
        hash: Hex digest of everything above that a figure depends on.
        item_year: Year of release, 0 where unknown, ``(n_items,)``, or None.
        item_text: One text per item, or None.
        item_title: One title per item, or None.
        user_text: One text per user, or None.
        item_facts: What the reader knows of the items in words, e.g. ``title`` and ``plot``, the
            most telling first, ``(n_items,)`` each.
        user_facts: The same of the users, ``(n_users,)`` each.
        further_facts: Names of the item facts that stand in no text and no attribute.
        domain: 0 for rows of the source and 1 for rows of the target, ``(n,)``; None unless two
            data sets were paired.
        sources: The files that were read.
        notes: What was dropped, merged or recognised.
        oracle: Noise-free planted rating (stars), ``(n_users, n_items)``; generated data only.
        shard: The processes that share the users; a data set in shards holds the ids of all users
            and the rows of its own. Whoever counts over all rows sums with ``shard.total``.
    """

    name: str
    interactions: Interactions
    user_ids: IdArray
    item_ids: IdArray
    user_fields: tuple[Field, ...]
    item_fields: tuple[Field, ...]
    scale: Scale | None
    positive: float
    hash: str
    item_year: IntArray | None = None
    item_text: tuple[str, ...] | None = None
    item_title: tuple[str, ...] | None = None
    user_text: tuple[str, ...] | None = None
    item_facts: Facts = field(default_factory=dict, repr=False)
    user_facts: Facts = field(default_factory=dict, repr=False)
    further_facts: frozenset[str] = frozenset()
    domain: IntArray | None = None
    sources: tuple[SourceFile, ...] = ()
    notes: tuple[Note, ...] = ()
    oracle: FloatArray | None = field(default=None, repr=False)
    shard: Shard = field(default=ALONE, repr=False)

    def __post_init__(self) -> None:
        for side, count in (("user", self.n_users), ("item", self.n_items)):
            for attribute in getattr(self, f"{side}_fields"):
                if len(attribute) != count:
                    raise ShapeError(
                        f"{side} field {attribute.name} has {len(attribute):,} rows for "
                        f"{count:,} {side}s",
                        f"give one row per {side}",
                    )
            for name, texts in getattr(self, f"{side}_facts").items():
                if len(texts) != count:
                    raise ShapeError(
                        f"{side} fact {name} has {len(texts):,} texts for {count:,} {side}s",
                        f"give one text per {side}",
                    )

    @property
    def n_users(self) -> int:
        """Number of users."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """Number of items, the size of the catalogue."""
        return len(self.item_ids)

    @property
    def implicit(self) -> bool:
        """Whether rows only say that an interaction happened."""
        return self.scale is None

    def rows_per_user(self) -> IntArray:
        """Return the number of interactions of each user, ``(n_users,)``."""
        return np.bincount(self.interactions.user, minlength=self.n_users).astype(np.int64)


class DataSource(ABC):
    """A reader: the class behind one yaml of ``configs/data``.

    Constructors take keyword-only arguments, one per key of the yaml, and do no work.

    Attributes:
        sharded: Whether each process reads the rows of its own users.
        process: Which process reads; set before ``load`` by whoever starts several.
    """

    sharded: bool = False
    process: Shard = ALONE

    @abstractmethod
    def load(self, reporter: Reporter) -> Dataset:
        """Read, check and index the data.

        Args:
            reporter: Told of long work (progress) and of nothing else; what was dropped or
                recognised goes into ``Dataset.notes``.

        Returns:
            The data set; the same files give the same result, row for row.

        Raises:
            DataError: A file is missing, broken, or not what the config promises.
        """
