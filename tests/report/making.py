"""Run folders and rows made of figures that a test chooses."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from fewrec_cli.experiment.result import Kind, Row, Summary
from fewrec_cli.report.line import Line, Piece
from fewrec_cli.report.scores import Columns

SIGNATURE = (
    "data=toy@12345678 | scenario=user_cold(seed=0) | backbone=mf | strategy=maml | shots=5 | "
    "query=2 | draws=2 | candidates=query | positive=4 | no_positive=skip | gain=linear | "
    "ties=random | k=1/5 | seed=0 | version=0.1.0"
)
Values = Mapping[str, Sequence[Sequence[float]]]
"""Figures by metric, one list per draw, one figure per task."""


def flat_config(words: Mapping[str, Any]) -> dict[str, Any]:
    """Turn ``{"strategy.inner_lr": 0.1}`` into nested mappings over a small run's config."""
    config: dict[str, Any] = {
        "data": {"_target_": "fewrec_cli.data.movielens.MovieLens", "version": "100k"},
        "scenario": {"_target_": "fewrec_cli.scenario.user_cold.UserCold", "seed": 0, "shots": 5},
        "backbone": {"_target_": "fewrec_cli.backbone.mf.MF", "factors": 4},
        "strategy": {
            "_target_": "fewrec_cli.strategy.maml.MAML",
            "inner_lr": 0.1,
            "adapter": {"_target_": "fewrec_cli.strategy.adapter.gradient.Gradient"},
        },
        "evaluation": {"_target_": "fewrec_cli.metric.settings.Evaluation", "k": [1, 5]},
        "logger": None,
        "seed": 0,
        "threads": 1,
    }
    for word, value in words.items():
        *path, last = word.split(".")
        node = config
        for part in path:
            node = node.setdefault(part, {})
        node[last] = value
    return config


def write_run(
    folder: Path,
    rows: Mapping[tuple[str, Kind, object], Values],
    *,
    words: Mapping[str, Any] | None = None,
    users: Sequence[Any] = (7, 8, 9),
    episodes: str = "e" * 64,
    data_hash: str = "d" * 64,
    parameters: Mapping[str, int | None] | None = None,
) -> Path:
    """Write a finished run as ``fewrec train`` would leave it.

    Args:
        folder: Created.
        rows: Figures of each (name, kind, shots).
        words: Words of its config that differ from a small run's.
        users: Whose tasks these are.
        episodes: Hash of the episodes.
        data_hash: Hash of the data.
        parameters: What the manifest says of the model's size; None for nothing.
    """
    folder.mkdir(parents=True)
    config = flat_config(words or {})
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    manifest = {
        "signature": SIGNATURE.replace("seed=0 |", f"seed={config['seed']} |"),
        "data": {"hash": data_hash},
        "episodes": {"hash": episodes},
        "chosen": {"losses": {"maml": 0.5}},
    }
    manifest |= {} if parameters is None else {"parameters": dict(parameters)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    frames, listed = [], []
    for (name, kind, shots), values in rows.items():
        table = {metric: np.array(draws, dtype=float) for metric, draws in values.items()}
        draws, tasks = next(iter(table.values())).shape
        frames.append(
            pd.DataFrame(
                {
                    "row": name,
                    "kind": kind,
                    "shots": str(shots),
                    "draw": np.repeat(np.arange(draws), tasks),
                    "task": np.tile(np.arange(tasks), draws),
                    "n_support": 5,
                    "n_query": 2,
                    **{metric: figures.ravel() for metric, figures in table.items()},
                }
            )
        )
        means = {metric: _means(figures) for metric, figures in table.items()}
        listed.append(
            {
                "row": name,
                "kind": kind,
                "shots": shots,
                "draws": draws,
                "tasks": tasks,
                "adapt_ms_per_task": 0.5 if kind == "model" else None,
                "metrics": {metric: _summary(one) for metric, one in means.items()},
            }
        )
    shuffled = pd.concat(frames).sample(frac=1.0, random_state=0)  # order in the file means nothing
    shuffled.to_parquet(folder / "tasks.parquet", index=False)
    pd.DataFrame(
        {
            "draw": np.repeat(np.arange(draws), tasks * 2),
            "task": np.tile(np.repeat(np.arange(tasks), 2), draws),
            "role": "query",
            "position": np.tile([0, 1], draws * tasks),
            "user_id": np.tile(np.repeat(list(users), 2), draws),
            "item_id": 1,
            "rating": 3.0,
        }
    ).to_parquet(folder / "episodes.parquet", index=False)
    content = {"signature": manifest["signature"], "rows": listed, "comparisons": []}
    (folder / "metrics.json").write_text(json.dumps(content))
    return folder


def _means(figures: np.ndarray) -> np.ndarray:
    defined = (~np.isnan(figures)).sum(1)
    total = np.nansum(figures, axis=1)
    return np.divide(total, defined, out=np.full(len(total), np.nan), where=defined > 0)


def _summary(means: np.ndarray) -> dict[str, float | None]:
    defined = means[~np.isnan(means)]
    if not len(defined):
        return {"mean": None, "sd": None}
    sd = float(defined.std(ddof=1)) if len(defined) > 1 else None
    return {"mean": float(defined.mean()), "sd": sd}


def line(
    name: str,
    kind: Kind,
    values: np.ndarray,
    *,
    metric: str = "mae",
    episodes: Sequence[str] = ("e",),
    users: np.ndarray | None = None,
    shots: int = 5,
) -> Line:
    """Make a row in memory.

    Args:
        name: Its name.
        kind: Its kind.
        values: Figures, ``(splits, seeds, draws, tasks)``.
        metric: The only metric.
        episodes: Hash of each split.
        users: Users of each split, ``(splits, tasks)``; the same in all by default.
        shots: Support size.
    """
    splits, seeds, draws, tasks = values.shape
    whose = np.tile(np.arange(tasks), (splits, 1)) if users is None else users
    pieces = []
    for split in range(splits):
        for seed in range(seeds):
            own = values[split, seed]
            summary = Row(
                name, kind, shots, draws, tasks, None, {metric: Summary(float(own.mean()), None)}
            )
            columns = Columns({metric: own.ravel()}, np.full(draws * tasks, 2))
            draw = np.repeat(np.arange(draws), tasks)
            owner = np.tile(whose[split], draws)
            where = f"{name}-{split}-{seed}"
            pieces.append(Piece(episodes[split], seed, owner, draw, columns, summary, where))
    return Line(name, kind, shots, tuple(pieces))
