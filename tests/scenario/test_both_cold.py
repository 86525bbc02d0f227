from pathlib import Path

import numpy as np

from tests.scenario.contract import SMALL, ScenarioContract, made, shipped


class TestBothCold(ScenarioContract):
    name = "both_cold"


def test_every_row_is_of_one_kind_or_set_aside_and_counted() -> None:
    dataset = made(share=1.0)
    split = shipped("both_cold", **SMALL).split(dataset)
    rows = dataset.interactions
    users = [set(rows.user[part]) for part in (split.train, split.valid.rows, split.test.rows)]
    items = [set(rows.item[part]) for part in (split.train, split.valid.rows, split.test.rows)]
    for side in (users, items):
        assert not side[0] & side[1]
        assert not side[0] & side[2]
        assert not side[1] & side[2]
    aside = next(note for note in split.notes if note.subject == "set aside")
    used = len(split.train) + len(split.valid.rows) + len(split.test.rows)
    assert aside.count == len(rows) - used


def test_mixed_rows_are_told_apart() -> None:
    dataset = made(share=1.0)
    split = shipped("both_cold", **SMALL).split(dataset)
    aside = next(note for note in split.notes if note.subject == "set aside")
    users, items = (round(0.3 * size) for size in (30, 24))
    warm_users, warm_items = 30 - 2 * users, 24 - 2 * items
    assert f"{users * warm_items:,} of cold users on warm items" in aside.text
    assert f"{warm_users * items:,} of warm users on cold items" in aside.text


def test_users_and_items_may_both_be_listed(tmp_path: Path) -> None:
    users, items = tmp_path / "users.txt", tmp_path / "items.txt"
    users.write_text("101\n102\n103")
    items.write_text("\n".join(f"i{number}" for number in range(12)))
    scenario = shipped(
        "both_cold", **SMALL, users_by="list", users=str(users), items_by="list", items=str(items)
    )
    dataset = made()
    split = scenario.split(dataset)
    assert set(split.test.user) == {1, 2, 3}
    assert dataset.interactions.item[split.test.rows].max() < 12
    assert not np.isin(split.train, split.test.rows).any()
