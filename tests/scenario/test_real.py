"""The four scenarios on MovieLens as published; skipped where there is no real data."""

import time
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import instantiate

from fewrec_cli.core.progress import Reporter
from fewrec_cli.data.base import Dataset
from fewrec_cli.scenario.leak import LeakReport, check_leaks
from tests.composed import composed
from tests.scenario.contract import shipped

SCENARIOS = ("user_cold", "item_cold", "both_cold", "warm")


def movielens(folder: Path, version: str) -> Dataset:
    cfg = composed("data=movielens", f"data.version={version}", f"data.root='{folder}'")
    dataset: Dataset = instantiate(cfg.data).load(Reporter(quiet=True))
    return dataset


def checked(dataset: Dataset, name: str) -> LeakReport:
    scenario = shipped(name)
    split = scenario.split(dataset)
    draws = [
        scenario.draw(pool, number)
        for pool in (split.valid, split.test)
        for number in range(scenario.draws)
    ]
    return check_leaks(dataset, split, draws)


def test_movielens_100k_is_cut_four_ways_without_a_leak(real_data: Path) -> None:
    dataset = movielens(real_data, "100k")
    for name in SCENARIOS:
        report = checked(dataset, name)
        assert report.violations() == {}
        assert report.tasks >= 5 * 100, name


@pytest.mark.slow
def test_movielens_1m_is_cut_four_ways_in_seconds(real_data: Path) -> None:
    dataset = movielens(real_data, "1m")
    started = time.perf_counter()
    for name in SCENARIOS:
        assert checked(dataset, name).violations() == {}
    assert time.perf_counter() - started < 20


@pytest.mark.slow
def test_films_of_1998_and_later_are_cold_as_the_papers_count_them(real_data: Path) -> None:
    dataset = movielens(real_data, "1m")
    split = shipped("item_cold", by="year", year=1998).split(dataset)
    cold = np.unique(dataset.interactions.item[split.test.rows])
    assert split.notes[0].count == pytest.approx(740, abs=5)
    assert 700 <= len(cold) <= 745
