"""How one task is fitted from its support: the second of the three questions of an experiment."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Literal

from torch import Tensor, nn

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.engine.base import Adapted, RatingLoss, query_losses
from fewrec_cli.engine.choose import EnginePath
from fewrec_cli.scenario.batch import Rows, TaskBatch


class Adapter(nn.Module, ABC):
    """Fits all tasks of a batch to their supports, leaving the shared weights untouched.

    Attributes:
        strengths: Factors on the adapter's own strength that are tried on the validation tasks
            after pretraining; a single entry is used as it is.
        strength: The factor in use.
        engine_path: Path of the engine that it takes; None of what adapts nothing.
        inner_steps: Steps of one task; a closed form is one.
        order: Whether the outer gradient goes through them.
        names: Parameters that tasks adapt, relative to the backbone; empty: the head's last layer.
    """

    engine_path: EnginePath | None = None
    inner_steps: int = 1
    order: Literal["first", "second"] = "second"
    names: tuple[str, ...] = ()

    def __init__(self, strengths: list[float]) -> None:
        super().__init__()
        self.strengths = tuple(strengths)
        self.strength = 1.0

    def prepare(self, backbone: Backbone) -> None:
        """Create learnable parameters once the backbone is built."""

    def numbers(self, backbone: Backbone) -> int:
        """Return how many numbers one task's adapted weights hold; bounds the tasks of a part."""
        return len(backbone.head.linear_weights())

    @abstractmethod
    def adapt(self, backbone: Backbone, user: Tensor, support: Rows, *, training: bool) -> Adapted:
        """Fit every task to its support.

        Args:
            backbone: Shared weights; not mutated.
            user: ``(tasks,)``.
            support: Padded supports; a task without rows keeps the shared weights.
            training: Whether an outer gradient will be taken through the result.

        Returns:
            What each task learned.
        """

    def query_losses(
        self, backbone: Backbone, user: Tensor, support: Rows, query: Rows, kind: RatingLoss
    ) -> Tensor:
        """Adapt for training and return each task's mean loss on its query, ``(tasks,)``."""
        adapted = self.adapt(backbone, user, support, training=True)
        return query_losses(backbone, adapted, user, query, kind)

    def calibrate(self, backbone: Backbone, tasks: Iterable[tuple[Adapted, TaskBatch]]) -> None:
        """Learn how far ratings lie from their predictions, after all else has been chosen.

        Args:
            backbone: Trained, in eval mode.
            tasks: What tasks outside pretraining learned, each batch with its query; read by those
                adapters only that foretell a variance.
        """
