"""Windows: against a loop over users, TALLRec's own files, and the reading of other windows."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewrec_cli.core.errors import FewrecError, RunError, ScenarioError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.core.types import IntArray
from fewrec_cli.data.base import Dataset
from fewrec_cli.experiment.evaluate import Evaluator
from fewrec_cli.experiment.pretrain import pretrain
from fewrec_cli.experiment.score import Scorer
from fewrec_cli.experiment.world import World, build
from fewrec_cli.scenario.base import Scenario, Split
from fewrec_cli.scenario.leak import check_leaks
from tests.composed import SHRUNK_DATA, composed
from tests.scenario.contract import made, shipped
from tests.scenario.test_real import movielens

SMALL: dict[str, Any] = {"shots": 4, "last": None, "folds": 3}


def timed(seed: int = 0) -> Dataset:
    """Return random ratings of few different times, so that many are equal."""
    dataset = made(seed, users=20, items=16)
    rows = dataset.interactions
    when = np.random.default_rng(seed).integers(0, 9, len(rows))
    return replace(dataset, interactions=replace(rows, timestamp=when))


def cut(dataset: Dataset, **changed: Any) -> tuple[Scenario, Split]:
    scenario = shipped("windows", **{**SMALL, **changed})
    return scenario, scenario.split(dataset)


def by_hand(dataset: Dataset, shots: int, query: int) -> list[tuple[list[int], list[int]]]:
    """List windows (support, query) with loops: users as they appear, ratings in order of time."""
    rows = dataset.interactions
    assert rows.timestamp is not None
    when = rows.timestamp.tolist()
    found = []
    for user in dict.fromkeys(rows.user.tolist()):
        mine = [row for row in range(len(rows)) if rows.user[row] == user]
        mine.sort(key=when.__getitem__)
        for first in range(shots, len(mine) - query + 1, query):
            before = mine[first - shots : first]
            found.append((before[::-1], mine[first : first + query]))
    return found


@pytest.mark.parametrize(("shots", "query"), [(4, 1), (3, 2), (1, 1)])
def test_windows_are_those_of_a_loop_over_users(shots: int, query: int) -> None:
    dataset = timed()
    expected = by_hand(dataset, shots, query)
    scenario, split = cut(dataset, shots=shots, query=query, parts=[0.5, 0.2, 0.3])
    ends = np.round(np.array([0.5, 0.7, 1.0]) * len(expected)).astype(int)
    assert split.examples is not None
    drawn = {tuple(row) for row in _tables(scenario, split.examples)}
    assert drawn == {(*support, *asked) for support, asked in expected[: ends[0]]}
    for pool, (low, high) in ((split.valid, ends[:2]), (split.test, ends[1:])):
        episodes = scenario.draw(pool, 0)
        assert episodes.support.tolist() == [support for support, _ in expected[low:high]]
        assert episodes.query.tolist() == [asked for _, asked in expected[low:high]]


def _tables(scenario: Scenario, pool: Any) -> list[list[int]]:
    episodes = scenario.draw(pool, 0)
    table: list[list[int]] = np.concatenate([episodes.support, episodes.query], 1).tolist()
    return table


def test_only_the_last_windows_are_kept() -> None:
    dataset = timed()
    last = by_hand(dataset, 4, 1)[-40:]
    scenario, split = cut(dataset, last=40)
    assert scenario.draw(split.test, 0).query.tolist() == [asked for _, asked in last[36:]]
    assert split.notes[0].text.startswith("of 120 windows of 4 + 1 ratings")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "words",
    [
        {},
        {"domain_shots": 8},
        {"train": "users"},
        {"fold": 1},
        {"fold": 2, "train": "users"},
        {"query": 2, "validation": None},
    ],
    ids=str,
)
def test_no_window_leaks(seed: int, words: dict[str, Any]) -> None:
    dataset = timed(seed)
    scenario, split = cut(dataset, seed=seed, **words)
    pools = [split.test, *([split.valid] if len(split.valid) else [])]
    report = check_leaks(dataset, split, [scenario.draw(pool, 0) for pool in pools])
    assert report.violations() == {}
    assert report.query_rows == sum(map(len, pools)) * scenario.query
    seen = set(split.train.tolist())
    asked = {row for pool in pools for row in scenario.draw(pool, 0).query.ravel().tolist()}
    assert not seen & asked
    assert split.examples is not None
    assert set(split.examples.rows.tolist()) <= seen


def test_a_row_is_the_query_of_one_window_and_in_the_support_of_the_next() -> None:
    dataset = timed()
    scenario, split = cut(dataset)
    drawn = scenario.draw(split.test, 0)
    same = np.flatnonzero(drawn.user[1:] == drawn.user[:-1])
    assert len(same)
    np.testing.assert_array_equal(drawn.support[same + 1, 0], drawn.query[same, 0])


def test_a_window_that_reads_its_own_query_or_a_later_rating_is_found() -> None:
    dataset = timed()
    scenario, split = cut(dataset)
    drawn = scenario.draw(split.test, 0)
    own = drawn.support.copy()
    own[3, 1] = drawn.query[3, 0]
    with pytest.raises(RunError, match=r"support_in_query: 1"):
        check_leaks(dataset, split, [replace(drawn, support=own)])
    when = dataset.interactions.timestamp
    assert when is not None
    pairs = [
        (task, later)
        for task in range(len(drawn) - 1)
        for later in range(task + 1, len(drawn))
        if drawn.user[task] == drawn.user[later]
        and when[drawn.query[later, 0]] > when[drawn.query[task, 0]]
    ]
    task, later = pairs[0]
    ahead = drawn.support.copy()
    ahead[task, 0] = drawn.query[later, 0]
    with pytest.raises(RunError, match=r"leak \(late: 1\)"):
        check_leaks(dataset, split, [replace(drawn, support=ahead)])
    twice = drawn.support.copy()
    twice[0, 0] = twice[0, 1]
    with pytest.raises(RunError, match="repeated: 1"):
        check_leaks(dataset, split, [replace(drawn, support=twice)])


def test_a_test_query_in_pretraining_or_validation_is_found() -> None:
    dataset = timed()
    scenario, split = cut(dataset)
    drawn = scenario.draw(split.test, 0)
    train = np.append(split.train, drawn.query[0, 0])
    with pytest.raises(RunError, match="query_in_train: 1, shared: 1"):
        check_leaks(dataset, replace(split, train=train), [drawn])
    with pytest.raises(RunError, match=r"leak \(shared: \d+\)"):
        check_leaks(dataset, replace(split, valid=split.test), [drawn])


def test_pretraining_sees_the_rows_of_the_drawn_windows_alone() -> None:
    dataset = timed()
    few, many = (cut(dataset, domain_shots=count)[1] for count in (5, 9))
    for split, count in ((few, 5), (many, 9)):
        assert split.examples is not None
        assert len(split.examples) == count
        assert split.train.tolist() == sorted(set(split.examples.rows.tolist()))
    assert set(few.train.tolist()) < set(many.train.tolist())
    other = cut(dataset, domain_shots=5, seed=1)[1]
    assert few.train.tolist() != other.train.tolist()
    np.testing.assert_array_equal(few.test.rows, other.test.rows)


def test_pretraining_on_users_leaves_out_those_with_a_window_held_out() -> None:
    dataset = timed()
    _, split = cut(dataset, train="users")
    held = set(split.test.user.tolist()) | set(split.valid.user.tolist())
    user = dataset.interactions.user
    assert set(user[split.train].tolist()) == set(range(20)) - held
    _, unread = cut(dataset, train="users", validation=None)
    np.testing.assert_array_equal(unread.train, split.train)
    assert len(unread.valid) == 0


def test_folds_test_every_user_once() -> None:
    dataset = timed()
    tested = []
    for fold in range(3):
        _, split = cut(dataset, fold=fold)
        assert split.examples is not None
        users = [set(pool.user.tolist()) for pool in (split.test, split.valid, split.examples)]
        assert not users[0] & (users[1] | users[2])
        assert not users[1] & users[2]
        tested += sorted(users[0])
        whole = np.isin(dataset.interactions.user, list(users[0])).sum()
        assert len(split.test) == whole - 4 * len(users[0])
    assert sorted(tested) == list(range(20))


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ({"shots": "all"}, "scenario.shots=all is no length of a window"),
        ({"shots": 0}, "scenario.shots=0 is no length"),
        ({"domain_shots": 0}, "scenario.domain_shots=0 leaves no window"),
        ({"parts": [0.5, 0.2]}, "are no three shares"),
        ({"parts": [0.9, 0.2, 0.1]}, "are no three shares"),
        ({"fold": 3}, "scenario.fold=3 is none of scenario.folds=3"),
    ],
    ids=str,
)
def test_a_bad_value_is_told_in_two_lines(words: dict[str, Any], problem: str) -> None:
    with pytest.raises(FewrecError) as caught:
        cut(timed(), **words)
    first, second = str(caught.value).split("\n")
    assert problem in first
    assert second.strip()


def test_too_many_windows_asked_for_or_none_left_are_told() -> None:
    with pytest.raises(ScenarioError, match=r"domain_shots=9,999, and there are 96 training"):
        cut(timed(), domain_shots=9999)
    with pytest.raises(ScenarioError, match=r"of 0 windows 0 are left to test on"):
        cut(timed(), shots=40)
    with pytest.raises(ScenarioError, match=r"20 of 20 users have fewer than 41 ratings"):
        cut(timed(), shots=40, short_history="error")


def small_world() -> World:
    """Return a run of ``strategy=features`` on 12 windows of generated data, trained."""
    words = ("strategy=features", "scenario.domain_shots=12", "scenario.curve=[4]")
    cfg = composed(
        "data=synthetic",
        *SHRUNK_DATA,
        "scenario=windows",
        *words,
        "scenario.shots=4",
        "scenario.validation=null",
        "trainer=cpu",
        "logger=none",
    )
    with Reporter(quiet=True) as reporter:
        world = build(cfg, reporter)
        pretrain(cfg, world, Path("unused"), reporter)
    return world


def all_scores(world: World, altered: IntArray | None = None) -> dict[str, np.ndarray]:
    """Return every row's score of every test window, some likes turned round."""
    rows = world.dataset.interactions
    rating = rows.rating.copy()
    if altered is not None:
        rating[altered] = np.where(rating[altered] >= world.dataset.positive, 1.0, 5.0)
    dataset = replace(world.dataset, interactions=replace(rows, rating=rating))
    other = replace(world, dataset=dataset, tensors=replace(world.tensors, dataset=dataset))
    scorer = Scorer(other, other.backbone.rating_mean.device, 0)
    cells = Evaluator(other, scorer, "features", 0).draw(
        world.scenario.draw(world.split.test, 0), lambda _=1: None
    )
    found = {cell.row: cell.figures.alone for cell in cells}
    return {row: alone.score for row, alone in found.items() if alone is not None}


def test_no_row_of_the_table_reads_another_window_s_history() -> None:
    """The history of one test window holds the labels of earlier ones; reading it is a leak."""
    world = small_world()
    drawn = world.scenario.draw(world.split.test, 0)
    before = all_scores(world)
    assert {"features", "like share", "item mean + user offset", "support mean"} <= set(before)
    everything = np.arange(len(world.dataset.interactions))
    for task in (0, len(drawn) - 1):
        read = np.union1d(world.split.train, drawn.support[task])
        after = all_scores(world, np.setdiff1d(everything, read))
        for row in before:
            if row != "oracle":
                assert after[row][task] == before[row][task], row
        own = all_scores(world, drawn.support[task])
        assert own["features"][task] != before["features"][task]
        assert own["support mean"][task] != before["support mean"][task]


@pytest.mark.slow
def test_windows_of_movielens_100k_are_tallrec_s(real_data: Path) -> None:
    folder = real_data / "tallrec-movie"
    if not folder.is_dir():
        pytest.skip("no tallrec-movie in FEWREC_DATA")
    import pandas as pd

    dataset = movielens(real_data, "100k")
    scenario = shipped("windows")
    split = scenario.split(dataset)
    assert split.examples is not None
    rows = dataset.interactions
    table = pd.read_parquet(folder / "train.parquet")
    drawn = scenario.draw(split.examples, 0)
    ours = {
        (
            int(dataset.user_ids[drawn.user[task]]),
            tuple(dataset.item_ids[rows.item[drawn.support[task, ::-1]]].tolist()),
            tuple(rows.rating[drawn.support[task, ::-1]].tolist()),
            int(dataset.item_ids[rows.item[drawn.query[task, 0]]]),
            float(rows.rating[drawn.query[task, 0]]),
        )
        for task in range(len(drawn))
    }
    columns = ("user_id", "history_item_id", "history_rating", "item_id", "rating")
    theirs = zip(*(table[column] for column in columns), strict=True)
    assert ours == {
        (int(u), tuple(h.tolist()), tuple(map(float, s)), int(i), float(r))
        for u, h, s, i, r in theirs
    }
    assert dataset.item_text is not None
    for name, pool, share in (("valid", split.valid, 0.658), ("test", split.test, 0.528)):
        published = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        drawn = scenario.draw(pool, 0)
        assert len(published) == len(drawn) == 1000
        liked = rows.rating >= dataset.positive
        assert liked[drawn.query[:, 0]].mean() == pytest.approx(share, abs=5e-4)
        for task, one in enumerate(published):
            assert one["output"] == ("Yes." if liked[drawn.query[task, 0]] else "No.")
            inputs = [_titles(dataset, drawn.support[task, ::-1], liked, like) for like in (1, 0)]
            (asked,) = _titles(dataset, drawn.query[task], liked, None)
            said = one["input"]
            assert f'the target movie "{asked}"?' in said
            for word, titles in zip(
                ("User Preference: ", "User Unpreference: "), inputs, strict=True
            ):
                line = next(text for text in said.split("\n") if text.startswith(word))
                assert line == word + ", ".join(f'"{title}"' for title in titles)


def _titles(dataset: Dataset, rows: IntArray, liked: np.ndarray, like: int | None) -> list[str]:
    """Return the titles of rows, of those liked (1) or not (0) if asked for."""
    assert dataset.item_text is not None
    item = dataset.interactions.item
    chosen = [row for row in rows if like is None or bool(liked[row]) == bool(like)]
    return [dataset.item_text[item[row]].rsplit(")", 1)[0] + ")" for row in chosen]
