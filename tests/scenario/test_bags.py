import numpy as np

from fewrec_cli.scenario.bags import group, members, pad, places, take

OWNER = np.array([2, 0, 2, 5, 0, 2])


def test_rows_are_grouped_by_owner_in_their_order() -> None:
    offsets, rows = group(OWNER, np.array([5, 1, 0, 4, 3]), np.array([0, 2, 4, 5]))
    assert offsets.tolist() == [0, 2, 4, 4, 5]
    assert rows.tolist() == [1, 4, 5, 0, 3]


def test_bags_can_be_picked_placed_and_padded() -> None:
    offsets, rows = take(
        np.array([0, 2, 4, 4, 5]), np.array([1, 4, 5, 0, 3]), np.array([False, True, True, True])
    )
    assert offsets.tolist() == [0, 2, 2, 3]
    assert pad(offsets, rows).tolist() == [[5, 0], [-1, -1], [3, -1]]
    assert [array.tolist() for array in places(offsets)] == [[0, 0, 2], [0, 1, 0]]


def test_no_bags_make_an_empty_table() -> None:
    assert pad(np.zeros(1, dtype=np.int64), np.empty(0, dtype=np.int64)).shape == (0, 0)


def test_members_are_marked() -> None:
    assert members(np.array([2, 0]), 4).tolist() == [True, False, True, False]
