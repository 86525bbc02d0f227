"""Floors: each against a loop over tasks, at no support, on items nobody rated."""

import time

import numpy as np
import pytest

from fewrec_cli.core.types import Interactions, Scale
from fewrec_cli.data.totals import TrainTotals
from fewrec_cli.experiment.floor import (
    FloorTasks,
    TrainStatistics,
    floors,
    like_share,
    older_first,
    oracle,
)
from fewrec_cli.metric.base import RankedLists, RatedQueries
from fewrec_cli.scenario.base import Episodes
from tests.metric.whole import score_tasks

N_ITEMS = 30
SHRINKAGE = {"item_shrinkage": 10.0, "user_shrinkage": 3.0}


def interactions(seed=0, n=400, users=40, items=25):
    """Items 25 to 29 have no rating."""
    random = np.random.default_rng(seed)
    stars = random.integers(1, 6, n).astype(float)
    return Interactions(random.integers(0, users, n), random.integers(0, items, n), stars)


def bags(random, tasks, longest, n_items=N_ITEMS):
    """Items and stars of each task, some tasks without any, padded with -1 and 0."""
    known = np.arange(longest) < random.integers(0, longest + 1, tasks)[:, None]
    item = np.where(known, random.integers(0, n_items, known.shape), -1)
    return item, np.where(known, random.integers(1, 6, known.shape).astype(float), 0.0)


def made(seed=0, tasks=50, shots=6, history=4):
    random = np.random.default_rng(seed)
    support, past = bags(random, tasks, shots), bags(random, tasks, history)
    cut = FloorTasks(random.integers(0, 40, tasks), *support, *past, seed=1)
    return cut, random.integers(0, N_ITEMS, (tasks, 8))


def naive_item_mean(train, item):
    mean = train.rating.mean()
    stars = train.rating[train.item == item]
    return (stars.sum() + 10.0 * mean) / (len(stars) + 10.0)


def naive(name, train, tasks, t, item):
    """One prediction, straight from the definition."""
    support = [
        (i, r)
        for i, r in zip(tasks.support_item[t], tasks.support_rating[t], strict=True)
        if i >= 0
    ]
    past = [
        (i, r)
        for i, r in zip(tasks.history_item[t], tasks.history_rating[t], strict=True)
        if i >= 0
    ]
    stars = [r for _, r in support]
    if name == "global mean":
        return train.rating.mean()
    if name == "support mean":
        return np.mean(stars) if stars else train.rating.mean()
    if name == "support median":
        return np.median(stars) if stars else train.rating.mean()
    if name == "item mean":
        return naive_item_mean(train, item)
    if name == "popularity":
        return np.sum(train.item == item)
    residuals = [r - naive_item_mean(train, i) for i, r in support + past]
    return naive_item_mean(train, item) + sum(residuals) / (len(residuals) + 3.0)


def fitted(train: Interactions, n_items: int, **shrinkage: float) -> TrainStatistics:
    """Statistics of training rows that one process holds."""
    totals = TrainTotals.count(train, int(train.user.max()) + 1, n_items)
    return TrainStatistics.fit(totals, **shrinkage)


@pytest.mark.parametrize(
    "floor", [f for f in floors(implicit=False) if f.name != "random"], ids=lambda f: f.name
)
def test_all_tasks_at_once_equal_one_after_another(floor) -> None:
    train, (tasks, items) = interactions(), made()
    statistics = fitted(train, N_ITEMS, **SHRINKAGE)
    found = floor.predict(statistics, tasks, items)
    expected = [[naive(floor.name, train, tasks, t, i) for i in row] for t, row in enumerate(items)]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_without_support_floors_answer_their_prior() -> None:
    statistics = fitted(interactions(), N_ITEMS, **SHRINKAGE)
    tasks, items = made(shots=0, history=0)
    answers = {f.name: f.predict(statistics, tasks, items) for f in floors(implicit=False)}
    for name in ("global mean", "support mean", "support median"):
        np.testing.assert_array_equal(answers[name], statistics.global_mean)
    np.testing.assert_array_equal(answers["item mean + user offset"], answers["item mean"])


def test_items_without_training_ratings_get_the_global_mean() -> None:
    for shrinkage in (0.0, 10.0):
        statistics = fitted(interactions(), N_ITEMS, item_shrinkage=shrinkage, user_shrinkage=0.0)
        np.testing.assert_array_equal(statistics.item_mean[25:], statistics.global_mean)
        assert np.isfinite(statistics.item_mean).all()


def test_without_shrinkage_means_are_plain() -> None:
    train = Interactions(np.array([0, 1, 2]), np.array([0, 0, 1]), np.array([5.0, 4.0, 1.0]))
    statistics = fitted(train, 2, item_shrinkage=0.0, user_shrinkage=0.0)
    np.testing.assert_allclose(statistics.item_mean, [4.5, 1.0])
    tasks = FloorTasks(
        np.array([7, 8]), np.array([[0], [-1]]), np.array([[3.5], [0.0]]),
        np.zeros((2, 0), int), np.zeros((2, 0)), seed=0,
    )  # fmt: skip
    (offset,) = [f for f in floors(implicit=False) if f.name == "item mean + user offset"]
    found = offset.predict(statistics, tasks, np.array([[0, 1], [0, 1]]))
    np.testing.assert_allclose(found, [[3.5, 0.0], [4.5, 1.0]])  # 0 stars: not clipped here


def test_flag_says_which_floors_change_with_the_support() -> None:
    statistics = fitted(interactions(), N_ITEMS, **SHRINKAGE)
    (few, items), (many, _) = made(seed=1), made(seed=2)
    for floor in floors(implicit=False):
        same = np.array_equal(
            floor.predict(statistics, few, items), floor.predict(statistics, many, items)
        )
        assert same is not floor.reads_support, floor.name


def test_random_order_follows_the_seed_and_not_the_blocks() -> None:
    statistics = fitted(interactions(), N_ITEMS, **SHRINKAGE)
    tasks, items = made()
    for floor in floors(implicit=False):
        whole = floor.predict(statistics, tasks, items)
        parts = [
            floor.predict(statistics, tasks.part(a, b), items[a:b]) for a, b in ((0, 20), (20, 50))
        ]
        np.testing.assert_array_equal(whole, np.concatenate(parts), err_msg=floor.name)
    random = floors(implicit=True)[-1]
    other = FloorTasks(**{**vars(tasks), "seed": 2})
    assert (random.predict(statistics, other, items) != whole).any()


def test_tasks_are_cut_from_episodes_with_nested_supports() -> None:
    rows = interactions()
    episodes = Episodes(
        draw=0,
        user=np.array([3, 4]),
        support=np.array([[5, 9, 2], [7, -1, -1]]),
        query=np.array([[1], [0]]),
        history=np.array([[11, 12], [-1, -1]]),
    )
    whole, two = (FloorTasks.cut(rows, episodes, shots, seed=0) for shots in (None, 2))
    np.testing.assert_array_equal(whole.support_item[0], rows.item[[5, 9, 2]])
    np.testing.assert_array_equal(whole.support_item[1], [rows.item[7], -1, -1])
    np.testing.assert_array_equal(two.support_rating, whole.support_rating[:, :2])
    np.testing.assert_array_equal(whole.history_rating, [rows.rating[[11, 12]], [0, 0]])
    assert FloorTasks.cut(rows, episodes, 0, seed=0).support_item.shape == (2, 0)


def test_implicit_data_has_only_floors_that_rank() -> None:
    assert [(f.name, f.rates) for f in floors(implicit=True)] == [
        ("popularity", False),
        ("random", False),
    ]


def test_padded_candidates_get_a_finite_number() -> None:
    statistics = fitted(interactions(), N_ITEMS, **SHRINKAGE)
    tasks, items = made()
    for floor in floors(implicit=False):
        found = floor.predict(statistics, tasks, np.full_like(items, -1))
        assert found.shape == items.shape
        assert np.isfinite(found).all()


def test_oracle_looks_up_the_planted_rating() -> None:
    planted = np.random.default_rng(0).uniform(1, 5, (40, N_ITEMS))
    statistics = fitted(interactions(), N_ITEMS, **SHRINKAGE)
    tasks, items = made()
    row = oracle(planted)
    assert row.kind == "oracle"
    found = row.predict(statistics, tasks, items)
    assert found[4, 2] == planted[tasks.user[4], items[4, 2]]


def test_a_large_draw_is_quick() -> None:
    random = np.random.default_rng(0)
    train = interactions(n=200_000, users=5000, items=3706)
    statistics = fitted(train, 3706, **SHRINKAGE)
    support = bags(random, 1200, 200, 3706)
    tasks = FloorTasks(
        np.zeros(1200, int), *support, np.full((1200, 0), -1), np.zeros((1200, 0)), 0
    )
    items = random.integers(0, 3706, (1200, 10))
    for floor in floors(implicit=False):
        started = time.perf_counter()
        floor.predict(statistics, tasks, items)
        assert time.perf_counter() - started < 0.5, (
            floor.name
        )  # about 0.01 s when the machine idles


@pytest.mark.slow
def test_floors_on_the_split_of_melu_reach_their_known_level(real_data) -> None:
    """User-cold, 668 tasks; levels measured elsewhere over five other draws of the query sets."""
    import pandas as pd

    path = real_data / "ml-1m-extra" / "metahin_scenarios.parquet"
    if not path.is_file():
        pytest.skip("ml-1m-extra is not in the data folder")
    table = pd.read_parquet(path)
    _, item = np.unique(table["item_id"].to_numpy(), return_inverse=True)
    state = table["melu_scenario"].astype(str).to_numpy()
    everything = Interactions(
        table["user_id"].to_numpy(np.int64), item, table["rating"].to_numpy(np.float64)
    )
    train = everything.take(np.flatnonzero(state == "warm_state"))
    statistics = fitted(train, item.max() + 1, **SHRINKAGE)
    episodes = melu_episodes(everything, np.flatnonzero(state == "user_cold_state"))
    tasks = FloorTasks.cut(everything, episodes, None, seed=0)
    stars, every = everything.rating[episodes.query], np.ones(episodes.query.shape, bool)
    figures = {}
    for floor in floors(implicit=False):
        score = floor.predict(statistics, tasks, everything.item[episodes.query])
        lists = RankedLists(score, stars, stars >= 4, every)
        rated = RatedQueries(score, stars, every, Scale(1, 5), 4.0) if floor.rates else None
        scored = score_tasks(lists, rated, k=(1, 3), no_positive="skip", seed=0)
        figures[floor.name] = scored.figures
    assert len(episodes) == 668
    assert figures["item mean + user offset"]["mae"] == pytest.approx(0.738, abs=0.012)
    assert figures["item mean + user offset"]["mae_median"] == pytest.approx(0.700, abs=0.015)
    assert figures["item mean"]["mae"] == pytest.approx(0.784, abs=0.012)
    assert figures["item mean"]["ndcg@3"] == pytest.approx(0.884, abs=0.01)
    assert figures["item mean"]["ndcg_exp@1"] == pytest.approx(0.749, abs=0.03)
    assert figures["support mean"]["mae"] == pytest.approx(0.815, abs=0.012)
    assert figures["support median"]["mae"] == pytest.approx(0.781, abs=0.012)
    assert figures["random"]["ndcg@1"] == pytest.approx(0.782, abs=0.03)


def melu_episodes(everything, rows):
    """Ten random query rows of every user with 13 to 100 rows, the others as support."""
    random = np.random.default_rng(0)
    bags = [rows[everything.user[rows] == user] for user in np.unique(everything.user[rows])]
    drawn = [random.permutation(bag) for bag in bags if 13 <= len(bag) <= 100]
    support = np.full((len(drawn), 90), -1)
    for task, bag in enumerate(drawn):
        support[task, : len(bag) - 10] = bag[10:]
    return Episodes(
        draw=0,
        user=np.array([everything.user[bag[0]] for bag in drawn]),
        support=support,
        query=np.array([bag[:10] for bag in drawn]),
        history=np.full((len(drawn), 0), -1),
    )


def test_older_items_come_first_and_unknown_years_in_the_middle() -> None:
    statistics = fitted(interactions(), N_ITEMS, **SHRINKAGE)
    tasks, items = made()
    year = np.random.default_rng(0).integers(1950, 2000, N_ITEMS)
    year[[3, 7]] = 0
    floor = older_first(year)
    found = floor.predict(statistics, tasks, items)
    assert (floor.rates, floor.reads_support) == (False, False)
    middle = sorted(year[year > 0])[13:15]
    for t, i in np.ndindex(items.shape):
        known = year[items[t, i]]
        assert found[t, i] == -(known if known else np.mean(middle))


def test_like_share_is_counted_by_hand_and_a_half_without_support() -> None:
    statistics = fitted(interactions(), N_ITEMS, **SHRINKAGE)
    tasks, items = made()
    floor = like_share(4.0)
    found = floor.predict(statistics, tasks, items)
    assert (floor.rates, floor.reads_support) == (False, True)
    for t in range(len(tasks.user)):
        known = tasks.support_rating[t][tasks.support_item[t] >= 0]
        expected = np.mean(known >= 4) if len(known) else 0.5
        np.testing.assert_allclose(found[t], expected)
