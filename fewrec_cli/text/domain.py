"""Domain pretraining: a language model reads the items' texts before any rating is learned from.

Masked or causal language modelling, or pairs that belong together against pairs that do not. The
weights are kept in the stage cache under what they were made of, so that no pretraining is done
twice.
"""

import hashlib
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch

from fewrec_cli.core import cache
from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.core.types import Interactions
from fewrec_cli.data.base import Dataset
from fewrec_cli.text.domain_fit import Fitted, Objective, fit
from fewrec_cli.text.domain_pairs import LIKED, Contrast, fact_pairs, liked_pairs
from fewrec_cli.text.domain_words import Causal, Masked, with_mask_head
from fewrec_cli.text.encode import Pooling, precision, texts_hash
from fewrec_cli.text.language import Language, quiet
from fewrec_cli.text.template import facts as describing
from fewrec_cli.text.weights import locate
from fewrec_cli.text.words import check_pretrain

Task = Literal["none", "mlm", "causal", "contrastive"]
KIND = "language"
MODEL = "model"
"""Folder of its own in the entry, whose other files say when it was made."""
"""What only one family of models is made for."""
LEAST_TEXTS = 10


@dataclass(frozen=True)
class Pretraining:
    """What is learned from the items' texts, and for how long.

    Attributes:
        task: ``mlm``: foretell masked tokens (BERT); ``causal``: the next token (GPT-2);
            ``contrastive``: which of two texts belong together; ``none``.
        epochs: Passes over the texts, >= 0; the best one on held-out texts stays.
        lr: Largest step size of AdamW, > 0.
        batch: Texts (pairs) of a step, >= 1; of ``contrastive`` >= 2.
        pairs: Of ``contrastive``: ``liked``: two items that one training user liked; ``A-B``: the
            facts A and B of one item, e.g. ``title-plot``.
        max_tokens: Where longer texts are cut.
        pooling: Of ``contrastive``: how a text becomes a vector.
    """

    task: Task
    epochs: int
    lr: float
    batch: int
    pairs: str
    max_tokens: int
    pooling: Pooling

    def __post_init__(self) -> None:
        if self.task not in get_args(Task):
            raise ConfigError(
                f"backbone.pretrain={self.task} is no pretraining",
                f"choose {', '.join(get_args(Task))}",
            )
        least = 2 if self.task == "contrastive" else 1
        for name, value, wrong, wanted in (
            ("epochs", self.epochs, self.epochs < 0, "0 or more"),
            ("lr", self.lr, not self.lr > 0, "above 0"),
            ("batch", self.batch, self.batch < least, f"{least} or more"),
        ):
            if wrong:
                raise ConfigError(
                    f"backbone.pretraining.{name}={value} cannot be", f"give a number {wanted}"
                )


def adapted_language(
    language: Language,
    texts: Sequence[str],
    dataset: Dataset,
    train: Interactions,
    settings: Pretraining,
    *,
    seed: int,
    reporter: Reporter,
    device: torch.device | None = None,
    numbers: torch.dtype | None = None,
) -> Language:
    """Return the language after pretraining on the items' texts, or as it is for ``none``.

    A tenth of the texts (of the users, for liked pairs) is held out; the weights of the epoch that
    foretells them best stay, the starting ones included. No rating is read but those of ``train``,
    and these by liked pairs alone.

    Args:
        language: Left as it is.
        texts: One per item, ``(n_items,)``; empty ones are left out.
        dataset: Gives facts for pairs, and from how many stars on an item is liked.
        train: The rows that pretraining may see.
        settings: What is done.
        seed: Of what is held out, masked, paired and dropped.
        reporter: Told how long it takes, how far it is, and the loss before and after.
        device: Where to compute; None takes the GPU where there is one.
        numbers: What is computed in; None takes what training is fast in there.

    Returns:
        A language whose files lie in the stage cache.

    Raises:
        ConfigError: The task does not suit the model or the data.
        RunError: The loss is not finite.

    Source:
        Devlin et al., "BERT", NAACL 2019, section 3.1 (mlm); Radford et al., "Language Models are
        Unsupervised Multitask Learners", 2019 (causal); van den Oord et al., "Representation
        Learning with Contrastive Predictive Coding", 2018, equation 4, both ways and with the
        batch's other pairs as negatives as in Gao et al., "SimCSE", EMNLP 2021 (contrastive);
        Gururangan et al., "Don't Stop Pretraining", ACL 2020 (why on the domain's own texts).
    """
    if settings.task == "none" or settings.epochs == 0:
        return language
    check_pretrain(settings.task, language.family, language.source.word)
    device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    numbers = numbers or precision(device)
    facts: dict[str, Any] = {
        "shown": f"{language.source.word}, {settings.task}, {len(texts):,} texts",
        "language": language.hash,
        **_determining(settings),
        "texts": texts_hash(texts),
        "seed": seed,
        "precision": str(numbers).removeprefix("torch."),
        "device": device.type,
        "transformers": version("transformers"),
        "torch": version("torch"),
    }
    if settings.task == "contrastive":
        facts["pairs from"] = _origin(dataset, train, settings.pairs)
    with cache.turn(KIND, facts, tell=reporter.say) as folder:
        if folder is not None:
            reporter.say(f"{facts['shown']}: pretrained weights from the cache")
            return _read(language, folder, settings.task)
        with cache.adding(KIND, facts) as part:  # first, as the weights have no other place
            model, objective = _start(language, texts, dataset, train, settings, seed)
            fitted = fit(
                model, objective, settings.epochs, settings.lr, seed, device, numbers, reporter
            )
            _tell(settings.task, fitted, reporter)
            with quiet():
                model.save_pretrained(part / MODEL)
                _plain(language.tokenizer).save_pretrained(part / MODEL)
        made = cache.find(KIND, facts)
        assert made is not None
        return _read(language, made, settings.task)


def _start(
    language: Language,
    texts: Sequence[str],
    dataset: Dataset,
    train: Interactions,
    settings: Pretraining,
    seed: int,
) -> tuple[Any, Objective]:
    """Return a copy of the model that may be trained, and what it is trained for."""
    model = deepcopy(language.model)
    objective: Objective
    if settings.task == "contrastive":
        if settings.pairs == LIKED:
            pairs = liked_pairs(dataset, train, texts, seed)
        else:
            pairs = fact_pairs(dataset, settings.pairs, seed)
        objective = Contrast(language, pairs, settings.batch, settings.max_tokens, settings.pooling)
    else:
        read = [text for text in texts if text.strip()]
        if len(read) < LEAST_TEXTS:
            raise ConfigError(
                f"backbone.pretrain={settings.task}: {len(read):,} of {len(texts):,} items have a "
                "text",
                "give items texts (MovieLens: data.text=auto), or take backbone.pretrain=none",
            )
        if settings.task == "mlm" and not language.has_head:
            model = with_mask_head(model, seed)
        aim = Masked if settings.task == "mlm" else Causal
        objective = aim(language, read, settings.batch, settings.max_tokens, seed)
    model.set_attn_implementation("sdpa")
    return model, objective


def _read(language: Language, folder: Path, task: Task) -> Language:
    source = locate(str(folder / MODEL), language.family, download=False)
    return language.holding(replace(source, word=f"{language.source.word}+{task}"))


def _plain(tokenizer: Any) -> Any:
    """Return a copy without the cutting and filling of its last call, which would be saved."""
    found = deepcopy(tokenizer)
    found.backend_tokenizer.no_truncation()
    found.backend_tokenizer.no_padding()
    return found


def _tell(task: Task, fitted: Fitted, reporter: Reporter) -> None:
    """Say what the held-out texts said."""
    if fitted.epoch == 0:
        said = "no epoch was better than the start, whose weights stay"
    else:
        said = f"{fitted.after:.3f} after epoch {fitted.epoch} of {fitted.epochs}"
    reporter.say(
        f"{task}: loss on {fitted.held_out:,} held-out {fitted.what} {fitted.before:.3f} before, "
        f"{said}"
    )


def _determining(settings: Pretraining) -> dict[str, Any]:
    """Return the settings that its task reads."""
    found = asdict(settings)
    if settings.task != "contrastive":
        del found["pairs"], found["pooling"]
    return found


def _origin(dataset: Dataset, train: Interactions, pairs: str) -> str:
    """Return a hash of what pairs are made of, beside the texts."""
    if pairs != LIKED:
        known = describing(dataset, "item")
        named = (known.get(name, ()) for name in pairs.split("-"))
        return texts_hash([text for column in named for text in column])
    digest = hashlib.sha256(f"{dataset.positive} {dataset.n_users}\n".encode())
    for column in (train.user, train.item, train.rating):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()
