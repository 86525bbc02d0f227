"""Checks that every new data set, metric, backbone and strategy inherits.

Subclass the contract of your kind in your own test file, name the class ``Test...``, and fill in
the methods that raise ``NotImplementedError``::

    class TestMovielens(DatasetContract):
        def source(self, folder):
            return Movielens(root=str(folder), ...)
"""

import inspect
from dataclasses import fields, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.core.errors import RunError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.core.types import FloatArray
from fewrec_cli.data.base import Dataset, DataSource
from fewrec_cli.engine.base import query_losses
from fewrec_cli.metric.base import NoPositive, RankedLists
from fewrec_cli.scenario.batch import RowBatch, Rows, TaskBatch
from fewrec_cli.strategy.base import Strategy
from tests.composed import built
from tests.planted import planted_dataset
from tests.words import words_of


def constructor_keys(cls: type) -> list[str]:
    """Return a constructor's words, after checking that all are keyword-only, without defaults."""
    words = words_of(cls)
    for word in words.values():
        assert word.kind is inspect.Parameter.KEYWORD_ONLY, f"{cls.__name__}: {word} needs a *"
        assert word.default is inspect.Parameter.empty, f"{cls.__name__}: {word}: yaml holds it"
    return list(words)


class DatasetContract:
    """What every reader keeps; its subclass says how to make one over tiny files."""

    def source(self, folder: Path) -> DataSource:
        """Write tiny files into ``folder`` where the reader needs some, and return the reader.

        Called with the same folder twice, it must describe the same data.
        """
        raise NotImplementedError

    @pytest.fixture
    def dataset(self, tmp_path: Path) -> Dataset:
        """The data set that the reader makes of its tiny files."""
        return self.source(tmp_path).load(Reporter(quiet=True))

    def test_constructor_takes_keywords_without_defaults(self, tmp_path: Path) -> None:
        constructor_keys(type(self.source(tmp_path)))

    def test_same_files_give_the_same_data(self, dataset: Dataset, tmp_path: Path) -> None:
        again = self.source(tmp_path).load(Reporter(quiet=True))
        assert again.hash == dataset.hash
        for name in ("user", "item", "rating"):
            np.testing.assert_array_equal(
                getattr(again.interactions, name), getattr(dataset.interactions, name)
            )
        np.testing.assert_array_equal(again.user_ids, dataset.user_ids)
        np.testing.assert_array_equal(again.item_ids, dataset.item_ids)

    def test_files_are_left_as_they_were(self, tmp_path: Path) -> None:
        source = self.source(tmp_path)
        before = folder_content(tmp_path)
        source.load(Reporter(quiet=True))
        after = folder_content(tmp_path)
        assert {name: after.get(name) for name in before} == before

    def test_nothing_goes_to_stdout(
        self, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        self.source(tmp_path).load(Reporter())
        assert capfd.readouterr().out == ""

    def test_rows_point_at_known_users_and_items(self, dataset: Dataset) -> None:
        rows = dataset.interactions
        assert len(rows) > 0
        assert rows.user.min() >= 0
        assert rows.user.max() < dataset.n_users
        assert rows.item.min() >= 0
        assert rows.item.max() < dataset.n_items

    def test_every_user_and_item_has_a_row(self, dataset: Dataset) -> None:
        assert set(dataset.interactions.user) == set(range(dataset.n_users))
        assert set(dataset.interactions.item) == set(range(dataset.n_items))

    def test_ids_and_pairs_are_unique(self, dataset: Dataset) -> None:
        assert len(set(dataset.user_ids.tolist())) == dataset.n_users
        assert len(set(dataset.item_ids.tolist())) == dataset.n_items
        pairs = dataset.interactions.user * dataset.n_items + dataset.interactions.item
        assert len(np.unique(pairs)) == len(pairs)

    def test_ratings_lie_on_the_scale(self, dataset: Dataset) -> None:
        rating = dataset.interactions.rating
        assert np.isfinite(rating).all()
        if dataset.scale is None:
            assert (rating == 1).all()
        else:
            assert rating.min() >= dataset.scale.low
            assert rating.max() <= dataset.scale.high
            assert dataset.scale.low <= dataset.positive <= dataset.scale.high

    def test_timestamps_are_whole_seconds_from_1970(self, dataset: Dataset) -> None:
        timestamp = dataset.interactions.timestamp
        if timestamp is not None:
            assert np.issubdtype(timestamp.dtype, np.integer)
            assert timestamp.min() >= 0

    def test_fields_are_bags_over_their_vocabulary(self, dataset: Dataset) -> None:
        for field in (*dataset.user_fields, *dataset.item_fields):
            assert field.offsets[0] == 0
            assert (np.diff(field.offsets) >= 0).all()
            assert np.isfinite(field.weight).all()
            assert len(set(field.vocabulary)) == len(field.vocabulary)
            if len(field.index):
                assert field.index.min() >= 0
                assert field.index.max() < len(field.vocabulary)

    def test_side_information_has_one_row_per_item(self, dataset: Dataset) -> None:
        for column in (dataset.item_year, dataset.item_text):
            assert column is None or len(column) == dataset.n_items
        assert dataset.user_text is None or len(dataset.user_text) == dataset.n_users
        for facts, count in (
            (dataset.item_facts, dataset.n_items),
            (dataset.user_facts, dataset.n_users),
        ):
            assert all(len(texts) == count for texts in facts.values())
        assert set(dataset.item_facts) >= dataset.further_facts
        if dataset.oracle is not None:
            assert dataset.oracle.shape == (dataset.n_users, dataset.n_items)

    def test_notes_say_what_was_done_with_a_count(self, dataset: Dataset) -> None:
        for note in dataset.notes:
            assert note.subject
            assert note.text
            assert note.count >= 0


def folder_content(folder: Path) -> dict[str, bytes]:
    """Return the content of every file below ``folder``, by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class MetricContract:
    """What every figure of ranked lists keeps; higher is better."""

    lowest: ClassVar[float] = 0.0
    highest: ClassVar[float] = 1.0

    def figure(self, lists: RankedLists, k: int, no_positive: NoPositive) -> FloatArray:
        """Return the metric of each task, ``(tasks,)``, NaN where it is undefined."""
        raise NotImplementedError

    @pytest.fixture
    def lists(self) -> RankedLists:
        """Fifty lists of 12 candidates in random order, the last 20 of them 9 long."""
        rng = np.random.default_rng(0)
        rating = rng.integers(1, 6, (50, 12)).astype(float)
        rating[:, 0], rating[:, 1] = 5.0, 1.0  # both kinds in every list
        mask = np.ones(rating.shape, dtype=bool)
        mask[30:, 9:] = False
        score = rng.permuted(np.tile(np.arange(12.0), (50, 1)), axis=1)
        return RankedLists(score=score, rating=rating, relevant=rating >= 4, mask=mask)

    def test_figures_are_one_per_task_and_in_range(self, lists: RankedLists) -> None:
        for k in (1, 3, 10):
            found = self.figure(lists, k, "skip")
            assert found.shape == (50,)
            assert (found >= self.lowest).all()
            assert (found <= self.highest + 1e-12).all()

    def test_no_order_beats_the_oracle(self, lists: RankedLists) -> None:
        oracle = self.figure(replace(lists, score=lists.rating), 5, "skip")
        assert (oracle >= self.figure(lists, 5, "skip") - 1e-12).all()
        worst = self.figure(replace(lists, score=-lists.rating), 5, "skip")
        assert (oracle >= worst - 1e-12).all()
        assert oracle.mean() > worst.mean()

    def test_a_constant_score_is_worth_a_random_order(self) -> None:
        rng = np.random.default_rng(1)
        rating = np.tile([5.0, 5.0, 5.0, 1.0, 1.0, 1.0, 1.0, 1.0], (4000, 1))
        lists = RankedLists(
            score=np.zeros(rating.shape),
            rating=rating,
            relevant=rating >= 4,
            mask=np.ones(rating.shape, dtype=bool),
        )
        constant = self.figure(lists, 3, "skip")
        random = self.figure(replace(lists, score=rng.random(rating.shape)), 3, "skip")
        error = np.hypot(constant.std(), random.std()) / np.sqrt(len(rating))
        assert abs(constant.mean() - random.mean()) <= 4 * error + 1e-12

    def test_order_and_unit_of_the_scores_do_not_matter(self, lists: RankedLists) -> None:
        expected = self.figure(lists, 5, "skip")
        scaled = self.figure(replace(lists, score=100 * lists.score - 7), 5, "skip")
        np.testing.assert_allclose(scaled, expected)
        turned = {
            part.name: np.ascontiguousarray(getattr(lists, part.name)[:, ::-1])
            for part in fields(lists)
            if getattr(lists, part.name) is not None
        }
        np.testing.assert_allclose(self.figure(RankedLists(**turned), 5, "skip"), expected)

    def test_padding_changes_nothing(self, lists: RankedLists) -> None:
        def wider(cells: np.ndarray, value: float) -> np.ndarray:
            return np.pad(cells, ((0, 0), (0, 3)), constant_values=value)

        padded = RankedLists(
            score=wider(lists.score, 99.0),
            rating=wider(lists.rating, 5.0),
            relevant=wider(lists.relevant, True),
            mask=wider(lists.mask, False),
        )
        np.testing.assert_allclose(self.figure(padded, 5, "skip"), self.figure(lists, 5, "skip"))

    def test_a_cut_beyond_the_list_is_the_whole_list(self, lists: RankedLists) -> None:
        whole = self.figure(lists, 12, "skip")
        np.testing.assert_allclose(self.figure(lists, 40, "skip"), whole)

    def test_a_task_without_a_positive_follows_the_policy(self, lists: RankedLists) -> None:
        nothing = np.zeros_like(lists.rating)
        barren = replace(lists, rating=nothing, relevant=nothing.astype(bool))
        assert np.isnan(self.figure(barren, 5, "skip")).all()
        assert (self.figure(barren, 5, "zero") == 0).all()
        assert (self.figure(barren, 5, "one") == 1).all()

    @pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
    def test_broken_scores_are_an_error(self, lists: RankedLists, broken: float) -> None:
        score = lists.score.copy()
        score[3, 2] = broken
        with pytest.raises(RunError, match="NaN or infinite"):
            self.figure(replace(lists, score=score), 5, "skip")

    def test_arguments_are_left_as_they_were(self, lists: RankedLists) -> None:
        before = {part.name: getattr(lists, part.name) for part in fields(lists)}
        copies = {name: None if cells is None else cells.copy() for name, cells in before.items()}
        self.figure(lists, 5, "skip")
        for name, cells in before.items():
            np.testing.assert_array_equal(cells, copies[name])


class BackboneContract:
    """What every backbone keeps; its subclass says how to make a small one."""

    def backbone(self) -> Backbone:
        """Return a new backbone, not yet prepared."""
        raise NotImplementedError

    def ready(self, seed: int = 0) -> Backbone:
        """Return a backbone prepared on planted data, in evaluation mode."""
        torch.manual_seed(seed)
        backbone = self.backbone()
        dataset = planted_dataset()
        backbone.prepare(dataset, dataset.interactions)
        return backbone.eval()

    @pytest.fixture
    def users(self) -> Tensor:
        """Five users, ``(5,)``."""
        return torch.arange(5)

    @pytest.fixture
    def items(self) -> Tensor:
        """Seven items for each of five users, ``(5, 7)``."""
        return torch.arange(35).reshape(5, 7)

    def test_constructor_takes_keywords_without_defaults(self) -> None:
        constructor_keys(type(self.backbone()))

    def test_scores_are_finite_and_one_per_row(self, users: Tensor, items: Tensor) -> None:
        backbone = self.ready()
        scores = backbone(users, items)
        assert scores.shape == items.shape
        assert torch.isfinite(scores).all()
        assert backbone(users[0], items[0]).shape == items[0].shape

    def test_the_head_scores_what_encode_returns(self, users: Tensor, items: Tensor) -> None:
        backbone = self.ready()
        features = backbone.encode(users, items)
        torch.testing.assert_close(backbone.head(features), backbone(users, items))

    def test_a_row_does_not_depend_on_its_neighbours(self, users: Tensor, items: Tensor) -> None:
        backbone = self.ready()
        whole = backbone(users, items)
        for task in range(len(users)):
            alone = backbone(users[task], items[task, 3:4])
            torch.testing.assert_close(whole[task, 3:4], alone)

    def test_scoring_leaves_the_weights_untouched(self, users: Tensor, items: Tensor) -> None:
        backbone = self.ready()
        before = {name: value.clone() for name, value in backbone.state_dict().items()}
        backbone(users, items).sum().backward()
        for name, value in backbone.state_dict().items():
            torch.testing.assert_close(value, before[name], rtol=0, atol=0)

    def test_same_seed_gives_the_same_scores(self, users: Tensor, items: Tensor) -> None:
        first, again, other = self.ready(3), self.ready(3), self.ready(4)
        assert torch.equal(first(users, items), again(users, items))
        assert not torch.equal(first.encode(users, items), other.encode(users, items))

    def test_a_loaded_backbone_scores_as_the_saved_one(
        self, users: Tensor, items: Tensor, tmp_path: Path
    ) -> None:
        saved, other = self.ready(0), self.ready(1)
        torch.save(saved.state_dict(), tmp_path / "weights.pt")
        other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
        assert torch.equal(other(users, items), saved(users, items))

    def test_the_head_is_linear_in_its_last_layer(self, users: Tensor, items: Tensor) -> None:
        backbone = self.ready()
        features = backbone.encode(users, items)
        offset, design = backbone.head.linear_view(features)
        weights = backbone.head.linear_weights()
        torch.testing.assert_close(offset + design @ weights, backbone.head(features))
        parameters = dict(backbone.head.named_parameters())
        for name, value in backbone.head.from_linear(weights).items():
            torch.testing.assert_close(value, parameters[name])
        stacked = backbone.head.from_linear(weights.expand(3, -1))
        assert all(value.shape == (3, *parameters[n].shape) for n, value in stacked.items())

    @pytest.mark.parametrize("which", ["head", "last", "bias", "all"])
    def test_adapted_sets_name_parameters(self, which: str) -> None:
        backbone = self.ready()
        names = backbone.adapted_names(which)  # type: ignore[arg-type]
        assert names
        assert set(names) <= {name for name, _ in backbone.named_parameters()}
        assert not any(name.startswith("personal") for name in names)

    def test_every_adapted_parameter_is_reached_by_the_loss(
        self, users: Tensor, items: Tensor
    ) -> None:
        backbone = self.ready().train()
        backbone(users, items).square().sum().backward()
        parameters = dict(backbone.named_parameters())
        for name in backbone.adapted_names("head"):
            assert parameters[name].grad is not None, name

    def test_penalties_are_finite_and_not_negative(self, users: Tensor, items: Tensor) -> None:
        backbone = self.ready()
        penalty = backbone.penalty(items, torch.ones(items.shape))
        personal = backbone.personal_penalty(users)
        assert penalty.shape == personal.shape == ()
        assert penalty >= 0
        assert personal >= 0

    def test_stars_have_the_mean_and_spread_of_the_training_ratings(self) -> None:
        backbone = self.ready()
        rating = planted_dataset().interactions.rating
        stars = backbone.stars(torch.tensor([0.0, 1.0]))
        assert stars[0].item() == pytest.approx(rating.mean(), abs=1e-4)
        assert (stars[1] - stars[0]).item() == pytest.approx(rating.std(), abs=1e-4)

    @pytest.mark.gpu
    def test_cpu_and_gpu_agree(self, users: Tensor, items: Tensor) -> None:
        backbone = self.ready()
        expected = backbone(users, items)
        found = backbone.cuda()(users.cuda(), items.cuda()).cpu()
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


class StrategyContract:
    """What every strategy keeps; its subclass says how to make one, with its adapter.

    Attributes:
        words: What the command would add to choose the strategy, e.g. ``("strategy=maml",)``.
        adapts: Whether adaptation is expected to help (not with ``strategy/adapter=none``).
    """

    words: ClassVar[tuple[str, ...]]
    adapts: ClassVar[bool] = True

    def strategy(self) -> Strategy:
        """Return a new strategy, not yet prepared."""
        made: Strategy = built("strategy", *self.words)
        return made

    def ready(self, *, pretrained: int = 0, seed: int = 0) -> tuple[Strategy, Backbone]:
        """Return strategy and backbone, after ``pretrained`` steps of every phase."""
        torch.manual_seed(seed)
        strategy, backbone = self.strategy(), built("backbone", "backbone=mf", "backbone.factors=4")
        dataset = planted_dataset()
        known = np.flatnonzero(dataset.interactions.user < HELD_OUT[0])
        backbone.prepare(dataset, dataset.interactions.take(known))
        strategy.prepare(backbone, dataset, dataset.interactions.take(known))
        for phase in strategy.phases if pretrained else ():
            train(phase, backbone, pretrained)
        return strategy.eval(), backbone.eval()

    def scores(self, strategy: Strategy, backbone: Backbone, batch: TaskBatch) -> Tensor:
        """Return the adapted scores of the query, ``(tasks, query)``."""
        adapted = strategy.adapt(backbone, batch.user, batch.support, seed=0, training=False)
        return adapted.predict(backbone, batch.user, batch.query.item).score.detach()

    def test_constructor_takes_keywords_without_defaults(self) -> None:
        constructor_keys(type(self.strategy()))

    def test_adapt_leaves_shared_weights_and_support_untouched(self) -> None:
        strategy, backbone = self.ready()
        batch = planted_tasks(HELD_OUT)
        before = {name: value.clone() for name, value in backbone.state_dict().items()}
        support = (batch.support.item.clone(), batch.support.rating.clone())
        self.scores(strategy, backbone, batch)
        for name, value in backbone.state_dict().items():
            torch.testing.assert_close(value, before[name], rtol=0, atol=0)
        assert torch.equal(batch.support.item, support[0])
        assert torch.equal(batch.support.rating, support[1])

    def test_same_seed_gives_the_same_scores(self) -> None:
        first, again = self.ready(pretrained=3), self.ready(pretrained=3)
        batch = planted_tasks(HELD_OUT)
        assert torch.equal(self.scores(*first, batch), self.scores(*again, batch))

    def test_an_empty_support_gives_the_unadapted_score(self) -> None:
        strategy, backbone = self.ready(pretrained=3)
        batch = planted_tasks(HELD_OUT, empty=True)
        expected = backbone(batch.user, batch.query.item)
        torch.testing.assert_close(self.scores(strategy, backbone, batch), expected)
        without = replace(batch, support=planted_tasks(HELD_OUT, shots=0).support)
        torch.testing.assert_close(self.scores(strategy, backbone, without), expected)

    @pytest.mark.parametrize("shots", [1, 8])
    def test_scores_are_finite(self, shots: int) -> None:
        strategy, backbone = self.ready(pretrained=3)
        assert torch.isfinite(
            self.scores(strategy, backbone, planted_tasks(HELD_OUT, shots=shots))
        ).all()

    def test_a_task_does_not_depend_on_its_neighbours(self) -> None:
        strategy, backbone = self.ready(pretrained=3)
        if strategy.augments:
            pytest.skip("augmentation draws for the whole batch")
        whole = self.scores(strategy, backbone, planted_tasks(HELD_OUT))
        alone = self.scores(strategy, backbone, planted_tasks((HELD_OUT[0] + 3, HELD_OUT[0] + 4)))
        torch.testing.assert_close(whole[3:4], alone, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("implicit", [False, True], ids=["explicit", "implicit"])
    def test_the_loss_of_every_phase_reaches_the_shared_weights(self, implicit: bool) -> None:
        strategy, backbone = self.ready()
        for phase in strategy.phases:
            backbone.zero_grad()
            loss = phase.loss(backbone.train(), fed(phase, implicit=implicit))
            assert loss.shape == ()
            assert torch.isfinite(loss)
            loss.backward()
            grown = [p.grad for p in backbone.parameters() if p.grad is not None]
            assert any(bool(gradient.any()) for gradient in grown)

    def test_a_loaded_strategy_scores_as_the_saved_one(self, tmp_path: Path) -> None:
        saved, other = self.ready(pretrained=5), self.ready(seed=1)
        for part, into in zip(saved, other, strict=True):
            torch.save(part.state_dict(), tmp_path / "part.pt")
            into.load_state_dict(torch.load(tmp_path / "part.pt", weights_only=True))
        batch = planted_tasks(HELD_OUT)
        assert torch.equal(self.scores(*saved, batch), self.scores(*other, batch))

    @pytest.mark.slow  # trains 80 steps
    def test_adaptation_helps_on_planted_data(self) -> None:
        if not self.adapts:
            pytest.skip("this one does not adapt")
        strategy, backbone = self.ready(pretrained=80)
        batch = planted_tasks(HELD_OUT)
        adapted = strategy.adapt(backbone, batch.user, batch.support, seed=0, training=False)
        after = query_losses(backbone, adapted, batch.user, batch.query).mean()
        unadapted = strategy.unadapted(backbone, batch.user)
        before = query_losses(backbone, unadapted, batch.user, batch.query).mean()
        assert after < 0.9 * before

    @pytest.mark.gpu
    def test_cpu_and_gpu_agree(self) -> None:
        strategy, backbone = self.ready(pretrained=3)
        batch = planted_tasks(HELD_OUT)
        expected = self.scores(strategy, backbone, batch)
        found = self.scores(strategy.cuda(), backbone.cuda(), batch.to("cuda")).cpu()
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


KNOWN, HELD_OUT = (0, 60), (60, 80)
"""Users of the planted data that strategies train on and are tested on, from (incl.) to (excl.)."""


def planted_tasks(
    users: tuple[int, int], shots: int = 8, *, empty: bool = False, implicit: bool = False
) -> TaskBatch:
    """Return one task for each of the planted users ``users[0]`` to ``users[1] - 1``.

    Args:
        users: First user, and one beyond the last.
        shots: Support size of each task; the last 10 rows of a user are the query.
        empty: Give every support row the weight 0, as in a batch with longer supports.
        implicit: Add one sampled negative to each row.
    """
    rows = planted_dataset().interactions
    rating = (rows.rating - rows.rating.mean()) / rows.rating.std()
    mine = slice(*users)
    item = torch.from_numpy(rows.item.reshape(80, -1)[mine])
    stars = torch.from_numpy(rating.reshape(80, -1)[mine]).float()
    other = (item * 7 + 3) % 48 if implicit else None

    def part(columns: slice, weight: float) -> Rows:
        negative = None if other is None else other[:, columns]
        shares = torch.full_like(stars[:, columns], weight)
        return Rows(item[:, columns], stars[:, columns], shares, negative)

    support = part(slice(0, shots), 0.0 if empty else 1.0)
    return TaskBatch(torch.arange(*users), support, part(slice(-10, None), 1.0))


def fed(phase: Strategy, *, implicit: bool = False) -> RowBatch | TaskBatch:
    """Return all known users' interactions in the form in which a phase is trained."""
    if phase.feed.kind == "tasks":
        return planted_tasks(KNOWN, implicit=implicit)
    rows = planted_tasks(KNOWN, shots=14, implicit=implicit)
    user = rows.user[:, None].expand_as(rows.support.item)
    negative = None if rows.support.negative is None else rows.support.negative.flatten()
    return RowBatch(
        user.flatten(), rows.support.item.flatten(), rows.support.rating.flatten(), negative
    )


def train(phase: Strategy, backbone: Backbone, steps: int) -> None:
    """Train on the known users with plain Adam."""
    learned = [*backbone.parameters(), *phase.parameters()]
    optimizer = torch.optim.Adam([p for p in learned if p.requires_grad], lr=0.03)
    backbone.train()
    for _ in range(steps):
        optimizer.zero_grad()
        phase.loss(backbone, fed(phase)).backward()
        optimizer.step()
