"""A handful of users and items with every kind of attribute, and backbones written out by hand."""

from functools import cache
from typing import Any

import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.core.types import Field, Interactions, Scale
from fewrec_cli.data.base import Dataset
from tests.composed import composed

USERS, ITEMS = 8, 12
COLD_USER, UNSEEN_ITEM = 7, 11
"""Training sees neither."""

SMALL: dict[str, dict[str, Any]] = {
    "mf": {"factors": 3, "id_dropout": 0.0},
    "mlp": {"width": 2, "hidden": [5, 4], "id_dropout": 0.0},
}
"""Overrides of the yaml."""


def small_dataset(*, fields: bool = True, implicit: bool = False) -> Dataset:
    """Return eight users' ratings of twelve items, half of all pairs."""
    rng = np.random.default_rng(5)
    pairs = np.flatnonzero(rng.random(USERS * ITEMS) < 0.5)
    rating = np.ones(len(pairs)) if implicit else rng.integers(1, 6, len(pairs)).astype(float)
    genres = bags("genres", [[r % 3, (r + 1) % 4] if r % 4 else [] for r in range(ITEMS)], 4)
    year = Field(
        "year",
        "numeric",
        ("year",),
        np.arange(ITEMS + 1),
        np.zeros(ITEMS, np.int64),
        rng.normal(size=ITEMS),
    )
    band = bags("band", [[r % 3] if r != 2 else [] for r in range(USERS)], 3)
    return Dataset(
        name="small",
        interactions=Interactions(pairs // ITEMS, pairs % ITEMS, rating),
        user_ids=np.arange(USERS),
        item_ids=np.arange(ITEMS),
        user_fields=(band,) if fields else (),
        item_fields=(genres, year) if fields else (),
        scale=None if implicit else Scale(1.0, 5.0),
        positive=4.0,
        hash="small",
    )


def bags(name: str, rows: list[list[int]], size: int) -> Field:
    """Return a field whose rows share a weight of 1 among their values; some rows have none."""
    offsets = np.cumsum([0, *map(len, rows)])
    index = np.array([value for row in rows for value in row], np.int64)
    weight = np.array([1 / len(row) for row in rows for _ in row])
    return Field(name, "multi", tuple(f"{name}{v}" for v in range(size)), offsets, index, weight)


def train_rows(dataset: Dataset) -> Interactions:
    """Return the interactions without those of the cold user and of the unseen item."""
    rows = dataset.interactions
    return rows.take(np.flatnonzero((rows.user != COLD_USER) & (rows.item != UNSEEN_ITEM)))


def made(kind: str, **words: Any) -> Backbone:
    """Return a new ``mf`` or ``mlp``, not yet prepared: the yaml's values, shrunk."""
    found: Backbone = instantiate({**shipped(kind), **SMALL[kind], **words}, _convert_="all")
    return found


@cache
def shipped(kind: str) -> dict[str, Any]:
    """Return the yaml of a backbone."""
    node: Any = OmegaConf.to_container(composed(f"backbone={kind}").backbone)
    return node


def ready(kind: str, dataset: Dataset, **words: Any) -> Backbone:
    """Return a prepared ``mf`` or ``mlp`` in float64 whose every parameter is a random number."""
    torch.manual_seed(0)
    backbone = made(kind, **words)
    backbone.prepare(dataset, train_rows(dataset))
    with torch.no_grad():
        for value in backbone.parameters():
            value.normal_(0.0, 0.5)
    return backbone.double().eval()


class Written:
    """The two backbones as formulas over their parameters, one user at a time.

    Attributes are dense matrices filled in by loops, and nothing of the package is called.
    """

    def __init__(self, kind: str, dataset: Dataset) -> None:
        self.kind = kind
        self.user_side = [dense(field) for field in dataset.user_fields]
        self.item_side = [dense(field) for field in dataset.item_fields]
        self.seen = torch.zeros(dataset.n_items, 1, dtype=torch.float64)
        self.seen[train_rows(dataset).item] = 1

    def features(
        self, p: dict[str, Tensor], user: int, item: Tensor, *, personal: bool = False
    ) -> Tensor:
        """Return what the head scores, ``(n, width)``."""
        ids = self.seen * p["item"]
        own = p["personal"][user] if personal else torch.zeros_like(p["personal"][user])
        persons, items = p["user_side.table"], p["item_side.table"]
        if self.kind == "mlp":
            parts = [own, *(side[user] @ t for side, t in split(self.user_side, persons))]
            known = torch.cat([ids, *(side @ t for side, t in split(self.item_side, items))], 1)
            return torch.cat([torch.cat(parts).repeat(len(item), 1), known[item]], 1)
        table = ids + sum(side @ t for side, t in split(self.item_side, items))
        prior = own + sum(side[user] @ t for side, t in split(self.user_side, persons))
        q, bias = table[item, :-1], table[item, -1]
        return torch.cat([q, (bias + q @ prior[:-1] + prior[-1])[:, None]], 1)

    def head(self, p: dict[str, Tensor], x: Tensor) -> Tensor:
        """Return scores, ``(n,)``."""
        if self.kind == "mf":
            return x[:, -1] + x[:, :-1] @ p["head.factor"] + p["head.bias"]
        one = (x @ p["head.layers.0.weight"].T + p["head.layers.0.bias"]).clamp(min=0)
        two = (one @ p["head.layers.1.weight"].T + p["head.layers.1.bias"]).clamp(min=0)
        return (two @ p["head.layers.2.weight"].T + p["head.layers.2.bias"])[:, 0]

    def scores(self, p: dict[str, Tensor], user: int, item: Tensor) -> Tensor:
        """Return the scores of a cold user, ``(n,)``."""
        return self.head(p, self.features(p, user, item))


def dense(field: Field) -> Tensor:
    """Return a field as a matrix, ``(rows, vocabulary)``."""
    matrix = torch.zeros(len(field.offsets) - 1, len(field.vocabulary), dtype=torch.float64)
    for row in range(len(matrix)):
        for entry in range(field.offsets[row], field.offsets[row + 1]):
            matrix[row, field.index[entry]] += float(np.float32(field.weight[entry]))
    return matrix


def split(sides: list[Tensor], table: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return each field's matrix with its own part of the table."""
    sizes = [side.shape[1] for side in sides]
    return list(zip(sides, table.split(sizes), strict=True))
