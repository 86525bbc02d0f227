"""RecBole-MetaRec's protocol: the contract, given folds as they are, floors of the real data."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fewrec_cli.core.errors import FewrecError
from fewrec_cli.core.seeding import generator
from fewrec_cli.data.base import Dataset
from fewrec_cli.metric.base import RankedLists
from fewrec_cli.metric.positives import Positives
from fewrec_cli.scenario.base import Scenario, Split
from fewrec_cli.scenario.candidates import CandidateSource
from fewrec_cli.scenario.fold import TABLE
from fewrec_cli.scenario.leak import check_leaks
from tests.metric.whole import score_tasks
from tests.scenario.contract import SMALL, ScenarioContract, made, shipped
from tests.scenario.shipping import numbered
from tests.scenario.test_real import movielens

BOUNDS: dict[str, Any] = {**SMALL, "min_interactions": 4, "max_interactions": 100}


class TestMetaRec(ScenarioContract):
    name = "metarec"

    def cut(self, dataset: Dataset, **changed: Any) -> tuple[Scenario, Split]:
        return super().cut(
            dataset, **{"min_interactions": None, "max_interactions": None, **changed}
        )

    def test_training_does_not_depend_on_how_tasks_are_cut(self) -> None:
        """But for the bounds: they decide who is trained on, too."""
        dataset = made()
        _, usual = self.cut(dataset, min_interactions=5)
        _, other = self.cut(dataset, shots=1, query=1, draws=1, min_interactions=5)
        np.testing.assert_array_equal(usual.train, other.train)
        _, narrow = self.cut(dataset, min_interactions=15, max_interactions=17)
        counts = np.bincount(dataset.interactions.user, minlength=dataset.n_users)
        for part in (narrow.train, narrow.valid.rows, narrow.test.rows):
            sizes = counts[dataset.interactions.user[part]]
            assert sizes.min() >= 15
            assert sizes.max() <= 17

    def test_supports_are_nested_whatever_the_shots(self) -> None:
        """With bounds that do not move with the shots, as who is split depends on them."""
        dataset = made()
        few, few_split = self.cut(dataset, shots=1, min_interactions=6)
        many, many_split = self.cut(dataset, shots=3, min_interactions=6)
        small, large = few.draw(few_split.test, 1), many.draw(many_split.test, 1)
        for one, other in ((small.user, large.user), (small.query, large.query)):
            np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(small.support, large.support)

    def test_embedded_data_can_be_cut_as_shipped(self) -> None:
        dataset = made(users=120, items=40)
        _, split = shipped(self.name), shipped(self.name).split(dataset)
        assert len(split.test) == len(split.valid) == 12


def test_everyone_within_bounds_is_in_one_of_three_groups() -> None:
    dataset = made(users=100)
    split = shipped("metarec", **{**BOUNDS, "fraction": 0.1, "validation": 0.1}).split(dataset)
    user = dataset.interactions.user
    groups = [set(user[rows].tolist()) for rows in (split.train, split.valid.rows, split.test.rows)]
    assert [len(group) for group in groups] == [80, 10, 10]
    assert set.union(*groups) == set(range(100))


def test_training_on_all_adds_those_out_of_bounds_and_nobody_who_is_held_out() -> None:
    dataset = made(users=100)
    words = {**BOUNDS, "max_interactions": 16}
    tasks, everyone = (
        shipped("metarec", **words, train=word).split(dataset) for word in ("tasks", "all")
    )
    np.testing.assert_array_equal(tasks.test.rows, everyone.test.rows)
    counts = np.bincount(dataset.interactions.user, minlength=100)
    added = np.setdiff1d(everyone.train, tasks.train)
    assert len(added)
    assert counts[dataset.interactions.user[added]].min() > 16
    note = next(note for note in tasks.notes if note.subject == "set aside")
    assert note.count == len(added)


def table_of(dataset: Dataset, seed: int = 7) -> pd.DataFrame:
    """Return a fold: the first users train, the next validate, the last are tested."""
    rows = dataset.interactions
    key = generator(seed, "fold").random(len(rows))
    table = pd.DataFrame(
        {
            "user_id": dataset.user_ids[rows.user],
            "item_id": dataset.item_ids[rows.item],
            "stars": rows.rating,
            "key": key,
            "seed": seed,
        }
    )
    share = rows.user / dataset.n_users
    table["scenario"] = np.select([share < 0.6, share < 0.8], ["train", "valid"], "test")
    table = table.sort_values("key")
    table["pos"] = table.groupby("user_id").cumcount()
    table["role"] = np.where(table["pos"] < 4, "query", "support")
    support = table["role"] == "support"
    table["pos"] = np.where(support, table["pos"] - 4, table["pos"])
    query = table[~support].sort_values(["stars", "key"], ascending=[False, True])
    named = query.groupby("user_id").head(2).index
    table["rel5"] = table.index.isin(named).astype(int)
    return table.drop(columns="key").sample(frac=1.0, random_state=0)


@pytest.fixture
def given(tmp_path: Path) -> tuple[Dataset, pd.DataFrame, Path]:
    dataset = numbered()
    table = table_of(dataset)
    table.to_parquet(tmp_path / TABLE)
    return dataset, table, tmp_path


def fold_of(folder: Path, **changed: Any) -> Scenario:
    words = {"fold": 7, "files": str(folder), "query": 4, "shots": 2, "min_interactions": None}
    return shipped("metarec", **{**words, "max_interactions": None, **changed})


def test_a_given_fold_keeps_users_roles_order_and_positives(
    given: tuple[Dataset, pd.DataFrame, Path],
) -> None:
    dataset, table, folder = given
    scenario = fold_of(folder)
    split = scenario.split(dataset)
    rows = dataset.interactions
    for pool, word in ((split.valid, "valid"), (split.test, "test")):
        drawn = scenario.draw(pool, 0)
        assert set(dataset.user_ids[drawn.user]) == set(table.user_id[table.scenario == word])
        for user, support, query in zip(drawn.user, drawn.support, drawn.query, strict=True):
            mine = table[table.user_id == dataset.user_ids[user]].sort_values("pos")
            for role, found in (("support", support[support >= 0]), ("query", query)):
                wanted = mine.item_id[mine.role == role].tolist()
                assert dataset.item_ids[rows.item[found]].tolist() == wanted
    trained = table[table.scenario == "train"]
    assert len(split.train) == len(trained)
    assert set(dataset.user_ids[rows.user[split.train]]) == set(trained.user_id)
    source = CandidateSource(dataset, "query", 0, Positives(2), split.preferred)
    drawn = scenario.draw(split.test, 0)
    (batch,) = source.batches(drawn)
    for user, item, relevant in zip(drawn.user, batch.item, batch.relevant, strict=True):
        mine = table[(table.user_id == dataset.user_ids[user]) & (table.rel5 == 1)]
        assert set(dataset.item_ids[item[relevant]]) == set(mine.item_id)
    assert check_leaks(dataset, split, [drawn]).violations() == {}


def test_a_given_fold_does_not_move_with_the_seed(
    given: tuple[Dataset, pd.DataFrame, Path],
) -> None:
    dataset, _, folder = given
    one, other = (fold_of(folder, seed=seed).split(dataset) for seed in (0, 1))
    np.testing.assert_array_equal(one.test.rows, other.test.rows)


def test_without_validation_its_tasks_are_not_trained_on_either(
    given: tuple[Dataset, pd.DataFrame, Path],
) -> None:
    dataset, _, folder = given
    usual, none = (fold_of(folder, validation=word).split(dataset) for word in (0.1, None))
    assert len(none.valid) == 0
    np.testing.assert_array_equal(usual.train, none.train)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"fold": 8}, "scenario.fold=8 is not in ml100k_metarec.parquet"),
        ({"query": 3}, "scenario.query=3, and the tasks of scenario.fold=7 have 4 query ratings"),
        ({"draws": 2}, "scenario.draws=2 of scenario.fold=7"),
        ({"files": "/nowhere/at/all"}, "scenario.files=/nowhere/at/all is no folder"),
        ({"fraction": 0.6, "validation": 0.5}, "leave no user to pretrain on"),
    ],
)
def test_what_is_wrong_is_said(
    words: dict[str, Any], told: str, given: tuple[Dataset, pd.DataFrame, Path]
) -> None:
    dataset, _, folder = given
    with pytest.raises(FewrecError, match=told):
        fold_of(folder, **words).split(dataset)


def test_a_missing_table_is_said(folder: Path, no_real_data: None) -> None:
    with pytest.raises(FewrecError, match="the given folds were not found: no ml100k_metarec"):
        fold_of(folder, files=None).split(numbered())


def test_ratings_that_the_data_lacks_are_refused(
    given: tuple[Dataset, pd.DataFrame, Path],
) -> None:
    dataset, _, folder = given
    fewer = dataset.interactions.take(np.arange(len(dataset.interactions) - 3))
    with pytest.raises(FewrecError, match=r"lists \d+ ratings, and made has"):
        fold_of(folder).split(replace(dataset, interactions=fewer))
    with pytest.raises(FewrecError, match="lists whole numbers, and the data has other ids"):
        fold_of(folder).split(made())


def test_positives_that_are_not_the_highest_rated_are_refused(
    given: tuple[Dataset, pd.DataFrame, Path],
) -> None:
    dataset, table, folder = given
    turned = table.assign(rel5=np.where(table.role == "query", 1 - table.rel5, 0))
    turned.to_parquet(folder / TABLE)
    with pytest.raises(FewrecError, match=r"names positives of \d+ users that are not their high"):
        fold_of(folder).split(dataset)


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [("role", "quarry", "has role 'quarry'"), ("pos", None, "cannot be read")],
)
def test_a_broken_table_is_named(
    column: str, value: object, told: str, given: tuple[Dataset, pd.DataFrame, Path]
) -> None:
    dataset, table, folder = given
    table.assign(**{column: value}).to_parquet(folder / TABLE)
    with pytest.raises(FewrecError, match=told):
        fold_of(folder).split(dataset)


def test_a_short_history_is_counted_or_refused() -> None:
    dataset = made(users=100)
    words = {**BOUNDS, "min_interactions": 16}
    split = shipped("metarec", **words).split(dataset)
    counts = np.bincount(dataset.interactions.user)
    note = next(note for note in split.notes if note.subject == "short history")
    assert note.count == (counts < 16).sum()
    with pytest.raises(FewrecError, match=f"{note.count} of 100 users have fewer than 16 ratings"):
        shipped("metarec", **words, short_history="error").split(dataset)


def floors(dataset: Dataset, scenario: Scenario) -> list[float]:
    """Return P@5, nDCG@5 and MRR@5 of the item mean with shrinkage 5, then P@5 of a constant."""
    split = scenario.split(dataset)
    item, stars = dataset.interactions.item[split.train], dataset.interactions.rating[split.train]
    count, total = (np.bincount(item, one, dataset.n_items) for one in (None, stars))
    mean = (total + 5 * stars.mean()) / (count + 5)
    source = CandidateSource(dataset, "query", scenario.seed, Positives(5), split.preferred)
    (batch,) = source.batches(scenario.draw(split.test, 0))
    words: Any = {
        "k": (5,),
        "no_positive": "skip",
        "seed": scenario.seed,
        "further": ("ndcg_binary",),
    }
    ours, constant = (
        score_tasks(
            RankedLists(score, batch.rating, batch.relevant, batch.mask, batch.item), None, **words
        ).figures
        for score in (mean[batch.item], np.zeros(batch.item.shape))
    )
    found = [ours[name] for name in ("precision@5", "ndcg_binary@5", "mrr@5")]
    return [float(value or 0.0) for value in (*found, constant["precision@5"])]


@pytest.mark.slow
def test_floors_of_movielens_are_those_that_were_measured_elsewhere(real_data: Path) -> None:
    """Item mean over 50 splits: .590 / .611 / .819, one of them with sd .018 / .021 / .037."""
    dataset = movielens(real_data, "100k")
    found = [floors(dataset, shipped("metarec", seed=seed)) for seed in range(50)]
    mean = np.mean(found, axis=0)
    np.testing.assert_allclose(mean[:3], [0.590, 0.611, 0.819], atol=0.015)
    assert mean[3] == pytest.approx(0.5, abs=0.01)


@pytest.mark.slow
def test_given_folds_of_movielens_are_those_that_were_shipped(real_data: Path) -> None:
    if not (real_data / "splits" / TABLE).is_file():
        pytest.skip(f"no {TABLE}")
    dataset = movielens(real_data, "100k")
    found = []
    for seed in (1128, 1129, 1130):
        scenario = shipped("metarec", fold=seed, files=str(real_data))
        split = scenario.split(dataset)
        assert (len(split.valid), len(split.test)) == (58, 58)
        assert len(np.unique(dataset.interactions.user[split.train])) == 466
        draws = [scenario.draw(pool, 0) for pool in (split.valid, split.test)]
        assert check_leaks(dataset, split, draws).violations() == {}
        found.append(floors(dataset, scenario)[:2])
    np.testing.assert_allclose(np.mean(found, axis=0), [0.598, 0.613], atol=0.012)
