"""The shot curve: a whole PNG or none, with every row that has a figure."""

import struct
from pathlib import Path

import pytest

from fewrec_cli.experiment import figure
from fewrec_cli.experiment.figure import shot_curve
from fewrec_cli.experiment.floor import floors
from fewrec_cli.experiment.result import Row, Summary

SHOTS = (10, "all", 0, 1)


def line(name, kind, mae, ndcg, sd=0.01):
    return [
        Row(name, kind, shots, 3, 20, None, {"mae": Summary(mae, sd), "ndcg@5": Summary(ndcg, sd)})
        for shots in SHOTS
    ]


def rows():
    return (
        line("item mean", "floor", 0.8, 0.86)
        + line("popularity", "floor", None, 0.83)
        + line("maml", "unadapted", 0.82, 0.85)
        + line("maml", "model", 0.7, 0.9)
        + line("oracle", "oracle", 0.5, 0.96, sd=None)
        + line("MeLU-5", "published", 0.78, 0.88, sd=None)
    )


def size(path: Path) -> tuple[int, int]:
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", head[16:24])


@pytest.fixture
def panels(monkeypatch):
    """The panels drawn during the test, by metric."""
    drawn = {}
    draw = figure._panel

    def keep(panel, lines, order, metric):
        draw(panel, lines, order, metric)
        drawn[metric] = panel

    monkeypatch.setattr(figure, "_panel", keep)
    return drawn


def test_figure_has_a_panel_per_metric(folder: Path) -> None:
    shot_curve(rows(), ["mae", "ndcg@5"], folder / "two.png", "two")
    shot_curve(rows(), ["ndcg@5"], folder / "one.png", "one")
    assert size(folder / "two.png")[0] > 1.5 * size(folder / "one.png")[0]
    assert sorted(path.name for path in folder.iterdir()) == ["one.png", "two.png"]


def test_rows_are_drawn_where_they_have_figures_and_all_comes_last(folder: Path, panels) -> None:
    shot_curve(rows(), ["mae", "ndcg@5"], folder / "shots.png", "title")
    labels = {name: panel.get_legend_handles_labels()[1] for name, panel in panels.items()}
    everything = {"maml", "maml, unadapted", "oracle", "MeLU-5", "item mean", "popularity"}
    assert set(labels["ndcg@5"]) == everything
    assert set(labels["mae"]) == everything - {"popularity"}
    ticks = [text.get_text() for text in panels["mae"].get_xticklabels()]
    assert ticks == ["0", "1", "10", "all"]
    (model,) = [c for c in panels["mae"].containers if c.get_label() == "maml"]
    assert list(model.lines[0].get_xdata()) == [0, 1, 2, 3]
    thick = model.lines[0].get_linewidth()
    others = [c.lines[0].get_linewidth() for c in panels["mae"].containers if c is not model]
    assert thick > max(others)


def looks(panel) -> dict[str, tuple[str, str, str]]:
    return {
        c.get_label(): (c.lines[0].get_color(), c.lines[0].get_marker(), c.lines[0].get_linestyle())
        for c in panel.containers
    }


@pytest.mark.slow
def test_floors_look_the_same_in_every_figure_and_differ_from_each_other(folder, panels) -> None:
    names = [floor.name for floor in floors(implicit=False)]
    everyone = tuple(row for name in (*names, "mine", "yours") for row in line(name, "floor", 1, 1))
    shot_curve(everyone, ["mae"], folder / "all.png", "title")
    together = looks(panels["mae"])
    assert len(set(together.values())) == len(names) + 2
    for name in names:
        shot_curve(line(name, "floor", 1, 1), ["mae"], folder / "one.png", "title")
        assert looks(panels["mae"]) == {name: together[name]}


def test_popularity_is_seen_where_the_model_covers_it(folder: Path, panels) -> None:
    covered = line("popularity", "floor", None, 0.9) + line("maml", "model", 0.7, 0.9)
    shot_curve(covered, ["ndcg@5"], folder / "shots.png", "title")
    (model,) = [c for c in panels["ndcg@5"].containers if c.get_label() == "maml"]
    marks = [one for one in panels["ndcg@5"].lines if one.get_zorder() > model.lines[0].zorder]
    (mark,) = [one for one in marks if one.get_linestyle() == "None"]
    assert mark.get_markerfacecolor() == "none"
    assert mark.get_markersize() > model.lines[0].get_markersize()


def test_bars_are_explained_and_end_where_the_metric_ends(folder: Path, panels) -> None:
    shot_curve(line("maml", "model", 0.98, 0.98, sd=0.1), ["mae", "ndcg@5"], folder / "x.png", "t")
    for metric, highest in (("mae", 1.08), ("ndcg@5", 1.0)):
        (bars,) = panels[metric].containers[0].lines[2]
        ends = [segment[:, 1] for segment in bars.get_segments()]
        assert [(end.min(), end.max()) for end in ends] == [pytest.approx((0.88, highest))] * 4
        assert "bars: ± 1 sd over draws" in panels[metric].get_title()


def test_metric_that_no_row_has_gets_no_panel(folder: Path, panels) -> None:
    only_ranked = line("popularity", "floor", None, 0.83)
    shot_curve(only_ranked, ["mae", "ndcg@5", "absent"], folder / "shots.png", "title")
    assert set(panels) == {"ndcg@5"}


def test_long_title_gets_more_lines(folder: Path) -> None:
    shot_curve(rows(), ["mae"], folder / "short.png", "title")
    shot_curve(rows(), ["mae"], folder / "long.png", "title " * 30)
    assert size(folder / "long.png")[1] > size(folder / "short.png")[1]


def test_interrupted_drawing_leaves_no_file(folder: Path, monkeypatch) -> None:
    def interrupt(canvas, filename, **_: object) -> None:
        Path(filename).write_bytes(b"half a figure")
        raise KeyboardInterrupt

    from matplotlib.backends.backend_agg import FigureCanvasAgg

    monkeypatch.setattr(FigureCanvasAgg, "print_png", interrupt)
    with pytest.raises(KeyboardInterrupt):
        shot_curve(rows(), ["mae"], folder / "shots.png", "title")
    assert list(folder.iterdir()) == []
