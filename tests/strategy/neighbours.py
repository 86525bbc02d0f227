"""Neighbours as loops over dictionaries, from the definitions alone, and tiny data for them."""

from copy import deepcopy
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from scipy.stats import pearsonr

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.core.progress import Reporter
from fewrec_cli.core.types import Field, Interactions, Scale
from fewrec_cli.data.base import Dataset
from fewrec_cli.experiment.world import plain
from fewrec_cli.scenario.batch import Rows, TaskBatch
from fewrec_cli.strategy.adapter.none import Unadapted
from fewrec_cli.strategy.neighbours import Neighbours
from fewrec_cli.strategy.words import ASIDE
from tests.composed import built, composed
from tests.planted import categorical

USERS, ITEMS, TASKS, ROWS, QUERY = 30, 14, 6, 5, 4


@cache
def defaults() -> dict[str, Any]:
    """Return the words of the yaml that the constructor takes, but for the adapter."""
    found: dict[str, Any] = plain(composed("strategy=neighbours").strategy)
    return {k: v for k, v in found.items() if k not in (*ASIDE, "adapter", "_target_")}


@cache
def unprepared() -> Backbone:
    backbone: Backbone = built("backbone", "backbone=mf", "backbone.factors=2")
    return backbone


def made(dataset: Dataset, **given: Any) -> tuple[Neighbours, Backbone]:
    strategy = Neighbours(adapter=Unadapted(), **(defaults() | given))
    backbone = deepcopy(unprepared())
    backbone.prepare(dataset, dataset.interactions)
    strategy.prepare(backbone, dataset, dataset.interactions)
    return strategy.eval(), backbone.eval()


def small(*, implicit: bool = False) -> Dataset:
    """Return 30 users x 14 items, a third rated; item 12 has no rating, item 13 none of either."""
    rng = np.random.default_rng(3)
    user, item = np.nonzero(rng.random((USERS, ITEMS - 2)) < 0.4)
    rating = np.ones(len(user)) if implicit else rng.integers(1, 6, len(user)).astype(float)
    genre = rng.integers(0, 3, ITEMS)
    offsets = np.minimum(np.arange(ITEMS + 1), ITEMS - 1)
    field = Field("genre", "categorical", ("a", "b", "c"), offsets, genre[:-1], np.ones(ITEMS - 1))
    return Dataset(
        name="small",
        interactions=Interactions(user, item, rating),
        user_ids=np.arange(USERS),
        item_ids=np.arange(ITEMS),
        user_fields=(),
        item_fields=(
            field,
            replace(
                categorical("class", genre % 2, ("x", "y")),
                offsets=offsets,
                index=genre[:-1] % 2,
                weight=np.ones(ITEMS - 1),
            ),
        ),
        scale=None if implicit else Scale(1.0, 5.0),
        positive=1.0 if implicit else 4.0,
        hash="small",
    )


def tasks(*, implicit: bool = False) -> TaskBatch:
    """Return new users: supports of 5, 4, ... rows padded with item 0, and 4 candidates."""
    rng = np.random.default_rng(5)
    support = np.stack([rng.permutation(ITEMS - 2)[:ROWS] for _ in range(TASKS)])
    query = np.stack([[12, 13, *rng.permutation(ITEMS - 2)[: QUERY - 2]] for _ in range(TASKS)])
    weight = (np.arange(ROWS) < np.arange(ROWS, ROWS - TASKS, -1)[:, None]).astype(float)
    rating = np.ones(support.shape) if implicit else rng.choice([-1.2, -0.4, 0.3, 1.1], (TASKS, 5))

    def rows(item: Any, rating: Any, weight: Any) -> Rows:
        numbers = (torch.from_numpy(one).float() for one in (rating, weight))
        return Rows(torch.from_numpy(item), *numbers)

    answer = rng.choice([-1.2, -0.4, 0.3, 1.1], query.shape)
    asked = rows(query, answer, np.ones(query.shape))
    negative = torch.from_numpy(rng.integers(0, ITEMS, query.shape)) if implicit else None
    return TaskBatch(
        torch.arange(TASKS),
        rows(np.where(weight > 0, support, 0), rating * weight, weight),
        replace(asked, negative=negative),
    )


class Loops:
    """The same by loops over dictionaries, from the definitions in the docstrings."""

    def __init__(self, data: Dataset, pearson: bool, shrinkage: float, neighbours: int) -> None:
        rows, self.implicit = data.interactions, data.implicit
        self.pearson, self.shrinkage, self.neighbours = pearson, shrinkage, neighbours
        stars = {
            (u, i): r
            for u, i, r in zip(
                *(c.tolist() for c in (rows.user, rows.item, rows.rating)), strict=True
            )
        }
        self.fields = data.item_fields
        if self.implicit:
            self.level = [sum(i == j for _, j in stars) / USERS for i in range(ITEMS)]
            self.deviation = dict.fromkeys(stars, 1.0)
            return
        mean, sd = np.mean(list(stars.values())), np.std(list(stars.values()))
        unit = {pair: (r - mean) / sd for pair, r in stars.items()}
        of = [[r for (_, j), r in unit.items() if i == j] for i in range(ITEMS)]
        self.level = [sum(found) / (len(found) + 3) for found in of]
        self.deviation = {}
        for one in range(USERS):
            mine = {i: r - self.level[i] for (u, i), r in unit.items() if u == one}
            offset = sum(mine.values()) / (len(mine) + 3)
            self.deviation |= {(one, i): r - offset for i, r in mine.items()}

    def alike(self, one: dict[int, float], other: dict[int, float]) -> float:
        """Return the shrunk similarity of two bags of deviations."""
        both = sorted(set(one) & set(other))
        x, y = [one[k] for k in both], [other[k] for k in both]
        if self.pearson:
            found = pearsonr(x, y)[0] if len(both) > 1 and np.ptp(x) > 0 and np.ptp(y) > 0 else 0.0
        else:
            lengths = np.linalg.norm(list(one.values())) * np.linalg.norm(list(other.values()))
            found = float(np.dot(x, y)) / max(lengths, 1e-12)
        return found * len(both) / max(len(both) + self.shrinkage, 1e-12)

    def of_item(self, item: int) -> dict[int, float]:
        return {u: d for (u, i), d in self.deviation.items() if i == item}

    def of_user(self, user: int) -> dict[int, float]:
        return {i: d for (u, i), d in self.deviation.items() if u == user}

    def described(self, one: int, other: int) -> float:
        """Return the cosine of attributes: the share of the two fields in which they agree."""
        if ITEMS - 1 in (one, other):
            return 0.0
        return float(np.mean([f.index[one] == f.index[other] for f in self.fields]))

    def support(self, batch: TaskBatch, task: int) -> tuple[dict[int, float], float]:
        """Return a support's deviations, and the user's offset."""
        part = batch.support
        real = (part.weight[task] > 0).tolist()
        items, ratings = part.item[task].tolist(), part.rating[task].tolist()
        mine = {i: r for i, r, yes in zip(items, ratings, real, strict=True) if yes}
        if self.implicit:
            return dict.fromkeys(mine, 1.0), 0.0
        mine = {i: r - self.level[i] for i, r in mine.items()}
        offset = sum(mine.values()) / (len(mine) + 3)
        return {i: r - offset for i, r in mine.items()}, offset

    def voices(self, kind: str, seen: dict[int, float], item: int) -> list[tuple[float, float]]:
        """Return (similarity, deviation) of those who speak for a candidate."""
        if kind == "users":
            found = [(self.alike(seen, self.of_user(u)), d) for u, d in self.of_item(item).items()]
        elif kind == "items":
            mine = self.of_item(item)
            found = [(self.alike(mine, self.of_item(j)), d) for j, d in seen.items()]
        else:
            found = [(self.described(item, j), d) for j, d in seen.items()]
        most = None if kind == "content" else self.neighbours
        return sorted(found, key=lambda pair: -abs(pair[0]))[:most]

    def gain(self, kind: str, seen: dict[int, float], item: int, damping: float) -> float | None:
        """Return what a part adds, None where it has no neighbour."""
        said = self.voices(kind, seen, item)
        total, weight = sum(s * d for s, d in said), sum(abs(s) for s, _ in said)
        if not self.implicit:
            return total / (weight + damping) if weight > 0 else None
        new = item == ITEMS - 1 if kind == "content" else not self.of_item(item)
        if new or not seen:
            return None
        most = {"users": self.neighbours, "content": len(seen)}
        weight = most.get(kind, min(len(seen), self.neighbours))
        return (total - weight * self.level[item]) / (weight + damping)

    def scores(self, batch: TaskBatch, item: Any, by: str, damping: float, alpha: float) -> Any:
        found = np.zeros(item.shape)
        for task, row in enumerate(item.tolist()):
            seen, offset = self.support(batch, task)
            for place, one in enumerate(row):
                first = self.gain(by, seen, one, damping) if alpha > 0 else None
                second = self.gain("content", seen, one, damping) if alpha < 1 else None
                both = first is not None and second is not None
                share = alpha if both else float(first is not None)
                gain = share * (first or 0.0) + (1 - share) * (second or 0.0)
                found[task, place] = self.level[one] + offset + gain
        return found


class Told(Reporter):
    """Keeps what was said."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)
