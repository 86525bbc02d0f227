"""What training is fed with: the same steps for any number of processes, honest episodes."""

from typing import Any

import numpy as np
import pytest
import torch

from fewrec_cli.core.types import Interactions
from fewrec_cli.data.base import Dataset
from fewrec_cli.experiment.feed import Steps, TrainingRows, loader
from fewrec_cli.scenario.batch import RowBatch, TaskBatch
from fewrec_cli.strategy.base import Batch, Feed
from tests.composed import built

ITEMS = 90
ROWS = Feed("rows", 16)
TASKS = Feed("tasks", 4, (2, 5), 3)
COUNTS = (1, 2, 3, 14, 6, 9, 1, 4, 30, 12, 2, 7, 5, 5, 8)
"""Interactions of each user; 13 users make tasks, so that the last step of TASKS holds one."""


def made(*, implicit: bool = False) -> TrainingRows:
    """Shuffled training rows of ``COUNTS``."""
    rng = np.random.default_rng(0)
    user = np.repeat(np.arange(len(COUNTS)), COUNTS)
    item = np.concatenate([rng.choice(ITEMS, count, replace=False) for count in COUNTS])
    order = rng.permutation(len(user))
    rating = rng.integers(1, 6, len(user)).astype(float)
    rows = Interactions(user[order], item[order], rating[order])
    return TrainingRows.of(rows, ITEMS, 3.0, 2.0, implicit=implicit)


def steps(
    feed: Feed, rank: int = 0, world: int = 1, *, seed: int = 0, implicit: bool = False
) -> Steps:
    return Steps(made(implicit=implicit), feed, seed, "0-maml", rank, world)


def columns(batch: Batch) -> dict[str, np.ndarray]:
    """All tensors of a batch by name."""
    found: dict[str, Any] = {"user": batch.user}
    if isinstance(batch, RowBatch):
        found |= {"item": batch.item, "rating": batch.rating, "negative": batch.negative}
    else:
        for name, rows in (("support", batch.support), ("query", batch.query)):
            for part in ("item", "rating", "weight", "negative"):
                found[f"{name}.{part}"] = getattr(rows, part)
    return {name: value.numpy() for name, value in found.items() if value is not None}


def same(first: Batch, second: Batch) -> bool:
    ours, theirs = columns(first), columns(second)
    return ours.keys() == theirs.keys() and all(
        np.array_equal(ours[name], theirs[name]) for name in ours
    )


def everything(rows: TrainingRows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Users, items and ratings of all places."""
    place = np.arange(len(rows))
    return rows.user(place), rows.item(place), rows.rating(place)


def test_rows_are_indexed_by_user_in_standard_units() -> None:
    rows = made()
    user, item, rating = everything(rows)
    assert (np.diff(user) >= 0).all()
    np.testing.assert_array_equal(np.bincount(user), COUNTS)
    assert set(rating.tolist()) == {-1.0, -0.5, 0.0, 0.5, 1.0}
    given = set(zip(rows.train.user, rows.train.item, rows.train.rating, strict=True))
    assert set(zip(user, item, rating * 2 + 3, strict=True)) == given


def test_rows_of_a_user_stand_in_order_of_time_and_nothing_is_copied() -> None:
    given = made().train
    times = np.random.default_rng(0).permutation(len(given))
    train = Interactions(given.user, given.item, given.rating, times)
    rows = TrainingRows.of(train, ITEMS, 3.0, 2.0, implicit=False)
    assert rows.train is train
    np.testing.assert_array_equal(rows.order, np.lexsort((times, train.user)))


def test_users_with_one_row_are_left_out_of_tasks() -> None:
    rows = made()
    user, _, _ = everything(rows)
    assert rows.people.tolist() == [user for user, count in enumerate(COUNTS) if count >= 2]
    for one, start, count in zip(rows.people, rows.start, rows.count, strict=True):
        assert (user[start : start + count] == one).all()
        assert count == COUNTS[one]


@pytest.mark.parametrize("implicit", [False, True], ids=["explicit", "implicit"])
@pytest.mark.parametrize("feed", [ROWS, TASKS], ids=["rows", "tasks"])
@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_the_step_of_one_process(feed: Feed, world: int, implicit: bool) -> None:
    whole = steps(feed, implicit=implicit)
    ranks = [steps(feed, rank, world, implicit=implicit) for rank in range(world)]
    for step in range(len(whole)):
        alone = columns(whole[2, step])
        assert whole[2, step].share == 1.0
        parts = [one[2, step] for one in ranks]
        real = [part for part in parts if part.share > 0]
        assert sum(len(part) for part in real) == len(whole[2, step])
        for rank, part in enumerate(real):
            assert part.share == pytest.approx(len(part) * world / len(whole[2, step]))
            for name, value in columns(part).items():
                np.testing.assert_array_equal(value, alone[name][rank::world])


@pytest.mark.parametrize("words", [["strategy=transfer"], ["strategy=maml"]], ids=lambda w: w[0])
def test_averaged_gradients_of_processes_are_those_of_one(
    words: list[str], planted: Dataset
) -> None:
    backbone = built("backbone", "backbone=mf", "backbone.factors=4")
    strategy = built("strategy", *words)
    train = planted.interactions.take(np.flatnonzero(planted.interactions.user < 33))
    torch.manual_seed(0)
    backbone.prepare(planted, train)
    strategy.prepare(backbone, planted, train)
    backbone.eval()  # nothing is held back at random
    rows = TrainingRows.of(train, planted.n_items, 3.0, 1.0, implicit=False)
    feed = Feed(strategy.feed.kind, {"rows": 100, "tasks": 8}[strategy.feed.kind], (1, 6), 6)

    def gradient(world: int, step: int) -> torch.Tensor:
        total = torch.zeros(0)
        for rank in range(world):
            backbone.zero_grad()
            batch = Steps(rows, feed, 0, "0", rank, world)[0, step]
            (strategy.loss(backbone, batch) * batch.share / world).backward()
            flat = [p.grad.flatten() for p in backbone.parameters() if p.grad is not None]
            total = torch.cat(flat) if rank == 0 else total + torch.cat(flat)
        return total

    last = len(Steps(rows, feed, 0, "0", 0, 1)) - 1
    for step in (0, last):
        expected = gradient(1, step)
        assert expected.abs().max() > 1e-4
        for world in (2, 3):
            torch.testing.assert_close(gradient(world, step), expected, rtol=1e-3, atol=1e-6)


def test_a_process_without_a_share_of_a_short_step_still_has_a_finite_loss() -> None:
    short = len(steps(TASKS)) - 1
    assert len(steps(TASKS)[0, short]) == 1
    idle = steps(TASKS, 1, 2)[0, short]
    assert (len(idle), idle.share) == (1, 0.0)
    assert steps(TASKS, 0, 2)[0, short].share == 2.0


@pytest.mark.parametrize("feed", [ROWS, TASKS], ids=["rows", "tasks"])
def test_steps_follow_from_seed_epoch_and_number_alone(feed: Feed) -> None:
    first, again = steps(feed, implicit=True), steps(feed, implicit=True)
    for place in ((0, 0), (3, 1), (0, 1)):  # in any order, as after resuming
        assert same(first[place], again[place])
    assert same(again[0, 0], steps(feed, implicit=True)[0, 0])
    assert not same(first[0, 0], first[1, 0])
    assert not same(first[0, 0], steps(feed, seed=1, implicit=True)[0, 0])
    other_phase = Steps(made(implicit=True), feed, 0, "1-maml", 0, 1)
    assert not same(first[0, 0], other_phase[0, 0])


@pytest.mark.parametrize("epoch", [0, 1])
def test_an_epoch_holds_every_task_and_every_row_once(epoch: int) -> None:
    tasks, rows = steps(TASKS), steps(ROWS)
    seen = np.concatenate([tasks[epoch, step].user for step in range(len(tasks))])
    np.testing.assert_array_equal(np.sort(seen), made().people)
    pairs = []
    for step in range(len(rows)):
        batch = rows[epoch, step]
        assert len(batch) <= ROWS.per_step
        pairs += (batch.user * ITEMS + batch.item).tolist()
    assert sorted(pairs) == sorted((made().train.user * ITEMS + made().train.item).tolist())


def test_support_and_query_are_disjoint_rows_of_the_user_within_bounds() -> None:
    rows, sizes = made(), set()
    users, items, ratings = everything(rows)
    own = {user: set(items[users == user].tolist()) for user in rows.people.tolist()}
    rating = dict(zip(zip(users, items, strict=True), ratings, strict=True))
    feed = steps(TASKS)
    for epoch in range(30):
        for step in range(len(feed)):
            batch = feed[epoch, step]
            assert isinstance(batch, TaskBatch)
            assert len(batch) <= TASKS.per_step
            for place, user in enumerate(batch.user.tolist()):
                parts = []
                for part in (batch.support, batch.query):
                    real = part.weight[place] > 0
                    items = part.item[place][real].tolist()
                    stars = part.rating[place][real].tolist()
                    assert stars == [rating[user, item] for item in items]
                    assert len(set(items)) == len(items)
                    parts.append(set(items))
                support, query = parts
                assert not support & query
                assert support | query <= own[user]
                assert 1 <= len(support) <= min(TASKS.support[1], COUNTS[user] - 1)
                assert len(support) >= min(TASKS.support[0], COUNTS[user] - 1)
                assert len(query) == min(TASKS.query, COUNTS[user] - len(support))
                sizes.add((user, len(support)))
    assert {size for user, size in sizes if user == 8} == {2, 3, 4, 5}


def test_negatives_are_never_items_of_the_user() -> None:
    rows = made(implicit=True)
    known = set((rows.train.user * ITEMS + rows.train.item).tolist())
    drawn = []
    for feed in (ROWS, TASKS):
        source = steps(feed, implicit=True)
        for step in range(len(source)):
            batch = source[0, step]
            if isinstance(batch, RowBatch):
                drawn += (batch.user * ITEMS + batch.negative).tolist()
                continue
            for part in (batch.support, batch.query):
                assert part.negative is not None
                keys = batch.user[:, None] * ITEMS + part.negative
                drawn += keys[part.weight > 0].tolist()
    assert len(drawn) > len(rows)
    assert not known & set(drawn)
    assert len({key % ITEMS for key in drawn}) > ITEMS // 2  # all over the catalogue


def test_negatives_of_a_user_with_half_the_catalogue_are_new_to_the_user() -> None:
    half, whole = np.arange(0, 40, 2), np.arange(40)
    user = np.repeat([0, 1], [20, 40])
    rows = Interactions(user, np.concatenate([half, whole]), np.ones(60))
    source = TrainingRows.of(rows, 40, 1.0, 1.0, implicit=True)
    rng = np.random.default_rng(0)
    drawn = source.negatives(np.zeros(5000, dtype=np.int64), np.zeros(5000, dtype=np.int64), rng)
    assert set(drawn.tolist()) == set(range(1, 40, 2))
    ones = np.ones(5, dtype=np.int64)
    assert len(source.negatives(ones, ones, rng)) == 5  # nothing is new here, yet it ends


def test_explicit_data_has_no_negatives() -> None:
    assert steps(ROWS)[0, 0].negative is None
    assert steps(TASKS)[0, 0].support.negative is None


def test_the_loader_walks_through_the_epoch_it_is_told() -> None:
    source = loader(steps(TASKS))
    order = source.sampler
    for epoch in (0, 5):
        order.set_epoch(epoch)
        batches = list(source)
        assert len(batches) == len(source) == 4
        for step, batch in enumerate(batches):
            assert same(batch, steps(TASKS)[epoch, step])
