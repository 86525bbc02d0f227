"""Processes that share the users of a data set, and how they talk."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from fewrec_cli.core.errors import Faults, FewrecError

T = TypeVar("T")

Exchange = Callable[[Any], list[Any]]
"""Hands a value to all processes and returns what each handed in, by rank; all must call it."""


class Shard:
    """Which of several processes this one is, and how they talk.

    Args:
        rank: This process, from 0.
        world: Number of processes.
        exchange: See ``Exchange``.
    """

    def __init__(self, rank: int, world: int, exchange: Exchange) -> None:
        self.rank = rank
        self.world = world
        self._exchange = exchange
        self._heard: FewrecError | None = None

    def gather(self, value: T) -> list[T]:
        """Return the value of every process, by rank.

        Raises:
            FewrecError: Another process failed within ``together`` and told of it.
        """
        told = self._exchange((None, value))
        fault = next((fault for fault, _ in told if fault is not None), None)
        if fault is not None:
            kind, words = fault
            self._heard = kind(*words)
            raise self._heard
        return [each for _, each in told]

    def total(self, counts: np.ndarray) -> np.ndarray:
        """Return the sum over processes."""
        return counts if self.world == 1 else np.asarray(np.sum(self.gather(counts), axis=0))

    @contextmanager
    def together(self) -> Iterator[None]:
        """Within it a fault of one process ends all; nobody waits for the fallen.

        Raises:
            FewrecError: In the first process, which tells the user.
            SystemExit: In the others.
        """
        try:
            yield
            self.gather(None)
        except FewrecError as fault:
            if fault is not self._heard:
                told = fault.faults[0] if isinstance(fault, Faults) else fault
                self._exchange(((type(told), (told.problem, told.remedy)), None))
            if self.rank > 0:
                raise SystemExit(fault.exit_code) from fault
            raise


ALONE = Shard(0, 1, lambda value: [value])
"""The one process of a run that has no other."""
