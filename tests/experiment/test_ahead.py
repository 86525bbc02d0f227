"""How long a training takes in which texts are read anew is told before its first step."""

import io
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.core.progress import Reporter
from fewrec_cli.experiment import ahead
from fewrec_cli.scenario.batch import RowBatch, Rows, TaskBatch
from fewrec_cli.strategy.base import Batch, Strategy


class Reads(nn.Module):
    """Counts the rows it is asked for, and draws numbers as dropout does."""

    def __init__(self, *, anew: bool) -> None:
        super().__init__()
        self.reads_anew = anew
        self.weight = nn.Parameter(torch.ones(()))
        self.read = 0

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        self.read += item.numel()
        return self.weight * torch.rand(item.shape)


class Learns(nn.Module):
    """The least that is asked of a strategy."""

    name = "transfer"

    def loss(self, backbone: nn.Module, batch: Batch) -> Tensor:
        if isinstance(batch, RowBatch):
            return backbone(batch.user, batch.item[:, None]).mean()
        seen = backbone(batch.user, batch.support.item).mean()
        return seen + backbone(batch.user, batch.query.item).mean()


def rows(count: int, *, implicit: bool = False) -> RowBatch:
    index = torch.arange(count)
    return RowBatch(index, index, torch.zeros(count), index if implicit else None)


def tasks(count: int, support: int, query: int) -> TaskBatch:
    def some(n: int) -> Rows:
        item = torch.zeros(count, n, dtype=torch.int64)
        weight = torch.ones(count, n)
        weight[:, 1:] = 0  # a single real row
        return Rows(item, torch.zeros(count, n), weight)

    return TaskBatch(torch.arange(count), some(support), some(query))


def told(
    monkeypatch: pytest.MonkeyPatch, first: Batch, steps: int, *, anew: bool = True, long: float = 0
) -> tuple[str, Reads]:
    monkeypatch.setattr(ahead, "LONG_S", long)
    stream, backbone, drawn = io.StringIO(), Reads(anew=anew), []

    def draw() -> Batch:
        drawn.append(first)
        return first

    ahead.tell_length(
        cast("Backbone", backbone),
        cast("Strategy", Learns()),
        draw,
        steps,
        [tasks(3, 5, 10)],
        4,
        Reporter(stream),
    )
    assert len(drawn) == anew  # a step is not drawn for nothing
    return stream.getvalue(), backbone


def test_pairs_of_a_step_and_of_all_of_them_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    line, backbone = told(monkeypatch, rows(1_024), 2_760)
    assert "2,760 steps of 1,024 rows: " in line
    assert "reads 2,826,240 pairs, and 24 to validate" in line
    assert "strategy.rows_per_step=" in line
    assert "at most" in line
    assert backbone.read == 1 + ahead.PROBE + ahead.PROBE  # a small part is timed


def test_negatives_are_pairs_too(monkeypatch: pytest.MonkeyPatch) -> None:
    line, _ = told(monkeypatch, rows(10, implicit=True), 5)
    assert "5 steps of 10 rows, 20 pairs: " in line
    assert "reads 100 pairs" in line


def test_tasks_are_told_with_the_rows_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    line, backbone = told(monkeypatch, tasks(6, 5, 20), 7)
    assert "7 steps of 6 tasks, 12 pairs: " in line
    assert "strategy.tasks_per_step=" in line
    assert backbone.read == 2 + 25 + ahead.PROBE


def test_nothing_is_timed_where_texts_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    line, backbone = told(monkeypatch, rows(10), 5, anew=False)
    assert (line, backbone.read) == ("", 0)


def test_a_short_training_is_not_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch, rows(10), 5, long=1e6)[0] == ""


def test_numbers_drawn_later_and_gradients_are_as_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    _, backbone = told(monkeypatch, rows(10), 5)
    assert torch.equal(torch.rand(4), expected)
    assert backbone.weight.grad is None
