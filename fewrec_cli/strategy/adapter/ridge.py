"""Adapt by one ridge regression on the head's last layer."""

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor, nn

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.engine import fast_ridge, ridge
from fewrec_cli.engine.base import Adapted, RatingLoss
from fewrec_cli.engine.choose import EnginePath
from fewrec_cli.engine.noise import Errors, fitted, task_noise
from fewrec_cli.scenario.batch import Rows, TaskBatch
from fewrec_cli.strategy.adapter.base import Adapter


class Ridge(Adapter):
    """The exact minimiser of the support loss plus a penalty on the distance from the prior.

    The prior's mean is learned, from attributes too: with ``backbone=mf`` the factors and bias that
    the user's attributes give stand in the offset o, so that a task starts from them and learns the
    rest; with ``backbone=mlp`` the attributes enter the hidden layers, so that the shared last
    layer w0 means another rating for another kind of user.

    It is also the posterior of a Gaussian model, y ~ N(o + z·w, σ²/v), w ~ N(w0, σ² diag(λ)⁻¹),
    and so says how sure it is: a rating's variance is σ²(1 + z'K⁻¹z). Once all else is chosen, σ²,
    and how much a task's own misfit moves it, are fitted to the validation tasks at the support
    sizes of the table, by likelihood; the supports are those that adaptation sees, augmentation
    included. Without validation tasks the users of pretraining serve, whose ratings the features
    know: the intervals come out too narrow.

    Args:
        factor_penalty: Starting λ of the factors (or hidden units), > 0; in units of rows, since
            ratings are standardised.
        bias_penalty: Starting λ of the bias, > 0.
        strengths: Factors on λ tried on the validation tasks.

    Source:
        Bertinetto et al., "Meta-learning with differentiable closed-form solvers", ICLR 2019;
        λ is learned per dimension by strategies with an outer loop. The posterior: Bishop, "Pattern
        Recognition and Machine Learning", 2006, equations 3.53, 3.54 and 3.59.
    """

    engine_path = EnginePath("ridge", "closed form of the last layer, all tasks at once")
    noise: Tensor
    trust: Tensor

    def __init__(
        self, *, factor_penalty: float, bias_penalty: float, strengths: list[float]
    ) -> None:
        super().__init__(strengths)
        self.factor_penalty = factor_penalty
        self.bias_penalty = bias_penalty

    def prepare(self, backbone: Backbone) -> None:
        """Create λ, one number per column of the head's linear view, and the noise."""
        start = torch.full((len(backbone.head.linear_weights()),), float(self.factor_penalty))
        start[-1] = self.bias_penalty
        self.log_penalty = nn.Parameter(start.log())
        self.register_buffer("noise", torch.tensor(1.0))
        self.register_buffer("trust", torch.tensor(0.0))

    def numbers(self, backbone: Backbone) -> int:
        """Return the size of a last layer and of its covariance."""
        columns = len(backbone.head.linear_weights())
        return columns * (columns + 1)

    def adapt(
        self, backbone: Backbone, user: Tensor, support: Rows, *, training: bool
    ) -> ridge.Posterior:
        """Solve; see ``engine.ridge.solve``."""
        found = ridge.solve(backbone, user, support, self.strength * self.log_penalty.exp())
        noise = task_noise(self.noise, self.trust, found.misfit.detach(), found.mass)
        return replace(found, noise=noise)

    def query_losses(
        self, backbone: Backbone, user: Tensor, support: Rows, query: Rows, kind: RatingLoss
    ) -> Tensor:
        """Solve and score; the fast path computes the features of support and query together."""
        if fast_ridge.refusal(backbone, support) is not None:
            return super().query_losses(backbone, user, support, query, kind)
        precision = self.strength * self.log_penalty.exp()
        return fast_ridge.query_losses(backbone, user, support, query, precision, kind)

    @torch.no_grad()
    def calibrate(self, backbone: Backbone, tasks: Iterable[tuple[Adapted, TaskBatch]]) -> None:
        """Fit the noise to the errors on query rows; implicit rows have none."""
        errors = []
        for adapted, batch in tasks:
            query = batch.query
            if not isinstance(adapted, ridge.Posterior) or query.negative is not None:
                return
            off = query.rating - adapted.predict(backbone, batch.user, query.item).score
            spread = adapted.variance(backbone, batch.user, query.item) / adapted.noise[:, None]
            real = query.weight > 0
            misfit, mass = (of[:, None].expand(real.shape) for of in (adapted.misfit, adapted.mass))
            errors.append(Errors((off.square() / spread)[real], misfit[real], mass[real]))
        if errors:
            level, trust = fitted(Errors.joined(errors))
            self.noise.copy_(level)
            self.trust.copy_(trust)
