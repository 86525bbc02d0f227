from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fewrec_cli.core.errors import ScenarioError
from tests.scenario.contract import ScenarioContract, made, shipped


class TestUserCold(ScenarioContract):
    name = "user_cold"


def test_all_rows_of_a_cold_user_are_in_the_task_and_none_in_training() -> None:
    dataset = made()
    split = shipped("user_cold").split(dataset)
    counts = dataset.rows_per_user()
    np.testing.assert_array_equal(np.diff(split.test.offsets), counts[split.test.user])
    assert not split.known_users[split.test.user].any()
    assert not split.known_users[split.valid.user].any()


def test_a_fifth_is_cold_and_a_tenth_validates_as_shipped() -> None:
    notes = shipped("user_cold").split(made()).notes
    assert [note.count for note in notes[:2]] == [6, 3]
    assert notes[0].text == "of 30 users (fraction 0.2, seed 0)"


def test_validation_leaves_the_cold_users_as_they_are() -> None:
    dataset = made()
    with_, without = (
        shipped("user_cold", validation=share).split(dataset) for share in (0.3, None)
    )
    np.testing.assert_array_equal(with_.test.user, without.test.user)


def test_listed_users_are_cold(tmp_path: Path) -> None:
    file = tmp_path / "cold.txt"
    file.write_text("103\n\n 117 \n999\n")
    split = shipped("user_cold", by="list", users=str(file), query=1).split(made())
    assert split.test.user.tolist() == [3, 17]
    assert "listed but not in the data: 1" in split.notes[0].text


def test_short_users_are_dropped_and_counted() -> None:
    dataset = made(share=0.4)
    counts = dataset.rows_per_user()
    scenario = shipped("user_cold", shots=2, query=8)
    split = scenario.split(dataset)
    short = next(note for note in split.notes if note.subject == "short history")
    assert "fewer than 10 ratings, needed for shots=2 plus 8 query: dropped" in short.text
    assert (counts[split.test.user] >= 10).all()


def test_short_users_are_an_error_where_asked_for() -> None:
    with pytest.raises(ScenarioError) as caught:
        shipped("user_cold", shots=2, query=8, short_history="error").split(made(share=0.4))
    first, second = str(caught.value).split("\n")
    assert first.endswith(
        "of 6 users with test ratings have fewer than 10 ratings, needed for shots=2 plus 8 query"
    )
    assert second == ("  lower scenario.shots, or drop them with scenario.short_history=drop")


def test_no_user_with_enough_rows_is_an_error() -> None:
    with pytest.raises(ScenarioError, match="no test task is left: none of 6 users"):
        shipped("user_cold", shots=50).split(made())


def test_no_validation_task_is_an_error_that_names_the_way_out() -> None:
    dataset = made()
    scenario = shipped("user_cold")
    rows = dataset.interactions
    validates = np.isin(rows.user, scenario.split(dataset).valid.user)
    shorter = rows.take(np.flatnonzero(~validates | (rows.item < 10)))
    with pytest.raises(ScenarioError, match="no validation task is left") as caught:
        scenario.split(replace(dataset, interactions=shorter))
    assert caught.value.remedy.endswith("or do without: scenario.validation=null")


@pytest.mark.parametrize(("users", "validation"), [(1, 0.1), (1, None), (2, 0.1)])
def test_too_few_users_are_an_error(users: int, validation: float | None) -> None:
    with pytest.raises(ScenarioError, match=f"of {users} user"):
        shipped("user_cold", validation=validation).split(made(users=users))
