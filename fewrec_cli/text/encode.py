"""From texts to vectors: each different text once, kept in the cache by what it is made of."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from fewrec_cli.core import cache
from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.progress import Estimate, Reporter
from fewrec_cli.text.language import Language
from fewrec_cli.text.tokens import Tokens, batches, check_max_tokens, tokenise

Pooling = Literal["mean", "cls", "last"]
Precision = Literal["auto", "float32", "bfloat16"]
"""What a language model computes in; ``auto``: what the device is fast at."""
Vectors = np.ndarray[Any, np.dtype[np.float32]]
KIND = "vectors"
BUDGET = {"cpu": 4_096, "cuda": 65_536}
"""Tokens of a batch, filling included."""


def vectors(
    language: Language,
    texts: Sequence[str],
    *,
    pooling: Pooling,
    max_tokens: int,
    normalise: bool,
    reporter: Reporter,
    what: str = "texts",
    device: torch.device | None = None,
    numbers: torch.dtype | None = None,
) -> Tensor:
    """Return one vector per text.

    Each different text is encoded once; the vectors of a set of texts are kept on disk and read
    from there the next time, whatever the order of the texts.

    Args:
        language: The model, which is loaded only if vectors are not in the cache.
        texts: ``(n,)``.
        pooling: What becomes of a text's hidden states: their ``mean`` over all its tokens, that of
            the first token (``cls``), or of the last one (``last``).
        max_tokens: Where longer texts are cut (tokens).
        normalise: Divide each vector by its length.
        reporter: Told how long it takes, how far it is, and how many texts were cut.
        what: Word for the texts, e.g. ``items``.
        device: Where to compute; None takes the GPU where there is one.
        numbers: What the model computes in; None takes what is ``fastest`` there.

    Returns:
        ``(n, hidden)`` float32, on the CPU.

    Raises:
        ConfigError: ``pooling`` or ``max_tokens`` do not suit the model.
    """
    _check(language, pooling, max_tokens)
    device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    numbers = numbers or fastest(device)
    unique = sorted(set(texts))
    facts: dict[str, Any] = {
        "shown": f"{language.source.word}, {len(unique):,} texts of up to {max_tokens} tokens",
        "language": language.hash,
        "texts": texts_hash(unique),
        "pooling": pooling,
        "max_tokens": max_tokens,
        "precision": str(numbers).removeprefix("torch."),
        "transformers": version("transformers"),
    }
    with cache.turn(KIND, facts, tell=reporter.say) as folder:
        if folder is None:
            tokens = tokenise(language, unique, max_tokens)
            found = encode_tokens(language, tokens, pooling, what, device, numbers, reporter)
            cut = tokens.cut
            cache.keep(KIND, facts, partial(_write, found, cut), tell=reporter.say)
        else:
            found, cut = _read(folder)
            reporter.say(f"vectors of {len(unique):,} different {what}: from the cache")
    if cut:
        reporter.say(f"{cut:,} of {len(unique):,} different {what} cut after {max_tokens} tokens")
    place = {text: row for row, text in enumerate(unique)}
    rows = torch.tensor([place[text] for text in texts], dtype=torch.int64)
    result = torch.from_numpy(found)[rows]
    return normalize(result, dim=1) if normalise else result


def pooled(hidden: Tensor, lengths: Tensor, pooling: Pooling) -> Tensor:
    """Make one vector of each text's hidden states; differentiable.

    Args:
        hidden: ``(texts, tokens, width)``.
        lengths: Tokens of each text, ``(texts,)``, at least 1.
        pooling: As in ``vectors``.

    Returns:
        ``(texts, width)``.
    """
    if pooling == "cls":
        return hidden[:, 0]
    if pooling == "last":
        return hidden[torch.arange(len(hidden), device=hidden.device), lengths - 1]
    there = torch.arange(hidden.shape[1], device=hidden.device) < lengths[:, None]
    total: Tensor = (hidden * there[:, :, None]).sum(1) / lengths[:, None].to(hidden.dtype)
    return total


def precision(device: torch.device) -> torch.dtype:
    """Return what training and writing compute in: bfloat16 on GPUs that have it, else float32."""
    gains = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if gains else torch.float32


def numbers_of(word: Precision) -> torch.dtype | None:
    """Return what ``backbone.precision`` names; None for ``auto``.

    Raises:
        ConfigError: It names nothing.
    """
    if word not in get_args(Precision):
        raise ConfigError(
            f"backbone.precision={word} is nothing that a language model computes in",
            f"choose {', '.join(get_args(Precision))}",
        )
    return None if word == "auto" else getattr(torch, word)


def fastest(device: torch.device) -> torch.dtype:
    """Return what a device encodes in: bfloat16 where it multiplies such numbers itself.

    So do most GPUs, and processors with AVX512-BF16 or AMX: 1.8 times as fast as float32 on one
    core of the former. Normalised vectors of a 6-layer encoder of plots move by 0.002 at most.
    """
    if device.type != "cpu":
        return precision(device)
    known: Mapping[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    gains = known.get("avx512_bf16", False) or known.get("amx_bf16", False)
    return torch.bfloat16 if gains else torch.float32


def _check(language: Language, pooling: Pooling, max_tokens: int) -> None:
    if pooling not in get_args(Pooling):
        raise ConfigError(
            f"backbone.pooling={pooling} is no pooling", f"choose {', '.join(get_args(Pooling))}"
        )
    if pooling == "cls" and language.family == "gpt2":
        raise ConfigError(
            "backbone.pooling=cls: the first token of a gpt2 model has seen no other",
            "take backbone.pooling=last or mean",
        )
    check_max_tokens(language, max_tokens)


def encode_tokens(
    language: Language,
    tokens: Tokens,
    pooling: Pooling,
    what: str,
    device: torch.device,
    numbers: torch.dtype,
    reporter: Reporter,
) -> Vectors:
    """Return the vectors of all texts, ``(texts, hidden)``, longest texts first; none is kept."""
    found = np.empty((len(tokens), language.hidden), np.float32)
    training = language.model.training
    language.model.to(device).eval()
    work = f"encoding {len(tokens):,} different {what}"
    clock = Estimate(work, int(tokens.lengths.sum()), reporter.say)
    try:
        with (
            every_core(),
            reporter.stage("encode", len(tokens)) as advance,
            torch.inference_mode(),
            torch.autocast(device.type, numbers, enabled=numbers != torch.float32),
        ):
            for rows in batches(tokens.lengths, BUDGET.get(device.type, BUDGET["cpu"])):
                ids, lengths = (part.to(device) for part in tokens.batch(rows))
                hidden = _hidden(language, ids, lengths)
                found[rows.numpy()] = pooled(hidden.float(), lengths, pooling).cpu().numpy()
                clock.done(int(tokens.lengths[rows].sum()))
                advance(len(rows))
    finally:
        language.model.to("cpu").train(training)
    return found


def _hidden(language: Language, ids: Tensor, lengths: Tensor) -> Tensor:
    """Return the hidden states of a batch, ``(texts, tokens, hidden)``."""
    # Right-hand filling is never seen by a causal model's tokens.
    mask = None
    if language.family == "bert" and int(lengths.min()) < ids.shape[1]:
        mask = (torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]).long()
    found: Tensor = language.body(input_ids=ids, attention_mask=mask).last_hidden_state
    return found


@contextmanager
def every_core() -> Iterator[None]:
    """Compute on every core meanwhile, or on OMP_NUM_THREADS of them where that is set.

    A run's own ``threads`` suit its small tables; encoding is long, and the run waits for it.
    """
    before = torch.get_num_threads()
    named = os.environ.get("OMP_NUM_THREADS", "")
    torch.set_num_threads(int(named) if named.isdigit() and int(named) else cores())
    try:
        yield
    finally:
        torch.set_num_threads(before)


def cores() -> int:
    """Return how many cores this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed is not None else os.cpu_count() or 1


def _write(found: Vectors, cut: int, folder: Path) -> None:
    np.save(folder / "vectors.npy", found, allow_pickle=False)
    (folder / "cut.json").write_text(json.dumps(cut), encoding="utf-8")


def _read(folder: Path) -> tuple[Vectors, int]:
    found = np.load(folder / "vectors.npy", allow_pickle=False)
    return found, int(json.loads((folder / "cut.json").read_text(encoding="utf-8")))


def texts_hash(texts: Sequence[str]) -> str:
    """Return the hex digest of texts, order and repetitions included."""
    digest = hashlib.sha256()
    for text in texts:
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(f"{len(encoded)} ".encode() + encoded)
    return digest.hexdigest()
