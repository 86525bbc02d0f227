"""Where shared knowledge comes from: the first of the three questions of an experiment."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.core.seeding import derive_seed
from fewrec_cli.core.types import Interactions
from fewrec_cli.data.base import Dataset
from fewrec_cli.engine.accumulate import cuts, mean_in_parts
from fewrec_cli.engine.base import Adapted, RatingLoss, query_losses
from fewrec_cli.engine.choose import EnginePath
from fewrec_cli.engine.weights import TaskWeights
from fewrec_cli.scenario.batch import RowBatch, Rows, TaskBatch
from fewrec_cli.strategy.adapter.base import Adapter
from fewrec_cli.strategy.augment.base import Augment, stretch

Batch = RowBatch | TaskBatch


@dataclass(frozen=True)
class Feed:
    """What one training step is fed with.

    Attributes:
        kind: ``rows``: interactions of any users; ``tasks``: episodes of whole users.
        per_step: Rows (tasks) of one step over all processes.
        support: Smallest and largest support of an episode; sizes are drawn log-uniformly.
        query: Largest query of an episode.
        examples: Whether tasks are the scenario's own examples, where it has some.
    """

    kind: Literal["rows", "tasks"]
    per_step: int
    support: tuple[int, int] = (1, 1)
    query: int = 1
    examples: bool = False


@dataclass(frozen=True)
class Outer:
    """How shared weights are updated.

    Attributes:
        optimizer: Adam (decoupled weight decay) or plain gradient descent.
        lr: Largest step size.
        weight_decay: Of Adam, >= 0.
        epochs: Passes over the training rows (tasks).
        patience: Validations without gain before the phase ends.
        loss: Of explicit ratings; implicit data is always ranked in pairs.
        schedule: ``cosine`` falls from ``lr`` to a tenth of it; ``onecycle`` first rises to ``lr``,
            over the first 30% of the steps, and ends near 0 (Smith, 2018).
    """

    optimizer: Literal["adam", "sgd"]
    lr: float
    weight_decay: float
    epochs: int
    patience: int
    loss: RatingLoss = "squared"
    schedule: Literal["cosine", "onecycle"] = "cosine"


class Strategy(nn.Module, ABC):
    """Trains shared weights and adapts them: the class behind a yaml of ``configs/strategy``.

    Args:
        adapter: Fits a task to its support.
        augment: Changes of the supports by name; empty switches augmentation off.
        augment_weight: α of D* = D + α D'.
        outer: How shared weights are updated.
        feed: What one step is fed with.

    Attributes:
        parts: Into how many parts a meta-batch is cut that does not fit into memory.
    """

    def __init__(
        self,
        *,
        adapter: Adapter,
        augment: Mapping[str, Augment],
        augment_weight: float,
        outer: Outer,
        feed: Feed,
    ) -> None:
        super().__init__()
        self.adapter = adapter
        self.augments = tuple(augment.values())
        self.augment_weight = augment_weight
        self.outer = outer
        self.feed = feed
        self.parts = 1

    @property
    def phases(self) -> Sequence["Strategy"]:
        """The strategies whose training makes up pretraining, in order; most have one phase."""
        return (self,)

    @property
    def name(self) -> str:
        """The word shown for this phase."""
        return type(self).__name__.lower()

    def prepare(self, backbone: Backbone, dataset: Dataset, train: Interactions) -> None:
        """Create learnable parameters once the backbone is built: the adapter's, then one's own.

        Args:
            backbone: Prepared.
            dataset: Gives sizes, rating levels and side fields; its ratings must not be read here.
            train: The interactions that pretraining may see.
        """
        if self.reads_backbone:
            for phase in self.phases:
                backbone.fed_with(phase.feed.kind)
        self.adapter.prepare(backbone)
        self.build(backbone, dataset, train)

    def build(self, backbone: Backbone, dataset: Dataset, train: Interactions) -> None:
        """Create one's own parameters and networks: trained, saved and loaded with the strategy.

        Arguments are those of ``prepare``. Most strategies have none.
        """

    @property
    def runs(self) -> Sequence[str]:
        """Folders of finished runs that this strategy is made of; most are made of none."""
        return ()

    @property
    def reads_backbone(self) -> bool:
        """Whether answers depend on backbone and adapter; if not, theirs are not counted."""
        return True

    @property
    def engine_path(self) -> EnginePath | None:
        """How the adapter computes; None where nothing is adapted, or no adapter is asked."""
        return self.adapter.engine_path if self.reads_backbone else None

    @property
    def fitted(self) -> int:
        """How many numbers ``fit`` finds, beside the parameters that are trained."""
        return 0

    def join(self, members: Sequence["Member"]) -> None:
        """Take the trained models of ``runs``, in that order; called before anything is adapted."""

    @abstractmethod
    def loss(self, backbone: Backbone, batch: Batch) -> Tensor:
        """Return the training loss of one step, a scalar; mean over tasks (rows)."""

    def fit(self, backbone: Backbone, examples: Iterable[TaskBatch]) -> int:
        """Fit in closed form what needs no training steps, once all phases are over.

        Args:
            backbone: Trained.
            examples: Tasks of pretraining with support and query, made as they are asked for.

        Returns:
            Steps taken; 0 where there is nothing to fit, as in most strategies.
        """
        return 0

    def choose(self, backbone: Backbone, validation: Sequence[TaskBatch]) -> None:
        """Choose one's own constants; most strategies have none.

        Args:
            backbone: Trained.
            validation: The validation tasks of one draw at every support size; may be empty.
        """

    def remarks(self, backbone: Backbone, tasks: Iterable[TaskBatch]) -> Sequence[str]:
        """Return what a user should know of the answers, one line each; most strategies are silent.

        Args:
            backbone: Trained.
            tasks: The test tasks of one draw at the headline support size, made as asked for.
        """
        return ()

    def profiles_of(
        self, backbone: Backbone, user: Tensor, support: Rows, *, seed: int
    ) -> Mapping[str, Sequence[str]]:
        """Return what was written of tasks, columns of one text each; mostly none.

        Arguments are those of ``adapt``.
        """
        return {}

    def descriptions(self) -> Mapping[str, Sequence[str]]:
        """Return what was written of items, columns of ``n_items`` texts; mostly none."""
        return {}

    def adapt(
        self, backbone: Backbone, user: Tensor, support: Rows, *, seed: int, training: bool
    ) -> Adapted:
        """Fit every task to its (augmented) support; the shared weights are left untouched.

        Args:
            backbone: Shared weights.
            user: ``(tasks,)``.
            support: Padded supports.
            seed: Of the augmentation.
            training: Whether an outer gradient will be taken through the result.
        """
        return self.adapter.adapt(backbone, user, self.stretched(support, seed), training=training)

    def stretched(self, support: Rows, seed: int) -> Rows:
        """Return the augmented support."""
        generator = torch.Generator().manual_seed(seed)
        return stretch(support, self.augments, self.augment_weight, generator)

    def calibrate(self, backbone: Backbone, tasks: Iterable[TaskBatch]) -> None:
        """Let the adapter learn how far ratings lie from their predictions; see ``Adapter``."""
        answers = (
            (self.adapt(backbone, one.user, one.support, seed=one.seed, training=False), one)
            for one in tasks
        )
        self.adapter.calibrate(backbone, answers)

    def unadapted(self, backbone: Backbone, user: Tensor) -> Adapted:
        """Return what is known of tasks ``user (tasks,)`` before any support is seen."""
        return TaskWeights({})

    def query_losses(
        self, backbone: Backbone, adapted: Adapted, user: Tensor, query: Rows
    ) -> Tensor:
        """Return each task's mean loss on its query rows, ``(tasks,)``.

        Meta-training minimises it, and validation chooses by it.
        """
        return query_losses(backbone, adapted, user, query, self.outer.loss)

    def task_losses(self, backbone: Backbone, batch: TaskBatch) -> Tensor:
        """Adapt for training and return each task's query loss, ``(tasks,)``."""
        adapted = self.adapt(backbone, batch.user, batch.support, seed=batch.seed, training=True)
        return self.query_losses(backbone, adapted, batch.user, batch.query)

    def adapted_loss(self, backbone: Backbone, batch: TaskBatch) -> Tensor:
        """Return the mean over tasks of the query loss after adaptation, a scalar.

        With several ``parts`` each one's graph is freed before the next is built: the same gradient
        in less memory.
        """

        def losses(part: TaskBatch) -> Tensor:
            return self.task_losses(backbone, part)

        if self.parts == 1:  # walking through all parameters would take a while in short steps
            return losses(batch).mean()
        learned = [p for p in (*backbone.parameters(), *self.parameters()) if p.requires_grad]
        return mean_in_parts(losses, self.cut(batch), learned)

    def cut(self, batch: TaskBatch) -> list[TaskBatch]:
        """Return the batch in ``parts`` parts; what is drawn at random is drawn for each anew."""
        found = [
            replace(
                batch,
                user=batch.user[part],
                support=batch.support.slice(part),
                query=batch.query.slice(part),
                seed=derive_seed(batch.seed, "part", number) if number else batch.seed,
            )
            for number, part in enumerate(cuts(len(batch), self.parts))
        ]
        return found if len(found) > 1 else [batch]


@dataclass(frozen=True)
class Member:
    """The trained model of a finished run."""

    strategy: Strategy
    backbone: Backbone
