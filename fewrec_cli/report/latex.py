"""A table as LaTeX, with booktabs."""

from fewrec_cli.report.layout import Block, Cell, Grid, Spread, blocks
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
    "…": r"\ldots{}",
}
HEAD = (
    "% \\usepackage[T1]{fontenc} \\usepackage[utf8]{inputenc} "
    "\\usepackage{booktabs} \\usepackage{graphicx}"
)


def latex(table: Table, spread: Spread = "sd") -> str:
    """Return the table as LaTeX floats, one per section, to be put into a paper with ``input``.

    The packages that it needs stand in a comment at its head.

    Args:
        table: The table.
        spread: What stands beside a mean.
    """
    parts = [HEAD, *(_float(table, block) for block in blocks(table, spread))]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    r"""Return text that LaTeX prints as it is.

    Example:
        >>> escaped("a_b 5%")
        'a\\_b 5\\%'
    """
    return "".join(SPECIAL.get(one, one) for one in text)


def _float(table: Table, block: Block) -> str:
    shown = [grid for grid in block.grids if not grid.detail]
    titles = [title for title in (table.title, block.title) if title]
    caption = ": ".join(titles)
    lines = ["\\begin{table}[tbp]", "\\centering", "\\small"]
    lines += [f"\\caption{{{escaped(caption)}}}"] if caption else []
    for grid in shown:
        lines += [f"\\par\\medskip\\noindent {escaped(grid.title)}\\par\\smallskip", *_grid(grid)]
    for line in block.lines:
        lines.append(
            f"\\par\\medskip\\noindent\\parbox{{\\linewidth}}{{\\scriptsize\\raggedright "
            f"{_breakable(escaped(line))}}}"
        )
    lines += [
        f"\\par\\smallskip\\noindent\\parbox{{\\linewidth}}{{\\scriptsize {escaped(note)}}}"
        for note in table.notes
    ]
    return "\n".join([*lines, "\\end{table}"])


def _grid(grid: Grid) -> list[str]:
    columns = "l" + "r" * (len(grid.head) - 1)
    lines = [
        "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%",
        f"\\begin{{tabular}}{{{columns}}}",
        "\\toprule",
        f"{' & '.join(escaped(name) for name in grid.head)} \\\\",
        "\\midrule",
    ]
    before = grid.kinds[0] if grid.kinds else ""
    for cells, kind in zip(grid.lines, grid.kinds, strict=True):
        if kind in ("published", "floor") and kind != before:
            lines.append("\\addlinespace")
        before = kind
        first, *rest = (_cell(cell) for cell in cells)
        first = (
            f"{{}}{first}" if first.startswith(("[", "*")) else first
        )  # else read by the line break before
        name = f"\\textit{{{first}}}" if kind == "floor" else first
        lines.append(f"{' & '.join([name, *rest])} \\\\")
    return [*lines, "\\bottomrule", "\\end{tabular}}"]


def _cell(cell: Cell) -> str:
    if not cell.bold:
        return escaped(cell.text)
    return f"\\textbf{{{escaped(cell.text)}}}"


def _breakable(text: str) -> str:
    """Let long words end a line after commas."""
    return text.replace(",", ",\\allowbreak{}").replace("/", "/\\allowbreak{}")
