"""What a model that learns reads at once, reads again, and need not read again."""

import pytest
import torch
from torch.func import functional_call

from tests.backbone.tiny import ready

pytest.importorskip("transformers")

USERS, ITEMS = torch.arange(6), torch.arange(42).reshape(6, 7)
PAIRS = "fewrec_cli.backbone.pairs"


def test_small_parts_have_the_gradient_of_all_pairs_at_once(monkeypatch) -> None:
    """Parts are sized in bytes: here a pair each, and all that the budget of tokens allows."""
    found, sizes = [], []
    for part in (1, 1 << 40):
        backbone = ready("bert", "cross", "backbone.tuned=lora")
        backbone.vectors.checkpointing = part == 1
        monkeypatch.setattr(f"{PAIRS}.PART", {"cpu": part})
        read = backbone.vectors.trunk.forward

        def counted(pairs, read=read, part=part):
            sizes.append((part, len(pairs.ids)))
            return read(pairs)

        backbone.vectors.trunk.forward = counted
        backbone(USERS, ITEMS[:, :2]).square().sum().backward()
        found.append({n: p.grad for n, p in backbone.named_parameters() if p.grad is not None})
    assert sizes.count((1, 1)) == 2 * 12  # once forward, once more for the gradient
    assert max(size for part, size in sizes if part > 1) > 1
    assert len(found[0]) > 3
    for name, gradient in found[1].items():
        torch.testing.assert_close(found[0][name], gradient, rtol=1e-6, atol=1e-12, msg=name)


def test_pairs_are_kept_until_a_weight_is_learned(monkeypatch) -> None:
    backbone = ready("bert", "cross", "backbone.tuned=lora")
    read = []
    batched = backbone.vectors._batched

    def counted(keys):
        read.append(len(keys))
        return batched(keys)

    monkeypatch.setattr(backbone.vectors, "_batched", counted)
    learned = [p for p in backbone.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=0.1, fused=True)
    with torch.no_grad():
        before = backbone(USERS, ITEMS)
        assert torch.equal(backbone(USERS, ITEMS), before)
    assert read == [42]
    backbone.train()(USERS, ITEMS).square().sum().backward()
    optimizer.step()
    backbone.eval()
    assert read == [42, 42]  # a gradient is never taken of what was kept
    with torch.no_grad():
        after = backbone(USERS, ITEMS)
        assert torch.equal(backbone(USERS, ITEMS), after)
    assert read == [42, 42, 42]
    assert not torch.allclose(after, before)
    with torch.enable_grad():
        torch.testing.assert_close(backbone(USERS, ITEMS).detach(), after)


@torch.no_grad()
def test_what_is_read_with_a_task_s_weights_is_not_kept() -> None:
    backbone = ready("bert", "cross", "backbone.tuned=lora")
    before = backbone(USERS, ITEMS)
    own = {
        name: value + 0.3
        for name, value in backbone.named_parameters()
        if name.startswith("vectors.") and value.requires_grad
    }
    adapted = functional_call(backbone, own, (USERS, ITEMS))
    assert not torch.allclose(adapted, before)
    assert torch.equal(backbone(USERS, ITEMS), before)


def test_a_long_reading_says_how_far_it_is(monkeypatch) -> None:
    monkeypatch.setattr(f"{PAIRS}.PROBE_S", 0.0)
    monkeypatch.setattr(f"{PAIRS}.PART", {"cpu": 1})
    backbone = ready("bert", "cross", "backbone.tuned=lora")
    backbone.vectors.checkpointing = True
    said: list[str] = []
    backbone.vectors.beside = said.append
    backbone(USERS[:2], ITEMS[:2, :1]).sum().backward()
    assert said == [
        "1 of 2 pairs read",
        "2 of 2 pairs read",
        "gradients of 1 of 2 pairs",
        "gradients of 2 of 2 pairs",
    ]
