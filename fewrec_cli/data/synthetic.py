"""Generated ratings with planted preferences, so that the right answer is known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fewrec_cli.core.errors import DataError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.core.seeding import generator
from fewrec_cli.core.types import Field, FloatArray, IntArray, Interactions
from fewrec_cli.data.base import Dataset, DataSource, Note
from fewrec_cli.data.content import ContentHash
from fewrec_cli.data.field import categorical, multi
from fewrec_cli.data.scale import check_positive, parse_scale

FIRST_YEAR, YEARS = 1990, 20
FIRST_DAY, DAY = 1_000_000_000, 86_400


@dataclass(frozen=True)
class Planted:
    """The hidden truth.

    Attributes:
        group: Hidden group of each user, ``(users,)``.
        type: Hidden type of each item, ``(items,)``.
        oracle: Noise-free rating (stars), ``(users, items)``.
    """

    group: IntArray
    type: IntArray
    oracle: FloatArray


class Synthetic(DataSource):
    """Users belong to hidden groups, items to hidden types; groups like some types over others.

    The planted rating is the middle of the scale + user offset + item quality + taste, where taste
    is the scaled product of a user's and an item's hidden factors; a user's factors are the
    group's plus a deviation of their own, an item's the type's plus a spread of its own. Observed
    ratings add noise and are rounded. Which items a user rates does not depend on taste.

    Args:
        seed: Seed of the generation, apart from the run's seed.
        users: Number of users.
        items: Number of items.
        groups: Number of hidden groups of users.
        types: Number of hidden types of items.
        dimensions: Number of hidden factors.
        ratings_per_user: Fewest and most items a user rates, drawn evenly.
        taste: Standard deviation of the taste part (stars).
        deviation: Share of a user's factors that is their own, in [0, 1].
        spread: Share of an item's factors that is its own, in [0, 1].
        user_offset: Standard deviation over users (stars).
        item_quality: Standard deviation over items (stars).
        noise: Standard deviation of the noise of an observed rating (stars).
        reveal: Probability that an attribute tells the hidden group or type, in [0, 1].
        popularity: Standard deviation of the log of an item's chance of being rated.
        scale: Lowest and highest level, and their step if not 1.
        positive: A rating of at least this (stars) counts as liked.
    """

    def __init__(
        self,
        *,
        seed: int,
        users: int,
        items: int,
        groups: int,
        types: int,
        dimensions: int,
        ratings_per_user: Sequence[int],
        taste: float,
        deviation: float,
        spread: float,
        user_offset: float,
        item_quality: float,
        noise: float,
        reveal: float,
        popularity: float,
        scale: Sequence[float],
        positive: float,
    ) -> None:
        self.seed = seed
        self.users = users
        self.items = items
        self.groups = groups
        self.types = types
        self.dimensions = dimensions
        self.ratings_per_user = ratings_per_user
        self.taste = taste
        self.deviation = deviation
        self.spread = spread
        self.user_offset = user_offset
        self.item_quality = item_quality
        self.noise = noise
        self.reveal = reveal
        self.popularity = popularity
        self.scale = scale
        self.positive = positive

    def load(self, reporter: Reporter) -> Dataset:
        """Generate the data; the same keys give the same data."""
        self._check()
        with reporter.stage("generate", 1) as advance:
            dataset = self._generate()
            advance()
        return dataset

    def _check(self) -> None:
        for name in ("users", "items"):
            if getattr(self, name) < 2:
                raise DataError(
                    f"data.{name}={getattr(self, name)} leaves nothing to recommend",
                    f"set data.{name} to at least 2",
                )
        for name in ("groups", "types", "dimensions"):
            if getattr(self, name) < 1:
                raise DataError(
                    f"data.{name}={getattr(self, name)} is too few", f"set data.{name} to 1 or more"
                )
        for name in ("deviation", "spread", "reveal"):
            if not 0 <= getattr(self, name) <= 1:
                raise DataError(
                    f"data.{name}={getattr(self, name)} is no share", "give a number from 0 to 1"
                )
        for name in ("taste", "user_offset", "item_quality", "noise", "popularity"):
            if not 0 <= getattr(self, name) < np.inf:
                raise DataError(
                    f"data.{name}={getattr(self, name)} is no standard deviation",
                    "give a number of at least 0",
                )
        wanted = self.ratings_per_user
        if len(wanted) != 2 or not 1 <= wanted[0] <= wanted[1] <= self.items:
            raise DataError(
                f"data.ratings_per_user={list(wanted)} does not fit {self.items:,} items",
                "write [FEWEST,MOST] with 1 <= FEWEST <= MOST <= data.items",
            )

    def _generate(self) -> Dataset:
        scale = parse_scale(self.scale)
        check_positive(self.positive, scale)
        planted = self._plant()
        rows = self._observe(planted)
        # The catalogue holds only items that somebody rated, as in every other data set.
        rated, item = np.unique(rows.item, return_inverse=True)
        rows = Interactions(rows.user, item.astype(np.int64), rows.rating, rows.timestamp)
        kinds = planted.type[rated]
        year = generator(self.seed, "year").integers(YEARS, size=self.items)[rated] + FIRST_YEAR
        segment, user_note = self._segment(planted.group)
        genres, item_note, names = self._genres(kinds)
        user_ids, item_ids = np.arange(1, self.users + 1), rated.astype(np.int64) + 1
        digest = ContentHash().interactions(rows).ids("user", user_ids).ids("item", item_ids)
        digest.fields("user", [segment]).fields("item", [genres]).array("year", year)
        digest.scale(scale, self.positive).array("oracle", planted.oracle[:, rated])
        title = tuple(f"Item {i} ({y})" for i, y in zip(item_ids, year, strict=True))
        told = tuple(", ".join(n) for n in names)
        text = tuple(f"{t}. {n}." for t, n in zip(title, told, strict=True))
        unrated = self.items - len(rated)
        dropped = [Note("items", unrated, "left out: nobody rated them")] if unrated else []
        return Dataset(
            name="synthetic",
            interactions=rows,
            user_ids=user_ids,
            item_ids=item_ids,
            user_fields=(segment,),
            item_fields=(genres,),
            scale=scale,
            positive=self.positive,
            hash=digest.texts("text", text).hex(),
            item_year=year,
            item_text=text,
            item_facts={"title": title, "genres": told},
            notes=(user_note, item_note, *dropped),
            oracle=planted.oracle[:, rated],
        )

    def _plant(self) -> Planted:
        draw = generator(self.seed, "plant")
        scale = parse_scale(self.scale)
        group = draw.integers(self.groups, size=self.users)
        kind = draw.integers(self.types, size=self.items)
        centre = draw.normal(size=(self.groups, self.dimensions))
        # Centred over groups: what all groups like alike is item quality, not taste.
        centre = _unit(centre - centre.mean(0) if self.groups > 1 else centre)
        user = np.sqrt(1 - self.deviation**2) * centre[group]
        user += self.deviation * draw.normal(size=(self.users, self.dimensions))
        item = (
            np.sqrt(1 - self.spread**2)
            * _unit(draw.normal(size=(self.types, self.dimensions)))[kind]
        )
        item += self.spread * draw.normal(size=(self.items, self.dimensions))
        taste = self.taste / np.sqrt(self.dimensions) * user @ item.T
        offset = self.user_offset * draw.normal(size=(self.users, 1))
        quality = self.item_quality * draw.normal(size=(1, self.items))
        middle = (scale.low + scale.high) / 2
        oracle = np.clip(middle + offset + quality + taste, scale.low, scale.high)
        return Planted(group, kind, oracle)

    def _observe(self, planted: Planted) -> Interactions:
        draw = generator(self.seed, "observe")
        scale = parse_scale(self.scale)
        fewest, most = self.ratings_per_user
        counts = draw.integers(fewest, most + 1, size=self.users)
        chance = np.exp(self.popularity * draw.normal(size=self.items))
        # Sorting by Exp(1)/chance draws items without replacement in proportion to chance.
        order = np.argsort(draw.exponential(size=(self.users, self.items)) / chance, axis=1)
        taken = np.arange(self.items) < counts[:, None]
        user, item = np.nonzero(taken)[0], order[taken]
        noisy = planted.oracle[user, item] + self.noise * draw.normal(size=len(user))
        steps = np.rint((noisy - scale.low) / scale.step)
        rating = scale.low + scale.step * np.clip(steps, 0, len(scale.levels) - 1)
        joined = draw.integers(365 * DAY, size=self.users)
        within = np.arange(len(user)) - np.repeat(np.cumsum(counts) - counts, counts)
        return Interactions(user, item, rating, FIRST_DAY + joined[user] + 60 * within)

    def _segment(self, group: IntArray) -> tuple[Field, Note]:
        draw = generator(self.seed, "segment")
        told = draw.random(self.users) < self.reveal
        shown = np.where(told, group, draw.integers(self.groups, size=self.users))
        return categorical("segment", [f"segment {g}" for g in shown], rare=1)

    def _genres(self, kinds: IntArray) -> tuple[Field, Note, list[list[str]]]:
        """One genre tells the type with probability ``reveal``, a second one is drawn freely."""
        draw = generator(self.seed, "genres")
        told = draw.random(len(kinds)) < self.reveal
        first = np.where(told, kinds, draw.integers(self.types, size=len(kinds)))
        second = draw.integers(self.types, size=len(kinds))
        names = [
            [f"genre {g}" for g in dict.fromkeys(pair)]
            for pair in zip(first.tolist(), second.tolist(), strict=True)
        ]
        return *multi("genres", names, rare=1), names


def _unit(factors: FloatArray) -> FloatArray:
    """Scale to a mean square of 1."""
    size = np.sqrt((factors**2).mean())
    return factors / size if size > 0 else factors
