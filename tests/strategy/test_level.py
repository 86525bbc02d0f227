"""Level probabilities: the formula, a level at a time."""

import math

import torch

from fewrec_cli.core.types import Scale
from fewrec_cli.strategy.level import LevelHead


def test_levels_are_a_normal_curve_around_the_score_tilted() -> None:
    head = LevelHead(Scale(1.0, 3.0, 0.5), mean=2.0, sd=0.5).double()
    popularity = [0.3, -0.2, 0.0, 0.1, 0.5]
    with torch.no_grad():
        head.log_width.fill_(math.log(0.7))
        head.popularity.copy_(torch.tensor(popularity))
    score, tilt = torch.tensor([0.4, -5.0]).double(), torch.randn(2, 5).double()
    found = head(score, tilt)
    for row in (0, 1):
        force = [
            math.exp(
                -((level - float(score[row])) ** 2) / (2 * 0.7**2)
                + popularity[place]
                + float(tilt[row, place])
            )
            for place, level in enumerate((-2.0, -1.0, 0.0, 1.0, 2.0))
        ]
        torch.testing.assert_close(
            found[row], torch.tensor(force).double() / sum(force), rtol=1e-6, atol=1e-7
        )


def test_the_loss_is_that_of_the_level_nearest_to_the_rating() -> None:
    head = LevelHead(Scale(1.0, 5.0), mean=3.0, sd=1.0)
    chance = torch.tensor([[0.1, 0.2, 0.3, 0.35, 0.05]]).expand(3, 5)
    rating = torch.tensor([-2.0, 0.9, 0.6])  # 1, 3.9 and 3.6 stars
    expected = -torch.tensor([0.1, 0.35, 0.35]).log()
    torch.testing.assert_close(head.losses(chance, rating), expected)


def test_an_impossible_level_costs_much_and_not_everything() -> None:
    head = LevelHead(Scale(1.0, 5.0), mean=3.0, sd=1.0)
    chance = torch.tensor([[0.0, 0.0, 0.0, 0.0, 1.0]])
    loss = head.losses(chance, torch.tensor([-2.0]))
    assert torch.isfinite(loss).all()
    assert loss > 50
