"""The greedy design against brute force: every row tried, every covariance inverted anew."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from fewrec_cli.engine.design import Plan, greedy

PEOPLE, ROWS, COLUMNS = 3, 7, 4


def problem(seed: int) -> dict[str, Tensor]:
    drawn = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=drawn, dtype=torch.float64)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=drawn, dtype=torch.float64)

    root = normal(PEOPLE, COLUMNS, COLUMNS)
    return {
        "design": normal(PEOPLE, ROWS, COLUMNS),
        "inverse": torch.linalg.inv(root @ root.transpose(1, 2) + torch.eye(COLUMNS)),
        "noise": 0.5 + uniform(PEOPLE),
        "worth": uniform(ROWS) / ROWS,
        "known": 0.1 + uniform(ROWS),
    }


def left_after(rows: list[int], made: dict[str, Tensor]) -> float:
    """Invert every person's K with the rows added, and sum what is left row by row."""
    z, inverse, noise, worth = (
        made[name].numpy() for name in ("design", "inverse", "noise", "worth")
    )
    total = 0.0
    for person in range(PEOPLE):
        k = np.linalg.inv(inverse[person]) + sum(
            (np.outer(z[person, row], z[person, row]) for row in rows), np.zeros((COLUMNS, COLUMNS))
        )
        for row in range(ROWS):
            held = z[person, row] @ np.linalg.solve(k, z[person, row])
            total += worth[row] * noise[person] * held / PEOPLE
    return total


def tried(made: dict[str, Tensor], picks: int) -> Plan:
    """Try every row that is left, in full, and keep the one with the largest expected gain."""
    rows: list[int] = []
    left = [left_after([], made)]
    known = made["known"].tolist()
    for _ in range(picks):
        open_rows = [row for row in range(ROWS) if row not in rows and known[row] > 0]
        gains = {row: known[row] * (left[-1] - left_after([*rows, row], made)) for row in open_rows}
        rows.append(max(gains, key=lambda row: gains[row]))
        left.append(left_after(rows, made))
    return Plan(rows, left)


@pytest.mark.parametrize("seed", range(8))
def test_every_pick_is_the_one_that_brute_force_finds(seed: int) -> None:
    made = problem(seed)
    found, expected = greedy(**made, picks=5), tried(made, 5)
    assert found.row == expected.row
    np.testing.assert_allclose(found.left, expected.left, atol=1e-10)


def test_rows_that_nobody_knows_are_never_asked_about() -> None:
    made = problem(0)
    made["known"][torch.tensor([0, 2, 5])] = 0
    found = greedy(**made, picks=20)
    assert sorted(found.row) == [1, 3, 4, 6]
    assert found.row == tried(made, 4).row
    assert len(found.left) == 5


def test_a_likely_answer_to_a_lesser_question_may_be_worth_more() -> None:
    made = problem(1)
    made["known"][:] = 1
    best = greedy(**made, picks=1).row[0]
    made["known"][best] = 0.01
    assert greedy(**made, picks=1).row[0] != best


def test_what_is_left_falls_with_every_answer_and_arguments_stay() -> None:
    made = problem(2)
    before = {name: value.clone() for name, value in made.items()}
    left = greedy(**made, picks=ROWS).left
    assert all(later < earlier for earlier, later in pairwise(left))
    assert all(torch.equal(value, before[name]) for name, value in made.items())


def test_the_first_picks_do_not_depend_on_how_many_follow() -> None:
    made = problem(3)
    whole = greedy(**made, picks=6)
    assert greedy(**made, picks=2).row == whole.row[:2]
    assert greedy(**made, picks=0) == Plan([], whole.left[:1])
