"""Does asking help? Errors of a finished ridge run after the same number of answers, or questions.

    python scripts/bench_ask.py outputs/train/... [--answers 5] [--questions 20] [--on valid]

Answers: each test user rates that many of the items in its own support, picked by each rule.
Questions: all users get the same list of items, and answer those that they happen to have rated.
The query rows are those of the run's draws; errors are means over users of their mean over draws.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from fewrec_cli.cli.rerun import finished
from fewrec_cli.core.errors import ConfigError, FewrecError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.core.types import FloatArray, IntArray
from fewrec_cli.experiment.evidence import NewUser, evidence
from fewrec_cli.experiment.load import open_run
from fewrec_cli.experiment.world import World
from fewrec_cli.scenario.base import Episodes
from fewrec_cli.scenario.batch import Rows

Pick = Callable[[IntArray], IntArray]
"""From the rows that a user could rate to those it is asked for."""


@dataclass(frozen=True)
class Compared:
    """One rule.

    Attributes:
        name: What picks the items.
        answers: Ratings that a user gave, on average.
        mae: Mean absolute error of each user (stars), ``(users,)``.
    """

    name: str
    answers: float
    mae: FloatArray


@torch.no_grad()
def compare(base: Path, answers: int, questions: int, on: str) -> list[Compared]:
    """Adapt every user with a long enough support to what each rule asks, and score its query.

    Raises:
        FewrecError: The run cannot be loaded, says nothing of ratings, or has no such user.
    """
    _, world, _ = open_run(base, Reporter(quiet=True))
    if world.dataset.implicit:
        raise ConfigError(f"{world.dataset.name} has no ratings", "give a run on data with ratings")
    world.backbone.eval()
    world.strategy.eval()
    rng = np.random.default_rng(0)
    times = np.bincount(world.train.item, minlength=world.dataset.n_items)
    lists = _lists(world, times, questions, rng)
    errors: dict[str, dict[int, list[float]]] = {}
    given: dict[str, list[int]] = {}
    pool = world.split.test if on == "test" else world.split.valid
    for episodes in (world.scenario.draw(pool, number) for number in range(world.scenario.draws)):
        for task, user, own, query in _tasks(episodes, 3 * answers):
            item = world.dataset.interactions.item[own]
            asked = {
                "nothing": own[:0],
                "all": own,
                f"{answers}: random": rng.permutation(own)[:answers],
                f"{answers}: most rated": own[np.argsort(-times[item], kind="stable")[:answers]],
                f"{answers}: asked": own[_chosen(world, user, item, answers)],
                **{name: own[np.isin(item, chosen)] for name, chosen in lists.items()},
            }
            for name, rows in asked.items():
                errors.setdefault(name, {}).setdefault(task, []).append(
                    _error(world, user, rows, query)
                )
                given.setdefault(name, []).append(len(rows))
    if not errors:
        raise ConfigError(
            f"none of {len(pool):,} tasks has a support of {3 * answers} rows, 3 for each answer",
            "lower --answers",
        )
    return [
        Compared(name, float(np.mean(given[name])), np.array([np.mean(one) for one in by.values()]))
        for name, by in errors.items()
    ]


def _tasks(episodes: Episodes, least: int) -> Iterator[tuple[int, int, IntArray, IntArray]]:
    for task in range(len(episodes)):
        own, query = (rows[task][rows[task] >= 0] for rows in (episodes.support, episodes.query))
        if len(own) >= least:
            yield task, int(episodes.user[task]), own, query


def _lists(
    world: World, times: IntArray, questions: int, rng: np.random.Generator
) -> dict[str, IntArray]:
    """Return the items of each list, made without knowing who will be asked."""
    share = times / max(int(world.split.known_users.sum()), 1)
    everybody = rng.permutation(world.dataset.n_users)
    asked = evidence(world, NewUser(everybody, *_none()), share, questions)
    if asked.sd is None:
        raise ConfigError(
            "the run has no posterior by which to ask a user",
            "give a run with strategy/adapter=ridge",
        )
    return {
        f"list of {questions}: random": rng.permutation(np.flatnonzero(times))[:questions],
        f"list of {questions}: most rated": np.argsort(-times, kind="stable")[:questions],
        f"list of {questions}: asked": asked.item,
    }


def _chosen(world: World, user: int, item: IntArray, answers: int) -> IntArray:
    """Return which of a user's items are asked about when it is sure to know all of them."""
    known = np.zeros(world.dataset.n_items)
    known[item] = 1
    found = evidence(world, NewUser(np.array([user]), *_none()), known, answers).item
    place = {one: row for row, one in enumerate(item.tolist())}
    return np.array([place[one] for one in found.tolist()], np.int64)


def _none() -> tuple[IntArray, FloatArray]:
    return np.array([], np.int64), np.array([], np.float64)


def _error(world: World, user: int, rows: IntArray, query: IntArray) -> float:
    """Return the mean absolute error of the query (stars) after adapting to some rows."""
    data, owner = world.dataset.interactions, torch.tensor([user])
    rating = torch.from_numpy((data.rating[rows] - world.tensors.mean) / world.tensors.sd).float()
    support = Rows(torch.from_numpy(data.item[rows])[None], rating[None], torch.ones(1, len(rows)))
    adapted = world.strategy.adapt(world.backbone, owner, support, seed=0, training=False)
    found = adapted.predict(world.backbone, owner, torch.from_numpy(data.item[query])[None])
    stars = world.backbone.stars(found.score)[0].double().numpy()
    scale = world.dataset.scale
    assert scale is not None
    return float(np.abs(np.clip(stars, scale.low, scale.high) - data.rating[query]).mean())


def main() -> None:
    """Print a line per rule: answers, error, and its difference to that of the most rated items."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("run", help="folder of a finished run with strategy/adapter=ridge")
    parser.add_argument("--answers", type=int, default=5, help="ratings of each user's own (5)")
    parser.add_argument("--questions", type=int, default=20, help="items that all are asked (20)")
    parser.add_argument("--on", choices=("test", "valid"), default="test", help="users (test)")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    try:
        found = compare(finished(wanted.run), wanted.answers, wanted.questions, wanted.on)
    except FewrecError as fault:
        parser.exit(2, f"error: {fault}\n")
    by_name = {one.name: one.mae for one in found}
    sys.stdout.write(f"{len(found[0].mae):,} users\n")
    for one in found:
        line = f"{one.name:<24}{one.answers:6.1f} answers   MAE {one.mae.mean():.4f}"
        against = by_name.get(f"{one.name.partition(':')[0]}: most rated")
        if against is not None and against is not one.mae:
            off = one.mae - against
            error = off.std(ddof=1) / np.sqrt(len(off))
            line += f"   {off.mean():+.4f} ± {error:.4f} to most rated"
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
