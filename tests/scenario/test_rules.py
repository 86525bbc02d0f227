from typing import Any

import pytest

from fewrec_cli.core.errors import ConfigError
from tests.scenario.contract import shipped


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
