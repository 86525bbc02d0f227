"""The slope of the support loss in the scores, where the closed form of a gradient starts."""

import torch
from torch import Tensor


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
