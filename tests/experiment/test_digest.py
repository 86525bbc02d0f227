"""Equal contents give equal hashes, and other contents give others."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pytest
import torch

from fewrec_cli.experiment.digest import digest


@dataclass(frozen=True)
class Pair:
    left: object
    right: object = None


@dataclass(frozen=True)
class Other:
    left: object
    right: object = None


DIFFERENT = [
    None,
    0,
    False,
    0.0,
    -0.0,
    "0",
    b"0",
    "",
    [],
    [0],
    [[0]],
    [0, 0],
    ["ab"],
    ["a", "b"],
    {},
    {"a": 1},
    {"a": 1, "b": 2},
    {"b": 2, "a": 1},
    {"a": {"b": 1}},
    frozenset(),
    frozenset("ab"),
    Pair(1),
    Pair(None, 1),
    Other(1),
    np.zeros(1),
    np.zeros(2),
    np.zeros((1, 2)),
    np.zeros((2, 1)),
    np.zeros(2, np.float32),
    np.zeros(2, np.int64),
    np.array(0.0),
    np.arange(6).reshape(2, 3),
    np.arange(6).reshape(2, 3).T,
    torch.zeros(2),
    torch.zeros(2, dtype=torch.bfloat16),
    torch.zeros(()),
    torch.zeros(2, dtype=torch.bool),
    torch.tensor([0.0, float("nan")]),
]


def test_contents_that_differ_have_different_hashes() -> None:
    for one, two in combinations(DIFFERENT, 2):
        assert digest(one) != digest(two), f"{one!r} and {two!r}"


def test_equal_contents_have_equal_hashes_however_they_lie_in_memory() -> None:
    matrix = np.arange(12).reshape(3, 4)
    assert digest(matrix[:, ::2]) == digest(matrix[:, ::2].copy())
    assert digest(torch.from_numpy(matrix).T) == digest(torch.from_numpy(matrix.T.copy()))
    assert digest(np.array(["a", "b"], object)) == digest(["a", "b"])
    assert digest(frozenset(["b", "a", "c"])) == digest({"c", "b", "a"})
    assert digest(Pair([1, "x"])) == digest(Pair([1, "x"]))


def test_what_has_no_content_is_refused() -> None:
    with pytest.raises(TypeError, match="no content to hash in a function"):
        digest([digest])
