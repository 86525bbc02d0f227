"""Parts of similar lengths hold the whole batch, and nothing but padding is left out."""

import torch

from fewrec_cli.engine.alike import by_length, trimmed
from fewrec_cli.scenario.batch import Rows, TaskBatch


def batch(tasks: int = 90) -> TaskBatch:
    drawn = torch.Generator().manual_seed(0)
    lengths = torch.randint(0, 30, (tasks, 1), generator=drawn)

    def rows(longest: int, real: torch.Tensor) -> Rows:
        item = torch.randint(0, 50, (tasks, longest), generator=drawn)
        return Rows(item, torch.rand(tasks, longest, generator=drawn), real.float())

    support = rows(40, torch.arange(40) < lengths)
    query = rows(9, torch.rand(tasks, 9, generator=drawn) < 0.5)
    return TaskBatch(torch.arange(tasks), support, query, seed=4)


def cells(part: TaskBatch) -> set[tuple[int, bool, int, float]]:
    """Return (user, whether support, item, rating) of every row that counts."""
    return {
        (int(part.user[task]), rows is part.support, int(item), float(rating))
        for rows in (part.support, part.query)
        for task in range(len(part))
        for item, rating, weight in zip(
            rows.item[task], rows.rating[task], rows.weight[task], strict=True
        )
        if weight > 0
    }


def test_every_task_and_row_is_in_one_part() -> None:
    whole = batch()
    parts = by_length(whole)
    assert len(parts) > 1
    assert sorted(int(user) for part in parts for user in part.user) == list(range(90))
    held = [cells(part) for part in parts]
    assert set.union(*held) == cells(whole)
    assert sum(map(len, held)) == len(cells(whole))


def test_a_part_is_as_wide_as_its_longest_task() -> None:
    for part in by_length(batch()):
        lengths = (part.support.weight > 0).sum(1)
        assert part.support.item.shape[1] == lengths.max()


def test_parts_draw_apart() -> None:
    seeds = [part.seed for part in by_length(batch())]
    assert len({4, *seeds}) == len(seeds) + 1


def test_rows_without_any_are_trimmed_to_nothing() -> None:
    nothing = Rows(torch.zeros(2, 3).long(), torch.ones(2, 3), torch.zeros(2, 3))
    assert trimmed(nothing).item.shape == (2, 0)
