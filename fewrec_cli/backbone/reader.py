"""A language model that reads a user and an item together, under a small head."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fewrec_cli.backbone.base import Backbone, Head, row_worth
from fewrec_cli.backbone.form import Form, HeadStart
from fewrec_cli.backbone.listener import Listener
from fewrec_cli.backbone.mf import FactorHead
from fewrec_cli.backbone.mlp import MLPHead
from fewrec_cli.backbone.pair_texts import PairTexts
from fewrec_cli.backbone.pairs import PairVectors
from fewrec_cli.backbone.side import at_least_one
from fewrec_cli.backbone.start import start_of
from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.types import FloatArray, IntArray, Interactions
from fewrec_cli.data.base import Dataset
from fewrec_cli.data.totals import TrainTotals
from fewrec_cli.text.domain import Pretraining, adapted_language
from fewrec_cli.text.encode import Precision, numbers_of
from fewrec_cli.text.language import Language, load
from fewrec_cli.text.scratch import Scratch
from fewrec_cli.text.trunk import Trunk
from fewrec_cli.text.tune import Adaptive, LoraWords, tune
from fewrec_cli.text.weights import Family, locate
from fewrec_cli.text.words import Tuned

MakeForm = Callable[[Language, PairTexts], Form]


class Reader(Backbone):
    """score = bias of the item, where it is known + head(what the model reads of the pair).

    The head's input is the vector of the pair and then the offset: the linear head adds the latter
    to the score, a head with hidden layers takes it as one more number. What tasks adapt:
    ``head`` is all of the head, ``last`` its last layer, ``bias`` its biases, and ``all`` the head
    and those weights of the language model that ``tuned`` names, e.g. LoRA's matrices. Users who
    pretraining knows by id have a bias of their own there.

    Args:
        form: Lays out the pair and says what is read.
        family: The architecture.
        weights: Language model, or run folder whose trained backbone this one starts from.
        download: Whether a hub name that is not on this machine is fetched.
        template: Of an item's text; None names all facts.
        user_template: Of a user's text, likewise.
        literals: Further texts that the tokenizer of a ``scratch`` model must know.
        tuned: What of the language model is learned.
        lora: Settings of LoRA.
        hidden: Widths of the head's hidden layers; empty: a linear head.
        checkpointing: Compute activations again for the gradient; None: where they are many.
        item_shrinkage: Ratings worth of prior in the starting item biases.
        id_dropout: Probability that an item counts as unseen in training, 0..1.
        bias_l2: Penalty on each item's squared bias, in rows.
        user_l2: The same on each user's.
        scratch: Form of a ``scratch`` model.
        pretraining: What the model learns of the items' texts first.
        precision: What the language model computes in.
    """

    known: Tensor
    count: Tensor
    user_count: Tensor
    place: Tensor

    def __init__(
        self,
        *,
        form: MakeForm,
        family: Family,
        weights: str,
        download: bool,
        template: str | None,
        user_template: str | None,
        literals: Sequence[str],
        tuned: str,
        lora: LoraWords,
        hidden: Sequence[int],
        checkpointing: bool | None,
        item_shrinkage: float,
        id_dropout: float,
        bias_l2: float,
        user_l2: float,
        scratch: Scratch,
        pretraining: Pretraining,
        precision: Precision,
    ) -> None:
        start = start_of(weights)
        super().__init__(start.run)
        self.form = form
        self.family: Family = family
        self.language = start.language
        self.download = download
        self.template = template
        self.user_template = user_template
        self.literals = tuple(literals)
        self.tuned = Tuned.parse(tuned)
        self.lora = lora
        self.hidden = tuple(hidden)
        self.checkpointing = checkpointing
        self.item_shrinkage = item_shrinkage
        self.id_dropout = id_dropout
        self.bias_l2 = bias_l2
        self.user_l2 = user_l2
        self.scratch = scratch
        self.pretraining = pretraining
        self.numbers = numbers_of(precision)
        self.adaptive: Adaptive | None = None

    def prepare(self, dataset: Dataset, train: Interactions) -> None:
        """Fill the templates, load the model and put in what of it is learned; build the tables."""
        texts = PairTexts.of(dataset, self.template, self.user_template)
        form = self._with_model(texts, dataset, train)
        for note in (*texts.notes, *form.notes):
            self.reporter.say(f"{note.subject} ({note.count:,}): {note.text}")
        totals = TrainTotals.of(dataset, train)
        self.set_standard(totals, implicit=dataset.implicit)
        self.worth = row_worth(implicit=dataset.implicit)
        counts = totals.item_count
        self.register_buffer("known", torch.from_numpy(counts > 0).float())
        self.register_buffer("count", at_least_one(counts))
        self.register_buffer("user_count", at_least_one(totals.user_count))
        self.register_buffer("place", texts.place, persistent=False)
        mean = totals.item_excess / self.rating_sd.item()
        start = mean / np.maximum(counts + self.item_shrinkage, 1)
        if dataset.implicit:
            start = _log_share(counts)
        self.item = nn.Parameter(torch.from_numpy(start).float())
        self.personal = nn.Parameter(torch.zeros(dataset.n_users))
        if form.start is not None:
            self._begin(form.start)

    def _with_model(self, texts: PairTexts, dataset: Dataset, train: Interactions) -> Form:
        """Load the language model, and make it the trunk under a new head."""
        source = locate(self.language, self.family, download=self.download)
        known = (*texts.items, *texts.users, *self.literals)
        language = adapted_language(
            load(source, known, replace(self.scratch, seed=self.seed)),
            texts.items,
            dataset,
            train,
            self.pretraining,
            seed=self.seed,
            reporter=self.reporter,
            numbers=self.numbers,
        )
        form = self.form(language, texts)
        self._told = (language, form)
        body: nn.Module = language.body
        if form.over is not None:
            for name, value in form.over.named_parameters():
                every = self.tuned.kind in ("all", "last")
                value.requires_grad_(every or (self.tuned.kind == "bias" and name.endswith("bias")))
        self.adaptive = tune(body, self.tuned, self.family, self.lora)
        trunk = Trunk(body, self.family, form.read, form.over, self.tuned.soft, self.numbers)
        rows = dataset.n_items + (0 if form.start is None else len(form.start.item))
        self.vectors = PairVectors(
            form.layout,
            trunk,
            rows,
            self.checkpointing,
            self.reporter.say,
            self.reporter.beside,
        )
        self.head = self._head(trunk.width, form)
        return form

    def _head(self, width: int, form: Form) -> Head:
        if not self.hidden:
            return FactorHead(width)
        if form.start is not None:
            raise ConfigError(
                f"backbone.head={list(self.hidden)}: a prompt's score is linear in what is read",
                "take backbone.head=null, or backbone.score=cross",
            )
        return MLPHead((width + 1, *self.hidden, 1))

    @torch.no_grad()
    def _begin(self, start: HeadStart) -> None:
        """Let the head start where the form says, prompts without content at 0 on average."""
        assert isinstance(self.head, FactorHead)
        self.head.factor.copy_(start.weight * self.vectors.trunk.width**0.5)
        free = self.vectors(start.user, start.item) @ self.head.factor + start.bias
        self.head.bias.fill_(start.bias - float(free.mean()))

    def encode(self, user: Tensor, item: Tensor, *, personal: bool = False) -> Tensor:
        """Return the vector of each pair and its offset, ``(..., n, width + 1)``."""
        users = user[..., None].expand(item.shape).reshape(-1)
        items = item.reshape(-1)
        vectors = self.vectors(self.place.index_select(0, users), items)
        offset = self._offset(items)
        if personal:
            offset = offset + self.personal.index_select(0, users)
        return torch.cat([vectors, offset[:, None]], 1).view(*item.shape, vectors.shape[1] + 1)

    def listener(self) -> Listener:
        """Return what reads items together with a text about a user."""
        language, form = self._told
        return Listener(language, form, self.vectors, self._offset)

    def _offset(self, item: Tensor) -> Tensor:
        """Return the biases of items ``(n,)``, where they are known."""
        known = self.known.index_select(0, item)
        if self.training and self.id_dropout > 0:
            known = known * (torch.rand_like(known) >= self.id_dropout)
        return known * self.item.index_select(0, item)

    @property
    def reads_anew(self) -> bool:
        """Whether anything of the language model is learned."""
        return self.vectors.learns

    def adaptable(self, name: str) -> bool:
        """Whether ``strategy.adapted=all`` adapts it: the head, and what ``tuned`` names."""
        return name.startswith("head.") or (
            name.startswith("vectors.") and self.get_parameter(name).requires_grad
        )

    def adapted_by(self, names: Sequence[str]) -> None:
        """Compute the model in plain steps if tasks adapt weights inside of it."""
        if any(not name.startswith("head.") for name in names):
            self.vectors.trunk.in_plain_steps()

    def numbers_of_a_row(self, names: Sequence[str]) -> int:
        """Return what a row leaves for the gradient in the weights that a task adapts."""
        if all(name.startswith("head.") for name in names):
            return super().numbers_of_a_row(names)
        return self.vectors.numbers

    def fed_with(self, feed: str) -> None:
        """Refuse AdaLoRA in episodes.

        Raises:
            ConfigError: As said.
        """
        self.tuned.fed_with(feed)

    def stepped(self, step: int, total: int | None) -> None:
        """Move AdaLoRA's ranks; without a known end they stay."""
        if self.adaptive is not None and total is not None:
            self.adaptive.stepped(step, total)

    def penalty(self, item: Tensor, weight: Tensor) -> Tensor:
        """Penalise the squared biases of the rows' items, each once per item, and AdaLoRA's."""
        found = weight.new_zeros(()) if self.adaptive is None else self.adaptive.penalty()
        if self.bias_l2 == 0:
            return found
        share = weight / functional.embedding(item, self.count[:, None])[..., 0]
        size = functional.embedding(item, self.item[:, None])[..., 0].square()
        ids = (share * size).sum() / weight.sum().clamp(min=1)
        return found + self.worth * self.bias_l2 * ids

    def personal_penalty(self, user: Tensor) -> Tensor:
        """Penalise the squared bias of the rows' users, each once per user."""
        size = self.personal.index_select(0, user).square()
        return self.worth * self.user_l2 * (size / self.user_count[user]).mean()


def _log_share(counts: IntArray) -> FloatArray:
    """Return centred log popularity, the starting item bias for implicit data."""
    logs = np.log1p(counts)
    centred: FloatArray = logs - logs.mean()
    return centred
