"""Domain cold: against a loop over the shuffle, PromptRec's own files, and what tasks may read."""

import io
import random
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra.utils import instantiate

from fewrec_cli.core.cache import entries
from fewrec_cli.core.errors import DataError, FewrecError, ScenarioError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.data.base import Dataset
from fewrec_cli.experiment.pipeline import train
from fewrec_cli.experiment.result import RunResult
from fewrec_cli.scenario.base import Scenario, Split
from fewrec_cli.scenario.domain_cold import MOST_OTHERS, _examples
from fewrec_cli.scenario.leak import check_leaks
from tests.composed import SHRUNK_DATA, composed
from tests.scenario.contract import made, shipped
from tests.scenario.test_real import movielens
from tests.words import words_of

SMALL: dict[str, Any] = {"train_rows": 60, "validation_rows": 20}
SEEDS = (41905, 1640, 18025, 14629, 48265)
"""PromptRec's."""


def cut(dataset: Dataset, **changed: Any) -> tuple[Scenario, Split]:
    scenario = shipped("domain_cold", **{**SMALL, **changed})
    return scenario, scenario.split(dataset)


def shuffled(count: int, seed: int) -> list[int]:
    """Shuffle row numbers as PromptRec's preparation does."""
    random.seed(seed)
    order = list(range(count))
    random.shuffle(order)
    return order


def test_yaml_holds_what_the_constructor_takes_in_this_order() -> None:
    node = composed("scenario=domain_cold").scenario
    taken = list(words_of(type(shipped("domain_cold"))).values())
    assert [str(key) for key in node] == ["_target_", *(word.name for word in taken)]
    assert all(word.kind is word.KEYWORD_ONLY for word in taken)
    assert all(word.default is word.empty for word in taken)


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize("words", [{}, {"domain_shots": 16}, {"domain_shots": 0}], ids=str)
def test_rows_are_those_of_the_shuffle_in_their_order(seed: int, words: dict[str, Any]) -> None:
    dataset = made(seed)
    order = shuffled(len(dataset.interactions), seed)
    scenario, split = cut(dataset, seed=seed, **words)
    seen = order[: words.get("domain_shots", 60)]
    assert split.train.tolist() == sorted(seen)
    assert sorted(split.valid.rows.tolist()) == sorted(order[60:80])
    assert sorted(split.test.rows.tolist()) == sorted(order[80:])
    user = dataset.interactions.user
    drawn = scenario.draw(split.test, 0)
    assert drawn.user.tolist() == sorted({int(user[row]) for row in order[80:]})
    for task, one in enumerate(drawn.user):
        asked = drawn.query[task][drawn.query[task] >= 0]
        assert asked.tolist() == sorted(row for row in order[80:] if user[row] == one)
        own = drawn.support[task][drawn.support[task] >= 0]
        assert own.tolist() == [row for row in seen if user[row] == one]
    assert drawn.history.shape == (len(drawn), 0)
    known = dataset.interactions.take(np.array(seen, dtype=np.int64))
    assert set(np.flatnonzero(split.known_users)) == set(known.user.tolist())
    assert set(np.flatnonzero(split.known_items)) == set(known.item.tolist())


def test_each_row_seen_is_foretold_from_its_user_s_others() -> None:
    dataset = made()
    scenario, split = cut(dataset)
    assert split.examples is not None
    order = shuffled(len(dataset.interactions), 0)[:60]
    drawn = scenario.draw(split.examples, 0)
    user = dataset.interactions.user
    assert sorted(drawn.query.ravel().tolist()) == sorted(order)
    for task in range(len(drawn)):
        (row,) = drawn.query[task].tolist()
        others = drawn.support[task][drawn.support[task] >= 0].tolist()
        assert others == [one for one in order if user[one] == user[row] and one != row]
    few = _examples(made(users=1, items=150, share=1.0), np.arange(150))
    assert np.diff(few.offsets).tolist() == [MOST_OTHERS + 1] * 150


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("words", [{}, {"domain_shots": 5}, {"validation_rows": None}], ids=str)
def test_no_task_leaks(seed: int, words: dict[str, Any]) -> None:
    dataset = made(seed)
    scenario, split = cut(dataset, seed=seed, **words)
    pools = [split.test, *([split.valid] if len(split.valid) else [])]
    report = check_leaks(dataset, split, [scenario.draw(pool, 0) for pool in pools])
    assert report.violations() == {}
    assert report.query_rows == len(dataset.interactions) - 60
    assert (len(split.valid) == 0) == ("validation_rows" in words)


def test_fewer_shots_leave_the_test_as_it_is_and_are_the_first_of_more() -> None:
    dataset = made()
    (_, few), (_, many) = (cut(dataset, domain_shots=shots) for shots in (16, 60))
    assert set(few.train.tolist()) < set(many.train.tolist())
    for name in ("user", "rows"):
        np.testing.assert_array_equal(getattr(few.test, name), getattr(many.test, name))
        np.testing.assert_array_equal(getattr(few.valid, name), getattr(many.valid, name))
    unread = [note for note in few.notes if note.subject == "unread"]
    assert [note.count for note in unread] == [44]
    assert not [note for note in many.notes if note.subject == "unread"]


def test_a_shorter_test_is_the_first_rows_after_validation() -> None:
    dataset = made()
    _, split = cut(dataset, test_rows=100)
    order = shuffled(len(dataset.interactions), 0)
    assert sorted(split.test.rows.tolist()) == sorted(order[80:180])


def test_bounds_are_on_test_rows_and_say_whom_they_drop() -> None:
    dataset = made()
    _, every = cut(dataset)
    counts = np.diff(every.test.offsets)
    _, split = cut(dataset, min_interactions=14, max_interactions=16)
    assert split.test.user.tolist() == every.test.user[(counts >= 14) & (counts <= 16)].tolist()
    said = {note.subject: note.count for note in split.notes if "test" in note.text}
    assert said["short history"] == (counts < 14).sum()
    assert said["long history"] == (counts > 16).sum()
    with pytest.raises(ScenarioError, match="fewer than 14 ratings"):
        cut(dataset, min_interactions=14, short_history="error")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ({"train_rows": 0}, "scenario.train_rows=0 is no number of rows"),
        ({"domain_shots": -1}, "scenario.domain_shots=-1 is no number"),
        ({"domain_shots": 61}, "scenario.domain_shots=61 are to be seen of scenario.train_rows=60"),
        ({"validation_rows": 0}, "scenario.validation_rows=0 is no number"),
        ({"test_rows": 0}, "scenario.test_rows=0 is no number"),
        ({"order": "ub"}, "scenario.order=ub is not known"),
        ({"train_rows": 600}, "leave none of 485 ratings to test on"),
        ({"order": "ua"}, "and the ids of made are others"),
    ],
    ids=str,
)
def test_a_bad_value_is_told_in_two_lines(
    words: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    listed(tmp_path, [(1, 1)])
    with pytest.raises(FewrecError) as caught:
        cut(made(), files=str(tmp_path), **words)
    first, second = str(caught.value).split("\n")
    assert problem in first
    assert second.strip()


def listed(folder: Path, pairs: list[tuple[int, int]], *, zipped: bool = False) -> None:
    """Write pairs as ``ua.base`` and ``ua.test``, the last two of them into the test."""
    lines = [f"{user}\t{item}\t3\t88{number}\n" for number, (user, item) in enumerate(pairs)]
    files = {"ua.base": "".join(lines[:-2]), "ua.test": "".join(lines[-2:])}
    if zipped:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for name, text in files.items():
                archive.writestr(f"ml-100k/{name}", text)
        (folder / "ml-100k.zip").write_bytes(content.getvalue())
        return
    (folder / "ml-100k").mkdir(parents=True)
    for name, text in files.items():
        (folder / "ml-100k" / name).write_text(text)


def numbered(seed: int = 0) -> tuple[Dataset, list[tuple[int, int]]]:
    """Return generated ratings with whole numbers as ids, and their pairs sorted by user."""
    dataset = replace(made(seed), item_ids=np.arange(24) + 7)
    rows = dataset.interactions
    pairs = zip(dataset.user_ids[rows.user], dataset.item_ids[rows.item], strict=True)
    return dataset, sorted((int(user), int(item)) for user, item in pairs)


@pytest.mark.parametrize("zipped", [False, True])
def test_the_order_of_ua_base_and_ua_test_is_shuffled(tmp_path: Path, *, zipped: bool) -> None:
    dataset, pairs = numbered()
    listed(tmp_path, pairs, zipped=zipped)
    _, split = cut(dataset, order="ua", files=str(tmp_path), seed=3)
    expected = {pairs[place] for place in shuffled(len(pairs), 3)[:60]}
    rows = dataset.interactions.take(split.train)
    users, items = dataset.user_ids[rows.user].tolist(), dataset.item_ids[rows.item].tolist()
    assert set(zip(users, items, strict=True)) == expected
    _, other = cut(dataset, seed=3)
    assert set(other.train.tolist()) != set(split.train.tolist())


def test_files_of_other_ratings_or_broken_ones_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FEWREC_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    dataset, pairs = numbered()
    with pytest.raises(DataError, match="MovieLens 100k not found"):
        cut(dataset, order="ua")
    listed(tmp_path / "short", pairs[1:])
    with pytest.raises(ScenarioError, match="list 484 ratings, 484 of them among the 485 of made"):
        cut(dataset, order="ua", files=str(tmp_path / "short"))
    listed(tmp_path / "twice", [pairs[0], *pairs[:-1]])
    with pytest.raises(ScenarioError, match=r"data=movielens data\.version=100k"):
        cut(dataset, order="ua", files=str(tmp_path / "twice"))
    (tmp_path / "short" / "ml-100k" / "ua.test").write_text("1\t2\tthree\t4\n")
    with pytest.raises(DataError, match=r"ua\.test does not hold 4 whole numbers a line"):
        cut(dataset, order="ua", files=str(tmp_path / "short"))


def ran(folder: Path, *words: str) -> RunResult:
    """Run the real pipeline on generated data, two steps long."""
    given = ("scenario=domain_cold", "data=synthetic", *SHRUNK_DATA, "trainer=cpu", "logger=none")
    rows = ("scenario.train_rows=60", "scenario.validation_rows=20", "trainer.max_steps=2")
    with Reporter(quiet=True) as reporter:
        result = train(composed(*given, *rows, *words), folder, reporter)
    assert result is not None
    return result


@pytest.mark.slow
def test_without_a_labelled_row_nothing_is_trained_nor_kept_and_all_scores_are_tied(
    tmp_path: Path,
) -> None:
    words = ("scenario.domain_shots=0", "strategy=transfer", "strategy/adapter=ridge")
    result = ran(tmp_path, *words, "cache=true")
    assert not entries()
    rows = {row.row: row.metrics for row in result.rows if row.shots == "all"}
    for name in ("transfer", "item mean", "global mean"):
        assert rows[name]["gauc"].mean == 0.5
    assert "Nothing was trained" in result.sentences[0]


@pytest.mark.parametrize(
    "words",
    [("strategy=features",), ("strategy=maml", "scenario.domain_shots=1")],
    ids=" ".join,
)
def test_a_strategy_that_cannot_learn_from_so_little_says_so(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    with pytest.raises(FewrecError) as caught:
        ran(tmp_path, "scenario.domain_shots=0", *words)
    assert len(str(caught.value).split("\n")) == 2


@pytest.mark.slow
def test_movielens_100k_is_cut_as_promptrec_does(real_data: Path) -> None:
    dataset = movielens(real_data, "100k")
    archive = real_data / "ml-100k.zip"
    if not archive.is_file():
        pytest.skip("no ml-100k.zip in FEWREC_DATA")
    with zipfile.ZipFile(archive) as opened:
        full = b"".join(opened.read(f"ml-100k/ua.{part}") for part in ("base", "test"))
    records = [line.split(b"\t") for line in full.splitlines()]
    rows = dataset.interactions
    for seed in SEEDS:
        order = shuffled(len(records), seed)
        scenario = shipped("domain_cold", order="ua", seed=seed, files=str(real_data))
        split = scenario.split(dataset)
        for found, places in (
            (split.train, order[:250]),
            (split.valid.rows, order[250:300]),
            (split.test.rows, order[300:]),
        ):
            users, items = dataset.user_ids[rows.user[found]], dataset.item_ids[rows.item[found]]
            stars = rows.rating[found].tolist()
            ours = set(zip(users.tolist(), items.tolist(), stars, strict=True))
            assert len(found) == len(places)
            assert ours == {tuple(map(int, records[place][:3])) for place in places}


def test_composed_scenario_is_the_one_of_the_yaml() -> None:
    scenario = instantiate(composed("scenario=domain_cold").scenario)
    assert (scenario.shots, scenario.curve, scenario.query_word) == (None, (0, None), "all(1+)")
