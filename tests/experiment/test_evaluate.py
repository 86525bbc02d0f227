"""Evaluation: all rows on the same draws, whatever the blocks that candidates come in."""

import numpy as np
import pytest
import torch

from fewrec_cli.core.progress import Reporter
from fewrec_cli.experiment.evaluate import Cell, Evaluator
from fewrec_cli.experiment.score import Scorer
from fewrec_cli.experiment.world import World, build
from fewrec_cli.scenario import candidates
from tests.composed import SHRUNK_DATA, SHRUNK_RUN, composed


def made(*words: str) -> tuple[World, Evaluator]:
    cfg = composed(*SHRUNK_DATA, *SHRUNK_RUN, "scenario.curve=[0,2,all]", *words)
    world = build(cfg, Reporter(quiet=True))
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in world.backbone.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return world, Evaluator(world, Scorer(world, torch.device("cpu"), 0), "maml", 0)


def cells_of(world: World, evaluator: Evaluator, draw: int = 0) -> list[Cell]:
    return evaluator.draw(world.scenario.draw(world.split.test, draw), lambda: None)


@pytest.fixture(scope="module")
def catalogue() -> tuple[World, Evaluator]:
    return made("scenario.candidates=sampled:9")


@pytest.fixture(scope="module")
def cells(catalogue: tuple[World, Evaluator]) -> list[Cell]:
    return cells_of(*catalogue)


def test_every_row_stands_at_every_support_size_once(cells: list[Cell]) -> None:
    places = [(cell.row, cell.shots) for cell in cells]
    names = list(dict.fromkeys(row for row, _ in places))
    assert names[:2] == ["maml", "maml (unadapted)"]
    assert names[-1] == "oracle"
    assert sorted(map(str, places)) == sorted(str((n, s)) for n in names for s in (0, 2, None))


def test_points_are_the_curve_and_the_headline_ascending() -> None:
    assert made("scenario.curve=[5,0]", "scenario.shots=2")[1].points == (0, 2, 5)
    assert made("scenario.curve=[3]", "scenario.shots=all")[1].points == (3, None)


@pytest.mark.parametrize("words", [(), ("scenario.curve=[2]",), ("scenario.curve=[0,1,2,3]",)])
@pytest.mark.slow
def test_progress_is_told_as_often_as_promised(words: tuple[str, ...]) -> None:
    world, evaluator = made(*words)
    calls: list[int] = []
    evaluator.draw(world.scenario.draw(world.split.test, 0), lambda: calls.append(1))
    assert len(calls) == evaluator.steps


def figures(cells: list[Cell], row: str, shots: int | None) -> dict[str, float | None]:
    (cell,) = [one for one in cells if (one.row, one.shots) == (row, shots)]
    return dict(cell.figures.figures)


@pytest.mark.parametrize(
    "row", ["maml (unadapted)", "global mean", "item mean", "popularity", "random", "oracle"]
)
def test_rows_that_read_no_support_are_the_same_at_every_size(cells: list[Cell], row: str) -> None:
    assert figures(cells, row, 0) == figures(cells, row, 2) == figures(cells, row, None)


@pytest.mark.parametrize("row", ["maml", "support mean", "item mean + user offset"])
def test_rows_that_read_the_support_change_with_it(cells: list[Cell], row: str) -> None:
    assert len({figures(cells, row, shots)["mae"] for shots in (0, 2, None)}) == 3


def test_the_model_without_support_is_the_unadapted_model(cells: list[Cell]) -> None:
    found, expected = (figures(cells, row, 0) for row in ("maml", "maml (unadapted)"))
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-6)


def test_the_oracle_is_ahead_of_all_floors(cells: list[Cell]) -> None:
    best = figures(cells, "oracle", 2)
    for cell in cells:
        other = cell.figures.figures
        if cell.kind == "floor":
            assert best["auc_user"] > other["auc_user"]
            assert other["mae"] is None or best["mae"] < other["mae"]


def test_only_the_model_spends_time_adapting(cells: list[Cell]) -> None:
    for cell in cells:
        assert (cell.adapt_s is not None) == (cell.kind == "model")


def test_sizes_of_support_and_query_are_counted(
    catalogue: tuple[World, Evaluator], cells: list[Cell]
) -> None:
    world, _ = catalogue
    episodes = world.scenario.draw(world.split.test, 0)
    available = (episodes.support >= 0).sum(1)
    for cell in cells:
        limit = 10**6 if cell.shots is None else cell.shots
        np.testing.assert_array_equal(cell.n_support, np.minimum(available, limit))
        np.testing.assert_array_equal(cell.n_query, 3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["query", "sampled:9", "catalogue"])
def test_no_figure_depends_on_the_blocks_of_candidates(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, evaluator = made(f"scenario.candidates={kind}")
    whole = cells_of(world, evaluator)
    episodes = world.scenario.draw(world.split.test, 0)
    monkeypatch.setattr(candidates, "CELLS", 1)  # a block of one task
    assert len(list(evaluator.source.batches(episodes))) == len(episodes)
    for ours, theirs in zip(whole, cells_of(world, evaluator), strict=True):
        for name, value in ours.figures.figures.items():
            assert theirs.figures.figures[name] == pytest.approx(value, abs=1e-5), name
        for name, column in ours.figures.columns.items():
            np.testing.assert_allclose(theirs.figures.columns[name], column, atol=1e-5)


def test_draws_differ_and_repeat(catalogue: tuple[World, Evaluator], cells: list[Cell]) -> None:
    again, other = cells_of(*catalogue), cells_of(*catalogue, draw=1)
    for ours, same, unlike in zip(cells, again, other, strict=True):
        assert ours.figures.figures == same.figures.figures
        assert ours.figures.figures != unlike.figures.figures
    assert {cell.draw for cell in other} == {1}


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.slow
def test_predictions_are_kept_where_asked_for(asked: bool) -> None:
    world, evaluator = made(f"evaluation.save_predictions={str(asked).lower()}")
    for draw in (0, 1):
        cells_of(world, evaluator, draw)
    assert [one.episodes.draw for one in evaluator.predictions] == ([0, 1] if asked else [])
