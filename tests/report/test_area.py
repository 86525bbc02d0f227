"""AUC differences between rows of runs: over draws, seeds and splits, of lone candidates alone."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fewrec_cli.experiment.result import Row, Summary
from fewrec_cli.metric.alone import Alone
from fewrec_cli.report import pair as pairs
from fewrec_cli.report.area import area_difference
from fewrec_cli.report.line import Line, Piece
from fewrec_cli.report.pair import Pair, comparable, difference
from fewrec_cli.report.scores import Columns

TASKS, USERS = 60, 6
USER = np.repeat(np.arange(USERS) + 5, TASKS // USERS)
LIKED = np.random.default_rng(1).random(TASKS) < 0.5


def piece(skill: float, number: int, *, split: str = "a", draws: int = 2) -> Piece:
    """A run of several draws: candidates are scored by luck and, so far, skill."""
    luck = np.random.default_rng(number).normal(size=TASKS * draws)
    liked, draw = np.tile(LIKED, draws), np.repeat(np.arange(draws), TASKS)
    columns = Columns({}, np.ones(TASKS * draws, int), Alone(luck + skill * liked, liked))
    summary = Row("x", "model", 10, draws, TASKS, None, {})
    return Piece(split, number, np.tile(USER, draws), draw, columns, summary, "folder")


def line(*pieces: Piece) -> Line:
    return Line("x", "model", 10, pieces)


def mean_auc(row: Line) -> float:
    """The mean over pieces and draws, by scikit-learn."""
    found = []
    for one in row.pieces:
        assert one.columns.alone is not None
        for draw in np.unique(one.draw):
            here = one.draw == draw
            alone = one.columns.alone
            found.append(roc_auc_score(alone.relevant[here], alone.score[here]))
    return float(np.mean(found))


def test_draws_and_seeds_are_averaged_whatever_their_number() -> None:
    ours = line(piece(2.0, 0), piece(2.0, 1), piece(2.0, 2))
    theirs = line(piece(0.3, 3))
    found = area_difference(Pair(ours, theirs, "auc"), resamples=500, seed=0)
    assert found is not None
    assert found.difference == pytest.approx(mean_auc(ours) - mean_auc(theirs))
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.difference < found.high
    assert found.users == USERS
    assert found.p is not None
    assert found.p < 0.05


def test_splits_are_resampled_each_by_themselves_and_averaged() -> None:
    ours = line(piece(1.0, 0), piece(1.0, 1, split="b"))
    theirs = line(piece(0.0, 2), piece(0.0, 3, split="b"))
    both = area_difference(Pair(ours, theirs, "auc"), resamples=2000, seed=0)
    single = area_difference(
        Pair(line(ours.pieces[0]), line(theirs.pieces[0]), "auc"), resamples=2000, seed=0
    )
    assert both is not None
    assert single is not None
    assert both.difference == pytest.approx(mean_auc(ours) - mean_auc(theirs))
    assert both.users == 2 * USERS
    assert both.high is not None
    assert both.low is not None
    assert single.high is not None
    assert single.low is not None
    assert both.high - both.low < single.high - single.low


def test_the_table_takes_it_for_auc_alone() -> None:
    pair = Pair(line(piece(1.0, 0)), line(piece(0.0, 1)), "auc")
    assert comparable(pair)
    (told,) = pairs.tested([difference(pair, np.unique(USER))], resamples=200, seed=0)
    assert told == area_difference(pair, resamples=200, seed=0)
    assert not comparable(Pair(pair.line, line(piece(0.0, 1, split="b")), "auc"))
    lists = Columns({}, np.ones(TASKS, int))
    many = line(Piece("a", 0, USER, np.zeros(TASKS, int), lists, pair.line.pieces[0].summary, "f"))
    assert not comparable(Pair(many, many, "auc"))


def test_a_figure_of_no_task_has_its_deviation_over_splits() -> None:
    def told(number: int, split: str, mean: float) -> Piece:
        made = piece(1.0, number, split=split)
        return replace(made, summary=replace(made.summary, metrics={"auc": Summary(mean, None)}))

    several = line(told(0, "a", 0.6), told(1, "a", 0.8), told(0, "b", 0.9), told(1, "b", 0.9))
    figure = several.figure("auc")
    assert figure.mean == pytest.approx(0.8)
    assert figure.sd == pytest.approx(np.std([0.7, 0.9], ddof=1))
    assert line(told(0, "a", 0.6), told(1, "a", 0.8)).figure("auc").sd is None
