"""Adapt by a few gradient steps on the support loss."""

from typing import Literal

import torch
from torch import Tensor, nn

from fewrec_cli.backbone.base import AdaptedSet, Backbone
from fewrec_cli.engine import fast, general, loop
from fewrec_cli.engine.base import Adapted, InnerLoop, RatingLoss
from fewrec_cli.engine.choose import Engine, choose
from fewrec_cli.scenario.batch import Rows
from fewrec_cli.strategy.adapter.base import Adapter


class Gradient(Adapter):
    """k steps of gradient descent from the shared weights.

    Args:
        inner_lr: Step size, > 0.
        inner_steps: Number of steps, >= 0.
        order: ``second`` differentiates through the steps in the outer loop, ``first`` does not.
        adapted: Which parameters move.
        learn_lr: ``none``; ``tensor``: one learned step size per parameter tensor; ``element``:
            one per number (Meta-SGD). Learned only by strategies with an outer loop.
        engine: How the steps of many tasks are computed: ``fast`` in closed form, ``vmap`` for any
            module, ``loop`` one task after the other; ``auto`` takes the first that can be taken.
        shrinkage: A task with n rows takes steps scaled by n / (n + shrinkage), so that few rows
            move less than many; learned along with the step sizes; 0 is plain MAML.
        strengths: Factors on the step size tried on the validation tasks.

    Source:
        Finn et al., "Model-Agnostic Meta-Learning", ICML 2017, algorithm 1; learned step sizes:
        Li et al., "Meta-SGD", 2017, equation 2.
    """

    def __init__(
        self,
        *,
        inner_lr: float,
        inner_steps: int,
        order: Literal["first", "second"],
        adapted: AdaptedSet,
        learn_lr: Literal["none", "tensor", "element"],
        shrinkage: float,
        engine: Engine,
        strengths: list[float],
    ) -> None:
        super().__init__(strengths)
        self.inner_lr = inner_lr
        self.inner_steps = inner_steps
        self.order = order
        self.which: AdaptedSet = adapted
        self.learn_lr = learn_lr
        self.shrinkage = nn.Parameter(
            torch.tensor(float(shrinkage)), requires_grad=learn_lr != "none" and shrinkage > 0
        )
        self.engine = engine
        self.names: tuple[str, ...] = ()
        self.log_rates = nn.ParameterList()

    def prepare(self, backbone: Backbone) -> None:
        """Look up what is adapted, create the step sizes, all at ``inner_lr``; choose the path.

        Raises:
            ConfigError: The path asked for cannot be taken.
        """
        self.names = backbone.adapted_names(self.which)
        backbone.adapted_by(self.names)
        parameters = dict(backbone.named_parameters())
        for name in self.names:
            shape = parameters[name].shape if self.learn_lr == "element" else ()
            start = torch.full(shape, self.inner_lr).log()
            self.log_rates.append(nn.Parameter(start, requires_grad=self.learn_lr != "none"))
        self.engine_path = choose(
            self.engine,
            backbone,
            self.names,
            self.which,
            element=self.learn_lr == "element",
            steps=self.inner_steps,
        )

    def numbers(self, backbone: Backbone) -> int:
        """Return the size of the adapted parameters together."""
        parameters = dict(backbone.named_parameters())
        return sum(parameters[name].numel() for name in self.names)

    def rates(self) -> dict[str, Tensor]:
        """Return the step size of each adapted parameter, the chosen strength included."""
        return {
            name: self.strength * log_rate.exp()
            for name, log_rate in zip(self.names, self.log_rates, strict=True)
        }

    def adapt(self, backbone: Backbone, user: Tensor, support: Rows, *, training: bool) -> Adapted:
        """Take the steps; see ``engine.general.inner_loop``."""
        settings = self._loop(support, training=training)
        if self._path == "fast":
            return fast.adapt(backbone, user, support, settings)
        if self._path == "loop":
            return loop.inner_loop(backbone, user, support, settings)
        return general.inner_loop(backbone, user, support, settings)

    def query_losses(
        self, backbone: Backbone, user: Tensor, support: Rows, query: Rows, kind: RatingLoss
    ) -> Tensor:
        """Adapt and score; the fast path looks up support and query together."""
        if self._path != "fast":
            return super().query_losses(backbone, user, support, query, kind)
        settings = self._loop(support, training=True)
        return fast.query_losses(backbone, user, support, query, settings, kind)

    @property
    def _path(self) -> str:
        assert self.engine_path is not None, "prepare comes first"
        return self.engine_path.path

    def _loop(self, support: Rows, *, training: bool) -> InnerLoop:
        return InnerLoop(
            self.names,
            self.rates(),
            self.inner_steps,
            second_order=training and self.order == "second",
            scale=self._scale(support.weight.sum(-1)),
        )

    def _scale(self, rows: Tensor) -> Tensor:
        """Return n / (n + shrinkage) for tasks of ``rows`` n, ``(tasks,)``; 0 without rows."""
        return rows / (rows + self.shrinkage.clamp(min=0)).clamp(min=1e-6)
