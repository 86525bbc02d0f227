"""Neighbours: the contract, a case by hand, and every form against loops over plain dicts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.types import Interactions, Scale
from fewrec_cli.data.base import Dataset
from fewrec_cli.experiment.pipeline import train
from fewrec_cli.scenario.batch import Rows
from fewrec_cli.strategy import neighbours_alike, neighbours_voices
from fewrec_cli.strategy.neighbours import Surrounded
from fewrec_cli.strategy.neighbours_alike import described_alike, rated_alike
from fewrec_cli.strategy.neighbours_mix import ALPHAS, DAMPINGS, Asked
from tests.composed import composed
from tests.contracts import HELD_OUT, StrategyContract, planted_tasks
from tests.planted import planted_dataset
from tests.strategy.neighbours import ITEMS, QUERY, TASKS, Loops, Told, made, small, tasks


class TestNeighbours(StrategyContract):
    words = ("strategy=neighbours",)

    def test_an_empty_support_gives_the_unadapted_score(self) -> None:
        strategy, backbone = self.ready()
        batch = planted_tasks(HELD_OUT, empty=True)
        before = strategy.unadapted(backbone, batch.user)
        expected = before.predict(backbone, batch.user, batch.query.item).score
        torch.testing.assert_close(self.scores(strategy, backbone, batch), expected)

    @pytest.mark.parametrize("given", [{}, {"by": "users"}, {"alpha": 0.0}])
    def test_groups_are_told_apart(self, given: dict[str, Any]) -> None:
        strategy, backbone = made(planted_dataset(), **given)
        batch = planted_tasks(HELD_OUT)
        score, liked = self.scores(strategy, backbone, batch), batch.query.rating > 0.5
        assert score[liked].mean() > score[~liked].mean() + 0.3


@pytest.mark.parametrize(
    ("similarity", "shrinkage", "neighbours", "cells"),
    [
        ("cosine", 0, 2, 1 << 20),
        ("cosine", 3, 3, 40),  # in many parts
        ("pearson", 0, 40, 40),  # of two shared ratings it is ±1 and ties: all are asked
        ("pearson", 3, 40, 1 << 20),
    ],
)
@pytest.mark.parametrize("by", ["items", "users"])
def test_scores_are_those_of_loops(
    by: str,
    similarity: str,
    shrinkage: float,
    neighbours: int,
    cells: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(neighbours_voices, "CELLS", cells)
    monkeypatch.setattr(neighbours_alike, "USERS", 8)
    data, batch = small(), tasks()
    loops = Loops(data, similarity == "pearson", shrinkage, neighbours)
    for alpha in (1.0, 0.3, 0.0):
        strategy, backbone = made(
            data,
            by=by,
            similarity=similarity,
            neighbours=neighbours,
            shrinkage=shrinkage,
            damping=0.2,
            alpha=alpha,
        )
        adapted = strategy.adapt(backbone, batch.user, batch.support, seed=0, training=False)
        found = adapted.predict(backbone, batch.user, batch.query.item).score
        expected = loops.scores(batch, batch.query.item, by, 0.2, alpha)
        np.testing.assert_allclose(found, expected, atol=2e-5)
        some = torch.tensor([4, 1])
        taken = adapted.take(some).predict(backbone, batch.user[some], batch.query.item[some])
        torch.testing.assert_close(taken.score, found[some])


@pytest.mark.parametrize("by", ["items", "users"])
def test_implicit_scores_are_those_of_loops(by: str) -> None:
    data, batch = small(implicit=True), tasks(implicit=True)
    loops = Loops(data, False, 1.0, 3)
    for alpha in (1.0, 0.3, 0.0):
        strategy, backbone = made(
            data, by=by, neighbours=3, shrinkage=1.0, damping=0.2, alpha=alpha
        )
        adapted = strategy.adapt(backbone, batch.user, batch.support, seed=0, training=False)
        found = adapted.predict(backbone, batch.user, batch.query.item).score
        expected = loops.scores(batch, batch.query.item, by, 0.2, alpha)
        np.testing.assert_allclose(found, expected, atol=2e-5)


def test_a_case_by_hand() -> None:
    """Four users, four items; no shrinkage, so that levels are means and offsets too.

    Levels 3, 3, 3, 3; users 0 and 2 love items 0 and 1, users 1 and 3 items 2 and 3.
    """
    stars = np.array([[5, 5, 1, 1], [1, 1, 5, 5], [5, 5, 1, 1], [1, 1, 5, 5]], dtype=float)
    user, item = np.nonzero(stars)
    data = Dataset(
        "four",
        Interactions(user, item, stars[user, item]),
        np.arange(4),
        np.arange(4),
        (),
        (),
        Scale(1.0, 5.0),
        4.0,
        "four",
    )
    bare = {"shrinkage": 0.0, "item_shrinkage": 0.0, "user_shrinkage": 0.0, "damping": 1.0}
    for by in ("items", "users"):
        strategy, backbone = made(data, **bare, by=by)
        support = Rows(torch.tensor([[0, 2]]), torch.tensor([[1.0, -1.0]]), torch.ones(1, 2))
        adapted = strategy.adapt(backbone, torch.tensor([0]), support, seed=0, training=False)
        found = adapted.predict(backbone, torch.tensor([0]), torch.tensor([[1, 3]])).score
        # items: two rows alike ±1, each saying +1: 2 / (2 + 1); users: the cosine over all items
        # that a user rated is 2 / (√2 · 2) = 0.707, four users of ±0.707: 2.83 / (2.83 + 1)
        expected = 2 / 3 if by == "items" else 8**0.5 / (8**0.5 + 1)
        torch.testing.assert_close(found, torch.tensor([[expected, -expected]]))


def test_pearson_is_numpy_s_over_the_users_who_rated_both() -> None:
    data = small()
    strategy, _ = made(data, alpha=1.0)
    loops = Loops(data, True, 0.0, 1)
    found = rated_alike(strategy.table, "pearson", 0.0).numpy()
    seen = 0
    for one in range(ITEMS):
        for other in range(ITEMS):
            x, y = loops.of_item(one), loops.of_item(other)
            both = sorted(set(x) & set(y))
            if len(both) > 1:
                expected = np.corrcoef([x[u] for u in both], [y[u] for u in both])[0, 1]
                assert found[one, other] == pytest.approx(expected, abs=1e-4)
                seen += 1
            else:
                assert found[one, other] == 0
    assert seen > 100


def test_where_one_kind_is_silent_the_other_speaks_alone_and_it_is_told() -> None:
    strategy, backbone = made(small(), alpha=0.5, damping=0.1)
    batch = tasks()
    adapted = strategy.adapt(backbone, batch.user, batch.support, seed=0, training=False)
    assert isinstance(adapted, Surrounded)
    found = adapted.predict(backbone, batch.user, batch.query.item).score
    content, _ = made(small(), alpha=0.0, damping=0.1)
    alone = content.adapt(backbone, batch.user, batch.support, seed=0, training=False)
    torch.testing.assert_close(
        found[:, 0], alone.predict(backbone, batch.user, batch.query.item).score[:, 0]
    )  # item 12 is new
    torch.testing.assert_close(found[:, 1], adapted.offset)  # and item 13 has no attribute either
    said = adapted.said(batch.query.item)
    rated, described = said.known(said.rated), said.known(said.described)
    told = strategy.remarks(backbone, [batch])
    assert f"of {TASKS * QUERY} query rows {int((~rated & described).sum())} had content" in told[1]
    assert f"and {int((~rated & ~described).sum())} none" in told[1]
    assert not rated[:, :2].any()
    assert not described[:, 1].any()
    assert int((~rated & ~described).sum()) >= TASKS


@pytest.mark.parametrize("implicit", [False, True])
def test_what_is_chosen_has_the_least_validation_error(implicit: bool) -> None:
    data, batch = small(implicit=implicit), tasks(implicit=implicit)
    strategy, backbone = made(data)
    assert strategy.fitted == 3
    strategy.choose(backbone, [batch])

    def error(damping: float, alpha: float) -> float:
        free = made(data, alpha=alpha, damping=damping)[0]
        own = free.adapt(backbone, batch.user, batch.support, seed=0, training=False)
        score = own.predict(backbone, batch.user, batch.query.item).score
        if batch.query.negative is None:
            return float((score - batch.query.rating).abs().mean())
        other = own.predict(backbone, batch.user, batch.query.negative).score
        return float(((score < other).float() + 0.5 * (score == other)).mean())

    for place, alpha in ((0, 1.0), (1, 0.0)):
        errors = [error(one, alpha) for one in DAMPINGS]
        got = error(float(strategy.chosen[place]), alpha)
        assert got == pytest.approx(min(errors), abs=1e-6)
    adapted = strategy.adapt(backbone, batch.user, batch.support, seed=0, training=False)
    belief, asked = strategy.belief, [Asked(batch.query, adapted.said(batch.query.item), None)]
    if batch.query.negative is not None:
        asked = [replace(asked[0], negative=adapted.said(batch.query.negative))]
    losses = [asked[0].loss(replace(belief, alpha=alpha)) for alpha in ALPHAS]
    assert asked[0].loss(belief) == min(losses)


def test_what_is_given_is_kept() -> None:
    strategy, backbone = made(small(), alpha=0.25, damping=0.7)
    strategy.choose(backbone, [tasks()])
    torch.testing.assert_close(strategy.chosen, torch.tensor([0.7, 0.7, 0.25]))
    assert strategy.fitted == 0


def test_without_validation_tasks_nothing_is_chosen() -> None:
    strategy, backbone = made(small())
    before = strategy.chosen.clone()
    strategy.choose(backbone, [])
    torch.testing.assert_close(strategy.chosen, before)


def test_the_training_rows_are_not_saved_with_the_weights() -> None:
    strategy, _ = made(small())
    assert set(strategy.state_dict()) == {"chosen"}


@pytest.mark.parametrize(
    "given", [{"alpha": 1.2}, {"damping": -1.0}, {"neighbours": 0}, {"shrinkage": -0.5}]
)
def test_a_value_out_of_range_is_refused_in_two_lines(given: dict[str, Any]) -> None:
    ((name, value),) = given.items()
    with pytest.raises(ConfigError, match=f"strategy.{name}={value:g}") as caught:
        made(small(), **given)
    assert len(str(caught.value).split("\n")) == 2


def test_what_the_data_cannot_give_is_refused_in_two_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bare = replace(small(), item_fields=())
    assert made(bare)[0].described is None  # alpha=null: collaborative alone
    for data, given in (
        (bare, {"alpha": 0.5}),
        (small(implicit=True), {"similarity": "pearson"}),
    ):
        with pytest.raises(ConfigError) as caught:
            made(data, **given)
        assert len(str(caught.value).split("\n")) == 2
    monkeypatch.setattr(neighbours_alike, "MOST_ITEMS", 13)
    with pytest.raises(ConfigError, match="every two of 14 items"):
        made(small())
    assert made(small(), by="users", alpha=1.0)[0].rated is not None


def test_content_is_the_cosine_of_attributes() -> None:
    data = small()
    found, loops = described_alike(data.item_fields), Loops(data, False, 0.0, 1)
    assert found is not None
    expected = [[loops.described(a, b) for b in range(ITEMS)] for a in range(ITEMS)]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_texts_are_compared_by_their_centred_vectors() -> None:
    vectors = torch.from_numpy(np.random.default_rng(0).normal(1.0, 1.0, (ITEMS, 5))).float()
    vectors[[4, 13]] = 0
    strategy, backbone = made(small(), alpha=0.0)
    strategy.content = "text"
    with pytest.raises(ConfigError, match="content=text") as caught:
        strategy.build(backbone, small(), small().interactions)
    assert len(str(caught.value).split("\n")) == 2
    backbone.item_vectors = lambda: vectors  # type: ignore[method-assign]
    strategy.build(backbone, small(), small().interactions)
    told = [row for row in range(ITEMS) if row not in (4, 13)]
    numbers = vectors.double().numpy()
    numbers[told] -= numbers[told].mean(0)
    for one in range(ITEMS):
        for other in range(ITEMS):
            lengths = np.linalg.norm(numbers[one]) * np.linalg.norm(numbers[other])
            expected = numbers[one] @ numbers[other] / lengths if lengths else 0.0
            likeness = strategy.described.likeness  # type: ignore[union-attr]
            assert float(likeness[one, other]) == pytest.approx(expected, abs=1e-5)


def test_a_strategy_without_steps_has_no_loss() -> None:
    strategy, backbone = made(small())
    with pytest.raises(TypeError, match="no phase"):
        strategy.loss(backbone, tasks())


@pytest.mark.slow
def test_on_real_data_near_films_beat_the_floor(real_data: Path, tmp_path: Path) -> None:
    """New users of MovieLens 100K, all their ratings but ten in the support."""
    cfg = composed(
        "strategy=neighbours",
        "data=movielens",
        f"data.root='{real_data}'",
        "scenario.shots=all",
        "scenario.curve=[all]",
        "scenario.draws=2",
        "backbone.factors=2",
        "trainer=cpu",
        "logger=none",
    )
    told = Told()
    found = train(cfg, tmp_path, told)
    assert found is not None
    mae = {row.row: row.metrics["mae"].mean for row in found.rows}
    assert mae["neighbours"] < mae["item mean + user offset"] - 0.02
    assert any("neighbours: damping 0" in line for line in told.lines)
    assert any("of 1,890 query rows" in line for line in told.lines)
