"""In context: the contracts, and the transformer against attention written out row by row."""

from typing import ClassVar

import pytest
import torch
from torch import Tensor

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.experiment.world import build_strategy
from fewrec_cli.strategy.in_context import Block, InContext, Transformer
from fewrec_cli.strategy.reading import Seen
from tests.composed import composed
from tests.contracts import StrategyContract
from tests.engine.case import close
from tests.strategy.feeding import built_strategy
from tests.strategy.reading import ReadingContract


class TestInContext(StrategyContract):
    words = ("strategy=in_context",)


class TestReadingInContext(ReadingContract):
    words = ("strategy=in_context",)


class TestReadingInContextAlone(ReadingContract):
    words: ClassVar = ("strategy=in_context", "strategy/adapter=none")


def seen(rows: int, weight: Tensor) -> Seen:
    drawn = torch.Generator().manual_seed(5)

    def numbers(*shape: int) -> Tensor:
        return torch.randn(shape, generator=drawn, dtype=torch.float64)

    return Seen(numbers(1, rows, 3), numbers(1, rows), numbers(1, rows), weight)


def looked_up(block: Block, row: Tensor, support: list[Tensor], weight: list[float]) -> Tensor:
    """Return one row after one layer, a head and a support row at a time."""
    query, memory = block.query(block.before(row)), block.memory
    parts = []
    for head in range(block.heads):
        mine = slice(head * len(row) // block.heads, (head + 1) * len(row) // block.heads)
        size = mine.stop - mine.start
        share, total = torch.zeros(size).double(), 0.0
        for other, heavy in zip(support, weight, strict=True):
            key, value = memory.key(memory.before(other)), memory.value(memory.before(other))
            force = heavy * torch.exp(query[mine] @ key[mine] / size**0.5)
            share, total = share + force * value[mine], total + force
        parts.append(share / total)
    row = row + block.found(torch.cat(parts))
    return row + block.mixed(row)


def test_the_transformer_is_attention_over_the_support_alone() -> None:
    torch.manual_seed(0)
    network = Transformer(3, 8, 2, 2, 4).double()
    torch.nn.init.normal_(network.answer.weight)
    weight = torch.tensor([[1.0, 0.5, 0.0]]).double()
    support, query = seen(3, weight), seen(2, weight[:, :2])
    found = network(network.read(support), query.design, query.score)

    def row(of: Seen, place: int) -> Tensor:
        return network.row(torch.cat([of.design[0, place], of.score[0, place : place + 1]]))

    rows = [
        row(support, place) + network.rated(support.surprise[0, place, None]) for place in (0, 1)
    ]
    rows, heavy = [network.no_row, *rows], [1.0, 1.0, 0.5]  # the third row is padding
    asked = [row(query, place) + network.unrated for place in (0, 1)]
    for block in network.blocks:
        assert isinstance(block, Block)
        asked = [looked_up(block, one, rows, heavy) for one in asked]
        rows = [looked_up(block, one, rows, heavy) for one in rows]
    for place, one in enumerate(asked):
        close(found[0, place], network.answer(network.after(one)))


def test_width_and_heads_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"strategy.heads=3 does not divide strategy.width=32"):
        build_strategy(composed("strategy=in_context", "strategy.heads=3"))


def test_shape_is_that_of_the_yaml() -> None:
    found = built_strategy("strategy=in_context", "strategy.layers=3", "strategy.width=16")
    assert isinstance(found, InContext)
    network = found.network(5, 6)
    assert len(network.blocks) == 3
    assert network.no_row.shape == (16,)
    assert network.answer.out_features == 6
