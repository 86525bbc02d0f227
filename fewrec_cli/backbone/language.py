"""What ``backbone=bert`` and ``backbone=gpt2`` share: their words, and the three ways to score."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, TypedDict

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.backbone.cross import cross
from fewrec_cli.backbone.prompt import prompt
from fewrec_cli.backbone.reader import MakeForm, Reader
from fewrec_cli.backbone.text_factors import Reading, TextFactors
from fewrec_cli.text.domain import Pretraining, Task
from fewrec_cli.text.encode import Pooling, Precision
from fewrec_cli.text.scratch import Scratch
from fewrec_cli.text.weights import Family
from fewrec_cli.text.words import Tuned, check_score


class LanguageWords(TypedDict):
    """The keys of ``configs/backbone/bert.yaml`` and ``gpt2.yaml``.

    ``Reader`` explains those of ``cross`` and ``prompt``, ``TextFactors`` those of ``encoder``.
    """

    score: Literal["encoder", "cross", "prompt"]
    weights: str
    download: bool
    template: str | None
    user_template: str | None
    max_tokens: int
    pooling: Pooling
    precision: Precision
    tuned: str
    lora: dict[str, Any]
    head: Sequence[int] | None
    prompt: str
    verbalizers: Sequence[str]
    gradient_checkpointing: Literal["auto", True, False]
    scratch: dict[str, Any]
    pretrain: Task
    pretraining: dict[str, Any]
    item_shrinkage: float
    id_dropout: float
    bias_l2: float
    user_l2: float
    components: int
    factors: int
    init_scale: float
    l2: float
    side_l2: float


def language_backbone(family: Family, words: LanguageWords) -> Backbone:
    """Return the backbone that scores in the chosen way.

    Raises:
        ConfigError: Words that do not go together.
    """
    if words["score"] == "encoder":
        return _encoder(family, words)
    checkpointing = words["gradient_checkpointing"]
    soft = Tuned.parse(words["tuned"]).soft
    literals: tuple[str, ...] = ()
    if words["score"] == "cross":
        form: MakeForm = partial(
            cross, max_tokens=words["max_tokens"], pooling=words["pooling"], soft=soft
        )
    else:
        form = partial(
            prompt,
            template=words["prompt"],
            verbalizers=words["verbalizers"],
            max_tokens=words["max_tokens"],
            soft=soft,
        )
        literals = (words["prompt"], *words["verbalizers"])
    return Reader(
        form=form,
        family=family,
        weights=words["weights"],
        download=words["download"],
        template=words["template"],
        user_template=words["user_template"],
        literals=literals,
        tuned=words["tuned"],
        lora={"rank": words["lora"]["rank"], "alpha": words["lora"]["alpha"]},
        hidden=words["head"] or (),
        checkpointing=None if checkpointing == "auto" else checkpointing,
        item_shrinkage=words["item_shrinkage"],
        id_dropout=words["id_dropout"],
        bias_l2=words["bias_l2"],
        user_l2=words["user_l2"],
        scratch=Scratch(**words["scratch"]),
        pretraining=_pretraining(words),
        precision=words["precision"],
    )


def _pretraining(words: LanguageWords) -> Pretraining:
    """Return what the model learns of the items' texts first."""
    return Pretraining(
        words["pretrain"],
        **words["pretraining"],
        max_tokens=words["max_tokens"],
        pooling=words["pooling"],
    )


def _encoder(family: Family, words: LanguageWords) -> Backbone:
    """Return matrix factorization over frozen text vectors, without ids."""
    check_score("encoder", words["tuned"])
    reading = Reading(
        words["weights"],
        family,
        words["download"],
        words["template"],
        words["max_tokens"],
        words["pooling"],
        words["components"],
        Scratch(**words["scratch"]),
        _pretraining(words),
        words["precision"],
    )
    return TextFactors(
        reading=reading,
        ids=False,
        factors=words["factors"],
        init_scale=words["init_scale"],
        item_shrinkage=words["item_shrinkage"],
        id_dropout=words["id_dropout"],
        l2=words["l2"],
        bias_l2=words["bias_l2"],
        user_l2=words["user_l2"],
        side_l2=words["side_l2"],
        content="table",
        blocks=2,  # of a process alone
    )
