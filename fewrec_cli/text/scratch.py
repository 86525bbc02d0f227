"""A small language model of random weights, with a tokenizer trained on the texts at hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.seeding import derive_seed
from fewrec_cli.text.weights import Family, need_extra

BERT_WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
GPT2_END = "<|endoftext|>"
BYTES = 256
"""Pieces that a byte-level vocabulary starts with."""


@dataclass(frozen=True)
class Scratch:
    """The form of a model that starts from random weights.

    Attributes:
        layers: Transformer blocks, >= 1.
        width: Numbers per token, a multiple of ``heads``.
        heads: Attention heads, >= 1.
        vocabulary: Pieces that the tokenizer knows at most.
        seed: Of the starting weights.
        positions: Longest text (tokens).
    """

    layers: int
    width: int
    heads: int
    vocabulary: int
    seed: int = 0
    positions: int = 512

    def __post_init__(self) -> None:
        for name in ("layers", "width", "heads", "vocabulary", "positions"):
            value = getattr(self, name)
            if value < 1:
                raise ConfigError(
                    f"backbone.scratch.{name}={value} is too few", "give a whole number from 1"
                )
        if self.width % self.heads:
            raise ConfigError(
                f"backbone.scratch.width={self.width} is no multiple of "
                f"backbone.scratch.heads={self.heads}",
                "every head takes an equal part of the width: change one of the two",
            )


def scratch(texts: Sequence[str], family: Family, settings: Scratch) -> tuple[Any, Any]:
    """Train a tokenizer on the texts and make a small model of random weights for it.

    The same texts and settings give the same pieces, numbers and weights in every process; the
    global random state is left alone.

    Args:
        texts: What the model will read; their order and repetitions count.
        family: ``bert``: WordPiece, lower case; ``gpt2``: byte-level pairs, which know any text.
        settings: Form and seed.

    Returns:
        A transformers model with its language-model head, in eval mode, and its tokenizer.

    Raises:
        ConfigError: No text, too small a vocabulary, or no transformers.
    """
    need_extra()
    if not any(text.strip() for text in texts):
        raise ConfigError(
            "backbone.weights=scratch has no text to train its tokenizer on",
            "give items or users texts, or take other weights",
        )
    tokenizer = (_word_pieces if family == "bert" else _byte_pairs)(texts, settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(settings.seed, "text", "scratch"))
        model = _bert(settings, tokenizer) if family == "bert" else _gpt2(settings, tokenizer)
    return model.eval(), tokenizer


def _word_pieces(texts: Sequence[str], settings: Scratch) -> Any:
    """Return a WordPiece tokenizer as BERT's.

    The trainer breaks ties by the numbers of the pieces, and numbers those within words in an order
    that differs from process to process: the letters are numbered for it, and all pieces by name.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from tokenizers.trainers import WordPieceTrainer
    from transformers import PreTrainedTokenizerFast

    def around(model: models.WordPiece) -> Tokenizer:
        made = Tokenizer(model)
        made.normalizer = normalizers.BertNormalizer(lowercase=True)
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        made.decoder = decoders.WordPiece()
        return made

    _, unknown, first, end, mask = BERT_WORDS
    draft = around(models.WordPiece(unk_token=unknown))
    plain = (draft.normalizer.normalize_str(text) for text in texts)
    words = {word for text in plain for word, _ in draft.pre_tokenizer.pre_tokenize_str(text)}
    within = sorted({f"##{letter}" for word in words for letter in word[1:]})
    trainer = WordPieceTrainer(
        vocab_size=settings.vocabulary,
        special_tokens=[*BERT_WORDS, *within],
        show_progress=False,
    )
    draft.train_from_iterator(texts, trainer)
    pieces = sorted(set(draft.get_vocab()) - set(BERT_WORDS))
    numbered = {piece: place for place, piece in enumerate([*BERT_WORDS, *pieces])}
    made = around(models.WordPiece(numbered, unk_token=unknown))
    made.add_special_tokens(list(BERT_WORDS))
    made.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {end}",
        pair=f"{first} $A {end} $B:1 {end}:1",
        special_tokens=[(first, numbered[first]), (end, numbered[end])],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token=BERT_WORDS[0],
        unk_token=unknown,
        cls_token=first,
        sep_token=end,
        mask_token=mask,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        model_max_length=settings.positions,
    )


def _byte_pairs(texts: Sequence[str], settings: Scratch) -> Any:
    """Return a byte-level tokenizer as GPT-2's."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from tokenizers.trainers import BpeTrainer
    from transformers import PreTrainedTokenizerFast

    if settings.vocabulary <= BYTES:
        raise ConfigError(
            f"backbone.scratch.vocabulary={settings.vocabulary} has no room for pairs of bytes",
            f"take more than the {BYTES} bytes and the end of text, e.g. 2000",
        )
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=settings.vocabulary,
        special_tokens=[GPT2_END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        eos_token=GPT2_END,
        bos_token=GPT2_END,
        unk_token=GPT2_END,
        model_max_length=settings.positions,
    )


def _bert(settings: Scratch, tokenizer: Any) -> Any:
    from transformers import BertConfig, BertForMaskedLM

    return BertForMaskedLM(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=settings.width,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.heads,
            intermediate_size=4 * settings.width,
            max_position_embeddings=settings.positions,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def _gpt2(settings: Scratch, tokenizer: Any) -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer),
            n_embd=settings.width,
            n_layer=settings.layers,
            n_head=settings.heads,
            n_positions=settings.positions,
            bos_token_id=tokenizer.eos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
