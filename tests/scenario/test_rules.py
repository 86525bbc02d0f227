from typing import Any

import numpy as np
import pytest

from fewrec_cli.core.errors import ConfigError
from tests.scenario.contract import made, shipped


def test_all_becomes_none_and_the_curve_ascends() -> None:
    scenario = shipped("user_cold", shots="all", curve=["all", 5, 0, 5])
    assert scenario.shots is None
    assert scenario.curve == (0, 5, None)


@pytest.mark.parametrize(("shots", "needed"), [(0, 10), (5, 15), ("all", 11)])
def test_a_task_needs_shots_plus_query_rows(shots: int | str, needed: int) -> None:
    assert shipped("user_cold", shots=shots).rules.needed == needed


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"shots": -1}, "scenario.shots: -1 is not a number of shots"),
        ({"shots": "al"}, "scenario.shots: al is not a number of shots"),
        ({"curve": [0, 1.5]}, "scenario.curve: 1.5 is not a number of shots"),
        ({"curve": []}, "scenario.curve is empty"),
        ({"query": 0}, "scenario.query=0 is too small"),
        ({"draws": 0}, "scenario.draws=0 is too small"),
        ({"min_interactions": 9}, "fewer rows than scenario.query=10"),
        ({"min_interactions": 10}, "no support row besides scenario.query=10"),
        ({"min_interactions": 10, "shots": "all"}, "no support row besides scenario.query=10"),
        ({"max_interactions": 14}, "scenario.max_interactions=14 is below the 15 rows"),
        ({"validation": 0.0}, "scenario.validation=0.0 is not a fraction"),
        ({"short_history": "keep"}, "scenario.short_history=keep is not known"),
        ({"candidates": "sampled"}, "scenario.candidates=sampled is not known"),
        ({"candidates": "sampled:0"}, "scenario.candidates=sampled:0 is not known"),
        ({"candidates": "all"}, "scenario.candidates=all is not known"),
    ],
)
def test_unusable_values_are_named(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        shipped("user_cold", **changed)


def test_without_shots_the_query_is_enough() -> None:
    assert shipped("user_cold", shots=0, min_interactions=10).rules.needed == 10


def test_tasks_with_less_support_than_asked_for_are_told() -> None:
    dataset = made(share=0.5)
    scenario = shipped(
        "user_cold", shots=4, query=8, min_interactions=9, fraction=0.4, curve=[0, 1, 4, 6, "all"]
    )
    split = scenario.split(dataset)
    support = np.diff(split.test.offsets) - 8
    told = [note for note in split.notes if note.subject.startswith("short ")]
    first, curve = (note for note in told if "test tasks" in note.text)
    assert first.count == (support < 4).sum() > 0
    assert first.text == (
        f"of {len(split.test)} test tasks have fewer than 4 support rows at shots=4; "
        "they use what they have"
    )
    assert curve.text == (
        f"of {len(split.test)} test tasks have fewer support rows "
        f"({(support < 6).sum()} at 6 shots); they use what they have"
    )


def test_nothing_is_told_where_every_task_has_all_its_shots() -> None:
    notes = shipped("user_cold", shots=2, query=2, curve=[0, 2, "all"]).split(made()).notes
    assert not [note for note in notes if note.subject.startswith("short ")]


def test_no_note_repeats_its_count() -> None:
    notes = shipped("user_cold", shots=4, query=8, min_interactions=9, max_interactions=14)
    for note in notes.split(made(share=0.5)).notes:
        assert not note.text.startswith(f"{note.count:,} ")
