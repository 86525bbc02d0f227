"""A table as LaTeX, with booktabs."""

from collections.abc import Sequence
from dataclasses import replace

from fewrec_cli.report.grid import Cell, Grid
from fewrec_cli.report.layout import Block, Spread, blocks
from fewrec_cli.report.model import Table

SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "\N{MINUS SIGN}": r"$-$",
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    "→": r"$\rightarrow$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{GREEK SMALL LETTER ALPHA}": r"$\alpha$",
    "θ": r"$\theta$",
    "λ": r"$\lambda$",
    "…": r"\ldots{}",
}
HEAD = (
    "% \\usepackage[T1]{fontenc} \\usepackage[utf8]{inputenc} "
    "\\usepackage{booktabs} \\usepackage{graphicx}"
)
WIDEST = 120
"""Characters in a line: as many as can be read when the line is shrunk to the width of a page."""
GAP = 3
"""Characters that the space between two columns takes."""


def latex(table: Table, spread: Spread = "sd") -> str:
    """Return the table as LaTeX floats, to be put into a paper with ``input``.

    Each grid of a section is a float, so that each fits on a page and one can be taken alone; a
    grid that is wider than a page is cut between columns. Each section begins on a page of its own.
    The packages that it needs stand in a comment at its head.

    Args:
        table: The table.
        spread: What stands beside a mean.
    """
    sections = [_section(table, block) for block in blocks(table, spread)]
    if table.notes:
        caption = f"{table.title}: notes" if table.title else "Notes"
        sections[-1].append(_float(caption, [paragraph(note) for note in table.notes]))
    pages = "\n\n\\clearpage\n".join("\n\n".join(floats) for floats in sections)
    return f"{HEAD}\n\n{pages}\n"


def escaped(text: str) -> str:
    r"""Return text that LaTeX prints as it is.

    Example:
        >>> escaped("a_b 5%")
        'a\\_b 5\\%'
    """
    return "".join(SPECIAL.get(one, one) for one in text)


def _section(table: Table, block: Block) -> list[str]:
    """Return the floats of one section; what stands under it goes below its figures."""
    titles = ": ".join(title for title in (table.title, block.title) if title)
    floats: list[str] = []
    for grid in (one for one in block.grids if not one.detail):
        cut = parts(grid)
        for number, part in enumerate(cut, 1):
            which = f"part {number} of {len(cut)}" if len(cut) > 1 else ""
            caption = f"{titles}. {grid.title}" if titles else grid.title
            under = block.lines if not floats else ()
            lines = [*_grid(part), *(paragraph(told) for told in under)]
            floats.append(_float(f"{caption} ({which})" if which else caption, lines))
    return floats


def _float(caption: str, lines: Sequence[str]) -> str:
    head = ["\\begin{table}[tbp]", "\\centering", "\\small", f"\\caption{{{escaped(caption)}}}"]
    return "\n".join([*head, *lines, "\\end{table}"])


def paragraph(text: str) -> str:
    """Return text in small print, as wide as the page, below what a float has already."""
    return (
        f"\\par\\smallskip\\noindent\\parbox{{\\linewidth}}{{\\scriptsize\\raggedright "
        f"{_breakable(escaped(text))}}}"
    )


def parts(grid: Grid) -> list[Grid]:
    """Cut a grid between columns into grids that fit on a page, the first column in each.

    A column that alone is too wide stands alone; the page shrinks it.
    """
    widths = [
        max(len(text) for text in (name, *(cells[n].text for cells in grid.lines))) + GAP
        for n, name in enumerate(grid.head)
    ]
    cut: list[list[int]] = [[]]
    for column in range(1, len(widths)):
        if cut[-1] and widths[0] + sum(widths[n] for n in (*cut[-1], column)) > WIDEST:
            cut.append([])
        cut[-1].append(column)
    return [
        replace(
            grid,
            head=tuple(grid.head[n] for n in (0, *columns)),
            lines=tuple(tuple(cells[n] for n in (0, *columns)) for cells in grid.lines),
        )
        for columns in cut
    ]


def line(cells: Sequence[str]) -> str:
    r"""Return a line of a ``tabular``; the break before it must not read its first cell.

    Example:
        >>> print(line(["[a]", "1"]))
        {}[a] & 1 \\
    """
    shield = "{}" if cells[0].startswith(("[", "*")) else ""
    return f"{shield}{' & '.join(cells)} \\\\"


def _grid(grid: Grid) -> list[str]:
    columns = "l" + "r" * (len(grid.head) - 1)
    lines = [
        "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%",
        f"\\begin{{tabular}}{{{columns}}}",
        "\\toprule",
        line([escaped(name) for name in grid.head]),
        "\\midrule",
    ]
    before = grid.kinds[0] if grid.kinds else ""
    for cells, kind in zip(grid.lines, grid.kinds, strict=True):
        if kind in ("published", "floor") and kind != before:
            lines.append("\\addlinespace")
        before = kind
        first, *rest = (_cell(cell) for cell in cells)
        name = f"\\textit{{{first}}}" if kind == "floor" else first
        lines.append(line([name, *rest]))
    return [*lines, "\\bottomrule", "\\end{tabular}}"]


def _cell(cell: Cell) -> str:
    if not cell.bold:
        return escaped(cell.text)
    return f"\\textbf{{{escaped(cell.text)}}}"


def _breakable(text: str) -> str:
    """Let long words end a line after commas."""
    return text.replace(",", ",\\allowbreak{}").replace("/", "/\\allowbreak{}")
