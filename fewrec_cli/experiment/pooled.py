"""Pooled supports: new items learn from the ratings that all new tasks of a draw hand in."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.core.types import IntArray
from fewrec_cli.data.totals import TrainTotals
from fewrec_cli.engine.items import solve_items, user_side
from fewrec_cli.experiment.tasks import parts, support_rows
from fewrec_cli.experiment.world import World
from fewrec_cli.scenario.base import Episodes
from fewrec_cli.scenario.batch import Rows, TaskBatch

FACTORS = (10.0, 20.0, 40.0, 80.0, 160.0, 320.0)
"""λ of a new item's factors that are tried on the validation tasks."""
WITHOUT_VALIDATION = 80.0
MOST_TASKS = 512
"""Tasks adapted at a time, at most."""


@dataclass(frozen=True)
class Pooled:
    """What was chosen; stands in the manifest.

    Attributes:
        factors: λ of a new item's factors, in rows.
        bias: λ of its bias, in rows.
        sweeps: How often tasks and new items are fitted in turn.
        losses: Validation loss of each λ of the factors that was tried.
    """

    factors: float
    bias: float
    sweeps: int
    losses: dict[float, float]


@dataclass(frozen=True)
class _Supports:
    """Supports of some tasks of a draw.

    Attributes:
        tasks: Their places in the draw, ``(n,)``.
        user: ``(n,)``.
        rows: What adaptation sees.
    """

    tasks: Tensor
    user: Tensor
    rows: Rows


class Pool:
    """Gives the new items of a draw numbers of their own, from the supports of all its tasks.

    In turn, each task is fitted to its support given the items, by the strategy's own adaptation,
    and each new item to all ratings that the supports hold of it given the tasks, by a ridge
    around what its attributes say. Known items keep what pretraining learned of them. Supports and
    histories are read, and no query.

    Args:
        world: Backbone and strategy.
        device: Where both are.
        seed: The run's seed; augmentation draws from it.

    Source:
        Alternating least squares: Zhou et al., "Large-Scale Parallel Collaborative Filtering for
        the Netflix Prize", 2008, section 3.1. Departures: the users' side is the adaptation of the
        strategy, whatever it is, and an item's prior mean is what its attributes say.
    """

    def __init__(self, world: World, device: torch.device, seed: int) -> None:
        self.world = world
        self.device = device
        self.seed = seed
        settings = world.evaluation
        factors = settings.pool_factors or WITHOUT_VALIDATION
        self.chosen = Pooled(factors, settings.pool_bias, settings.pool_sweeps, {})

    @torch.no_grad()
    def informed(self, episodes: Episodes, shots: int | None) -> Backbone:
        """Return a backbone that has learned the new items of supports of ``shots`` rows.

        Args:
            episodes: One draw.
            shots: Support size; None takes all.
        """
        return self._informed(episodes, shots, self.chosen.factors)

    @torch.no_grad()
    def choose(self, shots: int | None) -> None:
        """Choose λ of the factors, and the adapter's noise, on the validation tasks.

        Nothing is chosen without validation tasks, and no λ where ``evaluation.pool_factors`` says
        it.

        Args:
            shots: Support size.
        """
        world = self.world
        if not len(world.split.valid) or shots == 0:
            return
        episodes = world.scenario.draw(world.split.valid, 0)
        given = world.evaluation.pool_factors
        tried = FACTORS if given is None else (given,)
        losses = {
            one: self._loss(self._informed(episodes, shots, one), episodes, shots) for one in tried
        }
        best = min(losses, key=lambda one: losses[one])
        self.chosen = Pooled(best, self.chosen.bias, self.chosen.sweeps, losses)
        known = self.informed(episodes, shots)
        world.strategy.calibrate(known, self._batches(episodes, shots))

    def _informed(self, episodes: Episodes, shots: int | None, factors: float) -> Backbone:
        world, backbone = self.world, self.world.backbone
        rows, tasks = pooled_rows(world, episodes, shots)
        if not len(rows):
            return backbone
        data, units = world.dataset.interactions, world.tensors
        items, place = np.unique(data.item[rows], return_inverse=True)
        stars = (data.rating[rows] - units.mean) / units.sd
        item, owner, task = (torch.from_numpy(one).to(self.device) for one in (items, place, tasks))
        rating = torch.from_numpy(stars).float().to(self.device)
        halves = backbone.halves(item[:0], torch.zeros_like(item), item)
        content = halves.item.index_select(0, halves.index)
        precision = torch.full((content.shape[1],), factors, device=self.device)
        precision[-1] = self.chosen.bias
        supports = self._supports(episodes, shots)
        known = backbone
        for _ in range(self.chosen.sweeps):
            side = self._sides(known, supports).index_select(0, task)
            design = torch.cat([side[:, :-1], torch.ones_like(side[:, :1])], 1)
            said = (content.index_select(0, owner) * design).sum(1)
            change = solve_items(owner, design, rating - side[:, -1] - said, precision, len(item))
            known = backbone.informed(item, content + change)
        return known

    def _supports(self, episodes: Episodes, shots: int | None) -> list[_Supports]:
        found = []
        for tasks in parts(episodes, shots, MOST_TASKS):
            user = episodes.user[tasks]
            rows = self.world.tensors.table(user, support_rows(episodes, tasks, shots), self.seed)
            here, whose = (torch.from_numpy(one).to(self.device) for one in (tasks, user))
            found.append(_Supports(here, whose, rows.to(self.device)))
        return found

    def _sides(self, backbone: Backbone, supports: Sequence[_Supports]) -> Tensor:
        """Return every task's side of the score, in the order of the draw, ``(tasks, columns)``."""
        sides = []
        for one in supports:
            adapted = self.world.strategy.adapt(
                backbone, one.user, one.rows, seed=self.seed, training=False
            )
            sides.append(user_side(backbone, adapted, one.user))
        order = torch.cat([one.tasks for one in supports]).argsort()
        return torch.cat(sides).index_select(0, order)

    def _batches(self, episodes: Episodes, shots: int | None) -> list[TaskBatch]:
        tensors = self.world.tensors
        return [
            tensors.batch(episodes, tasks, shots, self.seed).to(self.device)
            for tasks in parts(episodes, shots, MOST_TASKS)
        ]

    def _loss(self, backbone: Backbone, episodes: Episodes, shots: int | None) -> float:
        """Return the mean query loss of the tasks, the one by which pretraining chose its step."""
        strategy, losses = self.world.strategy, []
        for one in self._batches(episodes, shots):
            adapted = strategy.adapt(
                backbone, one.user, one.support, seed=self.seed, training=False
            )
            losses.append(strategy.query_losses(backbone, adapted, one.user, one.query))
        mean = float(torch.cat(losses).mean())
        return mean if np.isfinite(mean) else np.inf


def pool_of(
    world: World, device: torch.device, seed: int, drawn: Episodes, reporter: Reporter
) -> Pool | None:
    """Choose how new items learn from pooled supports, and say it; None where they do not.

    Args:
        world: Backbone and strategy, trained.
        device: Where to compute.
        seed: The run's seed.
        drawn: The first draw, whose pooled ratings are counted.
        reporter: Told what was chosen.
    """
    if not world.scenario.pool:
        return None
    world.backbone.to(device).eval()
    world.strategy.to(device).eval()
    pool = Pool(world, device, seed)
    with reporter.stage("choose (pool)"):
        pool.choose(world.scenario.shots)
    rows, _ = pooled_rows(world, drawn, world.scenario.shots)
    items = len(np.unique(world.dataset.interactions.item[rows]))
    chosen = pool.chosen
    by = " (chosen on validation tasks)" if len(chosen.losses) > 1 else ""
    reporter.say(
        f"pool: {len(rows):,} support ratings of {items:,} new items in draw {drawn.draw}; penalty "
        f"of factors {chosen.factors:g}{by}, of biases {chosen.bias:g}"
    )
    return pool


def pooled_rows(world: World, episodes: Episodes, shots: int | None) -> tuple[IntArray, IntArray]:
    """Return the support rows on items that pretraining has not seen, and their tasks, ``(n,)``."""
    support = episodes.support[:, :shots]
    new = ~world.split.known_items[world.dataset.interactions.item[support]] & (support >= 0)
    return support[new], np.nonzero(new)[0]


def pooled_totals(world: World, episodes: Episodes, shots: int | None) -> TrainTotals:
    """Return what floors may count: the training rows, and of new items the pooled supports.

    Args:
        world: Gives both.
        episodes: One draw.
        shots: Support size; None takes all.
    """
    totals = world.totals
    if not world.scenario.pool:
        return totals
    rows, _ = pooled_rows(world, episodes, shots)
    item, n_items = world.dataset.interactions.item[rows], world.dataset.n_items
    excess = world.dataset.interactions.rating[rows] - totals.mean
    return replace(
        totals,
        item_count=totals.item_count + np.bincount(item, minlength=n_items),
        item_excess=totals.item_excess + np.bincount(item, excess, minlength=n_items),
    )


@torch.no_grad()
def refuse(world: World, episodes: Episodes) -> None:
    """Refuse before training what cannot learn items from supports.

    Args:
        world: Not trained.
        episodes: Any draw.

    Raises:
        ConfigError: The data has no ratings, the backbone keeps no numbers of an item, or the
            strategy adapts more than the weights that an item's numbers meet.
    """
    if world.dataset.implicit:
        raise ConfigError(
            f"scenario.pool=true learns items from ratings, and {world.dataset.name} has none",
            "take scenario.pool=false",
        )
    backbone, strategy = world.backbone.eval(), world.strategy.eval()
    task = np.arange(1)
    rows = world.tensors.table(episodes.user[task], support_rows(episodes, task, None), 0)
    user = torch.from_numpy(episodes.user[task])
    side = user_side(backbone, strategy.adapt(backbone, user, rows, seed=0, training=False), user)
    backbone.informed(user[:0], side[:0])
