"""Rows, comparisons and sentences: paired over users, floors chosen by their mean."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from fewrec_cli.experiment.evaluate import Cell
from fewrec_cli.experiment.result import Kind
from fewrec_cli.experiment.table import Versus, comparisons, rows_of, sentences
from fewrec_cli.metric.alone import Alone
from fewrec_cli.metric.auc import auc
from fewrec_cli.metric.evaluate import PerTask

USERS = np.arange(30)
RNG = np.random.default_rng(0)


def cell(
    row: str, kind: Kind, draw: int, mae: np.ndarray, ndcg: np.ndarray, shots: int | None = 5
) -> Cell:
    columns = {"mae": mae, "ndcg@5": ndcg}
    means = {name: None if np.isnan(c).all() else float(c.mean()) for name, c in columns.items()}
    count = np.full(len(mae), 5)
    return Cell(
        row, kind, shots, draw, PerTask(columns, means, {}), count, count, 0.03 * (draw + 1)
    )


def drawn(row: str, kind: Kind, mae: float, ndcg: float, *, draws: int = 3) -> list[Cell]:
    """Cells of one row: the users differ far more than the draws of one user."""
    own = np.random.default_rng(len(row)).normal(0, 0.2, len(USERS))
    return [
        cell(
            row,
            kind,
            draw,
            mae + own + RNG.normal(0, 0.02, len(USERS)),
            ndcg - own + RNG.normal(0, 0.02, len(USERS)),
        )
        for draw in range(draws)
    ]


MODEL = drawn("maml", "model", 0.7, 0.9)
WORSE = drawn("global mean", "floor", 1.2, 0.5)
MIDDLE = drawn("item mean", "floor", 0.75, 0.6)
RANKS = [
    replace(c, figures=PerTask(c.figures.columns | {"mae": USERS * np.nan}, c.figures.figures, {}))
    for c in drawn("popularity", "floor", 0.0, 0.85)
]
for c in RANKS:
    c.figures.figures["mae"] = None  # type: ignore[index]
ORACLE = drawn("oracle", "oracle", 0.1, 0.99)
BEFORE = drawn("maml (unadapted)", "unadapted", 0.2, 0.98)
CELLS = [*MODEL, *WORSE, *MIDDLE, *RANKS, *ORACLE, *BEFORE]


def compared(cells: list[Cell], metric: str) -> Versus:
    (one,) = comparisons(cells, rows_of(cells), USERS, (metric,), seed=0)
    return one


def mean_over_draws(cells: list[Cell], metric: str) -> np.ndarray:
    return np.mean([one.figures.columns[metric] for one in cells], axis=0)


def test_rows_are_means_and_sds_over_draws_in_the_order_of_appearance() -> None:
    rows = rows_of(CELLS)
    assert [row.row for row in rows] == [
        *("maml", "global mean", "item mean", "popularity", "oracle", "maml (unadapted)")
    ]
    per_draw = [one.figures.columns["mae"].mean() for one in MODEL]
    assert rows[0].metrics["mae"].mean == pytest.approx(np.mean(per_draw))
    assert rows[0].metrics["mae"].sd == pytest.approx(np.std(per_draw, ddof=1))
    assert (rows[0].draws, rows[0].tasks, rows[0].shots, rows[0].kind) == (3, 30, 5, "model")
    assert rows[0].adapt_ms_per_task == pytest.approx(1000 * 0.06 / 30)
    assert rows[3].metrics["mae"].mean is None


def test_support_sizes_are_rows_of_their_own_and_one_draw_has_no_sd() -> None:
    column = np.ones(30)
    cells = [cell("maml", "model", 0, column, column, shots) for shots in (0, 5, None)]
    rows = rows_of([replace(one, adapt_s=None) for one in cells])
    assert [row.shots for row in rows] == [0, 5, "all"]
    assert all(row.metrics["mae"].sd is None for row in rows)
    assert all(row.metrics["mae"].mean == 1.0 for row in rows)
    assert all(row.adapt_ms_per_task is None for row in rows)


@pytest.mark.parametrize(
    ("metric", "floor", "rival"), [("mae", MIDDLE, "item mean"), ("ndcg@5", RANKS, "popularity")]
)
def test_the_model_is_paired_with_its_best_floor_over_users(
    metric: str, floor: list[Cell], rival: str
) -> None:
    found = compared(CELLS, metric)
    assert found.floor == rival  # neither the oracle nor the unadapted model
    ours, theirs = mean_over_draws(MODEL, metric), mean_over_draws(floor, metric)
    assert found.p == pytest.approx(stats.ttest_rel(ours, theirs).pvalue)
    assert found.difference == pytest.approx((ours - theirs).mean())
    assert found.users == 30
    assert found.low < found.difference < found.high
    columns = [
        np.concatenate([one.figures.columns[metric] for one in side]) for side in (MODEL, floor)
    ]
    assert found.p > stats.ttest_rel(*columns).pvalue  # draws are no further users


def test_tasks_of_one_user_count_as_one() -> None:
    halves = np.arange(30) // 2
    (found,) = comparisons(CELLS, rows_of(CELLS), halves, ("mae",), seed=0)
    assert found.users == 15


def test_a_metric_that_no_floor_has_is_left_out() -> None:
    assert comparisons([*MODEL, *RANKS], rows_of([*MODEL, *RANKS]), USERS, ("mae",), 0) == ()


def test_every_support_size_of_the_model_is_compared_at_its_own_size() -> None:
    flat = np.linspace(0, 1, 30)
    cells = [cell("maml", "model", 0, flat, flat, shots) for shots in (1, None)]
    cells += [cell("item mean", "floor", 0, flat + 0.1 + flat / 9, flat, 1)]
    cells += [cell("global mean", "floor", 0, flat - 0.1 - flat / 9, flat, None)]
    found = comparisons(cells, rows_of(cells), USERS, ("mae",), 0)
    assert [(one.shots, one.floor, one.better) for one in found] == [
        (1, "item mean", True),
        ("all", "global mean", False),
    ]


@pytest.mark.parametrize(
    ("metric", "difference", "p", "expected"),
    [
        ("mae", -0.1, 0.01, "maml beats its floors in mae at 5 shots"),
        ("mae", -0.1, 0.2, "maml is ahead of its floors in mae at 5 shots by no more than chance"),
        ("mae", 0.1, 0.01, "maml does NOT beat its floors in mae at 5 shots"),
        ("mae", 0.0, 1.0, "maml does NOT beat its floors in mae at 5 shots"),
        ("ndcg@5", 0.1, 0.01, "maml beats its floors in ndcg@5 at 5 shots"),
        ("ndcg@5", 0.1, 0.05, "maml is ahead of its floors in ndcg@5 at 5 shots by no more than"),
        ("ndcg@5", -0.1, 0.01, "maml does NOT beat its floors in ndcg@5 at 5 shots"),
        ("ndcg@5", 0.0, 1.0, "maml does NOT beat its floors in ndcg@5 at 5 shots"),
    ],
)
def test_sentences_say_who_is_ahead(
    metric: str, difference: float, p: float, expected: str
) -> None:
    one = Versus(metric, 5, "maml", "item mean", 0.8 + difference, 0.8, difference, -1, 1, p, 1234)
    (said,) = sentences([one, replace(one, shots=1)], 5)
    assert said.startswith(expected)
    assert f"{0.8 + difference:.4f} against 0.8000 of 'item mean'" in said
    assert f"paired t over 1,234 users, p = {p:.2g}" in said


def windows(row: str, kind: Kind, skill: float) -> Cell:
    """Four windows of each user, a candidate each; half the candidates are liked."""
    random = np.random.default_rng(len(row))
    liked = np.arange(120) % 2 == 0
    alone = Alone(skill * liked + random.normal(size=120), liked)
    area = auc(alone.score[liked], alone.score[~liked])
    count = np.full(120, 1)
    return Cell(row, kind, 10, 0, PerTask({}, {"auc": area}, {}, alone), count, count, None)


def test_auc_is_compared_over_all_tasks_with_users_resampled() -> None:
    cells = [windows("model", "model", 2.0), windows("like share", "floor", 0.5)]
    users = np.repeat(USERS, 4)
    (one,) = comparisons(cells, rows_of(cells), users, ("auc",), seed=0)
    first, second = (cell.figures.figures["auc"] for cell in cells)
    assert first is not None
    assert second is not None
    assert one.difference == pytest.approx(first - second)
    assert one.low < one.difference < one.high
    assert one.users == 30
    assert one.better
    (told,) = sentences([one], 10)
    assert "bootstrap over 30 users" in told
    assert told.startswith("model beats its floors in auc at 10 shots")
