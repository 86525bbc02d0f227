"""Mixup: convex mixtures of rows of one support, never of padding."""

import pytest
import torch

from tests.strategy.augment.supports import LENGTHS, AugmentContract, supports, wide


class TestMixup(AugmentContract):
    word = "mixup"

    def test_partners_are_rows_of_the_same_support(self) -> None:
        augment, drawn = self.augment(), torch.Generator().manual_seed(0)
        for _ in range(50):
            changed = augment(supports(), drawn)
            assert changed.partner is not None
            for task, length in enumerate(LENGTHS):
                mine = set(supports().item[task, :length].tolist())
                assert set(changed.partner[task, :length].tolist()) <= mine

    def test_every_row_of_the_support_can_be_the_partner(self) -> None:
        augment, drawn = self.augment(), torch.Generator().manual_seed(0)
        partners = torch.stack([augment(supports(), drawn).partner for _ in range(100)])  # type: ignore[misc]
        for task, length in enumerate(LENGTHS):
            found = set(partners[:, task, :length].flatten().tolist())
            assert found == set(supports().item[task, :length].tolist())

    def test_ratings_are_mixed_as_the_features_will_be(self) -> None:
        rows, changed = wide(), self.changed(wide())
        assert changed.mix is not None
        assert changed.partner is not None
        other = rows.rating.flatten()[changed.partner]  # items are numbered by their place
        expected = changed.mix * rows.rating + (1 - changed.mix) * other
        torch.testing.assert_close(changed.rating, expected)
        assert not torch.allclose(changed.rating, rows.rating)

    @pytest.mark.parametrize("concentration", [0.4, 1, 5])
    def test_shares_follow_the_beta_distribution(self, concentration) -> None:
        """Beta(c, c) has mean 1/2 and variance 1 / (4 (2 c + 1))."""
        share = self.changed(wide(), 0, f"concentration={concentration}").mix
        assert share is not None
        assert share.min() >= 0
        assert share.max() <= 1
        assert share.mean().item() == pytest.approx(0.5, abs=0.01)
        assert share.var().item() == pytest.approx(1 / (4 * (2 * concentration + 1)), rel=0.03)

    def test_a_single_row_is_mixed_with_itself(self) -> None:
        changed = self.changed(supports())
        assert changed.partner is not None
        assert changed.partner[1, 0] == supports().item[1, 0]
        torch.testing.assert_close(changed.rating[1, 0], supports().rating[1, 0])

    def test_weights_are_kept(self) -> None:
        assert torch.equal(self.changed(supports()).weight, supports().weight)
