"""The linear view of many rows, with each different item looked up once."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.engine.weights import encode
from fewrec_cli.scenario.batch import Rows


def linear_rows(backbone: Backbone, user: Tensor, item: Tensor) -> tuple[Tensor, Tensor]:
    """Return offset ``(tasks, n)`` and design ``(tasks, n, columns)``: score = offset + design · w.

    The same as the head's linear view of ``backbone.encode``, and with a head of factors several
    times as fast, as items repeat within a batch. Not under vmap.

    Args:
        backbone: Shared weights.
        user: ``(tasks,)``.
        item: ``(tasks, n)``.
    """
    if backbone.head.spec.form != "factor":
        return backbone.head.linear_view(backbone.encode(user, item))
    task = torch.arange(len(user), device=item.device).repeat_interleave(item.shape[1])
    halves = backbone.halves(user, task, item.flatten())
    rows = halves.item.index_select(0, halves.index).view(*item.shape, halves.item.shape[1])
    offset, design = backbone.head.linear_view(rows)
    if halves.user.shape[1]:
        offset = offset + (design @ halves.user[..., None])[..., 0]
    return offset, design


@dataclass(frozen=True)
class LinearRows:
    """Support rows as a linear fit sees them: rating ~ offset + design · weights.

    Attributes:
        offset: ``(tasks, n)``.
        design: ``(tasks, n, columns)``.
        rating: Standard units, ``(tasks, n)``.
        weight: 0 where there is no row, ``(tasks, n)``.
    """

    offset: Tensor
    design: Tensor
    rating: Tensor
    weight: Tensor


def linear_support(backbone: Backbone, user: Tensor, support: Rows) -> LinearRows:
    """Return support rows, mixed with their partners' where they have some.

    Implicit rows are ratings of 1, and their negatives as many further rows, ratings of 0.

    Args:
        backbone: Shared weights.
        user: ``(tasks,)``.
        support: Padded supports.
    """
    if support.partner is None:
        offset, design = linear_rows(backbone, user, support.item)
    else:
        offset, design = backbone.head.linear_view(encode(backbone, user, support))
    rating, weight = support.rating, support.weight
    if support.negative is not None:
        other_offset, other = linear_rows(backbone, user, support.negative)
        offset, design = torch.cat([offset, other_offset], 1), torch.cat([design, other], 1)
        rating = torch.cat([torch.ones_like(rating), torch.zeros_like(rating)], 1)
        weight = torch.cat([weight, weight], 1)
    return LinearRows(offset, design, rating, weight)
