"""Vectors of pairs that a model which does not learn has already read."""

import torch
from torch import Tensor

BYTES = 1 << 31
"""Memory that the vectors may take; pairs beyond it are read anew each time."""


class Memo:
    """A table that grows: keys ascending, and the row of each."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything: the weights have changed."""
        self._keys = torch.empty(0, dtype=torch.int64)
        self._rows = torch.empty(0, dtype=torch.int64)
        self._values = torch.empty(0, 0)
        self._used = 0

    def __len__(self) -> int:
        return self._used

    def missing(self, keys: Tensor) -> Tensor:
        """Return the places of keys that are not there, ``(n,)``; keys differ from one another."""
        if not self._used:
            return torch.arange(len(keys), device=keys.device)
        return (self._keys[self._place(keys)] != keys).nonzero()[:, 0]

    def add(self, keys: Tensor, values: Tensor) -> None:
        """Keep values of keys that are not there, as many as there is memory for.

        Args:
            keys: Different, ``(n,)``.
            values: ``(n, width)``.
        """
        width, size = values.shape[1], values.element_size()
        room = BYTES // (width * size)
        fits = max(room - self._used, 0)
        keys, values = keys[:fits], values[:fits]
        if not len(keys):
            return
        needed = self._used + len(keys)
        if needed > len(self._values):
            grown = values.new_empty(min(max(needed, 2 * len(self._values)), room), width)
            if self._used:
                grown[: self._used] = self._values[: self._used]
            self._values = grown
        self._values[self._used : needed] = values
        own = torch.arange(self._used, needed, device=keys.device)
        every = torch.cat([self._keys.to(keys), keys])
        self._keys, order = every.sort()
        self._rows = torch.cat([self._rows.to(keys), own])[order]
        self._used = needed

    def take(self, keys: Tensor) -> Tensor:
        """Return the values of keys that are there, ``(n, width)``."""
        return self._values.index_select(0, self._rows[self._place(keys)])

    def _place(self, keys: Tensor) -> Tensor:
        return torch.searchsorted(self._keys, keys).clamp(max=self._used - 1)
