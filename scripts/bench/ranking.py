"""Adapt a block of users and rank a whole catalogue for each: per-user loop and product."""

import torch
from torch import Tensor

from bench import ours, peers
from bench.clock import Contender
from bench.train import RATE
from bench.workload import dataset, meta_batch, model
from fewrec_cli.engine import rank

TOP = 10


def contenders(items: int, users: int, device: torch.device) -> list[Contender]:
    """Return the loop over users and the engine, on the same users; every fourth one warms up.

    Raises:
        RuntimeError: The two do not rank the same items.
    """
    data = dataset(items)
    backbone = model(data, device).eval()
    meta = meta_batch(users, 7, device, items)
    catalogue = torch.arange(items, device=device)
    adapter = ours.gradient("first", 1, RATE, "auto")
    strategy = ours.maml(backbone, data, adapter, users).to(device)
    batch = meta.batch
    seen = torch.where(batch.support.weight > 0, batch.support.item, -1)

    def loop() -> Tensor:
        return peers.rank(backbone, meta.tasks, catalogue, RATE, TOP)

    @torch.no_grad()
    def engine() -> Tensor:
        adapted = strategy.adapt(backbone, batch.user, batch.support, seed=0, training=False)
        return rank.top(backbone, adapted, batch.user, seen, TOP, items).item

    same = float((loop() == engine()).float().mean())
    if same < 0.99:  # float32: neighbours of nearly equal score may change places
        raise RuntimeError(f"loop and engine agree on {same:.1%} of the ranked items only")

    def counted(work) -> Contender:
        def run() -> int:
            work()
            return users

        return Contender(f"{work.__name__}/{users}", run)

    return [counted(loop), counted(engine)]
