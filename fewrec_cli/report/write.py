"""A table into files, each whole or absent."""

from collections.abc import Sequence
from pathlib import Path

from fewrec_cli.core.paths import make_folder, written
from fewrec_cli.report.delimited import delimited
from fewrec_cli.report.document import document
from fewrec_cli.report.figure import pictures
from fewrec_cli.report.formats import FILES, FORMATS
from fewrec_cli.report.html import html
from fewrec_cli.report.latex import latex
from fewrec_cli.report.layout import Spread
from fewrec_cli.report.markdown import markdown
from fewrec_cli.report.model import Table


def text(table: Table, word: str, spread: Spread = "sd") -> str:
    """Return a table in one format: ``md``, ``latex``, ``csv``, ``json`` or ``html``."""
    if word == "html":
        return html(table, pictures(table), spread)
    if word == "csv":
        return delimited(table)
    if word == "json":
        return document(table)
    return markdown(table, spread) if word == "md" else latex(table, spread)


def write(
    table: Table, folder: Path, formats: Sequence[str] = FORMATS, spread: Spread = "sd"
) -> tuple[Path, ...]:
    """Write a table and its pictures; return the files.

    Args:
        table: The table.
        folder: Created where it is missing; files of the same names are replaced.
        formats: Which of ``FILES``.
        spread: What stands beside a mean.

    Raises:
        RunFolderError: The folder cannot be written to.
    """
    make_folder(folder / "figures", word="--out FOLDER")
    drawn = pictures(table)
    files: list[Path] = []
    for one in drawn:
        files += [folder / "figures" / f"{one.name}.{kind}" for kind in ("png", "svg")]
        with written(files[-2]) as path:
            path.write_bytes(one.png)
        with written(files[-1]) as path:
            path.write_text(one.svg, encoding="utf-8")
    for word in formats:
        if word == "html":
            body = html(table, drawn, spread)
        elif word == "md":
            body = markdown(table, spread, tuple(f"figures/{one.name}.png" for one in drawn))
        else:
            body = text(table, word, spread)
        files.append(folder / FILES[word])
        with written(files[-1]) as path:
            path.write_text(body, encoding="utf-8")
    return tuple(files)
