"""The run folder: its files, their columns, and figures that other tools can compute again."""

import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from omegaconf import OmegaConf

import fewrec_cli
from fewrec_cli.experiment import run
from fewrec_cli.experiment.result import Row, Summary

FILES = {
    "checkpoint.ckpt",
    "config.yaml",
    "episodes.parquet",
    "figures/shots.png",
    "log.txt",
    "manifest.json",
    "metrics.json",
    "predictions.parquet",
    "tasks.parquet",
    "training/maml/metrics.csv",
}
KINDS = {
    "maml": "model",
    "maml (unadapted)": "unadapted",
    "global mean": "floor",
    "support mean": "floor",
    "support median": "floor",
    "item mean": "floor",
    "item mean + user offset": "floor",
    "popularity": "floor",
    "random": "floor",
    "oracle": "oracle",
}


@pytest.fixture(scope="module")
def metrics(finished: Path) -> dict[str, Any]:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    text = (finished / "metrics.json").read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return content


@pytest.fixture(scope="module")
def manifest(finished: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((finished / "manifest.json").read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def episodes(finished: Path) -> pd.DataFrame:
    return pd.read_parquet(finished / "episodes.parquet")


def figure(metrics: dict[str, Any], row: str, shots: int | str, metric: str) -> dict[str, Any]:
    (found,) = [one for one in metrics["rows"] if (one["row"], one["shots"]) == (row, shots)]
    summary: dict[str, Any] = found["metrics"][metric]
    return summary


def test_the_folder_holds_exactly_what_is_promised(finished: Path) -> None:
    paths = (path for path in finished.rglob("*") if path.is_file())
    assert {path.relative_to(finished).as_posix() for path in paths} == FILES


@pytest.mark.slow
def test_metrics_are_written_last(finished: Path) -> None:
    times = {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file()}
    del times[finished / "log.txt"]  # closed at the very end
    assert max(times, key=lambda path: times[path]).name == "metrics.json"


def test_metrics_have_the_form_that_other_programs_read(metrics: dict[str, Any]) -> None:
    assert set(metrics) == {"signature", "rows", "comparisons"}
    assert {(one["row"], one["kind"]) for one in metrics["rows"]} == set(KINDS.items())
    for row in metrics["rows"]:
        assert set(row) == {
            *("row", "kind", "shots", "draws", "tasks", "adapt_ms_per_task", "metrics")
        }
        assert (row["draws"], row["tasks"]) == (2, 12)
        assert (row["adapt_ms_per_task"] is not None) == (row["kind"] == "model")
        for summary in row["metrics"].values():
            assert set(summary) == {"mean", "sd"}
            assert all(value is None or math.isfinite(value) for value in summary.values())
    sizes = [(row["row"], row["shots"]) for row in metrics["rows"]]
    assert sorted(map(str, sizes)) == sorted(str((n, s)) for n in KINDS for s in (0, 2, "all"))


def test_every_metric_is_there(metrics: dict[str, Any]) -> None:
    names = {"mae", "mae_median", "rmse", "rmse_user", "accuracy", "auc", "auc_user", "gauc"}
    names |= {"interval_coverage", "interval_width"}
    at_k = ("ndcg", "ndcg_exp", "precision", "recall", "f1", "hit", "mrr", "map")
    lists = ("coverage", "novelty", "diversity", "popularity_bias")
    names |= {f"{name}@{k}" for name in (*at_k, *lists) for k in (1, 3, 5, 10)}
    for row in metrics["rows"]:
        assert set(row["metrics"]) == names


def test_rating_metrics_of_rows_that_only_rank_are_null(metrics: dict[str, Any]) -> None:
    for row in ("popularity", "random"):
        assert figure(metrics, row, 2, "mae") == {"mean": None, "sd": None}
        assert figure(metrics, row, 2, "ndcg@5")["mean"] is not None


def test_comparisons_name_the_best_floor(metrics: dict[str, Any]) -> None:
    floors = {row for row, kind in KINDS.items() if kind == "floor"}
    assert {(one["metric"], one["shots"]) for one in metrics["comparisons"]} == {
        (metric, shots) for metric in ("mae", "ndcg@5") for shots in (0, 2, "all")
    }
    for one in metrics["comparisons"]:
        means = {floor: figure(metrics, floor, one["shots"], one["metric"]) for floor in floors}
        known = {floor: each["mean"] for floor, each in means.items() if each["mean"] is not None}
        choose = min if one["metric"] == "mae" else max
        assert known[one["floor"]] == choose(known.values())
        assert one["floor_mean"] == known[one["floor"]]
        assert one["users"] == 12
        assert 0 <= one["p"] <= 1


def test_episodes_have_the_promised_columns(episodes: pd.DataFrame) -> None:
    assert list(episodes.columns) == [
        *("draw", "task", "role", "position", "user_id", "item_id", "rating")
    ]
    assert set(episodes.role) == {"support", "query"}
    assert sorted(episodes.draw.unique()) == [0, 1]
    assert sorted(episodes.task.unique()) == list(range(12))
    for _, part in episodes.groupby(["draw", "task", "role"]):
        assert sorted(part.position) == list(range(len(part)))
        assert part.user_id.nunique() == 1
    for _, task in episodes.groupby(["draw", "task"]):
        assert task.item_id.is_unique  # nothing is in support and query
    assert (episodes[episodes.role == "query"].groupby(["draw", "task"]).size() == 6).all()
    users = episodes.groupby(["draw", "task"]).user_id.first().unstack()
    assert (users.nunique() == 1).all()  # a draw redraws rows, never the cold set
    queries = episodes[episodes.role == "query"].groupby("draw").item_id.agg(list)
    assert queries[0] != queries[1]


def test_tasks_have_the_promised_columns(finished: Path, metrics: dict[str, Any]) -> None:
    tasks = pd.read_parquet(finished / "tasks.parquet")
    head = ["row", "kind", "shots", "draw", "task", "n_support", "n_query"]
    assert list(tasks.columns[:7]) == head
    whole = {"auc", *(f"coverage@{k}" for k in (1, 3, 5, 10))}  # of all tasks at once
    assert set(tasks.columns[7:]) == set(metrics["rows"][0]["metrics"]) - whole
    assert set(tasks.shots) == {"0", "2", "all"}
    assert len(tasks) == len(KINDS) * 3 * 2 * 12
    assert (tasks.n_query == 6).all()
    assert (tasks[tasks.shots == "2"].n_support == 2).all()
    assert (tasks[tasks.shots == "0"].n_support == 0).all()
    assert (tasks[tasks.shots == "all"].n_support > 10).all()


def test_every_figure_follows_from_the_tasks(finished: Path, metrics: dict[str, Any]) -> None:
    tasks = pd.read_parquet(finished / "tasks.parquet")
    for row in metrics["rows"]:
        own = tasks[(tasks.row == row["row"]) & (tasks.shots == str(row["shots"]))]
        for name in ("mae", "ndcg@5", "rmse_user", "auc_user", "precision@3"):
            draws = own.groupby("draw")[name].mean().dropna()
            expected = {"mean": draws.mean(), "sd": draws.std(ddof=1)} if len(draws) else {}
            for key in ("mean", "sd"):
                assert row["metrics"][name][key] == pytest.approx(expected.get(key))


def test_undefined_figures_of_tasks_are_null(finished: Path) -> None:
    column = pq.read_table(finished / "tasks.parquet", columns=["row", "mae"])
    ranked = column.filter(np.isin(column["row"], ["popularity", "random"]))["mae"]
    assert ranked.null_count == len(ranked) == 2 * 3 * 2 * 12
    assert column["mae"].null_count == len(ranked)


def test_the_model_row_can_be_replayed_from_predictions(
    finished: Path, metrics: dict[str, Any], episodes: pd.DataFrame
) -> None:
    found = pd.read_parquet(finished / "predictions.parquet")
    assert list(found.columns) == ["draw", "task", "item_id", "rating", "score"]
    query = episodes[episodes.role == "query"]
    keys = ["draw", "task", "item_id"]
    joined = found.merge(query, on=keys, suffixes=("", "_query"))
    assert len(joined) == len(found) == len(query)
    assert (joined.rating == joined.rating_query).all()
    error = (found.score.clip(1, 5) - found.rating).abs()
    mae = error.groupby([found.draw, found.task]).mean().groupby("draw").mean()
    expected = figure(metrics, "maml", 2, "mae")
    assert mae.mean() == pytest.approx(expected["mean"])
    assert mae.std(ddof=1) == pytest.approx(expected["sd"])

    def ndcg(task: pd.DataFrame) -> float:
        discount = 1 / np.log2(np.arange(2, 7))
        ranked = task.sort_values("score", ascending=False).rating[:5]
        ideal = task.rating.sort_values(ascending=False)[:5]
        return float((ranked * discount).sum() / (ideal * discount).sum())

    per_task = {key: ndcg(task) for key, task in found.groupby(["draw", "task"])}
    per_draw = pd.Series(per_task).groupby(level=0).mean()
    assert per_draw.mean() == pytest.approx(figure(metrics, "maml", 2, "ndcg@5")["mean"])


def test_the_item_mean_can_be_replayed_from_the_data(
    finished: Path, metrics: dict[str, Any], episodes: pd.DataFrame
) -> None:
    from fewrec_cli.core.progress import Reporter
    from fewrec_cli.experiment.world import build

    world = build(OmegaConf.load(finished / "config.yaml"), Reporter(quiet=True))  # type: ignore[arg-type]
    rows, data = world.dataset.interactions, world.dataset
    frame = pd.DataFrame(
        {
            "user_id": data.user_ids[rows.user],
            "item_id": data.item_ids[rows.item],
            "rating": rows.rating,
        }
    )
    cold = set(episodes.user_id) | set(data.user_ids[world.split.valid.user])
    train = frame[~frame.user_id.isin(cold)]
    mean = train.rating.mean()
    sums = train.groupby("item_id").rating.agg(["sum", "count"])
    floors = json.loads((finished / "manifest.json").read_text(encoding="utf-8"))["floors"]
    assert floors["chosen"] is True
    prior = floors["item"]
    item_mean = (sums["sum"] + prior * mean) / (sums["count"] + prior)
    query = episodes[episodes.role == "query"]
    guess = query.item_id.map(item_mean).fillna(mean)
    error = (guess.clip(1, 5) - query.rating).abs()
    per_draw = error.groupby([query.draw, query.task]).mean().groupby("draw").mean()
    assert per_draw.mean() == pytest.approx(figure(metrics, "item mean", 2, "mae")["mean"])

    support = episodes[(episodes.role == "support") & (episodes.position < 2)]
    residual = support.rating - support.item_id.map(item_mean).fillna(mean)
    offset = residual.groupby([support.draw, support.task]).sum() / (2 + floors["user"])
    moved = guess.to_numpy() + offset.loc[list(zip(query.draw, query.task, strict=True))].to_numpy()
    error = (pd.Series(moved, index=query.index).clip(1, 5) - query.rating).abs()
    per_draw = error.groupby([query.draw, query.task]).mean().groupby("draw").mean()
    expected = figure(metrics, "item mean + user offset", 2, "mae")
    assert per_draw.mean() == pytest.approx(expected["mean"])


def test_the_manifest_says_what_made_the_figures(
    manifest: dict[str, Any], metrics: dict[str, Any]
) -> None:
    assert manifest["signature"] == metrics["signature"]
    assert manifest["device"] == "cpu"
    assert manifest["engine"] == {"path": "fast", "reason": "closed form of the factor head"}
    assert manifest["seeds"] == {"run": 0, "scenario": 0}
    assert manifest["versions"]["fewrec"] == fewrec_cli.__version__
    assert manifest["versions"]["torch"] == torch.__version__
    assert len(manifest["data"]["hash"]) >= 32
    assert manifest["episodes"]["draws"] == 2
    assert len(manifest["episodes"]["hash"]) == 64
    assert manifest["tasks"] == {
        "train_rows": manifest["tasks"]["train_rows"],
        "valid": 6,
        "test": 12,
    }
    assert manifest["chosen"]["steps"]["maml"] in range(1, 5)
    assert manifest["peak_memory_mib"] > 50
    assert 0 < manifest["cpu_seconds"] <= time.process_time() + 0.1
    assert manifest["command"][0] == "train"
    for stage in ("read", "split", "pretrain (maml)", "choose", "adapt", "write"):
        assert manifest["seconds"][stage] >= 0
    leaks = manifest["leaks"]
    assert leaks["draws"] == 3  # two of the test, one of the validation tasks
    broken = ("support_in_query", "history_in_query", "query_in_train", "repeated", "foreign")
    assert [leaks[name] for name in (*broken, "shared")] == [0] * 6


def test_the_signature_names_what_figures_depend_on(metrics: dict[str, Any]) -> None:
    for part in (
        *("shots=2", "query=6", "draws=2", "candidates=query", "k=1/3/5/10", "seed=0"),
        *("backbone=mf", "strategy=maml", "scenario=user_cold(", "fraction=0.2", "data=synthetic@"),
        f"version={fewrec_cli.__version__}",
    ):
        assert part in metrics["signature"]


def test_the_config_is_whole_and_resolved(finished: Path) -> None:
    text = (finished / "config.yaml").read_text(encoding="utf-8")
    assert "${" not in text
    cfg = OmegaConf.load(finished / "config.yaml")
    assert cfg.trainer.max_steps == 4
    assert cfg.strategy.adapter.inner_lr == cfg.strategy.inner_lr


def test_the_checkpoint_loads_without_running_code(
    finished: Path, manifest: dict[str, Any]
) -> None:
    content = torch.load(finished / "checkpoint.ckpt", weights_only=True)
    words = {name.partition(".")[0] for name in content["state_dict"]}
    assert words == {"backbone", "strategy"}
    assert content["strength"] == manifest["chosen"]["strength"]


def test_the_log_holds_what_was_said(finished: Path) -> None:
    log = (finished / "log.txt").read_text(encoding="utf-8")
    assert "cold users (12): of 60 users (fraction 0.2, seed 0)" in log
    assert "device: cpu" in log


def test_numbers_that_are_none_are_never_written(tmp_path: Path) -> None:
    row = Row("maml", "model", 5, 1, 3, None, {"mae": Summary(math.nan, None)})
    with pytest.raises(ValueError, match="JSON"):
        run.write_metrics(tmp_path, "signature", [row], [])
    assert not list(tmp_path.iterdir())


def test_git_state_is_that_of_the_checkout() -> None:
    state = run.git_state()
    home = Path(fewrec_cli.__file__).resolve().parents[1]
    assert (state is not None) == (home / ".git").exists()
    if state is not None:
        assert len(state["commit"]) == 40


def test_a_library_that_is_missing_is_named_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "LIBRARIES", ("no-such-library",))
    assert run.versions()["no-such-library"] == "not installed"
