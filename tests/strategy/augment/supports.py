"""Ragged supports to be changed, and what every augmentation keeps."""

from dataclasses import fields
from typing import ClassVar

import torch
from torch import Tensor

from fewrec_cli.scenario.batch import Rows
from fewrec_cli.strategy.augment.base import Augment
from tests.contracts import constructor_keys
from tests.strategy.feeding import built_strategy

LENGTHS = (7, 1, 0, 4)


def supports(*, implicit: bool = False, dtype: torch.dtype = torch.float32) -> Rows:
    """Return four supports; padding holds item 99 and a rating far away."""
    real = torch.arange(7) < torch.tensor(LENGTHS)[:, None]
    drawn = torch.Generator().manual_seed(11)
    item = torch.arange(28).reshape(4, 7)
    rating = torch.randn(4, 7, generator=drawn)
    return Rows(
        torch.where(real, item, 99),
        (torch.ones(4, 7) if implicit else torch.where(real, rating, 1e4)).to(dtype),
        torch.where(real, 0.5 + torch.rand(4, 7, generator=drawn), 0.0).to(dtype),
        negative=(item + 50) if implicit else None,
    )


def wide(tasks: int = 400, rows: int = 50) -> Rows:
    """Return many full supports, for figures of chance."""
    drawn = torch.Generator().manual_seed(12)
    shape = (tasks, rows)
    rating = torch.randn(shape, generator=drawn)
    return Rows(torch.arange(tasks * rows).reshape(shape), rating, torch.ones(shape))


def parts(rows: Rows) -> dict[str, Tensor]:
    """Return the tensors that are there, by name."""
    found = {part.name: getattr(rows, part.name) for part in fields(rows)}
    return {name: value for name, value in found.items() if value is not None}


class AugmentContract:
    """What every augmentation keeps; its subclass names its word in the yaml."""

    word: ClassVar[str]

    def augment(self, *words: str) -> Augment:
        """Return the augmentation as the command would, with some of its words changed."""
        own = [f"strategy.augment.{self.word}.{word}" for word in words]
        strategy = built_strategy("strategy=maml", f"strategy/augment=[{self.word}]", *own)
        (only,) = strategy.augments
        assert isinstance(only, Augment)
        return only

    def changed(self, rows: Rows, seed: int = 0, *words: str) -> Rows:
        """Return the changed rows."""
        return self.augment(*words)(rows, torch.Generator().manual_seed(seed))

    def test_constructor_takes_keywords_without_defaults(self) -> None:
        assert constructor_keys(type(self.augment()))

    def test_same_seed_gives_the_same_rows_and_another_others(self) -> None:
        first, again, other = (self.changed(wide(), seed) for seed in (3, 3, 4))
        assert parts(first).keys() == parts(again).keys()
        assert all(torch.equal(value, parts(again)[name]) for name, value in parts(first).items())
        assert any(not torch.equal(v, parts(other)[name]) for name, v in parts(first).items())

    def test_the_global_random_state_is_left_alone(self) -> None:
        torch.manual_seed(0)
        before = torch.get_rng_state()
        self.changed(supports())
        assert torch.equal(torch.get_rng_state(), before)

    def test_input_is_left_as_it_was(self) -> None:
        for implicit in (False, True):
            rows = supports(implicit=implicit)
            before = {name: value.clone() for name, value in parts(rows).items()}
            self.changed(rows)
            assert all(torch.equal(value, before[name]) for name, value in parts(rows).items())

    def test_shape_and_number_type_are_kept(self) -> None:
        for dtype in (torch.float32, torch.float64):
            rows = supports(dtype=dtype)
            for name, value in parts(self.changed(rows)).items():
                assert value.shape == (4, 7), name
                assert value.dtype == (torch.int64 if name in {"item", "partner"} else dtype), name

    def test_padding_stays_padding(self) -> None:
        changed = self.changed(supports())
        assert (changed.weight[supports().weight == 0] == 0).all()
        assert all(torch.isfinite(value).all() for value in parts(changed).values())

    def test_items_and_negatives_are_kept(self) -> None:
        rows = supports(implicit=True)
        changed = self.changed(rows)
        assert torch.equal(changed.item, rows.item)
        assert changed.negative is not None
        assert torch.equal(changed.negative, rows.negative)  # type: ignore[arg-type]

    def test_supports_without_rows_pass(self) -> None:
        empty = Rows(torch.zeros(3, 0, dtype=torch.int64), torch.zeros(3, 0), torch.zeros(3, 0))
        assert self.changed(empty).rating.shape == (3, 0)
