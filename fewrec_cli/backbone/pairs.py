"""Vectors of pairs of a user and an item: each different pair once, short texts with short ones."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint

from fewrec_cli.backbone.memo import Memo
from fewrec_cli.core.progress import Estimate
from fewrec_cli.text.encode import BUDGET
from fewrec_cli.text.layout import Layout
from fewrec_cli.text.trunk import Trunk

GRAPH = {"cpu": 1 << 31, "cuda": 1 << 34}
"""Bytes of activations beyond which ``auto`` computes them again instead of keeping them."""

INNER = 3
"""What a pair holds in an inner step of second order and in its gradient, in times of what it holds
in a plain forward pass: the least whole number above what was measured for 1 to 5 steps."""

LONGER = 2
"""A reading is told of only if it has this many times the tokens of any before it."""


class PairVectors(nn.Module):
    """What a language model makes of pairs.

    Outside of ``torch.func`` each different pair is read once, in batches of similar length; pairs
    that a model which learns nothing has read are kept. Inside, where the content of a tensor is
    not known, every pair is filled up to the longest there can be.

    Args:
        layout: Makes the sequences.
        trunk: Reads them.
        n_items: Rows of the layout's table of items.
        checkpointing: Whether activations are computed again for the gradient; None: where they
            would take more than ``GRAPH``.
        tell: Told how long it takes, where it takes long; None tells nobody.
    """

    def __init__(
        self,
        layout: Layout,
        trunk: Trunk,
        n_items: int,
        checkpointing: bool | None,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__()
        self.layout = layout
        self.trunk = trunk
        self.n_items = n_items
        self.checkpointing = checkpointing
        self.tell = tell
        self._told = 0
        self.memo = Memo()
        self._read_by: tuple[object, ...] = ()

    @property
    def learns(self) -> bool:
        """Whether any weight of the language model is learned."""
        return any(one.requires_grad for one in self.trunk.parameters())

    @property
    def numbers(self) -> int:
        """How many numbers the longest pair holds in an inner step, from above."""
        return INNER * self.trunk.numbers(self.layout.longest)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        """Return the vectors of pairs, ``(pairs, width)``, scaled to a length of about 1.

        Args:
            user: Rows of the layout's table of users, ``(pairs,)``.
            item: Rows of its table of items, ``(pairs,)``.
        """
        if is_functorch_wrapped_tensor(item) or is_functorch_wrapped_tensor(user):
            return self._read(user, item, self.layout.longest)
        keys, index = _different(user * self.n_items + item)
        if not len(keys):
            return self.trunk.table.weight.new_zeros(0, self.trunk.width)
        found: Tensor = self._batched(keys) if self.learns else self._remembered(keys)
        return found.index_select(0, index)

    @torch.no_grad()
    def _remembered(self, keys: Tensor) -> Tensor:
        weight = self.trunk.table.weight
        read_by = (weight.dtype, weight.device, weight._version)
        if read_by != self._read_by:  # other weights were loaded, or moved
            self.memo.clear()
            self._read_by = read_by
        lost = keys[self.memo.missing(keys)]
        if len(lost):
            self.memo.add(lost, self._batched(lost))
        beyond = self.memo.missing(keys)  # for which there was no memory
        if not len(beyond):
            return self.memo.take(keys)
        found = self.trunk.table.weight.new_empty(len(keys), self.trunk.width)
        there = torch.ones_like(keys, dtype=torch.bool)
        there[beyond] = False
        if len(self.memo):
            found[there] = self.memo.take(keys[there])
        found[beyond] = self._batched(keys[beyond])
        return found

    def _batched(self, keys: Tensor) -> Tensor:
        """Return the vectors of different pairs, ``(pairs, width)``."""
        user, item = keys // self.n_items, keys % self.n_items
        lengths = self.layout.lengths(user, item)
        again = self._again(lengths)
        work = f"reading {len(keys):,} pairs of a user and an item"
        tokens = int(lengths.sum())
        longer = tokens > LONGER * self._told  # each step of a training may read pairs
        self._told = max(self._told, tokens)
        clock = Estimate(work, tokens, self.tell if longer else None)
        order, parts = [], []
        for rows, width in _batches(lengths, BUDGET.get(lengths.device.type, BUDGET["cpu"])):
            pair = (user.index_select(0, rows), item.index_select(0, rows))
            parts.append(self._once_more(*pair, width) if again else self._read(*pair, width))
            order.append(rows)
            if not torch.is_grad_enabled():
                clock.done(int(lengths[rows].sum()))
        back = torch.cat(order).argsort()
        return torch.cat(parts).index_select(0, back)

    def _again(self, lengths: Tensor) -> bool:
        """Whether activations are computed again for the gradient."""
        if not (torch.is_grad_enabled() and self.learns) or self.checkpointing is False:
            return False
        if self.checkpointing:
            return True
        kept = sum(self.trunk.numbers(tokens) for tokens in lengths.tolist())
        return kept * self.trunk.dtype.itemsize > GRAPH.get(lengths.device.type, GRAPH["cpu"])

    def _once_more(self, user: Tensor, item: Tensor, width: int) -> Tensor:
        """Do the same as ``_read``; the weights go along, as a functional call's are soon gone."""
        weights: dict[str, Tensor] = dict(self.trunk.named_parameters())

        def read(user: Tensor, item: Tensor) -> Tensor:
            sequences = self.layout(user, item, width)
            return self._scaled(functional_call(self.trunk, weights, (sequences,)))

        found: Tensor = checkpoint(read, user, item, use_reentrant=False)
        return found

    def _read(self, user: Tensor, item: Tensor, width: int) -> Tensor:
        return self._scaled(self.trunk(self.layout(user, item, width)))

    def _scaled(self, vectors: Tensor) -> Tensor:
        return vectors / math.sqrt(self.trunk.width)


def _different(keys: Tensor) -> tuple[Tensor, Tensor]:
    """Return the different keys, and the place of each key among them."""
    found, index = torch.unique(keys, return_inverse=True)
    return found, index


def _batches(lengths: Tensor, budget: int) -> Iterator[tuple[Tensor, int]]:
    """Yield the places of pairs of similar length, and their longest, the longest first."""
    sizes, order = lengths.sort(descending=True, stable=True)
    widths, start = sizes.tolist(), 0
    while start < len(widths):
        stop = start + max(budget // widths[start], 1)
        yield order[start:stop], widths[start]
        start = stop
