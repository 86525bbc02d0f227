"""Splits written as authors ship them, for generated data; and what every given split keeps."""

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hydra.utils import instantiate

from fewrec_cli.core.errors import ScenarioError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.data.base import Dataset
from fewrec_cli.scenario.base import Scenario, Split
from tests.composed import composed
from tests.scenario.contract import SMALL, ScenarioContract, made, shipped

STATES = ("warm", "user_cold", "item_cold", "both_cold")
GIVEN: dict[str, Any] = {
    **{word: value for word, value in SMALL.items() if word != "fraction"},
    "validation": 0.5,  # of few users and items
    "min_interactions": None,
    "max_interactions": None,
}


def numbered(seed: int = 0, **shape: Any) -> Dataset:
    """Return random ratings of items whose ids are whole numbers, as MovieLens has them."""
    dataset = made(seed, **shape)
    return replace(dataset, item_ids=np.arange(dataset.n_items) + 500)


def cold_sides(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows are of a cold user and of a cold item: the last third of either."""
    rows = dataset.interactions
    return rows.user >= dataset.n_users * 2 // 3, rows.item >= dataset.n_items * 2 // 3


def ship(dataset: Dataset, folder: Path, files: dict[str, str]) -> None:
    """Write each state's ratings as the authors do: user id to a list of item ids."""
    cold_user, cold_item = cold_sides(dataset)
    rows = {
        "warm": ~cold_user & ~cold_item,
        "user_cold": cold_user & ~cold_item,
        "item_cold": ~cold_user & cold_item,
        "both_cold": cold_user & cold_item,
    }
    for state, name in files.items():
        content: dict[str, list[str]] = {}
        for row in np.flatnonzero(rows[state]) if state in rows else ():
            user = str(dataset.user_ids[dataset.interactions.user[row]])
            item = str(dataset.item_ids[dataset.interactions.item[row]])
            content.setdefault(user, []).append(item)
        (folder / f"{name}.json").write_text(json.dumps(content))


class GivenContract(ScenarioContract):
    """A subclass names the option, its files by state, and the state that is tested."""

    files: ClassVar[dict[str, str]]
    state: ClassVar[str]

    def cut(self, dataset: Dataset, **changed: Any) -> tuple[Scenario, Split]:
        dataset = replace(dataset, item_ids=np.arange(dataset.n_items) + 500)
        with tempfile.TemporaryDirectory() as folder:
            ship(dataset, Path(folder), self.files)
            words = {**GIVEN, "state": self.state, "files": folder, **changed}
            scenario = shipped(self.name, **words)
            return scenario, scenario.split(dataset)

    def test_test_tasks_are_the_state_s_users_and_rows(self) -> None:
        dataset = made()
        _, split = self.cut(dataset, validation=None)
        cold_user, cold_item = cold_sides(dataset)
        wanted = {
            "user_cold": cold_user & ~cold_item,
            "item_cold": ~cold_user & cold_item,
            "both_cold": cold_user & cold_item,
        }[self.state]
        counts = np.bincount(dataset.interactions.user[wanted], minlength=dataset.n_users)
        kept = wanted & (counts >= 4)[dataset.interactions.user]
        assert set(split.test.rows.tolist()) <= set(np.flatnonzero(kept).tolist())
        np.testing.assert_array_equal(split.train, np.flatnonzero(~cold_user & ~cold_item))

    def test_validation_is_new_to_training_as_the_test_is(self) -> None:
        _, split = self.cut(made())
        rows = made().interactions
        new_user = ~split.known_users[rows.user[split.valid.rows]]
        new_item = ~split.known_items[rows.item[split.valid.rows]]
        assert new_user.all() == (self.state in ("user_cold", "both_cold"))
        assert new_item.all() == (self.state in ("item_cold", "both_cold"))

    def test_another_seed_gives_another_split(self) -> None:
        """Or, where the newest items validate whatever the seed, other draws."""
        if self.state != "item_cold":
            super().test_another_seed_gives_another_split()
            return
        queries = [
            scenario.draw(split.test, 0).query
            for scenario, split in (self.cut(made(), seed=seed) for seed in (3, 4))
        ]
        assert (queries[0] != queries[1]).any()

    def test_embedded_data_can_be_cut_as_shipped(self, tmp_path: Path) -> None:
        """It cannot: the split is of one data set, and any other is told so."""
        ship(numbered(), tmp_path, self.files)
        dataset = instantiate(composed("data=synthetic").data).load(Reporter(quiet=True))
        with pytest.raises(ScenarioError, match=r"lists \d+ ratings, and synthetic"):
            shipped(self.name, files=str(tmp_path)).split(dataset)
