"""The training loop of domain pretraining: the epoch that held-out texts like best stays."""

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.optim import AdamW

from fewrec_cli.core.errors import RunError
from fewrec_cli.core.progress import Estimate, Reporter
from fewrec_cli.core.seeding import derive_seed
from fewrec_cli.text.encode import every_core

WARM_SHARE = 0.1
"""Share of the steps in which the step size rises; it then falls towards 0 along a line."""
DECAY = 0.01
"""Of AdamW, on matrices; biases and norms do not decay, as in BERT's own code."""
LONGEST_GRADIENT = 1.0
Fast = Callable[[], torch.autocast]
"""Makes the context in which losses are computed."""


class Objective(Protocol):
    """What a language model is trained for.

    A batch is of the objective's own kind; its length is its number of texts (pairs).
    """

    @property
    def what(self) -> str:
        """Word for what is held out: ``texts`` or ``pairs of ...``."""

    @property
    def held_out(self) -> Sequence[Any]:
        """Batches that are not trained on."""

    def epoch(self, number: int) -> Sequence[Any]:
        """Return the batches of an epoch; every epoch has as many."""

    def loss(self, model: Any, batch: Any, seed: int, device: torch.device) -> "Loss":
        """Return the loss of one batch, differentiable; what it draws is drawn by ``seed``."""


@dataclass(frozen=True)
class Loss:
    """The loss of a batch.

    Attributes:
        total: Sum over what was foretold, a scalar.
        count: How many tokens (pairs) were.
    """

    total: Tensor
    count: int


@dataclass(frozen=True)
class Fitted:
    """What training came to.

    Attributes:
        epoch: Whose weights stay; 0: those before.
        epochs: Passes made.
        before: Mean held-out loss before training (nats per token or pair).
        after: Mean held-out loss of the weights that stay.
        held_out: Number of held-out texts (pairs).
        what: Word for them.
    """

    epoch: int
    epochs: int
    before: float
    after: float
    held_out: int
    what: str


def fit(
    model: Any,
    objective: Objective,
    epochs: int,
    lr: float,
    seed: int,
    device: torch.device,
    numbers: torch.dtype,
    reporter: Reporter,
) -> Fitted:
    """Train a language model in place; it ends on the CPU in eval mode.

    The step size rises over the first tenth of the steps and falls towards 0 over the rest; each
    step takes that of its middle, so that the first and the last one learn, too, and a single one.

    Args:
        model: A transformers model.
        objective: What it is trained for.
        epochs: Passes over the training texts.
        lr: Largest step size of AdamW.
        seed: Of the order of the texts and of dropout; the global random state is left alone.
        device: Where to compute.
        numbers: What is computed in; the weights stay 32-bit.
        reporter: Shows a bar, and says beforehand how long it takes.

    Raises:
        RunError: The loss is not finite.
    """
    model.to(device)
    steps = epochs * len(objective.epoch(1))
    optimizer = AdamW(_groups(model), lr=lr)
    devices = [device] if device.type == "cuda" else []
    fast = partial(torch.autocast, device.type, numbers, enabled=numbers != torch.float32)
    done = 0
    with (
        torch.random.fork_rng(devices=devices),
        every_core(),
        reporter.stage("language", steps) as advance,
    ):
        torch.manual_seed(derive_seed(seed, "text", "dropout"))
        best = before = _held_out_loss(model, objective, seed, device, fast)
        kept, epoch = deepcopy(model.state_dict()), 0
        clock = Estimate(f"pretraining the language model, {steps:,} steps", steps, reporter.say)
        for number in range(1, epochs + 1):
            model.train()
            for one in objective.epoch(number):
                for group in optimizer.param_groups:
                    group["lr"] = lr * _share((done + 0.5) / steps)
                step = derive_seed(seed, "text", "step", done)
                loss = _step(model, objective, optimizer, one, step, device, fast)
                if not math.isfinite(loss):
                    raise RunError(
                        f"the loss of the language model is {loss} at step {done + 1} of {steps}",
                        "lower backbone.pretraining.lr",
                    )
                done += 1
                advance(1, f"loss {loss:.3f}")
                clock.done(1)
            now = _held_out_loss(model, objective, seed, device, fast)
            if now < best:
                best, epoch, kept = now, number, deepcopy(model.state_dict())
        model.load_state_dict(kept)
    model.to("cpu").eval()
    count = sum(map(len, objective.held_out))
    return Fitted(epoch, epochs, before, best, count, objective.what)


def _groups(model: Any) -> list[dict[str, Any]]:
    """Return the model's weights by whether they decay."""
    weights = list(model.parameters())
    return [
        {"params": [one for one in weights if one.ndim > 1], "weight_decay": DECAY},
        {"params": [one for one in weights if one.ndim <= 1], "weight_decay": 0.0},
    ]


def _step(
    model: Any,
    objective: Objective,
    optimizer: AdamW,
    batch: Any,
    seed: int,
    device: torch.device,
    fast: Fast,
) -> float:
    optimizer.zero_grad(set_to_none=True)
    with fast():
        found = objective.loss(model, batch, seed, device)
    mean = found.total / max(found.count, 1)
    mean.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), LONGEST_GRADIENT)
    optimizer.step()
    return float(mean.detach())


@torch.no_grad()
def _held_out_loss(
    model: Any, objective: Objective, seed: int, device: torch.device, fast: Fast
) -> float:
    """Return the mean loss of what is held out; the same draws each time."""
    model.eval()
    total, count = 0.0, 0
    for number, batch in enumerate(objective.held_out):
        own = derive_seed(seed, "text", "held out", number)
        with fast():
            found = objective.loss(model, batch, own, device)
        total += float(found.total)
        count += found.count
    return total / max(count, 1)


def _share(done: float) -> float:
    """Return the share of the largest step size after a share of the steps, ``0 < done < 1``.

    Example:
        >>> [round(_share(done), 2) for done in (0.05, 0.1, 0.55, 0.991)]
        [0.5, 1.0, 0.5, 0.01]
    """
    return min(done / WARM_SHARE, (1 - done) / (1 - WARM_SHARE))
