"""Fair floors: their two constants are chosen on the validation tasks, as the model's are."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np

from fewrec_cli.data.base import Dataset
from fewrec_cli.data.totals import TrainTotals
from fewrec_cli.experiment.floor import FloorTasks, TrainStatistics, user_offset
from fewrec_cli.metric.settings import Evaluation
from fewrec_cli.scenario.base import Episodes

ITEM_GRID = (1.0, 2.0, 3.0, 5.0, 10.0, 20.0)
USER_GRID = (1.0, 2.0, 3.0, 5.0, 8.0, 13.0)
WITHOUT_VALIDATION = (5.0, 3.0)
LONGEST_SUPPORT = 64


@dataclass(frozen=True)
class Shrinkage:
    """The constants of the floors.

    Attributes:
        item: Ratings at the global mean added to each item's mean.
        user: Residuals of 0 added to each user's offset.
        chosen: Whether the validation tasks decided at least one of them.
    """

    item: float
    user: float
    chosen: bool


def choose_shrinkage(
    dataset: Dataset,
    train: Callable[[Episodes, int | None], TrainTotals],
    episodes: list[Episodes],
    sizes: tuple[int | None, ...],
    settings: Evaluation,
) -> Shrinkage:
    """Return the constants with the least MAE of item mean + user offset on validation tasks.

    Args:
        dataset: Its ratings of the validation tasks are read.
        train: Counts and sums of what floors may know of a draw at some support size.
        episodes: Draws of the validation tasks; without any, customary constants are taken.
        sizes: Support sizes averaged over; 0 is left out.
        settings: Constants given there are kept.
    """
    items = ITEM_GRID if settings.item_shrinkage is None else (settings.item_shrinkage,)
    users = USER_GRID if settings.user_shrinkage is None else (settings.user_shrinkage,)
    if len(items) * len(users) == 1:
        return Shrinkage(items[0], users[0], chosen=False)
    tasks = [
        (FloorTasks.cut(dataset.interactions, drawn, cut, 0), drawn, train(drawn, cut))
        for drawn in episodes
        for cut in dict.fromkeys(LONGEST_SUPPORT if size is None else size for size in sizes)
        if cut > 0 and len(drawn)
    ]
    if dataset.scale is None or not tasks:
        usual = WITHOUT_VALIDATION
        item = usual[0] if settings.item_shrinkage is None else settings.item_shrinkage
        user = usual[1] if settings.user_shrinkage is None else settings.user_shrinkage
        return Shrinkage(item, user, chosen=False)
    errors = {
        (item, user): _error(dataset, tasks, item, user) for item, user in product(items, users)
    }
    item, user = min(errors, key=lambda pair: errors[pair])
    return Shrinkage(item, user, chosen=True)


def _error(
    dataset: Dataset,
    tasks: list[tuple[FloorTasks, Episodes, TrainTotals]],
    item: float,
    user: float,
) -> float:
    """Return the mean over draws and sizes of the mean absolute error (stars)."""
    rows, scale, errors = dataset.interactions, dataset.scale, []
    for cut, drawn, train in tasks:
        known = TrainStatistics.fit(train, item_shrinkage=item, user_shrinkage=user)
        real = drawn.query >= 0
        predicted = user_offset(known, cut, rows.item[drawn.query])
        if scale is not None:
            predicted = np.clip(predicted, scale.low, scale.high)
        errors.append(np.abs(predicted - rows.rating[drawn.query])[real].mean())
    return float(np.mean(errors))
