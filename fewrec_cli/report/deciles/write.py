"""A table by deciles into files, each whole or absent."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from fewrec_cli.core.paths import make_folder, written
from fewrec_cli.report.deciles.figure import pictures
from fewrec_cli.report.deciles.model import DecileSection, DecileTable
from fewrec_cli.report.deciles.text import (
    NOTE,
    as_json,
    caption,
    comma_separated,
    grid,
    heading,
    latex,
    markdown,
)
from fewrec_cli.report.figure import Picture
from fewrec_cli.report.html import STYLE

FILES = {
    "md": "deciles.md",
    "latex": "deciles.tex",
    "csv": "deciles.csv",
    "json": "deciles.json",
    "html": "deciles.html",
}
"""File of each format."""


def write(
    table: DecileTable, folder: Path, formats: Sequence[str] = tuple(FILES)
) -> tuple[Path, ...]:
    """Write a table and its pictures; return the files.

    Args:
        table: The table.
        folder: Created where it is missing; files of the same names are replaced.
        formats: Which of ``FILES``.

    Raises:
        RunFolderError: The folder cannot be written to.
    """
    make_folder(folder / "figures", word="--out FOLDER")
    drawn = pictures(table)
    content: dict[Path, bytes] = {}
    for one in drawn:
        content[folder / "figures" / f"{one.name}.png"] = one.png
        content[folder / "figures" / f"{one.name}.svg"] = one.svg.encode()
    for word in formats:
        content[folder / FILES[word]] = text(table, word, drawn).encode()
    for path, body in content.items():
        with written(path) as beside:
            beside.write_bytes(body)
    return tuple(content)


def text(table: DecileTable, word: str, drawn: Sequence[Picture] = ()) -> str:
    """Return a table in one format; Markdown and HTML show the pictures that are given."""
    if word == "md":
        return markdown(table, tuple(f"figures/{one.name}.png" for one in drawn))
    if word == "html":
        return html(table, drawn)
    return {"latex": latex, "csv": comma_separated, "json": as_json}[word](table)


def html(table: DecileTable, drawn: Sequence[Picture]) -> str:
    """Return the table as one self-contained page, pictures first."""
    title = escape(table.title)
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title>\n<style>{STYLE}</style></head><body>",
        f"<h1>{title}</h1>",
        f"<p>{escape(NOTE)}</p>",
        *(
            f'<figure role="img" aria-label="{escape(one.title)}">{one.svg}</figure>'
            for one in drawn
        ),
        *(_section(section) for section in table.sections),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _section(section: DecileSection) -> str:
    head, *rows = grid(section)
    columns = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    lines = [
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    ]
    return (
        f'<h2>{escape(heading(section))}</h2>\n<div class="scroll"><table>'
        f"<caption>{escape(caption(section))}</caption><thead><tr>{columns}</tr></thead>\n<tbody>"
        + "\n".join(lines)
        + "</tbody></table></div>"
    )
