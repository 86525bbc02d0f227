"""Rating scaling: one factor per task, around a mean that stays."""

import pytest
import torch

from tests.strategy.augment.supports import LENGTHS, AugmentContract, supports, wide


class TestScale(AugmentContract):
    word = "scale"

    def test_the_mean_of_each_task_stays(self) -> None:
        rows, changed = supports(), self.changed(supports())
        for task, length in enumerate(LENGTHS):
            share = rows.weight[task, :length]
            before, after = rows.rating[task, :length], changed.rating[task, :length]
            torch.testing.assert_close((after * share).sum(), (before * share).sum())
            if length > 1:
                assert not torch.allclose(after, before)

    def test_distances_within_a_task_change_by_one_factor_in_range(self) -> None:
        rows, changed = wide(), self.changed(wide(), 0, "spread=0.2")
        before, after = (part.rating - part.rating[:, :1] for part in (rows, changed))
        factor = (after[:, 1:] / before[:, 1:]).median(1).values
        torch.testing.assert_close(after, before * factor[:, None], rtol=1e-3, atol=1e-4)
        assert 0.8 <= factor.min() < 0.82
        assert 1.18 < factor.max() <= 1.2 + 1e-4
        assert factor.mean().item() == pytest.approx(1, abs=0.02)

    def test_a_single_rating_stays(self) -> None:
        torch.testing.assert_close(self.changed(supports()).rating[1, 0], supports().rating[1, 0])

    def test_weights_are_kept(self) -> None:
        assert torch.equal(self.changed(supports()).weight, supports().weight)

    def test_implicit_rows_keep_their_rating(self) -> None:
        changed = self.changed(supports(implicit=True))
        real = changed.weight > 0
        torch.testing.assert_close(changed.rating[real], torch.ones(sum(LENGTHS)))
