from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fewrec_cli.core.errors import ScenarioError
from fewrec_cli.data.base import Dataset, Note
from tests.scenario.contract import SMALL, ScenarioContract, made, pairs, shipped


class TestItemCold(ScenarioContract):
    name = "item_cold"


def items_of(dataset: Dataset, rows: np.ndarray) -> set[int]:
    return set(dataset.interactions.item[rows].tolist())


def test_no_cold_and_no_validation_item_is_in_training() -> None:
    dataset = made()
    split = shipped("item_cold", **SMALL).split(dataset)
    test, valid = items_of(dataset, split.test.rows), items_of(dataset, split.valid.rows)
    train = items_of(dataset, split.train)
    assert not train & test
    assert not train & valid
    assert not test & valid
    assert len(test) == round(0.3 * 24)


def test_users_keep_their_rows_on_warm_items_in_training() -> None:
    dataset = made()
    split = shipped("item_cold", **SMALL).split(dataset)
    assert split.known_users[split.test.user].all()


def test_by_year_the_newest_items_are_cold_and_the_next_newest_validate() -> None:
    dataset = made()
    split = shipped("item_cold", **SMALL, by="year", year=1995).split(dataset)
    year = dataset.item_year
    assert year is not None
    years = [
        year[sorted(items_of(dataset, rows))]
        for rows in (split.train, split.valid.rows, split.test.rows)
    ]
    assert years[0].max() <= years[1].min()
    assert years[1].max() < 1995 <= years[2].min()


def test_items_of_unknown_year_are_warm_and_counted() -> None:
    dataset = made()
    assert dataset.item_year is not None
    year = dataset.item_year.copy()
    year[:3] = 0
    split = shipped("item_cold", **SMALL, by="year", year=1995).split(
        replace(dataset, item_year=year)
    )
    assert "year unknown, so warm: 3" in split.notes[0].text
    assert {0, 1, 2} <= items_of(dataset, split.train)


def test_by_year_needs_years() -> None:
    with pytest.raises(ScenarioError, match="needs years of release, and made has none"):
        shipped("item_cold", by="year").split(replace(made(), item_year=None))


@pytest.mark.parametrize(
    ("notes", "column"), [((Note("Year made", 9, "numeric"),), "Year made"), ((), "COLUMN")]
)
def test_by_year_on_a_table_names_the_column_to_declare(
    notes: tuple[Note, ...], column: str
) -> None:
    table = replace(made(), item_year=None, name="table-films", notes=notes)
    with pytest.raises(ScenarioError) as caught:
        shipped("item_cold", by="year").split(table)
    assert f"data.columns.year={column}, or choose" in caught.value.remedy


@pytest.mark.parametrize(("year", "words"), [(2500, "no item of 24"), (1000, "no item is left")])
def test_a_year_that_cuts_nothing_is_an_error(year: int, words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        shipped("item_cold", by="year", year=year).split(made())


def test_listed_items_are_cold(tmp_path: Path) -> None:
    file = tmp_path / "cold.txt"
    file.write_text("\n".join(f"i{number}" for number in range(6)), encoding="utf-8-sig")
    dataset = made()
    split = shipped("item_cold", **SMALL, by="list", items=str(file)).split(dataset)
    assert items_of(dataset, split.test.rows) == set(range(6))


def test_history_is_the_users_training_rows() -> None:
    dataset = made()
    scenario = shipped("item_cold", **SMALL, history=True)
    split = scenario.split(dataset)
    drawn = scenario.draw(split.test, 0)
    for task, user in enumerate(drawn.user):
        mine = split.train[dataset.interactions.user[split.train] == user]
        assert pairs(dataset, drawn.history[task]) == pairs(dataset, mine)
    assert scenario.draw(split.test, 1).history is drawn.history


def test_history_stays_out_as_shipped() -> None:
    scenario = shipped("item_cold", **SMALL)
    drawn = scenario.draw(scenario.split(made()).test, 0)
    assert drawn.history.shape == (len(drawn), 0)
