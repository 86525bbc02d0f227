"""``fewrec ask``: the items whose ratings would tell a finished run most about a new user."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.core.seeding import derive_seed
from fewrec_cli.core.types import BoolArray, Field, FloatArray, IntArray
from fewrec_cli.data.base import Dataset
from fewrec_cli.experiment.evidence import NewUser, evidence
from fewrec_cli.experiment.foretell import Z80
from fewrec_cli.experiment.load import open_run
from fewrec_cli.experiment.world import World

SHOWN = 8
"""Values that a mistake in a word names, at most."""


@dataclass(frozen=True)
class Question:
    """One item to ask about.

    Attributes:
        item_id: As in the data's files.
        text: What the data says of it; empty where it has no texts.
        times: Training ratings of it.
        tells: The standard deviation of a rating (stars) once this and all before it are answered;
            or how far its rating moves the adapted weights.
    """

    item_id: str
    text: str
    times: int
    tells: float


@dataclass(frozen=True)
class Questions:
    """What to ask, best first.

    Attributes:
        data: Name of the data set.
        people: Users of the data that the new user may be like.
        half: Half the width of the 80% interval of a rating (stars): before any rating is known,
            with the known ones, and once every question is answered; None where the run has no
            variance, and ``tells`` is a movement.
        asked: The items.
    """

    data: str
    people: int
    half: tuple[float, float, float] | None
    asked: tuple[Question, ...]


def ask(
    base: Path,
    *,
    k: int,
    known: float,
    rated: Mapping[str, float],
    about: Mapping[str, str],
    reporter: Reporter,
) -> Questions:
    """Choose the items to ask a new user about.

    Args:
        base: A finished run folder.
        k: How many items, >= 1.
        known: Power of the share of users who rated an item, taken as the chance that the new user
            can rate it, >= 0; 0: everybody knows everything.
        rated: Ratings (stars) already known of the user, by item id.
        about: Attributes of the user, by field.
        reporter: Told of long work.

    Raises:
        FewrecError: The run cannot be loaded, has no ratings, adapts to none, or the words do not
            fit its data.
    """
    cfg, world, _ = open_run(base, reporter)
    torch.set_num_threads(cfg.threads)
    dataset = world.dataset
    if dataset.implicit:
        raise ConfigError(
            f"{dataset.name} has no ratings to ask for, only interactions",
            "give a run on data with ratings",
        )
    world.backbone.eval()
    world.strategy.eval()
    items = _items(rated, dataset)
    people = np.flatnonzero(_like(about, dataset))
    rng = np.random.default_rng(derive_seed(cfg.seed, "ask"))
    rating = (np.array([*rated.values()], np.float64) - world.tensors.mean) / world.tensors.sd
    user = NewUser(rng.permutation(people), items, rating)
    times = np.bincount(world.train.item, minlength=dataset.n_items)
    with reporter.stage("ask"):
        found = evidence(world, user, _chance(world, times, known, items), k)
    sd, asked = float(world.backbone.rating_sd), []
    for item, tells in zip(found.item.tolist(), found.tells, strict=True):
        text = "" if dataset.item_text is None else dataset.item_text[item]
        value = tells if found.sd is None else tells * sd
        asked.append(Question(str(dataset.item_ids[item]), text, int(times[item]), value))
    half = None
    if found.sd is not None:
        before, given = found.sd
        after = found.tells[-1] if asked else given
        half = (Z80 * before * sd, Z80 * given * sd, Z80 * after * sd)
    return Questions(dataset.name, len(people), half, tuple(asked))


def _chance(world: World, times: IntArray, known: float, rated: IntArray) -> FloatArray:
    """Return the chance that each item can be rated; 0 for those never seen or rated already."""
    people = max(int(world.split.known_users.sum()), 1)
    chance: FloatArray = np.where(times > 0, np.minimum(times / people, 1.0) ** known, 0.0)
    chance[rated] = 0
    return chance


def _items(rated: Mapping[str, float], dataset: Dataset) -> IntArray:
    """Return the rows of rated items.

    Raises:
        ConfigError: An item does not exist, or a rating lies off the scale.
    """
    place = {str(name): row for row, name in enumerate(dataset.item_ids.tolist())}
    scale = dataset.scale
    for name, rating in rated.items():
        if name not in place:
            raise ConfigError(
                f"rated names item {name!r}, which {dataset.name} does not have",
                f"give ids as in its files, e.g. {dataset.item_ids[0]}",
            )
        if scale is not None and not scale.low <= rating <= scale.high:
            raise ConfigError(
                f"rated gives item {name} {rating:g} stars",
                f"give {scale.low:g} to {scale.high:g}, the scale of {dataset.name}",
            )
    return np.array([place[name] for name in rated], np.int64)


def _like(about: Mapping[str, str], dataset: Dataset) -> BoolArray:
    """Return which users have the given attributes, ``(n_users,)``.

    Raises:
        ConfigError: A field or value does not exist, or no user has all of them.
    """
    fields = {field.name: field for field in dataset.user_fields if field.kind != "numeric"}
    like = np.ones(dataset.n_users, bool)
    for name, value in about.items():
        if name not in fields:
            raise ConfigError(
                f"about names {name!r}, which is no attribute of the users of {dataset.name}",
                f"one of: {_some([*fields])}" if fields else "leave about= out",
            )
        like &= _has(fields[name], value)
    if not like.any():
        told = " and ".join(f"{name}={value}" for name, value in about.items())
        raise ConfigError(f"no user of {dataset.name} has {told}", "leave one of them out")
    return like


def _has(field: Field, value: str) -> BoolArray:
    if value not in field.vocabulary:
        raise ConfigError(
            f"about gives {field.name}={value}, which no user has",
            f"one of: {_some([*field.vocabulary])}",
        )
    owner = np.repeat(np.arange(len(field)), np.diff(field.offsets))
    has = np.zeros(len(field), bool)
    has[owner[field.index == field.vocabulary.index(value)]] = True
    return has


def _some(names: list[str]) -> str:
    more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def as_json(found: Questions) -> dict[str, Any]:
    """Return what is printed with ``--json``."""
    unit = "moves" if found.half is None else "sd_after"
    words = ("before", "known", "after")
    half = None if found.half is None else dict(zip(words, found.half, strict=True))
    return {
        "data": found.data,
        "people": found.people,
        "interval80_half": half,
        "items": [
            {"rank": rank, "item_id": one.item_id, "text": one.text, "rated": one.times}
            | {unit: one.tells}
            for rank, one in enumerate(found.asked, 1)
        ],
    }
