"""Rating noise: its size, and that nothing else changes."""

import pytest
import torch

from tests.strategy.augment.supports import AugmentContract, supports, wide


class TestNoise(AugmentContract):
    word = "noise"

    @pytest.mark.parametrize("sd", [0.3, 2])
    def test_noise_is_normal_with_the_asked_spread(self, sd) -> None:
        noise = self.changed(wide(), 0, f"sd={sd}").rating - wide().rating
        assert noise.mean().item() == pytest.approx(0, abs=0.03 * sd)
        assert noise.std().item() == pytest.approx(sd, rel=0.02)
        assert (noise.abs() < sd).double().mean().item() == pytest.approx(0.6827, abs=0.01)

    def test_every_row_gets_its_own(self) -> None:
        noise = self.changed(wide()).rating - wide().rating
        assert abs(torch.corrcoef(noise[:, :2].T)[0, 1]) < 0.15
        assert abs(torch.corrcoef(noise[:2])[0, 1]) < 0.5

    def test_weights_are_kept(self) -> None:
        assert torch.equal(self.changed(supports()).weight, supports().weight)

    def test_no_spread_is_no_noise(self) -> None:
        assert torch.equal(self.changed(supports(), 0, "sd=0").rating, supports().rating)
