"""Scores of the model: adapt every task of a draw at one support size, then score candidates."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.core.seeding import derive_seed
from fewrec_cli.core.types import IntArray
from fewrec_cli.engine.base import Adapted, Prediction
from fewrec_cli.engine.catalogue import Catalogue
from fewrec_cli.experiment.foretell import Foretold, assemble, foretell
from fewrec_cli.experiment.tasks import parts
from fewrec_cli.experiment.world import World
from fewrec_cli.scenario.base import Episodes
from fewrec_cli.scenario.candidates import CandidateBatch

NUMBERS = 1 << 23
"""Adapted numbers of all tasks of one part, at most (a single task is never split)."""
SCORES = 1 << 19
"""Scored candidates at a time, at most."""
Piece = tuple[IntArray, Foretold]
Informed = Callable[[Episodes, int | None], Backbone]
"""A draw and a support size to the backbone that has learned its new items."""


@dataclass(frozen=True)
class Scored:
    """The model's scores of one draw at one support size.

    Attributes:
        blocks: What is said of each candidate batch.
        adapt_s: Wall time of adaptation of all tasks (seconds).
    """

    blocks: tuple[Foretold, ...]
    adapt_s: float


class Scorer:
    """Scores the tasks of a draw with a trained backbone and its strategy.

    Args:
        world: Backbone and strategy, trained.
        device: Where to compute.
        seed: The run's seed; augmentation at adaptation draws from it.
        informed: Lets new items learn from the pooled supports before tasks adapt, or None.
    """

    def __init__(
        self, world: World, device: torch.device, seed: int, informed: Informed | None = None
    ) -> None:
        self.world = world
        self.device = device
        self.seed = seed
        self.informed = informed
        self.backbone = world.backbone.to(device).eval()
        self.strategy = world.strategy.to(device).eval()
        numbers = self.strategy.adapter.numbers(self.backbone)
        self.most_tasks = max(1, NUMBERS // max(numbers, 1))

    @cached_property
    def catalogue(self) -> Catalogue:
        """The item side of the whole catalogue, which no support changes."""
        return Catalogue(self.backbone, self.world.dataset.n_items)

    @torch.no_grad()
    def adapted(
        self, episodes: Episodes, candidates: Sequence[CandidateBatch], shots: int | None
    ) -> Scored:
        """Adapt to ``shots`` support rows (None: all) and score every candidate."""
        if self.informed is not None:
            return self._pooled(episodes, candidates, shots, self.informed)
        pieces: list[list[Piece]] = [[] for _ in candidates]
        spent = 0.0
        for tasks in parts(episodes, shots, self.most_tasks):
            word = -1 if shots is None else shots
            seed = derive_seed(self.seed, "adapt", episodes.draw, word)
            batch = self.world.tensors.batch(episodes, tasks, shots, seed).to(self.device)
            started = time.perf_counter()
            adapted = self.strategy.adapt(
                self.backbone, batch.user, batch.support, seed=seed, training=False
            )
            self._wait()
            spent += time.perf_counter() - started
            for held, block in zip(pieces, candidates, strict=True):
                held += self._inside(block, tasks, batch.user, adapted)
        return Scored(_assembled(pieces, candidates), spent)

    def _pooled(
        self,
        episodes: Episodes,
        candidates: Sequence[CandidateBatch],
        shots: int | None,
        informed: Informed,
    ) -> Scored:
        """Do the same with a backbone that has learned the draw's new items, in the time told."""
        started = time.perf_counter()
        world = replace(self.world, backbone=informed(episodes, shots))
        self._wait()
        spent = time.perf_counter() - started
        scored = Scorer(world, self.device, self.seed).adapted(episodes, candidates, shots)
        return replace(scored, adapt_s=scored.adapt_s + spent)

    @torch.no_grad()
    def unadapted(self, episodes: Episodes, candidates: Sequence[CandidateBatch]) -> Scored:
        """Score every candidate as before any support is seen."""
        pieces = []
        for batch in candidates:
            user = torch.from_numpy(episodes.user[batch.start :][: len(batch)]).to(self.device)
            before = self.strategy.unadapted(self.backbone, user)
            pieces.append(list(self._pieces(batch, np.arange(len(batch)), user, before)))
        return Scored(_assembled(pieces, candidates), 0.0)

    def _inside(
        self, batch: CandidateBatch, tasks: IntArray, user: Tensor, adapted: Adapted
    ) -> Iterator[Piece]:
        """Score those of the adapted ``tasks`` that stand in a candidate batch."""
        inside = np.flatnonzero((tasks >= batch.start) & (tasks < batch.start + len(batch)))
        if len(inside):
            place = torch.from_numpy(inside).to(self.device)
            rows = tasks[inside] - batch.start
            yield from self._pieces(batch, rows, user[place], adapted.take(place))

    def _pieces(
        self, batch: CandidateBatch, rows: IntArray, user: Tensor, adapted: Adapted
    ) -> Iterator[Piece]:
        """Score the candidates of some rows of a batch, so many at a time as fit."""
        step = max(1, SCORES // max(batch.item.shape[1], 1))
        for start in range(0, len(rows), step):
            some = torch.arange(start, min(start + step, len(rows)), device=self.device)
            place = rows[start : start + step]
            item = torch.from_numpy(batch.item[place]).to(self.device)
            query = item[:, : batch.query_columns]
            asked = query if batch.catalogue else item
            own = adapted.take(some)
            prediction = self._prediction(own, user[some], asked, query)
            if batch.catalogue:
                every = self.catalogue.scores(own, user[some])
                both = torch.cat([every.gather(1, query), every], 1)
                prediction = replace(prediction, score=both)
            scale = self.world.dataset.scale
            yield place, foretell(prediction, self.backbone, scale, batch.query_columns)

    def _prediction(
        self, adapted: Adapted, user: Tensor, item: Tensor, query: Tensor
    ) -> Prediction:
        """Foretell candidates, and of the query rows how sure that is, if it was not said."""
        found = adapted.predict(self.backbone, user, item)
        said = found.levels is not None or found.variance is not None
        if said or self.world.dataset.implicit:
            return found
        return replace(found, variance=adapted.variance(self.backbone, user, query))

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def _assembled(
    pieces: Sequence[Sequence[Piece]], candidates: Sequence[CandidateBatch]
) -> tuple[Foretold, ...]:
    return tuple(
        assemble(held, (batch.item.shape[0], batch.item.shape[1]), batch.query_columns)
        for held, batch in zip(pieces, candidates, strict=True)
    )
