"""From one domain to another: who is a task, what is known, and what never is."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewrec_cli.core.errors import ConfigError, RunError, ScenarioError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.data.base import Dataset
from fewrec_cli.scenario.base import Scenario, Split
from fewrec_cli.scenario.episode import episode_hash, episode_table
from fewrec_cli.scenario.leak import check_leaks
from fewrec_cli.scenario.migration import LENT
from tests.composed import composed
from tests.planted import planted_dataset
from tests.scenario.contract import SMALL, ScenarioContract, made, shipped

TARGET_FROM = 12
"""Users of ``made`` from this place on are of the target."""


def paired(dataset: Dataset) -> Dataset:
    """Return the data with its later users, and half of the items, as the target domain."""
    rows = dataset.interactions
    target = rows.user >= TARGET_FROM
    kept = np.flatnonzero(~target | (rows.item % 2 == 0))
    return replace(dataset, interactions=rows.take(kept), domain=target[kept].astype(np.int64))


def cut(dataset: Dataset, **changed: Any) -> tuple[Scenario, Split]:
    scenario = shipped("migration", **{**SMALL, "like": "user_cold", "curve": [0, 2], **changed})
    return scenario, scenario.split(dataset)


def cut_paired(**changed: Any) -> tuple[Dataset, Scenario, Split]:
    dataset = paired(made(users=40))
    return dataset, *cut(dataset, **changed)


class TestMigration(ScenarioContract):
    name = "migration"

    def cut(self, dataset: Dataset, **changed: Any) -> tuple[Scenario, Split]:
        domain = (dataset.interactions.user >= dataset.n_users // 2).astype(np.int64)
        return cut(
            replace(dataset, domain=domain), **{"validation": 0.6, "fraction": 0.6, **changed}
        )

    def test_tasks_have_as_many_rows_as_asked_for(self) -> None:
        _, split = self.cut(made(), min_interactions=14, max_interactions=16)
        counts = np.diff(split.test.offsets)
        assert counts.min() >= 14
        assert counts.max() <= 16
        bare = np.diff(split.valid.offsets)  # one support row and two query rows are enough
        assert bare.min() < 14
        assert bare.max() > 16

    def test_embedded_data_can_be_cut_as_shipped(self) -> None:
        dataset = made(users=300, items=60)
        domain = (dataset.interactions.user >= 200).astype(np.int64)
        split = shipped("migration", like="user_cold").split(replace(dataset, domain=domain))
        assert (len(split.test), len(split.valid)) == (50, 20)


def test_without_ratings_of_the_target_no_row_of_it_is_trained_on_or_chosen_on() -> None:
    dataset, _, split = cut_paired()
    assert dataset.domain is not None
    assert (dataset.domain[split.train] == 0).all()
    assert (dataset.domain[split.valid.rows] == 0).all()
    assert (dataset.domain[split.test.rows] == 1).all()
    assert len(split.test) == 8  # 0.3 of 28 users


def test_tasks_are_the_same_whatever_is_trained_on() -> None:
    splits = [cut_paired(train=train)[2] for train in ("source", "target", "both")]
    for split in splits[1:]:
        np.testing.assert_array_equal(split.test.user, splits[0].test.user)
        np.testing.assert_array_equal(split.test.rows, splits[0].test.rows)


@pytest.mark.parametrize(("known", "each"), [(1, 1), (3, 3), ("all", None)])
def test_the_target_alone_is_trained_on_the_known_ratings_of_others(known: Any, each: Any) -> None:
    dataset, _, split = cut_paired(train="target", known=known)
    assert dataset.domain is not None
    assert (dataset.domain[split.train] == 1).all()
    counts = np.bincount(dataset.interactions.user[split.train])
    assert not set(np.flatnonzero(counts)) & set(split.test.user)
    assert not set(np.flatnonzero(counts)) & set(split.valid.user)
    there = dataset.rows_per_user()[: len(counts)]
    most = there if each is None else np.minimum(there, each)
    np.testing.assert_array_equal(counts[counts > 0], most[counts > 0])


def test_more_known_ratings_hold_the_fewer_ones() -> None:
    few, many = (cut_paired(train="target", known=known)[2] for known in (1, 4))
    assert set(few.train) < set(many.train)


def test_both_domains_are_trained_on_together() -> None:
    dataset, _, both = cut_paired(train="both", known=2)
    source = cut_paired(train="source")[2]
    target = cut_paired(train="target", known=2)[2]
    np.testing.assert_array_equal(both.train, np.union1d(source.train, target.train))
    assert dataset.domain is not None
    assert (dataset.domain[both.valid.rows] == 0).all()


def test_known_ratings_are_as_many_as_shots_unless_said_otherwise() -> None:
    assert composed("scenario=migration", "scenario.shots=3").scenario.known == 3
    assert composed("scenario=migration", "scenario.known=all").scenario.known == "all"


def test_validation_like_new_items_has_neither_user_nor_item_in_training() -> None:
    dataset, _, split = cut_paired(like="both_cold", query=1, shots=1)
    items = dataset.interactions.item
    assert not split.known_users[split.valid.user].any()
    assert not split.known_items[items[split.valid.rows]].any()


def test_the_domain_s_ratings_are_the_support_of_every_task() -> None:
    dataset, scenario, split = cut_paired(support="domain", shots=3, curve=[0, 1, 3])
    first, second = scenario.draw(split.test, 0), scenario.draw(split.test, 1)
    assert first.support.shape == (8, LENT)
    assert (first.support == first.support[0]).all()
    assert (first.support != second.support).any()
    owners = dataset.interactions.user[first.support[0]]
    assert not set(owners) & set(split.test.user)
    assert (owners >= TARGET_FROM).all()
    draws = [first, second, scenario.draw(split.valid, 0)]
    assert check_leaks(dataset, split, draws).violations() == {}
    own = scenario.draw(split.valid, 0)
    np.testing.assert_array_equal(dataset.interactions.user[own.support[:, 0]], own.user)
    table = episode_table(dataset, [first])
    shared = (table["role"] == "support") & (table["position"] == 0)
    assert set(table["user_id"][shared]) == {dataset.user_ids[owners[0]]}


def test_the_leak_check_finds_lent_rows_that_were_not_declared_or_are_asked_for() -> None:
    dataset, scenario, split = cut_paired(support="domain", shots=3, curve=[3])
    drawn = scenario.draw(split.test, 0)
    undeclared = replace(split, test=replace(split.test, shared=drawn.support[0, :1]))
    with pytest.raises(RunError, match="foreign"):
        check_leaks(dataset, undeclared, [drawn])
    asked = replace(drawn, support=drawn.support.copy())
    asked.support[:, 1] = drawn.query[0, 0]
    with pytest.raises(RunError, match="support_in_query"):
        check_leaks(dataset, split, [asked])
    twice = replace(drawn, support=drawn.support[:, [0, 0, 1]])
    with pytest.raises(RunError, match="repeated"):
        check_leaks(dataset, split, [twice])


def test_what_is_known_of_the_domain_is_trained_on_and_lent_by_the_first_draw() -> None:
    words: dict[str, Any] = {"support": "domain", "known": 4}
    _, scenario, split = cut_paired(**words, train="target", curve=[4])
    drawn = scenario.draw(split.test, 0)
    assert set(drawn.support[0, :4]) == set(split.train)
    _, other, alike = cut_paired(**words, train="source", curve=[0, 1, 9])
    again = [other.draw(alike.test, number) for number in (0, 1)]
    assert episode_hash([drawn, scenario.draw(split.test, 1)]) == episode_hash(again)


def test_notes_count_tasks_and_training_rows_by_domain() -> None:
    dataset, _, split = cut_paired(train="both", known=2)
    notes = {note.subject: note for note in split.notes}
    assert dataset.domain is not None
    assert notes["target users"].count == 8
    assert notes["pretraining"].count == int((dataset.domain[split.train] == 0).sum())
    assert "and 28 of the target" in notes["pretraining"].text


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ({"train": "target", "known": 0}, "scenario.train=target with scenario.known=0 leaves"),
        ({"support": "domain", "curve": [0, "all"]}, "scenario.support=domain cannot adapt to all"),
        ({"fraction": 1.5}, "scenario.fraction=1.5 is not a fraction"),
    ],
)
def test_values_that_cannot_be_used_are_refused(words: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        shipped("migration", **words)
    assert str(caught.value).startswith(problem)


def test_one_data_set_alone_is_refused_with_the_words_that_pair_two() -> None:
    with pytest.raises(ScenarioError, match="made is one"):
        shipped("migration").split(made())


def test_too_small_a_domain_for_the_support_is_refused() -> None:
    with pytest.raises(ScenarioError, match="support=domain needs 9,999 ratings"):
        cut_paired(support="domain", shots=9999, curve=[0])


def moved(folder: Path) -> list[str]:
    """Write two domains with other users and items but like genres; return the words of a pair.

    The target's scale is twice the source's; who likes which genre, only a support tells.
    """
    whole = planted_dataset(users=240, items=96, rows_per_user=48, groups=3)
    rows = whole.interactions
    genre = [f"g{item % 3}" for item in range(whole.n_items)]
    words = ["data=pair", "data@data.source=table", "data@data.target=table"]
    for role, stretch in (("source", 1), ("target", 2)):
        mine = ((rows.user >= 160) & (rows.item >= 48)) if stretch == 2 else (rows.user < 160)
        mine &= (rows.item >= 48) == (stretch == 2)
        lines = [
            f"{user},{item},{stretch * stars:g}"
            for user, item, stars in zip(
                rows.user[mine], rows.item[mine], rows.rating[mine], strict=True
            )
        ]
        (folder / f"{role}.csv").write_text("\n".join(["user_id,item_id,stars", *lines]))
        facts = [f"{item},{genre[item]}" for item in sorted(set(rows.item[mine].tolist()))]
        (folder / f"{role}-items.csv").write_text("\n".join(["item_id,genre", *facts]))
        words += [
            f"data.{role}.interactions='{folder}/{role}.csv'",
            f"data.{role}.items='{folder}/{role}-items.csv'",
            f"data.{role}.columns.rating=stars",
            f"data.{role}.scale=[{stretch},{5 * stretch},{stretch}]",
        ]
    return words


@pytest.mark.slow
def test_genres_learned_in_one_domain_serve_users_and_items_of_another(folder: Path) -> None:
    from fewrec_cli.experiment.pipeline import train

    words = (
        *moved(folder),
        "scenario=migration",
        "scenario.like=user_cold",
        "scenario.curve=[0,10]",
        "scenario.shots=10",
        "scenario.query=5",
        "scenario.draws=2",
        "strategy=transfer",
        "strategy/adapter=ridge",
        "backbone.id_dropout=0.5",
        "strategy.epochs=20",
        "trainer=cpu",
        "logger=none",
    )
    (folder / "run").mkdir()
    with Reporter(quiet=True) as reporter:
        result = train(composed(*words), folder / "run", reporter)
    assert result is not None
    mae = {
        (row.row, row.shots): row.metrics["mae"].mean for row in result.rows if "mae" in row.metrics
    }
    floors = [
        row.metrics["mae"].mean for row in result.rows if row.kind == "floor" and row.shots == 10
    ]
    best = min(figure for figure in floors if figure is not None)
    ours = mae["transfer", 10]
    assert ours is not None
    assert ours < 0.75 * best  # the source says who likes which genre together
