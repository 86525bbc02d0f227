"""Ridge as an adapter: its penalties, and that the solve gets them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fewrec_cli.engine.noise import task_noise
from fewrec_cli.engine.ridge import Posterior
from fewrec_cli.scenario.batch import Rows, TaskBatch
from fewrec_cli.strategy.adapter.ridge import Ridge
from tests.contracts import constructor_keys
from tests.engine.case import FEEDBACK, Case, case, close, design, start

WORDS: dict[str, Any] = {"factor_penalty": 4.0, "bias_penalty": 0.5, "strengths": [1.0]}
TASKS = 1000


def adapter(made: Case, **words: Any) -> Ridge:
    found = Ridge(**{**WORDS, **words})
    found.prepare(made.backbone)
    return found.double()


def test_constructor_takes_keywords_without_defaults() -> None:
    assert constructor_keys(Ridge) == list(WORDS)


@pytest.mark.parametrize("kind", ["mf", "mlp"])
@pytest.mark.parametrize("feedback", FEEDBACK)
@pytest.mark.parametrize("strength", [1.0, 3.0])
def test_weights_solve_the_normal_equations(kind, feedback, strength) -> None:
    made = case(kind, "last", feedback)
    found = adapter(made)
    found.strength = strength
    penalty = strength * np.array([4.0] * (len(start(made)) - 1) + [0.5])
    for training in (True, False):
        values = found.adapt(made.backbone, made.user, made.support, training=training).values
        solved = torch.cat([value.reshape(4, -1) for value in values.values()], 1)
        for task in range(4):
            z, y, v = design(made, task)
            left = (z.T * v) @ z + np.diag(penalty)
            right = (z.T * v) @ y + penalty * start(made)
            np.testing.assert_allclose(
                solved[task].detach(), np.linalg.solve(left, right), rtol=0, atol=1e-6
            )


def test_each_column_has_a_penalty_that_learns() -> None:
    made = case("mlp", "last")
    found = adapter(made)
    torch.testing.assert_close(
        found.log_penalty.exp(), torch.tensor([4.0, 4, 4, 4, 0.5]).double(), rtol=1e-6, atol=0
    )
    values = found.adapt(made.backbone, made.user, made.support, training=True).values
    sum(value.sum() for value in values.values()).backward()  # type: ignore[union-attr]
    assert found.log_penalty.grad is not None
    assert (found.log_penalty.grad != 0).all()


def test_whole_numbers_are_as_good_as_others() -> None:
    """A whole factor penalty must not cut the bias's penalty down to a whole number."""
    made = case("mf", "last")
    assert torch.equal(
        adapter(made, factor_penalty=4).log_penalty, adapter(made, factor_penalty=4.0).log_penalty
    )


def test_numbers_of_one_task_s_weights() -> None:
    """A last layer of 4 and its 4 x 4 covariance."""
    assert adapter(case("mf", "last")).numbers(case("mf").backbone) == 4 + 16


def answered(made: Case, found: Ridge) -> tuple[Posterior, TaskBatch]:
    adapted = found.adapt(made.backbone, made.user, made.support, training=False)
    return adapted, TaskBatch(made.user, made.support, made.query)


def planted(found: Ridge, sd: float, seed: int) -> Case:
    """Return tasks whose ratings follow the adapter's own model, with noise ``sd``."""
    made = case("mf", "last", lengths=[seed % 7] * TASKS, seed=seed)
    penalty, chance = found.log_penalty.detach().exp(), torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=chance, dtype=torch.float64)

    weights = made.backbone.head.linear_weights() + sd * penalty.rsqrt() * normal(TASKS, 4)

    def rated(rows: Rows) -> Rows:
        offset, z = made.backbone.head.linear_view(made.backbone.encode(made.user, rows.item))
        noise = sd * normal(*rows.item.shape) / rows.weight.clamp(min=1e-9).sqrt()
        return replace(rows, rating=(offset + (z @ weights[..., None])[..., 0] + noise).detach())

    plain = replace(made.query, weight=torch.ones_like(made.query.weight))
    return replace(made, support=rated(made.support), query=rated(plain))


@pytest.mark.slow
def test_calibrated_intervals_hold_four_ratings_in_five() -> None:
    """Supports of 0 to 6 rows of uneven weights; the noise is learned on other tasks."""
    made = case("mf", "last")
    found = adapter(made)
    found.calibrate(made.backbone, [answered(planted(found, 0.6, s), found) for s in range(14)])
    assert found.noise.item() == pytest.approx(0.36, rel=0.1)
    for seed in (70, 72, 76):
        other = planted(found, 0.6, seed)
        adapted, batch = answered(other, found)
        score = adapted.predict(other.backbone, other.user, batch.query.item).score
        spread = adapted.variance(other.backbone, other.user, batch.query.item)
        inside = (batch.query.rating - score).abs() < 1.2816 * spread.sqrt()
        assert inside.double().mean().item() == pytest.approx(0.8, abs=0.025)


def test_the_noise_is_saved_with_the_strategy() -> None:
    made = case("mf", "last")
    found, other = adapter(made), adapter(made)
    found.calibrate(made.backbone, [answered(planted(found, 0.6, 3), found)])
    assert found.noise != other.noise
    other.load_state_dict(found.state_dict())
    assert (other.noise, other.trust) == (found.noise, found.trust)
    tasks = planted(found, 0.6, 4)
    for one in (found, other):
        adapted = one.adapt(tasks.backbone, tasks.user, tasks.support, training=False)
        close(adapted.noise, task_noise(found.noise, found.trust, adapted.misfit, adapted.mass))


def test_implicit_rows_leave_the_noise_alone() -> None:
    made = case("mf", "last", "implicit")
    found = adapter(made)
    found.calibrate(made.backbone, [answered(made, found)])
    found.calibrate(made.backbone, [])
    assert found.noise == 1
