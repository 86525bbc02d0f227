"""The fast path: all tasks at once, the inner gradient of a head of known form in closed form.

Each different item is looked up once, the user's half of the first product is computed once per
task, rows are packed without padding, and adapted weights stay in low-rank form: see ``fast_mlp``
and ``fast_factor``. The result is that of ``general`` and ``loop``, but for rounding.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from fewrec_cli.backbone.base import AdaptedSet, Backbone, Halves
from fewrec_cli.engine.base import (
    Adapted,
    InnerLoop,
    Prediction,
    RatingLoss,
    pairwise_loss,
    pointwise_loss,
    weighted_mean,
)
from fewrec_cli.engine.fast_factor import FactorForm, FactorPiece
from fewrec_cli.engine.fast_mlp import MLPForm, MLPPiece, first_output
from fewrec_cli.engine.pack import FEWEST_PARTS, ONE_STEP_PARTS, Packed, PlacedRows, pack
from fewrec_cli.scenario.batch import Rows

Form = MLPForm | FactorForm
Piece = MLPPiece | FactorPiece


@dataclass(frozen=True)
class FastAdapted(Adapted):
    """What tasks learned, in parts of tasks with supports of similar length.

    Attributes:
        order: Place in the batch of the tasks of each part.
        pieces: What the tasks of each part learned.
    """

    order: tuple[Tensor, ...]
    pieces: tuple[Piece, ...]

    def predict(self, backbone: Backbone, user: Tensor, item: Tensor) -> Prediction:
        """Score items with each task's own weights, without forming them."""
        order = torch.cat(self.order)
        tasks, n = item.shape
        task = torch.arange(tasks, device=item.device).repeat_interleave(n)
        halves = backbone.halves(
            user.index_select(0, order), task, item.index_select(0, order).flatten()
        )
        scores = form_of(backbone, halves).score(self.pieces, halves.index.view(tasks, n))  # type: ignore[arg-type]
        return Prediction(scores.index_select(0, order.argsort()))

    def take(self, tasks: Tensor) -> Self:
        """Return what some of the tasks learned, by their index ``(n,)``."""
        order = torch.cat(self.order)
        place = order.argsort().index_select(0, tasks)
        found, pieces, start = [], [], 0
        for piece, mine in zip(self.pieces, self.order, strict=True):
            inside = ((place >= start) & (place < start + len(mine))).nonzero()[:, 0]
            if len(inside) or not len(tasks):
                found.append(inside)
                pieces.append(piece.take(place[inside] - start))
            start += len(mine)
        return replace(self, order=tuple(found), pieces=tuple(pieces))

    def values_by_name(self) -> Mapping[str, Tensor]:
        """Return each task's own parameters, formed in full, ``(tasks, *shape)``."""
        back = torch.cat(self.order).argsort()
        each = [piece.values() for piece in self.pieces]
        return {
            name: torch.cat([own[name] for own in each]).index_select(0, back) for name in each[0]
        }


def adapt(backbone: Backbone, user: Tensor, support: Rows, loop: InnerLoop) -> FastAdapted:
    """Do what ``general.inner_loop`` does, for a head and an adapted set that ``refusal`` allows.

    Args:
        backbone: Shared weights, the starting point of all tasks; left untouched.
        user: ``(tasks,)``.
        support: Rows to fit; a task without rows keeps the shared weights.
        loop: What is adapted, how far, how often.

    Returns:
        What the tasks learned; graphs as in ``general.inner_loop``.
    """
    packed = pack(support)
    ordered = user.index_select(0, packed.order)
    halves = backbone.halves(ordered, *_asked(packed))
    rows = _placed(packed, halves.index)
    pieces = form_of(backbone, halves).adapt(packed, rows, _in_order(loop, packed))
    return FastAdapted(packed.cut(packed.order), pieces)


def query_losses(
    backbone: Backbone,
    user: Tensor,
    support: Rows,
    query: Rows,
    loop: InnerLoop,
    kind: RatingLoss = "squared",
) -> Tensor:
    """Adapt and return each task's mean loss on its query, ``(tasks,)``.

    The same numbers as ``adapt`` and ``base.query_losses`` one after the other, with the items of
    support and query looked up together.
    """
    packed = pack(support, fewest=ONE_STEP_PARTS if loop.steps == 1 else FEWEST_PARTS)
    ordered, query = user.index_select(0, packed.order), query.take(packed.order)
    loop = _in_order(loop, packed)
    task, item = _asked(packed)
    tasks = torch.arange(len(user), device=item.device)
    wanted = query.item if query.negative is None else torch.cat([query.item, query.negative], 1)
    owner = tasks.repeat_interleave(wanted.shape[1])
    if loop.steps == 1 and backbone.head.spec.form == "mlp" and not loop.second_order:
        halves = backbone.halves(ordered, owner, wanted.flatten())
        with torch.no_grad():
            apart = halves.user.shape[1] > 0
            seen = backbone.halves(ordered[:0] if apart else ordered, task, item)
            constant = first_output(backbone.head, seen), seen.item
        rows, index = _placed(packed, seen.index), halves.index.view_as(wanted)
        own = MLPForm(backbone.head, halves)
        losses = own.one_step_losses(packed, rows, constant, query, index, kind, loop)
        return packed.back(losses)
    halves = backbone.halves(ordered, torch.cat([task, owner]), torch.cat([item, wanted.flatten()]))
    rows, index = _placed(packed, halves.index), halves.index[len(item) :].view_as(wanted)
    form = form_of(backbone, halves)
    if loop.steps == 1 and isinstance(form, MLPForm):
        losses = form.one_step_losses(packed, rows, None, query, index, kind, loop)
        return packed.back(losses)
    score = form.score(form.adapt(packed, rows, loop), index)  # type: ignore[arg-type]
    if query.negative is None:
        losses = pointwise_loss(score, query.rating, kind)
    else:
        losses = pairwise_loss(*score.chunk(2, 1))
    return packed.back(weighted_mean(losses, query.weight))


def refusal(backbone: Backbone, which: AdaptedSet, *, element: bool, steps: int) -> str | None:
    """Return why this path cannot be taken, or None.

    Args:
        backbone: Prepared.
        which: The adapted set.
        element: Whether there is a step size per number.
        steps: Inner steps.
    """
    head = backbone.head
    expected = {"factor", "bias"}
    if head.spec.form == "mlp":
        layers = range(len(head.spec.widths) - 1)
        expected = {f"layers.{layer}.{one}" for layer in layers for one in ("weight", "bias")}
    if head.spec.form == "other" or {name for name, _ in head.named_parameters()} != expected:
        return "the head is neither factors nor linear layers with ReLU"
    if which == "all":
        return "strategy.adapted=all moves more than the head"
    if element and head.spec.form == "mlp":
        return "a step size per number needs every task's weights in full"
    return None if steps else "no steps are taken"


def form_of(backbone: Backbone, halves: Halves) -> Form:
    """Return the head as the fast path sees it."""
    if backbone.head.spec.form == "mlp":
        return MLPForm(backbone.head, halves)
    return FactorForm(backbone.head, halves)


def _asked(packed: Packed) -> tuple[Tensor, Tensor]:
    """Return task and item of all rows to look up: the rows, then their partners."""
    if packed.partner is None:
        return packed.task, packed.item
    return torch.cat([packed.task, packed.task]), torch.cat([packed.item, packed.partner])


def _placed(packed: Packed, index: Tensor) -> PlacedRows:
    rows = len(packed.item)
    own = index[:rows].index_select(0, packed.source)
    if packed.partner is None:
        return PlacedRows(own)
    other = index[rows : 2 * rows].index_select(0, packed.source)
    return PlacedRows(own, other, packed.mix)


def _in_order(loop: InnerLoop, packed: Packed) -> InnerLoop:
    return replace(loop, scale=loop.scale.index_select(0, packed.order))
