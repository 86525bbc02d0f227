"""The formats of a table by deciles: the same figures in each, and pictures that show them."""

import csv
import json
import re
from io import BytesIO, StringIO
from pathlib import Path

import pytest
from PIL import Image

from fewrec_cli.report.cells import MINUS
from fewrec_cli.report.deciles import figure
from fewrec_cli.report.deciles.build import build
from fewrec_cli.report.deciles.model import DecileTable
from fewrec_cli.report.deciles.text import as_json, comma_separated, grid, latex, markdown
from fewrec_cli.report.deciles.write import FILES, html, write
from fewrec_cli.report.figure import Picture
from fewrec_cli.report.group import Entry
from fewrec_cli.report.run import read_run
from tests.report.deciles.made import FLOOR, made_run
from tests.report.grammar import structure

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> DecileTable:
    run = read_run(made_run(tmp_path_factory.mktemp("run") / "run"))
    entries = [Entry("a_b & 5%", (run,), "user_cold")]
    return build(entries, title="Who gains", metrics=["mae", "bias"], shots=[2])


@pytest.fixture(scope="module")
def drawn(table: DecileTable) -> tuple[Picture, ...]:
    return figure.pictures(table)


@pytest.fixture
def drawn_once(drawn: tuple[Picture, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fewrec_cli.report.deciles.write.pictures", lambda _: drawn)


def test_a_grid_has_deciles_facts_the_floor_s_means_and_differences(table: DecileTable) -> None:
    section = table.sections[0]
    lines = grid(section)
    assert lines[0] == ["decile", "new", *map(str, range(1, 11)), "all"]
    assert [line[0] for line in lines[1:]] == [
        "training ratings",
        "items",
        "query ratings, all draws",
        f"{FLOOR}, mae",
        "a_b & 5%",
        "item mean",
    ]
    assert lines[1][:5] == ["training ratings", "0", "3-5", "6-8", "-"]
    for cell, text in zip(section.rows[0].cells, lines[5][1:], strict=True):
        if cell.difference is None:
            assert text == "-"
            continue
        holds = cell.p_holm is not None and cell.p_holm < 0.05
        assert text.endswith("*") == holds
        shown = float(text.rstrip("*").replace(MINUS, "-"))
        assert shown == pytest.approx(cell.difference, abs=5e-4)
    assert any(text.endswith("*") for text in lines[5])


def test_every_format_has_every_cell_of_the_grid(table: DecileTable) -> None:
    page, text, paper = html(table, ()), markdown(table), latex(table)
    for section in table.sections:
        for line in grid(section):
            for cell in line[1:]:
                assert f"<td>{cell}</td>" in page or f'<th scope="col">{cell}</th>' in page
                assert f" {cell} |" in text
                assert f"& {cell.replace(MINUS, '$-$')} " in paper
    assert "a_b &amp; 5%" in page
    assert r"a\_b \& 5\%" in paper
    assert structure(paper) == [len(grid(section)[0]) for section in table.sections]
    assert paper.count("*: the difference holds") == len(table.sections)


def test_csv_and_json_hold_every_row_and_undefined_is_empty_or_null(table: DecileTable) -> None:
    lines = list(csv.DictReader(StringIO(comma_separated(table))))
    content = json.loads(as_json(table), parse_constant=pytest.fail)
    cells = [
        (section, row, cell)
        for section in content["sections"]
        for row in section["rows"]
        for cell in row["cells"]
    ]
    assert len(lines) == len(cells)
    assert {row["kind"] for _, row, _ in cells} == {"model", "unadapted", "floor"}
    for line, (section, row, cell) in zip(lines, cells, strict=True):
        assert (line["side"], line["row"]) == (section["side"], row["row"])
        for name in ("mean", "difference", "low", "p_holm"):
            assert (line[name] == "") == (cell[name] is None)
            assert cell[name] is None or float(line[name]) == pytest.approx(cell[name])


@pytest.mark.usefixtures("drawn_once")
@pytest.mark.slow
def test_files_are_whole_and_pages_fetch_nothing(table: DecileTable, tmp_path: Path) -> None:
    written = write(table, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["figures", *FILES.values()])
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(written)
    page = (tmp_path / "deciles.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 1  # bias is compared with nothing
    assert not re.search(r'(src|href)="https?:', page)
    links = re.findall(r"\]\((.*?)\)", (tmp_path / "deciles.md").read_text(encoding="utf-8"))
    assert links
    assert all((tmp_path / link).is_file() for link in links)


@pytest.mark.usefixtures("drawn_once")
def test_only_the_formats_asked_for_are_written(table: DecileTable, tmp_path: Path) -> None:
    write(table, tmp_path, ["csv"])
    assert not (tmp_path / "deciles.md").exists()
    assert (tmp_path / "deciles.csv").is_file()


def test_the_picture_has_a_panel_per_side_and_a_line_per_model(
    drawn: tuple[Picture, ...],
) -> None:
    (one,) = drawn
    assert one.name == "deciles-mae-2"
    width, height = Image.open(BytesIO(one.png)).size
    assert width > 2 * height
    for words in (
        "a_b &amp; 5%",
        f"best floor: {FLOOR}",
        "items by popularity",
        "users by activity",
    ):
        assert words in one.svg


def test_small_deciles_do_not_set_the_scale() -> None:
    points = [figure._Point(0, -0.3, -5.0, 5.0), figure._Point(1, 0.1, 0.05, 0.15)]
    low, high = figure._limits(points, [0.005, 0.995])
    assert low == pytest.approx(-0.3 - 0.12 * 0.45)
    assert high == pytest.approx(0.15 + 0.12 * 0.45)
