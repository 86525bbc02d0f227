"""What a backbone is: features that all tasks share, and a small head that each task adapts."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fewrec_cli.backbone.head import AdaptedSet as AdaptedSet
from fewrec_cli.backbone.head import Head as Head
from fewrec_cli.backbone.head import HeadSpec as HeadSpec
from fewrec_cli.backbone.listener import Listener as Listener
from fewrec_cli.backbone.listener import Told as Told
from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.core.types import Interactions
from fewrec_cli.data.base import Dataset
from fewrec_cli.data.totals import TrainTotals
from fewrec_cli.text.encode import Pooling
from fewrec_cli.text.language import Language


@dataclass(frozen=True)
class Halves:
    """Features before user and item meet, each computed once where ``encode`` repeats them.

    For a head of the form ``mlp`` a row's features are its user's half and then its item's; for
    ``factor`` the user's half is added to (p, b), and the item's half is (q, offset).

    Attributes:
        user: The user's half of each task, ``(tasks, user width)``; of width 0 where all stands
            in the item's half.
        item: The item's half of each different item, ``(items, item width)``.
        index: Row of ``item`` of each asked row, ``(rows,)``.
    """

    user: Tensor
    item: Tensor
    index: Tensor


@dataclass(frozen=True)
class Reads:
    """A language model as a backbone uses it.

    Attributes:
        language: The model, which nobody changes.
        texts: What it reads of each item, ``(n_items,)``.
        pooling: How a text becomes a vector.
        max_tokens: Where longer texts are cut.
        numbers: What it computes in; None: what is fast on its device.
    """

    language: Language
    texts: tuple[str, ...]
    pooling: Pooling
    max_tokens: int
    numbers: torch.dtype | None


class Backbone(nn.Module, ABC):
    """A scorer whose embeddings are shared and whose head is adapted to each task.

    Constructors take keyword-only arguments, one per key of the yaml; ``prepare`` builds the
    tables once the data is known.

    Args:
        weights: Run folder whose trained backbone this one starts from, or None.

    Attributes:
        head: The adapted part.
        weights: As given; whoever builds the run loads them after ``prepare``.
        reporter: Told of long work in ``prepare``; whoever builds the run sets it before.
        seed: Of what ``prepare`` draws from streams of its own, likewise.
        rating_mean: Mean of the training ratings (stars), a buffer.
        rating_sd: Standard deviation of the training ratings (stars), a buffer.
    """

    head: Head
    rating_mean: Tensor
    rating_sd: Tensor

    def __init__(self, weights: str | None = None) -> None:
        super().__init__()
        self.weights = weights
        self.reporter = Reporter(quiet=True)
        self.seed = 0
        self.register_buffer("rating_mean", torch.tensor(0.0))
        self.register_buffer("rating_sd", torch.tensor(1.0))

    @abstractmethod
    def prepare(self, dataset: Dataset, train: Interactions) -> None:
        """Build embedding tables and starting values from the data set.

        Args:
            dataset: Gives sizes, side fields and texts; its ratings must not be read here.
            train: The interactions that pretraining may see; counted by ``TrainTotals.of``, which
                sums over processes where each holds a share.
        """

    @abstractmethod
    def encode(self, user: Tensor, item: Tensor, *, personal: bool = False) -> Tensor:
        """Return the features that the head scores.

        Args:
            user: ``(...)``.
            item: ``(..., n)``.
            personal: Add what pretraining learned of each user by id (never for a cold user).

        Returns:
            ``(..., n, width)``.
        """

    def refresh(self) -> None:
        """Renew what is derived from the weights without a gradient.

        Called before each epoch, before each validation and after training; by default there is
        nothing to renew.
        """

    def halves(self, user: Tensor, task: Tensor, item: Tensor) -> Halves:
        """Return the features of many rows, the user's half apart from the item's.

        A backbone that need not offer this has every row's whole features as the item's half.

        Args:
            user: ``(tasks,)``; may be empty if the items' halves are all that is wanted and the
                user's half has a width.
            task: Place of each row's user in ``user``, ``(rows,)``.
            item: ``(rows,)``.
        """
        whole = self.encode(user.index_select(0, task), item[:, None])[:, 0]
        rows = torch.arange(len(item), device=item.device)
        return Halves(whole.new_zeros(len(user), 0), whole, rows)

    def informed(self, item: Tensor, half: Tensor) -> "Backbone":
        """Return a backbone that has learned some items anew; what stays the same is shared.

        Args:
            item: Different items, ``(n,)``.
            half: What they are now, in the form of ``Halves.item``, ``(n, item width)``.

        Raises:
            ConfigError: This backbone keeps no numbers of an item.
        """
        raise ConfigError(
            f"backbone {type(self).__name__} cannot learn new items from pooled supports",
            "take backbone=mf, or scenario.pool=false",
        )

    def forward(
        self, user: Tensor, item: Tensor, partner: Tensor | None = None, mix: Tensor | None = None
    ) -> Tensor:
        """Score items for users, both as if cold; ``partner`` and ``mix`` as in ``Rows``.

        Args:
            user: ``(...)``.
            item: ``(..., n)``.
            partner: ``(..., n)`` or None.
            mix: ``(..., n)`` or None.

        Returns:
            Scores in standard units, ``(..., n)``.
        """
        features = self.encode(user, item)
        if partner is not None and mix is not None:
            other = self.encode(user, partner)
            features = mix[..., None] * features + (1 - mix[..., None]) * other
        scores: Tensor = self.head(features)
        return scores

    def item_vectors(self) -> Tensor | None:
        """Return what texts say of each item, ``(items, width)``, 0 without a text; None: nothing.

        Asked once ``prepare`` is done.
        """
        return None

    def reads(self) -> "Reads | None":
        """Return the language model that reads the items' texts; None: there is none.

        Asked once ``prepare`` is done.
        """
        return None

    def listener(self) -> Listener | None:
        """Return what reads items together with a text about a user; None: nothing does.

        Asked once ``prepare`` is done, and anew each time.
        """
        return None

    def penalty(self, item: Tensor, weight: Tensor) -> Tensor:
        """Return the regulariser of a step, a scalar on the scale of the mean loss of a row.

        Args:
            item: Items of the step's rows, ``(...)``.
            weight: Share of each row, 0 on padding, ``(...)``.
        """
        return weight.new_zeros(())

    def personal_penalty(self, user: Tensor) -> Tensor:
        """Return the regulariser of what is known of ``user (batch,)`` by id, a scalar."""
        return torch.zeros((), device=user.device)

    def adapted_names(self, which: AdaptedSet) -> tuple[str, ...]:
        """Return the names of the parameters that a task adapts, relative to the backbone.

        Raises:
            ConfigError: The set is empty for this backbone.
        """
        if which == "all":
            names = tuple(name for name, _ in self.named_parameters() if self.adaptable(name))
        else:
            names = tuple(f"head.{name}" for name in self.head.adapted(which))
        if not names:
            raise ConfigError(
                f"this backbone has no parameters in the set '{which}'",
                "choose strategy.adapted=head, last, bias or all",
            )
        return names

    def adapted_by(self, names: Sequence[str]) -> None:
        """Get ready for tasks that adapt the parameters ``names`` by gradients; mostly nothing."""

    def fed_with(self, feed: str) -> None:
        """Learn what a training phase is fed with, ``rows`` or ``tasks``.

        Raises:
            ConfigError: This backbone cannot be trained so.
        """

    def stepped(self, step: int, total: int | None) -> None:
        """Learn that a training step was taken; its gradients are still there.

        Args:
            step: Its number within the phase, from 1.
            total: Steps of the phase, or None if no end is known.
        """

    def numbers_of_a_row(self, names: Sequence[str]) -> int:
        """Return how many numbers a row holds, from above, while tasks adapt ``names``."""
        return sum(self.head.spec.widths)

    @property
    def reads_anew(self) -> bool:
        """Whether each training step reads texts anew, which makes steps long."""
        return False

    def adaptable(self, name: str) -> bool:
        """Whether ``strategy.adapted=all`` adapts the parameter; False for tables of user ids."""
        return not name.startswith("personal")

    def stars(self, scores: Tensor) -> Tensor:
        """Turn scores in standard units into stars."""
        return scores * self.rating_sd + self.rating_mean

    def liked_from(self, dataset: Dataset) -> float | None:
        """Return from which rating on an item is liked, standard units; None: every one is."""
        if dataset.implicit or dataset.scale is None:
            return None
        between = dataset.positive - dataset.scale.step / 2  # no rating lies there
        return (between - float(self.rating_mean)) / float(self.rating_sd)

    def set_standard(self, train: TrainTotals, *, implicit: bool) -> None:
        """Set the standard units from the training ratings; implicit data keeps 0 and 1."""
        if not implicit and (train.rows or train.sd):  # without rows: the scale's levels
            self.rating_mean.fill_(train.mean)
            self.rating_sd.fill_(max(train.sd, 1e-3))


PAIRWISE_CURVATURE = 0.125
"""Curvature of the pairwise loss at 0 (1/4) against that of the squared error (2)."""


def row_worth(*, implicit: bool) -> float:
    """Return what one row of penalty weighs, so that it holds ids back alike under either loss."""
    return PAIRWISE_CURVATURE if implicit else 1.0


def subset(parameters: Mapping[str, Tensor], names: tuple[str, ...]) -> dict[str, Tensor]:
    """Return the named parameters, in the order of ``names``."""
    return {name: parameters[name] for name in names}
