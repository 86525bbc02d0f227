"""Meta-training through the closed-form solve: items looked up once, supports of similar length."""

import torch
from torch import Tensor
from torch.nn import functional

from fewrec_cli.backbone.base import Backbone, Halves
from fewrec_cli.engine.base import RatingLoss, pairwise_loss, pointwise_loss, weighted_mean
from fewrec_cli.engine.pack import Packed, pack
from fewrec_cli.engine.ridge import fit
from fewrec_cli.scenario.batch import Rows


def refusal(backbone: Backbone, support: Rows) -> str | None:
    """Return why this path cannot be taken, or None."""
    if backbone.head.spec.form == "other":
        return "the head is neither factors nor linear layers with ReLU"
    return None if support.partner is None else "rows are mixed with their partners"


def query_losses(
    backbone: Backbone,
    user: Tensor,
    support: Rows,
    query: Rows,
    precision: Tensor,
    kind: RatingLoss,
) -> Tensor:
    """Solve every task and return its mean loss on its query, ``(tasks,)``.

    The same numbers as ``ridge.solve`` and ``base.query_losses`` one after the other, where
    ``refusal`` allows it: the features of support and query are computed in one go, each different
    item and user once, and the solves run over parts of tasks with supports of similar length.

    Args:
        backbone: Its head gives offset, design and prior mean.
        user: ``(tasks,)``.
        support: Rows to fit.
        query: Rows to judge by.
        precision: λ > 0 per column of the design, ``(columns,)``.
        kind: Loss of an explicit rating.
    """
    packed = pack(support)
    ordered, query = user.index_select(0, packed.order), query.take(packed.order)
    wanted = query.item if query.negative is None else torch.cat([query.item, query.negative], 1)
    tasks, n = wanted.shape
    owner = torch.arange(tasks, device=user.device).repeat_interleave(n)
    halves = backbone.halves(
        ordered, torch.cat([packed.task, owner]), torch.cat([packed.item, wanted.flatten()])
    )
    rows = len(packed.item)
    if rows:
        index = torch.cat([halves.index[:rows].index_select(0, packed.source), halves.index[rows:]])
    else:
        index = halves.index
    offset, design = _linear(backbone, halves, index, torch.cat([packed.owner, owner]))
    places = len(packed.owner)
    own = _solve(backbone, packed, support, offset[:places], design[:places], precision)
    score = (
        offset[places:].view(tasks, n)
        + (design[places:].view(tasks, n, -1) @ own[..., None])[..., 0]
    )
    if query.negative is None:
        losses = pointwise_loss(score, query.rating, kind)
    else:
        losses = pairwise_loss(*score.chunk(2, 1))
    return packed.back(weighted_mean(losses, query.weight))


def _linear(
    backbone: Backbone, halves: Halves, index: Tensor, owner: Tensor
) -> tuple[Tensor, Tensor]:
    """Return offset and design of rows whose items stand at ``index`` and users at ``owner``."""
    head = backbone.head
    if head.spec.form == "factor":
        offset, design = head.linear_view(halves.item.index_select(0, index))
        if halves.user.shape[1]:
            offset = offset + (design * halves.user.index_select(0, owner)).sum(-1)
        return offset, design
    first, bias = head.get_parameter("layers.0.weight"), head.get_parameter("layers.0.bias")
    width = halves.user.shape[1]
    mine = functional.linear(halves.user, first[:, :width], bias)
    rows = (halves.item @ first[:, width:].T).index_select(0, index) + mine.index_select(0, owner)
    for layer in range(1, len(head.spec.widths) - 2):
        weight, bias = (head.get_parameter(f"layers.{layer}.{one}") for one in ("weight", "bias"))
        rows = functional.linear(torch.relu(rows), weight, bias)
    design = functional.pad(torch.relu(rows), (0, 1), value=1.0)
    return design.new_zeros(len(design)), design


def _solve(
    backbone: Backbone,
    packed: Packed,
    support: Rows,
    offset: Tensor,
    design: Tensor,
    precision: Tensor,
) -> Tensor:
    """Return each task's last layer in the packed order, ``(tasks, columns)``."""
    start = backbone.head.linear_weights()
    total = support.weight.sum(1).index_select(0, packed.order).index_select(0, packed.owner)
    rating = (packed.source % 2 == 0).to(packed.rating) if packed.pairs else packed.rating
    residual = packed.blocks(rating - offset - design @ start)
    blocks = zip(packed.blocks(design), residual, packed.blocks(packed.share * total), strict=True)
    return torch.cat(
        [fit(rows, left, weight, start, precision).weights for rows, left, weight in blocks]
    )
