"""How alike items are: by the ratings of those who know both, and by their attributes."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.types import Field
from fewrec_cli.metric.lists import item_vectors
from fewrec_cli.strategy.neighbours_table import Table

Similarity = Literal["cosine", "pearson"]
USERS = 2048
"""Users whose rows are laid out at a time."""
MOST_ITEMS = 1 << 14
"""Items whose similarities are kept in full: 1 GiB."""
TINY = 1e-12


def refuse_many(items: int) -> None:
    """Refuse a catalogue whose similarities of every two items would not fit.

    Raises:
        ConfigError: There are more than ``MOST_ITEMS``.
    """
    if items > MOST_ITEMS:
        raise ConfigError(
            f"similarities of every two of {items:,} items take {4 * items**2 / 2**30:.1f} GiB; "
            f"strategy=neighbours keeps them for {MOST_ITEMS:,} items at most",
            "take strategy.by=users strategy.alpha=1, which keeps none",
        )


def rated_alike(table: Table, similarity: Similarity, shrinkage: float) -> Tensor:
    """Return how alike every two items were rated, ``(items, items)``.

    Args:
        table: The training rows.
        similarity: Cosine of two items' deviations, 0 where a user rated one of them alone, or
            Pearson's correlation over the users who rated both.
        shrinkage: s · n / (n + shrinkage) with n users who rated both, >= 0.
    """
    pearson = similarity == "pearson"
    items = len(table.level)
    product = table.level.new_zeros(items, items)
    both, first, squares = (product.clone() if pearson else product for _ in range(3))
    if shrinkage and not pearson:
        both = product.clone()
    for value, mask in _laid_out(table):
        product.addmm_(value.T, value)
        if both is not product:
            both.addmm_(mask.T, mask)
        if pearson:
            first.addmm_(value.T, mask)
            squares.addmm_(value.square().T, mask)
    if pearson:
        found = correlation(product, both, first, first.T, squares, squares.T)
    else:
        length = product.diagonal().clamp(min=0).sqrt()
        found = product / (length[:, None] * length).clamp(min=TINY)
    return shrunk(found, both, shrinkage) if shrinkage else found


def described_alike(fields: Sequence[Field]) -> Tensor | None:
    """Return the cosine of every two items' attributes, ``(items, items)``, 0 without any.

    Every attribute counts the same, however many values it holds, and numeric ones are left out;
    see ``item_vectors``. None: there is no attribute.
    """
    vectors = item_vectors(fields)
    return None if vectors is None else torch.from_numpy((vectors @ vectors.T).toarray()).float()


def told_alike(vectors: Tensor) -> Tensor:
    """Return the cosine of every two items' texts, ``(items, items)``, 0 without a text.

    Args:
        vectors: ``(items, width)``, rows of 0 without a text. Their mean is taken off first, as all
            texts of a language model have much in common.
    """
    told = vectors.abs().amax(1, keepdim=True) > 0
    centred = (vectors - vectors.sum(0) / told.sum().clamp(min=1)) * told
    unit = normalize(centred, dim=1)
    return unit @ unit.T


def correlation(
    product: Tensor, both: Tensor, x: Tensor, y: Tensor, xx: Tensor, yy: Tensor
) -> Tensor:
    """Return Pearson's correlation from sums over shared rows; 0 where it is undefined.

    Args:
        product: Σ x·y.
        both: Number of shared rows.
        x: Σ x.
        y: Σ y.
        xx: Σ x².
        yy: Σ y².
    """
    rows = both.clamp(min=1)
    spread = (xx - x * x / rows).clamp(min=0) * (yy - y * y / rows).clamp(min=0)
    defined = (both > 1) & (spread > 1e-9 * xx * yy)
    found = (product - x * y / rows) / spread.where(defined, torch.ones_like(spread)).sqrt()
    return found.where(defined, torch.zeros_like(found)).clamp(-1, 1)


def shrunk(similarity: Tensor, both: Tensor, shrinkage: float) -> Tensor:
    """Return similarities that few shared rows tell, drawn towards 0: s · n / (n + shrinkage)."""
    return similarity * both / (both + shrinkage).clamp(min=TINY)


def _laid_out(table: Table) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield deviations, 0 where there is none, and whether there is one, ``(USERS, items)``."""
    items, users = len(table.level), len(table.length)
    item = torch.repeat_interleave(torch.arange(items), table.raters)
    order = torch.argsort(table.user, stable=True)
    ends = torch.searchsorted(table.user[order], torch.arange(0, users + USERS, USERS))
    for start, stop in pairwise(ends.tolist()):
        rows = order[start:stop]
        value, mask = table.level.new_zeros(2, USERS, items)
        user = table.user[rows] % USERS
        value[user, item[rows]] = table.deviation[rows]
        mask[user, item[rows]] = 1.0
        yield value, mask
