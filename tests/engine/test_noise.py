"""The noise of tasks: its formula, and that planted noise is found again."""

import pytest
import torch
from torch import Tensor

from fewrec_cli.engine.noise import Errors, fitted, task_noise


def test_a_task_s_noise_lies_between_the_level_and_its_own_misfit() -> None:
    level, misfit, mass = torch.tensor(0.5), torch.tensor([0.0, 8.0, 8.0]), torch.tensor([0, 4, 4])
    found = task_noise(level, torch.tensor(0.25), misfit, mass)
    assert found.tolist() == pytest.approx([0.5, (0.5 + 2) / 2, (0.5 + 2) / 2])
    assert task_noise(level, torch.tensor(0.0), misfit, mass).tolist() == [0.5, 0.5, 0.5]
    assert task_noise(level, torch.tensor(1e6), misfit, mass)[1].item() == pytest.approx(2.0)


def drawn(noise: Tensor, rows: int = 12, seed: int = 0) -> Errors:
    """Return errors of tasks whose noise is known: one query row and ``rows`` of support each."""
    chance = torch.Generator().manual_seed(seed)
    squared, support = (
        noise[:, None] * torch.randn(len(noise), n, generator=chance, dtype=torch.float64).square()
        for n in (1, rows)
    )
    return Errors(squared[:, 0], support.sum(1), torch.full_like(noise, rows))


def test_tasks_of_one_noise_share_it() -> None:
    level, trust = fitted(drawn(torch.full((20_000,), 0.7, dtype=torch.float64)))
    assert level.item() == pytest.approx(0.7, rel=0.03)
    assert trust.item() <= 0.0125


def test_tasks_that_differ_are_told_apart_by_their_misfit() -> None:
    """The prior of the formula, planted: 1/σ² follows χ²/ν of ν = 10 degrees, so ρ = 0.1."""
    degrees = torch.distributions.Chi2(torch.tensor(10.0, dtype=torch.float64))
    torch.manual_seed(0)
    errors = drawn(0.7 * 10 / degrees.sample((20_000,)))
    level, trust = fitted(errors)
    assert 0.05 <= trust.item() <= 0.2
    noise = task_noise(level, trust, errors.misfit, errors.mass)
    for half in (noise < noise.median(), noise >= noise.median()):
        share = (errors.squared[half] / noise[half]).mean().item()
        assert share == pytest.approx(1.0, abs=0.07)
    assert (errors.squared[noise < 0.6] / errors.squared.mean()).mean() < 0.75


def test_errors_of_many_batches_are_joined() -> None:
    parts = [drawn(torch.ones(n, dtype=torch.float64), seed=n) for n in (2, 3)]
    joined = Errors.joined(parts)
    assert torch.equal(joined.misfit, torch.cat([part.misfit for part in parts]))
    assert len(joined.squared) == len(joined.mass) == 5
