"""Scores of the model: adapt every task of a draw at one support size, then score candidates."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fewrec_cli.core.seeding import derive_seed
from fewrec_cli.core.types import FloatArray, IntArray
from fewrec_cli.engine.base import TaskWeights
from fewrec_cli.engine.general import score
from fewrec_cli.experiment.tasks import parts
from fewrec_cli.experiment.world import World
from fewrec_cli.scenario.base import Episodes
from fewrec_cli.scenario.candidates import CandidateBatch

NUMBERS = 1 << 23
"""Adapted numbers of all tasks of one part, at most (a single task is never split)."""
SCORES = 1 << 19
"""Scored candidates at a time, at most."""


@dataclass(frozen=True)
class Scored:
    """The model's scores of one draw at one support size.

    Attributes:
        blocks: Scores in stars of each candidate batch, each ``(tasks, candidates)``.
        adapt_s: Wall time of adaptation of all tasks (seconds).
    """

    blocks: tuple[FloatArray, ...]
    adapt_s: float


class Scorer:
    """Scores the tasks of a draw with a trained backbone and its strategy.

    Args:
        world: Backbone and strategy, trained.
        device: Where to compute.
        seed: The run's seed; augmentation at adaptation draws from it.
    """

    def __init__(self, world: World, device: torch.device, seed: int) -> None:
        self.world = world
        self.device = device
        self.seed = seed
        self.backbone = world.backbone.to(device).eval()
        self.strategy = world.strategy.to(device).eval()
        numbers = self.strategy.adapter.numbers(self.backbone)
        self.most_tasks = max(1, NUMBERS // max(numbers, 1))

    @torch.no_grad()
    def adapted(
        self, episodes: Episodes, candidates: Sequence[CandidateBatch], shots: int | None
    ) -> Scored:
        """Adapt to ``shots`` support rows (None: all) and score every candidate."""
        blocks = [np.zeros(batch.item.shape) for batch in candidates]
        spent = 0.0
        for tasks in parts(episodes, shots, self.most_tasks):
            word = -1 if shots is None else shots
            seed = derive_seed(self.seed, "adapt", episodes.draw, word)
            batch = self.world.tensors.batch(episodes, tasks, shots, seed).to(self.device)
            started = time.perf_counter()
            weights = self.strategy.adapt(
                self.backbone, batch.user, batch.support, seed=seed, training=False
            )
            self._wait()
            spent += time.perf_counter() - started
            self._fill(blocks, candidates, tasks, batch.user, weights)
        return Scored(tuple(blocks), spent)

    @torch.no_grad()
    def unadapted(self, episodes: Episodes, candidates: Sequence[CandidateBatch]) -> Scored:
        """Score every candidate with the shared weights."""
        blocks = [np.zeros(batch.item.shape) for batch in candidates]
        for batch, block in zip(candidates, blocks, strict=True):
            user = torch.from_numpy(episodes.user[batch.start :][: len(batch)]).to(self.device)
            rows = np.arange(len(batch))
            self._score_rows(block, batch, rows, user, TaskWeights({}))
        return Scored(tuple(blocks), 0.0)

    def _fill(
        self,
        blocks: list[FloatArray],
        candidates: Sequence[CandidateBatch],
        tasks: IntArray,
        user: Tensor,
        weights: TaskWeights,
    ) -> None:
        """Score the candidates of ``tasks``, wherever in the batches they stand."""
        for batch, block in zip(candidates, blocks, strict=True):
            inside = np.flatnonzero((tasks >= batch.start) & (tasks < batch.start + len(batch)))
            if not len(inside):
                continue
            place = torch.from_numpy(inside).to(self.device)
            own = TaskWeights({name: value[place] for name, value in weights.values.items()})
            self._score_rows(block, batch, tasks[inside] - batch.start, user[place], own)

    def _score_rows(
        self,
        block: FloatArray,
        batch: CandidateBatch,
        rows: IntArray,
        user: Tensor,
        weights: TaskWeights,
    ) -> None:
        step = max(1, SCORES // max(block.shape[1], 1))
        for start in range(0, len(rows), step):
            some = slice(start, start + step)
            item = torch.from_numpy(batch.item[rows[some]]).to(self.device)
            own = TaskWeights({name: value[some] for name, value in weights.values.items()})
            scores = score(self.backbone, own, user[some], item)
            block[rows[some]] = self.backbone.stars(scores).double().cpu().numpy()

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
