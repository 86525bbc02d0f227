"""Choosing who is cold: by fraction and seed, by year of release, or by a list of ids."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from fewrec_cli.core.errors import ConfigError, FewrecError, ScenarioError
from fewrec_cli.core.seeding import generator
from fewrec_cli.core.types import BoolArray, IntArray
from fewrec_cli.data.base import Dataset, Note
from fewrec_cli.scenario.bags import members
from fewrec_cli.scenario.rules import fraction_faults

By = Literal["fraction", "year", "list"]


@dataclass(frozen=True)
class Groups:
    """Who is held out; nobody is in both groups.

    Attributes:
        cold: Held out for the table, ``(n,)``.
        valid: Held out for validation tasks, ``(n,)``.
        notes: How many, and how they were chosen.
    """

    cold: BoolArray
    valid: BoolArray
    notes: tuple[Note, ...]

    @property
    def warm(self) -> BoolArray:
        """Everyone else, ``(n,)``."""
        return ~(self.cold | self.valid)


@dataclass(frozen=True)
class ColdChoice:
    """How the cold users, or the cold items, are chosen.

    Attributes:
        side: ``user`` or ``item``.
        key: The config key that holds ``by``, for messages.
        by: What decides.
        fraction: Of the users (items) with interactions; read where ``by`` is ``fraction``.
        year: First cold year of release; read where ``by`` is ``year``; None for users.
        listed: File with one id per line; read where ``by`` is ``list``.
        validation: Further fraction of the users (items) with interactions, or None.
        seed: The scenario's seed.
    """

    side: Literal["user", "item"]
    key: str
    by: By
    fraction: float
    year: int | None
    listed: str | None
    validation: float | None
    seed: int

    def faults(self) -> list[FewrecError]:
        """Return every value that cannot be used."""
        kinds = ("fraction", "list") if self.side == "user" else ("fraction", "year", "list")
        found = fraction_faults("fraction", self.fraction)
        if self.by not in kinds:
            found.append(
                ConfigError(
                    f"scenario.{self.key}={self.by} is not a way to choose cold {self.side}s",
                    f"choose one of {', '.join(kinds)}",
                )
            )
        elif self.by == "list" and self.listed is None:
            found.append(
                ConfigError(
                    f"scenario.{self.key}=list needs a file of ids",
                    f"name it with scenario.{self.side}s=FILE (one id per line)",
                )
            )
        elif self.by != "list" and self.listed is not None:
            found.append(
                ConfigError(
                    f"scenario.{self.side}s is not read with scenario.{self.key}={self.by}",
                    f"add scenario.{self.key}=list, or leave scenario.{self.side}s out",
                )
            )
        if not found and self.by == "fraction" and self.fraction + (self.validation or 0.0) >= 1.0:
            found.append(
                ConfigError(
                    f"scenario.fraction={self.fraction} and scenario.validation={self.validation} "
                    f"leave no {self.side} to pretrain on",
                    "choose fractions whose sum is below 1",
                )
            )
        return found

    def choose(self, dataset: Dataset) -> Groups:
        """Choose the cold and the validation side among those who have interactions.

        Raises:
            ScenarioError: Nobody would be cold, or nobody would be left to pretrain on.
        """
        rows = dataset.interactions
        owner = rows.user if self.side == "user" else rows.item
        size = dataset.n_users if self.side == "user" else dataset.n_items
        active = np.flatnonzero(dataset.shard.total(np.bincount(owner, minlength=size)))
        order = generator(self.seed, "scenario", self.side).permutation(active)
        cold, order, how = self._cold(dataset, order, size)
        cold &= members(active, size)
        rest = order[~cold[order]]
        share = self.validation or 0.0
        valid_count = max(1, round(share * len(active))) if share else 0
        self._refuse_empty(int(cold.sum()), valid_count, len(active))
        valid = members(rest[:valid_count], size)
        return Groups(cold, valid, self._notes(cold, valid, len(active), how))

    def _cold(
        self, dataset: Dataset, order: IntArray, size: int
    ) -> tuple[BoolArray, IntArray, str]:
        """Return who is cold, in which order validation takes from the rest, and how, in words."""
        if self.by == "year":
            years = self._years(dataset)
            unknown = int((years[order] == 0).sum())
            newest_first = order[np.argsort(-years[order], kind="stable")]
            how = f"released from {self.year} on"
            how += f"; year unknown, so warm: {unknown:,}" if unknown else ""
            return years >= self._first_year(), newest_first, how
        if self.by == "list":
            cold, how = self._listed(dataset)
            return cold, order, how
        count = max(1, round(self.fraction * len(order)))
        return members(order[:count], size), order, f"fraction {self.fraction}, seed {self.seed}"

    def _first_year(self) -> int:
        assert self.year is not None, "faults() refuses by=year for users"
        return self.year

    def _years(self, dataset: Dataset) -> IntArray:
        if dataset.item_year is None:
            others = f"choose scenario.{self.key}=fraction or scenario.{self.key}=list"
            raise ScenarioError(
                f"scenario.{self.key}=year needs years of release, and {dataset.name} has none",
                f"{_year_column(dataset)}{others}",
            )
        return dataset.item_year

    def _listed(self, dataset: Dataset) -> tuple[BoolArray, str]:
        assert self.listed is not None, "faults() refuses by=list without a file"
        ids, digest = read_ids(Path(self.listed), f"scenario.{self.side}s")
        found = dataset.user_ids if self.side == "user" else dataset.item_ids
        cold = np.fromiter((str(one) in ids for one in found), dtype=bool, count=len(found))
        unknown = len(ids) - int(cold.sum())
        name = Path(self.listed).name
        if not cold.any():
            raise ScenarioError(
                f"{name} lists {len(ids):,} ids, and no {self.side} of {dataset.name} is one",
                f"list ids as in the data, e.g. {found[0]}, one per line",
            )
        how = f"listed in {name}, sha256 {digest[:12]}"
        how += f"; listed but not in the data: {unknown:,}" if unknown else ""
        return cold, how

    def _refuse_empty(self, cold: int, valid: int, active: int) -> None:
        keys = f"scenario.{self.key}={self.by}"
        if not cold:
            raise ScenarioError(
                f"no {self.side} of {active:,} with interactions is cold by {keys}",
                "lower scenario.year" if self.by == "year" else "choose others",
            )
        if cold + valid >= active:
            raise ScenarioError(
                f"no {self.side} is left to pretrain on: {cold:,} cold and {valid:,} validation "
                f"of {active:,} {self.side}s with interactions",
                f"hold out fewer ({keys}, scenario.validation), or give more data",
            )

    def _notes(self, cold: BoolArray, valid: BoolArray, active: int, how: str) -> tuple[Note, ...]:
        n_cold, n_valid = int(cold.sum()), int(valid.sum())
        of = f"of {active:,} {self.side}s"
        chosen = Note(f"cold {self.side}s", n_cold, f"{of} ({how})")
        if not n_valid:
            return (chosen,)
        held = f"{of}, held out for validation"
        return (chosen, Note(f"validation {self.side}s", n_valid, held))


def _year_column(dataset: Dataset) -> str:
    """Return the advice to name a table's column of years, empty for data of another kind."""
    if not dataset.name.startswith("table-"):
        return ""
    names = [note.subject for note in dataset.notes]
    names += [field.name for field in dataset.item_fields]
    near = sorted({name for name in names if "year" in name.lower()}, key=len)
    column = near[0] if near else "COLUMN"
    return f"name the column of data.items with data.columns.year={column}, or "


def read_ids(path: Path, key: str) -> tuple[frozenset[str], str]:
    """Read a file with one id per line; blank lines and repeated ids carry no meaning.

    Args:
        path: A UTF-8 text file.
        key: The config key that named it, for messages.

    Returns:
        The ids and the sha256 of the file.

    Raises:
        ScenarioError: It cannot be read, or holds no id.
    """
    remedy = f"{key} names a text file with one id per line"
    try:
        content = path.read_bytes()
        lines = content.decode("utf-8-sig").splitlines()
    except OSError as fault:
        raise ScenarioError(f"cannot read {path}: {fault.strerror}", remedy) from fault
    except UnicodeDecodeError as fault:
        raise ScenarioError(f"{path} is not UTF-8 text (byte {fault.start})", remedy) from fault
    ids = frozenset(line.strip() for line in lines) - {""}
    if not ids:
        raise ScenarioError(f"{path} holds no id", remedy)
    return ids, hashlib.sha256(content).hexdigest()
