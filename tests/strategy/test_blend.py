"""Blend: the pool and its fit, against one written out; runs are joined in test_members."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from fewrec_cli.engine.base import Prediction
from fewrec_cli.strategy.blend_mixer import Heard, Mixer

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVEL = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0])
TASKS, ROWS = 40, 6


def rated(seed: int = 0) -> Tensor:
    drawn = torch.Generator().manual_seed(seed)
    return LEVEL[torch.randint(5, (TASKS, ROWS), generator=drawn)]


def near(rating: Tensor, noise: float, seed: int) -> Tensor:
    drawn = torch.Generator().manual_seed(seed)
    return rating + noise * torch.randn(rating.shape, generator=drawn)


def heard(mixer: Mixer, rating: Tensor, scores: Sequence[Tensor]) -> list[Heard]:
    size = torch.arange(TASKS).remainder(7).float()
    said = mixer.said([Prediction(score) for score in scores], size)
    return [Heard(torch.arange(TASKS), said, rating, torch.ones_like(rating))]


def fitted(scores: Sequence[Tensor], rating: Tensor, *penalties: float) -> Mixer:
    mixer = Mixer(len(scores), LEVEL, penalties)
    mixer.fit(lambda: heard(mixer, rating, scores))
    return mixer


def test_before_the_fit_all_are_trusted_alike() -> None:
    mixer = Mixer(2, LEVEL, [1.0])
    rating = rated()
    first, second = near(rating, 0.3, 1), near(rating, 0.6, 2)
    (one,) = heard(mixer, rating, [first, second])
    found = mixer(one.said)
    torch.testing.assert_close(found.score, (first + second) / 2)
    logs = [-0.5 * (LEVEL - score[..., None]).square() for score in (first, second)]
    each = [torch.softmax(log, -1).clamp(min=1e-4).log() for log in logs]
    torch.testing.assert_close(found.levels, torch.softmax((each[0] + each[1]) / 2, -1))


def test_the_one_that_knows_is_trusted_and_the_one_that_guesses_is_not() -> None:
    rating = rated()
    mixer = fitted([near(rating, 0.2, 1), torch.randn(TASKS, ROWS)], rating, 0.1)
    knows, guesses = 0.5 + mixer.pull[:, 0].detach()
    assert knows > 0.9
    assert abs(guesses) < 0.1
    assert mixer.trust[0, 0] > mixer.trust[1, 0] + 0.3
    assert mixer.width[0] == pytest.approx(0.2, rel=0.2)


def test_the_fit_is_the_minimum_that_another_optimiser_finds() -> None:
    """The score's line written out in numpy and handed to scipy."""
    rating, l2 = rated(), 3.0
    scores = [near(rating, 0.4, 1), near(rating, 0.7, 2)]
    mixer = fitted(scores, rating, l2)
    size = np.log1p(np.arange(TASKS) % 7)
    z = ((size - size.mean()) / size.std())[:, None]
    s, r = [score.double().numpy() for score in scores], rating.double().numpy()

    def loss(x: "NDArray[np.float64]") -> float:
        weights = [0.5 + x[0] + z * x[1], 0.5 + x[2] + z * x[3]]
        away = np.abs(x[4] + weights[0] * s[0] + weights[1] * s[1] - r)
        huber = np.where(away < 0.25, 0.5 * away**2 / 0.25, away - 0.125)
        return float(huber.sum() + l2 * (x**2).sum())

    best = minimize(loss, np.zeros(5), tol=1e-12)
    ours = torch.cat([mixer.pull.detach().flatten(), mixer.offset.detach()[None]])
    np.testing.assert_allclose(ours, best.x, atol=2e-3)


def test_trust_may_change_with_the_size_of_the_support() -> None:
    """The first model is right for short supports only, the second for long ones only."""
    rating = rated()
    size = torch.arange(TASKS).remainder(7)[:, None]
    noise = torch.randn(TASKS, ROWS, generator=torch.Generator().manual_seed(5))
    first = torch.where(size < 3, rating, noise)
    second = torch.where(size < 3, noise, rating)
    mixer = fitted([first, second], rating, 0.1)
    assert mixer.pull[0, 1] < -0.1 < 0.1 < mixer.pull[1, 1]


@pytest.mark.slow
def test_the_penalty_with_the_least_loss_out_of_fold_is_taken() -> None:
    rating = rated()
    mixer = Mixer(2, LEVEL, [0.1, 1e6])
    scores = [near(rating, 0.2, 1), torch.randn(TASKS, ROWS)]
    assert mixer.fit(lambda: heard(mixer, rating, scores)) == 0.1
    alike = Mixer(2, LEVEL, [0.1, 1e6])  # both guess: what is fitted to them is noise
    guesses = [torch.randn(TASKS, ROWS) * 0.01, torch.randn(TASKS, ROWS) * 0.01]
    assert alike.fit(lambda: heard(alike, torch.zeros(TASKS, ROWS), guesses)) in (0.1, 1e6)
    held = fitted(scores, rating, 1e6)
    assert held.pull.detach().abs().max() < 1e-3


def test_levels_of_a_model_that_has_some_are_its_own() -> None:
    mixer = Mixer(1, LEVEL, [1.0])
    levels = torch.tensor([[[0.1, 0.2, 0.3, 0.25, 0.15]]])
    said = mixer.said([Prediction(torch.zeros(1, 1), levels)], torch.ones(1))
    torch.testing.assert_close(mixer(said).levels, levels)
