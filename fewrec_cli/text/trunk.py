"""A language model as a function of token sequences, under ``torch.func`` as outside of it."""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from fewrec_cli.text.encode import Pooling, precision
from fewrec_cli.text.layout import Sequences
from fewrec_cli.text.tune import layers_of
from fewrec_cli.text.weights import Family

Read = Pooling | Literal["answer"]
KEPT = {"bert": 18, "gpt2": 30}
"""Vectors of a token that a layer keeps for the gradient, attention aside: the least whole numbers
above what was measured (GPT-2's GELU is written in nine steps)."""


class PlainLayerNorm(nn.LayerNorm):
    """The same function of its input as ``nn.LayerNorm``, in plain steps."""

    def forward(self, rows: Tensor) -> Tensor:
        """Return the norm over the last dimension, in the shape of ``rows``."""
        off = rows - rows.mean(-1, keepdim=True)
        spread = (off.square().mean(-1, keepdim=True) + self.eps).rsqrt()
        return off * spread * self.weight + self.bias


class Trunk(nn.Module):
    """The layers of a language model up to the vector that a head scores.

    Masks and positions are made here and handed over whole (4-D masks), so that nothing of the
    model's own code depends on the content of a tensor. Without dropout: the same pair is the same
    vector in training and in evaluation.

    Args:
        body: The model without its language-model head.
        family: The architecture.
        read: Which hidden states are read: pooled, or that of the answer.
        over: What stands between the hidden state and the vector (BERT's transform), or None.
        soft: Learned vectors in place of the first tokens (BERT: after ``[CLS]``).
        numbers: What 32-bit weights are computed in; None: what the device trains fast in.
    """

    def __init__(
        self,
        body: nn.Module,
        family: Family,
        read: Read,
        over: nn.Module | None,
        soft: int,
        numbers: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.body = body
        self.family = family
        self.read: Read = read
        self.over = over if over is not None else nn.Identity()
        self._numbers = numbers
        settings: Any = body.config
        self.width = int(settings.hidden_size)
        self.heads = int(settings.num_attention_heads)
        self.depth = len(layers_of(body))
        for part in self.modules():
            if isinstance(part, nn.Dropout):
                part.p = 0.0
        self.soft: nn.Parameter | None = None
        if soft:
            table = self.table.weight.detach()
            some = torch.randperm(len(table))[:soft]
            self.soft = nn.Parameter(table[some].clone())

    @property
    def table(self) -> nn.Embedding:
        """The vectors of the tokens, ``(vocabulary, width)``."""
        body: Any = self.body
        found: nn.Embedding = body.get_input_embeddings()
        return found

    @property
    def dtype(self) -> torch.dtype:
        """Numbers that the weights are held in."""
        return self.table.weight.dtype

    def in_plain_steps(self) -> None:
        """Compute attention and norms in plain steps, which can be differentiated twice over tasks.

        The fused kernels of attention have no second derivative and no rule for ``vmap``; that of
        the norm is silently wrong under ``vmap`` where tasks have norms of their own (PyTorch
        2.13).
        """
        body: Any = self.body
        body.set_attn_implementation("eager")
        for part in self.modules():
            if type(part) is nn.LayerNorm:
                part.__class__ = PlainLayerNorm

    def numbers(self, tokens: int) -> int:
        """Return how many numbers a pair of so many tokens leaves for its gradient, from above."""
        layer = KEPT[self.family] * self.width + 3 * self.heads * tokens
        return tokens * (self.depth * layer + 4 * self.width)

    def computed_in(self, device: torch.device) -> torch.dtype:
        """Return what is computed in on a device."""
        return (self._numbers or precision(device)) if self.dtype == torch.float32 else self.dtype

    def forward(self, pairs: Sequences) -> Tensor:
        """Return the vectors of sequences, ``(pairs, width)``."""
        device = pairs.ids.device
        numbers = self.computed_in(device)
        with torch.autocast(device.type, numbers, enabled=numbers != self.dtype):
            hidden = self._hidden(pairs)
            vectors: Tensor = self.over(self._read(hidden, pairs))
        return vectors.to(self.dtype)

    def _hidden(self, pairs: Sequences) -> Tensor:
        """Return ``(pairs, tokens, width)``."""
        body: Any = self.body
        tokens = pairs.ids.shape[-1]
        words = {
            "inputs_embeds": self._embedded(pairs.ids),
            "attention_mask": self._mask(pairs),
            "position_ids": torch.arange(tokens, device=pairs.ids.device)[None],
            "use_cache": False,
        }
        if self.family == "bert":
            words["token_type_ids"] = pairs.kinds
        hidden: Tensor = body(**words).last_hidden_state
        return hidden

    def _embedded(self, ids: Tensor) -> Tensor:
        found: Tensor = self.table(ids)
        if self.soft is None:
            return found
        first = 1 if self.family == "bert" else 0
        soft = self.soft[None].expand(len(ids), -1, -1)
        return torch.cat([found[:, :first], soft, found[:, first + len(self.soft) :]], 1)

    def _mask(self, pairs: Sequences) -> Tensor:
        """Return what is added to attention: 0 where a token is seen, else the least number."""
        tokens = torch.arange(pairs.ids.shape[-1], device=pairs.ids.device)
        if self.family == "gpt2":  # what fills up stands behind, where no token looks
            seen = (tokens[None] <= tokens[:, None])[None, None]
        else:
            seen = (tokens < pairs.lengths[:, None])[:, None, None]
        least = torch.finfo(self.dtype).min
        return torch.zeros_like(seen, dtype=self.dtype).masked_fill(~seen, least)

    def _read(self, hidden: Tensor, pairs: Sequences) -> Tensor:
        if self.read == "cls":
            return hidden[:, 0]
        if self.read == "mean":
            there = torch.arange(hidden.shape[1], device=hidden.device) < pairs.lengths[:, None]
            summed = (hidden * there[..., None]).sum(1)
            return summed / pairs.lengths[:, None].to(hidden.dtype)
        at = pairs.answer if self.read == "answer" else pairs.lengths - 1
        index = at[:, None, None].expand(-1, 1, hidden.shape[-1])
        return hidden.gather(1, index)[:, 0]
