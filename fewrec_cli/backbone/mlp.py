"""Attribute embeddings and a small network: the shape of MeLU."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from fewrec_cli.backbone.base import AdaptedSet, Backbone, Halves, Head, HeadSpec, row_worth
from fewrec_cli.backbone.side import SideEmbedding, at_least_one
from fewrec_cli.backbone.unique import different, kept
from fewrec_cli.core.types import Interactions
from fewrec_cli.data.base import Dataset
from fewrec_cli.data.totals import TrainTotals


class MLPHead(Head):
    """Linear layers with ReLU between them; the last has one output.

    Args:
        widths: Input, hidden ..., 1.
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.spec = HeadSpec("mlp", widths)
        self.layers = nn.ModuleList(
            nn.Linear(inputs, outputs) for inputs, outputs in pairwise(widths)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Score features ``(..., width)``."""
        last: Tensor = self.layers[-1](self._hidden(features))
        return last.squeeze(-1)

    def linear_view(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return offset 0 and the design (last hidden layer, 1)."""
        hidden = self._hidden(features)
        design = torch.cat([hidden, torch.ones_like(hidden[..., :1])], -1)
        return torch.zeros_like(hidden[..., 0]), design

    def linear_weights(self) -> Tensor:
        """Return the last layer's weights and bias, ``(hidden + 1,)``."""
        last = self.layers[-1]
        return torch.cat([last.get_parameter("weight")[0], last.get_parameter("bias")])

    def from_linear(self, weights: Tensor) -> dict[str, Tensor]:
        """Split ``(..., hidden + 1)`` into the last layer's ``weight`` and ``bias``."""
        last = f"layers.{len(self.layers) - 1}"
        return {f"{last}.weight": weights[..., None, :-1], f"{last}.bias": weights[..., -1:]}

    def adapted(self, which: AdaptedSet) -> tuple[str, ...]:
        """``head`` is every layer, ``last`` the output layer, ``bias`` every bias."""
        names = tuple(name for name, _ in self.named_parameters())
        if which == "bias":
            return tuple(name for name in names if name.endswith("bias"))
        last = f"layers.{len(self.layers) - 1}."
        return tuple(name for name in names if which == "head" or name.startswith(last))

    def _hidden(self, features: Tensor) -> Tensor:
        for layer in list(self.layers)[:-1]:
            features = torch.relu(layer(features))
        return features


class MLP(Backbone):
    """Each attribute is embedded, all are concatenated, and the network scores the pair.

    Args:
        width: Numbers per attribute, >= 1.
        hidden: Hidden widths.
        item_ids: Embed the item's id as one more attribute (0 for unseen items); MeLU does not.
        id_dropout: Probability that an item is treated as unseen in training, 0..1.
        init_scale: Standard deviation of the starting embeddings.
        l2: Penalty on each item's squared id embedding, in rows: an item with many ratings is
            held back less, as in ridge regression.
        user_l2: The same on each user's personal embedding.
        weights: Run folder whose trained backbone this one starts from, or None.

    Source:
        Lee et al., "MeLU: Meta-Learned User Preference Estimator for Cold-Start Recommendation",
        KDD 2019, section 3.2. Departures: item ids as an option; a personal embedding for
        supervised pretraining, zero for cold users.
    """

    known: Tensor
    count: Tensor
    user_count: Tensor

    def __init__(
        self,
        *,
        width: int,
        hidden: list[int],
        item_ids: bool,
        id_dropout: float,
        init_scale: float,
        l2: float,
        user_l2: float,
        weights: str | None,
    ) -> None:
        super().__init__(weights)
        self.width = width
        self.hidden = tuple(hidden)
        self.item_ids = item_ids
        self.id_dropout = id_dropout
        self.init_scale = init_scale
        self.l2 = l2
        self.user_l2 = user_l2

    def prepare(self, dataset: Dataset, train: Interactions) -> None:
        """Build the tables and a network of the width that the attributes give."""
        totals = TrainTotals.of(dataset, train)
        self.set_standard(totals, implicit=dataset.implicit)
        self.worth = row_worth(implicit=dataset.implicit)
        counts = totals.item_count
        known = torch.from_numpy(counts > 0).float() * float(self.item_ids)
        self.register_buffer("known", known)
        self.register_buffer("count", at_least_one(counts))
        self.register_buffer("user_count", at_least_one(totals.user_count))
        self.item = nn.Parameter(torch.randn(dataset.n_items, self.width) * self.init_scale)
        self.personal = nn.Parameter(torch.randn(dataset.n_users, self.width) * self.init_scale)
        self.item_side = SideEmbedding(
            dataset.item_fields, dataset.n_items, self.width, self.init_scale
        )
        self.user_side = SideEmbedding(
            dataset.user_fields, dataset.n_users, self.width, self.init_scale
        )
        fields = 2 + self.item_side.n_fields + self.user_side.n_fields
        self.head = MLPHead((fields * self.width, *self.hidden, 1))

    def encode(self, user: Tensor, item: Tensor, *, personal: bool = False) -> Tensor:
        """Return the attributes side by side, ``(..., n, fields x width)``."""
        known = functional.embedding(item, self.known[:, None])
        if self.training and self.id_dropout > 0:
            known = known * (torch.rand_like(known) >= self.id_dropout)
        own = functional.embedding(user, self.personal)
        own = own if personal else torch.zeros_like(own)
        person = torch.cat([own, self.user_side.per_field(user)], -1)
        person = person[..., None, :].expand(*item.shape, person.shape[-1])
        ids = known * functional.embedding(item, self.item)
        return torch.cat([person, ids, self.item_side.per_field(item)], -1)

    def halves(self, user: Tensor, task: Tensor, item: Tensor) -> Halves:
        """Return the attributes of each user and of each different item; see ``Backbone.halves``.

        With id dropout an item may come twice: with its id and as if unseen.
        """
        rate = self.id_dropout if self.training else 0.0
        item, keeps, index = different(item, kept(item, rate), len(self.item))
        known = self.known.index_select(0, item) * keeps
        ids = known[:, None] * self.item.index_select(0, item)
        person = self.personal.new_zeros(len(user), self.width)
        if len(user):
            person = torch.cat([person, self.user_side.sums(user, per_field=True)], -1)
        else:
            person = person.new_zeros(0, self.width * (1 + self.user_side.n_fields))
        sides = self.item_side.sums(item, per_field=True)
        return Halves(person, torch.cat([ids, sides], -1), index)

    def penalty(self, item: Tensor, weight: Tensor) -> Tensor:
        """Penalise the squared id embeddings of the rows' items, each once per item."""
        if self.l2 == 0:
            return weight.new_zeros(())
        size = self.item.index_select(0, item.flatten()).square().sum(-1).view_as(item)
        share = weight / functional.embedding(item, self.count[:, None])[..., 0]
        return self.worth * self.l2 * (share * size).sum() / weight.sum().clamp(min=1)

    def personal_penalty(self, user: Tensor) -> Tensor:
        """Penalise the squared personal embedding of the rows' users, each once per user."""
        size = functional.embedding(user, self.personal).square().sum(-1)
        return self.worth * self.user_l2 * (size / self.user_count[user]).mean()
