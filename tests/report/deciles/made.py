"""Run folders of random figures, and readings of them by plain loops."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

ROWS = {
    "maml": "model",
    "maml (unadapted)": "unadapted",
    "item mean": "floor",
    "offset": "floor",
    "random": "floor",
}
USERS, DRAWS, QUERY = 30, 2, 5
SCENARIO = "scenario:\n  _target_: fewrec_cli.scenario.user_cold.UserCold\n  shots: 2\n"
FLOOR = "offset"
"""The floor with the best mean over all tasks."""


def made_run(folder: Path, *, seed: int = 0, episodes: str = "e" * 16, better: float = 0.3) -> Path:
    """Write the files of a finished run that a table by deciles reads.

    Args:
        folder: Made anew.
        seed: Of the model's errors; tasks and the floors' errors are the same for all.
        episodes: The episode hash.
        better: How much smaller the model's errors are than the best floor's (stars).
    """
    folder.mkdir(parents=True)
    shared, own = np.random.default_rng(0), np.random.default_rng(seed + 1)
    task = np.repeat(np.tile(np.arange(USERS), DRAWS), QUERY)
    draw = np.repeat(np.arange(DRAWS), USERS * QUERY)
    item = shared.choice([0, 1, 1, 2, 5, 8, 9, 9, 10, 10, 10], len(task))
    bases = {"item mean": 1.2, FLOOR: 1.0}
    errors = {row: shared.gamma(2.0, base / 2.0, len(task)) for row, base in bases.items()}
    errors["maml"] = errors[FLOOR] - better + own.normal(0, 0.4, len(task))
    errors["maml (unadapted)"] = errors["item mean"] + own.normal(0, 0.2, len(task))
    errors["random"] = np.full(len(task), np.nan)
    frames, tasks, rows = [], [], []
    for shots in ("2", "all"):
        for row, kind in ROWS.items():
            signed = errors[row] * shared.choice([-1.0, 1.0], len(task))
            frame = pd.DataFrame({"draw": draw, "task": task, "item": item, "ratings": 1})
            frame["mae_sum"] = np.abs(errors[row])
            frame["mae_median_sum"] = np.round(np.abs(errors[row]))
            frame["bias_sum"] = signed
            summed = frame.groupby(["draw", "task", "item"], as_index=False).sum(min_count=1)
            summed["activity"] = 1 + summed["task"] // 3
            summed["mainstream"] = 10 - summed["task"] % 10
            frames.append(summed.assign(row=row, kind=kind, shots=shots))
            each = frame.groupby(["draw", "task"])["mae_sum"].mean().rename("mae").reset_index()
            each["ndcg@5"] = shared.random(len(each))
            each.loc[each["task"] == 7, "ndcg@5"] = np.nan
            tasks.append(each.assign(row=row, kind=kind, shots=shots, n_support=2, n_query=QUERY))
            rows.append(_row(row, kind, shots, each))
    pd.concat(frames).to_parquet(folder / "deciles.parquet", index=False)
    pd.concat(tasks).to_parquet(folder / "tasks.parquet", index=False)
    _write_rest(folder, rows, episodes, seed)
    return folder


def _row(row: str, kind: str, shots: str, each: pd.DataFrame) -> Mapping[str, object]:
    means = {name: each.groupby("draw")[name].mean() for name in ("mae", "ndcg@5")}
    metrics = {
        name: {"mean": None if mean.isna().all() else float(mean.mean()), "sd": None}
        for name, mean in means.items()
    }
    return {
        "row": row,
        "kind": kind,
        "shots": shots if shots == "all" else int(shots),
        "draws": DRAWS,
        "tasks": USERS,
        "adapt_ms_per_task": None,
        "metrics": metrics,
    }


def _write_rest(folder: Path, rows: list[Mapping[str, object]], episodes: str, seed: int) -> None:
    place = [(draw, task) for draw in range(DRAWS) for task in range(USERS)]
    pd.DataFrame(
        {
            "draw": [draw for draw, _ in place],
            "task": [task for _, task in place],
            "role": "query",
            "position": 0,
            "user_id": [f"u{99 - task}" for _, task in place],
            "item_id": 1,
            "rating": 3.0,
        }
    ).to_parquet(folder / "episodes.parquet", index=False)
    tenth = [{"decile": d, "low": 3.0 * d, "high": 3.0 * d + 2, "members": 3} for d in range(1, 11)]
    tenth[2] = {"decile": 3, "low": None, "high": None, "members": 0}
    users = [{**one, "low": 1.0, "high": 2.0, "members": 3} for one in tenth]
    unseen = {"decile": 0, "low": 0.0, "high": 0.0, "members": 4}
    manifest = {
        "signature": "data=made@12345678 | scenario=user_cold | strategy=maml",
        "data": {"hash": "d" * 16},
        "episodes": {"hash": episodes},
        "chosen": {"losses": {"maml": 0.9}},
        "deciles": {"item": [unseen, *tenth], "activity": users, "mainstream": users},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    metrics = {"signature": manifest["signature"], "rows": rows, "comparisons": []}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "config.yaml").write_text(f"seed: {seed}\n{SCENARIO}")


def by_hand(
    folders: list[Path], row: str, shots: str, side: str, decile: int | None, column: str
) -> dict[str, list[float]]:
    """Collect what each user adds up to and how often it counts, line by line.

    Returns:
        User id to [sum, count]: of ratings where ``side`` is ``item``, else of tasks.
    """
    found: dict[str, list[float]] = {}
    for folder in folders:
        lines = pd.read_parquet(folder / "deciles.parquet")
        lines = lines[(lines["row"] == row) & (lines["shots"] == shots)]
        per_task: dict[tuple[int, int], list[float]] = {}
        for line in lines.to_dict("records"):
            if decile is not None and line[side] != decile:
                continue
            user = f"u{99 - line['task']}"
            if side == "item":
                own = found.setdefault(user, [0.0, 0.0])
                own[0], own[1] = own[0] + line[column], own[1] + line["ratings"]
            else:
                one = per_task.setdefault((line["draw"], line["task"]), [0.0, 0.0])
                one[0], one[1] = one[0] + line[column], one[1] + line["ratings"]
        for (_, task), (total, ratings) in per_task.items():
            own = found.setdefault(f"u{99 - task}", [0.0, 0.0])
            own[0], own[1] = own[0] + total / ratings, own[1] + 1
    return found
