"""Evaluation tasks as tensors: nested supports behind the history, parts that fit."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from fewrec_cli.core.types import Interactions
from fewrec_cli.data.base import Dataset
from fewrec_cli.experiment import tasks as module
from fewrec_cli.experiment.feed import TrainingRows
from fewrec_cli.experiment.tasks import TaskTensors, parts, support_rows
from fewrec_cli.scenario.base import Episodes

EPISODES = Episodes(
    draw=0,
    user=np.array([7, 3, 5]),
    support=np.array([[4, 2, 9], [1, -1, -1], [8, 6, -1]]),
    query=np.array([[0], [3], [5]]),
    history=np.array([[-1, -1], [20, 21], [30, -1]]),
)
ALL = np.arange(3)


def rows_of(table: np.ndarray) -> list[list[int]]:
    return [[row for row in line if row >= 0] for line in table.tolist()]


def test_support_is_the_history_then_the_first_shots() -> None:
    assert rows_of(support_rows(EPISODES, ALL, 2)) == [[4, 2], [20, 21, 1], [30, 8, 6]]
    assert rows_of(support_rows(EPISODES, ALL, None)) == [[4, 2, 9], [20, 21, 1], [30, 8, 6]]
    assert rows_of(support_rows(EPISODES, ALL, 0)) == [[], [20, 21], [30]]
    assert rows_of(support_rows(EPISODES, np.array([2, 0]), 1)) == [[30, 8], [4]]


def test_supports_of_growing_shots_are_nested() -> None:
    sizes = [rows_of(support_rows(EPISODES, ALL, shots)) for shots in (0, 1, 2, 3, None)]
    for fewer, more in pairwise(sizes):
        for short, long in zip(fewer, more, strict=True):
            assert long[: len(short)] == short


def test_padding_stands_behind_and_no_further_than_needed() -> None:
    packed = support_rows(EPISODES, ALL, 1)
    assert packed.tolist() == [[4, -1, -1], [20, 21, 1], [30, 8, -1]]
    assert support_rows(EPISODES, np.array([0]), 0).shape == (1, 0)


@pytest.fixture(scope="module")
def many() -> Episodes:
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 40, 57)
    lengths[13] = 400  # longer than a part may be
    support = np.where(np.arange(400) < lengths[:, None], 1, -1)
    nothing = np.zeros((57, 0), dtype=np.int64)
    return Episodes(0, np.arange(57), support, np.zeros((57, 1), dtype=np.int64), nothing)


@pytest.mark.parametrize("shots", [0, 3, None])
@pytest.mark.parametrize("most_tasks", [1, 7, 1000])
def test_parts_hold_every_task_once_within_bounds(
    many: Episodes, shots: int | None, most_tasks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CELLS", 100)
    cut = list(parts(many, shots, most_tasks))
    assert sorted(np.concatenate(cut).tolist()) == list(range(57))
    lengths = (many.support[:, :shots] >= 0).sum(1)
    for part in cut:
        assert 1 <= len(part) <= most_tasks
        assert len(part) == 1 or len(part) * lengths[part].max() <= 100
    assert (np.diff(lengths[np.concatenate(cut)]) >= 0).all()


def test_parts_are_as_few_as_the_bounds_allow(many: Episodes) -> None:
    assert len(list(parts(many, None, 1000))) == 1
    assert len(list(parts(many, 0, 10))) == 6


def tensors(planted: Dataset, *, implicit: bool = False) -> TaskTensors:
    known = np.flatnonzero(planted.interactions.user < 60)
    train = planted.interactions.take(known)
    rows = TrainingRows.of(train, planted.n_items, 3.0, 2.0, implicit=implicit)
    return TaskTensors(planted, 3.0, 2.0, rows)


def drawn(planted: Dataset) -> Episodes:
    first = np.arange(60, 64)[:, None] * 24
    return Episodes(
        0,
        np.arange(60, 64),
        first + np.arange(8),
        first + np.arange(8, 12),
        np.zeros((4, 0), dtype=np.int64),
    )


def test_a_batch_holds_items_and_ratings_in_standard_units(planted: Dataset) -> None:
    episodes = drawn(planted)
    batch = tensors(planted).batch(episodes, np.array([2, 0]), 3, seed=5)
    rows = planted.interactions
    assert batch.user.tolist() == [62, 60]
    for part, table in ((batch.support, episodes.support[:, :3]), (batch.query, episodes.query)):
        expected = table[[2, 0]]
        np.testing.assert_array_equal(part.item, rows.item[expected])
        np.testing.assert_allclose(part.rating * 2 + 3, rows.rating[expected], rtol=1e-6)
        assert (part.weight == 1).all()
        assert part.negative is None
    assert (batch.seed, batch.share) == (5, 1.0)


def test_padded_cells_weigh_nothing(planted: Dataset) -> None:
    table = tensors(planted).table(np.array([60, 61]), np.array([[1440, -1], [1464, 1465]]), 0)
    assert table.weight.tolist() == [[1, 0], [1, 1]]
    assert table.item[0, 1] == table.rating[0, 1] == 0


def test_rows_of_the_history_are_marked_as_past(planted: Dataset) -> None:
    past = np.zeros(len(planted.interactions), dtype=bool)
    past[1440:1442] = True
    made = replace(tensors(planted), past=past)
    table = made.table(np.array([60, 61]), np.array([[1441, 1442, -1], [1464, 1465, 1440]]), 0)
    assert table.past is not None
    assert table.past.tolist() == [[1, 0, 0], [0, 0, 1]]
    assert tensors(planted).table(np.array([60]), np.array([[1441]]), 0).past is None


def test_implicit_tasks_come_with_seeded_negatives(planted: Dataset) -> None:
    rows = planted.interactions
    ones = Interactions(rows.user, rows.item, np.ones(len(rows)))
    data = Dataset(
        name="ones",
        interactions=ones,
        user_ids=planted.user_ids,
        item_ids=planted.item_ids,
        user_fields=(),
        item_fields=(),
        scale=None,
        positive=1.0,
        hash="ones",
    )
    made = TaskTensors(data, 1.0, 1.0, TrainingRows.of(ones, 48, 1.0, 1.0, implicit=True))
    one, same, other = (made.batch(drawn(data), ALL, 4, seed).support for seed in (0, 0, 1))
    assert one.negative is not None
    assert same.negative is not None
    assert other.negative is not None
    assert one.negative.tolist() == same.negative.tolist() != other.negative.tolist()
    seen = set((rows.user * 48 + rows.item).tolist())
    keys = np.array([60, 61, 62])[:, None] * 48 + one.negative.numpy()
    assert not seen & set(keys.ravel().tolist())
