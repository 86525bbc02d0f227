"""The slope of the support loss in the scores, where the closed form of a gradient starts."""

import torch
from torch import Tensor

from fewrec_cli.engine.base import HUBER_BETA, RatingLoss


def errors_of(score: Tensor, rating: Tensor, share: Tensor, *, pairs: bool) -> Tensor:
    """Return the slope of each task's mean support loss in the scores, shaped like ``score``.

    Args:
        score: ``(..., rows)``; of pairs, each item and then its negative.
        rating: Standard units, ``(..., rows)``; unused for pairs.
        share: Weight of each row in its task's mean, ``(..., rows)``.
        pairs: Whether the loss is pairwise.
    """
    if not pairs:
        return 2 * share * (score - rating)
    both = score.view(*score.shape[:-1], -1, 2)
    slope = torch.sigmoid(both[..., 1] - both[..., 0])
    return share * torch.stack([-slope, slope], -1).flatten(-2)


def errors_backward(score: Tensor, share: Tensor, gradient: Tensor, *, pairs: bool) -> Tensor:
    """Return the gradient in the scores of what ``errors_of`` returned; shapes as there."""
    if not pairs:
        return 2 * share * gradient
    shape = (*score.shape[:-1], -1, 2)
    both, towards = score.view(shape), (share * gradient).view(shape)
    slope = torch.sigmoid(both[..., 1] - both[..., 0])
    gap = slope * (1 - slope) * (towards[..., 1] - towards[..., 0])
    return torch.stack([-gap, gap], -1).flatten(-2)


def query_slope(score: Tensor, rating: Tensor, kind: RatingLoss, *, pairs: bool) -> Tensor:
    """Return the slope of each row's query loss in its score, shaped like ``score``.

    Args:
        score: ``(tasks, n)``; of pairs ``(tasks, 2 n)``, all items and then all negatives.
        rating: Standard units, ``(tasks, n)``; unused for pairs.
        kind: Loss of ratings.
        pairs: Whether the loss is pairwise.
    """
    if pairs:
        own, negative = score.chunk(2, -1)
        slope = torch.sigmoid(negative - own)
        return torch.cat([-slope, slope], -1)
    if kind == "huber":
        return ((score - rating) / HUBER_BETA).clamp(-1, 1)
    return 2 * (score - rating)
