"""Vectors of pairs of a user and an item: each different pair once, short texts with short ones."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Self

import torch
from torch import Tensor, nn
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint

from fewrec_cli.backbone.memo import Memo
from fewrec_cli.core.progress import PROBE_S, Estimate
from fewrec_cli.text.encode import BUDGET
from fewrec_cli.text.layout import Layout
from fewrec_cli.text.trunk import Trunk

GRAPH = {"cpu": 1 << 30, "cuda": 1 << 34}
"""Bytes of activations beyond which ``auto`` computes them again instead of keeping them."""

PART = {"cpu": 1 << 28, "cuda": 1 << 32}
"""Bytes of activations of the pairs that are computed again at once."""

INNER = 3
"""What a pair holds in an inner step of second order and in its gradient, in times of what it holds
in a plain forward pass: the least whole number above what was measured for 1 to 5 steps."""

LONGER = 2
"""A reading is told of only if it has this many times the tokens of any before it."""


Weight = tuple[Tensor, torch.dtype, torch.device, int]


class PairVectors(nn.Module):
    """What a language model makes of pairs.

    Outside of ``torch.func`` each different pair is read once, in batches of similar length; pairs
    are kept while nothing is learned, or in evaluation mode until a weight changes. Inside, where
    the content of a tensor is not known, every pair is filled up to the longest there can be.

    Args:
        layout: Makes the sequences.
        trunk: Reads them.
        n_items: Rows of the layout's table of items.
        checkpointing: Whether activations are computed again for the gradient; None: where they
            would take more than ``GRAPH``.
        tell: Told how long it takes, where it takes long; None tells nobody.
        beside: Told how far it is, likewise.
    """

    def __init__(
        self,
        layout: Layout,
        trunk: Trunk,
        n_items: int,
        checkpointing: bool | None,
        tell: Callable[[str], None] | None = None,
        beside: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__()
        self.layout = layout
        self.trunk = trunk
        self.n_items = n_items
        self.checkpointing = checkpointing
        self.tell = tell
        self.beside = beside
        self._told = 0
        self.memo = Memo()
        self._read_by: tuple[Weight, ...] = ()

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
        found: Tensor = self._remembered(keys) if self._still else self._batched(keys)
        return found.index_select(0, index)

    def train(self, mode: bool = True) -> Self:
        """Forget what was read before training: a fused optimiser does not count its changes."""
        if mode and self.learns:
            self.memo.clear()
        return super().train(mode)

    @property
    def _still(self) -> bool:
        """Whether the weights are those of the next reading, and no gradient is asked for."""
        if not self.learns:
            return True
        return not (self.training or torch.is_grad_enabled() or self._adapted)

    @property
    def _adapted(self) -> bool:
        """Whether a functional call has put a task's weights in the place of the shared ones."""
        return any(type(one) is not nn.Parameter for one in self.trunk.parameters())

    @torch.no_grad()
    def _remembered(self, keys: Tensor) -> Tensor:
        read_by = tuple(
            (one, one.dtype, one.device, one._version) for one in self.trunk.parameters()
        )
        if not _same(read_by, self._read_by):  # other weights were loaded, learned, or moved
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
        pulse = Pulse(len(keys), self.beside)
        order, parts = [], []
        for rows, width in _batches(lengths, partial(self._at_once, again, lengths.device)):
            pair = (user.index_select(0, rows), item.index_select(0, rows))
            parts.append(
                self._once_more(*pair, width, pulse) if again else self._read(*pair, width)
            )
            order.append(rows)
            pulse.read(len(rows))
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

    def _at_once(self, again: bool, device: torch.device, tokens: int) -> int:
        """Return how many pairs of so many tokens are read at once, at least 1."""
        found = BUDGET.get(device.type, BUDGET["cpu"]) // tokens
        if again:
            held = self.trunk.numbers(tokens) * self.trunk.dtype.itemsize
            found = min(found, PART.get(device.type, PART["cpu"]) // held)
        return max(found, 1)

    def _once_more(self, user: Tensor, item: Tensor, width: int, pulse: "Pulse") -> Tensor:
        """Do the same as ``_read``; the weights go along, as a functional call's are soon gone."""
        weights: dict[str, Tensor] = dict(self.trunk.named_parameters())
        passes = 0

        def read(user: Tensor, item: Tensor) -> Tensor:
            nonlocal passes
            passes += 1
            if passes > 1:
                pulse.read_again(len(user))
            sequences = self.layout(user, item, width)
            return self._scaled(functional_call(self.trunk, weights, (sequences,)))

        found: Tensor = checkpoint(read, user, item, use_reentrant=False)
        return found

    def _read(self, user: Tensor, item: Tensor, width: int) -> Tensor:
        return self._scaled(self.trunk(self.layout(user, item, width)))

    def _scaled(self, vectors: Tensor) -> Tensor:
        return vectors / math.sqrt(self.trunk.width)


def _same(one: Sequence[Weight], other: Sequence[Weight]) -> bool:
    """Whether weights are the same tensors with the same content."""
    return len(one) == len(other) and all(
        mine[0] is theirs[0] and mine[1:] == theirs[1:]
        for mine, theirs in zip(one, other, strict=True)
    )


def _different(keys: Tensor) -> tuple[Tensor, Tensor]:
    """Return the different keys, and the place of each key among them."""
    found, index = torch.unique(keys, return_inverse=True)
    return found, index


class Pulse:
    """Says how far a long reading is, and its gradient where pairs are read again for it.

    Args:
        pairs: How many are read.
        beside: Takes a few words; None: nobody is told.
    """

    def __init__(self, pairs: int, beside: Callable[[str], None] | None) -> None:
        self.pairs = pairs
        self.beside = beside
        self.started = time.perf_counter()
        self.seen = self.seen_again = 0

    def read(self, pairs: int) -> None:
        """Count pairs that were read."""
        self.seen += pairs
        self._say(f"{self.seen:,} of {self.pairs:,} pairs read")

    def read_again(self, pairs: int) -> None:
        """Count pairs that are read again for their gradient."""
        self.seen_again += pairs
        self._say(f"gradients of {self.seen_again:,} of {self.pairs:,} pairs")

    def _say(self, text: str) -> None:
        if self.beside is not None and time.perf_counter() - self.started > PROBE_S:
            self.beside(text)


def _batches(lengths: Tensor, at_once: Callable[[int], int]) -> Iterator[tuple[Tensor, int]]:
    """Yield the places of pairs of similar length, and their longest, the longest first.

    Args:
        lengths: Tokens of each pair, ``(pairs,)``.
        at_once: How many pairs of so many tokens are read at once.
    """
    sizes, order = lengths.sort(descending=True, stable=True)
    widths, start = sizes.tolist(), 0
    while start < len(widths):
        stop = start + at_once(widths[start])
        yield order[start:stop], widths[start]
        start = stop
