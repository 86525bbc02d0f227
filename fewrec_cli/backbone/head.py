"""What a head is: the small part of a backbone that each task adapts."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

AdaptedSet = Literal["head", "last", "bias", "all"]


@dataclass(frozen=True)
class HeadSpec:
    """The form of a head, from which the engine chooses its path.

    Attributes:
        form: ``factor``: score = offset + q·p + b, linear in what is adapted; ``mlp``: linear
            layers with ReLU between; ``other``: any module.
        widths: ``factor``: (factors,); ``mlp``: input, hidden ..., output.
    """

    form: Literal["factor", "mlp", "other"]
    widths: tuple[int, ...]


class Head(nn.Module, ABC):
    """The part of a backbone that a task adapts: features to score, row by row."""

    spec: HeadSpec

    @abstractmethod
    def forward(self, features: Tensor) -> Tensor:
        """Score rows.

        Args:
            features: ``(..., width)``, as the backbone's ``encode`` returns them.

        Returns:
            Scores in standard units, ``(...)``.
        """

    @abstractmethod
    def linear_view(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Show the head as linear in its last layer: score = offset + design · weights.

        Args:
            features: ``(..., width)``.

        Returns:
            ``offset (...)`` and ``design (..., columns)``.
        """

    @abstractmethod
    def linear_weights(self) -> Tensor:
        """Return the shared last-layer weights in the order of ``design``, ``(columns,)``."""

    @abstractmethod
    def from_linear(self, weights: Tensor) -> dict[str, Tensor]:
        """Split weights ``(..., columns)`` into this head's named parameters."""

    @abstractmethod
    def adapted(self, which: AdaptedSet) -> tuple[str, ...]:
        """Return the head's parameter names in the set ``head``, ``last`` or ``bias``."""
