"""The linear view of many rows, with each different item looked up once."""

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


def linear_support(backbone: Backbone, user: Tensor, support: Rows) -> tuple[Tensor, Tensor]:
    """Return offset and design of support rows, mixed with their partners' where they have some."""
    if support.partner is None:
        return linear_rows(backbone, user, support.item)
    return backbone.head.linear_view(encode(backbone, user, support))
