"""Matrix factorization over texts: an item's text as one more attribute, made of numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Unpack

import numpy as np
import torch
from torch import Tensor

from fewrec_cli.backbone.base import Reads
from fewrec_cli.backbone.mf import MF, FactorWords
from fewrec_cli.backbone.start import start_of
from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.core.types import BoolArray, Field, Interactions
from fewrec_cli.data.base import Dataset
from fewrec_cli.data.totals import TrainTotals
from fewrec_cli.text.domain import Pretraining, adapted_language
from fewrec_cli.text.encode import Pooling, Precision, numbers_of, vectors
from fewrec_cli.text.language import load
from fewrec_cli.text.scratch import Scratch
from fewrec_cli.text.template import item_texts
from fewrec_cli.text.weights import Family, locate

TEXT = "text"
"""Name of the attribute."""
LEAST_SPREAD = 1e-6
"""Standard deviation, in the largest one, of a component that still tells something."""


@dataclass(frozen=True)
class Reading:
    """How an item's text becomes numbers.

    Attributes:
        weights: Which language model: ``scratch``, ``minilm``, a folder or a hub name.
        family: Its architecture.
        download: Whether a hub name that is not on this machine is fetched.
        template: Of an item's text; None names all facts, a sentence each.
        max_tokens: Where longer texts are cut.
        pooling: What becomes of a text's hidden states.
        components: Numbers of an item that are kept at most, >= 1.
        scratch: Form of a ``scratch`` model.
        pretraining: What the model learns of the items' texts first.
        precision: What the language model computes in.
    """

    weights: str
    family: Family
    download: bool
    template: str | None
    max_tokens: int
    pooling: Pooling
    components: int
    scratch: Scratch
    pretraining: Pretraining
    precision: Precision

    def __post_init__(self) -> None:
        if self.components < 1:
            raise ConfigError(
                f"backbone.components={self.components} leaves nothing of a text",
                "give a whole number from 1, e.g. 32",
            )


class TextFactors(MF):
    """``MF`` whose items have their texts as one more attribute, with ids or without.

    A frozen language model reads each text once. Its vectors' principal components, standardised
    over the items with training ratings, enter as one attribute with an entry per component, so
    that all of ``MF`` works with them: tables learn what each component says of a vector, a
    Gaussian process (``content=process``) gives them a kernel and learns its variance. How far an
    item's id is believed is told in ``MF``.

    Args:
        reading: How texts become numbers.
        ids: Whether an item with training ratings has a vector of its own besides its attributes.
        **words: As in ``MF``. ``reading.weights`` may name a run folder, whose trained backbone
            this one starts from and whose language model it has.

    Raises:
        ConfigError: ``content=process`` without ids: it foretells vectors from those of ids.
    """

    text: Tensor

    def __init__(
        self,
        *,
        reading: Reading,
        ids: bool,
        **words: Unpack[FactorWords],
    ) -> None:
        if words["content"] == "process" and not ids:
            raise ConfigError(
                "backbone.content=process learns from the vectors of known items' ids, and there "
                "are none",
                "take backbone.content=table, or backbone=hybrid, which has ids",
            )
        start = start_of(reading.weights)
        super().__init__(**words, weights=start.run)
        self.reading = replace(reading, weights=start.language)
        self.ids = ids

    def prepare(self, dataset: Dataset, train: Interactions) -> None:
        """Read the texts, then build the tables as ``MF`` does."""
        counts = TrainTotals.of(dataset, train).item_count
        text = self._field(dataset, train, counts > 0)
        super().prepare(replace(dataset, item_fields=(*dataset.item_fields, text)), train)
        # Nothing else of a process tells the stage cache what was read.
        self.register_buffer("text", torch.from_numpy(text.weight), persistent=False)
        if not self.ids:
            self.known.zero_()
            self.item.requires_grad_(False).zero_()

    def item_vectors(self) -> Tensor:
        """Return the language model's vectors as they are, ``(items, hidden)``."""
        return self._vectors

    def reads(self) -> Reads:
        """Return the language model and what it has read."""
        return self._reads

    def adaptable(self, name: str) -> bool:
        """Whether ``strategy.adapted=all`` adapts the parameter: not the table of absent ids."""
        return super().adaptable(name) and (self.ids or name != "item")

    def _field(self, dataset: Dataset, train: Interactions, known: BoolArray) -> Field:
        read = self.reading
        texts = item_texts(dataset, read.template)
        for note in texts.notes:
            self.reporter.say(f"{note.subject} ({note.count:,}): {note.text}")
        numbers = numbers_of(read.precision)
        source = locate(read.weights, read.family, download=read.download)
        language = adapted_language(
            load(source, texts.texts, read.scratch),
            texts.texts,
            dataset,
            train,
            read.pretraining,
            seed=self.seed,
            reporter=self.reporter,
            numbers=numbers,
        )
        found = vectors(
            language,
            texts.texts,
            pooling=read.pooling,
            max_tokens=read.max_tokens,
            normalise=False,
            reporter=self.reporter,
            what="items",
            numbers=numbers,
        )
        self._reads = Reads(language, texts.texts, read.pooling, read.max_tokens, numbers)
        told = torch.tensor([bool(text) for text in texts.texts])
        self._vectors = found * told[:, None]
        return text_field(found, texts.texts, known, read.components, self.reporter)


def text_field(
    found: Tensor, texts: Sequence[str], known: BoolArray, components: int, reporter: Reporter
) -> Field:
    """Make vectors of texts an attribute; an item without a text has none of it.

    Args:
        found: ``(items, hidden)``.
        texts: ``(items,)``.
        known: Items that the components are fitted to, ``(items,)``.
        components: How many are kept at most.
        reporter: Told how much of the vectors' variance they hold.
    """
    told = np.array([bool(text) for text in texts])
    numbers, share = standard_components(found, torch.from_numpy(told & known), components)
    width = numbers.shape[1]
    reporter.say(f"item texts: {width} components hold {share:.0%} of their vectors' variance")
    weight = (numbers / max(width, 1) ** 0.5).numpy()[told]
    lengths = np.where(told, width, 0)
    return Field(
        TEXT,
        "numeric",
        tuple(f"{TEXT} {place + 1}" for place in range(width)),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.tile(np.arange(width, dtype=np.int64), int(told.sum())),
        weight.ravel().astype(np.float64),
    )


def standard_components(found: Tensor, fitted: Tensor, components: int) -> tuple[Tensor, float]:
    """Return principal components with mean 0 and standard deviation 1 over some of the rows.

    Args:
        found: ``(n, hidden)``.
        fitted: Rows that mean, directions and deviations come from, booleans ``(n,)``.
        components: How many at most; there are fewer where rows lie in a plane.

    Returns:
        ``(n, k)`` float64, and the share of the rows' variance that they hold.
    """
    rows = found[fitted].double()
    if len(rows) < 2:
        return found.new_zeros(len(found), 0).double(), 0.0
    mean = rows.mean(0)
    variances, directions = torch.linalg.eigh(torch.cov((rows - mean).T, correction=0))
    variances, directions = variances.flip(0), directions.flip(1)
    kept = min(
        components,
        int(
            (variances.clamp(min=0).sqrt() > LEAST_SPREAD * variances[0].clamp(min=0).sqrt()).sum()
        ),
    )
    largest = directions[:, :kept].abs().argmax(0)
    sign = directions[:, :kept].gather(0, largest[None]).sign()
    scale = sign * directions[:, :kept] / variances[:kept].sqrt()
    share = float(variances[:kept].sum() / variances.clamp(min=0).sum()) if kept else 0.0
    return (found.double() - mean) @ scale, share
