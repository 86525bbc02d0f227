"""In context: a small transformer reads the support, then every query looks things up in it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.engine.base import RatingLoss
from fewrec_cli.strategy.adapter.base import Adapter
from fewrec_cli.strategy.augment.base import Augment
from fewrec_cli.strategy.base import Feed, Outer, Strategy
from fewrec_cli.strategy.reading import Network, Reading, Seen


class InContext(Reading):
    """Support rows attend to one another, queries to the support and not to each other.

    A row is the head's linear view of its features, the shared score, and how far the rating lies
    from it; a query has a learned token in the rating's place. Nothing tells a row's position, so
    the order of the support does not matter. See ``Reading`` for what becomes of the answer.

    Args:
        adapter: Fits a task to its support; the transformer corrects its score.
        augment: Changes of the supports, by name.
        augment_weight: α of D* = D + α D'.
        pretrain: The strategy whose training comes first, still without adapter and augment, or
            None.
        width: Numbers per row inside the transformer.
        layers: Layers of attention, >= 1.
        heads: Attention heads, a divisor of ``width``.
        outer_lr: Step size (Adam) of shared weights and transformer, > 0.
        weight_decay: Of Adam, >= 0.
        epochs: Passes over the training tasks.
        patience: Validations without gain before training ends.
        loss: Of the score: ``squared`` aims at the mean rating, ``huber`` at the median.
        level_weight: Weight of -log p(level) beside it, >= 0.
        without_support: Share of training tasks whose support is hidden, 0..1.
        tasks_per_step: Episodes per step.
        support: Smallest and largest support of an episode; sizes are drawn log-uniformly.
        query: Largest query of an episode.

    Raises:
        ConfigError: ``heads`` does not divide ``width``.

    Source:
        Rows of a table as tokens, queries that see the support alone: Müller et al., "Transformers
        Can Do Bayesian Inference", ICLR 2022, section 4, and Hollmann et al., "TabPFN", ICLR 2023,
        figure 1. Support and query read together for cold starts: Wu et al., "HIRE", 2023.
        Departures: trained on episodes of the data itself, not on a prior of synthetic ones; rows
        of one task only, not blocks of users and items; the answer is a correction.
    """

    def __init__(
        self,
        *,
        adapter: Adapter,
        augment: Mapping[str, Augment],
        augment_weight: float,
        pretrain: Callable[..., Strategy] | None,
        width: int,
        layers: int,
        heads: int,
        outer_lr: float,
        weight_decay: float,
        epochs: int,
        patience: int,
        loss: RatingLoss,
        level_weight: float,
        without_support: float,
        tasks_per_step: int,
        support: list[int],
        query: int,
    ) -> None:
        super().__init__(
            adapter=adapter,
            augment=augment,
            augment_weight=augment_weight,
            pretrain=pretrain,
            outer=Outer("adam", outer_lr, weight_decay, epochs, patience, loss),
            feed=Feed("tasks", tasks_per_step, (support[0], support[1]), query),
            level_weight=level_weight,
            without_support=without_support,
        )
        if width % heads:
            raise ConfigError(
                f"strategy.heads={heads} does not divide strategy.width={width}",
                "choose heads such as 4 and a width that is a multiple of it, such as 32",
            )
        self.width = width
        self.layers = layers
        self.heads = heads

    @property
    def name(self) -> str:
        """The word shown for this phase."""
        return "in_context"

    def network(self, columns: int, outputs: int) -> "Transformer":
        """Make the transformer."""
        return Transformer(columns, self.width, self.layers, self.heads, outputs)


@dataclass(frozen=True)
class Read:
    """What a transformer keeps of supports: n rows and one that stands for no row.

    Attributes:
        keys: Of each layer, ``(tasks, heads, 1 + n, width / heads)``.
        values: Of each layer, in the same shape.
        bias: Log weight of each row, -inf on padding, ``(tasks, 1, 1, 1 + n)``.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    bias: Tensor

    def take(self, tasks: Tensor) -> Self:
        """Return what is kept of some of the tasks, by their index ``(n,)``."""
        return replace(
            self,
            keys=tuple(one[tasks] for one in self.keys),
            values=tuple(one[tasks] for one in self.values),
            bias=self.bias[tasks],
        )


class Transformer(Network):
    """Attention over the support, without positions.

    Args:
        columns: Width of the head's linear view.
        width: Numbers per row inside.
        layers: Number of layers.
        heads: Attention heads.
        outputs: Numbers per query row; all start at 0.
    """

    def __init__(self, columns: int, width: int, layers: int, heads: int, outputs: int) -> None:
        super().__init__()
        self.row = nn.Linear(columns + 1, width)
        self.rated = nn.Linear(1, width)
        self.unrated = nn.Parameter(torch.zeros(width))
        self.no_row = nn.Parameter(torch.randn(width) * 0.1)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.after = nn.LayerNorm(width)
        self.answer = nn.Linear(width, outputs)
        nn.init.zeros_(self.answer.weight)
        nn.init.zeros_(self.answer.bias)

    def read(self, seen: Seen) -> Read:
        """Return keys and values of every layer."""
        rows = self._rows(seen.design, seen.score) + self.rated(seen.surprise[..., None])
        rows = torch.cat([self.no_row.expand(len(rows), 1, -1), rows], 1)
        bias = functional.pad(seen.weight, (1, 0), value=1.0).log()[:, None, None]
        keys, values = [], []
        for number, block in enumerate(self.blocks):
            key, value = block.get_submodule("memory")(rows)
            keys.append(key)
            values.append(value)
            if number + 1 < len(self.blocks):
                rows = block(rows, key, value, bias)
        return Read(tuple(keys), tuple(values), bias)

    def forward(self, memory: Read, design: Tensor, score: Tensor) -> Tensor:
        """Let every query look things up, layer by layer."""
        rows = self._rows(design, score) + self.unrated
        for block, key, value in zip(self.blocks, memory.keys, memory.values, strict=True):
            rows = block(rows, key, value, memory.bias)
        answer: Tensor = self.answer(self.after(rows))
        return answer

    def _rows(self, design: Tensor, score: Tensor) -> Tensor:
        rows: Tensor = self.row(torch.cat([design, score[..., None]], -1))
        return rows


class Block(nn.Module):
    """One layer: rows look things up, then each goes through a small network; norms come first.

    Args:
        width: Numbers per row.
        heads: Attention heads, a divisor of ``width``.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.memory = KeysAndValues(width, heads)
        self.heads = heads
        self.before = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.found = nn.Linear(width, width)
        self.mixed = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, rows: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
        """Return rows ``(tasks, n, width)`` after looking up what ``Read`` keeps."""
        query = split(self.query(self.before(rows)), self.heads)
        found = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        rows = rows + self.found(found.transpose(1, 2).flatten(2))
        mixed: Tensor = rows + self.mixed(rows)
        return mixed


class KeysAndValues(nn.Module):
    """What the rows of a support offer to those that look things up.

    Args:
        width: Numbers per row.
        heads: Attention heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before = nn.LayerNorm(width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys and values of rows ``(tasks, n, width)``."""
        rows = self.before(rows)
        return split(self.key(rows), self.heads), split(self.value(rows), self.heads)


def split(rows: Tensor, heads: int) -> Tensor:
    """Turn ``(tasks, n, width)`` into ``(tasks, heads, n, width / heads)``."""
    return rows.reshape(*rows.shape[:-1], heads, -1).transpose(1, 2)
