"""Finished runs, read from their folders: config, manifest and figures, never the weights."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fewrec_cli.core.errors import RunFolderError
from fewrec_cli.core.paths import require_folder
from fewrec_cli.experiment.result import Row, Summary
from fewrec_cli.report.model import Parameters, Shots
from fewrec_cli.report.words import Words, flat

CONFIG, MANIFEST, METRICS, TASKS, EPISODES = (
    "config.yaml",
    "manifest.json",
    "metrics.json",
    "tasks.parquet",
    "episodes.parquet",
)
GIVE = "give run folders, or a folder that holds some: a sweep"
FILES = (CONFIG, MANIFEST, METRICS, TASKS, EPISODES)


@dataclass(frozen=True)
class Run:
    """One finished run.

    Attributes:
        folder: Where it lies.
        words: Its config, flat, without words that measure nothing.
        seed: The run's seed.
        headline: Support size of its table.
        signature: What its figures depend on, part by part.
        data_hash: Of interactions, ids, attributes and scale as read.
        episode_hash: The same only where users, supports and queries are.
        rows: Its figures.
        parameters: Size of the model, None where the manifest does not say.
        selected: Whether anything was chosen on validation tasks.
        finished: When its figures were written (seconds since 1970).
    """

    folder: Path
    words: Words
    seed: int
    headline: Shots
    signature: Mapping[str, str]
    data_hash: str
    episode_hash: str
    rows: tuple[Row, ...]
    parameters: Parameters | None
    selected: bool
    finished: float

    @property
    def cut_offs(self) -> tuple[int, ...]:
        """Cut-offs of the ranking metrics, ascending."""
        names = {name for row in self.rows for name in row.metrics}
        return tuple(sorted(int(name[5:]) for name in names if name.startswith("ndcg@")))

    @property
    def implicit(self) -> bool:
        """Whether no row has a rating error."""
        means = [row.metrics["mae"].mean for row in self.rows if "mae" in row.metrics]
        return all(mean is None for mean in means)


@dataclass(frozen=True)
class Found:
    """What a search for runs found.

    Attributes:
        runs: In the order of the folders given, below each by path.
        notes: What was passed over, in plain sentences.
    """

    runs: tuple[Run, ...]
    notes: tuple[str, ...]


def find_runs(folders: Sequence[Path]) -> Found:
    """Read every finished run in the given folders and below them.

    Args:
        folders: Run folders, or folders that hold some at any depth (a sweep, ``outputs``).

    Raises:
        RunFolderError: A folder is absent, holds no finished run, or holds one that cannot be read.
    """
    places: dict[Path, None] = {}
    unfinished: dict[Path, None] = {}
    for folder in folders:
        require_folder(folder, GIVE)
        configs = sorted(path.parent for path in folder.rglob(CONFIG))
        whole = [place for place in configs if (place / METRICS).is_file()]
        if not whole:
            raise RunFolderError(
                _nothing_in(folder, len(configs)),
                "give the last line that fewrec train printed, or the folder of a sweep",
            )
        places |= {place.resolve(): None for place in whole}
        unfinished |= {place.resolve(): None for place in configs if place not in whole}
    count = len(unfinished)
    told = f"{count} unfinished {'run was' if count == 1 else 'runs were'} passed over"
    names = ", ".join(str(place) for place in list(unfinished)[:3])
    notes = (f"{told}: {names}{', ...' if count > 3 else ''}.",) if count else ()
    return Found(tuple(read_run(place) for place in places), notes)


def read_run(folder: Path) -> Run:
    """Read one finished run.

    Raises:
        RunFolderError: A file is missing, is no JSON or YAML, or lacks what a run writes.
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise RunFolderError(
            f"{folder} holds no finished run: {', '.join(missing)} missing",
            "give the folder of a finished run, the last line that fewrec train printed",
        )
    try:
        config = yaml.safe_load((folder / CONFIG).read_text(encoding="utf-8"))
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        metrics = json.loads((folder / METRICS).read_text(encoding="utf-8"))
        return _run(folder, config, manifest, metrics)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as fault:
        said = " ".join(str(fault).split())[:100]
        raise RunFolderError(
            f"cannot read the run {folder}: {type(fault).__name__}: {said}",
            "a file was changed since the run; leave this run out",
        ) from fault


def _run(folder: Path, config: Any, manifest: Any, metrics: Any) -> Run:
    parts = (part.partition("=")[::2] for part in manifest["signature"].split(" | "))
    counted = manifest.get("parameters")
    return Run(
        folder=folder,
        words=flat(config),
        seed=int(config["seed"]),
        headline=_shots(config["scenario"]["shots"]),
        signature=dict(parts),
        data_hash=str(manifest["data"]["hash"]),
        episode_hash=str(manifest["episodes"]["hash"]),
        rows=tuple(_row(row) for row in metrics["rows"]),
        parameters=None
        if counted is None
        else Parameters(int(counted["trainable"]), counted["adapted"]),
        selected=any(loss is not None for loss in manifest["chosen"]["losses"].values()),
        finished=(folder / METRICS).stat().st_mtime,
    )


def _row(row: Any) -> Row:
    figures = {name: Summary(one["mean"], one["sd"]) for name, one in row["metrics"].items()}
    spent = row["adapt_ms_per_task"]
    return Row(
        str(row["row"]),
        row["kind"],
        _shots(row["shots"]),
        int(row["draws"]),
        int(row["tasks"]),
        None if spent is None else float(spent),
        figures,
    )


def _shots(value: Any) -> Shots:
    return "all" if value == "all" else int(value)


def _nothing_in(folder: Path, unfinished: int) -> str:
    if not unfinished:
        return f"{folder} holds no run"
    return f"{folder} holds no finished run, {unfinished} unfinished"
