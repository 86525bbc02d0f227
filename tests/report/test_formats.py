"""Every format says the same, escapes what it must, and is whole or absent."""

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from fewrec_cli.report.document import document
from fewrec_cli.report.figure import Picture, pictures, themed
from fewrec_cli.report.formats import FILES
from fewrec_cli.report.grid import Cell, Grid
from fewrec_cli.report.html import html
from fewrec_cli.report.latex import latex, parts
from fewrec_cli.report.markdown import markdown
from fewrec_cli.report.model import (
    Check,
    Figure,
    Parameters,
    Section,
    Shots,
    Table,
    TableRow,
    Verdict,
    Versus,
)
from fewrec_cli.report.write import text, write
from tests.report.grammar import structure

NASTY = "50% & maml_x (a=[1|2]) <b> *#"
METRICS = ("mae", "ndcg@5", "coverage@5")


def row(
    name: str,
    kind: str,
    mae: float | None,
    shots: Shots = 5,
    *,
    state: str = "user_cold",
    best: Figure | None = None,
) -> TableRow:
    own = Figure(mae) if kind == "published" else Figure(mae, 0.01, 0.002, 0.5, 0.9)
    figures = {"mae": best or own, "ndcg@5": Figure(0.9), "coverage@5": Figure(None)}
    model = kind == "model"
    return TableRow(
        row=name,
        kind=kind,  # type: ignore[arg-type]
        state=state,
        track="I",
        shots=shots,
        draws=0 if kind == "published" else 5,
        tasks=0 if kind == "published" else 1234,
        seeds=() if kind == "published" else (0, 1),
        splits=1,
        adapt_ms_per_task=0.25 if model else None,
        parameters=Parameters(45_818, 17) if model else None,
        metrics=figures,
        source="Lee et al., KDD 2019, Table 2" if kind == "published" else "",
        runs=("/home/someone/sweep/0-abc",) if model else (),
    )


def table() -> Table:
    versus = Versus("item mean", -0.05, -0.06, -0.04, 1e-5, 3e-5, 1234)
    beside = Versus("maml", -0.0004, -0.0006, -0.0002, 1e-3, 2e-3, 1234)
    best = Figure(0.7, 0.01, 0.002, 0.68, 0.72, versus, beside, best=True)
    rows = (
        row(NASTY, "model", 0.7, best=best),
        row("MeLU-5", "published", 0.7854),
        row("item mean", "floor", 0.75),
    )
    curve = tuple(
        row(name, kind, mae + shift, shots)
        for name, kind, mae in ((NASTY, "model", 0.7), ("item mean", "floor", 0.75))
        for shots, shift in ((0, 0.1), (5, 0.0), ("all", -0.1))
    )
    check = Check(NASTY, "MeLU-5", "user_cold", "I", "mae", 0.01)
    sections = (
        Section("user_cold", "I", 5, "data=x_y@1 | gain=linear"),
        Section("item_cold", "I", 5, ""),
    )
    return Table(
        "A <title> & more",
        METRICS,
        sections,
        (*rows, row("MeLU-5", "published", 0.9275, state="item_cold")),
        curve,
        (Verdict(check, 0.7, 0.7854),),
        "floor",
        ("1 run is missing: 100% of item_cold.",),
    )


@pytest.fixture(scope="module")
def drawn() -> tuple[Picture, ...]:
    """The table's pictures, drawn once."""
    return pictures(table())


class Page(HTMLParser):
    """Notes what a page opens, closes, and fetches."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.bold: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "link", "br", "img"):
            self.open.append(tag)
        self.fetched += [
            value or ""
            for name, value in attrs
            if name in ("src", "href", "xlink:href") and not (value or "").startswith("#")
        ]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "strong" in self.open:
            self.bold.append(data)


def test_markdown_has_a_line_per_row_and_its_bars_escaped() -> None:
    told = markdown(table())
    lines = [line for line in told.splitlines() if line.startswith("|")]
    cells = [len(re.split(r"(?<!\\)\|", line)) for line in lines]
    starts = [n for n, line in enumerate(lines) if line.startswith("|  |")]
    for start, stop in zip(starts, [*starts[1:], len(lines)], strict=True):
        assert len(set(cells[start:stop])) == 1
    assert "| **0.700 ± 0.010** |" in told
    assert "| MeLU-5 (published) | 0.7854 |" in told
    assert "-0.050 [-0.060, -0.040], p 3e-05" in told.replace("\N{MINUS SIGN}", "-")
    assert "mae ↓" in told
    assert "ndcg@5 ↑" in told
    assert "coverage@5 |" in told
    assert "FAIL mae" in told
    assert "| FAIL |" in told
    assert "`data=x_y@1 | gain=linear`" in told
    assert "MeLU-5: Lee et al., KDD 2019, Table 2" in told
    assert "45,818" in told
    assert "| 0.25 |" in told


def test_latex_escapes_and_balances() -> None:
    told = latex(table())
    assert r"50\% \& maml\_x (a=[1\textbar{}2]) \textless{}b\textgreater{} *\#" in told
    assert r"\textbf{0.700 $\pm$ 0.010}" in told
    assert told.isascii()
    structure(told)
    assert told.count("1 run is missing") == 1  # notes stand once, not in every section


@pytest.mark.parametrize(
    "broken",
    ["a & b", r"\begin{table}", "50%", "a_b", "$x", r"\begin{tabular}{lr}a \\\end{tabular}"],
)
def test_the_structure_of_latex_can_be_wrong(broken: str) -> None:
    with pytest.raises((AssertionError, IndexError)):
        structure(broken)


def test_a_wide_grid_is_cut_between_columns_and_loses_none() -> None:
    names = ("", *(f"metric_{n}" for n in range(12)))
    lines = tuple(tuple(Cell(f"{row} {n} ".ljust(15, "x")) for n in range(13)) for row in range(3))
    whole = Grid("wide", names, lines, ("model",) * 3)
    cut = parts(whole)
    assert [len(one.head) for one in cut] == [6, 6, 3]
    assert names == ("", *(name for one in cut for name in one.head[1:]))
    for number, own in enumerate(lines):
        assert all(one.lines[number][0] == own[0] for one in cut)
        assert own[1:] == tuple(cell for one in cut for cell in one.lines[number][1:])
    alone = Grid("long", ("", "a", "b"), ((Cell("x"), Cell("y" * 200), Cell("z")),), ("model",))
    assert [one.head for one in parts(alone)] == [("", "a"), ("", "b")]
    narrow = Grid("narrow", ("", "a"), ((Cell("x"), Cell("y")),), ("model",))
    assert parts(narrow) == [narrow]


def test_csv_has_a_line_per_row_and_metric() -> None:
    lines = list(csv.DictReader(io.StringIO(text(table(), "csv"))))
    assert len(lines) == 4 * len(METRICS)
    first = lines[0]
    assert (first["row"], first["metric"], first["best"]) == (NASTY, "mae", "1")
    assert (float(first["difference"]), float(first["p_holm"])) == (-0.05, 3e-5)
    assert (first["variant_of"], first["variant_difference"]) == ("maml", "-0.0004")
    assert lines[1]["variant_of"] == ""
    assert (first["seeds"], first["trainable"], first["check"]) == ("0 1", "45818", "FAIL")
    assert lines[3]["source"] == "Lee et al., KDD 2019, Table 2"
    assert lines[2]["mean"] == ""


def test_json_has_the_rows_of_a_run_and_more_and_no_machines_path() -> None:
    told = json.loads(document(table()))
    first = told["rows"][0]
    assert {"row", "kind", "shots", "draws", "tasks", "adapt_ms_per_task", "metrics"} <= set(first)
    assert (first["state"], first["track"]) == ("user_cold", "I")
    assert first["metrics"]["mae"]["mean"] == 0.7
    assert first["metrics"]["mae"]["best"] is True
    assert first["versus"]["mae"]["against"] == "item mean"
    assert first["beside"]["mae"]["difference"] == -0.0004
    assert "beside" not in told["rows"][1]
    assert first["parameters"] == {"trainable": 45818, "adapted": 17}
    assert first["runs"] == ["sweep/0-abc"]
    assert told["checks"][0]["verdict"] == "FAIL"
    assert len(told["curve"]) == 6
    assert "/home" not in document(table())


@pytest.mark.slow
def test_html_is_one_file_that_fetches_nothing(drawn: tuple[Picture, ...]) -> None:
    told = html(table(), drawn)
    page = Page()
    page.feed(told)
    assert page.open == []
    assert page.fetched == []
    assert page.bold == ["0.700 ± 0.010"]
    whole = [ET.fromstring(one) for one in re.findall(r"<svg.*?</svg>", told, re.DOTALL)]
    assert [one.tag.rpartition("}")[2] for one in whole] == ["svg"] * len(drawn)
    assert told.count("<svg") == len(drawn) == 2
    assert "@import" not in told
    assert "url(http" not in told
    assert "<title>A &lt;title&gt; &amp; more</title>" in told
    assert '<span class="FAIL">FAIL</span>' in told
    assert "prefers-color-scheme: dark" in told
    assert "@media print" in told
    names = re.findall(r'\bid="([^"]+)"', told)
    used = set(re.findall(r'(?:url\(|href=")#([^")]+)', told))
    assert used
    assert {name: names.count(name) for name in used} == dict.fromkeys(used, 1)


def test_pictures_follow_the_pages_colours(drawn: tuple[Picture, ...]) -> None:
    (curve, times) = drawn
    assert (curve.name, times.name) == ("shots-user-cold-i", "time-user-cold-i")
    assert curve.png.startswith(b"\x89PNG")
    assert "currentColor" in curve.svg
    assert "var(--rule" in curve.svg
    assert "#010203" not in curve.svg
    assert "<metadata>" not in curve.svg
    assert themed("<?xml?><!DOCTYPE svg><svg>x</svg>") == "<svg>x</svg>"


def test_the_interval_may_stand_beside_the_mean() -> None:
    told = markdown(table(), "interval")
    assert "| **0.700 [0.680, 0.720]** |" in told


def test_several_sizes_make_a_grid_per_metric() -> None:
    from dataclasses import replace

    told = markdown(replace(table(), rows=table().curve, sections=table().sections[:1]))
    assert "|  | 0 | 5 | all |" in told
    assert "mae ↓; 1,234 tasks, 5 draws, 2 seeds; mean ± sd over draws" in told


def test_files_are_whole_or_absent(
    folder: Path, monkeypatch: pytest.MonkeyPatch, drawn: tuple[Picture, ...]
) -> None:
    monkeypatch.setattr("fewrec_cli.report.write.pictures", lambda _: drawn)
    files = write(table(), folder / "out")
    there = sorted(path.name for path in (folder / "out").iterdir())
    assert there == sorted([*FILES.values(), "figures"])
    assert all(path.is_file() for path in files)
    assert "![shots-user-cold-i](figures/shots-user-cold-i.png)" in files[4].read_text()
    before = {path: path.read_bytes() for path in files}

    def broken(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("fewrec_cli.report.write.html", broken)
    with pytest.raises(KeyboardInterrupt):
        write(table(), folder / "out")
    assert {path: path.read_bytes() for path in files} == before
    assert not list((folder / "out").rglob("*.part"))


def test_one_draw_of_several_seeds_shows_the_spread_of_the_seeds() -> None:
    whole = table()
    one = tuple(
        replace(
            each,
            draws=min(each.draws, 1),
            metrics={**each.metrics, "mae": Figure(0.7, None, 0.0123)},
        )
        if each.kind != "published"
        else each
        for each in whole.rows
    )
    told = markdown(replace(whole, rows=one))
    assert "0.700 ± 0.012" in told
    assert "1 draw, 2 seeds; mean ± sd over seeds" in told
    assert "sd over draws" not in told
