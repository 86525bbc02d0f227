"""The stretched support D* = D + α D': which rows, with which weights."""

import pytest
import torch

from fewrec_cli.strategy.augment.base import stretch
from fewrec_cli.strategy.augment.drop import Drop
from fewrec_cli.strategy.augment.mixup import Mixup
from fewrec_cli.strategy.augment.noise import Noise
from tests.strategy.augment.supports import parts, supports

NOISE, MIXUP, DROP = Noise(sd=0.5), Mixup(concentration=1.0), Drop(probability=0.5)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_without_changes_the_rows_are_returned_as_they_are() -> None:
    rows = supports()
    assert stretch(rows, [], 0.5, seeded()) is rows


def test_the_rows_come_first_untouched_then_a_copy_per_change() -> None:
    rows = supports()
    stretched = stretch(rows, [NOISE, DROP], 0.5, seeded())
    assert stretched.item.shape == (4, 21)
    for name, value in parts(rows).items():
        assert torch.equal(getattr(stretched, name)[:, :7], value)
    assert torch.equal(stretched.item[:, 7:14], rows.item)
    assert not torch.equal(stretched.rating[:, 7:14], rows.rating)  # noise
    assert torch.equal(stretched.rating[:, 14:], rows.rating)  # drop changes weights alone
    assert (stretched.weight[:, 14:] == 0).sum() > (rows.weight == 0).sum()


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0, 2.5])
def test_all_copies_together_weigh_the_share(share) -> None:
    rows = supports()
    for augments in ([NOISE], [NOISE, MIXUP], [NOISE, MIXUP, NOISE]):
        stretched = stretch(rows, augments, share, seeded())
        torch.testing.assert_close(
            stretched.weight[:, 7:].sum(1), share * rows.weight.sum(1), rtol=1e-5, atol=1e-6
        )
        torch.testing.assert_close(stretched.weight[:, 7:14], rows.weight * share / len(augments))


def test_rows_without_a_partner_are_mixed_with_themselves_beside_mixup() -> None:
    rows = supports()
    stretched = stretch(rows, [NOISE, MIXUP], 1.0, seeded())
    assert stretched.partner is not None
    assert stretched.mix is not None
    assert torch.equal(stretched.partner[:, :14], rows.item.repeat(1, 2))
    assert (stretched.mix[:, :14] == 1).all()
    assert (stretched.mix[:, 14:] < 1).any()


def test_negatives_go_along() -> None:
    rows = supports(implicit=True)
    stretched = stretch(rows, [DROP, MIXUP], 1.0, seeded())
    assert stretched.negative is not None
    assert torch.equal(stretched.negative, rows.negative.repeat(1, 3))  # type: ignore[union-attr]
    assert stretch(supports(), [DROP], 1.0, seeded()).negative is None


def test_two_changes_are_made_of_the_rows_not_of_one_another() -> None:
    rows = supports()
    stretched = stretch(rows, [DROP, MIXUP], 1.0, seeded())
    assert torch.equal(stretched.weight[:, 14:], rows.weight / 2)


def test_the_seed_decides() -> None:
    first, again, other = (stretch(supports(), [NOISE], 1.0, seeded(n)) for n in (1, 1, 2))
    assert torch.equal(first.rating, again.rating)
    assert not torch.equal(first.rating, other.rating)


def test_supports_of_no_rows_stay_so() -> None:
    empty = supports()
    empty = type(empty)(empty.item[:, :0], empty.rating[:, :0], empty.weight[:, :0])
    assert stretch(empty, [NOISE, MIXUP], 1.0, seeded()).item.shape == (4, 0)
