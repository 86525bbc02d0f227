"""Generate: a user's profile in words, encoded and matched with the items' texts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

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
from fewrec_cli.strategy.generate_text import Encoder, Profiles, Writing

SHRINKAGE = 2.0
"""Ratings at the mean that a support's level is shrunk by."""
LEAST_SLOPE = 1e-3
"""The higher a similarity, the higher the rating: never less than this, so the order stays."""
RIDGE = 1e-3


class Generate(Strategy):
    """score = level + slope · likeness + share · level of the support.

    Likeness is cosine(profile, item) less cosine(profile of what was disliked, item).

    The profile is a text: the template filled with what the support says, and what GPT-2 writes
    after it. A language model that knows no user has encoded it and the items' texts; candidates
    are ranked by their likeness. Only ``level``, ``slope`` (above 0) and ``share`` are fitted, by
    least squares to episodes of the training rows, so that there are ratings to speak of: the order
    is that of no training. Profiles are kept in ``profiles.parquet`` of the run folder.

    Args:
        adapter: Read by nothing.
        augment: Changes of the supports by name.
        augment_weight: Read by nothing.
        profile: Template of a user's text.
        against: Template of the text that candidates are to be unlike, or None; nothing is written
            after it.
        entry: Template of an item's text in a profile, or None.
        entries: Items in a list, at most.
        new_tokens: Written after a profile; 0: nothing.
        describe: Whether each item's text is gone on with, too.
        temperature: Of the writing; 0 is greedy.
        most_likely: Tokens that may be drawn.
        encoder: Weights of another language model that encodes, or None.
        centre: Take the mean of the items' vectors from all vectors.
        tasks_per_step: Episodes drawn at a time.
        support: Smallest and largest support of an episode.
        query: Largest query of an episode.
        examples: Episodes that the three numbers are fitted to.

    Raises:
        ConfigError: A number is out of range.

    Source:
        Profiles in natural language: Balog, Radlinski, Arakelyan, "Transparent, Scrutable and
        Explainable User Models", SIGIR 2019. Written ones: Zhou et al., "Language-Based User
        Profiles for Recommendation", 2024. Vectors less their mean: Mu, Viswanath, "All-but-the-
        Top", ICLR 2018, without its second step.
    """

    found: Tensor
    item: Tensor
    centre_of_items: Tensor

    def __init__(
        self,
        *,
        adapter: Adapter,
        augment: Mapping[str, Augment],
        augment_weight: float,
        profile: str,
        against: str | None,
        entry: str | None,
        entries: int,
        new_tokens: int,
        describe: bool,
        temperature: float,
        most_likely: int,
        encoder: str | None,
        centre: bool,
        tasks_per_step: int,
        support: list[int],
        query: int,
        examples: int,
    ) -> None:
        super().__init__(
            adapter=adapter,
            augment=augment,
            augment_weight=augment_weight,
            outer=Outer("adam", 0.0, 0.0, 0, 0),
            feed=Feed("tasks", tasks_per_step, (support[0], support[1]), query),
        )
        for name, value, least in (
            ("entries", entries, 1),
            ("new_tokens", new_tokens, 0),
            ("temperature", temperature, 0),
            ("most_likely", most_likely, 1),
            ("examples", examples, 0),
        ):
            if value < least:
                raise ConfigError(f"strategy.{name}={value} is too few", f"give {least} or more")
        self.template = profile
        self.against = against
        self.entry = entry
        self.entries = entries
        self.describe = describe
        self.writing = Writing(new_tokens, temperature, most_likely)
        self.encoder = encoder
        self.centre = centre
        self.examples = examples

    @property
    def phases(self) -> Sequence[Strategy]:
        """None: nothing is trained by steps."""
        return ()

    @property
    def fitted(self) -> int:
        """Level, slope and share."""
        return len(self.found)

    def build(self, backbone: Backbone, dataset: Dataset, train: Interactions) -> None:
        """Encode the items.

        Raises:
            ConfigError: The backbone has no language model to ask, or it cannot write.
        """
        reads = backbone.reads()
        if reads is None:
            raise ConfigError(
                "strategy=generate encodes profiles with the backbone's language model, and this "
                "backbone has none that reads each item once",
                "take backbone=bert, gpt2 or hybrid, with backbone.score=encoder",
            )
        least = backbone.liked_from(dataset)
        self.profiles = Profiles(dataset, self.template, self.entry, self.entries, least)
        self.others = None
        if self.against is not None:
            self.others = Profiles(dataset, self.against, self.entry, self.entries, least)
        self.reader = Encoder(reads, self.encoder, self.writing, backbone.reporter)
        vectors, self.texts = self.reader.items(describe=self.describe)
        told = vectors.any(1)
        centre = vectors.new_zeros(vectors.shape[1])
        if self.centre and told.any():
            centre = vectors[told].mean(0)
        self.register_buffer("centre_of_items", centre, persistent=False)
        self.register_buffer("item", self._unit(vectors), persistent=False)
        self.register_buffer("found", torch.tensor([0.0, 1.0, 0.0]))

    def loss(self, backbone: Backbone, batch: Batch) -> Tensor:
        """Raise TypeError: nothing is trained by steps."""
        raise TypeError("generate has no phase to train")

    @torch.no_grad()
    def adapt(
        self, backbone: Backbone, user: Tensor, support: Rows, *, seed: int, training: bool
    ) -> "Profiled":
        """Write every profile and encode it."""
        support = self.stretched(support, seed)
        texts = self.reader.written(self.profiles.texts(user, support), seed)
        vector = self._unit(self.reader.vectors(texts).to(self.item))
        if self.others is not None:
            other = self.reader.vectors(self.others.texts(user, support))
            vector = vector - self._unit(other.to(self.item))
        total = (support.rating * support.weight).sum(1)
        return Profiled(self, vector, total / (support.weight.sum(1) + SHRINKAGE))

    def unadapted(self, backbone: Backbone, user: Tensor) -> "Profiled":
        """Write profiles of users whose support is empty."""
        item = user.new_zeros(len(user), 0)
        none = item.to(backbone.rating_mean)
        return self.adapt(backbone, user, Rows(item, none, none), seed=0, training=False)

    @torch.no_grad()
    def fit(self, backbone: Backbone, examples: Iterable[TaskBatch]) -> int:
        """Fit level, slope and share; ranked lists of implicit data need none of them."""
        if not self.examples or self.profiles.least is None:
            return 0
        rows, seen = [], 0
        with backbone.reporter.stage("profiles", self.examples) as advance:
            for batch in examples:
                rows.append(self._example(backbone, batch.to(self.item.device)))
                advance(len(batch))
                seen += len(batch)
                if seen >= self.examples:
                    break
        every = torch.cat(rows)
        self.found.copy_(_least_squares(every[:, :3], every[:, 3]))
        return 1

    def _example(self, backbone: Backbone, batch: TaskBatch) -> Tensor:
        """Return 1, likeness, level and rating of the query rows, ``(rows, 4)`` float64."""
        answer = self.adapt(backbone, batch.user, batch.support, seed=batch.seed, training=False)
        alike = answer.alike(batch.query.item)
        level = answer.level[:, None].expand_as(alike)
        columns = torch.stack([torch.ones_like(alike), alike, level, batch.query.rating], 2)
        return columns[batch.query.weight > 0].double()

    def profiles_of(
        self, backbone: Backbone, user: Tensor, support: Rows, *, seed: int
    ) -> Mapping[str, Sequence[str]]:
        """Return each task's profile, what was written after it, and what candidates are unlike."""
        support = self.stretched(support, seed)
        prompts = self.profiles.texts(user, support)
        against = [""] * len(prompts)
        if self.others is not None:
            against = self.others.texts(user, support)
        whole = self.reader.written(prompts, seed)
        added = [text[len(start) :].strip() for start, text in zip(prompts, whole, strict=True)]
        return {"prompt": prompts, "written": added, "against": against}

    def descriptions(self) -> Mapping[str, Sequence[str]]:
        """Return each item's text, if it was gone on with."""
        return {"text": self.texts} if self.describe else {}

    def remarks(self, backbone: Backbone, tasks: Iterable[TaskBatch]) -> Sequence[str]:
        """Show a profile; count those that say nothing, and those that are read in part."""
        count = empty = cut = 0
        shown = ""
        for one in tasks:
            said = self.profiles_of(backbone, one.user, one.support, seed=one.seed)
            for start, added in zip(said["prompt"], said["written"], strict=True):
                count += 1
                empty += not start
                shown = shown or (start and f"; a profile: {start}{added and ' | '}{added}")
            whole = self.reader.written(said["prompt"], one.seed)
            cut += self.reader.cut([*whole, *said["against"]])
        level, slope, share = self.found.tolist()
        return [
            f"generate: score = {level:.2f} + {slope:.2f} likeness + {share:.2f} support's level",
            f"generate: {empty:,} of {count:,} profiles are empty, {cut:,} texts about users cut "
            f"after {self.reader.max_tokens} tokens{shown}",
        ]

    def _unit(self, vectors: Tensor) -> Tensor:
        """Return vectors less the mean, of length 1; those of no text stay 0."""
        told = vectors.any(1, keepdim=True)
        return torch.nn.functional.normalize((vectors - self.centre_of_items) * told, dim=1)


@dataclass(frozen=True)
class Profiled(Adapted):
    """What is known of a batch of tasks.

    Attributes:
        strategy: Knows the items.
        vector: Of each profile less that of the disliked, each of length 1, or 0 where it is empty,
            ``(tasks, width)``.
        level: Shrunken mean of each support, standard units, ``(tasks,)``.
    """

    strategy: Generate
    vector: Tensor
    level: Tensor

    def alike(self, item: Tensor) -> Tensor:
        """Return the likeness of profiles and items ``(tasks, n)``."""
        return (self.vector @ self.strategy.item.T).gather(1, item)

    def predict(self, backbone: Backbone, user: Tensor, item: Tensor) -> Prediction:
        """Foretell ratings, standard units; for implicit data the likeness."""
        level, slope, share = self.strategy.found
        return Prediction(level + slope * self.alike(item) + share * self.level[:, None])

    @property
    def candidate_numbers(self) -> int:
        """The cosines with all items stand beside those asked for."""
        return 8

    def take(self, tasks: Tensor) -> Self:
        """Return what is known of some of the tasks."""
        return replace(self, vector=self.vector[tasks], level=self.level[tasks])


def _least_squares(numbers: Tensor, rating: Tensor) -> Tensor:
    """Fit level, slope and share; a slope that is not above 0 is held there.

    Args:
        numbers: 1, likeness and level of the support, ``(rows, 3)``.
        rating: Standard units, ``(rows,)``.
    """
    found = _solved(numbers, rating)
    if found[1] < LEAST_SLOPE:
        rest = _solved(numbers[:, [0, 2]], rating - LEAST_SLOPE * numbers[:, 1])
        found = torch.stack([rest[0], rest.new_tensor(LEAST_SLOPE), rest[1]])
    return found


def _solved(numbers: Tensor, rating: Tensor) -> Tensor:
    gram = numbers.T @ numbers + RIDGE * torch.eye(numbers.shape[1]).to(numbers)
    found: Tensor = torch.linalg.solve(gram, numbers.T @ rating)
    return found
