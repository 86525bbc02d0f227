"""One run, readable top to bottom: read, pretrain, adapt, evaluate, write."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig

import fewrec_cli
from fewrec_cli.core.errors import ConfigError, Interrupted
from fewrec_cli.core.progress import Reporter
from fewrec_cli.experiment import run
from fewrec_cli.experiment.evaluate import Cell, Evaluator
from fewrec_cli.experiment.figure import shot_curve
from fewrec_cli.experiment.members import join_members
from fewrec_cli.experiment.pooled import pool_of, refuse
from fewrec_cli.experiment.pretrain import Chosen, pretrain
from fewrec_cli.experiment.processes import processes_of
from fewrec_cli.experiment.remarks import remarks
from fewrec_cli.experiment.result import RunResult
from fewrec_cli.experiment.score import Scorer
from fewrec_cli.experiment.shrinkage import Shrinkage
from fewrec_cli.experiment.size import size_of
from fewrec_cli.experiment.stage import Origin, Stage
from fewrec_cli.experiment.table import comparisons, rows_of, sentences, shots_word
from fewrec_cli.experiment.weights import CHECKPOINT, keep_interrupted, save_weights
from fewrec_cli.experiment.world import World, build, candidates_of, plain
from fewrec_cli.experiment.writings import write_writings
from fewrec_cli.metric.positives import THRESHOLD
from fewrec_cli.metric.settings import compared_metrics
from fewrec_cli.scenario.base import Episodes
from fewrec_cli.scenario.episode import episode_hash
from fewrec_cli.scenario.leak import LeakReport, check_leaks
from fewrec_cli.strategy.words import LABEL

SPARSE = ("auc_user",)
"""Metrics that are undefined for tasks without a positive or a negative, whatever is chosen."""


@dataclass(frozen=True)
class Drawn:
    """The evaluation tasks of a run.

    Attributes:
        episodes: One entry per draw.
        leaks: What the leak check found.
        hash: Of all episodes; runs with equal hashes may be compared task by task.
    """

    episodes: tuple[Episodes, ...]
    leaks: LeakReport
    hash: str


def train(cfg: DictConfig, folder: Path, reporter: Reporter) -> RunResult | None:
    """Run ``fewrec train``.

    Args:
        cfg: A composed and checked config.
        folder: The run folder, existing.
        reporter: Told what happens.

    Returns:
        The figures, or None on processes other than the first.

    Raises:
        FewrecError: The data, the tasks or the training went wrong.
    """
    if cfg.resume is not None:
        raise ConfigError(
            f"resume={cfg.resume}: this version cannot resume an interrupted run",
            "leave resume=null and start again",
        )
    torch.set_num_threads(cfg.threads)
    world = build(cfg, reporter, processes_of(cfg))
    join_members(cfg, world)
    tell(world, reporter)
    drawn = draw_all(world)
    run.write_config(cfg, folder)
    trained = {"backbone": world.backbone, "strategy": world.strategy}
    stage = Stage(cfg, world, reporter)
    try:
        chosen, trainer = pretrain(cfg, world, folder, reporter, stage)
    except KeyboardInterrupt:
        kept = keep_interrupted(folder, trained)
        raise Interrupted("interrupted during pretraining", kept) from None
    if trainer.global_rank > 0:
        return None
    device = trainer.strategy.root_device
    save_weights(folder / CHECKPOINT, trained, strength=chosen.strength)
    return finish(cfg, world, drawn, chosen, device, folder, reporter, origin=stage.origin)


def tell(world: World, reporter: Reporter) -> None:
    """Say what was recognised, dropped and held out, and how tasks are adapted."""
    for note in (*world.dataset.notes, *world.split.notes):
        reporter.say(f"{note.subject} ({note.count:,}): {note.text}")
    engine = world.strategy.engine_path
    if engine is not None:
        reporter.say(f"engine: {engine}")


def draw_all(world: World) -> Drawn:
    """Draw support and query of every test task, and check that nothing leaks."""
    scenario, split = world.scenario, world.split
    candidates_of(world)  # refuses before training
    episodes = tuple(scenario.draw(split.test, number) for number in range(scenario.draws))
    checked = [*episodes, scenario.draw(split.valid, 0)] if len(split.valid) else episodes
    leaks = check_leaks(world.dataset, split, checked)
    if scenario.pool:
        refuse(world, episodes[0])
    return Drawn(episodes, leaks, episode_hash(episodes))


def finish(
    cfg: DictConfig,
    world: World,
    drawn: Drawn,
    chosen: Chosen,
    device: torch.device,
    folder: Path,
    reporter: Reporter,
    *,
    weights: Path | None = None,
    origin: Origin | None = None,
) -> RunResult:
    """Evaluate a trained model and write everything that the run leaves behind.

    Args:
        cfg: The run's config.
        world: Its backbone and strategy are trained.
        drawn: The evaluation tasks.
        chosen: What validation chose.
        device: Where to compute.
        folder: The run folder.
        reporter: Told what happens.
        weights: Where the weights lie if not in ``folder``.
        origin: How the weights were come by; None where they are a finished run's.
    """
    reporter.say(f"device: {device}")
    name = strategy_word(cfg)
    pool = pool_of(world, device, cfg.seed, drawn.episodes[0], reporter)
    scorer = Scorer(world, device, cfg.seed, None if pool is None else pool.informed)
    evaluator = Evaluator(world, scorer, name, cfg.seed)
    cells: list[Cell] = []
    with reporter.stage("adapt", evaluator.steps * len(drawn.episodes)) as advance:
        for episodes in drawn.episodes:
            cells += evaluator.draw(episodes, advance)
    own = remarks(world, drawn.episodes[0], device)
    for note in (*shortfalls(evaluator, drawn, cells), *own):
        reporter.say(note)
    with reporter.stage("write"):
        rows = rows_of(cells)
        alone = cells[0].figures.alone is not None
        shown = compared_metrics(world.evaluation, implicit=world.dataset.implicit, alone=alone)
        versus = comparisons(cells, rows, world.split.test.user, shown, cfg.seed)
        headline = shots_word(world.scenario.shots)
        run.write_episodes(folder, world.dataset, drawn.episodes)
        run.write_tasks(folder, cells)
        if evaluator.predictions:
            run.write_predictions(folder, world.dataset, evaluator.predictions)
        if evaluator.deciles is not None:
            run.write_deciles(folder, evaluator.deciles)
        write_writings(folder, world, drawn.episodes, cfg.seed, device)
        (folder / "figures").mkdir(exist_ok=True)
        title = f"{world.dataset.name}, {scenario_word(cfg)}: {name} on {backbone_word(cfg)}"
        shot_curve(rows, shown, folder / "figures" / "shots.png", title)
    signature = signature_of(cfg, world)
    elsewhere = {} if weights is None else {"weights": str(weights)}
    facts = _facts(world, drawn, chosen, device, signature, cfg.seed, evaluator.shrinkage, reporter)
    size = size_of(scorer, drawn.episodes[0])
    facts["parameters"] = asdict(size)
    reporter.say(f"parameters: {size}")
    if origin is not None:
        facts["pretrained"] = asdict(origin)
    if pool is not None:
        facts["pool"] = asdict(pool.chosen)
    tenths = {} if evaluator.deciles is None else {"deciles": evaluator.deciles.facts()}
    run.write_manifest(folder, {**facts, **tenths, **elsewhere})
    run.write_metrics(folder, signature, rows, versus)
    spent = ", ".join(f"{name} {seconds:.1f}" for name, seconds in reporter.seconds.items())
    reporter.say(f"seconds: {spent}")
    told = sentences(versus, headline)
    unread = world.strategy.runs or not world.strategy.reads_backbone
    if not any(chosen.steps.values()) and not unread:
        told = ("Nothing was trained: the kept weights are the starting ones.", *told)
    return RunResult(folder, signature, headline, rows, told)


def shortfalls(evaluator: Evaluator, drawn: Drawn, cells: Sequence[Cell]) -> list[str]:
    """Say where tasks have fewer candidates than were asked for, or lists shorter than k."""
    note = evaluator.source.short_note(drawn.episodes[0])
    said = [note.text] if note is not None else []
    tasks = len(drawn.episodes[0])
    for k, count in cells[0].figures.shorter.items():
        said.append(
            f"k={k}: the lists of {count:,} of {tasks:,} tasks are shorter, cut at their end"
        )
    if evaluator.shrinkage.chosen:
        item, user = evaluator.shrinkage.item, evaluator.shrinkage.user
        said.append(
            f"floors: shrinkage {item:g} (items), {user:g} (users), chosen on validation tasks"
        )
    for name, column in cells[0].figures.columns.items():
        defined = int((~np.isnan(column)).sum())
        if name in SPARSE and defined < tasks / 2 and cells[0].figures.alone is None:
            said.append(f"{name} is defined for {defined:,} of {tasks:,} tasks of draw 0 only")
    return said


def signature_of(cfg: DictConfig, world: World) -> str:
    """Say in one line what the figures depend on."""
    scenario, evaluation = world.scenario, world.evaluation
    by_rating = evaluation.positives == THRESHOLD
    parts = {
        "data": f"{world.dataset.name}@{world.dataset.hash[:8]}",
        "scenario": f"{scenario_word(cfg)}({_cold(cfg)})",
        "backbone": backbone_word(cfg),
        "strategy": strategy_word(cfg),
        "adapter": _word(cfg.strategy.adapter),
        "augment": "+".join(cfg.strategy.augment) or "none",
        "shots": shots_word(scenario.shots),
        "query": scenario.query_word,
        "draws": scenario.draws,
        "candidates": scenario.candidates,
        "positive": world.dataset.positive if by_rating else evaluation.positives,
        "no_positive": evaluation.no_positive,
        "gain": "linear",
        "ties": "random",
        "k": "/".join(map(str, evaluation.k)),
        "seed": cfg.seed,
        "version": fewrec_cli.__version__,
    }
    return " | ".join(f"{name}={value}" for name, value in parts.items())


def strategy_word(cfg: DictConfig) -> str:
    """Return the strategy's word: its label, or the module that its class stands in."""
    return str(cfg.strategy.get(LABEL) or _word(cfg.strategy))


def scenario_word(cfg: DictConfig) -> str:
    """Return the scenario's word."""
    return _word(cfg.scenario)


def _cold(cfg: DictConfig) -> str:
    """Return what decides who is cold and which tasks there are, as far as it is set."""
    elsewhere = ("_target_", "shots", "query", "draws", "candidates", "curve", "short_history")
    words = {str(key): value for key, value in plain(cfg.scenario).items()}
    told = {k: v for k, v in words.items() if k not in elsewhere and v is not None}
    return ",".join(f"{key}={value}" for key, value in told.items())


def backbone_word(cfg: DictConfig) -> str:
    """Return the backbone's word."""
    return _word(cfg.backbone)


def _word(node: DictConfig) -> str:
    return str(node["_target_"]).split(".")[-2]


def _facts(
    world: World,
    drawn: Drawn,
    chosen: Chosen,
    device: torch.device,
    signature: str,
    seed: int,
    shrinkage: Shrinkage,
    reporter: Reporter,
) -> dict[str, Any]:
    split, engine = world.split, world.strategy.engine_path
    return {
        "signature": signature,
        "device": str(device),
        "engine": None if engine is None else asdict(engine),
        "data": {
            "name": world.dataset.name,
            "hash": world.dataset.hash,
            "sources": [asdict(source) for source in world.dataset.sources],
            "notes": [asdict(note) for note in (*world.dataset.notes, *split.notes)],
        },
        "tasks": {
            "train_rows": world.totals.rows,
            "valid": len(split.valid),
            "test": len(split.test),
        },
        "seeds": {"run": seed, "scenario": world.scenario.seed},
        "episodes": {"hash": drawn.hash, "draws": len(drawn.episodes)},
        "leaks": asdict(drawn.leaks),
        "chosen": asdict(chosen),
        "floors": asdict(shrinkage),
        "seconds": {name: round(spent, 3) for name, spent in reporter.seconds.items()},
    }
