"""Evaluation: model, unadapted model, floors and oracle on the same draws by the same code."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from fewrec_cli.core.progress import Advance
from fewrec_cli.core.seeding import derive_seed
from fewrec_cli.core.types import IntArray
from fewrec_cli.data.totals import TrainTotals
from fewrec_cli.experiment.deciles import DecileErrors
from fewrec_cli.experiment.floor import (
    Floor,
    FloorTasks,
    TrainStatistics,
    floors,
    like_share,
    older_first,
    oracle,
)
from fewrec_cli.experiment.foretell import Foretold
from fewrec_cli.experiment.pooled import pooled_totals
from fewrec_cli.experiment.result import Kind
from fewrec_cli.experiment.score import Scored, Scorer
from fewrec_cli.experiment.shrinkage import choose_shrinkage
from fewrec_cli.experiment.world import World, candidates_of
from fewrec_cli.metric.base import RankedLists, RatedQueries
from fewrec_cli.metric.evaluate import PerTask, gather, score_block
from fewrec_cli.metric.lists import Catalogue, item_vectors
from fewrec_cli.scenario.base import Episodes
from fewrec_cli.scenario.candidates import CandidateBatch

VALIDATION_DRAWS = 3
"""Draws of the validation tasks on which the floors' constants are chosen."""
Points = tuple[int | None, ...]


@dataclass(frozen=True)
class Cell:
    """One row of the table at one support size on one draw.

    Attributes:
        row: Name of the row.
        kind: Where the figures come from.
        shots: Support size; None stands for all.
        draw: Number of the draw.
        figures: Metrics of the draw and of each task.
        n_support: Support rows of each task, ``(tasks,)``.
        n_query: Query rows of each task, ``(tasks,)``.
        adapt_s: Wall time of adaptation of all tasks (seconds), None where nothing adapts.
    """

    row: str
    kind: Kind
    shots: int | None
    draw: int
    figures: PerTask
    n_support: IntArray
    n_query: IntArray
    adapt_s: float | None


@dataclass(frozen=True)
class Predictions:
    """The model's scores on one draw at the headline support size."""

    episodes: Episodes
    candidates: tuple[CandidateBatch, ...]
    scored: Scored


@dataclass(frozen=True)
class _Line:
    """Scores of one row, at the support sizes that they hold for."""

    row: str
    kind: Kind
    shots: Points
    blocks: tuple[Foretold, ...]
    rates: bool
    adapt_s: float | None = None


class Evaluator:
    """Scores all rows of the table.

    Args:
        world: What the run is made of.
        scorer: The trained model.
        name: Row name of the model, the strategy's word.
        seed: The run's seed, for ties and the random floor.

    Attributes:
        shrinkage: The floors' constants.
        points: Support sizes of the curve and of the headline, ascending; None (all) last.
        predictions: Filled where ``evaluation.save_predictions`` asks for it.
        deciles: Filled where ``evaluation.deciles`` asks for it, else None.
    """

    def __init__(self, world: World, scorer: Scorer, name: str, seed: int) -> None:
        self.world = world
        self.scorer = scorer
        self.name = name
        self.seed = seed
        dataset, settings, scenario = world.dataset, world.evaluation, world.scenario
        self.split_at = tuple(None if one == "all" else one for one in settings.deciles)
        self.points = _points((*scenario.curve, *self.split_at), scenario.shots)
        draws = range(VALIDATION_DRAWS if len(world.split.valid) else 0)
        self.shrinkage = choose_shrinkage(
            dataset,
            partial(pooled_totals, world),
            [scenario.draw(world.split.valid, number) for number in draws],
            self.points,
            settings,
        )
        self.statistics = self._statistics(world.totals)
        self.floors = floors(implicit=dataset.implicit, pool=scenario.pool)
        if scenario.candidates == "query" and scenario.query_word == "1" and not dataset.implicit:
            self.floors = (*self.floors, like_share(dataset.positive))
        if scenario.domain and dataset.item_year is not None:
            self.floors = (*self.floors, older_first(dataset.item_year))
        if dataset.oracle is not None:
            self.floors = (*self.floors, oracle(dataset.oracle))
        self.catalogue = Catalogue(
            self.statistics.popularity,
            int(world.split.known_users.sum()),
            item_vectors(dataset.item_fields),
        )
        self.source = candidates_of(world)
        self.predictions: list[Predictions] = []
        self.deciles = DecileErrors(world) if self.split_at else None

    def _statistics(self, known: TrainTotals) -> TrainStatistics:
        return TrainStatistics.fit(
            known, item_shrinkage=self.shrinkage.item, user_shrinkage=self.shrinkage.user
        )

    @property
    def steps(self) -> int:
        """Rows that are scored for each draw, the units of ``draw``'s progress."""
        moving = 1 + sum(floor.reads_support for floor in self.floors)
        return moving * len(self.points) + 2 + len(self.floors) - moving

    def draw(self, episodes: Episodes, advance: Advance) -> list[Cell]:
        """Score every row of the table at every support size on one draw."""
        candidates = tuple(self.source.batches(episodes))
        n_query = (episodes.query >= 0).sum(1)
        available = (episodes.support >= 0).sum(1)
        cells = []
        for line in self._lines(episodes, candidates):
            rated = self._rated_blocks(episodes, candidates, line)
            figures = self._figures(episodes, candidates, line, rated)
            for shots in line.shots:
                if self.deciles is not None and shots in self.split_at:
                    self.deciles.add(line.row, line.kind, shots, episodes, candidates, rated)
                n_support = available if shots is None else np.minimum(available, shots)
                cells.append(
                    Cell(
                        line.row,
                        line.kind,
                        shots,
                        episodes.draw,
                        figures,
                        n_support,
                        n_query,
                        line.adapt_s,
                    )
                )
            advance()
        return cells

    def _lines(self, episodes: Episodes, candidates: tuple[CandidateBatch, ...]) -> Iterator[_Line]:
        for shots in self.points:
            scored = self.scorer.adapted(episodes, candidates, shots)
            if shots == self.world.scenario.shots and self.world.evaluation.save_predictions:
                self.predictions.append(Predictions(episodes, candidates, scored))
            yield _Line(self.name, "model", (shots,), scored.blocks, True, scored.adapt_s)
        before = self.scorer.unadapted(episodes, candidates)
        yield _Line(f"{self.name} (unadapted)", "unadapted", self.points, before.blocks, True)
        for floor in self.floors:
            groups = [(shots,) for shots in self.points] if floor.reads_support else [self.points]
            for group in groups:
                blocks = self._predicted(floor, episodes, candidates, group[0])
                yield _Line(floor.name, floor.kind, group, blocks, floor.rates)

    def _predicted(
        self,
        floor: Floor,
        episodes: Episodes,
        candidates: Sequence[CandidateBatch],
        shots: int | None,
    ) -> tuple[Foretold, ...]:
        """Return a floor's scores of every candidate batch."""
        seed = derive_seed(self.seed, "floor", episodes.draw)
        tasks = FloorTasks.cut(self.world.dataset.interactions, episodes, shots, seed)
        known = self.statistics
        if self.world.scenario.pool:
            known = self._statistics(pooled_totals(self.world, episodes, shots))
        return tuple(
            Foretold(
                floor.predict(known, tasks.part(batch.start, batch.start + len(batch)), batch.item)
            )
            for batch in candidates
        )

    def _figures(
        self,
        episodes: Episodes,
        candidates: Sequence[CandidateBatch],
        line: _Line,
        rated: Sequence[RatedQueries | None],
    ) -> PerTask:
        settings = self.world.evaluation
        blocks = [
            score_block(
                RankedLists(block.score, batch.rating, batch.relevant, batch.mask, batch.item),
                given,
                k=settings.k,
                no_positive=settings.no_positive,
                seed=derive_seed(self.seed, "ties", episodes.draw),
                start=batch.start,
                catalogue=self.catalogue,
                further=settings.further,
                n_query=(episodes.query[batch.start : batch.start + len(batch)] >= 0).sum(1),
            )
            for batch, block, given in zip(candidates, line.blocks, rated, strict=True)
        ]
        return gather(blocks, episodes.user)

    def _rated_blocks(
        self, episodes: Episodes, candidates: Sequence[CandidateBatch], line: _Line
    ) -> list[RatedQueries | None]:
        rates = line.rates and not self.world.dataset.implicit
        return [
            self._rated(episodes, batch, block) if rates else None
            for batch, block in zip(candidates, line.blocks, strict=True)
        ]

    def _rated(
        self, episodes: Episodes, batch: CandidateBatch, block: Foretold
    ) -> RatedQueries | None:
        dataset = self.world.dataset
        if dataset.scale is None:
            return None
        query = episodes.query[batch.start : batch.start + len(batch)]
        mask = query >= 0
        return RatedQueries(
            block.score[:, : batch.query_columns],
            np.where(mask, dataset.interactions.rating[query], 0.0),
            mask,
            dataset.scale,
            dataset.positive,
            block.decoded,
            block.low,
            block.high,
        )


def _points(curve: Points, shots: int | None) -> Points:
    sizes = {*curve, shots}
    known = sorted(size for size in sizes if size is not None)
    return (*known, None) if None in sizes else tuple(known)
