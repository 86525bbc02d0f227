import time

import numpy as np

from fewrec_cli.scenario.episode import draw_episodes, episode_hash, episode_table
from fewrec_cli.scenario.pool import NO_ROWS, build_pool, select_tasks
from tests.scenario.contract import made, shipped


def test_every_row_of_a_task_is_in_support_or_query_once() -> None:
    dataset = made()
    pool = build_pool(dataset, np.arange(len(dataset.interactions)), NO_ROWS)
    drawn = draw_episodes(pool, 0, query=3, seed=0)
    for task in range(len(pool)):
        whole = np.concatenate([drawn.query[task], drawn.support[task]])
        mine = pool.rows[pool.offsets[task] : pool.offsets[task + 1]]
        assert sorted(whole[whole >= 0]) == sorted(mine)


def test_a_task_is_drawn_alike_whatever_stands_beside_it() -> None:
    dataset = made()
    pool = build_pool(dataset, np.arange(len(dataset.interactions)), NO_ROWS)
    keep = np.arange(len(pool)) % 3 == 0
    whole = draw_episodes(pool, 2, query=3, seed=0)
    part = draw_episodes(select_tasks(pool, keep), 2, query=3, seed=0)
    np.testing.assert_array_equal(part.query, whole.query[keep])


def test_every_row_is_as_likely_to_be_a_query() -> None:
    dataset = made(users=1, items=10, share=1.0)
    pool = build_pool(dataset, np.arange(10), NO_ROWS)
    drawn = [draw_episodes(pool, number, query=2, seed=0).query for number in range(2000)]
    counts = np.bincount(np.concatenate(drawn).ravel(), minlength=10)
    assert np.abs(counts - 400).max() < 80  # 4.5 standard deviations


def test_hash_tells_draws_orders_and_data_apart() -> None:
    scenario = shipped("user_cold")
    pool = scenario.split(made()).test
    first, second = scenario.draw(pool, 0), scenario.draw(pool, 1)
    hashes = {
        episode_hash(draws) for draws in ([first], [second], [first, second], [second, first], [])
    }
    assert len(hashes) == 5
    assert episode_hash([first]) == episode_hash([scenario.draw(pool, 0)])


def test_table_holds_ids_as_found_and_the_order_of_the_support() -> None:
    dataset = made()
    scenario = shipped("user_cold")
    split = scenario.split(dataset)
    draws = [scenario.draw(split.test, number) for number in range(2)]
    table = episode_table(dataset, draws)
    assert list(table) == ["draw", "task", "role", "position", "user_id", "item_id", "rating"]
    assert {len(column) for column in table.values()} == {2 * len(split.test.rows)}
    at = (table["draw"] == 1) & (table["task"] == 2) & (table["role"] == "support")
    rows = draws[1].support[2][draws[1].support[2] >= 0]
    np.testing.assert_array_equal(table["position"][at], np.arange(len(rows)))
    items = dataset.interactions.item[rows]
    assert table["item_id"][at].tolist() == [f"i{item}" for item in items]
    assert set(table["user_id"][at]) == {draws[1].user[2] + 100}
    np.testing.assert_array_equal(table["rating"][at], dataset.interactions.rating[rows])


def test_a_million_rows_are_drawn_in_well_under_a_second() -> None:
    dataset = made(users=3000, items=400, share=0.8)
    pool = build_pool(dataset, np.arange(len(dataset.interactions)), NO_ROWS)
    started = time.process_time()
    draw_episodes(pool, 0, query=10, seed=0)
    assert time.process_time() - started < 1.0
