"""A table as one HTML file: pictures inline, nothing fetched, light and dark, screen and paper."""

from collections.abc import Sequence
from html import escape

from fewrec_cli.report.figure import Picture
from fewrec_cli.report.grid import Cell, Grid
from fewrec_cli.report.layout import Block, Spread, blocks
from fewrec_cli.report.model import Table

STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --page: #fff; --rule: #ddd; --soft: #666;
  --band: #f5f7fa; --good: #00694a; --bad: #a4262c; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --page: #16181b; --rule: #3a3d42; --soft: #a2a6ab; --band: #202329;
    --good: #5fd3a8; --bad: #ff8f87; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 76rem; background: var(--page); color: var(--ink);
  font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: .4rem 0 1rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .4rem; border-bottom: 1px solid var(--rule); }
.scroll { overflow-x: auto; margin: 0 0 1.1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
caption { text-align: left; color: var(--soft); padding: .5rem 0 .3rem; }
th, td { padding: .22rem .6rem; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0;
  background: var(--page); }
thead th { border-top: 1.5px solid var(--ink); border-bottom: 1px solid var(--ink);
  font-weight: 600; }
tbody tr:last-child td, tbody tr:last-child th { border-bottom: 1.5px solid var(--ink); }
tbody th { font-weight: 400; }
tr.floor th { font-style: italic; }
tr.floor, tr.unadapted, tr.oracle, tr.published { color: var(--soft); }
tr.first td, tr.first th { border-top: 1px solid var(--rule); }
.PASS { color: var(--good); font-weight: 600; }
.FAIL { color: var(--bad); font-weight: 700; }
.signature { font: .78rem/1.5 ui-monospace, monospace; color: var(--soft);
  overflow-wrap: anywhere; margin: .2rem 0; }
figure { margin: 1rem 0; }
figure svg { max-width: 100%; height: auto; color: var(--ink); }
details { margin: 0 0 1rem; }
summary { cursor: pointer; color: var(--soft); }
@media (max-width: 40rem) { body { padding: .6rem; } th:first-child { max-width: 9.5rem;
  white-space: normal; } }
@page { size: landscape; margin: 12mm; }
@media print { :root { --ink: #000; --page: #fff; --rule: #bbb; --soft: #444; --good: #004d35;
  --bad: #8b0000; } body { max-width: none; font-size: 10pt; } table { font-size: 6.5pt; }
  th, td { padding: .1rem .25rem; white-space: normal; } .scroll { overflow: visible; }
  figure, tr { break-inside: avoid; } h2 { break-after: avoid; } }
"""


def html(table: Table, drawn: Sequence[Picture] = (), spread: Spread = "sd") -> str:
    """Return the table as one self-contained page.

    Args:
        table: The table.
        drawn: Its pictures, those of a section named by its title.
        spread: What stands beside a mean.
    """
    title = escape(table.title or "fewrec report")
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title>",
        f"<style>{STYLE}</style></head><body>",
        f"<h1>{title}</h1>",
    ]
    if table.notes:
        parts.append("<ul>" + "".join(f"<li>{escape(note)}</li>" for note in table.notes) + "</ul>")
    several = len(table.sections) > 1
    for block, section in zip(blocks(table, spread), table.sections, strict=True):
        own = [one for one in drawn if not several or one.section == section.title]
        parts += _block(block, own)
    return "\n".join([*parts, "</body></html>"]) + "\n"


def _block(block: Block, drawn: Sequence[Picture]) -> list[str]:
    parts = [f"<h2>{escape(block.title)}</h2>"] if block.title else []
    for grid in block.grids:
        body = _grid(grid)
        if grid.detail:
            body = f"<details><summary>{escape(grid.title)}</summary>{body}</details>"
        parts.append(body)
    parts += [
        f'<figure role="img" aria-label="{escape(one.title)}">{one.svg}</figure>' for one in drawn
    ]
    return [*parts, *(f'<p class="signature">{escape(line)}</p>' for line in block.lines)]


def _grid(grid: Grid) -> str:
    caption = "" if grid.detail else f"<caption>{escape(grid.title)}</caption>"
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in grid.head)
    lines, before = [], grid.kinds[0] if grid.kinds else ""
    for cells, kind in zip(grid.lines, grid.kinds, strict=True):
        words = " ".join(word for word in (kind, "first" if kind != before else "") if word)
        before = kind
        first, *rest = cells
        told = "".join(f"<td>{_cell(cell)}</td>" for cell in rest)
        lines.append(
            f'<tr class="{words}"><th scope="row">{escape(first.text)}</th>{told}</tr>'
            if words
            else f'<tr><th scope="row">{escape(first.text)}</th>{told}</tr>'
        )
    return (
        f'<div class="scroll"><table>{caption}<thead><tr>{head}</tr></thead>\n<tbody>'
        + "\n".join(lines)
        + "</tbody></table></div>"
    )


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    for word in ("PASS", "FAIL"):
        text = text.replace(word, f'<span class="{word}">{word}</span>')
    return f"<strong>{text}</strong>" if cell.bold else text
