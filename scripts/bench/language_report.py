"""The figures of the bench of language models as one table, beside what was asked for."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

Figures = dict[str, Any]


def show(found: Figures) -> None:
    """Print one row per figure; without a terminal, wide enough for every column."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=180)
    console.print(", ".join(f"{key} {value}" for key, value in found["settings"].items()))
    table = Table(title="what language models cost", title_justify="left")
    for head in ("work", "found", "asked"):
        table.add_column(head)
    for row in rows(found):
        table.add_row(*row)
    console.print(table)


def rows(found: Figures) -> Iterator[tuple[str, str, str]]:
    """Yield work, figure, and the figure that is asked for."""
    for name, asked in (("first", "< 60 s (3,883 texts, 2 cores)"), ("again", "< 1 s")):
        one = found[f"encode {name}"]
        cost = one["vectors"]
        told = (
            f"{cost['seconds']:.2f} s, {cost['cpu_seconds']:.1f} s of CPU, {cost['mib']:,.0f} MiB"
        )
        yield f"vectors of {one['texts']:,} texts, {name}", told, asked
    yield from _reading(found["reading"])
    frozen = found["frozen"]
    for name in ("meta_ridge", "transfer"):
        told = _compared(frozen[name], frozen["users"], 1e3, "ms")
        mean = frozen[f"{name} rows"]
        yield f"frozen encoder, {name}: a user of {mean:.0f} ratings, 10 answers", told, "<= 1 ms"
    for key, one in found.items():
        if key.startswith("lora "):
            tokens = key.partition(" ")[2]
            told = _compared(one, one["tasks"], 1.0, "s")
            yield f"LoRA: a user of 16 ratings, 10 answers, {tokens} tokens", told, "reported"
            told = f"{one['frozen']['cpu_seconds'] / one['tasks']:.2f} s, {_mib(one['frozen'])}"
            yield f"the same, frozen: 26 pairs read, {tokens} tokens", told, ""
    again = found["checkpointing"]
    for name in ("kept", "computed again"):
        told = f"{again[name]['cpu_seconds']:.2f} s, {_mib(again[name])}"
        yield f"a step of {again['rows']} rows with LoRA, activations {name}", told, ""
    for family in ("bert", "gpt2"):
        one = found[f"second {family}"]
        told = _compared(one, 1, 1.0, "s")
        yield f"outer step of the second order, {family}, {one['tasks']} tasks", told, "reported"
        yield f"its gradient beside the loop's, {family}", f"{one['apart']:.0e}", "1e-06"


def _reading(found: Figures) -> Iterator[tuple[str, str, str]]:
    for kind, what in (("precision", "numbers"), ("padding", "batches")):
        first = next(iter(found[kind].values()))["cpu_seconds"]
        for name, cost in found[kind].items():
            spent = cost["cpu_seconds"]
            told = f"{found['tokens'] / spent:,.0f} tokens/s, {spent / first:.2f} of the time"
            if kind == "padding":
                told += f", {found['filled'][name] / found['tokens'] - 1:.0%} filled up"
            yield f"reading, {what} {name}", told, ""


def _compared(one: Figures, count: int, scale: float, unit: str) -> str:
    own, loop = one["at once"], one["one by one"]
    each = [scale * cost["cpu_seconds"] / count for cost in (own, loop)]
    return (
        f"{each[0]:.3g} {unit} ({_mib(own)}); one by one {each[1]:.3g} {unit} ({_mib(loop)}), "
        f"{each[1] / each[0]:.1f}x"
    )


def _mib(cost: Figures) -> str:
    return f"{cost['mib']:,.0f} MiB"
