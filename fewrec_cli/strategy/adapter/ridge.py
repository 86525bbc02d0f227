"""Adapt by one ridge regression on the head's last layer."""

import torch
from torch import Tensor, nn

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.engine import ridge
from fewrec_cli.engine.weights import TaskWeights
from fewrec_cli.scenario.batch import Rows
from fewrec_cli.strategy.adapter.base import Adapter


class Ridge(Adapter):
    """The exact minimiser of the support loss plus a penalty on the distance from the prior.

    Args:
        factor_penalty: Starting λ of the factors (or hidden units), > 0; in units of rows, since
            ratings are standardised.
        bias_penalty: Starting λ of the bias, > 0.
        strengths: Factors on λ tried on the validation tasks.

    Source:
        Bertinetto et al., "Meta-learning with differentiable closed-form solvers", ICLR 2019;
        λ is learned per dimension by strategies with an outer loop.
    """

    def __init__(
        self, *, factor_penalty: float, bias_penalty: float, strengths: list[float]
    ) -> None:
        super().__init__(strengths)
        self.factor_penalty = factor_penalty
        self.bias_penalty = bias_penalty

    def prepare(self, backbone: Backbone) -> None:
        """Create λ: one number per column of the head's linear view."""
        start = torch.full((len(backbone.head.linear_weights()),), float(self.factor_penalty))
        start[-1] = self.bias_penalty
        self.log_penalty = nn.Parameter(start.log())

    def adapt(
        self, backbone: Backbone, user: Tensor, support: Rows, *, training: bool
    ) -> TaskWeights:
        """Solve; see ``engine.ridge.solve``."""
        return ridge.solve(backbone, user, support, self.strength * self.log_penalty.exp())
