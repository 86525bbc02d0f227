"""Everything a run is made of, built from its config: data, tasks, backbone, strategy."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.core.errors import FewrecError, ScenarioError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.core.seeding import derive_seed
from fewrec_cli.core.types import Interactions
from fewrec_cli.data.base import Dataset, DataSource
from fewrec_cli.data.own import hold_everywhere
from fewrec_cli.data.shard import ALONE, Shard
from fewrec_cli.data.totals import Share, TrainTotals
from fewrec_cli.experiment.feed import TrainingRows
from fewrec_cli.experiment.tasks import TaskTensors
from fewrec_cli.experiment.weights import CHECKPOINT, INTERRUPTED, load_weights
from fewrec_cli.metric.positives import parse_positives
from fewrec_cli.metric.settings import Evaluation
from fewrec_cli.scenario.base import Scenario, Split
from fewrec_cli.scenario.candidates import CandidateSource
from fewrec_cli.strategy.base import Strategy
from fewrec_cli.strategy.words import ASIDE


@dataclass(frozen=True)
class World:
    """A config brought to life.

    Attributes:
        dataset: The data.
        scenario: Cuts and draws tasks.
        split: Who is cold and what pretraining may see.
        train: The rows that pretraining may see; of data in shards, those of this process.
        totals: Counts and sums over the rows that pretraining may see in any process.
        backbone: Built for the data, not trained.
        strategy: Prepared for the backbone.
        evaluation: How rows are scored.
        rows: Training rows in standard units.
        tensors: Turns tasks into tensors.
    """

    dataset: Dataset
    scenario: Scenario
    split: Split
    train: Interactions
    totals: TrainTotals
    backbone: Backbone
    strategy: Strategy
    evaluation: Evaluation
    rows: TrainingRows
    tensors: TaskTensors


def build(cfg: DictConfig, reporter: Reporter, shard: Shard = ALONE) -> World:
    """Read the data, cut the tasks and build the model.

    Args:
        cfg: A composed and checked config.
        reporter: Told of long work and of what was dropped.
        shard: The processes that share the users, where the data is read in shards.

    Raises:
        DataError: The data is missing or broken.
        ScenarioError: The data cannot be cut as asked.
    """
    with shard.together():
        return _build(cfg, reporter, shard)


def _build(cfg: DictConfig, reporter: Reporter, shard: Shard) -> World:
    evaluation: Evaluation = make(cfg.evaluation)
    scenario: Scenario = make(cfg.scenario)
    source: DataSource = make(cfg.data)
    source.process = shard
    with reporter.stage("read"):
        dataset = source.load(reporter)
    with reporter.stage("split"):
        if source.sharded:
            dataset = hold_everywhere(dataset, scenario.task_users(dataset))
        split = scenario.split(dataset)
    train = dataset.interactions.take(split.train)
    totals = TrainTotals.of(dataset, train)
    torch.manual_seed(derive_seed(cfg.seed, "weights"))
    backbone: Backbone = make(cfg.backbone)
    backbone.reporter, backbone.seed = reporter, cfg.seed
    backbone.prepare(dataset, _guarded(train, source, f"backbone {type(backbone).__name__}"))
    if backbone.weights is not None:
        start = Path(backbone.weights)
        name = INTERRUPTED if (start / INTERRUPTED).exists() else CHECKPOINT
        load_weights(start / name, {"backbone": backbone})
    strategy = build_strategy(cfg)
    strategy.prepare(backbone, dataset, _guarded(train, source, f"strategy {strategy.name}"))
    mean, sd = float(backbone.rating_mean), float(backbone.rating_sd)
    rows = TrainingRows.of(train, dataset.n_items, mean, sd, implicit=dataset.implicit)
    past = None
    if len(split.test.history):
        past = np.zeros(len(dataset.interactions), dtype=bool)
        past[split.train] = True
    tensors = TaskTensors(dataset, mean, sd, rows, past)
    return World(
        dataset, scenario, split, train, totals, backbone, strategy, evaluation, rows, tensors
    )


def candidates_of(world: World) -> CandidateSource:
    """Return what makes the candidates of every draw, and says which of them are positives.

    Raises:
        ScenarioError: There is nothing to rank: every query item would be a positive.
    """
    scenario, positives = world.scenario, parse_positives(world.evaluation.positives)
    if positives.top is not None and positives.top >= scenario.query:
        raise ScenarioError(
            f"evaluation.positives=top:{positives.top} makes all of scenario.query="
            f"{scenario.query} items positives: any order is right",
            "lower N, or raise scenario.query",
        )
    return CandidateSource(
        world.dataset, scenario.candidates, scenario.seed, positives, world.split.preferred
    )


def _guarded(train: Interactions, source: DataSource, reader: str) -> Interactions:
    """Return rows that only ``TrainTotals`` may read, if other processes may hold more."""
    return Share(train, reader) if source.sharded else train


def build_strategy(cfg: DictConfig) -> Strategy:
    """Build the strategy; the words that only its adapter reads have reached it by reference."""
    content = plain(cfg.strategy)
    strategy: Strategy = make({k: v for k, v in content.items() if k not in ASIDE})
    return strategy


def make(node: Any) -> Any:
    """Instantiate a config node; a fault of ours comes out as it was raised, not in Hydra's."""
    content = node if isinstance(node, dict) else plain(node)
    try:
        return instantiate(content, _convert_="all")
    except InstantiationException as fault:
        if isinstance(fault.__cause__, FewrecError):
            raise fault.__cause__ from None
        raise


def plain(cfg: Any) -> dict[str, Any]:
    """Return a config node as plain containers with every reference resolved."""
    content = OmegaConf.to_container(cfg, resolve=True)
    if not isinstance(content, dict):
        raise TypeError(f"expected a mapping, got {type(content).__name__}")
    return {str(key): value for key, value in content.items()}
