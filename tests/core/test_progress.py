"""How long work takes, in words."""

import pytest

from fewrec_cli.core.progress import spelled


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.4, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (5400, "90 min"),
        (7200, "2 h"),
        (237e3, "66 h"),
    ],
)
def test_a_long_time_is_told_in_minutes_and_hours(seconds: float, told: str) -> None:
    assert spelled(seconds) == told
