"""Checks that every scenario inherits, on generated data of many shapes."""

from functools import cache
from typing import Any, ClassVar

import numpy as np
from hydra.utils import get_class, instantiate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from fewrec_cli.core.types import IntArray, Interactions, Scale
from fewrec_cli.data.base import Dataset
from fewrec_cli.scenario.base import Episodes, Scenario, Split
from fewrec_cli.scenario.leak import check_leaks
from tests.composed import composed
from tests.words import words_of

QUICK = settings(
    max_examples=15,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.differing_executors],  # one property, several scenarios
)
SEEDS = st.integers(0, 10_000)
SMALL: dict[str, Any] = {"shots": 2, "query": 2, "draws": 2, "fraction": 0.3, "validation": 0.3}


def made(
    seed: int = 0, *, users: int = 30, items: int = 24, share: float = 0.7, implicit: bool = False
) -> Dataset:
    """Return random ratings: each pair is present with probability ``share``."""
    rng = np.random.default_rng(seed)
    user, item = np.nonzero(rng.random((users, items)) < share)
    order = rng.permutation(len(user))
    user, item = user[order], item[order]
    rating = np.ones(len(user)) if implicit else rng.integers(1, 6, len(user)).astype(float)
    return Dataset(
        name="made",
        interactions=Interactions(user, item, rating),
        user_ids=np.arange(users) + 100,
        item_ids=np.array([f"i{number}" for number in range(items)], dtype=object),
        user_fields=(),
        item_fields=(),
        scale=None if implicit else Scale(1.0, 5.0),
        positive=1.0 if implicit else 4.0,
        hash=str(seed),
        item_year=1980 + rng.integers(0, 20, items),
    )


def shipped(name: str, **changed: Any) -> Scenario:
    """Return the scenario of a shipped yaml, with some values changed."""
    node = dict(_node(name))
    assert set(changed) <= set(node), f"{name} does not have all of {sorted(changed)}"
    target = get_class(node.pop("_target_"))
    scenario: Scenario = target(**{**node, **changed})
    return scenario


@cache
def _node(name: str) -> dict[str, Any]:
    """Compose a scenario once for all examples of all tests."""
    node = OmegaConf.to_container(composed(f"scenario={name}").scenario, resolve=True)
    assert isinstance(node, dict)
    return {str(key): value for key, value in node.items()}


def pairs(dataset: Dataset, rows: IntArray) -> set[tuple[int, int]]:
    """Return (user, item) of the rows, without the padding."""
    rows = rows[rows >= 0]
    found = dataset.interactions
    return set(zip(found.user[rows].tolist(), found.item[rows].tolist(), strict=True))


class ScenarioContract:
    """What every scenario keeps; the subclass names its option."""

    name: ClassVar[str]

    def cut(self, dataset: Dataset, **changed: Any) -> tuple[Scenario, Split]:
        scenario = shipped(self.name, **{**SMALL, **changed})
        return scenario, scenario.split(dataset)

    def all_draws(self, scenario: Scenario, split: Split) -> list[Episodes]:
        return [
            scenario.draw(pool, number)
            for pool in (split.valid, split.test)
            for number in range(scenario.draws)
        ]

    def test_yaml_holds_what_the_constructor_takes_in_this_order(self) -> None:
        node = composed(f"scenario={self.name}").scenario
        taken = list(words_of(type(shipped(self.name))).values())
        assert [str(key) for key in node] == ["_target_", *(word.name for word in taken)]
        assert all(word.kind is word.KEYWORD_ONLY for word in taken)
        assert all(word.default is word.empty for word in taken)

    @QUICK
    @given(seed=SEEDS)
    def test_no_task_leaks(self, seed: int) -> None:
        dataset = made(seed)
        scenario, split = self.cut(dataset, seed=seed)
        draws = self.all_draws(scenario, split)
        report = check_leaks(dataset, split, draws)
        assert report.violations() == {}
        assert report.query_rows == sum(len(drawn) for drawn in draws) * scenario.query

    @QUICK
    @given(seed=SEEDS)
    def test_no_support_row_is_in_the_query_and_no_query_row_in_training(self, seed: int) -> None:
        dataset = made(seed)
        scenario, split = self.cut(dataset, seed=seed)
        seen = pairs(dataset, split.train)
        for drawn in self.all_draws(scenario, split):
            assert not seen & pairs(dataset, drawn.query)
            for task in range(len(drawn)):
                query = pairs(dataset, drawn.query[task])
                assert len(query) == scenario.query
                assert {user for user, _ in query} == {drawn.user[task]}
                assert not query & pairs(dataset, drawn.support[task])
                assert not query & pairs(dataset, drawn.history[task])

    @QUICK
    @given(seed=SEEDS)
    def test_training_and_both_kinds_of_tasks_share_no_row(self, seed: int) -> None:
        dataset = made(seed)
        _, split = self.cut(dataset, seed=seed)
        parts = [split.train, split.valid.rows, split.test.rows]
        assert len(set(np.concatenate(parts).tolist())) == sum(map(len, parts))
        assert (np.diff(split.train) > 0).all()

    @QUICK
    @given(seed=SEEDS)
    def test_supports_are_nested_whatever_the_shots(self, seed: int) -> None:
        dataset = made(seed)
        few, few_split = self.cut(dataset, shots=1)
        many, many_split = self.cut(dataset, shots=3)
        small, large = few.draw(few_split.test, 1), many.draw(many_split.test, 1)
        at = np.searchsorted(small.user, large.user)
        np.testing.assert_array_equal(small.user[at], large.user)
        np.testing.assert_array_equal(small.query[at], large.query)
        width = large.support.shape[1]
        np.testing.assert_array_equal(small.support[at][:, :width], large.support)
        padded = large.support < 0
        assert not (padded[:, :-1] & ~padded[:, 1:]).any()

    @QUICK
    @given(seed=SEEDS)
    def test_training_does_not_depend_on_how_tasks_are_cut(self, seed: int) -> None:
        dataset = made(seed)
        _, usual = self.cut(dataset)
        _, other = self.cut(
            dataset, shots=1, query=1, draws=1, min_interactions=2, max_interactions=20
        )
        np.testing.assert_array_equal(usual.train, other.train)
        assert set(usual.test.user) <= set(other.test.user) | set(
            usual.test.user[np.diff(usual.test.offsets) > 20]
        )

    def test_same_seed_gives_the_same_split_and_draws(self) -> None:
        dataset = made()
        one, other = self.cut(dataset, seed=3), self.cut(dataset, seed=3)
        np.testing.assert_array_equal(one[1].train, other[1].train)
        for a, b in zip(self.all_draws(*one), self.all_draws(*other), strict=True):
            np.testing.assert_array_equal(a.user, b.user)
            np.testing.assert_array_equal(a.query, b.query)
            np.testing.assert_array_equal(a.support, b.support)

    def test_another_seed_gives_another_split(self) -> None:
        dataset = made()
        one, other = self.cut(dataset, seed=3)[1], self.cut(dataset, seed=4)[1]
        assert set(one.train.tolist()) != set(other.train.tolist())

    def test_another_draw_keeps_the_tasks_and_changes_support_and_query(self) -> None:
        scenario, split = self.cut(made())
        first, second = scenario.draw(split.test, 0), scenario.draw(split.test, 1)
        np.testing.assert_array_equal(first.user, second.user)
        assert (first.query != second.query).any()

    @QUICK
    @given(seed=SEEDS)
    def test_tasks_have_as_many_rows_as_asked_for(self, seed: int) -> None:
        _, split = self.cut(made(seed), min_interactions=4, max_interactions=16)
        for pool in (split.valid, split.test):
            counts = np.diff(pool.offsets)
            assert counts.min() >= 4
            assert counts.max() <= 16

    def test_known_users_and_items_are_those_in_training(self) -> None:
        dataset = made()
        _, split = self.cut(dataset)
        rows = dataset.interactions
        assert set(np.flatnonzero(split.known_users)) == set(rows.user[split.train])
        assert set(np.flatnonzero(split.known_items)) == set(rows.item[split.train])

    def test_without_validation_there_are_no_validation_tasks(self) -> None:
        scenario, split = self.cut(made(), validation=None)
        assert len(split.valid) == 0
        assert len(scenario.draw(split.valid, 0)) == 0

    def test_implicit_data_is_cut_likewise(self) -> None:
        _, split = self.cut(made(implicit=True))
        _, explicit = self.cut(made())
        np.testing.assert_array_equal(split.test.rows, explicit.test.rows)

    def test_embedded_data_can_be_cut_as_shipped(self) -> None:
        cfg = composed(f"scenario={self.name}", "data=synthetic")
        from fewrec_cli.core.progress import Reporter

        dataset = instantiate(cfg.data).load(Reporter(quiet=True))
        split = instantiate(cfg.scenario).split(dataset)
        assert len(split.test) >= 50
        assert len(split.valid) >= 50
