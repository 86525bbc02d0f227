"""Differences in a figure that weighs users: against the figures, and against resampled users."""

import numpy as np
import pytest

from fewrec_cli.experiment.result import Row, Summary
from fewrec_cli.metric.rating import aggregate
from fewrec_cli.report import pair as pairs
from fewrec_cli.report.line import Line, Piece, cluster_of
from fewrec_cli.report.pair import Pair, comparable, difference, weighted
from fewrec_cli.report.scores import Columns

USERS = 40
COUNT = np.random.default_rng(0).integers(1, 60, USERS)
"""Query rows of each user."""


def line(shift: float, number: int) -> Line:
    """A row whose GAUC rises with a user's number of rows, and with ``shift``."""
    luck = np.random.default_rng(number).normal(0.5 + shift * COUNT / 60, 0.1, USERS)
    luck[3] = np.nan  # a user of one class
    summary = Row("x", "model", 10, 1, USERS, None, {"gauc": Summary(0.5, None)})
    columns = Columns({"gauc": luck, "auc_user": luck}, COUNT)
    piece = Piece("a", number, np.arange(USERS), np.zeros(USERS, int), columns, summary, "folder")
    return Line("x", "model", 10, (piece,))


def test_a_difference_is_that_of_the_weighted_figures() -> None:
    ours, theirs = line(0.3, 1), line(0.0, 2)
    pair = Pair(ours, theirs, "gauc")
    assert comparable(pair)
    (told,) = pairs.tested([difference(pair, np.arange(USERS))], resamples=400, seed=0)
    figures = [
        aggregate("gauc", one.pieces[0].columns.values["gauc"], COUNT) for one in (ours, theirs)
    ]
    assert told is not None
    assert figures[0] is not None
    assert figures[1] is not None
    assert told.difference == pytest.approx(figures[0] - figures[1])
    (plain,) = pairs.tested(
        [difference(Pair(ours, theirs, "auc_user"), np.arange(USERS))], resamples=400, seed=0
    )
    assert plain is not None
    assert plain.difference < told.difference
    cluster = cluster_of(ours, "gauc", np.arange(USERS))
    assert cluster.figure == pytest.approx(figures[0])


def test_the_spread_is_that_of_resampled_users() -> None:
    """Against the weighted mean of users drawn with replacement, again and again."""
    random = np.random.default_rng(5)
    value, weight = random.normal(0, 1, 400), random.exponential(1, 400)
    found = weighted(value, weight)
    assert found.mean() == pytest.approx(np.average(value, weights=weight))
    means = []
    for _ in range(2000):
        chosen = random.integers(0, 400, 400)
        means.append(np.average(value[chosen], weights=weight[chosen]))
    assert found.std(ddof=1) / 20 == pytest.approx(np.std(means), rel=0.08)
    assert len(weighted(value[:0], weight[:0])) == 0
