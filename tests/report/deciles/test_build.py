"""The table by deciles, against loops over the run's lines and scipy."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fewrec_cli.core.errors import ConfigError, RunFolderError
from fewrec_cli.metric.statistics import holm
from fewrec_cli.report.deciles.build import build
from fewrec_cli.report.deciles.model import Cell, DecileRow, DecileSection, DecileTable
from fewrec_cli.report.group import Entry
from fewrec_cli.report.run import read_run
from tests.report.deciles.made import FLOOR, by_hand, made_run

METRICS = ("mae", "mae_median", "bias", "ndcg@5")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_run(tmp_path_factory.mktemp("run") / "run")


def entry(name: str, *folders: Path) -> Entry:
    return Entry(name, tuple(read_run(one) for one in folders), "user_cold")


@pytest.fixture(scope="module")
def table(folder: Path) -> DecileTable:
    return build([entry("ours", folder)], title="", metrics=METRICS, shots=None)


def section(table: DecileTable, side: str, metric: str, shots: int | str = 2) -> DecileSection:
    (found,) = [
        one for one in table.sections if (one.side, one.metric, one.shots) == (side, metric, shots)
    ]
    return found


def row(section: DecileSection, name: str) -> DecileRow:
    (found,) = [one for one in section.rows if one.row == name]
    return found


def cells(section: DecileSection, name: str) -> Sequence[tuple[int | None, Cell]]:
    deciles = [group.decile for group in section.groups]
    return list(zip(deciles, row(section, name).cells, strict=True))


@pytest.mark.parametrize("side", ["item", "activity", "mainstream"])
@pytest.mark.parametrize("metric", ["mae", "mae_median", "bias"])
@pytest.mark.parametrize(("name", "source"), [("ours", "maml"), (FLOOR, FLOOR)])
def test_means_equal_a_loop_over_lines(
    table: DecileTable, folder: Path, side: str, metric: str, name: str, source: str
) -> None:
    for decile, cell in cells(section(table, side, metric), name):
        sums = by_hand([folder], source, "2", side, decile, f"{metric}_sum")
        if sums:
            total, count = np.sum(list(sums.values()), axis=0)
            assert cell.mean == pytest.approx(total / count)
        else:
            assert cell.mean is None
        assert cell.users == len(sums)


@pytest.mark.parametrize("side", ["item", "activity"])
def test_differences_are_paired_with_the_best_floor_over_users(
    table: DecileTable, folder: Path, side: str
) -> None:
    found = section(table, side, "mae", "all")
    assert found.against == FLOOR
    for decile, cell in cells(found, "ours"):
        ours, theirs = (
            by_hand([folder], name, "all", side, decile, "mae_sum") for name in ("maml", FLOOR)
        )
        if not ours:
            assert cell.difference is None
            continue
        total = np.array([ours[user][0] - theirs[user][0] for user in ours])
        count = np.array([ours[user][1] for user in ours])
        difference = total.sum() / count.sum()
        assert cell.difference == pytest.approx(difference)
        users = len(total)
        if users < 10:
            assert (cell.low, cell.high, cell.p) == (None, None, None)
            continue
        se = np.sqrt(users / (users - 1) * ((total - difference * count) ** 2).sum()) / count.sum()
        assert cell.p == pytest.approx(2 * stats.t.sf(abs(difference / se), users - 1))
        half = stats.t.ppf(0.975, users - 1) * se
        assert (cell.low, cell.high) == pytest.approx((difference - half, difference + half))


def test_ranking_metrics_are_split_by_users_only(table: DecileTable, folder: Path) -> None:
    assert {one.side for one in table.sections if one.metric == "ndcg@5"} == {
        "activity",
        "mainstream",
    }
    tasks = pd.read_parquet(folder / "tasks.parquet")
    tasks = tasks[(tasks["row"] == "maml") & (tasks["shots"] == "2")]
    for decile, cell in cells(section(table, "activity", "ndcg@5"), "ours"):
        own = tasks if decile is None else tasks[1 + tasks["task"] // 3 == decile]
        assert cell.mean == pytest.approx(own["ndcg@5"].mean())
        assert cell.users == own.dropna()["task"].nunique()
    assert section(table, "activity", "ndcg@5").against is not None


def test_an_empty_decile_is_null_and_not_zero(table: DecileTable) -> None:
    found = section(table, "item", "mae")
    empty = [place for place, group in enumerate(found.groups) if not group.ratings]
    assert [found.groups[place].decile for place in empty] == [3, 4, 6, 7]
    for one in found.rows:
        for place in empty:
            cell = one.cells[place]
            assert cell == Cell(None, None, None, None, None, None, 0)
    assert (found.groups[3].low, found.groups[3].members) == (None, 0)


def test_columns_end_with_all_together(table: DecileTable, folder: Path) -> None:
    groups = section(table, "item", "mae").groups
    lines = pd.read_parquet(folder / "deciles.parquet")
    one = lines[(lines["row"] == "maml") & (lines["shots"] == "2")]
    assert [group.word for group in groups] == ["new", *map(str, range(1, 11)), "all"]
    assert groups[-1].ratings == one["ratings"].sum() == sum(g.ratings for g in groups[:-1])
    assert (groups[-1].low, groups[-1].high) == (0.0, 32.0)


def test_p_is_corrected_over_the_deciles_of_all_models(folder: Path, tmp_path: Path) -> None:
    other = made_run(tmp_path / "other", seed=5)
    both = [entry("ours", folder), entry("other", other)]
    found = section(build(both, title="", metrics=["mae"], shots=[2]), "item", "mae")
    tested = [
        cell
        for name in ("ours", "other")
        for decile, cell in cells(found, name)
        if decile is not None and cell.p is not None
    ]
    assert [cell.p_holm for cell in tested] == pytest.approx(holm([c.p or 0.0 for c in tested]))
    assert len(tested) > 8
    for one in found.rows:
        assert one.cells[-1].p_holm is None
        if one.kind != "model":
            assert all(cell.p_holm is None for cell in one.cells)


def test_seeds_of_one_entry_count_together(folder: Path, tmp_path: Path) -> None:
    other = made_run(tmp_path / "other", seed=5)
    found = build([entry("ours", folder, other)], title="", metrics=["mae"], shots=[2])
    for decile, cell in cells(section(found, "activity", "mae"), "ours"):
        sums = by_hand([folder, other], "maml", "2", "activity", decile, "mae_sum")
        total, count = np.sum(list(sums.values()), axis=0)
        assert cell.mean == pytest.approx(total / count)
        assert cell.users == len(sums)  # not twice as many


def test_rows_stand_by_kind_and_floors_once(folder: Path, tmp_path: Path) -> None:
    other = made_run(tmp_path / "other", seed=5)
    both = [entry("ours", folder), entry("other", other)]
    found = section(build(both, title="", metrics=["mae"], shots=[2]), "item", "mae")
    assert [one.row for one in found.rows] == [
        "ours",
        "other",
        "ours (unadapted)",
        "other (unadapted)",
        "item mean",
        FLOOR,
    ]  # random has no rating
    assert all(cell.difference is None for cell in row(found, FLOOR).cells)
    assert row(found, "item mean").cells[-1].difference == pytest.approx(0.2, abs=0.2)


def test_signed_errors_are_held_against_nothing(table: DecileTable) -> None:
    found = section(table, "item", "bias")
    assert found.against is None
    assert all(cell.difference is None for one in found.rows for cell in one.cells)


def test_runs_of_different_tasks_are_refused(folder: Path, tmp_path: Path) -> None:
    other = made_run(tmp_path / "other", episodes="f" * 16)
    both = [entry("ours", folder), entry("other", other)]
    with pytest.raises(RunFolderError, match="eeeeeeee and ffffffff") as caught:
        build(both, title="", metrics=["mae"], shots=None)
    assert str(folder) in caught.value.problem
    assert str(other) in caught.value.problem


def test_a_size_that_was_not_split_is_named(folder: Path) -> None:
    with pytest.raises(ConfigError, match="at 2, all shots, not at 7") as caught:
        build([entry("ours", folder)], title="", metrics=["mae"], shots=[2, 7])
    assert "evaluation.deciles" in caught.value.remedy


def test_a_run_without_deciles_is_named(tmp_path: Path) -> None:
    other = made_run(tmp_path / "other")
    (other / "deciles.parquet").unlink()
    with pytest.raises(ConfigError, match=r"has no deciles\.parquet"):
        build([entry("ours", other)], title="", metrics=["mae"], shots=None)


def test_a_metric_that_no_task_has_is_named(folder: Path) -> None:
    with pytest.raises(ConfigError, match="no coverage@5 of each task"):
        build([entry("ours", folder)], title="", metrics=["coverage@5"], shots=None)


def test_a_broken_file_is_told_in_two_lines(tmp_path: Path) -> None:
    other = made_run(tmp_path / "other")
    (other / "deciles.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(RunFolderError, match=r"cannot read .*deciles\.parquet"):
        build([entry("ours", other)], title="", metrics=["mae"], shots=None)
