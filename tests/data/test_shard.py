"""Data in shards: rows are shared out by user, everything else is the same in all processes."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pytest

from fewrec_cli.core.errors import DataError, FewrecError
from fewrec_cli.core.types import Interactions
from fewrec_cli.data.base import Dataset
from fewrec_cli.data.own import deal, hold_everywhere, owner_of
from fewrec_cli.data.parts import Part
from fewrec_cli.data.shard import ALONE, Shard
from fewrec_cli.data.totals import TrainTotals
from tests.data.reading import QUIET, load, reader, refused

pytestmark = pytest.mark.usefixtures("folder")
T = TypeVar("T")
COLUMNS = {"rating": "stars", "timestamp": "when"}
FORMS = ["by user", "mixed", "one file"]


def in_processes(world: int, work: Callable[[Shard], T]) -> list[T | BaseException]:
    """Run ``work`` in as many threads that exchange values as processes do."""
    board: list[Any] = [None] * world
    barrier = threading.Barrier(world, timeout=30)
    results: list[Any] = [None] * world

    def run(rank: int) -> None:
        def exchange(value: Any) -> list[Any]:
            board[rank] = value
            barrier.wait()
            told = list(board)
            barrier.wait()
            return told

        try:
            shard = Shard(rank, world, exchange)
            with shard.together():
                results[rank] = work(shard)
        except (FewrecError, SystemExit) as fault:
            results[rank] = fault

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(world)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def frame() -> pd.DataFrame:
    """300 interactions of 40 users and 30 items; three pairs stand there twice."""
    rng = np.random.default_rng(0)
    pair = np.concatenate([one := rng.permutation(40 * 30)[:297], one[:3]])
    return pd.DataFrame(
        {
            "user_id": pair // 30 * 7 + 1,
            "item_id": [f"i{one}" for one in pair % 30],
            "stars": rng.integers(1, 6, len(pair)).astype(float),
            "when": rng.integers(10**9, 10**9 + 500, len(pair)),
        }
    )


def write(folder: Path, form: str) -> str:
    """Write the interactions in a form, and return what ``data.interactions`` is."""
    whole = frame()
    if form == "one file":
        whole.to_parquet(folder / "all.parquet")
        return "all.parquet"
    owner = whole["user_id"] % 5 if form == "by user" else np.arange(len(whole)) % 5
    (folder / "cut").mkdir(exist_ok=True)
    for number in range(5):
        whole[owner == number].to_parquet(folder / "cut" / f"{number}.parquet")
    return "cut"


def read(path: str, shard: Shard, **keys: Any) -> Dataset:
    source = reader("table", interactions=path, columns=COLUMNS, shard="auto", **keys)
    source.process = shard
    return source.load(QUIET)


def found(datasets: Sequence[Dataset]) -> list[tuple[Any, ...]]:
    """All rows of some data sets by their ids, sorted."""
    rows = []
    for data in datasets:
        part = data.interactions
        assert part.timestamp is not None
        user, item = data.user_ids[part.user].tolist(), data.item_ids[part.item].tolist()
        rows += list(zip(user, item, part.rating, part.timestamp, strict=True))
    return sorted(rows)


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("form", FORMS)
def test_processes_together_hold_every_row_once_and_number_it_alike(
    form: str, world: int, folder: Path
) -> None:
    path = write(folder, form)
    expected = load("table", interactions=path, columns=COLUMNS)
    parts = in_processes(world, lambda shard: read(path, shard))
    owned = [set(part.interactions.user.tolist()) for part in parts]
    assert sum(map(len, owned)) == len(set().union(*owned)) == expected.n_users
    assert all(owned)
    assert found(parts) == found([expected])
    for part in parts:
        assert part.user_ids.tolist() == expected.user_ids.tolist()
        assert part.item_ids.tolist() == expected.item_ids.tolist()
        assert (part.scale, part.positive) == (expected.scale, expected.positive)
        assert part.hash == parts[0].hash
        assert part.sources == expected.sources
        told = {note.subject: note.count for note in part.notes if note.subject != "shards"}
        assert told == {note.subject: note.count for note in expected.notes}


def test_the_hash_follows_the_content_and_not_the_number_of_processes(folder: Path) -> None:
    path = write(folder, "by user")
    alone = read(path, ALONE).hash
    two = in_processes(2, lambda shard: read(path, shard).hash)
    assert two == [alone, alone]
    changed = frame()
    changed.loc[0, "stars"] = 6 - changed.loc[0, "stars"] or 1
    for number in range(5):
        changed[changed["user_id"] % 5 == number].to_parquet(folder / "cut" / f"{number}.parquet")
    assert read(path, ALONE).hash != alone
    assert read(path, ALONE, duplicates="mean").hash != read(path, ALONE).hash


def test_parts_by_user_are_read_by_one_process_each(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, opened = write(folder, "by user"), []
    batches = Part.batches
    monkeypatch.setattr(
        Part, "batches", lambda part, names: opened.append(part.path.name) or batches(part, names)
    )
    in_processes(2, lambda shard: read(path, shard))
    assert sorted(opened) == [f"{number}.parquet" for number in range(5)]
    mixed = write(folder, "mixed")
    opened.clear()
    in_processes(2, lambda shard: read(mixed, shard))
    assert len(opened) == 5 + 2 * 5  # the parts once to see it, then all of them by each


def test_counts_and_sums_are_those_of_one_process(folder: Path) -> None:
    path = write(folder, "mixed")
    whole = load("table", interactions=path, columns=COLUMNS)
    expected = TrainTotals.of(whole, whole.interactions)
    assert expected.mean == pytest.approx(whole.interactions.rating.mean())
    assert expected.sd == pytest.approx(whole.interactions.rating.std())

    def totals(shard: Shard) -> TrainTotals:
        data = read(path, shard)
        return TrainTotals.of(data, data.interactions)

    for found_totals in in_processes(3, totals):
        assert found_totals.rows == len(whole.interactions)
        for name in ("mean", "sd", "user_count", "item_count", "item_excess"):
            ours, theirs = getattr(found_totals, name), getattr(expected, name)
            np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_task_users_are_held_by_all_in_an_order_that_nothing_changes(folder: Path) -> None:
    path = write(folder, "mixed")

    def held(shard: Shard) -> tuple[Interactions, int]:
        data = read(path, shard)
        users = np.arange(data.n_users) % 4 == 1
        both = hold_everywhere(data, users)
        count = int(users[both.interactions.user].sum())
        assert not users[both.interactions.user[count:]].any()
        return both.interactions.take(np.arange(count)), len(both.interactions) - count

    (alone, rest), *others = [one for world in (1, 2, 3) for one in in_processes(world, held)]
    assert len(alone) + rest == 297
    assert alone.timestamp is not None
    order = np.lexsort((alone.item, alone.timestamp, alone.user))
    np.testing.assert_array_equal(order, np.arange(len(alone)))
    for rows, _ in others:
        for name in ("user", "item", "rating", "timestamp"):
            np.testing.assert_array_equal(getattr(rows, name), getattr(alone, name))


def test_a_fault_in_one_process_ends_all_and_the_first_tells(folder: Path) -> None:
    path = write(folder, "by user")
    bad = pd.read_parquet(folder / "cut" / "4.parquet")
    bad.loc[bad.index[3], "stars"] = 9.0
    bad.to_parquet(folder / "cut" / "4.parquet")
    first, second = in_processes(2, lambda shard: read(path, shard, scale=[1, 5]))
    assert isinstance(first, DataError)
    assert first.problem.startswith("cut/4.parquet row 4: rating 9 is not on the scale")
    assert isinstance(second, SystemExit)
    assert second.code == 2


def test_too_few_users_and_what_is_no_parquet_are_refused(folder: Path) -> None:
    frame()[:2].to_parquet(folder / "two.parquet")
    first, *_ = in_processes(40, lambda shard: read("two.parquet", shard))
    assert isinstance(first, DataError)
    assert "2 users are too few for 40 processes" in first.problem
    frame().to_csv(folder / "r.csv", index=False)
    refused("data.shard=auto reads Parquet", "table", interactions="r.csv", shard="auto")
    refused("no file nowhere", "table", interactions="nowhere", shard="auto")
    refused("data.shard=some is no policy", "table", interactions="r.csv", shard="some")


def test_parts_are_dealt_in_their_order_by_rows() -> None:
    parts = [Part(Path(f"{n}"), {}, rows, ()) for n, rows in enumerate([10, 10, 40, 0, 10, 10])]
    shares = deal(parts, 2)
    assert [part for share in shares for part in share] == parts
    assert [sum(part.rows for part in share) for share in shares] == [20, 60]
    even = deal([replace(part, rows=5) for part in parts], 3)
    assert [len(share) for share in even] == [2, 2, 2]


def test_users_are_spread_evenly_by_their_ids_alone() -> None:
    ids = [str(number) for number in range(4000)]
    owner = owner_of(ids, 4)
    assert owner[:8].tolist() == owner_of(ids[:8], 4).tolist()
    assert np.bincount(owner).min() > 900
