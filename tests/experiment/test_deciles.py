"""The decile file of a run, against the episodes and predictions that the run wrote beside it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from omegaconf import DictConfig, OmegaConf

from fewrec_cli.core.progress import Reporter
from fewrec_cli.experiment.deciles import DecileErrors
from fewrec_cli.experiment.world import World, build
from fewrec_cli.report.deciles.build import build as build_table
from fewrec_cli.report.group import Entry
from fewrec_cli.report.run import read_run
from fewrec_cli.scenario import candidates
from tests.experiment.conftest import Call
from tests.experiment.test_evaluate import cells_of, made

pytestmark = pytest.mark.slow

SPLIT = ("evaluation.deciles=[2,all]", "evaluation.save_predictions=true", "scenario.draws=2")


@pytest.fixture(scope="module")
def split_run(
    fewrec: Call, quick: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("deciles") / "run"
    with pytest.MonkeyPatch.context() as patch:  # half of the time of a short run
        patch.setattr("fewrec_cli.experiment.pipeline.shot_curve", lambda *_: None)
        return fewrec("train", *quick, *SPLIT, f"hydra.run.dir={folder}").run


@pytest.fixture(scope="module")
def lines(split_run: Path) -> pd.DataFrame:
    return pd.read_parquet(split_run / "deciles.parquet")


@pytest.fixture(scope="module")
def manifest(split_run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((split_run / "manifest.json").read_text())
    return content


@pytest.mark.slow
def test_every_row_is_split_at_the_sizes_asked_for(lines: pd.DataFrame, split_run: Path) -> None:
    tasks = pd.read_parquet(split_run / "tasks.parquet")
    assert set(lines["shots"]) == {"2", "all"}
    assert set(lines["row"]) == set(tasks["row"])
    counted = lines.groupby(["row", "kind", "shots", "draw", "task"])["ratings"].sum()
    asked = tasks[tasks["shots"] != "0"].set_index(["row", "kind", "shots", "draw", "task"])
    assert (counted == asked["n_query"].reindex(counted.index)).all()
    assert len(counted) == len(asked)


@pytest.mark.parametrize("metric", ["mae", "mae_median"])
def test_sums_over_a_task_are_the_task_s_own_figure(
    lines: pd.DataFrame, split_run: Path, metric: str
) -> None:
    key = ["row", "shots", "draw", "task"]
    tasks = pd.read_parquet(split_run / "tasks.parquet").set_index(key)[metric]
    sums = lines.groupby(key)[[f"{metric}_sum", "ratings"]].sum(min_count=1)
    found = sums[f"{metric}_sum"] / sums["ratings"]
    np.testing.assert_allclose(found, tasks.reindex(found.index), atol=1e-6)
    assert found.isna().groupby("row").all().sum() == 2  # popularity and random only rank


def test_the_model_s_errors_equal_a_loop_over_its_predictions(
    lines: pd.DataFrame, manifest: dict[str, Any], split_run: Path
) -> None:
    predictions = pd.read_parquet(split_run / "predictions.parquet")
    popularity = popularity_by_hand(split_run, predictions)
    borders = [one for one in manifest["deciles"]["item"] if one["members"]]
    expected: dict[tuple[int, int, int], list[float]] = {}
    for one in predictions.itertuples():
        count = popularity[one.item_id]
        (decile,) = [b["decile"] for b in borders if b["low"] <= count <= b["high"]]
        error = min(5.0, max(1.0, one.score)) - one.rating
        own = expected.setdefault((one.draw, one.task, decile), [0, 0.0, 0.0])
        own[0], own[1], own[2] = own[0] + 1, own[1] + abs(error), own[2] + error
    model = lines[(lines["kind"] == "model") & (lines["shots"] == "2")]
    found = model.set_index(["draw", "task", "item"])[["ratings", "mae_sum", "bias_sum"]]
    assert set(found.index) == set(expected)
    for key, sums in expected.items():
        assert found.loc[key].tolist() == pytest.approx(sums, abs=1e-5)


def popularity_by_hand(run: Path, predictions: pd.DataFrame) -> dict[Any, int]:
    """Count the training ratings of each item, one row after another."""
    world = world_of(run)
    counts = dict.fromkeys(predictions["item_id"], 0)
    for row in world.split.train:
        item = world.dataset.item_ids[world.dataset.interactions.item[row]]
        if item in counts:
            counts[item] += 1
    return counts


def world_of(run: Path) -> World:
    cfg = OmegaConf.load(run / "config.yaml")
    assert isinstance(cfg, DictConfig)
    return build(cfg, Reporter(quiet=True))


def test_users_stand_where_their_profiles_put_them(
    lines: pd.DataFrame, manifest: dict[str, Any], split_run: Path
) -> None:
    world = world_of(split_run)
    rows, pool = world.dataset.interactions, world.split.test
    popularity = np.bincount(rows.item[world.split.train], minlength=world.dataset.n_items)
    for task, user in enumerate(pool.user):
        items = [rows.item[row] for row in range(len(rows)) if rows.user[row] == user]
        own = lines[lines["task"] == task]
        for kind, value in {
            "activity": len(items),
            "mainstream": sum(popularity[item] for item in items) / len(items),
        }.items():
            (decile,) = set(own[kind])
            (border,) = [one for one in manifest["deciles"][kind] if one["decile"] == decile]
            assert border["low"] - 1e-9 <= value <= border["high"] + 1e-9
    assert sum(one["members"] for one in manifest["deciles"]["activity"]) == len(pool)


def test_known_users_bring_their_training_rows() -> None:
    world, evaluator = made("scenario=item_cold", "evaluation.deciles=[2]")
    assert isinstance(evaluator.deciles, DecileErrors)
    rows, pool, train = world.dataset.interactions, world.split.test, world.split.train
    assert world.split.known_users[pool.user].all()
    sizes = [
        (rows.user[train] == user).sum() + pool.offsets[task + 1] - pool.offsets[task]
        for task, user in enumerate(pool.user)
    ]
    held = [one for one in evaluator.deciles.borders["activity"] if one.members]
    assert (held[0].low, held[-1].high) == (min(sizes), max(sizes))
    cells_of(world, evaluator)
    columns = evaluator.deciles.columns()
    assert set(columns["item"]) == {0}  # all query items are new


@pytest.mark.parametrize("metric", ["mae", "ndcg@5"])
def test_all_deciles_together_say_what_the_run_says(split_run: Path, metric: str) -> None:
    versus = json.loads((split_run / "metrics.json").read_text())["comparisons"]
    (told,) = [one for one in versus if (one["metric"], one["shots"]) == (metric, 2)]
    run = Entry("maml", (read_run(split_run),), "user_cold")
    table = build_table([run], title="", metrics=[metric], shots=[2])
    assert {one.side for one in table.sections} >= {"activity", "mainstream"}
    for section in table.sections:
        whole = section.rows[0].cells[-1]
        assert section.against == told["floor"]
        assert whole.users == told["users"]
        assert whole.difference == pytest.approx(told["difference"], abs=1e-6)
        assert whole.p == pytest.approx(told["p"], rel=1e-3)


@pytest.mark.slow
def test_nothing_is_split_unless_asked_for(finished: Path) -> None:
    assert not (finished / "deciles.parquet").exists()
    assert "deciles" not in json.loads((finished / "manifest.json").read_text())
    assert made()[1].deciles is None


def test_sizes_off_the_curve_are_evaluated_too() -> None:
    world, evaluator = made("scenario.curve=[2]", "evaluation.deciles=[1,all]")
    assert evaluator.points == (1, 2, None)
    cells_of(world, evaluator)
    assert evaluator.deciles is not None
    assert set(evaluator.deciles.columns()["shots"]) == {"1", "all"}


@pytest.mark.slow
def test_no_line_depends_on_the_blocks_that_candidates_come_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = []
    for cells in (candidates.CELLS, 100):
        monkeypatch.setattr(candidates, "CELLS", cells)
        world, evaluator = made("evaluation.deciles=[2]")
        cells_of(world, evaluator)
        assert evaluator.deciles is not None
        frame = pd.DataFrame(evaluator.deciles.columns())
        found.append(frame.sort_values(["row", "task", "item"]).reset_index(drop=True))
    pd.testing.assert_frame_equal(found[0], found[1], rtol=1e-5, atol=1e-5)
