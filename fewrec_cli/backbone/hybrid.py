"""Ids where they are known, texts where they are not: ``TextFactors`` with both."""

from typing import Any, Unpack

from fewrec_cli.backbone.mf import FactorWords
from fewrec_cli.backbone.text_factors import Reading, TextFactors
from fewrec_cli.text.domain import Pretraining, Task
from fewrec_cli.text.encode import Pooling, Precision
from fewrec_cli.text.scratch import Scratch
from fewrec_cli.text.weights import Family


def hybrid(
    *,
    weights: str,
    family: Family,
    download: bool,
    template: str | None,
    max_tokens: int,
    pooling: Pooling,
    precision: Precision,
    components: int,
    scratch: dict[str, Any],
    pretrain: Task,
    pretraining: dict[str, Any],
    **words: Unpack[FactorWords],
) -> TextFactors:
    """Return matrix factorization over ids, attributes and texts.

    Gated by how much is known: with ``content=process`` an item's vector is held to what content
    says of it by a penalty of ``l2`` rows, so that the n ratings of an item outweigh its text as
    n : ``l2``, and an item without ratings is its text and attributes. With ``content=table`` the
    id's vector is added to those, shrunk towards 0 by the same n : ``l2``.
    """
    reading = Reading(
        weights,
        family,
        download,
        template,
        max_tokens,
        pooling,
        components,
        Scratch(**scratch),
        Pretraining(pretrain, **pretraining, max_tokens=max_tokens, pooling=pooling),
        precision,
    )
    return TextFactors(reading=reading, ids=True, **words)
