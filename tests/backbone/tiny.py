"""Tiny language models of random weights as backbones, made in the test."""

import torch

from fewrec_cli.backbone.reader import Reader
from fewrec_cli.data.base import Dataset
from tests.composed import built
from tests.planted import planted_dataset

TINY = (
    "backbone.weights=scratch",
    "backbone.scratch.layers=2",
    "backbone.scratch.width=16",
    "backbone.scratch.vocabulary=400",
    "backbone.lora.rank=2",
    "backbone.id_dropout=0",
)


def made(family: str, score: str, *words: str) -> Reader:
    """Return a backbone that is not yet prepared."""
    found = built("backbone", f"backbone={family}", *TINY, f"backbone.score={score}", *words)
    assert isinstance(found, Reader)
    return found


def ready(family: str, score: str, *words: str, dataset: Dataset | None = None) -> Reader:
    """Return a backbone in float64 and evaluation mode, all that it learns moved a little."""
    torch.manual_seed(0)
    dataset = dataset or planted_dataset()
    found = made(family, score, *words)
    found.prepare(dataset, dataset.interactions)
    with torch.no_grad():
        for value in found.parameters():
            if value.requires_grad:
                value.add_(0.1 * torch.randn_like(value))
    found.double().eval()
    return found
