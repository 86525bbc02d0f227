from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewrec_cli.core.errors import ScenarioError
from fewrec_cli.data.base import Dataset
from fewrec_cli.metric.positives import Positives
from fewrec_cli.scenario.base import Episodes
from fewrec_cli.scenario.candidates import CandidateBatch, CandidateSource
from tests.scenario.contract import QUICK, SEEDS, made, shipped


def drawn_from(dataset: Dataset, number: int = 0) -> Episodes:
    scenario = shipped("user_cold", shots=2, query=4)
    return scenario.draw(scenario.split(dataset).test, number)


def whole(
    dataset: Dataset, drawn: Episodes, word: str, seed: int = 0, tasks: int | None = None
) -> CandidateBatch:
    """Return all batches as one."""
    parts = list(CandidateSource(dataset, word, seed).batches(drawn, tasks))
    assert [part.start for part in parts] == np.cumsum([0, *map(len, parts)])[:-1].tolist()
    columns = [
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("item", "rating", "relevant", "mask")
    ]
    return CandidateBatch(0, *columns, query_columns=parts[0].query_columns)


def test_query_candidates_are_the_query_rows_with_their_stars() -> None:
    dataset = made()
    drawn = drawn_from(dataset)
    found = whole(dataset, drawn, "query")
    rows = dataset.interactions
    np.testing.assert_array_equal(found.item, rows.item[drawn.query])
    np.testing.assert_array_equal(found.rating, rows.rating[drawn.query])
    np.testing.assert_array_equal(found.relevant, rows.rating[drawn.query] >= 4)
    assert found.mask.all()
    assert found.query_columns == 4


@QUICK
@given(seed=SEEDS, word=st.sampled_from(["sampled:3", "catalogue"]))
def test_added_items_are_none_of_the_users(seed: int, word: str) -> None:
    dataset = made(seed)
    drawn = drawn_from(dataset)
    found = whole(dataset, drawn, word, seed)
    rows = dataset.interactions
    for task, user in enumerate(drawn.user):
        added = found.item[task, 4:][found.mask[task, 4:]].tolist()
        unseen = set(range(dataset.n_items)) - set(rows.item[rows.user == user].tolist())
        assert len(set(added)) == len(added) == min(len(unseen), 3 if "3" in word else 24)
        assert set(added) <= unseen
    assert not found.relevant[:, 4:].any()
    assert not found.rating[:, 4:].any()


def test_query_rows_below_positive_gain_nothing_beside_added_items() -> None:
    dataset = made()
    drawn = drawn_from(dataset)
    stars = dataset.interactions.rating[drawn.query]
    found = whole(dataset, drawn, "sampled:3")
    np.testing.assert_array_equal(found.rating[:, :4], np.where(stars >= 4, stars, 0))
    np.testing.assert_array_equal(found.relevant[:, :4], stars >= 4)
    assert found.mask[:, :4].all()


def test_catalogue_columns_are_the_items_in_order() -> None:
    dataset = made()
    found = whole(dataset, drawn_from(dataset), "catalogue")
    assert (found.item[:, 4:] == np.arange(24)).all()


@pytest.mark.parametrize("word", ["query", "sampled:5", "catalogue"])
def test_candidates_do_not_depend_on_the_size_of_a_batch(word: str) -> None:
    dataset = made()
    drawn = drawn_from(dataset)
    one, other = whole(dataset, drawn, word), whole(dataset, drawn, word, tasks=4)
    np.testing.assert_array_equal(one.item, other.item)
    np.testing.assert_array_equal(one.mask, other.mask)


def test_samples_depend_on_seed_and_draw_only() -> None:
    dataset = made(items=200, share=0.3)
    first = whole(dataset, drawn_from(dataset), "sampled:20").item[:, 4:]
    again = whole(dataset, drawn_from(dataset), "sampled:20").item[:, 4:]
    np.testing.assert_array_equal(first, again)
    for seed, number in ((1, 0), (0, 1)):
        other = whole(dataset, drawn_from(dataset, number), "sampled:20", seed).item[:, 4:]
        assert (first != other).mean() > 0.5


def test_every_unseen_item_is_as_likely_to_be_sampled() -> None:
    dataset = made(users=2000, items=20, share=0.5)
    found = whole(dataset, drawn_from(dataset), "sampled:2")
    items, masked = found.item[:, 4:], found.mask[:, 4:]
    counts = np.bincount(items[masked], minlength=20)
    expected = masked.sum() / 20
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)
    first = np.bincount(items[:, 0], minlength=20)
    assert np.abs(first - len(items) / 20).max() < 5 * np.sqrt(len(items) / 20)


def test_tasks_with_too_few_unseen_items_are_masked_and_counted() -> None:
    dataset = made(share=0.9)
    drawn = drawn_from(dataset)
    found = whole(dataset, drawn, "sampled:10")
    short = (found.mask[:, 4:].sum(1) < 10).sum()
    note = CandidateSource(dataset, "sampled:10", 0).short_note(drawn)
    assert note is not None
    assert note.count == short > 0
    assert CandidateSource(dataset, "query", 0).short_note(drawn) is None


def test_more_negatives_than_items_is_an_error() -> None:
    with pytest.raises(ScenarioError, match="asks for more items than the catalogue's 24"):
        CandidateSource(made(), "sampled:25", 0)


def test_every_row_of_implicit_data_is_relevant() -> None:
    dataset = made(implicit=True)
    found = whole(dataset, drawn_from(dataset), "sampled:3")
    assert found.relevant[:, :4].all()
    assert (found.rating[:, :4] == 1).all()


def test_the_highest_rated_of_each_task_are_positives_and_ties_change_with_the_draw() -> None:
    dataset = made(users=60)
    first, second = (drawn_from(dataset, number) for number in (0, 0))
    source = CandidateSource(dataset, "query", 0, Positives(2))
    (found,) = source.batches(first)
    assert (found.relevant.sum(axis=1) == 2).all()
    for stars, relevant in zip(found.rating, found.relevant, strict=True):
        assert stars[relevant].min() >= stars[~relevant].max()
    np.testing.assert_array_equal(next(source.batches(second, 60)).relevant, found.relevant)
    again = next(source.batches(replace(first, draw=1)))
    assert (again.relevant != found.relevant).any()


def test_rows_that_a_split_names_are_positives_before_others_of_equal_rating() -> None:
    dataset = made(users=60)
    drawn = drawn_from(dataset)
    stars = dataset.interactions.rating[drawn.query]
    for place in (np.arange(4), -np.arange(4)):  # at the border the first, then the last
        order = np.lexsort((np.broadcast_to(place, stars.shape), -stars), axis=1)
        named = np.take_along_axis(drawn.query, order[:, :2], axis=1)
        source = CandidateSource(dataset, "query", 0, Positives(2), named.ravel())
        (found,) = source.batches(drawn)
        for query, relevant, own in zip(drawn.query, found.relevant, named, strict=True):
            assert set(query[relevant].tolist()) == set(own.tolist())


def test_the_highest_rated_of_likes_are_refused() -> None:
    with pytest.raises(ScenarioError, match=r"evaluation\.positives=top:2 needs ratings"):
        CandidateSource(made(implicit=True), "sampled:3", 0, Positives(2))
