"""Generated data: repeatable, fast, and with preferences that a few ratings reveal."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewrec_cli.core.types import FloatArray
from fewrec_cli.data.base import Dataset, DataSource
from tests.contracts import DatasetContract
from tests.data.reading import load, reader, refused

PRETRAINED = 480


class TestSynthetic(DatasetContract):
    def source(self, folder: Path) -> DataSource:
        return reader("synthetic", users=40, items=30, ratings_per_user=[5, 20])


def test_default_is_made_in_under_a_second() -> None:
    started = time.perf_counter()
    data = load("synthetic")
    assert time.perf_counter() - started < 1
    assert (data.n_users, data.n_items) == (600, 300)
    assert data.rows_per_user().min() >= 30
    assert data.rows_per_user().max() <= 80


def test_another_seed_gives_other_data() -> None:
    assert load("synthetic", seed=1).hash != load("synthetic").hash


def test_observed_ratings_are_the_oracle_with_noise_on_whole_stars() -> None:
    data = load("synthetic")
    assert data.oracle is not None
    rows = data.interactions
    planted = data.oracle[rows.user, rows.item]
    assert set(rows.rating) == {1, 2, 3, 4, 5}
    assert planted.min() >= 1
    assert planted.max() <= 5
    assert 0.2 < np.abs(planted - rows.rating).mean() < 0.45


def test_exposure_does_not_depend_on_taste() -> None:
    data = load("synthetic")
    assert data.oracle is not None
    rows = data.interactions
    assert abs(data.oracle[rows.user, rows.item].mean() - data.oracle.mean()) < 0.1


def test_attributes_reveal_only_part_of_the_truth() -> None:
    data = load("synthetic")
    assert [field.name for field in data.user_fields] == ["segment"]
    assert [field.name for field in data.item_fields] == ["genres"]
    assert load("synthetic", reveal=0).hash != data.hash


@pytest.mark.parametrize("seed", [0, 1])
def test_five_shots_close_more_than_half_of_the_way_to_the_oracle(seed: int) -> None:
    """A user of known item factors, fitted by ridge to 5 ratings, against mean and offset."""
    data = load("synthetic", seed=seed)
    assert data.oracle is not None
    mean = data.oracle[:PRETRAINED].mean(0)
    _, size, axes = np.linalg.svd(data.oracle[:PRETRAINED] - mean, full_matrices=False)
    factors = axes[:4].T * size[:4] / np.sqrt(PRETRAINED)
    users = range(PRETRAINED, data.n_users)
    errors = np.array([_errors(data, data.oracle[user], mean, factors, user) for user in users])
    floor, fitted, oracle = errors.mean(0)
    assert floor > 0.75
    assert oracle < 0.4
    assert (floor - fitted) / (floor - oracle) > 0.6


def _errors(
    data: Dataset, planted: FloatArray, mean: FloatArray, factors: FloatArray, user: int
) -> FloatArray:
    """Return the MAE of item mean + user offset, of ridge, and of the oracle on ten rows."""
    rows = data.interactions
    own = np.random.default_rng(user).permutation(np.flatnonzero(rows.user == user))
    support, query = own[:5], own[5:15]
    seen, asked, rating = rows.item[support], rows.item[query], rows.rating[query]
    surprise = rows.rating[support] - mean[seen]
    gram = factors[seen].T @ factors[seen] / 0.2 + np.eye(4)
    taste = np.linalg.solve(gram, factors[seen].T @ surprise / 0.2)
    guesses = (
        mean[asked] + surprise.sum() / 7,
        np.clip(mean[asked] + factors[asked] @ taste, 1, 5),
        planted[asked],
    )
    return np.array([np.abs(guess - rating).mean() for guess in guesses])


@pytest.mark.parametrize(
    "keys",
    [
        {"users": 1},
        {"items": 0},
        {"groups": 0},
        {"reveal": 1.5},
        {"noise": -1},
        {"positive": 7},
        {"ratings_per_user": [5, 400]},
        {"ratings_per_user": [0, 4]},
        {"scale": [5, 1]},
    ],
    ids=str,
)
def test_impossible_keys_are_refused(keys: dict[str, Any]) -> None:
    refused(f"data.{next(iter(keys))}", "synthetic", **keys)
