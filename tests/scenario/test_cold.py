from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fewrec_cli.core.errors import ConfigError, Faults, ScenarioError
from fewrec_cli.core.types import Interactions
from fewrec_cli.scenario.cold import ColdChoice, read_ids
from fewrec_cli.scenario.rules import raise_faults
from tests.scenario.contract import made, shipped

CHOICE = ColdChoice("item", "by", "fraction", 0.2, 1998, None, 0.1, 0)


def test_users_and_items_without_a_row_are_neither_cold_nor_counted() -> None:
    full = made(users=20)
    rows = full.interactions
    some = rows.take(np.flatnonzero(rows.user % 2 == 0))
    groups = replace(CHOICE, side="user", year=None, fraction=0.5).choose(
        replace(full, interactions=some)
    )
    assert groups.cold.sum() == 5
    assert not (groups.cold | groups.valid)[1::2].any()
    assert groups.notes[0].text.startswith("of 10 users (")


def test_at_least_one_is_cold_and_one_validates() -> None:
    rows = Interactions(np.arange(3), np.zeros(3, dtype=np.int64), np.ones(3))
    tiny = replace(made(users=3, items=1), interactions=rows)
    groups = replace(CHOICE, side="user", fraction=0.01, validation=0.01).choose(tiny)
    assert (groups.cold.sum(), groups.valid.sum(), groups.warm.sum()) == (1, 1, 1)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"by": "years"}, "scenario.by=years is not a way to choose cold items"),
        ({"side": "user", "by": "year"}, "scenario.by=year is not a way to choose cold users"),
        ({"by": "list"}, "scenario.by=list needs a file of ids"),
        ({"listed": "cold.txt"}, "scenario.items is not read with scenario.by=fraction"),
        ({"fraction": 1.0}, "scenario.fraction=1.0 is not a fraction between 0 and 1"),
        ({"fraction": 0.0}, "scenario.fraction=0.0 is not a fraction between 0 and 1"),
        ({"fraction": 0.6, "validation": 0.4}, "leave no item to pretrain on"),
    ],
)
def test_unusable_values_are_named(changed: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        raise_faults(replace(CHOICE, **changed).faults())


def test_several_mistakes_are_reported_together_and_once() -> None:
    with pytest.raises(Faults) as caught:
        shipped("both_cold", fraction=2.0, shots=-1, users_by="list")
    assert len(caught.value.faults) == 3


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "cannot read"), (b"\n \n", "holds no id"), (b"\xff\xfe1", "is not UTF-8 text")],
)
def test_unreadable_lists_are_errors(tmp_path: Path, content: bytes | None, words: str) -> None:
    file = tmp_path / "ids.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ScenarioError, match=words) as caught:
        read_ids(file, "scenario.users")
    assert caught.value.remedy == "scenario.users names a text file with one id per line"


def test_a_list_that_is_a_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="cannot read"):
        read_ids(tmp_path, "scenario.users")


def test_a_list_without_a_known_id_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_text("1\n2")
    with pytest.raises(ScenarioError, match=r"lists 2 ids, and no item of made is one"):
        replace(CHOICE, by="list", listed=str(file)).choose(made())
