"""What the bench of language models reads: films, users, a model, and tasks of both."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from bench import workload
from bench.composed import built
from fewrec_cli.backbone.base import Backbone
from fewrec_cli.core.errors import FewrecError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.data.base import Dataset
from fewrec_cli.scenario.batch import Rows, TaskBatch
from fewrec_cli.strategy.base import Strategy
from fewrec_cli.text.language import Language, load
from fewrec_cli.text.scratch import Scratch
from fewrec_cli.text.weights import locate

QUIET = Reporter(quiet=True)
WORDS, PLOT = 8_000, (25, 160)
"""Of generated texts: different words, and words of a plot."""


@dataclass(frozen=True)
class Films:
    """Facts that texts are made of.

    Attributes:
        source: Where they come from, in words.
        items: By name, one text per film.
        users: By name, one text per user.
    """

    source: str
    items: Mapping[str, tuple[str, ...]]
    users: Mapping[str, tuple[str, ...]]

    @classmethod
    def found(cls, most: int | None, *, generated: bool) -> "Films":
        """Return MovieLens 1M's where ``FEWREC_DATA`` has them with their plots, else generated.

        Args:
            most: Of how many films; None: all.
            generated: Whether nothing is looked for.
        """
        if "FEWREC_DATA" in os.environ and not generated:
            try:
                words = ("data=movielens", "data.version=1m", "data.text=auto")
                data: Dataset = built("data", *words).load(QUIET)
            except FewrecError:
                return cls.drawn(most or workload.ITEMS)
            items = {name: texts[:most] for name, texts in data.item_facts.items()}
            return cls("MovieLens 1M with plots", items, data.user_facts)
        return cls.drawn(most or workload.ITEMS)

    @classmethod
    def drawn(cls, films: int) -> "Films":
        """Return facts of as many words as films have, frequent words first come."""
        rng = np.random.default_rng(0)

        def words(count: int) -> str:
            return " ".join(f"w{int(WORDS * rng.random() ** 3)}" for _ in range(count))

        plots = tuple(words(int(rng.integers(*PLOT))) for _ in range(films))
        items = {"title": tuple(words(3) for _ in range(films)), "plot": plots}
        users = {"age": tuple(words(1) for _ in range(workload.USERS))}
        return cls("generated texts", items, users)

    @classmethod
    def read(cls, path: Path) -> "Films":
        """Return what ``write`` wrote."""
        told = json.loads(path.read_text(encoding="utf-8"))
        sides = ({n: tuple(t) for n, t in told[side].items()} for side in ("items", "users"))
        return cls(told["source"], *sides)

    def write(self, path: Path) -> None:
        """Write them for another process."""
        told = {"source": self.source, "items": self.items, "users": self.users}
        path.write_text(json.dumps(told), encoding="utf-8")

    def dataset(self) -> Dataset:
        """Return generated ratings of these films: what is timed does not depend on ratings."""
        count = len(next(iter(self.items.values())))
        made = workload.dataset(items=count, ratings=100 * count)
        return replace(made, item_facts=self.items, user_facts=self.users)


@dataclass(frozen=True)
class Model:
    """A model of BERT's architecture.

    Attributes:
        word: ``backbone.weights``.
        form: Of random weights; read with ``scratch`` alone.
    """

    word: str
    form: Scratch

    @classmethod
    def found(cls, *, small: bool) -> "Model":
        """Return one of 6 layers x 384: the pretrained one if it is installed, else random weights.

        Args:
            small: Take one of 2 layers x 32 instead, whatever is installed.
        """
        if small:
            return cls.random(2, 32)
        try:
            locate("minilm", "bert", download=False)
        except FewrecError:
            return cls.random(6, 384)
        return cls("minilm", cls.random(6, 384).form)

    @classmethod
    def random(cls, layers: int, width: int) -> "Model":
        """Return one of random weights."""
        return cls("scratch", Scratch(layers, width, width // 32, 4_000))

    @property
    def words(self) -> tuple[str, ...]:
        """How the command is told of it."""
        told = (
            f"backbone.scratch.{name}={getattr(self.form, name)}"
            for name in ("layers", "width", "heads", "vocabulary")
        )
        return (f"backbone.weights={self.word}", *told)

    def load(self, texts: Sequence[str]) -> Language:
        """Return it; its files are read when it first reads."""
        return load(locate(self.word, "bert", download=False), texts, self.form)


def prepared(data: Dataset, words: tuple[str, ...]) -> tuple[Backbone, Strategy]:
    """Return backbone and strategy as a run has them before its first step."""
    torch.manual_seed(0)
    backbone: Backbone = built("backbone", *words)
    backbone.prepare(data, data.interactions)
    strategy: Strategy = built("strategy", *words)
    strategy.prepare(backbone, data, data.interactions)
    return backbone, strategy


def tasks(number: int, shots: int, query: int, data: Dataset) -> TaskBatch:
    """Draw tasks of the same size: different items, ratings in standard units."""
    rng = np.random.default_rng(0)
    drawn = [rng.permutation(data.n_items)[: shots + query] for _ in range(number)]
    item = torch.from_numpy(np.stack(drawn))
    rating = torch.from_numpy(rng.normal(size=item.shape)).float()
    whole = Rows(item, rating, torch.ones_like(rating))
    user = torch.from_numpy(rng.integers(0, data.n_users, number))
    return TaskBatch(user, _columns(whole, 0, shots), _columns(whole, shots, shots + query))


def _columns(rows: Rows, start: int, end: int) -> Rows:
    return Rows(*(part[:, start:end] for part in (rows.item, rows.rating, rows.weight)))
