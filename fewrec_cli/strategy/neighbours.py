"""Neighbours: user-user and item-item neighbourhoods, content, and a mixture of the two."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import torch
from torch import Tensor

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.types import Interactions
from fewrec_cli.data.base import Dataset
from fewrec_cli.engine.base import Adapted, Prediction
from fewrec_cli.scenario.batch import Rows, TaskBatch
from fewrec_cli.strategy.adapter.base import Adapter
from fewrec_cli.strategy.augment.base import Augment
from fewrec_cli.strategy.base import Batch, Feed, Outer, Strategy
from fewrec_cli.strategy.neighbours_alike import (
    Similarity,
    described_alike,
    rated_alike,
    refuse_many,
    told_alike,
)
from fewrec_cli.strategy.neighbours_mix import Asked, Belief, Said, chosen
from fewrec_cli.strategy.neighbours_table import Seen, Table
from fewrec_cli.strategy.neighbours_voices import ItemVoices, UserVoices, Voices

WITHOUT_VALIDATION = 0.3
"""Damping where there are no validation tasks."""
EVEN = 0.5
"""Share of the collaborative part, likewise."""


class Neighbours(Strategy):
    """score = item level + user offset + α · collaborative + (1 - α) · content.

    Each part is Σ s · deviation / (Σ |s| + damping): over the rows of the support whose items were
    rated most like the candidate (``by=items``), the most similar training users who rated it
    (``by=users``), or all rows of the support, by their attributes or texts (content). Deviations
    are ratings less item level and user offset. Where one part has no neighbour the other speaks
    alone; where both have none the score is level + offset. Implicit data: Σ s, less what as many
    neighbours with the item's popularity would have said. Nothing is trained; the backbone gives
    standard units, and the vectors of texts.

    Args:
        adapter: Read by nothing.
        augment: Changes of the supports by name; read by nothing.
        augment_weight: Likewise.
        by: Whose neighbours the collaborative part asks.
        similarity: ``cosine`` of deviations, or ``pearson`` over what both have rated.
        neighbours: How many speak for a candidate at most, the most similar; None: all. As many
            items have the same attributes, it leaves content alone.
        shrinkage: s · n / (n + shrinkage), n being the ratings that two have in common, >= 0.
        damping: Weight of neighbours that would say nothing, >= 0; None: each part's is chosen on
            the validation tasks.
        alpha: Share of the collaborative part, 0 (content alone) to 1; None: chosen likewise.
        content: What makes items alike without ratings: their ``attributes``, or the vectors that
            the backbone's language model has of their ``text``.
        item_shrinkage: Ratings at the mean added to each item's level, >= 0.
        user_shrinkage: Residuals of 0 added to each user's offset, >= 0.

    Source:
        By users: Resnick et al., "GroupLens", CSCW 1994. By items, and cosine of centred ratings:
        Sarwar et al., "Item-Based Collaborative Filtering", WWW 2001, section 3. Deviations from a
        baseline, shrunk similarities: Koren, "Factorization Meets the Neighborhood", KDD 2008,
        equations 1 to 3. Implicit: Deshpande & Karypis, "Item-Based Top-N Recommendation
        Algorithms", TOIS 2004. Departures: the denominator is damped, as five ratings seldom hold
        a near neighbour, and Pearson's correlation is of deviations too.
    """

    chosen: Tensor

    def __init__(
        self,
        *,
        adapter: Adapter,
        augment: Mapping[str, Augment],
        augment_weight: float,
        by: Literal["items", "users"],
        similarity: Similarity,
        neighbours: int | None,
        shrinkage: float,
        damping: float | None,
        alpha: float | None,
        content: Literal["attributes", "text"],
        item_shrinkage: float,
        user_shrinkage: float,
    ) -> None:
        super().__init__(
            adapter=adapter,
            augment=augment,
            augment_weight=augment_weight,
            outer=Outer("adam", 0.0, 0.0, 0, 0),
            feed=Feed("tasks", 1),
        )
        self.by = by
        self.similarity = similarity
        self.neighbours = neighbours
        self.shrinkage = shrinkage
        self.damping = damping
        self.alpha = alpha
        self.content = content
        self.item_shrinkage = item_shrinkage
        self.user_shrinkage = user_shrinkage
        self._faults()

    @property
    def phases(self) -> Sequence[Strategy]:
        """None: nothing is trained."""
        return ()

    @property
    def reads_backbone(self) -> bool:
        """Its standard units alone."""
        return False

    @property
    def fitted(self) -> int:
        """The constants that validation tasks choose."""
        return len(self._free())

    def build(self, backbone: Backbone, dataset: Dataset, train: Interactions) -> None:
        """Lay out the training rows and compare all items.

        Raises:
            ConfigError: There are too many items, or what is compared is not in the data.
        """
        if dataset.implicit and self.similarity == "pearson":
            raise ConfigError(
                f"strategy.similarity=pearson compares ratings, and {dataset.name} has none",
                "take strategy.similarity=cosine",
            )
        mean, sd = float(backbone.rating_mean), float(backbone.rating_sd)
        self.table = Table(dataset, train, mean, sd, self.item_shrinkage, self.user_shrinkage)
        self.rated = None if self.alpha == 0 else self._rated(dataset)
        self.described = None if self.alpha == 1 else self._described(backbone, dataset)
        damping = WITHOUT_VALIDATION if self.damping is None else self.damping
        alpha = EVEN if self.alpha is None else self.alpha
        self.register_buffer("chosen", torch.tensor([damping, damping, alpha]))

    def loss(self, backbone: Backbone, batch: Batch) -> Tensor:
        """Raise TypeError: nothing is trained by steps."""
        raise TypeError("neighbours has no phase to train")

    def adapt(
        self, backbone: Backbone, user: Tensor, support: Rows, *, seed: int, training: bool
    ) -> "Surrounded":
        """Read every support; its rows are compared when candidates are known."""
        return Surrounded(self, *self.table.read(support.item, support.rating, support.weight))

    def unadapted(self, backbone: Backbone, user: Tensor) -> "Surrounded":
        """Read an empty support: item levels alone."""
        item = user.new_zeros(len(user), 0)
        none = item.to(backbone.rating_mean)
        return self.adapt(backbone, user, Rows(item, none, none), seed=0, training=False)

    @torch.no_grad()
    def choose(self, backbone: Backbone, validation: Sequence[TaskBatch]) -> None:
        """Choose the dampings and α where they are not given."""
        asked = []
        for one in validation:
            adapted = self.adapt(backbone, one.user, one.support, seed=one.seed, training=False)
            negative = one.query.negative
            other = None if negative is None else adapted.said(negative)
            asked.append(Asked(one.query, adapted.said(one.query.item), other))
        if asked:
            belief = chosen(asked, self.belief, self._free())
            self.chosen.copy_(torch.tensor([belief.rated, belief.described, belief.alpha]))

    @torch.no_grad()
    def remarks(self, backbone: Backbone, tasks: Iterable[TaskBatch]) -> list[str]:
        """Say what was chosen, and how many query rows had no neighbour."""
        rows = alone = plain = 0
        for one in tasks:
            adapted = self.adapt(backbone, one.user, one.support, seed=one.seed, training=False)
            said, real = adapted.said(one.query.item), one.query.weight > 0
            rated, described = said.known(said.rated), said.known(said.described)
            rows += int(real.sum())
            alone += int((real & ~rated & described).sum())
            plain += int((real & ~rated & ~described).sum())
        belief, told = self.belief, []
        if self.rated is not None:
            told.append(f"damping {belief.rated:g} (by {self.by})")
        if self.described is not None:
            told.append(f"damping {belief.described:g} (content)")
        if self.rated is not None and self.described is not None:
            told.append(f"alpha {belief.alpha:g}")
        return [
            f"neighbours: {', '.join(told)}",
            f"neighbours: of {rows:,} query rows {alone:,} had content neighbours alone, and "
            f"{plain:,} none: scored by item level + user offset",
        ]

    @property
    def belief(self) -> Belief:
        """How far each part is believed."""
        return Belief(*self.chosen.tolist())

    def _rated(self, dataset: Dataset) -> Voices:
        if self.by == "users":
            return UserVoices(self.table, self.similarity, self.shrinkage, self.neighbours)
        refuse_many(dataset.n_items)
        likeness = rated_alike(self.table, self.similarity, self.shrinkage)
        return ItemVoices(likeness, self.neighbours, implicit=dataset.implicit)

    def _described(self, backbone: Backbone, dataset: Dataset) -> Voices | None:
        refuse_many(dataset.n_items)
        likeness = self._content(backbone, dataset)
        if likeness is not None:
            return ItemVoices(likeness, None, implicit=dataset.implicit)  # many are equally alike
        if self.alpha is None:
            return None
        raise ConfigError(
            f"strategy.alpha={self.alpha:g} asks for content, and the items of {dataset.name} have "
            "no attribute but numbers",
            "take strategy.alpha=1, or give data with attributes of the items",
        )

    def _content(self, backbone: Backbone, dataset: Dataset) -> Tensor | None:
        if self.content == "attributes":
            return described_alike(dataset.item_fields)
        vectors = backbone.item_vectors()
        if vectors is None:
            raise ConfigError(
                "strategy.content=text compares what a language model says of the items' texts, "
                "and the backbone has none",
                "take backbone=hybrid or bert, or strategy.content=attributes",
            )
        return told_alike(vectors)

    def _free(self) -> list[str]:
        """Return which constants the validation tasks choose."""
        parts = {"rated": self.rated, "described": self.described}
        asked = [name for name, part in parts.items() if part is not None]
        free = asked if self.damping is None else []
        return [*free, "alpha"] if self.alpha is None and len(asked) == 2 else free

    def _faults(self) -> None:
        """Refuse what is out of range."""
        for name, value in (
            ("shrinkage", self.shrinkage),
            ("damping", self.damping),
            ("item_shrinkage", self.item_shrinkage),
            ("user_shrinkage", self.user_shrinkage),
        ):
            if value is not None and value < 0:
                raise ConfigError(f"strategy.{name}={value:g} is below 0", "take 0 or more")
        if self.alpha is not None and not 0 <= self.alpha <= 1:
            raise ConfigError(f"strategy.alpha={self.alpha:g} is no share", "take 0 to 1, or null")
        if self.neighbours is not None and self.neighbours < 1:
            raise ConfigError(
                f"strategy.neighbours={self.neighbours} leaves none to ask",
                "take 1 or more, or null for all",
            )


@dataclass(frozen=True)
class Surrounded(Adapted):
    """What is known of a batch of tasks.

    Attributes:
        strategy: Knows the neighbours.
        seen: The supports.
        offset: Of each user, standard units, ``(tasks,)``.
    """

    strategy: Neighbours
    seen: Seen
    offset: Tensor

    def said(self, item: Tensor) -> Said:
        """Ask the neighbours of candidates ``item (tasks, n)``."""
        one = self.strategy
        level = one.table.level[item]
        rated, described = (
            None if part is None else part.hear(self.seen, item)
            for part in (one.rated, one.described)
        )
        usual = level if one.table.implicit else torch.zeros_like(level)
        return Said(level + self.offset[:, None], rated, described, usual)

    def predict(self, backbone: Backbone, user: Tensor, item: Tensor) -> Prediction:
        """Foretell ratings, standard units; for implicit data a preference."""
        return Prediction(self.said(item).score(self.strategy.belief))

    @property
    def candidate_numbers(self) -> int:
        """Each row of the support is held several times; users are asked in parts."""
        return 32 + 8 * self.seen.item.shape[1]

    def take(self, tasks: Tensor) -> Self:
        """Return what is known of some of the tasks."""
        return replace(self, seen=self.seen.take(tasks), offset=self.offset[tasks])
