"""The best items of a whole catalogue for many tasks, block by block in bounded memory."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.engine.base import Adapted
from fewrec_cli.engine.catalogue import Catalogue


@dataclass(frozen=True)
class Ranked:
    """The best items of each task that it has not seen.

    Attributes:
        item: Best first, of equal scores the lower item first, ``(tasks, k)``; -1 where a task
            has fewer unseen items than k.
        score: Standard units, ``(tasks, k)``; -inf there.
    """

    item: Tensor
    score: Tensor


@torch.no_grad()
def top(
    backbone: Backbone, adapted: Adapted, user: Tensor, seen: Tensor, k: int, n_items: int
) -> Ranked:
    """Rank the catalogue for adapted tasks.

    Args:
        backbone: Shared weights, in eval mode.
        adapted: What the tasks learned.
        user: ``(tasks,)``.
        seen: Items that are left out, padded with -1, ``(tasks, m)``.
        k: Length of the lists, >= 1; may exceed the catalogue.
        n_items: Size of the catalogue.
    """
    catalogue = Catalogue(backbone, n_items)
    item = user.new_empty(len(user), k)
    score = backbone.rating_mean.new_empty(len(user), k)
    for tasks, found in catalogue.blocks(adapted, user):
        best = _best(found, seen[tasks], k)
        item[tasks], score[tasks] = best.item, best.score
    return Ranked(item, score)


def _best(score: Tensor, seen: Tensor, k: int) -> Ranked:
    """Rank all items by ``score (tasks, items)``, which is changed."""
    _leave_out(score, seen)
    value, item = _first(score, k)
    short = k - item.shape[1]
    value = functional.pad(value, (0, short), value=-torch.inf)
    item = functional.pad(item, (0, short), value=-1)
    return Ranked(torch.where(value == -torch.inf, -1, item), value)


def _leave_out(score: Tensor, seen: Tensor) -> None:
    """Set the scores of seen items to -inf, in place."""
    task, column = (seen >= 0).nonzero(as_tuple=True)
    score[task, seen[task, column]] = -torch.inf


def _first(score: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k best scores and their columns, of equal ones the earlier.

    ``topk`` takes any of equal ones, so rows whose next best equals the last are sorted in full.
    """
    k = min(k, score.shape[1])
    best, columns = score.topk(min(k + 1, score.shape[1]), dim=1)
    value, place = best[:, :k], columns[:, :k]
    tied = (best[:, k - 1 : k] == best[:, k:]).nonzero()[:, 0]
    if len(tied):
        value[tied], place[tied] = (
            part[:, :k] for part in score[tied].sort(dim=1, descending=True, stable=True)
        )
    place, order = place.sort(dim=1)
    value, again = value.gather(1, order).sort(dim=1, descending=True, stable=True)
    return value, place.gather(1, again)
