"""Candidate lists: which items are ranked for a task, in batches of bounded memory."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fewrec_cli.core.errors import ConfigError, ScenarioError
from fewrec_cli.core.seeding import derive_seed
from fewrec_cli.core.types import BoolArray, FloatArray, IntArray
from fewrec_cli.data.base import Dataset, Note
from fewrec_cli.metric.positives import Positives, highest_rated
from fewrec_cli.scenario.bags import group, members
from fewrec_cli.scenario.base import Episodes

BY_THRESHOLD = Positives(None)
CELLS = 2_000_000
"""Entries of a batch's arrays, at most (one task is never split)."""


@dataclass(frozen=True)
class CandidateRule:
    """What ``scenario.candidates`` says.

    Attributes:
        kind: ``query`` ranks the query rows; ``sampled`` adds items the user has no row for;
            ``catalogue`` adds all of them.
        negatives: Number of added items; 0 unless ``sampled``.
    """

    kind: Literal["query", "sampled", "catalogue"]
    negatives: int


@dataclass(frozen=True)
class CandidateBatch:
    """Candidates of consecutive tasks; the same for every number of shots.

    Columns ``:query_columns`` are the query rows in their order. The columns after them are the
    added items: none (``query``), a sample (``sampled``), or item 0, 1, 2, ... (``catalogue``).

    Attributes:
        start: Position of the first task in the episodes.
        item: Row in ``Dataset.item_ids``, ``(tasks, candidates)``; 0 where masked out.
        rating: Gain of a hit: stars of the query rows; 0 for added items and, where there are
            added items, for query rows that are not relevant, ``(tasks, candidates)``.
        relevant: Query rows of at least ``Dataset.positive`` stars, or each task's highest-rated;
            all query rows of implicit data, ``(tasks, candidates)``.
        mask: Whether the cell is a candidate; false on padding and, in the added columns, on
            items the user has any row for, ``(tasks, candidates)``.
        query_columns: How many leading columns are query rows.
        catalogue: Whether the columns after them are all items in their order.
    """

    start: int
    item: IntArray
    rating: FloatArray
    relevant: BoolArray
    mask: BoolArray
    query_columns: int
    catalogue: bool = False

    def __len__(self) -> int:
        return len(self.item)


def parse_candidates(word: str) -> CandidateRule:
    """Read ``query``, ``sampled:N`` or ``catalogue``.

    Raises:
        ConfigError: It is none of them, or N is below 1.

    Example:
        >>> parse_candidates("sampled:100").negatives
        100
    """
    if word == "query":
        return CandidateRule("query", 0)
    if word == "catalogue":
        return CandidateRule("catalogue", 0)
    match = re.fullmatch(r"sampled:(\d{1,9})", str(word))
    if match and int(match[1]) > 0:
        return CandidateRule("sampled", int(match[1]))
    raise ConfigError(
        f"scenario.candidates={word} is not known",
        "choose query, catalogue, or sampled:N with a whole number N above 0, e.g. sampled:100",
    )


class CandidateSource:
    """Makes the candidates of any draw; indexes the data once.

    Args:
        dataset: The whole data; no item of which a user has a row becomes that user's negative.
        candidates: ``query``, ``sampled:N`` or ``catalogue``.
        seed: The scenario's seed; a task's negatives depend on it, the draw and the user alone.
        positives: Which query rows are positives. Equal ratings at the border of the highest are
            told apart by the seed, the draw and the row.
        preferred: Rows that are positives before others of equal rating, ``(n,)``, if any.

    Raises:
        ConfigError: ``candidates`` is not known.
        ScenarioError: N is larger than the catalogue, ``query`` would rank liked items only, or
            the highest-rated are asked for where nothing is rated.
    """

    def __init__(
        self,
        dataset: Dataset,
        candidates: str,
        seed: int,
        positives: Positives = BY_THRESHOLD,
        preferred: IntArray | None = None,
    ) -> None:
        self.rule = parse_candidates(candidates)
        self.dataset = dataset
        self.seed = seed
        self.positives = positives
        named = np.empty(0, dtype=np.int64) if preferred is None else preferred
        self.preferred = members(named, len(dataset.interactions))
        if dataset.implicit and positives.top is not None:
            raise ScenarioError(
                f"evaluation.positives=top:{positives.top} needs ratings, and {dataset.name} has "
                "none: all query items are liked",
                "take evaluation.positives=threshold",
            )
        if self.rule.negatives > dataset.n_items:
            raise ScenarioError(
                f"scenario.candidates={candidates} asks for more items than the catalogue's "
                f"{dataset.n_items:,}",
                "lower N, or take scenario.candidates=catalogue",
            )
        if dataset.implicit and self.rule.kind == "query":
            raise ScenarioError(
                "scenario.candidates=query ranks liked items only, as the data has no ratings: "
                "any order is right",
                "add items to rank against: scenario.candidates=sampled:100, or catalogue",
            )
        rows = dataset.interactions
        self._offsets, self._rows = group(
            rows.user, np.arange(len(rows)), np.arange(dataset.n_users)
        )

    def batches(self, episodes: Episodes, tasks: int | None = None) -> Iterator[CandidateBatch]:
        """Yield the candidates of all tasks of a draw, in their order.

        Args:
            episodes: One draw.
            tasks: Tasks per batch, or None for as many as ``CELLS`` allows; no figure depends
                on it.
        """
        width = episodes.query.shape[1]
        width += 0 if self.rule.kind == "query" else self.dataset.n_items
        size = tasks or max(1, CELLS // max(width, 1))
        for start in range(0, len(episodes), size):
            yield self._batch(episodes, slice(start, start + size))

    def short_note(self, episodes: Episodes) -> Note | None:
        """Say how many tasks have fewer than N items to sample from; None where all have N."""
        unseen = self.dataset.n_items - np.diff(self._offsets)[episodes.user]
        short = int((unseen < self.rule.negatives).sum())
        if not short:
            return None
        text = (
            f"of {len(episodes):,} tasks have fewer than {self.rule.negatives} items "
            "without a row of the user: ranked with what there is"
        )
        return Note("candidates", short, text)

    def _batch(self, episodes: Episodes, part: slice) -> CandidateBatch:
        query = episodes.query[part]
        present = query >= 0
        rows = self.dataset.interactions
        stars = np.where(present, rows.rating[query], 0.0)
        relevant = present & self._liked(query, stars, present, episodes.draw)
        item = np.where(present, rows.item[query], 0)
        if self.rule.kind == "query":
            return CandidateBatch(part.start, item, stars, relevant, present, query.shape[1])
        added, mask = self._added(episodes.user[part], episodes.draw)
        gain = np.where(relevant, stars, 0.0)
        return CandidateBatch(
            start=part.start,
            item=np.concatenate([item, added], axis=1),
            rating=np.concatenate([gain, np.zeros(added.shape)], axis=1),
            relevant=np.concatenate([relevant, np.zeros(added.shape, dtype=bool)], axis=1),
            mask=np.concatenate([present, mask], axis=1),
            query_columns=query.shape[1],
            catalogue=self.rule.kind == "catalogue",
        )

    def _liked(
        self, query: IntArray, stars: FloatArray, present: BoolArray, draw: int
    ) -> BoolArray:
        """Return which query rows are positives; what is said of padding means nothing."""
        if self.positives.top is None:
            return np.asarray(self.dataset.implicit | (stars >= self.dataset.positive))
        key = _scatter(derive_seed(self.seed, "positives", draw), query).astype(np.float64)
        first = self.preferred[query]
        return highest_rated(stars, present, first, key, self.positives.top)

    def _added(self, user: IntArray, draw: int) -> tuple[IntArray, BoolArray]:
        """Return added items and whether each is a candidate, ``(tasks, added)``."""
        unseen = self._unseen(user)
        everything = np.broadcast_to(np.arange(self.dataset.n_items), unseen.shape)
        if self.rule.kind == "catalogue":
            return everything, unseen
        stream = derive_seed(self.seed, "candidates", draw)
        key = _scatter(stream, user[:, None] * self.dataset.n_items + everything)
        key[~unseen] = np.iinfo(np.uint64).max
        count = self.rule.negatives
        item = np.argpartition(key, count - 1, axis=1)[:, :count].astype(np.int64)
        item = np.take_along_axis(
            item, np.argsort(np.take_along_axis(key, item, axis=1), axis=1), axis=1
        )
        mask = np.take_along_axis(unseen, item, axis=1)
        return np.where(mask, item, 0), mask

    def _unseen(self, user: IntArray) -> BoolArray:
        counts = np.diff(self._offsets)[user]
        task = np.repeat(np.arange(len(user)), counts)
        first = np.repeat(self._offsets[user] - (np.cumsum(counts) - counts), counts)
        rows = self._rows[np.arange(len(task)) + first]
        unseen = np.ones((len(user), self.dataset.n_items), dtype=bool)
        unseen[task, self.dataset.interactions.item[rows]] = False
        return unseen


def _scatter(seed: int, number: IntArray) -> NDArray[np.uint64]:
    """Return a random-looking key for each number, the same whatever stands beside it.

    Source:
        Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014
        (SplitMix64's output function).
    """
    key = (number.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    key ^= np.uint64(seed)
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return key ^ (key >> np.uint64(31))
