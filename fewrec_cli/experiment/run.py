"""The run folder: what a run leaves behind, each file whole or absent, ``metrics.json`` last."""

import json
import platform
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import DictConfig, OmegaConf

import fewrec_cli
from fewrec_cli.core.paths import written
from fewrec_cli.data.base import Dataset
from fewrec_cli.experiment.deciles import DecileErrors
from fewrec_cli.experiment.evaluate import Cell, Predictions
from fewrec_cli.experiment.result import Row
from fewrec_cli.experiment.table import Versus, shots_word
from fewrec_cli.scenario.base import Episodes
from fewrec_cli.scenario.episode import episode_table

NOT_KEPT = ("table", "cache")
"""Words of a config that change no figure and that nothing reads again."""
LIBRARIES = ("torch", "pytorch-lightning", "hydra-core", "omegaconf", "numpy", "pandas", "pyarrow")


def write_config(cfg: DictConfig, folder: Path) -> None:
    """Write ``config.yaml``: every choice that figures depend on, references resolved."""
    own = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key not in NOT_KEPT])
    resolved = OmegaConf.create(OmegaConf.to_container(own, resolve=True))
    with written(folder / "config.yaml") as path:
        OmegaConf.save(resolved, path)


def write_episodes(folder: Path, dataset: Dataset, episodes: Sequence[Episodes]) -> None:
    """Write ``episodes.parquet``: support and query of every task and draw."""
    write_columns(folder / "episodes.parquet", episode_table(dataset, episodes))


def write_tasks(folder: Path, cells: Sequence[Cell]) -> None:
    """Write ``tasks.parquet``: one row per row name, support size, draw and task."""
    frames = [_task_columns(cell) for cell in cells]
    write_columns(
        folder / "tasks.parquet",
        {name: np.concatenate([frame[name] for frame in frames]) for name in frames[0]},
    )


def _task_columns(cell: Cell) -> dict[str, np.ndarray]:
    tasks = len(cell.n_query)
    head = {
        "row": np.full(tasks, cell.row, dtype=object),
        "kind": np.full(tasks, cell.kind, dtype=object),
        "shots": np.full(tasks, str(shots_word(cell.shots)), dtype=object),
        "draw": np.full(tasks, cell.draw),
        "task": np.arange(tasks),
        "n_support": cell.n_support,
        "n_query": cell.n_query,
    }
    alone = cell.figures.alone
    own = {} if alone is None else {"score": alone.score, "liked": alone.relevant}
    return {**head, **cell.figures.columns, **own}


def write_predictions(folder: Path, dataset: Dataset, found: Sequence[Predictions]) -> None:
    """Write ``predictions.parquet``: the model's score of every candidate at the headline size."""
    frames = []
    for one in found:
        for batch, block in zip(one.candidates, one.scored.blocks, strict=True):
            task, column = np.nonzero(batch.mask)
            frames.append(
                {
                    "draw": np.full(len(task), one.episodes.draw),
                    "task": task + batch.start,
                    "item_id": dataset.item_ids[batch.item[task, column]],
                    "rating": batch.rating[task, column],
                    "score": block.score[task, column],
                }
            )
    write_columns(
        folder / "predictions.parquet",
        {name: np.concatenate([frame[name] for frame in frames]) for name in frames[0]},
    )


def write_deciles(folder: Path, errors: DecileErrors) -> None:
    """Write ``deciles.parquet``: errors of every row, task and decile of items."""
    write_columns(folder / "deciles.parquet", errors.columns())


def write_manifest(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write ``manifest.json``: what made the figures and what it cost."""
    content = {
        **facts,
        "versions": versions(),
        "git": git_state(),
        "command": sys.argv[1:],
        "cpu_seconds": cpu_seconds(),
        "peak_memory_mib": peak_memory_mib(),
    }
    _write_json(folder / "manifest.json", content)


def write_metrics(
    folder: Path, signature: str, rows: Sequence[Row], versus: Sequence[Versus]
) -> None:
    """Write ``metrics.json``; its presence means that the run is finished."""
    content = {
        "signature": signature,
        "rows": [asdict(row) for row in rows],
        "comparisons": [asdict(one) for one in versus],
    }
    _write_json(folder / "metrics.json", content)


def versions() -> dict[str, str]:
    """Return the versions that figures may depend on."""
    found = {"fewrec": fewrec_cli.__version__, "python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "not installed"
    return found


def git_state() -> dict[str, Any] | None:
    """Return commit and cleanliness of the checkout that the package runs from, if it is one."""
    home = Path(fewrec_cli.__file__).resolve().parents[1]
    if not (home / ".git").exists():
        return None

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(home), *words],  # noqa: S607 -- git is looked up as everywhere
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip()

    return {"commit": git("rev-parse", "HEAD"), "clean": not git("status", "--porcelain")}


def cpu_seconds() -> float:
    """Return the processor time of this process so far (seconds), imports included."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return round(used.ru_utime + used.ru_stime, 1)


def peak_memory_mib() -> float:
    """Return the largest resident memory of this process so far (MiB)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024 if sys.platform != "darwin" else 1024**2), 1)


def write_columns(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """Write columns of one length as a Parquet file."""
    with written(path) as beside:
        pd.DataFrame(columns).to_parquet(beside, index=False, compression="zstd")


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    with written(path) as beside:
        beside.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
