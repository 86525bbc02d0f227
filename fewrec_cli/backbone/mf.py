"""Matrix factorization: biases, factors and attributes; a task adapts its own factors and bias."""

from copy import deepcopy
from typing import Literal, TypedDict

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fewrec_cli.backbone.base import AdaptedSet, Backbone, Halves, Head, HeadSpec, row_worth
from fewrec_cli.backbone.content import ContentPrior
from fewrec_cli.backbone.side import SideEmbedding, at_least_one
from fewrec_cli.backbone.unique import different, kept
from fewrec_cli.core.types import Interactions
from fewrec_cli.data.base import Dataset
from fewrec_cli.data.totals import TrainTotals


class FactorWords(TypedDict):
    """The keys of ``MF`` that a backbone built on it takes as they are; ``MF`` explains them."""

    factors: int
    init_scale: float
    item_shrinkage: float
    id_dropout: float
    l2: float
    bias_l2: float
    user_l2: float
    side_l2: float
    content: Literal["table", "process"]
    blocks: int


class FactorHead(Head):
    """score = offset + q · p + b, where the task's ``factor`` p and ``bias`` b are adapted.

    Args:
        factors: Length of p and q.
    """

    def __init__(self, factors: int) -> None:
        super().__init__()
        self.spec = HeadSpec("factor", (factors,))
        self.factor = nn.Parameter(torch.zeros(factors))
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, features: Tensor) -> Tensor:
        """Score features ``(..., factors + 1)``: q, then the offset."""
        scores: Tensor = features[..., -1] + features[..., :-1] @ self.factor + self.bias
        return scores

    def linear_view(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the offset and the design (q, 1)."""
        design = torch.cat([features[..., :-1], torch.ones_like(features[..., -1:])], -1)
        return features[..., -1], design

    def linear_weights(self) -> Tensor:
        """Return (p, b), ``(factors + 1,)``."""
        return torch.cat([self.factor, self.bias[None]])

    def from_linear(self, weights: Tensor) -> dict[str, Tensor]:
        """Split ``(..., factors + 1)`` into ``factor`` and ``bias``."""
        return {"factor": weights[..., :-1], "bias": weights[..., -1]}

    def adapted(self, which: AdaptedSet) -> tuple[str, ...]:
        """``head`` and ``last`` are p and b; ``bias`` is b."""
        return ("bias",) if which == "bias" else ("factor", "bias")


class MF(Backbone):
    """Biases and factors by id where the id is known, by attributes where it is not.

    With ``content=table`` q = content(item) + k · id(item), where content is a sum of learned
    rows of the item's attributes and k = 0 for unseen items and, with probability ``id_dropout``,
    in training. With ``content=process`` q = id(item) where k = 1, and where k = 0 what a
    Gaussian process says of an item that it has not seen (``ContentPrior``): a known item is
    foretold from others, too, so that training meets new items as they will be. A user starts
    from a prior made of its attributes, and the head adds what the support says. ``personal``
    adds the factors that pretraining learned by user id.

    Args:
        factors: Length of the factors, >= 1.
        init_scale: Standard deviation of the starting factors.
        item_shrinkage: Ratings worth of prior in the starting item biases.
        id_dropout: Probability that an item is treated as unseen in training, 0..1.
        l2: Penalty on each item's squared factors, in rows: an item with many ratings is held
            back less, as in ridge regression; >= 0. With ``content=process`` of their distance
            to what content says.
        bias_l2: The same on each item's squared bias.
        user_l2: The same on each user's personal factors and bias.
        side_l2: The same on each number of the attribute tables.
        content: Where the vector of an item without its id comes from: ``table`` or ``process``.
        blocks: Parts of the catalogue, by year where years are known, that ``process`` foretells
            from the others; >= 2.
        weights: Run folder whose trained backbone this one starts from, or None.

    Source:
        Koren, Bell, Volinsky, "Matrix Factorization Techniques for Recommender Systems", 2009,
        equation 4, with attributes as in equation 6.
    """

    known: Tensor
    count: Tensor
    user_count: Tensor

    def __init__(
        self,
        *,
        factors: int,
        init_scale: float,
        item_shrinkage: float,
        id_dropout: float,
        l2: float,
        bias_l2: float,
        user_l2: float,
        side_l2: float,
        content: Literal["table", "process"],
        blocks: int,
        weights: str | None,
    ) -> None:
        super().__init__(weights)
        self.factors = factors
        self.init_scale = init_scale
        self.item_shrinkage = item_shrinkage
        self.id_dropout = id_dropout
        self.l2 = l2
        self.bias_l2 = bias_l2
        self.user_l2 = user_l2
        self.side_l2 = side_l2
        self.content = content
        self.blocks = blocks
        self.head = FactorHead(factors)

    def prepare(self, dataset: Dataset, train: Interactions) -> None:
        """Build the tables; item biases start at the shrunken mean of their training ratings."""
        totals = TrainTotals.of(dataset, train)
        self.set_standard(totals, implicit=dataset.implicit)
        self.worth = row_worth(implicit=dataset.implicit)
        width = self.factors + 1
        counts = totals.item_count
        self.register_buffer("known", torch.from_numpy(counts > 0).float())
        self.register_buffer("count", at_least_one(counts))
        self.register_buffer("user_count", at_least_one(totals.user_count))
        self.n_rows = max(totals.rows, 1)
        self.item = nn.Parameter(torch.randn(dataset.n_items, width) * self.init_scale)
        self.personal = nn.Parameter(torch.randn(dataset.n_users, width) * self.init_scale)
        sums = totals.item_excess / self.rating_sd.item()
        sizes = np.maximum(counts + self.item_shrinkage, 1)  # 1 where nothing was seen, not 0
        with torch.no_grad():
            self.item[:, -1] = torch.from_numpy(sums / sizes).float()
            if dataset.implicit:
                self.item[:, -1] = torch.from_numpy(_log_share(counts)).float()
            self.personal[:, -1] = 0.0
        fields = dataset.item_fields
        self.prior: ContentPrior | None = None
        if self.content == "process":
            self.prior = ContentPrior(fields, counts, dataset.item_year, self.blocks, width)
            fields = ()
        self.item_side = SideEmbedding(fields, dataset.n_items, width, 0.0)
        self.user_side = SideEmbedding(dataset.user_fields, dataset.n_users, width, 0.0)
        with torch.no_grad():
            self.item_side.table[:, :-1].normal_(0.0, self.init_scale)

    def refresh(self) -> None:
        """Let content foretell every item anew."""
        if self.prior is not None:
            self.prior.refresh(self.item)

    def encode(self, user: Tensor, item: Tensor, *, personal: bool = False) -> Tensor:
        """Return q and the offset of each row, ``(..., n, factors + 1)``."""
        known = functional.embedding(item, self.known[:, None])
        if self.training and self.id_dropout > 0:
            known = known * (torch.rand_like(known) >= self.id_dropout)
        rows = self.item_side(item) + known * functional.embedding(item, self.item)
        if self.prior is not None:
            rows = rows + (1 - known) * functional.embedding(item, self.prior.mean)
        prior = self.user_side(user)
        if personal:
            prior = prior + functional.embedding(user, self.personal)
        prior = prior[..., None, :]
        offset = rows[..., -1] + (rows[..., :-1] * prior[..., :-1]).sum(-1) + prior[..., -1]
        return torch.cat([rows[..., :-1], offset[..., None]], -1)

    def halves(self, user: Tensor, task: Tensor, item: Tensor) -> Halves:
        """Return each user's prior and each different item's (q, bias); see ``Backbone.halves``.

        With id dropout an item may come twice: with its id and as if unseen.
        """
        rate = self.id_dropout if self.training else 0.0
        item, keeps, index = different(item, kept(item, rate), len(self.item))
        known = (self.known.index_select(0, item) * keeps)[:, None]
        rows = self.item_side.sums(item, per_field=False)
        rows = rows + known * self.item.index_select(0, item)
        if self.prior is not None:
            rows = rows + (1 - known) * self.prior.mean.index_select(0, item)
        return Halves(self.user_side.sums(user, per_field=False), rows, index)

    def informed(self, item: Tensor, half: Tensor) -> "MF":
        """Return a backbone to which each of ``item`` is known as ``half``."""
        tensors = (*self.parameters(), *self.buffers())
        own = (self.item, self.known)
        shared = {id(one): one for one in tensors if all(one is not o for o in own)}
        other = deepcopy(self, shared | {id(self.prior): self.prior})
        with torch.no_grad():
            content = self.item_side.sums(item, per_field=False)
            other.item.index_copy_(0, item, half - content)
            other.known.index_fill_(0, item, 1.0)
        return other

    def penalty(self, item: Tensor, weight: Tensor) -> Tensor:
        """Penalise the id factors and biases of the rows' items, and the attribute tables."""
        own = self.item.index_select(0, item.flatten())
        if self.prior is not None:
            own = own - self.prior.mean.index_select(0, item.flatten())
        squares = own.square().view(*item.shape, -1)
        size = self.l2 * squares[..., :-1].sum(-1) + self.bias_l2 * squares[..., -1]
        share = weight / functional.embedding(item, self.count[:, None])[..., 0]
        tables = self.item_side.table.square().sum() + self.user_side.table.square().sum()
        ids = (share * size).sum() / weight.sum().clamp(min=1)
        return self.worth * (ids + self.side_l2 * tables / self.n_rows)

    def personal_penalty(self, user: Tensor) -> Tensor:
        """Penalise the squared personal factors and bias of the rows' users, each once per user."""
        size = functional.embedding(user, self.personal).square().sum(-1)
        return self.worth * self.user_l2 * (size / self.user_count[user]).mean()


def _log_share(counts: np.ndarray) -> np.ndarray:
    """Return centred log popularity, the starting item bias for implicit data."""
    logs = np.log1p(counts)
    centred: np.ndarray = logs - logs.mean()
    return centred
