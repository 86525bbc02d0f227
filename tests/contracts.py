"""Checks that every new data set, metric, backbone and strategy inherits.

Subclass the contract of your kind in your own test file, name the class ``Test...``, and fill in
the methods that raise ``NotImplementedError``::

    class TestMovielens(DatasetContract):
        def source(self, folder):
            return Movielens(root=str(folder), ...)
"""

import inspect
from pathlib import Path

import numpy as np
import pytest

from fewrec_cli.core.progress import Reporter
from fewrec_cli.core.types import Field, Interactions, Scale
from fewrec_cli.data.base import Dataset, DataSource


def planted_dataset(
    *, users: int = 80, items: int = 48, rows_per_user: int = 24, groups: int = 4, seed: int = 0
) -> Dataset:
    """Return a data set in which users belong to hidden groups, so the right ranking is known.

    A user gives about 4.5 stars to the items of the own group and about 2 to all others. The items'
    groups stand in the item field ``genre``; the users' groups stand nowhere: only a support tells.
    """
    rng = np.random.default_rng(seed)
    user_group = np.arange(users) % groups
    item_group = np.arange(items) % groups
    likes = user_group[:, None] == item_group[None, :]
    oracle = np.where(likes, 4.5, 2.0) + rng.normal(0.0, 0.2, (1, items))
    chosen = [np.sort(rng.choice(items, rows_per_user, replace=False)) for _ in range(users)]
    user = np.repeat(np.arange(users), rows_per_user)
    item = np.concatenate(chosen)
    noisy = oracle[user, item] + rng.normal(0.0, 0.3, len(user))
    rating = np.clip(np.round(noisy), 1.0, 5.0)
    return Dataset(
        name="planted",
        interactions=Interactions(user, item, rating, np.arange(len(user))),
        user_ids=np.arange(users) + 1,
        item_ids=np.arange(items) + 1,
        user_fields=(categorical("band", rng.integers(0, 2, users), ("young", "old")),),
        item_fields=(categorical("genre", item_group, tuple(f"g{g}" for g in range(groups))),),
        scale=Scale(1.0, 5.0),
        positive=4.0,
        hash=f"planted-{seed}",
        oracle=oracle,
    )


def categorical(name: str, codes: np.ndarray, vocabulary: tuple[str, ...]) -> Field:
    """Return a field with one value per row."""
    rows = len(codes)
    return Field(
        name, "categorical", vocabulary, np.arange(rows + 1), codes.astype(np.int64), np.ones(rows)
    )


def constructor_keys(cls: type) -> list[str]:
    """Return a constructor's words, after checking that all are keyword-only, without defaults."""
    words = [p for p in inspect.signature(cls).parameters.values() if p.name != "self"]
    for word in words:
        assert word.kind is inspect.Parameter.KEYWORD_ONLY, f"{cls.__name__}: {word} needs a *"
        assert word.default is inspect.Parameter.empty, f"{cls.__name__}: {word}: yaml holds it"
    return [word.name for word in words]


class DatasetContract:
    """What every reader keeps; its subclass says how to make one over tiny files."""

    def source(self, folder: Path) -> DataSource:
        """Write tiny files into ``folder`` where the reader needs some, and return the reader.

        Called with the same folder twice, it must describe the same data.
        """
        raise NotImplementedError

    @pytest.fixture
    def dataset(self, tmp_path: Path) -> Dataset:
        """The data set that the reader makes of its tiny files."""
        return self.source(tmp_path).load(Reporter(quiet=True))

    def test_constructor_takes_keywords_without_defaults(self, tmp_path: Path) -> None:
        constructor_keys(type(self.source(tmp_path)))

    def test_same_files_give_the_same_data(self, dataset: Dataset, tmp_path: Path) -> None:
        again = self.source(tmp_path).load(Reporter(quiet=True))
        assert again.hash == dataset.hash
        for name in ("user", "item", "rating"):
            np.testing.assert_array_equal(
                getattr(again.interactions, name), getattr(dataset.interactions, name)
            )
        np.testing.assert_array_equal(again.user_ids, dataset.user_ids)
        np.testing.assert_array_equal(again.item_ids, dataset.item_ids)

    def test_files_are_left_as_they_were(self, tmp_path: Path) -> None:
        source = self.source(tmp_path)
        before = folder_content(tmp_path)
        source.load(Reporter(quiet=True))
        after = folder_content(tmp_path)
        assert {name: after.get(name) for name in before} == before

    def test_nothing_goes_to_stdout(
        self, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        self.source(tmp_path).load(Reporter())
        assert capfd.readouterr().out == ""

    def test_rows_point_at_known_users_and_items(self, dataset: Dataset) -> None:
        rows = dataset.interactions
        assert len(rows) > 0
        assert rows.user.min() >= 0
        assert rows.user.max() < dataset.n_users
        assert rows.item.min() >= 0
        assert rows.item.max() < dataset.n_items

    def test_every_user_and_item_has_a_row(self, dataset: Dataset) -> None:
        assert set(dataset.interactions.user) == set(range(dataset.n_users))
        assert set(dataset.interactions.item) == set(range(dataset.n_items))

    def test_ids_and_pairs_are_unique(self, dataset: Dataset) -> None:
        assert len(set(dataset.user_ids.tolist())) == dataset.n_users
        assert len(set(dataset.item_ids.tolist())) == dataset.n_items
        pairs = dataset.interactions.user * dataset.n_items + dataset.interactions.item
        assert len(np.unique(pairs)) == len(pairs)

    def test_ratings_lie_on_the_scale(self, dataset: Dataset) -> None:
        rating = dataset.interactions.rating
        assert np.isfinite(rating).all()
        if dataset.scale is None:
            assert (rating == 1).all()
        else:
            assert rating.min() >= dataset.scale.low
            assert rating.max() <= dataset.scale.high
            assert dataset.scale.low <= dataset.positive <= dataset.scale.high

    def test_timestamps_are_whole_seconds_from_1970(self, dataset: Dataset) -> None:
        timestamp = dataset.interactions.timestamp
        if timestamp is not None:
            assert np.issubdtype(timestamp.dtype, np.integer)
            assert timestamp.min() >= 0

    def test_fields_are_bags_over_their_vocabulary(self, dataset: Dataset) -> None:
        for field in (*dataset.user_fields, *dataset.item_fields):
            assert field.offsets[0] == 0
            assert (np.diff(field.offsets) >= 0).all()
            assert np.isfinite(field.weight).all()
            assert len(set(field.vocabulary)) == len(field.vocabulary)
            if len(field.index):
                assert field.index.min() >= 0
                assert field.index.max() < len(field.vocabulary)

    def test_side_information_has_one_row_per_item(self, dataset: Dataset) -> None:
        for column in (dataset.item_year, dataset.item_text):
            assert column is None or len(column) == dataset.n_items
        assert dataset.user_text is None or len(dataset.user_text) == dataset.n_users
        if dataset.oracle is not None:
            assert dataset.oracle.shape == (dataset.n_users, dataset.n_items)

    def test_notes_say_what_was_done_with_a_count(self, dataset: Dataset) -> None:
        for note in dataset.notes:
            assert note.subject
            assert note.text
            assert note.count >= 0


def folder_content(folder: Path) -> dict[str, bytes]:
    """Return the content of every file below ``folder``, by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
