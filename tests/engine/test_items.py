"""New items' numbers are those of a ridge per item."""

import numpy as np
import pytest
import torch

from fewrec_cli.engine import items
from fewrec_cli.engine.items import solve_items


def case(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rows of seven items, in random order; item 4 has none."""
    rng = np.random.default_rng(seed)
    item = rng.choice([0, 1, 2, 3, 5, 6], 60)
    design = rng.normal(size=(60, 3))
    residual = rng.normal(size=60)
    precision = np.array([0.5, 2.0, 7.0])
    return tuple(torch.from_numpy(one) for one in (item, design, residual, precision))


def by_hand(
    item: torch.Tensor, design: torch.Tensor, residual: torch.Tensor, precision: torch.Tensor
) -> np.ndarray:
    """One numpy solve after the other, by the augmented least squares of the textbook."""
    found = np.zeros((7, 3))
    for number in range(7):
        mine = item.numpy() == number
        tall = np.concatenate([design.numpy()[mine], np.diag(np.sqrt(precision.numpy()))])
        right = np.concatenate([residual.numpy()[mine], np.zeros(3)])
        found[number] = np.linalg.lstsq(tall, right, rcond=None)[0]
    return found


@pytest.mark.parametrize("numbers", [1, 20, 1 << 22])
def test_items_are_solved_as_one_by_one_whatever_the_blocks(
    numbers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(items, "NUMBERS", numbers)
    given = case()
    assert np.allclose(solve_items(*given, 7).numpy(), by_hand(*given), atol=1e-12)


def test_an_item_without_rows_stays_and_the_order_of_rows_does_not_matter() -> None:
    item, design, residual, precision = case()
    found = solve_items(item, design, residual, precision, 7)
    assert (found[4] == 0).all()
    assert (found[[0, 1, 2, 3, 5, 6]] != 0).all()
    order = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    again = solve_items(item[order], design[order], residual[order], precision, 7)
    assert torch.allclose(again, found, atol=1e-12)


def test_no_row_at_all_moves_nothing() -> None:
    item, design, residual, precision = case()
    found = solve_items(item[:0], design[:0], residual[:0], precision, 7)
    assert found.shape == (7, 3)
    assert (found == 0).all()
