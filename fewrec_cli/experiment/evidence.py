"""How much the rating of each item would tell about a new user, by what the strategy adapts."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.grouping import order_by_owner
from fewrec_cli.core.seeding import derive_seed
from fewrec_cli.core.types import FloatArray, IntArray, Interactions
from fewrec_cli.engine.base import Adapted
from fewrec_cli.engine.design import greedy
from fewrec_cli.engine.ridge import Posterior
from fewrec_cli.experiment.world import World
from fewrec_cli.scenario.batch import Rows

NUMBERS = 1 << 25
"""Numbers of the catalogue's design over all people, at most (one person is always taken)."""
PEOPLE = 64
"""People that the new user may be, at most."""
ADAPTED = 1 << 23
"""Adapted numbers at a time, at most."""
ROWS_PER_ITEM = 8
"""Training ratings of an item whose effect is averaged, at most."""


@dataclass(frozen=True)
class NewUser:
    """What is known of whoever is asked.

    Attributes:
        people: Users of the data whose attributes the new user may have, shuffled, ``(people,)``.
        item: Items already rated, ``(n,)``.
        rating: Their ratings, standard units, ``(n,)``.
    """

    people: IntArray
    item: IntArray
    rating: FloatArray

    def support(self, tasks: int) -> Rows:
        """Return the known ratings once for each of ``tasks`` tasks, ``(tasks, n)``."""
        item = torch.from_numpy(self.item).expand(tasks, -1)
        rating = torch.from_numpy(self.rating).float().expand(tasks, -1)
        return Rows(item, rating, torch.ones_like(rating))


@dataclass(frozen=True)
class Evidence:
    """Items whose ratings tell most, best first.

    Attributes:
        item: ``(picks,)``.
        tells: What each tells: by variance, the expected standard deviation of a rating once it and
            those before it are answered (standard units); by movement, how far the adapted weights
            move.
        sd: By variance, that deviation before any rating is known, and with the known ones.
    """

    item: IntArray
    tells: tuple[float, ...]
    sd: tuple[float, float] | None


@torch.no_grad()
def evidence(world: World, user: NewUser, known: FloatArray, picks: int) -> Evidence:
    """Choose what to ask, by variance where the adapter has a posterior, else by movement.

    Args:
        world: Trained, in eval mode, on the CPU.
        user: Who is asked.
        known: Chance that each item gets an answer; 0 leaves it out, ``(items,)``.
        picks: How many items, at most.

    Raises:
        ConfigError: The strategy adapts no weights, or answers with more than weights.
    """
    some = torch.from_numpy(user.people[:1])
    answer = _adapted(world, some, user.support(1))
    if isinstance(answer, Posterior):
        return _by_variance(world, user, known, picks)
    try:
        answer.values_by_name()
    except ConfigError as fault:
        raise ConfigError(
            f"strategy={world.strategy.name} does not say what one rating would tell it",
            "give a run of one that does, such as strategy=combined strategy/adapter=ridge",
        ) from fault
    return _by_movement(world, user, known, picks)


def _by_variance(world: World, user: NewUser, known: FloatArray, picks: int) -> Evidence:
    """Lower the expected variance of a rating, items weighted by how often they are rated."""
    backbone = world.backbone
    columns, n_items = len(backbone.head.linear_weights()), world.dataset.n_items
    most = max(1, min(PEOPLE, NUMBERS // (columns * n_items)))
    people = torch.from_numpy(user.people[:most])
    items = torch.arange(n_items).expand(len(people), -1)
    _, design = backbone.head.linear_view(backbone.encode(people, items))
    worth = np.bincount(world.train.item, minlength=n_items).astype(np.float64)
    worth[user.item] = 0  # what is known needs no prediction
    weights = torch.from_numpy(worth / max(worth.sum(), 1))
    plans = []
    for rated, asked in (
        (replace(user, item=user.item[:0], rating=user.rating[:0]), 0),
        (user, picks),
    ):
        found = _adapted(world, people, rated.support(len(people)))
        assert isinstance(found, Posterior)
        noise, inverse = found.noise.double(), found.covariance.matrix().double()
        chance = torch.from_numpy(known)
        plan = greedy(design.double(), inverse, noise, weights, chance, asked)
        plans.append((plan, float(noise.mean())))
    before, (plan, noise_level) = plans[0][0].left[0] + plans[0][1], plans[1]
    sds = [(noise_level + left) ** 0.5 for left in plan.left]
    return Evidence(np.array(plan.row, np.int64), tuple(sds[1:]), (before**0.5, sds[0]))


def _by_movement(world: World, user: NewUser, known: FloatArray, picks: int) -> Evidence:
    """Take the items whose ratings move the adapted weights farthest, times their chance.

    Source:
        Lee et al., "MeLU", KDD 2019, section 3.4: the norm of the personalised gradient of an
        item's ratings times its popularity. Departure: the length of the whole adaptation to one
        rating, the same but for the step size where that is one step; at most ``ROWS_PER_ITEM``
        ratings of each item.
    """
    rows = _ratings(world.train, known, user.people, world.dataset.n_items)
    total = np.zeros(world.dataset.n_items)
    step = max(1, ADAPTED // max(world.strategy.adapter.numbers(world.backbone), 1))
    for part in (
        rows.take(np.arange(len(rows))[start : start + step]) for start in range(0, len(rows), step)
    ):
        np.add.at(total, part.item, _moves(world, user, part))
    count = np.bincount(rows.item, minlength=len(total))
    mean = total / np.maximum(count, 1)
    order = np.argsort(-known * mean, kind="stable")[: min(picks, int((count > 0).sum()))]
    return Evidence(order, tuple(mean[order].tolist()), None)


def _ratings(
    train: Interactions, known: FloatArray, people: IntArray, n_items: int
) -> Interactions:
    """Draw some training ratings of each item that may be asked for, by users like the new one."""
    able = np.zeros(int(max(train.user.max(initial=0), people.max(initial=0))) + 1, bool)
    able[people] = True
    rows = np.flatnonzero(able[train.user] & (known[train.item] > 0))
    rows = np.random.default_rng(derive_seed(0, "ask")).permutation(rows)
    rows = rows[order_by_owner(train.item[rows], n_items)]
    count = np.bincount(train.item[rows], minlength=n_items)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
    return train.take(rows[place < ROWS_PER_ITEM])


def _moves(world: World, user: NewUser, rows: Interactions) -> FloatArray:
    """Return how far each rating, besides the known ones, moves the weights, ``(n,)``."""
    owner, before = torch.from_numpy(rows.user), user.support(len(rows))
    rating = torch.from_numpy((rows.rating - world.tensors.mean) / world.tensors.sd).float()
    one = Rows(torch.from_numpy(rows.item)[:, None], rating[:, None], torch.ones(len(rows), 1))
    both = Rows(
        torch.cat([before.item, one.item], 1),
        torch.cat([before.rating, one.rating], 1),
        torch.cat([before.weight, one.weight], 1),
    )
    starts, ends = (_adapted(world, owner, given).values_by_name() for given in (before, both))
    if not ends:
        raise ConfigError(
            "this run adapts to no rating, so that none tells it anything",
            "give a run with strategy/adapter=ridge or gradient",
        )
    changes = [(value - starts[name]).reshape(len(rows), -1) for name, value in ends.items()]
    lengths: FloatArray = torch.cat(changes, 1).norm(dim=1).double().numpy()
    return lengths


def _adapted(world: World, people: Tensor, support: Rows) -> Adapted:
    return world.strategy.adapt(world.backbone, people, support, seed=0, training=False)
