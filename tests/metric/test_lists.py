"""Reach, novelty, diversity and popularity of recommended lists."""

import numpy as np
import pytest

from fewrec_cli.core.types import Field
from fewrec_cli.metric.lists import (
    Catalogue,
    candidate_popularity,
    coverage,
    diversity,
    item_vectors,
    list_columns,
    novelty,
    popularity_bias,
)


def genres():
    """Items: drama; drama + war; war; nothing."""
    return Field(
        "genres", "multi", ("drama", "war"), np.array([0, 1, 3, 4, 4]), np.array([0, 0, 1, 1]),
        np.array([1.0, 0.5, 0.5, 1.0]),
    )  # fmt: skip


CATALOGUE = Catalogue(np.array([7, 3, 1, 0]), n_users=7, vectors=item_vectors([genres()]))


def test_coverage_counts_each_item_of_the_catalogue_once() -> None:
    assert coverage(np.array([[0, 1], [1, -1]]), 4) == 0.5
    assert coverage(np.array([[-1, -1]]), 4) == 0


def test_novelty_is_self_information_in_bits() -> None:
    np.testing.assert_allclose(
        novelty(np.array([[0, 1], [2, 3], [-1, -1]]), CATALOGUE), [0.5, 2.5, np.nan]
    )


def test_popularity_bias_is_relative_to_the_candidates() -> None:
    candidates = np.array([[0, 1, 2, -1], [3, 3, -1, -1]])
    average = candidate_popularity(candidates, CATALOGUE)
    np.testing.assert_allclose(average, [11 / 3, np.nan])
    bias = popularity_bias(np.array([[0], [3]]), average, CATALOGUE)
    np.testing.assert_allclose(bias, [7 / (11 / 3), np.nan])


def test_diversity_of_pairs_worked_out_by_hand() -> None:
    top = np.array([[0, 1, -1], [0, 2, -1], [0, 1, 2], [0, 3, -1]])
    near = 1 - np.sqrt(0.5)
    expected = [near, 1.0, (near + 1 + near) / 3, np.nan]  # the item without genres is left out
    np.testing.assert_allclose(diversity(top, CATALOGUE.vectors), expected, atol=1e-12)


def test_diversity_equals_the_loop_over_pairs() -> None:
    random = np.random.default_rng(0)
    counts = random.integers(0, 4, 50)
    fields = [
        Field("tags", "multi", tuple("abcdefgh"), np.concatenate([[0], np.cumsum(counts)]),
              np.concatenate([random.choice(8, n, replace=False) for n in counts]).astype(np.int64),
              np.concatenate([np.full(n, 1 / max(n, 1)) for n in counts])),
        Field("kind", "categorical", ("x", "y"), np.arange(51), random.integers(0, 2, 50),
              np.ones(50)),
        Field("length", "numeric", ("length",), np.arange(51), np.zeros(50, int),
              random.normal(size=50)),
    ]  # fmt: skip
    vectors = item_vectors(fields)
    dense = vectors.toarray()
    assert dense.shape == (50, 10)  # the numeric field is left out
    np.testing.assert_allclose(np.linalg.norm(dense, axis=1), 1)
    top = np.array([random.choice(50, 5, replace=False) for _ in range(20)])
    expected = [
        np.mean([1 - dense[a] @ dense[b] for i, a in enumerate(row) for b in row[i + 1 :]])
        for row in top
    ]
    np.testing.assert_allclose(diversity(top, vectors), expected, atol=1e-12)


def test_items_without_attributes_have_no_vectors() -> None:
    assert item_vectors([]) is None
    plain = Catalogue(CATALOGUE.popularity, 7, None)
    names = list_columns(np.array([[0, 1]]), np.array([[0, 1]]), (1, 2), plain)
    assert set(names) == {f"{name}@{k}" for name in ("novelty", "popularity_bias") for k in (1, 2)}


def test_random_lists_have_no_popularity_bias() -> None:
    random = np.random.default_rng(0)
    facts = Catalogue(random.integers(0, 100, 200), 500, None)
    candidates = np.tile(np.arange(200), (2000, 1))
    top = random.permuted(candidates, axis=1)[:, :10]
    bias = popularity_bias(top, candidate_popularity(candidates, facts), facts)
    assert bias.mean() == pytest.approx(1.0, abs=0.02)
