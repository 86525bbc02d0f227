"""MeLU's split: the contract in each cold state, and the paper's counts on the real data."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fewrec_cli.core.errors import FewrecError
from fewrec_cli.scenario.leak import check_leaks
from tests.scenario.contract import made, shipped
from tests.scenario.shipping import GIVEN, GivenContract, cold_sides, numbered, ship
from tests.scenario.test_real import movielens

FILES = {
    "warm": "warm_state",
    "user_cold": "user_cold_state",
    "item_cold": "item_cold_state",
    "both_cold": "user_and_item_cold_state",
}


class MeLUContract(GivenContract):
    name = "melu"
    files = FILES


class TestUserCold(MeLUContract):
    state = "user_cold"


@pytest.mark.slow
class TestItemCold(MeLUContract):
    state = "item_cold"


@pytest.mark.slow
class TestBothCold(MeLUContract):
    state = "both_cold"


def test_tasks_of_the_warm_state_are_taken_out_of_training(tmp_path: Path) -> None:
    dataset = numbered()
    ship(dataset, tmp_path, FILES)
    words = {**GIVEN, "files": str(tmp_path), "validation": None, "max_interactions": 11}
    split = shipped("melu", state="warm", **words).split(dataset)
    cold_user, cold_item = cold_sides(dataset)
    warm = np.flatnonzero(~cold_user & ~cold_item)
    assert 0 < len(split.test.rows) < len(warm)
    np.testing.assert_array_equal(np.sort([*split.train, *split.test.rows]), warm)
    assert not split.known_users[split.test.user].any()


def test_training_on_the_papers_tasks_leaves_out_short_and_long_users(tmp_path: Path) -> None:
    dataset = numbered()
    ship(dataset, tmp_path, FILES)
    words = {**GIVEN, "files": str(tmp_path), "min_interactions": 10, "max_interactions": 12}
    words["validation"] = None
    every, tasks = (
        shipped("melu", train=train, **words).split(dataset) for train in ("all", "tasks")
    )
    counts = np.bincount(dataset.interactions.user[every.train], minlength=dataset.n_users)
    fits = (counts >= 10) & (counts <= 12)
    np.testing.assert_array_equal(tasks.known_users, fits)
    assert set(tasks.train) == set(every.train[fits[dataset.interactions.user[every.train]]])


def test_an_absent_warm_file_is_what_no_other_file_lists(tmp_path: Path) -> None:
    dataset = numbered()
    ship(dataset, tmp_path, FILES)
    words = {**GIVEN, "files": str(tmp_path)}
    whole = shipped("melu", **words).split(dataset)
    (tmp_path / "warm_state.json").unlink()
    np.testing.assert_array_equal(shipped("melu", **words).split(dataset).train, whole.train)


def test_existing_users_keep_their_warm_ratings_as_history_where_asked_for(tmp_path: Path) -> None:
    dataset = numbered()
    ship(dataset, tmp_path, FILES)
    words = {**GIVEN, "files": str(tmp_path), "state": "item_cold"}
    without, with_ = (
        shipped("melu", **words, history=history).split(dataset) for history in (False, True)
    )
    assert len(without.test.history) == 0
    mine = np.isin(dataset.interactions.user[with_.train], with_.test.user)
    assert set(with_.test.history) == set(with_.train[mine])


def test_a_film_that_the_authors_wrote_as_another_is_found(tmp_path: Path) -> None:
    dataset = numbered()
    ids = dataset.item_ids.copy()
    ids[:2] = 811, 860
    listed = dataset.interactions.item != 1
    dataset = replace(dataset, item_ids=ids)
    rows = dataset.interactions.take(np.flatnonzero(listed))
    ship(replace(dataset, interactions=rows), tmp_path, FILES)
    split = shipped("melu", **GIVEN, files=str(tmp_path)).split(dataset)
    both = np.intersect1d(
        dataset.interactions.user[dataset.interactions.item == 0],
        dataset.interactions.user[~listed],
    )
    note = next(note for note in split.notes if note.subject == "folded items")
    assert note.count == len(both)
    assert "860 as 811" in note.text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"files": "/nowhere/at/all"}, "scenario.files=/nowhere/at/all is no folder"),
        ({"files": None}, "MeLU's split not found: neither metahin_scenarios.parquet nor"),
        ({"query": 0}, "scenario.query=0 is too small"),
    ],
)
def test_what_is_wrong_is_said(words, told, folder: Path, no_real_data: None) -> None:
    with pytest.raises(FewrecError, match=told):
        shipped("melu", **words).split(numbered())


def test_ids_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    ship(numbered(), tmp_path, FILES)
    with pytest.raises(FewrecError, match="lists whole numbers, and the data has ids such as 'i0'"):
        shipped("melu", files=str(tmp_path)).split(made())


def test_files_that_list_nothing_are_refused(tmp_path: Path) -> None:
    for name in FILES.values():
        (tmp_path / f"{name}.json").write_text("{}")
    with pytest.raises(FewrecError, match="lists no rating of MeLU's split"):
        shipped("melu", files=str(tmp_path)).split(numbered())


def test_a_table_with_empty_ids_is_refused(tmp_path: Path) -> None:
    table = {"user_id": [1, None], "item_id": [500, 501], "melu_scenario": ["warm_state"] * 2}
    pq.write_table(pa.table(table), tmp_path / "metahin_scenarios.parquet")
    with pytest.raises(FewrecError, match="1 empty user_id or item_id"):
        shipped("melu", files=str(tmp_path)).split(numbered())


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    ship(numbered(), tmp_path, FILES)
    (tmp_path / "item_cold_state.json").write_text('{"1": [')
    with pytest.raises(
        FewrecError, match=r"item_cold_state\.json is not a JSON object from user id"
    ):
        shipped("melu", files=str(tmp_path)).split(numbered())


@pytest.mark.slow
def test_kept_tasks_are_as_many_as_in_the_published_log(real_data: Path) -> None:
    dataset = movielens(real_data, "1m")
    kept = {}
    for state in FILES:
        scenario = shipped("melu", state=state, files=str(real_data))
        split = scenario.split(dataset)
        draws = [scenario.draw(pool, 0) for pool in (split.valid, split.test)]
        assert check_leaks(dataset, split, draws).violations() == {}
        kept[state] = len(split.test)
        assert len(split.valid) >= 100, state
    assert kept == {"warm": 2653, "user_cold": 668, "item_cold": 2863, "both_cold": 723}
