"""Ridge as an adapter: its penalties, and that the solve gets them."""

from typing import Any

import numpy as np
import pytest
import torch

from fewrec_cli.strategy.adapter.ridge import Ridge
from tests.contracts import constructor_keys
from tests.engine.case import FEEDBACK, Case, case, design, start

WORDS: dict[str, Any] = {"factor_penalty": 4.0, "bias_penalty": 0.5, "strengths": [1.0]}


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
    assert adapter(case("mf", "last")).numbers(case("mf").backbone) == 4
