"""Simulated tables: a difference that is there is found, one that is not is not."""

from dataclasses import dataclass

import numpy as np
import pytest

from fewrec_cli.report.assemble import Part
from fewrec_cli.report.compare import Comparisons, compared
from fewrec_cli.report.line import Line
from fewrec_cli.report.model import Section
from tests.report.making import line

USERS, DRAWS, SEEDS, MODELS = 60, 3, 2, 4


@dataclass(frozen=True)
class Rates:
    """Shares of tables.

    Attributes:
        told: Some model differs from the best floor, either way (p_holm < 0.05).
        better: Some model is told to beat the best floor.
        bold: Some row is in bold.
        found: The first model is told to beat the floor.
        right: The first model is in bold.
    """

    told: float
    better: float
    bold: float
    found: float
    right: float


def table(random: np.random.Generator, effect: float, floors: int) -> list[Line]:
    """Make rows whose users share their taste; the first model is better by ``effect`` (MAE)."""
    taste = random.normal(0.8, 0.2, (1, 1, 1, USERS)) + random.normal(
        0.0, 0.1, (1, 1, DRAWS, USERS)
    )
    rows = []
    for number in range(MODELS + floors):
        own = random.normal(0.0, 0.05, (1, 1, 1, USERS))  # what this row gets wrong of a user
        noise = random.normal(0.0, 0.05, (1, SEEDS, DRAWS, USERS))
        values = taste + own + noise - (effect if number == 0 else 0.0)
        model = number < MODELS
        name = f"model {number}" if model else f"floor {number}"
        rows.append(line(name, "model" if model else "floor", values))
    return rows


def rates(tables: int, effect: float, floors: int = 1) -> Rates:
    """Make tables and count what is told."""
    random = np.random.default_rng(4)
    told = []
    for _ in range(tables):
        lines = table(random, effect, floors)
        part = Part(Section("user_cold", "", 5, ""), tuple(lines), np.arange(USERS))
        found = compared([part], ["mae"], None, "floor", {}, 2, 0)
        told.append(_count(found, lines))
    return Rates(*np.mean(told, axis=0).tolist())


def _count(found: Comparisons, lines: list[Line]) -> list[bool]:
    told = [found.told[id(one), "mae"] for one in lines if one.kind == "model"]
    sure = [one for one in told if one.p_holm is not None and one.p_holm < 0.05]
    first = told[0] in sure and told[0].difference < 0
    right = (id(lines[0]), "mae") in found.best
    return [bool(sure), any(one.difference < 0 for one in sure), bool(found.best), first, right]


def test_nothing_is_found_where_nothing_is_more_often_than_said() -> None:
    assert rates(40, 0.0).told <= 0.175  # 5% of 40 tables, with room for chance


def test_a_known_effect_is_found_and_stands_in_bold() -> None:
    found = rates(15, 0.06)
    assert found.found >= 0.9
    assert found.right >= 0.9


@pytest.mark.slow
def test_a_thousand_tables_without_effect() -> None:
    one = rates(1000, 0.0)
    assert one.told <= 0.065  # family-wise 5%, three standard errors of 1,000 tables on top: 7%
    assert one.bold <= 0.065
    several = rates(1000, 0.0, floors=5)
    assert several.better <= 0.03  # the best of five floors is hard to beat by chance
    assert several.bold <= 0.065


@pytest.mark.slow
def test_a_thousand_tables_with_an_effect() -> None:
    found = rates(1000, 0.06)
    assert found.found >= 0.98
    assert found.right >= 0.95
    smaller = rates(1000, 0.02)
    assert 0.2 <= smaller.found <= 0.9  # neither blind nor credulous
