"""Scores of the model do not depend on how tasks and candidates are cut."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from fewrec_cli.core.errors import FewrecError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.experiment import score, tasks
from fewrec_cli.experiment.score import Scored, Scorer
from fewrec_cli.experiment.world import World, build
from fewrec_cli.scenario.base import Episodes
from fewrec_cli.scenario.candidates import CandidateSource
from tests.composed import SHRUNK_DATA, SHRUNK_RUN, composed

CPU = torch.device("cpu")


@pytest.fixture(
    scope="module",
    params=[("strategy=maml",), ("strategy=transfer", "strategy/adapter=ridge", "backbone=mlp")],
    ids=["maml", "ridge-mlp"],
)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Weights that are far from flat, without training."""
    words = (*SHRUNK_DATA, *SHRUNK_RUN, *request.param)
    made = build(composed(*words, "scenario.candidates=sampled:7"), Reporter(quiet=True))
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in made.backbone.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    yield made
    made.backbone.cpu()


def draw(world: World, number: int = 0) -> Episodes:
    return world.scenario.draw(world.split.test, number)


def scores(
    world: World, shots: int | None, *, batch: int | None = None, most: int | None = None
) -> np.ndarray:
    """Scores of all candidates of the first draw, ``(tasks, candidates)``."""
    source = CandidateSource(world.dataset, world.scenario.candidates, 0)
    scorer = Scorer(world, CPU, 0)
    scorer.most_tasks = most or scorer.most_tasks
    return whole(scorer.adapted(draw(world), list(source.batches(draw(world), batch)), shots))


def whole(scored: Scored) -> np.ndarray:
    return np.concatenate([block.score for block in scored.blocks])


@pytest.mark.parametrize("shots", [2, None])
def test_scores_do_not_depend_on_the_cut(
    world: World, shots: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = scores(world, shots)
    assert np.ptp(expected) > 0.5
    for batch, most in ((None, 1), (1, None), (5, 3)):
        found = scores(world, shots, batch=batch, most=most)
        np.testing.assert_allclose(found, expected, atol=1e-4)
    monkeypatch.setattr(tasks, "CELLS", 40)
    monkeypatch.setattr(score, "SCORES", 30)
    np.testing.assert_allclose(scores(world, shots), expected, atol=1e-4)


@pytest.mark.parametrize("shots", [0, 2, None])
def test_a_whole_catalogue_is_scored_as_its_items_are_one_by_one(
    world: World, shots: int | None
) -> None:
    """The item side is computed once; asked for each candidate the scores are the same."""
    batches = list(CandidateSource(world.dataset, "catalogue", 0).batches(draw(world), 4))
    assert all(batch.catalogue for batch in batches)
    alone = [replace(batch, catalogue=False) for batch in batches]
    scorer = Scorer(world, CPU, 0)
    results = [
        (scorer.adapted(draw(world), some, shots), scorer.unadapted(draw(world), some))
        for some in (batches, alone)
    ]
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(whole(found), whole(expected), atol=1e-5)
        for one, other in zip(found.blocks, expected.blocks, strict=True):
            for name in ("decoded", "low", "high"):
                assert (getattr(one, name) is None) == (getattr(other, name) is None)
                if getattr(one, name) is not None:
                    np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-5)


def test_no_shots_give_the_unadapted_scores(world: World) -> None:
    batches = list(CandidateSource(world.dataset, "query", 0).batches(draw(world), 4))
    scorer = Scorer(world, CPU, 0)
    before = scorer.unadapted(draw(world), batches)
    none = scorer.adapted(draw(world), batches, 0)
    some = scorer.adapted(draw(world), batches, 2)
    np.testing.assert_allclose(whole(none), whole(before), atol=1e-5)
    assert np.abs(whole(some) - whole(before)).max() > 0.01
    assert before.adapt_s == 0
    assert some.adapt_s > 0


def test_scores_are_stars_of_the_shared_weights_before_adaptation(world: World) -> None:
    episodes = draw(world)
    (batch,) = CandidateSource(world.dataset, "query", 0).batches(episodes)
    with torch.no_grad():
        raw = world.backbone.eval()(torch.from_numpy(episodes.user), torch.from_numpy(batch.item))
    expected = raw.double().numpy() * world.tensors.sd + world.tensors.mean
    found = Scorer(world, CPU, 0).unadapted(episodes, [batch]).blocks[0].score
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_scoring_leaves_weights_and_random_state_alone(world: World) -> None:
    before = {k: v.clone() for k, v in world.backbone.state_dict().items()}
    first = scores(world, 2)
    np.testing.assert_array_equal(scores(world, 2), first)
    assert all(torch.equal(v, before[k]) for k, v in world.backbone.state_dict().items())


def test_the_number_of_tasks_at_a_time_is_bounded_by_their_adapted_numbers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = Scorer(world, CPU, 0).strategy.adapter.numbers(world.backbone)
    monkeypatch.setattr(score, "NUMBERS", 3 * numbers + 1)
    assert Scorer(world, CPU, 0).most_tasks == 3
    monkeypatch.setattr(score, "NUMBERS", 1)
    assert Scorer(world, CPU, 0).most_tasks == 1


def test_fewrec_errors_are_not_swallowed(world: World) -> None:
    with pytest.raises(FewrecError):
        CandidateSource(world.dataset, "sampled:1000", 0)


def test_query_rows_get_intervals_where_the_adapter_is_sure_of_something(world: World) -> None:
    source = CandidateSource(world.dataset, world.scenario.candidates, 0)
    batches = list(source.batches(draw(world)))
    ridge = hasattr(world.strategy.adapter, "noise")
    widths = []
    for shots in (0, 2):
        (block,) = Scorer(world, CPU, 0).adapted(draw(world), batches, shots).blocks
        if not ridge:
            assert block.low is None
            continue
        assert block.low is not None
        assert block.high is not None
        assert block.low.shape == (len(draw(world)), batches[0].query_columns)
        middle = block.score[:, : batches[0].query_columns]
        np.testing.assert_allclose((block.low + block.high) / 2, middle, atol=1e-4)
        widths.append((block.high - block.low).mean())
    assert not ridge or widths[0] > widths[1]
