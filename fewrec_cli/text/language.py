"""A language model and its tokenizer, loaded only when somebody reads with them."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.text.scratch import Scratch, scratch
from fewrec_cli.text.weights import Family, Source, need_extra, read_config

Attention = Literal["sdpa", "eager"]
"""How attention is computed: fused, or in plain steps that can be differentiated twice."""
BROKEN = (OSError, ValueError, RuntimeError, KeyError, EOFError, UnpicklingError)
"""What loading raises where files are damaged, cut short or of another model."""
MASKED_HEADS = ("BertForMaskedLM", "BertForPreTraining")


class Language:
    """A pretrained or small random language model.

    Nothing is loaded before ``model`` or ``tokenizer`` is first read: what only needs ``hash`` and
    ``hidden``, such as vectors that are in the cache, never waits for transformers.

    Args:
        source: Where it comes from.
        texts: What a ``scratch`` model's tokenizer is trained on; not read otherwise.
        settings: Form of a ``scratch`` model; not read otherwise.
        attention: How attention is computed.

    Attributes:
        family: ``bert`` or ``gpt2``.
        hash: Hex digest of all that settles what a text becomes, attention aside.
        hidden: Numbers per token.
        positions: Longest text that it reads (tokens).
        has_head: Whether its language-model head was trained with it (a ``scratch`` model has one
            of random weights, as all of it is).
    """

    def __init__(
        self, source: Source, texts: Sequence[str], settings: Scratch, attention: Attention
    ) -> None:
        self.source = source
        self.family: Family = source.family
        self.attention: Attention = attention
        self._texts = texts
        self._settings = settings
        if source.folder is None:
            self.hash = _hash_of_scratch(source, texts, settings)
            self.hidden, self.positions, self.has_head = settings.width, settings.positions, True
        else:
            config = read_config(source.folder)
            keys = ("hidden_size", "max_position_embeddings")
            if source.family == "gpt2":
                keys = ("n_embd", "n_positions")
            self.hash = source.hash
            self.hidden, self.positions = (_whole(config, key, source.folder) for key in keys)
            architectures = config.get("architectures") or []
            self.has_head = source.family == "gpt2" or any(a in MASKED_HEADS for a in architectures)

    @property
    def model(self) -> Any:
        """The transformers model, in eval mode: with its language-model head if ``has_head``."""
        return self._loaded[0]

    @property
    def tokenizer(self) -> Any:
        """The tokenizer that goes with it."""
        return self._loaded[1]

    @property
    def body(self) -> Any:
        """The model without its head: token ids to hidden states ``(texts, tokens, hidden)``."""
        return self.model.base_model

    @property
    def pad(self) -> int:
        """Token that fills up short texts; never attended to. GPT-2 has none: its end of text."""
        own = self.tokenizer.pad_token_id
        return int(self.tokenizer.eos_token_id if own is None else own)

    def __deepcopy__(self, memo: object) -> "Language":
        """A copy of what holds a language reads with the same one, which nobody changes."""
        return self

    def holding(self, source: Source) -> "Language":
        """Return the language whose files lie at ``source``, with this one's attention.

        Args:
            source: Weights in a folder.
        """
        return Language(source, (), self._settings, self.attention)

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        need_extra()
        with quiet():
            if self.source.folder is None:
                model, tokenizer = scratch(self._texts, self.family, self._settings)
            else:
                model, tokenizer = self._read(self.source.folder)
            model.set_attn_implementation(self.attention)
        return model.eval(), tokenizer

    def _read(self, folder: Path) -> tuple[Any, Any]:
        import torch
        from safetensors import SafetensorError
        from transformers import AutoTokenizer, BertForMaskedLM, BertModel, GPT2LMHeadModel

        kind = GPT2LMHeadModel if self.family == "gpt2" else BertForMaskedLM
        kind = kind if self.has_head else BertModel
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model, loading = kind.from_pretrained(
                folder, local_files_only=True, output_loading_info=True, dtype=torch.float32
            )
        except (*BROKEN, SafetensorError) as fault:
            said = next(iter(str(fault).splitlines()), type(fault).__name__)[:200]
            raise ConfigError(
                f"backbone.weights={self.source.word} cannot be loaded: {said}",
                "fetch or save the model again, or name another",
            ) from fault
        lost = [name for name in loading["missing_keys"] if "pooler" not in name]
        if lost:
            raise ConfigError(
                f"backbone.weights={self.source.word} lacks {len(lost)} of the model's weights, "
                f"first {sorted(lost)[0]}",
                "fetch or save the model again, or name another",
            )
        return model, tokenizer


def load(
    source: Source,
    texts: Sequence[str],
    settings: Scratch,
    *,
    attention: Attention = "sdpa",
) -> Language:
    """Return a language model; its files are read when its model or tokenizer is first needed.

    Args:
        source: As ``locate`` found it.
        texts: What a ``scratch`` model's tokenizer is trained on.
        settings: Form of a ``scratch`` model.
        attention: ``eager`` where gradients are differentiated again, else ``sdpa``.

    Raises:
        ConfigError: transformers is not installed, or the files are broken.
    """
    need_extra()
    return Language(source, texts, settings, attention)


def _hash_of_scratch(source: Source, texts: Sequence[str], settings: Scratch) -> str:
    digest = hashlib.sha256(f"{source.hash} {source.family} {asdict(settings)}\n".encode())
    for text in texts:
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(f"{len(encoded)} ".encode() + encoded)
    return digest.hexdigest()


def _whole(config: dict[str, Any], key: str, folder: Path) -> int:
    value = config.get(key)
    if not isinstance(value, int) or value < 1:
        raise ConfigError(
            f"{folder / 'config.json'}: {key} is {value}", "fetch or save the model again"
        )
    return value


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what transformers prints while it reads and writes: bars and tips, not ours."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers.utils import logging

    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()
