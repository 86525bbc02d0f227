"""A table by deciles as Markdown, LaTeX, CSV or JSON."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from io import StringIO

from fewrec_cli.metric.settings import LOWER_IS_BETTER
from fewrec_cli.report.cells import NOTHING, number, shots, signed
from fewrec_cli.report.deciles.model import Cell, DecileSection, DecileTable, Group, Side
from fewrec_cli.report.deciles.read import SUMS
from fewrec_cli.report.latex import HEAD, escaped, line, paragraph
from fewrec_cli.report.lined import lined

SHOWN = ("model", "floor", "oracle")
"""Kinds of rows in Markdown and LaTeX; CSV and JSON have all."""
LEVEL = 0.05
SIDES: Mapping[Side, str] = {
    "item": "items by popularity",
    "activity": "users by activity",
    "mainstream": "users by the popularity of what they rate",
}
RANGES: Mapping[Side, str] = {
    "item": "training ratings",
    "activity": "ratings of the user",
    "mainstream": "mean training ratings",
}
MEMBERS: Mapping[Side, str] = {"item": "items", "activity": "tasks", "mainstream": "tasks"}
CSV_COLUMNS = (
    *("state", "track", "shots", "side", "metric", "row", "kind", "against"),
    *("decile", "from", "to", "members", "ratings", "users"),
    *("mean", "difference", "low", "high", "p", "p_holm"),
)
NOTE = (
    "Deciles are tenths of the items, or of the tasks, whatever their ratings; equal values share "
    "one. `*`: the difference holds (p < 0.05, t over users, Holm-corrected over all deciles and "
    "models of the table). A dash: nothing to average, or nothing to compare."
)


def markdown(table: DecileTable, figures: Sequence[str] = ()) -> str:
    """Return all sections as Markdown, a title and a table each.

    Args:
        table: The table.
        figures: Files of pictures, from where the text will lie.
    """
    parts = [f"# {table.title}", NOTE] if table.title else [NOTE]
    parts += [f"![{one}]({one})" for one in figures]
    for section in table.sections:
        head, *rows = grid(section)
        lines = [f"| {' | '.join(head)} |", f"|---|{'---:|' * (len(head) - 1)}"]
        lines += [f"| {' | '.join(row)} |" for row in rows]
        parts += [f"## {heading(section)}", caption(section), "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def latex(table: DecileTable) -> str:
    """Return all sections as LaTeX floats with booktabs; their packages stand at its head."""
    return "\n\n".join([HEAD, *(_float(section) for section in table.sections)]) + "\n"


def _float(section: DecileSection) -> str:
    head, *rows = [[escaped(cell) for cell in row] for row in grid(section)]
    facts = len(_facts(section))
    lines = [
        "\\begin{table}[tbp]",
        "\\centering",
        f"\\caption{{{escaped(f'{heading(section)}. {caption(section)}')}}}",
        "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%",
        f"\\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
        "\\toprule",
        *(line(row) for row in (head, *rows[:facts])),
        "\\midrule",
        *(line(row) for row in rows[facts:]),
        "\\bottomrule",
        "\\end{tabular}}",
        paragraph(NOTE.replace("`", "")),
        "\\end{table}",
    ]
    return "\n".join(lines)


def comma_separated(table: DecileTable) -> str:
    """Return one line for each row and group; an empty cell is undefined."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for section in table.sections:
        for row in section.rows:
            for group, cell in zip(section.groups, row.cells, strict=True):
                place = (section.state, section.track, section.shots, section.side, section.metric)
                which = (group.word, group.low, group.high, group.members, group.ratings)
                figures = (cell.mean, cell.difference, cell.low, cell.high, cell.p, cell.p_holm)
                writer.writerow(
                    (*place, row.row, row.kind, section.against, *which, cell.users, *figures)
                )
    return out.getvalue()


def as_json(table: DecileTable) -> str:
    """Return the table's dataclasses as JSON; what is undefined is null."""
    return lined(asdict(table))


def heading(section: DecileSection) -> str:
    """Say in a line what a section is about."""
    where = ", ".join(part for part in (section.state, section.track) if part)
    return f"{where}, {shots(section.shots, 'shot')}: {section.metric}, {SIDES[section.side]}"


def caption(section: DecileSection) -> str:
    """Say in a sentence what the cells are."""
    if section.against is None:
        return "Mean signed error (stars): above 0 where ratings are foretold too high."
    better = "less is better" if section.metric in LOWER_IS_BETTER else "more is better"
    floor = f"'{section.against}', the best floor over all tasks"
    on = "ratings" if section.metric in SUMS else "tasks"
    return f"Differences to {floor}, paired on the same {on}; {better}."


def grid(section: DecileSection) -> list[list[str]]:
    """Return a section as text cells: deciles, their facts, the floor's means, then differences."""
    rows = [["decile", *(group.word for group in section.groups)]]
    rows += [[word, *cells] for word, cells in _facts(section).items()]
    for row in section.rows:
        if row.row == section.against:
            rows.append([f"{row.row}, {section.metric}", *(_mean(cell) for cell in row.cells)])
    for row in section.rows:
        if row.kind in SHOWN and row.row != section.against:
            show = _mean if section.against is None else _difference
            rows.append([row.row, *(show(cell) for cell in row.cells)])
    return rows


def _facts(section: DecileSection) -> dict[str, list[str]]:
    groups: Sequence[Group] = section.groups
    return {
        RANGES[section.side]: [_range(group) for group in groups],
        MEMBERS[section.side]: [f"{group.members:,}" for group in groups],
        "query ratings, all draws": [f"{group.ratings:,}" for group in groups],
    }


def _range(group: Group) -> str:
    if group.low is None or group.high is None:
        return NOTHING
    low, high = f"{group.low:.0f}", f"{group.high:.0f}"
    return low if low == high else f"{low}-{high}"


def _mean(cell: Cell) -> str:
    return number(cell.mean)


def _difference(cell: Cell) -> str:
    if cell.difference is None:
        return NOTHING
    mark = "*" if cell.p_holm is not None and cell.p_holm < LEVEL else ""
    return f"{signed(cell.difference)}{mark}"
