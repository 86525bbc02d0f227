"""``backbone=gpt2``: the contract, in both forms that read a pair."""

import pytest
import torch

from fewrec_cli.backbone.reader import Reader
from tests.backbone.tiny import made
from tests.contracts import BackboneContract
from tests.planted import planted_dataset

pytest.importorskip("transformers")


class ReaderContract(BackboneContract):
    """The starting weights of a scratch model come from the run's seed."""

    def ready(self, seed: int = 0) -> Reader:
        torch.manual_seed(seed)
        backbone = self.backbone()
        assert isinstance(backbone, Reader)
        backbone.seed = seed
        dataset = planted_dataset()
        backbone.prepare(dataset, dataset.interactions)
        backbone.eval()
        return backbone


@pytest.mark.slow
@pytest.mark.slow
class TestGpt2Cross(ReaderContract):
    def backbone(self) -> Reader:
        return made("gpt2", "cross", "backbone.tuned=lora")


class TestGpt2Prompt(ReaderContract):
    def backbone(self) -> Reader:
        return made("gpt2", "prompt", "backbone.tuned=frozen")
