"""How scarce data is stretched: D* = D + α D', the third question of an experiment."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import torch

from fewrec_cli.scenario.batch import Rows


class Augment(ABC):
    """Makes a changed copy D' of supports D."""

    @abstractmethod
    def __call__(self, rows: Rows, generator: torch.Generator) -> Rows:
        """Return changed rows of the same shape.

        Args:
            rows: Supports, padded at the end with weight 0; not mutated.
            generator: Source of all randomness, on the CPU.
        """


def stretch(
    rows: Rows, augments: Sequence[Augment], share: float, generator: torch.Generator
) -> Rows:
    """Return D + α D': the rows, then one changed copy per augmentation.

    Args:
        rows: Supports D, ``(tasks, n)``.
        augments: Changes; with none the rows are returned as they are.
        share: α, the weight of all copies together against the rows.
        generator: Source of all randomness.

    Returns:
        ``(tasks, n x (1 + copies))``.
    """
    if not augments or rows.item.shape[1] == 0:
        return rows
    copies = [augment(rows, generator) for augment in augments]
    lighter = [copy.reweighted(copy.weight * share / len(copies)) for copy in copies]
    return _joined([rows, *lighter])


def _joined(parts: Sequence[Rows]) -> Rows:
    mixed = any(part.partner is not None for part in parts)
    parts = [_with_partner(part) for part in parts] if mixed else parts
    names = ["item", "rating", "weight", *(["partner", "mix"] if mixed else [])]
    if parts[0].negative is not None:
        names.append("negative")
    past = parts[0].past
    return replace(
        parts[0],
        **{name: torch.cat([getattr(part, name) for part in parts], 1) for name in names},
        past=None if past is None else past.repeat(1, len(parts)),
    )


def _with_partner(rows: Rows) -> Rows:
    if rows.partner is not None:
        return rows
    return replace(rows, partner=rows.item, mix=torch.ones_like(rows.rating))
