"""TaNP's protocol: the contract, queries of any length, unseen items, floors of real data."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from fewrec_cli.core.errors import FewrecError
from fewrec_cli.data.base import Dataset
from fewrec_cli.metric.base import RankedLists
from fewrec_cli.scenario.base import Scenario, Split
from fewrec_cli.scenario.candidates import CandidateSource
from fewrec_cli.scenario.leak import check_leaks
from tests.metric.whole import score_tasks
from tests.scenario.contract import QUICK, SEEDS, SMALL, ScenarioContract, made, pairs, shipped
from tests.scenario.test_real import movielens

HERE: dict[str, Any] = {
    **SMALL,
    "support": 3,
    "curve": [0, "all"],
    "min_interactions": None,
    "max_interactions": None,
}


class TestTaNP(ScenarioContract):
    name = "tanp"

    def cut(self, dataset: Dataset, **changed: Any) -> tuple[Scenario, Split]:
        if changed.get("min_interactions") is not None:  # no less than a task needs
            changed["min_interactions"] = max(changed["min_interactions"], 5)
        return super().cut(dataset, **{**HERE, **changed})

    @QUICK
    @given(seed=SEEDS)
    def test_no_task_leaks(self, seed: int) -> None:
        dataset = made(seed)
        scenario, split = self.cut(dataset, seed=seed)
        draws = self.all_draws(scenario, split)
        report = check_leaks(dataset, split, draws)
        assert report.violations() == {}
        assert report.support_rows == 3 * report.tasks
        rows = sum(len(pool.rows) for pool in (split.valid, split.test)) * scenario.draws
        assert report.support_rows + report.query_rows == rows

    @QUICK
    @given(seed=SEEDS)
    def test_no_support_row_is_in_the_query_and_no_query_row_in_training(self, seed: int) -> None:
        dataset = made(seed)
        scenario, split = self.cut(dataset, seed=seed)
        seen = pairs(dataset, split.train)
        for drawn in self.all_draws(scenario, split):
            assert not seen & pairs(dataset, drawn.query)
            for task in range(len(drawn)):
                query, support = (
                    pairs(dataset, part[task]) for part in (drawn.query, drawn.support)
                )
                assert len(query) >= scenario.query
                assert len(support) == 3
                assert {user for user, _ in query} == {drawn.user[task]}
                assert not query & support

    def test_training_does_not_depend_on_how_tasks_are_cut(self) -> None:
        """But for the bounds, unless all training users are asked for."""
        dataset = made()
        _, usual = self.cut(dataset, train="all")
        _, other = self.cut(dataset, train="all", shots=1, query=1, draws=1, max_interactions=15)
        np.testing.assert_array_equal(usual.train, other.train)
        _, bounded = self.cut(dataset, max_interactions=15)
        counts = np.bincount(dataset.interactions.user, minlength=dataset.n_users)
        assert counts[dataset.interactions.user[bounded.train]].max() <= 15
        assert set(bounded.train) < set(usual.train)

    @QUICK
    @given(seed=SEEDS)
    def test_tasks_have_as_many_rows_as_asked_for(self, seed: int) -> None:
        _, split = self.cut(made(seed, users=90), min_interactions=6, max_interactions=16)
        for pool in (split.valid, split.test):
            counts = np.diff(pool.offsets)
            assert counts.min() >= 6
            assert counts.max() <= 16

    def test_embedded_data_can_be_cut_as_shipped(self) -> None:
        dataset = made(users=100, items=60)
        scenario = shipped(self.name)
        split = scenario.split(dataset)
        assert (len(split.test), len(split.valid)) == (20, 10)
        assert scenario.draw(split.test, 0).support.shape == (20, 20)


def test_items_that_no_training_user_has_rated_are_dropped_and_counted() -> None:
    dataset = made()
    split = shipped("tanp", **HERE).split(dataset)
    rows = dataset.interactions
    user = split.test.user[0]
    new = np.flatnonzero(rows.user == user)[0]
    items = rows.item.copy()
    items[new] = dataset.n_items
    ids = np.append(dataset.item_ids, "new")
    years = np.append(dataset.item_year, 1999)
    changed = replace(
        dataset, interactions=replace(rows, item=items), item_ids=ids, item_year=years
    )
    again = shipped("tanp", **HERE).split(changed)
    assert new in split.test.rows
    assert set(again.test.rows) == set(split.test.rows) - {new}
    note = next(note for note in again.notes if note.subject == "unseen items")
    assert (note.count, "of test users" in note.text) == (1, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"support": 0}, "scenario.support=0 is too small"),
        ({"shots": 4}, "ask for 4 support rows, and scenario.support=3 are drawn"),
        ({"curve": [0, 9]}, "ask for 9 support rows, and scenario.support=3 are drawn"),
        ({"min_interactions": 4}, r"scenario.min_interactions=4 is below scenario.support=3 \+"),
        ({"fraction": 0.9}, "leave no user to pretrain on"),
    ],
)
def test_what_is_wrong_is_said(words: dict[str, Any], told: str) -> None:
    with pytest.raises(FewrecError, match=told):
        shipped("tanp", **{**HERE, **words})


def test_a_signature_says_that_the_query_is_the_rest() -> None:
    assert shipped("tanp").query_word == "rest(10+)"
    assert shipped("user_cold").query_word == "10"


@pytest.mark.slow
def test_floors_of_movielens_are_those_that_were_measured_elsewhere(real_data: Path) -> None:
    """Item mean P / nDCG / MAP @5: .594 / .749 / .496; a random order: .332 / .532 / .225."""
    dataset = movielens(real_data, "1m")
    found = []
    for seed in range(6):
        scenario = shipped("tanp", seed=seed)
        split = scenario.split(dataset)
        item = dataset.interactions.item[split.train]
        stars = dataset.interactions.rating[split.train]
        count, total = (np.bincount(item, one, dataset.n_items) for one in (None, stars))
        mean = (total + 5 * stars.mean()) / (count + 5)
        (batch,) = CandidateSource(dataset, "query", seed).batches(scenario.draw(split.test, 0))
        for score in (mean[batch.item], np.zeros(batch.item.shape)):
            lists = RankedLists(score, batch.rating, batch.relevant, batch.mask, batch.item)
            figures = score_tasks(
                lists,
                None,
                k=(5,),
                no_positive="skip",
                seed=seed,
                further=("precision_multi", "map_multi"),
            ).figures
            found.append(
                [figures[f"{name}@5"] for name in ("precision_multi", "ndcg_exp", "map_multi")]
            )
    mean, chance = np.mean(found[0::2], axis=0), np.mean(found[1::2], axis=0)
    np.testing.assert_allclose(mean, [0.594, 0.749, 0.496], atol=0.012)
    np.testing.assert_allclose(chance, [0.332, 0.532, 0.225], atol=0.012)
