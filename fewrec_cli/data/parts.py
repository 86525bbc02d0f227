"""A table in Parquet: one file, or a folder of part files whose paths may tell columns."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from fewrec_cli.core.errors import DataError
from fewrec_cli.data.fault import shown
from fewrec_cli.data.files import open_faults

BATCH = 1 << 20
"""Rows in memory besides those that are kept."""
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class Part:
    """One Parquet file.

    Attributes:
        path: Where it lies.
        told: Columns that its path tells, e.g. ``{"year": "2019"}`` for ``year=2019/a.parquet``.
        rows: Number of rows.
        names: Columns that it holds.
    """

    path: Path
    told: Mapping[str, str]
    rows: int
    names: tuple[str, ...]

    @property
    def label(self) -> str:
        """How errors name the file."""
        return str(self.path)

    def require(self, columns: Mapping[str, str]) -> None:
        """Refuse a file without one of the columns, given by the option that names each.

        Raises:
            DataError: A column is missing, or there twice.
        """
        here = [*self.names, *(name for name in self.told if name not in self.names)]
        for word, name in columns.items():
            if here.count(name) != 1:
                raise DataError(
                    f"{self.label} has no column '{name}' ({word}); "
                    f"it has: {shown(', '.join(here), 200)}",
                    f"name the column with {word}=NAME",
                )

    def batches(self, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the first row's number and the columns, as Arrow arrays, of ``BATCH`` rows."""
        with parquet_faults(self.label), pq.ParquetFile(self.path) as file:
            stored = [name for name in columns if name in self.names]
            start = 0
            for batch in file.iter_batches(BATCH, columns=stored):
                told = {
                    name: pa.repeat(None if self.told[name] == NO_VALUE else self.told[name], n)
                    for name in columns
                    if name not in stored and (n := batch.num_rows)
                }
                yield start, {name: batch.column(name) for name in stored} | told
                start += batch.num_rows


def find_parts(path: Path) -> tuple[Part, ...]:
    """Return the file, or all Parquet files of a folder in the order of their paths.

    Files and folders whose names start with ``_`` or ``.`` are left, as writers mean them.

    Raises:
        DataError: There is no such file, none in the folder, a file is broken, or none has a row.
    """
    if not path.is_dir():
        parts: tuple[Part, ...] = (_part(path, path.parent),)
    else:
        inside = sorted(path.rglob("*.parquet"))
        hidden = [any(n[0] in "_." for n in one.relative_to(path).parts) for one in inside]
        parts = tuple(
            _part(one, path) for one, left in zip(inside, hidden, strict=True) if not left
        )
        if not parts:
            raise DataError(
                f"{path} is a folder, not a file, and holds no .parquet part",
                "name a file, or the folder of a partitioned Parquet data set",
            )
    if not any(part.rows for part in parts):
        raise DataError(f"{path} has no rows", "give a file with at least one row")
    return parts


def _part(path: Path, root: Path) -> Part:
    with parquet_faults(str(path)), pq.ParquetFile(path) as file:
        rows, names = file.metadata.num_rows, tuple(file.schema_arrow.names)
    told = {}
    for step in path.relative_to(root).parts[:-1]:
        name, mark, value = step.partition("=")
        if mark:
            told[unquote(name)] = unquote(value)
    return Part(path, told, rows, names)


@contextmanager
def parquet_faults(label: str) -> Iterator[None]:
    """Turn what reading Parquet can raise into a ``DataError`` about ``label``."""
    with open_faults(label):
        try:
            yield
        except (pa.ArrowException, OSError) as fault:
            if isinstance(fault, OSError) and fault.errno is not None:
                raise
            raise DataError(
                f"{label} is no whole parquet file: {str(fault).splitlines()[0][:200]}",
                "write it again, or give a CSV",
            ) from fault
