"""Who liked what: items that one user liked, drawn in pairs."""

from dataclasses import dataclass

import numpy as np

from fewrec_cli.core.types import BoolArray, IntArray


@dataclass(frozen=True)
class Liked:
    """Who liked what, for drawing partners.

    Attributes:
        user: Of each row, ``(rows,)``, ascending.
        item: Likewise.
        start: Where each user's rows begin, ``(users + 1,)``.
        by_item: Rows in the order of their items, ``(rows,)``.
        item_start: Where each item's begin there, ``(items + 1,)``.
    """

    user: IntArray
    item: IntArray
    start: IntArray
    by_item: IntArray
    item_start: IntArray

    @classmethod
    def of(cls, user: IntArray, item: IntArray, n_users: int, n_items: int) -> "Liked":
        """Lay out rows by user and by item; users with one row have no pair and are left out."""
        several = np.bincount(user, minlength=n_users)[user] > 1
        user, item = user[several], item[several]
        order = np.lexsort((item, user))
        user, item = user[order], item[order]
        return cls(
            user,
            item,
            np.searchsorted(user, np.arange(n_users + 1)),
            np.argsort(item, kind="stable"),
            np.searchsorted(np.sort(item), np.arange(n_items + 1)),
        )

    def draw(self, rng: np.random.Generator) -> tuple[IntArray, IntArray, IntArray]:
        """Draw one pair for each item that somebody liked beside another, in random order.

        Each item counts alike, however popular; its partner is another item that a random one of
        its users liked.

        Returns:
            Item, partner and user of each pair.
        """
        counts = np.diff(self.item_start)
        anchors = rng.permutation(np.flatnonzero(counts))
        row = self.by_item[self.item_start[anchors] + rng.integers(counts[anchors])]
        user = self.user[row]
        first, size = self.start[user], np.diff(self.start)[user]
        other = first + (row - first + rng.integers(1, size)) % size
        return anchors, self.item[other], user

    def likes(self, user: IntArray, item: IntArray) -> BoolArray:
        """Return whether each of ``user (n,)`` liked each of ``item (m,)``, ``(n, m)``."""
        width = len(self.item_start)
        keys = self.user * width + self.item
        asked = user[:, None] * width + item
        place = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
        found: BoolArray = np.equal(keys[place], asked)
        return found
