"""The fast path for score = offset + q · p + b: each task's p and b, in closed form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn

from fewrec_cli.backbone.base import Halves
from fewrec_cli.engine.base import InnerLoop
from fewrec_cli.engine.errors import errors_of
from fewrec_cli.engine.pack import Packed, PlacedRows


@dataclass(frozen=True)
class FactorPiece:
    """The own p and b of the tasks of one part.

    Attributes:
        factor: ``(tasks, factors)``.
        bias: ``(tasks,)``.
        names: Which of the two were adapted, relative to the backbone.
    """

    factor: Tensor
    bias: Tensor
    names: tuple[str, ...]

    def score(self, item: Tensor, prior: Tensor | None) -> Tensor:
        """Score rows.

        Args:
            item: The item's half of the features, (q, offset), ``(tasks, n, factors + 1)``.
            prior: What the user's half adds to (p, b), ``(tasks, factors + 1)``, or None.

        Returns:
            Standard units, ``(tasks, n)``.
        """
        factor, bias = self.factor, self.bias
        if prior is not None:
            factor, bias = factor + prior[:, :-1], bias + prior[:, -1]
        return (item[..., :-1] @ factor[..., None])[..., 0] + (item[..., -1] + bias[:, None])

    def values(self) -> dict[str, Tensor]:
        """Return each task's own parameters, by name relative to the backbone."""
        both = {"head.factor": self.factor, "head.bias": self.bias}
        return {name: both[name] for name in self.names}

    def moved(self, steps: Mapping[str, Tensor]) -> Self:
        """Return what is left after ``steps`` are taken off, by name."""
        factor, bias = self.factor, self.bias
        if "head.factor" in steps:
            factor = factor - steps["head.factor"]
        if "head.bias" in steps:
            bias = bias - steps["head.bias"]
        return replace(self, factor=factor, bias=bias)

    def take(self, tasks: Tensor) -> Self:
        """Return some of the tasks."""
        return replace(self, factor=self.factor[tasks], bias=self.bias[tasks])


class FactorForm:
    """A head of factors on one batch's users and items.

    Args:
        head: The shared ``factor`` and ``bias``.
        halves: Features of the batch.
    """

    def __init__(self, head: nn.Module, halves: Halves) -> None:
        self.factor, self.bias = head.get_parameter("factor"), head.get_parameter("bias")
        self.prior = halves.user if halves.user.shape[1] else None
        self.item = halves.item

    def adapt(self, packed: Packed, rows: PlacedRows, loop: InnerLoop) -> tuple[FactorPiece, ...]:
        """Take the steps of all tasks, part by part; arguments as of ``MLPForm.adapt``."""
        graph = loop.second_order and torch.is_grad_enabled()
        with torch.set_grad_enabled(graph):
            items = packed.blocks(rows.of(self.item))
            rated = zip(packed.blocks(packed.rating), packed.blocks(packed.share), strict=True)
            priors = self._priors(packed.sizes)
        parts = zip(items, rated, priors, packed.cut(loop.scale), strict=True)
        return tuple(
            self._steps(item, one, prior, replace(loop, scale=scale), graph, pairs=packed.pairs)
            for item, one, prior, scale in parts
        )

    def score(self, pieces: Sequence[FactorPiece], index: Tensor) -> Tensor:
        """Score rows of all tasks; see ``MLPForm.score``."""
        item = self.item.index_select(0, index.flatten()).view(*index.shape, self.item.shape[1])
        sizes = [len(piece.bias) for piece in pieces]
        blocks = zip(pieces, torch.split(item, sizes), self._priors(sizes), strict=True)
        return torch.cat([piece.score(rows, prior) for piece, rows, prior in blocks])

    def _priors(self, sizes: Sequence[int]) -> Sequence[Tensor | None]:
        return [None] * len(sizes) if self.prior is None else torch.split(self.prior, list(sizes))

    def _steps(
        self,
        item: Tensor,
        rated: tuple[Tensor, Tensor],
        prior: Tensor | None,
        loop: InnerLoop,
        graph: bool,
        *,
        pairs: bool,
    ) -> FactorPiece:
        tasks = len(item)
        start = FactorPiece(self.factor.expand(tasks, -1), self.bias.expand(tasks), loop.names)
        own = start
        slopes: dict[str, Tensor] = {}
        for _ in range(loop.steps):
            with torch.set_grad_enabled(graph):
                error = errors_of(own.score(item, prior), *rated, pairs=pairs)
                found = {
                    "head.factor": (error[:, None] @ item[..., :-1])[:, 0],
                    "head.bias": error.sum(1),
                }
                slopes = {name: slope + slopes.get(name, 0) for name, slope in found.items()}
            own = start.moved({name: loop.step(name, slopes[name]) for name in loop.names})
        return own
