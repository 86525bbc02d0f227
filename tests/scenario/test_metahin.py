"""MetaHIN's split: the contract in each cold state, and its counts on the real data."""

from pathlib import Path

import numpy as np
import pytest

from fewrec_cli.scenario.leak import check_leaks
from tests.scenario.contract import shipped
from tests.scenario.shipping import GIVEN, GivenContract, numbered, ship
from tests.scenario.test_real import movielens

FILES = {
    "warm": "meta_training",
    "nothing": "warm_up",
    "user_cold": "user_cold_testing",
    "item_cold": "item_cold_testing",
    "both_cold": "user_and_item_cold_testing",
}


class MetaHINContract(GivenContract):
    name = "metahin"
    files = FILES


@pytest.mark.slow
class TestUserCold(MetaHINContract):
    state = "user_cold"


@pytest.mark.slow
class TestItemCold(MetaHINContract):
    state = "item_cold"


@pytest.mark.slow
class TestBothCold(MetaHINContract):
    state = "both_cold"


def test_validation_of_the_warm_state_holds_out_ratings_of_known_users(tmp_path: Path) -> None:
    dataset = numbered()
    # ratings of known users on other items serve as warm_up
    ship(dataset, tmp_path, {**FILES, "item_cold": "warm_up", "nothing": "item_cold_testing"})
    split = shipped(
        "metahin",
        **{**GIVEN, "shots": 1, "query": 1},
        state="warm",
        files=str(tmp_path),
        history=True,
    ).split(dataset)
    assert split.known_users[split.valid.user].all()
    assert split.known_users[split.test.user].all()
    mine = np.isin(dataset.interactions.user[split.train], split.test.user)
    assert set(split.test.history) == set(split.train[mine])


@pytest.mark.slow
def test_kept_tasks_are_as_many_as_the_files_hold(real_data: Path) -> None:
    dataset = movielens(real_data, "1m")
    kept = {}
    for state in ("warm", "user_cold", "item_cold", "both_cold"):
        scenario = shipped("metahin", state=state, files=str(real_data))
        split = scenario.split(dataset)
        draws = [scenario.draw(pool, 0) for pool in (split.valid, split.test)]
        assert check_leaks(dataset, split, draws).violations() == {}
        kept[state] = len(split.test)
    assert kept == {"warm": 1636, "user_cold": 687, "item_cold": 2855, "both_cold": 731}
    everything = shipped("metahin", validation=None, files=str(real_data)).split(dataset)
    assert len(everything.train) == 585_366
