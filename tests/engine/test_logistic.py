"""Logistic regression: against scikit-learn, weights as repetitions, and one class alone."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from fewrec_cli.engine.logistic import fit


def rows(seed: int, count: int = 60, columns: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    random = np.random.default_rng(seed)
    design = random.normal(size=(count, columns)) * [1.0, 5.0, 0.1, 1.0][:columns] + 1.0
    chance = 1 / (1 + np.exp(-(design @ np.array([1.0, -0.3, 4.0, 0.0])[:columns] - 1)))
    return torch.from_numpy(design), torch.from_numpy(random.random(count) < chance)


@pytest.mark.parametrize("penalty", [0.1, 3.3, 100.0])
@pytest.mark.parametrize("seed", range(3))
def test_weights_are_those_of_scikit_learn(seed: int, penalty: float) -> None:
    design, liked = rows(seed)
    weight = torch.from_numpy(np.random.default_rng(seed).random(60) * 2)
    found, steps = fit(design, liked, weight, penalty)
    other = LogisticRegression(C=1 / penalty, tol=1e-12, max_iter=10_000)
    other.fit(design.numpy(), liked.numpy(), sample_weight=weight.numpy())
    expected = np.append(other.coef_[0], other.intercept_[0])
    np.testing.assert_allclose(found.numpy(), expected, rtol=2e-3, atol=2e-4)
    assert 1 <= steps < 20


def test_a_weight_of_two_is_a_row_twice() -> None:
    design, liked = rows(0)
    twice, _ = fit(design.repeat(2, 1), liked.repeat(2), torch.ones(120).double(), 1.0)
    heavy, _ = fit(design, liked, torch.full((60,), 2.0).double(), 1.0)
    torch.testing.assert_close(twice, heavy)


def test_the_slope_at_the_minimum_is_0() -> None:
    design, liked = rows(1)
    found, _ = fit(design, liked, torch.ones(60).double(), 2.0)
    left = torch.sigmoid(design @ found[:-1] + found[-1]) - liked.double()
    torch.testing.assert_close(design.T @ left, -2.0 * found[:-1], rtol=0, atol=1e-6)
    assert abs(float(left.sum())) < 1e-4


def test_one_class_alone_ends_with_finite_weights() -> None:
    design, _ = rows(2)
    found, _ = fit(design, torch.ones(60).bool(), torch.ones(60).double(), 1.0)
    assert torch.isfinite(found).all()
    assert float(torch.sigmoid(design @ found[:-1] + found[-1]).min()) > 0.99


def test_large_numbers_do_not_throw_it_off() -> None:
    design, liked = rows(3)
    found, _ = fit(design * 1000, liked, torch.ones(60).double(), 1e-4)
    assert torch.isfinite(found).all()
    loss = torch.nn.functional.binary_cross_entropy_with_logits(
        design * 1000 @ found[:-1] + found[-1], liked.double()
    )
    assert float(loss) < 0.7
