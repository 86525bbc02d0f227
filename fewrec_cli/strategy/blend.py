"""Blend: finished runs answer together, each trusted as far as validation tasks say."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.types import Interactions
from fewrec_cli.data.base import Dataset
from fewrec_cli.engine.base import Adapted, Prediction
from fewrec_cli.scenario.batch import Rows, TaskBatch
from fewrec_cli.strategy.adapter.base import Adapter
from fewrec_cli.strategy.augment.base import Augment
from fewrec_cli.strategy.base import Batch, Feed, Member, Outer, Strategy
from fewrec_cli.strategy.blend_mixer import Heard, Mixer


@dataclass(frozen=True)
class BlendAnswer(Adapted):
    """What every model learned from the same supports.

    Attributes:
        mixer: Joins what they say.
        parts: Each model's backbone and what it learned.
        size: Support rows of each task, ``(tasks,)``.
    """

    mixer: Mixer
    parts: tuple[tuple[Backbone, Adapted], ...]
    size: Tensor

    def each(self, user: Tensor, item: Tensor) -> list[Prediction]:
        """Return what every model foretells."""
        return [adapted.predict(backbone, user, item) for backbone, adapted in self.parts]

    def predict(self, backbone: Backbone, user: Tensor, item: Tensor) -> Prediction:
        """Foretell score and levels of all models together."""
        found: Prediction = self.mixer(self.mixer.said(self.each(user, item), self.size))
        return found

    @property
    def candidate_numbers(self) -> int:
        """All models' numbers, as their answers stand side by side."""
        return sum(adapted.candidate_numbers for _, adapted in self.parts)

    def take(self, tasks: Tensor) -> Self:
        """Return what some of the tasks learned."""
        parts = tuple((backbone, adapted.take(tasks)) for backbone, adapted in self.parts)
        return replace(self, parts=parts, size=self.size[tasks])


class Blend(Strategy):
    """One answer out of finished runs, which stay as they are; see ``Mixer``.

    The runs were trained on the same rows, so that the validation tasks are new to all of them:
    weights fitted there are fitted out of fold. Nothing else is trained.

    Args:
        adapter: ``none``: every run adapts as it was trained to.
        augment: Empty, likewise.
        augment_weight: Likewise.
        runs: Folders of finished runs on the same data and scenario.
        penalties: Penalties tried on what differs from equal trust, in query rows, >= 0.
    """

    def __init__(
        self,
        *,
        adapter: Adapter,
        augment: Mapping[str, Augment],
        augment_weight: float,
        runs: list[str],
        penalties: list[float],
    ) -> None:
        super().__init__(
            adapter=adapter,
            augment=augment,
            augment_weight=augment_weight,
            outer=Outer("adam", 0.0, 0.0, 1, 1, "huber"),
            feed=Feed("tasks", 1),
        )
        self._runs = tuple(runs)
        self.penalties = tuple(penalties)

    @property
    def phases(self) -> Sequence[Strategy]:
        """None: the runs are trained."""
        return ()

    @property
    def runs(self) -> tuple[str, ...]:
        """The folders of the runs."""
        return self._runs

    def build(self, backbone: Backbone, dataset: Dataset, train: Interactions) -> None:
        """Create the mixer.

        Raises:
            ConfigError: The data has no ratings.
        """
        if dataset.scale is None:
            raise ConfigError(
                f"strategy=blend joins expected ratings, and {dataset.name} has none",
                "give data with ratings",
            )
        levels = torch.from_numpy(dataset.scale.levels).float()
        standard = (levels - backbone.rating_mean) / backbone.rating_sd
        self.mixer = Mixer(len(self._runs), standard, self.penalties)

    def join(self, members: Sequence[Member]) -> None:
        """Take the runs' trained models."""
        self.strategies = nn.ModuleList(one.strategy for one in members)
        self.backbones = nn.ModuleList(one.backbone for one in members)

    def loss(self, backbone: Backbone, batch: Batch) -> Tensor:
        """Refuse: there is nothing to train."""
        raise TypeError("a blend has no phase to train")

    def adapt(
        self, backbone: Backbone, user: Tensor, support: Rows, *, seed: int, training: bool
    ) -> BlendAnswer:
        """Let every run adapt."""
        parts = tuple(
            (own, strategy.adapt(own, user, support, seed=seed, training=False))
            for own, strategy in self._members()
        )
        return BlendAnswer(self.mixer, parts, support.weight.sum(1))

    def unadapted(self, backbone: Backbone, user: Tensor) -> BlendAnswer:
        """Let every run answer without a support."""
        parts = tuple((own, strategy.unadapted(own, user)) for own, strategy in self._members())
        return BlendAnswer(self.mixer, parts, torch.zeros_like(user, dtype=torch.float32))

    def calibrate(self, backbone: Backbone, tasks: Iterable[TaskBatch]) -> None:
        """Fit the mixer to the query rows of tasks that no run was trained on."""
        told = []
        with torch.no_grad():
            for one in tasks:
                adapted = self.adapt(backbone, one.user, one.support, seed=one.seed, training=False)
                told.append((one, adapted.size, adapted.each(one.user, one.query.item)))
        self.mixer.fit(
            lambda: [
                Heard(one.user, self.mixer.said(each, size), one.query.rating, one.query.weight)
                for one, size, each in told
            ]
        )

    def _members(self) -> list[tuple[Backbone, Strategy]]:
        pairs = zip(self.backbones, self.strategies, strict=True)
        return [
            (own, strategy)
            for own, strategy in pairs
            if isinstance(own, Backbone) and isinstance(strategy, Strategy)
        ]
