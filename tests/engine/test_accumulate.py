"""A mean over tasks taken part by part against the mean taken whole."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from fewrec_cli.engine.accumulate import cuts, mean_in_parts
from fewrec_cli.scenario.batch import TaskBatch
from tests.engine.case import case, close
from tests.strategy.feeding import batch, strategy

LENGTHS = (5, 1, 0, 3, 2)
WORDS = {
    "first": ("strategy=maml", "strategy.order=first", "strategy.inner_steps=2"),
    "second": ("strategy=maml", "strategy.order=second", "strategy.inner_steps=2"),
    "ridge": ("strategy=maml", "strategy/adapter=ridge"),
    "reptile": ("strategy=reptile", "strategy.weighting=rows"),
}


@pytest.mark.parametrize("kind", ["mf", "mlp"])
@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("parts", [2, 3, 5])
def test_a_step_in_parts_has_the_loss_and_the_gradient_of_the_whole(kind, words, parts) -> None:
    made = case(kind, "all" if words == "reptile" else "head", lengths=LENGTHS)
    found = strategy(made, *WORDS[words])
    learned = [p for p in (*made.backbone.parameters(), *found.parameters()) if p.requires_grad]
    results = []
    for found.parts in (1, parts):
        loss = found.loss(made.backbone, batch(made))
        gradient = torch.autograd.grad(loss, learned, materialize_grads=True)
        results.append([loss.detach(), *gradient])
    assert any(bool(one.abs().max() > 1e-3) for one in results[0][1:])
    for whole, cut in zip(*results, strict=True):
        close(cut, whole)


def test_one_backward_hands_every_gradient_out_once_and_scaled() -> None:
    weight, unused = nn.Parameter(torch.tensor(3.0)), nn.Parameter(torch.tensor(1.0))
    met: list[float] = []  # as averaging over processes listens, once per step
    weight.register_post_accumulate_grad_hook(lambda one: met.append(float(one.grad)))
    rows = torch.tensor([1.0, 2.0, 6.0])

    def losses(part: slice) -> Tensor:
        return weight * rows[part]

    loss = mean_in_parts(losses, cuts(3, 3), [weight, unused])
    assert loss.item() == 9.0
    (loss * 0.5).backward()
    assert met == [1.5]
    assert unused.grad is None


def test_only_one_part_s_graph_is_alive() -> None:
    weight = nn.Parameter(torch.ones(()))
    alive, most = 0, 0

    class Counted(torch.autograd.Function):
        @staticmethod
        def forward(ctx, value):
            nonlocal alive, most
            alive += 1
            most = max(most, alive)
            return value.clone()

        @staticmethod
        def backward(ctx, gradient):
            nonlocal alive
            alive -= 1
            return gradient

    mean_in_parts(lambda part: Counted.apply(weight)[None], cuts(4, 4), [weight]).backward()
    assert most == 1


def test_without_gradients_it_is_a_mean() -> None:
    weight = nn.Parameter(torch.tensor(2.0))
    with torch.no_grad():
        mean = mean_in_parts(
            lambda part: weight * torch.ones(part.stop - part.start), cuts(5, 2), [weight]
        )
    assert mean.item() == pytest.approx(2.0)
    assert not mean.requires_grad


@pytest.mark.parametrize(("tasks", "parts"), [(1, 1), (5, 2), (7, 3), (4, 9), (10, 4)])
def test_parts_are_disjoint_and_hold_every_task(tasks, parts) -> None:
    found = cuts(tasks, parts)
    assert [task for part in found for task in range(tasks)[part]] == list(range(tasks))
    assert 1 <= len(found) <= min(parts, tasks)


@pytest.fixture
def one_process() -> Iterator[None]:
    """A group of this process alone, whose gradients DDP still collects as it does for many."""
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize("parts", [1, 3])
def test_averaging_over_processes_meets_every_gradient_once(one_process, parts) -> None:
    """Gradients that were summed behind its back would be marked ready twice, and raise."""

    class Step(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            made.backbone.requires_grad_(requires_grad=True)
            self.backbone, self.strategy = made.backbone, found

        def forward(self, tasks: TaskBatch) -> Tensor:
            return self.strategy.loss(self.backbone, tasks)

    made = case("mlp", lengths=LENGTHS)
    found = strategy(made, *WORDS["second"])
    tasks = batch(made)
    learned = [p for p in (*made.backbone.parameters(), *found.parameters()) if p.requires_grad]
    whole = torch.autograd.grad(found.loss(made.backbone, tasks), learned, allow_unused=True)
    found.parts = parts
    wrapped = DistributedDataParallel(Step(), find_unused_parameters=True)
    for _ in range(2):
        wrapped.zero_grad()
        wrapped(tasks).backward()
    for value, expected in zip(learned, whole, strict=True):
        if expected is not None:
            assert value.grad is not None
            close(value.grad, expected)
