"""Checks that every strategy inherits that reads the support instead of fitting to it."""

from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from fewrec_cli.engine.base import Prediction
from fewrec_cli.scenario.batch import Rows
from fewrec_cli.strategy.base import Strategy
from fewrec_cli.strategy.reading import Reading
from tests.engine.case import RAGGED, Case, case, close
from tests.strategy.feeding import batch, row_batch, strategy


def awake(found: Strategy) -> Reading:
    """Give the network's answer weights, so that it says something before it is trained."""
    assert isinstance(found, Reading)
    drawn = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for value in found.reader.parameters():
            value.add_(0.3 * torch.randn(value.shape, generator=drawn, dtype=value.dtype))
    return found


class ReadingContract:
    """What holds whatever the network; its subclass says how to choose the strategy."""

    words: ClassVar[tuple[str, ...]]

    def made(self, kind: str = "mf", feedback: str = "explicit") -> tuple[Case, Reading]:
        """Return tasks with ragged supports, and a strategy whose network has something to say."""
        made = case(kind, feedback=feedback)  # type: ignore[arg-type]
        return made, awake(strategy(made, *self.words, "strategy.without_support=0"))

    def answers(self, made: Case, found: Reading, support: Rows, item: Tensor) -> Prediction:
        """Return what is foretold of items."""
        adapted = found.adapt(made.backbone, made.user, support, seed=0, training=False)
        return adapted.predict(made.backbone, made.user, item)

    @pytest.mark.parametrize("kind", ["mf", "mlp"])
    def test_a_query_does_not_see_the_others(self, kind: str) -> None:
        made, found = self.made(kind)
        item = made.query.item
        whole = self.answers(made, found, made.support, item)
        assert whole.levels is not None
        for place in range(item.shape[1]):
            alone = self.answers(made, found, made.support, item[:, place : place + 1])
            assert alone.levels is not None
            close(alone.score[:, 0], whole.score[:, place])
            close(alone.levels[:, 0], whole.levels[:, place])

    @pytest.mark.parametrize("feedback", ["explicit", "mixup", "implicit"])
    def test_the_order_of_the_support_does_not_matter(self, feedback: str) -> None:
        made, found = self.made(feedback=feedback)
        turned = made.support.item.shape[1] - 1 - torch.arange(made.support.item.shape[1])
        support = rearranged(made.support, turned)
        expected = self.answers(made, found, made.support, made.query.item).score
        close(self.answers(made, found, support, made.query.item).score, expected)

    def test_padding_changes_nothing(self) -> None:
        made, found = self.made()
        support = made.support
        wider = Rows(
            torch.nn.functional.pad(support.item, (0, 3), value=5),
            torch.nn.functional.pad(support.rating, (0, 3), value=1e6),
            torch.nn.functional.pad(support.weight, (0, 3)),
        )
        expected = self.answers(made, found, support, made.query.item).score
        close(self.answers(made, found, wider, made.query.item).score, expected)

    @pytest.mark.parametrize("kind", ["mf", "mlp"])
    def test_a_support_changes_the_score_and_none_keeps_the_shared_one(self, kind: str) -> None:
        made, found = self.made(kind)
        score = self.answers(made, found, made.support, made.query.item).score
        shared = made.backbone(made.user, made.query.item)
        for task, rows in enumerate(RAGGED):
            if rows:
                assert (score[task] - shared[task]).abs().min() > 1e-6
            else:
                close(score[task], shared[task])
        start = found.unadapted(made.backbone, made.user)
        close(start.predict(made.backbone, made.user, made.query.item).score, shared)

    def test_ratings_of_the_support_are_read(self) -> None:
        made, found = self.made()
        found.adapter.strength = 1e9  # the ridge stays where it is, so that the network alone moves
        other = replace(made.support, rating=made.support.rating + 0.5)
        moved = self.answers(made, found, other, made.query.item).score
        still = self.answers(made, found, made.support, made.query.item).score
        assert (moved - still)[0].abs().min() > 1e-6

    def test_before_training_the_score_is_the_adapter_s(self) -> None:
        made = case("mf")
        found = strategy(made, *self.words)
        fitted = found.adapter.adapt(made.backbone, made.user, made.support, training=False)
        expected = fitted.predict(made.backbone, made.user, made.query.item).score
        adapted = found.adapt(made.backbone, made.user, made.support, seed=0, training=False)
        close(adapted.predict(made.backbone, made.user, made.query.item).score, expected)

    def test_taken_tasks_answer_as_among_all(self) -> None:
        made, found = self.made()
        adapted = found.adapt(made.backbone, made.user, made.support, seed=0, training=False)
        some = torch.tensor([3, 0])
        part = adapted.take(some).predict(made.backbone, made.user[some], made.query.item[some])
        whole = adapted.predict(made.backbone, made.user, made.query.item)
        assert part.levels is not None
        assert whole.levels is not None
        close(part.score, whole.score[some])
        close(part.levels, whole.levels[some])

    @pytest.mark.parametrize("feedback", ["explicit", "implicit"])
    def test_the_loss_is_the_formula(self, feedback: str) -> None:
        made, found = self.made(feedback=feedback)
        said = self.answers(made, found, made.support, made.query.item)
        query = made.query
        if query.negative is not None:
            other = self.answers(made, found, made.support, query.negative).score
            each = -torch.log(torch.sigmoid(said.score - other))
        else:
            assert found.levels is not None
            assert said.levels is not None
            off = (said.score - query.rating).abs()
            each = torch.where(off < 0.25, off**2 / 0.5, off - 0.125)
            level = (found.levels.level - query.rating[..., None]).abs().min(-1).indices
            chance = said.levels.flatten(0, 1)[torch.arange(level.numel()), level.flatten()]
            each = each - found.level_weight * chance.log().reshape(level.shape)
        expected = ((each * query.weight).sum(1) / query.weight.sum(1)).mean()
        expected = expected + made.backbone.penalty(query.item, query.weight)
        close(found.loss(made.backbone, batch(made)), expected)

    def test_hidden_supports_train_the_shared_score(self) -> None:
        made = case("mf")
        found = awake(strategy(made, *self.words, "strategy.without_support=1"))
        empty = made.support.reweighted(torch.zeros_like(made.support.weight))
        shared = batch(replace(made, support=empty))
        found.loss(made.backbone, batch(made)).backward()
        assert all(p.grad is None or not p.grad.any() for p in found.adapter.parameters())
        close(found.loss(made.backbone, batch(made)), found.loss(made.backbone, shared))

    def test_which_supports_are_hidden_tells_nothing_of_how_they_are_changed(self) -> None:
        made = case("mf")
        found = awake(strategy(made, *self.words, "strategy.without_support=0.5"))
        told = []

        def augment(rows: Rows, generator: torch.Generator) -> Rows:
            shown = rows.weight.sum(1) > 0
            drawn = torch.rand(len(shown), generator=generator) >= 0.5
            told.append(torch.equal(shown, drawn & (made.support.weight.sum(1) > 0)))
            return rows

        found.augments = (augment,)  # type: ignore[assignment]
        for seed in range(8):
            found.loss(made.backbone, batch(made, seed))
        assert not all(told)

    def test_a_part_of_the_batch_has_its_share_of_the_gradient(self) -> None:
        made, found = self.made()
        whole, grown = batch(made), []
        for parts in (1, 2):
            found.parts = parts
            found.zero_grad()
            found.loss(made.backbone, whole).backward()
            gradients = [p.grad for p in found.reader.parameters() if p.grad is not None]
            grown.append(torch.cat([one.flatten() for one in gradients]))
        torch.testing.assert_close(grown[0], grown[1], rtol=1e-8, atol=1e-10)

    def test_rows_instead_of_tasks_are_refused(self) -> None:
        made, found = self.made()
        with pytest.raises(TypeError, match=f"{found.name} is fed with tasks, got RowBatch"):
            found.loss(made.backbone, row_batch())

    def test_transfer_comes_first_unless_it_is_left_out(self) -> None:
        made, found = self.made()
        assert [phase.name for phase in found.phases] == ["transfer", found.name]
        assert found.phases[0].adapter is found.adapter
        alone = strategy(made, *self.words, "strategy.pretrain=null")
        assert list(alone.phases) == [alone]


def rearranged(rows: Rows, order: Tensor) -> Rows:
    """Return the same rows in another order."""
    parts = (rows.item, rows.rating, rows.weight, rows.negative, rows.partner, rows.mix)
    return Rows(*(None if part is None else part[:, order] for part in parts))  # type: ignore[arg-type]
