"""Features: the contract, the numbers by hand, the fit against scikit-learn on hand-made rows."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hydra.errors import InstantiationException
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.types import Field
from fewrec_cli.data.base import Dataset
from fewrec_cli.scenario.batch import Rows, TaskBatch
from fewrec_cli.strategy.base import Strategy
from fewrec_cli.strategy.features import Features
from fewrec_cli.strategy.features_reader import FeatureReader, Liked, Reads
from tests.composed import built
from tests.contracts import HELD_OUT, KNOWN, StrategyContract, planted_tasks
from tests.planted import planted_dataset

USUAL: list[Reads] = ["likes", "alike", "numbers"]


class TestFeatures(StrategyContract):
    words = ("strategy=features",)

    def ready(self, *, pretrained: int = 0, seed: int = 0) -> tuple[Strategy, Backbone]:
        strategy, backbone = super().ready(pretrained=pretrained, seed=seed)
        if pretrained:
            assert strategy.fit(backbone, [planted_tasks(KNOWN)]) > 1
        return strategy, backbone

    def test_an_empty_support_gives_the_unadapted_score(self) -> None:
        strategy, backbone = self.ready(pretrained=3)
        batch = planted_tasks(HELD_OUT, empty=True)
        before = strategy.unadapted(backbone, batch.user)
        expected = before.predict(backbone, batch.user, batch.query.item).score
        torch.testing.assert_close(self.scores(strategy, backbone, batch), expected)

    def test_groups_are_told_apart_by_their_attribute(self) -> None:
        strategy, backbone = self.ready(pretrained=1)
        batch = planted_tasks(HELD_OUT)
        score, liked = self.scores(strategy, backbone, batch), batch.query.rating > 0.5
        assert score[liked].mean() > score[~liked].mean() + 0.5


def field(name: str, kind: Any, bags: list[list[tuple[int, float]]], words: int) -> Field:
    offsets = np.cumsum([0, *map(len, bags)])
    entries = [one for bag in bags for one in bag]
    vocabulary = tuple(f"{name}{number}" for number in range(words))
    index, weight = (np.array(column) for column in zip(*entries, strict=True))
    return Field(name, kind, vocabulary, offsets, index, weight.astype(float))


def described() -> Dataset:
    """Return the planted data with four items: genres a, a b, b, none; years 1, 2, unknown, 4."""
    genres = field("genre", "multi", [[(0, 1.0)], [(0, 0.5), (1, 0.5)], [(1, 1.0)], []], 2)
    years = field("year", "numeric", [[(0, 1.0)], [(0, 2.0)], [], [(0, 4.0)]], 1)
    return replace(planted_dataset(items=4, rows_per_user=4), item_fields=(genres, years))


def test_numbers_are_those_by_hand() -> None:
    reader = FeatureReader(described(), USUAL, [1, 3])
    assert reader.names == (
        "like share",
        "like share of the first 1",
        "like share of the first 3",
        "like share by genre",
        "year",
    )
    seen = Liked(torch.tensor([[2, 1, 0, 3]]), torch.tensor([[1.0, 0, 1, 0]]), torch.ones(1, 4))
    found = reader(seen, torch.tensor([[0, 3, 2]]), torch.tensor(0.5))[0]
    half = 0.5**0.5
    by_genre = [
        (1 + 0.25) / (half + 1 + 0.5),  # item 0: liked itself, half alike item 1 not
        0.5,  # no genre: the share
        (1 + 0.25) / (1 + half + 0.5),
    ]
    years = [1.0, 4.0, 0.0]
    for row, (genre, year) in enumerate(zip(by_genre, years, strict=True)):
        expected = torch.tensor([0.5, 1.0, 2 / 3, genre, year])
        torch.testing.assert_close(found[row], expected)


def test_content_alone_is_the_item_s_own_whatever_the_support() -> None:
    reader = FeatureReader(described(), ["numbers", "values"], [1, 3])
    assert reader.names == ("year", "genre genre0", "genre genre1")
    expected = torch.tensor([[1.0, 1, 0], [2, 1, 1], [0, 0, 1], [4, 0, 0]])
    for liked in (0.0, 1.0):
        seen = Liked(torch.tensor([[2]]), torch.tensor([[liked]]), torch.ones(1, 1))
        found = reader(seen, torch.tensor([[0, 1, 2, 3]]), torch.tensor(0.5))[0]
        torch.testing.assert_close(found, expected)


def test_texts_are_compared_less_their_mean_and_an_item_without_a_text_with_none() -> None:
    vectors = torch.tensor([[3.0, 1.0], [1.0, 3.0], [2.0, 2.0 + 2**0.5], [0.0, 0.0]])
    mean = vectors[:3].mean(0)
    unit = [(one - mean) / (one - mean).norm() for one in vectors[:3]]
    reader = FeatureReader(described(), ["likes", "texts"], [], vectors)
    assert reader.names == ("like share", "like share by text", "text nearer to likes")
    seen = Liked(torch.tensor([[2, 1, 3, 0]]), torch.tensor([[1.0, 0, 1, 1]]), torch.ones(1, 4))
    seen = Liked(seen.item, seen.liked, torch.tensor([[1.0, 1, 1, 0]]))  # the last is padding
    found = reader(seen, torch.tensor([[0, 3, 2]]), torch.tensor(0.5))[0]
    share = 2 / 3
    for row, asked in enumerate((0, 3, 2)):
        near = [float(unit[asked] @ unit[other]) if asked < 3 else 0.0 for other in (2, 1)]
        above = [max(one, 0.0) for one in near]
        by_text = (above[0] + 0.5 * share) / (sum(above) + 0.5)
        nearer = near[0] / 2 - near[1]  # two likes, one of them without a text
        torch.testing.assert_close(found[row], torch.tensor([share, by_text, nearer]))


def test_texts_without_a_language_model_are_refused_in_two_lines() -> None:
    with pytest.raises(ConfigError, match="no language model") as caught:
        ready(planted_dataset(), reads="[likes,texts]")
    assert len(str(caught.value).split("\n")) == 2


@pytest.mark.parametrize("reads", ["[]", "[likes,titles]"])
def test_numbers_that_there_are_not_are_refused_in_two_lines(reads: str) -> None:
    with pytest.raises(InstantiationException) as caught:
        ready(planted_dataset(), reads=reads)
    assert isinstance(caught.value.__cause__, ConfigError)
    assert len(str(caught.value.__cause__).split("\n")) == 2


def test_padding_counts_for_nothing_and_an_empty_support_has_the_usual_share() -> None:
    reader = FeatureReader(described(), USUAL, [1, 3])
    item, liked = torch.tensor([[2, 1, 0]]), torch.tensor([[1.0, 0.0, 1.0]])
    asked, usual = torch.tensor([[0, 1]]), torch.tensor(0.7)
    short = reader(Liked(item[:, :2], liked[:, :2], torch.ones(1, 2)), asked, usual)
    padded = reader(Liked(item, liked, torch.tensor([[1.0, 1.0, 0.0]])), asked, usual)
    torch.testing.assert_close(short, padded)
    none = reader(Liked(item, liked, torch.zeros(1, 3)), asked, usual)
    torch.testing.assert_close(none[0, :, :4], torch.full((2, 4), 0.7))


def ready(dataset: Dataset, **words: Any) -> tuple[Features, Backbone]:
    strategy = built(
        "strategy", "strategy=features", *(f"strategy.{k}={v}" for k, v in words.items())
    )
    backbone = built("backbone", "backbone=mf", "backbone.factors=2")
    backbone.prepare(dataset, dataset.interactions)
    strategy.prepare(backbone, dataset, dataset.interactions)
    return strategy.eval(), backbone.eval()


def loop_rows(strategy: Features, batch: TaskBatch, own: float) -> tuple[list[Any], ...]:
    """Return numbers, likes and weights of every example with loops over tasks and rows."""
    numbers, likes, weights = [], [], []

    def add(items: Tensor, liked: Tensor, asked: int, answer: bool, weight: float) -> None:
        seen = Liked(items[None], liked[None].float(), torch.ones(1, len(items)))
        numbers.append(strategy.reader(seen, torch.tensor([[asked]]), strategy.usual)[0, 0].numpy())
        likes.append(answer)
        weights.append(weight)

    for task in range(len(batch)):
        items = batch.support.item[task]
        liked = batch.support.rating[task] >= strategy.least
        for place, asked in enumerate(batch.query.item[task].tolist()):
            answer = bool(batch.query.rating[task, place] >= strategy.least)
            add(items, liked, asked, answer, 1.0)
        for row in range(len(items)):
            others = [place for place in range(len(items)) if place != row]
            add(items[others], liked[others], int(items[row]), bool(liked[row]), own)
    return numbers, likes, weights


@pytest.mark.parametrize(("own", "shots"), [(0.0, 4), (0.3, 4), (0.3, 1)])
def test_the_fit_is_scikit_learn_s_on_rows_made_by_loops(own: float, shots: int) -> None:
    dataset = planted_dataset()
    strategy, backbone = ready(dataset, own_weight=own, penalty=2.0)
    batch = planted_tasks((0, 8), shots=shots)
    strategy.fit(backbone, [replace_part(batch, slice(0, 3)), replace_part(batch, slice(3, 8))])
    numbers, likes, weights = loop_rows(strategy, batch, own)
    other = LogisticRegression(C=0.5, tol=1e-12, max_iter=10_000)
    other.fit(np.array(numbers), np.array(likes), sample_weight=np.array(weights))
    np.testing.assert_allclose(strategy.found[:-1].numpy(), other.coef_[0], rtol=5e-3, atol=5e-4)
    held = planted_tasks(HELD_OUT, shots=shots)
    adapted = strategy.adapt(backbone, held.user, held.support, seed=0, training=False)
    found = adapted.predict(backbone, held.user, held.query.item)
    rows = strategy.reader(strategy.likes(held.support), held.query.item, strategy.usual)
    chance = other.predict_proba(rows.flatten(0, 1).numpy())[:, 1].reshape(rows.shape[:2])
    assert found.levels is not None
    torch.testing.assert_close(found.levels.sum(-1), torch.ones(found.score.shape))
    above = found.levels[..., 3:].sum(-1)  # 4 and 5 stars are liked
    np.testing.assert_allclose(above.numpy(), chance, atol=2e-3)


def replace_part(batch: TaskBatch, part: slice) -> TaskBatch:
    return TaskBatch(batch.user[part], batch.support.slice(part), batch.query.slice(part))


def test_likes_follow_the_data_s_threshold() -> None:
    strategy, backbone = ready(planted_dataset())
    stars = torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0]])
    rating = (stars - backbone.rating_mean) / backbone.rating_sd
    rows = Rows(torch.zeros(1, 5).long(), rating, torch.ones(1, 5))
    assert strategy.likes(rows).liked.tolist() == [[0, 0, 0, 1, 1]]


def test_implicit_data_is_refused_in_two_lines() -> None:
    dataset = replace(planted_dataset(), scale=None)
    with pytest.raises(ConfigError) as caught:
        ready(dataset)
    assert len(str(caught.value).split("\n")) == 2


def test_another_strategy_s_score_is_one_number_more() -> None:
    dataset = planted_dataset()
    transfer = (
        "{_target_:fewrec_cli.strategy.transfer.Transfer,_partial_:true,outer_lr:0.003,"
        "weight_decay:0.0,epochs:1,patience:1,loss:huber,rows_per_step:64,alpha:1.0}"
    )
    strategy, backbone = ready(dataset, pretrain=transfer)
    batch = planted_tasks(KNOWN)
    assert [phase.name for phase in strategy.phases] == ["transfer"]
    plain = strategy.adapt(backbone, batch.user, batch.support, seed=0, training=False)
    assert type(plain).__name__ != "Weighed"  # before the fit it answers as transfer does
    strategy.fit(backbone, [batch])
    adapted = strategy.adapt(backbone, batch.user, batch.support, seed=0, training=False)
    numbers = adapted.numbers(backbone, batch.user, batch.query.item)  # type: ignore[attr-defined]
    score = plain.predict(backbone, batch.user, batch.query.item).score
    torch.testing.assert_close(numbers[..., -1], score)
    assert numbers.shape[-1] == len(strategy.reader.names) + 1 == len(strategy.found) - 1
    assert strategy.found[-2] != 0
