"""A table as Markdown, as GitHub and most editors show it."""

from fewrec_cli.report.grid import Cell, Grid
from fewrec_cli.report.layout import Block, Spread, blocks
from fewrec_cli.report.model import Table

SPECIAL = "\\`*<>|"


def markdown(table: Table, spread: Spread = "sd", figures: tuple[str, ...] = ()) -> str:
    """Return the table as Markdown.

    Args:
        table: The table.
        spread: What stands beside a mean.
        figures: Paths of pictures to be shown, seen from the file.
    """
    parts = [f"# {escaped(table.title)}"] if table.title else []
    for block in blocks(table, spread):
        parts += _block(block)
    parts += [f"- {escaped(note)}" for note in table.notes]
    parts += [f"![{path.rpartition('/')[2].partition('.')[0]}]({path})" for path in figures]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    r"""Return text without a character that Markdown would read.

    Example:
        >>> escaped("a | *")
        'a \\| \\*'
    """
    return "".join(f"\\{one}" if one in SPECIAL else one for one in text)


def _block(block: Block) -> list[str]:
    parts = [f"## {escaped(block.title)}"] if block.title else []
    for grid in block.grids:
        parts += [escaped(grid.title), _grid(grid)]
    return [*parts, *(f"`{line}`" if "`" not in line else escaped(line) for line in block.lines)]


def _grid(grid: Grid) -> str:
    lines = [f"| {' | '.join(escaped(name) for name in grid.head)} |"]
    lines.append(f"|---|{'---:|' * (len(grid.head) - 1)}")
    for cells, kind in zip(grid.lines, grid.kinds, strict=True):
        first, *rest = (_cell(cell) for cell in cells)
        name = f"*{first}*" if kind == "floor" else first
        lines.append(f"| {' | '.join([name, *rest])} |")
    return "\n".join(lines)


def _cell(cell: Cell) -> str:
    text = escaped(cell.text)
    return f"**{text}**" if cell.bold else text
