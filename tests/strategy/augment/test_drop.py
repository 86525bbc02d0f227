"""Item dropout: how often, and that what stays is untouched."""

import pytest
import torch

from tests.strategy.augment.supports import AugmentContract, supports, wide


class TestDrop(AugmentContract):
    word = "drop"

    @pytest.mark.parametrize("probability", [0, 0.3, 0.9, 1])
    def test_rows_are_dropped_as_often_as_asked(self, probability) -> None:
        weight = self.changed(wide(), 0, f"probability={probability}").weight
        assert (weight == 0).double().mean().item() == pytest.approx(probability, abs=0.01)

    def test_rows_that_stay_keep_weight_and_rating(self) -> None:
        rows, changed = supports(), self.changed(supports())
        assert torch.equal(changed.rating, rows.rating)
        kept = changed.weight > 0
        assert torch.equal(changed.weight[kept], rows.weight[kept])
        assert kept.sum() < (rows.weight > 0).sum()

    def test_every_row_is_drawn_for_itself(self) -> None:
        gone = (self.changed(wide(), 0, "probability=0.5").weight == 0).double()
        assert abs(torch.corrcoef(gone[:, :2].T)[0, 1]) < 0.15
        assert gone.mean(1).min() > 0.2
