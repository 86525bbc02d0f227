"""A language model that tasks adapt: gradients, memory, what is learned, what is computed again."""

import copy

import pytest
import torch
from torch import Tensor

from fewrec_cli.backbone.reader import Reader
from fewrec_cli.core.errors import ConfigError
from fewrec_cli.engine import general, loop
from fewrec_cli.engine.base import InnerLoop, query_losses
from fewrec_cli.engine.choose import choose
from fewrec_cli.scenario.batch import Rows, TaskBatch
from tests.backbone.tiny import made, ready
from tests.composed import built
from tests.contracts import fed, planted_tasks
from tests.planted import planted_dataset

pytestmark = pytest.mark.slow

pytest.importorskip("transformers")

USERS, ITEMS = torch.arange(6), torch.arange(42).reshape(6, 7)
SECOND_ORDER = [
    (family, score, tuned)
    for family in ("bert", "gpt2")
    for score in ("cross", "prompt")
    for tuned in ("lora", "last:1", "soft:3", "bias", "all")
]


def doubled(rows: Rows) -> Rows:
    return Rows(rows.item, rows.rating.double(), rows.weight.double())


def tasks(number: int = 2, shots: int = 3) -> TaskBatch:
    batch = planted_tasks((0, number), shots=shots)
    query = doubled(batch.query).take(torch.arange(number))
    few = Rows(query.item[:, :4], query.rating[:, :4], query.weight[:, :4])
    return TaskBatch(batch.user, doubled(batch.support), few)


def outer(backbone: Reader, engine, batch: TaskBatch, *, second: bool = True) -> list[Tensor]:
    """Return the query loss after two inner steps, and its gradient in everything learned."""
    names = backbone.adapted_names("all")
    backbone.adapted_by(names)
    rates = {name: torch.tensor(0.05, dtype=torch.float64) for name in names}
    scale = torch.ones(len(batch.user), dtype=torch.float64)
    steps = InnerLoop(names, rates, 2, second_order=second, scale=scale)
    adapted = engine.inner_loop(backbone, batch.user, batch.support, steps)
    loss = query_losses(backbone, adapted, batch.user, batch.query).mean()
    learned = [p for n, p in backbone.named_parameters() if p.requires_grad and n != "personal"]
    return [loss.detach(), *torch.autograd.grad(loss, learned)]


@pytest.mark.parametrize(("family", "score", "tuned"), SECOND_ORDER)
@pytest.mark.parametrize("second", [True, False], ids=["second", "first"])
def test_outer_gradients_over_tasks_equal_the_loop_s(family, score, tuned, second) -> None:
    backbone = ready(family, score, f"backbone.tuned={tuned}")
    found = outer(backbone, general, tasks(), second=second)
    expected = outer(backbone, loop, tasks(), second=second)
    assert len(found) > 3
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_second_order_is_the_slope_of_the_outer_loss(family) -> None:
    """Central differences along a random direction, with the fused kernels out of the way."""
    backbone, batch, step = ready(family, "cross", "backbone.tuned=lora"), tasks(), 1e-5
    slope = outer(backbone, general, batch)[1:]
    learned = [p for n, p in backbone.named_parameters() if p.requires_grad and n != "personal"]
    torch.manual_seed(1)
    towards = [torch.randn_like(value) for value in learned]
    expected = sum(float((one * other).sum()) for one, other in zip(slope, towards, strict=True))
    found = []
    for sign in (1, -2):
        with torch.no_grad():
            for value, direction in zip(learned, towards, strict=True):
                value.add_(direction, alpha=sign * step)
        found.append(float(outer(backbone, general, batch)[0]))
    assert (found[0] - found[1]) / (2 * step) == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_the_loss_after_adaptation_falls_with_lora_in_the_inner_loop(family) -> None:
    torch.manual_seed(0)
    method = built("strategy", "strategy=maml", "strategy.adapted=all")
    backbone, dataset = made(family, "cross", "backbone.tuned=lora"), planted_dataset()
    backbone.prepare(dataset, dataset.interactions)
    method.prepare(backbone, dataset, dataset.interactions)
    optimizer = torch.optim.Adam([p for p in backbone.parameters() if p.requires_grad], lr=0.03)
    batch, losses = planted_tasks((0, 8), shots=6), []
    for _ in range(20):
        optimizer.zero_grad()
        loss = method.loss(backbone, batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_reptile_moves_lora_s_matrices_to_the_mean_of_what_tasks_adapt_to(family) -> None:
    backbone, batch = ready(family, "cross", "backbone.tuned=lora"), tasks(3)
    method = built("strategy", "strategy=reptile", "strategy.optimizer=sgd")
    dataset = planted_dataset()
    method.prepare(backbone, dataset, dataset.interactions)
    method.double()
    names = backbone.adapted_names("all")
    assert method.adapter.names == names
    shared = dict(backbone.named_parameters())
    before = {name: shared[name].detach().clone() for name in names}
    steps = InnerLoop(
        names,
        method.adapter.rates(),
        method.adapter.inner_steps,
        second_order=False,
        scale=3 / (3 + method.adapter.shrinkage.expand(3)),
    )
    towards = loop.inner_loop(backbone, batch.user, batch.support, steps).values
    optimizer = torch.optim.SGD([shared[name] for name in names], lr=0.5)
    method.loss(backbone, batch).backward()
    optimizer.step()
    for name in names:
        expected = before[name] + 0.5 * (towards[name].mean(0) - before[name])
        torch.testing.assert_close(shared[name], expected, rtol=1e-6, atol=1e-9)
        assert not torch.equal(shared[name], before[name])


@pytest.mark.parametrize("family", ["bert", "gpt2"])
@pytest.mark.slow
def test_adalora_gives_its_ranks_to_the_weights_that_matter(family) -> None:
    torch.manual_seed(0)
    method = built("strategy", "strategy=transfer")
    backbone, dataset = made(family, "cross", "backbone.tuned=adalora"), planted_dataset()
    backbone.prepare(dataset, dataset.interactions)
    method.prepare(backbone, dataset, dataset.interactions)
    optimizer = torch.optim.Adam([p for p in backbone.parameters() if p.requires_grad], lr=0.01)
    for step in range(10):
        optimizer.zero_grad()
        method.loss(backbone, fed(method)).backward()
        optimizer.step()
        backbone.stepped(step + 1, 10)
    ranks = [int((v != 0).sum()) for n, v in backbone.named_parameters() if "lora_E" in n]
    assert sum(ranks) == 2 * len(ranks)  # rank 2 on average, from 3 at the start
    assert len(set(ranks)) > 1 or family == "gpt2"


@pytest.mark.parametrize("strategy", ["maml", "reptile", "meta_ridge"])
def test_adalora_is_refused_where_tasks_train(strategy) -> None:
    backbone, dataset = made("bert", "cross", "backbone.tuned=adalora"), planted_dataset()
    backbone.prepare(dataset, dataset.interactions)
    method = built("strategy", f"strategy={strategy}")
    with pytest.raises(ConfigError, match="this strategy learns from tasks"):
        method.prepare(backbone, dataset, dataset.interactions)


def test_activations_computed_again_give_the_same_gradient() -> None:
    kept = ready("bert", "cross", "backbone.tuned=all", "backbone.gradient_checkpointing=false")
    again = copy.deepcopy(kept)
    again.vectors.checkpointing = True
    for backbone in (kept, again):
        backbone(USERS, ITEMS).square().sum().backward()
    for (name, one), other in zip(kept.named_parameters(), again.parameters(), strict=True):
        if one.grad is not None:
            torch.testing.assert_close(one.grad, other.grad, msg=name)


def test_activations_computed_again_see_the_weights_of_a_functional_call() -> None:
    backbone = ready("gpt2", "cross", "backbone.tuned=last:1")
    expected = outer(backbone, loop, tasks(), second=False)
    backbone.vectors.checkpointing = True
    found = outer(backbone, loop, tasks(), second=False)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_activations_are_kept_while_they_are_few(monkeypatch) -> None:
    backbone = ready("bert", "cross", "backbone.tuned=all")
    lengths = torch.full((8,), 10)
    assert not backbone.vectors._again(lengths)
    monkeypatch.setattr("fewrec_cli.backbone.pairs.GRAPH", {"cpu": 10_000})
    assert backbone.vectors._again(lengths)
    with torch.no_grad():
        assert not backbone.vectors._again(lengths)


def test_a_frozen_model_reads_each_pair_once(monkeypatch) -> None:
    backbone = ready("bert", "cross")
    read: list[int] = []
    batched = backbone.vectors._batched

    def counting(keys: Tensor) -> Tensor:
        read.append(len(keys))
        return batched(keys)

    monkeypatch.setattr(backbone.vectors, "_batched", counting)
    people = len(backbone.place[USERS].unique())  # of the same text are one
    first = backbone(USERS, ITEMS.expand(6, 7) % 5)
    assert read == [people * 5]
    assert torch.equal(backbone(USERS, ITEMS % 5), first)
    backbone(USERS, ITEMS % 6)
    assert read == [people * 5, people]
    with torch.no_grad():
        backbone.vectors.trunk.table.weight.add_(0.1)
    assert not torch.equal(backbone(USERS, ITEMS % 5), first)


@pytest.mark.parametrize("precision", ["auto", "float32", "bfloat16"])
def test_pairs_are_read_in_the_precision_that_is_named(precision) -> None:
    backbone = ready("bert", "cross", f"backbone.precision={precision}").float()
    trunk, seen = backbone.vectors.trunk, []
    block = trunk.body.encoder.layer[0].intermediate.dense
    block.register_forward_hook(lambda _module, _inside, out: seen.append(out.dtype))
    assert backbone(USERS, ITEMS % 5).dtype == torch.float32
    assert set(seen) == {torch.bfloat16 if precision == "bfloat16" else torch.float32}


def test_pairs_beyond_the_memory_are_read_anew(monkeypatch) -> None:
    backbone = ready("bert", "cross")
    expected = backbone(USERS, ITEMS)
    monkeypatch.setattr("fewrec_cli.backbone.memo.BYTES", 10 * 16 * 8)
    backbone.vectors.memo.clear()
    for _ in range(2):
        torch.testing.assert_close(backbone(USERS, ITEMS), expected)
        assert len(backbone.vectors.memo) == 10


def test_scoring_in_blocks_of_tasks_and_candidates_is_the_same(monkeypatch) -> None:
    backbone, batch = ready("bert", "cross", "backbone.tuned=lora"), tasks(3)
    names = backbone.adapted_names("all")
    backbone.adapted_by(names)
    rates = {name: torch.tensor(0.05, dtype=torch.float64) for name in names}
    one = torch.ones(3, dtype=torch.float64)
    steps = InnerLoop(names, rates, 2, second_order=False, scale=one)
    found = []
    for small in (1 << 28, 1):
        monkeypatch.setattr("fewrec_cli.engine.memory.SMALL", small)
        monkeypatch.setattr("fewrec_cli.engine.memory.free_bytes", lambda _: 1 << 20)
        with torch.no_grad():
            adapted = general.inner_loop(backbone, batch.user, batch.support, steps)
            found.append(adapted.predict(backbone, batch.user, batch.query.item).score)
    torch.testing.assert_close(*found)


def chosen(backbone: Reader) -> str:
    """Return the path that ``strategy.adapted=all`` takes."""
    names = backbone.adapted_names("all")
    backbone.adapted_by(names)
    return choose("auto", backbone, names, "all", element=False, steps=1).path


def test_what_is_adapted_is_what_is_tuned() -> None:
    lora = ready("bert", "cross", "backbone.tuned=lora")
    names = lora.adapted_names("all")
    assert all(name.startswith("head.") or "lora_" in name for name in names)
    assert len(names) == 2 + 2 * 2 * 2  # head; two layers, query and value, A and B
    assert lora.adapted_names("head") == ("head.factor", "head.bias")
    assert lora.adapted_names("bias") == ("head.bias",)
    frozen = ready("bert", "cross")
    assert set(frozen.adapted_names("all")) == {"head.factor", "head.bias"}
    assert chosen(frozen) == "fast"
    assert chosen(lora) == "vmap"
    assert lora.numbers_of_a_row(lora.adapted_names("head")) == 16
    assert lora.numbers_of_a_row(names) > 1000


def test_biases_are_those_of_the_mask_head_too() -> None:
    backbone = ready("bert", "prompt", "backbone.tuned=bias")
    trunk = backbone.vectors.trunk
    learned = {name for name, value in trunk.named_parameters() if value.requires_grad}
    assert learned == {name for name, _ in trunk.named_parameters() if name.endswith("bias")}
    assert {"over.dense.bias", "over.LayerNorm.bias"} <= learned


def test_a_known_item_has_a_bias_and_a_known_user_one_in_pretraining() -> None:
    backbone = ready("bert", "cross")
    plain = backbone(USERS, ITEMS)
    with torch.no_grad():
        backbone.personal += 1
        backbone.item[ITEMS[2]] += 2
    scores = backbone(USERS, ITEMS)
    assert torch.allclose(scores[2], plain[2] + 2)
    personal = backbone.head(backbone.encode(USERS, ITEMS, personal=True))
    moved = personal - scores
    assert torch.allclose(moved, backbone.personal[:6, None].expand(6, 7))
    backbone.known.zero_()
    assert torch.allclose(backbone(USERS, ITEMS)[0], plain[0] - backbone.item[ITEMS[0]])


@pytest.mark.parametrize("family", ["bert", "gpt2"])
@pytest.mark.parametrize("tuned", ["lora", "all"])
@pytest.mark.parametrize("plain", [False, True], ids=["fused", "plain"])
def test_what_a_pair_keeps_for_its_gradient_is_foretold_from_above(family, tuned, plain) -> None:
    backbone = made(family, "cross", f"backbone.tuned={tuned}", "backbone.scratch.width=64")
    backbone.user_template = "A user of whom many words are said, one after the other. " * 3
    dataset = planted_dataset()
    backbone.prepare(dataset, dataset.interactions)
    vectors, pairs = backbone.vectors, 32
    tokens = vectors.layout.longest
    if plain:
        vectors.trunk.in_plain_steps()
    own = {value.untyped_storage().data_ptr() for value in backbone.parameters()}
    kept: dict[int, int] = {}

    def keep(value: Tensor) -> Tensor:
        storage = value.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return value

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        found = vectors._read(torch.zeros(pairs, dtype=torch.int64), torch.arange(pairs), tokens)
    measured = sum(size for place, size in kept.items() if place not in own) / 4 / pairs
    assert found.requires_grad
    assert 0.4 * vectors.trunk.numbers(tokens) < measured < vectors.trunk.numbers(tokens)
