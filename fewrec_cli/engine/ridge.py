"""One closed-form solve per task: ridge regression on the head's last layer."""

import torch
from torch import Tensor

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.engine.weights import TaskWeights, encode
from fewrec_cli.scenario.batch import Rows


def solve(backbone: Backbone, user: Tensor, support: Rows, precision: Tensor) -> TaskWeights:
    """Fit every task's last layer around the shared one, differentiably.

    Minimises sum_i v_i (y_i - o_i - z_i·w)² + sum_d λ_d (w_d - w0_d)² with w0 the shared weights;
    a task without rows keeps w0. Implicit rows enter as y = 1 and their negatives as y = 0.

    Args:
        backbone: Its head gives offset o, design z and w0.
        user: ``(tasks,)``.
        support: Ratings y and weights v.
        precision: λ > 0 per column of the design, ``(columns,)``.

    Returns:
        Adapted last layers; their graph reaches the features, w0 and λ.

    Source:
        Bertinetto et al., "Meta-learning with differentiable closed-form solvers", ICLR 2019,
        equation 4, with a prior mean and one λ per dimension.
    """
    offset, design = backbone.head.linear_view(encode(backbone, user, support))
    rating, weight = support.rating, support.weight
    if support.negative is not None:
        other_offset, other = backbone.head.linear_view(backbone.encode(user, support.negative))
        offset, design = torch.cat([offset, other_offset], 1), torch.cat([design, other], 1)
        rating = torch.cat([torch.ones_like(rating), torch.zeros_like(rating)], 1)
        weight = torch.cat([weight, weight], 1)
    start = backbone.head.linear_weights()
    residual = rating - offset - design @ start
    weighted = design * weight[..., None]
    gram = weighted.transpose(1, 2) @ design + torch.diag(precision)
    right = (weighted * residual[..., None]).sum(1)
    change = torch.cholesky_solve(right[..., None], torch.linalg.cholesky(gram))[..., 0]
    values = backbone.head.from_linear(start + change)
    return TaskWeights({f"head.{name}": value for name, value in values.items()})
