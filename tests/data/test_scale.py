"""Scales as declared and as inferred."""

import numpy as np

from fewrec_cli.core.types import Scale
from fewrec_cli.data.scale import infer_scale, off_scale, parse_scale


def test_ratings_off_the_scale_are_found() -> None:
    ratings = np.array([1, 5, 0.5, 5.5, np.nan, np.inf, 2.5, 3])
    bad = off_scale(ratings, parse_scale([1, 5]))
    assert bad.tolist() == [False, False, True, True, True, True, True, False]
    assert off_scale(ratings, parse_scale([0.5, 5.5, 0.5])).tolist()[:4] == [False] * 4


def test_step_is_inferred_from_the_ratings() -> None:
    assert infer_scale(np.array([1.0, 5, 3, 4]))[0] == Scale(1, 5, 1)
    assert infer_scale(np.array([0.5, 5, 3, 3.5]))[0] == Scale(0.5, 5, 0.5)
    scale, text = infer_scale(np.array([-10, 9.97, 3.141, np.pi]))
    assert len(scale.levels) == 101
    assert "101 levels" in text
    assert infer_scale(np.array([3.0, 3.0]))[0] == Scale(3, 4)
