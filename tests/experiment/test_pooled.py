"""New items learn from the supports of all tasks of a draw, and from nothing else."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fewrec_cli.core.errors import ConfigError, RunError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.experiment.floor import TrainStatistics
from fewrec_cli.experiment.pooled import Pool, pool_of, pooled_rows, pooled_totals, refuse
from fewrec_cli.experiment.score import Scorer
from fewrec_cli.experiment.world import World, build
from fewrec_cli.scenario.base import Episodes
from fewrec_cli.scenario.candidates import CandidateSource
from fewrec_cli.scenario.leak import check_leaks
from tests.composed import SHRUNK_DATA, SHRUNK_RUN, composed

CPU = torch.device("cpu")
RIDGE = ("strategy=transfer", "strategy/adapter=ridge")
META = ("strategy=meta_ridge",)


@cache
def world(*words: str) -> World:
    """Weights that are far from flat, without training; items are cold, supports pooled."""
    own = ("scenario=item_cold", "scenario.pool=true", "scenario.fraction=0.3")
    made = build(composed(*SHRUNK_DATA, *own, *SHRUNK_RUN, *(words or RIDGE)), Reporter(quiet=True))
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in (*made.backbone.parameters(), *made.strategy.parameters()):
            parameter.add_(0.2 * torch.randn_like(parameter))
    made.backbone.eval()
    made.strategy.eval()
    return made


def draw(of: World) -> Episodes:
    return of.scenario.draw(of.split.test, 0)


def scores(of: World, episodes: Episodes, shots: int | None, *, pool: bool = True) -> np.ndarray:
    """Scores of all candidates, ``(tasks, candidates)``."""
    batches = list(CandidateSource(of.dataset, "query", 0).batches(episodes))
    informed = Pool(of, CPU, 0).informed if pool else None
    found = Scorer(of, CPU, 0, informed).adapted(episodes, batches, shots).blocks
    return np.concatenate([block.score for block in found])


def by_hand(of: World, shots: int, sweeps: int) -> np.ndarray:
    """(q, b) of every item after the sweeps: loops over tasks and items, in numpy."""
    backbone, data, drawn = of.backbone, of.dataset.interactions, draw(of)
    penalty = of.strategy.adapter.log_penalty.exp().detach().double().numpy()
    every = torch.arange(of.dataset.n_items)
    half = backbone.halves(drawn_users(drawn), torch.zeros_like(every), every)
    value = half.item[half.index].detach().double().numpy()
    content = value.copy()
    prior = half.user.detach().double().numpy() + backbone.head.linear_weights().detach().numpy()
    new = ~of.split.known_items
    stars = (data.rating - of.tensors.mean) / of.tensors.sd
    loose = np.diag([Pool(of, CPU, 0).chosen.factors] * (value.shape[1] - 1) + [2.0])
    for _ in range(sweeps):
        task = []
        for user, rows in zip(prior, drawn.support[:, :shots], strict=True):
            rows = rows[rows >= 0]
            q = np.c_[value[data.item[rows], :-1], np.ones(len(rows))]
            left = stars[rows] - value[data.item[rows], -1] - q @ user
            task.append(user + np.linalg.solve(q.T @ q + np.diag(penalty), q.T @ left))
        value = content.copy()
        for item in np.flatnonzero(new):
            who, where = np.nonzero(
                (data.item[drawn.support[:, :shots]] == item) & (drawn.support[:, :shots] >= 0)
            )
            if len(who):
                p = np.array([task[one] for one in who])
                z = np.c_[p[:, :-1], np.ones(len(p))]
                left = stars[drawn.support[who, where]] - p[:, -1] - z @ content[item]
                value[item] += np.linalg.solve(z.T @ z + loose, z.T @ left)
    return value


def drawn_users(drawn: Episodes) -> torch.Tensor:
    return torch.from_numpy(drawn.user)


def test_items_are_those_of_a_loop_over_tasks_and_items() -> None:
    of = world()
    one = replace(of, evaluation=replace(of.evaluation, pool_sweeps=3))
    known = Pool(one, CPU, 0).informed(draw(of), 2)
    every = torch.arange(of.dataset.n_items)
    half = known.halves(every[:0], torch.zeros_like(every), every)
    found = half.item[half.index].detach().numpy()
    assert np.allclose(found, by_hand(of, 2, 3), atol=1e-4)
    rows, _ = pooled_rows(of, draw(of), 2)
    rated = np.unique(of.dataset.interactions.item[rows])
    before = of.backbone.halves(every[:0], torch.zeros_like(every), every).item.detach().numpy()
    moved = np.abs(found - before).max(1) > 1e-5
    assert np.flatnonzero(moved).tolist() == rated.tolist()
    assert not of.split.known_items[rated].any()


@pytest.mark.parametrize("words", [RIDGE, META], ids=["ridge", "meta_ridge"])
def test_no_query_is_read(words: tuple[str, ...]) -> None:
    of = world(*words)
    drawn, data = draw(of), of.dataset.interactions
    rows = drawn.query[drawn.query >= 0]
    rating = data.rating.copy()
    rating[rows] = 6 - rating[rows]
    other = replace(of.dataset, interactions=replace(data, rating=rating))
    changed = replace(of, dataset=other, tensors=replace(of.tensors, dataset=other))
    assert (scores(changed, drawn, None) == scores(of, drawn, None)).all()
    assert (scores(of, drawn, None) != scores(of, drawn, None, pool=False)).any()


def test_the_order_of_tasks_does_not_matter() -> None:
    of = world()
    drawn = draw(of)
    order = np.random.default_rng(0).permutation(len(drawn))
    other = Episodes(
        0, drawn.user[order], drawn.support[order], drawn.query[order], drawn.history[order]
    )
    assert np.allclose(scores(of, other, None), scores(of, drawn, None)[order], atol=1e-5)


def test_a_pool_of_no_shots_is_no_pool_and_the_shared_weights_stay() -> None:
    of = world()
    before = {name: one.clone() for name, one in of.backbone.state_dict().items()}
    assert (scores(of, draw(of), 0) == scores(of, draw(of), 0, pool=False)).all()
    scores(of, draw(of), None)
    assert all((before[name] == one).all() for name, one in of.backbone.state_dict().items())


def test_a_query_row_in_another_tasks_support_is_a_leak() -> None:
    of = world()
    drawn = draw(of)
    support = drawn.support.copy()
    support[1, 0] = drawn.query[0, 0]
    with pytest.raises(RunError, match="support_in_query: 1"):
        check_leaks(of.dataset, of.split, [replace(drawn, support=support)])


def test_validation_chooses_the_penalty_with_the_least_loss() -> None:
    of = world()
    pool = pool_of(of, CPU, 0, draw(of), Reporter(quiet=True))
    assert pool is not None
    losses = pool.chosen.losses
    assert pool.chosen.factors == min(losses, key=lambda one: losses[one])
    assert len(losses) > 2
    assert len(set(losses.values())) > 2
    fixed = replace(of, evaluation=replace(of.evaluation, pool_factors=7.0))
    pool = pool_of(fixed, CPU, 0, draw(of), Reporter(quiet=True))
    assert pool is not None
    assert pool.chosen.factors == 7


def test_floors_count_the_pooled_ratings_of_new_items() -> None:
    of = world()
    drawn, data = draw(of), of.dataset.interactions
    rows, tasks = pooled_rows(of, drawn, 2)
    assert (drawn.support[tasks, :2] == rows[:, None]).any(1).all()
    found = TrainStatistics.fit(pooled_totals(of, drawn, 2), item_shrinkage=1, user_shrinkage=1)
    mean = of.totals.mean
    for item in range(of.dataset.n_items):
        stars = data.rating[rows[data.item[rows] == item]]
        if of.split.known_items[item]:
            stars = of.train.rating[of.train.item == item]
        assert found.popularity[item] == len(stars)
        expected = (mean + stars.sum()) / (1 + len(stars))
        assert found.item_mean[item] == pytest.approx(expected)


@pytest.mark.parametrize(
    "words",
    [
        ("strategy=transfer", "strategy/adapter=none"),
        ("strategy=transfer", "strategy/adapter=gradient", "strategy.adapted=bias"),
        ("strategy=combined", "strategy/adapter=ridge"),
    ],
)
@pytest.mark.slow
def test_items_learn_whatever_adapts_the_last_layer(words: tuple[str, ...]) -> None:
    of = world(*words)
    drawn = draw(of)
    refuse(of, drawn)
    assert np.isfinite(scores(of, drawn, None)).all()
    errors = []
    for backbone in (of.backbone, Pool(of, CPU, 0).informed(drawn, None)):
        user = torch.from_numpy(drawn.user)
        support = of.tensors.table(drawn.user, drawn.support, 0)
        with torch.no_grad():
            adapted = of.strategy.adapt(backbone, user, support, seed=0, training=False)
            off = support.rating - adapted.predict(backbone, user, support.item).score
        errors.append(float((off.square() * support.weight).mean()))
    assert errors[1] < 0.9 * errors[0]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("backbone=mlp", "strategy=transfer", "strategy/adapter=ridge"), "MLP"),
        (("strategy=in_context",), "adapts no parameters"),
        pytest.param(
            ("strategy=maml", "strategy.adapted=all"),
            "more than the last layer",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_what_cannot_learn_items_is_refused(words: tuple[str, ...], told: str) -> None:
    of = world(*words)
    with pytest.raises(ConfigError, match=told):
        refuse(of, draw(of))


def test_implicit_data_is_refused() -> None:
    of = world()
    implicit = replace(of.dataset, scale=None)
    with pytest.raises(ConfigError, match="learns items from ratings"):
        refuse(replace(of, dataset=implicit), draw(of))


@pytest.mark.slow
def test_a_run_is_evaluated_with_pooled_supports(
    fewrec: Callable[..., Any],
    quick: tuple[str, ...],
    tmp_path: Path,
    no_figure: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = fewrec("train", *quick, "scenario=item_cold", *RIDGE, "hydra.run.dir=one")
    assert "pooled" not in done.out
    again = fewrec("evaluate", "run=one", "scenario.pool=true", "hydra.run.dir=two")
    assert "pooled mean + user offset" in again.out
    assert "support ratings of" in (again.run / "log.txt").read_text()
    assert '"pool"' in (again.run / "manifest.json").read_text()
    assert "pool=True" in (again.run / "metrics.json").read_text()
